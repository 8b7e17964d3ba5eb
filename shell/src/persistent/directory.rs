//! The state directory of an application (Java: `StateDirectory`).

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use eddyline_core::config::StreamsConfig;
use eddyline_core::state::storage::{Storage, StorageError, StorageFactory};
use eddyline_core::time::WallClock;
use eddyline_core::types::TaskId;
use eddyline_core::wire::Uuid;

use super::engine::FileStorage;
use super::page_cache::PageCache;
use super::sync::Syncer;

/// Held by one process at a time, for all its threads.
const LOCK: &str = ".lock";

/// Says whose the directory is.
const MARKER: &str = "eddyline";

/// Says which process it is of, as Java's file of this name does.
const PROCESS: &str = "kafka-streams-process-metadata";

/// The first line of the marker.
const FORMAT: &str = "eddyline state directory, format ";
const VERSION: u32 = 2;

/// The directory of one application, which this process has for itself while it is held:
/// [`KafkaStreams`](crate::KafkaStreams) does so by itself, and an event loop of one's own gives
/// [`storages`](Self::storages) to its task runners.
pub struct StateDirectory {
    path: PathBuf,
    /// Tasks that some thread has open.
    open: Mutex<BTreeSet<TaskId>>,
    syncer: Arc<Syncer>,
    pages: Arc<PageCache>,
    _lock: File,
}

impl StateDirectory {
    /// Takes the directory of the application of `config` in `state_dir`, which is made where there
    /// is none.
    ///
    /// # Errors
    /// When it is in use, not of this application, or cannot be written.
    pub fn open(config: &StreamsConfig, state_dir: &str) -> Result<Arc<Self>, StorageError> {
        let path = Path::new(state_dir).join(config.application_id());
        fs::create_dir_all(&path).map_err(|error| failed(&path, &error))?;
        check_entries(&path)?;
        let lock = lock(&path)?;
        check_marker(&path, config.application_id())?;
        let syncer = Syncer::start().map_err(|error| failed(&path, &error))?;
        Ok(Arc::new(Self {
            path,
            open: Mutex::new(BTreeSet::new()),
            syncer,
            pages: PageCache::new(config.statestore_page_cache_max_bytes()),
            _lock: lock,
        }))
    }

    /// What one stream thread opens the storages of its tasks with
    /// ([`TaskRunner::with_storages`](eddyline_core::thread::TaskRunner::with_storages)).
    pub fn storages(self: &Arc<Self>) -> Box<dyn StorageFactory> {
        Box::new(TaskStorages(Arc::clone(self)))
    }

    /// The id of the process whose directory this is: what it was before, or `fresh` where it had none
    /// (Java: `StateDirectory.initializeProcessId`). An application that is started again is the
    /// same to its group then, and ends the transactions that it left open.
    ///
    /// # Errors
    /// When the file with the id cannot be read or written, or has something else in it.
    pub fn process_id(&self, fresh: Uuid) -> Result<Uuid, StorageError> {
        let file = self.path.join(PROCESS);
        match fs::read(&file) {
            Ok(bytes) => parse_process(&bytes).ok_or_else(|| StorageError::Damaged {
                place: file.display().to_string(),
                message: "it has no process id: remove this file to get a new one".to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let written = self.path.join(format!("{PROCESS}.tmp"));
                let content = format!("{{\"processId\":\"{fresh}\"}}");
                fs::write(&written, content).map_err(|error| failed(&written, &error))?;
                fs::rename(&written, &file).map_err(|error| failed(&file, &error))?;
                Ok(fresh)
            }
            Err(error) => Err(failed(&file, &error)),
        }
    }

    /// Removes what the application of `config` has in `state_dir`, where it has anything.
    ///
    /// # Errors
    /// When it is in use, not of this application, or cannot be removed.
    pub fn clean_up(config: &StreamsConfig, state_dir: &str) -> Result<(), StorageError> {
        let path = Path::new(state_dir).join(config.application_id());
        if !path.exists() {
            return Ok(());
        }
        check_entries(&path)?;
        let _lock = lock(&path)?;
        check_marker(&path, config.application_id())?;
        fs::remove_dir_all(&path).map_err(|error| failed(&path, &error))
    }

    /// Removes the state of tasks that no thread has open and that was written last before `before`,
    /// and says of which (Java: `StateDirectory.cleanRemovedTasks`).
    ///
    /// # Errors
    /// When something cannot be read or removed. All the rest is.
    pub fn clean_removed_tasks(
        self: &Arc<Self>,
        before: WallClock,
    ) -> Result<Vec<TaskId>, StorageError> {
        let (mut removed, mut result) = (Vec::new(), Ok(()));
        let entries = fs::read_dir(&self.path).map_err(|error| failed(&self.path, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(task) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Whoever wants it meanwhile waits.
            let Some(_held) = self.hold(task) else {
                continue;
            };
            match remove_if_older(&entry.path(), before) {
                Ok(true) => removed.push(task),
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
        }
        result.map(|()| removed)
    }

    /// Has the task for this thread alone, unless another one has it.
    fn hold(self: &Arc<Self>, task: TaskId) -> Option<HeldTask> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(task).then(|| HeldTask {
            directory: Arc::clone(self),
            task,
        })
    }

    fn release(&self, task: TaskId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&task);
    }

    fn open_task(self: &Arc<Self>, task: TaskId) -> Result<FileStorage, StorageError> {
        let path = self.path.join(task.to_string());
        // Gives the task back where anything fails.
        let held = self.hold(task).ok_or_else(|| StorageError::Locked {
            place: path.display().to_string(),
        })?;
        fs::create_dir_all(&path).map_err(|error| failed(&path, &error))?;
        FileStorage::open(&path, &self.syncer, self.pages.share(), held)
    }
}

impl fmt::Debug for StateDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDirectory")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The storages of one stream thread.
struct TaskStorages(Arc<StateDirectory>);

impl StorageFactory for TaskStorages {
    fn open(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        Ok(Box::new(self.0.open_task(task)?))
    }

