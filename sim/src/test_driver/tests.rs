use std::time::Duration;

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{EmitStrategy, Materialized, StreamsBuilder, TimeWindows};
use eddyline_core::processor::{
    Cancellable, Processor, ProcessorContext, ProcessorError, PunctuationType, Record,
};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{KeyValueStore, StoreBuilder, Stores};
use eddyline_core::topology::{Topology, TopologyBuilder};
use eddyline_core::types::{TaskId, TopicName};

use super::*;

type Words = TestInputTopic<Option<String>, String>;
type Counts = TestOutputTopic<String, Option<i64>>;

fn word_count() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("words")
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .to("out");
    builder.build().expect("a topology")
}

fn config() -> StreamsConfig {
    StreamsConfig::new("app", "localhost:9092").expect("a configuration")
}

fn driver(options: TestDriverOptions) -> (TopologyTestDriver, Words, Counts) {
    let driver = TopologyTestDriver::with_options(word_count(), config(), options);
    let driver = driver.expect("a driver");
    let words = driver.create_input_topic("words");
    let counts = driver.create_output_topic("out");
    (driver, words, counts)
}

fn manual() -> TestDriverOptions {
    TestDriverOptions {
        commit_mode: CommitMode::Manual,
        ..TestDriverOptions::default()
    }
}

fn pipe(words: &Words, all: &str) {
    let all = all.split(' ').map(str::to_owned);
    words.pipe_value_list(all).expect("is processed");
}

fn read(counts: &Counts) -> Vec<(String, i64)> {
    let rows = counts.read_key_values_to_list().expect("is read");
    let count = |(word, count): (String, Option<i64>)| (word, count.expect("a count"));
    rows.into_iter().map(count).collect()
}

#[test]
fn every_record_is_committed_for_itself_by_default() {
    let (driver, words, counts) = driver(TestDriverOptions::default());
    pipe(&words, "a b a");
    let expected = [("a", 1), ("b", 1), ("a", 2)];
    assert_eq!(read(&counts), expected.map(|(w, n)| (w.to_owned(), n)));
    assert!(counts.is_empty());
    let names = ["app-counts-changelog", "app-counts-repartition", "out"];
    let names = names.map(TopicName::from).into_iter().collect();
    assert_eq!(driver.produced_topic_names(), names);
    assert_eq!(driver.task_ids(), [TaskId::new(0, 0)]);
    assert_eq!(
        driver.state_store_names().into_iter().collect::<Vec<_>>(),
        ["counts"]
    );
}

#[test]
fn the_cache_holds_changes_back_until_a_commit() {
    let (driver, words, counts) = driver(manual());
    pipe(&words, "a a a b");
    assert!(counts.is_empty());
    let store = driver.timestamped_key_value_store::<String, i64>("counts");
    let store = store.expect("is there");
    let count = store.get(&"a".to_owned()).expect("is read");
    assert_eq!(count.map(|count| count.value), Some(3));
    driver.commit().expect("commits");
    assert_eq!(read(&counts), [("a".to_owned(), 3), ("b".to_owned(), 1)]);
    driver.commit().expect("there is nothing to commit");
    assert!(counts.is_empty());
}

#[test]
fn an_interval_commits_when_the_wall_clock_says_so() {
    let (driver, words, counts) = driver(TestDriverOptions {
        commit_mode: CommitMode::Interval,
        ..TestDriverOptions::default()
    });
    pipe(&words, "a a");
    let almost = Duration::from_millis(29_999);
    driver.advance_wall_clock_time(almost).expect("advances");
    assert!(counts.is_empty());
    let rest = Duration::from_millis(1);
    driver.advance_wall_clock_time(rest).expect("advances");
    assert_eq!(read(&counts), [("a".to_owned(), 2)]);
}

