//! Serdes over the bytes of a store, and what typed stores of all kinds have in common.

use std::ops::{Bound, RangeBounds};

use super::byte_store::ByteBounds;
use super::value::{ValueFormat, ValueLayout};
use super::{StateError, StoreItem};
use crate::serde::{Serde, SerdeError, SerdeRef};
use crate::types::{RecordContext, TopicName};

/// Serdes and the buffers they write to, which are used again for every write.
pub(super) struct Serdes<K, V> {
    store: Box<str>,
    topic: Box<str>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    format: ValueFormat,
    /// The bytes that [`set_key`](Self::set_key) wrote.
    pub(super) key: Vec<u8>,
    value: Vec<u8>,
    has_value: bool,
}

impl<K, V> Serdes<K, V> {
    pub(super) fn new(
        store: &str,
        format: ValueFormat,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> Self {
        Self {
            store: Box::from(store),
            topic: Box::from(store),
            keys,
            values,
            format,
            key: Vec::new(),
            value: Vec::new(),
            has_value: false,
        }
    }

    /// Names the changelog topic, which serdes are told.
    pub(super) fn set_topic(&mut self, topic: &TopicName) {
        self.topic = Box::from(topic.as_str());
    }

    fn error<T>(&self, item: StoreItem, error: SerdeError) -> StateError {
        StateError::Serde {
            store: self.store.to_string(),
            item,
            expected: std::any::type_name::<T>(),
            error,
        }
    }

    /// Appends the bytes of `key` to `out`.
    #[inline]
    fn write_key(&self, key: &K, out: &mut Vec<u8>) -> Result<(), StateError> {
        match self.keys.serialize_nullable(&self.topic, key, out) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StateError::NullKey {
                store: self.store.to_string(),
            }),
            Err(error) => Err(self.error::<K>(StoreItem::Key, error)),
        }
    }

    /// The bytes of `key`, for someone who only reads.
    pub(super) fn key_bytes(&self, key: &K) -> Result<Vec<u8>, StateError> {
        let mut bytes = Vec::new();
        self.write_key(key, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of something that keys begin with.
    pub(super) fn prefix_bytes<P>(
        &self,
        prefix: &P,
        serde: &dyn Serde<P>,
    ) -> Result<Vec<u8>, StateError> {
        let mut bytes = Vec::new();
        serde
            .serialize(&self.topic, prefix, &mut bytes)
            .map_err(|error| self.error::<P>(StoreItem::Key, error))?;
        Ok(bytes)
    }

    /// Fills the key buffer.
    #[inline]
    pub(super) fn set_key(&mut self, key: &K) -> Result<(), StateError> {
        let mut out = std::mem::take(&mut self.key);
        out.clear();
        let written = self.write_key(key, &mut out);
        self.key = out;
        written
    }

    /// Fills the value buffer; [`value`](Self::value) gives what is in it.
    #[inline]
    pub(super) fn set_value<L: ValueLayout>(
        &mut self,
        value: Option<&L::Stored<V>>,
    ) -> Result<(), StateError> {
        self.value.clear();
        self.has_value = false;
        if let Some(value) = value {
            let (value, timestamp, headers) = L::parts(value);
            self.format
                .write_prefix(timestamp, headers, &mut self.value);
            self.has_value = self
                .values
                .serialize_nullable(&self.topic, value, &mut self.value)
                .map_err(|error| self.error::<V>(StoreItem::Value, error))?;
        }
        Ok(())
    }

    /// The row's value that [`set_value`](Self::set_value) wrote; `None` for one that is null.
    #[inline]
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.has_value.then_some(self.value.as_slice())
    }

    /// The first and the last key of a range, in bytes.
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
            .map_err(|error| self.error::<K>(StoreItem::Key, error))
    }

    /// A row's value in the layout of the store.
    #[inline]
    pub(super) fn read_value<L: ValueLayout>(
        &self,
        bytes: &[u8],
    ) -> Result<L::Stored<V>, StateError> {
        let stored = self.format.split(&self.store, bytes)?;
        let value = self
            .values
            .deserialize_slice(&self.topic, stored.value)
            .map_err(|error| self.error::<V>(StoreItem::Value, error))?;
        let timestamp = stored.timestamp.unwrap_or(-1);
        L::join(value, timestamp, || stored.headers(&self.store))
    }
}

/// The first and the last key of a range, in bytes.
pub(super) type OwnedBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Bounds with borrowed bytes.
pub(super) fn lend(bounds: &OwnedBounds) -> ByteBounds<'_> {
    (
        bounds.0.as_ref().map(Vec::as_slice),
        bounds.1.as_ref().map(Vec::as_slice),
    )
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

/// What the task that owns a store sees of it: the layers of bytes do it all.
macro_rules! typed_state_store {
    ($store:ident) => {
        impl<K: 'static, V: 'static, L: ValueLayout> StateStore for $store<K, V, L> {
            fn name(&self) -> &str {
                self.bytes.name()
            }

            fn is_logged(&self) -> bool {
                self.bytes.is_logged()
            }

            fn is_cached(&self) -> bool {
                self.bytes.is_cached()
            }

            fn is_persistent(&self) -> bool {
                self.bytes.rows().is_persistent()
            }

            fn init(
                &mut self,
                storage: &crate::state::storage::TaskStorage,
            ) -> Result<(), StateError> {
                self.bytes.init(storage)
            }

            fn set_changelog_topic(&mut self, topic: &TopicName) {
                self.serdes.set_topic(topic);
            }

            fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
                self.bytes.restore(&record)
            }

            fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
                self.bytes.visit_changelog(visit);
            }

            fn set_flush_listener(&mut self, send_old_values: bool) {
                self.bytes.set_flush_listener(send_old_values);
            }

            fn begin_flush(&mut self) {
                self.bytes.begin_flush();
            }

            fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
                self.bytes.next_flushed()
            }

            fn has_pending(&self) -> bool {
                self.bytes.has_pending()
            }

            fn shrink_cache(&mut self) {
                self.bytes.shrink_cache();
            }

            fn clear(&mut self) -> Result<(), StateError> {
                self.bytes.clear()
            }

            fn approximate_num_entries(&self) -> u64 {
                self.bytes.approximate_num_entries()
            }

            fn visit_rows(
                &self,
                visit: &mut dyn FnMut(ChangelogEntry<'_>),
            ) -> Result<(), StateError> {
                self.bytes.visit_rows(visit)
            }

            fn query(
                &self,
                query: &StoreQuery,
                after: Option<&RowPosition>,
                max_rows: usize,
            ) -> Result<QueryPage, QueryFailure> {
                self.answer(query, after, max_rows)
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

pub(super) use typed_state_store;
