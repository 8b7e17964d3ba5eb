//! Records that a broker refuses, on the embedded broker: the production handler decides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::{KafkaStreams, RunningStreams, State, StreamsBuilder, StreamsConfig};
use eddyline_core::error::{
    DeadLetter, ErrorHandlerContext, HandlerResponse, ProductionError, ProductionFailure,
    StreamsError,
};
use eddyline_core::types::{Headers, RecordContext, TopicName, TopicPartition};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

const PATIENCE: Duration = Duration::from_secs(60);
/// `message.max.bytes` of the broker.
const MAX_BYTES: usize = 500;
const MESSAGE_TOO_LARGE: i16 = 10;

fn broker() -> (EmbeddedBroker, Admin) {
    let mut config = EmbeddedBrokerConfig::default();
    config.broker.max_batch_bytes = MAX_BYTES;
    let broker = EmbeddedBroker::start(config).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    admin
        .create_topics(&[("in", 1), ("out", 1), ("dead", 1)])
        .expect("topics");
    (broker, admin)
}

fn config(broker: &EmbeddedBroker, guarantee: &str) -> StreamsConfig {
    StreamsConfig::new("refused", broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 50))
        .and_then(|config| config.set("processing.guarantee", guarantee))
        .expect("a valid configuration")
}

/// Makes texts of as many letters as `in` says.
fn started(config: StreamsConfig) -> RunningStreams {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("in")
        .map_values(|length: String| "x".repeat(length.parse().unwrap_or_default()))
        .named("sink")
        .to("out");
    let topology = builder.build().expect("a valid topology");
    let streams = KafkaStreams::new(topology, config).expect("a source");
    streams.start().expect("threads and sockets")
}

fn produce(admin: &mut Admin, lengths: &[usize]) {
    let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
    let records = lengths
        .iter()
        .map(|length| (Some("k"), Some(length.as_bytes())));
    admin.produce("in", records).expect("records");
}

