//! The storage of a task in a redb file: a table for each space.
//!
//! Batches are applied without waiting for the disk; the [`Syncer`] makes them durable once a second,
//! on a thread of its own. A crash goes back to the last batch that was made durable, whole: redb
//! never overwrites a page of a durable state, and verifies checksums of the one it opens.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eddyline_core::state::storage::{Removal, SpaceWrites, Storage, StorageBatch, StorageError};
use eddyline_core::state::{ByteBounds, ByteRow, Direction, StoreBytes};
use redb::{
    Database, Durability, Error, ReadOnlyTable, ReadableDatabase, ReadableTableMetadata,
    TableDefinition, TableError, WriteTransaction,
};

use super::directory::{HeldTask, failed};
use super::page_cache::PageShare;
use super::sync::Syncer;

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The storage of one task.
pub(super) struct RedbStorage {
    place: PathBuf,
    file: Arc<TaskFile>,
    /// Every space as the last batch left it; `None` was not written to yet.
    rows: RefCell<BTreeMap<u16, Option<Arc<Rows>>>>,
    _pages: PageShare,
    _held: HeldTask,
}

/// A file with what the [`Syncer`] has to know of it.
pub(super) struct TaskFile {
    database: Database,
    is_dirty: AtomicBool,
}

impl TaskFile {
    /// Makes everything that was written durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        if !self.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let synced = self.commit_durably();
        if synced.is_err() {
            self.is_dirty.store(true, Ordering::Release);
        }
        synced
    }

    fn commit_durably(&self) -> Result<(), Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        // Otherwise opening after a crash reads the whole file.
        write.set_quick_repair(true);
        Ok(write.commit()?)
    }
}

impl RedbStorage {
    /// Opens a file, or makes one. It keeps as many bytes of pages in memory as `pages` says; the
    /// system caches the rest.
    pub(super) fn open(
        path: &Path,
        syncer: &Syncer,
        pages: PageShare,
        held: HeldTask,
    ) -> Result<Self, StorageError> {
        let open = || {
            Ok(Database::builder()
                .set_cache_size(pages.bytes())
                .create(path)?)
        };
        let database = guarded(path, open)?;
        let file = Arc::new(TaskFile {
            database,
            is_dirty: AtomicBool::new(false),
        });
        syncer.watch(&file);
        Ok(Self {
            place: path.to_owned(),
            file,
            rows: RefCell::new(BTreeMap::new()),
            _pages: pages,
            _held: held,
        })
    }

    fn guarded<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, StorageError> {
        guarded(&self.place, act)
    }

    /// The rows of `space`, opened once a batch.
    fn rows(&self, space: u16) -> Result<Option<Arc<Rows>>, StorageError> {
        if let Some(known) = self.rows.borrow().get(&space) {
            return Ok(known.clone());
        }
        let rows = self.guarded(|| {
            let read = self.file.database.begin_read()?;
            match read.open_table(TableDefinition::new(&table_name(space))) {
                Ok(rows) => Ok(Some(Arc::new(rows))),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })?;
        self.rows.borrow_mut().insert(space, rows.clone());
        Ok(rows)
    }

    fn apply(&self, batch: &StorageBatch) -> Result<(), Error> {
        let mut write = self.file.database.begin_write()?;
        write.set_durability(Durability::None)?;
        for writes in &batch.spaces {
            apply_to_space(&write, writes)?;
        }
        Ok(write.commit()?)
    }
}

fn apply_to_space(write: &WriteTransaction, writes: &SpaceWrites) -> Result<(), Error> {
    let name = table_name(writes.space);
    let definition = TableDefinition::<&[u8], &[u8]>::new(&name);
    if writes.remove == Removal::Everything {
        write.delete_table(definition)?;
    }
    let mut rows = write.open_table(definition)?;
    if let Removal::Below(key) = &writes.remove {
        rows.retain_in::<&[u8], _>(..&key[..], |_, _| false)?;
    }
    for (key, value) in &writes.rows {
        match value {
            Some(value) => drop(rows.insert(&key[..], &value[..])?),
            None => drop(rows.remove(&key[..])?),
        }
    }
    Ok(())
}

impl Storage for RedbStorage {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        let Some(rows) = self.rows(space)? else {
            return Ok(None);
        };
        self.guarded(|| {
            let found = rows.get(key)?;
            Ok(found.map(|value| StoreBytes::new(value.value())))
        })
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        let Some(table) = self.rows(space)? else {
            return Ok(VecDeque::new());
        };
        self.guarded(|| {
            let mut rows = VecDeque::new();
            let mut range = table.range::<&[u8]>(bounds)?;
            for _ in 0..max_rows {
                let row = match direction {
                    Direction::Forward => range.next(),
                    Direction::Backward => range.next_back(),
                };
                let Some(row) = row else { break };
                let (key, value) = row?;
                rows.push_back((StoreBytes::new(key.value()), StoreBytes::new(value.value())));
            }
            Ok(rows)
        })
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        match self.rows(space)? {
            Some(rows) => self.guarded(|| Ok(rows.len()?)),
            None => Ok(0),
        }
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        // Whoever reads keeps the pages that it reads from being used again.
        self.rows.borrow_mut().clear();
        self.guarded(|| self.apply(batch))?;
        self.file.is_dirty.store(true, Ordering::Release);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.guarded(|| self.file.sync())
    }
}

fn table_name(space: u16) -> String {
    space.to_string()
}

/// Whatever redb finds wrong as an error: it is strict with itself where it runs with assertions.
fn guarded<T>(path: &Path, act: impl FnOnce() -> Result<T, Error>) -> Result<T, StorageError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|error| storage_error(path, error)),
        Err(_) => Err(StorageError::Damaged {
            place: path.display().to_string(),
            message: "its pages do not go together".to_owned(),
        }),
    }
}

fn storage_error(path: &Path, error: Error) -> StorageError {
    let place = path.display().to_string();
    match error {
        Error::DatabaseAlreadyOpen => StorageError::Locked { place },
        Error::Io(error) => failed(path, &error),
        Error::UpgradeRequired(version) => StorageError::Damaged {
            place,
            message: format!("its file format {version} is too old"),
        },
        Error::Corrupted(_) | Error::RepairAborted => StorageError::Damaged {
            place,
            message: error.to_string(),
        },
        error => StorageError::Io {
            place,
            message: error.to_string(),
        },
    }
}
