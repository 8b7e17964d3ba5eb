//! One partition's log: record batches as they were produced, offsets and leader epoch stamped in.
//!
//! A log loses records to DeleteRecords, and batches to [`PartitionLog::clean`] as a broker's cleaner
//! would take them, when a test says so.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use eddyline_core::time::WallClock;
use eddyline_core::types::Headers;
use eddyline_core::wire::{self, Record, RecordBatch, RecordBatchBuilder, RecordError};

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
    is_control: bool,
    /// The producer whose transaction it belongs to.
    transaction_of: Option<i64>,
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

    fn records(&self) -> Result<Vec<Record>, RecordError> {
        let batches = wire::decode_batches(self.bytes.clone())?;
        batches.iter().flat_map(RecordBatch::records).collect()
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

/// A transaction without a marker yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    first_offset: i64,
    /// It is to be committed, whatever comes.
    is_decided: bool,
}

/// A transaction that was aborted, with where its first record and its marker are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    last_offset: i64,
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
    /// What the cleaner took away, for oracles.
    cleaned: Vec<StoredBatch>,
    start_offset: i64,
    end_offset: i64,
    size_bytes: usize,
    producers: BTreeMap<i64, ProducerState>,
    /// The open transaction of each producer.
    open: BTreeMap<i64, Open>,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
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

    /// The first offset of an open transaction, or the end of the log (`last.stable.offset`).
    pub fn last_stable_offset(&self) -> i64 {
        let open = self.open.values().map(|open| open.first_offset);
        open.min().unwrap_or(self.end_offset)
    }

    /// The transactions that were aborted between two offsets, the second excluded.
    pub(crate) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        let among =
            move |aborted: &&Aborted| aborted.last_offset >= from && aborted.first_offset < to;
        self.aborted.iter().filter(among)
    }

    /// Whether a batch is committed, or will be as soon as the marker is written.
    fn is_committed(&self, batch: &StoredBatch) -> bool {
        let Some(producer) = batch.transaction_of else {
            return true;
        };
        let within = |aborted: &Aborted| {
            aborted.producer_id == producer
                && (aborted.first_offset..=aborted.last_offset).contains(&batch.base_offset)
        };
        let is_open = self.open.get(&producer);
        is_open.is_none_or(|open| open.is_decided || batch.base_offset < open.first_offset)
            && !self.aborted.iter().any(within)
    }

    /// All records that can be read and are committed, or certain to be, in offset order.
    ///
    /// # Errors
    /// A batch a hostile producer wrote may not decode.
    pub fn records(&self) -> Result<Vec<Record>, RecordError> {
        let mut records = Vec::new();
        let readable = self.batches.iter().filter(|batch| !batch.is_control);
        for batch in readable.filter(|batch| self.is_committed(batch)) {
            let all = batch.records()?;
            let left = |record: &Record| record.offset >= self.start_offset;
            records.extend(all.into_iter().filter(left));
        }
        Ok(records)
    }

    /// The same of what was there once, cleaned or not.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn history(&self) -> Result<Vec<Record>, RecordError> {
        let mut batches: Vec<&StoredBatch> = self.cleaned.iter().chain(&self.batches).collect();
        batches.sort_by_key(|batch| batch.base_offset);
        let readable = batches.into_iter().filter(|batch| !batch.is_control);
        let mut records = Vec::new();
        for batch in readable.filter(|batch| self.is_committed(batch)) {
            records.extend(batch.records()?);
        }
        Ok(records)
    }

    /// The offsets of what the cleaner took away.
    pub(crate) fn is_cleaned_at(&self, offset: i64) -> bool {
        let mut cleaned = self.cleaned.iter();
        cleaned.any(|batch| (batch.base_offset..=batch.last_offset).contains(&offset))
    }

    /// Whether the cleaner took something away.
    pub(crate) fn is_cleaned(&self) -> bool {
        !self.cleaned.is_empty()
    }

    /// Takes away the batches below the last stable offset that nobody needs any more, as the
    /// cleaner of a broker: those of aborted transactions, and those of which every record was
    /// written anew. The last `kept` batches are the segment that is written to. With `moves_start`,
    /// the log begins with what is left, and records that delete a key go, too, where nothing is left
    /// before them: who has not read them has to begin anew.
    ///
    /// # Errors
    /// A batch a hostile producer wrote may not decode.
    pub(crate) fn clean(&mut self, kept: usize, moves_start: bool) -> Result<(), RecordError> {
        let stable = self.last_stable_offset();
        let most = self.batches.len().saturating_sub(kept);
        let cleanable = self.batches.iter().take(most);
        let cleanable = cleanable
            .take_while(|batch| batch.last_offset < stable)
            .count();
        let mut last: BTreeMap<Bytes, i64> = BTreeMap::new();
        for record in self.records()? {
            if let Some(key) = record.key {
                last.insert(key, record.offset);
            }
        }
        let mut left = VecDeque::with_capacity(self.batches.len());
        let mut has_left = false;
        for (at, batch) in std::mem::take(&mut self.batches).into_iter().enumerate() {
            let records = if batch.is_control || !self.is_committed(&batch) {
                Vec::new()
            } else {
                batch.records()?
            };
            let is_gone = |record: &Record| {
                let Some(key) = &record.key else { return false };
                let is_last = last.get(key) == Some(&record.offset);
                !is_last || (moves_start && record.value.is_none() && !has_left)
            };
            if at < cleanable && !batch.is_control && records.iter().all(is_gone) {
                self.size_bytes -= batch.bytes.len();
                self.cleaned.push(batch);
                continue;
            }
            has_left |= !batch.is_control;
            left.push_back(batch);
        }
        self.batches = left;
        if moves_start {
            let first = self.batches.iter().find(|batch| !batch.is_control);
            let start = first.map_or(stable, |batch| batch.base_offset);
            self.delete_before(start.min(stable));
        }
        Ok(())
    }

    /// The same of those from one offset up to another, which is not included.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn records_between(&self, from: i64, to: i64) -> Result<Vec<Record>, RecordError> {
        let from = from.max(self.start_offset);
        let batches = self.batches.range(self.position(from)..);
        let batches = batches.take_while(|batch| batch.base_offset < to);
        let readable = batches.filter(|batch| !batch.is_control && self.is_committed(batch));
        let mut records = Vec::new();
        for batch in readable {
            for record in batch.records()? {
                if (from..to).contains(&record.offset) {
                    records.push(record);
                }
            }
        }
        Ok(records)
    }

    /// What a producer has written in the transaction that is open.
    pub(crate) fn open_records(&self, producer_id: i64) -> Result<Vec<Record>, RecordError> {
        let Some(open) = self.open.get(&producer_id) else {
            return Ok(Vec::new());
        };
        let batches = self.batches.range(self.position(open.first_offset)..);
        let own = batches.filter(|batch| batch.transaction_of == Some(producer_id));
        let mut records = Vec::new();
        for batch in own.filter(|batch| !batch.is_control) {
            records.extend(batch.records()?);
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
        let base_offset = self.push(batch, leader_epoch);
        if batch.header().producer_id >= 0 {
            self.remember(batch, base_offset);
        }
        if batch.header().is_transactional {
            let open = self.open.entry(batch.header().producer_id);
            open.or_insert(Open {
                first_offset: base_offset,
                is_decided: false,
            });
        }
        Ok(Appended {
            base_offset,
            duplicate: false,
        })
    }

    fn push(&mut self, batch: &RecordBatch, leader_epoch: i32) -> i64 {
        let header = batch.header();
        let base_offset = self.end_offset;
        let length = header.last_offset - header.base_offset;
        let bytes = wire::assign_offsets(batch, base_offset, leader_epoch);
        self.size_bytes += bytes.len();
        self.batches.push_back(StoredBatch {
            base_offset,
            last_offset: base_offset + length,
            max_timestamp: header.max_timestamp,
            is_control: header.is_control,
            transaction_of: header.is_transactional.then_some(header.producer_id),
            bytes,
        });
        self.end_offset = base_offset + length + 1;
        self.begin_epoch_at(leader_epoch, base_offset);
        base_offset
    }

    /// The open transaction of a producer is to be committed.
    pub(crate) fn decide_commit(&mut self, producer_id: i64) {
        if let Some(open) = self.open.get_mut(&producer_id) {
            open.is_decided = true;
        }
    }

    /// Writes the marker of a transaction that is over (Java: `EndTransactionMarker`). The producer
    /// has the epoch given from now on.
    pub(crate) fn end_transaction(
        &mut self,
        (producer_id, epoch): (i64, i16),
        is_commit: bool,
        now: WallClock,
        leader_epoch: i32,
    ) {
        let mut marker = RecordBatchBuilder::new();
        let kind = [0, 0, 0, u8::from(is_commit)];
        // A version and the coordinator's epoch.
        let value = [0; 6];
        marker.append(now.0, Some(&kind), Some(&value), &Headers::new());
        let marker = marker.seal().transactional().control();
        let marker = wire::decode_batches(marker.encode(producer_id, epoch, -1));
        let Some(marker) = marker.ok().and_then(|batches| batches.into_iter().next()) else {
            return;
        };
        let last_offset = self.push(&marker, leader_epoch);
        if let Some(open) = self.open.remove(&producer_id)
            && !is_commit
        {
            self.aborted.push(Aborted {
                producer_id,
                first_offset: open.first_offset,
                last_offset,
            });
        }
        let known = self.producers.get(&producer_id);
        // Under version 1 of transactions the epoch goes on, and the sequence numbers with it.
        if known.is_none_or(|known| known.epoch != epoch) {
            let recent = VecDeque::with_capacity(REMEMBERED_BATCHES);
            let state = ProducerState { epoch, recent };
            self.producers.insert(producer_id, state);
        }
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
        // Behind the marker of a transaction all begins anew.
        let last = state.recent.back();
        let expected = last.map_or(0, |range| next_sequence(range.last));
        if expected == first {
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

    /// How many bytes of whole batches from `offset` on and before `end` fit into `max_bytes`; with
    /// `at_least_one` a first batch larger than that counts too.
    pub(crate) fn readable_bytes(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        end: i64,
    ) -> usize {
        let mut size = 0;
        let batches = self.batches.range(self.position(offset)..);
        for batch in batches.take_while(|batch| batch.base_offset < end) {
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
            if stored.max_timestamp < timestamp || stored.is_control {
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
        let batches = self.batches.iter().filter(|batch| !batch.is_control);
        let max = batches.map(|batch| batch.max_timestamp).max()?;
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
