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

/// What a put changed, for whoever keeps it elsewhere.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) latest: bool,
    /// The segments whose rows changed, and whether there was none before; a put changes two at
    /// most.
    pub(super) rows: [Option<(i64, bool)>; 2],
}

impl Changes {
    fn row(&mut self, segment: i64, is_new: bool) {
        let unused = self.rows.iter_mut().find(|row| row.is_none());
        debug_assert!(unused.is_some(), "a version moves once");
        if let Some(row) = unused {
            *row = Some((segment, is_new));
        }
    }
}

/// A value and when it began; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version<T> {
    pub(super) timestamp: i64,
    pub(super) value: T,
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

#[derive(Debug, Default)]
struct Older {
    /// In order of segments.
    rows: Vec<SegmentRow>,
}

/// What a segment knows of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SegmentRow {
    pub(super) segment: i64,
    /// Where the last version ends.
    pub(super) end: i64,
    /// Earliest first; never empty.
    pub(super) versions: Vec<Version<Option<StoreBytes>>>,
}

impl Versions {
    /// What is known of a key, or the part of it that matters; `rows` in order of segments.
    pub(super) fn new(latest: Option<Version<StoreBytes>>, rows: Vec<SegmentRow>) -> Self {
        let older = (!rows.is_empty()).then(|| Box::new(Older { rows }));
        Self { latest, older }
    }

    /// The latest version.
    pub(super) const fn latest(&self) -> Option<&Version<StoreBytes>> {
        self.latest.as_ref()
    }

    /// What `segment` knows.
    pub(super) fn row(&self, segment: i64) -> Option<&SegmentRow> {
        let rows = self.rows();
        let found = rows.binary_search_by_key(&segment, |row| row.segment);
        found.ok().map(|at| &rows[at])
    }

    /// True when nothing is known of the key.
    pub(super) const fn is_empty(&self) -> bool {
        self.latest.is_none() && self.older.is_none()
    }

    /// Adds a version, which must not be expired. Of the rows, those of its segment and of later
    /// ones are looked at.
    pub(super) fn put(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
        changes: &mut Changes,
    ) -> PutReturn {
        let mut valid_to = None;
        if let Some(latest) = &self.latest {
            if timestamp >= latest.timestamp {
                self.replace_latest(retention, value, timestamp, changes);
                return PutReturn::ValidToUndefined;
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
                return self.put_into_row(retention, at, Version { timestamp, value }, changes);
            }
            valid_to = Some(row.start());
        }
        match valid_to {
            Some(valid_to) => {
                self.put_before(retention, Version { timestamp, value }, valid_to, changes);
                PutReturn::ValidTo(valid_to)
            }
            None => {
                self.put_as_latest(retention, value, timestamp, changes);
                PutReturn::ValidToUndefined
            }
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

    /// Adds a row of one version to the segment that `end` is in.
    fn insert_row(
        &mut self,
        retention: &Retention,
        at: usize,
        version: Version<Option<StoreBytes>>,
        end: i64,
        changes: &mut Changes,
    ) {
        let segment = retention.segment(end);
        let row = SegmentRow {
            segment,
            end,
            versions: vec![version],
        };
        let older = self.older.get_or_insert_default();
        older.rows.insert(at, row);
        changes.row(segment, true);
    }

    /// Adds `version`, which ends at `end`, behind what its segment knows.
    fn append(
        &mut self,
        retention: &Retention,
        version: Version<Option<StoreBytes>>,
        end: i64,
        changes: &mut Changes,
    ) {
        match self.row_at(retention, end) {
            Ok(at) => {
                if let Some(row) = self.row_mut(at) {
                    row.push(version, end);
                    changes.row(row.segment, false);
                }
            }
            Err(at) => self.insert_row(retention, at, version, end, changes),
        }
    }

    /// The latest version is replaced: it goes to the segment of the time it ended.
    fn replace_latest(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
        changes: &mut Changes,
    ) {
        let latest = value.map(|value| Version { timestamp, value });
        let replaced = std::mem::replace(&mut self.latest, latest);
        changes.latest = true;
        if let Some(replaced) = replaced.filter(|latest| latest.timestamp < timestamp) {
            let version = Version {
                timestamp: replaced.timestamp,
                value: Some(replaced.value),
            };
            self.append(retention, version, timestamp, changes);
        }
    }

    /// The version belongs between those of a row.
    fn put_into_row(
        &mut self,
        retention: &Retention,
        at: usize,
        version: Version<Option<StoreBytes>>,
        changes: &mut Changes,
    ) -> PutReturn {
        let timestamp = version.timestamp;
        let segment = retention.segment(timestamp);
        let Some(row) = self.row_mut(at) else {
            return PutReturn::NotPut;
        };
        let before = row.find(timestamp);
        let result = PutReturn::ValidTo(row.valid_to(before));
        changes.row(row.segment, false);
        if row.versions[before].timestamp == timestamp {
            row.versions[before] = version;
        } else if row.segment == segment {
            row.versions.insert(before + 1, version);
        } else {
            // What was there ends in an older segment now, and goes to it.
            let ended = std::mem::replace(&mut row.versions[before], version);
            self.append(retention, ended, timestamp, changes);
        }
        result
    }

    /// The version ends where a known one begins, in whose segment nothing of this time is known.
    fn put_before(
        &mut self,
        retention: &Retention,
        version: Version<Option<StoreBytes>>,
        valid_to: i64,
        changes: &mut Changes,
    ) {
        match self.row_at(retention, valid_to) {
            Ok(at) => {
                if let Some(row) = self.row_mut(at) {
                    if row.end <= version.timestamp {
                        row.push(version, valid_to);
                    } else {
                        row.push_front(version);
                    }
                    changes.row(row.segment, false);
                }
            }
            Err(at) => self.insert_row(retention, at, version, valid_to, changes),
        }
    }

    /// Nothing later is known.
    fn put_as_latest(
        &mut self,
        retention: &Retention,
        value: Option<StoreBytes>,
        timestamp: i64,
        changes: &mut Changes,
    ) {
        if let Some(value) = value {
            self.latest = Some(Version { timestamp, value });
            changes.latest = true;
            return;
        }
        // A tombstone that nothing refers to would never go: it expires with the segment it is in.
        match self.row_at(retention, timestamp) {
            Err(at) => {
                let value = None;
                let tombstone = Version { timestamp, value };
                self.insert_row(retention, at, tombstone, timestamp, changes);
            }
            Ok(at) => {
                if let Some(row) = self.row_mut(at)
                    && row.end < timestamp
                {
                    let gap = Version {
                        timestamp: row.end,
                        value: None,
                    };
                    row.push(gap, timestamp);
                    changes.row(row.segment, false);
                }
            }
        }
    }
}

impl SegmentRow {
    pub(super) fn start(&self) -> i64 {
        self.versions[0].timestamp
    }

    /// True for a tombstone that is here because there was nothing to end.
    fn is_lone_tombstone(&self) -> bool {
        self.start() == self.end
    }

    /// The version at `timestamp`, at which the row has one.
    pub(super) fn find(&self, timestamp: i64) -> usize {
        let behind = self.versions.partition_point(|v| v.timestamp <= timestamp);
        behind.saturating_sub(1)
    }

    fn valid_to(&self, at: usize) -> i64 {
        let next = self.versions.get(at + 1);
        next.map_or(self.end, |version| version.timestamp)
    }

    pub(super) fn found(&self, at: usize) -> Option<Found<'_>> {
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
