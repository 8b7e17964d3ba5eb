//! What the record cache of a window or session store knows, key by key.

use std::cell::Cell;
use std::iter;

use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::cache::{Entries, Entry, RecordCache};
use super::super::slab::{Payload, Slab};
use super::super::slot_queue::SlotQueue;
use super::super::slots::Slots;
use super::key_rows::{At, KeyRange, RowsByTime};
use super::keys::{CACHE_SUFFIX_BYTES, KeySchema, RowKey, WindowQuery};
use super::passes::{Pass, Passes};

/// The record cache of a window or session store.
pub(in crate::state) type RowCache = RecordCache<RowEntries>;

/// Entries by key and time. Those of one key lie together, tombstones apart from the others: a
/// session that grows with every record leaves one each time, and nobody who reads the key is to
/// walk over them all.
#[derive(Debug)]
pub(in crate::state) struct RowEntries {
    schema: KeySchema,
    keys: Slab<CachedKey>,
    rows: Slots<Row>,
    /// [`Row`]s and [`Pass`]es, the most recently used last.
    recent: SlotQueue,
    passes: Passes,
}

#[derive(Debug)]
struct Row {
    key: u32,
    at: At,
    is_deleted: bool,
    entry: Entry,
}

/// The slots of the rows of a key.
#[derive(Debug)]
struct CachedKey {
    live: RowsByTime<u32>,
    deleted: RowsByTime<u32>,
    /// Entries that are reached by their slots alone.
    ghosts: u32,
    /// Those that passed many of its rows.
    first_pass: Cell<Option<u32>>,
    is_used: bool,
}

impl CachedKey {
    const fn new(is_used: bool) -> Self {
        Self {
            live: RowsByTime::new(),
            deleted: RowsByTime::new(),
            ghosts: 0,
            first_pass: Cell::new(None),
            is_used,
        }
    }

    fn is_empty(&self) -> bool {
        self.live.is_empty() && self.deleted.is_empty() && self.ghosts == 0
    }

    #[inline]
    fn find(&self, at: At) -> Option<u32> {
        let found = self.live.get(at).or_else(|| self.deleted.get(at));
        found.copied()
    }

    /// True when there is no row from one place to another.
    fn has_none(&self, from: At, to: At) -> bool {
        let is_behind = |rows: &RowsByTime<u32>| rows.first().is_none_or(|first| to < first);
        from > to
            || (is_behind(&self.live) && is_behind(&self.deleted))
            || self.both((from, to), Direction::Forward).next().is_none()
    }

    const fn rows_mut(&mut self, is_deleted: bool) -> &mut RowsByTime<u32> {
        if is_deleted {
            &mut self.deleted
        } else {
            &mut self.live
        }
    }

    /// The rows between two places, in order.
    fn both(&self, places: (At, At), direction: Direction) -> impl Iterator<Item = (At, u32)> {
        let mut live = self.live.range(places, direction).peekable();
        let mut deleted = self.deleted.range(places, direction).peekable();
        iter::from_fn(move || {
            let is_live = match (live.peek(), deleted.peek(), direction) {
                (Some(live), Some(deleted), Direction::Forward) => live.0 < deleted.0,
                (Some(live), Some(deleted), Direction::Backward) => live.0 > deleted.0,
                (live, ..) => live.is_some(),
            };
            let next = if is_live { live.next() } else { deleted.next() };
            next.map(|(at, slot)| (at, *slot))
        })
    }
}

impl Payload for CachedKey {
    fn is_hidden(&self) -> bool {
        !self.is_used
    }

    fn free() -> Self {
        Self::new(false)
    }
}

/// Where a row stands in Java's cache: in the order of its bytes.
pub(super) const fn at(time: i64, tail: i64) -> At {
    At {
        time: time ^ i64::MIN,
        rank: tail ^ i64::MIN,
    }
}

/// The number of a row in the order of use.
const fn row_turn(slot: u32) -> u32 {
    2 * slot
}

