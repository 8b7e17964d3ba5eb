//! Runs the events of a scenario through [`TopologyTestDriver`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use eddyline_core::time::WallClock;
use eddyline_core::types::{Header, Headers};
use eddyline_sim::{
    CommitMode, ProducedRecord, TestDriverError, TestDriverOptions, TestRecord, TopologyTestDriver,
};
use serde_json::{Value, json};

use super::build::Built;
use super::compare::Step;
use super::datum::Kind;
use super::exceptions::Exception;
use super::{hex, store_commands};

/// Nine bytes in base64: a version and a time.
const TIME_METADATA_LENGTH: usize = 12;

/// Runs all events, up to the first one that fails.
pub(super) fn run(built: Built, scenario: &Value) -> Vec<Step> {
    let config = &scenario["config"];
    let start_ms = config.get("start_time_ms").and_then(Value::as_i64);
    let options = TestDriverOptions {
        wall_clock: WallClock(start_ms.unwrap_or(0)),
        commit_mode: match config.get("commit").and_then(Value::as_str) {
            Some("manual") => CommitMode::Manual,
            _ => CommitMode::EachRecord,
        },
        emit_intervals: true,
        ..TestDriverOptions::default()
    };
    let mut run = match TopologyTestDriver::with_options(built.topology, built.config, options) {
        Ok(driver) => Run {
            driver,
            inputs: built.inputs,
            specs: built.specs,
        },
        Err(error) => return vec![run_step(Vec::new(), Err(Exception::of_driver(&error)))],
    };
    let mut steps = Vec::new();
    for event in scenario["events"].as_array().into_iter().flatten() {
        let result = catch_unwind(AssertUnwindSafe(|| run.event(event)));
        let result = match result {
            Ok(result) => result.map_err(|error| Exception::of_driver(&error)),
            Err(panic) => Err(Exception::of_panic(&*panic)),
        };
        let failed = result.is_err();
        let produced = run.driver.take_produced();
        steps.push(run_step(produced.iter().map(json_of).collect(), result));
        if failed {
            break;
        }
    }
    steps
}

fn run_step(produced: Vec<Value>, result: Result<Option<Value>, Exception>) -> Step {
    let (result, error) = match result {
        Ok(result) => (result, None),
        Err(exception) => (None, Some(exception)),
    };
    Step {
        produced,
        result,
        error,
    }
}

/// A produced record as results show it.
fn json_of(produced: &ProducedRecord) -> Value {
    let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| hex(bytes));
    let record = &produced.record;
    let mut fields = json!({
        "topic": produced.partition.topic.as_str(),
        "key_hex": bytes(&record.key),
        "value_hex": bytes(&record.value),
        "ts": (!produced.is_stamped).then_some(record.timestamp),
    });
    if !record.headers.is_empty() {
        let headers = record.headers.as_slice().iter();
        // What names Java's classes is left out of scenarios.
        let own_words = [
            "__streams.errors.exception",
            "__streams.errors.message",
            "__streams.errors.stacktrace",
        ];
        let value = |h: &Header| bytes(&h.value).filter(|_| !own_words.contains(&&*h.key));
        let header = headers.map(|h| json!([&*h.key, value(h)]));
        fields["headers"] = header.collect();
    }
    fields
}

struct Run {
    driver: TopologyTestDriver,
    inputs: std::collections::BTreeMap<String, (Kind, Kind)>,
    specs: super::stores::SharedSpecs,
}

impl Run {
    fn event(&mut self, event: &Value) -> Result<Option<Value>, TestDriverError> {
        if let Some(record) = event.get("record") {
            self.record(record)?;
        } else if let Some(by_ms) = event.get("advance_wall_clock_ms").and_then(Value::as_u64) {
            let by = Duration::from_millis(by_ms);
            self.driver.advance_wall_clock_time(by)?;
        } else if event.get("commit").is_some() {
            self.driver.commit()?;
        } else if event.get("restart").is_some() {
            self.restart()?;
        } else if let Some(query) = event.get("query").and_then(Value::as_str) {
            let specs = self.specs.get().expect("the topology is complete");
            let answer = store_commands::run(&mut self.driver, specs, query);
            return Ok(Some(answer.expect("stores of queries are there")));
        }
        Ok(None)
    }

    /// The oracle keeps partition times over a restart, which come first in the metadata, and not
    /// what processors keep behind them.
    fn restart(&self) -> Result<(), TestDriverError> {
        self.driver.close()?;
        let mut offsets = self.driver.committed_offsets();
        for committed in offsets.values_mut() {
            committed.metadata.truncate(TIME_METADATA_LENGTH);
        }
        self.driver.open_from(offsets)
    }

    fn record(&self, record: &Value) -> Result<(), TestDriverError> {
        let topic = record["topic"].as_str().unwrap_or_default();
        let kinds = self.inputs.get(topic).copied();
        let (keys, values) = kinds.unwrap_or((Kind::Text, Kind::Text));
        let bytes = |field: &str, kind: Kind| -> Option<Bytes> {
            if let Some(hex) = record.get(format!("{field}_hex")).and_then(Value::as_str) {
                return Some(super::unhex(hex).into());
            }
            let datum = kind.read(&record[field])?;
            Some(kind.bytes(&datum).expect("its own serde"))
        };
        let mut headers = Headers::new();
        for header in record["headers"].as_array().into_iter().flatten() {
            let value = header[1].as_str().map(|text| Bytes::from(text.to_owned()));
            headers.push(header[0].as_str().unwrap_or_default(), value);
        }
        let timestamp = record["ts"].as_i64().unwrap_or(-1);
        let record = TestRecord::new(bytes("key", keys), bytes("value", values));
        let input = self
            .driver
            .create_input_topic::<Option<Bytes>, Option<Bytes>>(topic);
        input.pipe_record(record.at(timestamp).with_headers(headers))
    }
}
