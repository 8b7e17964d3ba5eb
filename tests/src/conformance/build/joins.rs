//! Joins of streams.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use eddyline_core::config::StoreType;
use eddyline_core::dsl::{GlobalKTable, JoinWindows, Joined, KStream, KTable, StreamJoined};
use eddyline_core::serde::SerdeRef;
use serde_json::Value;

use super::streams::{Stream, datum, key_serde, selector, value_serde};
use super::{Build, BuildError, Cell, Handle, KeyCell, Operand, function, given, name, nullable};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::{functions, text};

/// A join of a stream with what the call names.
pub(super) fn join<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
    build: &Build,
) -> Result<Option<Handle>, BuildError> {
    if let Some(other) = build.with::<Stream<K, Datum>>(op)? {
        return join_streams(stream, &other, op);
    }
    if let Some(other) = build.with::<Stream<K, i64>>(op)? {
        return join_streams(stream, &other, op);
    }
    if let Some(table) = build.with::<KTable<K, Datum>>(op)? {
        return join_table(stream, &table, op);
    }
    if let Some(table) = build.with::<KTable<K, i64>>(op)? {
        return join_table(stream, &table, op);
    }
    if let Some(table) = build.with::<Global>(op)? {
        return join_global(stream, &table, op);
    }
    Err(BuildError::unsupported("a join with this operand"))
}

/// A global table of scenarios.
pub(super) type Global = GlobalKTable<Key, Datum>;

impl Operand for Global {
    fn operate(&self, op: &Value, _: &mut Build) -> Result<Option<Handle>, BuildError> {
        Err(BuildError::missing(op))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A joiner of nullable values.
fn of_nullable<K: KeyCell, V: Cell, V2: Cell>(
    join: functions::Joiner,
) -> impl Fn(&K, Option<V>, Option<V2>) -> Option<Datum> + Send + Sync + 'static {
    move |key, left, right| join(key.datum().as_ref(), datum(left), datum(right))
}

fn millis(value: &Value, field: &str) -> Option<Duration> {
    let millis = value.get(field).and_then(Value::as_u64);
    millis.map(Duration::from_millis)
}

fn join_streams<K: KeyCell, V: Cell, V2: Cell>(
    stream: &Stream<K, V>,
    other: &Stream<K, V2>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let joiner = of_nullable(function(op, "fn", functions::joiner)?);
    let window = &op["window"];
    let (before, after) = (millis(window, "before_ms"), millis(window, "after_ms"));
    let grace = millis(window, "grace_ms").unwrap_or_default();
    let windows = JoinWindows::of_time_difference_and_grace(before.unwrap_or_default(), grace)
        .after(after.unwrap_or_default());
    let given_serde = text(op, "other_serde").map(nullable);
    let other_serde = given_serde.unwrap_or_else(|| value_serde(other, &Value::Null));
    let joined = stream_joined(
        op,
        (key_serde(stream, op), value_serde(stream, op)),
        other_serde,
    );
    let joined: KStream<K, Option<Datum>> = match name(op) {
        "join" => stream.join_with(other, joiner, windows, joined),
        "left_join" => {
            let joiner =
                move |key: &K, left, right: Option<Option<V2>>| joiner(key, left, right.flatten());
            stream.left_join_with(other, joiner, windows, joined)
        }
        _ => {
            let joiner = move |key: &K, left: Option<Option<V>>, right: Option<Option<V2>>| {
                joiner(key, left.flatten(), right.flatten())
            };
            stream.outer_join_with(other, joiner, windows, joined)
        }
    };
    given(joined)
}

fn stream_joined<K, V, V2>(
    op: &Value,
    (keys, values): (SerdeRef<K>, SerdeRef<V>),
    other_values: SerdeRef<V2>,
) -> StreamJoined<K, V, V2> {
    let mut joined = StreamJoined::with(keys, values, other_values);
    if let Some(name) = text(op, "name") {
        joined = joined.with_name(name);
    }
    let store = op.get("store").unwrap_or(&Value::Null);
    if let Some(name) = text(store, "name") {
        joined = joined.with_store_name(name);
    }
    joined = match text(store, "type") {
        Some("in_memory") => joined.with_store_type(StoreType::InMemory),
        Some("persistent") => joined.with_store_type(StoreType::Persistent),
        _ => joined,
    };
    match store.get("logging").and_then(Value::as_bool) {
        Some(true) => joined.with_logging_enabled(BTreeMap::new()),
        Some(false) => joined.with_logging_disabled(),
        None => joined,
    }
}

fn join_table<K: KeyCell, V: Cell, TV: Cell>(
    stream: &Stream<K, V>,
    table: &KTable<K, TV>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let joiner = of_nullable(function(op, "fn", functions::joiner)?);
    let mut joined = Joined::with(key_serde(stream, op), value_serde(stream, op));
    if let Some(name) = text(op, "name") {
        joined = joined.with_name(name);
    }
    if let Some(grace_period) = millis(op, "grace_ms") {
        joined = joined.with_grace_period(grace_period);
    }
    let joined: KStream<K, Option<Datum>> = match name(op) {
        "join" => {
            let joiner = move |key: &K, value, row: TV| joiner(key, value, Some(row));
            stream.join_table_with(table, joiner, joined)
        }
        "left_join" => stream.left_join_table_with(table, joiner, joined),
        _ => return Err(BuildError::missing(op)),
    };
    given(joined)
}

fn join_global<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    table: &Global,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let select = selector(op, "key_fn")?;
    let joiner = of_nullable(function(op, "fn", functions::joiner)?);
    let joined = Joined::with(key_serde(stream, op), value_serde(stream, op));
    let joined: KStream<K, Option<Datum>> = match name(op) {
        "join" => {
            let joiner = move |key: &K, value, row: Datum| joiner(key, value, Some(row));
            stream.join_global_table_with(table, select, joiner, joined)
        }
        "left_join" => stream.left_join_global_table_with(table, select, joiner, joined),
        _ => return Err(BuildError::missing(op)),
    };
    given(joined)
}
