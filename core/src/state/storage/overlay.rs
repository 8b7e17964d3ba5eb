//! Writes that are not in the storage yet.

use std::ops::Bound;

use super::super::byte_store::{ALL_KEYS, ByteBounds, Direction};
use super::super::bytes::StoreBytes;
use super::super::slab::{Payload, Slab};

/// The last write of every key, found by hash and walked in key order.
#[derive(Debug)]
pub(super) struct Overlay {
    writes: Slab<Pending>,
    bytes: usize,
    deletions: u64,
}

#[derive(Debug)]
enum Pending {
    Free,
    Delete,
    Put(StoreBytes),
}

impl Payload for Pending {
    fn is_hidden(&self) -> bool {
        matches!(self, Self::Free)
    }

    fn free() -> Self {
        Self::Free
    }
}

impl Pending {
    fn value(&self) -> Option<&StoreBytes> {
        match self {
            Self::Put(value) => Some(value),
            Self::Free | Self::Delete => None,
        }
    }

    fn len(&self) -> usize {
        self.value().map_or(0, |value| value.len())
    }
}

impl Overlay {
    pub(super) fn new() -> Self {
        Self {
            writes: Slab::new(),
            bytes: 0,
            deletions: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.len() == 0
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys have a value, less how many are removed.
    pub(super) fn balance(&self) -> i64 {
        let deletions = self.deletions as i64;
        self.writes.len() as i64 - 2 * deletions
    }

    /// What was written for `key`: `Some(None)` removes it.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&StoreBytes>> {
        let slot = self.writes.find(key)?;
        Some(self.writes.slot(slot).payload.value())
    }

    #[inline]
    pub(super) fn put(&mut self, key: &[u8], value: Option<StoreBytes>) {
        let pending = value.map_or(Pending::Delete, Pending::Put);
        let added = pending.len();
        self.deletions += u64::from(matches!(pending, Pending::Delete));
        let Some(slot) = self.writes.find(key) else {
            self.writes.insert(StoreBytes::new(key), pending);
            self.bytes += ENTRY_BYTES + key.len() + added;
            return;
        };
        let before = std::mem::replace(self.writes.slot_mut(slot), pending);
        self.deletions -= u64::from(matches!(before, Pending::Delete));
        self.bytes = self.bytes + added - before.len();
    }

    /// Keys with what was written for them, in order.
    pub(super) fn range(
        &self,
        bounds: ByteBounds<'_>,
        direction: Direction,
    ) -> impl Iterator<Item = (&StoreBytes, Option<&StoreBytes>)> {
        self.writes.range(bounds, direction).map(|slot| {
            let slot = self.writes.slot(slot);
            (&slot.key, slot.payload.value())
        })
    }

    /// All keys with what was written for them, in order: the batch of a commit. It makes no index,
    /// and uses one that somebody needed.
    pub(super) fn sorted(&self) -> Vec<(StoreBytes, Option<StoreBytes>)> {
        let row = |slot| {
            let slot = self.writes.slot(slot);
            (slot.key.clone(), slot.payload.value().cloned())
        };
        if self.writes.is_ordered() {
            let slots = self.writes.range(ALL_KEYS, Direction::Forward);
            return slots.map(row).collect();
        }
        let mut rows: Vec<_> = self.writes.visible().map(row).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// Forgets what was written for keys below `key`.
    pub(super) fn forget_below(&mut self, key: &[u8]) {
        let below = (Bound::Unbounded, Bound::Excluded(key));
        let range = self.writes.range(below, Direction::Forward);
        let slots: Vec<u32> = range.collect();
        for slot in slots {
            self.bytes -= ENTRY_BYTES + self.writes.slot(slot).key.len();
            let pending = self.writes.remove(slot);
            self.bytes -= pending.len();
            self.deletions -= u64::from(matches!(pending, Pending::Delete));
        }
    }
}

/// The slot of a write and its places in the indexes.
const ENTRY_BYTES: usize = 64;
