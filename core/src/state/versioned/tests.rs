use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{ChangelogRecord, StateError, StateStore, StoreBuilder, Stores};
use super::versions::{SegmentRow, Version};
use super::*;
use crate::serde::DefaultSerde;

type Prices = VersionedKeyValueStore<Option<String>, i64>;

fn builder(
    history_retention_ms: i64,
    segment_interval_ms: i64,
) -> VersionedKeyValueStoreBuilder<Option<String>, i64> {
    let supplier = Stores::in_memory_versioned_key_value_store(
        "prices",
        history_retention_ms,
        Some(segment_interval_ms),
    );
    let (keys, values) = (Option::<String>::default_serde(), i64::default_serde());
    Stores::versioned_key_value_store_builder(supplier.expect("valid settings"), keys, values)
}

fn key(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn put(store: &mut Prices, value: Option<i64>, timestamp: i64) -> PutReturn {
    let put = store.put(&key("a"), value.as_ref(), timestamp);
    put.expect("is written")
}

fn as_of(store: &Prices, timestamp: i64) -> Option<i64> {
    let found = store.get_as_of(&key("a"), timestamp).expect("is read");
    found.map(|record| record.value)
}

fn history(store: &Prices) -> Vec<(i64, i64, Option<i64>)> {
    let records = store.history(&key("a"), i64::MIN, i64::MAX);
    records
        .expect("is read")
        .map(|record| record.expect("is read"))
        .map(|record| (record.value, record.timestamp, record.valid_to))
        .collect()
}

#[test]
fn knows_what_a_key_was() {
    let mut store = builder(100, 10).build_typed();
    assert_eq!(put(&mut store, Some(1), 10), PutReturn::ValidToUndefined);
    assert_eq!(put(&mut store, Some(3), 30), PutReturn::ValidToUndefined);
    assert_eq!(put(&mut store, Some(2), 20), PutReturn::ValidTo(30));
    assert_eq!(put(&mut store, None, 15), PutReturn::ValidTo(20));
    assert_eq!(
        [9, 10, 15, 20, 30].map(|time| as_of(&store, time)),
        [None, Some(1), None, Some(2), Some(3)]
    );
    let known = [(1, 10, Some(15)), (2, 20, Some(30)), (3, 30, None)];
    assert_eq!(history(&store), known);
    let deleted = store.delete(&key("a"), 25).expect("is written");
    assert_eq!(deleted.map(|record| record.value), Some(2));
    assert_eq!(as_of(&store, 25), None);
    assert_eq!(as_of(&store, 24), Some(2));
}

#[test]
fn history_expires_by_segment_and_the_latest_version_never() {
    let mut store = builder(20, 10).build_typed();
    for time in [1, 12, 25] {
        put(&mut store, Some(time), time);
    }
    put(&mut store, Some(40), 40);
    // 20 is the first time known, and the segment from 20 on the first one kept.
    assert_eq!(as_of(&store, 19), None);
    assert_eq!(as_of(&store, 24), Some(12));
    assert_eq!(
        history(&store),
        [(12, 12, Some(25)), (25, 25, Some(40)), (40, 40, None)]
    );
    assert_eq!(put(&mut store, Some(0), 19), PutReturn::NotPut);
    assert_eq!(store.dropped_records(), 1);
    store.put(&key("b"), Some(&0), 1_000).expect("is written");
    assert_eq!(history(&store), [(40, 40, None)]);
    assert_eq!(as_of(&store, 40), Some(40));
    assert_eq!(as_of(&store, 39), None);
}

#[test]
fn every_write_is_logged_with_its_own_time() {
    let mut store = builder(10, 10).build_typed();
    put(&mut store, Some(1), 100);
    put(&mut store, Some(2), 50);
    store.delete(&key("a"), 60).expect("is written");
    let mut log: Vec<ChangelogRecord> = Vec::new();
    store.drain_changelog(&mut log);
    let logged: Vec<_> = log
        .iter()
        .map(|r| (r.value.is_some(), r.timestamp))
        .collect();
    assert_eq!(logged, [(true, 100), (true, 50), (false, 60)]);
    let mut restored = builder(10, 10).build_typed();
    for record in log {
        restored.restore(record).expect("is restored");
    }
    assert_eq!(history(&restored), history(&store));
    let mut log = Vec::new();
    restored.drain_changelog(&mut log);
    assert_eq!(log, [], "restoring logs nothing");
}

#[test]
fn settings_are_checked_and_reach_the_changelog() {
    for (retention, interval) in [(-1, None), (10, Some(0))] {
        let supplier = Stores::in_memory_versioned_key_value_store("prices", retention, interval);
        assert!(matches!(supplier.err(), Some(StateError::Invalid { .. })));
    }
    let own = BTreeMap::from([("segment.ms".to_owned(), "1".to_owned())]);
    let builder = builder(1_700, 1).with_logging_enabled(own);
    assert_eq!(builder.history_retention_ms(), Some(1_700));
    let config = builder.changelog_config();
    assert_eq!(config["min.compaction.lag.ms"], "86401700");
    assert_eq!(config["segment.ms"], "1");
    assert!(!builder.with_logging_disabled().is_logged());
}

#[test]
fn null_keys_are_refused() {
    let mut store = builder(10, 10).build_typed();
    let refused = store.put(&None, Some(&1), 1);
    assert!(matches!(refused, Err(StateError::NullKey { .. })));
    assert!(matches!(store.get(&None), Err(StateError::NullKey { .. })));
}

/// As Java's formatter lays it out, with a tombstone between two values.
#[test]
fn rows_have_javas_bytes() {
    let version = |timestamp, value: Option<&str>| Version {
        timestamp,
        value: value.map(|value| value.as_bytes().into()),
    };
    let row = SegmentRow {
        segment: 2,
        end: 9,
        versions: vec![
            version(1, Some("ab")),
            version(3, None),
            version(4, Some("")),
        ],
    };
    let mut bytes = Vec::new();
    row.write(&mut bytes);
    let number = |number: i64| number.to_be_bytes();
    let length = |length: i32| length.to_be_bytes();
    let expected = [
        &number(9)[..],
        &number(1),
        &[&number(4)[..], &length(0)].concat(),
        &[&number(3)[..], &length(-1)].concat(),
        &[&number(1)[..], &length(2)].concat(),
        b"ab",
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(SegmentRow::read(2, &bytes), Some(row));
    for cut in 0..bytes.len() {
        assert_eq!(SegmentRow::read(2, &bytes[..cut]), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn histories_match_the_model(data in proptest::collection::vec(any::<u8>(), 0..1600)) {
        fuzzing::versions(&data);
    }

    #[test]
    fn any_row_is_read_or_refused(
        data in proptest::collection::vec(prop_oneof![4 => Just(0_u8), 2 => 0_u8..4, 1 => any::<u8>()], 0..80),
    ) {
        fuzzing::version_rows(&data);
    }
}
