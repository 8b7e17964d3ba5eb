//! How a tree gets into its file, and out of it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::StorageError;
use super::extents::{Extent, Extents, UNIT};
use super::file::{DATA_START, SpaceEntry, Superblock, read_root, root_to_bytes};
use super::page::Page;
use super::pool::{Disk, Pool, Shape};
use super::space::Space;
use super::{Hand, Tree};

/// What has to be written to make a state durable. Whoever has the tree may go on meanwhile.
#[must_use = "what it has is nowhere else"]
pub struct Checkpoint {
    writes: Vec<(u64, Arc<[u8]>)>,
    superblock: Superblock,
}

/// Pieces that follow one another are written together, up to so many bytes.
const WRITE_BYTES: usize = 1 << 20;

impl Checkpoint {
    /// Writes it and waits for the disk.
    ///
    /// # Errors
    /// When it cannot be written. The file has the state before it, or this one.
    pub fn write(self, disk: &dyn Disk) -> Result<(), StorageError> {
        let mut together = Vec::new();
        let mut start = 0;
        // What is not held any more may be read from the file; what was replaced is gone then.
        let mut held = Vec::new();
        for (offset, bytes) in self.writes {
            let hole = offset.checked_sub(start + together.len() as u64);
            let is_next = hole.is_some_and(|hole| hole < UNIT);
            if !is_next || together.len() + bytes.len() > WRITE_BYTES {
                write_some(disk, start, &together)?;
                together.clear();
                held.clear();
                start = offset;
            }
            together.resize((offset - start) as usize, 0);
            together.extend_from_slice(&bytes);
            held.push(bytes);
        }
        write_some(disk, start, &together)?;
        disk.sync()?;
        let superblock = self.superblock.to_bytes();
        disk.write_at(self.superblock.offset(), &superblock)?;
        disk.sync()
    }
}

/// A leaf is copied where something is written to it, a page where a leaf has moved, and all pages
/// are listed at every checkpoint.
const SHAPE: Shape = Shape {
    leaf_bytes_max: 8 << 10,
    page_leaves_max: 128,
};

impl Tree {
    /// Makes an empty file of `disk`, which a tree can be opened from.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(disk: &dyn Disk) -> Result<(), StorageError> {
        let (generation, root) = (0, None);
        let mut header = Superblock { generation, root }.to_bytes();
        header.resize(DATA_START as usize, 0);
        disk.write_at(0, &header)?;
        disk.sync()
    }

    /// What the last checkpoint wrote to `disk`. Errors name it as `place`; leaves that are read
    /// stay in memory up to `cache_max_bytes`.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was written by a later version.
    pub fn open(
        disk: Arc<dyn Disk>,
        place: &str,
        cache_max_bytes: usize,
    ) -> Result<Self, StorageError> {
        Self::open_shaped(disk, place, cache_max_bytes, SHAPE)
    }

    pub(super) fn open_shaped(
        disk: Arc<dyn Disk>,
        place: &str,
        cache_max_bytes: usize,
        shape: Shape,
    ) -> Result<Self, StorageError> {
        // What a process left that was killed is in the system's memory: what its state does not
        // need may be written to when it is safe.
        disk.sync()?;
        let mut pool = Pool {
            place: place.into(),
            extents: Extents::up_to(disk.size()?),
            disk,
            freed: Vec::new(),
            cached_bytes: 0,
            shape,
        };
        let mut header = vec![0; DATA_START as usize];
        pool.disk.read_at(0, &mut header)?;
        let Superblock { generation, root } = Superblock::newest(&header, &pool)?;
        let (spaces, used) = match root {
            Some(root) => read_spaces(&pool, root)?,
            None => (BTreeMap::new(), Vec::new()),
        };
        let extents = Extents::new(DATA_START, used);
        pool.extents = extents.ok_or_else(|| pool.damaged("its pages overlap"))?;
        Ok(Self {
            spaces,
            pool,
            cache_max_bytes,
            hand: Hand::default(),
            held_bytes: 0,
            generation,
            root,
            leaving: Vec::new(),
            is_changed: false,
            failure: None,
        })
    }

    /// What has to be written for the state as it is; `None` where the file has it. It is to be
    /// [written](Checkpoint::write), and [ended](Self::end_checkpoint) before the next one begins.
    ///
    /// # Errors
    /// When the tree failed before.
    pub fn begin_checkpoint(&mut self) -> Result<Option<Checkpoint>, StorageError> {
        self.check()?;
        if !std::mem::take(&mut self.is_changed) {
            return Ok(None);
        }
        let pool = &mut self.pool;
        let mut writes = Vec::new();
        let mut spaces = Vec::with_capacity(self.spaces.len());
        self.spaces.retain(|_, space| space.rows > 0);
        for (&id, space) in &mut self.spaces {
            let pages = space.pages.iter_mut();
            spaces.push(SpaceEntry {
                id,
                rows: space.rows,
                pages: pages
                    .map(|page| place_page(page, pool, &mut writes))
                    .collect(),
            });
        }
        pool.freed.extend(self.root.take());
        if !spaces.is_empty() {
            self.root = Some(place(root_to_bytes(&spaces), pool, &mut writes));
        }
        self.leaving.append(&mut pool.freed);
        self.generation += 1;
        writes.sort_unstable_by_key(|(offset, _)| *offset);
        let superblock = Superblock {
            generation: self.generation,
            root: self.root,
        };
        Ok(Some(Checkpoint { writes, superblock }))
    }

    /// A checkpoint was written, or was not: then nothing is known of the file, and the tree fails
    /// from now on.
    ///
    /// # Errors
    /// As it was given.
    pub fn end_checkpoint(
        &mut self,
        written: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.held_bytes = 0;
        let ended = written.and_then(|()| {
            for extent in self.leaving.drain(..) {
                self.pool.extents.give(extent);
            }
            self.pool.shrink()
        });
        if let Err(error) = &ended {
            self.failure = Some(error.clone());
        }
        ended
    }

    /// Makes the state as it is durable.
    ///
    /// # Errors
    /// When it cannot be written: the tree is to be opened again.
    pub fn checkpoint(&mut self) -> Result<(), StorageError> {
        let Some(checkpoint) = self.begin_checkpoint()? else {
            return Ok(());
        };
        let written = checkpoint.write(&*self.pool.disk);
        self.end_checkpoint(written)
    }
}

