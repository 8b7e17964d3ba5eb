//! Metrics beside those that Kafka Streams 4.3.1 shows for the same topology and the same records.

use std::collections::BTreeMap;
use std::time::Duration;

use eddyline_core::config::{StoreType, StreamsConfig};
use eddyline_core::dsl::{
    BufferConfig, EmitStrategy, Materialized, SessionWindows, StreamsBuilder, Suppressed,
    TimeWindows,
};
use eddyline_core::metrics::{Metric, MetricValue, to_prometheus};
use eddyline_core::processor::{
    Cancellable, Processor, ProcessorContext, ProcessorError, PunctuationType, Record,
};
use eddyline_core::state::Stores;
use eddyline_core::time::WallClock;

use super::{TestDriverOptions, TestRecord, TopologyTestDriver};

/// `GROUP NAME TAGS = VALUE # DESCRIPTION`, as printed by `TopologyTestDriver.metrics` of Java at the
/// level DEBUG.
const JAVA: &str = include_str!("metrics_of_java.txt");

/// What Java has and is not here: rates, and what takes a clock around a call.
fn is_left_out(name: &str) -> bool {
    let is_end_to_end = name.starts_with("record-e2e-");
    name.ends_with("-rate")
        || (name.contains("-latency-") && !is_end_to_end)
        || name.contains("iterator")
        || name == "active-process-ratio"
}

/// Passes on, and has a punctuator that does nothing.
struct Copy;

impl Processor<Option<String>, String, Option<String>, String> for Copy {
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Option<String>, String>,
    ) -> Result<(), ProcessorError> {
        context.schedule(Duration::from_secs(1), PunctuationType::StreamTime)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Option<String>, String>,
        record: Record<Option<String>, String>,
    ) -> Result<(), ProcessorError> {
        context.forward(record)
    }

    fn punctuate(
        &mut self,
        _: &mut ProcessorContext<'_, Option<String>, String>,
        _: Cancellable,
        _: i64,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }
}

fn driver(level: &str) -> TopologyTestDriver {
    let builder = StreamsBuilder::new();
    let input = builder.stream::<Option<String>, String>("in");
    let counts = Materialized::as_key_value_store(Stores::in_memory_key_value_store("counts"));
    let held = Suppressed::until_time_limit(Duration::from_secs(10), BufferConfig::unbounded());
    input
        .group_by_key()
        .count(counts)
        .suppress(held.with_name("held"))
        .to_stream()
        .to("out");
    input.named("copy").process(|| Copy, &[]).to("copies");
    let config = StreamsConfig::new("metrics", "localhost:1")
        .and_then(|config| config.set("metrics.recording.level", level))
        .expect("a valid configuration");
    let options = TestDriverOptions {
        wall_clock: WallClock(20_000),
        ..TestDriverOptions::default()
    };
    let topology = builder.build().expect("a valid topology");
    let driver = TopologyTestDriver::with_options(topology, config, options).expect("it begins");
    let words = driver.create_input_topic::<Option<String>, String>("in");
    for (key, value, timestamp) in [
        (Some("a"), "1", 1000),
        (Some("b"), "2", 3000),
        (Some("a"), "33", 2500),
        (None, "4", 4000),
        (Some("c"), "5", 15000),
    ] {
        let record = TestRecord::new(key.map(str::to_owned), value.to_owned()).at(timestamp);
        words.pipe_record(record).expect("it is processed");
    }
    driver
}

/// `GROUP NAME TAGS`, as the lines of Java begin.
fn identity(metric: &Metric) -> String {
    let tags = metric.tags.iter();
    let tags: Vec<String> = tags.map(|(tag, value)| format!("{tag}={value}")).collect();
    format!("{} {} {{{}}}", metric.group, metric.name, tags.join(","))
}

