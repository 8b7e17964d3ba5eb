//! Calls on tables.

use std::any::Any;

use eddyline_core::dsl::{Grouped, KTable};
use serde_json::Value;

use super::streams::{grouped, selector};
use super::{Build, BuildError, Cell, Handle, KeyCell, Operand, function, given, name};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{functions, text};

impl<K: KeyCell, V: Cell> Operand for KTable<K, V> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let table = named.as_ref().unwrap_or(self);
        match name(op) {
            "to_stream" => to_stream(table, op),
            "filter" | "filter_not" => filter(table, op, build),
            "map_values" => map_values(table, op, build),
            "group_by" => group_by(table, op),
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

fn map_values<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let map: functions::Value2 = match function(op, "fn", functions::value_with_key) {
        Ok(map) => map,
        Err(_) => {
            let map = function(op, "fn", functions::value)?;
            Box::new(move |_, value| map(value))
        }
    };
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
    let map = move |key: &K, value: V| map(key.datum(), Some(value.datum()));
    let groups = grouped(op, Grouped::with(keys, values));
    given(table.group_by(map, groups))
}
