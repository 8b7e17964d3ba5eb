//! Which bytes of a file are in use.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut};

/// A piece of the file that was written once, with the checksum of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    /// CRC-32C.
    pub(super) crc: u32,
}

impl Extent {
    /// The end of its last unit; `None` beyond what a file may have.
    fn end(&self) -> Option<u64> {
        let room = u64::from(self.bytes).checked_next_multiple_of(UNIT)?;
        self.offset.checked_add(room)
    }

    /// Appends `extent` to what leads to it; where there is none, one of no bytes.
    pub(super) fn put(extent: Option<Self>, to: &mut Vec<u8>) {
        let (offset, bytes, crc) = (0, 0, 0);
        let extent = extent.unwrap_or(Self { offset, bytes, crc });
        to.put_u64_le(extent.offset);
        to.put_u32_le(extent.bytes);
        to.put_u32_le(extent.crc);
    }

    /// `None` where there is none, or one of no bytes.
    pub(super) fn read(from: &mut &[u8]) -> Option<Self> {
        let extent = Self {
            offset: from.try_get_u64_le().ok()?,
            bytes: from.try_get_u32_le().ok()?,
            crc: from.try_get_u32_le().ok()?,
        };
        (extent.bytes > 0).then_some(extent)
    }
}

/// Extents begin at multiples of this: small, as a leaf is of any length.
pub(super) const UNIT: u64 = 512;

/// What is free up to the end of the file, and where the end is. It is not stored: whoever opens a
/// file sees what is used.
#[derive(Debug)]
pub(super) struct Extents {
    free: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
    end: u64,
}

impl Extents {
    /// Of a file whose extents begin at `start`, and of which `used` is in use; `None` when two of
    /// them overlap, or one lies before the start.
    pub(super) fn new(start: u64, mut used: Vec<Extent>) -> Option<Self> {
        used.sort_unstable_by_key(|extent| extent.offset);
        let mut extents = Self::up_to(start);
        for extent in used {
            let hole = extent.offset.checked_sub(extents.end)?;
            if hole > 0 {
                extents.insert(extents.end, hole);
            }
            extents.end = extent.end()?;
        }
        Some(extents)
    }

    /// All of a file of so many bytes in use.
    pub(super) fn up_to(end: u64) -> Self {
        Self {
            free: BTreeMap::new(),
            by_length: BTreeSet::new(),
            end,
        }
    }

    /// Behind all that is used.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Where so many bytes may be written: in the smallest hole that has room for them.
    pub(super) fn take(&mut self, bytes: u32) -> u64 {
        let room = u64::from(bytes).next_multiple_of(UNIT);
        let hole = self.by_length.range((room, 0)..).next().copied();
        let Some((length, start)) = hole else {
            let start = self.end;
            self.end += room;
            return start;
        };
        self.remove(start, length);
        if length > room {
            self.insert(start + room, length - room);
        }
        start
    }

    /// Nobody reads `extent` any more.
    pub(super) fn give(&mut self, extent: Extent) {
        let (mut start, mut end) = (extent.offset, extent.end().unwrap_or(self.end));
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.remove(before, length);
            start = before;
        }
        if let Some(&length) = self.free.get(&end) {
            self.remove(end, length);
            end += length;
        }
        if end == self.end {
            self.end = start;
        } else {
            self.insert(start, end - start);
        }
    }

    fn insert(&mut self, start: u64, length: u64) {
        self.free.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.free.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(offset: u64, bytes: u32) -> Extent {
        let crc = 0;
        Extent { offset, bytes, crc }
    }

    #[test]
    fn holes_are_filled_and_grow_together() {
        let mut extents = Extents::new(1024, Vec::new()).expect("nothing overlaps");
        let taken: Vec<u64> = [100, 600, 512, 1].map(|bytes| extents.take(bytes)).to_vec();
        assert_eq!(taken, [1024, 1536, 2560, 3072]);
        extents.give(extent(1024, 100));
        extents.give(extent(2560, 512));
        assert_eq!(extents.take(513), 3584, "no hole has room");
        extents.give(extent(1536, 600));
        assert_eq!(extents.take(2048), 1024, "three holes are one");
        extents.give(extent(3072, 1));
        extents.give(extent(3584, 513));
        assert_eq!(extents.take(512), 3072, "the end came back");
    }

    #[test]
    fn what_is_used_leaves_the_rest_free() {
        let used = vec![extent(4096, 700), extent(1024, 1)];
        let mut extents = Extents::new(1024, used).expect("nothing overlaps");
        assert_eq!(extents.take(2560), 1536);
        assert_eq!(extents.take(1), 5120);
        let overlapping = vec![extent(1024, 513), extent(1536, 1)];
        assert!(Extents::new(1024, overlapping).is_none());
        assert!(Extents::new(1024, vec![extent(512, 1)]).is_none());
        assert!(Extents::new(1024, vec![extent(u64::MAX - 3, 4)]).is_none());
    }
}
