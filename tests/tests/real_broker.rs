//! The word count on Apache Kafka itself, through crashes and rebalances, in processes of its own.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::time::Duration;

use eddyline::admin::{Admin, IsolationLevel};
use eddyline_tests::{
    Instance, KING_JAMES, KafkaBroker, WordCount, count_words, java_tests_run, wait_for_members,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_word-count-instance");
const GROUPS: &str = "org.apache.kafka.tools.streams.StreamsGroupCommand";

fn lines() -> Vec<&'static str> {
    KING_JAMES.lines().take(20_000).collect()
}

/// Writes the slices one after the other, a little apart, so that something is always under way.
fn write_slowly(count: &WordCount, admin: &mut Admin, lines: &[&str]) {
    for slice in lines.chunks(500) {
        count.write(admin, slice);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Nothing is lost, and the store is what its changelog says.
fn check_at_least_once(count: &WordCount, admin: &mut Admin, lines: &[&str]) {
    let counts = count.counts(admin);
    let expected = count_words(lines.iter().copied());
    let words: Vec<&String> = counts.keys().collect();
    assert_eq!(words, expected.keys().collect::<Vec<_>>());
    for (word, times) in &expected {
        assert!(
            counts[word] >= *times,
            "{word}: {} of {times}",
            counts[word]
        );
    }
    assert_eq!(counts, count.changelog(admin));
}

#[test]
fn an_instance_that_is_killed_and_started_again_loses_nothing() {
    if !java_tests_run("an_instance_that_is_killed_and_started_again_loses_nothing") {
        return;
    }
    let broker = KafkaBroker::start("kafka-kill-instance", "");
    let mut admin = broker.admin();
    let count = WordCount::create(&mut admin, "killed", 4);
    let start = || Instance::start(PROGRAM, &broker.bootstrap(), &count);
    let (first, second) = (start(), start());
    wait_for_members(&mut admin, "killed", 2);
    let lines = lines();
    let (before, after) = lines.split_at(lines.len() / 2);
    write_slowly(&count, &mut admin, before);
    first.kill();
    write_slowly(&count, &mut admin, after);
    let third = start();
    wait_for_members(&mut admin, "killed", 2);
    count.wait_until_done(&mut admin);
    check_at_least_once(&count, &mut admin, &lines);
    second.close();
    third.close();
}

#[test]
fn exactly_once_counts_exactly_through_kills() {
    if java_tests_run("exactly_once_counts_exactly_through_kills") {
        let broker = KafkaBroker::start("kafka-exactly-once", "");
        counts_exactly_through_kills(&broker);
    }
}

/// Version 1: the client tells the coordinator of every partition before it writes to it, and its
/// epoch stays the same from one transaction to the next.
#[test]
fn exactly_once_counts_exactly_with_transactions_of_version_1() {
    if java_tests_run("exactly_once_counts_exactly_with_transactions_of_version_1") {
        let broker = KafkaBroker::start("kafka-transactions-1", "");
        broker.set_transaction_version(1);
        counts_exactly_through_kills(&broker);
    }
}

fn counts_exactly_through_kills(broker: &KafkaBroker) {
    let mut admin = broker.admin();
    admin.set_isolation_level(IsolationLevel::ReadCommitted);
    let mut count = WordCount::create(&mut admin, "exact", 4);
    count.guarantee = "exactly_once_v2".to_owned();
    let start = || Instance::start(PROGRAM, &broker.bootstrap(), &count);
    let (first, second) = (start(), start());
    wait_for_members(&mut admin, "exact", 2);
    let lines = lines();
    let parts: Vec<&[&str]> = lines.chunks(lines.len() / 3 + 1).collect();
    write_slowly(&count, &mut admin, parts[0]);
    first.kill();
    write_slowly(&count, &mut admin, parts[1]);
    let third = start();
    second.kill();
    write_slowly(&count, &mut admin, parts[2]);
    count.wait_for_exactly(&mut admin, &lines);
    assert_eq!(count.counts(&mut admin), count.changelog(&mut admin));
    third.close();
}

#[test]
fn scaling_to_three_instances_and_back_counts_everything_once() {
    if !java_tests_run("scaling_to_three_instances_and_back_counts_everything_once") {
        return;
    }
    let broker = KafkaBroker::start("kafka-scale", "");
    let mut admin = broker.admin();
    let count = WordCount::create(&mut admin, "scaled", 6);
    let start = || Instance::start(PROGRAM, &broker.bootstrap(), &count);
    let lines = lines();
    let parts: Vec<&[&str]> = lines.chunks(lines.len() / 4).collect();
    let first = start();
    write_slowly(&count, &mut admin, parts[0]);
    let others = [start(), start()];
    write_slowly(&count, &mut admin, parts[1]);
    wait_for_members(&mut admin, "scaled", 3);

    let describe = |what: &str| broker.tool(GROUPS, &["--describe", "--group", "scaled", what]);
    let members = describe("--members");
    let named = members.matches("scaled-StreamThread-1").count();
    assert_eq!(named, 3, "{members}");
    assert!(describe("--state").contains("Stable"));
    assert_eq!(broker.tool(GROUPS, &["--list"]).trim(), "scaled");

    write_slowly(&count, &mut admin, parts[2]);
    others.into_iter().for_each(Instance::close);
    write_slowly(&count, &mut admin, parts[3]);
    wait_for_members(&mut admin, "scaled", 1);
    count.wait_until_done(&mut admin);
    // Every task was committed before it moved: nothing is counted twice either.
    let expected = count_words(lines.iter().copied());
    assert_eq!(count.counts(&mut admin), expected);
    assert_eq!(count.changelog(&mut admin), expected);
    first.close();
}

#[test]
fn a_broker_that_is_killed_and_started_again_loses_nothing() {
    if !java_tests_run("a_broker_that_is_killed_and_started_again_loses_nothing") {
        return;
    }
    let broker = KafkaBroker::start("kafka-kill-broker", "");
    let mut admin = broker.admin();
    let count = WordCount::create(&mut admin, "outage", 3);
    let instance = Instance::start(PROGRAM, &broker.bootstrap(), &count);
    wait_for_members(&mut admin, "outage", 1);
    let lines = lines();
    let (before, after) = lines.split_at(lines.len() / 2);
    // All at once, so that much is under way when the broker dies.
    count.write(&mut admin, before);
    broker.kill();
    broker.restart();
    let mut admin = broker.admin();
    // It answers before it has read its own metadata.
    while admin
        .partition_count(&count.input)
        .expect("an answer")
        .is_none()
    {
        std::thread::sleep(Duration::from_millis(100));
    }
    count.write(&mut admin, after);
    count.wait_until_done(&mut admin);
    check_at_least_once(&count, &mut admin, &lines);
    wait_for_members(&mut admin, "outage", 1);
    instance.close();
}
