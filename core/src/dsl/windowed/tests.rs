use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::{EmitStrategy, GroupWindows, SessionWindows, SlidingWindows, TimeWindows};
use super::{SessionWindowedKStream, TimeWindowedKStream, UnlimitedWindows};
use crate::config::{StoreType, StreamsConfig};
use crate::dsl::{Grouped, KTable, Materialized, Produced, StreamsBuilder};
use crate::error::StreamsError;
use crate::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use crate::serde::DefaultSerde;
use crate::state::{CacheBudget, ChangelogRecord, Stores};
use crate::time::{Now, StreamTime, WallClock};
use crate::topology::TopologyError;
use crate::types::{Headers, TaskId, TopicName, TopicPartition};
use crate::window::Windowed;
use crate::wire::{Record, partition_for_key};

/// What reached the output topic, as `key@start-end=value@timestamp`, without a value for deleted
/// rows.
#[derive(Default)]
struct Output(Vec<String>, Option<i32>);

const PARTITIONS: i32 = 100;

impl RecordSink for Output {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        if record.topic.as_str() == "out" {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let key = text(record.key.unwrap_or_default());
            let value = record.value.map(text).unwrap_or_default();
            self.0.push(format!("{key}={value}@{}", record.timestamp));
            self.1 = record.partition;
        }
        Ok(())
    }

    fn partition_count(&self, _: &TopicName) -> Option<i32> {
        Some(PARTITIONS)
    }
}

struct Task {
    graph: ProcessorGraph,
    output: Rc<RefCell<Output>>,
    now: Now,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The table of every key's values in `windows`, joined to one text.
fn task<W: GroupWindows>(
    windows: W,
    cache_bytes: usize,
    aggregate: impl FnOnce(W::Windowed<String, String>) -> KTable<Windowed<String>, String>,
) -> Task {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, String>("in");
    let serdes = Grouped::with(String::default_serde(), String::default_serde());
    let table = aggregate(stream.group_by_key_with(serdes).windowed_by(windows));
    let label = |key: &Windowed<String>, _: &Option<String>| {
        format!("{}@{}-{}", key.key, key.window.start, key.window.end)
    };
    table.to_stream().select_key(label).to("out");
    Task::with_cache(&builder, cache_bytes)
}

impl Task {
    fn new(builder: &StreamsBuilder) -> Self {
        Self::with_cache(builder, 0)
    }

    fn with_cache(builder: &StreamsBuilder, cache_bytes: usize) -> Self {
        let topology = builder.build().expect("builds");
        let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
        let output = Rc::new(RefCell::new(Output::default()));
        let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Output>>::clone(&output);
        let budget = CacheBudget::new(cache_bytes);
        let id = TaskId::new(0, 0);
        let graph = ProcessorGraph::new(&topology, id, &[0], &config, &budget, sink);
        let mut task = Self {
            graph: graph.expect("has sub-topology 0"),
            output,
            now: Now::default(),
        };
        task.graph.init(task.now).expect("begins");
        task
    }

    /// What came out when `key: value` came in at each timestamp.
    fn feed(&mut self, records: &[(&str, &str, i64)]) -> Vec<String> {
        for &(key, value, timestamp) in records {
            let record = Record {
                offset: 0,
                timestamp,
                key: Some(Bytes::copy_from_slice(key.as_bytes())),
                value: Some(Bytes::copy_from_slice(value.as_bytes())),
                headers: Headers::new(),
            };
            let partition = TopicPartition::new("in", 0);
            let stream_time = StreamTime(timestamp);
            self.graph
                .process_record(self.now, &partition, record, stream_time)
                .expect("is processed");
        }
        std::mem::take(&mut self.output.borrow_mut().0)
    }

