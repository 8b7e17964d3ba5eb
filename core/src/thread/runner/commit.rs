//! Commits: flush, wait for what was produced, commit the offsets.

use super::TaskRunner;
use crate::error::StreamsError;
use crate::mutation::Mutation;
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
    /// Waits until every batch up to `barrier` is written; there is none while records wait for
    /// their topics.
    Flushing {
        barrier: Option<u64>,
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
            if self.is_commit_needed() {
                self.begin_commit(now)?;
            }
        }
        Ok(())
    }

    /// Whether a task did something, or a transaction is open: what a processor forwards when it is
    /// made belongs to one, too.
    pub(super) fn is_commit_needed(&self) -> bool {
        self.tasks.values().any(StreamTask::is_commit_needed)
            || (self.config.is_exactly_once() && self.collector.borrow().has_uncommitted())
    }

    /// Begins the commit of every task that processed something.
    pub(super) fn begin_commit(&mut self, now: Now) -> Result<(), StreamsError> {
        let mut offsets = Vec::new();
        let is_left_out = self.left_out();
        for task in self
            .tasks
            .values_mut()
            .filter(|task| task.is_commit_needed() && !is_left_out(task))
        {
            offsets.extend(task.prepare_commit(now)?);
        }
        self.counters.commit_began = now.instant;
        let barrier = None;
        self.commit = CommitPhase::Flushing { barrier, offsets };
        self.advance_commit();
        Ok(())
    }

    /// The tasks that a commit leaves out: none.
    fn left_out(&self) -> impl Fn(&StreamTask) -> bool + use<> {
        let is_revoked_alone = self.config.mutant.is(Mutation::RevokedAlone);
        let revoked = is_revoked_alone.then(|| self.tasks_being_revoked());
        move |task| {
            let revoked = revoked.as_ref().filter(|revoked| !revoked.is_empty());
            revoked.is_some_and(|revoked| !revoked.contains(&task.id))
        }
    }

    /// What a thread that fails must never do: see [`Mutation::DirtyCommit`].
    pub(super) fn commit_dirty(&mut self) {
        let now = self.now;
        let tasks = self.tasks.values_mut();
        let offsets = tasks.filter_map(|task| task.prepare_commit(now).ok());
        let (offsets, ticket) = (offsets.flatten().collect(), self.next_ticket());
        self.tell(ClientMessage::Commit { ticket, offsets });
    }

    pub(super) fn advance_commit(&mut self) {
        let CommitPhase::Flushing { barrier, offsets } = &mut self.commit else {
            return;
        };
        let mut collector = self.collector.borrow_mut();
        if collector.has_unresolved() {
            return;
        }
        let barrier = *barrier.get_or_insert_with(|| collector.begin_commit());
        let is_written = collector.is_acknowledged_to(barrier);
        drop(collector);
        if !is_written && !self.config.mutant.is(Mutation::CommitBeforeWritten) {
            return;
        }
        let offsets = std::mem::take(offsets);
        // A transaction may have to end without any.
        if offsets.is_empty() && !self.config.is_exactly_once() {
            self.commit = CommitPhase::Idle;
            return self.post_commit();
        }
        if self.config.mutant.is(Mutation::StoredBeforeCommit)
            && let Err(error) = self.store_committed()
        {
            return self.fail(error);
        }
        let ticket = self.next_ticket();
        self.commit = CommitPhase::Committing { ticket };
        self.tell(ClientMessage::Commit { ticket, offsets });
    }

    pub(super) fn produced(&mut self, ticket: u64, base_offset: i64) {
        // A batch of tasks that are lost is nobody's any more.
        if self.collector.borrow_mut().written(ticket, base_offset) {
            self.advance_commit();
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
