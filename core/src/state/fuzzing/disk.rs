//! A storage that outlives its task.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::super::byte_store::{ByteBounds, ByteRow, Direction};
use super::super::bytes::StoreBytes;
use super::super::storage::tree::{MemoryDisk, TreeStorage, small_tree};
use super::super::storage::{Storage, StorageBatch, StorageError, StorageFactory, TaskStorage};
use crate::types::TaskId;

/// The storage of one task, from one life to the next: the engine of production, with leaves so
/// small that a few rows make a tree. Clones share it.
#[derive(Clone)]
pub(crate) struct Disk {
    file: Arc<MemoryDisk>,
    rows: Rc<RefCell<TreeStorage>>,
}

impl Default for Disk {
    fn default() -> Self {
        let file = Arc::new(MemoryDisk::new());
        let rows = small_tree(&file).expect("memory has room");
        let rows = Rc::new(RefCell::new(rows));
        Self { file, rows }
    }
}

impl Disk {
    /// What a task that starts finds.
    pub(crate) fn task_storage(&self) -> TaskStorage {
        let storage = self.open(TASK).expect("memory does not fail");
        let storage = TaskStorage::open(storage, "app", TASK);
        storage.expect("memory does not fail")
    }
}

const TASK: TaskId = TaskId::new(0, 0);

impl StorageFactory for Disk {
    fn open(&self, _task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        self.rows.borrow_mut().flush()?;
        *self.rows.borrow_mut() = small_tree(&self.file)?;
        Ok(Box::new(self.clone()))
    }
}

impl Storage for Disk {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.rows.borrow().get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        let rows = self.rows.borrow();
        rows.read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        self.rows.borrow().approximate_len(space)
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        self.rows.borrow_mut().write(batch)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.rows.borrow_mut().flush()
    }
}
