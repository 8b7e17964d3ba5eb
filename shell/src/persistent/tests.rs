//! The engine on a real disk, and directories that are not what they should be.

use std::fs;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use eddyline_core::config::StreamsConfig;
use eddyline_core::state::storage::{
    Removal, SpaceWrites, Storage, StorageBatch, StorageError, StorageFactory, TaskStorage,
};
use eddyline_core::state::{Direction, StoreBytes};
use eddyline_core::time::WallClock;
use eddyline_core::types::TaskId;
use eddyline_core::wire::Uuid;

use super::StateDirectory;

struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eddyline-state-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }

    fn open(&self) -> Result<Box<dyn StorageFactory>, StorageError> {
        let directory = StateDirectory::open(&config("app"), self.path())?;
        Ok(directory.storages())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn config(application_id: &str) -> StreamsConfig {
    StreamsConfig::new(application_id, "localhost:9092").expect("valid")
}

const TASK: TaskId = TaskId::new(1, 2);

fn batch(space: u16, remove: Removal, rows: &[(u8, Option<&str>)]) -> StorageBatch {
    let rows = rows.iter().map(|(key, value)| {
        let value = value.map(|value| StoreBytes::new(value.as_bytes()));
        (StoreBytes::new(&[*key]), value)
    });
    let rows = rows.collect();
    StorageBatch {
        spaces: vec![SpaceWrites {
            space,
            remove,
            rows,
        }],
    }
}

fn rows(storage: &dyn Storage, space: u16) -> Vec<(u8, String)> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let read = |direction| -> Vec<(u8, String)> {
        let rows = storage.read(space, everything, direction, usize::MAX);
        let rows = rows.expect("is read").into_iter();
        rows.map(|(key, value)| (key[0], String::from_utf8_lossy(&value).into_owned()))
            .collect()
    };
    let forward = read(Direction::Forward);
    let mut backward = read(Direction::Backward);
    backward.reverse();
    assert_eq!(forward, backward);
    let len = storage.approximate_len(space).expect("is read");
    assert_eq!(len, forward.len() as u64);
    forward
}

#[test]
fn what_was_written_is_there_after_it_was_opened_again() {
    let dir = TempDir::new();
    let storages = dir.open().expect("is opened");
    let mut storage = storages.open(TASK).expect("is opened");
    assert!(rows(storage.as_ref(), 7).is_empty());
    let all = [(1, Some("a")), (2, Some("b")), (3, Some("c"))];
    storage
        .write(&batch(7, Removal::Nothing, &all))
        .expect("is written");
    storage
        .write(&batch(8, Removal::Nothing, &all))
        .expect("is written");
    let some = [(2, None), (4, Some("d"))];
    storage
        .write(&batch(7, Removal::Below(StoreBytes::new(&[2])), &some))
        .expect("is written");
    storage
        .write(&batch(8, Removal::Everything, &[(9, Some("z"))]))
        .expect("is written");
    let check = |storage: &dyn Storage| {
        assert_eq!(rows(storage, 7), [(3, "c".to_owned()), (4, "d".to_owned())]);
        assert_eq!(rows(storage, 8), [(9, "z".to_owned())]);
        assert_eq!(
            storage.get(7, &[4]).expect("is read").as_deref(),
            Some(&b"d"[..])
        );
        assert_eq!(storage.get(7, &[2]).expect("is read"), None);
        let bounds = (Bound::Excluded(&[3][..]), Bound::Included(&[4][..]));
        let rows = storage.read(7, bounds, Direction::Backward, 3);
        let rows = rows.expect("is read");
        assert_eq!(rows.len(), 1);
    };
    check(storage.as_ref());
    storage.flush().expect("is synced");
    drop(storage);
    drop(storages);
    let storages = dir.open().expect("is free again");
    check(storages.open(TASK).expect("is opened").as_ref());
}

