//! The storage boundary: rows of bytes in key order.

use std::ops::Bound;

use super::StateError;
use super::bytes::StoreBytes;
use super::places::{NoPlaces, Places};
use super::slab::{Payload, Slab, SlotRange};
use super::storage::StoreInit;

/// Rows of bytes, ordered by unsigned bytes of the key (Java: `KeyValueStore<Bytes, byte[]>`).
///
/// Processors call stores synchronously, and so is this trait. The in-memory rows are
/// [`InMemoryKeyValueStore`]; an engine on disk is one more implementation.
pub trait ByteKeyValueStore {
    /// Takes its place in the storage of the task (Java: `StateStore.init`). Rows in memory have
    /// none.
    ///
    /// # Errors
    /// When the storage fails, or has rows that are not of this store.
    fn init(&mut self, _init: &StoreInit<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// True for rows in the storage of the task (Java: `StateStore.persistent`).
    fn is_persistent(&self) -> bool {
        false
    }

    /// See [`StateStore::state_id_tag`](super::StateStore::state_id_tag).
    fn state_id_tag(&self) -> &'static str {
        if self.is_persistent() {
            "rocksdb-state-id"
        } else {
            "in-memory-state-id"
        }
    }

    /// Where its rows are, for a cache above them.
    fn places(&self) -> &dyn Places {
        &NoPlaces
    }

    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError>;

    /// Sets the value of `key`.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError>;

    /// Sets the value of `key`; may keep a share of the value instead of a copy.
    fn put_shared(&mut self, key: &StoreBytes, value: &StoreBytes) -> Result<(), StateError> {
        self.put(key, value)
    }

    /// Removes `key`; nothing happens when it is not there.
    fn delete(&mut self, key: &[u8]) -> Result<(), StateError>;

    /// Applies all writes of `batch` or none.
    fn write(&mut self, batch: &WriteBatch) -> Result<(), StateError>;

    /// The rows within `bounds`, read while walking. An empty or inverted range has none.
    fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> ByteRows<'_>;

    /// The rows whose keys begin with `prefix`.
    fn prefix(&self, prefix: &[u8], direction: Direction) -> ByteRows<'_> {
        let end = prefix_end(prefix);
        self.range(prefix_bounds(prefix, end.as_deref()), direction)
    }

    /// The key of a row that had to make room for others since the last call, eldest first: rows
    /// that evict never do so without telling.
    fn pop_evicted(&mut self) -> Option<StoreBytes> {
        None
    }

    /// About how many rows there are.
    fn approximate_num_entries(&self) -> u64;

    /// Removes every row.
    fn clear(&mut self) -> Result<(), StateError>;
}

/// A key and its value.
pub type ByteRow = (StoreBytes, StoreBytes);

/// Rows on the way out of a store.
pub type ByteRows<'a> = Box<dyn Iterator<Item = Result<ByteRow, StateError>> + 'a>;

/// The first and the last key of a range.
pub type ByteBounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Which way a range is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key up.
    Forward,
    /// From the highest key down.
    Backward,
}

/// Writes that belong together, applied in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    writes: Vec<(StoreBytes, Option<StoreBytes>)>,
}

impl WriteBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Sets the value of `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.writes
            .push((StoreBytes::new(key), Some(StoreBytes::new(value))));
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: &[u8]) {
        self.writes.push((StoreBytes::new(key), None));
    }

    /// The keys with their values, `None` removes; in the order of the calls.
    pub fn writes(&self) -> &[(StoreBytes, Option<StoreBytes>)] {
        &self.writes
    }
}

/// Rows in memory. 48 bytes for key and value where both have up to 22 bytes, and about 6 for the
/// hash index.
#[derive(Debug)]
pub struct InMemoryKeyValueStore {
    /// `None` is a free slot.
    rows: Slab<Option<StoreBytes>>,
}

impl InMemoryKeyValueStore {
    /// No rows.
    pub fn new() -> Self {
        Self { rows: Slab::new() }
    }

    #[inline]
    fn set(&mut self, key: &[u8], assign: impl FnOnce(&mut StoreBytes)) {
        if let Some(slot) = self.rows.find(key) {
            assign(self.rows.slot_mut(slot).get_or_insert(StoreBytes::EMPTY));
        } else {
            let mut value = StoreBytes::EMPTY;
            assign(&mut value);
            self.rows.insert(StoreBytes::new(key), Some(value));
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.rows.find(key) {
            self.rows.remove(slot);
        }
    }

    /// Removes every row below `key`.
    pub(super) fn remove_below(&mut self, key: &[u8]) {
        let bounds = (Bound::Unbounded, Bound::Excluded(key));
        let slots: Vec<u32> = self.rows.range(bounds, Direction::Forward).collect();
        for slot in slots {
            self.rows.remove(slot);
        }
    }
}

impl Default for InMemoryKeyValueStore {
    fn default() -> Self {
        Self::new()
    }
}

impl ByteKeyValueStore for InMemoryKeyValueStore {
    fn places(&self) -> &dyn Places {
        &self.rows
    }

    fn get(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        let slot = self.rows.find(key);
        Ok(slot.and_then(|slot| self.rows.slot(slot).payload.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        self.set(key, |own| own.assign(value));
        Ok(())
    }

    fn put_shared(&mut self, key: &StoreBytes, value: &StoreBytes) -> Result<(), StateError> {
        self.set(key, |own| own.clone_from(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        self.remove(key);
        Ok(())
    }

    fn write(&mut self, batch: &WriteBatch) -> Result<(), StateError> {
        for (key, value) in &batch.writes {
            match value {
                Some(value) => self.put_shared(key, value)?,
                None => self.remove(key),
            }
        }
        Ok(())
    }

    fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> ByteRows<'_> {
        Box::new(MemoryRows {
            rows: &self.rows,
            range: self.rows.range(bounds, direction),
        })
    }

    fn approximate_num_entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.rows.clear();
        Ok(())
    }
}

impl Payload for Option<StoreBytes> {
    fn is_hidden(&self) -> bool {
        self.is_none()
    }

    fn free() -> Self {
        None
    }
}

struct MemoryRows<'a> {
    rows: &'a Slab<Option<StoreBytes>>,
    range: SlotRange<'a>,
}

impl Iterator for MemoryRows<'_> {
    type Item = Result<ByteRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let slot = self.rows.slot(self.range.next()?);
            if let Some(value) = &slot.payload {
                return Some(Ok((slot.key.clone(), value.clone())));
            }
        }
    }
}

/// The first key behind all keys that begin with `prefix`; `None` when there is no such key.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// From `prefix` up to `end`, which [`prefix_end`] gave.
pub(crate) fn prefix_bounds<'a>(prefix: &'a [u8], end: Option<&'a [u8]>) -> ByteBounds<'a> {
    (
        Bound::Included(prefix),
        end.map_or(Bound::Unbounded, Bound::Excluded),
    )
}

/// Every key.
pub(crate) const ALL_KEYS: ByteBounds<'static> = (Bound::Unbounded, Bound::Unbounded);

/// True for ranges that an ordered map would refuse.
pub(crate) fn is_empty_range(bounds: ByteBounds<'_>) -> bool {
    match bounds {
        (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from > to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