#[test]
fn partitions_have_tasks_of_their_own() {
    let (driver, words, counts) = driver(TestDriverOptions {
        partitions: Some(3),
        ..TestDriverOptions::default()
    });
    let ids = |subtopology| (0..3).map(move |partition| TaskId::new(subtopology, partition));
    assert_eq!(driver.task_ids(), ids(0).chain(ids(1)).collect::<Vec<_>>());
    for partition in 0..3 {
        for word in ["a", "b", "c", "d", "e"] {
            let record = TestRecord::new(None, word.to_owned());
            words.pipe_record_to(partition, record).expect("processed");
        }
    }
    assert!(read(&counts).iter().all(|(_, count)| *count <= 3));
    let store = driver.timestamped_key_value_store::<String, i64>("counts");
    let store = store.expect("is there");
    let mut rows = Vec::new();
    let mut tasks_with_rows = 0;
    for task in ids(1) {
        let store = driver
            .timestamped_key_value_store::<String, i64>("counts")
            .expect("is there");
        let of_task = store.in_task(task).all().expect("is read");
        tasks_with_rows += usize::from(!of_task.is_empty());
        rows.extend(of_task.into_iter().map(|(word, count)| (word, count.value)));
    }
    rows.sort();
    let expected = ["a", "b", "c", "d", "e"].map(|word| (word.to_owned(), 3));
    assert_eq!(rows, expected);
    assert!(tasks_with_rows > 1);
    assert!(store.in_task(TaskId::new(0, 0)).all().is_err());
}

#[test]
fn a_restart_restores_stores_and_goes_on() {
    let (driver, words, counts) = driver(manual());
    pipe(&words, "a b a");
    driver.restart().expect("restarts");
    pipe(&words, "a");
    driver.close().expect("closes");
    // A flush is in the order of the last writes.
    let expected = [("b", 1), ("a", 2), ("a", 3)];
    assert_eq!(read(&counts), expected.map(|(w, n)| (w.to_owned(), n)));
}

#[test]
fn a_crash_loses_what_was_not_committed_and_reads_it_again() {
    let (driver, words, counts) = driver(manual());
    pipe(&words, "a");
    driver.commit().expect("commits");
    // The records that the commit sent are processed by now, and the count is committed.
    driver.commit().expect("commits");
    pipe(&words, "a b");
    driver.crash().expect("opens again");
    driver.close().expect("closes");
    let rows = read(&counts);
    // Repartition records were sent twice: at least once.
    assert_eq!(rows.first(), Some(&("a".to_owned(), 1)));
    let last = |word| rows.iter().rev().find(|(of, _)| of == word);
    assert_eq!(last("a"), Some(&("a".to_owned(), 3)));
    assert_eq!(last("b"), Some(&("b".to_owned(), 2)));
}

/// Counts records, and forwards the count every second of the wall clock.
struct Ticker(i64);

impl Processor<Option<String>, String, String, i64> for Ticker {
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime)?;
        Ok(())
    }

    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, String, i64>,
        _: Record<Option<String>, String>,
    ) -> Result<(), ProcessorError> {
        self.0 += 1;
        Ok(())
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, String, i64>,
        _: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        context.forward(Record::new("seen".to_owned(), self.0, timestamp))
    }
}

#[test]
fn the_wall_clock_calls_punctuators() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("in")
        .process(|| Ticker(0), &[])
        .to("out");
    let options = TestDriverOptions {
        wall_clock: WallClock(5000),
        ..TestDriverOptions::default()
    };
    let topology = builder.build().expect("a topology");
    let driver = TopologyTestDriver::with_options(topology, config(), options).expect("a driver");
    let input = driver.create_input_topic::<Option<String>, String>("in");
    let output = driver.create_output_topic::<String, i64>("out");
    input.pipe_value("x".to_owned()).expect("is processed");
    let second = Duration::from_secs(1);
    driver.advance_wall_clock_time(second).expect("advances");
    let record = output.read_record().expect("a tick");
    assert_eq!(record, TestRecord::new("seen".to_owned(), 1).at(6000));
    assert_eq!(driver.wall_clock(), WallClock(6000));
}

