//! Topics that are chosen for each record, and dead letters, on the embedded broker.

use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::dsl::Produced;
use eddyline::{KafkaStreams, State, StreamsBuilder, StreamsConfig};
use eddyline_core::processor::{Partitions, ProcessorError};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::topology::Topology;
use eddyline_core::types::{RecordContext, TopicName, TopicPartition};
use eddyline_core::wire::Record;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

const PATIENCE: Duration = Duration::from_secs(60);

/// Every number to the topic of its key, in the partition of its parity; what is no number is an
/// error.
fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    let produced = Produced::with(String::default_serde(), i64::default_serde());
    let produced =
        produced.with_stream_partitioner(|_: &TopicName, _: &String, number: &i64, count: i32| {
            Partitions::One((number % i64::from(count)) as i32)
        });
    builder
        .stream::<String, String>("in")
        .try_map_values(|text| text.parse::<i64>().map_err(ProcessorError::from))
        .to_extracted_with(
            |key: &String, _: &i64, _: &RecordContext| format!("of-{key}"),
            produced,
        );
    builder.build().expect("a valid topology")
}

fn read(admin: &mut Admin, topic: &str, partition: i32) -> Vec<Record> {
    let partition = TopicPartition::new(topic, partition);
    admin.read_to_end(&partition).expect("it is read")
}

#[test]
fn records_reach_topics_that_the_topology_does_not_name() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    let topics = [("in", 1), ("of-a", 2), ("of-b", 2), ("dead", 1)];
    admin.create_topics(&topics).expect("topics");
    let values: Vec<String> = (0..100)
        .map(|n| {
            if n == 50 {
                "fifty".to_owned()
            } else {
                n.to_string()
            }
        })
        .collect();
    let records = values.iter().enumerate();
    let records = records.map(|(at, value)| (Some(["a", "b"][at / 2 % 2]), Some(value.as_bytes())));
    admin.produce("in", records).expect("records");
    let handler = "LogAndContinueProcessingExceptionHandler";
    let config = StreamsConfig::new("choosing", broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 100))
        .and_then(|config| config.set("processing.exception.handler", handler))
        .and_then(|config| config.set("errors.dead.letter.queue.topic.name", "dead"))
        .expect("a valid configuration");
    let streams = KafkaStreams::new(topology(), config).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    let input = TopicPartition::new("in", 0);
    let began = Instant::now();
    loop {
        let committed = admin.committed_offsets("choosing", std::slice::from_ref(&input));
        if committed.expect("they are told").contains(&Some(100)) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "all of the input is committed");
        std::thread::sleep(Duration::from_millis(20));
    }
    streams.close(PATIENCE).expect("it closes");
    for (topic, key) in [("of-a", 0), ("of-b", 1)] {
        for parity in 0..2 {
            let numbers = read(&mut admin, topic, parity).into_iter().map(|record| {
                let value = record.value.unwrap_or_default();
                i64::from_be_bytes(*value.first_chunk().expect("eight bytes"))
            });
            let expected = (0..100).filter(|n| n / 2 % 2 == key && n % 2 == i64::from(parity));
            let expected: Vec<i64> = expected.filter(|n| *n != 50).collect();
            assert_eq!(numbers.collect::<Vec<_>>(), expected, "{topic}-{parity}");
        }
    }
    let dead = read(&mut admin, "dead", 0);
    let [letter] = &dead[..] else {
        panic!("one dead letter: {dead:?}");
    };
    assert_eq!(letter.value.as_deref(), Some(&b"fifty"[..]));
    let offset = letter.headers.last("__streams.errors.offset");
    assert_eq!(offset.and_then(|h| h.value.as_deref()), Some(&b"50"[..]));
}
