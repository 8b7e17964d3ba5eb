//! The record cache of one store (Java: `NamedCache`, one name of a `ThreadCache`).

mod entries;
mod entry;
mod keys;
mod origin;

use std::cell::Cell;

use super::budget::CacheBudget;
use super::bytes::StoreBytes;
use super::slab::Payload;
use super::slot_queue::{NO_TURN, SlotQueue};
use crate::types::RecordContext;

pub(super) use self::entries::Entries;
pub(super) use self::entry::{CachedEntry, Entry};
use self::entry::{DirtyTurns, State};
pub(super) use self::keys::{CacheRange, KeyEntries};
use self::origin::{SourceRecords, Topics};

/// The last writes and reads of one store, with the context of the records that wrote.
///
/// Sizes are counted as Java counts them, so that equal budgets flush at equal places: the bytes of
/// the key and the value, of the headers and the topic's name, and 45 for the rest.
///
/// A write is *dirty* until a flush begins, then *queued* until
/// [`pop_queued`](Self::pop_queued) hands it out; both are in one list in order of last write, the
/// queued ones in front. What is evicted while it is queued stays readable until then. Promotion and
/// eviction take constant time.
///
/// A flush is over when `pop_queued` has nothing more. Only then what it was begun for no longer
/// counts, the evicted entry and the tombstones, and more is evicted where that is not enough. So
/// it is in Java, and what is written downstream meanwhile finds the budget exceeded.
#[derive(Debug)]
pub(super) struct RecordCache<E> {
    entries: E,
    /// Queued entries and then dirty ones, each part in order of last write.
    dirty: SlotQueue,
    /// Linked entries that bear this number are dirty, those with another one are queued.
    epoch: u32,
    /// How many are queued.
    queued: usize,
    /// So many of the next queued ones were read already.
    warm: usize,
    /// Room for slots, then places of rows.
    ahead: Vec<u32>,
    /// What was evicted dirty counts until the flush that it began is over.
    leaving_bytes: usize,
    /// Tombstones of the flush that is under way, which leave with it.
    flushed_tombstones: Vec<u32>,
    /// True while a flush is under way that an eviction began: it is to go on.
    is_evicting: bool,
    size_bytes: usize,
    topics: Topics,
    source_records: SourceRecords,
    budget: CacheBudget,
    reads: Cell<CacheReads>,
}

/// Reads of single keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheReads {
    /// Those that the cache knew something of.
    pub hits: u64,
    /// Those that went on to the rows.
    pub misses: u64,
}

impl<E: Entries> RecordCache<E> {
    /// An empty cache with room for `entries`, that takes its bytes from `budget`.
    pub(in crate::state) fn new(entries: E, budget: CacheBudget) -> Self {
        Self {
            entries,
            dirty: SlotQueue::default(),
            epoch: 0,
            queued: 0,
            warm: 0,
            ahead: Vec::new(),
            leaving_bytes: 0,
            flushed_tombstones: Vec::new(),
            is_evicting: false,
            size_bytes: 0,
            topics: Topics::default(),
            source_records: SourceRecords::default(),
            budget,
            reads: Cell::default(),
        }
    }

    /// What is known of which keys.
    pub(super) fn entries(&self) -> &E {
        &self.entries
    }

    /// The bytes of what is in this cache and not evicted.
    pub(in crate::state) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// True when [`pop_queued`](Self::pop_queued) has something to do: a flush is not over.
    #[inline]
    pub(in crate::state) fn is_flushing(&self) -> bool {
        self.has_queued()
            || self.is_evicting
            || self.leaving_bytes > 0
            || !self.flushed_tombstones.is_empty()
    }

    #[inline]
    fn has_queued(&self) -> bool {
        self.queued > 0
    }

    /// What is known of `key`: `None` nothing, `Some(None)` that it was deleted. Promotes it.
    #[inline]
    pub(in crate::state) fn get(&self, key: E::Key<'_>) -> Option<Option<&StoreBytes>> {
        let slot = self.entries.find(key);
        let CacheReads { hits, misses } = self.reads.get();
        let is_hit = u64::from(slot.is_some());
        self.reads.set(CacheReads {
            hits: hits + is_hit,
            misses: misses + 1 - is_hit,
        });
        Some(self.read(slot?))
    }

    /// How often it was read since the last call.
    pub(in crate::state) fn take_reads(&self) -> CacheReads {
        self.reads.take()
    }

    /// Stages a write, `None` a tombstone, made by the record of `context`; then begins to evict
    /// until the budget holds or this cache is empty: see [`is_flushing`](Self::is_flushing).
    pub(in crate::state) fn put(
        &mut self,
        key: E::Key<'_>,
        value: Option<&[u8]>,
        context: &RecordContext,
    ) {
        let (topic, topic_chars) = self.topics.number(context.topic.as_ref());
        let size_bytes = self.entry_size(key, value) + topic_chars + context.headers_size_bytes();
        let slot = self.slot_for(key, value.is_none(), size_bytes);
        self.mark_dirty(slot);
        let entry = self.entries.entry_mut(slot);
        match (value, &mut entry.value) {
            (Some(new), Some(own)) => own.assign(new),
            (new, own) => *own = new.map(StoreBytes::new),
        }
        if !(entry.headers.is_empty() && context.headers.is_empty()) {
            entry.headers = context.headers.clone();
        }
        entry.offset = context.offset;
        entry.timestamp = context.timestamp;
        entry.partition = context.partition;
        entry.topic = topic;
        self.source_records.set(slot, &context.source_record);
        self.shrink();
    }

