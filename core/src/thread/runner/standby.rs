//! Tasks that only keep state: standbys, and tasks whose state waits to be used again.
//!
//! The group never turns a standby into an active task at once: a process has to give up the one
//! before it is given the other (KIP-1071). So whatever is taken from a thread, and could go on
//! later, is kept for a while. (Java loses what is in memory then.)

use std::cell::RefCell;
use std::rc::Rc;

use super::{RunnerEvent, TaskRunner};
use crate::error::StreamsError;
use crate::group::TaskAssignment;
use crate::processor::{ProcessorGraph, RecordSink};
use crate::task::{ChangelogPosition, RecordCollector, StandbyTask, StreamTask, TaskState};
use crate::thread::message::{ClientMessage, StartFrom, ToClient};
use crate::time::Instant;
use crate::trace::Level;
use crate::types::{TaskId, TopicPartition};

/// How long the state of a task that was taken away is kept. It may be given back as soon as its
/// owner is known to be gone, which a session of 45 seconds, Kafka's default, decides.
const KEPT_MS: u64 = 60_000;
/// How often what standbys have applied goes to the storage at most.
const STANDBY_COMMIT_MIN_MS: u64 = 1_000;

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It processes.
    Active,
    /// It keeps a copy of the state.
    Standby,
}

/// Why a standby ended (Java: `StandbyUpdateListener.SuspendReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspendReason {
    /// Its task is somewhere else.
    Migrated,
    /// It is the active task now.
    Promoted,
}

/// What is left of a task that was taken away.
pub(super) struct Kept {
    /// `None` where its state is in a storage that another thread may want.
    state: Option<StandbyTask>,
    /// How far it was as a standby, of which the listener does not know the end.
    followed: Vec<ChangelogPosition>,
    until: Instant,
}

impl TaskRunner {
    /// Gives up an active task. What it has is kept where all of it is committed.
    pub(super) fn release_task(&mut self, id: TaskId, clean: bool) {
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        self.counters.tasks_closed += 1;
        let from = task.state;
        for (position, records) in task.unfinished() {
            let suspended = RunnerEvent::RestoreSuspended { position, records };
            self.events.push_back(suspended);
        }
        for partition in task.inputs() {
            self.tell(ClientMessage::Stop { partition });
        }
        for partition in task.changelog_partitions() {
            self.collector.borrow_mut().forget(&partition);
            self.tell(ClientMessage::Stop { partition });
        }
        let to = TaskState::Closed;
        self.events
            .push_back(RunnerEvent::TaskStateChanged { task: id, from, to });
        self.let_go(id, task, clean);
    }

    fn let_go(&mut self, id: TaskId, mut task: StreamTask, clean: bool) {
        if task.is_dirty() || self.is_elsewhere(task.graph()) {
            return task.close(clean);
        }
        let kept = Kept {
            until: self.now.instant.plus_ms(KEPT_MS),
            followed: Vec::new(),
            state: Some(task.demote(&self.topology)),
        };
        self.kept.insert(id, kept);
    }

    /// Whether the state outlives its task by itself, and other threads may be waiting for it.
    fn is_elsewhere(&self, graph: &ProcessorGraph) -> bool {
        graph.storage().is_some() && self.storages.is_lasting()
    }

    /// Gives up a standby and keeps its state.
    pub(super) fn release_standby(&mut self, id: TaskId) {
        let Some(mut standby) = self.standbys.remove(&id) else {
            return;
        };
        self.counters.tasks_closed += 1;
        for partition in standby.changelog_partitions() {
            self.tell(ClientMessage::Stop { partition });
        }
        let followed = standby.followed();
        let state = if self.is_elsewhere(standby.graph()) {
            if let Err(error) = standby.close(true) {
                // Less is there than could be, and the changelog has the rest.
                self.log(Level::Warn, format!("standby {id}: {error}"));
            }
            None
        } else {
            Some(standby.begin_again())
        };
        let until = self.now.instant.plus_ms(KEPT_MS);
        let kept = Kept {
            state,
            followed,
            until,
        };
        self.kept.insert(id, kept);
    }