/// A copy of the file is what a crash at that moment leaves: some batches, each of them whole.
#[test]
fn a_crash_leaves_whole_batches() {
    let dir = TempDir::new();
    let storages = dir.open().expect("is opened");
    let mut storage = storages.open(TASK).expect("is opened");
    let large = "x".repeat(5_000);
    for number in 1..=40u8 {
        let value = format!("{number} {large}");
        let all: Vec<_> = (0..20).map(|key| (key, Some(value.as_str()))).collect();
        storage
            .write(&batch(7, Removal::Nothing, &all))
            .expect("is written");
        if number == 20 {
            storage.flush().expect("is synced");
        }
        let other = TaskId::new(9, i32::from(number));
        let copy = dir.0.join("app").join(other.to_string());
        fs::create_dir(&copy).expect("a directory");
        let file = dir.0.join("app").join(TASK.to_string()).join("state.rows");
        fs::copy(file, copy.join("state.rows")).expect("is copied");
        let crashed = storages.open(other).expect("is opened after a crash");
        let values: Vec<String> = rows(crashed.as_ref(), 7)
            .into_iter()
            .map(|(_, value)| value[..2].to_owned())
            .collect();
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        if number >= 20 {
            assert_eq!(values.len(), 20, "what was synced is there");
        }
        drop(crashed);
        fs::remove_dir_all(copy).expect("is removed");
    }
}

#[test]
fn a_directory_or_a_task_that_is_in_use_is_locked() {
    let dir = TempDir::new();
    let storages = dir.open().expect("is opened");
    assert!(matches!(
        dir.open().err(),
        Some(StorageError::Locked { .. })
    ));
    let cleaned = StateDirectory::clean_up(&config("app"), dir.path());
    assert!(matches!(cleaned, Err(StorageError::Locked { .. })));

    let storage = storages.open(TASK).expect("is opened");
    assert!(matches!(
        storages.open(TASK).err(),
        Some(StorageError::Locked { .. })
    ));
    assert!(storages.open(TaskId::new(1, 3)).is_ok());
    drop(storage);
    assert!(storages.open(TASK).is_ok());
}

#[test]
fn a_directory_that_is_not_ours_is_left_alone() {
    let foreign = |name: &str, text: &str| {
        let dir = TempDir::new();
        let path = dir.0.join("app");
        fs::create_dir_all(&path).expect("a directory");
        fs::write(path.join(name), text).expect("is written");
        let error = dir.open().err().expect("is refused");
        let cleaned = StateDirectory::clean_up(&config("app"), dir.path());
        assert_eq!(cleaned, Err(error.clone()));
        assert_eq!(fs::read_to_string(path.join(name)).expect("is there"), text);
        error
    };
    let error = foreign("kafka-streams-process-metadata", "{}");
    assert!(
        error.to_string().contains("kafka-streams-process-metadata"),
        "{error}"
    );
    assert!(matches!(
        foreign("eddyline", "something"),
        StorageError::Foreign { .. }
    ));
    let header = "eddyline state directory, format";
    let error = foreign("eddyline", &format!("{header} 2\napplication.id=other\n"));
    assert!(matches!(&error, StorageError::Foreign { message, .. } if message.contains("other")));
    let error = foreign("eddyline", &format!("{header} 1\napplication.id=app\n"));
    assert!(matches!(&error, StorageError::Foreign { message, .. } if message.contains("earlier")));
    let error = foreign("eddyline", &format!("{header} 3\napplication.id=app\n"));
    assert!(matches!(error, StorageError::Newer { .. }), "{error}");
}

#[test]
fn clean_up_removes_what_is_there() {
    let dir = TempDir::new();
    let clean_up = || StateDirectory::clean_up(&config("app"), dir.path());
    assert_eq!(clean_up(), Ok(()), "nothing is there");
    let storages = dir.open().expect("is opened");
    storages.open(TASK).expect("is opened");
    drop(storages);
    assert_eq!(clean_up(), Ok(()));
    assert!(!dir.0.join("app").exists());
}

