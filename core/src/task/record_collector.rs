//! Where all tasks of a thread put what they produce (Java: `RecordCollector` over the producer's
//! accumulator): records go straight into the open batch of their partition.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::unresolved::Unresolved;
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::mutation::{Mutant, Mutation};
use crate::processor::{ChoosePartitions, OutgoingRecord, RecordOrigin, RecordSink};
use crate::time::{Instant, Now};
use crate::types::{NO_TIMESTAMP, RecordContext, TaskId, TopicName, TopicPartition};
use crate::wire::{Compression, RecordBatchBuilder, SealedBatch, partition_for_key};

/// Most bytes a record takes beside its key, value and headers: six varints and an attribute.
const RECORD_OVERHEAD_BYTES: usize = 36;

struct OpenBatch {
    builder: RecordBatchBuilder,
    opened_at: Instant,
    /// Sealed batches of the partition that were not answered.
    unacked: usize,
    /// Whose its records are, where handlers are told.
    origins: Vec<Option<OwnedOrigin>>,
}

struct Topic {
    name: TopicName,
    partitions: Vec<OpenBatch>,
    /// Where records without a key go until the batch there is sealed.
    sticky: usize,
}

/// Where a record comes from, for as long as its batch is under way.
#[derive(Clone, Debug)]
pub(crate) struct OwnedOrigin {
    pub(crate) task: TaskId,
    pub(crate) node: Arc<str>,
    pub(crate) context: RecordContext,
}

impl From<RecordOrigin<'_>> for OwnedOrigin {
    fn from(origin: RecordOrigin<'_>) -> Self {
        Self {
            task: origin.task,
            node: Arc::clone(origin.node),
            context: RecordContext {
                source_record: None,
                ..origin.context.clone()
            },
        }
    }
}

impl OwnedOrigin {
    pub(crate) const fn borrowed(&self) -> RecordOrigin<'_> {
        RecordOrigin {
            task: self.task,
            node: &self.node,
            context: &self.context,
        }
    }
}

/// A batch on its way to the client.
pub struct Sealed {
    /// To be given back when the batch is written.
    pub ticket: u64,
    /// Where it goes.
    pub partition: TopicPartition,
    /// The batch.
    pub batch: SealedBatch,
}

struct Unacked {
    bytes: usize,
    records: i32,
    topic: usize,
    partition: usize,
    origins: Vec<Option<OwnedOrigin>>,
}

/// The open and the unanswered batches of one thread.
pub struct RecordCollector {
    batch_size: usize,
    linger_ms: u64,
    max_request_size: usize,
    buffer_memory: usize,
    pub(super) max_block_ms: u64,
    is_exactly_once: bool,
    keeps_origins: bool,
    compression: Compression,
    mutant: Mutant,
    pub(super) now: Now,
    topics: Vec<Topic>,
    last_topic: usize,
    sealed: VecDeque<Sealed>,
    unacked: BTreeMap<u64, Unacked>,
    unacked_bytes: usize,
    tickets: u64,
    /// The last ticket of the commit that is under way.
    barrier: Option<u64>,
    /// The last ticket that was committed, or given up.
    committed: u64,
    /// The last offset written to each partition.
    written: BTreeMap<TopicPartition, i64>,
    /// Those of batches behind the barrier.
    written_behind: BTreeMap<TopicPartition, i64>,
    pub(super) unresolved: Unresolved,
}

impl RecordCollector {
    /// A collector that knows no topic.
    pub fn new(config: &StreamsConfig) -> Self {
        Self {
            batch_size: config.batch_size(),
            linger_ms: config.linger_ms(),
            max_request_size: config.max_request_size(),
            buffer_memory: config.buffer_memory(),
            max_block_ms: config.max_block_ms(),
            is_exactly_once: config.is_exactly_once(),
            keeps_origins: config.error_handlers().keeps_origins,
            compression: config.compression_type(),
            mutant: config.mutant,
            now: Now::default(),
            topics: Vec::new(),
            last_topic: 0,
            sealed: VecDeque::new(),
            unacked: BTreeMap::new(),
            unacked_bytes: 0,
            tickets: 0,
            barrier: None,
            committed: 0,
            written: BTreeMap::new(),
            written_behind: BTreeMap::new(),
            unresolved: Unresolved::default(),
        }
    }

