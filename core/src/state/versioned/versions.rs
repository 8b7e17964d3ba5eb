//! The versions of one key, in the layout that decides what Java's store still knows of it.
//!
//! The latest value never expires. A version that was replaced lies in the segment of the time it
//! was valid *to* (Java: `RocksDBVersionedStore`, `RocksDBVersionedStoreSegmentValueFormatter`),
//! and whole segments expire. What a segment knows of a key is one row: versions without gaps, each
//! valid to the next one, the last valid to the row's end. A deletion with nothing before it is a
//! row of that tombstone alone, which begins and ends at once.

use super::super::bytes::StoreBytes;

/// What a put says of the version it made (Java: the return value of `VersionedKeyValueStore.put`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutReturn {
    /// The version is valid up to this time in milliseconds, exclusive.
    ValidTo(i64),
    /// The version is the latest one (Java: `PUT_RETURN_CODE_VALID_TO_UNDEFINED`, -1).
    ValidToUndefined,
    /// The version is older than the history retention (Java: `PUT_RETURN_CODE_NOT_PUT`).
    NotPut,
}

/// The clock of a store and how it divides time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    pub(super) history_retention_ms: i64,
    pub(super) segment_interval_ms: i64,
    /// The highest timestamp put; -1 before the first one.
    pub(super) observed_stream_time: i64,
}

impl Retention {
    /// Rounds towards zero, as Java does.
    pub(super) const fn segment(&self, timestamp: i64) -> i64 {
        timestamp / self.segment_interval_ms
    }

    /// The first time that is not too old.
    pub(super) const fn earliest(&self) -> i64 {
        // The time is at least -1 and the retention at least 0.
        self.observed_stream_time - self.history_retention_ms
    }

    pub(super) const fn is_expired(&self, timestamp: i64) -> bool {
        timestamp < self.earliest()
    }

    pub(super) const fn first_live_segment(&self) -> i64 {
        self.segment(self.earliest())
    }
}

/// A value and when it began; no value is a tombstone.
#[derive(Debug)]
struct Version<T> {
    timestamp: i64,
    value: T,
}

/// A version as reads find it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) value: &'a StoreBytes,
    pub(super) timestamp: i64,
    pub(super) valid_to: Option<i64>,
}

/// Everything known of one key.
#[derive(Debug, Default)]
pub(super) struct Versions {
    latest: Option<Version<StoreBytes>>,
    /// Most keys of most stores have no history: they should not pay for it.
    older: Option<Box<Older>>,
}

#[derive(Debug)]
struct Older {
    /// In order of segments.
    rows: Vec<SegmentRow>,
}

/// What a segment knows of the key.
#[derive(Debug)]
struct SegmentRow {
    segment: i64,
    /// Where the last version ends.
    end: i64,
    /// Earliest first; never empty.
    versions: Vec<Version<Option<StoreBytes>>>,
}

impl Versions {
    /// True when nothing is known of the key.
    pub(super) const fn is_empty(&self) -> bool {
        self.latest.is_none() && self.older.is_none()
    }

    /// Adds a version, which must not be expired. Also gives the segment that had no row for this
    /// key before, if one has now.
    pub(super) fn put(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
    ) -> (PutReturn, Option<i64>) {
        let mut valid_to = None;
        if let Some(latest) = &self.latest {
            if timestamp >= latest.timestamp {
                return (
                    PutReturn::ValidToUndefined,
                    self.replace_latest(retention, value, timestamp),
                );
            }
            valid_to = Some(latest.timestamp);
        }
        let first = retention.segment(timestamp);
        for at in (0..self.rows().len()).rev() {
            let row = &self.rows()[at];
            if row.segment < first || row.end <= timestamp {
                break;
            }
            if row.start() <= timestamp {
                return self.put_into_row(retention, at, value, timestamp);
            }
            valid_to = Some(row.start());
        }
        match valid_to {
            Some(valid_to) => self.put_before(retention, value, timestamp, valid_to),
            None => self.put_as_latest(retention, value, timestamp),
        }
    }

