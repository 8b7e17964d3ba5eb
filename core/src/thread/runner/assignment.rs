//! Taking tasks over and giving them up.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::CommitPhase;
use super::standby::Role;
use super::{RunnerEvent, TaskRunner};
use crate::error::StreamsError;
use crate::group::{Assignment, TaskAssignment};
use crate::task::TaskState;
use crate::thread::message::ClientMessage;
use crate::time::Now;
use crate::types::TaskId;

/// Something that has to wait for a commit.
pub(super) struct Control {
    kind: Kind,
    /// Its commit has begun.
    committing: bool,
}

enum Kind {
    Revoke { ticket: u64, tasks: Vec<TaskId> },
    Close,
}

impl TaskRunner {
    pub(super) fn change_state(&mut self, id: TaskId, to: TaskState) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        let from = std::mem::replace(&mut task.state, to);
        self.events
            .push_back(RunnerEvent::TaskStateChanged { task: id, from, to });
    }

    pub(super) fn revoke(&mut self, ticket: u64, tasks: Vec<TaskId>) {
        self.forget_waiting(|task| !tasks.contains(&task));
        self.suspend(&tasks);
        self.control.push_back(Control {
            kind: Kind::Revoke { ticket, tasks },
            committing: false,
        });
    }

    /// Commits and closes everything.
    pub(super) fn close(&mut self) {
        let tasks: Vec<TaskId> = self.tasks.keys().copied().collect();
        self.suspend(&tasks);
        self.control.push_back(Control {
            kind: Kind::Close,
            committing: false,
        });
    }

    /// What is processed after the commit that ends a task would be processed twice: its tasks
    /// neither process nor begin to any more.
    fn suspend(&mut self, tasks: &[TaskId]) {
        for task in tasks {
            if self.tasks.contains_key(task) {
                self.change_state(*task, TaskState::Suspended);
            }
        }
    }

    /// Carries out what waits for a commit, in order.
    pub(super) fn advance_control(&mut self, now: Now) -> Result<(), StreamsError> {
        while self.commit == CommitPhase::Idle && !self.closed {
            let Some(control) = self.control.front_mut() else {
                return Ok(());
            };
            if !control.committing {
                control.committing = true;
                if self.is_commit_needed() {
                    self.begin_commit(now)?;
                    continue;
                }
            }
            let Some(control) = self.control.pop_front() else {
                return Ok(());
            };
            match control.kind {
                Kind::Revoke { ticket, tasks } => {
                    for task in tasks {
                        self.release_task(task, true);
                    }
                    self.tell_restored();
                    self.tell(ClientMessage::Revoked { ticket });
                }
                Kind::Close => {
                    self.close_all(true);
                    self.close_globals();
                    self.tell(ClientMessage::Closed);
                    self.closed = true;
                }
            }
        }
        Ok(())
    }

    /// The tasks of the revocation that is carried out.
    pub(super) fn tasks_being_revoked(&self) -> Vec<TaskId> {
        match self.control.front().map(|control| &control.kind) {
            Some(Kind::Revoke { tasks, .. }) => tasks.clone(),
            _ => Vec::new(),
        }
    }

    fn close_all(&mut self, clean: bool) {
        self.release_all(clean);
        self.close_standbys(clean);
    }

    fn release_all(&mut self, clean: bool) {
        let active: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in active {
            self.release_task(id, clean);
        }
        let standbys: Vec<TaskId> = self.standbys.keys().copied().collect();
        for id in standbys {
            self.release_standby(id);
        }
        self.waiting.clear();
    }

    /// Closes every task without a trace and forgets what is under way.
    pub(super) fn close_dirty(&mut self) {
        self.close_all(false);
        self.forget_under_way();
    }

    fn forget_under_way(&mut self) {
        self.collector.borrow_mut().clear();
        self.commit = CommitPhase::Idle;
        self.control.clear();
    }

    pub(super) fn lose(&mut self, ticket: u64) {
        let closing = self
            .control
            .iter()
            .any(|control| matches!(control.kind, Kind::Close));
        // Nothing that is not committed is kept of them: an epoch has ended, not the state.
        self.release_all(false);
        self.forget_under_way();
        self.restored = None;
        if closing {
            self.close();
        }
        self.tell(ClientMessage::Released { ticket });
    }

    pub(super) fn assign(&mut self, ticket: u64, assignment: Assignment) {
        let Assignment {
            active,
            standby,
            warmup,
        } = assignment;
        let target: BTreeSet<TaskId> = active.iter().map(|assigned| assigned.task).collect();
        let gone: Vec<TaskId> = self
            .tasks
            .keys()
            .filter(|task| !target.contains(task))
            .copied()
            .collect();
        for task in gone {
            // The membership revokes before it assigns; whatever is left was never committed.
            self.release_task(task, false);
        }
        // A warm-up task is a standby that the group will want to be active.
        let copies: BTreeMap<TaskId, TaskAssignment> = standby
            .into_iter()
            .chain(warmup)
            .map(|assigned| (assigned.task, assigned))
            .collect();
        let held: Vec<TaskId> = self.standbys.keys().copied().collect();
        for task in held {
            if !copies.contains_key(&task) {
                self.release_standby(task);
            }
        }
        self.forget_waiting(|_| false);
        let active = active.into_iter().map(|assigned| (assigned, Role::Active));
        let copies = copies
            .into_values()
            .map(|assigned| (assigned, Role::Standby));
        for (assigned, role) in active.chain(copies) {
            let is_here = match role {
                Role::Active => self.tasks.contains_key(&assigned.task),
                Role::Standby => self.standbys.contains_key(&assigned.task),
            };
            if !is_here && let Err(error) = self.create_or_wait(assigned, role) {
                return self.fail(error);
            }
        }
        // First what is to be restored: a thread that has its tasks and nothing to restore runs.
        let restored = self.is_restored();
        self.restored = Some(restored);
        self.tell(ClientMessage::Restored(restored));
        self.tell(ClientMessage::Assigned { ticket });
    }
}