    /// Keeps what a read found in the rows at `place`, without a context; then evicts like
    /// [`put`](Self::put).
    ///
    /// # Panics
    /// When `key` has a value that is not flushed: it would be lost.
    pub(in crate::state) fn put_clean(&mut self, key: E::Key<'_>, value: &StoreBytes, place: u32) {
        let size_bytes = self.entry_size(key, Some(value));
        let slot = self.slot_for(key, false, size_bytes);
        let entry = self.entries.entry_mut(slot);
        assert!(
            !entry.is_linked(),
            "a clean value must not hide a dirty one"
        );
        *entry = Entry {
            value: Some(value.clone()),
            size_bytes: entry.size_bytes,
            state: State::Resident,
            recent_turn: entry.recent_turn.clone(),
            ..Entry::free()
        };
        self.entries.set_place(slot, place);
        self.shrink();
    }

    /// Queues every dirty entry for [`pop_queued`](Self::pop_queued), in order of last write.
    pub(in crate::state) fn begin_flush(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.queued = self.dirty.len();
    }

    /// Reads the next queued entries ahead of time where that was not done yet, and gives the places
    /// of their rows.
    pub(in crate::state) fn warm(&mut self) -> Option<&[u32]> {
        if self.warm > 0 || self.queued < 2 {
            return None;
        }
        self.warm = self.queued.min(WARM_AT_ONCE);
        self.ahead.clear();
        let turns = DirtyTurns(&self.entries);
        self.dirty.first(self.warm, &turns, &mut self.ahead);
        self.entries.warm(&mut self.ahead);
        Some(&self.ahead)
    }

    /// The row of `entry`, which was just popped, is at this place.
    pub(in crate::state) fn placed(&mut self, entry: &CachedEntry<E::OwnedKey>, place: u32) {
        if self.entries.entry(entry.slot).is_resident() {
            self.entries.set_place(entry.slot, place);
        }
    }

    /// The next queued entry, which is clean from now on. Behind the last one the flush is over, and
    /// an eviction that began it goes on.
    pub(in crate::state) fn pop_queued(&mut self) -> Option<CachedEntry<E::OwnedKey>> {
        while !self.has_queued() {
            if !self.is_flushing() {
                return None;
            }
            self.end_flush();
        }
        let slot = self.dirty.pop_front(&DirtyTurns(&self.entries))?;
        self.queued -= 1;
        self.warm = self.warm.saturating_sub(1);
        let entry = self.entries.entry(slot);
        let (state, is_tombstone) = (entry.state, entry.value.is_none());
        let place = self.entries.place(slot);
        let key = self.entries.key(slot);
        let (value, mut context) = match state {
            State::Free => unreachable!("a free slot is in no list"),
            State::Resident => {
                if is_tombstone {
                    self.flushed_tombstones.push(slot);
                }
                let entry = self.entries.entry(slot);
                (entry.value.clone(), self.context(entry))
            }
            State::Leaving => {
                let entry = self.entries.remove(slot);
                let context = self.context(&entry);
                (entry.value, context)
            }
            State::Ghost => {
                let entry = self.entries.remove_ghost(slot);
                let context = self.context(&entry);
                (entry.value, context)
            }
        };
        context.source_record = self.source_records.take(slot);
        Some(CachedEntry {
            key,
            value,
            context,
            place,
            slot,
        })
    }

    /// Evicts until the budget holds, this cache is empty, or a dirty entry is to be flushed first:
    /// then it goes on when that is over.
    #[inline]
    pub(in crate::state) fn shrink(&mut self) {
        while self.budget.is_exceeded()
            && let Some(eldest) = self.entries.eldest()
        {
            if self.evict(eldest) {
                self.is_evicting = true;
                return;
            }
        }
    }

    /// Forgets everything, what is dirty too.
    pub(in crate::state) fn clear(&mut self) {
        self.budget.give_back(self.size_bytes + self.leaving_bytes);
        self.size_bytes = 0;
        self.leaving_bytes = 0;
        self.flushed_tombstones.clear();
        self.is_evicting = false;
        self.entries.clear();
        self.source_records.clear();
        self.dirty.clear();
        self.queued = 0;
        self.warm = 0;
    }

