//! Persistent rows against a naive model, over a storage that keeps every batch it was given: a
//! crash goes back to any of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::byte_store::{ByteBounds, ByteKeyValueStore, ByteRow, Direction};
use super::super::bytes::StoreBytes;
use super::super::windowed::{ByteWindowStore, KeySchema, RowKey, RowOrder, WindowQuery};
use super::*;

/// All batches in order: what they give is what is there.
#[derive(Clone, Default)]
struct Disk {
    batches: Rc<RefCell<Vec<StorageBatch>>>,
    is_full: Rc<RefCell<bool>>,
}

struct Opened {
    disk: Disk,
    rows: InMemoryStorage,
}

impl Disk {
    fn open(&self) -> Box<dyn Storage> {
        let mut rows = InMemoryStorage::new();
        for batch in self.batches.borrow().iter() {
            rows.write(batch).expect("memory does not fail");
        }
        let disk = self.clone();
        Box::new(Opened { disk, rows })
    }
}

impl Storage for Opened {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.rows.get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        self.rows.read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        self.rows.approximate_len(space)
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        if *self.disk.is_full.borrow() {
            let place = "disk".to_owned();
            return Err(StorageError::Full { place });
        }
        for writes in &batch.spaces {
            assert!(writes.rows.is_sorted_by(|a, b| a.0 < b.0), "key order");
        }
        self.disk.batches.borrow_mut().push(batch.clone());
        self.rows.write(batch)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
}

const STORES: [&str; 2] = ["one", "other"];

/// Rows and changelog offset of each store.
type State = [(BTreeMap<Vec<u8>, Vec<u8>>, Option<i64>); 2];

struct Run {
    disk: Disk,
    storage: TaskStorage,
    stores: Vec<PersistentKeyValueStore>,
    /// What reads see, and the offset of what was written last.
    now: State,
    sealed: Option<State>,
    /// After every batch.
    committed: Vec<State>,
    records: i64,
}

impl Run {
    fn new() -> Self {
        let disk = Disk::default();
        let (storage, stores) = open(&disk);
        Self {
            disk,
            storage,
            stores,
            now: State::default(),
            sealed: None,
            committed: vec![State::default()],
            records: 0,
        }
    }

    fn step(&mut self, op: [u8; 4]) {
        let at = usize::from(op[1] & 1);
        let key = key(op[2]);
        match op[0] % 16 {
            0..=5 => {
                let value = vec![op[3]; usize::from(op[3] % 40)];
                self.stores[at].put(&key, &value).expect("is put");
                self.now[at].0.insert(key, value);
                self.record(at);
            }
            6..=7 => {
                self.stores[at].delete(&key).expect("is deleted");
                self.now[at].0.remove(&key);
                self.record(at);
            }
            8 => {
                self.storage.seal();
                self.sealed = Some(self.now.clone());
            }
            9..=10 => self.commit(op[3].is_multiple_of(8)),
            11 => self.reopen(0),
            12 => self.reopen(usize::from(op[3])),
            13 if op[3].is_multiple_of(8) => self.clear(at),
            _ => self.check(at, op),
        }
    }

    fn record(&mut self, at: usize) {
        self.records += 1;
        self.now[at].1 = Some(self.records);
    }

    /// The commit succeeded. Where the disk is full nothing is lost: it may be tried again.
    fn commit(&mut self, is_full: bool) {
        let Some(sealed) = self.sealed.clone() else {
            return;
        };
        let batches = self.disk.batches.borrow().len();
        let offsets = [sealed[0].1, sealed[1].1];
        let offset_of = |store: &str| offsets[usize::from(store == STORES[1])];
        if is_full {
            *self.disk.is_full.borrow_mut() = true;
            self.storage.commit(offset_of).ok();
            *self.disk.is_full.borrow_mut() = false;
        }
        self.storage.commit(offset_of).expect("there is room");
        if self.disk.batches.borrow().len() > batches {
            self.committed.push(sealed);
        } else {
            assert_eq!(self.committed.last(), Some(&sealed), "nothing to write");
        }
        self.sealed = None;
    }

    /// A dirty close, or a crash that loses the last batches.
    fn reopen(&mut self, lost: usize) {
        let kept = self.committed.len() - 1 - lost % self.committed.len();
        self.disk.batches.borrow_mut().truncate(kept);
        self.committed.truncate(kept + 1);
        (self.storage, self.stores) = open(&self.disk);
        self.now = self.committed[kept].clone();
        self.sealed = None;
        for (at, store) in STORES.iter().enumerate() {
            let offset = self.storage.committed_offset(store);
            assert_eq!(offset, self.now[at].1, "offset of {store}");
        }
        assert_eq!(self.storage.uncommitted_bytes(), 0);
    }

    fn clear(&mut self, at: usize) {
        self.stores[at].clear().expect("is cleared");
        let mut cleared = self.committed.last().expect("the first").clone();
        cleared[at] = Default::default();
        self.now[at] = Default::default();
        if let Some(sealed) = &mut self.sealed {
            sealed[at] = Default::default();
        }
        self.committed.push(cleared);
    }

