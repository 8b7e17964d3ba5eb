use std::collections::BTreeMap;

use ::bytes::Bytes;
use proptest::prelude::*;

use super::super::{
    CacheBudget, ChangelogRecord, StateError, StateStore, StoreBuilder, Stores, ValueAndTimestamp,
};
use super::*;
use crate::serde::DefaultSerde;
use crate::state::fuzzing::Disk;
use crate::types::{Headers, RecordContext};
use crate::window::{Window, Windowed};

fn context(timestamp: i64) -> RecordContext {
    RecordContext {
        topic: Some("in".into()),
        partition: 0,
        offset: timestamp,
        timestamp,
        headers: Headers::new(),
        source_record: None,
    }
}

fn counts(retention_ms: i64, duplicates: bool) -> WindowStoreBuilder<String, i64> {
    let supplier = Stores::in_memory_window_store("counts", retention_ms, 5, duplicates);
    let supplier = supplier.expect("settings that go together");
    Stores::window_store_builder(supplier, String::default_serde(), i64::default_serde())
}

fn put(store: &mut WindowStore<String, i64>, key: &str, value: i64, start: i64) {
    let put = store.put(&key.to_owned(), Some(&value), start, &context(start));
    put.expect("is written");
}

fn read<T>(rows: WindowStoreIterator<'_, T>) -> Vec<T> {
    rows.collect::<Result<_, _>>().expect("can be read")
}

fn changelog(store: &mut dyn StateStore) -> Vec<ChangelogRecord> {
    let mut records = Vec::new();
    store.drain_changelog(&mut records);
    records
}

#[test]
fn rows_expire_with_the_time_of_the_store() {
    let mut store = counts(10, false).build_typed(&CacheBudget::new(0));
    put(&mut store, "a", 1, 5);
    put(&mut store, "a", 2, 14);
    let a = "a".to_owned();
    assert_eq!(store.fetch_at(&a, 5), Ok(Some(1)));
    put(&mut store, "b", 3, 15);
    assert_eq!(store.fetch_at(&a, 5), Ok(None));
    assert_eq!(store.approximate_num_entries(), 2);
    put(&mut store, "a", 4, 5);
    assert_eq!(store.bytes().dropped_records(), 1);
    assert_eq!(
        changelog(&mut store).len(),
        4,
        "late ones are logged, as in Java"
    );
    let rows = store.fetch(&a, 0, i64::MAX).expect("is a range");
    assert_eq!(read(rows), [(14, 2)]);
    let all: Vec<_> = read(store.backward_all());
    let windowed = |key: &str, start| Windowed::new(key.to_owned(), Window::new(start, start + 5));
    assert_eq!(all, [(windowed("b", 15), 3), (windowed("a", 14), 2)]);
    let range = store.fetch_range("a".to_owned()..="b".to_owned(), 15, 20);
    assert_eq!(read(range.expect("is a range")), [(windowed("b", 15), 3)]);
}

#[test]
fn changelog_keys_are_javas() {
    let mut store = counts(10, true).build_typed(&CacheBudget::new(0));
    for value in [1, 2] {
        put(&mut store, "k", value, 7);
    }
    let k = "k".to_owned();
    assert_eq!(
        read(store.fetch(&k, 0, 9).expect("is a range")),
        [(7, 1), (7, 2)]
    );
    let records = changelog(&mut store);
    let keys: Vec<&[u8]> = records.iter().map(|record| &*record.key).collect();
    assert_eq!(
        keys,
        [
            b"k\0\0\0\0\0\0\0\x07\0\0\0\x01",
            b"k\0\0\0\0\0\0\0\x07\0\0\0\x02"
        ]
    );
    let sessions = Stores::in_memory_session_store("s", 10).expect("a valid retention");
    let builder =
        Stores::session_store_builder(sessions, String::default_serde(), i64::default_serde());
    let mut store = builder.build_typed(&CacheBudget::new(0));
    let session = Windowed::new(k, Window::new(3, 9));
    store
        .put(&session, Some(&1), &context(4))
        .expect("is written");
    let records = changelog(&mut store);
    assert_eq!(&*records[0].key, b"k\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03");
    assert_eq!(records[0].timestamp, 4);
}

#[test]
fn flushed_windows_are_typed_and_carry_old_values() {
    let supplier = Stores::persistent_window_store("counts", 10, 5, false);
    let builder = Stores::timestamped_window_store_builder(
        supplier.expect("settings that go together"),
        String::default_serde(),
        i64::default_serde(),
    )
    .with_caching_enabled();
    let mut store = builder.build_typed(&CacheBudget::new(1 << 20));
    store
        .init(&Disk::default().task_storage())
        .expect("memory does not fail");
    store.set_flush_listener(true);
    let key = "k".to_owned();
    let value = |count| ValueAndTimestamp::new(count, count);
    let mut flush = |count: i64| {
        let put = store.put(&key, Some(&value(count)), 5, &context(count));
        put.expect("is written");
        assert_eq!(store.fetch_at(&key, 5), Ok(Some(value(count))));
        store.begin_flush();
        let entry = store.next_flushed().expect("is written");
        store.flushed_change(entry.expect("one change"))
    };
    assert_eq!(flush(1).expect("can be read").old, None);
    let change = flush(2).expect("can be read");
    assert_eq!(change.key, Windowed::new(key.clone(), Window::new(5, 10)));
    assert_eq!((change.new, change.old), (Some(value(2)), Some(value(1))));
    assert_eq!(change.context, context(2));
    // A cached window takes 45 bytes more than its key of 1 + 12 + 8, value and topic.
    assert_eq!(store.bytes().cached_bytes(), 45 + 21 + 16 + 2);
}

