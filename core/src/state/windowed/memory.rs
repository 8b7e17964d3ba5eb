//! Rows of windows in memory, key by key.

use std::cell::OnceCell;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use super::super::StateError;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::places::Places;
use super::super::slab::Slab;
use super::key_rows::{At, KeyRows};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::rows::{ByteWindowStore, RowOrder, WindowRows};

/// Rows in memory, those of one key together: one search by hash finds the windows or sessions of a
/// key, which are what aggregations and joins read, and no row has its key with it. (A tree of whole
/// rows took 194 bytes a row of a timestamped count instead of about 70, and seven times as long for
/// a session.) The order of all rows comes into being with the first scan over several keys.
///
/// What expires is found by looking at a key again when its first row may be too old: reads hide it
/// in the meantime.
#[derive(Debug)]
pub struct InMemoryWindowStore {
    schema: KeySchema,
    order: RowOrder,
    retention_ms: i64,
    /// -1 before the first row.
    observed_stream_time: i64,
    keys: Slab<KeyRows>,
    row_count: usize,
    /// The slots of keys by the stretch of time in which they are due.
    due: BTreeMap<i64, Vec<u32>>,
    places: OnceCell<BTreeMap<Place, Found>>,
}

/// Keys are looked at so often within the retention, which is how far behind rows are freed.
const STRETCHES: i64 = 16;

/// Where a row stands among all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: i64,
    /// The key, or all bytes of the row.
    key: StoreBytes,
    tail: i64,
}

/// A row by its key and its place there.
#[derive(Clone, Copy, Debug)]
struct Found {
    slot: u32,
    at: At,
}

impl InMemoryWindowStore {
    /// No rows. They live for `retention_ms`.
    pub fn new(schema: KeySchema, order: RowOrder, retention_ms: i64) -> Self {
        Self {
            schema,
            order,
            retention_ms,
            observed_stream_time: -1,
            keys: Slab::new(),
            row_count: 0,
            due: BTreeMap::new(),
            places: OnceCell::new(),
        }
    }

    /// The latest time that is past the retention.
    fn expired_to(&self) -> i64 {
        self.observed_stream_time.saturating_sub(self.retention_ms)
    }

