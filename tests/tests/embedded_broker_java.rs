//! The embedded broker judged by Kafka's own clients: the command-line tools and a Kafka Streams
//! application, all of version 4.3.1.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eddyline_core::types::Headers;
use eddyline_core::wire::{Compression, RecordBatchBuilder, decode_batches};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{JavaApplication, java_tests_run, kafka_tool};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.streams.StreamsGroupCommand";

/// An embedded broker and the tools that talk to it.
struct Cluster {
    broker: EmbeddedBroker,
}

impl Cluster {
    fn start() -> Self {
        let config = EmbeddedBrokerConfig {
            log: Some(|event| eprintln!("broker: {}", event.message)),
            ..EmbeddedBrokerConfig::default()
        };
        let broker = EmbeddedBroker::start(config).expect("a free port");
        Self { broker }
    }

    fn tool(&self, class: &str, arguments: &[&str], input: &str) -> String {
        kafka_tool(&self.broker.bootstrap_servers(), class, arguments, input)
    }

    /// Reads `count` records of a partition with the console consumer: key, tab, value.
    fn consume(&self, topic: &str, partition: &str, offset: &str, count: &str) -> Vec<String> {
        let arguments = [
            "--topic",
            topic,
            "--partition",
            partition,
            "--offset",
            offset,
            "--max-messages",
            count,
            "--timeout-ms",
            "30000",
            "--formatter-property",
            "print.key=true",
        ];
        let text = self.tool(CONSUMER, &arguments, "");
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the last value of every key in `counts` is as expected.
    fn wait_for_counts(&self, expected: &BTreeMap<String, i64>) {
        let started = Instant::now();
        loop {
            let records = self.broker.with(|broker, _| {
                let log = broker.log("counts", 0).expect("the topic exists");
                log.records().expect("Java writes sound batches")
            });
            let counts = records.into_iter().map(|record| {
                let key = record.key.expect("counts have keys");
                let value = record.value.expect("counts are never removed");
                let value = value.as_ref().try_into().expect("a long has eight bytes");
                let key = String::from_utf8(key.to_vec()).expect("words are text");
                (key, i64::from_be_bytes(value))
            });
            let counts: BTreeMap<String, i64> = counts.collect();
            if counts == *expected {
                return;
            }
            // Far more than it takes; not a measurement.
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "last seen: {counts:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end_offset(&self, topic: &str, partition: i32) -> i64 {
        self.broker.with(|broker, _| {
            let log = broker.log(topic, partition);
            log.map_or(0, eddyline_sim::broker::PartitionLog::end_offset)
        })
    }
}

#[test]
fn command_line_tools_create_produce_and_consume() {
    if !java_tests_run("command_line_tools_create_produce_and_consume") {
        return;
    }
    let cluster = Cluster::start();
    let create = "--create --topic words --partitions 2 --config cleanup.policy=compact";
    let create: Vec<&str> = create.split(' ').collect();
    assert_eq!(
        cluster.tool(TOPICS, &create, "").trim(),
        "Created topic words."
    );
    assert_eq!(cluster.tool(TOPICS, &["--list"], "").trim(), "words");
    let described = cluster.tool(TOPICS, &["--describe", "--topic", "words"], "");
    assert!(described.contains("PartitionCount: 2"), "{described}");
    assert!(described.contains("cleanup.policy=compact"), "{described}");

    let keyed = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=:",
    ];
    let arguments = [&["--topic", "words"][..], &keyed].concat();
    cluster.tool(PRODUCER, &arguments, "a:1\na:2\na:3\n");
    let plain = [&arguments[..], &["--compression-codec", "none", "--sync"]].concat();
    cluster.tool(PRODUCER, &plain, "a:4\n");

    // One key, so one partition; the producer's hash decides which.
    let partition = i32::from(cluster.end_offset("words", 1) > 0);
    assert_eq!(cluster.end_offset("words", partition), 4);
    let partition = partition.to_string();
    let all = cluster.consume("words", &partition, "earliest", "4");
    assert_eq!(all, ["a\t1", "a\t2", "a\t3", "a\t4"]);
    let tail = cluster.consume("words", &partition, "2", "2");
    assert_eq!(tail, ["a\t3", "a\t4"]);
}

#[test]
fn compressed_batches_go_both_ways() {
    if !java_tests_run("compressed_batches_go_both_ways") {
        return;
    }
    let cluster = Cluster::start();
    cluster.broker.with(|broker, _| {
        assert!(broker.create_topic("from-java", 1));
        assert!(broker.create_topic("to-java", 1));
    });
    let text = "words that repeat ".repeat(20);
    let mut expected = Vec::new();
    for codec in Compression::ALL {
        let value = format!("{text}{codec}");
        let arguments = ["--topic", "from-java", "--compression-codec", codec.name()];
        cluster.tool(PRODUCER, &arguments, &format!("{value}\n"));
        let mut batch = RecordBatchBuilder::new();
        batch.append(0, Some(b"k"), Some(value.as_bytes()), &Headers::new());
        let batch = batch.seal().compress(codec);
        cluster.broker.with(|broker, now| {
            let log = broker.log("from-java", 0).expect("the topic exists");
            let stored = log.batches().last().expect("Java wrote one");
            let stored = decode_batches(stored.bytes().clone()).expect("a sound batch");
            assert_eq!(stored[0].header().compression, codec);
            let records = log.records().expect("Java writes sound batches");
            let last = records.last().and_then(|record| record.value.as_deref());
            assert_eq!(last, Some(value.as_bytes()));
            broker.append(now, "to-java", 0, &batch);
        });
        expected.push(format!("k\t{value}"));
    }
    let count = expected.len().to_string();
    assert_eq!(
        cluster.consume("to-java", "0", "earliest", &count),
        expected
    );
}

#[test]
fn a_kafka_streams_application_runs_and_is_described() {
    if !java_tests_run("a_kafka_streams_application_runs_and_is_described") {
        return;
    }
    let cluster = Cluster::start();
    cluster.broker.with(|broker, _| {
        assert!(broker.create_topic("lines", 2));
        assert!(broker.create_topic("counts", 1));
    });
    let application = JavaApplication::start(
        "bench/java/src/main/java/WordCountApp.java",
        &[
            &cluster.broker.bootstrap_servers(),
            "words",
            "lines",
            "counts",
            "commit.interval.ms=100",
        ],
        "kafka-streams-state",
    );
    cluster.tool(PRODUCER, &["--topic", "lines"], "to be or not to be\n");
    let expected = BTreeMap::from([("be", 2), ("not", 1), ("or", 1), ("to", 2)]);
    let expected = expected
        .into_iter()
        .map(|(word, count)| (word.to_owned(), count));
    cluster.wait_for_counts(&expected.collect());

    assert_eq!(cluster.tool(GROUPS, &["--list"], "").trim(), "words");
    let describe = |what: &str| cluster.tool(GROUPS, &["--describe", "--group", "words", what], "");
    let members = describe("--members");
    assert!(members.contains("0:[0,1]; 1:[0,1];"), "{members}");
    let state = describe("--state");
    assert!(state.contains("Stable"), "{state}");
    let offsets = describe("--offsets");
    assert!(offsets.contains("words-counts-repartition"), "{offsets}");

    let topics = cluster.broker.with(|broker, _| broker.topics());
    let names: Vec<&str> = topics.keys().map(String::as_str).collect();
    let internal = ["words-counts-changelog", "words-counts-repartition"];
    assert_eq!(names, [&["counts", "lines"][..], &internal].concat());

    application.close();
    let state = describe("--state");
    assert!(state.contains("Empty"), "{state}");
}
