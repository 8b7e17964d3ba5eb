//! Scenarios whose expected results Kafka Streams itself computed, run against the core: topology,
//! sub-topologies, heartbeat message and every produced record, to the byte.
//!
//! A scenario is a JSON file: a topology as a list of calls, events, and what they led to. It runs
//! in memory, as one task with every sub-topology, as Java's `TopologyTestDriver` does it.

mod build;
mod compare;
mod datum;
mod driver;
mod functions;
mod queues;
mod report;
mod scripts;
mod store_commands;
mod stores;
mod tables;
mod topology_json;

pub use report::{Families, Report, scenario_files};

use std::path::Path;

use serde_json::Value;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as expected.
    Passed,
    /// All topics are as expected, but not the order in which records of different topics were
    /// sent: Java's follows from its hash sets.
    KnownDifference(String),
    /// Something else was expected.
    Failed(String),
    /// It needs what the library does not have yet.
    Unsupported(String),
}

/// Runs the scenario of a file.
pub fn run_file(path: &Path) -> Outcome {
    let parsed = std::fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    match parsed {
        Ok(scenario) => run(&scenario),
        Err(message) => Outcome::Failed(format!("cannot be read: {message}")),
    }
}

/// Runs a scenario.
pub fn run(scenario: &Value) -> Outcome {
    let built = match build::build(scenario) {
        Ok(built) => built,
        Err(build::BuildError::Unsupported(what)) => return Outcome::Unsupported(what),
        Err(build::BuildError::Topology(error)) => {
            return match scenario["expect"].get("error") {
                Some(_) => Outcome::Passed,
                None => Outcome::Failed(format!("the topology does not build: {error}")),
            };
        }
    };
    if let Some(expected) = scenario["expect"].get("error") {
        return Outcome::Failed(format!("the topology builds where Java has {expected}"));
    }
    match topology_json::compare(&built, scenario) {
        Ok(()) => compare::steps(scenario, &driver::run(built, scenario)),
        Err(difference) => Outcome::Failed(difference),
    }
}

/// A text field.
fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field).and_then(Value::as_str)
}

/// A list of texts, or one text.
fn texts<'a>(of: &'a Value, field: &str) -> Vec<&'a str> {
    match of.get(field) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal text; what is not, is left out.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| Some(c.to_digit(16)? as u8))
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
