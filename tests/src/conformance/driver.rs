//! Runs a scenario as `TopologyTestDriver` does: one task, every sub-topology, what is produced for
//! a topic that the topology reads comes back as input.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bytes::Bytes;
use eddyline_core::error::StreamsError;
use eddyline_core::processor::{OutgoingRecord, ProcessorGraph, PunctuationType, RecordSink};
use eddyline_core::state::{CacheBudget, ChangelogRecord};
use eddyline_core::time::{Instant, Now, StreamTime, WallClock};
use eddyline_core::types::{Headers, NO_TIMESTAMP, TaskId, TopicName, TopicPartition};
use eddyline_core::wire::Record;
use serde_json::{Value, json};

use super::build::Built;
use super::compare::Step;
use super::exceptions::Exception;
use super::hex;
use super::queues::{LoggedRecord, Queues};
use super::store_commands::{self, Outside};

/// Runs all events, up to the first one that fails.
pub(super) fn run(built: Built, scenario: &Value) -> Vec<Step> {
    let mut steps = Vec::new();
    let config = &scenario["config"];
    let mut driver = match Driver::new(built, config) {
        Ok(driver) => driver,
        Err(error) => {
            steps.push(failed(Exception::of_event(&error)));
            return steps;
        }
    };
    for event in scenario["events"].as_array().into_iter().flatten() {
        let result = catch_unwind(AssertUnwindSafe(|| driver.event(event)));
        let error = match result {
            Ok(Ok(result)) => {
                let produced = std::mem::take(&mut driver.produced);
                steps.push(Step {
                    produced,
                    result,
                    error: None,
                });
                continue;
            }
            Ok(Err(exception)) => exception,
            Err(panic) => Exception::of_panic(&*panic),
        };
        driver.capture(false).ok();
        let produced = std::mem::take(&mut driver.produced);
        steps.push(Step {
            produced,
            ..failed(error)
        });
        break;
    }
    steps
}

fn failed(error: Exception) -> Step {
    Step {
        error: Some(error),
        ..Step::default()
    }
}

#[derive(Default)]
struct Sink(Vec<LoggedRecord>);

impl RecordSink for Sink {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        self.0.push(LoggedRecord {
            topic: record.topic.clone(),
            offset: 0,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            timestamp: record.timestamp,
            headers: record.headers.clone(),
        });
        Ok(())
    }

    fn partition_count(&self, _: &TopicName) -> Option<i32> {
        Some(1)
    }
}

struct Driver {
    built: Built,
    cache_bytes: usize,
    commit_each: bool,
    sources: Vec<TopicName>,
    graph: ProcessorGraph,
    sink: Rc<RefCell<Sink>>,
    queues: Queues,
    /// Every record of every topic.
    log: BTreeMap<TopicName, Vec<LoggedRecord>>,
    produced: Vec<Value>,
    wall_clock_ms: i64,
    stream_time: StreamTime,
    commit_needed: bool,
}

impl Driver {
    fn new(built: Built, config: &Value) -> Result<Self, StreamsError> {
        let number = |field| config.get(field).and_then(Value::as_i64).unwrap_or(0);
        let (cache_bytes, start) = (number("cache_bytes") as usize, number("start_time_ms"));
        let sink = Rc::new(RefCell::new(Sink::default()));
        let graph = graph(&built, cache_bytes, &sink)?;
        let subtopologies = built.topology.subtopologies(&built.config);
        let sources = subtopologies.iter().flat_map(|sub| sub.inputs().cloned());
        let mut driver = Self {
            cache_bytes,
            commit_each: config.get("commit").and_then(Value::as_str) != Some("manual"),
            sources: sources.collect(),
            graph,
            sink,
            queues: Queues::default(),
            log: BTreeMap::new(),
            produced: Vec::new(),
            wall_clock_ms: start,
            stream_time: StreamTime::UNKNOWN,
            commit_needed: false,
            built,
        };
        let now = driver.now();
        driver.graph.init(now)?;
        Ok(driver)
    }

    fn now(&self) -> Now {
        Now {
            instant: Instant::default(),
            wall_clock: WallClock(self.wall_clock_ms),
        }
    }

    fn event(&mut self, event: &Value) -> Result<Option<Value>, Exception> {
        if let Some(topic) = event["record"]["topic"].as_str()
            && !self.built.inputs.contains_key(topic)
        {
            let message = format!("{topic} is not read");
            return Err(Exception::new("IllegalArgumentException", message));
        }
        self.handle(event)
            .map_err(|error| Exception::of_event(&error))
    }

    fn handle(&mut self, event: &Value) -> Result<Option<Value>, StreamsError> {
        let mut result = None;
        if let Some(record) = event.get("record") {
            self.record(record)?;
        } else if let Some(by) = event.get("advance_wall_clock_ms").and_then(Value::as_i64) {
            self.wall_clock_ms += by;
            self.punctuate(PunctuationType::WallClockTime)?;
            if self.commit_each {
                self.commit()?;
            }
        } else if event.get("commit").is_some() {
            self.commit()?;
        } else if event.get("restart").is_some() {
            self.restart()?;
        } else if let Some(query) = event.get("query").and_then(Value::as_str) {
            let mut outside = Outside {
                now: self.now(),
                graph: &mut self.graph,
            };
            let specs = self.built.specs.get().expect("the topology is complete");
            let answer = store_commands::run(&mut outside, specs, query);
            let answer = answer.map_err(|error| StreamsError::Panicked(format!("{error:?}")))?;
            result = Some(answer);
        }
        self.complete()?;
        Ok(result)
    }

