//! Storage in memory: for tests, and for persistent stores where no directory is given.

use std::collections::{BTreeMap, VecDeque};

use super::super::byte_store::{
    ByteBounds, ByteKeyValueStore, ByteRow, Direction, InMemoryKeyValueStore, WriteBatch,
};
use super::super::bytes::StoreBytes;
use super::{Removal, Storage, StorageBatch, StorageError, StorageFactory};
use crate::types::TaskId;

/// Spaces in memory, lost when they are dropped.
#[derive(Debug, Default)]
pub struct InMemoryStorage {
    spaces: BTreeMap<u16, InMemoryKeyValueStore>,
}

impl InMemoryStorage {
    /// Without rows.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for InMemoryStorage {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        match self.spaces.get(&space) {
            Some(rows) => rows.get(key).map_err(never),
            None => Ok(None),
        }
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        let Some(stored) = self.spaces.get(&space) else {
            return Ok(VecDeque::new());
        };
        let rows = stored.range(bounds, direction).take(max_rows);
        rows.map(|row| row.map_err(never)).collect()
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        let rows = self.spaces.get(&space);
        Ok(rows.map_or(0, |rows| rows.approximate_num_entries()))
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        for writes in &batch.spaces {
            let rows = self.spaces.entry(writes.space).or_default();
            match &writes.remove {
                Removal::Nothing => {}
                Removal::Below(key) => rows.remove_below(key),
                Removal::Everything => rows.clear().map_err(never)?,
            }
            let mut all = WriteBatch::new();
            for (key, value) in &writes.rows {
                match value {
                    Some(value) => all.put(key, value),
                    None => all.delete(key),
                }
            }
            rows.write(&all).map_err(never)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Rows in memory do not fail.
fn never(error: super::super::StateError) -> StorageError {
    StorageError::Io {
        place: "memory".to_owned(),
        message: error.to_string(),
    }
}

/// An empty [`InMemoryStorage`] for every task.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemoryStorageFactory;

impl StorageFactory for InMemoryStorageFactory {
    fn open(&self, _task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        Ok(Box::new(InMemoryStorage::new()))
    }

    fn is_lasting(&self) -> bool {
        false
    }
}
