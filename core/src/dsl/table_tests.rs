use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::ValueTransformerWithKey;
use super::{BufferConfig, KTable, Materialized, StreamsBuilder, Suppressed};
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::processor::{
    OutgoingRecord, ProcessingContext, ProcessorError, ProcessorGraph, RecordSink,
};
use crate::state::{CacheBudget, Stores};
use crate::time::{Now, StreamTime};
use crate::topology::TopologyError;
use crate::types::{TaskId, TopicName, TopicPartition};
use crate::wire::Record;

/// What reached the output topic, as `key=value@timestamp`.
#[derive(Default)]
struct Output(Vec<String>);

impl RecordSink for Output {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        if record.topic.as_str() == "out" {
            let text = |bytes: Option<&[u8]>| {
                let bytes = bytes.map(String::from_utf8_lossy);
                bytes.map_or_else(|| "null".to_owned(), |text| text.into_owned())
            };
            let (key, value) = (text(record.key), text(record.value));
            self.0.push(format!("{key}={value}@{}", record.timestamp));
        }
        Ok(())
    }

    fn partition_count(&self, _: &TopicName) -> Option<i32> {
        Some(1)
    }
}

type Texts = KTable<String, String>;

/// A task that writes the table `make` gives of the topics `a` and `b`.
struct Task {
    graph: ProcessorGraph,
    output: Rc<RefCell<Output>>,
}

impl Task {
    fn new(a: Materialized<String, String>, make: impl Fn(Texts, Texts) -> Texts) -> Self {
        let builder = StreamsBuilder::new();
        let (a, b) = (
            builder.table("a", a),
            builder.table("b", Materialized::default()),
        );
        make(a, b).to_stream().to("out");
        let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
        let topology = builder.build_with(&config).expect("builds");
        let output = Rc::new(RefCell::new(Output::default()));
        let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Output>>::clone(&output);
        let (id, budget) = (TaskId::new(0, 0), CacheBudget::new(0));
        let graph = ProcessorGraph::new(&topology, id, &[0], &config, &budget, sink);
        let mut graph = graph.expect("has sub-topology 0");
        graph.init(Now::default()).expect("begins");
        Self { graph, output }
    }

    /// What came out when the row `k` of a topic came in.
    fn feed(&mut self, topic: &str, value: Option<&str>, timestamp: i64) -> Vec<String> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let record = Record {
            offset: 0,
            timestamp,
            key: Some(bytes("k")),
            value: value.map(bytes),
            headers: Default::default(),
        };
        let partition = TopicPartition::new(topic, 0);
        self.graph
            .process_record(Now::default(), &partition, record, StreamTime(timestamp))
            .expect("processed");
        std::mem::take(&mut self.output.borrow_mut().0)
    }
}

fn pair(left: Option<String>, right: Option<String>) -> String {
    let text = |side: Option<String>| side.unwrap_or_else(|| "null".to_owned());
    format!("({},{})", text(left), text(right))
}

/// Says of every row what it is, and of those that are not there that they are not.
struct Described;

impl ValueTransformerWithKey<String, String, String> for Described {
    fn transform(
        &mut self,
        _: &mut ProcessingContext<'_>,
        key: &String,
        value: Option<String>,
    ) -> Result<Option<String>, ProcessorError> {
        Ok(Some(value.map_or_else(
            || format!("no {key}"),
            |value| format!("{key}:{value}"),
        )))
    }
}

#[test]
fn transformed_rows_are_transformed_again_to_be_read() {
    let mut task = Task::new(Materialized::default(), |a, b| {
        a.transform_values(|| Described, &[])
            .join(&b, |a, b| pair(Some(a), Some(b)))
    });
    assert_eq!(task.feed("b", Some("b1"), 1), ["k=(no k,b1)@1"]);
    assert_eq!(task.feed("a", Some("a1"), 2), ["k=(k:a1,b1)@2"]);
    assert_eq!(task.feed("b", Some("b2"), 3), ["k=(k:a1,b2)@3"]);
}

#[test]
fn a_suppressed_table_shows_what_its_rows_were() {
    let mut task = Task::new(Materialized::default(), |a, b| {
        let limit = Duration::from_millis(10);
        let held = a.suppress(Suppressed::until_time_limit(
            limit,
            BufferConfig::unbounded(),
        ));
        b.left_join(&held, |b, a| pair(Some(b), a))
    });
    assert!(task.feed("a", Some("a1"), 0).is_empty(), "held back");
    assert_eq!(task.feed("b", Some("b1"), 1), ["k=(b1,null)@1"]);
    assert!(task.feed("a", Some("a2"), 5).is_empty(), "still held back");
    assert_eq!(task.feed("a", Some("a3"), 10), ["k=(b1,a3)@10"]);
    assert!(task.feed("a", Some("a4"), 11).is_empty(), "held back again");
    assert_eq!(task.feed("b", Some("b2"), 12), ["k=(b2,a3)@12"]);
}

#[test]
fn out_of_order_rows_of_versioned_tables_are_not_joined() {
    let rows = Stores::in_memory_versioned_key_value_store("rows", 100, None).expect("valid");
    let mut task = Task::new(Materialized::as_versioned_store(rows), |a, b| {
        a.outer_join(&b, pair)
    });
    assert_eq!(task.feed("a", Some("a2"), 20), ["k=(a2,null)@20"]);
    assert!(task.feed("a", Some("a1"), 10).is_empty(), "out of order");
    assert_eq!(task.feed("b", Some("b1"), 5), ["k=(a2,b1)@20"]);
    assert_eq!(task.feed("a", None, 30), ["k=(null,b1)@30"]);
    assert_eq!(task.feed("b", None, 31), ["k=null@31"]);
}

#[test]
fn versioned_tables_are_not_suppressed() {
    let builder = StreamsBuilder::new();
    let rows = Stores::in_memory_versioned_key_value_store("rows", 100, None).expect("valid");
    let limit = Duration::from_millis(10);
    builder
        .table::<String, String>("a", Materialized::as_versioned_store(rows))
        .filter(|_, _| true)
        .suppress(Suppressed::until_time_limit(
            limit,
            BufferConfig::unbounded(),
        ));
    let error = builder.build().expect_err("refused");
    assert!(
        matches!(error, TopologyError::SuppressedVersioned(_)),
        "{error}"
    );
}
