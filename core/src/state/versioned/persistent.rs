//! Versions in the storage of a task (Java: `RocksDBVersionedStore`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};

use super::super::StateError;
use super::super::byte_store::{ALL_KEYS, Direction};
use super::super::bytes::StoreBytes;
use super::super::storage::{Space, StoreInit, not_open, storage_error};
use super::rows::{ByteVersionedStore, ByteVersions, VersionedBytes, VisitVersion, owned};
use super::versions::{Changes, Found, PutReturn, Retention, SegmentRow, Version, Versions};
use crate::types::NO_TIMESTAMP;

/// Persistent versions: a row for what each segment knows of a key, and one for its latest version.
/// The segment stands before the key, so that one removal takes all rows that expire.
#[derive(Debug)]
pub struct PersistentVersionedKeyValueStore {
    name: Box<str>,
    retention: Retention,
    /// The segments that have rows.
    segments: BTreeSet<i64>,
    /// Set by [`init`](ByteVersionedStore::init).
    space: Option<Space>,
    dropped_records: u64,
    bytes: Vec<u8>,
}

impl PersistentVersionedKeyValueStore {
    /// Rows of the store `name`, to be read and written after [`init`](ByteVersionedStore::init).
    /// Both times are in milliseconds, the interval is at least 1.
    pub fn new(name: &str, history_retention_ms: i64, segment_interval_ms: i64) -> Self {
        Self {
            name: Box::from(name),
            retention: Retention {
                history_retention_ms: history_retention_ms.max(0),
                segment_interval_ms: segment_interval_ms.max(1),
                observed_stream_time: NO_TIMESTAMP,
            },
            segments: BTreeSet::new(),
            space: None,
            dropped_records: 0,
            bytes: Vec::new(),
        }
    }

    fn space(&self) -> Result<&Space, StateError> {
        self.space.as_ref().ok_or_else(|| not_open(&self.name))
    }

    fn space_mut(&mut self) -> Result<&mut Space, StateError> {
        self.space.as_mut().ok_or_else(|| not_open(&self.name))
    }

    fn read(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        let found = self.space()?.get(key);
        found.map_err(|error| storage_error(&self.name, &error))
    }

    fn corrupt(&self) -> StateError {
        StateError::Corrupt {
            store: self.name.to_string(),
            message: "a row is not one of a versioned store".to_owned(),
        }
    }

    fn latest(&self, key: &[u8]) -> Result<Option<Version<StoreBytes>>, StateError> {
        let found = self.read(&latest_key(key))?;
        let version = |bytes: StoreBytes| read_latest(&bytes).ok_or_else(|| self.corrupt());
        found.map(version).transpose()
    }

    fn row(&self, segment: i64, key: &[u8]) -> Result<Option<SegmentRow>, StateError> {
        let found = self.read(&row_key(segment, key))?;
        let row =
            |bytes: StoreBytes| SegmentRow::read(segment, &bytes).ok_or_else(|| self.corrupt());
        found.map(row).transpose()
    }

    /// The latest version, and what `segments` know.
    fn versions(&self, key: &[u8], segments: RangeInclusive<i64>) -> Result<Versions, StateError> {
        let mut rows = Vec::new();
        if segments.start() <= segments.end() {
            for &segment in self.segments.range(segments) {
                rows.extend(self.row(segment, key)?);
            }
        }
        Ok(Versions::new(self.latest(key)?, rows))
    }

    /// Counts a record that is too late.
    fn drops(&mut self, timestamp: i64) -> bool {
        let drops = self.retention.is_expired(timestamp);
        self.dropped_records += u64::from(drops);
        drops
    }

    fn write(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
    ) -> Result<PutReturn, StateError> {
        self.observe(timestamp)?;
        let mut versions = self.versions(key, self.retention.segment(timestamp)..=i64::MAX)?;
        let mut changes = Changes::default();
        let value = value.map(StoreBytes::new);
        let result = versions.put(&self.retention, value, timestamp, &mut changes);
        let mut bytes = std::mem::take(&mut self.bytes);
        for (segment, _) in changes.rows.into_iter().flatten() {
            if let Some(row) = versions.row(segment) {
                row.write(&mut bytes);
                let row = Some(StoreBytes::new(&bytes));
                self.space_mut()?.put(&row_key(segment, key), row);
                self.segments.insert(segment);
            }
        }
        if changes.latest {
            let latest = versions.latest().map(|latest| {
                bytes.clear();
                bytes.extend_from_slice(&latest.timestamp.to_be_bytes());
                bytes.extend_from_slice(&latest.value);
                StoreBytes::new(&bytes)
            });
            self.space_mut()?.put(&latest_key(key), latest);
        }
        self.bytes = bytes;
        Ok(result)
    }

    fn observe(&mut self, timestamp: i64) -> Result<(), StateError> {
        if timestamp <= self.retention.observed_stream_time {
            return Ok(());
        }
        self.retention.observed_stream_time = timestamp;
        let first_live = self.retention.first_live_segment();
        let has_expired = self
            .segments
            .first()
            .is_some_and(|first| *first < first_live);
        let space = self.space_mut()?;
        space.set_observed_stream_time(timestamp);
        if has_expired {
            space.expire_below(&row_key(first_live, &[]));
            self.segments = self.segments.split_off(&first_live);
        }
        Ok(())
    }

    /// Which segments have rows: one search for each.
    fn find_segments(&self) -> Result<BTreeSet<i64>, StateError> {
        let space = self.space()?;
        let mut segments = BTreeSet::new();
        let mut from = vec![ROW];
        loop {
            let bounds = (Bound::Included(&from[..]), Bound::Excluded(&[LATEST][..]));
            let Some(row) = space.scan(bounds, Direction::Forward).next() else {
                return Ok(segments);
            };
            let (key, _) = row.map_err(|error| storage_error(&self.name, &error))?;
            let (segment, _) = split_row_key(&key).ok_or_else(|| self.corrupt())?;
            segments.insert(segment);
            match segment.checked_add(1) {
                Some(next) => from = row_key(next, &[]),
                None => return Ok(segments),
            }
        }
    }

