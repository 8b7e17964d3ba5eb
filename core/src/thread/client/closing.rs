//! How a stream thread ends.

use super::ClientMachine;
use crate::error::StreamsError;
use crate::mutation::Mutation;
use crate::net::{ClientEvent, ThreadState};
use crate::thread::message::RunnerMessage;
use crate::time::{Instant, Now};

/// How far closing has come. Every step has an end in time, so that a thread without brokers
/// closes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// The runner commits and closes its tasks.
    Tasks {
        until: Instant,
    },
    /// The runner drops its tasks: it failed or took too long.
    Abort {
        until: Instant,
    },
    /// Produced batches and commits are on their way.
    Settling {
        until: Instant,
    },
    /// The group is told.
    Leaving {
        until: Instant,
    },
    Closed,
}

impl Closing {
    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::No | Self::Closed => None,
            Self::Tasks { until }
            | Self::Abort { until }
            | Self::Settling { until }
            | Self::Leaving { until } => Some(until),
        }
    }
}

impl ClientMachine {
    /// Closes gracefully: the runner commits and closes its tasks, then the group is left. Takes
    /// 35 seconds at most, also without a broker.
    pub fn close(&mut self, now: Now) {
        self.close_within(now, CLOSE_TIMEOUT_MS);
    }

    /// As [`ClientMachine::close`], with `timeout_ms` for the tasks to commit and close; after
    /// that they are dropped and their last records are processed again by whoever gets them. Called
    /// once more it can only take less time.
    pub fn close_within(&mut self, now: Now, timeout_ms: u64) {
        let until = now.instant.plus_ms(timeout_ms.max(1));
        if let Closing::Tasks { until: before } = &mut self.closing {
            *before = until.min(*before);
        }
        if self.closing == Closing::No {
            self.closing = Closing::Tasks { until };
            self.held = None;
            self.sources_missing = None;
            self.change_state(ThreadState::PendingShutdown);
            self.tell(RunnerMessage::Close);
        }
        self.pump(now.instant);
    }

    /// Has the group stop the whole application, every member of it, when this one leaves (Java:
    /// `SHUTDOWN_APPLICATION`). To be called before it has left: on
    /// [`ClientEvent::Failed`].
    pub const fn request_shutdown(&mut self) {
        self.membership.request_shutdown();
    }

    /// Cannot go on: tells the listener, has the tasks dropped, leaves.
    pub(super) fn fail(&mut self, now: Instant, error: StreamsError) {
        match self.closing {
            Closing::No => {}
            Closing::Tasks { .. } => {}
            // The first error is the cause.
            _ => return,
        }
        self.held = None;
        self.sources_missing = None;
        self.patience.clear();
        if self.is_exactly_once && !self.mutant.is(Mutation::DirtyCommit) {
            // What is open is aborted at once: nobody has to wait until it times out.
            self.producer.abandon();
        }
        self.event(ClientEvent::Failed(error.clone()));
        self.change_state(ThreadState::PendingShutdown);
        self.tell(RunnerMessage::Abort(error));
        self.answer_by = Some(now.plus_ms(ANSWER_TIMEOUT_MS));
        let until = now.plus_ms(ABORT_TIMEOUT_MS);
        self.closing = Closing::Abort { until };
    }

    /// The runner has closed every task.
    pub(super) fn tasks_closed(&mut self, now: Instant) {
        if matches!(self.closing, Closing::Tasks { .. } | Closing::Abort { .. }) {
            let until = now.plus_ms(SETTLE_TIMEOUT_MS);
            self.closing = Closing::Settling { until };
        }
    }

    /// The group knows, or cannot be told.
    pub(super) fn left(&mut self, _now: Instant) {
        if matches!(self.closing, Closing::Leaving { .. }) {
            self.finish();
        }
    }

    /// Takes the next step of closing when it is due. Returns whether one was taken.
    pub(super) fn advance_closing(&mut self, now: Instant) -> bool {
        self.answer_by = self.answer_by.filter(|by| *by > now);
        let late = self.closing.deadline().is_some_and(|until| until <= now);
        match self.closing {
            Closing::Tasks { .. } if late => {
                let message = "tasks could not be closed in the time given".to_string();
                self.fail(now, StreamsError::Unreachable(message));
            }
            Closing::Abort { .. } if late => self.tasks_closed(now),
            Closing::Settling { .. }
                if late
                    || (self.producer.is_idle()
                        && self.offsets.is_idle()
                        && self.answer_by.is_none()) =>
            {
                let until = now.plus_ms(LEAVE_TIMEOUT_MS);
                self.closing = Closing::Leaving { until };
                self.membership.leave(now);
            }
            Closing::Leaving { .. } if late => self.finish(),
            _ => return false,
        }
        true
    }

    fn finish(&mut self) {
        self.closing = Closing::Closed;
        self.cluster.shut_down();
        self.take_outputs();
        self.change_state(ThreadState::Dead);
        self.event(ClientEvent::Closed);
    }
}

/// Time for tasks to commit and close; Java waits without end unless `close` is given a time.
const CLOSE_TIMEOUT_MS: u64 = 30_000;
/// Time for the runner to drop its tasks; user code may be busy.
const ABORT_TIMEOUT_MS: u64 = 2_000;
/// Time for the driver to ask for a shutdown of the whole application when it hears of a failure.
const ANSWER_TIMEOUT_MS: u64 = 1;
/// Time for what the runner sent last.
const SETTLE_TIMEOUT_MS: u64 = 1_000;
/// Time for the leave heartbeat and its answer.
const LEAVE_TIMEOUT_MS: u64 = 2_000;