#[test]
fn metrics_are_those_of_java() {
    let shown = driver("DEBUG").metrics();
    let mut ours: BTreeMap<String, &Metric> = shown.iter().map(|m| (identity(m), m)).collect();
    assert_eq!(ours.len(), shown.len(), "two of the same name");
    let mut problems = Vec::new();
    for line in JAVA.lines() {
        let (theirs, description) = line.split_once(" # ").expect("a description");
        let (theirs, value) = theirs.split_once(" = ").expect("a value");
        let name = theirs.split(' ').nth(1).expect("a name");
        let of_store = theirs.starts_with("stream-state-metrics record-e2e");
        let Some(metric) = ours.remove(theirs) else {
            if !is_left_out(name) && !of_store {
                problems.push(format!("missing: {theirs} = {value}"));
            }
            continue;
        };
        let mut value: f64 = value.parse().expect("a number");
        if name == "bytes-consumed-total" {
            // Java takes the size of a null, which it notes as -1, for bytes: here of one key.
            value += 1.0;
        }
        let our_value = metric.value.as_f64().expect("a number");
        let is_equal = (value - our_value).abs() < 1e-9 || (value.is_nan() && our_value.is_nan());
        // Java looks entries up in its cache while it flushes, and counts that as reading.
        if !is_equal && !name.starts_with("hit-ratio-") {
            problems.push(format!("{theirs}: {our_value} instead of {value}"));
        }
        if metric.description != description {
            problems.push(format!("{theirs}: {}", metric.description));
        }
        let is_total = name.ends_with("-total");
        let counts = matches!(metric.value, MetricValue::Count(_));
        let is_gauge = matches!(
            name,
            "restore-remaining-records-total" | "cache-size-bytes-total"
        );
        if counts != (is_total && !is_gauge) {
            problems.push(format!("{theirs} is not of the right kind"));
        }
    }
    problems.extend(ours.keys().map(|ours| format!("unknown to Java: {ours}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_level_says_what_is_shown() {
    let names = |level: &str| {
        let metrics = driver(level).metrics();
        let names = metrics.iter().map(|metric| (metric.group, metric.name));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let (info, debug) = (names("INFO"), names("debug"));
    assert!(info.is_subset(&debug));
    assert!(info.contains(&("stream-task-metrics", "dropped-records-total")));
    assert!(info.contains(&("stream-topic-metrics", "bytes-produced-total")));
    assert!(info.contains(&("stream-state-metrics", "num-keys")));
    for hidden in [
        ("stream-task-metrics", "process-total"),
        ("stream-record-cache-metrics", "hit-ratio-avg"),
        ("stream-state-metrics", "suppression-buffer-size-max"),
        ("stream-processor-node-metrics", "process-total"),
    ] {
        assert!(
            debug.contains(&hidden) && !info.contains(&hidden),
            "{hidden:?}"
        );
    }
    assert_eq!(names("TRACE"), debug);
}

#[test]
fn prometheus_reads_them() {
    let text = to_prometheus(&driver("DEBUG").metrics());
    let line = "kafka_streams_stream_topic_metrics_records_produced_total\
                {processor_node_id=\"KSTREAM-SINK-0000000004\",task_id=\"0_0\",thread_id=\"main\",\
                topic=\"copies\"} 5\n";
    assert!(text.contains(line), "{text}");
    let name = "kafka_streams_stream_topic_metrics_records_produced_total";
    assert_eq!(text.matches(&format!("# TYPE {name} counter\n")).count(), 1);
    assert_eq!(text.matches(&format!("\n{name}{{")).count(), 2);
    assert!(text.contains("# TYPE kafka_streams_stream_task_metrics_record_lateness_avg gauge\n"));
    assert!(
        !text.contains('-')
            || text.lines().all(|line| {
                let name = line.split(['{', ' ']).next().unwrap_or_default();
                name == "#" || name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
    );
}

/// Names and tags of stores, as Java's suppliers of them say (`metricsScope`).
#[test]
fn stores_have_the_tags_of_java() {
    let builder = StreamsBuilder::new();
    let input = builder.stream::<String, String>("in");
    let minute = Duration::from_secs(60);
    let windows = TimeWindows::of_size_with_no_grace(minute);
    let window_store = Materialized::as_store("windows").with_store_type(StoreType::InMemory);
    input
        .group_by_key()
        .windowed_by(windows)
        .emit_strategy(EmitStrategy::OnWindowClose)
        .count(window_store);
    let session_store = Materialized::as_store("sessions").with_store_type(StoreType::InMemory);
    let gap = SessionWindows::of_inactivity_gap_with_no_grace(minute);
    input.group_by_key().windowed_by(gap).count(session_store);
    input
        .group_by_key()
        .count(Materialized::as_store("persistent"));
    let lru = Materialized::as_key_value_store(Stores::lru_map("recent", 10));
    input.group_by_key().count(lru);
    let config = StreamsConfig::new("metrics", "localhost:1")
        .and_then(|config| config.set("metrics.recording.level", "DEBUG"))
        .expect("a valid configuration");
    let topology = builder.build().expect("a valid topology");
    let driver = TopologyTestDriver::new(topology, config).expect("it begins");
    let words = driver.create_input_topic::<String, String>("in");
    for (key, timestamp) in [("a", 0), ("b", 1), ("a", 70_000)] {
        let piped = words.pipe_input_at(key.to_owned(), String::new(), timestamp);
        piped.expect("it is processed");
    }
    let metrics = driver.metrics();
    let keys = metrics.iter().filter(|metric| metric.name == "num-keys");
    let keys: BTreeMap<&str, (&str, f64)> = keys
        .map(|metric| {
            let mut tags = metric.tags.iter();
            let (tag, store) = tags
                .find(|(tag, _)| tag.ends_with("-state-id"))
                .expect("a store");
            (&**store, (*tag, metric.value.as_f64().expect("a number")))
        })
        .collect();
    // That of a store on disk is RocksDB's to know.
    let expected = [
        ("recent", ("in-memory-lru-state-id", 2.0)),
        // The first two sessions have expired.
        ("sessions", ("in-memory-session-state-id", 1.0)),
        ("windows", ("in-memory-window-state-id", 3.0)),
    ];
    assert_eq!(keys, expected.into());
    let caches = metrics
        .iter()
        .filter(|metric| metric.name == "hit-ratio-avg");
    let caches: Vec<&str> = caches
        .map(|metric| &*metric.tags["record-cache-id"])
        .collect();
    assert!(caches.contains(&"persistent"), "{caches:?}");
    let emitted = metrics
        .iter()
        .find(|metric| metric.name == "window-aggregate-final-emit-total");
    let emitted = emitted.expect("it emits on close");
    assert_eq!(emitted.value, MetricValue::Count(2));
}
