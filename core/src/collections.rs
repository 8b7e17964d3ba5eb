//! Hash collections that cannot be iterated.
//!
//! The order of a hash map depends on its whole history, so a walk over one would make a restored
//! state behave differently from a live one. Where order or a walk is needed: `BTreeMap`. The hash
//! is fixed, so equal runs cost the same too.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

/// A hash map without iteration.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    entries: HashMap<K, V, FixedState>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Map<K, V> {
    /// An empty map; allocates nothing.
    pub const fn new() -> Self {
        Self {
            entries: HashMap::with_hasher(STATE),
        }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

impl<K: Eq + Hash, V> Map<K, V> {
    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// The value of `key`, to change it in place.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    /// True when `key` has a value.
    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(key)
    }

    /// Sets the value of `key` and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.entries.insert(key, value)
    }

    /// Removes `key` and returns its value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key)
    }

    /// The value of `key`, made by `make` where it has none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.entries.entry(key).or_insert_with(make)
    }
}

/// A binary heap that leaves elements of equal keys in the order in which `java.util.PriorityQueue`
/// does: what Java keeps in one is seen in this order.
#[derive(Clone, Debug)]
pub(crate) struct JavaHeap<T> {
    elements: Vec<T>,
}

impl<T> Default for JavaHeap<T> {
    fn default() -> Self {
        Self {
            elements: Vec::new(),
        }
    }
}

impl<T> JavaHeap<T> {
    /// True when there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The element with the least key.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.elements.first()
    }

    /// Every element, in the order of the heap.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.elements.iter()
    }

    /// Every element, to change it where that leaves its key as it is.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.elements.iter_mut()
    }

    /// Adds an element.
    pub(crate) fn offer(&mut self, element: T, key: impl Fn(&T) -> i64) {
        let own = key(&element);
        let mut at = self.elements.len();
        self.elements.push(element);
        while at > 0 {
            let parent = (at - 1) / 2;
            if own >= key(&self.elements[parent]) {
                break;
            }
            self.elements.swap(at, parent);
            at = parent;
        }
    }

    /// Removes the element with the least key.
    pub(crate) fn poll(&mut self, key: impl Fn(&T) -> i64) -> Option<T> {
        if self.elements.is_empty() {
            return None;
        }
        let first = self.elements.swap_remove(0);
        let mut at = 0;
        while let Some(left) = self.elements.get(2 * at + 1) {
            let smaller = match self.elements.get(2 * at + 2) {
                Some(right) if key(right) < key(left) => 2 * at + 2,
                _ => 2 * at + 1,
            };
            if key(&self.elements[at]) <= key(&self.elements[smaller]) {
                break;
            }
            self.elements.swap(at, smaller);
            at = smaller;
        }
        Some(first)
    }
}

/// A hash index over entries that live elsewhere: it holds only their slot numbers (4 bytes and a
/// control byte each), and the caller compares keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotIndex {
    slots: HashTable<u32>,
}

impl SlotIndex {
    /// The slot whose key hashes to `hash` and of which `is_key` is true.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_key: impl FnMut(u32) -> bool) -> Option<u32> {
        self.slots.find(hash, |slot| is_key(*slot)).copied()
    }

    /// Adds `slot`, whose key is not there yet; `hash_of` gives the hash of any slot's key.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        self.slots.insert_unique(hash, slot, |slot| hash_of(*slot));
    }

    /// Removes the entry that says `slot`, whose key hashes to `hash`.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        if let Ok(entry) = self.slots.find_entry(hash, |found| *found == slot) {
            entry.remove();
        }
    }
}

/// The hash of a byte string, for [`SlotIndex`].
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

const STATE: FixedState = FixedState::with_seed(0x6564_6479_6c69_6e65);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_holds_what_was_put_in() {
        let mut map: Map<String, i32> = Map::new();
        assert_eq!(map.insert("a".into(), 1), None);
        assert_eq!(map.insert("a".into(), 2), Some(1));
        *map.get_or_insert_with("b".into(), || 5) += 1;
        assert_eq!(map.get("a"), Some(&2));
        assert_eq!(map.get("b"), Some(&6));
        assert_eq!(map.len(), 2);
        assert_eq!(map.remove("a"), Some(2));
        assert!(!map.contains_key("a"));
        map.clear();
        assert!(map.is_empty());
    }

    #[test]
    fn slot_index_finds_and_removes() {
        let keys: Vec<[u8; 4]> = (0..1000_u32).map(u32::to_be_bytes).collect();
        let hash_of = |slot: u32| hash_bytes(&keys[slot as usize]);
        let mut index = SlotIndex::default();
        for slot in 0..1000 {
            index.insert(hash_of(slot), slot, hash_of);
        }
        for slot in (0..1000).step_by(2) {
            index.remove(hash_of(slot), slot);
        }
        for slot in 0..1000 {
            let found = index.find(hash_of(slot), |s| keys[s as usize] == keys[slot as usize]);
            assert_eq!(found, (slot % 2 == 1).then_some(slot));
        }
    }
}
