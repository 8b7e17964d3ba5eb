//! The word count on Apache Kafka itself, through crashes and rebalances, in processes of its own.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::time::Duration;

use eddyline::admin::Admin;
use eddyline_tests::{Instance, KING_JAMES, KafkaBroker, WordCount, count_words, java_tests_run};

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

fn wait_for_members(admin: &mut Admin, group: &str, members: usize) {
    let mut last = String::new();
    for _ in 0..600 {
        if let Ok(group) = admin.describe_streams_group(group) {
            let settled = group.group_state == "Stable" && group.members.len() == members;
            let is_idle =
                |m: &eddyline::admin::DescribedMember| m.assignment != m.target_assignment;
            if settled && !group.members.iter().any(is_idle) {
                return;
            }
            last = format!("{} with {} members", group.group_state, group.members.len());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the group is {last}, not Stable with {members} members");
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
