//! Window stores of typed keys and values (Java: `MeteredWindowStore`,
//! `MeteredTimestampedWindowStore`, `MeteredTimestampedWindowStoreWithHeaders`).

use std::any::Any;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use super::super::byte_store::Direction;
use super::super::changelog::ChangelogEntry;
use super::super::serdes::{StoreSerdes, lend};
use super::super::typed::typed_state_store;
use super::super::value::{Plain, Timestamped, TimestampedWithHeaders, ValueLayout};
use super::super::{ChangelogRecord, FlushedChange, FlushedEntry, StateError, StateStore};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::stack::WindowBytesStore;
use super::typed::{WindowStoreIterator, flushed_change};
use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::serde::SerdeRef;
use crate::types::{RecordContext, TopicName};
use crate::window::{Window, Windowed};

/// A store of values by key and window, in the layout `L`.
///
/// Writes may evict from the cache: see [`StateStore::has_pending`].
pub struct TypedWindowStore<K, V, L> {
    bytes: WindowBytesStore,
    serdes: StoreSerdes<K, V>,
    window_size_ms: i64,
    layout: PhantomData<fn() -> L>,
}

/// A store of values by key and window (Java: `WindowStore`).
pub type WindowStore<K, V> = TypedWindowStore<K, V, Plain>;

/// A store of values and their timestamps by key and window, as windowed tables have it (Java:
/// `TimestampedWindowStore`).
pub type TimestampedWindowStore<K, V> = TypedWindowStore<K, V, Timestamped>;

/// A store of values and their timestamps and headers by key and window (KIP-1271; Java:
/// `TimestampedWindowStoreWithHeaders`).
pub type TimestampedWindowStoreWithHeaders<K, V> = TypedWindowStore<K, V, TimestampedWithHeaders>;

/// Values with the starts of their windows, on the way out of a store.
type Values<'a, S> = WindowStoreIterator<'a, (i64, S)>;

/// Values with their keys and windows, on the way out of a store.
type Rows<'a, K, S> = WindowStoreIterator<'a, (Windowed<K>, S)>;

impl<K, V, L: ValueLayout> TypedWindowStore<K, V, L> {
    /// A store of these serdes over `bytes`, whose windows last `window_size_ms`.
    ///
    /// # Panics
    /// When `bytes` lack what the layout shows, or their key schema is another one.
    pub fn new(
        bytes: WindowBytesStore,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        window_size_ms: i64,
    ) -> Self {
        let options = bytes.options();
        assert_eq!(options.schema, KeySchema::Window, "store {}", bytes.name());
        assert!(options.format.holds(L::FORMAT), "store {}", bytes.name());
        Self {
            serdes: StoreSerdes::new(bytes.name().into(), keys, values),
            bytes,
            window_size_ms,
            layout: PhantomData,
        }
    }

    /// Sets the value of `key` in the window that starts at `window_start`, `None` deletes it;
    /// `context` is of the record that is processed. A window that is older than the retention is
    /// dropped and counted.
    pub fn put(
        &mut self,
        key: &K,
        value: Option<&L::Stored<V>>,
        window_start: i64,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let format = self.bytes.options().format;
        let (key, value) = self.serdes.stored_row::<L>(format, key, value)?;
        self.bytes.put(row(key, window_start), value, context)
    }

    /// The value of `key` in the window that starts at `window_start` (Java: `fetch(key, time)`).
    pub fn fetch_at(&self, key: &K, window_start: i64) -> Result<Option<L::Stored<V>>, StateError> {
        let found = self
            .serdes
            .with_key(key, |key| self.bytes.get(row(key, window_start)))??;
        found.map(|bytes| self.read(&bytes)).transpose()
    }

