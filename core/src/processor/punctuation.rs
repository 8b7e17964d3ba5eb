//! Punctuators: calls at intervals of stream time or wall-clock time.

use std::time::Duration;

use crate::processor::ProcessorError;

/// Which time a punctuator follows (Java: `PunctuationType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PunctuationType {
    /// The highest timestamp of the task's records.
    StreamTime,
    /// The driver's wall clock.
    WallClockTime,
}

/// Names a punctuator; hand it to `ProcessorContext::cancel` to stop it (Java: `Cancellable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellable(u64);

struct Schedule {
    id: Cancellable,
    node: usize,
    kind: PunctuationType,
    interval_ms: i64,
    /// Time of the next call.
    next: i64,
}

/// The punctuators of one task (Java: `PunctuationQueue`).
#[derive(Default)]
pub(super) struct PunctuationQueue {
    schedules: Vec<Schedule>,
    ids: u64,
}

impl PunctuationQueue {
    pub(super) fn schedule(
        &mut self,
        node: usize,
        start_ms: Option<i64>,
        interval: Duration,
        kind: PunctuationType,
        wall_clock_ms: i64,
    ) -> Result<Cancellable, ProcessorError> {
        if start_ms.is_some_and(|start| start < 0) {
            return Err(ProcessorError::new("a punctuation cannot start before 0"));
        }
        let interval_ms = i64::try_from(interval.as_millis())
            .ok()
            .filter(|interval| *interval >= 1)
            .ok_or_else(|| {
                ProcessorError::new("a punctuation interval must be at least a millisecond")
            })?;
        self.ids += 1;
        let id = Cancellable(self.ids);
        let next = match (kind, start_ms) {
            // Fires on the first record, then aligned to the interval.
            (PunctuationType::StreamTime, start) => start.unwrap_or(0),
            (PunctuationType::WallClockTime, None) => wall_clock_ms.saturating_add(interval_ms),
            // What lies in the past was missed.
            (PunctuationType::WallClockTime, Some(start)) if start < wall_clock_ms => {
                next_after(start, interval_ms, wall_clock_ms)
            }
            (PunctuationType::WallClockTime, Some(start)) => start,
        };
        self.schedules.push(Schedule {
            id,
            node,
            kind,
            interval_ms,
            next,
        });
        Ok(id)
    }

    pub(super) fn cancel(&mut self, id: Cancellable) {
        self.schedules.retain(|schedule| schedule.id != id);
    }

    /// The next due call: node, punctuator and its time. One call per advance, however many
    /// intervals have passed.
    pub(super) fn pop_due(
        &mut self,
        kind: PunctuationType,
        time_ms: i64,
    ) -> Option<(usize, Cancellable, i64)> {
        if time_ms < 0 && kind == PunctuationType::StreamTime {
            return None;
        }
        let due = self
            .schedules
            .iter_mut()
            .filter(|s| s.kind == kind && s.next <= time_ms)
            .min_by_key(|s| s.next)?;
        due.next = next_after(due.next, due.interval_ms, time_ms);
        Some((due.node, due.id, time_ms))
    }

    pub(super) fn next_wall_clock(&self) -> Option<i64> {
        let wall = |s: &&Schedule| s.kind == PunctuationType::WallClockTime;
        self.schedules.iter().filter(wall).map(|s| s.next).min()
    }
}

/// The first of `from` and whole intervals after it that lies after `time_ms`, which does not lie
/// before `from`.
fn next_after(from: i64, interval_ms: i64, time_ms: i64) -> i64 {
    let passed = (time_ms - from).div_euclid(interval_ms) + 1;
    from.saturating_add(passed.saturating_mul(interval_ms))
}