    /// The version as of `timestamp`.
    pub(super) fn get_as_of(&self, retention: &Retention, timestamp: i64) -> Option<Found<'_>> {
        if let Some(latest) = self.latest.as_ref().filter(|v| v.timestamp <= timestamp) {
            return Some(found(latest));
        }
        if retention.is_expired(timestamp) {
            return None;
        }
        let first = retention.segment(timestamp);
        let rows = self.rows().iter().rev();
        let row = rows
            .take_while(|row| row.segment >= first && row.end > timestamp)
            .find(|row| row.start() <= timestamp)?;
        row.found(row.find(timestamp))
    }

    /// The latest version.
    pub(super) fn get(&self) -> Option<Found<'_>> {
        self.latest.as_ref().map(found)
    }

    /// The versions that were valid at some time from `from` to `to` inclusive, as far as Java finds
    /// them: a version that was replaced in a later segment than that of `to` is passed over.
    /// Earliest first; can be walked from both ends.
    pub(super) fn history(
        &self,
        retention: &Retention,
        from: i64,
        to: i64,
    ) -> impl DoubleEndedIterator<Item = Found<'_>> {
        let last = retention.segment(to);
        let all = self.rows();
        let rows = if retention.is_expired(to) {
            &[]
        } else {
            &all[..all.partition_point(|row| row.segment <= last)]
        };
        let first = rows.partition_point(|row| row.end <= from);
        let replaced = rows[first..]
            .iter()
            .flat_map(|row| (0..row.versions.len()).filter_map(|at| row.found(at)))
            .filter(move |found| {
                found.timestamp <= to && found.valid_to.is_some_and(|valid_to| valid_to > from)
            });
        let latest = self.latest.as_ref().filter(|v| v.timestamp <= to);
        replaced.chain(latest.map(found))
    }

    /// Calls `visit` with every version and every tombstone, earliest first.
    pub(super) fn visit(&self, mut visit: impl FnMut(i64, Option<&StoreBytes>)) {
        // Where a row ends there is a tombstone, unless the next version begins there.
        let mut ended = None;
        for row in self.rows() {
            for version in &row.versions {
                if let Some(end) = ended.take_if(|end| *end < version.timestamp) {
                    visit(end, None);
                }
                ended = None;
                visit(version.timestamp, version.value.as_ref());
            }
            ended = (!row.is_lone_tombstone()).then_some(row.end);
        }
        let latest = self.latest.as_ref();
        if let Some(end) = ended.filter(|end| latest.is_none_or(|v| *end < v.timestamp)) {
            visit(end, None);
        }
        if let Some(latest) = latest {
            visit(latest.timestamp, Some(&latest.value));
        }
    }

    /// Forgets the row of `segment`, the first one there is.
    pub(super) fn expire(&mut self, segment: i64) {
        if let Some(older) = &mut self.older {
            let expired = older.rows.partition_point(|row| row.segment <= segment);
            older.rows.drain(..expired);
            if older.rows.is_empty() {
                self.older = None;
            }
        }
    }

    fn rows(&self) -> &[SegmentRow] {
        self.older.as_ref().map_or(&[], |older| &older.rows)
    }

    /// The row of the segment of `timestamp`, or where it would be.
    fn row_at(&self, retention: &Retention, timestamp: i64) -> Result<usize, usize> {
        let segment = retention.segment(timestamp);
        self.rows()
            .binary_search_by_key(&segment, |row| row.segment)
    }

    fn row_mut(&mut self, at: usize) -> Option<&mut SegmentRow> {
        self.older.as_mut().and_then(|older| older.rows.get_mut(at))
    }

    /// Adds a row of one version to the segment that `end` is in; gives the segment.
    fn insert_row(
        &mut self,
        retention: &Retention,
        at: usize,
        version: Version<Option<StoreBytes>>,
        end: i64,
    ) -> Option<i64> {
        let segment = retention.segment(end);
        let older = self
            .older
            .get_or_insert_with(|| Box::new(Older { rows: Vec::new() }));
        let versions = vec![version];
        older.rows.insert(
            at,
            SegmentRow {
                segment,
                end,
                versions,
            },
        );
        Some(segment)
    }

    /// Adds `version`, which ends at `end`, behind what its segment knows.
    fn append(
        &mut self,
        retention: &Retention,
        version: Version<Option<StoreBytes>>,
        end: i64,
    ) -> Option<i64> {
        match self.row_at(retention, end) {
            Ok(at) => {
                self.row_mut(at)?.push(version, end);
                None
            }
            Err(at) => self.insert_row(retention, at, version, end),
        }
    }

    /// The latest version is replaced: it goes to the segment of the time it ended.
    fn replace_latest(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
    ) -> Option<i64> {
        let replaced = self.latest.take();
        self.latest = value.map(|value| Version { timestamp, value });
        let replaced = replaced.filter(|latest| latest.timestamp < timestamp)?;
        let version = Version {
            timestamp: replaced.timestamp,
            value: Some(replaced.value),
        };
        self.append(retention, version, timestamp)
    }

    /// The version belongs between those of a row.
    fn put_into_row(
        &mut self,
        retention: &Retention,
        at: usize,
        value: Option<StoreBytes>,
        timestamp: i64,
    ) -> (PutReturn, Option<i64>) {
        let segment = retention.segment(timestamp);
        let Some(row) = self.row_mut(at) else {
            return (PutReturn::NotPut, None);
        };
        let before = row.find(timestamp);
        let result = PutReturn::ValidTo(row.valid_to(before));
        let version = Version { timestamp, value };
        if row.versions[before].timestamp == timestamp {
            row.versions[before] = version;
            return (result, None);
        }
        if row.segment == segment {
            row.versions.insert(before + 1, version);
            return (result, None);
        }
        // What was there ends in an older segment now, and goes to it.
        let ended = std::mem::replace(&mut row.versions[before], version);
        let new_row = self.append(retention, ended, timestamp);
        (result, new_row)
    }

    /// The version ends where a known one begins, in whose segment nothing of this time is known.
    fn put_before(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
        valid_to: i64,
    ) -> (PutReturn, Option<i64>) {
        let result = PutReturn::ValidTo(valid_to);
        let version = Version { timestamp, value };
        match self.row_at(retention, valid_to) {
            Ok(at) => {
                if let Some(row) = self.row_mut(at) {
                    if row.end <= timestamp {
                        row.push(version, valid_to);
                    } else {
                        row.push_front(version);
                    }
                }
                (result, None)
            }
            Err(at) => {
                let new_row = self.insert_row(retention, at, version, valid_to);
                (result, new_row)
            }
        }
    }

    /// Nothing later is known.
    fn put_as_latest(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
    ) -> (PutReturn, Option<i64>) {
        let result = PutReturn::ValidToUndefined;
        if let Some(value) = value {
            self.latest = Some(Version { timestamp, value });
            return (result, None);
        }
        // A tombstone that nothing refers to would never go: it expires with the segment it is in.
        let at = match self.row_at(retention, timestamp) {
            Err(at) => {
                let value = None;
                let tombstone = Version { timestamp, value };
                let new_row = self.insert_row(retention, at, tombstone, timestamp);
                return (result, new_row);
            }
            Ok(at) => at,
        };
        if let Some(row) = self.row_mut(at)
            && row.end < timestamp
        {
            let gap = Version {
                timestamp: row.end,
                value: None,
            };
            row.push(gap, timestamp);
        }
        (result, None)
    }
}

