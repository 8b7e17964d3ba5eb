//! Calls on streams.

use std::any::Any;
use std::rc::Rc;

use eddyline_core::dsl::{Grouped, KStream, Produced, Repartitioned};
use eddyline_core::serde::{DefaultSerde, SerdeRef};
use serde_json::Value;

use super::{
    Build, BuildError, Cell, Handle, KeyCell, Operand, function, given, joins, name, nullable,
};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::extractors::TopicFunction;
use crate::conformance::scripts::{Script, Scripted};
use crate::conformance::stores;
use crate::conformance::{functions, text, texts};

/// A stream of nullable values.
pub(super) type Stream<K, V> = KStream<K, Option<V>>;

impl<K: KeyCell, V: Cell> Operand for Stream<K, V> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let stream = named.as_ref().unwrap_or(self);
        match name(op) {
            "filter" | "filter_not" => filter(stream, op),
            "map_values" | "flat_map_values" => map_values(stream, op),
            "map" | "flat_map" | "select_key" => map(stream, op),
            "peek" => given(stream.peek(|_, _| {})),
            "foreach" => {
                stream.for_each(|_, _| {});
                Ok(None)
            }
            "merge" => merge(stream, op, build),
            "split" => split(stream, op, build),
            "repartition" => repartition(stream, op),
            "process" | "process_values" => process(stream, op, build),
            "to" => to(stream, op),
            "to_table" => to_table(stream, op, build),
            "group_by" | "group_by_key" => group_by(stream, op),
            "join" | "left_join" | "outer_join" => joins::join(stream, op, build),
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// As functions of the library see it.
pub(super) fn datum<V: Cell>(value: Option<V>) -> Option<Datum> {
    value.map(|value| value.datum())
}

/// A predicate of a stream.
pub(super) fn predicate<K: KeyCell, V: Cell>(
    op: &Value,
) -> Result<impl Fn(&K, &Option<V>) -> bool + Send + Sync + 'static, BuildError> {
    let test = function(op, "fn", functions::predicate)?;
    Ok(move |key: &K, value: &Option<V>| {
        let value = value.as_ref().map(Cell::datum);
        test(key.datum().as_ref(), value.as_ref())
    })
}

/// A selector in a field: (key, value) to key.
pub(super) fn selector<K: KeyCell, V: Cell>(
    op: &Value,
    field: &str,
) -> Result<impl Fn(&K, &Option<V>) -> Key + Send + Sync + 'static, BuildError> {
    let select = function(op, field, functions::selector)?;
    Ok(move |key: &K, value: &Option<V>| {
        select(key.datum().as_ref(), value.as_ref().map(Cell::datum))
    })
}

fn filter<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let test = predicate(op)?;
    given(match name(op) {
        "filter" => stream.filter(test),
        _ => stream.filter_not(test),
    })
}

fn map_values<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    if name(op) == "flat_map_values" {
        let map = function(op, "fn", functions::flat_map_values)?;
        return given(stream.flat_map_values(move |v| map(datum(v))));
    }
    if let Ok(map) = function(op, "fn", functions::value_with_key) {
        let map = move |k: &K, v: Option<V>| map(k.datum().as_ref(), datum(v));
        return given(stream.map_values_with_key(map));
    }
    if let Ok(map) = function(op, "fn", functions::fallible) {
        return given(stream.try_map_values(move |v| map(datum(v))));
    }
    let map = function(op, "fn", functions::value)?;
    given(stream.map_values(move |v| map(datum(v))))
}

fn map<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    match name(op) {
        "map" => {
            let map = function(op, "fn", functions::map)?;
            given(stream.map(move |k, v| map(k.datum(), datum(v))))
        }
        "flat_map" => {
            let map = function(op, "fn", functions::flat_map)?;
            given(stream.flat_map(move |k, v| map(k.datum(), datum(v))))
        }
        _ => given(stream.select_key(selector(op, "fn")?)),
    }
}

fn merge<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
    build: &Build,
) -> Result<Option<Handle>, BuildError> {
    // Both are streams of the same type, or Java's casts would fail.
    match build.with::<Stream<K, V>>(op)? {
        Some(other) => given(stream.merge(&other)),
        None => Err(BuildError::unsupported("merging these streams")),
    }
}

