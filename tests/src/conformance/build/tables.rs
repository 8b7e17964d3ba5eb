//! Calls that make tables, and calls on tables.

use eddyline_core::dsl::{Grouped, KGroupedStream, KGroupedTable, KTable, Materialized};
use serde_json::Value;

use super::build::{BuildError, Handle, function, grouped, missing};
use super::datum::{Cell, Datum, Key, nullable};
use super::stores::{self, StoreKind, StoreSpecs};
use super::{functions, text};

/// An initializer may give null in Java. In typed code an aggregate is something: this one stands
/// for null until the first value is added, and is never kept.
fn non_null(aggregate: Datum) -> Option<Datum> {
    (aggregate != Datum::Null).then_some(aggregate)
}

fn unnamed(op: &Value) -> Result<&str, BuildError> {
    let name = text(op, "op").unwrap_or_default();
    match op.get("name") {
        Some(_) => Err(BuildError::unsupported(format!("{name} with a name"))),
        None => Ok(name),
    }
}

/// A call on a grouped stream.
pub(super) fn stream_operation<V: Cell>(
    from: &KGroupedStream<Key, Option<V>>,
    op: &Value,
    specs: &mut StoreSpecs,
) -> Result<Handle, BuildError> {
    match unnamed(op)? {
        "count" => {
            let store = stores::materialized(op, specs, StoreKind::TimestampedLong)?;
            Ok(Handle::LongTable(from.count(store.unwrap_or_default())))
        }
        "reduce" => {
            let reduce = function(op, "fn", functions::reducer)?;
            let kind = V::STORE_KIND;
            let store: Option<Materialized<Key, V>> = stores::materialized(op, specs, kind)?;
            let combine = move |old: V, new: V| -> Option<V> {
                reduce(old.datum(), new.datum()).map(V::from_datum)
            };
            Ok(V::table(from.reduce(combine, store.unwrap_or_default())))
        }
        "aggregate" => {
            let initial = function(op, "init", functions::init)?;
            let aggregate = function(op, "fn", functions::aggregator)?;
            let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
            let add = move |key: &Key, value: Option<V>, before: Datum| -> Option<Datum> {
                aggregate(key.as_ref(), value?.datum(), non_null(before))
            };
            let initialize = move || initial.clone().unwrap_or(Datum::Null);
            let table = from.aggregate(initialize, add, store.unwrap_or_default());
            Ok(Handle::Table(table))
        }
        _ => Err(missing(op)),
    }
}

/// A call on a grouped table.
pub(super) fn grouped_operation(
    from: &KGroupedTable<Key, Datum>,
    op: &Value,
    specs: &mut StoreSpecs,
) -> Result<Handle, BuildError> {
    match unnamed(op)? {
        "count" => {
            let store = stores::materialized(op, specs, StoreKind::TimestampedLong)?;
            Ok(Handle::LongTable(from.count(store.unwrap_or_default())))
        }
        "reduce" => {
            let add = function(op, "adder", functions::reducer)?;
            let subtract = function(op, "subtractor", functions::reducer)?;
            let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
            let table = from.reduce(add, subtract, store.unwrap_or_default());
            Ok(Handle::Table(table))
        }
        "aggregate" => {
            let initial = function(op, "init", functions::init)?;
            let add = function(op, "adder", functions::aggregator)?;
            let subtract = function(op, "subtractor", functions::aggregator)?;
            let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
            let initialize = move || initial.clone().unwrap_or(Datum::Null);
            let add = move |key: &Key, value, before: Datum| -> Option<Datum> {
                add(key.as_ref(), value, non_null(before))
            };
            let subtract = move |key: &Key, value, before: Datum| -> Option<Datum> {
                subtract(key.as_ref(), value, non_null(before))
            };
            let table = from.aggregate(initialize, add, subtract, store.unwrap_or_default());
            Ok(Handle::Table(table))
        }
        _ => Err(missing(op)),
    }
}

/// A call on a table.
pub(super) fn table_operation<V: Cell>(
    table: &KTable<Key, V>,
    op: &Value,
    specs: &mut StoreSpecs,
) -> Result<Handle, BuildError> {
    match unnamed(op)? {
        "to_stream" => Ok(V::stream(match op.get("fn") {
            None => table.to_stream(),
            Some(_) => {
                let select = function(op, "fn", functions::selector)?;
                let select = move |key: &Key, value: &Option<V>| {
                    select(key.as_ref(), value.as_ref().map(Cell::datum))
                };
                table.to_stream().select_key(select)
            }
        })),
        name @ ("filter" | "filter_not") => {
            let test = function(op, "fn", functions::predicate)?;
            let wanted = name == "filter";
            let keep =
                move |key: &Key, value: &V| test(key.as_ref(), Some(&value.datum())) == wanted;
            let store = stores::materialized(op, specs, V::STORE_KIND)?;
            Ok(V::table(match store {
                None => table.filter(keep),
                Some(store) => table.filter_materialized(keep, store),
            }))
        }
        "map_values" => {
            let map: functions::Value2 = match function(op, "fn", functions::value_with_key) {
                Ok(map) => map,
                Err(_) => {
                    let map = function(op, "fn", functions::value)?;
                    Box::new(move |_, value| map(value))
                }
            };
            let map = move |key: &Key, value: V| -> Option<Datum> {
                map(key.as_ref(), Some(value.datum()))
            };
            let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
            Ok(Handle::Table(match store {
                None => table.map_values(map),
                Some(store) => table.map_values_materialized(map, store),
            }))
        }
        "group_by" => {
            let map = function(op, "fn", functions::map)?;
            let keys = nullable::<Datum>(text(op, "key_serde").unwrap_or("string"));
            let values = Datum::serde(text(op, "value_serde").unwrap_or("string"));
            let map = move |key: &Key, value: V| map(key.clone(), Some(value.datum()));
            let groups = grouped(op, Grouped::with(keys, values));
            Ok(Handle::GroupedTable(table.group_by(map, groups)))
        }
        _ => Err(missing(op)),
    }
}
