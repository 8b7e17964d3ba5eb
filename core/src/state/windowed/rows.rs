//! Rows of windows in memory, until they are too old.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

use super::super::StateError;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::slab::{Slab, SlotRange};
use super::super::storage::StoreInit;
use super::keys::{KeySchema, RowKey, WindowQuery};

/// Rows of windows, which expire as time goes on (Java: `WindowStore<Bytes, byte[]>`,
/// `SessionStore<Bytes, byte[]>`, `SegmentedBytesStore`).
///
/// The time of a store is the highest time of any row written; rows that are older than it by the
/// retention or more are not there any longer.
pub trait ByteWindowStore {
    /// Takes its place in the storage of the task (Java: `StateStore.init`). Rows in memory have
    /// none.
    ///
    /// # Errors
    /// When the storage fails, or has rows that are not of this store.
    fn init(&mut self, _init: &StoreInit<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// True for rows in the storage of the task (Java: `StateStore.persistent`).
    fn is_persistent(&self) -> bool {
        false
    }

    /// The value of `row`.
    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError>;

    /// Sets the value of `row`, `None` removes it. False: it was too old, and nothing is written.
    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError>;

    /// Removes `row`; nothing happens when it is not there.
    fn remove(&mut self, row: RowKey<&[u8]>) -> Result<(), StateError>;

    /// The rows that `query` asks for, read while walking.
    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_>;

    /// About how many rows there are.
    fn approximate_num_entries(&self) -> u64;

    /// Removes every row and forgets the time.
    fn clear(&mut self) -> Result<(), StateError>;
}

/// A row of a window store.
pub type WindowRow = (RowKey<StoreBytes>, StoreBytes);

/// Rows on the way out of a window store.
pub type WindowRows<'a> = Box<dyn Iterator<Item = Result<WindowRow, StateError>> + 'a>;

/// In which order rows come when more than one key is asked for, and in what pieces they expire.
/// The rows that are seen are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// By time and then key; of sessions with equal ends the one that starts last comes first
    /// (Java: `InMemoryWindowStore`, `InMemorySessionStore`).
    TimeFirst,
    /// By segment, a stretch of time, and then by the bytes of the rows (Java:
    /// `RocksDBWindowStore`, `RocksDBSessionStore`). Whole segments expire.
    Segmented {
        /// The length of a segment in milliseconds, at least 1.
        interval_ms: i64,
    },
    /// By time and then key, and of sessions by end, start and key (Java:
    /// `RocksDBTimeOrderedWindowStore`, `RocksDBTimeOrderedSessionStore`, for aggregations that emit
    /// when windows close). Whole segments expire, and rows may be seen for longer: windows for a
    /// millisecond, and sessions of a stretch of time until their segment expires.
    TimeOrdered {
        /// The length of a segment in milliseconds, at least 1.
        interval_ms: i64,
        /// True where there is an index by key: a range of keys comes like segments.
        is_indexed: bool,
    },
}

impl RowOrder {
    /// The segment that `time` lies in; rows of one millisecond are one where time comes first.
    #[inline]
    pub fn segment(self, time: i64) -> i64 {
        match self {
            Self::TimeFirst | Self::TimeOrdered { .. } => time,
            Self::Segmented { interval_ms } => time / interval_ms.max(1),
        }
    }

    /// The part of a row's bytes that decides among those of one segment.
    pub(super) fn compared(self, schema: KeySchema, bytes: &[u8]) -> &[u8] {
        match self {
            Self::TimeOrdered { .. } => &bytes[..bytes.len().saturating_sub(schema.suffix_bytes())],
            Self::TimeFirst | Self::Segmented { .. } => bytes,
        }
    }

    /// The order of the rows that `query` asks for.
    pub(crate) fn of(self, query: &WindowQuery<'_>) -> Self {
        match self {
            Self::TimeOrdered {
                interval_ms,
                is_indexed: true,
            } if !query.is_of_time => Self::Segmented { interval_ms },
            order => order,
        }
    }
}

