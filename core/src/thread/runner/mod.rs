//! The task runner: tasks, stores and user code of one stream thread (Java: `TaskManager` and the
//! run loop of `StreamThread`).
//!
//! Processing never waits for the network. A commit captures offsets, flushes caches, seals what is
//! open, and waits for the batches sealed so far; records processed meanwhile belong to the next.

mod assignment;
mod commit;
mod globals;
mod input;
mod metrics;
mod query;
mod refused;
mod settings;
mod standby;
mod storage;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use self::assignment::Control;
use self::commit::CommitPhase;
use self::metrics::Counters;
pub use self::query::TaskQuery;
use self::standby::Kept;
pub use self::standby::SuspendReason;
use self::storage::Waiting;
use super::message::{ClientMessage, RunnerMessage, ToClient, ToRunner};
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::mutation::Mutation;
use crate::processor::PunctuationType;
use crate::query::LagInfo;
use crate::state::storage::{InMemoryStorageFactory, StorageFactory};
use crate::state::{CacheBudget, StateStore};
use crate::task::{
    ChangelogPosition, GlobalTask, RecordCollector, StandbyTask, StreamTask, TaskState,
};
use crate::time::{Instant, Now, WallClock};
use crate::topology::Topology;
use crate::trace::{Level, LogEvent};
use crate::types::{TaskId, TopicName, TopicPartition};

/// How much one [`TaskRunner::run_once`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most input records processed.
    pub max_records: usize,
    /// Most changelog records restored.
    pub max_restored: usize,
}

impl Default for Budget {
    /// A thousand input records: a few milliseconds of a word count, which is how long messages
    /// and deadlines wait. Changelog records cost less each.
    fn default() -> Self {
        Self {
            max_records: 1000,
            max_restored: 5000,
        }
    }
}

/// What a runner tells its listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunnerEvent {
    /// A task is in another state.
    TaskStateChanged {
        /// The task.
        task: TaskId,
        /// The state it left.
        from: TaskState,
        /// The state it is in.
        to: TaskState,
    },
    /// Restoring a store began (Java: `StateRestoreListener.onRestoreStart`).
    RestoreStarted {
        /// The store.
        store: Arc<str>,
        /// The changelog.
        partition: TopicPartition,
        /// The first offset read.
        offset: i64,
        /// The log end then.
        end: i64,
    },
    /// A store is restored (Java: `StateRestoreListener.onRestoreEnd`).
    RestoreEnded {
        /// The store.
        store: Arc<str>,
        /// The changelog.
        partition: TopicPartition,
        /// Records applied.
        records: u64,
    },
    /// Records were restored (Java: `StateRestoreListener.onBatchRestored`).
    RestoreBatch {
        /// How far the store is.
        position: ChangelogPosition,
        /// How many records.
        records: u64,
    },
    /// The task was taken away before its store was restored (Java:
    /// `StateRestoreListener.onRestoreSuspended`).
    RestoreSuspended {
        /// How far the store came.
        position: ChangelogPosition,
        /// Records applied.
        records: u64,
    },
    /// A standby follows a changelog (Java: `StandbyUpdateListener.onUpdateStart`, KIP-988).
    StandbyStarted {
        /// From where to where.
        position: ChangelogPosition,
    },
    /// A standby applied records (Java: `StandbyUpdateListener.onBatchLoaded`).
    StandbyBatchLoaded {
        /// How far it is.
        position: ChangelogPosition,
        /// How many records.
        records: u64,
    },
    /// A standby follows a changelog no longer (Java: `StandbyUpdateListener.onUpdateSuspended`).
    StandbySuspended {
        /// How far it came.
        position: ChangelogPosition,
        /// Why.
        reason: SuspendReason,
    },
    /// A line for the log.
    Log(LogEvent),
}

/// Records of one task in a row before the next task gets its turn.
const RECORDS_PER_TURN: usize = 256;

