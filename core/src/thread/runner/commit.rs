//! Commits: flush, wait for what was produced, commit the offsets.

use super::TaskRunner;
use crate::error::StreamsError;
use crate::task::StreamTask;
use crate::thread::message::{ClientMessage, CommitFailure};
use crate::time::Now;
use crate::trace::Level;
use crate::types::{OffsetAndMetadata, TopicPartition};

/// Where the one commit there may be stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CommitPhase {
    /// There is none.
    Idle,
    /// Waits until every batch up to `barrier` is written.
    Flushing {
        barrier: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    },
    /// Waits for the group's answer.
    Committing { ticket: u64 },
}

impl TaskRunner {
    /// Commits by the clock, or because a processor asked.
    pub(super) fn commit_when_due(&mut self, now: Now) -> Result<(), StreamsError> {
        let mut due = self.next_commit <= now.instant || self.is_commit_wanted();
        for task in self.tasks.values_mut() {
            due |= task.take_commit_request();
        }
        if due && self.commit == CommitPhase::Idle {
            self.next_commit = now.instant.plus_ms(self.config.commit_interval_ms());
            if self.tasks.values().any(StreamTask::is_commit_needed) {
                self.begin_commit(now)?;
            }
        }
        Ok(())
    }

    /// Begins the commit of every task that processed something.
    pub(super) fn begin_commit(&mut self, now: Now) -> Result<(), StreamsError> {
        let mut offsets = Vec::new();
        for task in self
            .tasks
            .values_mut()
            .filter(|task| task.is_commit_needed())
        {
            offsets.extend(task.prepare_commit(now)?);
        }
        let barrier = self.collector.borrow_mut().begin_commit();
        self.commit = CommitPhase::Flushing { barrier, offsets };
        self.advance_commit();
        Ok(())
    }

    fn advance_commit(&mut self) {
        let CommitPhase::Flushing { barrier, offsets } = &mut self.commit else {
            return;
        };
        if !self.collector.borrow().is_acknowledged_to(*barrier) {
            return;
        }
        let offsets = std::mem::take(offsets);
        // A transaction may have to end without any.
        if offsets.is_empty() && !self.config.is_exactly_once() {
            self.commit = CommitPhase::Idle;
            return self.post_commit();
        }
        let ticket = self.next_ticket();
        self.commit = CommitPhase::Committing { ticket };
        self.tell(ClientMessage::Commit { ticket, offsets });
    }

    pub(super) fn produced(&mut self, ticket: u64, result: Result<i64, StreamsError>) {
        // A batch of tasks that are lost is nobody's any more.
        let mut collector = self.collector.borrow_mut();
        let is_ours = match result {
            Ok(base_offset) => collector.written(ticket, base_offset),
            Err(_) => collector.acknowledged(ticket),
        };
        drop(collector);
        match result {
            _ if !is_ours => {}
            Ok(_) => self.advance_commit(),
            Err(error) => self.fail(error),
        }
    }

    pub(super) fn committed(&mut self, ticket: u64, result: Result<(), CommitFailure>) {
        if self.commit != (CommitPhase::Committing { ticket }) {
            return;
        }
        self.commit = CommitPhase::Idle;
        match result {
            Ok(()) => self.post_commit(),
            Err(CommitFailure::Migrated) => {
                self.collector.borrow_mut().end_commit();
                self.tasks.values_mut().for_each(StreamTask::commit_refused);
                let message = "the group refused a commit: the member's tasks have moved";
                self.log(Level::Warn, message.to_owned());
            }
            Err(CommitFailure::Fatal(error)) => self.fail(error),
        }
    }
}
