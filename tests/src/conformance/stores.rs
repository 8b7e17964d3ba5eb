//! Stores of scenarios.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use eddyline_core::dsl::Materialized;
use eddyline_core::state::{StoreBuilder, Stores};
use serde_json::Value;

use super::build::{BuildError, Cell, KeyCell, nullable};
use super::datum::{Datum, Kind};
use super::text;

/// The type of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Plain,
    Timestamped,
    /// What `count` makes.
    TimestampedLong,
    Versioned,
}

/// What commands have to know of a store.
#[derive(Clone, Debug)]
pub(super) struct StoreSpec {
    pub(super) kind: StoreKind,
    pub(super) keys: Kind,
    pub(super) values: Kind,
    pub(super) key_serde: String,
}

pub(super) type StoreSpecs = BTreeMap<String, StoreSpec>;

/// A stand-alone store.
pub(super) fn stand_alone(store: &Value) -> Result<(StoreSpec, Box<dyn StoreBuilder>), BuildError> {
    let name = text(store, "name").unwrap_or_default();
    let kind = text(store, "kind").unwrap_or_default();
    if text(store, "type") == Some("lru") {
        return Err(BuildError::unsupported("lru stores"));
    }
    let key_serde = text(store, "key_serde").unwrap_or("string");
    let value_serde = text(store, "value_serde").unwrap_or("string");
    let (keys, values) = (nullable::<Datum>(key_serde), Datum::serde(value_serde));
    let flag = |field| store.get(field).and_then(Value::as_bool);
    if kind == "versioned_kv" {
        return versioned(store, name);
    }
    let supplier = Stores::in_memory_key_value_store(name);
    macro_rules! options {
        ($builder:expr) => {{
            let builder = $builder;
            let builder = match flag("caching") {
                Some(true) => builder.with_caching_enabled(),
                _ => builder,
            };
            match flag("logging") {
                Some(false) => builder.with_logging_disabled(),
                _ => builder,
            }
        }};
    }
    let (kind, builder): (_, Box<dyn StoreBuilder>) = match kind {
        "kv" => (
            StoreKind::Plain,
            Box::new(options!(Stores::key_value_store_builder(
                supplier, keys, values
            ))),
        ),
        "timestamped_kv" => (
            StoreKind::Timestamped,
            Box::new(options!(Stores::timestamped_key_value_store_builder(
                supplier, keys, values
            ))),
        ),
        other => return Err(BuildError::unsupported(format!("{other} stores"))),
    };
    let spec = StoreSpec {
        kind,
        keys: Kind::of(key_serde),
        values: Kind::of(value_serde),
        key_serde: key_serde.to_owned(),
    };
    Ok((spec, builder))
}

/// A stand-alone versioned store.
fn versioned(store: &Value, name: &str) -> Result<(StoreSpec, Box<dyn StoreBuilder>), BuildError> {
    let number = |field| store.get(field).and_then(Value::as_i64);
    let supplier = Stores::in_memory_versioned_key_value_store(
        name,
        number("history_retention_ms").unwrap_or(0),
        number("segment_interval_ms"),
    );
    let supplier = supplier.map_err(|error| BuildError::unsupported(error.to_string()))?;
    let key_serde = text(store, "key_serde").unwrap_or("string");
    let value_serde = text(store, "value_serde").unwrap_or("string");
    let (keys, values) = (nullable::<Datum>(key_serde), Datum::serde(value_serde));
    let mut builder = Stores::versioned_key_value_store_builder(supplier, keys, values);
    if store.get("logging").and_then(Value::as_bool) == Some(false) {
        builder = builder.with_logging_disabled();
    }
    let spec = StoreSpec {
        kind: StoreKind::Versioned,
        keys: Kind::of(key_serde),
        values: Kind::of(value_serde),
        key_serde: key_serde.to_owned(),
    };
    Ok((spec, Box::new(builder)))
}

/// The store of a DSL operation, and its name if it has one.
pub(super) fn materialized<K: KeyCell, V: Cell>(
    op: &Value,
    specs: &mut StoreSpecs,
    kind: StoreKind,
) -> Result<Option<Materialized<K, V>>, BuildError> {
    let Some(store) = op.get("store") else {
        return Ok(None);
    };
    if let Some(other @ ("versioned" | "lru")) = text(store, "type") {
        return Err(BuildError::unsupported(format!("{other} stores")));
    }
    if store.get("retention_ms").is_some() {
        return Err(BuildError::unsupported("the retention of a window store"));
    }
    let mut materialized = match text(store, "name") {
        Some(name) => {
            let serde = |field| {
                text(store, field)
                    .or_else(|| text(op, field))
                    .unwrap_or("string")
            };
            let spec = StoreSpec {
                kind,
                keys: Kind::of(serde("key_serde")),
                values: match kind {
                    StoreKind::TimestampedLong => Kind::Long,
                    _ => Kind::of(serde("value_serde")),
                },
                key_serde: serde("key_serde").to_owned(),
            };
            specs.insert(name.to_owned(), spec);
            Materialized::as_store(name)
        }
        None => Materialized::default().with_logging_enabled(BTreeMap::new()),
    };
    if let Some(serde) = text(store, "key_serde") {
        materialized = materialized.with_key_serde(K::named_serde(serde));
    }
    if let Some(serde) = text(store, "value_serde") {
        materialized = materialized.with_value_serde(V::serde(serde));
    }
    let flag = |field| store.get(field).and_then(Value::as_bool);
    if flag("caching") == Some(false) {
        materialized = materialized.with_caching_disabled();
    }
    if flag("logging") == Some(false) {
        materialized = materialized.with_logging_disabled();
    }
    Ok(Some(materialized))
}

/// Shared with every script that runs commands; filled when the topology is complete.
pub(super) type SharedSpecs = Arc<OnceLock<StoreSpecs>>;