    fn record(&mut self, record: &Value) -> Result<(), StreamsError> {
        let topic = record["topic"].as_str().unwrap_or_default();
        let (keys, values) = self.built.inputs[topic];
        let bytes = |field: &str, kind: super::datum::Kind| -> Option<Bytes> {
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
        let record = LoggedRecord {
            topic: topic.into(),
            offset: 0,
            key: bytes("key", keys),
            value: bytes("value", values),
            timestamp: record["ts"].as_i64().unwrap_or(-1),
            headers,
        };
        let record = self.append(record);
        self.enqueue(record)
    }

    /// Hands a record to the queue of its topic.
    fn enqueue(&mut self, record: LoggedRecord) -> Result<(), StreamsError> {
        let (now, graph) = (self.now(), &mut self.graph);
        self.queues
            .push(record, |record, time| load(graph, now, record, time))
    }

    /// Gives a record its offset.
    fn append(&mut self, mut record: LoggedRecord) -> LoggedRecord {
        let log = self.log.entry(record.topic.clone()).or_default();
        record.offset = log.len() as i64;
        log.push(record.clone());
        record
    }

    /// Notes what was produced, and hands it back as input.
    fn capture(&mut self, as_input: bool) -> Result<(), StreamsError> {
        let records = std::mem::take(&mut self.sink.borrow_mut().0);
        for mut record in records {
            let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| hex(bytes));
            let mut fields = json!({
                "topic": record.topic.as_str(),
                "key_hex": bytes(&record.key),
                "value_hex": bytes(&record.value),
                "ts": (record.timestamp != NO_TIMESTAMP).then_some(record.timestamp),
            });
            if !record.headers.is_empty() {
                let headers = record.headers.as_slice().iter();
                let header = headers.map(|h| json!([&*h.key, bytes(&h.value)]));
                fields["headers"] = header.collect();
            }
            self.produced.push(fields);
            if record.timestamp == NO_TIMESTAMP {
                record.timestamp = self.wall_clock_ms;
            }
            let record = self.append(record);
            if as_input && self.sources.contains(&record.topic) {
                self.enqueue(record)?;
            }
        }
        Ok(())
    }

    /// Processes until every queue is empty.
    fn complete(&mut self) -> Result<(), StreamsError> {
        self.capture(true)?;
        while let Some((topic, time)) = self.queues.poll() {
            let (now, graph) = (self.now(), &mut self.graph);
            if let Some(time) = time {
                self.stream_time.advance_to(time);
                let input = graph.input(&TopicPartition::new(topic, 0))?;
                graph.take(input);
            }
            self.queues
                .advance(|record, time| load(graph, now, record, time))?;
            self.commit_needed = true;
            if time.is_some() {
                graph.process(now, self.stream_time)?;
            }
            self.punctuate(PunctuationType::StreamTime)?;
            if self.commit_each {
                self.commit()?;
            }
            self.capture(true)?;
        }
        Ok(())
    }

    fn punctuate(&mut self, kind: PunctuationType) -> Result<(), StreamsError> {
        let now = self.now();
        self.commit_needed |= self.graph.punctuate(kind, now, self.stream_time)?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StreamsError> {
        if std::mem::take(&mut self.commit_needed) {
            self.graph.flush(self.now())?;
        }
        Ok(())
    }

    /// A clean shutdown, the loss of all state, and a new start.
    fn restart(&mut self) -> Result<(), StreamsError> {
        loop {
            let before = self.produced.len();
            self.commit()?;
            self.complete()?;
            if self.produced.len() == before {
                break;
            }
        }
        self.graph.close(true);
        self.graph = graph(&self.built, self.cache_bytes, &self.sink)?;
        for (store, changelog) in self.graph.changelogs() {
            for record in self.log.get(&changelog.topic).into_iter().flatten() {
                let Some(key) = record.key.clone() else {
                    continue;
                };
                let record = ChangelogRecord {
                    key,
                    value: record.value.clone(),
                    timestamp: record.timestamp,
                    headers: record.headers.clone(),
                };
                self.graph.restore(store, record)?;
            }
        }
        self.graph.init(self.now())
    }
}

/// Makes a record the first of its partition.
fn load(
    graph: &mut ProcessorGraph,
    now: Now,
    record: &LoggedRecord,
    partition_time: StreamTime,
) -> Result<Option<i64>, StreamsError> {
    let input = graph.input(&TopicPartition::new(record.topic.clone(), 0))?;
    let record = Record {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    };
    graph.load(now, input, record, partition_time)
}

fn graph(
    built: &Built,
    cache_bytes: usize,
    sink: &Rc<RefCell<Sink>>,
) -> Result<ProcessorGraph, StreamsError> {
    let all: Vec<i32> = (0..built.topology.subtopology_count()).collect();
    let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Sink>>::clone(sink);
    let budget = CacheBudget::new(cache_bytes);
    let task = TaskId::new(0, 0);
    ProcessorGraph::new(&built.topology, task, &all, &built.config, &budget, sink)
}