#[test]
fn the_state_of_tasks_that_are_elsewhere_is_removed_once_it_is_old() {
    let dir = TempDir::new();
    let directory = StateDirectory::open(&config("app"), dir.path()).expect("is opened");
    let storages = directory.storages();
    let (moved, stays) = (TaskId::new(0, 0), TaskId::new(0, 1));
    storages.open(moved).expect("is opened");
    let held = storages.open(stays).expect("is opened");
    let app = dir.0.join("app");
    fs::create_dir(app.join("0_1x")).expect("a directory of somebody");
    let modified = fs::metadata(app.join("0_0/state.rows")).and_then(|data| data.modified());
    let modified = modified.expect("is there").duration_since(UNIX_EPOCH);
    let modified_ms = modified.expect("after 1970").as_millis() as i64;
    let clean = |before_ms| storages.clean_removed_tasks(WallClock(before_ms));
    assert_eq!(clean(modified_ms), Ok(vec![]), "it is not old");
    assert!(app.join("0_0").exists());
    assert_eq!(clean(i64::MAX), Ok(vec![moved]));
    assert!(!app.join("0_0").exists() && app.join("0_1x").exists());
    drop(held);
    assert_eq!(clean(i64::MAX), Ok(vec![stays]));
    assert!(storages.open(moved).is_ok(), "it may come back");
}

#[test]
fn a_damaged_file_is_an_error_that_says_so() {
    let dir = TempDir::new();
    let storages = dir.open().expect("is opened");
    let open = |storages: &dyn StorageFactory| {
        let opened = storages.open(TASK)?;
        let opened = TaskStorage::open(opened, "app", TASK)?;
        opened.commit_restored(|_| None)
    };
    let mut storage = storages.open(TASK).expect("is opened");
    let all: Vec<_> = (0..200).map(|key| (key, Some("value"))).collect();
    storage
        .write(&batch(7, Removal::Nothing, &all))
        .expect("is written");
    storage.flush().expect("is synced");
    drop(storage);
    let path = dir.0.join("app").join(TASK.to_string()).join("state.rows");
    let good = fs::read(&path).expect("is read");
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("is written");
        open(storages.as_ref())
    };
    assert_eq!(check(&good), Ok(()));
    assert!(matches!(
        check(b"not a database"),
        Err(StorageError::Damaged { .. })
    ));
    let noise: Vec<u8> = (0..good.len()).map(|at| (at * 7) as u8).collect();
    assert!(matches!(check(&noise), Err(StorageError::Damaged { .. })));
    // Pieces may or may not be noticed, but nothing panics.
    for kept in [1, 64, 320, 4096, good.len() / 2] {
        assert!(check(&good[..kept]).is_err(), "{kept} bytes are left");
    }
    for at in (0..good.len()).step_by(good.len() / 97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        check(&bytes).ok();
    }
}

#[test]
fn a_directory_keeps_the_process_id() {
    let dir = TempDir::new();
    let (first, second) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let open = || StateDirectory::open(&config("app"), dir.path()).expect("opens");
    assert_eq!(open().process_id(first), Ok(first));
    assert_eq!(open().process_id(second), Ok(first));
    let file = PathBuf::from(dir.path()).join("app/kafka-streams-process-metadata");
    let java = "{\"processId\" : \"00000000-0000-0000-0000-000000000009\"}\n";
    fs::write(&file, java).expect("written");
    assert_eq!(open().process_id(second), Ok(Uuid::from_u128(9)));
    for wrong in ["", "{}", "{\"processId\":\"x\"}", "{\"other\":\"9\"}"] {
        fs::write(&file, wrong).expect("written");
        let refused = open().process_id(second);
        assert!(
            matches!(refused, Err(StorageError::Damaged { .. })),
            "{wrong}"
        );
    }
    StateDirectory::clean_up(&config("app"), dir.path()).expect("removed");
    assert_eq!(open().process_id(second), Ok(second));
}
