//! Session stores of typed keys and values (Java: `MeteredSessionStore`).

use std::any::Any;
use std::ops::{Bound, RangeBounds};

use super::super::byte_store::Direction;
use super::super::changelog::ChangelogEntry;
use super::super::stack::ValueFormat;
use super::super::{ChangelogRecord, FlushedChange, FlushedEntry, StateError, StateStore};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::stack::WindowBytesStore;
use super::typed::{Typed, WindowStoreIterator, lend, windowed_state_store};
use crate::serde::SerdeRef;
use crate::types::{RecordContext, TopicName};
use crate::window::{Window, Windowed};

/// A store of values by key and session (Java: `SessionStore`).
///
/// Writes may evict from the cache: see [`StateStore::has_pending`].
pub struct SessionStore<K, V> {
    typed: Typed<K, V>,
}

/// Sessions on the way out of a store.
type Sessions<'a, K, V> = WindowStoreIterator<'a, (Windowed<K>, V)>;

impl<K, V> SessionStore<K, V> {
    /// A store of these serdes over `bytes`.
    ///
    /// # Panics
    /// When the format or the key schema of `bytes` is another one.
    pub fn new(bytes: WindowBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        let options = bytes.options();
        let expected = (KeySchema::Session, ValueFormat::Plain);
        assert_eq!((options.schema, options.format), expected);
        Self {
            typed: Typed::new(bytes, keys, values),
        }
    }

    /// Sets the value of `session`, `None` deletes it; `context` is of the record that is
    /// processed. A session that ended longer ago than the retention is dropped and counted.
    pub fn put(
        &mut self,
        session: &Windowed<K>,
        value: Option<&V>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let row = RowKey {
            key: &session.key,
            time: session.window.end,
            tail: session.window.start,
        };
        self.typed.put(row, &[], value, context)
    }

    /// Deletes `session`.
    pub fn remove(
        &mut self,
        session: &Windowed<K>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let key = self.typed.key_bytes(&session.key)?;
        let row = RowKey {
            key: key.as_slice(),
            time: session.window.end,
            tail: session.window.start,
        };
        self.typed.bytes.remove(row, context)
    }

    /// The value of the session of `key` from `start` to `end`.
    pub fn fetch_session(&self, key: &K, start: i64, end: i64) -> Result<Option<V>, StateError> {
        let found = self.typed.get(key, end, start)?;
        found.map(|bytes| self.typed.read_plain(&bytes)).transpose()
    }

    /// The sessions of `key`, earliest end first.
    pub fn fetch(&self, key: &K) -> Result<Sessions<'_, K, V>, StateError> {
        self.find_sessions(key, 0, i64::MAX)
    }

    /// The sessions of `key`, latest end first.
    pub fn backward_fetch(&self, key: &K) -> Result<Sessions<'_, K, V>, StateError> {
        self.backward_find_sessions(key, 0, i64::MAX)
    }

    /// The sessions of `keys`, in the order of the rows.
    pub fn fetch_range(&self, keys: impl RangeBounds<K>) -> Result<Sessions<'_, K, V>, StateError> {
        self.find_sessions_range(keys, 0, i64::MAX)
    }

    /// The sessions of `keys`, last row first.
    pub fn backward_fetch_range(
        &self,
        keys: impl RangeBounds<K>,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        self.backward_find_sessions_range(keys, 0, i64::MAX)
    }

    /// The sessions of `key` that end at `earliest_end` or later and start at `latest_start` or
    /// earlier, earliest end first: those that overlap.
    pub fn find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Forward)
    }

    /// [`find_sessions`](Self::find_sessions), latest end first.
    pub fn backward_find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Backward)
    }

    /// The sessions of `keys` that end at `earliest_end` or later and start at `latest_start` or
    /// earlier, in the order of the rows.
    pub fn find_sessions_range(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        let keys = self.typed.bounds(&keys)?;
        let times = (earliest_end, latest_start);
        Ok(self.sessions(lend(&keys), times, Direction::Forward))
    }

    /// [`find_sessions_range`](Self::find_sessions_range), last row first.
    pub fn backward_find_sessions_range(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        let keys = self.typed.bounds(&keys)?;
        let times = (earliest_end, latest_start);
        Ok(self.sessions(lend(&keys), times, Direction::Backward))
    }

    /// The sessions of all keys that end from `earliest_end` to `latest_end` inclusive (Java:
    /// `findSessions(earliest, latest)`).
    pub fn find_ended_sessions(&self, earliest_end: i64, latest_end: i64) -> Sessions<'_, K, V> {
        let query = WindowQuery::of_time(earliest_end, latest_end);
        self.rows(&query, Direction::Forward)
    }

    /// A flushed entry of this store in its types.
    pub fn flushed_change(
        &self,
        entry: FlushedEntry,
    ) -> Result<FlushedChange<Windowed<K>, V>, StateError> {
        self.typed.change(
            entry,
            |row| self.session(row),
            |bytes| self.typed.read_plain(bytes),
        )
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
        times: (i64, i64),
        direction: Direction,
    ) -> Result<Sessions<'_, K, V>, StateError> {
        let key = self.typed.key_bytes(key)?;
        let keys = (Bound::Included(&*key), Bound::Included(&*key));
        Ok(self.sessions(keys, times, direction))
    }

    fn sessions(
        &self,
        keys: (Bound<&[u8]>, Bound<&[u8]>),
        (earliest_end, latest_start): (i64, i64),
        direction: Direction,
    ) -> Sessions<'_, K, V> {
        let query = WindowQuery {
            start_to: latest_start,
            ..WindowQuery::of_times(keys, earliest_end, i64::MAX)
        };
        self.rows(&query, direction)
    }

    fn rows(&self, query: &WindowQuery<'_>, direction: Direction) -> Sessions<'_, K, V> {
        let rows = self.typed.bytes.scan(query, direction);
        WindowStoreIterator::new(rows, |(row, value)| {
            Ok((self.session(row.lend())?, self.typed.read_plain(&value)?))
        })
    }

    fn session(&self, row: RowKey<&[u8]>) -> Result<Windowed<K>, StateError> {
        let window = Window::new(row.tail, row.time);
        Ok(Windowed::new(self.typed.read_key(row.key)?, window))
    }
}

windowed_state_store!(SessionStore);
