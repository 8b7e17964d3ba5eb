//! The word-count scenarios of the conformance suite: describe text, sub-topologies, the topology
//! message, and every produced record, against what Kafka Streams 4.3.1 computed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{Materialized, StreamsBuilder};
use eddyline_core::error::StreamsError;
use eddyline_core::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use eddyline_core::state::{CacheBudget, ChangelogRecord, TimestampedKeyValueStore};
use eddyline_core::time::{Now, StreamTime};
use eddyline_core::topology::{Topology, topology_message};
use eddyline_core::types::{Headers, TaskId, TopicPartition};
use eddyline_core::wire::Record;
use serde_json::{Value, json};

type Counts = TimestampedKeyValueStore<String, i64>;

#[derive(Clone)]
struct Produced {
    topic: String,
    key: Option<Bytes>,
    value: Option<Bytes>,
    timestamp: i64,
}

#[derive(Default)]
struct Sink(VecDeque<Produced>);

impl RecordSink for Sink {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        self.0.push_back(Produced {
            topic: record.topic.to_string(),
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            timestamp: record.timestamp,
        });
        Ok(())
    }
}

fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, Option<String>>("lines")
        .flat_map_values(|line: Option<String>| {
            let line = line.unwrap_or_default();
            line.split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .to("out");
    builder.build().expect("a valid topology")
}

/// One task with every sub-topology, as Java's `TopologyTestDriver` runs them.
struct Driver {
    graph: ProcessorGraph,
    sink: Rc<RefCell<Sink>>,
    commit_each: bool,
    stream_time: StreamTime,
    changelog: Vec<Produced>,
}

impl Driver {
    fn new(scenario: &Value, changelog: Vec<Produced>) -> Self {
        let sink = Rc::new(RefCell::new(Sink::default()));
        let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
        let budget =
            CacheBudget::new(scenario["config"]["cache_bytes"].as_u64().unwrap_or(0) as usize);
        let shared: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Sink>>::clone(&sink);
        let task = TaskId::new(0, 0);
        let mut graph = ProcessorGraph::new(&topology(), task, &[0, 1], &config, &budget, shared)
            .expect("the graph is built");
        let (store, _) = graph.changelogs()[0];
        for record in &changelog {
            let record = ChangelogRecord {
                key: record.key.clone().expect("changelog records have keys"),
                value: record.value.clone(),
                timestamp: record.timestamp,
                headers: Headers::new(),
            };
            graph.restore(store, record).expect("restored");
        }
        graph.init(Now::default()).expect("initialised");
        let commit_each = scenario["config"]["commit"] != "manual";
        Self {
            graph,
            sink,
            commit_each,
            stream_time: StreamTime::UNKNOWN,
            changelog,
        }
    }

    fn pipe(
        &mut self,
        topic: &str,
        key: Option<Bytes>,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Vec<Value> {
        let mut all = Vec::new();
        let mut queue = VecDeque::from([Produced {
            topic: topic.into(),
            key,
            value,
            timestamp,
        }]);
        while let Some(next) = queue.pop_front() {
            let Produced {
                topic,
                key,
                value,
                timestamp,
            } = next;
            self.stream_time.advance_to(timestamp);
            let record = Record {
                offset: 0,
                timestamp,
                key,
                value,
                headers: Headers::new(),
            };
            let partition = TopicPartition::new(topic, 0);
            self.graph
                .process_record(Now::default(), &partition, record, self.stream_time)
                .expect("processed");
            if self.commit_each {
                self.graph.flush(Now::default()).expect("flushed");
            }
            self.collect(&mut all, &mut queue);
        }
        all
    }

    fn commit(&mut self) -> Vec<Value> {
        self.graph.flush(Now::default()).expect("flushed");
        let mut all = Vec::new();
        self.collect(&mut all, &mut VecDeque::new());
        all
    }

    fn collect(&mut self, all: &mut Vec<Value>, queue: &mut VecDeque<Produced>) {
        for record in self.sink.borrow_mut().0.drain(..) {
            let hex = |bytes: &Option<Bytes>| {
                bytes.as_ref().map(|b| {
                    b.iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect::<String>()
                })
            };
            all.push(json!({
                "topic": record.topic, "key_hex": hex(&record.key),
                "value_hex": hex(&record.value), "ts": record.timestamp,
            }));
            if record.topic.ends_with("-repartition") {
                queue.push_back(record);
            } else if record.topic.ends_with("-changelog") {
                self.changelog.push(record);
            }
        }
    }

    fn query(&mut self, query: &str) -> Value {
        let store = self.graph.store("counts").expect("the store");
        let store = store
            .as_any_mut()
            .downcast_mut::<Counts>()
            .expect("its type");
        let words: Vec<&str> = query.split(' ').collect();
        let bound = |text: &str| {
            if text == "-" {
                String::new()
            } else {
                text.to_owned()
            }
        };
        let rows: Vec<_> = match words[1] {
            "get" => {
                let found = store.get(&words[2].to_owned()).expect("read");
                return found.map_or(Value::Null, |row| json!([row.value, row.timestamp]));
            }
            "all" => store.all().expect("read").collect(),
            "range" => store
                .range(bound(words[2])..=bound(words[3]))
                .expect("read")
                .collect(),
            "reverse_range" if words[2] == "-" => store.reverse_all().expect("read").collect(),
            other => panic!("query {other}"),
        };
        rows.into_iter()
            .map(|row| row.expect("read"))
            .map(|(key, row)| json!([key, [row.value, row.timestamp]]))
            .collect()
    }
}

#[test]
fn word_count_is_javas_to_the_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/scenarios/basic");
    for name in [
        "word_count_each_commit",
        "word_count_cached",
        "word_count_small_cache",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("the file");
        let scenario: Value = serde_json::from_str(&text).expect("JSON");
        let expected = &scenario["expect"];
        assert_eq!(
            json!(topology().describe().to_string()),
            expected["describe"],
            "{name}"
        );
        assert_eq!(
            heartbeat_topology(),
            expected["heartbeat_topology"],
            "{name}"
        );
        let mut driver = Driver::new(&scenario, Vec::new());
        let events = scenario["events"].as_array().expect("events");
        for (index, event) in events.iter().enumerate() {
            let step = &expected["steps"][index];
            let mut result = None;
            let produced = if let Some(record) = event.get("record") {
                let bytes = |v: &Value| v.as_str().map(|s| Bytes::copy_from_slice(s.as_bytes()));
                let ts = record["ts"].as_i64().expect("a timestamp");
                driver.pipe("lines", bytes(&record["key"]), bytes(&record["value"]), ts)
            } else if let Some(query) = event.get("query") {
                result = Some(driver.query(query.as_str().expect("text")));
                Vec::new()
            } else if event.get("restart").is_some() {
                let produced = driver.commit();
                driver = Driver::new(&scenario, std::mem::take(&mut driver.changelog));
                produced
            } else {
                driver.commit()
            };
            assert_eq!(json!(produced), step["produced"], "{name}, event {index}");
            if let Some(result) = result {
                assert_eq!(result, step["result"], "{name}, event {index}");
            }
        }
    }
}

fn heartbeat_topology() -> Value {
    let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
    let message = topology_message(&topology().subtopologies(&config));
    let info = |topic: &eddyline_core::wire::streams_group::TopicInfo| {
        let configs: Vec<_> = topic
            .topic_configs
            .iter()
            .map(|c| json!([c.key, c.value]))
            .collect();
        json!({
            "name": topic.name, "partitions": topic.partitions,
            "replication_factor": topic.replication_factor, "configs": configs,
        })
    };
    let subtopologies: Vec<_> = message
        .subtopologies
        .iter()
        .map(|sub| {
            json!({
                "id": sub.subtopology_id,
                "source_topics": sub.source_topics,
                "source_topic_regex": sub.source_topic_regex,
                "state_changelog_topics":
                    sub.state_changelog_topics.iter().map(info).collect::<Vec<_>>(),
                "repartition_sink_topics": sub.repartition_sink_topics,
                "repartition_source_topics":
                    sub.repartition_source_topics.iter().map(info).collect::<Vec<_>>(),
                "copartition_groups": Vec::<Value>::new(),
            })
        })
        .collect();
    json!({ "epoch": message.epoch, "subtopologies": subtopologies })
}
