//! The record cache of one store (Java: `NamedCache`, one name of a `ThreadCache`).

use super::budget::CacheBudget;
use super::byte_store::{ByteBounds, Direction};
use super::bytes::StoreBytes;
use super::list::{List, NIL};
use super::slab::{Payload, Slab, SlotRange};
use crate::types::{Headers, RecordContext, TopicName};

/// The last writes and reads of one store, with the context of the records that wrote.
///
/// Sizes are counted as Java counts them, so that equal budgets flush at equal places: the bytes of
/// the key and the value, of the headers and the topic's name, and 45 for the rest.
///
/// A write is *dirty* until a flush begins, then *queued* until
/// [`pop_queued`](Self::pop_queued) hands it out; both are in one list in order of last write, the
/// queued ones in front. What is evicted while it is queued stays readable until then, but no
/// longer counts. Promotion and eviction take constant time.
#[derive(Debug)]
pub struct RecordCache {
    entries: Slab<Entry>,
    /// Most recently used first.
    recent: List,
    /// Queued entries and then dirty ones, each part in order of last write.
    dirty: List,
    /// Linked entries that bear this number are dirty, those with another one are queued.
    epoch: u32,
    dirty_tombstones: usize,
    size_bytes: usize,
    topics: Topics,
    budget: CacheBudget,
}

/// An entry that leaves the dirty state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedEntry {
    /// The key.
    pub key: StoreBytes,
    /// The value; `None` deletes.
    pub value: Option<StoreBytes>,
    /// The context of the record that made the last write.
    pub context: RecordContext,
}

#[derive(Debug)]
struct Entry {
    value: Option<StoreBytes>,
    headers: Headers,
    offset: i64,
    timestamp: i64,
    partition: i32,
    /// A number of `Topics`: 4 bytes instead of a counted reference of 16.
    topic: u32,
    size_bytes: u32,
    epoch: u32,
    state: State,
    /// In the list of dirty and queued entries.
    is_linked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// Counted, and in the list of recently used ones.
    Resident,
    /// Evicted, or a tombstone of a flush: readable until it is popped.
    Leaving,
    /// A queued value whose key was written again: reached through the queue alone.
    Ghost,
}

impl Payload for Entry {
    fn is_hidden(&self) -> bool {
        matches!(self.state, State::Free | State::Ghost)
    }

    fn free() -> Self {
        Self {
            value: None,
            headers: Headers::new(),
            offset: -1,
            timestamp: -1,
            partition: -1,
            topic: 0,
            size_bytes: 0,
            epoch: 0,
            state: State::Free,
            is_linked: false,
        }
    }
}

impl RecordCache {
    /// An empty cache that takes its bytes from `budget`.
    pub fn new(budget: CacheBudget) -> Self {
        Self {
            entries: Slab::new(),
            recent: List::new(),
            dirty: List::new(),
            epoch: 0,
            dirty_tombstones: 0,
            size_bytes: 0,
            topics: Topics::default(),
            budget,
        }
    }

    /// The bytes that this cache takes from the budget.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// True when no entry counts against the budget.
    pub fn is_empty(&self) -> bool {
        self.recent.back() == NIL
    }

    /// True when [`pop_queued`](Self::pop_queued) has something to hand out.
    #[inline]
    pub fn has_queued(&self) -> bool {
        let front = self.dirty.front();
        front != NIL && self.entries.slot(front).payload.epoch != self.epoch
    }

