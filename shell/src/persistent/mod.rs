//! Persistent stores on disk: `<state.dir>/<application.id>/<task>/state.redb`.

use std::sync::Arc;

use eddyline_core::config::StreamsConfig;
use eddyline_core::state::storage::{Storage, StorageError, StorageFactory};
use eddyline_core::types::TaskId;

mod directory;
mod engine;
mod sync;
#[cfg(test)]
mod tests;

pub(crate) use directory::{StateDirectory, TaskStorages};

/// The storage of one task in the state directory of an application, as a stream thread opens it:
/// for benchmarks.
///
/// # Errors
/// When the directory is locked, foreign, newer, damaged or full.
pub fn open(
    config: &StreamsConfig,
    state_dir: &str,
    task: TaskId,
) -> Result<Box<dyn Storage>, StorageError> {
    let directory = Arc::new(StateDirectory::open(config, state_dir)?);
    TaskStorages(directory).open(task)
}