/// Rows in memory. Writing, reading one row and expiry take about constant time; the rows of one
/// key are found without a look at others.
#[derive(Debug)]
pub struct InMemoryWindowStore {
    schema: KeySchema,
    order: RowOrder,
    retention_ms: i64,
    /// -1 before the first row.
    observed_stream_time: i64,
    /// By the bytes of the row.
    rows: Slab<Option<StoreBytes>>,
    places: BTreeMap<Place, u32>,
    bytes: Vec<u8>,
}

/// Where a row stands among all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: i64,
    /// The key, or all bytes of the row.
    key: StoreBytes,
    tail: i64,
}

impl InMemoryWindowStore {
    /// No rows. They live for `retention_ms`.
    pub fn new(schema: KeySchema, order: RowOrder, retention_ms: i64) -> Self {
        Self {
            schema,
            order,
            retention_ms,
            observed_stream_time: -1,
            rows: Slab::new(),
            places: BTreeMap::new(),
            bytes: Vec::new(),
        }
    }

    /// The latest time that is past the retention.
    fn expired_to(&self) -> i64 {
        self.observed_stream_time.saturating_sub(self.retention_ms)
    }

    /// The earliest time that is still there.
    fn live_from(&self) -> i64 {
        match (self.order, self.schema) {
            (RowOrder::TimeOrdered { .. }, KeySchema::Window) => self.expired_to(),
            _ => self.expired_to().saturating_add(1),
        }
    }

    /// The first segment that takes rows: some of them may be expired already.
    fn first_segment(&self) -> i64 {
        match self.order {
            RowOrder::TimeFirst => self.live_from(),
            RowOrder::Segmented { .. } => self.order.segment(self.expired_to()),
            RowOrder::TimeOrdered { interval_ms, .. } => {
                self.expired_to() / interval_ms.max(1) * interval_ms.max(1)
            }
        }
    }

    fn place(&self, row: RowKey<&[u8]>) -> Place {
        let segment = self.order.segment(row.time);
        match (self.order, self.schema) {
            (RowOrder::TimeFirst, schema) => Place {
                segment,
                key: StoreBytes::new(row.key),
                tail: match schema {
                    KeySchema::Window => row.tail,
                    KeySchema::Session => !row.tail,
                },
            },
            (RowOrder::TimeOrdered { .. }, KeySchema::Session) => {
                let mut key = row.tail.to_be_bytes().to_vec();
                key.extend_from_slice(row.key);
                Place {
                    segment,
                    key: StoreBytes::new(&key),
                    tail: 0,
                }
            }
            (RowOrder::TimeOrdered { .. }, KeySchema::Window) => Place {
                segment,
                key: StoreBytes::new(row.key),
                tail: row.tail,
            },
            (RowOrder::Segmented { .. }, schema) => Place {
                segment,
                key: StoreBytes::new(&schema.to_bytes(row)),
                tail: 0,
            },
        }
    }

    fn expire(&mut self) {
        let first = self.first_segment();
        while let Some(place) = self.places.first_entry()
            && place.key().segment < first
        {
            self.rows.remove(place.remove());
        }
    }

    fn find(&self, row: RowKey<&[u8]>) -> Option<u32> {
        self.rows.find(&self.schema.to_bytes(row))
    }

    /// The rows of one key, by time; rows of longer or shorter keys may lie between.
    fn scan_key(&self, query: WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
        let slots = self.slots(&query, direction);
        let rows = self.matching(&query, slots);
        if (self.schema, self.order) != (KeySchema::Session, RowOrder::TimeFirst) {
            return Box::new(rows.map(Ok));
        }
        let mut sessions: Vec<WindowRow> = rows.collect();
        sessions.sort_by(|(a, _), (b, _)| match direction {
            Direction::Forward => (a.time, b.tail).cmp(&(b.time, a.tail)),
            Direction::Backward => (b.time, a.tail).cmp(&(a.time, b.tail)),
        });
        Box::new(sessions.into_iter().map(Ok))
    }

