//! What the two sides of a join of streams know of time.

use std::cell::Cell;

use crate::time::WallClock;

/// Times that both sides of a join go by (Java: `KStreamImplJoin.TimeTracker`).
#[derive(Debug)]
pub(in crate::dsl) struct TimeTracker {
    /// The highest timestamp of either stream.
    stream_time: Cell<i64>,
    /// The earliest record that has not joined yet, as far as is known; `i64::MAX` when none is.
    min_time: Cell<i64>,
    /// When results of records that did not join may be emitted next.
    next_time_to_emit: Cell<i64>,
}

impl Default for TimeTracker {
    fn default() -> Self {
        Self {
            stream_time: Cell::new(-1),
            min_time: Cell::new(i64::MAX),
            next_time_to_emit: Cell::new(0),
        }
    }
}

impl TimeTracker {
    pub(super) fn stream_time(&self) -> i64 {
        self.stream_time.get()
    }

    pub(super) fn advance_stream_time(&self, timestamp: i64) {
        self.stream_time.set(self.stream_time.get().max(timestamp));
    }

    /// Notes a record that waits for one to join.
    pub(super) fn add_unmatched(&self, timestamp: i64) {
        self.min_time.set(self.min_time.get().min(timestamp));
    }

    /// Notes the earliest record that waits, [`i64::MAX`] if there is none.
    pub(super) fn set_min_time(&self, timestamp: i64) {
        self.min_time.set(timestamp);
    }

    /// False while no record that waits can be too old to join, where it could for `joinable_ms`.
    /// After a start nothing is known, so this is true once: Java's sum overflows there.
    pub(super) fn may_have_expired(&self, joinable_ms: i64) -> bool {
        self.has_expired(self.min_time.get(), joinable_ms)
    }

    /// True when a record of `timestamp` that is joinable for `joinable_ms` is too old to join.
    pub(super) fn has_expired(&self, timestamp: i64, joinable_ms: i64) -> bool {
        timestamp.wrapping_add(joinable_ms) < self.stream_time.get()
    }

    /// True when results may be emitted, and not again for `interval_ms`.
    pub(super) fn take_turn(&self, now: WallClock, interval_ms: u64) -> bool {
        if now.0 < self.next_time_to_emit.get() {
            return false;
        }
        let next = now.0.saturating_add_unsigned(interval_ms);
        self.next_time_to_emit.set(next);
        true
    }
}
