//! Scenarios whose expected results Kafka Streams itself computed, run against the core: topology,
//! sub-topologies, heartbeat message and every produced record, to the byte.
//!
//! A scenario is a JSON file: a topology as a list of calls, events, and what they led to. It runs
//! in memory, as one task with every sub-topology, as Java's `TopologyTestDriver` does it.

mod build;
mod compare;
mod datum;
mod driver;
mod exceptions;
mod extractors;
mod format;
mod functions;
mod known;
mod report;
mod scripts;
mod store_commands;
mod stores;
mod topology_json;
mod windowed_commands;

pub use known::{KnownDifferences, folder};
pub use report::{Families, Report, scenario_files};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use exceptions::Exception;
use serde_json::Value;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as expected.
    Passed,
    /// All topics are as expected, but records of different topics were sent in another order: where
    /// several stores are connected to one processor, Java's follows from a hash set.
    Reordered(String),
    /// It fails for a reason that is known, and meant.
    KnownDifference(String),
    /// Something else was expected.
    Failed(String),
    /// It needs what the library does not have yet.
    Unsupported(String),
}

impl Outcome {
    /// True for what must not be.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Unsupported(_))
    }
}

/// Runs the scenario of a file.
pub fn run_file(path: &Path, known: &KnownDifferences) -> Outcome {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Outcome::Failed(format!("cannot be read: {error}")),
    };
    let scenario = match serde_json::from_str(&text) {
        Ok(scenario) => scenario,
        Err(error) => return Outcome::Failed(format!("is not JSON: {error}")),
    };
    if let Err(how) = format::check(&scenario) {
        return Outcome::Failed(format!("is not a scenario: {how}"));
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&scenario))).unwrap_or_else(|panic| {
        let how = Exception::of_panic(&*panic);
        Outcome::Failed(format!("outside of any event: {how}"))
    });
    match (known.reason(&text), outcome) {
        (None, Outcome::Failed(how)) => {
            let digest = known::digest(&text);
            Outcome::Failed(format!("{how}\n  (digest of the file: {digest})"))
        }
        (None, outcome) => outcome,
        (Some(reason), Outcome::Failed(_)) => Outcome::KnownDifference(reason.to_owned()),
        (Some(_), other) => Outcome::Failed(format!(
            "is a known difference and does not differ: {other:?}"
        )),
    }
}

/// Runs a scenario.
pub fn run(scenario: &Value) -> Outcome {
    let expected = &scenario["expect"];
    let (built, exception) = match build::build(scenario) {
        Ok(built) => (Some(built), None),
        Err(build::BuildError::Unsupported(what)) => return Outcome::Unsupported(what),
        Err(build::BuildError::Topology(error)) => (None, Some(Exception::of_topology(&error))),
    };
    if let Err(difference) = Exception::compare(exception.as_ref(), expected) {
        return Outcome::Failed(format!("the topology: {difference}"));
    }
    let Some(built) = built else {
        return Outcome::Passed;
    };
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
