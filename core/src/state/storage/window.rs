//! Rows of a window or session store in the storage of a task (Java: `RocksDBWindowStore`,
//! `RocksDBSessionStore` over `AbstractRocksDBSegmentedBytesStore`).

use std::cell::Cell;
use std::ops::Bound;

use super::super::StateError;
use super::super::byte_store::{ALL_KEYS, Direction};
use super::super::bytes::StoreBytes;
use super::super::windowed::{
    ByteWindowStore, KeySchema, RowKey, RowOrder, WindowQuery, WindowRow, WindowRows,
};
use super::StorageError;
use super::key_value::not_open;
use super::space::{Space, SpaceRows};
use super::task::{StoreInit, storage_error};
use super::window_rows::{PLACE_BYTES_MAX, Piece, RowLayout, read_segment, segment_bytes};

/// Persistent rows by segment, a stretch of time, and within one by their bytes or by time. Whole
/// segments expire.
#[derive(Debug)]
pub struct PersistentWindowStore {
    name: Box<str>,
    layout: RowLayout,
    retention_ms: i64,
    /// The highest time of any row; -1 before the first.
    observed_stream_time: i64,
    /// No row is in a segment below this one; `None` before somebody looked.
    lowest_segment: Cell<Option<i64>>,
    /// Set by [`init`](ByteWindowStore::init).
    space: Option<Space>,
    bytes: Vec<u8>,
}

impl PersistentWindowStore {
    /// Rows of the store `name`, to be read and written after [`init`](ByteWindowStore::init).
    /// They live for `retention_ms` and expire in the segments of `order`.
    pub fn new(name: &str, schema: KeySchema, order: RowOrder, retention_ms: i64) -> Self {
        Self {
            name: Box::from(name),
            layout: RowLayout { schema, order },
            retention_ms,
            observed_stream_time: -1,
            lowest_segment: Cell::new(None),
            space: None,
            bytes: Vec::new(),
        }
    }

    fn space(&self) -> Result<&Space, StateError> {
        self.space.as_ref().ok_or_else(|| not_open(&self.name))
    }

    fn space_mut(&mut self) -> Result<&mut Space, StateError> {
        self.space.as_mut().ok_or_else(|| not_open(&self.name))
    }

    fn error(&self, error: &StorageError) -> StateError {
        storage_error(&self.name, error)
    }

    fn short(&self, len: usize) -> StateError {
        StateError::Corrupt {
            store: self.name.to_string(),
            message: format!(
                "a row whose key has {len} bytes is too short for a segment and a window"
            ),
        }
    }

    /// The latest time that is past the retention.
    const fn expired_to(&self) -> i64 {
        self.observed_stream_time.saturating_sub(self.retention_ms)
    }

    /// The first segment that takes rows: some of them may be expired already.
    fn first_segment(&self) -> i64 {
        self.layout.segment(self.expired_to())
    }

    /// The lowest segment that may have rows. Walks begin there: an empty segment costs a search.
    fn lowest_segment(&self, space: &Space) -> Result<i64, StateError> {
        if let Some(known) = self.lowest_segment.get() {
            return Ok(known);
        }
        let first = space.scan(ALL_KEYS, Direction::Forward).next().transpose();
        let first = first.map_err(|error| self.error(&error))?;
        let lowest = match first {
            None => i64::MAX,
            Some((row, _)) => match read_segment(&row) {
                Some((segment, _)) => segment,
                None => return Err(self.short(row.len())),
            },
        };
        self.lowest_segment.set(Some(lowest));
        Ok(lowest)
    }

