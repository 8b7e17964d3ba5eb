//! Stores of scenarios.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use eddyline_core::config::StoreType;
use eddyline_core::dsl::Materialized;
use eddyline_core::serde::SerdeRef;
use eddyline_core::state::{
    StateError, StateStore, StoreBuilder, Stores, TypedStoreBuilder, VersionedBytesStoreSupplier,
};
use serde_json::Value;

use super::build::{BuildError, Cell, KeyCell, nullable};
use super::datum::{Datum, Key, Kind};
use super::text;

/// The type of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Plain,
    Timestamped,
    /// What `count` makes.
    TimestampedLong,
    Headers,
    Window,
    TimestampedWindow,
    TimestampedWindowLong,
    HeadersWindow,
    Session,
    SessionLong,
    HeadersSession,
    Versioned,
    VersionedLong,
}

impl StoreKind {
    /// Of a table of windows with such values.
    pub(super) const fn of_windows(self) -> Self {
        match self {
            Self::TimestampedLong => Self::TimestampedWindowLong,
            _ => Self::TimestampedWindow,
        }
    }

    /// Of a table of sessions with such values.
    pub(super) const fn of_sessions(self) -> Self {
        match self {
            Self::TimestampedLong => Self::SessionLong,
            _ => Self::Session,
        }
    }

