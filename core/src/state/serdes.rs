//! The serdes of a store.

use std::cell::Cell;
use std::sync::Arc;

use super::bytes::StoreBytes;
use super::{StateError, StoreItem};
use crate::serde::{SerdeError, SerdeRef};

/// Serdes with the buffers they write to, which are used again for every operation.
pub(super) struct StoreSerdes<K, V> {
    store: Arc<str>,
    /// The changelog topic, which serdes are told; the store's name until it is known.
    pub(super) topic: Box<str>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    key: Cell<Vec<u8>>,
    value: Vec<u8>,
}

impl<K, V> StoreSerdes<K, V> {
    pub(super) fn new(store: Arc<str>, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            topic: Box::from(&*store),
            store,
            keys,
            values,
            key: Cell::default(),
            value: Vec::new(),
        }
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// Calls `access` with the bytes of `key`.
    pub(super) fn with_key<R>(
        &self,
        key: &K,
        access: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, StateError> {
        let mut bytes = self.key.take();
        bytes.clear();
        let written = write_key(&self.store, &self.topic, &self.keys, key, &mut bytes);
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
        let bytes = self.key.get_mut();
        bytes.clear();
        write_key(&self.store, &self.topic, &self.keys, key, bytes)?;
        let has_value = write_value(
            &self.store,
            &self.topic,
            &self.values,
            value,
            &mut self.value,
        )?;
        Ok((self.key.get_mut(), has_value.then_some(&self.value)))
    }

    /// `value` as stores keep it.
    pub(super) fn value(&mut self, value: Option<&V>) -> Result<Option<StoreBytes>, StateError> {
        let bytes = &mut self.value;
        let has_value = write_value(&self.store, &self.topic, &self.values, value, bytes)?;
        Ok(has_value.then(|| StoreBytes::new(bytes)))
    }

    pub(super) fn read_key(&self, bytes: &[u8]) -> Result<K, StateError> {
        self.keys
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| serde_error::<K>(&self.store, StoreItem::Key, error))
    }

    pub(super) fn read_value(&self, bytes: &[u8]) -> Result<V, StateError> {
        self.values
            .deserialize_slice(&self.topic, bytes)
            .map_err(|error| serde_error::<V>(&self.store, StoreItem::Value, error))
    }
}

fn write_key<K>(
    store: &str,
    topic: &str,
    keys: &SerdeRef<K>,
    key: &K,
    out: &mut Vec<u8>,
) -> Result<(), StateError> {
    match keys.serialize_nullable(topic, key, out) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StateError::NullKey {
            store: store.to_owned(),
        }),
        Err(error) => Err(serde_error::<K>(store, StoreItem::Key, error)),
    }
}

/// Fills `out`; false is a value that is null itself.
fn write_value<V>(
    store: &str,
    topic: &str,
    values: &SerdeRef<V>,
    value: Option<&V>,
    out: &mut Vec<u8>,
) -> Result<bool, StateError> {
    out.clear();
    match value {
        Some(value) => values
            .serialize_nullable(topic, value, out)
            .map_err(|error| serde_error::<V>(store, StoreItem::Value, error)),
        None => Ok(false),
    }
}

fn serde_error<T>(store: &str, item: StoreItem, error: SerdeError) -> StateError {
    StateError::Serde {
        store: store.to_owned(),
        item,
        expected: std::any::type_name::<T>(),
        error,
    }
}
