//! The entries of a key-value store.

use std::cell::Cell;

use super::super::byte_store::{ByteBounds, Direction};
use super::super::bytes::StoreBytes;
use super::super::slab::{Slab, SlotRange};
use super::super::slot_queue::{Queued, SlotQueue};
use super::RecordCache;
use super::entries::Entries;
use super::entry::Entry;

/// Entries by key.
#[derive(Debug)]
pub(in crate::state) struct KeyEntries {
    entries: Slab<Entry>,
    /// Most recently used last.
    recent: SlotQueue,
}

impl Default for KeyEntries {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            recent: SlotQueue::default(),
        }
    }
}

impl Entries for KeyEntries {
    type Key<'k> = &'k [u8];
    type OwnedKey = StoreBytes;

    #[inline]
    fn key_len(&self, key: &[u8]) -> usize {
        key.len()
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<u32> {
        self.entries.find(key)
    }

    fn insert(&mut self, key: &[u8], _: bool, entry: Entry) -> u32 {
        self.entries.insert(StoreBytes::new(key), entry)
    }

    fn insert_ghost(&mut self, slot: u32, ghost: Entry) -> u32 {
        let key = self.entries.slot(slot).key.clone();
        self.entries.insert_hidden(key, ghost)
    }

    fn remove(&mut self, slot: u32) -> Entry {
        self.entries.remove(slot)
    }

    fn remove_ghost(&mut self, slot: u32) -> Entry {
        self.entries.remove_hidden(slot)
    }

    #[inline]
    fn entry(&self, slot: u32) -> &Entry {
        &self.entries.slot(slot).payload
    }

    #[inline]
    fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        self.entries.slot_mut(slot)
    }

    fn key(&self, slot: u32) -> StoreBytes {
        self.entries.slot(slot).key.clone()
    }

    #[inline]
    fn place(&self, slot: u32) -> u32 {
        self.entry(slot).place
    }

    #[inline]
    fn set_place(&mut self, slot: u32, place: u32) {
        self.entry_mut(slot).place = place;
    }

    fn warm(&self, slots: &mut [u32]) {
        for slot in slots {
            *slot = self.place(*slot);
        }
    }

    #[inline]
    fn set_deleted(&mut self, _: u32, _: bool) {}

    #[inline]
    fn promote(&self, slot: u32) {
        self.recent.push_back(slot, &self.entries);
    }

    #[inline]
    fn eldest(&mut self) -> Option<u32> {
        self.recent.front(&self.entries)
    }

    #[inline]
    fn retire(&mut self, slot: u32) {
        self.recent.remove(slot, &self.entries);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// By when it was last used.
impl Queued for Entry {
    #[inline]
    fn turn(&self) -> &Cell<u32> {
        &self.recent_turn
    }
}

impl RecordCache<KeyEntries> {
    /// What is known of the keys within `bounds`, in order; promotes what it passes.
    pub(in crate::state) fn range(
        &self,
        bounds: ByteBounds<'_>,
        direction: Direction,
    ) -> CacheRange<'_> {
        CacheRange {
            range: self.entries.entries.range(bounds, direction),
            cache: self,
        }
    }
}

/// What a cache knows of a range of keys.
pub(in crate::state) struct CacheRange<'a> {
    range: SlotRange<'a>,
    cache: &'a RecordCache<KeyEntries>,
}

impl Iterator for CacheRange<'_> {
    type Item = (StoreBytes, Option<StoreBytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.range.next()?;
        let key = self.cache.entries.key(slot);
        Some((key, self.cache.read(slot).cloned()))
    }
}
