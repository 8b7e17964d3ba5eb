//! The storage of a task in a file: a [`Tree`] that a thread of its own makes durable once a second.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eddyline_core::state::storage::tree::{Disk, Tree};
use eddyline_core::state::storage::{Storage, StorageBatch, StorageError};
use eddyline_core::state::{ByteBounds, ByteRow, Direction, StoreBytes};

use super::directory::{HeldTask, failed};
use super::page_cache::PageShare;
use super::sync::Syncer;

/// The storage of one task.
pub(super) struct FileStorage {
    file: Arc<TaskFile>,
    _pages: PageShare,
    _held: HeldTask,
}

/// The tree of a task, shared with the [`Syncer`].
pub(super) struct TaskFile {
    tree: Mutex<Tree>,
    disk: Arc<FileDisk>,
    /// Held by whoever writes a checkpoint: there is one at a time.
    checkpoint: Mutex<()>,
}

impl TaskFile {
    /// Makes everything that was written durable. Whoever processes goes on meanwhile.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let _one = lock(&self.checkpoint);
        let Some(checkpoint) = lock(&self.tree).begin_checkpoint()? else {
            return Ok(());
        };
        let written = checkpoint.write(&*self.disk);
        lock(&self.tree).end_checkpoint(written)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileStorage {
    /// Opens the file of a task in `directory`, or makes one. It keeps as many bytes of leaves in
    /// memory as `pages` says; the system caches the rest.
    pub(super) fn open(
        directory: &Path,
        syncer: &Syncer,
        pages: PageShare,
        held: HeldTask,
    ) -> Result<Self, StorageError> {
        let path = directory.join(FILE);
        if !path.exists() {
            // What a crash leaves of it is not taken for a file that was damaged.
            let fresh = directory.join(format!("{FILE}.new"));
            Tree::create(&FileDisk::open(&fresh)?)?;
            fs::rename(&fresh, &path).map_err(|error| failed(&path, &error))?;
        }
        let disk = Arc::new(FileDisk::open(&path)?);
        let place = path.display().to_string();
        let tree = Tree::open(Arc::clone(&disk) as Arc<dyn Disk>, &place, pages.bytes())?;
        let file = Arc::new(TaskFile {
            tree: Mutex::new(tree),
            disk,
            checkpoint: Mutex::new(()),
        });
        syncer.watch(&file);
        Ok(Self {
            file,
            _pages: pages,
            _held: held,
        })
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.file.tree)
    }
}

/// What the rows of a task are in.
pub(super) const FILE: &str = "state.rows";

impl Storage for FileStorage {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.tree().get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        self.tree().read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        Ok(self.tree().len(space))
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        self.tree().write(batch)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.file.sync()
    }
}

/// A file as a [`Disk`].
struct FileDisk {
    file: File,
    path: PathBuf,
}

impl FileDisk {
    fn open(path: &Path) -> Result<Self, StorageError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false);
        let file = opened.open(path).map_err(|error| failed(path, &error))?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }
}

impl Disk for FileDisk {
    fn len(&self) -> Result<u64, StorageError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| failed(&self.path, &error))
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
        let read = place::read_exact_at(&self.file, bytes, offset);
        read.map_err(|error| failed(&self.path, &error))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let written = place::write_all_at(&self.file, bytes, offset);
        written.map_err(|error| failed(&self.path, &error))
    }

    fn sync(&self) -> Result<(), StorageError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| failed(&self.path, &error))
    }
}

/// Reading and writing at a place, which every system has under a name of its own.
#[cfg(unix)]
mod place {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(bytes, offset)
    }

    pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }
}

#[cfg(windows)]
mod place {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    pub(super) fn read_exact_at(
        file: &File,
        mut bytes: &mut [u8],
        mut offset: u64,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = file.seek_read(bytes, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = &mut bytes[read..];
            offset += read as u64;
        }
        Ok(())
    }

    pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = file.seek_write(bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }
}