    fn flush(&mut self) -> Vec<String> {
        self.graph.flush(self.now).expect("is flushed");
        std::mem::take(&mut self.output.borrow_mut().0)
    }
}

fn concatenated(windows: TimeWindowedKStream<String, String>) -> KTable<Windowed<String>, String> {
    let join = |before: String, value: String| format!("{before}{value}");
    windows.reduce(join, Materialized::as_store("store"))
}

fn sessions(windows: SessionWindowedKStream<String, String>) -> KTable<Windowed<String>, String> {
    let join = |before: String, value: String| format!("{before}{value}");
    windows.reduce(join, Materialized::as_store("store"))
}

#[test]
fn a_record_is_in_every_window_that_is_not_closed() {
    let hopping = TimeWindows::of_size_and_grace(ms(10), ms(3)).advance_by(ms(5));
    let mut task = task(hopping, 0, concatenated);
    assert_eq!(task.feed(&[("k", "a", 7)]), ["k@0-10=a@7", "k@5-15=a@7"]);
    assert_eq!(
        task.feed(&[("k", "b", 12), ("k", "c", 8)]),
        [
            "k@5-15=ab@12",
            "k@10-20=b@12",
            "k@0-10=ac@8",
            "k@5-15=abc@12"
        ]
    );
    assert_eq!(
        task.feed(&[("k", "d", 13)]),
        ["k@5-15=abcd@13", "k@10-20=bd@13"]
    );
    assert_eq!(task.graph.dropped_records(), 0);
    assert_eq!(task.feed(&[("k", "e", 9)]), ["k@5-15=abcde@13"]);
    assert_eq!(task.graph.dropped_records(), 1);
}

#[test]
fn cached_rows_go_downstream_once() {
    let tumbling = TimeWindows::of_size_with_no_grace(ms(10));
    let mut task = task(tumbling, 10_000, concatenated);
    let records = [("k", "a", 1), ("k", "b", 2), ("l", "c", 3)];
    assert!(task.feed(&records).is_empty());
    assert_eq!(task.flush(), ["k@0-10=ab@2", "l@0-10=c@3"]);
    assert!(task.flush().is_empty());
}

#[test]
fn records_make_their_sliding_windows() {
    let sliding = SlidingWindows::of_time_difference_and_grace(ms(10), ms(50));
    let mut task = task(sliding, 0, concatenated);
    assert_eq!(task.feed(&[("k", "a", 20)]), ["k@10-20=a@20"]);
    // The right window of `a` and the left one of `b`.
    assert_eq!(
        task.feed(&[("k", "b", 25)]),
        ["k@21-31=b@25", "k@15-25=ab@25"]
    );
    // Between the two: a left window, a right one of `c` with `b` alone, and the others get it.
    assert_eq!(
        task.feed(&[("k", "c", 22)]),
        [
            "k@21-31=bc@25",
            "k@15-25=abc@25",
            "k@12-22=ac@22",
            "k@23-33=b@25"
        ]
    );
    // The same time again makes no window.
    assert_eq!(
        task.feed(&[("k", "d", 22)]),
        ["k@21-31=bcd@25", "k@15-25=abcd@25", "k@12-22=acd@22"]
    );
}

#[test]
fn early_records_share_a_window() {
    let sliding = SlidingWindows::of_time_difference_and_grace(ms(10), ms(50));
    let mut task = task(sliding, 0, concatenated);
    assert_eq!(task.feed(&[("k", "a", 3)]), ["k@0-10=a@3"]);
    assert_eq!(task.feed(&[("k", "b", 1)]), ["k@2-12=a@3", "k@0-10=ab@3"]);
    assert_eq!(
        task.feed(&[("k", "c", 6)]),
        ["k@2-12=ac@6", "k@4-14=c@6", "k@0-10=abc@6"]
    );
}

#[test]
fn sessions_become_one() {
    let gap = SessionWindows::of_inactivity_gap_and_grace(ms(5), ms(20));
    let mut task = task(gap, 0, sessions);
    assert_eq!(task.feed(&[("k", "a", 10)]), ["k@10-10=a@10"]);
    assert_eq!(task.feed(&[("k", "b", 18)]), ["k@18-18=b@18"]);
    assert_eq!(
        task.feed(&[("k", "c", 14)]),
        ["k@10-10=@10", "k@18-18=@18", "k@10-18=abc@18"]
    );
    assert!(task.feed(&[("l", "x", 60), ("k", "d", 20)]).len() == 1);
    assert_eq!(task.graph.dropped_records(), 1);
}

#[test]
fn a_changelog_that_is_of_another_store_names_task_and_store() {
    let gap = SessionWindows::of_inactivity_gap_and_grace(ms(5), ms(20));
    let mut task = task(gap, 0, sessions);
    let (store, _) = task.graph.changelogs().remove(0);
    let record = ChangelogRecord {
        key: Bytes::from_static(b"short"),
        value: None,
        timestamp: 1,
        headers: Headers::new(),
    };
    let refused = task.graph.restore(store, record);
    let message = refused.expect_err("is no session").to_string();
    assert!(message.starts_with("task 0_0: store "), "{message}");
    assert!(
        message.contains("too short for a key and its window"),
        "{message}"
    );
}

#[test]
fn closed_windows_are_emitted_once() {
    let tumbling = TimeWindows::of_size_and_grace(ms(10), ms(2));
    for store_type in [StoreType::InMemory, StoreType::Persistent] {
        let mut task = task(tumbling, 0, |windows| {
            let join = |before: String, value: String| format!("{before}{value}");
            let store = Materialized::as_store("store").with_store_type(store_type);
            let store = store.with_retention(ms(100));
            windows
                .emit_strategy(EmitStrategy::OnWindowClose)
                .reduce(join, store)
        });
        let records = [("l", "a", 1), ("k", "b", 9), ("k", "c", 11)];
        assert!(task.feed(&records).is_empty());
        assert!(
            task.feed(&[("k", "d", 12)]).is_empty(),
            "looked a moment ago"
        );
        task.now.wall_clock = WallClock(1000);
        assert_eq!(task.feed(&[("k", "e", 13)]), ["k@0-10=b@9", "l@0-10=a@1"]);
        task.now.wall_clock = WallClock(2000);
        assert!(task.feed(&[("k", "f", 14)]).is_empty());
        task.now.wall_clock = WallClock(3000);
        assert_eq!(task.feed(&[("k", "g", 30)]), ["k@10-20=cdef@14"]);
    }
}

#[test]
fn closed_sessions_are_emitted_once() {
    let gap = SessionWindows::of_inactivity_gap_with_no_grace(ms(5));
    let mut task = task(gap, 0, |windows| {
        let store = Materialized::as_store("store").with_retention(ms(100));
        let join = |before: String, value: String| format!("{before}{value}");
        windows
            .emit_strategy(EmitStrategy::OnWindowClose)
            .reduce(join, store)
    });
    assert!(task.feed(&[("k", "a", 1), ("k", "b", 3)]).is_empty());
    task.now.wall_clock = WallClock(1000);
    assert_eq!(task.feed(&[("l", "c", 9)]), ["k@1-3=ab@3"]);
    task.now.wall_clock = WallClock(2000);
    assert_eq!(task.feed(&[("l", "d", 20)]), ["l@9-9=c@9"]);
}

fn build_error<W: GroupWindows>(
    windows: W,
    aggregate: impl FnOnce(W::Windowed<String, String>) -> KTable<Windowed<String>, String>,
) -> TopologyError {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let _ = aggregate(grouped.windowed_by(windows));
    builder.build().expect_err("does not build")
}

/// Aggregates texts by window into what `supplier` makes.
fn concatenated_in(
    windows: TimeWindowedKStream<String, String>,
    store: Materialized<String, String>,
) -> KTable<Windowed<String>, String> {
    windows.reduce(
        |before: String, value: String| format!("{before}{value}"),
        store,
    )
}

#[test]
fn rows_of_windows_lie_where_suppliers_of_windows_say() {
    let windows = TimeWindows::of_size_with_no_grace(ms(10));
    let mut counted = task(windows, 0, |windows| {
        let supplier = Stores::in_memory_window_store("own", 40, 10, false).expect("valid");
        concatenated_in(windows, Materialized::as_window_store(supplier))
    });
    let texts = [("k", "a", 1), ("k", "b", 2), ("k", "c", 11)];
    let expected = ["k@0-10=a@1", "k@0-10=ab@2", "k@10-20=c@11"];
    assert_eq!(counted.feed(&texts), expected);
    let gap = SessionWindows::of_inactivity_gap_with_no_grace(ms(5));
    let mut sessions = task(gap, 0, |windows| {
        let supplier = Stores::in_memory_session_store("own", 40).expect("valid");
        let join = |before: String, value: String| format!("{before}{value}");
        windows.reduce(join, Materialized::as_session_store(supplier))
    });
    assert_eq!(sessions.feed(&[("k", "a", 1)]), ["k@1-1=a@1"]);
}

#[test]
fn suppliers_of_another_kind_or_size_do_not_build() {
    let windows = TimeWindows::of_size_with_no_grace(ms(10));
    let refused = |store: Materialized<String, String>| {
        build_error(windows, |windows| concatenated_in(windows, store)).to_string()
    };
    let rows = |retention_ms, size_ms, duplicates| {
        let rows = Stores::in_memory_window_store("own", retention_ms, size_ms, duplicates);
        Materialized::as_window_store(rows.expect("valid"))
    };
    let keys = Stores::in_memory_key_value_store("own");
    let sessions = Stores::in_memory_session_store("own", 40).expect("valid");
    for (store, expected) in [
        (Materialized::as_key_value_store(keys), "as_window_store"),
        (Materialized::as_session_store(sessions), "as_window_store"),
        (rows(40, 20, false), "its windows are of 20 ms"),
        (rows(40, 10, true), "retains duplicates"),
    ] {
        let message = refused(store);
        assert!(message.contains(expected), "{message}");
    }
    let windows = TimeWindows::of_size_and_grace(ms(10), ms(50));
    let short = build_error(windows, |windows| {
        concatenated_in(windows, rows(40, 10, false))
    });
    assert!(short.to_string().contains("too short"), "{short}");
    let gap = SessionWindows::of_inactivity_gap_with_no_grace(ms(5));
    let segments = build_error(gap, |windows| {
        let rows = Stores::persistent_session_store("own", 40).expect("valid");
        let join = |before: String, value: String| format!("{before}{value}");
        let windows = windows.emit_strategy(EmitStrategy::OnWindowClose);
        windows.reduce(join, Materialized::as_session_store(rows))
    });
    assert!(segments.to_string().contains("time-ordered"), "{segments}");

    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let rows = Stores::in_memory_window_store("own", 40, 10, false).expect("valid");
    let _ = grouped.count(Materialized::as_window_store(rows));
    let keyed = builder.build().expect_err("does not build").to_string();
    assert!(keyed.contains("is for aggregations by window"), "{keyed}");
}

#[test]
fn windows_that_cannot_be_do_not_build() {
    let empty = build_error(TimeWindows::of_size_with_no_grace(ms(0)), concatenated);
    assert!(matches!(empty, TopologyError::InvalidWindows(_)), "{empty}");
    let never = build_error(UnlimitedWindows::of(), |windows| {
        concatenated(windows.emit_strategy(EmitStrategy::OnWindowClose))
    });
    assert!(matches!(never, TopologyError::InvalidWindows(_)), "{never}");
    let forgetful = Materialized::as_store("store").with_retention(ms(14));
    let sliding = SlidingWindows::of_time_difference_with_no_grace(ms(8));
    let forgotten = build_error(sliding, |windows| {
        windows.reduce(|a: String, _| a, forgetful)
    });
    assert_eq!(
        forgotten.to_string(),
        "store store: a retention of 14 ms is too short: records can come to its windows for 16 ms"
    );
}

#[test]
fn cogrouped_streams_come_to_one_table() {
    let builder = StreamsBuilder::new();
    let words = builder.stream::<String, String>("in").group_by_key();
    let numbers = builder.stream::<String, i64>("numbers").group_by_key();
    let word = |_: &String, word: String, before: String| format!("{before}{word}");
    let number = |_: &String, number: i64, before: String| format!("{before}{number}");
    let cogrouped = words.cogroup(word).cogroup(&numbers, number);
    let table = cogrouped.aggregate(String::new, Materialized::as_store("store"));
    table.to_stream().to("out");
    let mut task = Task::new(&builder);
    assert_eq!(task.feed(&[("k", "a", 3)]), ["k=a@3"]);
    let record = Record {
        offset: 0,
        timestamp: 2,
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::copy_from_slice(&7_i64.to_be_bytes())),
        headers: Headers::new(),
    };
    let numbers = TopicPartition::new("numbers", 0);
    let processed = task
        .graph
        .process_record(task.now, &numbers, record, StreamTime(3));
    processed.expect("is processed");
    assert_eq!(task.output.borrow().0, ["k=a7@3"]);
}

