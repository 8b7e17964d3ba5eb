//! A storage that outlives its task.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::super::byte_store::{ByteBounds, ByteRow, Direction};
use super::super::bytes::StoreBytes;
use super::super::storage::{
    InMemoryStorage, Storage, StorageBatch, StorageError, StorageFactory, TaskStorage,
};
use crate::types::TaskId;

/// The storage of one task, from one life to the next. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Disk(Rc<RefCell<InMemoryStorage>>);

impl Disk {
    /// What a task that starts finds.
    pub(crate) fn task_storage(&self) -> TaskStorage {
        let storage = TaskStorage::open(Box::new(self.clone()), "app", TaskId::new(0, 0));
        storage.expect("memory does not fail")
    }
}

impl StorageFactory for Disk {
    fn open(&self, _task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        Ok(Box::new(self.clone()))
    }
}

impl Storage for Disk {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.0.borrow().get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        self.0.borrow().read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        self.0.borrow().approximate_len(space)
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        self.0.borrow_mut().write(batch)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}