/// Runs the tasks of one stream thread. Not `Send`: a driver makes it on the thread that runs it.
///
/// One message, then [`TaskRunner::run_once`], then drain messages and events, before the next one.
pub struct TaskRunner {
    topology: Arc<Topology>,
    config: StreamsConfig,
    budget: CacheBudget,
    storages: Box<dyn StorageFactory>,
    collector: Rc<RefCell<RecordCollector>>,
    tasks: BTreeMap<TaskId, StreamTask>,
    globals: Option<GlobalTask>,
    waiting: Vec<Waiting>,
    standbys: BTreeMap<TaskId, StandbyTask>,
    /// What is left of tasks that were taken away.
    kept: BTreeMap<TaskId, Kept>,
    next_standby_commit: Instant,
    standby_commit_due: bool,
    /// Topics that tasks write to: their partition counts must be known before anything runs.
    outputs: Vec<TopicName>,
    ready: bool,
    is_paused: bool,
    /// Tasks may process, as of the last step.
    may_process: bool,
    /// How many threads share the memory of the process.
    threads: usize,
    is_cache_excessive: bool,
    restored: Option<bool>,
    control: VecDeque<Control>,
    commit: CommitPhase,
    next_commit: Instant,
    next_cleanup: Instant,
    last_polled: Option<Instant>,
    now: Now,
    counters: Counters,
    tickets: u64,
    closed: bool,
    messages: VecDeque<ToClient>,
    events: VecDeque<RunnerEvent>,
}

