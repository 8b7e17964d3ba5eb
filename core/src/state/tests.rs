use std::collections::BTreeMap;

use ::bytes::Bytes;
use proptest::prelude::*;

use super::cache::{KeyEntries, RecordCache};
use super::fuzzing::{self, Op};
use super::*;
use crate::serde::DefaultSerde;
use crate::serde::serdes::StringSerde;

fn context(offset: i64) -> RecordContext {
    RecordContext {
        topic: Some("in".into()),
        partition: 0,
        offset,
        timestamp: 100 + offset,
        headers: Headers::new(),
        source_record: None,
    }
}

type KeyCache = RecordCache<KeyEntries>;

fn key_cache(budget: CacheBudget) -> KeyCache {
    RecordCache::new(KeyEntries::default(), budget)
}

fn popped(cache: &mut KeyCache) -> Vec<(String, Option<String>)> {
    let text = |bytes: &StoreBytes| String::from_utf8_lossy(bytes).into_owned();
    std::iter::from_fn(|| cache.pop_queued())
        .map(|entry| (text(&entry.key), entry.value.as_ref().map(text)))
        .collect()
}

fn row(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

#[test]
fn size_is_counted_as_java_counts() {
    let budget = CacheBudget::new(1000);
    let mut cache = key_cache(budget.clone());
    cache.put(b"k", Some(b"vv"), &context(1));
    assert_eq!(cache.size_bytes(), 50);
    cache.put(b"k", None, &context(2));
    assert_eq!(cache.size_bytes(), 48);
    cache.put_clean(b"m", &StoreBytes::new(b"vv"), NO_PLACE);
    assert_eq!(cache.size_bytes(), 48 + 48);
    let mut headers = Headers::new();
    headers.push("h\u{e9}", Some(Bytes::from_static(b"abc")));
    let with_headers = RecordContext {
        headers,
        ..context(3)
    };
    cache.put(b"k", Some(b"vv"), &with_headers);
    assert_eq!(budget.used(), 48 + 50 + 5);
    drop(cache);
    assert_eq!(budget.used(), 0);
}

#[test]
fn flush_is_in_order_of_last_write() {
    let mut cache = key_cache(CacheBudget::new(1000));
    cache.put(b"k", Some(b"1"), &context(1));
    cache.put(b"k2", Some(b"2"), &context(2));
    cache.put(b"k", Some(b"3"), &context(3));
    cache.put(b"k3", None, &context(4));
    assert!(!cache.is_flushing());
    cache.begin_flush();
    assert!(cache.is_flushing());
    let k3 = ("k3".to_owned(), None);
    assert_eq!(popped(&mut cache), [row("k2", "2"), row("k", "3"), k3]);
    assert_eq!(
        cache.get(b"k").flatten().map(|v| v.to_vec()),
        Some(b"3".to_vec())
    );
    assert_eq!(cache.get(b"k3"), None, "tombstones leave");
    cache.begin_flush();
    assert!(!cache.is_flushing());
}

#[test]
fn evicted_entry_goes_first_and_the_others_follow() {
    let budget = CacheBudget::new(100);
    let mut cache = key_cache(budget.clone());
    cache.put(b"k", Some(b"vv"), &context(1));
    cache.put(b"z", Some(b"vv"), &context(2));
    assert_eq!(cache.size_bytes(), 100);
    budget.resize(99);
    cache.shrink();
    assert_eq!(popped(&mut cache), [row("k", "vv"), row("z", "vv")]);
    assert_eq!(cache.size_bytes(), 50);
    assert_eq!(cache.get(b"k"), None);
    // What is clean leaves without a word.
    budget.resize(0);
    cache.shrink();
    assert!(cache.size_bytes() == 0 && !cache.is_flushing());
}

#[test]
fn evicted_key_goes_before_ones_written_earlier() {
    let budget = CacheBudget::new(100);
    let mut cache = key_cache(budget);
    cache.put(b"k", Some(b"vv"), &context(1));
    cache.put(b"z", Some(b"vv"), &context(2));
    cache.get(b"k");
    cache.put(b"n", Some(b"vv"), &context(3));
    let order = [row("z", "vv"), row("k", "vv"), row("n", "vv")];
    assert_eq!(popped(&mut cache), order);
}

#[test]
#[should_panic(expected = "must not hide a dirty one")]
fn a_clean_value_does_not_replace_a_dirty_one() {
    let mut cache = key_cache(CacheBudget::new(1000));
    cache.put(b"k", Some(b"1"), &context(1));
    cache.put_clean(b"k", &StoreBytes::new(b"2"), NO_PLACE);
}

#[test]
fn a_key_written_while_it_is_queued_goes_down_twice() {
    let mut cache = key_cache(CacheBudget::new(1000));
    cache.put(b"k", None, &context(1));
    cache.put(b"m", Some(b"1"), &context(2));
    cache.begin_flush();
    // Java deletes this one with the tombstone it replaced.
    cache.put(b"k", Some(b"new"), &context(3));
    assert_eq!(popped(&mut cache), [("k".to_owned(), None), row("m", "1")]);
    assert_eq!(
        cache.get(b"k").flatten().map(|v| v.to_vec()),
        Some(b"new".to_vec())
    );
    cache.begin_flush();
    assert_eq!(popped(&mut cache), [row("k", "new")]);
}

#[test]
fn what_is_evicted_while_queued_stays_readable() {
    let budget = CacheBudget::new(1000);
    let mut cache = key_cache(budget.clone());
    cache.put(b"k", Some(b"1"), &context(1));
    cache.begin_flush();
    budget.resize(0);
    cache.shrink();
    assert_eq!(budget.used(), 0);
    assert_eq!(
        cache.get(b"k").flatten().map(|v| v.to_vec()),
        Some(b"1".to_vec())
    );
    assert_eq!(popped(&mut cache), [row("k", "1")]);
    assert_eq!(cache.get(b"k"), None);
}

fn counts(is_cached: bool, max_bytes: usize) -> TimestampedKeyValueStore<String, i64> {
    let supplier = Stores::in_memory_key_value_store("counts");
    let builder = Stores::timestamped_key_value_store_builder(
        supplier,
        String::default_serde(),
        i64::default_serde(),
    );
    let builder = if is_cached {
        builder.with_caching_enabled()
    } else {
        builder
    };
    builder.build_typed(&CacheBudget::new(max_bytes))
}

fn keys<V>(rows: KeyValueIterator<'_, String, V>) -> Vec<String> {
    rows.map(|row| row.expect("can be read").0).collect()
}

#[test]
fn typed_store_reads_its_writes_and_logs_without_timestamps() {
    for is_cached in [false, true] {
        let mut store = counts(is_cached, 1 << 20);
        let one = ValueAndTimestamp::new(1, 7);
        for key in ["b", "a", "ab", "c"] {
            store
                .put(&key.to_owned(), Some(&one), &context(1))
                .expect("is written");
        }
        let two = ValueAndTimestamp::new(2, 8);
        let absent = store.put_if_absent(&"a".to_owned(), Some(&two), &context(2));
        assert_eq!(absent, Ok(Some(one)));
        let deleted = store.delete(&"c".to_owned(), &context(3));
        assert_eq!(deleted, Ok(Some(one)));
        assert_eq!(store.get(&"c".to_owned()), Ok(None));
        assert_eq!(store.peek(&"a".to_owned()), Ok(Some(one)));
        let range = store.range("a".to_owned()..="b".to_owned());
        assert_eq!(keys(range.expect("is a range")), ["a", "ab", "b"]);
        let range = store.reverse_range("a".to_owned().."b".to_owned());
        assert_eq!(keys(range.expect("is a range")), ["ab", "a"]);
        let range = store.range("b".to_owned()..="a".to_owned());
        assert_eq!(keys(range.expect("is a range")), [""; 0]);
        let scan = store.prefix_scan(&"a".to_owned(), &StringSerde);
        assert_eq!(keys(scan.expect("is a range")), ["a", "ab"]);
        let reverse = store.reverse_all().expect("is a range");
        assert_eq!(keys(reverse), ["b", "ab", "a"]);

        let records = &mut Vec::new();
        store.drain_changelog(records);
        assert_eq!(records.is_empty(), is_cached);
        store.begin_flush();
        assert_eq!(store.next_flushed(), Ok(None));
        store.drain_changelog(records);
        assert_eq!(store.approximate_num_entries(), 3);
        let expected = ChangelogRecord {
            key: Bytes::from_static(b"b"),
            value: Some(Bytes::copy_from_slice(&1_i64.to_be_bytes())),
            timestamp: 7,
            headers: Headers::new(),
        };
        assert_eq!(records[0], expected);
        let last = records.last().expect("the deletion is logged");
        assert_eq!((last.value.as_ref(), last.timestamp), (None, 103));

        let mut restored = counts(is_cached, 1 << 20);
        for record in records.drain(..) {
            restored.restore(record).expect("is written");
        }
        let all = |store: &TimestampedKeyValueStore<String, i64>| {
            let rows = store.all().expect("is a range");
            rows.collect::<Result<Vec<_>, _>>().expect("can be read")
        };
        assert_eq!(all(&restored), all(&store));
        restored.drain_changelog(records);
        assert!(records.is_empty(), "restoring is not logged");
    }
}

#[test]
fn flushed_changes_are_typed_and_carry_old_values() {
    let mut store = counts(true, 1 << 20);
    store.set_flush_listener(true);
    let word = "w".to_owned();
    let put = |store: &mut TimestampedKeyValueStore<String, i64>, count, offset| {
        let value = ValueAndTimestamp::new(count, offset);
        store
            .put(&word, Some(&value), &context(offset))
            .expect("is written");
    };
    let flush = |store: &mut TimestampedKeyValueStore<String, i64>| {
        store.begin_flush();
        let entry = store.next_flushed().expect("is written");
        entry.map(|entry| store.flushed_change(entry).expect("can be read"))
    };
    put(&mut store, 1, 1);
    put(&mut store, 2, 2);
    let change = flush(&mut store).expect("one change");
    assert_eq!(change.key, word);
    assert_eq!(change.new, Some(ValueAndTimestamp::new(2, 2)));
    assert_eq!(change.old, None);
    assert_eq!(change.context, context(2));
    put(&mut store, 3, 3);
    let change = flush(&mut store).expect("one change");
    assert_eq!(change.old, Some(ValueAndTimestamp::new(2, 2)));
    assert!(flush(&mut store).is_none());
    // Put and deleted between two flushes: no trace.
    let other = "x".to_owned();
    let value = ValueAndTimestamp::new(1, 4);
    store
        .put(&other, Some(&value), &context(4))
        .expect("is written");
    store.delete(&other, &context(5)).expect("is written");
    let mut records = Vec::new();
    store.drain_changelog(&mut records);
    records.clear();
    assert!(flush(&mut store).is_none());
    store.drain_changelog(&mut records);
    assert!(records.is_empty());
}

#[test]
fn reverse_iteration_sees_cached_tombstones() {
    let mut store = counts(true, 1 << 20);
    let one = ValueAndTimestamp::new(1, 7);
    for key in ["a", "c"] {
        store
            .put(&key.to_owned(), Some(&one), &context(1))
            .expect("is written");
    }
    store.begin_flush();
    assert_eq!(store.next_flushed(), Ok(None));
    store
        .delete(&"a".to_owned(), &context(2))
        .expect("is written");
    assert_eq!(keys(store.reverse_all().expect("is a range")), ["c"]);
    store
        .delete(&"c".to_owned(), &context(3))
        .expect("is written");
    assert_eq!(keys(store.reverse_all().expect("is a range")), [""; 0]);
}

#[test]
fn null_keys_and_wrong_rows_are_typed_errors() {
    let builder = Stores::key_value_store_builder(
        Stores::in_memory_key_value_store("s"),
        Option::<String>::default_serde(),
        i64::default_serde(),
    );
    let mut store = builder.build_typed(&CacheBudget::new(0));
    let error = store.get(&None).expect_err("null keys are refused");
    assert_eq!(
        error.to_string(),
        "store s has no null keys: filter them out before"
    );
    let record = |value: &'static [u8]| ChangelogRecord {
        key: Bytes::from_static(b"k"),
        value: Some(Bytes::from_static(value)),
        timestamp: 1,
        headers: Headers::new(),
    };
    store.restore(record(b"abc")).expect("is written");
    let error = store.get(&Some("k".to_owned())).expect_err("is no long");
    assert_eq!(
        error.to_string(),
        "store s: a value of type i64: LongSerde reads 8 bytes and found 3: the data was written with another serde"
    );
    assert!(store.all().expect("is a range").all(|row| row.is_err()));

    let mut stamped = counts(false, 0);
    let put = stamped.bytes_mut().put(b"k", Some(b"short"), &context(1));
    assert!(matches!(put, Err(StateError::Corrupt { .. })));
    assert!(matches!(
        stamped.get(&"k".to_owned()),
        Err(StateError::Corrupt { .. })
    ));
}