    /// Writes one row.
    fn set(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<(), StateError> {
        let layout = self.layout;
        let segment = layout.segment(row.time);
        let lowest = self.lowest_segment.get();
        self.lowest_segment
            .set(lowest.map(|lowest| lowest.min(segment)));
        let mut bytes = std::mem::take(&mut self.bytes);
        let written = self.space_mut().map(|space| {
            layout.write(row, &mut bytes);
            space.put(&bytes, value.map(StoreBytes::new));
            if layout.is_indexed() {
                layout.write_index(row, &mut bytes);
                space.put(&bytes, value.map(|_| StoreBytes::EMPTY));
            }
        });
        self.bytes = bytes;
        written
    }

    /// Takes the time of a row, and lets segments expire that are too old then.
    fn advance(&mut self, time: i64) -> Result<(), StateError> {
        if time <= self.observed_stream_time {
            return Ok(());
        }
        let before = self.first_segment();
        self.observed_stream_time = time;
        let first = self.first_segment();
        let space = self.space_mut()?;
        space.set_observed_stream_time(time);
        if first > before {
            space.expire_below(&segment_bytes(first));
        }
        Ok(())
    }
}

impl ByteWindowStore for PersistentWindowStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn init(&mut self, init: &StoreInit<'_>) -> Result<(), StateError> {
        let space = init.space(&self.layout.describe())?;
        self.observed_stream_time = space.observed_stream_time();
        self.space = Some(space);
        Ok(())
    }

    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError> {
        let RowLayout { schema, order } = self.layout;
        if row.time < order.seen_from(schema, self.expired_to()) {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(PLACE_BYTES_MAX + row.key.len());
        self.layout.write(row, &mut bytes);
        self.space()?
            .get(&bytes)
            .map_err(|error| self.error(&error))
    }

    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError> {
        self.advance(row.time)?;
        if self.layout.segment(row.time) < self.first_segment() {
            return Ok(false);
        }
        self.set(row, value)?;
        Ok(true)
    }

    fn remove(&mut self, row: RowKey<&[u8]>) -> Result<(), StateError> {
        self.put(row, None).map(|_| ())
    }

    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
        let RowLayout { schema, order } = self.layout;
        let mut query = *query;
        // Java shows all sessions of a segment to those who ask for a stretch of time.
        if !(self.layout.is_by_time() && query.is_of_time && schema == KeySchema::Session) {
            let seen_from = order.seen_from(schema, self.expired_to());
            query.time_from = query.time_from.max(seen_from);
        }
        if query.is_empty() {
            return Box::new(std::iter::empty());
        }
        let space = self.space();
        let found = space.and_then(|space| Ok((space, self.lowest_segment(space)?)));
        let (space, lowest) = match found {
            Ok(found) => found,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let latest = query.time_to.min(self.observed_stream_time);
        let first = self.layout.segment(query.time_from);
        let segments = (
            first.max(lowest).max(self.first_segment()),
            self.layout.segment(latest),
        );
        let owned = |bound: Bound<&[u8]>| bound.map(StoreBytes::new);
        Box::new(SegmentScan {
            rows: self,
            space,
            segments: (segments.0 <= segments.1).then_some(segments),
            piece: self.layout.piece(&query),
            within: None,
            direction,
            keys: (owned(query.keys.0), owned(query.keys.1)),
            query: WindowQuery {
                keys: (Bound::Unbounded, Bound::Unbounded),
                ..query
            },
        })
    }

    fn approximate_num_entries(&self) -> u64 {
        let space = self.space.as_ref();
        let len = space.map_or(0, |space| space.approximate_len().unwrap_or(0));
        // Every row is in the index, too.
        len >> u32::from(self.layout.is_indexed())
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.observed_stream_time = -1;
        self.lowest_segment.set(None);
        let cleared = self.space_mut()?.clear();
        cleared.map_err(|error| self.error(&error))
    }
}

/// Rows of a range of segments and, in each, of a range of keys: one search a segment.
struct SegmentScan<'a> {
    rows: &'a PersistentWindowStore,
    space: &'a Space,
    /// The first and the last segment still to walk.
    segments: Option<(i64, i64)>,
    piece: Piece,
    within: Option<SpaceRows>,
    direction: Direction,
    keys: (Bound<StoreBytes>, Bound<StoreBytes>),
    query: WindowQuery<'static>,
}

