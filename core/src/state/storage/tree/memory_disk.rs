//! A disk in memory that crashes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::StorageError;
use super::pool::Disk;
use crate::rng::Rng;

/// A [`Disk`] for tests and simulations: a crash loses what was not synced, in any mix of sectors,
/// and it runs full where one wants it to.
#[derive(Debug, Default)]
pub struct MemoryDisk(Mutex<Content>);

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    /// What no crash takes away.
    settled: Vec<u8>,
    /// What happened since.
    events: Vec<Event>,
    syncs: usize,
    writes_left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Event {
    Write(usize, Box<[u8]>),
    Truncate(usize),
    Sync,
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// How far back a crash may be.
const SYNCS_MAX: usize = 64;

impl MemoryDisk {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A crash happens now: what was synced is there, and any sectors of the rest.
    pub fn crash(&self, rng: &mut Rng) {
        self.content().crash(rng, usize::MAX);
    }

    /// A crash happened at any moment since the last [`settle`](Self::settle), or a while ago.
    pub fn crash_earlier(&self, rng: &mut Rng) {
        let mut content = self.content();
        let events = rng.below(content.events.len() as u64 + 1) as usize;
        content.crash(rng, events);
    }

    /// No crash takes away what was written so far.
    pub fn settle(&self) {
        self.content().settle(usize::MAX);
    }

    /// After so many writes it is full; `None` has room for all.
    pub fn limit_writes(&self, writes: Option<u64>) {
        self.content().writes_left = writes;
    }
}

impl Clone for MemoryDisk {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.content().clone()))
    }
}

impl Content {
    /// Keeps what the first `events` left.
    fn crash(&mut self, rng: &mut Rng, events: usize) {
        self.events.truncate(events);
        let synced = self
            .events
            .iter()
            .rposition(|event| matches!(event, Event::Sync));
        self.settle(synced.map_or(0, |at| at + 1));
        let mut kept = std::mem::take(&mut self.settled);
        for event in self.events.drain(..) {
            match event {
                Event::Write(offset, bytes) => {
                    for (at, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        if rng.chance(1, 2) {
                            put(&mut kept, offset + at * SECTOR_BYTES, sector);
                        }
                    }
                }
                Event::Truncate(len) if rng.chance(1, 2) => kept.truncate(len),
                Event::Truncate(_) | Event::Sync => {}
            }
        }
        self.now.clone_from(&kept);
        (self.settled, self.syncs) = (kept, 0);
    }

    fn settle(&mut self, events: usize) {
        let events = events.min(self.events.len());
        for event in self.events.drain(..events) {
            match event {
                Event::Write(offset, bytes) => put(&mut self.settled, offset, &bytes),
                Event::Truncate(len) => self.settled.truncate(len),
                Event::Sync => self.syncs = self.syncs.saturating_sub(1),
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(written);
}

impl Disk for MemoryDisk {
    fn size(&self) -> Result<u64, StorageError> {
        Ok(self.content().now.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
        let content = self.content();
        let start = usize::try_from(offset).ok();
        let read = start.and_then(|start| content.now.get(start..start.checked_add(bytes.len())?));
        let read = read.ok_or_else(|| StorageError::Damaged {
            place: PLACE.to_owned(),
            message: "it ends before".to_owned(),
        })?;
        bytes.copy_from_slice(read);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut content = self.content();
        let full = || StorageError::Full {
            place: PLACE.to_owned(),
        };
        if let Some(left) = &mut content.writes_left {
            *left = left.checked_sub(1).ok_or_else(full)?;
        }
        let offset = usize::try_from(offset).map_err(|_| full())?;
        put(&mut content.now, offset, bytes);
        content.events.push(Event::Write(offset, Box::from(bytes)));
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        let mut content = self.content();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        content.now.truncate(len);
        content.events.push(Event::Truncate(len));
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        let mut content = self.content();
        content.events.push(Event::Sync);
        content.syncs += 1;
        if content.syncs > SYNCS_MAX {
            let mut events = content.events.iter();
            let first = events.position(|event| matches!(event, Event::Sync));
            content.settle(first.map_or(0, |at| at + 1));
        }
        Ok(())
    }
}

/// As errors name it.
const PLACE: &str = "a disk in memory";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeedTree;

    fn content(disk: &MemoryDisk) -> Vec<u8> {
        let mut bytes = vec![0; disk.size().expect("is read") as usize];
        disk.read_at(0, &mut bytes).expect("is read");
        bytes
    }

    #[test]
    fn a_crash_keeps_what_was_synced() {
        let mut rng = SeedTree::new(1).rng();
        let disk = MemoryDisk::new();
        disk.write_at(0, &[1; 2048]).expect("has room");
        disk.sync().expect("has room");
        disk.write_at(512, &[2; 1024]).expect("has room");
        let (mut lost, mut torn, mut kept) = (false, false, false);
        for _ in 0..50 {
            let crashed = disk.clone();
            crashed.crash(&mut rng);
            let found = content(&crashed);
            assert!(found[..512] == [1; 512] && found[1536..] == [1; 512]);
            let sectors = (found[600], found[1100]);
            lost |= sectors == (1, 1);
            kept |= sectors == (2, 2);
            torn |= sectors.0 != sectors.1;
        }
        assert!(lost && torn && kept);
    }

    #[test]
    fn a_crash_that_was_earlier_loses_syncs_up_to_where_it_settled() {
        let mut rng = SeedTree::new(1).rng();
        let disk = MemoryDisk::new();
        for number in 0..200 {
            disk.write_at(number, &[number as u8]).expect("has room");
            disk.sync().expect("has room");
        }
        let left = |rng: &mut Rng| {
            let crashed = disk.clone();
            crashed.crash_earlier(rng);
            content(&crashed).len()
        };
        let left: Vec<usize> = (0..200).map(|_| left(&mut rng)).collect();
        let least = left.iter().min();
        assert!(
            least >= Some(&(200 - SYNCS_MAX)) && least < Some(&150),
            "{least:?}"
        );
        assert!(left.contains(&200));
        disk.settle();
        disk.crash_earlier(&mut rng);
        assert_eq!(content(&disk).len(), 200);
    }

    #[test]
    fn it_runs_full() {
        let disk = MemoryDisk::new();
        disk.limit_writes(Some(1));
        assert_eq!(disk.write_at(0, b"a"), Ok(()));
        assert!(matches!(
            disk.write_at(1, b"b"),
            Err(StorageError::Full { .. })
        ));
        disk.limit_writes(None);
        assert_eq!(disk.write_at(1, b"b"), Ok(()));
        assert!(matches!(
            disk.read_at(1, &mut [0; 2]),
            Err(StorageError::Damaged { .. })
        ));
    }
}