#[test]
fn headers_of_values_go_to_the_changelog_and_come_back() {
    let with_header = |name: &str| {
        let mut headers = Headers::new();
        headers.push(name, Some(Bytes::from_static(b"x")));
        headers
    };
    let builder = Stores::timestamped_key_value_store_with_headers_builder(
        Stores::in_memory_key_value_store("s"),
        String::default_serde(),
        i64::default_serde(),
    );
    let mut store = builder.build_typed(&CacheBudget::new(0));
    let (kept, gone) = ("kept".to_owned(), "gone".to_owned());
    let value = ValueTimestampHeaders::new(1, 7, with_header("of the value"));
    let context = RecordContext {
        headers: with_header("of the record"),
        ..context(1)
    };
    for key in [&kept, &gone] {
        let put = store.put(key, Some(&value), &context);
        put.expect("is written");
    }
    let deleted = store.delete(&gone, &context);
    assert_eq!(deleted, Ok(Some(value.clone())));
    let mut records = Vec::new();
    store.drain_changelog(&mut records);
    let logged = |record: &ChangelogRecord| (record.timestamp, record.headers.clone());
    assert_eq!(logged(&records[0]), (7, with_header("of the value")));
    assert_eq!(logged(&records[2]), (101, with_header("of the record")));
    assert_eq!(records[0].value.as_deref(), Some(&1_i64.to_be_bytes()[..]));

    let mut restored = builder.build_typed(&CacheBudget::new(0));
    for record in records {
        restored.restore(record).expect("is written");
    }
    assert_eq!(restored.get(&kept), Ok(Some(value)));
    assert_eq!(restored.get(&gone), Ok(None));
}

