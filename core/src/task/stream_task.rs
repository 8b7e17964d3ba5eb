//! One task: its graph, its input, its restoring (Java: `StreamTask`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::TaskState;
use super::partition_group::PartitionGroup;
use crate::error::StreamsError;
use crate::processor::{ProcessorGraph, PunctuationType};
use crate::query::{Position, QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::state::ChangelogRecord;
use crate::state::storage::TaskStorage;
use crate::time::{Now, WallClock};
use crate::types::{OffsetAndMetadata, TaskId, TopicPartition};
use crate::wire::{RecordBatch, Records};

/// A changelog on its way into a store.
struct Changelog {
    store: usize,
    store_name: Arc<str>,
    partition: TopicPartition,
    /// The log end when restoring began; `None` before that.
    end: Option<i64>,
    position: i64,
    next_offset: i64,
    batches: VecDeque<RecordBatch>,
    current: Option<(Records, usize)>,
    restored: u64,
    done: bool,
    /// Reading began elsewhere than the store ends: it is emptied first.
    must_clear: bool,
    /// Bytes of batches that were dropped unread.
    dropped_bytes: usize,
    /// Where the changelog is an input, too: the last record of the commit that is under way.
    input_offset: Option<i64>,
}

impl Changelog {
    fn start(&mut self, offset: i64, end: i64) -> Result<(), String> {
        let reached = std::mem::replace(&mut self.position, offset);
        (self.end, self.next_offset) = (Some(end), offset);
        if reached == 0 || reached == offset {
            return Ok(());
        }
        self.must_clear = true;
        let current = self.current.take().map(|(_, bytes)| bytes);
        let waiting = self.batches.drain(..).map(|batch| batch.size_bytes());
        self.dropped_bytes += waiting.chain(current).sum::<usize>();
        Err(format!(
            "{} has no offset {reached} any more, up to which store {} was restored: it is restored \
             from the beginning, at {offset}",
            self.partition, self.store_name
        ))
    }
}

/// What a step of restoring did.
#[derive(Debug, Default)]
pub struct RestoreProgress {
    /// Records applied.
    pub records: usize,
    /// Bytes of used-up batches.
    pub consumed: Vec<(TopicPartition, usize)>,
    /// Changelogs that are complete now, with how many records they had.
    pub completed: Vec<(TopicPartition, u64)>,
}

/// A task that processes (Java: `StreamTask`).
pub struct StreamTask {
    /// Its id.
    pub id: TaskId,
    /// Its state, moved on by whoever drives it: only a running task processes and punctuates.
    pub state: TaskState,
    graph: ProcessorGraph,
    group: PartitionGroup,
    changelogs: Vec<Changelog>,
    commit_needed: bool,
    /// Persistent stores wait for the end of a commit.
    is_sealed: bool,
}

impl StreamTask {
    /// A task that reads `partitions`; it is restored first. An empty partition is waited for as
    /// `max_task_idle_ms` says (key: `max.task.idle.ms`).
    pub fn new(
        id: TaskId,
        mut graph: ProcessorGraph,
        partitions: &[TopicPartition],
        max_task_idle_ms: i64,
    ) -> Result<Self, StreamsError> {
        let changelogs = graph.changelogs().into_iter().map(|(store, partition)| {
            let store_name = graph.store_name(store);
            let kept = graph.committed_offset(&store_name);
            Changelog {
                store,
                store_name,
                partition,
                end: None,
                position: kept.map_or(0, |offset| offset + 1),
                next_offset: 0,
                batches: VecDeque::new(),
                current: None,
                restored: 0,
                done: false,
                must_clear: false,
                dropped_bytes: 0,
                input_offset: None,
            }
        });
        let changelogs = changelogs.collect();
        let group = PartitionGroup::new(&mut graph, partitions, max_task_idle_ms)?;
        Ok(Self {
            id,
            state: TaskState::Created,
            changelogs,
            graph,
            group,
            commit_needed: false,
            is_sealed: false,
        })
    }

    /// The partitions it reads.
    pub fn inputs(&self) -> Vec<TopicPartition> {
        self.group.partitions().cloned().collect()
    }

    /// The changelogs of its stores.
    pub fn changelog_partitions(&self) -> Vec<TopicPartition> {
        self.changelogs
            .iter()
            .map(|changelog| changelog.partition.clone())
            .collect()
    }

    /// Where reading of each changelog has to begin: behind what the stores kept of it.
    pub fn restore_positions(&self) -> Vec<(TopicPartition, i64)> {
        self.changelogs
            .iter()
            .map(|changelog| (changelog.partition.clone(), changelog.position))
            .collect()
    }

    fn changelog(&mut self, partition: &TopicPartition) -> Option<&mut Changelog> {
        self.changelogs
            .iter_mut()
            .find(|changelog| changelog.partition == *partition)
    }

    pub(crate) fn has_partition(&self, partition: &TopicPartition) -> bool {
        self.group.partitions().any(|input| input == partition)
            || self
                .changelogs
                .iter()
                .any(|changelog| changelog.partition == *partition)
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
            && let Some(changelog) = self.changelog(partition)
        {
            return changelog.start(offset, end);
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
        if let Some(changelog) = self.changelog(partition)
            && !changelog.done
        {
            if changelog.end.is_some() {
                changelog.batches.extend(batches);
                changelog.next_offset = changelog.next_offset.max(next_offset);
            }
            return Ok(());
        }
        let Self { group, graph, .. } = self;
        group.push(now, graph, partition, batches, next_offset, log_end)
    }

    /// Applies up to `max_records` changelog records.
    ///
    /// # Errors
    /// When a record cannot be read, or a store cannot take it.
    pub fn restore(&mut self, max_records: usize) -> Result<RestoreProgress, StreamsError> {
        let mut progress = RestoreProgress::default();
        let Self {
            changelogs, graph, ..
        } = self;
        for changelog in changelogs.iter_mut().filter(|c| !c.done) {
            let Some(end) = changelog.end else { continue };
            if std::mem::take(&mut changelog.must_clear) {
                graph.clear_store(changelog.store)?;
            }
            let mut consumed = std::mem::take(&mut changelog.dropped_bytes);
            while progress.records < max_records && changelog.position < end {
                let Some((records, bytes)) = &mut changelog.current else {
                    let Some(batch) = changelog.batches.pop_front() else {
                        break;
                    };
                    changelog.current = Some((batch.records(), batch.size_bytes()));
                    continue;
                };
                let Some(record) = records.next() else {
                    consumed += *bytes;
                    changelog.current = None;
                    continue;
                };
                let record = record.map_err(|error| {
                    StreamsError::Protocol(format!("{}: {error}", changelog.partition))
                })?;
                if record.offset < changelog.position || record.offset >= end {
                    continue;
                }
                changelog.position = record.offset + 1;
                changelog.restored += 1;
                progress.records += 1;
                // Records without a key cannot belong to a store.
                if let Some(key) = record.key {
                    let (value, timestamp) = (record.value, record.timestamp);
                    let headers = record.headers;
                    graph.restore(
                        changelog.store,
                        ChangelogRecord {
                            key,
                            value,
                            timestamp,
                            headers,
                        },
                    )?;
                }
            }
            if changelog.batches.is_empty() && changelog.current.is_none() {
                // Over what compaction removed, and over control batches.
                changelog.position = changelog.position.max(changelog.next_offset);
            }
            if changelog.position >= end {
                changelog.done = true;
                changelog.current = None;
                changelog.batches.clear();
                progress
                    .completed
                    .push((changelog.partition.clone(), changelog.restored));
            } else if consumed > 0 {
                progress
                    .consumed
                    .push((changelog.partition.clone(), consumed));
            }
        }
        let is_complete = !progress.completed.is_empty();
        if let Some(storage) = self.graph.storage()
            && (is_complete || storage.uncommitted_bytes() >= RESTORED_BYTES_MAX)
        {
            storage.commit_restored(|store| self.restored_offset(store))?;
        }
        Ok(progress)
    }

    /// The last changelog record that `store` was restored from.
    fn restored_offset(&self, store: &str) -> Option<i64> {
        let changelog = self.changelogs.iter().find(|c| &*c.store_name == store)?;
        (changelog.position > 0).then(|| changelog.position - 1)
    }

    /// Its nodes and stores.
    pub const fn graph(&self) -> &ProcessorGraph {
        &self.graph
    }

    /// The same, for access to a store from outside.
    pub const fn graph_mut(&mut self) -> &mut ProcessorGraph {
        &mut self.graph
    }

    /// True when every changelog was read to its end.
    pub fn is_restored(&self) -> bool {
        self.changelogs.iter().all(|changelog| changelog.done)
    }

    /// True when it has a store of this name.
    pub(crate) fn has_store(&self, name: &str) -> bool {
        let mut stores = self.graph.stores();
        stores.any(|(store, _)| store.name() == name)
    }

    /// Answers a query of one of its stores.
    pub(crate) fn query(
        &self,
        store: &str,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        let mut stores = self.graph.stores();
        match stores.find(|(known, _)| known.name() == store) {
            Some((store, _)) => store.query(query, after, max_rows),
            None => Err(QueryFailure::NotPresent {
                store: store.to_owned(),
                partition: Some(self.id.partition),
            }),
        }
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
        let fed = |c: &Changelog| !c.done && (c.current.is_some() || !c.batches.is_empty());
        self.state == TaskState::Restoring && self.changelogs.iter().any(fed)
    }

    /// Initialises the processors, once it is restored. It is for the caller to put the task into
    /// [`TaskState::Running`] then.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn init(&mut self, now: Now) -> Result<(), StreamsError> {
        self.graph.init(now)
    }

    /// True when there is a record that may be processed now.
    pub fn can_process(&self) -> bool {
        self.state == TaskState::Running && self.group.has_next()
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
            self.commit_needed = true;
            if head.timestamp.is_some() {
                self.graph.process(now, self.group.stream_time())?;
            }
            processed += 1;
        }
        Ok(processed)
    }

    /// Calls the punctuators of a kind that are due.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn punctuate(&mut self, kind: PunctuationType, now: Now) -> Result<(), StreamsError> {
        if self.state == TaskState::Running {
            let stream_time = self.group.stream_time();
            self.commit_needed |= self.graph.punctuate(kind, now, stream_time)?;
        }
        Ok(())
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
            for changelog in &mut self.changelogs {
                let mut inputs = positions.iter();
                let input = inputs.find(|(partition, _)| *partition == changelog.partition);
                changelog.input_offset = input.map(|(_, position)| position.offset - 1);
            }
            self.is_sealed = true;
        }
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
        if let Some(storage) = self.graph.storage()
            && std::mem::take(&mut self.is_sealed)
        {
            storage.commit(|store| {
                let changelog = self.changelogs.iter().find(|c| &*c.store_name == store)?;
                last_written(&changelog.partition).max(changelog.input_offset)
            })?;
        }
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

    pub(crate) fn take_drop_reason(&mut self) -> Option<String> {
        self.graph.take_drop_reason()
    }

    /// Closes the processors; a dirty close also empties caches and stores without a trace.
    pub fn close(&mut self, clean: bool) {
        self.graph.close(clean);
        self.state = TaskState::Closed;
    }
}

/// Restored bytes in memory above which they go to the storage.
const RESTORED_BYTES_MAX: usize = 16 << 20;
