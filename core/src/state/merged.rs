//! The view of a cache over the rows below it (Java: `MergedSortedCacheKeyValueBytesStoreIterator`).

use std::cmp::Ordering;

use super::StateError;
use super::byte_store::{ByteRow, ByteRows, Direction};
use super::bytes::StoreBytes;
use super::cache::CacheRange;

/// Rows in key order, one way or the other: the cache wins, and its tombstones hide rows.
pub(crate) struct MergedRows<'a> {
    cache: CacheRange<'a>,
    rows: ByteRows<'a>,
    next_cached: Option<(StoreBytes, Option<StoreBytes>)>,
    next_row: Option<Result<ByteRow, StateError>>,
    direction: Direction,
}

impl<'a> MergedRows<'a> {
    /// Both sides must be walked in `direction`.
    pub(crate) fn new(
        mut cache: CacheRange<'a>,
        mut rows: ByteRows<'a>,
        direction: Direction,
    ) -> Self {
        Self {
            next_cached: cache.next(),
            next_row: rows.next(),
            cache,
            rows,
            direction,
        }
    }

    /// Which side has the next key; `Equal` is both.
    fn next_side(&self) -> Option<Ordering> {
        match (&self.next_cached, &self.next_row) {
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
                return std::mem::replace(&mut self.next_row, self.rows.next());
            }
            if side == Ordering::Equal {
                self.next_row = self.rows.next();
            }
            let cached = std::mem::replace(&mut self.next_cached, self.cache.next());
            if let Some((key, Some(value))) = cached {
                return Some(Ok((key, value)));
            }
        }
    }
}
