//! Calls on grouped streams and grouped tables.

use std::any::Any;

use eddyline_core::dsl::{KGroupedStream, KGroupedTable, Materialized};
use serde_json::Value;

use super::{
    Build, BuildError, Cell, Handle, KeyCell, Operand, cogroup, function, given, name, windows,
};
use crate::conformance::datum::Datum;
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{functions, text};

/// An initializer may give null in Java. In typed code an aggregate is something: this one stands
/// for null until the first value is added, and is never kept.
pub(super) fn non_null(aggregate: Datum) -> Option<Datum> {
    (aggregate != Datum::Null).then_some(aggregate)
}

/// The initializer of an aggregate.
pub(super) fn initializer(
    op: &Value,
) -> Result<impl Fn() -> Datum + Clone + Send + Sync + 'static, BuildError> {
    let initial = function(op, "init", functions::init)?;
    Ok(move || initial.clone().unwrap_or(Datum::Null))
}

/// An aggregator in a field, of values that are there.
pub(super) fn aggregator<K: KeyCell>(
    op: &Value,
    field: &str,
) -> Result<impl Fn(&K, Datum, Datum) -> Option<Datum> + Send + Sync + 'static, BuildError> {
    let aggregate = function(op, field, functions::aggregator)?;
    Ok(move |key: &K, value, before| aggregate(key.datum().as_ref(), value, non_null(before)))
}

/// A reducer in a field.
pub(super) fn reducer<V: Cell>(
    op: &Value,
    field: &str,
) -> Result<impl Fn(V, V) -> Option<V> + Send + Sync + 'static, BuildError> {
    let reduce = function(op, field, functions::reducer)?;
    Ok(move |old: V, new: V| reduce(old.datum(), new.datum()).map(V::from_datum))
}

impl<K: KeyCell, V: Cell> Operand for KGroupedStream<K, Option<V>> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let specs = &mut build.specs;
        let named = text(op, "name").map(|name| self.named(name));
        let grouped = named.as_ref().unwrap_or(self);
        match name(op) {
            "count" => {
                let store = stores::materialized(op, specs, StoreKind::TimestampedLong)?;
                given(grouped.count(store.unwrap_or_default()))
            }
            "reduce" => {
                let store: Option<Materialized<K, V>> =
                    stores::materialized(op, specs, V::STORE_KIND)?;
                given(grouped.reduce(reducer(op, "fn")?, store.unwrap_or_default()))
            }
            "aggregate" => {
                let add = aggregator(op, "fn")?;
                let add = move |key: &K, value: Option<V>, before: Datum| -> Option<Datum> {
                    add(key, value?.datum(), before)
                };
                let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
                given(grouped.aggregate(initializer(op)?, add, store.unwrap_or_default()))
            }
            "cogroup" => match self.as_any().downcast_ref() {
                Some(grouped) => cogroup::cogroup::<V>(grouped, op),
                None => Err(BuildError::unsupported("a cogroup of windowed keys")),
            },
            "windowed_by" => match self.as_any().downcast_ref() {
                Some(grouped) => windows::windowed_by::<V>(grouped, op),
                None => Err(BuildError::unsupported("windows of windowed keys")),
            },
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K: KeyCell> Operand for KGroupedTable<K, Datum> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let specs = &mut build.specs;
        let named = text(op, "name").map(|name| self.named(name));
        let grouped = named.as_ref().unwrap_or(self);
        match name(op) {
            "count" => {
                let store = stores::materialized(op, specs, StoreKind::TimestampedLong)?;
                given(grouped.count(store.unwrap_or_default()))
            }
            "reduce" => {
                let (add, subtract) = (reducer(op, "adder")?, reducer(op, "subtractor")?);
                let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
                given(grouped.reduce(add, subtract, store.unwrap_or_default()))
            }
            "aggregate" => {
                let (add, subtract) = (aggregator(op, "adder")?, aggregator(op, "subtractor")?);
                let store = stores::materialized(op, specs, StoreKind::Timestamped)?;
                let store = store.unwrap_or_default();
                given(grouped.aggregate(initializer(op)?, add, subtract, store))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
