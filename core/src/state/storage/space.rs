//! One store's rows in the storage of its task.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::Bound;

use super::super::byte_store::{ALL_KEYS, ByteBounds, ByteRow, Direction, is_empty_range};
use super::super::bytes::StoreBytes;
use super::overlay::Overlay;
use super::task::TaskStorage;
use super::{Removal, Storage, StorageError};

/// Rows of one store: what was written since the last commit over what the storage has.
#[derive(Debug)]
pub struct Space {
    pub(super) storage: TaskStorage,
    pub(super) at: usize,
}

/// What the storage of a task knows of one store.
#[derive(Debug)]
pub(super) struct SpaceState {
    pub(super) store: Box<str>,
    pub(super) id: u16,
    /// What the rows are made of: rows of another layout cannot be read.
    pub(super) layout: Box<str>,
    /// The last changelog record that the storage reflects.
    pub(super) offset: Option<i64>,
    pub(super) open: Writes,
    /// What a commit that is under way will apply.
    pub(super) sealed: Option<Writes>,
}

/// Writes with what belongs to them.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) overlay: Overlay,
    /// Rows below this key are to be removed.
    pub(super) remove_below: Option<StoreBytes>,
    /// The highest time of any row, for stores whose rows expire; -1 before the first.
    pub(super) observed_stream_time: i64,
}

impl Writes {
    pub(super) fn new(observed_stream_time: i64) -> Self {
        Self {
            overlay: Overlay::new(),
            remove_below: None,
            observed_stream_time,
        }
    }

    pub(super) fn removal(&self) -> Removal {
        match &self.remove_below {
            Some(key) => Removal::Below(key.clone()),
            None => Removal::Nothing,
        }
    }
}

impl SpaceState {
    pub(super) fn bytes(&self) -> usize {
        let sealed = self
            .sealed
            .as_ref()
            .map_or(0, |sealed| sealed.overlay.bytes());
        self.open.overlay.bytes() + sealed
    }

    /// Puts what was written so far aside for a commit.
    pub(super) fn seal(&mut self) {
        let time = self.open.observed_stream_time;
        let mut newer = std::mem::replace(&mut self.open, Writes::new(time));
        if let Some(older) = self.sealed.take() {
            // The commit before was refused: this one takes its writes along.
            let floor = newer.remove_below.clone();
            let mut merged = older;
            if let Some(floor) = &floor {
                merged.overlay.forget_below(floor);
            }
            for (key, value) in newer.overlay.range(ALL_KEYS, Direction::Forward) {
                merged.overlay.put(key, value.cloned());
            }
            newer.overlay = merged.overlay;
            newer.remove_below = floor.max(merged.remove_below);
        }
        self.sealed = Some(newer);
    }

    /// The first rows within `bounds`, up to `max_rows`, and the last key that was read if there
    /// may be more behind it.
    fn read(
        &self,
        storage: &dyn Storage,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<(VecDeque<ByteRow>, Option<StoreBytes>), StorageError> {
        let stored = storage.read(self.id, bounds, direction, max_rows)?;
        let last_key = |rows: &VecDeque<ByteRow>| {
            let (last, _) = rows.back().filter(|_| rows.len() == max_rows)?;
            Some(last.clone())
        };
        let last = last_key(&stored);
        // What was written behind the last stored row belongs to a later piece.
        let bounds = match (last.as_deref(), direction) {
            (None, _) => bounds,
            (Some(last), Direction::Forward) => (bounds.0, Bound::Included(last)),
            (Some(last), Direction::Backward) => (Bound::Included(last), bounds.1),
        };
        let sealed = self.sealed.iter();
        let pending = Pending {
            open: self.open.overlay.range(bounds, direction).peekable(),
            sealed: sealed
                .flat_map(|writes| writes.overlay.range(bounds, direction))
                .peekable(),
            direction,
        };
        let rows = merge(pending, stored, direction, max_rows);
        let last = last_key(&rows).or(last);
        Ok((rows, last))
    }

    /// What was written for `key` and is not in the storage.
    #[inline]
    fn pending(&self, key: &[u8]) -> Option<Option<&StoreBytes>> {
        let open = self.open.overlay.get(key);
        open.or_else(|| self.sealed.as_ref()?.overlay.get(key))
    }
}

impl Space {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        let inner = self.storage.inner();
        let state = &inner.spaces[self.at];
        match state.pending(key) {
            Some(pending) => Ok(pending.cloned()),
            None => inner.storage.get(state.id, key),
        }
    }

    /// Sets the value of `key`, `None` removes it.
    pub fn put(&mut self, key: &[u8], value: Option<StoreBytes>) {
        let mut inner = self.storage.inner_mut();
        inner.spaces[self.at].open.overlay.put(key, value);
    }

    /// Removes all rows below `key` with the next commit. None may be read or written there from
    /// now on.
    pub fn expire_below(&mut self, key: &[u8]) {
        let mut inner = self.storage.inner_mut();
        let state = &mut inner.spaces[self.at];
        state.open.overlay.forget_below(key);
        state.open.remove_below = Some(StoreBytes::new(key));
    }

    /// The highest time of any row written, as the store says; -1 before the first.
    pub fn observed_stream_time(&self) -> i64 {
        self.storage.inner().spaces[self.at]
            .open
            .observed_stream_time
    }

    /// Sets the highest time of any row.
    pub fn set_observed_stream_time(&mut self, time: i64) {
        let mut inner = self.storage.inner_mut();
        inner.spaces[self.at].open.observed_stream_time = time;
    }

