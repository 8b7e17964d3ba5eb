//! Key-value stores of typed keys and values (Java: `MeteredKeyValueStore`,
//! `MeteredTimestampedKeyValueStore`).

use std::any::Any;
use std::ops::{Bound, RangeBounds};

use super::byte_store::{ByteRow, ByteRows, Direction};
use super::bytes::StoreBytes;
use super::changelog::ChangelogEntry;
use super::stack::{KeyValueBytesStore, TIMESTAMP_BYTES, ValueFormat, split_timestamp};
use super::{ChangelogRecord, FlushedEntry, StateError, StateStore};
use crate::serde::{Serde, SerdeError, SerdeRef};
use crate::types::{RecordContext, TopicName};

/// A value with the timestamp of the record that made it (Java: `ValueAndTimestamp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueAndTimestamp<V> {
    /// The value.
    pub value: V,
    /// The timestamp in milliseconds.
    pub timestamp: i64,
}

impl<V> ValueAndTimestamp<V> {
    /// `value` as of `timestamp`.
    pub const fn new(value: V, timestamp: i64) -> Self {
        Self { value, timestamp }
    }

    /// Another value as of the same time, if `map` gives one.
    pub(crate) fn filter_map<V2>(
        self,
        map: impl FnOnce(V) -> Option<V2>,
    ) -> Option<ValueAndTimestamp<V2>> {
        let value = map(self.value)?;
        Some(ValueAndTimestamp::new(value, self.timestamp))
    }
}

/// A flushed entry in the types of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushedChange<K, V> {
    /// The key.
    pub key: K,
    /// The value now; `None` says that the row was deleted.
    pub new: Option<V>,
    /// The value of the last flush, where old values are sent.
    pub old: Option<V>,
    /// The context of the record that made the last write.
    pub context: RecordContext,
}

/// Serdes and the buffers they write to, which are used again for every operation.
struct Typed<K, V> {
    bytes: KeyValueBytesStore,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    topic: Box<str>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<K, V> Typed<K, V> {
    fn new(bytes: KeyValueBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            topic: Box::from(bytes.name()),
            bytes,
            keys,
            values,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    fn serde_error(&self, error: SerdeError) -> StateError {
        StateError::Serde {
            store: self.bytes.name().to_owned(),
            error,
        }
    }

    /// Appends the bytes of `key` to `out`.
    #[inline]
    fn write_key(&self, key: &K, out: &mut Vec<u8>) -> Result<(), StateError> {
        match self.keys.serialize_nullable(&self.topic, key, out) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StateError::NullKey {
                store: self.bytes.name().to_owned(),
            }),
            Err(error) => Err(self.serde_error(error)),
        }
    }

    /// Fills the key buffer.
    #[inline]
    fn set_key(&mut self, key: &K) -> Result<(), StateError> {
        let mut out = std::mem::take(&mut self.key);
        out.clear();
        let written = self.write_key(key, &mut out);
        self.key = out;
        written
    }

    /// Fills the value buffer behind `prefix`; false is a value that is null itself.
    #[inline]
    fn set_value(&mut self, prefix: &[u8], value: Option<&V>) -> Result<bool, StateError> {
        self.value.clear();
        let Some(value) = value else {
            return Ok(false);
        };
        self.value.extend_from_slice(prefix);
        self.values
            .serialize_nullable(&self.topic, value, &mut self.value)
            .map_err(|error| self.serde_error(error))
    }

    /// Writes what is in the two buffers.
    #[inline]
    fn put_set(&mut self, has_value: bool, context: &RecordContext) -> Result<(), StateError> {
        let value = has_value.then_some(self.value.as_slice());
        self.bytes.put(&self.key, value, context)
    }

    fn put_set_if_absent(
        &mut self,
        has_value: bool,
        context: &RecordContext,
    ) -> Result<Option<StoreBytes>, StateError> {
        let value = has_value.then_some(self.value.as_slice());
        self.bytes.put_if_absent(&self.key, value, context)
    }