    /// The earliest time that is still there.
    fn live_from(&self) -> i64 {
        self.order.seen_from(self.schema, self.expired_to())
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

    /// The earliest time of a row that is in a segment.
    fn kept_from(&self) -> i64 {
        match self.order {
            RowOrder::Segmented { interval_ms } => self.first_segment() * interval_ms.max(1),
            RowOrder::TimeFirst | RowOrder::TimeOrdered { .. } => self.first_segment(),
        }
    }

    const fn stretch(&self, time: i64) -> i64 {
        let stretch_ms = self.retention_ms / STRETCHES;
        time.div_euclid(if stretch_ms > 0 { stretch_ms } else { 1 })
    }

    /// Of sessions in order of time, those with equal ends stand the other way round.
    fn is_reversed(&self) -> bool {
        (self.schema, self.order) == (KeySchema::Session, RowOrder::TimeFirst)
    }

    fn at(&self, row: RowKey<&[u8]>) -> At {
        At {
            time: row.time,
            rank: if self.is_reversed() {
                !row.tail
            } else {
                row.tail
            },
        }
    }

    fn row_key<B>(&self, key: B, at: At) -> RowKey<B> {
        RowKey {
            key,
            time: at.time,
            tail: if self.is_reversed() {
                !at.rank
            } else {
                at.rank
            },
        }
    }

    fn place(&self, row: RowKey<&[u8]>) -> Place {
        let segment = self.order.segment(row.time);
        match (self.order, self.schema) {
            (RowOrder::TimeFirst, _) | (RowOrder::TimeOrdered { .. }, KeySchema::Window) => Place {
                segment,
                key: StoreBytes::new(row.key),
                tail: self.at(row).rank,
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
            (RowOrder::Segmented { .. }, schema) => Place {
                segment,
                key: StoreBytes::new(&schema.to_bytes(row)),
                tail: 0,
            },
        }
    }

    /// All rows in their order.
    fn places(&self) -> &BTreeMap<Place, Found> {
        self.places.get_or_init(|| {
            let rows = self.rows_of(self.keys.visible(), (i64::MIN, i64::MAX));
            rows.map(|(row, found, _)| (self.place(row), found))
                .collect()
        })
    }

    /// The rows of keys in a range of times, key by key.
    fn rows_of(
        &self,
        slots: impl Iterator<Item = u32>,
        (from, to): (i64, i64),
    ) -> impl Iterator<Item = (RowKey<&[u8]>, Found, &StoreBytes)> {
        slots.flat_map(move |slot| {
            let key = self.keys.slot(slot);
            let rows = key
                .payload
                .rows
                .range(At::times(from, to), Direction::Forward);
            rows.map(move |(at, value)| (self.row_key(&*key.key, at), Found { slot, at }, value))
        })
    }

    /// Frees what no segment has any more.
    fn expire(&mut self) {
        let kept_from = self.kept_from();
        let first = self.stretch(kept_from);
        while let Some(due) = self.due.first_entry()
            && *due.key() < first
        {
            let (stretch, slots) = due.remove_entry();
            for slot in slots {
                self.expire_key(slot, stretch, kept_from);
            }
        }
    }

    /// Frees the old rows of a key that is due in `stretch`, if it still is.
    fn expire_key(&mut self, slot: u32, stretch: i64, kept_from: i64) {
        let rows = self.keys.slot_mut(slot);
        if rows.due != Some(stretch) {
            return;
        }
        let expired = rows.rows.expire(kept_from);
        self.row_count -= expired.len();
        let first = rows.rows.first();
        if self.places.get().is_some() {
            let key = self.keys.slot(slot).key.clone();
            for at in expired {
                self.forget_place(&key, at);
            }
        }
        match first {
            Some(first) => self.set_due(slot, self.stretch(first.time)),
            None => drop(self.keys.remove(slot)),
        }
    }

    fn set_due(&mut self, slot: u32, stretch: i64) {
        self.keys.slot_mut(slot).due = Some(stretch);
        self.due.entry(stretch).or_default().push(slot);
    }

    fn forget_place(&mut self, key: &[u8], at: At) {
        let place = self.place(self.row_key(key, at));
        if let Some(places) = self.places.get_mut() {
            places.remove(&place);
        }
    }

    fn set(&mut self, row: RowKey<&[u8]>, value: &[u8]) {
        let (at, stretch) = (self.at(row), self.stretch(row.time));
        let slot = self.keys.find(row.key).unwrap_or_else(|| {
            let key = StoreBytes::new(row.key);
            self.keys.insert(key, KeyRows::due_in(i64::MAX))
        });
        let rows = self.keys.slot_mut(slot);
        let is_due = rows.due.is_some_and(|due| due <= stretch);
        if rows
            .rows
            .set(at, |own| own.assign(value), || StoreBytes::new(value))
        {
            self.row_count += 1;
            let place = self.places.get().map(|_| self.place(row));
            if let (Some(places), Some(place)) = (self.places.get_mut(), place) {
                places.insert(place, Found { slot, at });
            }
        }
        if !is_due {
            self.set_due(slot, stretch);
        }
    }

    /// A key without rows stays until it is due: a session that becomes another one leaves none for
    /// a moment.
    fn delete(&mut self, row: RowKey<&[u8]>) {
        let at = self.at(row);
        if let Some(slot) = self.keys.find(row.key)
            && self.keys.slot_mut(slot).rows.remove(at)
        {
            self.row_count -= 1;
            if self.places.get().is_some() {
                self.forget_place(row.key, at);
            }
        }
    }

    /// The rows of one key, by time.
    fn scan_key(
        &self,
        key: &[u8],
        query: &WindowQuery<'_>,
        direction: Direction,
    ) -> WindowRows<'_> {
        let Some(slot) = self.keys.find(key) else {
            return Box::new(std::iter::empty());
        };
        let slot = self.keys.slot(slot);
        let rows = slot
            .payload
            .rows
            .range(At::times(query.time_from.max(0), query.time_to), direction);
        let start_to = query.start_to;
        Box::new(rows.filter_map(move |(at, value)| {
            let key = self.row_key(slot.key.clone(), at);
            (key.tail <= start_to).then(|| Ok((key, value.clone())))
        }))
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
        let slots = self.keys.range(query.keys, Direction::Forward);
        let rows = self.rows_of(slots, (query.time_from, query.time_to));
        let mut rows: Vec<_> = rows
            .filter(|(row, ..)| query.matches(*row))
            .map(|(row, _, value)| {
                let place = (order.segment(row.time), self.schema.to_bytes(row));
                (place, (owned(row), value.clone()))
            })
            .collect();
        rows.sort_by(|(a, _), (b, _)| match direction {
            Direction::Forward => a.cmp(b),
            Direction::Backward => b.cmp(a),
        });
        Box::new(rows.into_iter().map(|(_, row)| Ok(row)))
    }

    /// The rows that `query` asks for, one segment after the other.
    fn scan_segments(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
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
        let found = PlaceScan {
            places: self.places(),
            segments: (segments.0 <= segments.1).then_some(segments),
            from: StoreBytes::new(&from),
            to: to.map(|to| StoreBytes::new(&to)),
            within: btree_map::Range::default(),
            direction,
        };
        let owned_bound = |bound: Bound<&[u8]>| bound.map(StoreBytes::new);
        let keys = (owned_bound(query.keys.0), owned_bound(query.keys.1));
        let query = WindowQuery {
            keys: (Bound::Unbounded, Bound::Unbounded),
            ..*query
        };
        Box::new(found.filter_map(move |Found { slot, at }| {
            let slot = self.keys.slot(slot);
            let row = self.row_key(&*slot.key, at);
            let keys = (
                keys.0.as_ref().map(|key| &**key),
                keys.1.as_ref().map(|key| &**key),
            );
            let value = slot.payload.rows.get(at)?;
            let is_asked_for = WindowQuery { keys, ..query }.matches(row);
            is_asked_for.then(|| Ok((owned(row), value.clone())))
        }))
    }
}

fn owned(row: RowKey<&[u8]>) -> RowKey<StoreBytes> {
    RowKey {
        key: StoreBytes::new(row.key),
        time: row.time,
        tail: row.tail,
    }
}

impl ByteWindowStore for InMemoryWindowStore {
    fn places(&self) -> &dyn Places {
        &self.keys
    }

    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError> {
        if row.time < self.live_from() {
            return Ok(None);
        }
        let slot = self.keys.find(row.key);
        let rows = slot.map(|slot| &self.keys.slot(slot).payload);
        Ok(rows.and_then(|rows| rows.rows.get(self.at(row)).cloned()))
    }

    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError> {
        if row.time > self.observed_stream_time {
            self.observed_stream_time = row.time;
            self.expire();
        }
        if self.order.segment(row.time) < self.first_segment() {
            return Ok(false);
        }
        match value {
            Some(value) => self.set(row, value),
            None => self.delete(row),
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
        let shows_segments =
            is_time_ordered && query.is_of_time && self.schema == KeySchema::Session;
        let shown_from = match shows_segments {
            true => self.kept_from(),
            false => self.live_from(),
        };
        query.time_from = query.time_from.max(shown_from);
        if query.is_empty() {
            return Box::new(std::iter::empty());
        }
        if let Some(key) = query.single_key() {
            return self.scan_key(key, &query, direction);
        }
        match self.order {
            RowOrder::TimeOrdered {
                interval_ms,
                is_indexed: true,
            } if !query.is_of_time => self.scan_keys(&query, interval_ms, direction),
            _ => self.scan_segments(&query, direction),
        }
    }

    fn approximate_num_entries(&self) -> u64 {
        self.row_count as u64
    }

    fn clear(&mut self) -> Result<(), StateError> {
        *self = Self::new(self.schema, self.order, self.retention_ms);
        Ok(())
    }
}

/// Rows of a range of segments and, in each, of a range of keys: one search a segment.
struct PlaceScan<'a> {
    places: &'a BTreeMap<Place, Found>,
    /// The first and the last segment still to walk.
    segments: Option<(i64, i64)>,
    from: StoreBytes,
    to: Option<StoreBytes>,
    within: btree_map::Range<'a, Place, Found>,
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
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let next = match self.direction {
                Direction::Forward => self.within.next(),
                Direction::Backward => self.within.next_back(),
            };
            if let Some((_, found)) = next {
                return Some(*found);
            }
            self.enter()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two keys at times that jump, the most of them of one key.
    #[test]
    fn a_key_with_many_rows_frees_the_old_ones() {
        const RETENTION_MS: i64 = 1600;
        let mut store =
            InMemoryWindowStore::new(KeySchema::Window, RowOrder::TimeFirst, RETENTION_MS);
        let mut model = BTreeMap::new();
        for step in 0..2000_i64 {
            let time = step * 5 + step * 37 % 101 * 7;
            let key: &[u8] = if step % 10 == 0 { b"b" } else { b"a" };
            let row = RowKey { key, time, tail: 0 };
            let value = step.to_be_bytes();
            if step % 7 == 3 {
                store.remove(row).expect("memory does not fail");
                model.remove(&(key, time));
            } else if store.put(row, Some(&value)).expect("memory does not fail") {
                model.insert((key, time), value);
            }
            let live_from = store.live_from();
            model.retain(|(_, time), _| *time >= live_from);
            if step % 50 == 0 {
                check(&store, &model);
            }
        }
        check(&store, &model);
        let later = RowKey {
            key: b"c".as_slice(),
            time: 1_000_000,
            tail: 0,
        };
        store.put(later, Some(b"")).expect("memory does not fail");
        assert_eq!((store.approximate_num_entries(), store.keys.len()), (1, 1));
    }

