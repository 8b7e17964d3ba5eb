//! From the list of calls of a scenario to a topology.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{
    Consumed, Grouped, KGroupedStream, KGroupedTable, KStream, KTable, Materialized, Produced,
    StreamsBuilder,
};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::StoreBuilder;
use eddyline_core::topology::{Topology, TopologyBuilder, TopologyError};
use serde_json::Value;

use super::datum::{Cell, Datum, Key, Kind, nullable};
use super::scripts::{Script, Scripted};
use super::stores::{self, SharedSpecs, StoreKind, StoreSpecs};
use super::{functions, tables, text, texts};

/// Why there is no topology.
#[derive(Debug)]
pub(super) enum BuildError {
    /// The library does not have it yet.
    Unsupported(String),
    /// It is refused.
    Topology(TopologyError),
}

impl BuildError {
    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}

impl From<TopologyError> for BuildError {
    fn from(error: TopologyError) -> Self {
        Self::Topology(error)
    }
}

/// A scenario ready to run.
pub(super) struct Built {
    pub(super) topology: Topology,
    pub(super) config: StreamsConfig,
    pub(super) specs: SharedSpecs,
    /// Serdes of input topics: of keys and of values.
    pub(super) inputs: BTreeMap<String, (Kind, Kind)>,
}

/// What a call gave.
pub(super) enum Handle {
    Stream(KStream<Key, Option<Datum>>),
    LongStream(KStream<Key, Option<i64>>),
    Grouped(KGroupedStream<Key, Option<Datum>>),
    LongGrouped(KGroupedStream<Key, Option<i64>>),
    Table(KTable<Key, Datum>),
    LongTable(KTable<Key, i64>),
    GroupedTable(KGroupedTable<Key, Datum>),
}

/// The topology of a scenario.
pub(super) fn build(scenario: &Value) -> Result<Built, BuildError> {
    let config = &scenario["config"];
    check_config(config)?;
    let mut build = Build {
        shared: Arc::new(OnceLock::new()),
        specs: StoreSpecs::new(),
        inputs: BTreeMap::new(),
        ids: BTreeMap::new(),
        builder: StreamsBuilder::new(),
    };
    let operations = scenario["topology"].as_array();
    let operations = operations.map_or(&[][..], Vec::as_slice);
    let topology = if text(config, "api") == Some("topology") {
        build.processor_api(operations)?
    } else {
        for op in operations {
            let result = build.dsl(op)?;
            if let (Some(id), Some(handle)) = (text(op, "id"), result) {
                build.ids.insert(id.to_owned(), handle);
            }
        }
        build.builder.build()?
    };
    let application_id = text(config, "application_id").unwrap_or("app");
    let config = StreamsConfig::new(application_id, "localhost:9092")
        .map_err(|error| BuildError::unsupported(format!("this configuration: {error}")))?;
    let shared = Arc::clone(&build.shared);
    shared.get_or_init(|| build.specs);
    Ok(Built {
        topology,
        config,
        specs: shared,
        inputs: build.inputs,
    })
}

/// Settings that would make a difference.
fn check_config(config: &Value) -> Result<(), BuildError> {
    let has = |field, value: &str| text(config, field).is_some_and(|set| set == value);
    let reason = if config.get("topology_optimization") == Some(&Value::Bool(true)) {
        "topology.optimization"
    } else if has("dsl_store_format", "headers") {
        "dsl.store.format=headers"
    } else if has("deserialization_handler", "continue") || has("processing_handler", "continue") {
        "exception handlers"
    } else if config.get("dead_letter_topic").is_some() {
        "errors.dead.letter.queue.topic.name"
    } else if ["default_key_serde", "default_value_serde"]
        .iter()
        .any(|field| text(config, field).is_some_and(|serde| serde != "string"))
    {
        "default serdes"
    } else {
        return Ok(());
    };
    Err(BuildError::unsupported(reason))
}

pub(super) fn missing(op: &Value) -> BuildError {
    let name = text(op, "op").unwrap_or("?");
    BuildError::unsupported(name)
}

/// A function of the library, found by the name in a field.
pub(super) fn function<F>(
    op: &Value,
    field: &str,
    find: fn(&str) -> Option<F>,
) -> Result<F, BuildError> {
    let name = text(op, field).unwrap_or_default();
    find(name).ok_or_else(|| BuildError::unsupported(format!("the function {name}")))
}

struct Build {
    shared: SharedSpecs,
    specs: StoreSpecs,
    inputs: BTreeMap<String, (Kind, Kind)>,
    ids: BTreeMap<String, Handle>,
    builder: StreamsBuilder,
}

impl Build {
    fn input(&mut self, op: &Value) {
        let kind = |field| Kind::of(text(op, field).unwrap_or("string"));
        for topic in texts(op, "topic") {
            let kinds = (kind("key_serde"), kind("value_serde"));
            self.inputs.insert(topic.to_owned(), kinds);
        }
    }

