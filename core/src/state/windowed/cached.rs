//! What the record cache of a window or session store knows, key by key.

use std::cell::RefCell;
use std::iter;

use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::cache::{Entries, Entry, RecordCache};
use super::super::places::NO_PLACE;
use super::super::slab::{Payload, Slab};
use super::super::slot_queue::{NO_TURN, SlotQueue, Turns};
use super::super::slots::Slots;
use super::key_rows::{At, KeyRange, RowsByTime};
use super::keys::{CACHE_SUFFIX_BYTES, KeySchema, RowKey, WindowQuery};
use super::passes::{Passes, PiecesOfKey, Stretch};

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
    /// [`Row`]s and [`Passes`], the most recently used last.
    recent: SlotQueue,
    passes: Passes,
    /// The turns of passes by their numbers.
    pass_turns: RefCell<Vec<u32>>,
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
    passed: PiecesOfKey,
    /// Where its rows probably are.
    place: u32,
    is_used: bool,
}

impl CachedKey {
    const fn new(is_used: bool) -> Self {
        Self {
            live: RowsByTime::new(),
            deleted: RowsByTime::new(),
            ghosts: 0,
            passed: PiecesOfKey::new(None),
            place: NO_PLACE,
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
        self.ends_outside(from, to) || self.both((from, to), Direction::Forward).next().is_none()
    }

    /// True when the first and the last row tell that there is none from one place to another.
    fn ends_outside(&self, from: At, to: At) -> bool {
        let is_outside = |rows: &RowsByTime<u32>| {
            rows.first().is_none_or(|first| to < first)
                || rows.last().is_none_or(|last| last < from)
        };
        from > to || (is_outside(&self.live) && is_outside(&self.deleted))
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

/// So many rows are promoted one by one, which takes less time than a pass.
const FEW: usize = 4;

impl RowEntries {
    /// No rows.
    pub(in crate::state) fn new(schema: KeySchema) -> Self {
        Self {
            schema,
            keys: Slab::new(),
            rows: Slots::new(),
            recent: SlotQueue::default(),
            passes: Passes::new(),
            pass_turns: RefCell::default(),
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

    /// Makes the rows of a stretch the ones that were used last, in their order.
    fn promote_all(&self, stretch: Stretch) {
        let Stretch {
            key,
            places,
            direction,
        } = stretch;
        let rows = &self.keys.slot(key).payload;
        if rows.ends_outside(places.0, places.1) {
            return;
        }
        let (mut few, mut count) = ([0; FEW], 0);
        for (_, slot) in rows.both(places, direction) {
            if count == FEW {
                return self.pass_over(stretch);
            }
            few[count] = slot;
            count += 1;
        }
        for slot in &few[..count] {
            if self.rows[*slot].entry.is_resident() {
                self.promote(*slot);
            }
        }
    }

    /// Promotes the rows of a stretch by one turn for all.
    fn pass_over(&self, stretch: Stretch) {
        let rows = &self.keys.slot(stretch.key).payload;
        let has_none = |from, to| rows.has_none(from, to);
        let over = |pass| self.recent.remove(pass_turn(pass), self);
        let pass = self.passes.add(&rows.passed, stretch, has_none, over);
        self.recent.push_back(pass_turn(pass), self);
    }

    /// The first of the rows that the pass at the front made the last ones, if there is one that
    /// was not used since.
    fn first_passed(&self, number: u32) -> Option<u32> {
        loop {
            let stretch = self.passes.first(number);
            let rows = &self.keys.slot(stretch.key).payload;
            let mut passed = rows.both(stretch.places, stretch.direction);
            let found = passed.find(|(_, slot)| {
                let turn = row_turn(*slot);
                self.rows[*slot].entry.is_resident()
                    && SlotQueue::is_before(turn, pass_turn(number), self)
            });
            if let Some((at, slot)) = found {
                self.passes.begin_at(&rows.passed, stretch, at);
                return Some(slot);
            }
            if let Some(pass) = self.passes.forget(&rows.passed, stretch) {
                self.recent.remove(pass_turn(pass), self);
                return None;
            }
        }
    }

    /// Forgets a key that has nothing any more, and the pass of which only the row at a place was
    /// left.
    fn tidy(&mut self, key: u32, gone: At) {
        let rows = &self.keys.slot(key).payload;
        let has_none = |from, to| rows.has_none(from, to);
        if let Some(pass) = self.passes.leave(&rows.passed, gone, has_none) {
            self.recent.remove(pass_turn(pass), self);
        }
        if rows.is_empty() {
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

/// Of rows and of passes: see [`row_turn`] and [`pass_turn`].
impl Turns for RowEntries {
    #[inline]
    fn turn(&self, number: u32) -> u32 {
        match number % 2 {
            0 => self.rows[number / 2].entry.recent_turn.get(),
            _ => {
                let turns = self.pass_turns.borrow();
                turns.get(number as usize / 2).copied().unwrap_or(NO_TURN)
            }
        }
    }

    #[inline]
    fn set_turn(&self, number: u32, turn: u32) {
        if number.is_multiple_of(2) {
            return self.rows[number / 2].entry.recent_turn.set(turn);
        }
        let (pass, turns) = (number as usize / 2, &mut *self.pass_turns.borrow_mut());
        if turns.len() <= pass {
            turns.resize(pass + 1, NO_TURN);
        }
        turns[pass] = turn;
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
        self.tidy(row.key, row.at);
        row.entry
    }

    fn remove_ghost(&mut self, slot: u32) -> Entry {
        let row = self.take(slot);
        self.keys.slot_mut(row.key).ghosts -= 1;
        self.tidy(row.key, row.at);
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
    fn place(&self, slot: u32) -> u32 {
        self.keys.slot(self.rows[slot].key).payload.place
    }

    #[inline]
    fn set_place(&mut self, slot: u32, place: u32) {
        self.keys.slot_mut(self.rows[slot].key).place = place;
    }

    fn warm(&self, slots: &mut [u32]) {
        for slot in &mut *slots {
            *slot = self.rows[*slot].key;
        }
        for key in slots {
            *key = self.keys.slot(*key).payload.place;
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
        self.recent.push_back(row_turn(slot), self);
    }

    fn eldest(&mut self) -> Option<u32> {
        loop {
            let turn = self.recent.front(self)?;
            let number = turn / 2;
            if turn == pass_turn(number) {
                match self.first_passed(number) {
                    Some(slot) => return Some(slot),
                    None => continue,
                }
            }
            let row = &self.rows[number];
            let passed = &self.keys.slot(row.key).payload.passed;
            if !self.passes.hold(passed, row.at) {
                return Some(number);
            }
            self.recent.remove(turn, self);
        }
    }

    #[inline]
    fn retire(&mut self, slot: u32) {
        self.recent.remove(row_turn(slot), self);
    }

    fn clear(&mut self) {
        *self = Self::new(self.schema);
    }
}

/// What a cache knows of the rows of one key; promotes what it passes.
pub(super) struct CachedKeyRows<'a> {
    entries: &'a RowEntries,
    key: u32,
    live: KeyRange<'a, u32>,
    direction: Direction,
    /// What was not passed yet.
    ahead: Option<(At, At)>,
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
    /// Where the rows of the key probably are.
    pub(super) fn place(&self) -> u32 {
        self.entries.keys.slot(self.key).payload.place
    }

    /// True for a row that has another value in the cache or is deleted there.
    pub(super) fn knows(&self, row: RowKey<&[u8]>) -> bool {
        let rows = &self.entries.keys.slot(self.key).payload;
        rows.find(at(row.time, row.tail)).is_some()
    }

    /// Everything up to `at` is passed, or everything.
    fn pass(&mut self, at: Option<At>) {
        let Some((from, to)) = self.ahead else {
            return;
        };
        let (places, ahead) = match (at, self.direction) {
            (None, _) => ((from, to), None),
            (Some(at), Direction::Forward) => ((from, at), at.after().map(|from| (from, to))),
            (Some(at), Direction::Backward) => ((at, to), at.before().map(|to| (from, to))),
        };
        self.ahead = ahead;
        self.entries.promote_all(Stretch {
            key: self.key,
            places,
            direction: self.direction,
        });
    }
}

impl Iterator for CachedKeyRows<'_> {
    type Item = (RowKey<StoreBytes>, StoreBytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.live.next();
            self.pass(next.map(|(at, _)| at));
            let (_, slot) = next?;
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
    /// What is known of the rows of `key` in the stretch of time of `query`.
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
            direction,
            ahead: Some(places),
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
            entries.promote_all(Stretch {
                key,
                places: all,
                direction,
            });
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

    /// What a reader reaches that takes `count` rows.
    fn scanned(
        cache: &RowCache,
        query: &WindowQuery<'_>,
        direction: Direction,
        count: usize,
    ) -> Known {
        let key = query.single_key().expect("has one key");
        let rows = cache.scan_key(key, query, direction).into_iter().flatten();
        rows.map(|(row, value)| (model_key(row.lend()), Some(value.to_vec())))
            .take(count)
            .collect()
    }

    fn model_scanned(
        cache: &Model,
        query: &WindowQuery<'_>,
        direction: Direction,
        count: usize,
    ) -> Known {
        let (from, to) = query.byte_bounds(SCHEMA);
        let to = to.map(|mut to| {
            to.extend([0; CACHE_SUFFIX_BYTES]);
            to
        });
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let rows = cache.range((Bound::Included(&from), to), direction);
        let rows = rows.map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec())));
        rows.filter(|(_, value)| value.is_some())
            .take(count)
            .collect()
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
                        let count = if op == 5 { tail as usize % 4 } else { usize::MAX };
                        assert_eq!(
                            scanned(&cache, &query, direction, count),
                            model_scanned(&model, &query, direction, count)
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
                let entries = cache.entries();
                let keys = entries.keys.visible().map(|key| &entries.keys.slot(key).payload);
                for rows in keys {
                    for (from, to) in entries.passes.pieces(&rows.passed) {
                        assert!(!rows.has_none(from, to), "a piece without rows is forgotten");
                    }
                }
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
