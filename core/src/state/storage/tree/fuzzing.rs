//! Random histories of a tree on a disk that crashes, checked against a naive model. The body of a
//! property test and of a fuzz target: what is wrong panics.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::super::byte_store::{ALL_KEYS, ByteBounds, Direction};
use super::super::super::bytes::StoreBytes;
use super::super::{Removal, SpaceWrites, StorageBatch, StorageError};
use super::file::DATA_START;
use super::pool::{Disk, Shape};
use super::{Checkpoint, Tree};
use crate::rng::{Rng, SeedTree};

/// Any bytes are a history.
pub fn tree(data: &[u8]) {
    let (head, ops) = data.split_at(data.len().min(2));
    let byte = |at: usize| usize::from(head.get(at).copied().unwrap_or(0));
    let shape = Shape {
        leaf_bytes_max: 64 << (byte(0) % 6),
        page_leaves_max: 4 << (byte(0) / 6 % 4),
    };
    let cache_max_bytes = [0, 1 << 10, 8 << 10, 1 << 20][byte(1) % 4];
    let mut history = History::new(shape, cache_max_bytes);
    for op in ops.chunks(4).take(2048) {
        let byte = |at: usize| op.get(at).copied().unwrap_or(0);
        history.step(byte(0), byte(1), byte(2), byte(3));
    }
    history.check_rows();
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Spaces = BTreeMap<u16, Rows>;

struct History {
    shape: Shape,
    cache_max_bytes: usize,
    disk: Arc<CrashingDisk>,
    tree: Tree,
    rng: Rng,
    /// What the tree should have.
    rows: Spaces,
    /// What the file must have, the newest last: one state, or two while a checkpoint is written.
    durable: Vec<Spaces>,
    begun: Option<(Checkpoint, Spaces)>,
    written: u64,
}

impl History {
    fn new(shape: Shape, cache_max_bytes: usize) -> Self {
        let disk = Arc::new(CrashingDisk::default());
        Tree::create(&*disk).expect("has room");
        let tree = Tree::open_shaped(disk.clone(), "disk", cache_max_bytes, shape);
        Self {
            shape,
            cache_max_bytes,
            disk,
            tree: tree.expect("is new"),
            rng: SeedTree::new(7).rng(),
            rows: Spaces::new(),
            durable: vec![Spaces::new()],
            begun: None,
            written: 0,
        }
    }

    fn step(&mut self, kind: u8, a: u8, b: u8, c: u8) {
        match kind % 16 {
            0..=4 => self.write(a, b, c),
            5..=7 => {
                let (space, key) = (u16::from(a % 3), key(u16::from_be_bytes([b, c])));
                let found = self.tree.get(space, &key).expect("is read");
                let expected = self.rows.get(&space).and_then(|rows| rows.get(&key));
                assert_eq!(found.as_deref(), expected.map(|value| &value[..]));
            }
            8..=10 => self.check_range(a, b, c),
            11 => self.begin(),
            12 | 13 => self.finish(None),
            14 => {
                let (from, to) = (self.disk.written(), u64::from(a % 16));
                self.finish(Some(from + to));
                self.reopen(b.is_multiple_of(2));
            }
            _ if a.is_multiple_of(4) => self.reopen(true),
            _ => self.check_damaged(a, b, c),
        }
    }

    fn write(&mut self, a: u8, b: u8, c: u8) {
        let space = u16::from(a % 3);
        let first = u16::from_be_bytes([b, c]);
        let step = [1, 3, 97, 7919][usize::from(a / 3 % 4)];
        let count = [1, 5, 60, 400][usize::from(a / 12 % 4)];
        let own = self.rows.entry(space).or_default();
        let remove = match a / 48 {
            0..=3 => Removal::Nothing,
            4 => {
                let below = key(first);
                own.retain(|key, _| *key >= below);
                Removal::Below(StoreBytes::new(&below))
            }
            _ => {
                own.clear();
                Removal::Everything
            }
        };
        let mut batch: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for at in 0u16..count {
            let number = first.wrapping_add(at.wrapping_mul(step));
            self.written += 1;
            let len =
                (self.written * 31 % 40) as usize * usize::from(1 + (number % 61 == 0) as u16 * 50);
            let is_removed = (self.written / 100).is_multiple_of(3) && number % 3 != 0;
            let value = (!is_removed).then(|| vec![self.written as u8; len]);
            batch.insert(key(number), value);
        }
        for (key, value) in &batch {
            match value {
                Some(value) => own.insert(key.clone(), value.clone()),
                None => own.remove(key),
            };
        }
        let rows = batch.iter().map(|(key, value)| {
            let value = value.as_ref().map(|value| StoreBytes::new(value));
            (StoreBytes::new(key), value)
        });
        let rows = rows.collect();
        let spaces = vec![SpaceWrites {
            space,
            remove,
            rows,
        }];
        let written = self.tree.write(&StorageBatch { spaces });
        written.expect("has room");
        let len = self.rows[&space].len() as u64;
        assert_eq!(self.tree.len(space), len);
    }

    fn check_range(&mut self, a: u8, b: u8, c: u8) {
        let space = u16::from(a % 3);
        let own = self.rows.entry(space).or_default();
        let mut keys = [key(u16::from(b) * 256), key(u16::from(c) * 256)];
        keys.sort();
        let bound = |kind: u8, key| match kind % 3 {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let bounds: ByteBounds<'_> = (bound(b, &keys[0][..]), bound(c, &keys[1][..]));
        if keys[0] == keys[1] && (b % 3, c % 3) != (0, 0) {
            return;
        }
        let max_rows = [1, 8, 100, usize::MAX][usize::from(a / 3 % 4)];
        let within = own.range::<[u8], _>(bounds);
        let (direction, expected): (_, Vec<_>) = if a.is_multiple_of(2) {
            (Direction::Forward, within.take(max_rows).collect())
        } else {
            (Direction::Backward, within.rev().take(max_rows).collect())
        };
        let found = self.tree.read(space, bounds, direction, max_rows);
        let found = found.expect("is read");
        let found: Vec<(&[u8], &[u8])> = found
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        let expected: Vec<(&[u8], &[u8])> = expected
            .into_iter()
            .map(|(k, v)| (&k[..], &v[..]))
            .collect();
        assert_eq!(found, expected);
    }

    fn begin(&mut self) {
        self.finish(None);
        self.rows.retain(|_, rows| !rows.is_empty());
        if let Some(checkpoint) = self.tree.begin_checkpoint().expect("did not fail") {
            self.begun = Some((checkpoint, self.rows.clone()));
        }
    }

    /// Writes the checkpoint that was begun; the disk fails after so many writes.
    fn finish(&mut self, writes: Option<u64>) {
        let Some((checkpoint, rows)) = self.begun.take() else {
            return;
        };
        self.disk.fail_after(writes);
        let written = checkpoint.write(&*self.disk);
        self.disk.fail_after(None);
        match self.tree.end_checkpoint(written) {
            Ok(()) => self.durable = vec![rows],
            Err(error) => {
                self.durable.push(rows);
                assert_eq!(self.tree.get(0, b"k"), Err(error), "nothing works any more");
                self.reopen(false);
            }
        }
    }

    /// Opens the file as a crash leaves it, or as the system shows it to a process that comes next.
    fn reopen(&mut self, is_crash: bool) {
        self.begun = None;
        if is_crash {
            self.disk.crash(&mut self.rng);
        }
        let opened = Tree::open_shaped(self.disk.clone(), "disk", self.cache_max_bytes, self.shape);
        self.tree = opened.expect("is whole");
        let found = rows(&mut self.tree).expect("is whole");
        assert!(self.durable.contains(&found), "is a state that was written");
        self.rows = found.clone();
        self.durable = vec![found];
    }

    fn check_rows(&mut self) {
        self.rows.retain(|_, rows| !rows.is_empty());
        let found = rows(&mut self.tree).expect("is read");
        assert_eq!(found, self.rows);
    }

    /// A byte of the file changes: it is noticed, or was of no use.
    fn check_damaged(&mut self, a: u8, b: u8, c: u8) {
        self.finish(None);
        let damaged = Arc::new(self.disk.copy());
        let at = damaged.flip(u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]), 1 + c % 255);
        let opened = Tree::open_shaped(damaged, "disk", self.cache_max_bytes, self.shape);
        let found = opened.and_then(|mut tree| rows(&mut tree));
        match found {
            // The superblock was hit, and the one before it leads to what is still there.
            Ok(found) => assert!(at < DATA_START || self.durable.contains(&found)),
            Err(error) => assert!(matches!(error, StorageError::Damaged { .. }), "{error}"),
        }
    }
}

