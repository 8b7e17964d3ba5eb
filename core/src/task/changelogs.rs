//! The changelogs of a task's stores on their way into them (Java: `StoreChangelogReader`).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::StreamsError;
use crate::processor::ProcessorGraph;
use crate::state::ChangelogRecord;
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::{Record, RecordBatch, Records};

/// A changelog on its way into a store.
struct Changelog {
    store: usize,
    store_name: Arc<str>,
    partition: TopicPartition,
    /// The changelog is an input of the task, too.
    is_input: bool,
    /// The log end when reading began; `None` before that.
    end: Option<i64>,
    /// The log end as told last.
    log_end: i64,
    /// A standby applies nothing from this offset on.
    limit: i64,
    position: i64,
    next_offset: i64,
    batches: VecDeque<RecordBatch>,
    current: Option<(Records, usize)>,
    /// The record that is next, where it was read already.
    held: Option<Record>,
    restored: u64,
    done: bool,
    /// Reading began elsewhere than the store ends: it is emptied first.
    must_clear: bool,
    /// Bytes of batches that were dropped unread.
    dropped_bytes: usize,
    /// Where the changelog is an input, too: the last record of the commit that is under way.
    input_offset: Option<i64>,
    /// A listener knows that a standby follows it.
    is_told: bool,
}

/// How far the copy of a changelog is that a task has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogPosition {
    /// The store.
    pub store: Arc<str>,
    /// The changelog.
    pub partition: TopicPartition,
    /// The next offset to be applied.
    pub position: i64,
    /// One past the last record, as far as it is known.
    pub end: i64,
}

/// What a step of restoring did.
#[derive(Debug, Default)]
pub struct RestoreProgress {
    /// Records applied.
    pub records: usize,
    /// Bytes of used-up batches.
    pub consumed: Vec<(TopicPartition, usize)>,
    /// Changelogs that are complete now, with how many records they had.
    pub completed: Vec<(ChangelogPosition, u64)>,
    /// Changelogs of which something was applied, and how many records.
    pub applied: Vec<(ChangelogPosition, u64)>,
}

/// The changelogs of one task.
pub(super) struct Changelogs(Vec<Changelog>);

impl Changelogs {
    /// Those of `graph`, whose stores may have something of them already.
    pub(super) fn new(graph: &ProcessorGraph) -> Self {
        let changelogs = graph.changelogs().into_iter().map(|(store, partition)| {
            let store_name = graph.store_name(store);
            let kept = graph.committed_offset(&store_name);
            let is_input = graph.reads(&partition.topic);
            Changelog {
                position: kept.map_or(0, |offset| offset + 1),
                ..Changelog::new(store, store_name, partition, is_input)
            }
        });
        Self(changelogs.collect())
    }