    /// What is known of `key`: `None` nothing, `Some(None)` that it was deleted. Promotes it.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Option<&StoreBytes>> {
        let slot = self.entries.find(key)?;
        Some(self.read(slot))
    }

    /// Stages a write, `None` a tombstone, made by the record of `context`; then evicts until the
    /// budget holds or this cache is empty.
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>, context: &RecordContext) {
        let (topic, topic_chars) = self.topics.number(context.topic.as_ref());
        let size_bytes = entry_size(key, value) + topic_chars + context.headers_size_bytes();
        let slot = self.slot_for(key, size_bytes);
        self.mark_dirty(slot, value.is_none());
        let entry = self.entries.slot_mut(slot);
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
        self.shrink();
    }

    /// Keeps what a read found in the rows, without a context; then evicts like
    /// [`put`](Self::put).
    ///
    /// # Panics
    /// When `key` has a value that is not flushed: it would be lost.
    pub fn put_clean(&mut self, key: &[u8], value: &StoreBytes) {
        let slot = self.slot_for(key, entry_size(key, Some(value)));
        let entry = self.entries.slot_mut(slot);
        assert!(!entry.is_linked, "a clean value must not hide a dirty one");
        *entry = Entry {
            value: Some(value.clone()),
            size_bytes: entry.size_bytes,
            state: State::Resident,
            ..Entry::free()
        };
        self.shrink();
    }

    /// Queues every dirty entry for [`pop_queued`](Self::pop_queued), in order of last write.
    pub fn begin_flush(&mut self) {
        if self.dirty_tombstones > 0 {
            self.release_tombstones();
        }
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// The next queued entry, which is clean from now on.
    pub fn pop_queued(&mut self) -> Option<CachedEntry> {
        if !self.has_queued() {
            return None;
        }
        let slot = self.dirty.front();
        self.dirty.remove(slot);
        let state = {
            let entry = self.entries.slot_mut(slot);
            entry.is_linked = false;
            entry.state
        };
        let key = self.entries.slot(slot).key.clone();
        let entry = match state {
            State::Free => unreachable!("a free slot is in no list"),
            State::Resident => {
                let entry = &self.entries.slot(slot).payload;
                return Some(CachedEntry {
                    key,
                    value: entry.value.clone(),
                    context: self.context(entry, entry.headers.clone()),
                });
            }
            State::Leaving => self.entries.remove(slot),
            State::Ghost => self.entries.remove_hidden(slot),
        };
        let context = self.context(&entry, entry.headers.clone());
        Some(CachedEntry {
            key,
            value: entry.value,
            context,
        })
    }

    /// Evicts until the budget holds or this cache is empty.
    #[inline]
    pub fn shrink(&mut self) {
        while self.budget.is_exceeded() && !self.is_empty() {
            self.evict();
        }
    }

    /// Forgets everything, what is dirty too.
    pub fn clear(&mut self) {
        self.budget.give_back(self.size_bytes);
        self.size_bytes = 0;
        self.entries.clear();
        self.recent.clear();
        self.dirty.clear();
        self.dirty_tombstones = 0;
    }

    /// What is known of the keys within `bounds`, in order; promotes what it passes.
    pub(crate) fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> CacheRange<'_> {
        CacheRange {
            range: self.entries.range(bounds, direction),
            cache: self,
        }
    }

    /// Evicts the least recently used entry. If it is dirty, that begins a flush, in which it goes
    /// first; while an earlier flush is not pulled to its end it keeps its place, behind the older
    /// values of its key.
    fn evict(&mut self) {
        let slot = self.recent.back();
        self.release(slot);
        let entry = self.entries.slot_mut(slot);
        if !entry.is_linked {
            self.entries.remove(slot);
            return;
        }
        entry.state = State::Leaving;
        if entry.epoch == self.epoch {
            if !self.has_queued() {
                self.dirty.move_to_front(slot);
            }
            self.begin_flush();
        }
    }

    /// Ends the counting of an entry. It is still in the slab and in the queue.
    fn release(&mut self, slot: u32) {
        self.recent.remove(slot);
        let size_bytes = self.entries.slot(slot).payload.size_bytes as usize;
        self.size_bytes -= size_bytes;
        self.budget.give_back(size_bytes);
    }

    /// Tombstones leave with the flush that begins: they no longer count, as in Java where a flush
    /// is over before the next eviction. Every tombstone is passed once a write.
    fn release_tombstones(&mut self) {
        let mut slot = self.dirty.front();
        while slot != NIL {
            let entry = &self.entries.slot(slot).payload;
            if entry.value.is_none() && entry.state == State::Resident {
                self.release(slot);
                self.entries.slot_mut(slot).state = State::Leaving;
            }
            slot = self.dirty.after(slot);
        }
        self.dirty_tombstones = 0;
    }

    /// The slot of `key`, new or old, counted with `size_bytes` and the most recently used one.
    #[inline]
    fn slot_for(&mut self, key: &[u8], size_bytes: usize) -> u32 {
        let size_bytes = size_bytes.min(u32::MAX as usize);
        let Some(slot) = self.entries.find(key) else {
            let payload = Entry {
                size_bytes: size_bytes as u32,
                state: State::Resident,
                ..Entry::free()
            };
            let slot = self.entries.insert(StoreBytes::new(key), payload);
            self.recent.reserve(slot);
            self.dirty.reserve(slot);
            self.recent.push_front(slot);
            self.count(0, size_bytes);
            return slot;
        };
        let entry = self.entries.slot_mut(slot);
        let mut counted = entry.size_bytes as usize;
        entry.size_bytes = size_bytes as u32;
        if entry.state == State::Resident {
            self.recent.move_to_front(slot);
        } else {
            entry.state = State::Resident;
            counted = 0;
            self.recent.push_front(slot);
        }
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
    fn mark_dirty(&mut self, slot: u32, is_tombstone: bool) {
        let epoch = self.epoch;
        let entry = self.entries.slot_mut(slot);
        if entry.is_linked && entry.epoch == epoch {
            self.dirty_tombstones -= usize::from(entry.value.is_none());
            self.dirty.move_to_back(slot);
        } else {
            if entry.is_linked {
                self.leave_ghost(slot);
            }
            self.dirty.push_back(slot);
        }
        let entry = self.entries.slot_mut(slot);
        entry.is_linked = true;
        entry.epoch = epoch;
        self.dirty_tombstones += usize::from(is_tombstone);
    }

    /// Moves a queued value to a slot of its own, in its place in the queue.
    fn leave_ghost(&mut self, slot: u32) {
        let key = self.entries.slot(slot).key.clone();
        let entry = self.entries.slot_mut(slot);
        let ghost = Entry {
            value: entry.value.take(),
            headers: std::mem::take(&mut entry.headers),
            state: State::Ghost,
            ..*entry
        };
        let ghost = self.entries.insert_hidden(key, ghost);
        self.recent.reserve(ghost);
        self.dirty.reserve(ghost);
        self.dirty.replace(slot, ghost);
    }

    #[inline]
    fn read(&self, slot: u32) -> Option<&StoreBytes> {
        let entry = &self.entries.slot(slot).payload;
        if entry.state == State::Resident {
            self.recent.move_to_front(slot);
        }
        entry.value.as_ref()
    }

    fn context(&self, entry: &Entry, headers: Headers) -> RecordContext {
        RecordContext {
            topic: self.topics.name(entry.topic),
            partition: entry.partition,
            offset: entry.offset,
            timestamp: entry.timestamp,
            headers,
        }
    }
}

