//! Where the stream threads of an application get the storages of their tasks.

use std::sync::Arc;

use eddyline_core::config::StreamsConfig;
use eddyline_core::state::storage::{StorageError, StorageFactory};
use eddyline_core::topology::Topology;
use eddyline_core::wire::Uuid;

/// Makes what one stream thread opens storages with, on that thread.
pub(crate) type Storages = Arc<dyn Fn() -> Box<dyn StorageFactory> + Send + Sync>;

/// Storages on disk, where a store is persistent and there is a directory for it, and the id of the
/// process: that of the directory, or `fresh` without one.
#[cfg(feature = "persistent")]
pub(crate) fn open(
    topology: &Topology,
    config: &StreamsConfig,
    fresh: Uuid,
) -> Result<(Option<Storages>, Uuid), StorageError> {
    use eddyline_core::time::WallClock;

    use crate::clock::Clock;
    use crate::persistent::StateDirectory;

    let Some(state_dir) = config
        .state_dir()
        .filter(|_| topology.has_persistent_stores(config))
    else {
        return Ok((None, fresh));
    };
    let directory = StateDirectory::open(config, state_dir)?;
    let max_age_ms = config.state_cleanup_dir_max_age_ms();
    if max_age_ms >= 0 {
        let now = Clock::start().now().wall_clock;
        directory.clean_removed_tasks(WallClock(now.0.saturating_sub(max_age_ms)))?;
    }
    let process_id = directory.process_id(fresh)?;
    Ok((Some(Arc::new(move || directory.storages())), process_id))
}

#[cfg(feature = "persistent")]
pub(crate) fn clean_up(config: &StreamsConfig) -> Result<(), StorageError> {
    use crate::persistent::StateDirectory;

    match config.state_dir() {
        Some(state_dir) => StateDirectory::clean_up(config, state_dir),
        None => Ok(()),
    }
}

/// A directory was asked for that this build cannot write to.
#[cfg(not(feature = "persistent"))]
pub(crate) fn open(
    topology: &Topology,
    config: &StreamsConfig,
    fresh: Uuid,
) -> Result<(Option<Storages>, Uuid), StorageError> {
    match config
        .state_dir()
        .filter(|_| topology.has_persistent_stores(config))
    {
        Some(state_dir) => Err(without_feature(state_dir)),
        None => Ok((None, fresh)),
    }
}

#[cfg(not(feature = "persistent"))]
pub(crate) fn clean_up(config: &StreamsConfig) -> Result<(), StorageError> {
    config
        .state_dir()
        .map_or(Ok(()), |dir| Err(without_feature(dir)))
}

#[cfg(not(feature = "persistent"))]
fn without_feature(state_dir: &str) -> StorageError {
    StorageError::Io {
        place: state_dir.to_owned(),
        message: "this build is without the feature persistent".to_owned(),
    }
}