    fn store(&mut self, op: &Value) -> Result<Box<dyn StoreBuilder>, BuildError> {
        let (spec, builder) = stores::stand_alone(&op["store"])?;
        self.specs.insert(builder.name().to_owned(), spec);
        Ok(builder)
    }

    fn processor_api(&mut self, operations: &[Value]) -> Result<Topology, BuildError> {
        let mut builder = TopologyBuilder::new();
        for op in operations {
            let name = text(op, "name").unwrap_or_default();
            let serde = |field| nullable::<Datum>(text(op, field).unwrap_or("string"));
            let serdes = || (serde("key_serde"), serde("value_serde"));
            let parents = texts(op, "parents");
            match text(op, "op").unwrap_or_default() {
                "add_source" => {
                    if op.get("timestamp_extractor").is_some() {
                        return Err(BuildError::unsupported("timestamp extractors"));
                    }
                    self.input(op);
                    builder.add_source(name, &texts(op, "topic"), serdes());
                }
                "add_processor" => {
                    let script = Script::new(op, &self.shared)?;
                    let supplier = move || Scripted::new(script.clone());
                    builder.add_processor::<Key, Option<Datum>, _, _>(name, supplier, &parents);
                }
                "add_sink" => match text(op, "topic") {
                    Some(topic) => {
                        builder.add_sink(name, topic, serdes(), &parents);
                    }
                    None => return Err(BuildError::unsupported("topic name extractors")),
                },
                "add_store" => {
                    let store = self.store(op)?;
                    builder.add_state_store(store, &texts(op, "processors"));
                }
                _ => return Err(missing(op)),
            }
        }
        Ok(builder.build()?)
    }

    fn dsl(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        let name = text(op, "op").unwrap_or_default();
        match name {
            "stream" | "table" if op.get("timestamp_extractor").is_some() => {
                return Err(BuildError::unsupported("timestamp extractors"));
            }
            "stream" => return self.stream(op).map(Some),
            "table" => return self.table(op).map(Some),
            "add_store" => {
                let store = self.store(op)?;
                self.builder.add_state_store(store);
                return Ok(None);
            }
            _ => {}
        }
        let from = text(op, "from").unwrap_or_default();
        let Some(from) = self.ids.get(from) else {
            return Err(missing(op));
        };
        let (specs, shared) = (&mut self.specs, &self.shared);
        match from {
            Handle::Stream(stream) => stream_operation(stream, op, &self.ids, shared),
            Handle::LongStream(stream) => stream_operation(stream, op, &self.ids, shared),
            Handle::Grouped(grouped) => tables::stream_operation(grouped, op, specs).map(Some),
            Handle::LongGrouped(grouped) => tables::stream_operation(grouped, op, specs).map(Some),
            Handle::GroupedTable(grouped) => {
                tables::grouped_operation(grouped, op, specs).map(Some)
            }
            Handle::Table(table) => tables::table_operation(table, op, specs).map(Some),
            Handle::LongTable(table) => tables::table_operation(table, op, specs).map(Some),
        }
    }

    fn stream(&mut self, op: &Value) -> Result<Handle, BuildError> {
        self.input(op);
        let serde = |field| match text(op, field) {
            Some(name) => nullable::<Datum>(name),
            None => Option::<Datum>::default_serde(),
        };
        let [topic] = texts(op, "topic")[..] else {
            return Err(BuildError::unsupported("streams of several topics"));
        };
        let consumed = Consumed::with(serde("key_serde"), serde("value_serde"));
        let consumed = match text(op, "name") {
            Some(name) => consumed.with_name(name),
            None => consumed,
        };
        Ok(Handle::Stream(self.builder.stream_with(topic, consumed)))
    }

    fn table(&mut self, op: &Value) -> Result<Handle, BuildError> {
        self.input(op);
        let topic = text(op, "topic").unwrap_or_default();
        let keys = nullable::<Datum>(text(op, "key_serde").unwrap_or("string"));
        let values = Datum::serde(text(op, "value_serde").unwrap_or("string"));
        let consumed = Consumed::with(keys, values);
        let consumed = match text(op, "name") {
            Some(name) => consumed.with_name(name),
            None => consumed,
        };
        let store = stores::materialized(op, &mut self.specs, StoreKind::Timestamped)?;
        let store = store.unwrap_or_else(Materialized::default);
        Ok(Handle::Table(
            self.builder.table_with(topic, consumed, store),
        ))
    }
}

