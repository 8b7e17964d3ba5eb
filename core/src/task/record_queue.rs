//! The fetched and not yet processed records of one partition (Java: `RecordQueue`).

use std::collections::VecDeque;

use super::offset_metadata;
use crate::error::StreamsError;
use crate::time::StreamTime;
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::{Record, RecordBatch, Records};

/// Batches as they were fetched; records are read from them one by one.
pub(super) struct RecordQueue {
    pub(super) partition: TopicPartition,
    /// Reading has begun; what was fetched before belongs to an earlier owner of the partition.
    started: bool,
    batches: VecDeque<RecordBatch>,
    current: Option<(Records, usize, i32)>,
    head: Option<Record>,
    /// Records below were not asked for: a batch may begin before the position.
    wanted: i64,
    /// Follows everything buffered.
    next_offset: i64,
    log_end: i64,
    partition_time: StreamTime,
    leader_epoch: Option<i32>,
    consumed_bytes: usize,
}

impl RecordQueue {
    pub(super) const fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
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
        }
    }

    /// Reading begins at `offset`; gives the partition time that was committed with it, or `Err`
    /// with what cannot be understood.
    pub(super) fn start(&mut self, offset: i64, metadata: &str) -> Result<StreamTime, String> {
        let partition = self.partition.clone();
        *self = Self::new(partition);
        self.started = true;
        (self.wanted, self.next_offset) = (offset, offset);
        if metadata.is_empty() {
            return Ok(StreamTime::UNKNOWN);
        }
        match offset_metadata::decode(metadata) {
            Some(time) => {
                self.partition_time = time;
                Ok(time)
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
            self.load()
        } else {
            Ok(())
        }
    }

    fn load(&mut self) -> Result<(), StreamsError> {
        loop {
            let Some((records, bytes, epoch)) = &mut self.current else {
                let Some(batch) = self.batches.pop_front() else {
                    return Ok(());
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
                    return self.check(record);
                }
                Some(Err(error)) => {
                    let message = format!("{}: {error}", self.partition);
                    return Err(StreamsError::Protocol(message));
                }
            }
        }
    }

    /// Java's default extractor, `FailOnInvalidTimestamp`.
    fn check(&mut self, record: Record) -> Result<(), StreamsError> {
        if record.timestamp < 0 {
            let message = format!(
                "the record at {} offset {} has the timestamp {}, and only 0 and later are valid: \
                 it was written without one",
                self.partition, record.offset, record.timestamp
            );
            return Err(StreamsError::Protocol(message));
        }
        self.head = Some(record);
        Ok(())
    }

    pub(super) fn head_timestamp(&self) -> Option<i64> {
        self.head.as_ref().map(|record| record.timestamp)
    }

    /// Takes the first record and loads the next one.
    pub(super) fn pop(&mut self) -> Result<Option<Record>, StreamsError> {
        let Some(record) = self.head.take() else {
            return Ok(None);
        };
        self.partition_time.advance_to(record.timestamp);
        self.wanted = record.offset + 1;
        self.load()?;
        Ok(Some(record))
    }

    /// Bytes of batches that were used up since the last call.
    pub(super) const fn take_consumed_bytes(&mut self) -> usize {
        std::mem::replace(&mut self.consumed_bytes, 0)
    }

    /// True when nothing is buffered although the log is known, or may be, to have more.
    pub(super) const fn is_waiting_for_fetch(&self) -> bool {
        self.head.is_none() && (self.log_end < 0 || self.next_offset < self.log_end)
    }

    /// What to commit: the first offset that was not processed.
    pub(super) fn position(&self) -> Option<OffsetAndMetadata> {
        if !self.started {
            return None;
        }
        Some(OffsetAndMetadata {
            offset: self
                .head
                .as_ref()
                .map_or(self.next_offset, |record| record.offset),
            leader_epoch: self.leader_epoch,
            metadata: offset_metadata::encode(self.partition_time),
        })
    }
}
