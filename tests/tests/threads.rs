//! Threads that come and go, and pauses, while an application runs on the embedded broker.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eddyline::admin::Admin;
use eddyline::error::StreamsError;
use eddyline::query::TaskMetadata;
use eddyline::thread::ThreadState;
use eddyline::{KafkaStreams, RunningStreams, State, StreamsConfig};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{
    KING_JAMES, PATIENCE, WordCount, count_words, wait_until, word_count_topology,
};

fn broker() -> (EmbeddedBroker, Admin) {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    (broker, admin)
}

fn word_count(broker: &EmbeddedBroker, count: &WordCount) -> KafkaStreams {
    let config = StreamsConfig::new("words", broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 50))
        .expect("a valid configuration");
    let topology = word_count_topology(&count.input, &count.output);
    KafkaStreams::new(topology, config).expect("a source")
}

/// How many tasks each member has that has some.
fn tasks(streams: &RunningStreams) -> Vec<usize> {
    let reports = streams.reports();
    let tasks = reports.iter().map(|report| report.active_tasks.len());
    tasks.filter(|tasks| *tasks > 0).collect()
}

#[test]
fn threads_are_added_and_removed_while_words_are_counted() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 4);
    let lines: Vec<&str> = KING_JAMES.lines().take(3000).collect();
    let streams = word_count(&broker, &count).start().expect("threads");
    let mut parts = lines.chunks(500);
    let mut write = |admin: &mut Admin| count.write(admin, parts.next().expect("six parts"));
    write(&mut admin);
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    let add = || streams.add_stream_thread().expect("the system has threads");
    let remove = || streams.remove_stream_thread(PATIENCE).expect("in time");
    let name = |number| Some(format!("words-StreamThread-{number}"));
    assert_eq!((add(), add()), (name(2), name(3)));
    write(&mut admin);
    wait_until("three threads have tasks", || tasks(&streams).len() == 3);
    write(&mut admin);
    assert_eq!(remove(), name(1));
    write(&mut admin);
    wait_until("two threads have all tasks", || tasks(&streams) == [4, 4]);
    // Its number is free.
    assert_eq!(add(), name(1));
    write(&mut admin);
    let removed: BTreeSet<_> = [remove(), remove(), remove()].into();
    assert_eq!(removed, [name(1), name(2), name(3)].into());
    assert_eq!(remove(), None, "there is none");
    assert!(matches!(
        streams.state(),
        State::Running | State::Rebalancing
    ));
    write(&mut admin);
    assert_eq!(add(), name(1));
    count.wait_until_done(&mut admin);
    streams.close(PATIENCE).expect("a clean close");
    assert_eq!(count.counts(&mut admin), count_words(lines));
    let group = admin.describe_streams_group("words").expect("the group");
    assert_eq!(group.members.len(), 0, "every thread has left");
}

#[test]
fn an_application_without_threads_closes() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 1);
    let streams = word_count(&broker, &count).start().expect("threads");
    let name = streams.remove_stream_thread(PATIENCE).expect("in time");
    assert_eq!(name.as_deref(), Some("words-StreamThread-1"));
    assert!(streams.reports().is_empty());
    streams.close(PATIENCE).expect("a clean close");
}

#[test]
fn what_has_failed_neither_gets_nor_gives_threads() {
    let (broker, _) = broker();
    let config = StreamsConfig::new("lost", broker.bootstrap_servers()).expect("valid");
    let streams = KafkaStreams::new(word_count_topology("nowhere", "out"), config);
    let streams = streams.expect("a source").start().expect("threads");
    assert_eq!(streams.wait_for(State::Error, PATIENCE), State::Error);
    assert_eq!(streams.add_stream_thread().expect("not tried"), None);
    assert_eq!(streams.remove_stream_thread(PATIENCE), Ok(None));
}

