//! Key-value stores with timestamps.

use std::hint::black_box;

use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{CacheBudget, Stores, TimestampedKeyValueStore, ValueAndTimestamp};

use super::{CACHE_BYTES_MAX, Layers, Task};
use crate::keys::Keys;
use crate::rounds::Case;

#[derive(Clone, Copy)]
enum Operation {
    Get,
    Put,
    /// Reads a count and writes it plus one, as an aggregation does.
    GetPut,
    /// Reads 100 rows from a key on.
    Range,
}

pub(super) struct KeyValues {
    operation: Operation,
    store: TimestampedKeyValueStore<String, i64>,
    task: Task,
    keys: Keys,
}

/// An empty store.
pub(super) fn store(layers: Layers) -> TimestampedKeyValueStore<String, i64> {
    let supplier = match layers.is_persistent {
        true => Stores::persistent_key_value_store("counts"),
        false => Stores::in_memory_key_value_store("counts"),
    };
    let (keys, values) = (String::default_serde(), i64::default_serde());
    let mut builder = Stores::timestamped_key_value_store_builder(supplier, keys, values);
    if layers.is_cached {
        builder = builder.with_caching_enabled();
    }
    builder.build_typed(&CacheBudget::new(CACHE_BYTES_MAX))
}

impl KeyValues {
    pub(super) fn new(operation: &str, layers: Layers, keys: u32) -> Self {
        let mut store = store(layers);
        let mut case = Self {
            operation: match operation {
                "get" => Operation::Get,
                "put" => Operation::Put,
                "get+put" => Operation::GetPut,
                _ => Operation::Range,
            },
            task: Task::new(&mut store, layers),
            store,
            keys: Keys::new(keys),
        };
        for number in 0..keys {
            let timestamp = case.task.next_record();
            case.put(number, 0, timestamp);
            if number % 100_000 == 0 {
                case.commit();
            }
        }
        case.commit();
        case
    }

    fn put(&mut self, number: u32, value: i64, timestamp: i64) {
        let value = ValueAndTimestamp::new(value, timestamp);
        let (store, key) = (&mut self.store, self.keys.text(number));
        store
            .put(key, Some(&value), &self.task.context)
            .expect("rows are written");
        self.task.end_record(&mut self.store);
    }

    fn get(&mut self, number: u32) -> i64 {
        let found = self.store.get(self.keys.text(number));
        let count = found
            .expect("longs are read")
            .map_or(0, |count| count.value);
        if matches!(self.operation, Operation::Get) {
            // What is read goes into the cache, which may evict something.
            self.task.end_record(&mut self.store);
        }
        count
    }

    fn range(&mut self, number: u32) {
        let first = self.keys.text(number).clone();
        let rows = self.store.range(first..).expect("keys are written");
        for row in rows.take(100) {
            black_box(row.expect("longs are read"));
        }
    }
}

impl Case for KeyValues {
    fn operate(&mut self, count: usize) {
        for _ in 0..count {
            let timestamp = self.task.next_record();
            let number = self.keys.next_number();
            match self.operation {
                Operation::Get => drop(black_box(self.get(number))),
                Operation::Put => self.put(number, timestamp, timestamp),
                Operation::GetPut => {
                    let count = self.get(number);
                    self.put(number, count + 1, timestamp);
                }
                Operation::Range => self.range(number),
            }
        }
    }

    fn commit(&mut self) {
        self.task.commit(&mut self.store);
    }
}