    /// The version as of `timestamp` among those that were replaced, newest segment first.
    fn find(&self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError> {
        let first = self.retention.segment(timestamp);
        for &segment in self.segments.range(first..).rev() {
            let Some(row) = self.row(segment, key)? else {
                continue;
            };
            if row.end <= timestamp {
                return Ok(None);
            }
            if row.start() <= timestamp {
                return Ok(row.found(row.find(timestamp)).map(owned));
            }
        }
        Ok(None)
    }
}

impl ByteVersionedStore for PersistentVersionedKeyValueStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn init(&mut self, init: &StoreInit<'_>) -> Result<(), StateError> {
        let interval_ms = self.retention.segment_interval_ms;
        let space = init.space(&format!("versions in segments of {interval_ms} ms"))?;
        self.retention.observed_stream_time = space.observed_stream_time();
        self.space = Some(space);
        self.segments = self.find_segments()?;
        Ok(())
    }

    fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
    ) -> Result<PutReturn, StateError> {
        if self.drops(timestamp) {
            return Ok(PutReturn::NotPut);
        }
        self.write(key, value, timestamp)
    }

    fn delete(&mut self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError> {
        if self.drops(timestamp) {
            return Ok(None);
        }
        let before = self.get_as_of(key, timestamp)?;
        self.write(key, None, timestamp)?;
        Ok(before)
    }

    fn get(&self, key: &[u8]) -> Result<Option<VersionedBytes>, StateError> {
        Ok(self.latest(key)?.map(of_latest))
    }

    fn get_as_of(&self, key: &[u8], timestamp: i64) -> Result<Option<VersionedBytes>, StateError> {
        let latest = self.latest(key)?;
        if let Some(latest) = latest.filter(|latest| latest.timestamp <= timestamp) {
            return Ok(Some(of_latest(latest)));
        }
        if self.retention.is_expired(timestamp) {
            return Ok(None);
        }
        self.find(key, timestamp)
    }

    fn history(&self, key: &[u8], from: i64, to: i64, direction: Direction) -> ByteVersions<'_> {
        let versions = match self.versions(key, i64::MIN..=self.retention.segment(to)) {
            Ok(versions) => versions,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let found = versions.history(&self.retention, from, to);
        let found = found.map(|found: Found<'_>| Ok(owned(found)));
        let found: Vec<_> = match direction {
            Direction::Forward => found.collect(),
            Direction::Backward => found.rev().collect(),
        };
        Box::new(found.into_iter())
    }

    fn visit(&self, visit: VisitVersion<'_>) -> Result<(), StateError> {
        // Rows of a key lie apart.
        let mut keys: BTreeMap<StoreBytes, (Option<Version<StoreBytes>>, Vec<SegmentRow>)> =
            BTreeMap::new();
        for row in self.space()?.scan(ALL_KEYS, Direction::Forward) {
            let (key, value) = row.map_err(|error| storage_error(&self.name, &error))?;
            if let Some((segment, key)) = split_row_key(&key) {
                let row = SegmentRow::read(segment, &value).ok_or_else(|| self.corrupt())?;
                keys.entry(StoreBytes::new(key)).or_default().1.push(row);
            } else {
                let key = key.strip_prefix(&[LATEST]).ok_or_else(|| self.corrupt())?;
                let latest = read_latest(&value).ok_or_else(|| self.corrupt())?;
                keys.entry(StoreBytes::new(key)).or_default().0 = Some(latest);
            }
        }
        for (key, (latest, rows)) in keys {
            Versions::new(latest, rows).visit(|timestamp, value| {
                visit(&key, timestamp, value.map(|value| &**value));
            });
        }
        Ok(())
    }

    fn dropped_records(&self) -> u64 {
        self.dropped_records
    }

    /// Of rows, not of keys.
    fn approximate_num_entries(&self) -> u64 {
        let space = self.space.as_ref();
        space.map_or(0, |space| space.approximate_len().unwrap_or(0))
    }

    fn clear(&mut self) -> Result<(), StateError> {
        self.segments.clear();
        self.retention.observed_stream_time = NO_TIMESTAMP;
        let cleared = self.space_mut()?.clear();
        cleared.map_err(|error| storage_error(&self.name, &error))
    }
}

fn of_latest(latest: Version<StoreBytes>) -> VersionedBytes {
    VersionedBytes {
        value: latest.value,
        timestamp: latest.timestamp,
        valid_to: None,
    }
}

fn read_latest(bytes: &[u8]) -> Option<Version<StoreBytes>> {
    let (timestamp, value) = bytes.split_first_chunk()?;
    Some(Version {
        timestamp: i64::from_be_bytes(*timestamp),
        value: StoreBytes::new(value),
    })
}

fn latest_key(key: &[u8]) -> Vec<u8> {
    [&[LATEST], key].concat()
}

/// The segment, ordered as the numbers are, and the key.
fn row_key(segment: i64, key: &[u8]) -> Vec<u8> {
    [&[ROW], &(segment ^ i64::MIN).to_be_bytes()[..], key].concat()
}

fn split_row_key(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (segment, key) = bytes.strip_prefix(&[ROW])?.split_first_chunk()?;
    Some((i64::from_be_bytes(*segment) ^ i64::MIN, key))
}

/// What rows of segments begin with: they are below those of latest versions, which never expire.
const ROW: u8 = 0;
const LATEST: u8 = 1;