#[test]
fn a_pause_stops_counting_and_keeps_the_member() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 2);
    let lines: Vec<&str> = KING_JAMES.lines().take(1000).collect();
    let streams = word_count(&broker, &count).paused();
    let streams = streams.start().expect("threads");
    assert!(streams.is_paused());
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    let written = |admin: &mut Admin| count.counts(admin).len();
    count.write(&mut admin, &lines[..500]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(written(&mut admin), 0);
    streams.resume();
    count.wait_until_done(&mut admin);

    streams.pause();
    // A thread that is new pauses as well, whichever tasks it gets.
    streams.add_stream_thread().expect("the system has threads");
    count.write(&mut admin, &lines[500..]);
    wait_until("both have tasks", || tasks(&streams) == [2, 2]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count.counts(&mut admin), count_words(lines[..500].to_vec()));
    let epochs = |streams: &RunningStreams| {
        let reports = streams.reports();
        let epochs = reports.iter().map(|report| report.member_epoch);
        epochs.collect::<Vec<_>>()
    };
    assert!(epochs(&streams).iter().all(|epoch| epoch.0 > 0));
    streams.resume();
    assert!(!streams.is_paused());
    count.wait_until_done(&mut admin);
    assert_eq!(count.counts(&mut admin), count_words(lines));
    streams.close(PATIENCE).expect("a clean close");
}

#[test]
fn local_threads_show_their_tasks() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 2);
    let lines: Vec<&str> = KING_JAMES.lines().take(100).collect();
    let streams = word_count(&broker, &count).start().expect("threads");
    count.write(&mut admin, &lines);
    count.wait_until_done(&mut admin);
    let mut shown = Vec::new();
    let is_idle = |task: &TaskMetadata| {
        // The answers that lead here may be older than the last commit.
        task.time_current_idling_started.is_some() && task.committed_offsets == task.end_offsets
    };
    wait_until("all tasks are at the end of their input", || {
        shown = streams.metadata_for_local_threads();
        let tasks = shown.iter().flat_map(|thread| &thread.active_tasks);
        tasks.filter(|task| is_idle(task)).count() == 4
    });
    assert_eq!(shown.len(), 1);
    let thread = &shown[0];
    assert_eq!(thread.thread_name, "words-StreamThread-1");
    assert_eq!(thread.thread_state, ThreadState::Running);
    assert!(thread.standby_tasks.is_empty());
    let inputs = thread.active_tasks.iter().flat_map(|task| {
        let partitions = task.topic_partitions.iter();
        partitions.map(|partition| (task.task_id.to_string(), partition.to_string()))
    });
    let expected = [
        ("0_0", "words-lines-0"),
        ("0_1", "words-lines-1"),
        ("1_0", "words-counts-repartition-0"),
        ("1_1", "words-counts-repartition-1"),
    ];
    let expected = expected.map(|(task, input)| (task.to_owned(), input.to_owned()));
    assert_eq!(inputs.collect::<Vec<_>>(), expected);
    let read: i64 = thread.active_tasks[..2]
        .iter()
        .flat_map(|task| task.committed_offsets.values())
        .sum();
    assert_eq!(read, 100);
    streams.close(PATIENCE).expect("a clean close");
}

#[test]
fn a_listener_that_panics_stops_the_application() {
    let (broker, mut admin) = broker();
    let count = WordCount::create(&mut admin, "words", 1);
    let states = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&states);
    let streams = word_count(&broker, &count)
        .with_state_listener(move |new, _| {
            told.lock().expect("not held by who panics").push(new);
            assert_ne!(new, State::Running, "not that");
        })
        .start()
        .expect("threads");
    assert_eq!(streams.wait_for(State::Error, PATIENCE), State::Error);
    let error = streams.error().expect("it is kept");
    assert!(
        matches!(&error, StreamsError::Panicked(message) if message.contains("not that")),
        "{error}"
    );
    // It is told after those who wait.
    let last = || {
        states
            .lock()
            .expect("nobody panicked with it")
            .last()
            .copied()
    };
    wait_until("the listener is told", || last() == Some(State::Error));
}
