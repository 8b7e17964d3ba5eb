//! The disk of an instance: what it keeps when everything in memory is lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use eddyline_core::rng::Rng;
use eddyline_core::state::storage::{
    InMemoryStorage, Storage, StorageBatch, StorageError, StorageFactory,
};
use eddyline_core::state::{ByteBounds, ByteRow, Direction, StoreBytes};
use eddyline_core::types::TaskId;

/// A disk that is written without waiting for it: a crash leaves what was synced and any number of
/// the batches behind it. A batch that is torn is one that is not there.
#[derive(Clone, Default)]
pub(super) struct Disk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    tasks: BTreeMap<TaskId, TaskFile>,
    is_full: bool,
    /// Tasks whose files were written since somebody looked.
    written: BTreeSet<TaskId>,
}

/// What is there of one task.
#[derive(Default)]
struct TaskFile {
    batches: Vec<StorageBatch>,
    /// How many of them no crash takes away.
    synced: usize,
    is_open: bool,
}

impl TaskFile {
    fn rows(&self) -> Result<InMemoryStorage, StorageError> {
        let mut rows = InMemoryStorage::new();
        for batch in &self.batches {
            rows.write(batch)?;
        }
        Ok(rows)
    }
}

impl Disk {
    /// The instance stopped where it was.
    pub(super) fn crash(&self, rng: &mut Rng) {
        for file in self.0.borrow_mut().tasks.values_mut() {
            let unsynced = (file.batches.len() - file.synced) as u64;
            let kept = file.synced + rng.below(unsynced + 1) as usize;
            file.batches.truncate(kept);
            file.synced = kept;
        }
    }

    /// From now on there is no room, or there is again.
    pub(super) fn fill(&self, is_full: bool) {
        self.0.borrow_mut().is_full = is_full;
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
    pub(super) fn rows(&self, task: TaskId) -> Result<InMemoryStorage, StorageError> {
        let state = self.0.borrow();
        state
            .tasks
            .get(&task)
            .map_or_else(|| Ok(InMemoryStorage::new()), TaskFile::rows)
    }

    /// Loses the first row of the last batch, to see that somebody notices.
    #[cfg(test)]
    pub(super) fn tear(&self) {
        for file in self.0.borrow_mut().tasks.values_mut() {
            if let Some(writes) = file.batches.last_mut().and_then(|b| b.spaces.first_mut())
                && !writes.rows.is_empty()
            {
                writes.rows.remove(0);
            }
        }
    }
}

impl StorageFactory for Disk {
    fn open(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        let mut state = self.0.borrow_mut();
        let file = state.tasks.entry(task).or_default();
        if std::mem::replace(&mut file.is_open, true) {
            let place = format!("the state of task {task}");
            return Err(StorageError::Locked { place });
        }
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            task,
            rows: file.rows()?,
        }))
    }
}

/// One task's file, with what it says in memory.
struct OpenFile {
    disk: Disk,
    task: TaskId,
    rows: InMemoryStorage,
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
        let mut state = self.disk.0.borrow_mut();
        if state.is_full {
            let place = format!("the state of task {}", self.task);
            return Err(StorageError::Full { place });
        }
        state.written.insert(self.task);
        let file = state.tasks.entry(self.task).or_default();
        file.batches.push(batch.clone());
        self.rows.write(batch)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if let Some(file) = self.disk.0.borrow_mut().tasks.get_mut(&self.task) {
            file.synced = file.batches.len();
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
