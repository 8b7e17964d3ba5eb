use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{JoinWindows, Joined, StreamJoined};
use crate::config::StreamsConfig;
use crate::dsl::{KStream, KTable, Materialized, StreamsBuilder};
use crate::error::StreamsError;
use crate::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use crate::state::{CacheBudget, Stores};
use crate::time::{Now, StreamTime, WallClock};
use crate::topology::TopologyError;
use crate::types::{Headers, TaskId, TopicPartition};
use crate::wire::Record;

/// What reached the output topic, as `key=value@timestamp`.
#[derive(Default)]
struct Output(Vec<String>);

impl RecordSink for Output {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        if record.topic.as_str() == "out" {
            let text = |bytes: Option<&[u8]>| {
                bytes.map_or_else(
                    || "null".to_owned(),
                    |b| String::from_utf8_lossy(b).into_owned(),
                )
            };
            let (key, value) = (text(record.key), text(record.value));
            self.0.push(format!("{key}={value}@{}", record.timestamp));
        }
        Ok(())
    }
}

struct Task {
    graph: ProcessorGraph,
    output: Rc<RefCell<Output>>,
    now: Now,
}

type Lines = KStream<Option<String>, String>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn config() -> StreamsConfig {
    StreamsConfig::new("app", "localhost:9092").expect("valid")
}

fn task(config: &StreamsConfig, join: impl FnOnce(&StreamsBuilder) -> Lines) -> Task {
    let builder = StreamsBuilder::new();
    join(&builder).to("out");
    let topology = builder.build_with(config).expect("builds");
    let output = Rc::new(RefCell::new(Output::default()));
    let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Output>>::clone(&output);
    let budget = CacheBudget::new(0);
    let id = TaskId::new(0, 0);
    let graph = ProcessorGraph::new(&topology, id, &[0], config, &budget, sink);
    let mut task = Task {
        graph: graph.expect("has sub-topology 0"),
        output,
        now: Now::default(),
    };
    task.graph.init(task.now).expect("begins");
    task
}

impl Task {
    /// What came out when `key: value` came in from `topic` at a timestamp.
    fn feed(&mut self, topic: &str, key: Option<&str>, value: &str, timestamp: i64) -> Vec<String> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let record = Record {
            offset: 0,
            timestamp,
            key: key.map(bytes),
            value: Some(bytes(value)),
            headers: Headers::new(),
        };
        let partition = TopicPartition::new(topic, 0);
        self.graph
            .process_record(self.now, &partition, record, StreamTime(timestamp))
            .expect("is processed");
        std::mem::take(&mut self.output.borrow_mut().0)
    }
}

fn outer(builder: &StreamsBuilder, windows: JoinWindows) -> Lines {
    let (left, right): (Lines, Lines) = (builder.stream("left"), builder.stream("right"));
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let joiner = move |l: Option<String>, r: Option<String>| or_none(l) + &or_none(r);
    left.outer_join(&right, joiner, windows)
}

#[test]
fn records_that_did_not_join_come_once_they_cannot_any_more_and_once_an_interval() {
    let windows = JoinWindows::of_time_difference_and_grace(ms(10), ms(5));
    let mut task = task(&config(), |builder| outer(builder, windows));
    assert!(task.feed("left", Some("k"), "a", 0).is_empty());
    assert!(task.feed("right", Some("l"), "b", 15).is_empty());
    // What is kept is looked for at the start, and not again before a second has passed.
    assert!(task.feed("left", Some("m"), "c", 16).is_empty());
    task.now.wall_clock = WallClock(1000);
    assert_eq!(task.feed("left", Some("m"), "d", 16), ["k=a-@0"]);
    assert!(task.feed("left", Some("n"), "e", 100).is_empty());
    task.now.wall_clock = WallClock(2000);
    // A late record does not tell that time goes on.
    assert!(task.feed("left", Some("n"), "f", 95).is_empty());
    assert_eq!(
        task.feed("left", Some("n"), "g", 100),
        ["l=-b@15", "m=c-@16", "m=d-@16"]
    );
}