#[test]
fn input_topics_have_a_time_of_their_own() {
    let builder = StreamsBuilder::new();
    builder.stream::<Option<String>, String>("in").to("out");
    let driver = TopologyTestDriver::new(builder.build().expect("a topology"), config());
    let driver = driver.expect("a driver");
    let input = driver
        .create_input_topic::<Option<String>, String>("in")
        .with_time(100, Duration::from_millis(10));
    let output = driver.create_output_topic::<Option<String>, String>("out");
    let records = [
        TestRecord::new(None, "first".to_owned()),
        TestRecord::new(None, "second".to_owned()).with_header("h", "x"),
        TestRecord::new(Some("k".to_owned()), "given".to_owned()).at(7),
    ];
    input.pipe_record_list(records.clone()).expect("processed");
    input.advance_time(Duration::from_millis(1000));
    input.pipe_value("later".to_owned()).expect("is processed");
    let pairs = ["x", "y"].map(|value| (None, value.to_owned()));
    input
        .pipe_key_value_list_at(pairs, 5000, Duration::from_secs(1))
        .expect("is processed");
    let read = output.read_records_to_list().expect("is read");
    let times: Vec<_> = read.iter().map(|record| record.timestamp).collect();
    let expected = [100, 110, 7, 1120, 5000, 6000].map(Some);
    assert_eq!(times, expected);
    assert_eq!(read[1].headers, records[1].headers);
    assert_eq!(read[2], records[2]);
}

/// What was emitted up to is committed with the offsets, or a task that moves would emit again.
#[test]
fn closed_windows_are_emitted_once_over_a_restart() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>("in")
        .group_by_key()
        .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_millis(
            10,
        )))
        .emit_strategy(EmitStrategy::OnWindowClose)
        .count(Materialized::as_store("counts"))
        .to_stream()
        .select_key(|windowed, _| windowed.window.start.to_string())
        .to("out");
    let driver = TopologyTestDriver::new(builder.build().expect("a topology"), config());
    let driver = driver.expect("a driver");
    let input = driver.create_input_topic::<Option<String>, String>("in");
    let output = driver.create_output_topic::<String, Option<i64>>("out");
    let at = |timestamp| {
        let record = TestRecord::new(Some("k".to_owned()), "x".to_owned());
        input.pipe_record(record.at(timestamp)).expect("processed");
        output.read_key_values_to_list().expect("is read")
    };
    assert_eq!(at(5), []);
    assert_eq!(at(15), [("0".to_owned(), Some(1))]);
    driver.restart().expect("restarts");
    assert_eq!(at(16), []);
    assert_eq!(at(25), [("10".to_owned(), Some(2))]);
    // Without what was committed, it begins again, with what is still retained.
    driver.close().expect("closes");
    let mut offsets = driver.committed_offsets();
    for committed in offsets.values_mut() {
        committed.metadata.clear();
    }
    driver.open_from(offsets).expect("opens");
    assert_eq!(at(26), [("10".to_owned(), Some(2))]);
}

#[test]
fn what_is_not_there_is_an_error() {
    let (driver, _, counts) = driver(TestDriverOptions::default());
    assert_eq!(
        counts.read_value(),
        Err(TestDriverError::NoRecord("out".into()))
    );
    let input = driver.create_input_topic::<Option<String>, String>("elsewhere");
    assert_eq!(
        input.pipe_value(String::new()),
        Err(TestDriverError::UnknownTopic("elsewhere".into()))
    );
    assert!(driver.key_value_store::<String, i64>("none").is_err());
    // Of another type.
    assert!(driver.key_value_store::<String, String>("counts").is_err());
    let wrong = driver.create_output_topic::<String, i32>("app-counts-changelog");
    driver
        .create_input_topic::<Option<String>, String>("words")
        .pipe_value("a".to_owned())
        .expect("is processed");
    assert!(matches!(
        wrong.read_value(),
        Err(TestDriverError::Serde { .. })
    ));
}

