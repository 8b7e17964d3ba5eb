//! Rows of a window or session store in the storage of a task (Java: `RocksDBWindowStore`,
//! `RocksDBSessionStore` over `AbstractRocksDBSegmentedBytesStore`).

use std::ops::Bound;

use super::super::StateError;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::windowed::{
    ByteWindowStore, KeySchema, RowKey, RowOrder, WindowQuery, WindowRow, WindowRows,
};
use super::StorageError;
use super::key_value::not_open;
use super::space::{Space, SpaceRows};
use super::task::{StoreInit, storage_error};

/// Persistent rows by segment, a stretch of time, and then by their bytes. The segment stands
/// before the bytes of a row, so that all rows of the segments that expire lie together and one
/// removal takes them.
#[derive(Debug)]
pub struct PersistentWindowStore {
    name: Box<str>,
    schema: KeySchema,
    interval_ms: i64,
    retention_ms: i64,
    /// The highest time of any row; -1 before the first.
    observed_stream_time: i64,
    /// Set by [`init`](ByteWindowStore::init).
    space: Option<Space>,
    bytes: Vec<u8>,
}

impl PersistentWindowStore {
    /// Rows of the store `name`, to be read and written after [`init`](ByteWindowStore::init).
    /// They live for `retention_ms` and expire in segments of `interval_ms`, at least 1.
    pub fn new(name: &str, schema: KeySchema, interval_ms: i64, retention_ms: i64) -> Self {
        Self {
            name: Box::from(name),
            schema,
            interval_ms,
            retention_ms,
            observed_stream_time: -1,
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

    const fn order(&self) -> RowOrder {
        RowOrder::Segmented {
            interval_ms: self.interval_ms,
        }
    }

    /// The latest time that is past the retention.
    const fn expired_to(&self) -> i64 {
        self.observed_stream_time.saturating_sub(self.retention_ms)
    }

    /// The first segment that takes rows: some of them may be expired already.
    fn first_segment(&self) -> i64 {
        self.order().segment(self.expired_to())
    }

    fn write_row(&self, row: RowKey<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&segment_bytes(self.order().segment(row.time)));
        self.schema.write(row, out);
    }

    /// Writes one row.
    fn set(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<(), StateError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.write_row(row, &mut bytes);
        let space = self.space_mut();
        let written = space.map(|space| space.put(&bytes, value.map(StoreBytes::new)));
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
        let kind = match self.schema {
            KeySchema::Window => "window",
            KeySchema::Session => "session",
        };
        let space = init.space(&format!("{kind} in segments of {} ms", self.interval_ms))?;
        self.observed_stream_time = space.observed_stream_time();
        self.space = Some(space);
        Ok(())
    }

    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError> {
        if row.time <= self.expired_to() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(SEGMENT_BYTES + row.key.len() + ROW_SUFFIX_BYTES_MAX);
        self.write_row(row, &mut bytes);
        self.space()?
            .get(&bytes)
            .map_err(|error| self.error(&error))
    }

    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError> {
        self.advance(row.time)?;
        if self.order().segment(row.time) < self.first_segment() {
            return Ok(false);
        }
        self.set(row, value)?;
        Ok(true)
    }

    fn remove(&mut self, row: RowKey<&[u8]>) -> Result<(), StateError> {
        self.put(row, None).map(|_| ())
    }

    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
        let query = WindowQuery {
            time_from: query.time_from.max(self.expired_to().saturating_add(1)),
            ..*query
        };
        if query.is_empty() {
            return Box::new(std::iter::empty());
        }
        let space = match self.space() {
            Ok(space) => space,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let (from, to) = query.byte_bounds(self.schema);
        let order = self.order();
        let segments = (order.segment(query.time_from), order.segment(query.time_to));
        let owned = |bound: Bound<&[u8]>| bound.map(StoreBytes::new);
        Box::new(SegmentScan {
            rows: self,
            space,
            segments: (segments.0 <= segments.1).then_some(segments),
            from,
            to,
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
        space.map_or(0, |space| space.approximate_len().unwrap_or(0))
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.observed_stream_time = -1;
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
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    within: Option<SpaceRows>,
    direction: Direction,
    keys: (Bound<StoreBytes>, Bound<StoreBytes>),
    query: WindowQuery<'static>,
}

impl SegmentScan<'_> {
    /// Goes to the next segment that has rows; `None` when there is none.
    fn enter(&mut self) -> Option<Result<(), StateError>> {
        let (first, last) = self.segments.take()?;
        let lowest = segment_bytes(first);
        let behind = last.checked_add(1).map(segment_bytes);
        let to = behind
            .as_ref()
            .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        let bounds = (Bound::Included(&lowest[..]), to);
        let mut all = self.space.scan(bounds, self.direction);
        if self.from.is_empty() && self.to.is_none() {
            self.within = Some(all);
            return Some(Ok(()));
        }
        let (next, _) = match all.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(self.rows.error(&error))),
        };
        let segment = match read_segment(&next) {
            Some((segment, _)) => segment,
            None => return Some(Err(self.short(next.len()))),
        };
        let rest = match self.direction {
            Direction::Forward => segment.checked_add(1).map(|next| (next, last)),
            Direction::Backward => segment.checked_sub(1).map(|next| (first, next)),
        };
        self.segments = rest.filter(|(first, last)| first <= last);
        let prefix = segment_bytes(segment);
        let from = [&prefix[..], &self.from].concat();
        let to = self.to.as_ref().map(|to| [&prefix[..], to].concat());
        let end = segment.checked_add(1).map(segment_bytes);
        let to = match (&to, &end) {
            (Some(to), _) => Bound::Included(&to[..]),
            (None, Some(end)) => Bound::Excluded(&end[..]),
            (None, None) => Bound::Unbounded,
        };
        let bounds = (Bound::Included(&from[..]), to);
        self.within = Some(self.space.scan(bounds, self.direction));
        Some(Ok(()))
    }

    fn short(&self, len: usize) -> StateError {
        StateError::Corrupt {
            store: self.rows.name.to_string(),
            message: format!(
                "a row whose key has {len} bytes is too short for a segment and a window"
            ),
        }
    }

    /// The row as a store shows it, if it was asked for.
    fn read(&self, bytes: &[u8], value: StoreBytes) -> Option<Result<WindowRow, StateError>> {
        let row = read_segment(bytes).and_then(|(_, row)| self.rows.schema.read(row));
        let Some(row) = row else {
            return Some(Err(self.short(bytes.len())));
        };
        let keys = (
            self.keys.0.as_ref().map(|key| &**key),
            self.keys.1.as_ref().map(|key| &**key),
        );
        let query = WindowQuery { keys, ..self.query };
        query.matches(row).then(|| {
            let key = RowKey {
                key: StoreBytes::new(row.key),
                time: row.time,
                tail: row.tail,
            };
            Ok((key, value))
        })
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

/// What stands before the bytes of a row: ordered as the numbers are.
fn segment_bytes(segment: i64) -> [u8; SEGMENT_BYTES] {
    (segment ^ i64::MIN).to_be_bytes()
}

fn read_segment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (segment, row) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*segment) ^ i64::MIN, row))
}

const SEGMENT_BYTES: usize = 8;

/// Those of a session: see [`KeySchema::suffix_bytes`].
const ROW_SUFFIX_BYTES_MAX: usize = 16;
