//! Expected against actual.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Outcome;
use super::exceptions::Exception;

/// What an event led to.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) produced: Vec<Value>,
    pub(super) result: Option<Value>,
    pub(super) error: Option<Exception>,
}

/// Compares the steps of a run with those expected.
pub(super) fn steps(scenario: &Value, actual: &[Step]) -> Outcome {
    let expected = scenario["expect"]["steps"].as_array();
    let expected = expected.map_or(&[][..], Vec::as_slice);
    let mut reordered = None;
    for (at, expected) in expected.iter().enumerate() {
        let event = &scenario["events"][at];
        let Some(step) = actual.get(at) else {
            return Outcome::Failed(format!("event {at} {event} was not reached"));
        };
        let failed = |message: String| Outcome::Failed(format!("event {at} {event}\n{message}"));
        if let Err(difference) = Exception::compare(step.error.as_ref(), expected) {
            return failed(difference);
        }
        let produced = expected["produced"].as_array();
        let produced = produced.map_or(&[][..], Vec::as_slice);
        if by_topic(produced) != by_topic(&step.produced) {
            let actual = Value::from(step.produced.clone());
            return failed(difference("produced", &expected["produced"], &actual));
        }
        if produced != step.produced {
            reordered.get_or_insert(format!("event {at} {event}"));
        }
        if expected.get("result") != step.result.as_ref() {
            let result = |value: Option<&Value>| value.cloned().unwrap_or(Value::from("none"));
            let (expected, actual) = (result(expected.get("result")), result(step.result.as_ref()));
            return failed(difference("result", &expected, &actual));
        }
    }
    if expected.len() != actual.len() {
        let (expected, actual) = (expected.len(), actual.len());
        return Outcome::Failed(format!(
            "{actual} events ran where Java ends after {expected}"
        ));
    }
    match reordered {
        Some(event) => Outcome::Reordered(format!("first at {event}")),
        None => Outcome::Passed,
    }
}

fn by_topic(records: &[Value]) -> BTreeMap<String, Vec<&Value>> {
    let mut topics: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let topic = record["topic"].to_string();
        topics.entry(topic).or_default().push(record);
    }
    topics
}

/// Both, line by line where that can be read, with what differs marked.
pub(super) fn difference(part: &str, expected: &Value, actual: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => text.lines().map(str::to_owned).collect(),
            Value::Array(all) => all.iter().map(readable).collect(),
            other => vec![other.to_string()],
        }
    };
    let (expected, actual) = (lines(expected), lines(actual));
    let mut text = format!("{part}:");
    for at in 0..expected.len().max(actual.len()) {
        match (expected.get(at), actual.get(at)) {
            (Some(a), Some(b)) if a == b => text.push_str(&format!("\n    {a}")),
            (a, b) => {
                for (mark, line) in [('-', a), ('+', b)] {
                    if let Some(line) = line {
                        text.push_str(&format!("\n  {mark} {line}"));
                    }
                }
            }
        }
    }
    text
}

/// A produced record with its bytes as text, where it is one.
fn readable(value: &Value) -> String {
    let Some(topic) = value.get("topic") else {
        return value.to_string();
    };
    let bytes = |field: &str| match value[field].as_str() {
        Some(hex) => format!("\"{}\"", super::unhex(hex).escape_ascii()),
        None => "null".to_owned(),
    };
    let headers = value.get("headers").map(ToString::to_string);
    format!(
        "{topic} {} = {} @{} {}",
        bytes("key_hex"),
        bytes("value_hex"),
        value["ts"],
        headers.unwrap_or_default()
    )
}
