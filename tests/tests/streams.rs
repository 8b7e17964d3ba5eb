//! [`KafkaStreams`] as a user runs it, on the embedded broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::error::StreamsError;
use eddyline::{CloseError, KafkaStreams, State, StreamsBuilder, StreamsConfig};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{KING_JAMES, WordCount, count_words, word_count_topology};

const PATIENCE: Duration = Duration::from_secs(60);

fn broker() -> (EmbeddedBroker, Admin) {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    (broker, admin)
}

fn config(broker: &EmbeddedBroker, application_id: &str) -> StreamsConfig {
    StreamsConfig::new(application_id, broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 100))
        .expect("a valid configuration")
}

#[test]
fn every_word_is_counted_once_by_three_threads_and_states_are_told_in_order() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 5);
    let lines: Vec<&str> = KING_JAMES.lines().take(3000).collect();
    count.write(&mut admin, &lines);
    let states = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&states);
    let config = config(&broker, "words").set("num.stream.threads", 3);
    let topology = word_count_topology(&count.input, &count.output);
    let streams = KafkaStreams::new(topology, config.expect("three threads"))
        .expect("a topology with a source")
        .with_state_listener(move |new, old| told.lock().expect("no panic").push((old, new)))
        .start()
        .expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    count.wait_until_done(&mut admin);
    let began = Instant::now();
    let reports = loop {
        let reports = streams.reports();
        assert_eq!(reports.len(), 3);
        let tasks: usize = reports.iter().map(|r| r.active_tasks.len()).sum();
        // Five of each sub-topology; a task that moves is nobody's for a moment.
        if tasks == 10 {
            break reports;
        }
        assert!(began.elapsed() < PATIENCE, "{tasks} of 10 tasks");
        std::thread::sleep(Duration::from_millis(10));
    };
    let lags = reports.iter().flat_map(|report| &report.partitions);
    assert_eq!(lags.filter_map(|partition| partition.lag()).sum::<u64>(), 0);
    streams.close(PATIENCE).expect("a clean close");

    let expected = count_words(lines);
    assert_eq!(count.counts(&mut admin), expected);
    assert_eq!(count.changelog(&mut admin), expected);
    let group = admin.describe_streams_group("words").expect("the group");
    assert_eq!(
        (group.group_state.as_str(), group.members.len()),
        ("Empty", 0)
    );

    let states = states.lock().expect("no panic");
    assert_eq!(states[0], (State::Created, State::Rebalancing));
    let last = states.last().expect("there are some");
    assert_eq!(*last, (State::PendingShutdown, State::NotRunning));
    assert!(
        states.windows(2).all(|pair| pair[0].1 == pair[1].0),
        "{states:?}"
    );
}

#[test]
fn a_second_instance_restores_what_the_first_counted() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 2);
    let lines: Vec<&str> = KING_JAMES.lines().take(2000).collect();
    for half in lines.chunks(1000) {
        count.write(&mut admin, half);
        let topology = word_count_topology(&count.input, &count.output);
        let streams = KafkaStreams::new(topology, config(&broker, "words")).expect("a source");
        let streams = streams.start().expect("threads and sockets");
        count.wait_until_done(&mut admin);
        streams.close(PATIENCE).expect("a clean close");
    }
    assert_eq!(count.counts(&mut admin), count_words(lines));
}

/// Runs one record through a topology that fails on it; gives the error.
fn failure_of(
    map: impl Fn(String) -> String + Send + Sync + 'static,
    value: &[u8],
) -> (StreamsError, State) {
    let (broker, mut admin) = broker();
    admin
        .create_topics(&[("in", 1), ("out", 1)])
        .expect("topics");
    admin
        .produce("in", [(None::<&str>, Some(value))])
        .expect("a record");
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<Option<String>, String>("in");
    stream.map_values(map).to("out");
    let topology = builder.build().expect("a valid topology");
    let streams = KafkaStreams::new(topology, config(&broker, "fails")).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    let state = streams.wait_for(State::Error, PATIENCE);
    let error = streams.error().expect("the error is kept");
    assert_eq!(
        streams.close(PATIENCE),
        Err(CloseError::Failed(error.clone()))
    );
    (error, state)
}

#[test]
fn a_processor_that_panics_stops_the_application_with_its_message() {
    let (error, state) = failure_of(|_| panic!("no such word"), b"word");
    assert_eq!(error, StreamsError::Panicked("no such word".to_owned()));
    assert_eq!(state, State::Error);
}

#[test]
fn a_missing_source_topic_is_named() {
    let (broker, _) = broker();
    let streams = KafkaStreams::new(
        word_count_topology("nowhere", "out"),
        config(&broker, "lost"),
    );
    let streams = streams
        .expect("a source")
        .start()
        .expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Error, PATIENCE), State::Error);
    let error = streams.error().expect("the error is kept").to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn a_topology_without_a_source_is_refused() {
    let builder = StreamsBuilder::new();
    let refused = match builder.build() {
        Ok(topology) => {
            let config = StreamsConfig::new("empty", "localhost:9092").expect("valid");
            KafkaStreams::new(topology, config)
                .map(drop)
                .map_err(|e| e.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    assert!(refused.expect_err("nothing to run").contains("no source"));
}

#[test]
fn without_a_broker_it_goes_on_trying_and_closes_when_told() {
    let unused = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = unused.local_addr().expect("it has an address");
    drop(unused);
    let warnings = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&warnings);
    let config = StreamsConfig::new("alone", address.to_string()).expect("valid");
    let streams = KafkaStreams::new(word_count_topology("in", "out"), config)
        .expect("a source")
        .with_log_listener(move |event| {
            if event.message.contains("no broker could be reached") {
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .start()
        .expect("threads and sockets");
    let began = Instant::now();
    while warnings.load(Ordering::Relaxed) < 2 && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(warnings.load(Ordering::Relaxed) >= 2, "it tries again");
    assert_eq!(streams.state(), State::Rebalancing);
    streams.close(PATIENCE).expect("a clean close");
}

#[test]
fn many_large_batches_in_several_partitions_are_written_and_read() {
    let (_broker, mut admin) = broker();
    admin.create_topics(&[("wide", 7)]).expect("a topic");
    let value = "x".repeat(5000);
    let records = (0..3000).map(|key: i32| (Some(key.to_be_bytes()), Some(&value)));
    assert_eq!(admin.produce("wide", records).expect("written"), 3000);
    let mut keys = Vec::new();
    for partition in 0..7 {
        let partition = eddyline::types::TopicPartition::new("wide", partition);
        let records = admin.read_to_end(&partition).expect("readable");
        assert!(!records.is_empty());
        keys.extend(records.into_iter().filter_map(|record| record.key));
    }
    keys.sort();
    let expected: Vec<Vec<u8>> = (0..3000_i32)
        .map(|key| key.to_be_bytes().to_vec())
        .collect();
    assert_eq!(keys, expected);
}
