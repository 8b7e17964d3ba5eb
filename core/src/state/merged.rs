//! The view of a cache over the rows below it (Java: `MergedSortedCacheKeyValueBytesStoreIterator`).

use std::cmp::Ordering;
use std::iter::Peekable;

use super::StateError;
use super::byte_store::{ByteRow, ByteRows, Direction};
use super::cache::CacheRange;

/// Rows in key order, one way or the other: the cache wins, and its tombstones hide rows. Neither side
/// is read before it is asked for: what the cache shows, it promotes.
pub(crate) struct MergedRows<'a> {
    cache: Peekable<CacheRange<'a>>,
    rows: Peekable<ByteRows<'a>>,
    direction: Direction,
}

impl<'a> MergedRows<'a> {
    /// Both sides must be walked in `direction`.
    pub(crate) fn new(cache: CacheRange<'a>, rows: ByteRows<'a>, direction: Direction) -> Self {
        Self {
            cache: cache.peekable(),
            rows: rows.peekable(),
            direction,
        }
    }

    /// Which side has the next key; `Equal` is both.
    fn next_side(&mut self) -> Option<Ordering> {
        match (self.cache.peek(), self.rows.peek()) {
            (None, None) => None,
            (Some(_), None) => Some(Ordering::Less),
            (None, Some(_)) | (_, Some(Err(_))) => Some(Ordering::Greater),
            (Some((cached, _)), Some(Ok((row, _)))) => Some(match self.direction {
                Direction::Forward => cached.cmp(row),
                Direction::Backward => row.cmp(cached),
            }),
        }
    }
}

impl Iterator for MergedRows<'_> {
    type Item = Result<ByteRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let side = self.next_side()?;
            if side == Ordering::Greater {
                return self.rows.next();
            }
            if side == Ordering::Equal {
                self.rows.next();
            }
            if let Some((key, Some(value))) = self.cache.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}
