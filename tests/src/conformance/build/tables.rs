//! Calls on tables.

use std::any::Any;
use std::sync::Arc;

use eddyline_core::dsl::{Grouped, KTable, ValueTransformerWithKey};
use eddyline_core::processor::{ProcessingContext, ProcessorError};
use serde_json::Value;

use super::foreign_key;
use super::streams::{grouped, selector};
use super::suppress;
use super::{Build, BuildError, Cell, Handle, KeyCell, Operand, function, given, name};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{functions, text, texts};

impl<K: KeyCell, V: Cell> Operand for KTable<K, V> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let table = named.as_ref().unwrap_or(self);
        match name(op) {
            "to_stream" => to_stream(table, op),
            "filter" | "filter_not" => filter(table, op, build),
            "map_values" => map_values(table, op, build),
            "group_by" => group_by(table, op),
            "suppress" => suppress::suppress(table, op),
            "transform_values" => transform_values(table, op, build),
            "join" | "left_join" | "outer_join" if op.get("fk_fn").is_some() => {
                foreign_key::join(table, op, build)
            }
            "join" | "left_join" | "outer_join" => join(table, op, build),
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn to_stream<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    match op.get("fn") {
        None => given(table.to_stream()),
        Some(_) => given(table.to_stream_with_key(selector(op, "fn")?)),
    }
}

fn filter<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let test = function(op, "fn", functions::predicate)?;
    let wanted = name(op) == "filter";
    let keep = move |key: &K, value: &V| test(key.datum().as_ref(), Some(&value.datum())) == wanted;
    given(
        match stores::materialized(op, &mut build.specs, V::STORE_KIND)? {
            None => table.filter(keep),
            Some(store) => table.filter_materialized(keep, store),
        },
    )
}

/// A value function, which may read the key.
fn value_function(op: &Value) -> Result<functions::Value2, BuildError> {
    if let Ok(map) = function(op, "fn", functions::value_with_key) {
        return Ok(map);
    }
    let map = function(op, "fn", functions::value)?;
    Ok(Box::new(move |_, value| map(value)))
}

fn map_values<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let map = value_function(op)?;
    let map = move |key: &K, value: V| -> Option<Datum> {
        map(key.datum().as_ref(), Some(value.datum()))
    };
    let store = stores::materialized(op, &mut build.specs, StoreKind::Timestamped)?;
    let mapped: KTable<K, Datum> = match store {
        None => table.map_values(map),
        Some(store) => table.map_values_materialized(map, store),
    };
    given(mapped)
}

fn group_by<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let map = function(op, "fn", functions::map)?;
    let keys = Key::named_serde(text(op, "key_serde").unwrap_or("string"));
    let values = Datum::serde(text(op, "value_serde").unwrap_or("string"));
    let map = move |key: &K, value: V| match value.datum() {
        // An aggregate before its first value, of an initializer that gives null: no row there.
        Datum::Null => (None, None),
        value => map(key.datum(), Some(value)),
    };
    let groups = grouped(op, Grouped::with(keys, values));
    given(table.group_by(map, groups))
}

/// A value function as a transformer.
struct Transformer(Arc<functions::Value2>);

impl<K: KeyCell, V: Cell> ValueTransformerWithKey<K, V, Datum> for Transformer {
    fn transform(
        &mut self,
        _: &mut ProcessingContext<'_>,
        key: &K,
        value: Option<V>,
    ) -> Result<Option<Datum>, ProcessorError> {
        let value = value.map(|value| value.datum());
        Ok((self.0)(key.datum().as_ref(), value))
    }
}

fn transform_values<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let transform = Arc::new(value_function(op)?);
    let supplier = move || Transformer(Arc::clone(&transform));
    let stores = texts(op, "stores");
    let store = stores::materialized(op, &mut build.specs, StoreKind::Timestamped)?;
    let transformed: KTable<K, Datum> = match store {
        None => table.transform_values(supplier, &stores),
        Some(store) => table.transform_values_materialized(supplier, &stores, store),
    };
    given(transformed)
}

fn join<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    if let Some(other) = build.with::<KTable<K, Datum>>(op)? {
        return join_with(table, &other, op, build);
    }
    match build.with::<KTable<K, i64>>(op)? {
        Some(other) => join_with(table, &other, op, build),
        None => Err(BuildError::unsupported("joining these tables")),
    }
}

fn join_with<K: KeyCell, V: Cell, VO: Cell>(
    table: &KTable<K, V>,
    other: &KTable<K, VO>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let join = function(op, "fn", functions::joiner)?;
    let join = move |left: Option<V>, right: Option<VO>| -> Option<Datum> {
        join(
            None,
            left.map(|left| left.datum()),
            right.map(|right| right.datum()),
        )
    };
    let store = stores::materialized(op, &mut build.specs, StoreKind::Timestamped)?;
    let joined: KTable<K, Datum> = match (name(op), store) {
        ("join", None) => table.join(other, move |l, r| join(Some(l), Some(r))),
        ("join", Some(store)) => {
            table.join_materialized(other, move |l, r| join(Some(l), Some(r)), store)
        }
        ("left_join", None) => table.left_join(other, move |l, r| join(Some(l), r)),
        ("left_join", Some(store)) => {
            table.left_join_materialized(other, move |l, r| join(Some(l), r), store)
        }
        (_, None) => table.outer_join(other, join),
        (_, Some(store)) => table.outer_join_materialized(other, join, store),
    };
    given(joined)
}
