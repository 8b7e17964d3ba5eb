//! Key-value stores of typed keys and values (Java: `MeteredKeyValueStore`,
//! `MeteredTimestampedKeyValueStore`, `MeteredTimestampedKeyValueStoreWithHeaders`).

use std::any::Any;
use std::marker::PhantomData;
use std::ops::RangeBounds;

use super::byte_store::{ByteRow, ByteRows, Direction};
use super::changelog::ChangelogEntry;
use super::serdes::{StoreSerdes, lend};
use super::stack::KeyValueBytesStore;
use super::typed::{FlushedChange, typed_state_store};
use super::value::{Plain, Timestamped, TimestampedWithHeaders, ValueLayout};
use super::{ChangelogRecord, FlushedEntry, StateError, StateStore};
use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::serde::{Serde, SerdeRef};
use crate::types::{RecordContext, TopicName};

/// A store of keys with values in the layout `L`.
///
/// Reads and writes may evict from the cache: see [`StateStore::has_pending`].
pub struct TypedKeyValueStore<K, V, L> {
    bytes: KeyValueBytesStore,
    serdes: StoreSerdes<K, V>,
    layout: PhantomData<fn() -> L>,
}

/// A store of keys with their values (Java: `KeyValueStore`).
pub type KeyValueStore<K, V> = TypedKeyValueStore<K, V, Plain>;

/// A store of keys with their values and the timestamps of these, as tables have it (Java:
/// `TimestampedKeyValueStore`).
pub type TimestampedKeyValueStore<K, V> = TypedKeyValueStore<K, V, Timestamped>;

/// A store of keys with their values and the timestamps and headers of these (KIP-1271; Java:
/// `TimestampedKeyValueStoreWithHeaders`).
pub type TimestampedKeyValueStoreWithHeaders<K, V> =
    TypedKeyValueStore<K, V, TimestampedWithHeaders>;

impl<K, V, L: ValueLayout> TypedKeyValueStore<K, V, L> {
    /// A store of these serdes over `bytes`.
    ///
    /// # Panics
    /// When `bytes` lack what the layout shows: a timestamp or headers.
    pub fn new(bytes: KeyValueBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        assert!(bytes.format().holds(L::FORMAT), "store {}", bytes.name());
        Self {
            serdes: StoreSerdes::new(bytes.name().into(), keys, values),
            bytes,
            layout: PhantomData,
        }
    }

    /// The value of `key`.
    #[inline]
    pub fn get(&mut self, key: &K) -> Result<Option<L::Stored<V>>, StateError> {
        let found = self.serdes.with_key(key, |key| self.bytes.get(key))??;
        self.read(found)
    }

    /// The value of `key` for someone who only has a shared reference, as queries from outside the
    /// task do: does not fill the cache.
    pub fn peek(&self, key: &K) -> Result<Option<L::Stored<V>>, StateError> {
        let found = self.serdes.with_key(key, |key| self.bytes.peek(key))??;
        self.read(found)
    }

    /// Sets the value of `key`, `None` deletes it; `context` is of the record that is processed.
    #[inline]
    pub fn put(
        &mut self,
        key: &K,
        value: Option<&L::Stored<V>>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let format = self.bytes.format();
        let (key, value) = self.serdes.stored_row::<L>(format, key, value)?;
        self.bytes.put(key, value, context)
    }

    /// Sets the value of `key` if it has none, and returns the one it has otherwise.
    pub fn put_if_absent(
        &mut self,
        key: &K,
        value: Option<&L::Stored<V>>,
        context: &RecordContext,
    ) -> Result<Option<L::Stored<V>>, StateError> {
        let format = self.bytes.format();
        let (key, value) = self.serdes.stored_row::<L>(format, key, value)?;
        let found = self.bytes.put_if_absent(key, value, context)?;
        self.read(found)
    }