    /// Drops what nobody came back for.
    pub(super) fn expire_kept(&mut self) {
        let now = self.now.instant;
        if self.next_expiry().is_none_or(|next| next > now) {
            return;
        }
        for (id, kept) in std::mem::take(&mut self.kept) {
            if kept.until > now {
                self.kept.insert(id, kept);
            } else {
                self.tell_suspended(kept.followed, SuspendReason::Migrated);
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.kept.values().map(|kept| kept.until).min()
    }

    fn tell_suspended(&mut self, followed: Vec<ChangelogPosition>, reason: SuspendReason) {
        for position in followed {
            self.events
                .push_back(RunnerEvent::StandbySuspended { position, reason });
        }
    }

    /// Makes a task of what is here of it, or from its storage.
    pub(super) fn create(
        &mut self,
        assigned: &TaskAssignment,
        role: Role,
    ) -> Result<(), StreamsError> {
        let id = assigned.task;
        self.open_globals()?;
        if role == Role::Active {
            // Brokers 4.3 have taken it away before.
            self.release_standby(id);
        }
        let (state, followed) = match self.kept.remove(&id) {
            Some(kept) => (kept.state, kept.followed),
            None => (None, Vec::new()),
        };
        let state = match state {
            Some(state) => state,
            None => match self.open_state(id) {
                Ok(state) => state,
                Err(error) => {
                    let until = self.now.instant.plus_ms(KEPT_MS);
                    let kept = Kept {
                        state: None,
                        followed,
                        until,
                    };
                    self.kept.insert(id, kept);
                    return Err(error);
                }
            },
        };
        self.counters.tasks_created += 1;
        let positions = state.positions();
        match role {
            Role::Active => {
                self.tell_suspended(followed, SuspendReason::Promoted);
                let idle_ms = self.config.max_task_idle_ms();
                let task = StreamTask::promote(state, &assigned.partitions, idle_ms)?;
                self.tasks.insert(id, task);
                self.change_state(id, TaskState::Restoring);
            }
            Role::Standby => {
                self.standbys.insert(id, state.resume(&followed));
            }
        }
        for (partition, from) in positions {
            let from = match role {
                Role::Active => StartFrom::Restore { from },
                Role::Standby => StartFrom::Follow { from },
            };
            self.tell(ClientMessage::Start { partition, from });
        }
        Ok(())
    }

    fn open_state(&self, id: TaskId) -> Result<StandbyTask, StreamsError> {
        let sink: Rc<RefCell<dyn RecordSink>> =
            Rc::<RefCell<RecordCollector>>::clone(&self.collector);
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
        Ok(StandbyTask::new(id, graph))
    }

    pub(super) fn standby_of(&mut self, partition: &TopicPartition) -> Option<&mut StandbyTask> {
        let mut standbys = self.standbys.values_mut();
        standbys.find(|standby| standby.has_partition(partition))
    }

    /// Reading of a standby's changelog begins.
    pub(super) fn standby_started(&mut self, partition: &TopicPartition, offset: i64, end: i64) {
        let Some(standby) = self.standby_of(partition) else {
            return;
        };
        let started = standby.started(partition, offset, end);
        if let Some(position) = standby.tell_start(partition) {
            self.events
                .push_back(RunnerEvent::StandbyStarted { position });
        }
        if let Err(warning) = started {
            self.log(Level::Warn, warning);
        }
    }

    /// Applies changelog records to standbys, task by task, unless active tasks are being restored
    /// or everything is paused; `true` when there are more right away.
    pub(super) fn update_standbys(&mut self, max_records: usize) -> Result<bool, StreamsError> {
        self.commit_standbys()?;
        if self.is_paused || self.standbys.is_empty() || !self.is_restored() {
            return Ok(false);
        }
        let mut left = max_records;
        for standby in self.standbys.values_mut() {
            let progress = standby.update(left)?;
            left -= progress.records.min(left);
            for (partition, bytes) in progress.consumed {
                let consumed = ClientMessage::Consumed { partition, bytes };
                self.messages.push_back(ToClient(consumed));
            }
            for (position, records) in progress.applied {
                self.standby_commit_due = true;
                self.events
                    .push_back(RunnerEvent::StandbyBatchLoaded { position, records });
            }
        }
        Ok(self.standbys.values().any(StandbyTask::can_update))
    }

    /// Puts what standbys have into their storages every now and then: a crash loses so much.
    fn commit_standbys(&mut self) -> Result<(), StreamsError> {
        let now = self.now.instant;
        if !self.standby_commit_due || self.next_standby_commit > now {
            return Ok(());
        }
        self.standby_commit_due = false;
        let wait_ms = self.config.commit_interval_ms().max(STANDBY_COMMIT_MIN_MS);
        self.next_standby_commit = now.plus_ms(wait_ms);
        self.standbys.values().try_for_each(StandbyTask::commit)
    }

    /// When standbys are to be committed without anything else to do.
    pub(super) fn standby_commit_at(&self) -> Option<Instant> {
        self.standby_commit_due.then_some(self.next_standby_commit)
    }

    /// Ends every standby and forgets what was kept.
    pub(super) fn close_standbys(&mut self, clean: bool) {
        for (id, mut standby) in std::mem::take(&mut self.standbys) {
            self.counters.tasks_closed += 1;
            for partition in standby.changelog_partitions() {
                self.tell(ClientMessage::Stop { partition });
            }
            self.tell_suspended(standby.followed(), SuspendReason::Migrated);
            if let Err(error) = standby.close(clean) {
                self.log(Level::Warn, format!("standby {id}: {error}"));
            }
        }
        for kept in std::mem::take(&mut self.kept).into_values() {
            self.tell_suspended(kept.followed, SuspendReason::Migrated);
        }
    }
}
