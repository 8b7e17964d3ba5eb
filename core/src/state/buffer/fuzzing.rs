//! Random histories of buffers, against naive ones; and arbitrary bytes as their changelogs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::bytes::StoreBytes;
use super::super::fuzzing::Disk;
use super::super::storage::TaskStorage;
use super::super::{ChangelogRecord, StateStore};
use super::change_buffer::{Eviction, TimeOrderedKeyValueChangeBuffer};
use super::join_buffer::TimeOrderedKeyValueBuffer;
use super::value::BufferValue;
use crate::serde::DefaultSerde;
use crate::types::{Headers, RecordContext};

/// Any bytes are a history.
pub fn change_buffer(data: &[u8]) {
    let mut run = Run::default();
    let (ops, _) = data.as_chunks::<4>();
    for op in ops.iter().take(4096) {
        run.step(*op);
    }
    run.commit();
}

/// Any bytes are a history, of puts that are late or not, and of restarts.
pub fn join_buffer(data: &[u8]) {
    let Some((grace_ms, data)) = data.split_first() else {
        return;
    };
    let grace_ms = i64::from(grace_ms % 16);
    let disk = Disk::default();
    let (buffer, storage) = join(grace_ms, &disk);
    let mut run = JoinRun {
        buffer,
        storage,
        disk,
        model: Vec::new(),
        grace_ms,
        observed: -1,
        clock: 0,
        log: Vec::new(),
    };
    let (ops, _) = data.as_chunks::<3>();
    for op in ops.iter().take(4096) {
        run.step(*op);
    }
    run.restart();
}

/// Any bytes are a version (or none) and a changelog record, which is refused or restored.
pub fn buffer_changelogs(data: &[u8]) {
    let Some((version, value)) = data.split_first() else {
        return;
    };
    let mut headers = Headers::new();
    if *version > 0 {
        headers.push("v", Some(Bytes::copy_from_slice(&[*version])));
    }
    let joined = ChangelogRecord {
        key: Bytes::copy_from_slice(data),
        value: Some(Bytes::copy_from_slice(value)),
        timestamp: 1,
        headers: Headers::new(),
    };
    let (mut join, _storage) = join(0, &Disk::default());
    if join.restore(joined.clone()).is_ok() {
        assert_eq!(join.num_records(), 1);
        let restored = join.restore(ChangelogRecord {
            value: None,
            ..joined
        });
        restored.expect("the key was read before");
        assert_eq!(join.num_records(), 0);
    }
    let mut buffer = buffer();
    for _ in 0..2 {
        let record = ChangelogRecord {
            key: Bytes::from_static(b"k"),
            value: Some(Bytes::copy_from_slice(value)),
            timestamp: 1,
            headers: headers.clone(),
        };
        if buffer.restore(record).is_ok() {
            assert_eq!(buffer.num_records(), 1);
            // What was read is written as the newest version, and read back.
            let rows = rows(&buffer);
            let mut again = self::buffer();
            for row in rows.clone() {
                again.restore(row).expect("its own bytes");
            }
            assert_eq!(self::rows(&again), rows);
            assert_eq!(again.buffer_size(), buffer.buffer_size());
        }
    }
}

type Buffer = TimeOrderedKeyValueChangeBuffer<Bytes, Bytes>;
type Change = (Option<Bytes>, Option<Bytes>);

fn buffer() -> Buffer {
    let (keys, values) = (Bytes::default_serde(), Bytes::default_serde());
    Buffer::new("buffer", keys, values, true)
}

fn rows(buffer: &dyn StateStore) -> Vec<ChangelogRecord> {
    let mut rows = Vec::new();
    let visited = buffer.visit_rows(&mut |row| {
        rows.push(ChangelogRecord {
            key: Bytes::copy_from_slice(row.key),
            value: row.value.map(Bytes::copy_from_slice),
            timestamp: row.timestamp,
            headers: row.headers.clone(),
        });
    });
    visited.expect("in memory");
    rows
}

#[derive(Clone, Debug)]
struct Buffered {
    time: i64,
    prior: Option<Bytes>,
    change: Change,
    context: RecordContext,
}