/// Fills the store of names.
struct FillNames;

impl Processor<String, String, (), ()> for FillNames {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, (), ()>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        context.with_store::<KeyValueStore<String, String>, _>("names", |names, context| {
            names.put(&record.key, Some(&record.value), context)
        })??;
        Ok(())
    }
}

/// Puts the name of its key in place of every value.
struct LookUp;

impl Processor<String, String, String, String> for LookUp {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        let name = context
            .with_store::<KeyValueStore<String, String>, _>("names", |names, _| {
                names.get(&record.key)
            })??;
        context.forward(record.with_value(name.unwrap_or_default()))
    }
}

fn names_store() -> impl StoreBuilder + 'static {
    Stores::key_value_store_builder(
        Stores::in_memory_key_value_store("names"),
        String::default_serde(),
        String::default_serde(),
    )
}

fn look_up(build: impl FnOnce(&mut TopologyBuilder)) -> Topology {
    let serdes = || (String::default_serde(), String::default_serde());
    let mut builder = TopologyBuilder::new();
    builder
        .add_source("events", "events", serdes())
        .add_processor("look-up", || LookUp, &["events"])
        .add_sink("out", "out", serdes(), &["look-up"]);
    build(&mut builder);
    builder.build().expect("a valid topology")
}

fn looks_up(topology: Topology) {
    let driver = TopologyTestDriver::new(topology, config()).expect("a driver");
    let names = driver.create_input_topic::<String, String>("names");
    let events = driver.create_input_topic::<String, String>("events");
    let out = driver.create_output_topic::<String, String>("out");
    let text = str::to_owned;
    let event = || events.pipe_key_value_list([(text("k"), text("event"))]);
    let name = |name| names.pipe_key_value_list([(text("k"), text(name))]);
    name("one").expect("is taken");
    event().expect("is processed");
    name("two").expect("is taken");
    event().expect("is processed");
    driver.restart().expect("is restored");
    event().expect("is processed");
    let values = out.read_values_to_list().expect("is read");
    assert_eq!(values, ["one", "two", "two"]);
    let produced = driver.produced_topic_names();
    assert_eq!(produced, BTreeSet::from(["out".into()]), "no changelog");
}

#[test]
fn every_processor_reads_global_stores() {
    let serdes = (String::default_serde(), String::default_serde());
    let topology = look_up(|builder| {
        let fill = || FillNames;
        builder.add_global_store(names_store(), "names", "names", serdes, "fill", fill);
    });
    let text = topology.describe().to_string();
    assert!(
        text.contains("Sub-topology: 1 for global store (will not generate tasks)\n"),
        "{text}"
    );
    assert_eq!(topology.subtopologies(&config()).len(), 1);
    looks_up(topology);
}

#[test]
fn read_only_stores_are_restored_from_their_topics() {
    let serdes = (String::default_serde(), String::default_serde());
    looks_up(look_up(|builder| {
        let fill = || FillNames;
        builder
            .add_read_only_state_store(names_store(), "names", "names", serdes, "fill", fill)
            .connect_processors("names", &["look-up"]);
    }));
}

#[test]
fn a_global_store_is_not_connected() {
    let serdes = (String::default_serde(), String::default_serde());
    let mut builder = TopologyBuilder::new();
    builder
        .add_source(
            "events",
            "events",
            (String::default_serde(), String::default_serde()),
        )
        .add_processor("look-up", || LookUp, &["events"])
        .add_global_store(names_store(), "names", "names", serdes, "fill", || {
            FillNames
        })
        .connect_processors("names", &["look-up"]);
    let error = builder.build().map(drop).expect_err("is refused");
    assert!(error.to_string().contains("leave it out"), "{error}");
}