impl TaskRunner {
    /// A runner without tasks; one of `num.stream.threads` of its process until it is told
    /// [otherwise](Self::share_memory).
    pub fn new(now: Now, topology: Arc<Topology>, config: &StreamsConfig) -> Self {
        let threads = config.num_stream_threads();
        let subtopologies = topology.subtopologies(config);
        let outputs = subtopologies
            .iter()
            .flat_map(|s| s.sink_topics.iter().cloned())
            .collect();
        Self {
            topology,
            config: config.clone(),
            budget: CacheBudget::new(config.statestore_cache_max_bytes() / threads),
            storages: Box::new(InMemoryStorageFactory),
            collector: Rc::new(RefCell::new(RecordCollector::new(config))),
            tasks: BTreeMap::new(),
            globals: None,
            waiting: Vec::new(),
            standbys: BTreeMap::new(),
            kept: BTreeMap::new(),
            next_standby_commit: now.instant,
            standby_commit_due: false,
            outputs,
            ready: false,
            is_paused: false,
            may_process: false,
            threads,
            is_cache_excessive: false,
            restored: None,
            control: VecDeque::new(),
            commit: CommitPhase::Idle,
            next_commit: now.instant.plus_ms(config.commit_interval_ms()),
            next_cleanup: now.instant.plus_ms(config.state_cleanup_delay_ms()),
            last_polled: None,
            now,
            counters: Counters::new(now),
            tickets: 0,
            closed: false,
            messages: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The same with storages for persistent stores, which are in memory otherwise.
    #[must_use]
    pub fn with_storages(mut self, storages: Box<dyn StorageFactory>) -> Self {
        self.storages = storages;
        self
    }

    /// Whether nothing will come of the runner any more.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next message for the client.
    pub fn poll_message(&mut self) -> Option<ToClient> {
        self.messages.pop_front()
    }

    /// The next thing for the listener.
    pub fn poll_event(&mut self) -> Option<RunnerEvent> {
        self.events.pop_front()
    }

    /// Takes a message of the client.
    pub fn handle_message(&mut self, now: Now, message: ToRunner) {
        if self.closed {
            return;
        }
        self.set_now(now);
        match message.0 {
            RunnerMessage::PartitionCounts(counts) => {
                if let Err(error) = self.read_globals(&counts) {
                    return self.fail(error);
                }
                let mut collector = self.collector.borrow_mut();
                for (topic, count) in counts {
                    collector.set_partition_count(topic, count);
                }
                drop(collector);
                self.advance_commit();
            }
            RunnerMessage::Revoke { ticket, tasks } => self.revoke(ticket, tasks),
            RunnerMessage::Assign { ticket, assignment } => self.assign(ticket, assignment),
            RunnerMessage::Lose { ticket } => self.lose(ticket),
            RunnerMessage::Ready(ready) => self.ready = ready,
            RunnerMessage::Started {
                partition,
                offset,
                end,
                metadata,
            } => {
                self.started(&partition, offset, end, &metadata);
            }
            RunnerMessage::Records {
                partition,
                batches,
                next_offset,
                log_end,
            } => {
                self.records(&partition, batches, next_offset, log_end);
            }
            RunnerMessage::Limit { partition, offset } => {
                if let Some(standby) = self.standby_of(&partition) {
                    standby.set_limit(&partition, offset);
                }
            }
            RunnerMessage::Produced {
                ticket,
                base_offset,
            } => self.produced(ticket, base_offset),
            RunnerMessage::Refused { ticket, refusal } => self.refused(ticket, &refusal),
            RunnerMessage::Committed { ticket, result } => self.committed(ticket, result),
            RunnerMessage::Close => self.close(),
            RunnerMessage::Abort(error) => {
                self.log(
                    Level::Info,
                    format!("tasks are closed without a commit: {error}"),
                );
                self.close_dirty();
                self.tell(ClientMessage::Closed);
                self.closed = true;
            }
        }
    }

    fn set_now(&mut self, now: Now) {
        self.now = now;
        self.collector.borrow_mut().set_now(now);
    }

    fn tell(&mut self, message: ClientMessage) {
        self.messages.push_back(ToClient(message));
    }

    fn log(&mut self, level: Level, message: String) {
        self.events
            .push_back(RunnerEvent::Log(LogEvent::new(level, message)));
    }

    const fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Restores, processes, punctuates and commits as far as `budget` goes; `true` when there is
    /// more to do right away.
    pub fn run_once(&mut self, now: Now, budget: Budget) -> bool {
        if self.closed {
            return false;
        }
        self.set_now(now);
        self.counters.polls += 1;
        self.poll(now.instant);
        match self.run(now, budget) {
            Ok(more) => {
                self.hand_over();
                more && !self.closed
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn run(&mut self, now: Now, budget: Budget) -> Result<bool, StreamsError> {
        self.retry_waiting()?;
        self.decide_unsent()?;
        self.shrink_caches(now)?;
        let mut more = self.run_globals(now, budget.max_restored)?;
        more |= self.restore(budget.max_restored)?;
        self.may_process = self.may_process();
        if self.may_process {
            let processed = self.process(now, budget.max_records)?;
            self.counters.processed(now.instant, processed);
            self.punctuate(now)?;
            let mut tasks = self.tasks.values_mut();
            let waiting = tasks.any(|task| task.can_process(now));
            more |= processed > 0 && waiting && !self.is_held_up();
        }
        // Copies follow while there is nothing better to do, and keep pace with the rest.
        let max_updates = if more {
            budget.max_records
        } else {
            budget.max_restored
        };
        more |= self.update_standbys(max_updates)?;
        self.store_restored()?;
        self.expire_kept();
        self.clean_up_when_due();
        self.commit_when_due(now)?;
        self.advance_control(now)?;
        let mut collector = self.collector.borrow_mut();
        if more {
            collector.seal_expired()
        } else {
            collector.seal_idle()
        }
        Ok(more)
    }

    /// Says that user code is not stuck, often enough for the timer to be right within a per cent,
    /// and while idle as often as it needs.
    fn poll(&mut self, now: Instant) {
        let every = self.config.max_poll_interval_ms() / 100;
        if self
            .last_polled
            .is_none_or(|last| last.plus_ms(every) <= now)
        {
            self.last_polled = Some(now);
            self.tell(ClientMessage::Polled);
        }
    }

    /// Whether the group is ready and every output topic is there, or has been away for so long that
    /// the production handler decides about its records.
    fn may_process(&mut self) -> bool {
        if self.is_paused || !self.ready || self.tasks.is_empty() || self.is_held_up() {
            return false;
        }
        let mut may_process = true;
        for at in 0..self.outputs.len() {
            let topic = &self.outputs[at];
            let (waits, is_new) = self.collector.borrow_mut().waits_for(topic);
            may_process &= !waits;
            if is_new {
                let message =
                    format!("output topic {topic} does not exist: processing waits for it");
                self.log(Level::Warn, message);
            }
        }
        may_process
    }

    /// Too much is under way or not committed: processing waits for answers.
    fn is_held_up(&self) -> bool {
        let collector = self.collector.borrow();
        collector.is_full() || collector.has_unresolved() || self.is_store_full()
    }

    fn process(&mut self, now: Now, max_records: usize) -> Result<usize, StreamsError> {
        let mut processed = 0;
        while processed < max_records && !self.is_held_up() {
            let before = processed;
            for task in self.tasks.values_mut() {
                if task.can_process(now) {
                    let turn = RECORDS_PER_TURN.min(max_records - processed);
                    processed += task.process(now, turn)?;
                }
            }
            if processed == before {
                break;
            }
        }
        Ok(processed)
    }

    fn punctuate(&mut self, now: Now) -> Result<(), StreamsError> {
        let mut punctuated = false;
        for task in self.tasks.values_mut() {
            punctuated |= task.punctuate(PunctuationType::StreamTime, now)?;
            punctuated |= task.punctuate(PunctuationType::WallClockTime, now)?;
        }
        self.counters.punctuations += u64::from(punctuated);
        Ok(())
    }

    /// Hands credit, dropped-record warnings and sealed batches over.
    fn hand_over(&mut self) {
        for task in self.tasks.values_mut() {
            for (partition, bytes) in task.take_consumed() {
                self.messages
                    .push_back(ToClient(ClientMessage::Consumed { partition, bytes }));
            }
            if let Some(reason) = task.take_drop_reason() {
                self.events
                    .push_back(RunnerEvent::Log(LogEvent::new(Level::Warn, reason)));
            }
        }
        let mut collector = self.collector.borrow_mut();
        while let Some(topic) = collector.poll_wanted() {
            let want = ClientMessage::WantTopic(topic);
            self.messages.push_back(ToClient(want));
        }
        while let Some(sealed) = collector.poll_sealed() {
            let (ticket, partition, batch) = (sealed.ticket, sealed.partition, sealed.batch);
            let message = ClientMessage::Produce {
                ticket,
                partition,
                batch,
            };
            self.messages.push_back(ToClient(message));
        }
    }

    /// Closes everything as it is: nothing of the failed record may look committed.
    fn fail(&mut self, error: StreamsError) {
        if self.config.mutant.is(Mutation::DirtyCommit) {
            self.commit_dirty();
        }
        self.close_dirty();
        self.tell(ClientMessage::Failed(error));
        self.closed = true;
    }

    /// Shows every store of every task with its changelog topic, by task: for checks and displays.
    pub fn visit_stores(&self, mut visit: impl FnMut(TaskId, &dyn StateStore, Option<&TopicName>)) {
        for task in self.tasks.values() {
            for (store, changelog) in task.graph().stores() {
                visit(task.id, store, changelog);
            }
        }
    }

    /// How far every logged store is with its changelog, by store and partition (Java:
    /// `KafkaStreams.allLocalStorePartitionLags`). The store of a task that runs is at the end.
    pub fn store_lags(&self) -> BTreeMap<Arc<str>, BTreeMap<i32, LagInfo>> {
        let mut lags: BTreeMap<Arc<str>, BTreeMap<i32, LagInfo>> = BTreeMap::new();
        for store in self.changelog_positions() {
            let lag = LagInfo {
                current_offset_position: store.position,
                end_offset_position: store.end.max(store.position),
            };
            let partitions = lags.entry(store.store).or_default();
            partitions.insert(store.partition.partition, lag);
        }
        lags
    }

    /// How far every logged store is with its changelog.
    fn changelog_positions(&self) -> Vec<ChangelogPosition> {
        let collector = self.collector.borrow();
        let of_task = |task: &StreamTask| {
            let is_running = task.state != TaskState::Restoring;
            let lag = |store: ChangelogPosition| {
                let written = collector.last_written(&store.partition);
                let end = store.end.max(written.map_or(0, |last| last + 1));
                let position = if is_running { end } else { store.position };
                ChangelogPosition {
                    position,
                    end,
                    ..store
                }
            };
            task.progress().map(lag).collect::<Vec<_>>()
        };
        let active = self.tasks.values().flat_map(of_task);
        let standby = self.standbys.values().flat_map(StandbyTask::progress);
        active.chain(standby).collect()
    }

    /// The active tasks that have nothing to process, and since when.
    pub fn idling_since(&self) -> BTreeMap<TaskId, WallClock> {
        let since = |task: &StreamTask| Some((task.id, task.idling_since()?));
        self.tasks.values().filter_map(since).collect()
    }

    /// The standbys, by task: for checks and displays.
    pub fn standbys(&self) -> impl Iterator<Item = &StandbyTask> {
        self.standbys.values()
    }

    /// The standby of a task, to change what it has: for tests of those who check.
    pub fn standby_mut(&mut self, task: TaskId) -> Option<&mut StandbyTask> {
        self.standbys.get_mut(&task)
    }

    /// When [`TaskRunner::run_once`] must be called at the latest, without any message.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let mut due: Vec<Instant> = self
            .collector
            .borrow()
            .linger_deadline()
            .into_iter()
            .collect();
        due.extend(self.next_retry());
        due.extend(self.standby_commit_at());
        due.extend(self.next_expiry());
        due.extend(self.next_cleanup());
        let idle_poll = self.config.max_poll_interval_ms() / 3;
        due.extend(self.last_polled.map(|last| last.plus_ms(idle_poll.max(1))));
        if self.commit == CommitPhase::Idle && self.is_commit_needed() {
            due.push(self.next_commit);
        }
        for task in self.tasks.values().filter(|_| self.may_process) {
            // One that is over was of no use: something else holds processing up.
            due.extend(task.idle_until().filter(|at| *at > self.now.instant));
            if let Some(wall) = task.next_wall_clock_punctuation() {
                let wait = u64::try_from(wall.0 - self.now.wall_clock.0).unwrap_or(0);
                due.push(self.now.instant.plus_ms(wait));
            }
        }
        due.extend(self.collector.borrow().give_up_at());
        due.into_iter().min()
    }
}