#[test]
fn null_keys_join_nothing_and_give_results_on_outer_sides() {
    let windows = JoinWindows::of_time_difference_with_no_grace(ms(10));
    let mut task = task(&config(), |builder| outer(builder, windows));
    assert_eq!(task.feed("left", None, "a", 0), ["null=a-@0"]);
    assert_eq!(task.feed("right", None, "b", 0), ["null=-b@0"]);
    let mut inner = self::task(&config(), |builder| {
        let (left, right): (Lines, Lines) = (builder.stream("left"), builder.stream("right"));
        left.join(&right, |l, r| l + &r, windows)
    });
    assert!(inner.feed("left", None, "a", 0).is_empty());
    assert!(inner.feed("right", None, "b", 0).is_empty());
    assert_eq!(inner.graph.dropped_records(), 2);
}

#[test]
fn what_comes_too_close_may_be_left_out() {
    let windows = JoinWindows::of_time_difference_and_grace(ms(10), ms(50));
    let joined = |windows: JoinWindows| {
        let mut task = task(&config(), |builder| {
            let (left, right): (Lines, Lines) = (builder.stream("left"), builder.stream("right"));
            left.join(&right, |l, r| l + &r, windows)
        });
        assert!(task.feed("left", Some("k"), "a", 100).is_empty());
        let right = [90, 95, 96, 104, 105, 110, 111];
        let of = |at: i64| task.feed("right", Some("k"), &at.to_string(), at);
        right.into_iter().flat_map(of).collect::<Vec<_>>()
    };
    let (after, before) = (
        windows.at_least_after(ms(5)),
        windows.at_least_before(ms(5)),
    );
    assert_eq!(joined(after), ["k=a105@105", "k=a110@110"]);
    assert_eq!(joined(before), ["k=a90@100", "k=a95@100"]);
    assert_eq!(joined(windows.at_least_after(ms(10))), ["k=a110@110"]);

    let builder = StreamsBuilder::new();
    let (left, right): (Lines, Lines) = (builder.stream("left"), builder.stream("right"));
    left.join(&right, |l, r| l + &r, windows.at_least_after(ms(11)))
        .to("out");
    let error = builder.build().err();
    assert!(matches!(error, Some(TopologyError::InvalidJoin { .. })));
}

#[test]
fn suppliers_that_do_not_fit_the_windows_do_not_build() {
    let windows = JoinWindows::of_time_difference_with_no_grace(ms(10));
    let error = |retention_ms, size_ms, duplicates| {
        let supplier = Stores::in_memory_window_store("own", retention_ms, size_ms, duplicates);
        let joined = StreamJoined::default().with_this_store_supplier(supplier.expect("valid"));
        let builder = StreamsBuilder::new();
        let (left, right): (Lines, Lines) = (builder.stream("left"), builder.stream("right"));
        left.join_with(&right, |_, l, r| l + &r, windows, joined)
            .to("out");
        builder.build().err()
    };
    assert_eq!(error(20, 20, true), None);
    for (retention_ms, size_ms, duplicates) in [(20, 20, false), (30, 20, true), (20, 10, true)] {
        let error = error(retention_ms, size_ms, duplicates);
        assert!(matches!(error, Some(TopologyError::InvalidJoin { .. })));
    }
}

fn cities(builder: &StreamsBuilder, materialized: Materialized<Option<String>, String>) -> Cities {
    builder.table("cities", materialized)
}

fn versioned(history_retention_ms: i64) -> Materialized<Option<String>, String> {
    let supplier =
        Stores::in_memory_versioned_key_value_store("cities", history_retention_ms, None);
    Materialized::as_versioned_store(supplier.expect("valid"))
}

type Cities = KTable<Option<String>, String>;

#[test]
fn records_join_the_row_of_their_key() {
    let mut task = task(&config(), |builder| {
        let orders: Lines = builder.stream("orders");
        let cities = cities(builder, Materialized::as_store("cities"));
        let upper = cities.map_values(|_, city| city.to_uppercase());
        orders.left_join_table(&upper, |order, city| {
            order + &city.unwrap_or_else(|| "-".to_owned())
        })
    });
    assert_eq!(task.feed("orders", Some("k"), "a", 0), ["k=a-@0"]);
    assert!(task.feed("cities", Some("k"), "ulm", 5).is_empty());
    assert_eq!(task.feed("orders", Some("k"), "b", 1), ["k=bULM@1"]);
    assert_eq!(task.feed("orders", None, "c", 2), ["null=c-@2"]);
    assert_eq!(task.graph.dropped_records(), 0);
}