    /// The time of what is sent from now on.
    pub const fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// How many partitions a topic has; it may grow.
    pub fn set_partition_count(&mut self, name: TopicName, count: i32) {
        let count = usize::try_from(count).unwrap_or(0);
        if count > 0 {
            self.unresolved.found(&name);
        }
        let at = self
            .topics
            .iter()
            .position(|topic| topic.name == name)
            .unwrap_or_else(|| {
                self.topics.push(Topic {
                    name,
                    partitions: Vec::new(),
                    sticky: 0,
                });
                self.topics.len() - 1
            });
        let partitions = &mut self.topics[at].partitions;
        while partitions.len() < count {
            let (builder, opened_at) = (RecordBatchBuilder::new(), Instant::ZERO);
            partitions.push(OpenBatch {
                builder,
                opened_at,
                unacked: 0,
                origins: Vec::new(),
            });
        }
        self.resolve();
    }

    /// True when the partitions of `topic` are known.
    pub fn knows(&self, topic: &TopicName) -> bool {
        self.topics
            .iter()
            .any(|known| known.name == *topic && !known.partitions.is_empty())
    }

    /// Too much is under way: processing has to wait for answers.
    pub(crate) const fn is_full(&self) -> bool {
        self.unacked_bytes >= self.buffer_memory
    }

    /// The topic's index: usually that of the record before.
    fn topic_index(&mut self, name: &TopicName) -> Option<usize> {
        // The same name is the same allocation most of the time, which one comparison shows.
        let same = |topic: &Topic| std::ptr::eq(topic.name.as_str(), name.as_str());
        if self.topics.get(self.last_topic).is_some_and(same) {
            return Some(self.last_topic);
        }
        let by_pointer = self.topics.iter().position(same);
        let found = by_pointer.or_else(|| self.topics.iter().position(|t| t.name == *name));
        if let Some(at) = found {
            self.last_topic = at;
            if by_pointer.is_none() {
                self.topics[at].name = name.clone();
            }
        }
        found
    }

    fn seal(&mut self, topic: usize, partition: usize) {
        let entry = &mut self.topics[topic];
        let open = &mut entry.partitions[partition];
        if open.builder.record_count() == 0 {
            return;
        }
        // The next batch will be about as large as this one.
        let room = open.builder.size_bytes().min(self.batch_size);
        let builder = std::mem::replace(&mut open.builder, RecordBatchBuilder::with_capacity(room));
        open.unacked += 1;
        let origins = std::mem::take(&mut open.origins);
        if entry.sticky == partition {
            entry.sticky = (partition + 1) % entry.partitions.len();
        }
        self.tickets += 1;
        let batch = builder.seal().compress(self.compression);
        let bytes = batch.size_bytes();
        self.unacked.insert(
            self.tickets,
            Unacked {
                bytes,
                records: batch.record_count(),
                topic,
                partition,
                origins,
            },
        );
        self.unacked_bytes += bytes;
        let partition = TopicPartition {
            topic: entry.name.clone(),
            partition: partition as i32,
        };
        self.sealed.push_back(Sealed {
            ticket: self.tickets,
            partition,
            batch,
        });
    }