impl Drop for RecordCache {
    fn drop(&mut self) {
        self.budget.give_back(self.size_bytes);
    }
}

/// What a cache knows of a range of keys.
pub(crate) struct CacheRange<'a> {
    range: SlotRange<'a>,
    cache: &'a RecordCache,
}

impl Iterator for CacheRange<'_> {
    type Item = (StoreBytes, Option<StoreBytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.range.next()?;
        let key = self.cache.entries.slot(slot).key.clone();
        Some((key, self.cache.read(slot).cloned()))
    }
}

/// The topics that records of a task come from: few, and nearly always the one of the last record.
#[derive(Debug, Default)]
struct Topics {
    /// With their lengths in Java's characters.
    names: Vec<(TopicName, usize)>,
    last: usize,
}

impl Topics {
    /// A number for `topic` and the characters of its name; 0 for none.
    #[inline]
    fn number(&mut self, topic: Option<&TopicName>) -> (u32, usize) {
        let Some(topic) = topic else {
            return (0, 0);
        };
        if self
            .names
            .get(self.last)
            .is_none_or(|last| last.0 != *topic)
        {
            self.last = self.find(topic);
        }
        (self.last as u32 + 1, self.names[self.last].1)
    }

    fn find(&mut self, topic: &TopicName) -> usize {
        let known = self.names.iter().position(|(name, _)| name == topic);
        known.unwrap_or_else(|| {
            let chars = topic.as_str().encode_utf16().count();
            self.names.push((topic.clone(), chars));
            self.names.len() - 1
        })
    }

    fn name(&self, number: u32) -> Option<TopicName> {
        let at = number.checked_sub(1)?;
        Some(self.names[at as usize].0.clone())
    }
}

/// The size without topic and headers: node, dirty flag, timestamp, offset and partition are what
/// Java's `LRUNode.size` and `LRUCacheEntry.size` add.
#[inline]
fn entry_size(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + NODE_BYTES + 1 + 8 + 8 + 4
}

const NODE_BYTES: usize = 24;
