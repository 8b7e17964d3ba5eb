//! Serdes over the bytes of a window or session store, and what its kinds have in common.

use std::ops::{Bound, RangeBounds};

use super::super::StateError;
use super::super::byte_store::ByteBounds;
use super::super::bytes::StoreBytes;
use super::super::stack::split_timestamp;
use super::super::{FlushedChange, FlushedEntry, ValueAndTimestamp};
use super::keys::RowKey;
use super::rows::{WindowRow, WindowRows};
use super::stack::WindowBytesStore;
use crate::serde::{SerdeError, SerdeRef};
use crate::types::RecordContext;
use crate::window::Windowed;

/// Serdes and the buffers they write to, which are used again for every write.
pub(super) struct Typed<K, V> {
    pub(super) bytes: WindowBytesStore,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    pub(super) topic: Box<str>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<K, V> Typed<K, V> {
    pub(super) fn new(bytes: WindowBytesStore, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
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

    fn write_key(&self, key: &K, out: &mut Vec<u8>) -> Result<(), StateError> {
        match self.keys.serialize_nullable(&self.topic, key, out) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StateError::NullKey {
                store: self.bytes.name().to_owned(),
            }),
            Err(error) => Err(self.serde_error(error)),
        }
    }

    pub(super) fn key_bytes(&self, key: &K) -> Result<Vec<u8>, StateError> {
        let mut bytes = Vec::new();
        self.write_key(key, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn get(
        &self,
        key: &K,
        time: i64,
        tail: i64,
    ) -> Result<Option<StoreBytes>, StateError> {
        let key = self.key_bytes(key)?;
        let key = key.as_slice();
        self.bytes.get(RowKey { key, time, tail })
    }

    /// Puts `value`, whose bytes are `prefix` and what the serde gives.
    pub(super) fn put(
        &mut self,
        row: RowKey<&K>,
        prefix: &[u8],
        value: Option<&V>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let written = self.write_key(row.key, &mut key);
        self.key = key;
        written?;
        self.value.clear();
        let mut has_value = false;
        if let Some(value) = value {
            self.value.extend_from_slice(prefix);
            has_value = self
                .values
                .serialize_nullable(&self.topic, value, &mut self.value)
                .map_err(|error| self.serde_error(error))?;
        }
        let row = RowKey {
            key: self.key.as_slice(),
            time: row.time,
            tail: row.tail,
        };
        let value = has_value.then_some(self.value.as_slice());
        self.bytes.put(row, value, context)
    }

    pub(super) fn bounds(&self, range: &impl RangeBounds<K>) -> Result<OwnedBounds, StateError> {
        let bound = |bound: Bound<&K>| {
            Ok(match bound {
                Bound::Included(key) => Bound::Included(self.key_bytes(key)?),
                Bound::Excluded(key) => Bound::Excluded(self.key_bytes(key)?),
                Bound::Unbounded => Bound::Unbounded,
            })
        };
        Ok((bound(range.start_bound())?, bound(range.end_bound())?))
    }

    pub(super) fn read_key(&self, bytes: &[u8]) -> Result<K, StateError> {
        self.keys
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| self.serde_error(error))
    }

    pub(super) fn read_plain(&self, bytes: &[u8]) -> Result<V, StateError> {
        self.values
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| self.serde_error(error))
    }

    pub(super) fn read_timestamped(
        &self,
        bytes: &[u8],
    ) -> Result<ValueAndTimestamp<V>, StateError> {
        let (timestamp, value) = split_timestamp(self.bytes.name(), bytes)?;
        let value = self.read_plain(value)?;
        Ok(ValueAndTimestamp { value, timestamp })
    }

    /// A flushed entry in the types of its store; `windowed` reads its key.
    pub(super) fn change<S>(
        &self,
        entry: FlushedEntry,
        windowed: impl FnOnce(RowKey<&[u8]>) -> Result<Windowed<K>, StateError>,
        read: impl Fn(&[u8]) -> Result<S, StateError>,
    ) -> Result<FlushedChange<Windowed<K>, S>, StateError> {
        let row = self.bytes.options().schema.read(&entry.key);
        let row = row.ok_or_else(|| StateError::Corrupt {
            store: self.bytes.name().to_owned(),
            message: "a flushed key is too short for a key and its window".to_owned(),
        })?;
        Ok(FlushedChange {
            key: windowed(row)?,
            new: entry.new.map(|bytes| read(&bytes)).transpose()?,
            old: entry.old.map(|bytes| read(&bytes)).transpose()?,
            context: entry.context,
        })
    }
}

/// The first and the last key of a range, in bytes.
type OwnedBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Bounds with borrowed bytes.
pub(super) fn lend(bounds: &OwnedBounds) -> ByteBounds<'_> {
    (
        bounds.0.as_ref().map(Vec::as_slice),
        bounds.1.as_ref().map(Vec::as_slice),
    )
}

/// Rows of a window or session store, read while walking. What it read is an error where a serde
/// fails; the walk can go on behind it.
pub struct WindowStoreIterator<'a, T> {
    rows: WindowRows<'a>,
    read: Box<ReadRow<'a, T>>,
}

type ReadRow<'a, T> = dyn Fn(WindowRow) -> Result<T, StateError> + 'a;

impl<'a, T> WindowStoreIterator<'a, T> {
    pub(super) fn new(
        rows: WindowRows<'a>,
        read: impl Fn(WindowRow) -> Result<T, StateError> + 'a,
    ) -> Self {
        Self {
            rows,
            read: Box::new(read),
        }
    }
}

impl<T> Iterator for WindowStoreIterator<'_, T> {
    type Item = Result<T, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.and_then(|row| (self.read)(row)))
    }
}

/// What the task that owns a store sees of it: the layers of bytes do it all.
macro_rules! windowed_state_store {
    ($store:ident) => {
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

            fn is_persistent(&self) -> bool {
                self.typed.bytes.rows().is_persistent()
            }

            fn init(
                &mut self,
                storage: &crate::state::storage::TaskStorage,
            ) -> Result<(), StateError> {
                self.typed.bytes.init(storage)
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

pub(super) use windowed_state_store;