    /// The rows of a range of keys in a store that is ordered by time otherwise, one segment after
    /// the other.
    fn scan_keys(
        &self,
        query: &WindowQuery<'_>,
        interval_ms: i64,
        direction: Direction,
    ) -> WindowRows<'_> {
        let order = RowOrder::Segmented { interval_ms };
        let slots = self.slots(query, direction);
        let mut rows: Vec<WindowRow> = self.matching(query, slots).collect();
        rows.sort_by(|(a, _), (b, _)| {
            let (a, b) = (order.segment(a.time), order.segment(b.time));
            match direction {
                Direction::Forward => a.cmp(&b),
                Direction::Backward => b.cmp(&a),
            }
        });
        Box::new(rows.into_iter().map(Ok))
    }

    /// The slots between the bounds of `query`, in the order of their bytes.
    fn slots(&self, query: &WindowQuery<'_>, direction: Direction) -> SlotRange<'_> {
        let (from, to) = query.byte_bounds(self.schema);
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Included);
        self.rows.range((Bound::Included(&from), to), direction)
    }

    /// The rows in `slots` that `query` asks for.
    fn matching<'a>(
        &'a self,
        query: &WindowQuery<'_>,
        slots: impl Iterator<Item = u32> + 'a,
    ) -> impl Iterator<Item = WindowRow> + 'a {
        let owned = |bound: Bound<&[u8]>| bound.map(StoreBytes::new);
        let (from, to) = (owned(query.keys.0), owned(query.keys.1));
        let WindowQuery {
            time_from,
            time_to,
            start_to,
            is_of_time,
            ..
        } = *query;
        slots.filter_map(move |slot| {
            let row = self.row(slot)?;
            let keys = (
                from.as_ref().map(|key| &**key),
                to.as_ref().map(|key| &**key),
            );
            let query = WindowQuery {
                keys,
                time_from,
                time_to,
                start_to,
                is_of_time,
            };
            query.matches(row.0.lend()).then_some(row)
        })
    }

    fn row(&self, slot: u32) -> Option<WindowRow> {
        let slot = self.rows.slot(slot);
        let row = self.schema.read(&slot.key)?;
        let key = RowKey {
            key: StoreBytes::new(row.key),
            time: row.time,
            tail: row.tail,
        };
        Some((key, slot.payload.clone()?))
    }

    /// The rows of all segments from `first` on, one segment after the other.
    fn scan_segments(&self, query: &WindowQuery<'_>, direction: Direction) -> PlaceScan<'_> {
        let (from, to) = match self.order {
            RowOrder::Segmented { .. } => query.byte_bounds(self.schema),
            RowOrder::TimeFirst | RowOrder::TimeOrdered { .. } => {
                let owned = |bound| match bound {
                    Bound::Included(key) | Bound::Excluded(key) => Some(<[u8]>::to_vec(key)),
                    Bound::Unbounded => None,
                };
                (owned(query.keys.0).unwrap_or_default(), owned(query.keys.1))
            }
        };
        let segments = (
            self.order.segment(query.time_from),
            self.order.segment(query.time_to),
        );
        PlaceScan {
            places: &self.places,
            segments: (segments.0 <= segments.1).then_some(segments),
            from: StoreBytes::new(&from),
            to: to.map(|to| StoreBytes::new(&to)),
            within: btree_map::Range::default(),
            direction,
        }
    }
}

impl ByteWindowStore for InMemoryWindowStore {
    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError> {
        if row.time < self.live_from() {
            return Ok(None);
        }
        let slot = self.find(row);
        Ok(slot.and_then(|slot| self.rows.slot(slot).payload.clone()))
    }

    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError> {
        if row.time > self.observed_stream_time {
            self.observed_stream_time = row.time;
            self.expire();
        }
        if self.order.segment(row.time) < self.first_segment() {
            return Ok(false);
        }
        let Some(value) = value else {
            self.delete(row);
            return Ok(true);
        };
        self.bytes.clear();
        self.schema.write(row, &mut self.bytes);
        if let Some(slot) = self.rows.find(&self.bytes) {
            let own = self.rows.slot_mut(slot);
            own.get_or_insert(StoreBytes::EMPTY).assign(value);
        } else {
            let key = StoreBytes::new(&self.bytes);
            let slot = self.rows.insert(key, Some(StoreBytes::new(value)));
            self.places.insert(self.place(row), slot);
        }
        Ok(true)
    }

