//! The storage boundary: ordered bytes that outlive the process, and the layouts of persistent
//! stores over them.
//!
//! Every task has one [`Storage`] for all its persistent stores, so that one atomic batch moves
//! all of them, with their changelog offsets, from one commit to the next: no two stores of a task
//! can disagree, and there is no checkpoint file that could (Java: KIP-1035). A store has a *space*
//! of its own in it, which keeps keys short and counts and wipes a store by itself; space 0 has
//! what is known of the others.
//!
//! What is written goes to an [overlay](TaskStorage) in memory first, which reads see above the
//! storage. A commit applies it when it has succeeded, so that nothing uncommitted is ever in the
//! storage. The durability of state comes from the changelog: a storage may lose its latest
//! batches in a crash, each of them whole, and what is lost is restored from the offset it kept.
//!
//! [`InMemoryStorage`] is here; engines on disk and the crashable storage of the simulator are
//! other implementations of the same trait.

mod key_value;
mod memory;
mod metadata;
mod overlay;
mod space;
mod task;
#[cfg(test)]
mod tests;
pub mod tree;
mod window;
mod window_rows;

use std::collections::VecDeque;
use std::fmt;

use super::byte_store::{ByteBounds, ByteRow, Direction};
use super::bytes::StoreBytes;
use crate::time::WallClock;
use crate::types::TaskId;

pub use self::key_value::PersistentKeyValueStore;
pub(in crate::state) use self::key_value::not_open;
pub use self::memory::{InMemoryStorage, InMemoryStorageFactory};
pub use self::space::{Space, SpaceRows};
pub(in crate::state) use self::task::storage_error;
pub use self::task::{StoreInit, TaskStorage};
pub use self::window::PersistentWindowStore;

/// Rows of bytes in numbered spaces, each ordered by unsigned bytes of the key.
pub trait Storage {
    /// The value of `key` in `space`.
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError>;

    /// The first `max_rows` rows of `space` within `bounds`, whose first key is not above the last;
    /// fewer when there are no more. A space that was never written to has none.
    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError>;

    /// About how many rows `space` has.
    fn approximate_len(&self, space: u16) -> Result<u64, StorageError>;

    /// Applies all of `batch` or nothing. Returns without waiting for a disk: a crash may lose the
    /// latest batches, but never one without those after it, nor a part of one. Where it fails, a
    /// storage may fail until it is opened again, as after a crash.
    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError>;

    /// Waits until everything written is safe from a crash: for a clean close, never while records
    /// are processed.
    fn flush(&mut self) -> Result<(), StorageError>;
}

/// Writes that belong together, space by space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageBatch {
    /// The writes of each space; no space comes twice.
    pub spaces: Vec<SpaceWrites>,
}

/// What changes in one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceWrites {
    /// The space.
    pub space: u16,
    /// What is removed before the rows are written.
    pub remove: Removal,
    /// Keys with their values, in key order, each once; `None` removes.
    pub rows: Vec<(StoreBytes, Option<StoreBytes>)>,
}

/// Rows that are removed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// None.
    Nothing,
    /// Those whose keys are below this one.
    Below(StoreBytes),
    /// All.
    Everything,
}

/// Opens the storage of a task (Java: `StateDirectory`).
pub trait StorageFactory {
    /// The storage of `task`, as it was left.
    ///
    /// # Errors
    /// [`StorageError::Locked`] while another thread or process has it: the task is made later.
    /// Any other error stops the thread.
    fn open(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError>;

    /// Removes the storage of every task that no thread of the process has open and that was written
    /// last before `before`, and says of which (Java: `StateDirectory.cleanRemovedTasks`).
    ///
    /// # Errors
    /// When something cannot be removed. All the rest is.
    fn clean_removed_tasks(&self, before: WallClock) -> Result<Vec<TaskId>, StorageError> {
        let _ = before;
        Ok(Vec::new())
    }

    /// False when what is in a storage ends with it.
    fn is_lasting(&self) -> bool {
        true
    }
}

/// Why a storage cannot be used (Java: `ProcessorStateException`, `LockException`). `place` is
/// where it lies, as its factory names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// Another thread or process has it.
    Locked {
        /// Where.
        place: String,
    },
    /// It is not of this application, or nothing of Eddyline's.
    Foreign {
        /// Where.
        place: String,
        /// Whose it seems to be.
        message: String,
    },
    /// A later version has written it.
    Newer {
        /// Where.
        place: String,
        /// What its format is.
        message: String,
    },
    /// It cannot be read.
    Damaged {
        /// Where.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// There is no room left.
    Full {
        /// Where.
        place: String,
    },
    /// The system refused something else.
    Io {
        /// Where.
        place: String,
        /// What it said.
        message: String,
    },
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { place } => write!(
                f,
                "{place} is in use by another instance: give each instance a state.dir of its own"
            ),
            Self::Foreign { place, message } => write!(
                f,
                "{place} is not the state of this application ({message}): set another state.dir or \
                 remove it"
            ),
            Self::Newer { place, message } => write!(
                f,
                "{place} was written by a later version ({message}): use that version, or remove it \
                 and let the state be restored from the changelogs"
            ),
            Self::Damaged { place, message } => write!(
                f,
                "{place} is damaged ({message}): remove it and let the state be restored from the \
                 changelogs"
            ),
            Self::Full { place } => write!(
                f,
                "there is no room left for {place}: make some and start again, nothing committed is \
                 lost"
            ),
            Self::Io { place, message } => write!(f, "{place} cannot be used: {message}"),
        }
    }
}

impl std::error::Error for StorageError {}

impl From<StorageError> for crate::error::StreamsError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