    fn seal_where(&mut self, which: impl Fn(&OpenBatch) -> bool) {
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                let open = &self.topics[topic].partitions[partition];
                if open.builder.record_count() > 0 && which(open) {
                    self.seal(topic, partition);
                }
            }
        }
    }

    /// Seals every open batch; gives the ticket of the newest batch there is.
    pub fn seal_all(&mut self) -> u64 {
        self.seal_where(|_| true);
        self.tickets
    }

    /// Seals what has waited for `linger.ms`, and where nothing of the partition is under way: an
    /// idle pipeline sends at once, and a busy one fills its next batch while the last is written.
    pub(crate) fn seal_idle(&mut self) {
        let (now, linger_ms) = (self.now.instant, self.linger_ms);
        self.seal_where(|open| open.unacked == 0 || open.opened_at.plus_ms(linger_ms) <= now);
    }

    /// Seals what has waited for `linger.ms`.
    pub(crate) fn seal_expired(&mut self) {
        let (now, linger_ms) = (self.now.instant, self.linger_ms);
        self.seal_where(|open| open.opened_at.plus_ms(linger_ms) <= now);
    }

    /// When the oldest open batch has waited for `linger.ms`.
    pub(crate) fn linger_deadline(&self) -> Option<Instant> {
        let open = self.topics.iter().flat_map(|topic| &topic.partitions);
        let waiting = open.filter(|open| open.builder.record_count() > 0);
        waiting
            .map(|open| open.opened_at.plus_ms(self.linger_ms))
            .min()
    }

    /// The next batch to send. Under exactly-once what belongs to the next transaction waits until
    /// the one that is being committed is over.
    pub fn poll_sealed(&mut self) -> Option<Sealed> {
        let waits = |ticket: u64| {
            self.is_exactly_once && self.barrier.is_some_and(|barrier| ticket > barrier)
        };
        if self.sealed.front().is_some_and(|next| waits(next.ticket)) {
            return None;
        }
        self.sealed.pop_front()
    }

    /// A batch was answered; `false` for one that was forgotten.
    pub fn acknowledged(&mut self, ticket: u64) -> bool {
        let Some(unacked) = self.unacked.remove(&ticket) else {
            return false;
        };
        self.unacked_bytes -= unacked.bytes;
        self.topics[unacked.topic].partitions[unacked.partition].unacked -= 1;
        true
    }

    /// Whose the records of a batch are, if handlers are told and the batch was not forgotten.
    pub(crate) fn origins(&self, ticket: u64) -> Option<&[Option<OwnedOrigin>]> {
        Some(&self.unacked.get(&ticket)?.origins)
    }

    /// A batch was written, its first record at `base_offset`, or nobody knows where (-1); `false`
    /// for one that was forgotten.
    pub fn written(&mut self, ticket: u64, base_offset: i64) -> bool {
        let Some(unacked) = self.unacked.get(&ticket) else {
            return false;
        };
        if base_offset < 0 {
            return self.acknowledged(ticket);
        }
        let partition = TopicPartition {
            topic: self.topics[unacked.topic].name.clone(),
            partition: unacked.partition as i32,
        };
        let last = base_offset + i64::from(unacked.records) - 1;
        if self.barrier.is_some_and(|barrier| ticket > barrier) {
            self.written_behind.insert(partition, last);
        } else {
            self.written.insert(partition, last);
        }
        self.acknowledged(ticket)
    }

    /// Begins a commit: seals every open batch, and gives the ticket of the last one that belongs
    /// to it.
    pub(crate) fn begin_commit(&mut self) -> u64 {
        let barrier = self.seal_all();
        self.barrier = Some(barrier);
        barrier
    }

    /// The last offset that was written to `partition` by this thread, of what belongs to the
    /// commit that is under way (Java: `RecordCollector.offsets`).
    pub(crate) fn last_written(&self, partition: &TopicPartition) -> Option<i64> {
        if self.mutant.is(Mutation::StoredAhead)
            && let Some(last) = self.written_behind.get(partition)
        {
            return Some(*last);
        }
        self.written.get(partition).copied()
    }

    /// The commit is over: what was written meanwhile belongs to the next one.
    pub(crate) fn end_commit(&mut self) {
        self.committed = self.barrier.take().unwrap_or(self.committed);
        self.written.append(&mut self.written_behind);
    }

    /// Whether something was produced that belongs to no commit yet.
    pub(crate) fn has_uncommitted(&self) -> bool {
        let mut open = self.topics.iter().flat_map(|topic| &topic.partitions);
        self.tickets > self.committed || open.any(|open| open.builder.record_count() > 0)
    }

    /// Forgets what was written to `partition`, which others may write to now.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        self.written.remove(partition);
        self.written_behind.remove(partition);
    }

    /// True when every batch up to `ticket` was answered.
    pub(crate) fn is_acknowledged_to(&self, ticket: u64) -> bool {
        self.unacked
            .first_key_value()
            .is_none_or(|(first, _)| *first > ticket)
    }

    /// Forgets what is open and what is under way: for a dirty close of all tasks.
    pub(crate) fn clear(&mut self) {
        for open in self
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions)
        {
            open.builder = RecordBatchBuilder::new();
            open.origins.clear();
            open.unacked = 0;
        }
        self.sealed.clear();
        self.unacked.clear();
        self.unacked_bytes = 0;
        (self.barrier, self.committed) = (None, self.tickets);
        self.written.clear();
        self.written_behind.clear();
        self.unresolved.clear();
    }
}

