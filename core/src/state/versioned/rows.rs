//! The storage boundary of versioned stores.

use std::collections::BTreeMap;

use super::super::StateError;
use super::super::byte_store::{ALL_KEYS, Direction};
use super::super::bytes::StoreBytes;
use super::super::slab::{Payload, Slab};
use super::super::storage::StoreInit;
use super::versions::{Changes, Found, PutReturn, Retention, Versions};
use crate::types::NO_TIMESTAMP;

/// Values of keys by time (Java: `VersionedKeyValueStore<Bytes, byte[]>`).
pub trait ByteVersionedStore {
    /// True when the rows are in the storage of the task.
    fn is_persistent(&self) -> bool {
        false
    }

    /// Takes the place of the store in the storage of its task, before anything else: what is
    /// persistent has its rows there.
    ///
    /// # Errors
    /// When the storage fails, or has rows that nothing here can read.
    fn init(&mut self, _init: &StoreInit<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// Sets what `key` is from `timestamp` on, until its next version; `None` deletes it. A version
    /// older than the history retention is not put, and counted.
    fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
    ) -> Result<PutReturn, StateError>;

    /// Deletes `key` as of `timestamp` and returns what it was at that time; nothing happens and
    /// nothing is returned where that is longer ago than the history retention.
    fn delete(&mut self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError>;

    /// The latest version of `key`; it never expires.
    fn get(&self, key: &[u8]) -> Result<Option<VersionedBytes>, StateError>;

    /// What `key` was at `timestamp`. Before the history retention only the latest version is known.
    fn get_as_of(&self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError>;

    /// The versions of `key` that were valid at some time from `from` to `to` inclusive; forward is
    /// earliest first.
    fn history(&self, key: &[u8], from: i64, to: i64, direction: Direction) -> ByteVersions<'_>;

    /// Calls `visit` with every version and every tombstone, in order of keys and then of time.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn visit(&self, visit: VisitVersion<'_>) -> Result<(), StateError>;

    /// How many puts and deletions came too late and were dropped (Java: `dropped-records-total`).
    fn dropped_records(&self) -> u64;

    /// About how many keys there are.
    fn approximate_num_entries(&self) -> u64;

    /// Removes everything, also the time that was observed.
    fn clear(&mut self) -> Result<(), StateError>;
}

/// Takes a key, the timestamp of a version, and its value.
pub(super) type VisitVersion<'a> = &'a mut dyn FnMut(&[u8], i64, Option<&[u8]>);

/// A value and when it was valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedBytes {
    /// The value.
    pub value: StoreBytes,
    /// When it began, in milliseconds.
    pub timestamp: i64,
    /// When it ended, in milliseconds, exclusive; `None` for the latest one.
    pub valid_to: Option<i64>,
}

/// Versions on the way out of a store.
pub type ByteVersions<'a> = Box<dyn Iterator<Item = Result<VersionedBytes, StateError>> + 'a>;

/// Versions in memory. A replaced version goes when all of its segment is older than the history
/// retention: then each key of that segment is touched once, and nothing else.
#[derive(Debug)]
pub struct InMemoryVersionedKeyValueStore {
    keys: Slab<Versions>,
    retention: Retention,
    /// By segment, the slots of the keys that have a row in it.
    segments: BTreeMap<i64, Vec<u32>>,
    dropped_records: u64,
}

impl InMemoryVersionedKeyValueStore {
    /// No rows. Both times are in milliseconds, the interval is at least 1.
    pub fn new(history_retention_ms: i64, segment_interval_ms: i64) -> Self {
        Self {
            keys: Slab::new(),
            retention: Retention {
                history_retention_ms: history_retention_ms.max(0),
                segment_interval_ms: segment_interval_ms.max(1),
                observed_stream_time: NO_TIMESTAMP,
            },
            segments: BTreeMap::new(),
            dropped_records: 0,
        }
    }

    fn versions(&self, key: &[u8]) -> Option<&Versions> {
        let slot = self.keys.find(key)?;
        Some(&self.keys.slot(slot).payload)
    }