    fn clean_removed_tasks(&self, before: WallClock) -> Result<Vec<TaskId>, StorageError> {
        self.0.clean_removed_tasks(before)
    }
}

/// A task that this thread has open.
pub(super) struct HeldTask {
    directory: Arc<StateDirectory>,
    task: TaskId,
}

impl Drop for HeldTask {
    fn drop(&mut self) {
        self.directory.release(self.task);
    }
}

/// Removes the directory of a task, unless something in it was written at `before` or later.
fn remove_if_older(path: &Path, before: WallClock) -> Result<bool, StorageError> {
    let error = |error: io::Error| failed(path, &error);
    let mut written = fs::metadata(path).and_then(|data| data.modified());
    for entry in fs::read_dir(path).map_err(error)? {
        let modified = entry.and_then(|entry| entry.metadata()?.modified());
        written = written.and_then(|newest| Ok(newest.max(modified?)));
    }
    let since_epoch = written.map_err(error)?.duration_since(UNIX_EPOCH);
    let written_ms = since_epoch.map_or(0, |since| since.as_millis());
    if i64::try_from(written_ms).unwrap_or(i64::MAX) >= before.0 {
        return Ok(false);
    }
    fs::remove_dir_all(path).map_err(error)?;
    Ok(true)
}

/// A directory with files and without a marker is somebody else's: nothing is written to it.
fn check_entries(path: &Path) -> Result<(), StorageError> {
    if path.join(MARKER).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(|error| failed(path, &error))? {
        let name = entry.map_err(|error| failed(path, &error))?.file_name();
        if name != LOCK {
            return Err(StorageError::Foreign {
                place: path.display().to_string(),
                message: format!("it has {} and no file named {MARKER}", name.display()),
            });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StorageError> {
    let file = path.join(LOCK);
    let lock = File::create(&file).map_err(|error| failed(&file, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked {
            place: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(&file, &error)),
    }
}

/// Reads the marker, or leaves one where there is none.
fn check_marker(path: &Path, application_id: &str) -> Result<(), StorageError> {
    let file = path.join(MARKER);
    let ours = format!("{FORMAT}{VERSION}\napplication.id={application_id}\n");
    let marker = match fs::read(&file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&file, &error)),
    };
    if marker.is_empty() {
        // An empty one is of a process that was stopped before it wrote it.
        return fs::write(&file, ours).map_err(|error| failed(&file, &error));
    }
    if marker == ours {
        return Ok(());
    }
    let place = path.display().to_string();
    let mut lines = marker.lines();
    let version = lines.next().and_then(|line| line.strip_prefix(FORMAT));
    match version.map(str::parse::<u32>) {
        Some(Ok(version)) if version > VERSION => Err(StorageError::Newer {
            place,
            message: format!("format {version}; this version knows {VERSION}"),
        }),
        Some(Ok(version)) if version < VERSION => Err(StorageError::Foreign {
            place,
            message: format!("format {version} is of an earlier one; this version knows {VERSION}"),
        }),
        Some(Ok(_)) => {
            let owner = lines.next().unwrap_or("nobody");
            let message = format!("it is of {owner}");
            Err(StorageError::Foreign { place, message })
        }
        _ => {
            let message = format!("its file {MARKER} is not Eddyline's");
            Err(StorageError::Foreign { place, message })
        }
    }
}

/// The one field of Java's JSON.
fn parse_process(bytes: &[u8]) -> Option<Uuid> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let fields = text.strip_prefix('{')?.strip_suffix('}')?;
    let (name, id) = fields.split_once(':')?;
    let id = id.trim().strip_prefix('"')?.strip_suffix('"')?;
    (name.trim() == "\"processId\"").then(|| Uuid::parse_str(id).ok())?
}

/// A refusal of the file system.
pub(super) fn failed(path: &Path, error: &io::Error) -> StorageError {
    use io::ErrorKind::{FileTooLarge, InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
    let place = path.display().to_string();
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StorageError::Full { place },
        InvalidData | UnexpectedEof => StorageError::Damaged {
            place,
            message: error.to_string(),
        },
        _ => StorageError::Io {
            place,
            message: error.to_string(),
        },
    }
}