struct Run {
    buffer: Buffer,
    model: BTreeMap<Bytes, Buffered>,
    dirty: BTreeSet<Bytes>,
    restored: Buffer,
    sequence: i64,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            buffer: buffer(),
            model: BTreeMap::new(),
            dirty: BTreeSet::new(),
            restored: buffer(),
            sequence: 0,
        }
    }
}

impl Run {
    fn step(&mut self, [kind, key, value, time]: [u8; 4]) {
        self.sequence += 1;
        let key = Bytes::from(vec![b'k'; usize::from(key % 7)]);
        match kind % 8 {
            0..=4 => self.put(key, value, i64::from(time % 16)),
            5 => self.evict(),
            6 => self.commit(),
            _ => {
                let prior = self.model.get(&key).map(|buffered| buffered.prior.clone());
                assert_eq!(self.buffer.prior_value_for_buffered(&key), Ok(prior));
            }
        }
        let times = self.model.values().map(|buffered| buffered.time);
        let earliest = times.min().unwrap_or(i64::MAX);
        assert_eq!(self.buffer.min_timestamp(), earliest);
        assert_eq!(self.buffer.num_records(), self.model.len());
        assert_eq!(self.buffer.buffer_size(), self.size());
    }

    fn put(&mut self, key: Bytes, value: u8, time: i64) {
        // Two bits each, so that old and prior values are often the same.
        let side = |bits: u8| (bits > 0).then(|| Bytes::from(vec![b'v'; usize::from(bits)]));
        let change = (side(value & 3), side(value >> 2 & 3));
        let mut headers = Headers::new();
        if value & 16 > 0 {
            headers.push("h", (value & 32 > 0).then(|| Bytes::from_static(b"header")));
        }
        let context = RecordContext {
            topic: Some("topic".into()),
            partition: 3,
            offset: self.sequence,
            timestamp: time + 1,
            headers,
            source_record: None,
        };
        let (new, old) = (change.0.as_ref(), change.1.as_ref());
        let put = self.buffer.put(time, &key, new, old, &context);
        put.expect("is buffered");
        self.dirty.insert(key.clone());
        let known = self.model.get(&key);
        let buffered = Buffered {
            time: known.map_or(time, |known| known.time),
            prior: known.map_or_else(|| change.1.clone(), |known| known.prior.clone()),
            change,
            context,
        };
        self.model.insert(key, buffered);
    }

    fn evict(&mut self) {
        let first = self
            .model
            .iter()
            .min_by_key(|(key, buffered)| (buffered.time, (*key).clone()));
        let expected = first.map(|(key, buffered)| Eviction {
            key: key.clone(),
            value: buffered.change.clone(),
            context: buffered.context.clone(),
        });
        assert_eq!(self.buffer.first(), Ok(expected.clone()));
        self.buffer.remove_first();
        if let Some(evicted) = expected {
            self.model.remove(&evicted.key);
            self.dirty.insert(evicted.key);
        }
    }

    /// Each dirty key is logged once, and the changelog restores what is buffered.
    fn commit(&mut self) {
        let mut log = Vec::new();
        self.buffer.begin_flush();
        self.buffer.drain_changelog(&mut log);
        let keys: BTreeSet<Bytes> = log.iter().map(|record| record.key.clone()).collect();
        assert_eq!(log.len(), keys.len());
        assert_eq!(keys, std::mem::take(&mut self.dirty));
        for record in log {
            self.restored.restore(record).expect("its own bytes");
        }
        // A key that left and came back between two commits left no tombstone: as in Java, restoring
        // keeps the time at which it came first.
        let timeless = |buffer: &Buffer| -> BTreeMap<Bytes, Bytes> {
            let rows = rows(buffer).into_iter();
            let cut = |value: Bytes| value.slice(..value.len() - 8);
            rows.map(|row| (row.key, row.value.map(cut).expect("a change")))
                .collect()
        };
        assert_eq!(timeless(&self.restored), timeless(&self.buffer));
        assert_eq!(self.restored.buffer_size(), self.buffer.buffer_size());
    }

