//! What becomes of an application whose threads fail, on the embedded broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::{
    KafkaStreams, RunningStreams, State, StreamsBuilder, StreamsConfig, UncaughtExceptionResponse,
};
use eddyline_core::error::StreamsError;
use eddyline_core::processor::ProcessorError;
use eddyline_core::topology::Topology;
use eddyline_core::types::TopicPartition;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

const PATIENCE: Duration = Duration::from_secs(60);

/// Copies `in` to `out`; fails on the value `bad` as often as `failures` says.
fn copying(failures: &Arc<AtomicUsize>) -> Topology {
    let builder = StreamsBuilder::new();
    let failures = Arc::clone(failures);
    builder
        .stream::<Option<String>, String>("in")
        .try_map_values(move |value| {
            let left = (value == "bad").then(|| failures.load(Ordering::SeqCst));
            match left {
                Some(left) if left > 0 => {
                    failures.store(left - 1, Ordering::SeqCst);
                    Err(ProcessorError::new("a bad value"))
                }
                _ => Ok(value),
            }
        })
        .to("out");
    builder.build().expect("a valid topology")
}

fn started(
    broker: &EmbeddedBroker,
    failures: &Arc<AtomicUsize>,
    response: UncaughtExceptionResponse,
) -> RunningStreams {
    let config = StreamsConfig::new("failing", broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 50))
        .expect("a valid configuration");
    KafkaStreams::new(copying(failures), config)
        .expect("a source")
        .with_uncaught_exception_handler(move |error| {
            assert!(matches!(error, StreamsError::Processing { .. }), "{error}");
            response
        })
        .start()
        .expect("threads and sockets")
}

fn broker() -> (EmbeddedBroker, Admin) {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    admin
        .create_topics(&[("in", 2), ("out", 1)])
        .expect("topics");
    (broker, admin)
}

fn produce(admin: &mut Admin, values: &[&str]) {
    let keys: Vec<String> = (0..values.len()).map(|key| key.to_string()).collect();
    let records = keys.iter().zip(values);
    let records = records.map(|(key, value)| (Some(key.as_str()), Some(value.as_bytes())));
    admin.produce("in", records).expect("records");
}

#[test]
fn a_failed_thread_is_replaced_as_often_as_it_takes() {
    let (broker, mut admin) = broker();
    let failures = Arc::new(AtomicUsize::new(3));
    let streams = started(&broker, &failures, UncaughtExceptionResponse::ReplaceThread);
    produce(&mut admin, &["one", "bad", "two"]);
    let began = Instant::now();
    let out = TopicPartition::new("out", 0);
    let seen = |admin: &mut Admin, wanted: &str| {
        let records = admin.read_to_end(&out).expect("it is read");
        records
            .iter()
            .any(|record| record.value.as_deref() == Some(wanted.as_bytes()))
    };
    while !["one", "bad", "two"]
        .iter()
        .all(|value| seen(&mut admin, value))
    {
        assert!(began.elapsed() < PATIENCE, "{failures:?} failures are left");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(failures.load(Ordering::SeqCst), 0);
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    assert_eq!(streams.error(), None);
    let metrics = streams.metrics();
    let mut failed = metrics.iter();
    let failed = failed.find(|metric| metric.name == "failed-stream-threads");
    let failed = failed.expect("the client has it").value.as_f64();
    assert_eq!(failed, Some(3.0));
    streams.close(PATIENCE).expect("it closes");
}

#[test]
fn one_instance_stops_all_of_them() {
    let (broker, mut admin) = broker();
    let (never, always) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(100)),
    );
    let response = UncaughtExceptionResponse::ShutdownApplication;
    let first = started(&broker, &never, response);
    let second = started(&broker, &always, response);
    assert_eq!(first.wait_for(State::Running, PATIENCE), State::Running);
    assert_eq!(second.wait_for(State::Running, PATIENCE), State::Running);
    let began = Instant::now();
    // Whichever partition is the second one's, and whenever it gets it.
    while second.state() != State::Error {
        assert!(began.elapsed() < PATIENCE);
        produce(&mut admin, &["bad"; 20]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(first.wait_for(State::Error, PATIENCE), State::Error);
    assert_eq!(first.error(), Some(StreamsError::ShutdownRequested));
}