/// The number of a pass there.
const fn pass_turn(pass: u32) -> u32 {
    2 * pass + 1
}

/// The rows of a key that has no more are promoted one by one.
const PASSED_ONE_BY_ONE: usize = 8;

/// So many passes of one key are known, or rows are promoted one by one all the same.
const PASSES_MAX: usize = 16;

impl RowEntries {
    /// No rows.
    pub(in crate::state) fn new(schema: KeySchema) -> Self {
        Self {
            schema,
            keys: Slab::new(),
            rows: Slots::new(),
            recent: SlotQueue::default(),
            passes: Passes::new(),
        }
    }

    #[inline]
    fn row_key(&self, row: &Row) -> RowKey<&[u8]> {
        let At { time, rank } = at(row.at.time, row.at.rank);
        RowKey {
            key: &self.keys.slot(row.key).key,
            time,
            tail: rank,
        }
    }

    /// Makes the rows of a key between two places the ones that were used last, in their order.
    fn promote_all(&self, key: u32, places: (At, At), direction: Direction) {
        let rows = &self.keys.slot(key).payload;
        let are_many = rows.live.len() + rows.deleted.len() > PASSED_ONE_BY_ONE;
        if are_many && direction == Direction::Forward && self.pass(key, places) {
            return;
        }
        for (_, slot) in rows.both(places, direction) {
            if self.rows[slot].entry.is_resident() {
                self.promote(slot);
            }
        }
    }

    /// Promotes as one what lies between two places; false when there are too many such promotions
    /// already. What is left of earlier ones without rows of its own is forgotten.
    fn pass(&self, key: u32, (from, to): (At, At)) -> bool {
        let rows = &self.keys.slot(key).payload;
        let mut count = 0;
        let mut next = rows.first_pass.take();
        while let Some(number) = next {
            let mut pass = self.passes.pass(number);
            next = pass.next;
            pass.leave(from, to);
            if rows.has_none(pass.from, pass.to) {
                self.forget_pass(number);
                continue;
            }
            pass.next = rows.first_pass.replace(Some(number));
            self.passes.set(number, pass);
            count += 1;
        }
        if count >= PASSES_MAX {
            return false;
        }
        let next = rows.first_pass.get();
        let pass = self.passes.add(Pass {
            key,
            from,
            to,
            next,
        });
        rows.first_pass.set(Some(pass));
        self.recent.push_back(pass_turn(pass));
        true
    }

    fn forget_pass(&self, pass: u32) {
        self.recent.remove(pass_turn(pass));
        self.passes.remove(pass);
    }

    /// The passes of a key with their numbers.
    fn passes_of(&self, key: u32) -> impl Iterator<Item = (u32, Pass)> {
        let mut next = self.keys.slot(key).payload.first_pass.get();
        iter::from_fn(move || {
            let number = next?;
            let pass = self.passes.pass(number);
            next = pass.next;
            Some((number, pass))
        })
    }

    /// The first of the rows that the pass at the front made the last ones, if they were not used
    /// since. All other passes came later.
    fn first_passed(&self, number: u32) -> Option<u32> {
        let mut pass = self.passes.pass(number);
        let rows = &self.keys.slot(pass.key).payload;
        let found = rows
            .both((pass.from, pass.to), Direction::Forward)
            .find(|(at, slot)| {
                let mut passes = self.passes_of(pass.key);
                self.rows[*slot].entry.is_resident()
                    && self.recent.is_before(row_turn(*slot), pass_turn(number))
                    && !passes.any(|(other, pass)| other != number && pass.holds(*at))
            });
        let (at, slot) = found?;
        pass.from = at;
        self.passes.set(number, pass);
        Some(slot)
    }