impl SegmentScan<'_> {
    /// Goes to the next segment; `None` when there is none.
    fn enter(&mut self) -> Option<Result<(), StateError>> {
        let (first, last) = self.segments.take()?;
        if self.piece.from.is_empty() && self.piece.to == Bound::Unbounded {
            self.within = Some(self.rows_between(first, last));
            return Some(Ok(()));
        }
        let segment = match self.next_segment(first, last)? {
            Ok(segment) => segment,
            Err(error) => return Some(Err(error)),
        };
        let rest = match self.direction {
            Direction::Forward => segment.checked_add(1).map(|next| (next, last)),
            Direction::Backward => segment.checked_sub(1).map(|next| (first, next)),
        };
        self.segments = rest.filter(|(first, last)| first <= last);
        let prefix = segment_bytes(segment);
        let within = |bytes: &Vec<u8>| [&prefix[..], bytes].concat();
        let from = within(&self.piece.from);
        let to = match &self.piece.to {
            Bound::Included(to) => Bound::Included(within(to)),
            Bound::Excluded(to) => Bound::Excluded(within(to)),
            Bound::Unbounded => segment.checked_add(1).map_or(Bound::Unbounded, |next| {
                Bound::Excluded(segment_bytes(next).to_vec())
            }),
        };
        let to = to.as_ref().map(|to| &to[..]);
        let bounds = (Bound::Included(&from[..]), to);
        self.within = Some(self.space.scan(bounds, self.direction));
        Some(Ok(()))
    }

    /// All rows of the segments from `first` to `last`.
    fn rows_between(&self, first: i64, last: i64) -> SpaceRows {
        let lowest = segment_bytes(first);
        let behind = last.checked_add(1).map(segment_bytes);
        let to = behind
            .as_ref()
            .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        self.space
            .scan((Bound::Included(&lowest[..]), to), self.direction)
    }

    /// The next segment of a walk from `first` to `last` that may have rows. Where there are few, as
    /// with the intervals of Kafka Streams, looking for one that has takes longer than reading an
    /// empty one.
    fn next_segment(&self, first: i64, last: i64) -> Option<Result<i64, StateError>> {
        if last.saturating_sub(first) < SEGMENTS_WALKED {
            return Some(Ok(match self.direction {
                Direction::Forward => first,
                Direction::Backward => last,
            }));
        }
        Some(match self.rows_between(first, last).next()? {
            Ok((row, _)) => match read_segment(&row) {
                Some((segment, _)) => Ok(segment),
                None => Err(self.rows.short(row.len())),
            },
            Err(error) => Err(self.rows.error(&error)),
        })
    }

    /// The row as a store shows it, if it was asked for.
    fn read(&self, bytes: &[u8], value: StoreBytes) -> Option<Result<WindowRow, StateError>> {
        let Some((row, is_index)) = self.rows.layout.read(bytes) else {
            return Some(Err(self.rows.short(bytes.len())));
        };
        let keys = (
            self.keys.0.as_ref().map(|key| &**key),
            self.keys.1.as_ref().map(|key| &**key),
        );
        if !(WindowQuery { keys, ..self.query }).matches(row) {
            return None;
        }
        let value = match is_index {
            true => self.rows.get(row).transpose()?,
            false => Ok(value),
        };
        Some(value.map(|value| {
            let key = RowKey {
                key: StoreBytes::new(row.key),
                time: row.time,
                tail: row.tail,
            };
            (key, value)
        }))
    }
}

impl Iterator for SegmentScan<'_> {
    type Item = Result<WindowRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.within.as_mut().and_then(Iterator::next) {
                Some(Ok((key, value))) => {
                    if let Some(row) = self.read(&key, value) {
                        return Some(row);
                    }
                }
                Some(Err(error)) => return Some(Err(self.rows.error(&error))),
                None => {
                    if let Err(error) = self.enter()? {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

/// Half of the retention is a segment, so no more than three are live.
const SEGMENTS_WALKED: i64 = 4;