/// The lengths of the values of a topic, once there are as many as wanted.
fn lengths(admin: &mut Admin, topic: &str, wanted: usize) -> Vec<usize> {
    let (began, partition) = (Instant::now(), TopicPartition::new(topic, 0));
    loop {
        let records = admin.read_to_end(&partition).expect("it is read");
        let lengths = records
            .iter()
            .filter_map(|record| Some(record.value.as_ref()?.len()));
        let lengths: Vec<usize> = lengths.collect();
        if lengths.len() >= wanted {
            return lengths;
        }
        assert!(began.elapsed() < PATIENCE, "{lengths:?} are there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn only_what_is_too_large_is_dropped(guarantee: &str) {
    let (broker, mut admin) = broker();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let handler = move |context: &ErrorHandlerContext<'_>, error: &ProductionError<'_>| {
        assert_eq!(
            error.failure,
            ProductionFailure::Refused {
                code: MESSAGE_TOO_LARGE
            }
        );
        assert_eq!((context.node, context.topic), ("sink", Some(&"in".into())));
        assert_eq!((error.topic, error.partition), (&"out".into(), Some(0)));
        assert_eq!(error.key, Some(b"k".as_slice()));
        let length = error.value.expect("a value").len();
        let mut seen = noted.lock().expect("no panic");
        seen.push((context.offset, length));
        HandlerResponse::resume().with_dead_letter(DeadLetter {
            topic: TopicName::new("dead"),
            partition: None,
            key: None,
            value: Some(length.to_string().into()),
            timestamp: context.timestamp,
            headers: Headers::new(),
        })
    };
    let streams = started(config(&broker, guarantee).with_production_exception_handler(handler));
    // Most of them share batches, which are too large as they are.
    let mut all: Vec<usize> = (0..40).map(|number| 20 + number).collect();
    (all[3], all[17], all[18]) = (600, 700, 800);
    produce(&mut admin, &all);
    let kept: Vec<usize> = all
        .iter()
        .copied()
        .filter(|length| *length < MAX_BYTES)
        .collect();
    assert_eq!(lengths(&mut admin, "out", kept.len()), kept);
    produce(&mut admin, &[900, 1]);
    assert_eq!(lengths(&mut admin, "out", kept.len() + 1).pop(), Some(1));
    let letters = lengths(&mut admin, "dead", 4);
    assert_eq!(letters, [3; 4]);
    let expected = [(3, 600), (17, 700), (18, 800), (40, 900)];
    assert_eq!(*seen.lock().expect("no panic"), expected);
    assert_eq!(streams.state(), State::Running);
    streams.close(PATIENCE).expect("it closes");
}

#[test]
fn a_handler_drops_what_is_too_large_and_nothing_else() {
    only_what_is_too_large_is_dropped("at_least_once");
}

#[test]
fn a_handler_drops_what_is_too_large_out_of_a_transaction() {
    only_what_is_too_large_is_dropped("exactly_once_v2");
}

#[test]
fn without_a_handler_the_thread_fails() {
    let (broker, mut admin) = broker();
    let streams = started(config(&broker, "at_least_once"));
    produce(&mut admin, &[1, 600]);
    assert_eq!(streams.wait_for(State::Error, PATIENCE), State::Error);
    let error = streams.error();
    assert!(
        matches!(error, Some(StreamsError::Delivery { .. })),
        "{error:?}"
    );
    assert_eq!(lengths(&mut admin, "out", 1), [1]);
}

/// `max.block.ms` of the tests below: long enough for the topic `out` to be found.
const MAX_BLOCK_MS: u64 = 500;

/// Writes each value to the topic that it names.
fn routed(config: StreamsConfig) -> RunningStreams {
    let builder = StreamsBuilder::new();
    builder.stream::<Option<String>, String>("in").to_extracted(
        |_: &Option<String>, value: &String, _: &RecordContext| TopicName::new(value),
    );
    let topology = builder.build().expect("a valid topology");
    let config = config.set("max.block.ms", MAX_BLOCK_MS).expect("valid");
    let streams = KafkaStreams::new(topology, config).expect("a source");
    streams.start().expect("threads and sockets")
}

fn a_topic_that_is_not_there(guarantee: &str) {
    let (broker, mut admin) = broker();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let handler = move |context: &ErrorHandlerContext<'_>, error: &ProductionError<'_>| {
        let topic = error.topic.as_str().to_owned();
        let mut seen = noted.lock().expect("no panic");
        seen.push((context.offset, topic.clone(), error.failure));
        assert_eq!(error.value, Some(topic.as_bytes()));
        if topic == "later" {
            HandlerResponse::retry()
        } else {
            HandlerResponse::resume()
        }
    };
    let config = config(&broker, guarantee).with_production_exception_handler(handler);
    let streams = routed(config);
    let values = ["out", "nowhere", "out", "later", "out"];
    let records = values
        .iter()
        .map(|value| (None::<&str>, Some(value.as_bytes())));
    admin.produce("in", records).expect("records");
    let asked = |about: &str| {
        let seen = seen.lock().expect("no panic");
        seen.iter().filter(|(_, topic, _)| topic == about).count()
    };
    let began = Instant::now();
    while asked("nowhere") < 1 || asked("later") < 2 {
        assert!(began.elapsed() < PATIENCE, "{seen:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    admin.create_topics(&[("later", 1)]).expect("it is made");
    assert_eq!(lengths(&mut admin, "later", 1), [5]);
    assert_eq!(lengths(&mut admin, "out", 3), [3; 3]);
    assert_eq!(asked("nowhere"), 1);
    let seen = seen.lock().expect("no panic");
    let of_nowhere = seen.iter().find(|(_, topic, _)| topic == "nowhere");
    let expected = (1, "nowhere".to_owned(), ProductionFailure::UnknownTopic);
    assert_eq!(of_nowhere, Some(&expected));
    streams.close(PATIENCE).expect("it closes");
}

#[test]
fn a_handler_decides_about_topics_that_are_not_there() {
    a_topic_that_is_not_there("at_least_once");
}

#[test]
fn a_handler_decides_about_topics_that_are_not_there_within_transactions() {
    a_topic_that_is_not_there("exactly_once_v2");
}

#[test]
fn a_handler_decides_about_a_sink_whose_topic_is_not_there() {
    let (broker, mut admin) = broker();
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<Option<String>, String>("in");
    stream.to("nowhere");
    stream.to("out");
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dropped);
    let handler = move |_: &ErrorHandlerContext<'_>, error: &ProductionError<'_>| {
        assert_eq!(error.failure, ProductionFailure::UnknownTopic);
        counted.fetch_add(1, Ordering::SeqCst);
        HandlerResponse::resume()
    };
    let config = config(&broker, "at_least_once").with_production_exception_handler(handler);
    let config = config.set("max.block.ms", MAX_BLOCK_MS).expect("valid");
    let streams = KafkaStreams::new(builder.build().expect("valid"), config).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    produce(&mut admin, &[1, 2]);
    assert_eq!(lengths(&mut admin, "out", 2), [1, 1]);
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
    streams.close(PATIENCE).expect("it closes");
}

#[test]
fn without_a_handler_a_topic_that_is_not_there_fails_the_thread() {
    let (broker, mut admin) = broker();
    let streams = routed(config(&broker, "at_least_once"));
    let records = [(None::<&str>, Some(b"nowhere".as_slice()))];
    admin.produce("in", records).expect("records");
    assert_eq!(streams.wait_for(State::Error, PATIENCE), State::Error);
    let error = streams.error().expect("it failed").to_string();
    assert!(
        error.contains("nowhere") && error.contains("max.block.ms"),
        "{error}"
    );
}