#[test]
fn a_plain_lru_map_logs_what_it_evicts_before_what_evicted_it() {
    let mut store = Stores::key_value_store_builder(
        Stores::lru_map("s", 2),
        String::default_serde(),
        String::default_serde(),
    )
    .build_typed(&CacheBudget::new(0));
    let rows = ["a", "b", "c", "d"].map(|key| (key.to_owned(), key.to_owned()));
    let put = store.put(&rows[0].0, Some(&rows[0].1), &context(1));
    put.expect("is written");
    let put = store.put_all(rows[1..].iter().map(|(k, v)| (k, Some(v))), &context(2));
    put.expect("is written");
    let mut logged = Vec::new();
    store.visit_changelog(&mut |entry| {
        let key = String::from_utf8_lossy(entry.key).into_owned();
        logged.push((key, entry.value.is_some()));
    });
    let expected = [
        ("a", true),
        ("a", false),
        ("b", false),
        ("b", true),
        ("c", true),
        ("d", true),
    ];
    assert_eq!(
        logged,
        expected.map(|(key, is_put)| (key.to_owned(), is_put))
    );
    assert_eq!(keys(store.all().expect("is a range")), ["c", "d"]);
    let null = store.put_if_absent(&"d".to_owned(), None, &context(3));
    assert_eq!(null, Ok(Some("d".to_owned())));
}

