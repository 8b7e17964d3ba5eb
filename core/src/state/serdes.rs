//! The serdes of a store.

use std::cell::Cell;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::byte_store::ByteBounds;
use super::bytes::StoreBytes;
use super::value::{Plain, ValueFormat, ValueLayout};
use super::{StateError, StoreItem};
use crate::serde::{Serde, SerdeError, SerdeRef};
use crate::types::TopicName;

/// Serdes with the buffers they write to, which are used again for every operation.
pub(super) struct StoreSerdes<K, V> {
    names: Names,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    key: Cell<Vec<u8>>,
    value: Vec<u8>,
}

/// What serdes and errors are told.
struct Names {
    store: Arc<str>,
    /// The changelog topic; the store's name until it is known.
    topic: Box<str>,
}

impl<K, V> StoreSerdes<K, V> {
    pub(super) fn new(store: Arc<str>, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        let topic = Box::from(&*store);
        Self {
            names: Names { store, topic },
            keys,
            values,
            key: Cell::default(),
            value: Vec::new(),
        }
    }

    pub(super) fn store(&self) -> &str {
        &self.names.store
    }

    pub(super) fn topic(&self) -> &str {
        &self.names.topic
    }

    pub(super) fn set_topic(&mut self, topic: &TopicName) {
        self.names.topic = Box::from(topic.as_str());
    }

    /// Calls `access` with the bytes of `key`.
    #[inline]
    pub(super) fn with_key<R>(
        &self,
        key: &K,
        access: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, StateError> {
        let mut bytes = self.key.take();
        bytes.clear();
        let written = self.names.write_key(&self.keys, key, &mut bytes);
        let result = written.map(|()| access(&bytes));
        self.key.set(bytes);
        result
    }

    /// The bytes of `key` and of `value`.
    pub(super) fn row(
        &mut self,
        key: &K,
        value: Option<&V>,
    ) -> Result<(&[u8], Option<&[u8]>), StateError> {
        self.stored_row::<Plain>(ValueFormat::Plain, key, value)
    }

    /// The bytes of `key` and of `value` in `format`.
    #[inline]
    pub(super) fn stored_row<L: ValueLayout>(
        &mut self,
        format: ValueFormat,
        key: &K,
        value: Option<&L::Stored<V>>,
    ) -> Result<(&[u8], Option<&[u8]>), StateError> {
        let bytes = self.key.get_mut();
        bytes.clear();
        self.names.write_key(&self.keys, key, bytes)?;
        self.value.clear();
        let mut has_value = false;
        if let Some(value) = value {
            let (value, timestamp, headers) = L::parts(value);
            format.write_prefix(timestamp, headers, &mut self.value);
            has_value = self
                .values
                .serialize_nullable(&self.names.topic, value, &mut self.value)
                .map_err(|error| self.names.error::<V>(StoreItem::Value, error))?;
        }
        Ok((bytes, has_value.then_some(&self.value)))
    }

    /// `value` as stores keep it.
    pub(super) fn value(&mut self, value: Option<&V>) -> Result<Option<StoreBytes>, StateError> {
        let Some(value) = value else {
            return Ok(None);
        };
        let out = &mut self.value;
        out.clear();
        let has_value = self
            .values
            .serialize_nullable(&self.names.topic, value, out)
            .map_err(|error| self.names.error::<V>(StoreItem::Value, error))?;
        Ok(has_value.then(|| StoreBytes::new(out)))
    }

    /// The first and the last key of a range, in bytes.
    pub(super) fn bounds(&self, range: &impl RangeBounds<K>) -> Result<OwnedBounds, StateError> {
        let bound = |bound: Bound<&K>| {
            Ok(match bound {
                Bound::Included(key) => Bound::Included(self.with_key(key, <[u8]>::to_vec)?),
                Bound::Excluded(key) => Bound::Excluded(self.with_key(key, <[u8]>::to_vec)?),
                Bound::Unbounded => Bound::Unbounded,
            })
        };
        Ok((bound(range.start_bound())?, bound(range.end_bound())?))
    }

    /// The bytes of something that keys begin with.
    pub(super) fn prefix_bytes<P>(
        &self,
        prefix: &P,
        serde: &dyn Serde<P>,
    ) -> Result<Vec<u8>, StateError> {
        let mut bytes = Vec::new();
        serde
            .serialize(&self.names.topic, prefix, &mut bytes)
            .map_err(|error| self.names.error::<P>(StoreItem::Key, error))?;
        Ok(bytes)
    }

    pub(super) fn read_key(&self, bytes: &[u8]) -> Result<K, StateError> {
        self.keys
            .deserialize_slice(&self.names.topic, bytes)
            .map_err(|error| self.names.error::<K>(StoreItem::Key, error))
    }

    #[inline]
    pub(super) fn read_value(&self, bytes: &[u8]) -> Result<V, StateError> {
        self.values
            .deserialize_slice(&self.names.topic, bytes)
            .map_err(|error| self.names.error::<V>(StoreItem::Value, error))
    }

    /// A row's value of `format`, in the layout of the store.
    #[inline]
    pub(super) fn read_stored<L: ValueLayout>(
        &self,
        format: ValueFormat,
        bytes: &[u8],
    ) -> Result<L::Stored<V>, StateError> {
        let stored = format.split(&self.names.store, bytes)?;
        let value = self.read_value(stored.value)?;
        let timestamp = stored.timestamp.unwrap_or(-1);
        L::join(value, timestamp, || stored.headers(&self.names.store))
    }
}

impl Names {
    #[inline]
    fn write_key<K>(
        &self,
        keys: &SerdeRef<K>,
        key: &K,
        out: &mut Vec<u8>,
    ) -> Result<(), StateError> {
        match keys.serialize_nullable(&self.topic, key, out) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StateError::NullKey {
                store: self.store.to_string(),
            }),
            Err(error) => Err(self.error::<K>(StoreItem::Key, error)),
        }
    }

    fn error<T>(&self, item: StoreItem, error: SerdeError) -> StateError {
        StateError::Serde {
            store: self.store.to_string(),
            item,
            expected: std::any::type_name::<T>(),
            error,
        }
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
