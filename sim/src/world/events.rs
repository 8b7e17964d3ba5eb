//! What is to happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use eddyline_core::time::Instant;

use super::network::End;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The first segment on the way to one end of a connection arrives.
    Arrive { connection: u64, end: End },
    /// The cluster's timer.
    Broker,
    /// Messages or the timer of a client machine.
    Client { thread: u64 },
    /// Messages or the timer of a task runner.
    Runner { thread: u64 },
    /// The next records of the input are produced.
    Input,
    /// A fault of the schedule begins.
    Fault { index: usize },
    /// A fault of the schedule ends.
    Heal { index: usize },
    /// Processes of an instance start, if the ones before are gone.
    Start { instance: usize },
    /// Has everything come to rest?
    Check,
}

/// Events by time; those of one moment in the order they were added.
#[derive(Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    added: u64,
}

impl EventQueue {
    pub(super) fn add(&mut self, at: Instant, event: Event) {
        self.added += 1;
        self.heap.push(Reverse((at, self.added, event)));
    }

    pub(super) fn next(&mut self) -> Option<(Instant, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

/// A machine's place in the queue: the one event of it that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm(Option<Instant>);

impl Alarm {
    /// Sees to it that `event` comes at `at` or earlier.
    pub(super) fn set(&mut self, queue: &mut EventQueue, at: Instant, event: Event) {
        if self.0.is_none_or(|armed| at < armed) {
            self.0 = Some(at);
            queue.add(at, event);
        }
    }

    /// Takes an event that has come: false if an earlier one made up for it.
    pub(super) fn take(&mut self, at: Instant) -> bool {
        let counts = self.0 == Some(at);
        if counts {
            self.0 = None;
        }
        counts
    }
}