    /// Evicts `slot`, the least recently used entry; true when that begins a flush: it is dirty, and goes
    /// first. While an earlier flush is not over it keeps its place, behind the older values of its
    /// key.
    fn evict(&mut self, slot: u32) -> bool {
        self.entries.retire(slot);
        let is_flushing = self.is_flushing();
        let epoch = self.epoch;
        let entry = self.entries.entry_mut(slot);
        let size_bytes = entry.size_bytes as usize;
        self.size_bytes -= size_bytes;
        if !entry.is_linked() {
            self.entries.remove(slot);
            self.budget.give_back(size_bytes);
            return false;
        }
        entry.state = State::Leaving;
        if entry.epoch != epoch {
            self.budget.give_back(size_bytes);
            return false;
        }
        self.leaving_bytes += size_bytes;
        if !is_flushing {
            self.dirty.push_front(slot, &DirtyTurns(&self.entries));
        }
        self.begin_flush();
        !is_flushing
    }

    /// Ends the counting of what a flush was begun for. A tombstone that was written again
    /// meanwhile stays.
    fn end_flush(&mut self) {
        self.budget
            .give_back(std::mem::take(&mut self.leaving_bytes));
        while let Some(slot) = self.flushed_tombstones.pop() {
            let entry = self.entries.entry(slot);
            let is_flushed = entry.is_resident() && !entry.is_linked();
            if is_flushed && entry.value.is_none() {
                let size_bytes = entry.size_bytes as usize;
                self.entries.retire(slot);
                self.entries.remove(slot);
                self.size_bytes -= size_bytes;
                self.budget.give_back(size_bytes);
            }
        }
        if std::mem::take(&mut self.is_evicting) {
            self.shrink();
        }
    }

    /// The slot of `key`, new or old, counted with `size_bytes` and the most recently used one.
    #[inline]
    fn slot_for(&mut self, key: E::Key<'_>, is_deleted: bool, size_bytes: usize) -> u32 {
        let size_bytes = size_bytes.min(u32::MAX as usize);
        let Some(slot) = self.entries.find(key) else {
            let entry = Entry {
                size_bytes: size_bytes as u32,
                state: State::Resident,
                ..Entry::free()
            };
            let slot = self.entries.insert(key, is_deleted, entry);
            self.entries.promote(slot);
            self.count(0, size_bytes);
            return slot;
        };
        let entry = self.entries.entry_mut(slot);
        let mut counted = entry.size_bytes as usize;
        entry.size_bytes = size_bytes as u32;
        if entry.state != State::Resident {
            entry.state = State::Resident;
            counted = 0;
        }
        self.entries.set_deleted(slot, is_deleted);
        self.entries.promote(slot);
        self.count(counted, size_bytes);
        slot
    }

    #[inline]
    fn count(&mut self, before: usize, now: usize) {
        self.budget.take(now);
        self.budget.give_back(before);
        self.size_bytes = self.size_bytes + now - before;
    }

    /// Makes `slot` the last of the dirty ones; a value of it that is queued stays queued.
    #[inline]
    fn mark_dirty(&mut self, slot: u32) {
        let entry = self.entries.entry(slot);
        if entry.is_linked() && entry.epoch != self.epoch {
            self.leave_ghost(slot);
        }
        self.dirty.push_back(slot, &DirtyTurns(&self.entries));
        self.entries.entry_mut(slot).epoch = self.epoch;
    }

    /// Moves a queued value to a slot of its own, in its place in the queue.
    fn leave_ghost(&mut self, slot: u32) {
        let entry = self.entries.entry_mut(slot);
        let ghost = Entry {
            value: entry.value.take(),
            headers: std::mem::take(&mut entry.headers),
            state: State::Ghost,
            dirty_turn: Cell::new(NO_TURN),
            recent_turn: Cell::new(NO_TURN),
            ..*entry
        };
        let ghost = self.entries.insert_ghost(slot, ghost);
        self.dirty.replace(slot, ghost, &DirtyTurns(&self.entries));
        let source_record = self.source_records.take(slot);
        self.source_records.set(ghost, &source_record);
    }

    #[inline]
    fn read(&self, slot: u32) -> Option<&StoreBytes> {
        let entry = self.entries.entry(slot);
        if entry.state == State::Resident {
            self.entries.promote(slot);
        }
        entry.value.as_ref()
    }

    /// The size without topic and headers: node, dirty flag, timestamp, offset and partition are what
    /// Java's `LRUNode.size` and `LRUCacheEntry.size` add.
    #[inline]
    fn entry_size(&self, key: E::Key<'_>, value: Option<&[u8]>) -> usize {
        let len = self.entries.key_len(key) + value.map_or(0, <[u8]>::len);
        len + NODE_BYTES + 1 + 8 + 8 + 4
    }

    fn context(&self, entry: &Entry) -> RecordContext {
        RecordContext {
            topic: self.topics.name(entry.topic),
            partition: entry.partition,
            offset: entry.offset,
            timestamp: entry.timestamp,
            headers: entry.headers.clone(),
            source_record: None,
        }
    }
}

impl<E> Drop for RecordCache<E> {
    fn drop(&mut self) {
        self.budget.give_back(self.size_bytes + self.leaving_bytes);
    }
}

const NODE_BYTES: usize = 24;

/// So many entries are read ahead of their flush: about what a processor can wait for at once.
const WARM_AT_ONCE: usize = 16;
