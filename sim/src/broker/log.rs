//! One partition's log: record batches as they were produced, offsets and leader epoch stamped in.
//!
//! Retention and compaction are not modelled yet: a log only loses records to DeleteRecords.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use eddyline_core::wire::{self, Record, RecordBatch, RecordError};

use super::codes;

/// How many of a producer's last batches are remembered to recognise a repeated one
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const REMEMBERED_BATCHES: usize = 5;

/// A batch in the log.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
    bytes: Bytes,
}

impl StoredBatch {
    /// The offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// The batch as it goes over the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

#[derive(Clone, Debug)]
struct SequenceRange {
    first: i32,
    last: i32,
    base_offset: i64,
}

#[derive(Clone, Debug)]
struct ProducerState {
    epoch: i16,
    recent: VecDeque<SequenceRange>,
}

/// Where an appended batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The batch was there already: nothing was written.
    pub(crate) duplicate: bool,
}

/// The log of one partition.
#[derive(Debug, Default)]
pub struct PartitionLog {
    batches: VecDeque<StoredBatch>,
    start_offset: i64,
    end_offset: i64,
    size_bytes: usize,
    producers: BTreeMap<i64, ProducerState>,
    /// Leader epochs and the offset each began at, ascending.
    epochs: Vec<(i32, i64)>,
}

impl PartitionLog {
    /// The offset of the first record that can be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset the next record will get. Replication is immediate: also the high watermark.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Bytes of all stored batches.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The stored batches, in offset order.
    pub fn batches(&self) -> impl Iterator<Item = &StoredBatch> {
        self.batches.iter()
    }

    /// All readable records, in offset order.
    ///
    /// # Errors
    /// A batch a hostile producer wrote may not decode.
    pub fn records(&self) -> Result<Vec<Record>, RecordError> {
        let mut records = Vec::new();
        for batch in &self.batches {
            for batch in wire::decode_batches(batch.bytes.clone())? {
                for record in batch.records() {
                    let record = record?;
                    if record.offset >= self.start_offset {
                        records.push(record);
                    }
                }
            }
        }
        Ok(records)
    }

    /// Appends a produced batch, or recognises it as one that is there already.
    ///
    /// # Errors
    /// The error code of a producer whose epoch or sequence is wrong.
    pub(crate) fn append(
        &mut self,
        batch: &RecordBatch,
        leader_epoch: i32,
    ) -> Result<Appended, i16> {
        if batch.header().producer_id >= 0
            && let Some(base_offset) = self.check_producer(batch)?
        {
            return Ok(Appended {
                base_offset,
                duplicate: true,
            });
        }
        let base_offset = self.end_offset;
        let length = batch.header().last_offset - batch.header().base_offset;
        let bytes = wire::assign_offsets(batch, base_offset, leader_epoch);
        self.size_bytes += bytes.len();
        self.batches.push_back(StoredBatch {
            base_offset,
            last_offset: base_offset + length,
            max_timestamp: batch.header().max_timestamp,
            bytes,
        });
        self.end_offset = base_offset + length + 1;
        if batch.header().producer_id >= 0 {
            self.remember(batch, base_offset);
        }
        self.begin_epoch_at(leader_epoch, base_offset);
        Ok(Appended {
            base_offset,
            duplicate: false,
        })
    }