    /// Counts a record that is too late.
    fn drops(&mut self, timestamp: i64) -> bool {
        let drops = self.retention.is_expired(timestamp);
        self.dropped_records += u64::from(drops);
        drops
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) -> PutReturn {
        self.observe(timestamp);
        let slot = self.keys.find(key);
        let slot = slot.unwrap_or_else(|| {
            let key = StoreBytes::new(key);
            self.keys.insert(key, Versions::default())
        });
        let versions = self.keys.slot_mut(slot);
        let value = value.map(StoreBytes::new);
        let mut changes = Changes::default();
        let result = versions.put(&self.retention, value, timestamp, &mut changes);
        for (segment, is_new) in changes.rows.into_iter().flatten() {
            if is_new {
                self.segments.entry(segment).or_default().push(slot);
            }
        }
        self.remove_if_empty(slot);
        result
    }

    fn observe(&mut self, timestamp: i64) {
        if timestamp <= self.retention.observed_stream_time {
            return;
        }
        self.retention.observed_stream_time = timestamp;
        let first_live = self.retention.first_live_segment();
        while let Some(entry) = self.segments.first_entry()
            && *entry.key() < first_live
        {
            let (segment, slots) = entry.remove_entry();
            for slot in slots {
                self.keys.slot_mut(slot).expire(segment);
                self.remove_if_empty(slot);
            }
        }
    }

    /// A slot in a list of `segments` holds a row of that segment, so that it cannot be empty.
    fn remove_if_empty(&mut self, slot: u32) {
        if self.keys.slot(slot).payload.is_empty() {
            self.keys.remove(slot);
        }
    }
}

impl ByteVersionedStore for InMemoryVersionedKeyValueStore {
    fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
    ) -> Result<PutReturn, StateError> {
        if self.drops(timestamp) {
            return Ok(PutReturn::NotPut);
        }
        Ok(self.write(key, value, timestamp))
    }

    fn delete(&mut self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError> {
        if self.drops(timestamp) {
            return Ok(None);
        }
        let before = self.get_as_of(key, timestamp)?;
        self.write(key, None, timestamp);
        Ok(before)
    }

    fn get(&self, key: &[u8]) -> Result<Option<VersionedBytes>, StateError> {
        let versions = self.versions(key);
        Ok(versions.and_then(Versions::get).map(owned))
    }

    fn get_as_of(&self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError> {
        let versions = self.versions(key);
        let found = versions.and_then(|versions| versions.get_as_of(&self.retention, timestamp));
        Ok(found.map(owned))
    }

    fn history(&self, key: &[u8], from: i64, to: i64, direction: Direction) -> ByteVersions<'_> {
        let Some(versions) = self.versions(key) else {
            return Box::new(std::iter::empty());
        };
        let found = versions.history(&self.retention, from, to);
        let found = found.map(|found| Ok(owned(found)));
        match direction {
            Direction::Forward => Box::new(found),
            Direction::Backward => Box::new(found.rev()),
        }
    }

    fn visit(&self, visit: VisitVersion<'_>) -> Result<(), StateError> {
        for slot in self.keys.range(ALL_KEYS, Direction::Forward) {
            let slot = self.keys.slot(slot);
            slot.payload.visit(|timestamp, value| {
                visit(&slot.key, timestamp, value.map(|value| &**value));
            });
        }
        Ok(())
    }

    fn dropped_records(&self) -> u64 {
        self.dropped_records
    }

    fn approximate_num_entries(&self) -> u64 {
        self.keys.len() as u64
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.keys.clear();
        self.segments.clear();
        self.retention.observed_stream_time = NO_TIMESTAMP;
        Ok(())
    }
}

impl Payload for Versions {
    /// A key without versions is removed, so that free slots alone have none.
    fn is_hidden(&self) -> bool {
        self.is_empty()
    }

    fn free() -> Self {
        Self::default()
    }
}

pub(super) fn owned(found: Found<'_>) -> VersionedBytes {
    VersionedBytes {
        value: found.value.clone(),
        timestamp: found.timestamp,
        valid_to: found.valid_to,
    }
}
