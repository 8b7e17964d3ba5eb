//! Interactive queries of a running application, on the embedded broker.

use std::collections::{BTreeMap, BTreeSet};

use eddyline::admin::Admin;
use eddyline::dsl::{KStream, Materialized};
use eddyline::query::{
    HostInfo, KeyQuery, RangeQuery, ReadOnlyKeyValueStore, ResultOrder, StateQueryRequest,
    TimestampedKeyQuery, WindowKeyQuery,
};
use eddyline::{KafkaStreams, RunningStreams, State, StreamsBuilder, StreamsConfig};
use eddyline_core::query::{Position, QueryFailure};
use eddyline_core::types::TopicPartition;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{PATIENCE, produce_keys, wait_until};

const KEYS: usize = 1500;

struct Running {
    _broker: EmbeddedBroker,
    admin: Admin,
    streams: RunningStreams,
}

/// Counts 1500 keys in three partitions, `key-0000` to `key-1499`, each once.
fn counting(threads: usize) -> Running {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    admin.create_topics(&[("in", 3)]).expect("a topic");
    produce_keys(&mut admin, KEYS);
    let builder = StreamsBuilder::new();
    let stream: KStream<String, String> = builder.stream("in");
    stream
        .group_by_key()
        .count(Materialized::as_store("counts"));
    let config = StreamsConfig::new("counting", broker.bootstrap_servers())
        .and_then(|config| config.set("num.stream.threads", threads))
        .and_then(|config| config.set("application.server", "here.example:4711"))
        .expect("a valid configuration");
    let topology = builder.build().expect("a valid topology");
    let streams = KafkaStreams::new(topology, config).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    Running {
        _broker: broker,
        admin,
        streams,
    }
}

/// All rows, once every key is there.
fn wait_for_counts(counts: &ReadOnlyKeyValueStore<String, i64>) {
    wait_until("every key is counted", || {
        counts.all().is_ok_and(|rows| rows.count() == KEYS)
    });
}

#[test]
fn partitions_are_merged_in_key_order_page_by_page() {
    let running = counting(2);
    let counts = running.streams.key_value_store("counts").expect("a store");
    wait_for_counts(&counts);
    let expected: Vec<(String, i64)> = (0..KEYS).map(|n| (format!("key-{n:04}"), 1)).collect();
    let all: Result<Vec<_>, _> = counts.all().expect("rows").collect();
    assert_eq!(all.as_ref(), Ok(&expected));
    let mut reversed: Vec<_> = counts
        .reverse_all()
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("no failure");
    reversed.reverse();
    assert_eq!(reversed, expected);
    let (from, to) = ("key-0100".to_owned(), "key-0900".to_owned());
    let some: Result<Vec<_>, _> = counts.range(from..=to).expect("rows").collect();
    assert_eq!(some.as_deref(), Ok(&expected[100..=900]));
    let prefix = counts
        .prefix_scan(
            &"key-000".to_owned(),
            &eddyline::serde::DefaultSerde::default_serde(),
        )
        .expect("rows");
    assert_eq!(prefix.count(), 10);
    assert_eq!(counts.get(&"key-0042".to_owned()), Ok(Some(1)));
    assert_eq!(counts.get(&"nobody".to_owned()), Ok(None));
}