    /// The same to be read anew, from where the stores are.
    pub(super) fn begin_again(self) -> Self {
        let again = self.0.into_iter().map(|changelog| Changelog {
            position: changelog.position,
            must_clear: changelog.must_clear,
            log_end: changelog.log_end,
            ..Changelog::new(
                changelog.store,
                changelog.store_name,
                changelog.partition,
                changelog.is_input,
            )
        });
        Self(again.collect())
    }

    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        self.0.iter().map(|c| c.partition.clone()).collect()
    }

    pub(super) fn positions(&self) -> Vec<(TopicPartition, i64)> {
        let position = |c: &Changelog| (c.partition.clone(), c.position);
        self.0.iter().map(position).collect()
    }

    /// How far each is.
    pub(super) fn progress(&self) -> impl Iterator<Item = ChangelogPosition> {
        self.0.iter().map(Changelog::progress)
    }

    /// Those of which a listener was told.
    pub(super) fn told(&self) -> impl Iterator<Item = ChangelogPosition> {
        let told = self.0.iter().filter(|changelog| changelog.is_told);
        told.map(Changelog::progress)
    }

    pub(super) fn has(&self, partition: &TopicPartition) -> bool {
        self.0.iter().any(|c| c.partition == *partition)
    }

    /// True for a changelog that is not at its end.
    pub(super) fn is_reading(&self, partition: &TopicPartition) -> bool {
        self.0.iter().any(|c| c.partition == *partition && !c.done)
    }

    fn find(&mut self, partition: &TopicPartition) -> Option<&mut Changelog> {
        self.0.iter_mut().find(|c| c.partition == *partition)
    }

    /// Reading begins at `offset`, of a log that ends at `end`.
    pub(super) fn start(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        end: i64,
    ) -> Result<(), String> {
        let changelog = self.find(partition);
        changelog.map_or(Ok(()), |changelog| changelog.start(offset, end))
    }

    /// What a listener is to be told once: a standby follows this changelog from now on.
    pub(super) fn tell_start(&mut self, partition: &TopicPartition) -> Option<ChangelogPosition> {
        let changelog = self.find(partition)?;
        let was_told = std::mem::replace(&mut changelog.is_told, true);
        (!was_told).then(|| changelog.progress())
    }

    /// A standby may apply what is before `limit`, the committed offset of the input that its
    /// changelog is.
    pub(super) fn set_limit(&mut self, partition: &TopicPartition, limit: i64) {
        if let Some(changelog) = self.find(partition).filter(|c| c.is_input) {
            changelog.limit = changelog.limit.max(limit);
        }
    }

    pub(super) fn push(
        &mut self,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) {
        if let Some(changelog) = self.find(partition)
            && changelog.end.is_some()
        {
            changelog.batches.extend(batches);
            changelog.next_offset = changelog.next_offset.max(next_offset);
            changelog.log_end = changelog.log_end.max(log_end);
        }
    }

    /// Applies up to `max_records` records, of each changelog up to what was its end.
    pub(super) fn restore(
        &mut self,
        graph: &mut ProcessorGraph,
        max_records: usize,
    ) -> Result<RestoreProgress, StreamsError> {
        let mut progress = RestoreProgress::default();
        for changelog in self.0.iter_mut().filter(|c| !c.done) {
            let Some(end) = changelog.end else { continue };
            changelog.apply(graph, end, max_records, &mut progress)?;
            if changelog.position >= end {
                changelog.done = true;
                (changelog.current, changelog.held) = (None, None);
                changelog.batches.clear();
                let completed = (changelog.progress(), changelog.restored);
                progress.completed.push(completed);
            }
        }
        Ok(progress)
    }

    /// Applies up to `max_records` records, of whatever comes.
    pub(super) fn follow(
        &mut self,
        graph: &mut ProcessorGraph,
        max_records: usize,
    ) -> Result<RestoreProgress, StreamsError> {
        let mut progress = RestoreProgress::default();
        for changelog in self.0.iter_mut().filter(|c| c.end.is_some()) {
            let limit = changelog.limit;
            changelog.apply(graph, limit, max_records, &mut progress)?;
        }
        Ok(progress)
    }

    /// Puts what was applied into the storage of persistent stores.
    pub(super) fn commit(&self, graph: &ProcessorGraph) -> Result<(), StreamsError> {
        if let Some(storage) = graph.storage() {
            storage.commit_restored(|store| {
                let changelog = self.0.iter().find(|c| &*c.store_name == store)?;
                let is_there = changelog.position > 0 && !changelog.must_clear;
                is_there.then(|| changelog.position - 1)
            })?;
        }
        Ok(())
    }

    /// Those that are not at their ends, with how many records they had.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (ChangelogPosition, u64)> {
        let reading = self.0.iter().filter(|c| !c.done && c.end.is_some());
        reading.map(|c| (c.progress(), c.restored))
    }

    /// Records that were applied since reading began.
    pub(super) fn applied(&self) -> u64 {
        self.0.iter().map(|changelog| changelog.restored).sum()
    }

    /// How many offsets are left up to the ends.
    pub(super) fn remaining(&self) -> u64 {
        let reading = self.0.iter().filter(|changelog| !changelog.done);
        let left = reading.filter_map(|changelog| Some(changelog.end? - changelog.position));
        left.map(|left| u64::try_from(left).unwrap_or(0)).sum()
    }

    /// True when every changelog was read to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|changelog| changelog.done)
    }

    /// True when something to restore is there.
    pub(super) fn can_restore(&self) -> bool {
        self.0.iter().any(|c| !c.done && c.has_batches())
    }

    /// True when something to follow is there that may be applied.
    pub(super) fn can_follow(&self) -> bool {
        let may = |c: &Changelog| {
            let held = c.held.as_ref();
            c.position < c.limit && c.has_batches() && held.is_none_or(|r| r.offset < c.limit)
        };
        self.0.iter().any(|c| c.end.is_some() && may(c))
    }

    /// A commit begins, with which the inputs are processed up to `positions`.
    pub(super) fn seal(&mut self, positions: &[(TopicPartition, OffsetAndMetadata)]) {
        for changelog in self.0.iter_mut().filter(|c| c.is_input) {
            let mut inputs = positions.iter();
            let input = inputs.find(|(partition, _)| *partition == changelog.partition);
            changelog.input_offset = input.map(|(_, position)| position.offset - 1);
        }
    }

    /// That commit has succeeded, and `last_written` knows the last record of each changelog that
    /// belongs to it.
    pub(super) fn committed(
        &mut self,
        graph: &ProcessorGraph,
        last_written: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> Result<(), StreamsError> {
        for changelog in &mut self.0 {
            let last = last_written(&changelog.partition).max(changelog.input_offset);
            let next = last.map_or(0, |last| last + 1);
            changelog.position = changelog.position.max(next);
            changelog.log_end = changelog.log_end.max(next);
        }
        if let Some(storage) = graph.storage() {
            storage.commit(|store| {
                let changelog = self.0.iter().find(|c| &*c.store_name == store)?;
                last_written(&changelog.partition).max(changelog.input_offset)
            })?;
        }
        Ok(())
    }
}