fn stream_operation<V: Cell>(
    stream: &KStream<Key, Option<V>>,
    op: &Value,
    ids: &BTreeMap<String, Handle>,
    shared: &SharedSpecs,
) -> Result<Option<Handle>, BuildError> {
    let name = text(op, "op").unwrap_or_default();
    let named = op.get("name").is_some();
    if named && !matches!(name, "to" | "group_by" | "group_by_key") {
        return Err(BuildError::unsupported(format!("{name} with a name")));
    }
    let of_datum = |value: Option<V>| value.map(|value| value.datum());
    Ok(Some(match name {
        "filter" | "filter_not" => {
            let test = function(op, "fn", functions::predicate)?;
            let test = move |key: &Key, value: &Option<V>| {
                let value = value.as_ref().map(Cell::datum);
                test(key.as_ref(), value.as_ref())
            };
            V::stream(match name {
                "filter" => stream.filter(test),
                _ => stream.filter_not(test),
            })
        }
        "map_values" => Handle::Stream(match function(op, "fn", functions::value_with_key) {
            Ok(map) => stream.map_values_with_key(move |k, v| map(k.as_ref(), of_datum(v))),
            Err(_) => {
                let map = function(op, "fn", functions::value)?;
                stream.map_values(move |v| map(of_datum(v)))
            }
        }),
        "map" => {
            let map = function(op, "fn", functions::map)?;
            Handle::Stream(stream.map(move |k, v| map(k, of_datum(v))))
        }
        "flat_map" => {
            let map = function(op, "fn", functions::flat_map)?;
            Handle::Stream(stream.flat_map(move |k, v| map(k, of_datum(v))))
        }
        "flat_map_values" => {
            let map = function(op, "fn", functions::flat_map_values)?;
            Handle::Stream(stream.flat_map_values(move |v| map(of_datum(v))))
        }
        "select_key" => {
            let select = function(op, "fn", functions::selector)?;
            let select =
                move |k: &Key, v: &Option<V>| select(k.as_ref(), v.as_ref().map(Cell::datum));
            V::stream(stream.select_key(select))
        }
        "peek" => V::stream(stream.peek(|_, _| {})),
        "foreach" => {
            stream.for_each(|_, _| {});
            return Ok(None);
        }
        "merge" => merge(stream, op, ids)?,
        "process" => {
            let script = Script::new(op, shared)?;
            let stores = texts(op, "stores");
            let supplier = move || Scripted::new(script.clone());
            Handle::Stream(stream.process(supplier, &stores))
        }
        "process_values" => {
            let script = Script::new(op, shared)?;
            let stores = texts(op, "stores");
            let supplier = move || Scripted::new(script.clone());
            Handle::Stream(stream.process_values(supplier, &stores))
        }
        "to" => {
            to(stream, op)?;
            return Ok(None);
        }
        "group_by" => {
            let select = function(op, "fn", functions::selector)?;
            let select =
                move |k: &Key, v: &Option<V>| select(k.as_ref(), v.as_ref().map(Cell::datum));
            let keys = nullable(text(op, "key_serde").unwrap_or("string"));
            let values = value_serde(stream, op);
            V::grouped(stream.group_by_with(select, grouped(op, Grouped::with(keys, values))))
        }
        "group_by_key" => {
            let (keys, values) = (key_serde(stream, op), value_serde(stream, op));
            V::grouped(stream.group_by_key_with(grouped(op, Grouped::with(keys, values))))
        }
        _ => return Err(missing(op)),
    }))
}

fn key_serde<V: Cell>(
    stream: &KStream<Key, Option<V>>,
    op: &Value,
) -> eddyline_core::serde::SerdeRef<Key> {
    let given = text(op, "key_serde").map(nullable);
    let given = given.or_else(|| stream.key_serde());
    given.unwrap_or_else(Key::default_serde)
}

fn value_serde<V: Cell>(
    stream: &KStream<Key, Option<V>>,
    op: &Value,
) -> eddyline_core::serde::SerdeRef<Option<V>> {
    let given = text(op, "value_serde").map(nullable);
    let given = given.or_else(|| stream.value_serde());
    given.unwrap_or_else(Option::<V>::default_serde)
}

pub(super) fn grouped<V>(op: &Value, grouped: Grouped<Key, V>) -> Grouped<Key, V> {
    match text(op, "name") {
        Some(name) => grouped.with_name(name),
        None => grouped,
    }
}

fn merge<V: Cell>(
    stream: &KStream<Key, Option<V>>,
    op: &Value,
    ids: &BTreeMap<String, Handle>,
) -> Result<Handle, BuildError> {
    let with = text(op, "with").and_then(|id| ids.get(id));
    // Both are streams of the same type, or Java's casts would fail.
    match (V::stream(stream.clone()), with) {
        (Handle::Stream(a), Some(Handle::Stream(b))) => Ok(Handle::Stream(a.merge(b))),
        (Handle::LongStream(a), Some(Handle::LongStream(b))) => Ok(Handle::LongStream(a.merge(b))),
        _ => Err(BuildError::unsupported("merging these streams")),
    }
}

fn to<V: Cell>(stream: &KStream<Key, Option<V>>, op: &Value) -> Result<(), BuildError> {
    let Some(topic) = text(op, "topic") else {
        return Err(BuildError::unsupported("topic name extractors"));
    };
    let produced = Produced::with(key_serde(stream, op), value_serde(stream, op));
    stream.to_with(
        topic,
        match text(op, "name") {
            Some(name) => produced.with_name(name),
            None => produced,
        },
    );
    Ok(())
}
