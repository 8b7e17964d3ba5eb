//! The word count on a cluster of three brokers that are restarted one after the other, so that
//! leaders and coordinators move, under exactly-once.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::time::{Duration, Instant};

use eddyline::admin::{Admin, IsolationLevel};
use eddyline_tests::{Instance, KING_JAMES, KafkaBroker, WordCount, java_tests_run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_word-count-instance");
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const NODES: u16 = 3;

/// Waits until every replica is in sync: two brokers that are behind would be one too many.
fn wait_for_replicas(broker: &KafkaBroker) {
    let started = Instant::now();
    loop {
        let behind = broker.tool(TOPICS, &["--describe", "--under-replicated-partitions"]);
        if behind.trim().is_empty() {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{behind}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// How many partitions a node leads of the topics that groups and transactions are kept in: who
/// leads these coordinates.
fn coordinated_by(broker: &KafkaBroker, node: u16) -> usize {
    let leader = format!("Leader: {}\t", node + 1);
    let topics = ["__consumer_offsets", "__transaction_state"];
    let described = topics.map(|topic| broker.tool(TOPICS, &["--describe", "--topic", topic]));
    described.join("\n").matches(&leader).count()
}

/// Writes in pieces. A piece whose write fails, as its leader goes, may be there or not, or twice:
/// what is to be counted is what is in the topic.
fn write_slowly(count: &WordCount, admin: &mut Admin, lines: &[&str]) {
    for slice in lines.chunks(100) {
        let records = slice.iter().map(|line| (Some(line), Some(line)));
        if let Err(error) = admin.produce(&count.input, records) {
            eprintln!("not written: {error}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn exactly_once_counts_exactly_while_brokers_are_restarted_in_turn() {
    if !java_tests_run("exactly_once_counts_exactly_while_brokers_are_restarted_in_turn") {
        return;
    }
    let broker = KafkaBroker::start_nodes("kafka-rolling", NODES, "");
    let mut admin = broker.admin();
    admin.set_isolation_level(IsolationLevel::ReadCommitted);
    let mut count = WordCount::create(&mut admin, "rolling", 6);
    count.guarantee = "exactly_once_v2".to_owned();
    let start = || Instance::start(PROGRAM, &broker.bootstrap(), &count);
    let instances = [start(), start()];
    let lines: Vec<&str> = KING_JAMES.lines().take(12_000).collect();
    let parts: Vec<&[&str]> = lines.chunks(lines.len() / 4).collect();
    write_slowly(&count, &mut admin, parts[0]);
    for node in 0..NODES {
        assert!(coordinated_by(&broker, node) > 0, "a coordinator moves");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                broker.stop_node(node);
                broker.restart_node(node);
            });
            write_slowly(&count, &mut admin, parts[usize::from(node) + 1]);
        });
        wait_for_replicas(&broker);
        assert_eq!(coordinated_by(&broker, node), 0, "all have moved");
    }
    let written = count.lines(&mut admin);
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    assert!(written.len() > lines.len() / 2, "{} lines", written.len());
    count.wait_for_exactly(&mut admin, &written);
    assert_eq!(count.counts(&mut admin), count.changelog(&mut admin));
    // An instance that lost a thread does not close well.
    instances.into_iter().for_each(Instance::close);
}