impl Changelog {
    fn new(store: usize, store_name: Arc<str>, partition: TopicPartition, is_input: bool) -> Self {
        Self {
            store,
            store_name,
            partition,
            is_input,
            end: None,
            log_end: 0,
            limit: if is_input { 0 } else { i64::MAX },
            position: 0,
            next_offset: 0,
            batches: VecDeque::new(),
            current: None,
            held: None,
            restored: 0,
            done: false,
            must_clear: false,
            dropped_bytes: 0,
            input_offset: None,
            is_told: false,
        }
    }

    fn progress(&self) -> ChangelogPosition {
        ChangelogPosition {
            store: Arc::clone(&self.store_name),
            partition: self.partition.clone(),
            position: self.position,
            end: self.log_end,
        }
    }

    fn has_batches(&self) -> bool {
        self.current.is_some() || !self.batches.is_empty()
    }

    fn start(&mut self, offset: i64, end: i64) -> Result<(), String> {
        let reached = std::mem::replace(&mut self.position, offset);
        (self.end, self.next_offset) = (Some(end), offset);
        self.log_end = self.log_end.max(end);
        if reached == 0 || reached == offset {
            return Ok(());
        }
        (self.must_clear, self.held) = (true, None);
        let current = self.current.take().map(|(_, bytes)| bytes);
        let waiting = self.batches.drain(..).map(|batch| batch.size_bytes());
        self.dropped_bytes += waiting.chain(current).sum::<usize>();
        Err(format!(
            "{} has no offset {reached} any more, up to which store {} was restored: it is restored \
             from the beginning, at {offset}",
            self.partition, self.store_name
        ))
    }

    /// Applies what is before `bound`, as far as `progress` has room for it.
    fn apply(
        &mut self,
        graph: &mut ProcessorGraph,
        bound: i64,
        max_records: usize,
        progress: &mut RestoreProgress,
    ) -> Result<(), StreamsError> {
        if std::mem::take(&mut self.must_clear) {
            graph.clear_store(self.store)?;
        }
        let mut consumed = std::mem::take(&mut self.dropped_bytes);
        let before = self.restored;
        while progress.records < max_records && self.position < bound {
            let Some(record) = self.next_record(&mut consumed)? else {
                break;
            };
            if record.offset < self.position {
                continue;
            }
            if record.offset >= bound {
                self.position = bound;
                self.held = Some(record);
                break;
            }
            self.position = record.offset + 1;
            self.restored += 1;
            progress.records += 1;
            // Records without a key cannot belong to a store.
            if let Some(key) = record.key {
                let (value, timestamp) = (record.value, record.timestamp);
                let headers = record.headers;
                graph.restore(
                    self.store,
                    ChangelogRecord {
                        key,
                        value,
                        timestamp,
                        headers,
                    },
                )?;
            }
        }
        if !self.has_batches() && self.held.is_none() {
            // Over what compaction removed, and over control batches.
            self.position = self.position.max(self.next_offset);
        }
        if consumed > 0 {
            progress.consumed.push((self.partition.clone(), consumed));
        }
        if self.restored > before {
            let applied = (self.progress(), self.restored - before);
            progress.applied.push(applied);
        }
        Ok(())
    }

    fn next_record(&mut self, consumed: &mut usize) -> Result<Option<Record>, StreamsError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            let Some((records, bytes)) = &mut self.current else {
                let Some(batch) = self.batches.pop_front() else {
                    return Ok(None);
                };
                self.current = Some((batch.records(), batch.size_bytes()));
                continue;
            };
            if let Some(record) = records.next() {
                return record.map(Some).map_err(|error| {
                    StreamsError::Protocol(format!("{}: {error}", self.partition))
                });
            }
            *consumed += *bytes;
            self.current = None;
        }
    }
}