fn write_some(disk: &dyn Disk, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    if bytes.is_empty() {
        return Ok(());
    }
    disk.write_at(offset, bytes)
}

/// Gives a page and all its leaves their places in the file.
fn place_page(page: &mut Page, pool: &mut Pool, writes: &mut Vec<(u64, Arc<[u8]>)>) -> Extent {
    if let Some(extent) = page.extent {
        return extent;
    }
    for at in &mut page.leaves {
        if let (None, Some(leaf)) = (at.extent, &at.cached) {
            let extent = pool.extent(leaf.bytes(), leaf.crc());
            writes.push((extent.offset, Arc::clone(leaf.bytes())));
            at.extent = Some(extent);
        }
        at.is_spilled = false;
    }
    let extent = place(page.to_bytes(), pool, writes);
    page.extent = Some(extent);
    extent
}

fn place(bytes: Vec<u8>, pool: &mut Pool, writes: &mut Vec<(u64, Arc<[u8]>)>) -> Extent {
    let extent = pool.extent(&bytes, crc32c::crc32c(&bytes));
    writes.push((extent.offset, Arc::from(bytes)));
    extent
}

/// The spaces with their pages, and all extents that are in use.
fn read_spaces(
    pool: &Pool,
    root: Extent,
) -> Result<(BTreeMap<u16, Space>, Vec<Extent>), StorageError> {
    let entries = read_root(&pool.read(root)?);
    let entries = entries.ok_or_else(|| pool.damaged("its list of pages cannot be read"))?;
    let pages = entries.iter().flat_map(|entry| &entry.pages).copied();
    let mut used: Vec<Extent> = pages.chain([root]).collect();
    // A page that is listed a thousand times is not read a thousand times.
    if Extents::new(DATA_START, used.clone()).is_none() {
        return Err(pool.damaged("its pages overlap"));
    }
    let mut spaces = BTreeMap::new();
    for entry in entries {
        let mut space = Space {
            pages: Vec::with_capacity(entry.pages.len()),
            rows: 0,
        };
        for extent in entry.pages {
            let page = Page::read(&pool.read(extent)?, extent);
            let page = page.ok_or_else(|| pool.damaged("a page cannot be read"))?;
            used.extend(page.leaves.iter().filter_map(|leaf| leaf.extent));
            space.rows += page.rows();
            space.pages.push(page);
        }
        let is_whole = space.rows == entry.rows && space.rows > 0;
        if !is_whole || spaces.insert(entry.id, space).is_some() {
            return Err(pool.damaged("its list of pages cannot be read"));
        }
    }
    Ok((spaces, used))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::super::super::byte_store::{ALL_KEYS, Direction};
    use super::super::super::super::bytes::StoreBytes;
    use super::super::super::{Removal, SpaceWrites, StorageBatch};
    use super::super::MemoryDisk;
    use super::*;

    /// A disk to which somebody writes who reads all rows meanwhile.
    struct Nosy {
        disk: Arc<MemoryDisk>,
        tree: Mutex<Tree>,
    }

    impl Nosy {
        fn read(&self) -> Result<(), StorageError> {
            let mut tree = self.tree.lock().expect("nobody panicked");
            for _ in 0..3 {
                let rows = tree.read(1, ALL_KEYS, Direction::Forward, usize::MAX)?;
                assert_eq!(rows.len(), 2000);
            }
            Ok(())
        }
    }

    impl Disk for Nosy {
        fn size(&self) -> Result<u64, StorageError> {
            self.disk.size()
        }

        fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
            self.disk.read_at(offset, bytes)
        }

        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
            self.read()?;
            self.disk.write_at(offset, bytes)
        }

        fn truncate(&self, len: u64) -> Result<(), StorageError> {
            self.disk.truncate(len)
        }

        fn sync(&self) -> Result<(), StorageError> {
            self.read()?;
            self.disk.sync()
        }
    }

    #[test]
    fn what_is_being_written_stays_in_memory() {
        let disk = Arc::new(MemoryDisk::new());
        Tree::create(&*disk).expect("has room");
        let mut tree = Tree::open(disk.clone(), "disk", 1 << 20).expect("is new");
        let row = |number: u16| {
            let key = StoreBytes::new(&number.to_be_bytes());
            (key, Some(StoreBytes::new(&[7; 100])))
        };
        let writes = SpaceWrites {
            space: 1,
            remove: Removal::Nothing,
            rows: (0..2000).map(row).collect(),
        };
        let spaces = vec![writes];
        tree.write(&StorageBatch { spaces }).expect("has room");
        let begun = tree.begin_checkpoint().expect("has room");
        tree.set_cache_max_bytes(0);
        let tree = Mutex::new(tree);
        let nosy = Nosy { disk, tree };
        let written = begun.expect("something changed").write(&nosy);
        let mut tree = nosy.tree.lock().expect("nobody panicked");
        tree.end_checkpoint(written).expect("is whole");
    }
}
