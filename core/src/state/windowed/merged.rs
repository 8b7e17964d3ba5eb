//! The view of a cache over the rows below it (Java: `MergedSortedCacheWindowStoreIterator`,
//! `MergedSortedCacheSessionStoreIterator`).

use std::cmp::Ordering;
use std::iter::Fuse;

use super::super::StateError;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::cached::{CachedKeyRows, at};
use super::key_rows::At;
use super::keys::{KeySchema, RowKey};
use super::rows::{RowOrder, WindowRow, WindowRows};

/// A row that the cache knows: its segment, its bytes, and the value or a tombstone.
pub(super) struct CachedRow {
    pub(super) segment: i64,
    pub(super) bytes: StoreBytes,
    pub(super) value: Option<StoreBytes>,
}

/// Rows in the order of the cache: by segment, and then by bytes. Below it sessions in memory have
/// another order among equal ends; then the lower head goes first all the same, as in Java. Unlike
/// there, a row that the cache knows is never shown a second time.
pub(super) struct MergedWindowRows<'a> {
    schema: KeySchema,
    order: RowOrder,
    direction: Direction,
    /// In the direction of the walk.
    cached: Vec<CachedRow>,
    next_cached: usize,
    rows: WindowRows<'a>,
    next_row: Option<Result<(WindowRow, Vec<u8>), StateError>>,
}

impl<'a> MergedWindowRows<'a> {
    /// Both sides must be walked in `direction`.
    pub(super) fn new(
        schema: KeySchema,
        order: RowOrder,
        direction: Direction,
        cached: Vec<CachedRow>,
        rows: WindowRows<'a>,
    ) -> Self {
        let mut merged = Self {
            schema,
            order,
            direction,
            cached,
            next_cached: 0,
            rows,
            next_row: None,
        };
        merged.read_row();
        merged
    }

    fn read_row(&mut self) {
        self.next_row = self.rows.next().map(|row| {
            let row = row?;
            let bytes = self.schema.to_bytes(row.0.lend());
            Ok((row, bytes))
        });
    }

    fn compare(&self, cached: &CachedRow, row: &WindowRow, bytes: &[u8]) -> Ordering {
        let compared = |bytes| self.order.compared(self.schema, bytes);
        let position = (self.order.segment(row.0.time), compared(bytes));
        let ordering = (cached.segment, compared(&cached.bytes)).cmp(&position);
        match self.direction {
            Direction::Forward => ordering,
            Direction::Backward => ordering.reverse(),
        }
    }

    /// True for a row that has another value in the cache or is deleted there.
    fn is_known(&self, row: &WindowRow, bytes: &[u8]) -> bool {
        let found = self
            .cached
            .binary_search_by(|cached| self.compare(cached, row, bytes));
        found.is_ok()
    }

    /// Which side has the next row; `Equal` is both.
    fn next_side(&self) -> Option<Ordering> {
        match (self.cached.get(self.next_cached), &self.next_row) {
            (None, None) => None,
            (Some(_), None) => Some(Ordering::Less),
            (None, Some(_)) | (_, Some(Err(_))) => Some(Ordering::Greater),
            (Some(cached), Some(Ok((row, bytes)))) => Some(self.compare(cached, row, bytes)),
        }
    }

    fn take_row(&mut self) -> Option<Result<(WindowRow, Vec<u8>), StateError>> {
        let row = self.next_row.take();
        self.read_row();
        row
    }
}

impl Iterator for MergedWindowRows<'_> {
    type Item = Result<WindowRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let side = self.next_side()?;
            if side == Ordering::Greater {
                match self.take_row()? {
                    Ok((row, bytes)) if self.is_known(&row, &bytes) => continue,
                    row => return Some(row.map(|(row, _)| row)),
                }
            }
            if side == Ordering::Equal {
                self.read_row();
            }
            let cached = &self.cached[self.next_cached];
            self.next_cached += 1;
            if let (Some(row), Some(value)) = (self.schema.read(&cached.bytes), &cached.value) {
                let key = RowKey {
                    key: StoreBytes::new(row.key),
                    time: row.time,
                    tail: row.tail,
                };
                return Some(Ok((key, value.clone())));
            }
        }
    }
}

/// Rows of one key, in order of time. Nothing is read ahead: the cache promotes what is reached.
pub(super) struct MergedKeyRows<'a> {
    cached: CachedKeyRows<'a>,
    next_cached: Option<WindowRow>,
    rows: Fuse<WindowRows<'a>>,
    next_row: Option<Result<WindowRow, StateError>>,
    direction: Direction,
}

impl<'a> MergedKeyRows<'a> {
    /// Both sides must be walked in `direction`.
    pub(super) fn new(
        cached: CachedKeyRows<'a>,
        rows: WindowRows<'a>,
        direction: Direction,
    ) -> Self {
        Self {
            cached,
            next_cached: None,
            rows: rows.fuse(),
            next_row: None,
            direction,
        }
    }

    fn read(&mut self) {
        if self.next_cached.is_none() {
            self.next_cached = self.cached.next();
        }
        if self.next_row.is_none() {
            let cached = &self.cached;
            self.next_row = self.rows.find(|row| {
                let row = row.as_ref();
                row.map_or(true, |(row, _)| !cached.knows(row.lend()))
            });
        }
    }

    fn is_cached_next(&self) -> bool {
        match (&self.next_cached, &self.next_row) {
            (Some((cached, _)), Some(Ok((row, _)))) => match self.direction {
                Direction::Forward => place(cached) < place(row),
                Direction::Backward => place(cached) > place(row),
            },
            (cached, row) => cached.is_some() && row.is_none(),
        }
    }
}

impl Iterator for MergedKeyRows<'_> {
    type Item = Result<WindowRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read();
        if self.is_cached_next() {
            self.next_cached.take().map(Ok)
        } else {
            self.next_row.take()
        }
    }
}

const fn place(row: &RowKey<StoreBytes>) -> At {
    at(row.time, row.tail)
}