#[test]
fn records_wait_for_their_grace_period_and_join_the_row_of_their_time() {
    let versioned = versioned(100);
    let mut task = task(&config(), |builder| {
        let orders: Lines = builder.stream("orders");
        let joined = Joined::default().with_grace_period(ms(10));
        let cities = cities(builder, versioned);
        orders.join_table_with(&cities, |_, order, city| order + "@" + &city, joined)
    });
    task.feed("cities", Some("k"), "bonn", 0);
    assert!(task.feed("orders", Some("k"), "a", 5).is_empty());
    task.feed("cities", Some("k"), "ulm", 4);
    task.feed("cities", Some("k"), "kiel", 6);
    assert_eq!(task.feed("orders", Some("l"), "b", 15), ["k=a@ulm@5"]);
    // Too late to be held back.
    assert_eq!(task.feed("orders", Some("k"), "c", 4), ["k=c@ulm@4"]);
    assert!(task.feed("orders", None, "d", 50).is_empty());
    assert_eq!(task.graph.dropped_records(), 1);
}

#[test]
fn a_grace_period_needs_versions_that_are_known_for_as_long() {
    let error = |materialized| {
        let builder = StreamsBuilder::new();
        let orders: Lines = builder.stream("orders");
        let cities = cities(&builder, materialized);
        let joined = Joined::default().with_grace_period(ms(10));
        let joined = orders.join_table_with(&cities, |_, order, city| order + &city, joined);
        joined.to("out");
        builder.build().err().map(|error| error.to_string())
    };
    assert_eq!(error(versioned(10)), None);
    let short = error(versioned(9)).expect("is refused");
    assert!(
        short.contains("at least the grace period of 10 ms"),
        "{short}"
    );
    let plain = error(Materialized::as_store("cities")).expect("is refused");
    assert!(plain.contains("versioned store"), "{plain}");
}

#[test]
fn a_global_table_has_no_versions() {
    let error = |materialized| {
        let builder = StreamsBuilder::new();
        let orders: Lines = builder.stream("orders");
        let cities = builder.global_table::<Option<String>, String>("cities", materialized);
        let city = |_: &Option<String>, order: &String| Some(order.clone());
        orders
            .left_join_global_table(&cities, city, |order, city| {
                order + &city.unwrap_or_default()
            })
            .to("out");
        builder.build().err()
    };
    assert_eq!(error(Materialized::default()), None);
    let versioned = error(versioned(10));
    let refused = TopologyError::VersionedGlobalTable("cities".to_owned());
    assert_eq!(versioned, Some(refused));
}

proptest! {
    /// One window is enough where both sides are the same stream: results and their order are
    /// those of two while nothing expires.
    #[test]
    fn a_self_join_gives_what_two_windows_give(
        records in prop::collection::vec(("[ab]", 0..40_i64), 0..30),
        (nearest, before, after) in (-6..12_i64, 0..12_u64, 6..12_u64),
    ) {
        let windows = JoinWindows::of_time_difference_and_grace(ms(before), ms(50));
        let windows = windows.after(ms(after));
        let windows = match u64::try_from(-nearest) {
            Ok(least) => windows.at_least_after(ms(least)),
            Err(_) => windows,
        };
        let joined = |optimization: &str| {
            let config = config().set("topology.optimization", optimization).expect("valid");
            let mut task = task(&config, |builder| {
                let stream: Lines = builder.stream("in");
                stream.join(&stream, |l, r| format!("{l}+{r}"), windows)
            });
            let feed = |(number, (key, timestamp)): (usize, &(String, i64))| {
                task.feed("in", Some(key), &number.to_string(), *timestamp)
            };
            records.iter().enumerate().flat_map(feed).collect::<Vec<_>>()
        };
        prop_assert_eq!(joined("single.store.self.join"), joined("none"));
    }
}
