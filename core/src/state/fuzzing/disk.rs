//! A storage that outlives its task.

use std::sync::Arc;

use super::super::storage::tree::{MemoryDisk, small_tree};
use super::super::storage::{Storage, StorageError, StorageFactory, TaskStorage};
use crate::types::TaskId;

/// The storage of one task, from one life to the next: the engine of production, with leaves so
/// small that a few rows make a tree. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<MemoryDisk>);

impl Disk {
    /// What a task that starts finds; the life before is over.
    pub(crate) fn task_storage(&self) -> TaskStorage {
        let storage = self.open(TASK).expect("memory does not fail");
        let storage = TaskStorage::open(storage, "app", TASK);
        storage.expect("memory does not fail")
    }
}

const TASK: TaskId = TaskId::new(0, 0);

impl StorageFactory for Disk {
    fn open(&self, _task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        Ok(Box::new(small_tree(&self.0)?))
    }
}