    #[inline]
    fn get(&mut self, key: &K) -> Result<Option<StoreBytes>, StateError> {
        self.set_key(key)?;
        self.bytes.get(&self.key)
    }

    fn peek(&self, key: &K) -> Result<Option<StoreBytes>, StateError> {
        let mut bytes = Vec::new();
        self.write_key(key, &mut bytes)?;
        self.bytes.peek(&bytes)
    }

    fn delete(
        &mut self,
        key: &K,
        context: &RecordContext,
    ) -> Result<Option<StoreBytes>, StateError> {
        self.set_key(key)?;
        self.bytes.delete(&self.key, context)
    }

    fn range(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> Result<ByteRows<'_>, StateError> {
        let from = self.bound(range.start_bound())?;
        let to = self.bound(range.end_bound())?;
        let bounds = (as_slice(&from), as_slice(&to));
        Ok(self.bytes.range(bounds, direction))
    }

    fn prefix<P>(
        &self,
        prefix: &P,
        serde: &dyn Serde<P>,
        direction: Direction,
    ) -> Result<ByteRows<'_>, StateError> {
        let mut bytes = Vec::new();
        serde
            .serialize(&self.topic, prefix, &mut bytes)
            .map_err(|error| self.serde_error(error))?;
        Ok(self.bytes.prefix(&bytes, direction))
    }

    fn bound(&self, bound: Bound<&K>) -> Result<Bound<Vec<u8>>, StateError> {
        let bytes = |key: &K| {
            let mut bytes = Vec::new();
            self.write_key(key, &mut bytes).map(|()| bytes)
        };
        Ok(match bound {
            Bound::Included(key) => Bound::Included(bytes(key)?),
            Bound::Excluded(key) => Bound::Excluded(bytes(key)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    }

    fn read_key(&self, bytes: &[u8]) -> Result<K, StateError> {
        self.keys
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| self.serde_error(error))
    }

    #[inline]
    fn read_plain(&self, bytes: &[u8]) -> Result<V, StateError> {
        self.values
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| self.serde_error(error))
    }

    #[inline]
    fn read_timestamped(&self, bytes: &[u8]) -> Result<ValueAndTimestamp<V>, StateError> {
        let (timestamp, value) = split_timestamp(self.bytes.name(), bytes)?;
        let value = self.read_plain(value)?;
        Ok(ValueAndTimestamp { value, timestamp })
    }

    fn change<S>(
        &self,
        entry: FlushedEntry,
        read: impl Fn(&Self, &[u8]) -> Result<S, StateError>,
    ) -> Result<FlushedChange<K, S>, StateError> {
        Ok(FlushedChange {
            key: self.read_key(&entry.key)?,
            new: entry.new.map(|bytes| read(self, &bytes)).transpose()?,
            old: entry.old.map(|bytes| read(self, &bytes)).transpose()?,
            context: entry.context,
        })
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Rows of a typed store, read while walking. What it read is an error where a serde fails; the
/// walk can go on behind it.
pub struct KeyValueIterator<'a, K, V> {
    rows: ByteRows<'a>,
    read: Box<ReadRow<'a, K, V>>,
}

type ReadRow<'a, K, V> = dyn Fn(ByteRow) -> Result<(K, V), StateError> + 'a;

impl<K, V> Iterator for KeyValueIterator<'_, K, V> {
    type Item = Result<(K, V), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.and_then(|row| (self.read)(row)))
    }
}

