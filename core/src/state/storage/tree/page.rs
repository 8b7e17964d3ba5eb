//! Inner pages: where the leaves of a stretch of keys are.

use std::ops::Range;

use bytes::{Buf, BufMut};

use super::super::super::bytes::StoreBytes;
use super::super::StorageError;
use super::extents::Extent;
use super::leaf::{Leaf, Piece, Write, build, merge};
use super::pool::Pool;

/// Leaves in key order. Pages are always in memory, as they are a hundredth of what is stored.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) leaves: Vec<LeafPlace>,
    /// Where it was written as it is.
    pub(super) extent: Option<Extent>,
}

/// Where a leaf is: in memory, in the file, or both.
#[derive(Debug)]
pub(super) struct LeafPlace {
    /// Keys below it are in the leaf before, if there is one.
    pub(super) fence: StoreBytes,
    pub(super) rows: u32,
    /// Somebody read it since it was last considered for eviction.
    pub(super) is_used: bool,
    pub(super) extent: Option<Extent>,
    /// No checkpoint has the extent yet.
    pub(super) is_spilled: bool,
    pub(super) cached: Option<Leaf>,
}

impl Page {
    /// The first key that may be in it.
    pub(super) fn fence(&self) -> &[u8] {
        self.leaves.first().map_or(&[], |leaf| &leaf.fence)
    }

    /// How many rows its leaves have.
    pub(super) fn rows(&self) -> u64 {
        self.leaves.iter().map(|leaf| u64::from(leaf.rows)).sum()
    }