    /// Takes a pass out of those of its key.
    fn unlink_pass(&self, number: u32) {
        let pass = self.passes.pass(number);
        let before = self
            .passes_of(pass.key)
            .find(|(_, other)| other.next == Some(number));
        match before {
            Some((before, mut other)) => {
                other.next = pass.next;
                self.passes.set(before, other);
            }
            None => self.keys.slot(pass.key).payload.first_pass.set(pass.next),
        }
        self.forget_pass(number);
    }

    /// Forgets a key that has nothing any more.
    fn tidy(&mut self, key: u32) {
        if self.keys.slot(key).payload.is_empty() {
            while let Some(pass) = self.keys.slot(key).payload.first_pass.get() {
                self.unlink_pass(pass);
            }
            self.keys.remove(key);
        }
    }

    fn take(&mut self, slot: u32) -> Row {
        let free = Row {
            key: 0,
            at: at(0, 0),
            is_deleted: false,
            entry: Entry::free(),
        };
        self.rows.remove(slot, free)
    }
}

impl Entries for RowEntries {
    type Key<'k> = RowKey<&'k [u8]>;
    type OwnedKey = RowKey<StoreBytes>;

    #[inline]
    fn key_len(&self, row: RowKey<&[u8]>) -> usize {
        // Java puts the segment before the row.
        row.key.len() + self.schema.suffix_bytes() + CACHE_SUFFIX_BYTES
    }

    #[inline]
    fn find(&self, row: RowKey<&[u8]>) -> Option<u32> {
        let key = self.keys.find(row.key)?;
        self.keys.slot(key).payload.find(at(row.time, row.tail))
    }

    fn insert(&mut self, row: RowKey<&[u8]>, is_deleted: bool, entry: Entry) -> u32 {
        let key = self.keys.find(row.key);
        let key = key.unwrap_or_else(|| {
            let key = StoreBytes::new(row.key);
            self.keys.insert(key, CachedKey::new(true))
        });
        let at = at(row.time, row.tail);
        let slot = self.rows.insert(Row {
            key,
            at,
            is_deleted,
            entry,
        });
        let rows = self.keys.slot_mut(key).rows_mut(is_deleted);
        rows.set(at, |own| *own = slot, || slot);
        slot
    }

    fn insert_ghost(&mut self, slot: u32, ghost: Entry) -> u32 {
        let Row { key, at, .. } = self.rows[slot];
        self.keys.slot_mut(key).ghosts += 1;
        self.rows.insert(Row {
            key,
            at,
            is_deleted: false,
            entry: ghost,
        })
    }

    fn remove(&mut self, slot: u32) -> Entry {
        let row = self.take(slot);
        let rows = self.keys.slot_mut(row.key);
        rows.rows_mut(row.is_deleted).remove(row.at);
        self.tidy(row.key);
        row.entry
    }

    fn remove_ghost(&mut self, slot: u32) -> Entry {
        let row = self.take(slot);
        self.keys.slot_mut(row.key).ghosts -= 1;
        self.tidy(row.key);
        row.entry
    }

    #[inline]
    fn entry(&self, slot: u32) -> &Entry {
        &self.rows[slot].entry
    }

    #[inline]
    fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.rows[slot].entry
    }

    fn key(&self, slot: u32) -> RowKey<StoreBytes> {
        let row = self.row_key(&self.rows[slot]);
        RowKey {
            key: self.keys.slot(self.rows[slot].key).key.clone(),
            time: row.time,
            tail: row.tail,
        }
    }

    #[inline]
    fn set_deleted(&mut self, slot: u32, is_deleted: bool) {
        let row = &mut self.rows[slot];
        if row.is_deleted != is_deleted {
            let rows = self.keys.slot_mut(row.key);
            rows.rows_mut(row.is_deleted).remove(row.at);
            rows.rows_mut(is_deleted)
                .set(row.at, |own| *own = slot, || slot);
            row.is_deleted = is_deleted;
        }
    }

    #[inline]
    fn promote(&self, slot: u32) {
        self.recent.push_back(row_turn(slot));
    }

    fn eldest(&mut self) -> Option<u32> {
        loop {
            let turn = self.recent.front()?;
            let number = turn / 2;
            if turn == pass_turn(number) {
                match self.first_passed(number) {
                    Some(slot) => return Some(slot),
                    None => self.unlink_pass(number),
                }
                continue;
            }
            let row = &self.rows[number];
            if !self.passes_of(row.key).any(|(_, pass)| pass.holds(row.at)) {
                return Some(number);
            }
            self.recent.remove(turn);
        }
    }

    #[inline]
    fn retire(&mut self, slot: u32) {
        self.recent.remove(row_turn(slot));
    }

    fn clear(&mut self) {
        *self = Self::new(self.schema);
    }
}

