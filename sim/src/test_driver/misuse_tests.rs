//! What cannot work says so, and nothing is lost without a word.

use std::panic::{AssertUnwindSafe, catch_unwind};

use eddyline_core::dsl::{JoinWindows, Materialized, Repartitioned, StreamsBuilder};
use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline_core::state::{Stores, TimestampedKeyValueStore, ValueAndTimestamp};
use eddyline_core::topology::{TopologyBuilder, TopologyError};

use super::*;

fn config() -> StreamsConfig {
    StreamsConfig::new("app", "localhost:1").expect("is valid")
}

fn driver(builder: &StreamsBuilder) -> TopologyTestDriver {
    let topology = builder.build().expect("is valid");
    TopologyTestDriver::new(topology, config()).expect("begins")
}

#[test]
fn streams_of_two_builders_do_not_go_together() {
    let windows = || JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(1));
    type Strings = eddyline_core::dsl::KStream<String, String>;
    let operators: [fn(&Strings, &Strings, JoinWindows); 5] = [
        |own, other, _| own.merge(other).to("out"),
        |own, other, windows| own.join(other, |a, b| a + &b, windows).to("out"),
        |own, other, _| {
            let table = other.to_table(Materialized::default());
            own.join_table(&table, |a, b| a + &b).to("out");
        },
        |own, other, _| {
            let [own, other] = [own, other].map(|s| s.to_table(Materialized::default()));
            own.join(&other, |a, b| a + &b).to_stream().to("out");
        },
        |own, other, _| {
            let add = |_: &String, value: String, before: String| before + &value;
            let cogrouped = own.group_by_key().cogroup(add);
            let both = cogrouped.cogroup(&other.group_by_key(), add);
            let table = both.aggregate(String::new, Materialized::default());
            table.to_stream().to("out");
        },
    ];
    for operator in operators {
        let (own, other) = (StreamsBuilder::new(), StreamsBuilder::new());
        // More nodes than the other builder has.
        for topic in ["a", "b", "c", "d"] {
            let _ = other.stream::<String, String>(topic);
        }
        let stream = own.stream::<String, String>("in");
        let foreign = other.stream::<String, String>("other");
        operator(&stream, &foreign, windows());
        assert!(matches!(own.build(), Err(TopologyError::OtherBuilder)));
    }
}

#[test]
fn what_was_built_is_not_built_upon() {
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, String>("in").filter(|_, _| true);
    let table = stream.to_table(Materialized::default());
    builder.build().expect("is valid");
    stream.map_values(|value| value).to("out");
    table.filter(|_, _| true).to_stream().to("out");
    let counted = table.group_by(
        |key, value| (key.clone(), value.clone()),
        Default::default(),
    );
    let _ = counted.count(Materialized::default());
    assert!(matches!(builder.build(), Err(TopologyError::OtherBuilder)));
}

#[test]
fn a_repartition_topic_has_partitions() {
    for count in [0, -3] {
        let builder = StreamsBuilder::new();
        let stream = builder.stream::<String, String>("in");
        let moved = Repartitioned::named("moved").with_number_of_partitions(count);
        stream.repartition_with(moved).to("out");
        let error = builder.build().expect_err("is refused");
        assert!(matches!(error, TopologyError::NoPartitions(_)), "{error}");
    }
}

#[test]
fn a_sink_has_no_children_and_a_topic_one_type() {
    let mut builder = TopologyBuilder::new();
    let serdes = || (String::default_serde(), String::default_serde());
    builder
        .add_source::<String, String>("source", "in", serdes())
        .add_sink::<String, String>("first", "out", serdes(), &["source"])
        .add_sink::<String, String>("second", "out", serdes(), &["first"]);
    let error = builder.build().expect_err("is refused");
    assert!(matches!(error, TopologyError::SinkAsParent(_)), "{error}");

    let builder = StreamsBuilder::new();
    builder.stream::<String, String>("in").to("out");
    builder.stream::<String, i64>("in").to("numbers");
    let error = builder.build().expect_err("is refused");
    assert!(
        matches!(error, TopologyError::SourceTypesDiffer { .. }),
        "{error}"
    );
}

