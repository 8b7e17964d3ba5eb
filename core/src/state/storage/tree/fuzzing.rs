//! Random histories of a tree on a disk that crashes, checked against a naive model. The body of a
//! property test and of a fuzz target: what is wrong panics.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::super::super::byte_store::{ALL_KEYS, ByteBounds, Direction};
use super::super::super::bytes::StoreBytes;
use super::super::{Removal, SpaceWrites, StorageBatch, StorageError};
use super::extents::Extent;
use super::file::{DATA_START, read_root, root_to_bytes};
use super::leaf::Leaf;
use super::memory_disk::MemoryDisk;
use super::page::Page;
use super::pool::{Disk, Shape};
use super::{Checkpoint, Tree, TreeStorage};
use crate::rng::{Rng, SeedTree};

/// What is on `disk`, which may be empty, as a tree of pages and leaves even where it has few rows.
pub(in crate::state) fn small_tree(disk: &Arc<MemoryDisk>) -> Result<TreeStorage, StorageError> {
    let shape = Shape {
        leaf_bytes_max: 128,
        page_leaves_max: 4,
    };
    if disk.size()? == 0 {
        Tree::create(&**disk)?;
    }
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    let tree = Tree::open_shaped(disk, "disk", 512, shape)?;
    Ok(TreeStorage::new(tree))
}

/// Any bytes are a history, and pieces of a file.
pub fn tree(data: &[u8]) {
    check_pieces(data);
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
    disk: Arc<MemoryDisk>,
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
        let disk = Arc::new(MemoryDisk::default());
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
                self.finish(Some(u64::from(a % 16)));
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
        self.disk.limit_writes(writes);
        let written = checkpoint.write(&*self.disk);
        self.disk.limit_writes(None);
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
        let damaged = Arc::new(MemoryDisk::clone(&self.disk));
        let len = damaged.size().expect("is read");
        let at = u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]) % len;
        let mut byte = [0];
        damaged.read_at(at, &mut byte).expect("is there");
        damaged
            .write_at(at, &[byte[0] ^ (1 + c % 255)])
            .expect("has room");
        let opened = Tree::open_shaped(damaged, "disk", self.cache_max_bytes, self.shape);
        let found = opened.and_then(|mut tree| rows(&mut tree));
        match found {
            // The superblock was hit, and the one before it leads to what is still there.
            Ok(found) => assert!(at < DATA_START || self.durable.contains(&found)),
            Err(error) => assert!(matches!(error, StorageError::Damaged { .. }), "{error}"),
        }
    }
}

/// Bytes that nobody wrote are refused, or read without a panic.
fn check_pieces(data: &[u8]) {
    if let Some(leaf) = Leaf::read(data.to_vec(), 0) {
        for at in 0..leaf.len() {
            let (key, value) = leaf.row(at);
            assert!(key.len() + value.len() < data.len());
            assert!(leaf.search(key, 0..leaf.len()).0 < leaf.len());
        }
    }
    let (offset, bytes, crc) = (0, data.len() as u32, 0);
    let extent = Extent { offset, bytes, crc };
    if let Some(page) = Page::read(data, extent) {
        assert_eq!(page.to_bytes(), data);
    }
    if let Some(spaces) = read_root(data) {
        assert_eq!(root_to_bytes(&spaces), data);
    }
}

/// Keys of 0 to 40 bytes, many of them prefixes of others.
fn key(number: u16) -> Vec<u8> {
    let len = usize::from(number % 13) * 3;
    let bytes = number.to_be_bytes().into_iter();
    let tail = std::iter::repeat_n(number as u8, len);
    let start = usize::from(number.is_multiple_of(17));
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
