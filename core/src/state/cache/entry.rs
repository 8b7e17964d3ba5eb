//! The entries of a cache.

use super::super::bytes::StoreBytes;
use super::super::places::NO_PLACE;
use super::super::slab::Payload;
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
    /// In the list of dirty and queued entries.
    pub(super) is_linked: bool,
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
            is_linked: false,
        }
    }
}
