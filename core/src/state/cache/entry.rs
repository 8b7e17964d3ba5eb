//! The entries of a cache.

use std::cell::Cell;

use super::super::bytes::StoreBytes;
use super::super::places::NO_PLACE;
use super::super::slab::Payload;
use super::super::slot_queue::{NO_TURN, Turns};
use super::entries::Entries;
use crate::types::{Headers, RecordContext};

/// An entry that leaves the dirty state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) struct CachedEntry<K> {
    /// The key.
    pub(in crate::state) key: K,
    /// The value; `None` deletes.
    pub(in crate::state) value: Option<StoreBytes>,
    /// The context of the record that made the last write.
    pub(in crate::state) context: RecordContext,
    /// Where its row probably is.
    pub(in crate::state) place: u32,
    /// Where it was or is in the cache.
    pub(super) slot: u32,
}

/// What a cache knows of a key.
#[derive(Debug)]
pub(in crate::state) struct Entry {
    pub(in crate::state) value: Option<StoreBytes>,
    pub(super) headers: Headers,
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) partition: i32,
    /// A number of `Topics`: 4 bytes instead of a counted reference of 16.
    pub(super) topic: u32,
    pub(super) size_bytes: u32,
    pub(super) epoch: u32,
    /// Where its row probably is, where the keys do not know.
    pub(super) place: u32,
    pub(super) state: State,
    /// Its turn among the dirty and queued entries.
    pub(super) dirty_turn: Cell<u32>,
    /// Its turn among the recently used entries.
    pub(in crate::state) recent_turn: Cell<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Counted, and among the recently used ones.
    Resident,
    /// Evicted, or a tombstone of a flush: readable until it is popped.
    Leaving,
    /// A queued value whose key was written again: reached through the queue alone.
    Ghost,
}

impl Entry {
    /// True for an entry that counts, and is evicted when its turn comes.
    #[inline]
    pub(in crate::state) fn is_resident(&self) -> bool {
        self.state == State::Resident
    }

    /// True for a dirty or queued entry.
    #[inline]
    pub(super) fn is_linked(&self) -> bool {
        self.dirty_turn.get() != NO_TURN
    }
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
            place: NO_PLACE,
            state: State::Free,
            dirty_turn: Cell::new(NO_TURN),
            recent_turn: Cell::new(NO_TURN),
        }
    }
}

/// The turns of entries in the list of what is dirty and queued.
pub(super) struct DirtyTurns<'a, E>(pub(super) &'a E);

impl<E: Entries> Turns for DirtyTurns<'_, E> {
    #[inline]
    fn turn(&self, slot: u32) -> u32 {
        self.0.entry(slot).dirty_turn.get()
    }

    #[inline]
    fn set_turn(&self, slot: u32, turn: u32) {
        self.0.entry(slot).dirty_turn.set(turn);
    }
}
