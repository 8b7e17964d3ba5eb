//! Rows of a key-value store in the storage of a task (Java: `RocksDBStore`).

use super::super::StateError;
use super::super::byte_store::{ByteBounds, ByteKeyValueStore, ByteRows, Direction, WriteBatch};
use super::super::bytes::StoreBytes;
use super::StorageError;
use super::space::Space;
use super::task::{StoreInit, storage_error};

/// Persistent rows by key: the keys of the storage are those of the store.
#[derive(Debug)]
pub struct PersistentKeyValueStore {
    name: Box<str>,
    /// Set by [`init`](ByteKeyValueStore::init).
    space: Option<Space>,
}

impl PersistentKeyValueStore {
    /// Rows of the store `name`, to be read and written after
    /// [`init`](ByteKeyValueStore::init).
    pub fn new(name: &str) -> Self {
        Self {
            name: Box::from(name),
            space: None,
        }
    }

    #[inline]
    fn space(&self) -> Result<&Space, StateError> {
        self.space.as_ref().ok_or_else(|| not_open(&self.name))
    }

    #[inline]
    fn space_mut(&mut self) -> Result<&mut Space, StateError> {
        self.space.as_mut().ok_or_else(|| not_open(&self.name))
    }

    fn error(&self, error: &StorageError) -> StateError {
        storage_error(&self.name, error)
    }
}

pub(in crate::state) fn not_open(store: &str) -> StateError {
    StateError::NotOpen {
        store: store.to_owned(),
    }
}

impl ByteKeyValueStore for PersistentKeyValueStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn init(&mut self, init: &StoreInit<'_>) -> Result<(), StateError> {
        self.space = Some(init.space("key-value")?);
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        self.space()?.get(key).map_err(|error| self.error(&error))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        self.space_mut()?.put(key, Some(StoreBytes::new(value)));
        Ok(())
    }

    fn put_shared(&mut self, key: &StoreBytes, value: &StoreBytes) -> Result<(), StateError> {
        self.space_mut()?.put(key, Some(value.clone()));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        self.space_mut()?.put(key, None);
        Ok(())
    }

    fn write(&mut self, batch: &WriteBatch) -> Result<(), StateError> {
        let space = self.space_mut()?;
        for (key, value) in batch.writes() {
            space.put(key, value.clone());
        }
        Ok(())
    }

    fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> ByteRows<'_> {
        match self.space() {
            Ok(space) => {
                let rows = space.scan(bounds, direction);
                Box::new(rows.map(|row| row.map_err(|error| self.error(&error))))
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn approximate_num_entries(&self) -> u64 {
        let space = self.space.as_ref();
        space.map_or(0, |space| space.approximate_len().unwrap_or(0))
    }

    fn clear(&mut self) -> Result<(), StateError> {
        let cleared = self.space_mut()?.clear();
        cleared.map_err(|error| self.error(&error))
    }
}
