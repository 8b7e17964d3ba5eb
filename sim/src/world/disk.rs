//! The disk of an instance: what it keeps when everything in memory is lost.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use eddyline_core::rng::Rng;
use eddyline_core::state::storage::tree::{MemoryDisk, Tree, TreeStorage};
use eddyline_core::state::storage::{Storage, StorageBatch, StorageError, StorageFactory};
use eddyline_core::state::{ByteBounds, ByteRow, Direction, StoreBytes};
use eddyline_core::types::TaskId;

/// The files of the tasks of an instance, as production has them, but for the checkpoints: there is
/// one a batch. A crash happens before any of those that nobody waited for, or in the middle of one.
#[derive(Clone, Default)]
pub(super) struct Disk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    tasks: BTreeMap<TaskId, TaskFile>,
    is_full: bool,
    /// Tasks whose files were written since somebody looked.
    written: BTreeSet<TaskId>,
    #[cfg(test)]
    is_torn: bool,
}

/// What is there of one task.
struct TaskFile {
    disk: Arc<MemoryDisk>,
    is_open: bool,
}

/// Little enough that leaves come and go.
const CACHE_BYTES: usize = 16 << 10;

/// A disk becomes full in the middle of a checkpoint.
const LAST_WRITES: u64 = 1;

impl TaskFile {
    fn create() -> Result<Self, StorageError> {
        let disk = Arc::new(MemoryDisk::new());
        Tree::create(&*disk)?;
        disk.settle();
        let is_open = false;
        Ok(Self { disk, is_open })
    }

    fn rows(disk: Arc<MemoryDisk>, task: TaskId) -> Result<TreeStorage, StorageError> {
        Ok(TreeStorage::new(Tree::open(
            disk,
            &format!("the state of task {task}"),
            CACHE_BYTES,
        )?))
    }
}

impl Disk {
    /// The instance stopped where it was.
    pub(super) fn crash(&self, rng: &mut Rng) {
        for file in self.0.borrow_mut().tasks.values_mut() {
            file.disk.crash_earlier(rng);
        }
    }

    /// From now on there is no room, or there is again.
    pub(super) fn fill(&self, is_full: bool) {
        let mut state = self.0.borrow_mut();
        state.is_full = is_full;
        let writes = is_full.then_some(LAST_WRITES);
        for file in state.tasks.values() {
            file.disk.limit_writes(writes);
        }
    }

    /// Every task that has a file.
    pub(super) fn tasks(&self) -> BTreeSet<TaskId> {
        self.0.borrow().tasks.keys().copied().collect()
    }

    /// Tasks whose files were written since this was asked last.
    pub(super) fn take_written(&self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    /// What is in the file of a task.
    pub(super) fn rows(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        let state = self.0.borrow();
        let file = match state.tasks.get(&task) {
            Some(file) => Arc::new(MemoryDisk::clone(&file.disk)),
            None => TaskFile::create()?.disk,
        };
        Ok(Box::new(TaskFile::rows(file, task)?))
    }

    /// From now on loses the first row of every batch, to see that somebody notices.
    #[cfg(test)]
    pub(super) fn tear(&self) {
        self.0.borrow_mut().is_torn = true;
    }

    #[cfg(test)]
    fn torn(&self, batch: &StorageBatch) -> StorageBatch {
        let mut batch = batch.clone();
        let first = batch
            .spaces
            .first_mut()
            .filter(|writes| !writes.rows.is_empty());
        if let Some(writes) = first.filter(|_| self.0.borrow().is_torn) {
            writes.rows.remove(0);
        }
        batch
    }
}

/// An error of a disk in memory, as that of a file.
fn named(error: StorageError, task: TaskId) -> StorageError {
    let place = format!("the state of task {task}");
    match error {
        StorageError::Full { .. } => StorageError::Full { place },
        error => error,
    }
}

impl StorageFactory for Disk {
    fn open(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        let mut state = self.0.borrow_mut();
        let is_full = state.is_full;
        let file = match state.tasks.entry(task) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let file = free.insert(TaskFile::create()?);
                file.disk.limit_writes(is_full.then_some(LAST_WRITES));
                file
            }
        };
        if file.is_open {
            let place = format!("the state of task {task}");
            return Err(StorageError::Locked { place });
        }
        let rows = TaskFile::rows(Arc::clone(&file.disk), task)?;
        file.is_open = true;
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            task,
            rows,
        }))
    }
}

/// One task's file, with what it says in memory.
struct OpenFile {
    disk: Disk,
    task: TaskId,
    rows: TreeStorage,
}

impl Storage for OpenFile {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.rows.get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        self.rows.read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        self.rows.approximate_len(space)
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        #[cfg(test)]
        let batch = &self.disk.torn(batch);
        self.disk.0.borrow_mut().written.insert(self.task);
        let written = self.rows.write(batch);
        written.map_err(|error| named(error, self.task))
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if let Some(file) = self.disk.0.borrow().tasks.get(&self.task) {
            file.disk.settle();
        }
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(file) = self.disk.0.borrow_mut().tasks.get_mut(&self.task) {
            file.is_open = false;
        }
    }
}