fn split<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let mut split = stream.split();
    for branch in op["branches"].as_array().into_iter().flatten() {
        let takes = predicate(branch)?;
        let branched = match text(branch, "name") {
            Some(name) => split.branch_named(name, takes),
            None => split.branch(takes),
        };
        let id = text(branch, "id").unwrap_or_default();
        build.ids.insert(id.to_owned(), Rc::new(branched));
    }
    if let Some(id) = text(op, "default") {
        let rest = match text(op, "default_name") {
            Some(name) => split.default_branch_named(name),
            None => split.default_branch(),
        };
        build.ids.insert(id.to_owned(), Rc::new(rest));
    }
    Ok(None)
}

fn repartition<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let serdes = (key_serde(stream, op), value_serde(stream, op));
    let repartitioned = Repartitioned::with(serdes.0, serdes.1);
    let repartitioned = match text(op, "name") {
        Some(name) => repartitioned.with_name(name),
        None => repartitioned,
    };
    let partitions = op.get("partitions").and_then(Value::as_i64);
    let partitions = partitions.and_then(|partitions| i32::try_from(partitions).ok());
    given(stream.repartition_with(match partitions {
        Some(partitions) => repartitioned.with_number_of_partitions(partitions),
        None => repartitioned,
    }))
}

fn process<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
    build: &Build,
) -> Result<Option<Handle>, BuildError> {
    let script = Script::new(op, &build.shared)?;
    let stores = texts(op, "stores");
    let supplier = move || Scripted::new(script.clone());
    if name(op) == "process" {
        let processed: Stream<K, Datum> = stream.process(supplier, &stores);
        given(processed)
    } else {
        let processed: Stream<K, Datum> = stream.process_values(supplier, &stores);
        given(processed)
    }
}

/// The serde of keys: the one named, that of the stream, the default.
pub(super) fn key_serde<K: KeyCell, V: Cell>(stream: &Stream<K, V>, op: &Value) -> SerdeRef<K> {
    let given = text(op, "key_serde").map(K::named_serde);
    let given = given.or_else(|| stream.key_serde());
    given.unwrap_or_else(|| K::named_serde("string"))
}

/// The serde of values, likewise.
pub(super) fn value_serde<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> SerdeRef<Option<V>> {
    let given = text(op, "value_serde").map(nullable);
    let given = given.or_else(|| stream.value_serde());
    given.unwrap_or_else(Option::<V>::default_serde)
}

fn to<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let produced = Produced::with(key_serde(stream, op), value_serde(stream, op));
    let produced = match text(op, "name") {
        Some(name) => produced.with_name(name),
        None => produced,
    };
    match text(op, "topic") {
        Some(topic) => stream.to_with(topic, produced),
        None => {
            let topics = function(op, "topic_fn", TopicFunction::named)?;
            stream.to_extracted_with(topics, produced);
        }
    }
    Ok(None)
}

fn group_by<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let values = value_serde(stream, op);
    if name(op) == "group_by_key" {
        let groups = grouped(op, Grouped::with(key_serde(stream, op), values));
        return given(stream.group_by_key_with(groups));
    }
    let keys = Key::named_serde(text(op, "key_serde").unwrap_or("string"));
    let groups = grouped(op, Grouped::with(keys, values));
    given(stream.group_by_with(selector(op, "fn")?, groups))
}

/// With the name that the call gives.
pub(super) fn grouped<K, V>(op: &Value, grouped: Grouped<K, V>) -> Grouped<K, V> {
    match text(op, "name") {
        Some(name) => grouped.with_name(name),
        None => grouped,
    }
}

fn to_table<K: KeyCell, V: Cell>(
    stream: &Stream<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let store = stores::materialized::<K, V>(op, &mut build.specs, V::STORE_KIND)?;
    let grouped = Grouped::with(key_serde(stream, op), value_serde(stream, op));
    given(stream.to_table_with(grouped, store.unwrap_or_default()))
}
