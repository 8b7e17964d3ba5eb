//! Versioned stores.

use std::hint::black_box;

use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{Stores, VersionedKeyValueStore};

use super::{Layers, Task};
use crate::keys::Keys;
use crate::rounds::Case;

/// Every key has four versions, a second apart.
pub(super) struct Versions {
    is_get: bool,
    store: VersionedKeyValueStore<String, i64>,
    task: Task,
    keys: Keys,
    next: i64,
}

const VERSIONS: u32 = 4;
const BETWEEN_MS: i64 = 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;

impl Versions {
    pub(super) fn new(operation: &str, layers: Layers, rows: u32) -> Self {
        let supplier = match layers.is_persistent {
            true => Stores::persistent_versioned_key_value_store("versions", HOUR_MS, None),
            false => Stores::in_memory_versioned_key_value_store("versions", HOUR_MS, None),
        };
        let supplier = supplier.expect("times are valid");
        let (keys, values) = (String::default_serde(), i64::default_serde());
        let builder = Stores::versioned_key_value_store_builder(supplier, keys, values);
        let mut store = builder.build_typed();
        let mut case = Self {
            is_get: operation == "get-as-of",
            task: Task::new(&mut store, layers),
            store,
            keys: Keys::new(rows / VERSIONS),
            next: 0,
        };
        for version in 0..VERSIONS {
            for number in 0..case.keys.count() {
                case.put(number, i64::from(version) * BETWEEN_MS);
                if number % 100_000 == 0 {
                    case.commit();
                }
            }
        }
        case.commit();
        case
    }

    fn put(&mut self, number: u32, timestamp: i64) {
        let value = self.task.next_record();
        let key = self.keys.text(number);
        self.store
            .put(key, Some(&value), timestamp)
            .expect("rows are written");
        self.task.end_record(&mut self.store);
    }
}

impl Case for Versions {
    fn operate(&mut self, count: usize) {
        for _ in 0..count {
            self.next = (self.next + 1) % i64::from(VERSIONS);
            let (number, timestamp) = (self.keys.next_number(), self.next * BETWEEN_MS);
            if self.is_get {
                let key = self.keys.text(number);
                let found = self.store.get_as_of(key, timestamp + BETWEEN_MS / 2);
                black_box(found.expect("longs are read"));
            } else {
                self.put(number, timestamp);
            }
        }
    }

    fn commit(&mut self) {
        self.task.commit(&mut self.store);
    }
}
