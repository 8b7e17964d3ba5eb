//! Random histories of versioned stores, in memory and persistent, against a map of what was put.

use std::collections::BTreeMap;

use super::super::byte_store::Direction;
use super::super::fuzzing::Disk;
use super::super::storage::{StoreInit, TaskStorage};
use super::persistent::PersistentVersionedKeyValueStore;
use super::rows::{ByteVersionedStore, InMemoryVersionedKeyValueStore, VersionedBytes};
use super::versions::{PutReturn, SegmentRow};

/// Any bytes are a history.
pub fn versions(data: &[u8]) {
    let Some((&[retention, interval], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut run = Run::new(i64::from(retention % 64), i64::from(interval % 16) + 1);
    let (ops, _) = data.as_chunks::<4>();
    for op in ops.iter().take(4096) {
        run.step(*op);
    }
    run.finish();
}

/// Any bytes are a row, which is none or written as it was read.
pub fn version_rows(data: &[u8]) {
    if let Some(row) = SegmentRow::read(0, data) {
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        assert_eq!(SegmentRow::read(0, &bytes), Some(row));
        assert_eq!(bytes.len(), data.len());
    }
}

/// What was put at a time.
#[derive(Clone, Copy, Debug)]
struct Entry {
    value: Option<u8>,
    /// True for a tombstone that was put before a version that was known: the store keeps the time
    /// of that one as its end.
    is_closed: bool,
    /// True for a version that was put over a tombstone of the same time.
    hides_tombstone: bool,
}

struct Run {
    store: InMemoryVersionedKeyValueStore,
    disk: Disk,
    storage: TaskStorage,
    persistent: PersistentVersionedKeyValueStore,
    model: BTreeMap<u8, BTreeMap<i64, Entry>>,
    retention_ms: i64,
    interval_ms: i64,
    observed: i64,
    clock: i64,
    dropped: u64,
    puts: Vec<(u8, Option<u8>, i64)>,
}

impl Run {
    fn new(retention_ms: i64, interval_ms: i64) -> Self {
        let disk = Disk::default();
        let (storage, persistent) = open(&disk, retention_ms, interval_ms);
        Self {
            store: InMemoryVersionedKeyValueStore::new(retention_ms, interval_ms),
            disk,
            storage,
            persistent,
            model: BTreeMap::new(),
            retention_ms,
            interval_ms,
            observed: -1,
            clock: 0,
            dropped: 0,
            puts: Vec::new(),
        }
    }

    fn step(&mut self, [kind, key, value, time]: [u8; 4]) {
        let key = key % 5;
        self.clock += i64::from(time / 64) * i64::from(kind / 64);
        let time = (self.clock - i64::from(time % 64)).max(0);
        match kind % 64 {
            0..=23 => self.put(key, Some(value), time),
            24..=31 => self.put(key, None, time),
            32..=39 => self.delete(key, time),
            40..=41 => self.commit(value % 2 == 0),
            _ => self.read(key, time, time + i64::from(value % 32)),
        }
    }

    fn put(&mut self, key: u8, value: Option<u8>, time: i64) {
        let expected = self.expect_put(key, value, time);
        let value = value.as_ref().map(row);
        let put = self.store.put(&[key], value, time);
        assert_eq!(put, Ok(expected), "put {key} {value:?} {time}");
        assert_eq!(self.persistent.put(&[key], value, time), Ok(expected));
    }

    fn delete(&mut self, key: u8, time: i64) {
        let too_late = time < self.observed - self.retention_ms;
        let before = self.as_of(key, time).filter(|_| !too_late);
        self.expect_put(key, None, time);
        let deleted = self.store.delete(&[key], time);
        assert_eq!(deleted, Ok(before), "delete {key} {time}");
        assert_eq!(self.persistent.delete(&[key], time), deleted);
    }

    /// Everything is on the disk: a new start finds it there.
    fn commit(&mut self, restart: bool) {
        self.storage.commit_restored(|_| None).expect("in memory");
        if restart {
            (self.storage, self.persistent) = open(&self.disk, self.retention_ms, self.interval_ms);
        }
    }

    fn expect_put(&mut self, key: u8, value: Option<u8>, time: i64) -> PutReturn {
        self.puts.push((key, value, time));
        if time < self.observed - self.retention_ms {
            self.dropped += 1;
            return PutReturn::NotPut;
        }
        self.observed = self.observed.max(time);
        let entries = self.model.entry(key).or_default();
        let next = entries.range(time + 1..).next().map(|(next, _)| *next);
        let before = entries.range(..time).next_back().map(|(_, entry)| *entry);
        let replaced = entries.get(&time).copied();
        let replaces_latest = next.is_none() && replaced.is_some_and(|e| e.value.is_some());
        let is_end = before.is_some_and(|entry| entry.value.is_some() || entry.is_closed)
            || replaced.is_some_and(|entry| entry.hides_tombstone);
        if value.is_none() && replaces_latest && !is_end {
            // As in Java, the latest version goes without a trace when nothing ended where it began.
            entries.remove(&time);
        } else {
            let entry = Entry {
                value,
                is_closed: next.is_some(),
                hides_tombstone: replaced.is_some_and(|e| e.value.is_none() || e.hides_tombstone),
            };
            entries.insert(time, entry);
        }
        next.map_or(PutReturn::ValidToUndefined, PutReturn::ValidTo)
    }

    /// The values of a key, earliest first.
    fn versions(&self, key: u8) -> Vec<VersionedBytes> {
        let entries: Vec<_> = self.model.get(&key).into_iter().flatten().collect();
        let next = entries.iter().skip(1).map(|(time, _)| Some(**time));
        let versions = entries.iter().zip(next.chain([None]));
        versions
            .filter_map(|((time, entry), valid_to)| {
                Some(VersionedBytes {
                    value: row(&entry.value?).into(),
                    timestamp: **time,
                    valid_to,
                })
            })
            .collect()
    }

    fn as_of(&self, key: u8, time: i64) -> Option<VersionedBytes> {
        let is_known = time >= self.observed - self.retention_ms;
        self.versions(key).into_iter().find(|version| {
            version.timestamp <= time && version.valid_to.is_none_or(|end| end > time && is_known)
        })
    }

    fn is_live(&self, version: &VersionedBytes) -> bool {
        let first_live = (self.observed - self.retention_ms) / self.interval_ms;
        let segment = version.valid_to.map(|end| end / self.interval_ms);
        segment.is_none_or(|segment| segment >= first_live)
    }

    fn read(&self, key: u8, from: i64, to: i64) {
        let stores: [&dyn ByteVersionedStore; 2] = [&self.store, &self.persistent];
        for store in stores {
            let mut versions = self.versions(key);
            let latest = versions.last().filter(|version| version.valid_to.is_none());
            assert_eq!(store.get(&[key]), Ok(latest.cloned()), "get {key}");
            let as_of = store.get_as_of(&[key], from);
            assert_eq!(as_of, Ok(self.as_of(key, from)), "{key} as of {from}");
            versions.retain(|version| {
                version.timestamp <= to
                    && version.valid_to.is_none_or(|end| {
                        to >= self.observed - self.retention_ms
                            && end > from
                            && end / self.interval_ms <= to / self.interval_ms
                            && self.is_live(version)
                    })
            });
            let history = |direction| -> Vec<VersionedBytes> {
                let history = store.history(&[key], from, to, direction);
                history.map(|version| version.expect("in memory")).collect()
            };
            assert_eq!(history(Direction::Forward), versions, "{key} {from} {to}");
            versions.reverse();
            assert_eq!(history(Direction::Backward), versions, "{key} {from} {to}");
        }
    }

    fn finish(&mut self) {
        assert_eq!(self.store.dropped_records(), self.dropped);
        let mut expected = Vec::new();
        for &key in self.model.keys() {
            let versions = self.versions(key).into_iter();
            let live = versions.filter(|version| self.is_live(version));
            expected.extend(live.map(|v| (key, v.timestamp, Some(v.value.to_vec()))));
        }
        let known = visited(&self.store);
        let values: Vec<_> = known.iter().filter(|known| known.2.is_some()).collect();
        assert_eq!(values, expected.iter().collect::<Vec<_>>());
        let mut restored = InMemoryVersionedKeyValueStore::new(self.retention_ms, self.interval_ms);
        for (key, value, time) in &self.puts {
            let put = restored.put(&[*key], value.as_ref().map(row), *time);
            put.expect("in memory");
        }
        assert_eq!(visited(&restored), known, "after restoring");
        self.commit(true);
        assert_eq!(visited(&self.persistent), known, "on the disk");
    }
}

fn row(value: &u8) -> &[u8] {
    std::slice::from_ref(value)
}

type Visited = (u8, i64, Option<Vec<u8>>);

fn visited(store: &dyn ByteVersionedStore) -> Vec<Visited> {
    let mut known = Vec::new();
    let visited = store.visit(&mut |key, time, value| {
        known.push((key[0], time, value.map(<[u8]>::to_vec)));
    });
    visited.expect("in memory");
    assert!(known.is_sorted_by_key(|(key, time, _)| (*key, *time)));
    known
}

/// A persistent store over what is on `disk`.
fn open(
    disk: &Disk,
    retention_ms: i64,
    interval_ms: i64,
) -> (TaskStorage, PersistentVersionedKeyValueStore) {
    let storage = disk.task_storage();
    let mut store = PersistentVersionedKeyValueStore::new("store", retention_ms, interval_ms);
    let init = StoreInit {
        storage: &storage,
        store: "store",
        format: "plain values",
        is_logged: true,
    };
    store.init(&init).expect("in memory");
    (storage, store)
}