    /// Puts all `rows`, in their order, or none when one of them has no bytes.
    pub fn put_all<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (&'r K, Option<&'r L::Stored<V>>)>,
        context: &RecordContext,
    ) -> Result<(), StateError>
    where
        K: 'r,
        L::Stored<V>: 'r,
    {
        let format = self.bytes.format();
        let mut bytes = Vec::new();
        for (key, value) in rows {
            let (key, value) = self.serdes.stored_row::<L>(format, key, value)?;
            bytes.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
        let rows = bytes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.bytes.put_all(rows, context)
    }

    /// Deletes `key` and returns the value it had.
    pub fn delete(
        &mut self,
        key: &K,
        context: &RecordContext,
    ) -> Result<Option<L::Stored<V>>, StateError> {
        let found = self
            .serdes
            .with_key(key, |key| self.bytes.delete(key, context))??;
        self.read(found)
    }

    /// The rows of `range`, in the order of the bytes of their keys: Java's `range(a, b)` is
    /// `range(a..=b)`. An inverted range has none.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        self.scan(&range, Direction::Forward)
    }

    /// The rows of `range`, last one first.
    pub fn reverse_range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        self.scan(&range, Direction::Backward)
    }

    /// All rows.
    pub fn all(&self) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        self.range(..)
    }

    /// All rows, last one first.
    pub fn reverse_all(&self) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        self.reverse_range(..)
    }

    /// The rows whose keys begin with the bytes that `serde` gives for `prefix`.
    pub fn prefix_scan<P>(
        &self,
        prefix: &P,
        serde: &dyn Serde<P>,
    ) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        let prefix = self.serdes.prefix_bytes(prefix, serde)?;
        Ok(self.iterator(self.bytes.prefix(&prefix, Direction::Forward)))
    }

    /// A flushed entry of this store in its types.
    pub fn flushed_change(
        &self,
        entry: FlushedEntry,
    ) -> Result<FlushedChange<K, L::Stored<V>>, StateError> {
        Ok(FlushedChange {
            key: self.serdes.read_key(&entry.key)?,
            new: self.read(entry.new)?,
            old: self.read(entry.old)?,
            context: entry.context,
        })
    }

    /// The store below the serdes.
    pub fn bytes(&self) -> &KeyValueBytesStore {
        &self.bytes
    }

    /// The store below the serdes, to write to it.
    pub fn bytes_mut(&mut self) -> &mut KeyValueBytesStore {
        &mut self.bytes
    }

    fn scan(
        &self,
        range: &impl RangeBounds<K>,
        direction: Direction,
    ) -> Result<KeyValueIterator<'_, K, L::Stored<V>>, StateError> {
        let bounds = self.serdes.bounds(range)?;
        Ok(self.iterator(self.bytes.range(lend(&bounds), direction)))
    }

    fn iterator<'a>(&'a self, rows: ByteRows<'a>) -> KeyValueIterator<'a, K, L::Stored<V>> {
        let (serdes, format) = (&self.serdes, self.bytes.format());
        KeyValueIterator {
            rows,
            read: Box::new(move |(key, value)| {
                Ok((
                    serdes.read_key(&key)?,
                    serdes.read_stored::<L>(format, &value)?,
                ))
            }),
        }
    }

    #[inline]
    fn read(
        &self,
        found: Option<impl std::ops::Deref<Target = [u8]>>,
    ) -> Result<Option<L::Stored<V>>, StateError> {
        let format = self.bytes.format();
        let read = |bytes| self.serdes.read_stored::<L>(format, bytes);
        found.as_deref().map(read).transpose()
    }
}

/// Rows of a typed store, read while walking. What it read is an error where a serde fails; the
/// walk can go on behind it.
pub struct KeyValueIterator<'a, K, S> {
    rows: ByteRows<'a>,
    read: Box<ReadRow<'a, K, S>>,
}

type ReadRow<'a, K, S> = dyn Fn(ByteRow) -> Result<(K, S), StateError> + 'a;

impl<K, S> Iterator for KeyValueIterator<'_, K, S> {
    type Item = Result<(K, S), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.and_then(|row| (self.read)(row)))
    }
}

typed_state_store!(TypedKeyValueStore);

impl<K, V, L> TypedKeyValueStore<K, V, L> {
    fn answer(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        self.bytes.answer(query, after, max_rows)
    }
}