#[test]
fn removed_sessions_are_gone() {
    let supplier = Stores::persistent_session_store("s", 10).expect("a valid retention");
    let builder =
        Stores::session_store_builder(supplier, String::default_serde(), i64::default_serde());
    for builder in [builder.clone(), builder.with_caching_enabled()] {
        let mut store = builder.build_typed(&CacheBudget::new(1 << 20));
        store
            .init(&Disk::default().task_storage())
            .expect("memory does not fail");
        let a = "a".to_owned();
        let session = |start, end| Windowed::new("a".to_owned(), Window::new(start, end));
        for (start, end) in [(0, 4), (6, 8), (9, 9)] {
            let put = store.put(&session(start, end), Some(&end), &context(end));
            put.expect("is written");
        }
        let found = store.find_sessions(&a, 4, 7).expect("is a range");
        assert_eq!(read(found), [(session(0, 4), 4), (session(6, 8), 8)]);
        store
            .remove(&session(6, 8), &context(9))
            .expect("is written");
        assert_eq!(store.fetch_session(&a, 6, 8), Ok(None));
        assert_eq!(store.fetch_session(&a, 0, 4), Ok(Some(4)));
        let found = store.backward_fetch(&a).expect("is a range");
        assert_eq!(read(found), [(session(9, 9), 9), (session(0, 4), 4)]);
        assert_eq!(read(store.find_ended_sessions(5, 9)), [(session(9, 9), 9)]);
    }
}

#[test]
fn sessions_that_end_together_are_shown_once() {
    let supplier = Stores::in_memory_session_store("s", 10).expect("a valid retention");
    let builder =
        Stores::session_store_builder(supplier, String::default_serde(), i64::default_serde());
    let mut store = builder
        .with_caching_enabled()
        .build_typed(&CacheBudget::new(1 << 20));
    let session = |start| Windowed::new("a".to_owned(), Window::new(start, 9));
    for value in [1, 2] {
        for start in [3, 5, 7] {
            let put = store.put(&session(start), Some(&value), &context(9));
            put.expect("is written");
        }
        store.remove(&session(5), &context(9)).expect("is written");
        if value == 1 {
            // Cache and rows have the same ones now, each in an order of its own.
            store.begin_flush();
            assert_eq!(store.next_flushed(), Ok(None));
        }
        for rows in [store.fetch_range(..), store.fetch(&"a".to_owned())] {
            let mut found = read(rows.expect("is a range"));
            found.sort();
            assert_eq!(found, [(session(3), value), (session(7), value)]);
        }
    }
}

#[test]
fn settings_and_keys_that_do_not_fit_are_typed_errors() {
    for (retention_ms, size_ms) in [(-1, 0), (5, 6), (5, -1)] {
        let supplier = Stores::in_memory_window_store("w", retention_ms, size_ms, false);
        assert!(matches!(supplier, Err(StateError::Invalid { .. })));
    }
    assert!(Stores::in_memory_session_store("s", -1).is_err());
    let mut store = counts(10, false).build_typed(&CacheBudget::new(0));
    let short = ChangelogRecord {
        key: Bytes::from_static(b"0123456789a"),
        value: Some(Bytes::new()),
        timestamp: 0,
        headers: Headers::new(),
    };
    let error = store.restore(short.clone()).expect_err("is too short");
    assert_eq!(
        error.to_string(),
        "store counts: a key of 11 bytes is too short for a key and its window"
    );
    let no_long = ChangelogRecord {
        key: Bytes::from_static(b"k0123456789ab"),
        ..short
    };
    store.restore(no_long).expect("is written");
    assert!(store.all().all(|row| row.is_err()));
}

#[test]
fn duplicates_are_neither_cached_nor_compacted() {
    let builder = counts(10, true).with_caching_enabled();
    assert!(!builder.build(&CacheBudget::new(1000)).is_cached());
    let cleanup = |builder: &WindowStoreBuilder<String, i64>| {
        builder.changelog_config().get("cleanup.policy").cloned()
    };
    assert_eq!(cleanup(&builder).as_deref(), Some("delete"));
    let user = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let builder = builder.with_logging_enabled(user);
    assert_eq!(cleanup(&builder).as_deref(), Some("compact"));
    assert_eq!(
        cleanup(&counts(10, false)).as_deref(),
        Some("compact,delete")
    );
    assert_eq!(builder.retention_ms(), Some(10));
    let builder = builder.with_logging_disabled();
    let mut store = builder.build_typed(&CacheBudget::new(0));
    put(&mut store, "k", 1, 1);
    assert!(!store.is_logged() && changelog(&mut store).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_history_is_that_of_the_model(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        fuzzing::windows(&data);
    }

    #[test]
    fn any_history_of_few_keys_is_that_of_the_model(
        ops in prop::collection::vec((0_u8..12, any::<u8>(), 0_u8..4, any::<u8>(), any::<u8>()), 0..400)
    ) {
        let bytes = |(store, kind, key, value, time)| [store, kind, key, value, time];
        let data: Vec<u8> = ops.into_iter().flat_map(bytes).collect();
        fuzzing::windows(&data);
    }
}