    /// The leaf that `key` is in, if it is anywhere.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> usize {
        let after = self.leaves.partition_point(|leaf| *leaf.fence <= *key);
        after.saturating_sub(1)
    }

    /// Applies `writes`, which are in key order, and says how many rows more there are.
    pub(super) fn apply(&mut self, pool: &mut Pool, writes: &[Write]) -> Result<i64, StorageError> {
        let (mut rest, mut more) = (writes, 0);
        while !rest.is_empty() {
            let group = self.group(pool, rest)?;
            let mut pieces = Vec::new();
            if group.leaves.is_empty() {
                let rows = rest.iter();
                pieces
                    .extend(rows.filter_map(|(key, value)| Some(Piece::New(key, value.as_ref()?))));
            }
            for (leaf, writes) in &group.leaves {
                merge(leaf, writes, &mut pieces);
            }
            let replaced = group.first..group.first + group.leaves.len();
            more += self.replace(pool, replaced, &pieces);
            rest = group.rest;
        }
        Ok(more)
    }

    /// The leaf that the first of `writes` goes to with all that do, and where it is small, the
    /// next one, too.
    fn group<'a>(
        &mut self,
        pool: &mut Pool,
        writes: &'a [Write],
    ) -> Result<Group<'a>, StorageError> {
        let first = writes.first().map_or(0, |(key, _)| self.find(key));
        let mut group = Group {
            first,
            leaves: Vec::new(),
            rest: writes,
        };
        let mut bytes = 0;
        for at in first..self.leaves.len() {
            let behind = self.leaves.get(at + 1).map(|next| &*next.fence);
            let (own, rest) = split(group.rest, behind);
            let leaf = pool.leaf(&mut self.leaves[at])?.clone();
            bytes += leaf.bytes().len();
            group.leaves.push((leaf, own));
            group.rest = rest;
            if bytes >= pool.shape.leaf_bytes_max / 4 {
                return Ok(group);
            }
        }
        group.rest = &[];
        Ok(group)
    }

    /// Puts the leaves of `pieces` in the place of others, and says how many rows more there are.
    fn replace(&mut self, pool: &mut Pool, old: Range<usize>, pieces: &[Piece<'_>]) -> i64 {
        let old_fence = self.leaves.get(old.start).map(|place| place.fence.clone());
        let mut last_key: Option<StoreBytes> = None;
        let mut places: Vec<LeafPlace> = Vec::new();
        for leaf in build(pieces, pool.shape.leaf_bytes_max) {
            let first = leaf.key(0);
            let fence = match (&last_key, &old_fence) {
                (Some(before), _) => separator(before, first),
                (None, Some(old)) if **old <= *first => old.clone(),
                (None, _) => StoreBytes::new(first),
            };
            last_key = Some(StoreBytes::new(leaf.key(leaf.len() - 1)));
            places.push(pool.place(leaf, fence));
        }
        let mut more: i64 = places.iter().map(|place| i64::from(place.rows)).sum();
        for place in self.leaves.splice(old, places) {
            more -= i64::from(place.rows);
            pool.forget(&place);
        }
        pool.freed.extend(self.extent.take());
        more
    }

    /// Removes the rows below `key`, and says how many rows more there are.
    pub(super) fn remove_below(
        &mut self,
        pool: &mut Pool,
        key: &[u8],
    ) -> Result<i64, StorageError> {
        let whole = 0..self.find(key);
        let mut more = self.replace(pool, whole, &[]);
        let Some(place) = self.leaves.first_mut() else {
            return Ok(more);
        };
        let leaf = pool.leaf(place)?.clone();
        let (at, _) = leaf.search(key, 0..leaf.len());
        if at > 0 {
            let rows = at..leaf.len();
            let pieces = [Piece::Kept(&leaf, rows)];
            let left = &pieces[..usize::from(at < leaf.len())];
            more += self.replace(pool, 0..1, left);
        }
        Ok(more)
    }

    /// Nobody reads any of it any more, but for a durable state.
    pub(super) fn forget(&self, pool: &mut Pool) {
        self.leaves.iter().for_each(|leaf| pool.forget(leaf));
        pool.freed.extend(self.extent);
    }

    /// As it is written; all its leaves have their place in the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.leaves.len() * 64);
        bytes.put_u32_le(self.leaves.len() as u32);
        for leaf in &self.leaves {
            Extent::put(leaf.extent, &mut bytes);
            bytes.put_u32_le(leaf.rows);
            bytes.put_u32_le(leaf.fence.len() as u32);
            bytes.put_slice(&leaf.fence);
        }
        bytes
    }

    /// What was written to `extent`; `None` when it is not a page.
    pub(super) fn read(mut bytes: &[u8], extent: Extent) -> Option<Self> {
        let leaves = bytes.try_get_u32_le().ok()?;
        let mut page = Self {
            leaves: Vec::new(),
            extent: Some(extent),
        };
        for _ in 0..leaves {
            let extent = Extent::read(&mut bytes)?;
            let rows = bytes.try_get_u32_le().ok()?;
            let fence_len = bytes.try_get_u32_le().ok()? as usize;
            let (fence, rest) = bytes.split_at_checked(fence_len)?;
            bytes = rest;
            page.leaves.push(LeafPlace {
                fence: StoreBytes::new(fence),
                rows,
                is_used: false,
                extent: Some(extent),
                is_spilled: false,
                cached: None,
            });
        }
        (leaves > 0 && bytes.is_empty()).then_some(page)
    }
}

/// The shortest key that is above `before` and not above `key`.
fn separator(before: &[u8], key: &[u8]) -> StoreBytes {
    let common = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    StoreBytes::new(&key[..key.len().min(common + 1)])
}

/// Leaves with what is written to each.
struct Group<'a> {
    first: usize,
    leaves: Vec<(Leaf, &'a [Write])>,
    /// Behind them.
    rest: &'a [Write],
}

/// Those of `writes` whose keys are below `fence`, and the others.
pub(super) fn split<'a>(writes: &'a [Write], fence: Option<&[u8]>) -> (&'a [Write], &'a [Write]) {
    let own = fence.map_or(writes.len(), |fence| {
        let is_below = |(key, _): &Write| **key < *fence;
        // Few of many go to one leaf.
        let mut some = 1;
        while writes.get(some).is_some_and(is_below) {
            some *= 2;
        }
        let some = some.min(writes.len());
        writes[..some].partition_point(is_below)
    });
    writes.split_at(own)
}
