//! Punctuators: calls at intervals of stream time or wall-clock time.

use std::time::Duration;

use crate::collections::JavaHeap;
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

#[derive(Clone, Copy)]
pub(super) struct Schedule {
    pub(super) id: Cancellable,
    pub(super) node: usize,
    kind: PunctuationType,
    interval_ms: i64,
    /// Time of the next call.
    next: i64,
    is_cancelled: bool,
}

/// The punctuators of one task (Java: `PunctuationQueue`, one for each kind of time).
#[derive(Default)]
pub(super) struct PunctuationQueue {
    stream_time: JavaHeap<Schedule>,
    wall_clock: JavaHeap<Schedule>,
    /// The one that is being called, which may cancel itself.
    running: Option<Schedule>,
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
                ProcessorError::new("a punctuation interval is from 1 to 2^63 - 1 milliseconds")
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
        let schedule = Schedule {
            id,
            node,
            kind,
            interval_ms,
            next,
            is_cancelled: false,
        };
        self.queue(kind).offer(schedule, |schedule| schedule.next);
        Ok(id)
    }

    const fn queue(&mut self, kind: PunctuationType) -> &mut JavaHeap<Schedule> {
        match kind {
            PunctuationType::StreamTime => &mut self.stream_time,
            PunctuationType::WallClockTime => &mut self.wall_clock,
        }
    }

    /// A cancelled one keeps its place until it is due, as in Java.
    pub(super) fn cancel(&mut self, id: Cancellable) {
        let waiting = self.stream_time.iter_mut();
        let waiting = waiting.chain(self.wall_clock.iter_mut());
        for schedule in waiting.chain(&mut self.running) {
            schedule.is_cancelled |= schedule.id == id;
        }
    }

    /// Takes the next one that is due, to be called once, however many intervals have passed;
    /// [`called`](Self::called) puts it back.
    pub(super) fn pop_due(&mut self, kind: PunctuationType, time_ms: i64) -> Option<Schedule> {
        if time_ms < 0 && kind == PunctuationType::StreamTime {
            return None;
        }
        loop {
            let queue = self.queue(kind);
            queue.peek().filter(|first| first.next <= time_ms)?;
            let schedule = queue.poll(|schedule| schedule.next)?;
            if !schedule.is_cancelled {
                self.running = Some(schedule);
                return Some(schedule);
            }
        }
    }

    /// The one taken last was called at `time_ms`.
    pub(super) fn called(&mut self, time_ms: i64) {
        if let Some(mut schedule) = self.running.take().filter(|taken| !taken.is_cancelled) {
            schedule.next = next_after(schedule.next, schedule.interval_ms, time_ms);
            self.queue(schedule.kind)
                .offer(schedule, |schedule| schedule.next);
        }
    }

    pub(super) fn next_wall_clock(&self) -> Option<i64> {
        let waiting = self.wall_clock.iter();
        let waiting = waiting.filter(|schedule| !schedule.is_cancelled);
        waiting.map(|schedule| schedule.next).min()
    }
}

/// The first of `from` and whole intervals after it that lies after `time_ms`, which does not lie
/// before `from`.
fn next_after(from: i64, interval_ms: i64, time_ms: i64) -> i64 {
    let passed = (time_ms - from).div_euclid(interval_ms) + 1;
    from.saturating_add(passed.saturating_mul(interval_ms))
}
