//! Restoring a key-value store from its changelog.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eddyline_core::state::{ChangelogRecord, StateStore};
use eddyline_core::types::Headers;

use super::{Layers, Task, key_value};
use crate::keys::Keys;

pub(super) const NAMES: [&str; 2] = ["restore/memory/plain", "restore/persistent/plain"];

/// Restores `records` records of as many keys, in no order, and gives how many a second. What
/// comes from the broker is made outside the time measured, a poll of records at once.
pub(super) fn records_per_second(name: &str, records: u32) -> f64 {
    let layers = Layers {
        is_persistent: name.contains("/persistent"),
        is_cached: false,
    };
    let mut store = key_value::store(layers);
    let task = Task::new(&mut store, layers);
    let storage = task.storage.as_ref().map(|(storage, _)| storage);
    let mut keys = Keys::new(records);
    let mut restored = 0_u32;
    let mut elapsed = Duration::ZERO;
    while restored < records {
        let count = POLLED.min(records - restored);
        let polled: Vec<_> = (restored..restored + count)
            .map(|timestamp| record(&mut keys, timestamp))
            .collect();
        restored += count;
        let start = Instant::now();
        for record in polled {
            store.restore(record).expect("rows are written");
        }
        if let Some(storage) = storage
            && (storage.uncommitted_bytes() >= BATCH_BYTES || restored == records)
        {
            let offset = Some(i64::from(restored));
            storage.commit_restored(|_| offset).expect("is written");
        }
        elapsed += start.elapsed();
    }
    f64::from(records) / elapsed.as_secs_f64()
}

fn record(keys: &mut Keys, timestamp: u32) -> ChangelogRecord {
    ChangelogRecord {
        key: Bytes::copy_from_slice(keys.next().as_bytes()),
        value: Some(Bytes::copy_from_slice(&i64::from(timestamp).to_be_bytes())),
        timestamp: i64::from(timestamp),
        headers: Headers::new(),
    }
}

/// `max.poll.records` of Java's restore consumer.
const POLLED: u32 = 1000;

/// `statestore.uncommitted.max.bytes`, as a thread does it.
const BATCH_BYTES: usize = 64 << 20;