macro_rules! key_value_store {
    (
        $(#[$doc:meta])*
        $store:ident, $value:ty, $format:expr, $read:ident, $put_value:ident
    ) => {
        $(#[$doc])*
        pub struct $store<K, V> {
            typed: Typed<K, V>,
        }

        impl<K, V> $store<K, V> {
            /// A store of these serdes over `bytes`.
            ///
            /// # Panics
            /// When the format of `bytes` is another one.
            pub fn new(bytes: KeyValueBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
                assert_eq!(bytes.format(), $format, "store {}", bytes.name());
                Self {
                    typed: Typed::new(bytes, keys, values),
                }
            }

            /// The value of `key`.
            #[inline]
            pub fn get(&mut self, key: &K) -> Result<Option<$value>, StateError> {
                let found = self.typed.get(key)?;
                found.map(|bytes| self.typed.$read(&bytes)).transpose()
            }

            /// The value of `key` for someone who only has a shared reference, as queries from
            /// outside the task do: does not fill the cache.
            pub fn peek(&self, key: &K) -> Result<Option<$value>, StateError> {
                let found = self.typed.peek(key)?;
                found.map(|bytes| self.typed.$read(&bytes)).transpose()
            }

            /// Sets the value of `key`, `None` deletes it; `context` is of the record that is
            /// processed.
            #[inline]
            pub fn put(
                &mut self,
                key: &K,
                value: Option<&$value>,
                context: &RecordContext,
            ) -> Result<(), StateError> {
                self.typed.set_key(key)?;
                let has_value = $put_value(&mut self.typed, value)?;
                self.typed.put_set(has_value, context)
            }

            /// Sets the value of `key` if it has none, and returns the one it has otherwise.
            pub fn put_if_absent(
                &mut self,
                key: &K,
                value: Option<&$value>,
                context: &RecordContext,
            ) -> Result<Option<$value>, StateError> {
                self.typed.set_key(key)?;
                let has_value = $put_value(&mut self.typed, value)?;
                let found = self.typed.put_set_if_absent(has_value, context)?;
                found.map(|bytes| self.typed.$read(&bytes)).transpose()
            }

            /// Puts all `rows`, in their order.
            pub fn put_all<'r>(
                &mut self,
                rows: impl IntoIterator<Item = (&'r K, Option<&'r $value>)>,
                context: &RecordContext,
            ) -> Result<(), StateError>
            where
                K: 'r,
                V: 'r,
            {
                for (key, value) in rows {
                    self.put(key, value, context)?;
                }
                Ok(())
            }

            /// Deletes `key` and returns the value it had.
            pub fn delete(
                &mut self,
                key: &K,
                context: &RecordContext,
            ) -> Result<Option<$value>, StateError> {
                let found = self.typed.delete(key, context)?;
                found.map(|bytes| self.typed.$read(&bytes)).transpose()
            }

            /// The rows of `range`, in the order of the bytes of their keys: Java's `range(a, b)`
            /// is `range(a..=b)`. An inverted range has none.
            pub fn range(
                &self,
                range: impl RangeBounds<K>,
            ) -> Result<KeyValueIterator<'_, K, $value>, StateError> {
                let rows = self.typed.range(range, Direction::Forward)?;
                Ok(self.rows(rows))
            }

            /// The rows of `range`, last one first.
            pub fn reverse_range(
                &self,
                range: impl RangeBounds<K>,
            ) -> Result<KeyValueIterator<'_, K, $value>, StateError> {
                let rows = self.typed.range(range, Direction::Backward)?;
                Ok(self.rows(rows))
            }

            /// All rows.
            pub fn all(&self) -> Result<KeyValueIterator<'_, K, $value>, StateError> {
                self.range(..)
            }

            /// All rows, last one first.
            pub fn reverse_all(&self) -> Result<KeyValueIterator<'_, K, $value>, StateError> {
                self.reverse_range(..)
            }

            /// The rows whose keys begin with the bytes that `serde` gives for `prefix`.
            pub fn prefix_scan<P>(
                &self,
                prefix: &P,
                serde: &dyn Serde<P>,
            ) -> Result<KeyValueIterator<'_, K, $value>, StateError> {
                let rows = self.typed.prefix(prefix, serde, Direction::Forward)?;
                Ok(self.rows(rows))
            }

            /// A flushed entry of this store in its types.
            pub fn flushed_change(
                &self,
                entry: FlushedEntry,
            ) -> Result<FlushedChange<K, $value>, StateError> {
                self.typed.change(entry, |typed, bytes| typed.$read(bytes))
            }

            /// The store below the serdes.
            pub fn bytes(&self) -> &KeyValueBytesStore {
                &self.typed.bytes
            }

            /// The store below the serdes, to write to it.
            pub fn bytes_mut(&mut self) -> &mut KeyValueBytesStore {
                &mut self.typed.bytes
            }

            fn rows<'a>(&'a self, rows: ByteRows<'a>) -> KeyValueIterator<'a, K, $value> {
                let typed = &self.typed;
                KeyValueIterator {
                    rows,
                    read: Box::new(move |(key, value)| {
                        Ok((typed.read_key(&key)?, typed.$read(&value)?))
                    }),
                }
            }
        }

        impl<K: 'static, V: 'static> StateStore for $store<K, V> {
            fn name(&self) -> &str {
                self.typed.bytes.name()
            }

            fn is_logged(&self) -> bool {
                self.typed.bytes.is_logged()
            }

            fn is_cached(&self) -> bool {
                self.typed.bytes.is_cached()
            }

            fn set_changelog_topic(&mut self, topic: &TopicName) {
                self.typed.topic = Box::from(topic.as_str());
            }

            fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
                self.typed.bytes.restore(&record)
            }

            fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
                self.typed.bytes.visit_changelog(visit);
            }

            fn set_flush_listener(&mut self, send_old_values: bool) {
                self.typed.bytes.set_flush_listener(send_old_values);
            }

            fn begin_flush(&mut self) {
                self.typed.bytes.begin_flush();
            }

            fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
                self.typed.bytes.next_flushed()
            }

            fn has_pending(&self) -> bool {
                self.typed.bytes.has_pending()
            }

            fn shrink_cache(&mut self) {
                self.typed.bytes.shrink_cache();
            }

            fn clear(&mut self) -> Result<(), StateError> {
                self.typed.bytes.clear()
            }

            fn approximate_num_entries(&self) -> u64 {
                self.typed.bytes.approximate_num_entries()
            }

            fn visit_rows(
                &self,
                visit: &mut dyn FnMut(ChangelogEntry<'_>),
            ) -> Result<(), StateError> {
                self.typed.bytes.visit_rows(visit)
            }

            fn as_any(&self) -> &dyn Any {
                self
            }

            fn as_any_mut(&mut self) -> &mut dyn Any {
                self
            }
        }
    };
}

key_value_store!(
    /// A store of keys with their values (Java: `KeyValueStore`).
    ///
    /// Reads and writes may evict from the cache: see [`StateStore::has_pending`].
    KeyValueStore,
    V,
    ValueFormat::Plain,
    read_plain,
    set_plain
);

key_value_store!(
    /// A store of keys with their values and the timestamps of these, as tables have it (Java:
    /// `TimestampedKeyValueStore`).
    ///
    /// Reads and writes may evict from the cache: see [`StateStore::has_pending`].
    TimestampedKeyValueStore,
    ValueAndTimestamp<V>,
    ValueFormat::Timestamped,
    read_timestamped,
    set_timestamped
);

#[inline]
fn set_plain<K, V>(typed: &mut Typed<K, V>, value: Option<&V>) -> Result<bool, StateError> {
    typed.set_value(&[], value)
}

#[inline]
fn set_timestamped<K, V>(
    typed: &mut Typed<K, V>,
    value: Option<&ValueAndTimestamp<V>>,
) -> Result<bool, StateError> {
    let timestamp: [u8; TIMESTAMP_BYTES] = value.map_or(0, |value| value.timestamp).to_be_bytes();
    typed.set_value(&timestamp, value.map(|value| &value.value))
}
