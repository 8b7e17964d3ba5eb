//! One task: its graph, its input, its restoring (Java: `StreamTask`).

use super::changelogs::{ChangelogPosition, Changelogs, RestoreProgress};
use super::partition_group::PartitionGroup;
use super::{StandbyTask, TaskState};
use crate::error::{HandledError, StreamsError};
use crate::metrics::{Metrics, names};
use crate::processor::{ProcessorGraph, PunctuationType};
use crate::query::{Position, QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::state::storage::TaskStorage;
use crate::time::{Instant, Now, WallClock};
use crate::topology::Topology;
use crate::types::{OffsetAndMetadata, TaskId, TopicName, TopicPartition};
use crate::wire::RecordBatch;

/// A task that processes (Java: `StreamTask`).
pub struct StreamTask {
    /// Its id.
    pub id: TaskId,
    /// Its state, moved on by whoever drives it: only a running task processes and punctuates.
    pub state: TaskState,
    graph: ProcessorGraph,
    group: PartitionGroup,
    changelogs: Changelogs,
    commit_needed: bool,
    /// Since when there has been nothing to process.
    idling_since: Option<WallClock>,
    /// A commit is under way that has to do with this task.
    is_sealed: bool,
    /// Its stores may have what no commit made sure of: they are nobody's to go on from.
    is_dirty: bool,
}

impl StreamTask {
    /// A task that reads `partitions`; it is restored first. An empty partition is waited for as
    /// `max_task_idle_ms` says (key: `max.task.idle.ms`).
    ///
    /// # Errors
    /// When the task has no source for a partition.
    pub fn new(
        id: TaskId,
        graph: ProcessorGraph,
        partitions: &[TopicPartition],
        max_task_idle_ms: i64,
    ) -> Result<Self, StreamsError> {
        Self::promote(StandbyTask::new(id, graph), partitions, max_task_idle_ms)
    }

    /// A task that goes on from the state that a standby has: what that lacks is restored first
    /// (Java: `ActiveTaskCreator.createActiveTaskFromStandby`).
    ///
    /// # Errors
    /// When the task has no source for a partition.
    pub(crate) fn promote(
        standby: StandbyTask,
        partitions: &[TopicPartition],
        max_task_idle_ms: i64,
    ) -> Result<Self, StreamsError> {
        let StandbyTask {
            id,
            mut graph,
            changelogs,
        } = standby;
        let group = PartitionGroup::new(&mut graph, partitions, max_task_idle_ms)?;
        Ok(Self {
            id,
            state: TaskState::Created,
            changelogs: changelogs.begin_again(),
            graph,
            group,
            commit_needed: false,
            idling_since: None,
            is_sealed: false,
            is_dirty: false,
        })
    }

    /// Whether its stores may have what no commit made sure of.
    pub(crate) const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Ends the task and keeps its stores, which are not [dirty](Self::is_dirty), for a standby or
    /// for the task to come back (Java: `prepareRecycle`).
    pub(crate) fn demote(self, topology: &Topology) -> StandbyTask {
        StandbyTask {
            id: self.id,
            graph: self.graph.recycle(topology),
            changelogs: self.changelogs.begin_again(),
        }
    }

    /// The partitions it reads.
    pub fn inputs(&self) -> Vec<TopicPartition> {
        self.group.partitions().cloned().collect()
    }

    /// The changelogs of its stores.
    pub fn changelog_partitions(&self) -> Vec<TopicPartition> {
        self.changelogs.partitions()
    }

    /// Where reading of each changelog has to begin: behind what the stores kept of it.
    pub fn restore_positions(&self) -> Vec<(TopicPartition, i64)> {
        self.changelogs.positions()
    }

    /// How far its stores are with their changelogs; those of a running task are ahead of what is
    /// told here.
    pub(crate) fn progress(&self) -> impl Iterator<Item = ChangelogPosition> {
        self.changelogs.progress()
    }

    /// The changelogs that are being restored, with how many records they had.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (ChangelogPosition, u64)> {
        self.changelogs.unfinished()
    }

    /// The store of a changelog.
    pub(crate) fn store_of(&self, partition: &TopicPartition) -> Option<std::sync::Arc<str>> {
        let mut all = self.changelogs.progress();
        all.find(|c| c.partition == *partition).map(|c| c.store)
    }

    /// The offset that a store was restored up to, or has kept.
    pub(crate) fn restored_to(&self, partition: &TopicPartition) -> Option<i64> {
        let mut positions = self.changelogs.positions().into_iter();
        let known = positions.find(|(changelog, _)| changelog == partition);
        known.map(|(_, position)| position)
    }

    pub(crate) fn has_partition(&self, partition: &TopicPartition) -> bool {
        self.group.partitions().any(|input| input == partition) || self.changelogs.has(partition)
    }

    /// Reading of an input, or of a changelog that ends at `end`, begins at `offset`; `metadata` was
    /// committed with it.
    ///
    /// # Errors
    /// Something to warn about: the metadata cannot be understood, or the changelog no longer goes
    /// on from where its store ends, which is restored from the beginning.
    pub fn started(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        end: Option<i64>,
        metadata: &str,
    ) -> Result<(), String> {
        if let Some(end) = end
            && self.changelogs.has(partition)
        {
            return self.changelogs.start(partition, offset, end);
        }
        let processors = self.group.start(partition, offset, metadata)?;
        self.graph.update_metadata(processors);
        Ok(())
    }

    /// Takes what was fetched of an input or a changelog: batches up to `next_offset`, of a log that
    /// ends at `log_end`.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn push(
        &mut self,
        now: Now,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) -> Result<(), StreamsError> {
        if self.changelogs.is_reading(partition) {
            self.changelogs
                .push(partition, batches, next_offset, log_end);
            return Ok(());
        }
        let Self { group, graph, .. } = self;
        group.push(now, graph, partition, batches, next_offset, log_end)
    }

    /// Applies up to `max_records` changelog records. What a persistent store has of them waits in
    /// memory for [`commit_restored`](Self::commit_restored), or until a changelog is at its end.
    ///
    /// # Errors
    /// When a record cannot be read, or a store cannot take it.
    pub fn restore(&mut self, max_records: usize) -> Result<RestoreProgress, StreamsError> {
        let progress = self.changelogs.restore(&mut self.graph, max_records)?;
        if !progress.completed.is_empty() {
            self.commit_restored()?;
        }
        Ok(progress)
    }

    /// Puts what was restored so far into the storage of persistent stores.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit_restored(&self) -> Result<(), StreamsError> {
        self.changelogs.commit(&self.graph)
    }

    /// Its nodes and stores.
    pub const fn graph(&self) -> &ProcessorGraph {
        &self.graph
    }

    /// The same, for access to a store from outside.
    pub const fn graph_mut(&mut self) -> &mut ProcessorGraph {
        &mut self.graph
    }

    /// How many records of each input are known of and were not fetched yet.
    pub(crate) fn input_lags(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.group.lags()
    }

    /// True when every changelog was read to its end.
    pub fn is_restored(&self) -> bool {
        self.changelogs.is_complete()
    }

    /// True when it has a store of this name.
    pub(crate) fn has_store(&self, name: &str) -> bool {
        self.graph.has_own_store(name)
    }

    /// Answers a query of one of its stores.
    pub(crate) fn query(
        &self,
        store: &str,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        self.graph.query(store, query, after, max_rows)
    }

    /// The last offset of each input that it has processed.
    pub(crate) fn position(&self) -> Position {
        let positions = self.group.positions(self.graph.metadata()).into_iter();
        let seen = positions.filter(|(_, next)| next.offset > 0);
        seen.fold(Position::empty(), |all, (partition, next)| {
            all.with_component(&partition, next.offset - 1)
        })
    }

    /// True when [`StreamTask::restore`] has something to apply right away.
    pub(crate) fn can_restore(&self) -> bool {
        self.state == TaskState::Restoring && self.changelogs.can_restore()
    }

    /// Initialises the processors, once it is restored. It is for the caller to put the task into
    /// [`TaskState::Running`] then.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn init(&mut self, now: Now) -> Result<(), StreamsError> {
        // A processor may write as it begins.
        self.is_dirty = true;
        self.graph.init(now)
    }

    /// True when there is a record that may be processed now.
    pub fn can_process(&mut self, now: Now) -> bool {
        if self.state != TaskState::Running {
            return false;
        }
        let is_ready = self.group.is_ready(now.instant);
        let since = self.idling_since.unwrap_or(now.wall_clock);
        self.idling_since = (!is_ready).then_some(since);
        is_ready
    }

    /// Since when it has had nothing to process, as of the last question whether it has (Java:
    /// `timeCurrentIdlingStarted`).
    pub(crate) const fn idling_since(&self) -> Option<WallClock> {
        self.idling_since
    }

    /// When a task that waits for empty partitions processes without them (key: `max.task.idle.ms`).
    pub(crate) fn idle_until(&self) -> Option<Instant> {
        let running = self.state == TaskState::Running;
        self.group.idle_until().filter(|_| running)
    }

    /// Processes up to `max_records`; gives how many there were.
    ///
    /// # Errors
    /// Whatever a record cannot be processed for.
    pub fn process(&mut self, now: Now, max_records: usize) -> Result<usize, StreamsError> {
        let mut processed = 0;
        while processed < max_records {
            let Some(head) = self.group.pop(now, &mut self.graph)? else {
                break;
            };
            // Set first: a record that fails leaves nothing that looks committed.
            (self.commit_needed, self.is_dirty) = (true, true);
            if head.timestamp.is_some() {
                self.graph.process(now, self.group.stream_time())?;
            }
            processed += 1;
        }
        Ok(processed)
    }

    /// Calls the punctuators of a kind that are due; true when one was.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn punctuate(&mut self, kind: PunctuationType, now: Now) -> Result<bool, StreamsError> {
        if self.state != TaskState::Running {
            return Ok(false);
        }
        let stream_time = self.group.stream_time();
        let punctuated = self.graph.punctuate(kind, now, stream_time)?;
        self.commit_needed |= punctuated;
        self.is_dirty |= punctuated;
        Ok(punctuated)
    }

    pub(crate) fn next_wall_clock_punctuation(&self) -> Option<WallClock> {
        if self.state == TaskState::Running {
            self.graph.next_wall_clock_punctuation()
        } else {
            None
        }
    }

    /// True when something was processed or punctuated since the last commit.
    pub const fn is_commit_needed(&self) -> bool {
        self.commit_needed
    }

    /// True once after a processor asked for a commit.
    pub fn take_commit_request(&mut self) -> bool {
        self.graph.take_commit_request()
    }

    /// Flushes the caches and gives the offsets that may be committed once everything produced so
    /// far is written. When that has succeeded, call [`post_commit`](Self::post_commit).
    ///
    /// # Errors
    /// Whatever a store or a processor downstream fails with.
    pub fn prepare_commit(
        &mut self,
        now: Now,
    ) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>, StreamsError> {
        self.graph.flush(now)?;
        self.commit_needed = false;
        let positions = self.group.positions(self.graph.metadata());
        if let Some(storage) = self.graph.storage() {
            storage.seal();
        }
        self.changelogs.seal(&positions);
        self.is_sealed = true;
        Ok(positions)
    }

    /// Puts what was committed into the storage of persistent stores, with the last offset that
    /// was written to each changelog, as `last_written` tells it (Java: `postCommit`).
    ///
    /// # Errors
    /// When the storage cannot be written.
    pub fn post_commit(
        &mut self,
        last_written: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> Result<(), StreamsError> {
        if !std::mem::take(&mut self.is_sealed) {
            return Ok(());
        }
        self.changelogs.committed(&self.graph, last_written)?;
        self.is_dirty = self.commit_needed;
        Ok(())
    }

    /// A commit was refused: what persistent stores have for it belongs to the next one.
    pub(crate) fn commit_refused(&mut self) {
        self.commit_needed |= self.is_sealed;
    }

    /// About how many bytes of persistent stores wait in memory to be committed.
    pub fn uncommitted_bytes(&self) -> usize {
        let storage = self.graph.storage();
        storage.map_or(0, TaskStorage::uncommitted_bytes)
    }

    pub(crate) fn take_consumed(&mut self) -> Vec<(TopicPartition, usize)> {
        self.group.take_consumed()
    }

    /// Counts a record that was produced and cannot be written.
    pub(crate) fn drop_produced(&mut self, topic: &TopicName, error: HandledError<'_>) {
        self.graph.drop_produced(topic, error);
    }

    pub(crate) fn take_drop_reason(&mut self) -> Option<String> {
        self.graph.take_drop_reason()
    }

    /// Adds what is measured of the task, its sources, sinks and stores (Java: `TaskMetrics` and what
    /// is below).
    pub fn collect_metrics(&self, now: Instant, metrics: &mut Metrics) {
        metrics.with_tag("task-id", self.id.to_string(), |metrics| {
            metrics.count(&names::TASK_PROCESS_TOTAL, self.graph.processed());
            metrics.count(&names::TASK_PUNCTUATE_TOTAL, self.graph.punctuations());
            let dropped = self.graph.dropped_records();
            metrics.count(&names::TASK_DROPPED_RECORDS_TOTAL, dropped);
            self.group.collect_metrics(now, metrics);
            let cached = self.graph.cached_bytes() as f64;
            metrics.number(&names::TASK_CACHE_SIZE_BYTES_TOTAL, cached);
            let remaining = self.changelogs.remaining() as f64;
            metrics.number(&names::TASK_RESTORE_REMAINING_RECORDS_TOTAL, remaining);
            metrics.count(&names::TASK_RESTORE_TOTAL, self.changelogs.applied());
            self.graph.collect_metrics(now, metrics);
        });
    }

    /// Closes the processors; a dirty close also empties caches and stores without a trace.
    pub fn close(&mut self, clean: bool) {
        self.graph.close(clean);
        self.state = TaskState::Closed;
    }
}