impl RecordSink for RecordCollector {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        let delivery = |partition: i32, message: String| StreamsError::Delivery {
            partition: TopicPartition {
                topic: record.topic.clone(),
                partition,
            },
            message,
        };
        let topic = self.topic_index(record.topic);
        let Some((at, count)) = topic
            .map(|at| (at, self.topics[at].partitions.len()))
            .filter(|(_, count)| *count > 0)
        else {
            self.unresolved.push(self.now.instant, &record, None);
            return Ok(());
        };
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => usize::try_from(partition).unwrap_or(usize::MAX),
            (None, Some(key)) => partition_for_key(key, count as i32) as usize,
            (None, None) => self.topics[at].sticky,
        };
        if partition >= count {
            let message = format!("the topic has {count} partitions");
            return Err(delivery(record.partition.unwrap_or(-1), message));
        }
        let headers = record.headers.as_slice().iter();
        let headers: usize = headers
            .map(|h| h.key.len() + h.value.as_ref().map_or(0, bytes::Bytes::len) + 10)
            .sum();
        let size = RECORD_OVERHEAD_BYTES
            + record.key.map_or(0, <[u8]>::len)
            + record.value.map_or(0, <[u8]>::len)
            + headers;
        if size > self.max_request_size {
            let message = format!(
                "a record of {size} bytes is larger than max.request.size ({})",
                self.max_request_size
            );
            return Err(delivery(partition as i32, message));
        }
        let open = &self.topics[at].partitions[partition];
        if open.builder.record_count() > 0 && open.builder.size_bytes() + size > self.batch_size {
            self.seal(at, partition);
        }
        let open = &mut self.topics[at].partitions[partition];
        if open.builder.record_count() == 0 {
            open.opened_at = self.now.instant;
        }
        let timestamp = match record.timestamp {
            NO_TIMESTAMP => self.now.wall_clock.0,
            timestamp => timestamp,
        };
        if self.keeps_origins {
            open.origins.push(record.origin.map(OwnedOrigin::from));
        }
        open.builder
            .append(timestamp, record.key, record.value, record.headers);
        Ok(())
    }

    fn send_when_known(
        &mut self,
        record: OutgoingRecord<'_>,
        choose: ChoosePartitions,
    ) -> Result<(), StreamsError> {
        let now = self.now.instant;
        self.unresolved.push(now, &record, Some(choose));
        Ok(())
    }

    fn partition_count(&self, topic: &TopicName) -> Option<i32> {
        let known = self.topics.iter().find(|known| known.name == *topic)?;
        i32::try_from(known.partitions.len())
            .ok()
            .filter(|count| *count > 0)
    }
}
