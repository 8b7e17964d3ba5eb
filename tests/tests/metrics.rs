//! Metrics of an application that counts words on the embedded broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::metrics::{Metric, MetricValue, to_prometheus};
use eddyline::{KafkaStreams, RunningStreams, State, StreamsConfig};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{KING_JAMES, WordCount, count_words, word_count_topology};

const PATIENCE: Duration = Duration::from_secs(60);

fn word_count(broker: &EmbeddedBroker, count: &WordCount, threads: usize) -> RunningStreams {
    let config = StreamsConfig::new("words", broker.bootstrap_servers())
        .and_then(|config| config.set("commit.interval.ms", 50))
        .and_then(|config| config.set("num.stream.threads", threads))
        .and_then(|config| config.set("metrics.recording.level", "DEBUG"))
        .expect("a valid configuration");
    let topology = word_count_topology(&count.input, &count.output);
    let streams = KafkaStreams::new(topology, config).expect("a source");
    streams.start().expect("threads")
}

/// The sum of all metrics of this group and name whose tags are so.
fn sum(metrics: &[Metric], group: &str, name: &str, tags: &[(&str, &str)]) -> f64 {
    let is_it = |metric: &&Metric| {
        let has =
            |(tag, value): &(&str, &str)| metric.tags.get(tag).is_some_and(|t| &**t == *value);
        (metric.group, metric.name) == (group, name) && tags.iter().all(has)
    };
    let numbers = metrics
        .iter()
        .filter(is_it)
        .map(|metric| metric.value.as_f64());
    numbers.map(|number| number.expect("a number")).sum()
}

#[test]
fn what_was_counted_is_what_was_done() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    let count = WordCount::create(&mut admin, "words", 2);
    let lines: Vec<&str> = KING_JAMES.lines().take(300).collect();
    let words: i64 = count_words(lines.iter().copied()).values().sum();
    let streams = word_count(&broker, &count, 2);
    // What is given up takes its counts along.
    let began = Instant::now();
    let is_divided = |streams: &RunningStreams| {
        let reports = streams.reports();
        reports.iter().all(|report| report.active_tasks.len() == 2)
    };
    while !is_divided(&streams) {
        assert!(began.elapsed() < PATIENCE, "each thread has two tasks");
        std::thread::sleep(Duration::from_millis(5));
    }
    count.write(&mut admin, &lines);
    count.wait_until_done(&mut admin);
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);

    let metrics = streams.metrics();
    let (lines, words) = (lines.len() as f64, words as f64);
    let repartition = "words-counts-repartition";
    let topic = |name, topic| sum(&metrics, "stream-topic-metrics", name, &[("topic", topic)]);
    assert_eq!(topic("records-consumed-total", &count.input), lines);
    assert_eq!(topic("records-produced-total", repartition), words);
    assert_eq!(topic("records-consumed-total", repartition), words);
    assert!(topic("bytes-consumed-total", repartition) > 20.0 * words);
    assert!(topic("records-produced-total", &count.output) > 0.0);
    for group in ["stream-thread-metrics", "stream-task-metrics"] {
        assert_eq!(sum(&metrics, group, "process-total", &[]), lines + words);
    }
    let of_threads = |name| sum(&metrics, "stream-thread-metrics", name, &[]);
    assert_eq!(
        of_threads("task-created-total"),
        4.0 + of_threads("task-closed-total")
    );
    assert!(of_threads("commit-total") > 0.0 && of_threads("poll-total") > 0.0);

    let of_client = |name: &str| {
        let mut found = metrics.iter();
        let found = found.find(|m| (m.group, m.name) == ("stream-metrics", name));
        found.expect("the client has it").value.clone()
    };
    assert_eq!(of_client("state"), MetricValue::Text("RUNNING".into()));
    assert_eq!(of_client("alive-stream-threads"), MetricValue::Number(2.0));
    assert_eq!(
        of_client("application-id"),
        MetricValue::Text("words".into())
    );
    assert!(
        of_client("topology-description")
            .to_string()
            .contains("KSTREAM-SOURCE-0000000000")
    );
    let threads = metrics
        .iter()
        .filter(|metric| metric.name == "thread-state");
    let threads: BTreeSet<&str> = threads.map(|metric| &*metric.tags["thread-id"]).collect();
    assert_eq!(
        threads,
        ["words-StreamThread-1", "words-StreamThread-2"].into()
    );
    let text = to_prometheus(&metrics);
    assert!(
        text.contains("kafka_streams_stream_metrics_alive_stream_threads{client_id=\"words\"} 2\n")
    );
    streams.close(PATIENCE).expect("a clean close");
}
