//! Where leaves come from and go to: the file, and how much of it is in memory.

use std::sync::Arc;

use super::super::super::bytes::StoreBytes;
use super::super::StorageError;
use super::extents::{Extent, Extents};
use super::leaf::Leaf;
use super::page::LeafPlace;

/// A file that is read and written at any place, or what stands for one in a simulation.
pub trait Disk: Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    /// When it cannot be read.
    fn size(&self) -> Result<u64, StorageError>;

    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// When it cannot be read, or ends before ([`StorageError::Damaged`]).
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), StorageError>;

    /// Writes `bytes` from `offset` on. Until the next [`sync`](Self::sync) a crash may lose any
    /// part of them.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Cuts off what is behind `len` bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    fn truncate(&self, len: u64) -> Result<(), StorageError>;

    /// Waits until everything written is safe from a crash.
    ///
    /// # Errors
    /// When it is not; nothing is known of what was written then.
    fn sync(&self) -> Result<(), StorageError>;
}

/// The file of a tree, and the memory for its leaves.
pub(super) struct Pool {
    pub(super) disk: Arc<dyn Disk>,
    /// As errors name it.
    pub(super) place: Box<str>,
    pub(super) extents: Extents,
    /// What only a state that was made durable may need: no use for it before the next one is.
    pub(super) freed: Vec<Extent>,
    /// What all leaves in memory take.
    pub(super) cached_bytes: usize,
    pub(super) shape: Shape,
}

/// How large things become before they are split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) leaf_bytes_max: usize,
    pub(super) page_leaves_max: usize,
}

impl Pool {
    pub(super) fn damaged(&self, message: impl Into<String>) -> StorageError {
        StorageError::Damaged {
            place: self.place.to_string(),
            message: message.into(),
        }
    }

    /// What was written to `extent`.
    pub(super) fn read(&self, extent: Extent) -> Result<Vec<u8>, StorageError> {
        let end = extent.offset.checked_add(u64::from(extent.bytes));
        if end.is_none_or(|end| end > self.extents.end()) {
            return Err(self.damaged("a page lies behind its end"));
        }
        let mut bytes = vec![0; extent.bytes as usize];
        self.disk.read_at(extent.offset, &mut bytes)?;
        if crc32c::crc32c(&bytes) != extent.crc {
            return Err(self.damaged(format!(
                "the page at {} is not what was written",
                extent.offset
            )));
        }
        Ok(bytes)
    }

    /// The leaf at `place`, read where it is not in memory.
    #[inline]
    pub(super) fn leaf<'a>(&mut self, place: &'a mut LeafPlace) -> Result<&'a Leaf, StorageError> {
        if place.cached.is_none() {
            place.cached = Some(self.read_leaf(place)?);
        }
        place.is_used = true;
        place
            .cached
            .as_ref()
            .ok_or_else(|| self.damaged("a leaf is nowhere"))
    }

    #[cold]
    fn read_leaf(&mut self, place: &LeafPlace) -> Result<Leaf, StorageError> {
        let extent = place
            .extent
            .ok_or_else(|| self.damaged("a leaf is nowhere"))?;
        let leaf = Leaf::read(self.read(extent)?, extent.crc);
        let leaf = leaf.filter(|leaf| leaf.len() == place.rows as usize);
        let leaf = leaf.ok_or_else(|| self.damaged("a leaf has no rows that can be read"))?;
        self.cached_bytes += leaf.bytes().len();
        Ok(leaf)
    }

    /// A leaf that is not in the file yet.
    pub(super) fn place(&mut self, leaf: Leaf, fence: StoreBytes) -> LeafPlace {
        self.cached_bytes += leaf.bytes().len();
        LeafPlace {
            fence,
            rows: leaf.len() as u32,
            is_used: true,
            extent: None,
            is_spilled: false,
            cached: Some(leaf),
        }
    }

    /// Nobody reads the leaf at `place` any more, but for a durable state.
    pub(super) fn forget(&mut self, place: &LeafPlace) {
        match place.extent {
            Some(extent) if place.is_spilled => self.extents.give(extent),
            extent => self.freed.extend(extent),
        }
        if let Some(leaf) = &place.cached {
            self.cached_bytes -= leaf.bytes().len();
        }
    }

    /// Takes room for `bytes` with their checksum.
    pub(super) fn extent(&mut self, bytes: &[u8], crc: u32) -> Extent {
        let bytes = bytes.len() as u32;
        let offset = self.extents.take(bytes);
        Extent { offset, bytes, crc }
    }

    /// Gives the end of the file back to the system where half of it is of no use.
    pub(super) fn shrink(&self) -> Result<(), StorageError> {
        let end = self.extents.end();
        if end < self.disk.size()? / 2 {
            self.disk.truncate(end)?;
        }
        Ok(())
    }

    /// Takes the leaf at `place` out of memory, unless somebody used it since this was tried last.
    pub(super) fn evict(&mut self, place: &mut LeafPlace) -> Result<(), StorageError> {
        let Some(leaf) = &place.cached else {
            return Ok(());
        };
        let is_being_written = Arc::strong_count(leaf.bytes()) > 1;
        if std::mem::take(&mut place.is_used) || is_being_written {
            return Ok(());
        }
        if place.extent.is_none() {
            let extent = self.extent(leaf.bytes(), leaf.crc());
            if let Err(error) = self.disk.write_at(extent.offset, leaf.bytes()) {
                self.extents.give(extent);
                return Err(error);
            }
            (place.extent, place.is_spilled) = (Some(extent), true);
        }
        self.cached_bytes -= leaf.bytes().len();
        place.cached = None;
        Ok(())
    }
}
