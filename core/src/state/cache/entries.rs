//! How the entries of a cache are found, and which of them was not used for longest.

use super::entry::Entry;

/// The entries of a cache in numbered slots, by key and by when they were last used.
pub(in crate::state) trait Entries {
    /// A key.
    type Key<'k>: Copy;

    /// A key on the way out.
    type OwnedKey;

    /// How long a key is in Java's cache.
    fn key_len(&self, key: Self::Key<'_>) -> usize;

    /// The slot of `key`.
    fn find(&self, key: Self::Key<'_>) -> Option<u32>;

    /// Adds an entry whose key is not there yet. Its value comes later; `is_deleted` says that it
    /// will have none.
    fn insert(&mut self, key: Self::Key<'_>, is_deleted: bool, entry: Entry) -> u32;

    /// Adds another entry for the key in `slot`, which is reached by its slot alone.
    fn insert_ghost(&mut self, slot: u32, ghost: Entry) -> u32;

    /// Frees the slot of an entry that can be found by key.
    fn remove(&mut self, slot: u32) -> Entry;

    /// Frees the slot of a ghost.
    fn remove_ghost(&mut self, slot: u32) -> Entry;

    /// The entry in `slot`.
    fn entry(&self, slot: u32) -> &Entry;

    /// The entry in `slot`, to change it; what is said of [`set_deleted`](Self::set_deleted) holds
    /// for its value.
    fn entry_mut(&mut self, slot: u32) -> &mut Entry;

    /// The key in `slot`.
    fn key(&self, slot: u32) -> Self::OwnedKey;

    /// Where the row of the entry in `slot` probably is.
    fn place(&self, slot: u32) -> u32;

    /// The row of the entry in `slot` is at `place`.
    fn set_place(&mut self, slot: u32, place: u32);

    /// Puts the places of their rows where `slots` are, whose entries are needed soon: see
    /// [`Places::warm`](super::super::places::Places::warm).
    fn warm(&self, slots: &mut [u32]);

    /// Says whether the next value of the entry in `slot` is a tombstone.
    fn set_deleted(&mut self, slot: u32, is_deleted: bool);

    /// Makes `slot` the one that was used last.
    fn promote(&self, slot: u32);

    /// The one that was not used for longest.
    fn eldest(&mut self) -> Option<u32>;

    /// Takes `slot` out of what [`eldest`](Self::eldest) knows.
    fn retire(&mut self, slot: u32);

    /// Forgets everything.
    fn clear(&mut self);
}
