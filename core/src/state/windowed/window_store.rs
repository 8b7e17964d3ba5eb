//! Window stores of typed keys and values (Java: `MeteredWindowStore`,
//! `MeteredTimestampedWindowStore`).

use std::any::Any;
use std::ops::{Bound, RangeBounds};

use super::super::byte_store::Direction;
use super::super::changelog::ChangelogEntry;
use super::super::stack::ValueFormat;
use super::super::{
    ChangelogRecord, FlushedChange, FlushedEntry, StateError, StateStore, ValueAndTimestamp,
};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::stack::WindowBytesStore;
use super::typed::{Typed, WindowStoreIterator, lend, windowed_state_store};
use crate::serde::SerdeRef;
use crate::types::{RecordContext, TopicName};
use crate::window::{Window, Windowed};

macro_rules! window_store {
    (
        $(#[$doc:meta])*
        $store:ident, $value:ty, $format:expr, $read:ident, $parts:expr
    ) => {
        $(#[$doc])*
        pub struct $store<K, V> {
            typed: Typed<K, V>,
            window_size_ms: i64,
        }

        impl<K, V> $store<K, V> {
            /// A store of these serdes over `bytes`, whose windows last `window_size_ms`.
            ///
            /// # Panics
            /// When the format or the key schema of `bytes` is another one.
            pub fn new(
                bytes: WindowBytesStore,
                keys: SerdeRef<K>,
                values: SerdeRef<V>,
                window_size_ms: i64,
            ) -> Self {
                let expected = (KeySchema::Window, $format);
                let options = bytes.options();
                assert_eq!((options.schema, options.format), expected);
                Self {
                    typed: Typed::new(bytes, keys, values),
                    window_size_ms,
                }
            }

            /// Sets the value of `key` in the window that starts at `window_start`, `None` deletes
            /// it; `context` is of the record that is processed. A window that is older than the
            /// retention is dropped and counted.
            pub fn put(
                &mut self,
                key: &K,
                value: Option<&$value>,
                window_start: i64,
                context: &RecordContext,
            ) -> Result<(), StateError> {
                let row = RowKey {
                    key,
                    time: window_start,
                    tail: 0,
                };
                let parts: fn(&$value) -> (i64, &V) = $parts;
                let parts = value.map(parts);
                let timestamp = parts.map_or(0, |parts| parts.0).to_be_bytes();
                let prefix: &[u8] = match $format {
                    ValueFormat::Plain => &[],
                    ValueFormat::Timestamped => &timestamp,
                };
                self.typed
                    .put(row, prefix, parts.map(|parts| parts.1), context)
            }

            /// The value of `key` in the window that starts at `window_start` (Java: `fetch(key,
            /// time)`).
            pub fn fetch_at(
                &self,
                key: &K,
                window_start: i64,
            ) -> Result<Option<$value>, StateError> {
                let found = self.typed.get(key, window_start, 0)?;
                found.map(|bytes| self.typed.$read(&bytes)).transpose()
            }

            /// The values of `key` in the windows that start from `time_from` to `time_to`
            /// inclusive, with their starts, earliest first.
            pub fn fetch(
                &self,
                key: &K,
                time_from: i64,
                time_to: i64,
            ) -> Result<WindowStoreIterator<'_, (i64, $value)>, StateError> {
                self.of_key(key, time_from, time_to, Direction::Forward)
            }

            /// [`fetch`](Self::fetch), latest first.
            pub fn backward_fetch(
                &self,
                key: &K,
                time_from: i64,
                time_to: i64,
            ) -> Result<WindowStoreIterator<'_, (i64, $value)>, StateError> {
                self.of_key(key, time_from, time_to, Direction::Backward)
            }

            /// The rows of `keys` in the windows that start from `time_from` to `time_to`
            /// inclusive, in the order of the rows.
            pub fn fetch_range(
                &self,
                keys: impl RangeBounds<K>,
                time_from: i64,
                time_to: i64,
            ) -> Result<WindowStoreIterator<'_, (Windowed<K>, $value)>, StateError> {
                let keys = self.typed.bounds(&keys)?;
                let query = WindowQuery::of_times(lend(&keys), time_from, time_to);
                Ok(self.rows(&query, Direction::Forward))
            }

            /// [`fetch_range`](Self::fetch_range), last row first.
            pub fn backward_fetch_range(
                &self,
                keys: impl RangeBounds<K>,
                time_from: i64,
                time_to: i64,
            ) -> Result<WindowStoreIterator<'_, (Windowed<K>, $value)>, StateError> {
                let keys = self.typed.bounds(&keys)?;
                let query = WindowQuery::of_times(lend(&keys), time_from, time_to);
                Ok(self.rows(&query, Direction::Backward))
            }

            /// The rows of all keys in the windows that start from `time_from` to `time_to`
            /// inclusive.
            pub fn fetch_all(
                &self,
                time_from: i64,
                time_to: i64,
            ) -> WindowStoreIterator<'_, (Windowed<K>, $value)> {
                let query = WindowQuery::of_time(time_from, time_to);
                self.rows(&query, Direction::Forward)
            }

            /// [`fetch_all`](Self::fetch_all), last row first.
            pub fn backward_fetch_all(
                &self,
                time_from: i64,
                time_to: i64,
            ) -> WindowStoreIterator<'_, (Windowed<K>, $value)> {
                let query = WindowQuery::of_time(time_from, time_to);
                self.rows(&query, Direction::Backward)
            }

            /// All rows.
            pub fn all(&self) -> WindowStoreIterator<'_, (Windowed<K>, $value)> {
                self.rows(&WindowQuery::of_time(0, i64::MAX), Direction::Forward)
            }

            /// All rows, last one first.
            pub fn backward_all(&self) -> WindowStoreIterator<'_, (Windowed<K>, $value)> {
                self.rows(&WindowQuery::of_time(0, i64::MAX), Direction::Backward)
            }

            /// A flushed entry of this store in its types.
            pub fn flushed_change(
                &self,
                entry: FlushedEntry,
            ) -> Result<FlushedChange<Windowed<K>, $value>, StateError> {
                self.typed.change(
                    entry,
                    |row| self.windowed(row),
                    |bytes| self.typed.$read(bytes),
                )
            }

            /// The size of the windows in milliseconds.
            pub fn window_size_ms(&self) -> i64 {
                self.window_size_ms
            }

            /// The store below the serdes.
            pub fn bytes(&self) -> &WindowBytesStore {
                &self.typed.bytes
            }

            /// The store below the serdes, to write to it.
            pub fn bytes_mut(&mut self) -> &mut WindowBytesStore {
                &mut self.typed.bytes
            }

            fn of_key(
                &self,
                key: &K,
                time_from: i64,
                time_to: i64,
                direction: Direction,
            ) -> Result<WindowStoreIterator<'_, (i64, $value)>, StateError> {
                let key = self.typed.key_bytes(key)?;
                let keys = (Bound::Included(&*key), Bound::Included(&*key));
                let query = WindowQuery::of_times(keys, time_from, time_to);
                let rows = self.typed.bytes.scan(&query, direction);
                Ok(WindowStoreIterator::new(rows, |(row, value)| {
                    Ok((row.time, self.typed.$read(&value)?))
                }))
            }

            fn rows(
                &self,
                query: &WindowQuery<'_>,
                direction: Direction,
            ) -> WindowStoreIterator<'_, (Windowed<K>, $value)> {
                let rows = self.typed.bytes.scan(query, direction);
                WindowStoreIterator::new(rows, |(row, value)| {
                    Ok((self.windowed(row.lend())?, self.typed.$read(&value)?))
                })
            }

            fn windowed(&self, row: RowKey<&[u8]>) -> Result<Windowed<K>, StateError> {
                let window = Window::of_size(row.time, self.window_size_ms);
                Ok(Windowed::new(self.typed.read_key(row.key)?, window))
            }
        }

        windowed_state_store!($store);
    };
}

window_store!(
    /// A store of values by key and window (Java: `WindowStore`).
    ///
    /// Writes may evict from the cache: see [`StateStore::has_pending`].
    WindowStore,
    V,
    ValueFormat::Plain,
    read_plain,
    |value| (0, value)
);

window_store!(
    /// A store of values and their timestamps by key and window, as windowed tables have it (Java:
    /// `TimestampedWindowStore`).
    ///
    /// Writes may evict from the cache: see [`StateStore::has_pending`].
    TimestampedWindowStore,
    ValueAndTimestamp<V>,
    ValueFormat::Timestamped,
    read_timestamped,
    |value| (value.timestamp, &value.value)
);