#[test]
fn typed_queries_say_where_they_were_answered_and_how_far() {
    let running = counting(1);
    let counts = running.streams.key_value_store::<String, i64>("counts");
    wait_for_counts(&counts.expect("a store"));
    let key = || "key-0007".to_owned();
    let request = StateQueryRequest::in_store("counts", KeyQuery::<String, i64>::with_key(key()));
    let result = running.streams.query(&request).expect("an answer");
    let position = result.position();
    let seen: BTreeSet<i32> = position
        .components()
        .map(|(input, _)| input.partition)
        .collect();
    assert_eq!(seen, BTreeSet::from([0, 1, 2]));
    assert_eq!(result.only_row(), Ok(Some(1)));

    let query = TimestampedKeyQuery::<String, i64>::with_key(key());
    let request = StateQueryRequest::in_store("counts", query).with_position_bound(position);
    let row = running
        .streams
        .query(&request)
        .expect("an answer")
        .only_row();
    assert!(
        row.expect("no failure")
            .is_some_and(|row| row.timestamp > 0)
    );

    let far = TopicPartition {
        topic: "in".into(),
        partition: 1,
    };
    let bound = Position::empty().with_component(&far, i64::MAX);
    let query = RangeQuery::<String, i64>::with_range(..).with_order(ResultOrder::Descending);
    let request = StateQueryRequest::in_store("counts", query)
        .with_partitions([1, 2, 9])
        .with_position_bound(bound);
    let answers = running.streams.query(&request).expect("an answer");
    let mut failures = BTreeMap::new();
    for (partition, answer) in answers.into_partition_results() {
        failures.insert(partition, answer.rows.err());
    }
    assert!(matches!(
        failures[&1],
        Some(QueryFailure::NotUpToBound { .. })
    ));
    assert_eq!(failures[&2], None);
    let partition = Some(9);
    let store = "counts".to_owned();
    assert_eq!(
        failures[&9],
        Some(QueryFailure::NotPresent { store, partition })
    );
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let running = counting(1);
    let streams = &running.streams;
    let unknown = streams.key_value_store::<String, i64>("nothing").err();
    let failure = unknown.expect("refused").to_string();
    assert_eq!(failure, "the topology has no store nothing: check the name");

    wait_for_counts(&streams.key_value_store("counts").expect("a store"));
    let query = WindowKeyQuery::<String, i64>::with_key("key-0001".to_owned());
    let result = streams.query(&StateQueryRequest::in_store("counts", query));
    let failure = result
        .expect("an answer")
        .only_row()
        .expect_err("another kind of store");
    assert!(
        matches!(failure, QueryFailure::UnknownQueryType { .. }),
        "{failure}"
    );

    let counts = streams
        .key_value_store::<String, i32>("counts")
        .expect("a store");
    wait_until("rows with the wrong serde fail", || {
        let mut rows = counts.all().expect("rows");
        matches!(rows.next(), Some(Err(QueryFailure::Store { .. })))
    });
}

#[test]
fn the_group_tells_who_has_what() {
    let mut running = counting(1);
    let host = HostInfo {
        host: "here.example".to_owned(),
        port: 4711,
    };
    wait_until("the group tells the endpoints", || {
        let metadata = running.streams.metadata_for_all_streams_clients();
        metadata
            .iter()
            .any(|member| member.topic_partitions.len() == 3)
    });
    let of_store = running
        .streams
        .streams_metadata_for_store("counts")
        .expect("a store");
    assert_eq!(of_store.len(), 1);
    assert_eq!(of_store[0].host, host);
    assert_eq!(
        of_store[0].state_store_names,
        BTreeSet::from(["counts".to_owned()])
    );
    let metadata = running
        .streams
        .query_metadata_for_key("counts", &"key-0001".to_owned());
    let metadata = metadata.expect("known");
    assert_eq!(metadata.active_host, Some(host));
    // Where the record is.
    let partition = TopicPartition {
        topic: "in".into(),
        partition: metadata.partition,
    };
    let written = running.admin.read_to_end(&partition).expect("records");
    let mut keys = written.iter().map(|record| record.key.as_deref());
    assert!(keys.any(|key| key == Some(b"key-0001")));
}

#[test]
fn a_global_store_answers_once_however_many_threads_have_it() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    admin
        .create_topics(&[("in", 1), ("countries", 2)])
        .expect("topics");
    let countries = ["at", "ch", "de"].map(|code| (Some(code), Some(code.to_uppercase())));
    admin.produce("countries", countries).expect("records");
    let builder = StreamsBuilder::new();
    builder.global_table::<String, String>("countries", Materialized::as_store("countries"));
    let stream: KStream<String, String> = builder.stream("in");
    stream.for_each(|_, _| {});
    let config = StreamsConfig::new("travel", broker.bootstrap_servers())
        .and_then(|config| config.set("num.stream.threads", 2))
        .expect("a valid configuration");
    let streams = KafkaStreams::new(builder.build().expect("a valid topology"), config);
    let streams = streams.expect("a source").start().expect("threads");
    let countries = streams.key_value_store::<String, String>("countries");
    let countries = countries.expect("a store");
    wait_until("the global store is read", || {
        countries.all().is_ok_and(|rows| rows.count() == 3)
    });
    assert_eq!(countries.get(&"ch".to_owned()), Ok(Some("CH".to_owned())));
    streams.close(PATIENCE).expect("a clean close");
}