#[test]
fn a_key_in_a_window_goes_where_the_key_goes() {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let windows = TimeWindows::of_size_with_no_grace(ms(10));
    let table = concatenated(grouped.windowed_by(windows));
    let (keys, values) = (table.key_serde(), Option::<String>::default_serde());
    table
        .to_stream()
        .to_with("out", Produced::with(keys, values));
    let mut task = Task::new(&builder);
    assert_eq!(task.feed(&[("k", "a", 3)]).len(), 1);
    let partition = task.output.borrow().1;
    assert_eq!(partition, Some(partition_for_key(b"k", PARTITIONS)));
}

#[test]
fn how_far_windows_are_emitted_is_committed() {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let windows = TimeWindows::of_size_with_no_grace(ms(10));
    let windows = grouped.windowed_by(windows);
    let count = windows
        .emit_strategy(EmitStrategy::OnWindowClose)
        .count(Materialized::as_store("store").with_retention(ms(100)));
    count.to_stream().for_each(|_, _| {});
    let mut task = Task::new(&builder);
    task.feed(&[("k", "a", 3)]);
    assert_eq!(task.graph.metadata().get("store"), None);
    task.now.wall_clock = WallClock(1000);
    task.feed(&[("k", "b", 17)]);
    assert_eq!(task.graph.metadata().get("store"), Some(17));
}