impl SegmentRow {
    fn start(&self) -> i64 {
        self.versions[0].timestamp
    }

    /// True for a tombstone that is here because there was nothing to end.
    fn is_lone_tombstone(&self) -> bool {
        self.start() == self.end
    }

    /// The version at `timestamp`, at which the row has one.
    fn find(&self, timestamp: i64) -> usize {
        let behind = self.versions.partition_point(|v| v.timestamp <= timestamp);
        behind.saturating_sub(1)
    }

    fn valid_to(&self, at: usize) -> i64 {
        let next = self.versions.get(at + 1);
        next.map_or(self.end, |version| version.timestamp)
    }

    fn found(&self, at: usize) -> Option<Found<'_>> {
        let version = &self.versions[at];
        Some(Found {
            value: version.value.as_ref()?,
            timestamp: version.timestamp,
            valid_to: Some(self.valid_to(at)),
        })
    }

    /// Adds a version that begins where the row ends or later, and ends at `end`.
    fn push(&mut self, version: Version<Option<StoreBytes>>, end: i64) {
        debug_assert!(self.end <= version.timestamp && version.timestamp < end);
        if self.end == version.timestamp {
            if self.is_lone_tombstone() {
                self.versions.clear();
            }
        } else if !self.is_lone_tombstone() {
            self.versions.push(Version {
                timestamp: self.end,
                value: None,
            });
        }
        self.versions.push(version);
        self.end = end;
    }

    /// Adds a version that begins before the row and ends where it begins.
    fn push_front(&mut self, version: Version<Option<StoreBytes>>) {
        if self.is_lone_tombstone() {
            self.versions[0] = version;
        } else {
            self.versions.insert(0, version);
        }
    }
}

fn found(latest: &Version<StoreBytes>) -> Found<'_> {
    Found {
        value: &latest.value,
        timestamp: latest.timestamp,
        valid_to: None,
    }
}