    /// The rows within `bounds`, read in pieces while walking: a row that changes meanwhile is
    /// seen as it was or as it is.
    pub fn scan(&self, bounds: ByteBounds<'_>, direction: Direction) -> SpaceRows {
        let owned = |bound: Bound<&[u8]>| bound.map(StoreBytes::new);
        SpaceRows {
            space: Self {
                storage: self.storage.clone(),
                at: self.at,
            },
            bounds: (owned(bounds.0), owned(bounds.1)),
            direction,
            piece: FIRST_PIECE_ROWS,
            ready: VecDeque::new(),
            is_done: false,
        }
    }

    /// About how many rows there are.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn approximate_len(&self) -> Result<u64, StorageError> {
        let inner = self.storage.inner();
        let state = &inner.spaces[self.at];
        let sealed = state.sealed.as_ref();
        let pending =
            state.open.overlay.balance() + sealed.map_or(0, |sealed| sealed.overlay.balance());
        let stored = inner.storage.approximate_len(state.id)?;
        Ok(stored.saturating_add_signed(pending))
    }

    /// Removes every row at once, from the storage too: the store is restored from the beginning
    /// of its changelog afterwards.
    ///
    /// # Errors
    /// When the storage cannot be written.
    pub fn clear(&mut self) -> Result<(), StorageError> {
        self.storage.clear(self.at)
    }
}

/// Rows on their way out of a [`Space`].
#[derive(Debug)]
pub struct SpaceRows {
    space: Space,
    /// What is still to be read.
    bounds: (Bound<StoreBytes>, Bound<StoreBytes>),
    direction: Direction,
    piece: usize,
    ready: VecDeque<ByteRow>,
    is_done: bool,
}

/// Most walks end after a few rows, and long ones pay for a search once in so many. Twice as many
/// each time: of what is read for 100 rows a ninth is read in vain, with four times as many it was
/// most of it.
const FIRST_PIECE_ROWS: usize = 16;
const PIECE_ROWS_MAX: usize = 256;

impl SpaceRows {
    fn read_piece(&mut self) -> Result<(), StorageError> {
        let inner = self.space.storage.inner();
        let state = &inner.spaces[self.space.at];
        let bounds = (
            self.bounds.0.as_ref().map(|key| &**key),
            self.bounds.1.as_ref().map(|key| &**key),
        );
        if is_empty_range(bounds) {
            self.is_done = true;
            return Ok(());
        }
        let (rows, last) = state.read(&*inner.storage, bounds, self.direction, self.piece)?;
        drop(inner);
        self.ready = rows;
        match (last, self.direction) {
            (None, _) => self.is_done = true,
            (Some(last), Direction::Forward) => self.bounds.0 = Bound::Excluded(last),
            (Some(last), Direction::Backward) => self.bounds.1 = Bound::Excluded(last),
        }
        self.piece = (self.piece * 2).min(PIECE_ROWS_MAX);
        Ok(())
    }
}

impl Iterator for SpaceRows {
    type Item = Result<ByteRow, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Some(Ok(row));
            }
            if self.is_done {
                return None;
            }
            if let Err(error) = self.read_piece() {
                self.is_done = true;
                return Some(Err(error));
            }
        }
    }
}

/// What was written and is not in the storage, in key order: the open layer wins.
struct Pending<O: Iterator, S: Iterator> {
    open: Peekable<O>,
    sealed: Peekable<S>,
    direction: Direction,
}

impl<'a, O, S> Iterator for Pending<O, S>
where
    O: Iterator<Item = PendingRow<'a>>,
    S: Iterator<Item = PendingRow<'a>>,
{
    type Item = PendingRow<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (Some((open, _)), Some((sealed, _))) = (self.open.peek(), self.sealed.peek()) else {
            return self.open.next().or_else(|| self.sealed.next());
        };
        match compare(open, sealed, self.direction) {
            Ordering::Less => self.open.next(),
            Ordering::Greater => self.sealed.next(),
            Ordering::Equal => {
                self.sealed.next();
                self.open.next()
            }
        }
    }
}

/// A key with what was written for it; `None` removes it.
type PendingRow<'a> = (&'a StoreBytes, Option<&'a StoreBytes>);

/// The first rows of what is pending over what is stored.
fn merge<'a>(
    pending: impl Iterator<Item = PendingRow<'a>>,
    stored: VecDeque<ByteRow>,
    direction: Direction,
    max_rows: usize,
) -> VecDeque<ByteRow> {
    let mut pending = pending.peekable();
    if pending.peek().is_none() {
        return stored;
    }
    let merged = Merged {
        pending,
        stored: stored.into_iter().peekable(),
        direction,
    };
    merged.take(max_rows).collect()
}

/// What is pending over what is stored, in key order: what is removed is not shown.
struct Merged<P: Iterator, R: Iterator> {
    pending: Peekable<P>,
    stored: Peekable<R>,
    direction: Direction,
}

impl<'a, P, R> Iterator for Merged<P, R>
where
    P: Iterator<Item = PendingRow<'a>>,
    R: Iterator<Item = ByteRow>,
{
    type Item = ByteRow;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((pending, _)) = self.pending.peek() else {
                return self.stored.next();
            };
            let stored = self.stored.peek();
            let side = stored.map_or(Ordering::Less, |(stored, _)| {
                compare(pending, stored, self.direction)
            });
            if side == Ordering::Greater {
                return self.stored.next();
            }
            if side == Ordering::Equal {
                self.stored.next();
            }
            if let Some((key, Some(value))) = self.pending.next() {
                return Some((key.clone(), value.clone()));
            }
        }
    }
}

/// Which key comes first.
fn compare(a: &StoreBytes, b: &StoreBytes, direction: Direction) -> Ordering {
    match direction {
        Direction::Forward => a.cmp(b),
        Direction::Backward => b.cmp(a),
    }
}
