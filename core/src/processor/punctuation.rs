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
    /// Time of the next call; `None` before the first sight of stream time.
    next: Option<i64>,
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
        interval: Duration,
        kind: PunctuationType,
        wall_clock_ms: i64,
    ) -> Result<Cancellable, ProcessorError> {
        let interval_ms = i64::try_from(interval.as_millis())
            .ok()
            .filter(|interval| *interval >= 1)
            .ok_or_else(|| {
                ProcessorError::new("a punctuation interval must be at least a millisecond")
            })?;
        self.ids += 1;
        let id = Cancellable(self.ids);
        let next = match kind {
            // Fires on the first record, then aligned to the interval.
            PunctuationType::StreamTime => None,
            PunctuationType::WallClockTime => Some(wall_clock_ms.saturating_add(interval_ms)),
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
            .filter(|s| s.kind == kind && s.next.is_none_or(|next| next <= time_ms))
            .min_by_key(|s| s.next)?;
        // As in Java: the next multiple of the interval after now, counted from the call due.
        let from = due.next.unwrap_or(0);
        let passed = (time_ms - from).div_euclid(due.interval_ms) + 1;
        due.next = Some(from.saturating_add(passed.saturating_mul(due.interval_ms)));
        Some((due.node, due.id, time_ms))
    }

    pub(super) fn next_wall_clock(&self) -> Option<i64> {
        let wall = |s: &&Schedule| s.kind == PunctuationType::WallClockTime;
        self.schedules
            .iter()
            .filter(wall)
            .filter_map(|s| s.next)
            .min()
    }
}
