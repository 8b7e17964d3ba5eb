//! The fetched and not yet processed records of one partition (Java: `RecordQueue`).

use std::collections::VecDeque;

use super::offset_metadata;
use crate::error::StreamsError;
use crate::processor::{Input, ProcessorGraph, ProcessorMetadata};
use crate::time::{Instant, Now, StreamTime};
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::{Record, RecordBatch, Records};

/// The first record of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) offset: i64,
    /// `None` for the last of a run of dropped records: it is not processed, but committed.
    pub(super) timestamp: Option<i64>,
}

/// Batches as they were fetched; records are read from them one by one. The first record is with
/// its source, read and timed.
pub(super) struct RecordQueue {
    pub(super) partition: TopicPartition,
    input: Input,
    /// Reading has begun; what was fetched before belongs to an earlier owner of the partition.
    started: bool,
    batches: VecDeque<RecordBatch>,
    current: Option<(Records, usize, i32)>,
    head: Option<Head>,
    /// Records below were not asked for: a batch may begin before the position.
    wanted: i64,
    /// Follows everything buffered.
    next_offset: i64,
    log_end: i64,
    partition_time: StreamTime,
    leader_epoch: Option<i32>,
    consumed_bytes: usize,
    /// It is empty, as its log was last seen: until then the task waits for more (key:
    /// `max.task.idle.ms`).
    idle_until: Option<Instant>,
}

/// Whether a task may process without a record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// There is a record.
    Buffered,
    /// The log has more, or may have: it is on its way.
    WaitsForFetch,
    /// The log had no more; until then it is waited for.
    IdleUntil(Instant),
}

impl RecordQueue {
    pub(super) const fn new(partition: TopicPartition, input: Input) -> Self {
        Self {
            partition,
            input,
            started: false,
            batches: VecDeque::new(),
            current: None,
            head: None,
            wanted: 0,
            next_offset: 0,
            log_end: -1,
            partition_time: StreamTime::UNKNOWN,
            leader_epoch: None,
            consumed_bytes: 0,
            idle_until: None,
        }
    }

    pub(super) const fn input(&self) -> Input {
        self.input
    }

    /// Reading begins at `offset`; gives the partition time that was committed with it and what
    /// processors kept, or `Err` with what cannot be understood.
    pub(super) fn start(
        &mut self,
        offset: i64,
        metadata: &str,
    ) -> Result<(StreamTime, ProcessorMetadata), String> {
        let partition = self.partition.clone();
        *self = Self::new(partition, self.input);
        self.started = true;
        (self.wanted, self.next_offset) = (offset, offset);
        if metadata.is_empty() {
            return Ok((StreamTime::UNKNOWN, ProcessorMetadata::default()));
        }
        match offset_metadata::decode(metadata) {
            Some((time, processors)) => {
                self.partition_time = time;
                Ok((time, processors))
            }
            None => Err(format!(
                "the metadata {metadata:?} committed for {} is not Kafka Streams': its time is unknown",
                self.partition
            )),
        }
    }

    /// Takes fetched batches and loads the first record if there was none.
    pub(super) fn push(
        &mut self,
        now: Now,
        graph: &mut ProcessorGraph,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) -> Result<(), StreamsError> {
        if !self.started {
            return Ok(());
        }
        self.batches.extend(batches);
        self.next_offset = self.next_offset.max(next_offset);
        self.log_end = self.log_end.max(log_end);
        if self.head.is_none() {
            self.load(now, graph)
        } else {
            Ok(())
        }
    }

    /// Loads the first record that is not dropped; behind a run of dropped ones, the last of them
    /// stands for all.
    fn load(&mut self, now: Now, graph: &mut ProcessorGraph) -> Result<(), StreamsError> {
        while let Some(record) = self.read()? {
            let offset = record.offset;
            let timestamp = graph.load(now, self.input, record, self.partition_time)?;
            self.head = Some(Head { offset, timestamp });
            if timestamp.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The next record of the batches.
    fn read(&mut self) -> Result<Option<Record>, StreamsError> {
        loop {
            let Some((records, bytes, epoch)) = &mut self.current else {
                let Some(batch) = self.batches.pop_front() else {
                    return Ok(None);
                };
                let epoch = batch.header().partition_leader_epoch;
                self.current = Some((batch.records(), batch.size_bytes(), epoch));
                continue;
            };
            match records.next() {
                None => {
                    self.consumed_bytes += *bytes;
                    self.current = None;
                }
                Some(Ok(record)) if record.offset < self.wanted => {}
                Some(Ok(record)) => {
                    self.leader_epoch = (*epoch >= 0).then_some(*epoch);
                    return Ok(Some(record));
                }
                Some(Err(error)) => {
                    let message = format!("{}: {error}", self.partition);
                    return Err(StreamsError::Protocol(message));
                }
            }
        }
    }

    pub(super) const fn head(&self) -> Option<Head> {
        self.head
    }

    /// The first record is processed: loads the next one.
    pub(super) fn advance(
        &mut self,
        now: Now,
        graph: &mut ProcessorGraph,
    ) -> Result<(), StreamsError> {
        if let Some(head) = self.head.take() {
            self.partition_time.advance_to(head.timestamp.unwrap_or(-1));
            self.wanted = head.offset + 1;
            self.load(now, graph)?;
        }
        Ok(())
    }

    /// How far the end of the log is behind what was fetched; `None` before the first fetch.
    pub(super) fn lag(&self) -> Option<i64> {
        (self.log_end >= 0).then(|| (self.log_end - self.next_offset).max(0))
    }

    /// Records that were fetched and not processed yet; those at the front of the first batch that
    /// were not asked for count as well.
    pub(super) fn buffered_records(&self) -> usize {
        let waiting = self.batches.iter().map(|batch| batch.header().record_count);
        let waiting: usize = waiting
            .map(|count| usize::try_from(count).unwrap_or(0))
            .sum();
        let current = self.current.as_ref();
        let current = current.map_or(0, |(records, ..)| records.size_hint().0);
        usize::from(self.head.is_some()) + current + waiting
    }

    /// Bytes of batches that were used up since the last call.
    pub(super) const fn take_consumed_bytes(&mut self) -> usize {
        std::mem::replace(&mut self.consumed_bytes, 0)
    }

    /// Whether the task may process without this partition. The first time the log is seen to have no
    /// more, a wait of `max_idle_ms` begins; it ends for good when a record comes, or is known to.
    pub(super) fn readiness(&mut self, now: Instant, max_idle_ms: u64) -> Readiness {
        if self.head.is_some() {
            self.idle_until = None;
            Readiness::Buffered
        } else if self.log_end < 0 || self.next_offset < self.log_end {
            self.idle_until = None;
            Readiness::WaitsForFetch
        } else {
            let until = self.idle_until.get_or_insert(now.plus_ms(max_idle_ms));
            Readiness::IdleUntil(*until)
        }
    }

    /// What to commit: the first offset that was not processed, and what processors keep.
    pub(super) fn position(&self, processors: &ProcessorMetadata) -> Option<OffsetAndMetadata> {
        if !self.started {
            return None;
        }
        Some(OffsetAndMetadata {
            offset: self.head.map_or(self.next_offset, |head| head.offset),
            leader_epoch: self.leader_epoch,
            metadata: offset_metadata::encode(self.partition_time, processors),
        })
    }
}