    fn size(&self) -> usize {
        let sizes = self.model.iter().map(|(key, buffered)| {
            let stored = |value: &Option<Bytes>| value.as_deref().map(StoreBytes::new);
            let value = BufferValue {
                prior: stored(&buffered.prior),
                old: stored(&buffered.change.1),
                new: stored(&buffered.change.0),
                context: buffered.context.clone(),
            };
            8 + key.len() + value.size_bytes()
        });
        sizes.sum()
    }
}

type JoinBuffer = TimeOrderedKeyValueBuffer<Bytes, Bytes>;

fn join(grace_ms: i64, disk: &Disk) -> (JoinBuffer, TaskStorage) {
    let (keys, values) = (Bytes::default_serde(), Bytes::default_serde());
    let mut buffer = JoinBuffer::new("join", keys, values, grace_ms, true);
    let storage = disk.task_storage();
    buffer.init(&storage).expect("memory does not fail");
    (buffer, storage)
}

struct JoinRun {
    buffer: JoinBuffer,
    storage: TaskStorage,
    disk: Disk,
    /// In order of arrival.
    model: Vec<Eviction<Bytes, Bytes>>,
    grace_ms: i64,
    observed: i64,
    clock: i64,
    log: Vec<ChangelogRecord>,
}

impl JoinRun {
    fn step(&mut self, [kind, value, time]: [u8; 3]) {
        self.clock += i64::from(time / 64);
        match kind % 8 {
            // A key is no prefix of another one: otherwise numbers of records count as key bytes.
            0..=4 => self.put(kind / 64, value, (self.clock - i64::from(time % 32)).max(0)),
            5 => self.evict(),
            6 => self.commit(),
            _ => self.restart(),
        }
        self.buffer.drain_changelog(&mut self.log);
    }

    fn put(&mut self, key: u8, value: u8, timestamp: i64) {
        let (key, value) = (Bytes::from(vec![key]), Bytes::from(vec![value]));
        let context = RecordContext {
            topic: Some("in".into()),
            partition: 0,
            offset: self.clock,
            timestamp,
            headers: Headers::new(),
            source_record: None,
        };
        let put = self.buffer.put(&key, &value, timestamp, &context);
        let is_in_time = timestamp >= self.observed - self.grace_ms;
        assert_eq!(put, Ok(is_in_time));
        if is_in_time {
            self.observed = self.observed.max(timestamp);
            let buffered = Eviction {
                key,
                value,
                context,
            };
            self.model.push(buffered);
        }
    }

    fn evict(&mut self) {
        loop {
            // The first of equal ones: that of the earliest arrival.
            let first = self.model.iter().enumerate();
            let first = first
                .filter(|(_, b)| b.context.timestamp <= self.observed - self.grace_ms)
                .min_by_key(|(_, b)| (b.context.timestamp, b.key.clone()));
            let expected = first.map(|(at, buffered)| (at, buffered.clone()));
            let first = self.buffer.first().expect("is read");
            assert_eq!(
                first.as_ref(),
                expected.as_ref().map(|(_, buffered)| buffered)
            );
            let Some((at, _)) = expected else { break };
            self.model.remove(at);
            self.buffer.remove_first().expect("memory does not fail");
        }
        assert_eq!(self.buffer.num_records(), self.model.len());
    }

    fn commit(&mut self) {
        self.buffer.drain_changelog(&mut self.log);
        let last = self.log.len() as i64 - 1;
        let committed = self
            .storage
            .commit_restored(|_| (last >= 0).then_some(last));
        committed.expect("memory does not fail");
    }

    /// A new buffer goes on where the old one was: from its changelog, and from what was committed
    /// and the rest of the changelog.
    fn restart(&mut self) {
        self.buffer.drain_changelog(&mut self.log);
        let (mut fresh, _storage) = join(self.grace_ms, &Disk::default());
        for record in &self.log {
            fresh.restore(record.clone()).expect("its own bytes");
        }
        assert_eq!(rows(&fresh), rows(&self.buffer));
        let (mut restarted, storage) = join(self.grace_ms, &self.disk);
        let committed = storage.committed_offset("join");
        let behind = committed.map_or(0, |offset| offset as usize + 1);
        for record in &self.log[behind..] {
            restarted.restore(record.clone()).expect("its own bytes");
        }
        assert_eq!(rows(&restarted), rows(&fresh));
        (self.buffer, self.storage) = (restarted, storage);
    }
}
