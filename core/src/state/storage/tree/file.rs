//! What is at fixed places of the file: the superblocks, and what they lead to.

use bytes::{Buf, BufMut};

use super::super::StorageError;
use super::extents::Extent;
use super::pool::Pool;

/// The two superblocks begin at multiples of this, a block of any disk.
const SUPERBLOCK_ROOM: u64 = 4096;

/// Where the first extent may be.
pub(super) const DATA_START: u64 = 2 * SUPERBLOCK_ROOM;

const MAGIC: &[u8; 16] = b"eddyline rows\r\n\x1a";
const VERSION: u32 = 1;
const SUPERBLOCK_BYTES: usize = 56;

/// Where the newest durable state begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) generation: u64,
    /// The list of pages; `None` when there are no rows.
    pub(super) root: Option<Extent>,
}

impl Superblock {
    /// Where it is written: the one before it stays.
    pub(super) fn offset(&self) -> u64 {
        self.generation % 2 * SUPERBLOCK_ROOM
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK_BYTES);
        bytes.put_slice(MAGIC);
        bytes.put_u32_le(VERSION);
        bytes.put_u64_le(self.generation);
        Extent::put(self.root, &mut bytes);
        bytes.resize(SUPERBLOCK_BYTES - 4, 0);
        bytes.put_u32_le(crc32c::crc32c(&bytes));
        bytes
    }

    /// The newer one of those in `header`.
    pub(super) fn newest(header: &[u8], pool: &Pool) -> Result<Self, StorageError> {
        let mut blocks = Vec::new();
        for block in header.chunks(SUPERBLOCK_ROOM as usize) {
            match Self::read(block) {
                Some((VERSION, block)) => blocks.push(block),
                Some((version, _)) => {
                    return Err(StorageError::Newer {
                        place: pool.place.to_string(),
                        message: format!("format {version}; this version knows {VERSION}"),
                    });
                }
                None => {}
            }
        }
        let newest = blocks.into_iter().max_by_key(|block| block.generation);
        newest.ok_or_else(|| pool.damaged("it has no superblock"))
    }

    /// With the version that wrote it; `None` where there is none, or part of one.
    fn read(block: &[u8]) -> Option<(u32, Self)> {
        let mut block = block.get(..SUPERBLOCK_BYTES)?;
        let (content, mut checksum) = block.split_at(SUPERBLOCK_BYTES - 4);
        let is_whole = checksum.try_get_u32_le().ok()? == crc32c::crc32c(content);
        block = content.strip_prefix(MAGIC).filter(|_| is_whole)?;
        let version = block.try_get_u32_le().ok()?;
        let generation = block.try_get_u64_le().ok()?;
        let root = Extent::read(&mut block);
        Some((version, Self { generation, root }))
    }
}

/// Where the pages of a space are.
pub(super) struct SpaceEntry {
    pub(super) id: u16,
    pub(super) rows: u64,
    pub(super) pages: Vec<Extent>,
}

/// The list of pages.
pub(super) fn root_to_bytes(spaces: &[SpaceEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for space in spaces {
        bytes.put_u16_le(space.id);
        bytes.put_u64_le(space.rows);
        bytes.put_u32_le(space.pages.len() as u32);
        for page in &space.pages {
            Extent::put(Some(*page), &mut bytes);
        }
    }
    bytes
}

/// `None` when it is not a list of pages.
pub(super) fn read_root(mut bytes: &[u8]) -> Option<Vec<SpaceEntry>> {
    let mut spaces = Vec::new();
    while !bytes.is_empty() {
        let id = bytes.try_get_u16_le().ok()?;
        let rows = bytes.try_get_u64_le().ok()?;
        let pages = bytes.try_get_u32_le().ok()?;
        let pages = (0..pages).map(|_| Extent::read(&mut bytes));
        let pages = pages.collect::<Option<Vec<_>>>()?;
        spaces.push(SpaceEntry { id, rows, pages });
    }
    Some(spaces)
}
