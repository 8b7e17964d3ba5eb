//! Partitioners of the user's, which take several partitions to show.

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{Materialized, Produced, Repartitioned, StreamsBuilder, TableJoined};
use eddyline_core::processor::{Partitions, StreamPartitioner};
use eddyline_core::topology::Topology;
use eddyline_core::types::TopicName;

use super::*;

/// Puts a record where the digit says that its key ends with.
struct ByLastDigit;

impl<V> StreamPartitioner<String, V> for ByLastDigit {
    fn partitions(&self, _: &TopicName, key: &String, _: &V, _: i32) -> Partitions {
        Partitions::One(last_digit(key))
    }
}

fn last_digit(key: &str) -> i32 {
    let digit = key.chars().last().and_then(|last| last.to_digit(10));
    digit.map_or(0, |digit| digit as i32)
}

fn driver(topology: Topology) -> TopologyTestDriver {
    let config = StreamsConfig::new("app", "localhost:9092").expect("a configuration");
    let options = TestDriverOptions {
        partitions: Some(3),
        ..TestDriverOptions::default()
    };
    TopologyTestDriver::with_options(topology, config, options).expect("a driver")
}

/// Orders and customers that lie where the last digit of their key says.
fn orders_of_customers(joined: TableJoined<String, String>) -> Vec<(String, Option<String>)> {
    let builder = StreamsBuilder::new();
    let orders = builder.table::<String, String>("orders", Materialized::default());
    let customers = builder.table::<String, String>("customers", Materialized::default());
    let customer = |_: &String, order: &String| Some(order.clone());
    let join =
        |order: String, name: Option<String>| format!("{order}={}", name.unwrap_or_default());
    orders
        .left_join_on_foreign_key_with(&customers, customer, join, joined, Materialized::default())
        .to_stream()
        .to("out");
    let driver = driver(builder.build().expect("a topology"));
    let orders = driver.create_input_topic::<String, String>("orders");
    let customers = driver.create_input_topic::<String, String>("customers");
    let out = driver.create_output_topic::<String, Option<String>>("out");
    let pipe = |topic: &TestInputTopic<String, String>, key: &str, value: &str| {
        let record = TestRecord::new(key.to_owned(), value.to_owned());
        topic
            .pipe_record_to(last_digit(key), record)
            .expect("is processed");
    };
    for number in 0..3 {
        pipe(&customers, &format!("c{number}"), &format!("name{number}"));
    }
    for number in 0..3 {
        pipe(&orders, &format!("o{number}"), &format!("c{}", 2 - number));
    }
    out.read_key_values_to_list().expect("is read")
}

#[test]
fn tables_join_on_foreign_keys_where_their_partitioners_put_the_rows() {
    let joined = TableJoined::default()
        .with_partitioner(ByLastDigit)
        .with_other_partitioner(ByLastDigit);
    let rows = [("o0", "c2=name2"), ("o1", "c1=name1"), ("o2", "c0=name0")];
    let rows = rows.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    assert_eq!(orders_of_customers(joined), rows);
    // By their hashes, foreign keys are looked for where their rows are not.
    let missed = orders_of_customers(TableJoined::default());
    let missed = missed.into_iter().filter(|row| !rows.contains(row));
    assert!(missed.count() > 0);
}

#[test]
fn a_repartition_topic_may_have_a_partitioner() {
    let builder = StreamsBuilder::new();
    let repartitioned = Repartitioned::named("moved").with_stream_partitioner(ByLastDigit);
    builder
        .stream::<String, String>("in")
        .repartition_with(repartitioned)
        .to_with("out", Produced::default().with_name("sink"));
    let driver = driver(builder.build().expect("a topology"));
    let input = driver.create_input_topic::<String, String>("in");
    let keys = ["a0", "a1", "a2", "b2", "b0"];
    let values = keys.map(|key| (key.to_owned(), String::new()));
    input.pipe_key_value_list(values).expect("is processed");
    let moved = driver.take_produced().into_iter();
    let moved = moved.filter(|sent| sent.partition.topic.as_str() == "app-moved-repartition");
    let partitions: Vec<_> = moved.map(|sent| sent.partition.partition).collect();
    assert_eq!(partitions, [0, 1, 2, 2, 0]);
}