    /// The values of `key` in the windows that start from `time_from` to `time_to` inclusive, with
    /// their starts, earliest first.
    pub fn fetch(
        &self,
        key: &K,
        time_from: i64,
        time_to: i64,
    ) -> Result<Values<'_, L::Stored<V>>, StateError> {
        self.of_key(key, time_from, time_to, Direction::Forward)
    }

    /// [`fetch`](Self::fetch), latest first.
    pub fn backward_fetch(
        &self,
        key: &K,
        time_from: i64,
        time_to: i64,
    ) -> Result<Values<'_, L::Stored<V>>, StateError> {
        self.of_key(key, time_from, time_to, Direction::Backward)
    }

    /// The rows of `keys` in the windows that start from `time_from` to `time_to` inclusive, in the
    /// order of the rows.
    pub fn fetch_range(
        &self,
        keys: impl RangeBounds<K>,
        time_from: i64,
        time_to: i64,
    ) -> Result<Rows<'_, K, L::Stored<V>>, StateError> {
        let keys = self.serdes.bounds(&keys)?;
        let query = WindowQuery::of_times(lend(&keys), time_from, time_to);
        Ok(self.rows(&query, Direction::Forward))
    }

    /// [`fetch_range`](Self::fetch_range), last row first.
    pub fn backward_fetch_range(
        &self,
        keys: impl RangeBounds<K>,
        time_from: i64,
        time_to: i64,
    ) -> Result<Rows<'_, K, L::Stored<V>>, StateError> {
        let keys = self.serdes.bounds(&keys)?;
        let query = WindowQuery::of_times(lend(&keys), time_from, time_to);
        Ok(self.rows(&query, Direction::Backward))
    }

    /// The rows of all keys in the windows that start from `time_from` to `time_to` inclusive.
    pub fn fetch_all(&self, time_from: i64, time_to: i64) -> Rows<'_, K, L::Stored<V>> {
        let query = WindowQuery::of_time(time_from, time_to);
        self.rows(&query, Direction::Forward)
    }

    /// [`fetch_all`](Self::fetch_all), last row first.
    pub fn backward_fetch_all(&self, time_from: i64, time_to: i64) -> Rows<'_, K, L::Stored<V>> {
        let query = WindowQuery::of_time(time_from, time_to);
        self.rows(&query, Direction::Backward)
    }

    /// All rows.
    pub fn all(&self) -> Rows<'_, K, L::Stored<V>> {
        self.rows(&WindowQuery::of_time(0, i64::MAX), Direction::Forward)
    }

    /// All rows, last one first.
    pub fn backward_all(&self) -> Rows<'_, K, L::Stored<V>> {
        self.rows(&WindowQuery::of_time(0, i64::MAX), Direction::Backward)
    }

    /// A flushed entry of this store in its types.
    pub fn flushed_change(
        &self,
        entry: FlushedEntry,
    ) -> Result<FlushedChange<Windowed<K>, L::Stored<V>>, StateError> {
        flushed_change(
            &self.bytes,
            entry,
            |row| self.windowed(row),
            |bytes| self.read(bytes),
        )
    }

    /// The size of the windows in milliseconds.
    pub fn window_size_ms(&self) -> i64 {
        self.window_size_ms
    }

    /// The store below the serdes.
    pub fn bytes(&self) -> &WindowBytesStore {
        &self.bytes
    }

    /// The store below the serdes, to write to it.
    pub fn bytes_mut(&mut self) -> &mut WindowBytesStore {
        &mut self.bytes
    }

    fn of_key(
        &self,
        key: &K,
        time_from: i64,
        time_to: i64,
        direction: Direction,
    ) -> Result<Values<'_, L::Stored<V>>, StateError> {
        let key = self.serdes.with_key(key, <[u8]>::to_vec)?;
        let keys = (Bound::Included(&*key), Bound::Included(&*key));
        let query = WindowQuery::of_times(keys, time_from, time_to);
        let rows = self.bytes.scan(&query, direction);
        Ok(WindowStoreIterator::new(rows, |(row, value)| {
            Ok((row.time, self.read(&value)?))
        }))
    }

    fn rows(&self, query: &WindowQuery<'_>, direction: Direction) -> Rows<'_, K, L::Stored<V>> {
        let rows = self.bytes.scan(query, direction);
        WindowStoreIterator::new(rows, |(row, value)| {
            Ok((self.windowed(row.lend())?, self.read(&value)?))
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<L::Stored<V>, StateError> {
        self.serdes
            .read_stored::<L>(self.bytes.options().format, bytes)
    }

    fn windowed(&self, row: RowKey<&[u8]>) -> Result<Windowed<K>, StateError> {
        let window = Window::of_size(row.time, self.window_size_ms);
        Ok(Windowed::new(self.serdes.read_key(row.key)?, window))
    }
}

typed_state_store!(TypedWindowStore);

/// The row of the window that starts at `start`.
const fn row(key: &[u8], start: i64) -> RowKey<&[u8]> {
    RowKey {
        key,
        time: start,
        tail: 0,
    }
}

impl<K, V, L> TypedWindowStore<K, V, L> {
    fn answer(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        self.bytes
            .answer(query, after, max_rows, self.window_size_ms)
    }
}
