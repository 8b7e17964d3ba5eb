//! Entries by key: a hash index for point access, and an order that is built when first asked for.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::collections::btree_map;

use super::byte_store::{ByteBounds, Direction, is_empty_range};
use super::bytes::StoreBytes;
use super::places::Places;
use super::slots::Slots;
use crate::collections::{SlotIndex, hash_bytes};

/// What a slot holds beside its key.
pub(crate) trait Payload {
    /// A slot that is free, or one that is not to be found by its key.
    fn is_hidden(&self) -> bool;

    /// What a slot holds while it is free.
    fn free() -> Self;
}

#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) key: StoreBytes,
    pub(crate) payload: T,
}

/// Entries in slots. A point access costs one hash and one or two cache misses, against about
/// seventeen comparisons in an ordered map of 100 000 keys; most stores are never scanned, and so
/// the ordered index (about as much memory again) comes into being with the first scan.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Slots<Slot<T>>,
    index: SlotIndex,
    ordered: OnceCell<BTreeMap<StoreBytes, u32>>,
    visible: usize,
    /// The slot found last: a record is read and then written.
    last: Cell<u32>,
}

impl<T: Payload> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            index: SlotIndex::default(),
            ordered: OnceCell::new(),
            visible: 0,
            last: Cell::new(0),
        }
    }

    /// The number of entries that can be found by key.
    pub(crate) fn len(&self) -> usize {
        self.visible
    }

    #[inline]
    pub(crate) fn slot(&self, slot: u32) -> &Slot<T> {
        &self.slots[slot]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slots[slot].payload
    }

    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        let last = self.last.get();
        if let Some(slot) = self.slots.get(last)
            && *slot.key == *key
            && !slot.payload.is_hidden()
        {
            return Some(last);
        }
        let found = self
            .index
            .find(hash_bytes(key), |slot| *self.slots[slot].key == *key)?;
        self.last.set(found);
        Some(found)
    }

    /// Adds an entry whose key is not there yet.
    pub(crate) fn insert(&mut self, key: StoreBytes, payload: T) -> u32 {
        let hash = hash_bytes(&key);
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.insert(key.clone(), self.slots.next());
        }
        let slot = self.insert_hidden(key, payload);
        let slots = &self.slots;
        self.index
            .insert(hash, slot, |slot| hash_bytes(&slots[slot].key));
        self.visible += 1;
        self.last.set(slot);
        slot
    }

    /// Adds an entry that is reached by its slot alone. The payload must say that it is hidden.
    pub(crate) fn insert_hidden(&mut self, key: StoreBytes, payload: T) -> u32 {
        self.slots.insert(Slot { key, payload })
    }

    /// Frees the slot of an entry that can be found by key.
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let key = &self.slots[slot].key;
        self.index.remove(hash_bytes(key), slot);
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.remove::<[u8]>(key);
        }
        self.visible -= 1;
        self.remove_hidden(slot)
    }

    /// Frees the slot of a hidden entry.
    pub(crate) fn remove_hidden(&mut self, slot: u32) -> T {
        let freed = Slot {
            key: StoreBytes::EMPTY,
            payload: T::free(),
        };
        self.slots.remove(slot, freed).payload
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The slots of a range of keys, in order.
    pub(crate) fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> SlotRange<'_> {
        let ordered = self.ordered.get_or_init(|| self.order());
        let range = if is_empty_range(bounds) {
            btree_map::Range::default()
        } else {
            ordered.range::<[u8], _>(bounds)
        };
        SlotRange { range, direction }
    }

    /// True once somebody asked for a range.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered.get().is_some()
    }

    /// The slots of entries that can be found by key, in no order that means anything.
    pub(crate) fn visible(&self) -> impl Iterator<Item = u32> {
        let slots = self.slots.iter();
        slots
            .filter(|(_, slot)| !slot.payload.is_hidden())
            .map(|(at, _)| at)
    }

    fn order(&self) -> BTreeMap<StoreBytes, u32> {
        let visible = self.visible();
        visible
            .map(|slot| (self.slot(slot).key.clone(), slot))
            .collect()
    }
}

/// The place of a key is its slot.
impl<T: Payload> Places for Slab<T> {
    fn last_place(&self) -> u32 {
        self.last.get()
    }

    fn expect_at(&self, place: u32) {
        self.last.set(place);
    }

    fn warm(&self, places: &[u32]) {
        let slots = places.iter().filter_map(|place| self.slots.get(*place));
        let known = slots.filter(|slot| !slot.payload.is_hidden() && !slot.key.is_empty());
        std::hint::black_box(known.count());
    }
}

/// Slots in key order, one way or the other.
pub(crate) struct SlotRange<'a> {
    range: btree_map::Range<'a, StoreBytes, u32>,
    direction: Direction,
}

impl Iterator for SlotRange<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let entry = match self.direction {
            Direction::Forward => self.range.next(),
            Direction::Backward => self.range.next_back(),
        };
        entry.map(|(_, slot)| *slot)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;

    impl Payload for Option<u32> {
        fn is_hidden(&self) -> bool {
            self.is_none()
        }

        fn free() -> Self {
            None
        }
    }

    /// Of many lengths, short and long ones, some the beginning of others.
    fn key(number: u32) -> Vec<u8> {
        let mut key = vec![0; number as usize % 24];
        key.extend((number / 24).to_be_bytes());
        key
    }

    #[test]
    fn an_expected_place_may_be_wrong() {
        let mut slab = Slab::new();
        let (first, second) = (key(1), key(2));
        let slot = slab.insert(StoreBytes::new(&first), Some(1));
        let other = slab.insert(StoreBytes::new(&second), Some(2));
        for place in [slot, other, 7, u32::MAX] {
            slab.warm(&[place]);
            slab.expect_at(place);
            assert_eq!(slab.find(&first), Some(slot));
            assert_eq!(slab.last_place(), slot);
            slab.expect_at(place);
            assert_eq!(slab.find(&key(3)), None);
        }
        slab.remove(slot);
        slab.expect_at(slot);
        assert_eq!(slab.find(&first), None);
        assert_eq!(slab.find(&[]), None, "a free slot has no key");
    }

    #[test]
    fn entries_of_several_chunks_are_found_and_walked_in_order() {
        let mut slab = Slab::new();
        let count = 5000;
        let all = (Bound::Unbounded, Bound::Unbounded);
        for number in 0..count {
            slab.insert(StoreBytes::new(&key(number)), Some(number));
            if number == count / 2 {
                assert_eq!(slab.range(all, Direction::Forward).count(), slab.len());
            }
        }
        for number in (0..count).step_by(3) {
            let slot = slab.find(&key(number)).expect("is there");
            assert_eq!(slab.remove(slot), Some(number));
        }
        let mut kept: Vec<Vec<u8>> = (0..count).filter(|n| n % 3 != 0).map(key).collect();
        kept.sort_unstable();
        let walk = |direction| -> Vec<Vec<u8>> {
            let slots = slab.range(all, direction);
            slots.map(|slot| slab.slot(slot).key.to_vec()).collect()
        };
        assert_eq!(walk(Direction::Forward), kept);
        kept.reverse();
        assert_eq!(walk(Direction::Backward), kept);
        let from = Bound::Excluded(&*kept[9]);
        let found = slab.range((from, Bound::Unbounded), Direction::Forward);
        assert_eq!(found.count(), 9);
    }
}
