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
    pages: PageShare,
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
    /// The file in `directory`, which is made where there is none.
    fn open(directory: &Path, cache_max_bytes: usize) -> Result<Self, StorageError> {
        let path = directory.join(FILE);
        if !path.exists() {
            // What a crash leaves of it is not taken for a file that was damaged.
            let fresh = directory.join(format!("{FILE}.new"));
            Tree::create(&FileDisk::open(&fresh)?)?;
            fs::rename(&fresh, &path).map_err(|error| failed(&path, &error))?;
        }
        let disk = Arc::new(FileDisk::open(&path)?);
        let place = path.display().to_string();
        let tree = Tree::open(Arc::clone(&disk) as Arc<dyn Disk>, &place, cache_max_bytes)?;
        Ok(Self {
            tree: Mutex::new(tree),
            disk,
            checkpoint: Mutex::new(()),
        })
    }

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
        let file = Arc::new(TaskFile::open(directory, pages.bytes())?);
        syncer.watch(&file);
        Ok(Self {
            file,
            pages,
            _held: held,
        })
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.file.tree)
    }
}

/// What the rows of a task are in.
const FILE: &str = "state.rows";

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
        let mut tree = self.tree();
        tree.set_cache_max_bytes(self.pages.bytes());
        tree.write(batch)
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
    fn size(&self) -> Result<u64, StorageError> {
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

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        let cut = self.file.set_len(len);
        cut.map_err(|error| failed(&self.path, &error))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use eddyline_core::state::storage::{Removal, SpaceWrites};

    use super::*;

    fn rows(file: &TaskFile) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let rows = lock(&file.tree).read(1, all, Direction::Forward, usize::MAX);
        let rows = rows.expect("is read").into_iter();
        rows.map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    /// Leaves are read, written to, spilled and written out at once.
    #[test]
    fn what_is_written_during_checkpoints_is_there() {
        let name = format!("eddyline-engine-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let file = TaskFile::open(&directory, 64 << 10).expect("is opened");
        let mut model = BTreeMap::new();
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    file.sync().expect("is written");
                }
            });
            let mut number = 1_u32;
            for batch in 0..300_u32 {
                let mut writes = BTreeMap::new();
                for _ in 0..200 {
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = (number >> 16) % 20_000;
                    let value = (!number.is_multiple_of(7)).then(|| vec![batch as u8; 30]);
                    writes.insert(key.to_be_bytes().to_vec(), value);
                }
                for (key, value) in &writes {
                    match value {
                        Some(value) => model.insert(key.clone(), value.clone()),
                        None => model.remove(key),
                    };
                }
                let stored = |bytes: &Vec<u8>| StoreBytes::new(bytes);
                let rows = writes
                    .iter()
                    .map(|(key, value)| (stored(key), value.as_ref().map(stored)));
                let writes = SpaceWrites {
                    space: 1,
                    remove: Removal::Nothing,
                    rows: rows.collect(),
                };
                let spaces = vec![writes];
                let written = lock(&file.tree).write(&StorageBatch { spaces });
                written.expect("is written");
            }
            is_done.store(true, Ordering::Relaxed);
        });
        assert_eq!(rows(&file), model);
        file.sync().expect("is written");
        drop(file);
        let file = TaskFile::open(&directory, 0).expect("is opened");
        assert_eq!(rows(&file), model);
        drop(file);
        fs::remove_dir_all(directory).expect("is removed");
    }
}
