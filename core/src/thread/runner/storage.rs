//! Persistent stores: storages that are taken, commits that reach them, and how much may wait.

use super::TaskRunner;
use super::standby::Role;
use crate::error::StreamsError;
use crate::group::TaskAssignment;
use crate::state::storage::StorageError;
use crate::task::{StreamTask, TaskState};
use crate::time::{Instant, WallClock};
use crate::trace::Level;
use crate::types::TaskId;

/// A task whose storage another thread of the process has not let go yet.
pub(super) struct Waiting {
    pub(super) assigned: TaskAssignment,
    pub(super) role: Role,
    since: Instant,
    retry_at: Instant,
}

/// How long a storage that is taken is left alone.
const LOCK_RETRY_MS: u64 = 100;

impl TaskRunner {
    /// Makes a task, now or when its storage is free.
    pub(super) fn create_or_wait(
        &mut self,
        assigned: TaskAssignment,
        role: Role,
    ) -> Result<(), StreamsError> {
        let now = self.now.instant;
        match self.create(&assigned, role) {
            Err(StreamsError::Storage(error @ StorageError::Locked { .. })) => {
                let message = format!("task {} waits: {error}", assigned.task);
                self.log(Level::Info, message);
                self.waiting.push(Waiting {
                    assigned,
                    role,
                    since: now,
                    retry_at: now.plus_ms(LOCK_RETRY_MS),
                });
                Ok(())
            }
            made => made,
        }
    }

    /// Tries again to make the tasks that wait. A storage that stays taken for `task.timeout.ms`
    /// is an error.
    pub(super) fn retry_waiting(&mut self) -> Result<(), StreamsError> {
        let now = self.now.instant;
        for mut waiting in std::mem::take(&mut self.waiting) {
            if waiting.retry_at <= now {
                waiting.retry_at = now.plus_ms(LOCK_RETRY_MS);
                match self.create(&waiting.assigned, waiting.role) {
                    Ok(()) => continue,
                    Err(StreamsError::Storage(StorageError::Locked { .. }))
                        if waiting.since.plus_ms(self.config.task_timeout_ms()) > now => {}
                    Err(error) => return Err(error),
                }
            }
            self.waiting.push(waiting);
        }
        Ok(())
    }

    /// Tasks that are no longer this thread's need not be made.
    pub(super) fn forget_waiting(&mut self, is_kept: impl Fn(TaskId) -> bool) {
        self.waiting
            .retain(|waiting| is_kept(waiting.assigned.task));
    }

    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.retry_at).min()
    }

    /// Removes what lies in the directory of tasks that are elsewhere, every now and then while all
    /// of this thread is there.
    pub(super) fn clean_up_when_due(&mut self) {
        let now = self.now;
        if self.next_cleanup > now.instant {
            return;
        }
        let delay_ms = self.config.state_cleanup_delay_ms();
        self.next_cleanup = now.instant.plus_ms(delay_ms);
        if !self.ready || !self.is_restored() {
            return;
        }
        let delay_ms = i64::try_from(delay_ms).unwrap_or(i64::MAX);
        let before = WallClock(now.wall_clock.0.saturating_sub(delay_ms));
        match self.storages.clean_removed_tasks(before) {
            Ok(removed) => {
                for task in removed {
                    let message = format!("removed the state of task {task}, which is elsewhere");
                    self.log(Level::Info, message);
                }
            }
            // It is only in the way.
            Err(error) => self.log(Level::Warn, error.to_string()),
        }
    }

    pub(super) fn next_cleanup(&self) -> Option<Instant> {
        Some(self.next_cleanup).filter(|_| self.storages.is_lasting())
    }

    /// Puts what was committed into the storages.
    pub(super) fn post_commit(&mut self) {
        let stored = self.store_committed();
        self.collector.borrow_mut().end_commit();
        self.counters.committed(self.now.instant);
        if let Err(error) = stored {
            // The stores are what they were, and restoring brings back what they lack.
            self.fail(error);
        }
    }

    pub(super) fn store_committed(&mut self) -> Result<(), StreamsError> {
        let collector = self.collector.borrow();
        let mut stored = Ok(());
        for task in self.tasks.values_mut() {
            let result = task.post_commit(|partition| collector.last_written(partition));
            stored = stored.and(result);
        }
        stored
    }

    /// What a commit puts into the storages.
    fn uncommitted_bytes(&self) -> usize {
        let running = self.tasks.values().filter(|task| !is_restoring(task));
        running.map(StreamTask::uncommitted_bytes).sum()
    }

    fn uncommitted_max_bytes(&self) -> usize {
        (self.config.statestore_uncommitted_max_bytes() / self.threads).max(1)
    }

    /// Persistent stores ask for a commit.
    pub(super) fn is_commit_wanted(&self) -> bool {
        self.uncommitted_bytes() >= self.uncommitted_max_bytes()
    }

    /// Persistent stores take no more until a commit is over.
    pub(super) fn is_store_full(&self) -> bool {
        self.uncommitted_bytes() >= self.uncommitted_max_bytes().saturating_mul(2)
    }

    /// Puts restored rows into the storages while they take more memory than they may: all of the
    /// task that has most. Rows come in no order, so that every batch writes most pages of a tree,
    /// and few large ones write less than many small ones (5 million rows of 12 and 16 bytes:
    /// 276 k/s in batches of 16 MB, 470 in batches of 64, 593 in batches of 256).
    pub(super) fn store_restored(&self) -> Result<(), StreamsError> {
        let restoring = self.tasks.values().filter(|task| is_restoring(task));
        let restoring = restoring.map(|task| (task.uncommitted_bytes(), task.id));
        let copies = self.standbys.values();
        let copies = copies.map(|copy| (copy.uncommitted_bytes(), copy.id));
        let mut waiting: Vec<(usize, TaskId)> = restoring.chain(copies).collect();
        waiting.sort_unstable();
        let mut bytes: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
        while bytes >= self.uncommitted_max_bytes()
            && let Some((most, id)) = waiting.pop()
        {
            match self.tasks.get(&id) {
                Some(task) => task.commit_restored()?,
                None => self.standbys[&id].commit()?,
            }
            bytes -= most;
        }
        Ok(())
    }
}

fn is_restoring(task: &StreamTask) -> bool {
    task.state == TaskState::Restoring
}
