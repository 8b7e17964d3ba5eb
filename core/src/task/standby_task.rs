//! A task that only keeps a copy of the state (Java: `StandbyTask`).

use super::changelogs::{ChangelogPosition, Changelogs, RestoreProgress};
use crate::error::StreamsError;
use crate::metrics::{Metrics, names};
use crate::processor::ProcessorGraph;
use crate::state::storage::TaskStorage;
use crate::types::{TaskId, TopicPartition};
use crate::wire::RecordBatch;

/// A task that follows the changelogs of its stores and never processes: it becomes a
/// [`StreamTask`](super::StreamTask) without much to restore.
///
/// Nothing is in its stores that is not committed, so it has no unclean end.
pub struct StandbyTask {
    /// Its id.
    pub id: TaskId,
    pub(super) graph: ProcessorGraph,
    pub(super) changelogs: Changelogs,
}

impl StandbyTask {
    /// A task with the stores of `graph`, as they are.
    pub fn new(id: TaskId, graph: ProcessorGraph) -> Self {
        Self {
            id,
            changelogs: Changelogs::new(&graph),
            graph,
        }
    }

    /// The changelogs it follows.
    pub fn changelog_partitions(&self) -> Vec<TopicPartition> {
        self.changelogs.partitions()
    }

    /// Where reading of each changelog has to begin.
    pub fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.changelogs.positions()
    }

    /// How far the copy of each store is.
    pub fn progress(&self) -> impl Iterator<Item = ChangelogPosition> {
        self.changelogs.progress()
    }

    pub(crate) fn has_partition(&self, partition: &TopicPartition) -> bool {
        self.changelogs.has(partition)
    }

    /// Reading of a changelog that ends at `end` begins at `offset`.
    ///
    /// # Errors
    /// Something to warn about: the changelog no longer goes on from where its store ends.
    pub fn started(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        end: i64,
    ) -> Result<(), String> {
        self.changelogs.start(partition, offset, end)
    }

    /// What a listener is to be told: the changelog is followed from now on. `None` when it was.
    pub(crate) fn tell_start(&mut self, partition: &TopicPartition) -> Option<ChangelogPosition> {
        self.changelogs.tell_start(partition)
    }

    /// The changelogs that a listener was told of, and how far it is with them.
    pub(crate) fn followed(&self) -> Vec<ChangelogPosition> {
        self.changelogs.told().collect()
    }

    /// The same to be read anew.
    pub(crate) fn begin_again(self) -> Self {
        Self {
            changelogs: self.changelogs.begin_again(),
            ..self
        }
    }

    /// The same, with a listener that was told of `followed` already.
    pub(crate) fn resume(mut self, followed: &[ChangelogPosition]) -> Self {
        for told in followed {
            self.changelogs.tell_start(&told.partition);
        }
        self
    }

    /// The group has committed an input of the task, which is a changelog at once, up to `offset`:
    /// so far it may be followed, and not at all before this was called.
    pub fn set_limit(&mut self, partition: &TopicPartition, offset: i64) {
        self.changelogs.set_limit(partition, offset);
    }

    /// Takes fetched batches of a changelog, up to `next_offset`, of a log that ends at `log_end`.
    pub fn push(
        &mut self,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) {
        self.changelogs
            .push(partition, batches, next_offset, log_end);
    }

    /// Applies up to `max_records` records. What a persistent store has of them waits in memory for
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// When a record cannot be read, or a store cannot take it.
    pub fn update(&mut self, max_records: usize) -> Result<RestoreProgress, StreamsError> {
        self.changelogs.follow(&mut self.graph, max_records)
    }

    /// True when [`update`](Self::update) has something to apply right away.
    pub fn can_update(&self) -> bool {
        self.changelogs.can_follow()
    }

    /// Puts what was applied into the storage of persistent stores.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit(&self) -> Result<(), StreamsError> {
        self.changelogs.commit(&self.graph)
    }

    /// About how many bytes of persistent stores wait in memory to be committed.
    pub fn uncommitted_bytes(&self) -> usize {
        let storage = self.graph.storage();
        storage.map_or(0, TaskStorage::uncommitted_bytes)
    }

    /// Adds what is measured of it.
    pub(crate) fn collect_metrics(&self, metrics: &mut Metrics) {
        metrics.with_tag("task-id", self.id.to_string(), |metrics| {
            metrics.count(&names::TASK_UPDATE_TOTAL, self.changelogs.applied());
        });
    }

    /// Its stores.
    pub const fn graph(&self) -> &ProcessorGraph {
        &self.graph
    }

    /// The same, for access to a store from outside.
    pub const fn graph_mut(&mut self) -> &mut ProcessorGraph {
        &mut self.graph
    }

    /// Ends it. A clean end sees to it that a persistent store goes on from here.
    ///
    /// # Errors
    /// When the storage cannot be written.
    pub fn close(&mut self, clean: bool) -> Result<(), StreamsError> {
        let stored = if clean { self.commit() } else { Ok(()) };
        self.graph.close(clean);
        stored
    }
}