    /// Kafka's rules for idempotent producers (Java: `ProducerAppendInfo`); gives the offset of a
    /// duplicate. A producer nothing is known of may start with any sequence.
    fn check_producer(&self, batch: &RecordBatch) -> Result<Option<i64>, i16> {
        let Some(state) = self.producers.get(&batch.header().producer_id) else {
            return Ok(None);
        };
        let (first, last) = (batch.header().base_sequence, last_sequence(batch));
        if batch.header().producer_epoch < state.epoch {
            return Err(codes::INVALID_PRODUCER_EPOCH);
        }
        if batch.header().producer_epoch > state.epoch {
            return if first == 0 {
                Ok(None)
            } else {
                Err(codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
            };
        }
        let duplicate = state
            .recent
            .iter()
            .find(|range| range.first == first && range.last == last);
        if let Some(range) = duplicate {
            return Ok(Some(range.base_offset));
        }
        let expected = state.recent.back().map(|range| next_sequence(range.last));
        if expected.is_none_or(|expected| expected == first) {
            Ok(None)
        } else {
            Err(codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
    }

    fn remember(&mut self, batch: &RecordBatch, base_offset: i64) {
        let entry = self.producers.entry(batch.header().producer_id);
        let state = entry.or_insert_with(|| ProducerState {
            epoch: batch.header().producer_epoch,
            recent: VecDeque::with_capacity(REMEMBERED_BATCHES),
        });
        if state.epoch != batch.header().producer_epoch {
            state.epoch = batch.header().producer_epoch;
            state.recent.clear();
        }
        if state.recent.len() == REMEMBERED_BATCHES {
            state.recent.pop_front();
        }
        state.recent.push_back(SequenceRange {
            first: batch.header().base_sequence,
            last: last_sequence(batch),
            base_offset,
        });
    }

    /// The next epoch of the partition's leader begins at the end of the log.
    pub(crate) fn begin_epoch(&mut self, leader_epoch: i32) {
        self.begin_epoch_at(leader_epoch, self.end_offset);
    }

    fn begin_epoch_at(&mut self, leader_epoch: i32, offset: i64) {
        let last = self.epochs.last().map(|(epoch, _)| *epoch);
        if last.is_none_or(|last| last < leader_epoch) {
            self.epochs.push((leader_epoch, offset));
        }
    }

    /// The leader epoch of the record at `offset`; -1 if there is none.
    pub(crate) fn epoch_of(&self, offset: i64) -> i32 {
        let after = self.epochs.partition_point(|(_, start)| *start <= offset);
        match after.checked_sub(1) {
            Some(index) => self.epochs[index].0,
            None => -1,
        }
    }

    /// The last epoch not above `epoch` and where it ends (Java: `LeaderEpochFileCache.endOffsetFor`);
    /// (-1, -1) when unknown.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        if self.epochs.last().is_some_and(|(last, _)| *last == epoch) {
            return (epoch, self.end_offset);
        }
        let higher = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let Some((_, end)) = self.epochs.get(higher) else {
            return (-1, -1);
        };
        match higher.checked_sub(1) {
            Some(floor) => (self.epochs[floor].0, *end),
            None => (epoch, *end),
        }
    }

    /// The index of the batch that holds `offset`, or of the first after it.
    fn position(&self, offset: i64) -> usize {
        self.batches
            .partition_point(|batch| batch.last_offset < offset)
    }

    /// How many bytes of whole batches from `offset` on fit into `max_bytes`; with `at_least_one`
    /// a first batch larger than that counts too.
    pub(crate) fn readable_bytes(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> usize {
        let mut size = 0;
        for batch in self.batches.range(self.position(offset)..) {
            let grown = size + batch.bytes.len();
            if grown > max_bytes {
                return if size == 0 && at_least_one {
                    grown
                } else {
                    size
                };
            }
            size = grown;
        }
        size
    }

    /// The batches from `offset` on, `size` bytes as [`Self::readable_bytes`] counted them:
    /// one batch is handed out as it is stored, several are joined.
    pub(crate) fn read(&self, offset: i64, size: usize) -> Bytes {
        let first = self.position(offset);
        let Some(batch) = self.batches.get(first).filter(|_| size > 0) else {
            return Bytes::new();
        };
        if batch.bytes.len() >= size {
            return batch.bytes.clone();
        }
        let mut joined = BytesMut::with_capacity(size);
        for batch in self.batches.range(first..) {
            if joined.len() >= size {
                break;
            }
            joined.extend_from_slice(&batch.bytes);
        }
        joined.freeze()
    }

    /// The first record at or after `timestamp`: its timestamp and offset.
    pub(crate) fn offset_for_timestamp(&self, timestamp: i64) -> Option<(i64, i64)> {
        for stored in &self.batches {
            if stored.max_timestamp < timestamp {
                continue;
            }
            let batches = wire::decode_batches(stored.bytes.clone()).ok()?;
            let records = batches.iter().flat_map(RecordBatch::records);
            let found = records
                .filter_map(Result::ok)
                .find(|record| record.timestamp >= timestamp && record.offset >= self.start_offset);
            if let Some(record) = found {
                return Some((record.timestamp, record.offset));
            }
        }
        None
    }

    /// The highest timestamp in the log and the first record that has it.
    pub(crate) fn max_timestamp(&self) -> Option<(i64, i64)> {
        let max = self.batches.iter().map(|batch| batch.max_timestamp).max()?;
        self.offset_for_timestamp(max)
    }

    /// Deletes the records before `offset` and frees the batches that lie wholly before it.
    pub(crate) fn delete_before(&mut self, offset: i64) {
        self.start_offset = self.start_offset.max(offset.min(self.end_offset));
        while let Some(batch) = self.batches.front() {
            if batch.last_offset >= self.start_offset {
                break;
            }
            self.size_bytes -= batch.bytes.len();
            self.batches.pop_front();
        }
    }
}

fn last_sequence(batch: &RecordBatch) -> i32 {
    let length = batch.header().last_offset - batch.header().base_offset;
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let sequence = batch.header().base_sequence;
    // Sequences wrap from 2^31 - 1 to 0.
    if sequence > i32::MAX - length {
        length - (i32::MAX - sequence) - 1
    } else {
        sequence + length
    }
}

fn next_sequence(sequence: i32) -> i32 {
    sequence.checked_add(1).unwrap_or(0)
}
