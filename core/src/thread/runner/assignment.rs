//! Taking tasks over and giving them up.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::commit::CommitPhase;
use super::{RunnerEvent, TaskRunner};
use crate::error::StreamsError;
use crate::group::{Assignment, TaskAssignment};
use crate::processor::ProcessorGraph;
use crate::task::{StreamTask, TaskState};
use crate::thread::message::{ClientMessage, StartFrom};
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
                        self.close_task(task, true);
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

    fn close_task(&mut self, id: TaskId, clean: bool) {
        let Some(mut task) = self.tasks.remove(&id) else {
            return;
        };
        let from = task.state;
        for partition in task.inputs() {
            self.tell(ClientMessage::Stop { partition });
        }
        for partition in task.changelog_partitions() {
            self.collector.borrow_mut().forget(&partition);
            self.tell(ClientMessage::Stop { partition });
        }
        task.close(clean);
        let to = TaskState::Closed;
        self.events
            .push_back(RunnerEvent::TaskStateChanged { task: id, from, to });
    }

    fn close_all(&mut self, clean: bool) {
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            self.close_task(id, clean);
        }
        self.waiting.clear();
        self.standbys.clear();
    }

    /// Closes every task without a trace and forgets what is under way.
    pub(super) fn close_dirty(&mut self) {
        self.close_all(false);
        self.collector.borrow_mut().clear();
        self.commit = CommitPhase::Idle;
        self.control.clear();
    }

    pub(super) fn lose(&mut self, ticket: u64) {
        let closing = self
            .control
            .iter()
            .any(|control| matches!(control.kind, Kind::Close));
        self.close_dirty();
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
            self.close_task(task, false);
        }
        // Standbys are held, not followed: promotion restores from the changelog.
        self.standbys = standby
            .iter()
            .chain(&warmup)
            .map(|assigned| assigned.task)
            .collect();
        self.forget_waiting(|_| false);
        for assigned in active {
            if !self.tasks.contains_key(&assigned.task)
                && let Err(error) = self.create_or_wait(assigned)
            {
                return self.fail(error);
            }
        }
        // First what is to be restored: a thread that has its tasks and nothing to restore runs.
        let restored = self.is_restored();
        self.restored = Some(restored);
        self.tell(ClientMessage::Restored(restored));
        self.tell(ClientMessage::Assigned { ticket });
    }

    pub(super) fn create(&mut self, assigned: &TaskAssignment) -> Result<(), StreamsError> {
        let id = assigned.task;
        let sink: Rc<std::cell::RefCell<dyn crate::processor::RecordSink>> =
            Rc::<std::cell::RefCell<crate::task::RecordCollector>>::clone(&self.collector);
        self.open_globals()?;
        let mut graph = ProcessorGraph::open(
            &self.topology,
            id,
            &[id.subtopology],
            &self.config,
            &self.budget,
            sink,
            self.storages.as_ref(),
        )?;
        if let Some(globals) = &self.globals {
            graph.set_global_stores(globals.stores());
        }
        let idle_ms = self.config.max_task_idle_ms();
        let task = StreamTask::new(id, graph, &assigned.partitions, idle_ms)?;
        let changelogs = task.restore_positions();
        self.tasks.insert(id, task);
        self.change_state(id, TaskState::Restoring);
        for (partition, from) in changelogs {
            let from = StartFrom::Restore { from };
            self.tell(ClientMessage::Start { partition, from });
        }
        Ok(())
    }
}