/// What a cache knows of the rows of one key.
pub(super) struct CachedKeyRows<'a> {
    entries: &'a RowEntries,
    key: u32,
    live: KeyRange<'a, u32>,
    wanted: Times,
}

/// The times of a query.
#[derive(Clone, Copy)]
struct Times {
    from: i64,
    to: i64,
    start_to: i64,
}

impl CachedKeyRows<'_> {
    /// True for a row that has another value in the cache or is deleted there.
    pub(super) fn knows(&self, row: RowKey<&[u8]>) -> bool {
        let rows = &self.entries.keys.slot(self.key).payload;
        rows.find(at(row.time, row.tail)).is_some()
    }
}

impl Iterator for CachedKeyRows<'_> {
    type Item = (RowKey<StoreBytes>, StoreBytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, slot) = self.live.next()?;
            let row = self.entries.key(*slot);
            let Times { from, to, start_to } = self.wanted;
            if from <= row.time && row.time <= to && row.tail <= start_to {
                let value = self.entries.entry(*slot).value.clone()?;
                return Some((row, value));
            }
        }
    }
}

impl RowCache {
    /// What is known of the rows of `key` in the stretch of time of `query`; promotes what it passes.
    pub(super) fn scan_key(
        &self,
        key: &[u8],
        query: &WindowQuery<'_>,
        direction: Direction,
    ) -> Option<CachedKeyRows<'_>> {
        let entries = self.entries();
        let key = entries.keys.find(key)?;
        let from = at(query.time_from.max(0), 0);
        let places = (from, at(query.time_to, entries.schema.tail_max()));
        entries.promote_all(key, places, direction);
        let live = entries.keys.slot(key).payload.live.range(places, direction);
        let wanted = Times {
            from: query.time_from,
            to: query.time_to,
            start_to: query.start_to,
        };
        Some(CachedKeyRows {
            entries,
            key,
            live,
            wanted,
        })
    }

    /// What is known of the rows that `query` asks for, key by key; promotes the rows of those
    /// keys.
    pub(super) fn scan_keys(
        &self,
        query: &WindowQuery<'_>,
        direction: Direction,
    ) -> impl Iterator<Item = (RowKey<&[u8]>, Option<&StoreBytes>)> {
        let entries = self.entries();
        let keys = entries.keys.range(query.keys, direction);
        let all = At::times(i64::MIN, i64::MAX);
        let slots = keys.flat_map(move |key| {
            entries.promote_all(key, all, direction);
            entries.keys.slot(key).payload.both(all, direction)
        });
        slots.filter_map(|(_, slot)| {
            let row = entries.row_key(&entries.rows[slot]);
            query
                .matches(row)
                .then(|| (row, entries.entry(slot).value.as_ref()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::super::super::cache::KeyEntries;
    use super::*;
    use crate::state::CacheBudget;
    use crate::types::{Headers, RecordContext};

    const SCHEMA: KeySchema = KeySchema::Session;

    /// A cache that promotes row by row what is read.
    type Model = RecordCache<KeyEntries>;

    type Known = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn model_key(row: RowKey<&[u8]>) -> Vec<u8> {
        let mut bytes = SCHEMA.to_bytes(row);
        bytes.extend([0; CACHE_SUFFIX_BYTES]);
        bytes
    }

    fn context(offset: i64) -> RecordContext {
        RecordContext {
            topic: Some("in".into()),
            partition: 0,
            offset,
            timestamp: offset,
            headers: Headers::new(),
            source_record: None,
        }
    }

    fn scanned(cache: &RowCache, query: &WindowQuery<'_>, direction: Direction) -> Known {
        let key = query.single_key().expect("has one key");
        let rows = cache.scan_key(key, query, direction).into_iter().flatten();
        rows.map(|(row, value)| (model_key(row.lend()), Some(value.to_vec())))
            .collect()
    }

    fn model_scanned(cache: &Model, query: &WindowQuery<'_>, direction: Direction) -> Known {
        let (from, to) = query.byte_bounds(SCHEMA);
        let to = to.map(|mut to| {
            to.extend([0; CACHE_SUFFIX_BYTES]);
            to
        });
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let rows = cache.range((Bound::Included(&from), to), direction);
        let rows = rows.map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec())));
        rows.filter(|(_, value)| value.is_some()).collect()
    }

    /// The next entry on its way down, of both.
    fn pop(cache: &mut RowCache, model: &mut Model) -> bool {
        let (popped, modelled) = (cache.pop_queued(), model.pop_queued());
        let popped = popped.map(|e| (model_key(e.key.lend()), e.value, e.context));
        let modelled = modelled.map(|e| (e.key.to_vec(), e.value, e.context));
        assert_eq!(popped, modelled);
        popped.is_some()
    }

    proptest! {
        /// Whatever is promoted as one is evicted as if it had been promoted row by row: the order,
        /// the sizes and what is seen are the same in any history.
        #[test]
        fn rows_leave_in_the_order_of_their_use(
            ops in prop::collection::vec((0..14_u8, 0..2_u8, 0..40_i64, 0..40_i64), 0..300),
            budget in 100..6000_usize,
        ) {
            let budgets = [CacheBudget::new(budget), CacheBudget::new(budget)];
            let mut cache = RowCache::new(RowEntries::new(SCHEMA), budgets[0].clone());
            let mut model = Model::new(KeyEntries::default(), budgets[1].clone());
            for (offset, (op, key, time, tail)) in (0..).zip(ops) {
                let key = [key];
                let row = RowKey { key: &key[..], time, tail: tail % 3 };
                let one = (Bound::Included(&key[..]), Bound::Included(&key[..]));
                match op {
                    0 => {
                        cache.begin_flush();
                        model.begin_flush();
                    }
                    1 => {
                        pop(&mut cache, &mut model);
                    }
                    2 => while pop(&mut cache, &mut model) {},
                    3 => {
                        let known = cache.get(row).map(|value| value.cloned());
                        assert_eq!(known, model.get(&model_key(row)).map(|value| value.cloned()));
                    }
                    4..8 => {
                        let to = time + tail % 25;
                        let query = WindowQuery::of_times(one, time, to);
                        let direction = match op {
                            4 => Direction::Backward,
                            _ => Direction::Forward,
                        };
                        assert_eq!(
                            scanned(&cache, &query, direction),
                            model_scanned(&model, &query, direction)
                        );
                    }
                    _ => {
                        let value = (op > 10).then(|| vec![op; tail as usize % 5]);
                        let context = context(offset);
                        cache.put(row, value.as_deref(), &context);
                        model.put(&model_key(row), value.as_deref(), &context);
                    }
                }
                assert_eq!(cache.size_bytes(), model.size_bytes());
                assert_eq!(budgets[0].used(), budgets[1].used());
                assert_eq!(cache.is_flushing(), model.is_flushing());
            }
            for budget in &budgets {
                budget.resize(0);
            }
            cache.shrink();
            model.shrink();
            while pop(&mut cache, &mut model) {}
        }
    }
}
