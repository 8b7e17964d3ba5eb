//! Session stores of typed keys and values (Java: `MeteredSessionStore`,
//! `MeteredSessionStoreWithHeaders`).

use std::any::Any;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use super::super::byte_store::{ByteBounds, Direction};
use super::super::changelog::ChangelogEntry;
use super::super::serdes::{StoreSerdes, lend};
use super::super::typed::typed_state_store;
use super::super::value::{Plain, ValueLayout, WithHeaders};
use super::super::{ChangelogRecord, FlushedChange, FlushedEntry, StateError, StateStore};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::stack::WindowBytesStore;
use super::typed::{WindowStoreIterator, flushed_change};
use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::serde::SerdeRef;
use crate::types::{RecordContext, TopicName};
use crate::window::{Window, Windowed};

/// A store of values by key and session, in the layout `L`.
///
/// Writes may evict from the cache: see [`StateStore::has_pending`].
pub struct TypedSessionStore<K, V, L> {
    bytes: WindowBytesStore,
    serdes: StoreSerdes<K, V>,
    layout: PhantomData<fn() -> L>,
}

/// A store of values by key and session (Java: `SessionStore`).
pub type SessionStore<K, V> = TypedSessionStore<K, V, Plain>;

/// A store of values and their headers by key and session (KIP-1271; Java:
/// `SessionStoreWithHeaders`).
pub type SessionStoreWithHeaders<K, V> = TypedSessionStore<K, V, WithHeaders>;

/// Sessions on the way out of a store.
type Sessions<'a, K, S> = WindowStoreIterator<'a, (Windowed<K>, S)>;

impl<K, V, L: ValueLayout> TypedSessionStore<K, V, L> {
    /// A store of these serdes over `bytes`.
    ///
    /// # Panics
    /// When `bytes` lack what the layout shows, or their key schema is another one.
    pub fn new(bytes: WindowBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        let options = bytes.options();
        assert_eq!(options.schema, KeySchema::Session, "store {}", bytes.name());
        assert!(options.format.holds(L::FORMAT), "store {}", bytes.name());
        Self {
            serdes: StoreSerdes::new(bytes.name().into(), keys, values),
            bytes,
            layout: PhantomData,
        }
    }

    /// Sets the value of `session`, `None` deletes it; `context` is of the record that is
    /// processed. A session that ended longer ago than the retention is dropped and counted.
    pub fn put(
        &mut self,
        session: &Windowed<K>,
        value: Option<&L::Stored<V>>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let format = self.bytes.options().format;
        let (key, value) = self.serdes.stored_row::<L>(format, &session.key, value)?;
        self.bytes.put(row(key, session.window), value, context)
    }

    /// Deletes `session`.
    pub fn remove(
        &mut self,
        session: &Windowed<K>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        self.serdes.with_key(&session.key, |key| {
            self.bytes.remove(row(key, session.window), context)
        })?
    }

    /// The value of the session of `key` from `start` to `end`.
    pub fn fetch_session(
        &self,
        key: &K,
        start: i64,
        end: i64,
    ) -> Result<Option<L::Stored<V>>, StateError> {
        let session = Window::new(start, end);
        let found = self
            .serdes
            .with_key(key, |key| self.bytes.get(row(key, session)))??;
        found.map(|bytes| self.read(&bytes)).transpose()
    }

    /// The sessions of `key`, earliest end first.
    pub fn fetch(&self, key: &K) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.find_sessions(key, 0, i64::MAX)
    }

    /// The sessions of `key`, latest end first.
    pub fn backward_fetch(&self, key: &K) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.backward_find_sessions(key, 0, i64::MAX)
    }

    /// The sessions of `keys`, in the order of the rows.
    pub fn fetch_range(
        &self,
        keys: impl RangeBounds<K>,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.find_sessions_range(keys, 0, i64::MAX)
    }

    /// The sessions of `keys`, last row first.
    pub fn backward_fetch_range(
        &self,
        keys: impl RangeBounds<K>,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.backward_find_sessions_range(keys, 0, i64::MAX)
    }

    /// The sessions of `key` that end at `earliest_end` or later and start at `latest_start` or
    /// earlier, earliest end first: those that overlap.
    pub fn find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Forward)
    }

    /// [`find_sessions`](Self::find_sessions), latest end first.
    pub fn backward_find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Backward)
    }

    /// The sessions of `keys` that end at `earliest_end` or later and start at `latest_start` or
    /// earlier, in the order of the rows.
    pub fn find_sessions_range(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        let keys = self.serdes.bounds(&keys)?;
        let times = (earliest_end, latest_start);
        Ok(self.sessions(lend(&keys), times, Direction::Forward))
    }

    /// [`find_sessions_range`](Self::find_sessions_range), last row first.
    pub fn backward_find_sessions_range(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        let keys = self.serdes.bounds(&keys)?;
        let times = (earliest_end, latest_start);
        Ok(self.sessions(lend(&keys), times, Direction::Backward))
    }

    /// The sessions of all keys that end from `earliest_end` to `latest_end` inclusive (Java:
    /// `findSessions(earliest, latest)`).
    pub fn find_ended_sessions(
        &self,
        earliest_end: i64,
        latest_end: i64,
    ) -> Sessions<'_, K, L::Stored<V>> {
        let query = WindowQuery::of_time(earliest_end, latest_end);
        self.rows(&query, Direction::Forward)
    }

    /// A flushed entry of this store in its types.
    pub fn flushed_change(
        &self,
        entry: FlushedEntry,
    ) -> Result<FlushedChange<Windowed<K>, L::Stored<V>>, StateError> {
        flushed_change(
            &self.bytes,
            entry,
            |row| self.session(row),
            |bytes| self.read(bytes),
        )
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
        times: (i64, i64),
        direction: Direction,
    ) -> Result<Sessions<'_, K, L::Stored<V>>, StateError> {
        let key = self.serdes.with_key(key, <[u8]>::to_vec)?;
        let keys = (Bound::Included(&*key), Bound::Included(&*key));
        Ok(self.sessions(keys, times, direction))
    }

    fn sessions(
        &self,
        keys: ByteBounds<'_>,
        (earliest_end, latest_start): (i64, i64),
        direction: Direction,
    ) -> Sessions<'_, K, L::Stored<V>> {
        let query = WindowQuery {
            start_to: latest_start,
            ..WindowQuery::of_times(keys, earliest_end, i64::MAX)
        };
        self.rows(&query, direction)
    }

    fn rows(&self, query: &WindowQuery<'_>, direction: Direction) -> Sessions<'_, K, L::Stored<V>> {
        let rows = self.bytes.scan(query, direction);
        WindowStoreIterator::new(rows, |(row, value)| {
            Ok((self.session(row.lend())?, self.read(&value)?))
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<L::Stored<V>, StateError> {
        self.serdes
            .read_stored::<L>(self.bytes.options().format, bytes)
    }

    fn session(&self, row: RowKey<&[u8]>) -> Result<Windowed<K>, StateError> {
        let window = Window::new(row.tail, row.time);
        Ok(Windowed::new(self.serdes.read_key(row.key)?, window))
    }
}

typed_state_store!(TypedSessionStore);

impl<K, V, L> TypedSessionStore<K, V, L> {
    fn answer(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        self.bytes.answer(query, after, max_rows, 0)
    }
}

/// The row of the session that `window` is.
const fn row(key: &[u8], window: Window) -> RowKey<&[u8]> {
    RowKey {
        key,
        time: window.end,
        tail: window.start,
    }
}
