//! The rows of one space.

use std::collections::VecDeque;
use std::ops::{Bound, Range};

use super::super::super::byte_store::{ByteBounds, ByteRow, Direction};
use super::super::super::bytes::StoreBytes;
use super::super::StorageError;
use super::leaf::{Leaf, Write};
use super::page::{Page, split};
use super::pool::Pool;

/// Pages in key order, none of them empty, and how many rows they lead to.
#[derive(Debug, Default)]
pub(super) struct Space {
    pub(super) pages: Vec<Page>,
    pub(super) rows: u64,
}

impl Space {
    /// The page that `key` is in, if it is anywhere.
    #[inline]
    fn find(&self, key: &[u8]) -> usize {
        let after = self.pages.partition_point(|page| page.fence() <= key);
        after.saturating_sub(1)
    }

    pub(super) fn get(
        &mut self,
        pool: &mut Pool,
        key: &[u8],
    ) -> Result<Option<StoreBytes>, StorageError> {
        let at = self.find(key);
        let Some(page) = self.pages.get_mut(at) else {
            return Ok(None);
        };
        let at = page.find(key);
        let leaf = pool.leaf(&mut page.leaves[at])?;
        let (at, is_there) = leaf.search(key, 0..leaf.len());
        Ok(is_there.then(|| StoreBytes::new(leaf.row(at).1)))
    }

    /// The first `max_rows` rows within `bounds`.
    pub(super) fn read(
        &mut self,
        pool: &mut Pool,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        let mut rows = VecDeque::new();
        let mut next = self.first(bounds, direction);
        while let Some((page, at)) = next
            && rows.len() < max_rows
        {
            let leaf = pool.leaf(&mut self.pages[page].leaves[at])?;
            let within = within(leaf, bounds);
            let is_last = match direction {
                Direction::Forward => within.end < leaf.len(),
                Direction::Backward => within.start > 0,
            };
            let row = |(key, value): (&[u8], &[u8])| (StoreBytes::new(key), StoreBytes::new(value));
            let left = max_rows - rows.len();
            let found = leaf.rows(within);
            match direction {
                Direction::Forward => rows.extend(found.take(left).map(row)),
                Direction::Backward => rows.extend(found.rev().take(left).map(row)),
            }
            next = self.next(page, at, direction).filter(|_| !is_last);
        }
        Ok(rows)
    }

    /// The leaf where a walk within `bounds` begins.
    fn first(&self, bounds: ByteBounds<'_>, direction: Direction) -> Option<(usize, usize)> {
        let bound = match direction {
            Direction::Forward => bounds.0,
            Direction::Backward => bounds.1,
        };
        let last = self.pages.len().checked_sub(1)?;
        match (bound, direction) {
            (Bound::Included(key) | Bound::Excluded(key), _) => {
                let page = self.find(key);
                Some((page, self.pages[page].find(key)))
            }
            (Bound::Unbounded, Direction::Forward) => Some((0, 0)),
            (Bound::Unbounded, Direction::Backward) => {
                Some((last, self.pages[last].leaves.len() - 1))
            }
        }
    }

    /// The leaf beside another one.
    fn next(&self, page: usize, at: usize, direction: Direction) -> Option<(usize, usize)> {
        match direction {
            Direction::Forward if at + 1 < self.pages[page].leaves.len() => Some((page, at + 1)),
            Direction::Forward => (page + 1 < self.pages.len()).then_some((page + 1, 0)),
            Direction::Backward if at > 0 => Some((page, at - 1)),
            Direction::Backward => {
                let before = page.checked_sub(1)?;
                Some((before, self.pages[before].leaves.len() - 1))
            }
        }
    }

    /// Applies those of `writes`, which are in key order, that go to the page of the first of them,
    /// and returns the others.
    pub(super) fn apply<'a>(
        &mut self,
        pool: &mut Pool,
        writes: &'a [Write],
    ) -> Result<&'a [Write], StorageError> {
        let at = writes.first().map_or(0, |(key, _)| self.find(key));
        if self.pages.is_empty() {
            self.pages.push(Page::default());
        }
        let behind = self.pages.get(at + 1).map(Page::fence);
        let (own, rest) = split(writes, behind);
        let more = self.pages[at].apply(pool, own)?;
        self.rows = self.rows.saturating_add_signed(more);
        self.balance(pool, at);
        Ok(rest)
    }

    /// Removes the rows below `key`.
    pub(super) fn remove_below(&mut self, pool: &mut Pool, key: &[u8]) -> Result<(), StorageError> {
        let whole = self.find(key);
        for page in self.pages.drain(..whole) {
            self.rows = self.rows.saturating_sub(page.rows());
            page.forget(pool);
        }
        if let Some(page) = self.pages.first_mut() {
            let more = page.remove_below(pool, key)?;
            self.rows = self.rows.saturating_add_signed(more);
            self.balance(pool, 0);
        }
        Ok(())
    }

    /// Splits the page at `at` where it is too large; removes it, or takes the next one in, where
    /// it is too small.
    fn balance(&mut self, pool: &mut Pool, at: usize) {
        let max = pool.shape.page_leaves_max;
        let leaves = self.pages[at].leaves.len();
        let next = self.pages.get(at + 1).map(|next| next.leaves.len());
        if leaves == 0 {
            self.pages.remove(at).forget(pool);
        } else if leaves > max {
            let all = std::mem::take(&mut self.pages[at].leaves);
            let pages = leaves.div_ceil(max / 4 * 3);
            let mut all = all.into_iter().peekable();
            let mut split = Vec::with_capacity(pages);
            while all.peek().is_some() {
                split.push(Page {
                    leaves: all.by_ref().take(leaves.div_ceil(pages)).collect(),
                    extent: None,
                });
            }
            self.pages.splice(at..=at, split);
        } else if next.is_some_and(|next| leaves + next <= max / 2) {
            let next = self.pages.remove(at + 1);
            pool.freed.extend(next.extent);
            let page = &mut self.pages[at];
            pool.freed.extend(page.extent.take());
            page.leaves.extend(next.leaves);
        }
    }
}

fn above((at, is_there): (usize, bool)) -> usize {
    at + usize::from(is_there)
}

/// The rows of `leaf` within `bounds`.
fn within(leaf: &Leaf, bounds: ByteBounds<'_>) -> Range<usize> {
    let start = match bounds.0 {
        Bound::Included(key) => leaf.search(key, 0..leaf.len()).0,
        Bound::Excluded(key) => above(leaf.search(key, 0..leaf.len())),
        Bound::Unbounded => 0,
    };
    // Most ranges are short.
    let end = match bounds.1 {
        Bound::Included(key) => above(leaf.search_from(key, start)),
        Bound::Excluded(key) => leaf.search_from(key, start).0,
        Bound::Unbounded => leaf.len(),
    };
    start..end
}