/// Keys of 0 to 40 bytes, many of them prefixes of others.
fn key(number: u16) -> Vec<u8> {
    let len = usize::from(number % 13) * 3;
    let bytes = number.to_be_bytes().into_iter();
    let tail = std::iter::repeat_n(number as u8, len);
    let start = usize::from(number % 17 == 0);
    bytes
        .chain(tail)
        .skip(start)
        .take(len.max(1 + start))
        .collect()
}

/// Everything that a tree has.
fn rows(tree: &mut Tree) -> Result<Spaces, StorageError> {
    let mut spaces = Spaces::new();
    for space in 0..3 {
        let rows = tree.read(space, ALL_KEYS, Direction::Forward, usize::MAX)?;
        assert_eq!(rows.len() as u64, tree.len(space));
        if !rows.is_empty() {
            let owned = rows
                .iter()
                .map(|(key, value)| (key.to_vec(), value.to_vec()));
            spaces.insert(space, owned.collect());
        }
    }
    Ok(spaces)
}

/// A disk that loses in a crash what was not synced, sector by sector.
#[derive(Default)]
struct CrashingDisk(Mutex<Bytes>);

#[derive(Clone, Default)]
struct Bytes {
    synced: Vec<u8>,
    now: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
    written: u64,
    fail_at: Option<u64>,
}