#[test]
fn what_a_flush_was_begun_for_counts_until_it_is_over() {
    let budget = CacheBudget::new(100);
    let mut cache = key_cache(budget.clone());
    cache.put(b"k", Some(b"vv"), &context(1));
    cache.put(b"z", None, &context(2));
    cache.put(b"n", Some(b"vv"), &context(3));
    // Another store that is written while this one is flushed finds the budget exceeded.
    assert_eq!((budget.used(), cache.size_bytes()), (148, 98));
    let first = cache.pop_queued().expect("the evicted entry");
    assert_eq!(&*first.key, b"k");
    assert_eq!(budget.used(), 148);
    assert_eq!(popped(&mut cache).len(), 2);
    assert_eq!((budget.used(), cache.size_bytes()), (50, 50));
    assert!(!cache.is_flushing());
}

#[test]
fn changelog_settings_are_overlaid() {
    let supplier = Stores::in_memory_key_value_store("s");
    let builder =
        Stores::key_value_store_builder(supplier, String::default_serde(), String::default_serde());
    let config = |builder: &dyn StoreBuilder, key: &str| {
        builder
            .changelog_config()
            .get(key)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(builder.changelog_config().len(), 2);
    assert_eq!(config(&builder, "cleanup.policy"), "compact");
    let user = BTreeMap::from([
        ("cleanup.policy".to_owned(), "delete".to_owned()),
        ("retention.ms".to_owned(), "5".to_owned()),
    ]);
    let builder = builder.with_logging_enabled(user);
    assert_eq!(config(&builder, "cleanup.policy"), "delete");
    assert_eq!(config(&builder, "retention.ms"), "5");
    let builder = builder.with_logging_disabled();
    assert!(!builder.is_logged());
    let mut store = builder.build(&CacheBudget::new(0));
    assert!(!store.is_logged() && !store.is_cached());
    let typed = store
        .as_any_mut()
        .downcast_mut::<KeyValueStore<String, String>>()
        .expect("is of this type");
    let put = typed.put(&"k".to_owned(), Some(&"v".to_owned()), &context(1));
    put.expect("is written");
    let mut records = Vec::new();
    store.drain_changelog(&mut records);
    assert!(records.is_empty());
}

#[test]
fn a_batch_is_applied_in_order() {
    let mut rows = InMemoryKeyValueStore::new();
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"1");
    batch.put(b"b", b"2");
    batch.delete(b"a");
    rows.write(&batch).expect("memory does not fail");
    assert_eq!(rows.get(b"a"), Ok(None));
    assert_eq!(rows.get(b"b"), Ok(Some(StoreBytes::new(b"2"))));
    assert_eq!(rows.prefix(&[0xff, 0xff], Direction::Forward).count(), 0);
    assert_eq!(rows.prefix(&[], Direction::Backward).count(), 1);
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = any::<(u8, u8, u8, u8)>().prop_map(|(store, kind, key, value)| Op {
        store,
        kind,
        key,
        value,
    });
    prop::collection::vec(op, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_history_is_that_of_the_model(ops in ops()) {
        fuzzing::check_exact(&ops);
    }

    #[test]
    fn any_interleaving_of_flush_and_use_adds_up(ops in ops()) {
        fuzzing::check_interleaved(&ops);
    }

    /// What a cache holds back are values in between alone.
    #[test]
    fn any_cache_size_leads_to_the_same_rows(
        ops in prop::collection::vec((0..6_u8, any::<Option<u8>>(), any::<bool>()), 0..80),
        max_bytes in 0..400_usize,
    ) {
        let run = |max_bytes: usize| {
            let mut store = counts(true, 1 << 20);
            store = match max_bytes {
                0 => store,
                max_bytes => counts(true, max_bytes),
            };
            store.set_flush_listener(true);
            let mut last = BTreeMap::new();
            let mut pull = |store: &mut TimestampedKeyValueStore<String, i64>| {
                while let Some(entry) = store.next_flushed().expect("memory does not fail") {
                    let change = store.flushed_change(entry).expect("can be read");
                    last.insert(change.key, change.new);
                }
            };
            for (offset, (key, value, commits)) in ops.iter().enumerate() {
                let offset = offset as i64;
                let value = value.map(|value| ValueAndTimestamp::new(i64::from(value), offset));
                let put = store.put(&key.to_string(), value.as_ref(), &context(offset));
                put.expect("memory does not fail");
                pull(&mut store);
                if *commits && max_bytes > 0 {
                    store.begin_flush();
                    pull(&mut store);
                }
            }
            store.begin_flush();
            pull(&mut store);
            last.retain(|_, value| value.is_some());
            let all = store.all().expect("is a range");
            let rows = all.collect::<Result<BTreeMap<_, _>, _>>().expect("can be read");
            let last: BTreeMap<_, _> =
                last.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            assert_eq!(last, rows);
            rows
        };
        assert_eq!(run(0), run(max_bytes));
    }

    #[test]
    fn any_bytes_are_a_history(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::cache(&data);
    }
}