    type Model<'a> = BTreeMap<(&'a [u8], i64), [u8; 8]>;

    fn check(store: &InMemoryWindowStore, model: &Model<'_>) {
        let stretch = (RETENTION_OVER_STRETCHES + 1) as usize;
        assert!(store.row_count >= model.len());
        assert!(
            store.row_count <= model.len() + stretch,
            "old rows are freed"
        );
        for key in [b"a".as_slice(), b"b"] {
            let keys = (Bound::Included(key), Bound::Included(key));
            let query = WindowQuery::of_keys(keys);
            let expected: Vec<i64> = model
                .range((key, 0)..=(key, i64::MAX))
                .map(|(at, _)| at.1)
                .collect();
            assert_eq!(times(store, &query, Direction::Forward), expected);
            let backward: Vec<i64> = expected.into_iter().rev().collect();
            assert_eq!(times(store, &query, Direction::Backward), backward);
        }
        let all = WindowQuery::of_time(0, i64::MAX);
        assert_eq!(times(store, &all, Direction::Forward).len(), model.len());
        for ((key, time), value) in model {
            let row = RowKey {
                key: *key,
                time: *time,
                tail: 0,
            };
            let found = store.get(row).expect("memory does not fail");
            assert_eq!(found.as_deref(), Some(value.as_slice()));
        }
    }

    /// A stretch of the retention in the test, which is how much time may be waiting to be freed.
    const RETENTION_OVER_STRETCHES: i64 = 1600 / STRETCHES;

    fn times(
        store: &InMemoryWindowStore,
        query: &WindowQuery<'_>,
        direction: Direction,
    ) -> Vec<i64> {
        let rows = store.scan(query, direction);
        rows.map(|row| row.expect("memory does not fail").0.time)
            .collect()
    }
}
