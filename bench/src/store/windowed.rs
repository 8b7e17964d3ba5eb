//! Window and session stores.

use std::hint::black_box;

use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{
    CacheBudget, SessionStore, Stores, TimestampedWindowStore, ValueAndTimestamp,
};
use eddyline_core::window::{Window, Windowed};

use super::{CACHE_BYTES_MAX, Layers, Task};
use crate::keys::Keys;
use crate::rounds::Case;

/// Every key has a row in each of four windows.
pub(super) struct Windows {
    is_fetch: bool,
    store: TimestampedWindowStore<String, i64>,
    task: Task,
    keys: Keys,
}

const WINDOWS: u32 = 4;
const SIZE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Windows {
    pub(super) fn new(operation: &str, layers: Layers, rows: u32) -> Self {
        let supplier = match layers.is_persistent {
            true => Stores::persistent_window_store("windows", DAY_MS, SIZE_MS, false),
            false => Stores::in_memory_window_store("windows", DAY_MS, SIZE_MS, false),
        };
        let mut builder = Stores::timestamped_window_store_builder(
            supplier.expect("times are valid"),
            String::default_serde(),
            i64::default_serde(),
        );
        if layers.is_cached {
            builder = builder.with_caching_enabled();
        }
        let mut store = builder.build_typed(&CacheBudget::new(CACHE_BYTES_MAX));
        let mut case = Self {
            is_fetch: operation == "fetch",
            task: Task::new(&mut store, layers),
            store,
            keys: Keys::new(rows / WINDOWS),
        };
        for number in 0..case.keys.count() {
            for window in 0..WINDOWS {
                case.put(number, window);
            }
            if number % 25_000 == 0 {
                case.commit();
            }
        }
        case.commit();
        case
    }

    fn put(&mut self, number: u32, window: u32) {
        let timestamp = self.task.next_record();
        let value = ValueAndTimestamp::new(timestamp, timestamp);
        let start = i64::from(window) * SIZE_MS;
        let key = self.keys.text(number);
        self.store
            .put(key, Some(&value), start, &self.task.context)
            .expect("rows are written");
        self.task.end_record(&mut self.store);
    }
}

impl Case for Windows {
    fn operate(&mut self, count: usize) {
        for at in 0..count {
            let number = self.keys.next_number();
            if self.is_fetch {
                let key = self.keys.text(number);
                let rows = self.store.fetch(key, 0, i64::from(WINDOWS) * SIZE_MS);
                for row in rows.expect("keys are written") {
                    black_box(row.expect("longs are read"));
                }
            } else {
                self.put(number, at as u32 % WINDOWS);
            }
        }
    }

    fn commit(&mut self) {
        self.task.commit(&mut self.store);
    }
}

/// Every key has one session, which each of its records makes longer: what a session count does.
pub(super) struct Sessions {
    store: SessionStore<String, i64>,
    task: Task,
    keys: Keys,
    merged: Vec<(Windowed<String>, i64)>,
}

impl Sessions {
    pub(super) fn new(layers: Layers, rows: u32) -> Self {
        let supplier = match layers.is_persistent {
            true => Stores::persistent_session_store("sessions", DAY_MS),
            false => Stores::in_memory_session_store("sessions", DAY_MS),
        };
        let mut builder = Stores::session_store_builder(
            supplier.expect("times are valid"),
            String::default_serde(),
            i64::default_serde(),
        );
        if layers.is_cached {
            builder = builder.with_caching_enabled();
        }
        let mut store = builder.build_typed(&CacheBudget::new(CACHE_BYTES_MAX));
        let mut case = Self {
            task: Task::new(&mut store, layers),
            store,
            keys: Keys::new(rows),
            merged: Vec::new(),
        };
        // Later than the gap: Java's cache fails at sessions that could begin before 1970.
        case.task.context.timestamp = 10 * DAY_MS;
        for number in 0..rows {
            let timestamp = case.task.next_record();
            let key = case.keys.text(number).clone();
            let session = Windowed::new(key, Window::new(timestamp, timestamp));
            case.put(&session, 1);
            if number % 100_000 == 0 {
                case.commit();
            }
        }
        case.commit();
        case
    }

    fn put(&mut self, session: &Windowed<String>, count: i64) {
        self.store
            .put(session, Some(&count), &self.task.context)
            .expect("rows are written");
        self.task.end_record(&mut self.store);
    }
}

impl Case for Sessions {
    fn operate(&mut self, count: usize) {
        for _ in 0..count {
            let timestamp = self.task.next_record();
            let key = self.keys.next();
            let found = self
                .store
                .find_sessions(key, timestamp - DAY_MS, timestamp + DAY_MS);
            let found = found.expect("keys are written");
            self.merged.clear();
            self.merged
                .extend(found.map(|session| session.expect("longs are read")));
            let (mut start, mut count) = (timestamp, 1);
            for (session, value) in &self.merged {
                start = start.min(session.window.start);
                count += value;
                self.store
                    .remove(session, &self.task.context)
                    .expect("rows are written");
            }
            let (session, _) = self.merged.pop().expect("every key has a session");
            let session = Windowed::new(session.key, Window::new(start, timestamp));
            self.put(&session, count);
        }
    }

    fn commit(&mut self) {
        self.task.commit(&mut self.store);
    }
}