    fn remove(&mut self, row: RowKey<&[u8]>) -> Result<(), StateError> {
        // Java's in-memory sessions do not take the time of a removal, segments do.
        if self.order != RowOrder::TimeFirst && row.time > self.observed_stream_time {
            self.observed_stream_time = row.time;
            self.expire();
        }
        self.delete(row);
        Ok(())
    }

    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
        let mut query = *query;
        let is_time_ordered = matches!(self.order, RowOrder::TimeOrdered { .. });
        if !(is_time_ordered && query.is_of_time && self.schema == KeySchema::Session) {
            query.time_from = query.time_from.max(self.live_from());
        }
        if query.is_empty() {
            return Box::new(std::iter::empty());
        }
        if query.single_key().is_some() {
            return self.scan_key(query, direction);
        }
        match self.order {
            RowOrder::TimeOrdered {
                interval_ms,
                is_indexed: true,
            } if !query.is_of_time => self.scan_keys(&query, interval_ms, direction),
            _ => {
                let slots = self.scan_segments(&query, direction);
                Box::new(self.matching(&query, slots).map(Ok))
            }
        }
    }

    fn approximate_num_entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn clear(&mut self) -> Result<(), StateError> {
        *self = Self::new(self.schema, self.order, self.retention_ms);
        Ok(())
    }
}

impl InMemoryWindowStore {
    fn delete(&mut self, row: RowKey<&[u8]>) {
        if let Some(slot) = self.find(row) {
            self.rows.remove(slot);
            self.places.remove(&self.place(row));
        }
    }
}

/// Slots of a range of segments and, in each, of a range of keys: one search a segment.
struct PlaceScan<'a> {
    places: &'a BTreeMap<Place, u32>,
    /// The first and the last segment still to walk.
    segments: Option<(i64, i64)>,
    from: StoreBytes,
    to: Option<StoreBytes>,
    within: btree_map::Range<'a, Place, u32>,
    direction: Direction,
}

impl PlaceScan<'_> {
    /// Goes to the next segment that has rows.
    fn enter(&mut self) -> Option<()> {
        let (first, last) = self.segments?;
        let lowest = |segment| Place {
            segment,
            key: StoreBytes::EMPTY,
            tail: i64::MIN,
        };
        let to = match last.checked_add(1) {
            Some(behind) => Bound::Excluded(lowest(behind)),
            None => Bound::Unbounded,
        };
        let mut ahead = self.places.range((Bound::Included(lowest(first)), to));
        if self.from.is_empty() && self.to.is_none() {
            self.segments = None;
            self.within = ahead;
            return Some(());
        }
        let next = match self.direction {
            Direction::Forward => ahead.next(),
            Direction::Backward => ahead.next_back(),
        };
        self.segments = None;
        let segment = next?.0.segment;
        let rest = match self.direction {
            Direction::Forward => segment.checked_add(1).map(|next| (next, last)),
            Direction::Backward => segment.checked_sub(1).map(|next| (first, next)),
        };
        self.segments = rest.filter(|(first, last)| first <= last);
        let from = Place {
            key: self.from.clone(),
            ..lowest(segment)
        };
        let to = match &self.to {
            Some(to) => Bound::Included(Place {
                segment,
                key: to.clone(),
                tail: i64::MAX,
            }),
            None => segment
                .checked_add(1)
                .map_or(Bound::Unbounded, |next| Bound::Excluded(lowest(next))),
        };
        // The highest bytes may lie below the lowest, where a short key ends the range.
        let is_empty = matches!(&to, Bound::Included(to) if *to < from);
        self.within = if is_empty {
            btree_map::Range::default()
        } else {
            self.places.range((Bound::Included(from), to))
        };
        Some(())
    }
}

impl Iterator for PlaceScan<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            let next = match self.direction {
                Direction::Forward => self.within.next(),
                Direction::Backward => self.within.next_back(),
            };
            if let Some((_, slot)) = next {
                return Some(*slot);
            }
            self.enter()?;
        }
    }
}
