//! Rows of a task in one file.
//!
//! A B-tree of two levels above its leaves: the list of pages, the pages, and leaves with rows.
//! Nothing in the file is changed in place. A batch replaces leaves in memory; a
//! [checkpoint](Tree::checkpoint) writes those that are not in the file yet to where nothing is,
//! then the pages that lead to them, the list of pages, and when all of that is safe from a crash
//! one of two superblocks, in turn. So a crash leaves what the last checkpoint wrote, whole batches
//! each of them, and nothing has to be repaired. What older states needed is free again once the
//! next one is durable. Every piece has a checksum in what leads to it.
//!
//! It is made for what stores need: batches in key order that go to many leaves, no reader beside
//! the one thread that writes, and losing the last batches in a crash, as the changelog has them.
//! Hence no log, no versions and no locks, and a batch costs little more than copying the leaves
//! it touches. Pages are kept in memory (a hundredth of the state), leaves as far as they fit.

mod checkpoint;
mod extents;
mod file;
pub(in crate::state) mod fuzzing;
mod leaf;
mod memory_disk;
mod page;
mod pool;
mod space;
mod storage;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::super::byte_store::{ByteBounds, ByteRow, Direction};
use super::super::bytes::StoreBytes;
use super::{Removal, SpaceWrites, StorageBatch, StorageError};

pub use self::checkpoint::Checkpoint;
use self::extents::Extent;
pub(in crate::state) use self::fuzzing::small_tree;
pub use self::memory_disk::MemoryDisk;
pub use self::pool::Disk;
use self::pool::Pool;
use self::space::Space;
pub use self::storage::TreeStorage;

/// Rows in numbered spaces in a file, for a [`Storage`](super::Storage) that is on disk.
///
/// Once it could not be written, everything fails as that did: it is to be opened again, and has
/// what the last checkpoint wrote.
pub struct Tree {
    spaces: BTreeMap<u16, Space>,
    pool: Pool,
    /// How much of the leaves may stay in memory.
    cache_max_bytes: usize,
    hand: Hand,
    /// Up to so many bytes of leaves nothing could be evicted, as they are being written.
    held_bytes: usize,
    /// How many checkpoints were begun.
    generation: u64,
    root: Option<Extent>,
    /// What the state before the checkpoint that is being written may need.
    leaving: Vec<Extent>,
    is_changed: bool,
    failure: Option<StorageError>,
}

/// The leaf that is considered for eviction next.
#[derive(Debug, Default)]
struct Hand {
    space: u16,
    page: usize,
    leaf: usize,
}

impl Tree {
    /// The value of `key` in `space`.
    ///
    /// # Errors
    /// When the file cannot be read, or is not what was written.
    pub fn get(&mut self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.check()?;
        let Some(rows) = self.spaces.get_mut(&space) else {
            return Ok(None);
        };
        let value = rows.get(&mut self.pool, key)?;
        self.evict()?;
        Ok(value)
    }

    /// As [`Storage::read`](super::Storage::read).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn read(
        &mut self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        self.check()?;
        let Some(rows) = self.spaces.get_mut(&space) else {
            return Ok(VecDeque::new());
        };
        let rows = rows.read(&mut self.pool, bounds, direction, max_rows)?;
        self.evict()?;
        Ok(rows)
    }

    /// How many rows `space` has.
    pub fn len(&self, space: u16) -> u64 {
        self.spaces.get(&space).map_or(0, |space| space.rows)
    }

    /// How much of the leaves may stay in memory from the next call on.
    pub fn set_cache_max_bytes(&mut self, bytes: usize) {
        self.cache_max_bytes = bytes;
    }

    /// Applies `batch`, in memory as far as it fits.
    ///
    /// # Errors
    /// When a row is larger than a file of this kind may hold: nothing is applied. When the file
    /// cannot be read or written: it is to be opened again.
    pub fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        self.check()?;
        for (key, value) in batch.spaces.iter().flat_map(|space| &space.rows) {
            let value_len = value.as_ref().map_or(0, |value| value.len());
            if key.len() > KEY_BYTES_MAX || value_len > VALUE_BYTES_MAX {
                let lens = format!("{} bytes and a value of {value_len}", key.len());
                return Err(StorageError::Io {
                    place: self.pool.place.to_string(),
                    message: format!("a key of {lens} is larger than a row may be"),
                });
            }
        }
        self.is_changed = true;
        for writes in &batch.spaces {
            if let Err(error) = self.apply(writes) {
                self.failure = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    fn apply(&mut self, writes: &SpaceWrites) -> Result<(), StorageError> {
        let space = self.spaces.entry(writes.space).or_default();
        match &writes.remove {
            Removal::Nothing => {}
            Removal::Below(key) => space.remove_below(&mut self.pool, key)?,
            Removal::Everything => {
                let space = std::mem::take(space);
                space
                    .pages
                    .iter()
                    .for_each(|page| page.forget(&mut self.pool));
            }
        }
        let mut rest = &writes.rows[..];
        while !rest.is_empty() {
            let space = self.spaces.entry(writes.space).or_default();
            rest = space.apply(&mut self.pool, rest)?;
            self.evict()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), StorageError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Takes leaves out of memory until the others fit, those first that nobody used for a round.
    #[inline]
    fn evict(&mut self) -> Result<(), StorageError> {
        if self.pool.cached_bytes > self.cache_max_bytes.max(self.held_bytes) {
            return self.evict_leaves();
        }
        Ok(())
    }

    fn evict_leaves(&mut self) -> Result<(), StorageError> {
        let mut rounds = 0;
        while rounds < EVICTION_ROUNDS_MAX {
            let Some((&id, space)) = self.spaces.range_mut(self.hand.space..).next() else {
                self.hand = Hand::default();
                rounds += 1;
                continue;
            };
            if id != self.hand.space {
                (self.hand.space, self.hand.page, self.hand.leaf) = (id, 0, 0);
            }
            let Some(page) = space.pages.get_mut(self.hand.page) else {
                let Some(next) = id.checked_add(1) else {
                    self.hand = Hand::default();
                    rounds += 1;
                    continue;
                };
                (self.hand.space, self.hand.page, self.hand.leaf) = (next, 0, 0);
                continue;
            };
            while let Some(leaf) = page.leaves.get_mut(self.hand.leaf) {
                if self.pool.cached_bytes <= self.cache_max_bytes {
                    return Ok(());
                }
                self.pool.evict(leaf)?;
                self.hand.leaf += 1;
            }
            (self.hand.page, self.hand.leaf) = (self.hand.page + 1, 0);
        }
        // Not again for every leaf that is read until they are written.
        self.held_bytes = self.pool.cached_bytes + self.cache_max_bytes / 8;
        Ok(())
    }
}

/// One to see that nobody uses them, one to take them out; those that are being written stay.
const EVICTION_ROUNDS_MAX: usize = 3;

/// More than Kafka has in a record. Offsets within a leaf have four bytes.
const VALUE_BYTES_MAX: usize = 1 << 31;

/// A page has keys of its leaves.
const KEY_BYTES_MAX: usize = 1 << 24;

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("place", &self.pool.place)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