#[test]
fn records_go_to_partitions_that_are_there() {
    let builder = StreamsBuilder::new();
    builder.stream::<String, String>("in").to("out");
    let driver = driver(&builder);
    let input = driver.create_input_topic::<String, String>("in");
    for partition in [-1, 1] {
        let record = TestRecord::new("k".to_owned(), "v".to_owned());
        let error = input
            .pipe_record_to(partition, record)
            .expect_err("is refused");
        assert!(
            matches!(error, TestDriverError::UnknownPartition { count: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn after_a_panic_only_a_crash_goes_on() {
    let builder = StreamsBuilder::new();
    let checked = |value: String| {
        assert_ne!(value, "panic");
        value
    };
    builder
        .stream::<String, String>("in")
        .map_values(checked)
        .to("out");
    let driver = driver(&builder);
    let input = driver.create_input_topic::<String, String>("in");
    let output = driver.create_output_topic::<String, String>("out");
    let pipe = |value: &str| input.pipe_input("k".to_owned(), value.to_owned());
    pipe("a").expect("is processed");
    assert!(catch_unwind(AssertUnwindSafe(|| pipe("panic"))).is_err());
    assert_eq!(pipe("b"), Err(TestDriverError::Panicked));
    assert_eq!(driver.commit(), Err(TestDriverError::Panicked));
    assert_eq!(driver.restart(), Err(TestDriverError::Panicked));
    assert_eq!(output.read_values_to_list(), Ok(vec!["a".to_owned()]));
}

#[test]
fn what_a_store_drops_is_counted() {
    let builder = StreamsBuilder::new();
    let store = Stores::in_memory_versioned_key_value_store("v", 100, Some(10));
    let store = store.expect("is valid");
    builder
        .table::<String, String>("in", Materialized::as_versioned_store(store))
        .to_stream()
        .to("out");
    let driver = driver(&builder);
    let input = driver.create_input_topic::<String, String>("in");
    let pipe = |time| input.pipe_input_at("k".to_owned(), "v".to_owned(), time);
    pipe(1000).expect("is processed");
    assert_eq!(driver.dropped_records(), 0);
    pipe(1).expect("is dropped");
    assert_eq!(driver.dropped_records(), 1);
}

#[test]
fn a_store_says_what_it_is() {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let _ = grouped.count(Materialized::as_store("counts"));
    let driver = driver(&builder);
    let error = driver.key_value_store::<String, String>("counts").err();
    let error = error.expect("has another type").to_string();
    let own = "counts is a TypedKeyValueStore<String, i64, Timestamped>";
    assert!(error.contains(own), "{error}");
    driver.close().expect("closes");
    let error = driver
        .timestamped_key_value_store::<String, i64>("counts")
        .err();
    let error = error.expect("is closed").to_string();
    assert!(error.contains("closed"), "{error}");
}

/// What a table is kept in is read by its values, as in Java's driver and in an application.
#[test]
fn the_rows_of_a_table_are_read_by_their_values() {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream::<String, String>("in").group_by_key();
    let _ = grouped.count(Materialized::as_store("counts"));
    let driver = driver(&builder);
    let input = driver.create_input_topic::<String, String>("in");
    let key = || "k".to_owned();
    input
        .pipe_input(key(), "v".to_owned())
        .expect("is processed");
    let counts = driver
        .key_value_store::<String, i64>("counts")
        .expect("is there");
    assert_eq!(counts.get(&key()), Ok(Some(1)));
    counts.put(&"other".to_owned(), Some(&7)).expect("is put");
    assert_eq!(counts.all(), Ok(vec![(key(), 1), ("other".to_owned(), 7)]));
}

#[test]
fn a_global_store_is_written_by_its_topic_alone() {
    let builder = StreamsBuilder::new();
    let _ = builder.global_table::<String, String>("global", Materialized::as_store("rows"));
    builder
        .stream::<String, String>("in")
        .process(|| Writes, &[])
        .to("out");
    let driver = driver(&builder);
    let global = driver.create_input_topic::<String, String>("global");
    let input = driver.create_input_topic::<String, String>("in");
    let text = |text: &str| text.to_owned();
    global.pipe_input(text("k"), text("v")).expect("is a row");
    input.pipe_input(text("k"), text("read")).expect("is read");
    let error = input
        .pipe_input(text("k"), text("write"))
        .expect_err("is refused");
    let error = error.to_string();
    assert!(
        error.contains("global store rows was written to"),
        "{error}"
    );
}

struct Writes;

impl Processor<String, String, String, String> for Writes {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        type Rows = TimestampedKeyValueStore<String, String>;
        context.with_store("rows", |rows: &mut Rows, context| {
            if record.value == "write" {
                let row = ValueAndTimestamp::new(record.value.clone(), 0);
                return rows.put(&record.key, Some(&row), context);
            }
            rows.get(&record.key).map(|_| ())
        })??;
        Ok(())
    }
}