    const fn has_longs(self) -> bool {
        matches!(
            self,
            Self::TimestampedLong | Self::TimestampedWindowLong | Self::SessionLong
        )
    }
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
    let key_serde = text(store, "key_serde").unwrap_or("string");
    let value_serde = text(store, "value_serde").unwrap_or("string");
    let (keys, values) = (nullable::<Datum>(key_serde), Datum::serde(value_serde));
    let kind = text(store, "kind").unwrap_or_default();
    let (kind, builder) = match kind {
        "kv" | "timestamped_kv" | "headers_kv" => key_value(store, kind, keys, values),
        "window" | "timestamped_window" | "headers_window" => window(store, kind, keys, values)?,
        "session" | "headers_session" => session(store, kind, keys, values)?,
        "versioned_kv" => versioned(store, keys, values)?,
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

type Built = (StoreKind, Box<dyn StoreBuilder>);

/// With the layers that a scenario asks for.
fn layered<S: StateStore>(store: &Value, builder: TypedStoreBuilder<S>) -> Box<dyn StoreBuilder> {
    let flag = |field| store.get(field).and_then(Value::as_bool);
    let builder = match flag("caching") {
        Some(true) => builder.with_caching_enabled(),
        _ => builder,
    };
    Box::new(match flag("logging") {
        Some(false) => builder.with_logging_disabled(),
        _ => builder,
    })
}

fn key_value(store: &Value, kind: &str, keys: SerdeRef<Key>, values: SerdeRef<Datum>) -> Built {
    let name = text(store, "name").unwrap_or_default();
    let supplier = match text(store, "type") {
        Some("lru") => Stores::lru_map(name, max_entries(store)),
        Some("persistent") => Stores::persistent_key_value_store(name),
        _ => Stores::in_memory_key_value_store(name),
    };
    match kind {
        "timestamped_kv" => {
            let builder = Stores::timestamped_key_value_store_builder(supplier, keys, values);
            (StoreKind::Timestamped, layered(store, builder))
        }
        "headers_kv" => {
            let builder =
                Stores::timestamped_key_value_store_with_headers_builder(supplier, keys, values);
            (StoreKind::Headers, layered(store, builder))
        }
        _ => {
            let builder = Stores::key_value_store_builder(supplier, keys, values);
            (StoreKind::Plain, layered(store, builder))
        }
    }
}

/// The room of an LRU map.
fn max_entries(store: &Value) -> usize {
    let max = store.get("max_entries").and_then(Value::as_u64);
    usize::try_from(max.unwrap_or_default()).unwrap_or(usize::MAX)
}

/// True for rows in memory; others are to come in the order that RocksDB gives them.
fn is_in_memory(store: &Value) -> bool {
    text(store, "type") == Some("in_memory")
}

fn window(
    store: &Value,
    kind: &str,
    keys: SerdeRef<Key>,
    values: SerdeRef<Datum>,
) -> Result<Built, BuildError> {
    let name = text(store, "name").unwrap_or_default();
    let number = |field| store.get(field).and_then(Value::as_i64).unwrap_or_default();
    let (retention_ms, size_ms) = (number("retention_ms"), number("window_size_ms"));
    let duplicates = store.get("retain_duplicates") == Some(&Value::Bool(true));
    let supplier = match is_in_memory(store) {
        true => Stores::in_memory_window_store(name, retention_ms, size_ms, duplicates),
        false => Stores::persistent_window_store(name, retention_ms, size_ms, duplicates),
    };
    let supplier = supplier.map_err(refused)?;
    Ok(match kind {
        "timestamped_window" => {
            let builder = Stores::timestamped_window_store_builder(supplier, keys, values);
            (StoreKind::TimestampedWindow, layered(store, builder))
        }
        "headers_window" => {
            let builder =
                Stores::timestamped_window_store_with_headers_builder(supplier, keys, values);
            (StoreKind::HeadersWindow, layered(store, builder))
        }
        _ => {
            let builder = Stores::window_store_builder(supplier, keys, values);
            (StoreKind::Window, layered(store, builder))
        }
    })
}

fn session(
    store: &Value,
    kind: &str,
    keys: SerdeRef<Key>,
    values: SerdeRef<Datum>,
) -> Result<Built, BuildError> {
    let name = text(store, "name").unwrap_or_default();
    let retention_ms = store.get("retention_ms").and_then(Value::as_i64);
    let retention_ms = retention_ms.unwrap_or_default();
    let supplier = match is_in_memory(store) {
        true => Stores::in_memory_session_store(name, retention_ms),
        false => Stores::persistent_session_store(name, retention_ms),
    };
    let supplier = supplier.map_err(refused)?;
    Ok(match kind {
        "headers_session" => {
            let builder = Stores::session_store_with_headers_builder(supplier, keys, values);
            (StoreKind::HeadersSession, layered(store, builder))
        }
        _ => {
            let builder = Stores::session_store_builder(supplier, keys, values);
            (StoreKind::Session, layered(store, builder))
        }
    })
}

/// Java's are all persistent, which those in memory differ from in nothing: tables get those.
fn versioned_supplier(
    store: &Value,
    is_persistent: bool,
) -> Result<Arc<dyn VersionedBytesStoreSupplier>, BuildError> {
    let number = |field| store.get(field).and_then(Value::as_i64);
    let name = text(store, "name").unwrap_or_default();
    let history_retention_ms = number("history_retention_ms").unwrap_or(0);
    let interval_ms = number("segment_interval_ms");
    let supplier = if is_persistent {
        Stores::persistent_versioned_key_value_store(name, history_retention_ms, interval_ms)
    } else {
        Stores::in_memory_versioned_key_value_store(name, history_retention_ms, interval_ms)
    };
    supplier.map_err(refused)
}

fn versioned(
    store: &Value,
    keys: SerdeRef<Key>,
    values: SerdeRef<Datum>,
) -> Result<Built, BuildError> {
    let supplier = versioned_supplier(store, true)?;
    let mut builder = Stores::versioned_key_value_store_builder(supplier, keys, values);
    if store.get("logging") == Some(&Value::Bool(false)) {
        builder = builder.with_logging_disabled();
    }
    Ok((StoreKind::Versioned, Box::new(builder)))
}

fn refused(error: StateError) -> BuildError {
    BuildError::unsupported(format!("a store that is refused: {error}"))
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
    let has_longs = kind.has_longs();
    let kind = match text(store, "type") {
        Some("versioned") if has_longs => StoreKind::VersionedLong,
        Some("versioned") => StoreKind::Versioned,
        _ => kind,
    };
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
                values: match has_longs {
                    true => Kind::Long,
                    false => Kind::of(serde("value_serde")),
                },
                key_serde: serde("key_serde").to_owned(),
            };
            specs.insert(name.to_owned(), spec);
            match text(store, "type") {
                Some("versioned") => {
                    Materialized::as_versioned_store(versioned_supplier(store, false)?)
                }
                Some("lru") => {
                    let supplier = Stores::lru_map(name, max_entries(store));
                    Materialized::as_key_value_store(supplier)
                }
                _ => Materialized::as_store(name),
            }
        }
        None => Materialized::default().with_logging_enabled(BTreeMap::new()),
    };
    if let Some(serde) = text(store, "key_serde") {
        materialized = materialized.with_key_serde(K::named_serde(serde));
    }
    if let Some(serde) = text(store, "value_serde") {
        materialized = materialized.with_value_serde(V::serde(serde));
    }
    if let Some(retention_ms) = store.get("retention_ms").and_then(Value::as_u64) {
        materialized = materialized.with_retention(Duration::from_millis(retention_ms));
    }
    match text(store, "type") {
        Some("in_memory") => materialized = materialized.with_store_type(StoreType::InMemory),
        Some("persistent") => materialized = materialized.with_store_type(StoreType::Persistent),
        _ => {}
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
