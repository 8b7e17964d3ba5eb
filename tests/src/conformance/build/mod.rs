//! From the list of calls of a scenario to a topology.
//!
//! What a call gives is an [`Operand`], which knows the calls that can be made on it: one file for
//! each kind of operand, and one for each family of operators that several kinds share.

mod cogroup;
mod foreign_key;
mod grouped;
mod joins;
mod processor_api;
mod serdes;
mod sources;
mod streams;
mod suppress;
mod tables;
mod windows;

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::StreamsBuilder;
use eddyline_core::topology::{Topology, TopologyError};
use serde_json::Value;

pub(super) use serdes::{Cell, KeyCell, nullable};

use super::datum::Kind;
use super::stores::{SharedSpecs, StoreSpecs};
use super::{text, texts};

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

    /// The call is not there.
    fn missing(op: &Value) -> Self {
        Self::unsupported(name(op))
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

/// What a call gave, and further calls are made on.
trait Operand: Any {
    /// Makes a call; gives what came of it, which is nothing for the last of a chain.
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError>;

    /// For calls with two operands: see [`Build::with`].
    fn as_any(&self) -> &dyn Any;
}

type Handle = Rc<dyn Operand>;

/// A call that gives an operand.
fn given(operand: impl Operand) -> Result<Option<Handle>, BuildError> {
    Ok(Some(Rc::new(operand)))
}

/// The topology of a scenario.
pub(super) fn build(scenario: &Value) -> Result<Built, BuildError> {
    let config = streams_config(&scenario["config"])?;
    let mut build = Build {
        shared: Arc::new(OnceLock::new()),
        specs: StoreSpecs::new(),
        inputs: BTreeMap::new(),
        ids: BTreeMap::new(),
        builder: StreamsBuilder::new(),
    };
    let operations = scenario["topology"].as_array();
    let operations = operations.map_or(&[][..], Vec::as_slice);
    let topology = if text(&scenario["config"], "api") == Some("topology") {
        build.processor_api(operations)?
    } else {
        for op in operations {
            let result = build.call(op)?;
            if let (Some(id), Some(handle)) = (text(op, "id"), result) {
                build.ids.insert(id.to_owned(), handle);
            }
        }
        build.builder.build_with(&config)?
    };
    let shared = Arc::clone(&build.shared);
    shared.get_or_init(|| build.specs);
    Ok(Built {
        topology,
        config,
        specs: shared,
        inputs: build.inputs,
    })
}

fn streams_config(config: &Value) -> Result<StreamsConfig, BuildError> {
    // Settings that make a difference and are not there yet.
    let other = |field| text(config, field).is_some_and(|serde| serde != "string");
    if other("default_key_serde") || other("default_value_serde") {
        return Err(BuildError::unsupported("default serdes"));
    }
    let application_id = text(config, "application_id").unwrap_or("app");
    let optimization = match config.get("topology_optimization") {
        Some(Value::Bool(true)) => "all",
        _ => "none",
    };
    let store_type = match text(config, "dsl_store_type") {
        Some("in_memory") => "in_memory",
        _ => "rocksDB",
    };
    let store_format = text(config, "dsl_store_format").unwrap_or("default");
    // Scenarios without it have none, unlike applications.
    let number = |field| config.get(field).and_then(Value::as_u64).unwrap_or(0);
    let emit_interval_ms = number("emit_interval_ms");
    let unreadable = match text(config, "deserialization_handler") {
        Some("continue") => "LogAndContinueExceptionHandler",
        _ => "LogAndFailExceptionHandler",
    };
    let failed = match text(config, "processing_handler") {
        Some("continue") => "LogAndContinueProcessingExceptionHandler",
        _ => "LogAndFailProcessingExceptionHandler",
    };
    let dead_letters = text(config, "dead_letter_topic");
    StreamsConfig::new(application_id, "localhost:9092")
        .and_then(|config| config.set("deserialization.exception.handler", unreadable))
        .and_then(|config| config.set("processing.exception.handler", failed))
        .and_then(|config| match dead_letters {
            Some(topic) => config.set("errors.dead.letter.queue.topic.name", topic),
            None => Ok(config),
        })
        .and_then(|config| config.set("topology.optimization", optimization))
        .and_then(|config| config.set("statestore.cache.max.bytes", number("cache_bytes")))
        .and_then(|config| config.set("default.dsl.store", store_type))
        .and_then(|config| config.set("dsl.store.format", store_format))
        .and_then(|config| config.set(JOIN_EMIT_INTERVAL, emit_interval_ms))
        .and_then(|config| config.set(WINDOW_EMIT_INTERVAL, emit_interval_ms))
        .map_err(|error| BuildError::unsupported(format!("this configuration: {error}")))
}

const JOIN_EMIT_INTERVAL: &str = "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__";
const WINDOW_EMIT_INTERVAL: &str = "__emit.interval.ms.kstreams.windowed.aggregation__";

/// The name of a call.
fn name(op: &Value) -> &str {
    text(op, "op").unwrap_or_default()
}

/// A function of the library, found by the name in a field.
fn function<F>(op: &Value, field: &str, find: fn(&str) -> Option<F>) -> Result<F, BuildError> {
    let name = text(op, field).unwrap_or_default();
    find(name).ok_or_else(|| BuildError::unsupported(format!("the function {name}")))
}

/// A topology in the making.
struct Build {
    shared: SharedSpecs,
    specs: StoreSpecs,
    inputs: BTreeMap<String, (Kind, Kind)>,
    ids: BTreeMap<String, Handle>,
    builder: StreamsBuilder,
}

impl Build {
    fn call(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        match text(op, "from") {
            Some(from) => self.operand(from)?.operate(op, self),
            None => self.source(op),
        }
    }

    /// What an earlier call gave.
    fn operand(&self, id: &str) -> Result<Handle, BuildError> {
        let known = self.ids.get(id).map(Rc::clone);
        known.ok_or_else(|| BuildError::unsupported(format!("what {id} refers to")))
    }

    /// The other operand of a call, if it is of the type asked for.
    fn with<T: Operand + Clone>(&self, op: &Value) -> Result<Option<T>, BuildError> {
        let other = self.operand(text(op, "with").unwrap_or_default())?;
        Ok(other.as_any().downcast_ref().cloned())
    }

    /// Notes the serdes of a source's topics, which events are written with.
    fn input(&mut self, op: &Value) {
        let kind = |field| Kind::of(text(op, field).unwrap_or("string"));
        for topic in texts(op, "topic") {
            let kinds = (kind("key_serde"), kind("value_serde"));
            self.inputs.insert(topic.to_owned(), kinds);
        }
    }
}
