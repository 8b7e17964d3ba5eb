//! Rows and changelog records of any bytes: typed stores answer with values or errors, and name
//! themselves in these.

use super::Disk;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{
    CacheBudget, ChangelogRecord, StateError, StateStore, Stores, TypedKeyValueStore,
    TypedSessionStore, TypedWindowStore, ValueLayout,
};
use crate::types::{Headers, RecordContext};

/// Writes the pieces of `data` to stores of every layout, as rows and as changelog records.
pub(super) fn check(data: &[u8]) {
    for is_cached in [false, true] {
        key_value_stores(data, is_cached);
        windowed_stores(data, is_cached);
    }
}

/// A key and a value: the first byte says how long the key is, and whether there is a value.
fn rows(data: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    data.chunks(32).take(64).map(|piece| {
        let (len, rest) = piece.split_first().unwrap_or((&0, &[]));
        let (key, value) = rest.split_at(usize::from(len / 4 % 24).min(rest.len()));
        (key, (!len.is_multiple_of(4)).then_some(value))
    })
}

fn context() -> RecordContext {
    let mut headers = Headers::new();
    headers.push("h", None);
    RecordContext {
        headers,
        ..RecordContext::punctuation(3)
    }
}

fn serdes() -> (SerdeRef<String>, SerdeRef<i64>) {
    (String::default_serde(), i64::default_serde())
}

fn check_error<T>(result: Result<T, StateError>) -> Option<T> {
    result
        .map_err(|error| assert_eq!(error.store(), "store"))
        .ok()
}

fn restore(store: &mut impl StateStore, key: &[u8], value: Option<&[u8]>) {
    check_error(store.restore(ChangelogRecord {
        key: bytes::Bytes::copy_from_slice(key),
        value: value.map(bytes::Bytes::copy_from_slice),
        timestamp: 5,
        headers: context().headers,
    }));
}

/// Flushes, whatever the bytes are.
fn flush(store: &mut impl StateStore) {
    store.begin_flush();
    while store.has_pending() {
        check_error(store.next_flushed());
    }
    check_error(store.visit_rows(&mut |_| {}));
}

fn read_all<T>(rows: impl Iterator<Item = Result<T, StateError>>) {
    for row in rows {
        check_error(row);
    }
}

fn key_value_stores(data: &[u8], is_cached: bool) {
    macro_rules! check {
        ($builder:ident) => {{
            for supplier in [
                Stores::in_memory_key_value_store("store"),
                Stores::persistent_key_value_store("store"),
                Stores::lru_map("store", 3),
            ] {
                let (keys, values) = serdes();
                let mut builder = Stores::$builder(supplier, keys, values);
                if is_cached {
                    builder = builder.with_caching_enabled();
                }
                let mut store = builder.build_typed(&CacheBudget::new(300));
                store
                    .init(&Disk::default().task_storage())
                    .expect("memory does not fail");
                key_value(store, data);
            }
        }};
    }
    check!(key_value_store_builder);
    check!(timestamped_key_value_store_builder);
    check!(timestamped_key_value_store_with_headers_builder);
}

fn key_value<L: ValueLayout>(mut store: TypedKeyValueStore<String, i64, L>, data: &[u8]) {
    for (at, (key, value)) in rows(data).enumerate() {
        if at % 2 == 0 {
            restore(&mut store, key, value);
        } else {
            check_error(store.bytes_mut().put(key, value, &context()));
        }
        let text = String::from_utf8_lossy(key).into_owned();
        check_error(store.get(&text));
        check_error(store.peek(&text));
    }
    read_all(check_error(store.all()).into_iter().flatten());
    flush(&mut store);
    read_all(check_error(store.reverse_all()).into_iter().flatten());
}

fn windowed_stores(data: &[u8], is_cached: bool) {
    macro_rules! check {
        ($check:ident, $builder:ident, $supplier:expr) => {{
            let (keys, values) = serdes();
            let supplier = $supplier.expect("settings that go together");
            let mut builder = Stores::$builder(supplier, keys, values);
            if is_cached {
                builder = builder.with_caching_enabled();
            }
            let mut store = builder.build_typed(&CacheBudget::new(300));
            store
                .init(&Disk::default().task_storage())
                .expect("memory does not fail");
            $check(store, data);
        }};
    }
    let window = |time_first: bool| match time_first {
        true => Stores::in_memory_window_store("store", 50, 5, false),
        false => Stores::persistent_window_store("store", 50, 5, false),
    };
    let session = |time_first: bool| match time_first {
        true => Stores::in_memory_session_store("store", 50),
        false => Stores::persistent_session_store("store", 50),
    };
    for time_first in [true, false] {
        check!(windows, window_store_builder, window(time_first));
        check!(
            windows,
            timestamped_window_store_builder,
            window(time_first)
        );
        check!(
            windows,
            timestamped_window_store_with_headers_builder,
            window(time_first)
        );
        check!(sessions, session_store_builder, session(time_first));
        check!(
            sessions,
            session_store_with_headers_builder,
            session(time_first)
        );
    }
}

fn windows<L: ValueLayout>(mut store: TypedWindowStore<String, i64, L>, data: &[u8]) {
    for (at, (key, value)) in rows(data).enumerate() {
        if at % 2 == 0 {
            restore(&mut store, key, value);
        } else if let Some(row) = store.bytes().options().schema.read(key) {
            check_error(store.bytes_mut().put(row, value, &context()));
        }
        let text = String::from_utf8_lossy(key).into_owned();
        read_all(
            check_error(store.fetch(&text, 0, i64::MAX))
                .into_iter()
                .flatten(),
        );
    }
    read_all(store.all());
    flush(&mut store);
    read_all(store.backward_all());
}

fn sessions<L: ValueLayout>(mut store: TypedSessionStore<String, i64, L>, data: &[u8]) {
    for (at, (key, value)) in rows(data).enumerate() {
        if at % 2 == 0 {
            restore(&mut store, key, value);
        } else if let Some(row) = store.bytes().options().schema.read(key) {
            check_error(store.bytes_mut().put(row, value, &context()));
        }
        let text = String::from_utf8_lossy(key).into_owned();
        read_all(check_error(store.fetch(&text)).into_iter().flatten());
    }
    read_all(check_error(store.fetch_range(..)).into_iter().flatten());
    flush(&mut store);
    read_all(
        check_error(store.backward_fetch_range(..))
            .into_iter()
            .flatten(),
    );
}