    fn check(&self, at: usize, op: [u8; 4]) {
        let (store, rows) = (&self.stores[at], &self.now[at].0);
        let wanted = key(op[2]);
        let found = store.get(&wanted).expect("is read");
        assert_eq!(found.as_deref(), rows.get(&wanted).map(|value| &value[..]));
        let to = key(op[3]);
        let bound = |kind: u8, key| match kind % 3 {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let bounds = (bound(op[1] >> 1, &wanted[..]), bound(op[1] >> 3, &to[..]));
        for direction in [Direction::Forward, Direction::Backward] {
            let found = store.range(bounds, direction);
            let found = found.map(|row| row.expect("is read"));
            let found: Vec<_> = found.map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            let is_empty = super::super::byte_store::is_empty_range(bounds);
            let mut expected: Vec<_> = match is_empty {
                true => Vec::new(),
                false => {
                    let rows = rows.range::<[u8], _>(bounds);
                    rows.map(|(k, v)| (k.clone(), v.clone())).collect()
                }
            };
            if direction == Direction::Backward {
                expected.reverse();
            }
            assert_eq!(found, expected);
        }
    }
}

fn open(disk: &Disk) -> (TaskStorage, Vec<PersistentKeyValueStore>) {
    let storage = TaskStorage::open(disk.open(), "app", TaskId::new(0, 1)).expect("is opened");
    let stores = STORES.map(|store| {
        let mut rows = PersistentKeyValueStore::new(store);
        rows.init(&init(&storage, store)).expect("has its place");
        rows
    });
    (storage, stores.into())
}

fn init<'a>(storage: &'a TaskStorage, store: &'a str) -> StoreInit<'a> {
    StoreInit {
        storage,
        store,
        format: "plain values",
        is_logged: true,
    }
}

/// Few keys, and some that are prefixes of others.
fn key(number: u8) -> Vec<u8> {
    match number % 64 {
        0 => Vec::new(),
        number if number < 32 => vec![number],
        number => vec![number - 32, 7],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn rows_are_what_was_written_and_crashes_leave_what_a_commit_left(
        ops in proptest::collection::vec(any::<[u8; 4]>(), 0..300),
    ) {
        let mut run = Run::new();
        for op in ops {
            run.step(op);
        }
        for at in 0..2 {
            run.check(at, [0, 0b01_0100, 0, 0]);
        }
    }
}

/// The last writes stand above those of a commit that was refused.
#[test]
fn a_refused_commit_is_part_of_the_next_one() {
    let disk = Disk::default();
    let (storage, mut stores) = open(&disk);
    stores[0].put(b"a", b"1").expect("is put");
    stores[0].put(b"b", b"1").expect("is put");
    storage.seal();
    stores[0].put(b"a", b"2").expect("is put");
    storage.seal();
    storage.commit(|_| Some(2)).expect("there is room");
    assert_eq!(disk.batches.borrow().len(), 1);
    let (storage, stores) = open(&disk);
    assert_eq!(
        stores[0].get(b"a").expect("is read").as_deref(),
        Some(&b"2"[..])
    );
    assert_eq!(
        stores[0].get(b"b").expect("is read").as_deref(),
        Some(&b"1"[..])
    );
    assert_eq!(storage.committed_offset("one"), Some(2));
}

#[test]
fn writes_during_a_walk_neither_stop_nor_repeat_it() {
    let (storage, mut stores) = open(&Disk::default());
    for number in 0..100u8 {
        stores[0].put(&[number], b"x").expect("is put");
    }
    storage.seal();
    let space = Space {
        storage: storage.clone(),
        at: 0,
    };
    let all = (Bound::Unbounded, Bound::Unbounded);
    let mut seen = Vec::new();
    for row in space.scan(all, Direction::Forward) {
        let (key, _) = row.expect("is read");
        stores[0].put(&[key[0], 0], b"y").expect("is put");
        stores[0]
            .delete(&[key[0].wrapping_add(50)])
            .expect("is deleted");
        if key[0] == 20 {
            storage.commit(|_| None).expect("there is room");
        }
        seen.push(key);
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

/// More rows in a run than a piece holds: removed, stored, written.
#[test]
fn pieces_that_are_all_removed_or_all_pending_are_walked_over() {
    let (storage, mut stores) = open(&Disk::default());
    for number in 0..200u8 {
        stores[0].put(&[number], b"x").expect("is put");
    }
    storage.seal();
    storage.commit(|_| None).expect("there is room");
    for number in 0..100u8 {
        stores[0].delete(&[number]).expect("is deleted");
        stores[0].put(&[150, number], b"y").expect("is put");
    }
    let mut expected: Vec<_> = (100..=150).map(|number| vec![number]).collect();
    expected.extend((0..100).map(|number| vec![150, number]));
    expected.extend((151..200).map(|number| vec![number]));
    let all = (Bound::Unbounded, Bound::Unbounded);
    for direction in [Direction::Forward, Direction::Backward] {
        let rows = stores[0].range(all, direction);
        let found: Vec<_> = rows.map(|row| row.expect("is read").0.to_vec()).collect();
        assert_eq!(found, expected);
        expected.reverse();
    }
}

#[test]
fn a_storage_of_another_owner_is_refused() {
    let disk = Disk::default();
    let (storage, mut stores) = open(&disk);
    stores[0].put(b"a", b"1").expect("is put");
    storage.commit_restored(|_| Some(0)).expect("there is room");
    let task = TaskId::new(0, 1);
    let other = TaskStorage::open(disk.open(), "other", task).expect_err("is refused");
    assert!(matches!(&other, StorageError::Foreign { message, .. } if message.contains("0_1 app")));
    let other = TaskStorage::open(disk.open(), "app", TaskId::new(0, 2));
    assert!(matches!(other, Err(StorageError::Foreign { .. })));

    // Rows of another layout are dropped where the changelog has them, and refused where not.
    let storage = TaskStorage::open(disk.open(), "app", task).expect("is opened");
    let mut rows = PersistentKeyValueStore::new("one");
    let mut changed = init(&storage, "one");
    changed.format = "timestamped values";
    changed.is_logged = false;
    let refused = rows.init(&changed).expect_err("is refused").to_string();
    assert!(refused.contains("timestamped"), "{refused}");
    changed.is_logged = true;
    rows.init(&changed).expect("has its place");
    assert_eq!(rows.get(b"a").expect("is read"), None);
    assert_eq!(storage.committed_offset("one"), None);
}

#[test]
fn metadata_that_is_not_ours_is_refused() {
    let open = |rows: &[(&[u8], &[u8])]| {
        let mut storage = InMemoryStorage::new();
        let rows = rows
            .iter()
            .map(|(k, v)| (StoreBytes::new(k), Some(StoreBytes::new(v))));
        let spaces = vec![SpaceWrites {
            space: 0,
            remove: Removal::Nothing,
            rows: rows.collect(),
        }];
        storage
            .write(&StorageBatch { spaces })
            .expect("memory does not fail");
        TaskStorage::open(Box::new(storage), "app", TaskId::new(0, 0)).expect_err("is refused")
    };
    let ours: &[u8] = b"eddyline\0\x010_0 app";
    assert!(matches!(open(&[(b"", b"")]), StorageError::Foreign { .. }));
    assert!(matches!(
        open(&[(b"", b"rocks!")]),
        StorageError::Foreign { .. }
    ));
    assert!(matches!(
        open(&[(b"", b"eddyline\0\x020_0 app")]),
        StorageError::Newer { .. }
    ));
    assert!(matches!(
        open(&[(b"", ours), (b"store a", b"\0")]),
        StorageError::Damaged { .. }
    ));
    assert!(matches!(
        open(&[(b"", ours), (b"x", b"")]),
        StorageError::Damaged { .. }
    ));
    assert!(matches!(
        open(&[(b"store a", b"")]),
        StorageError::Damaged { .. }
    ));
}

/// A store that was not opened says so.
#[test]
fn rows_are_not_there_before_they_are_opened() {
    let mut rows = PersistentKeyValueStore::new("one");
    assert!(rows.put(b"a", b"1").is_err());
    assert!(rows.get(b"a").is_err());
    let all = (Bound::Unbounded, Bound::Unbounded);
    assert!(
        rows.range(all, Direction::Forward)
            .next()
            .is_some_and(|row| row.is_err())
    );
}

const SEGMENTED: RowOrder = RowOrder::Segmented { interval_ms: 10 };

#[test]
fn whole_segments_expire_and_the_time_survives() {
    let disk = Disk::default();
    let open = || {
        let storage = TaskStorage::open(disk.open(), "app", TaskId::new(0, 1)).expect("is opened");
        let mut rows = PersistentWindowStore::new("w", KeySchema::Window, SEGMENTED, 20);
        rows.init(&init(&storage, "w")).expect("has its place");
        (storage, rows)
    };
    let row = |time| RowKey {
        key: &b"k"[..],
        time,
        tail: 0,
    };
    let (storage, mut rows) = open();
    for time in 0..30 {
        assert!(rows.put(row(time), Some(b"v")).expect("is put"));
    }
    storage.commit_restored(|_| Some(1)).expect("there is room");
    assert!(rows.put(row(45), Some(b"v")).expect("is put"));
    assert!(!rows.put(row(19), Some(b"v")).expect("is late"));
    assert_eq!(
        rows.get(row(25)).expect("is read"),
        None,
        "26 is the oldest"
    );
    assert!(rows.get(row(26)).expect("is read").is_some());
    assert_eq!(rows.approximate_num_entries(), 31, "until the next commit");
    storage.commit_restored(|_| Some(2)).expect("there is room");
    assert_eq!(rows.approximate_num_entries(), 11);

    let (_, rows) = open();
    assert_eq!(rows.get(row(25)).expect("is read"), None, "still");
    let all = WindowQuery::of_keys((Bound::Unbounded, Bound::Unbounded));
    assert_eq!(rows.scan(&all, Direction::Backward).count(), 5);
}