const SECTOR: usize = 512;

impl CrashingDisk {
    fn bytes(&self) -> std::sync::MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> u64 {
        self.bytes().written
    }

    fn fail_after(&self, writes: Option<u64>) {
        self.bytes().fail_at = writes;
    }

    fn copy(&self) -> Self {
        Self(Mutex::new(self.bytes().clone()))
    }

    fn flip(&self, at: u64, bits: u8) -> u64 {
        let mut bytes = self.bytes();
        let at = at as usize % bytes.now.len();
        bytes.now[at] ^= bits;
        at as u64
    }

    fn crash(&self, rng: &mut Rng) {
        let mut bytes = self.bytes();
        let mut kept = std::mem::take(&mut bytes.synced);
        for (offset, written) in std::mem::take(&mut bytes.writes) {
            for (at, sector) in written.chunks(SECTOR).enumerate() {
                let start = offset + at * SECTOR;
                if rng.below(2) == 0 {
                    put(&mut kept, start, sector);
                }
            }
        }
        bytes.now.clone_from(&kept);
        bytes.synced = kept;
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(written);
}

impl Disk for CrashingDisk {
    fn len(&self) -> Result<u64, StorageError> {
        Ok(self.bytes().now.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
        let disk = self.bytes();
        let start = offset as usize;
        let read = disk.now.get(start..start + bytes.len());
        let read = read.ok_or_else(|| StorageError::Damaged {
            place: "disk".to_owned(),
            message: "it ends before".to_owned(),
        })?;
        bytes.copy_from_slice(read);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut disk = self.bytes();
        disk.written += 1;
        if disk.fail_at.is_some_and(|at| disk.written > at) {
            let place = "disk".to_owned();
            return Err(StorageError::Full { place });
        }
        put(&mut disk.now, offset as usize, bytes);
        disk.writes.push((offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        let mut disk = self.bytes();
        disk.writes.clear();
        let now = disk.now.clone();
        disk.synced = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_history_is_that_of_the_model(data in prop::collection::vec(any::<u8>(), 0..600)) {
            tree(&data);
        }
    }
}
