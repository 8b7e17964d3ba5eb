//! The topics of a driver: what was written to them, and what of that was read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::processor::{OutgoingRecord, RecordSink};
use eddyline_core::task::RecordCollector;
use eddyline_core::time::Now;
use eddyline_core::types::{NO_TIMESTAMP, TopicName, TopicPartition};
use eddyline_core::wire::{Record, RecordBatch, SealedBatch, assign_offsets, decode_batches};

/// A record that the topology sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedRecord {
    /// Where to.
    pub partition: TopicPartition,
    /// The record, with its offset there.
    pub record: Record,
    /// True where the topology left the timestamp to the producer's clock.
    pub is_stamped: bool,
}

/// The collector of production, whose records leave one by one: their order across topics is kept.
pub(super) struct Producer {
    collector: RecordCollector,
    /// Of topics whose partitions were not set.
    partitions: i32,
    sent: VecDeque<Sent>,
}

/// A batch of one record.
pub(super) struct Sent {
    pub(super) partition: TopicPartition,
    pub(super) batch: SealedBatch,
    pub(super) is_stamped: bool,
}

impl Producer {
    pub(super) fn new(config: &StreamsConfig, partitions: i32) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            collector: RecordCollector::new(config),
            partitions,
            sent: VecDeque::new(),
        }))
    }

    pub(super) fn set_partition_count(&mut self, topic: &TopicName, count: i32) {
        self.collector.set_partition_count(topic.clone(), count);
    }

    pub(super) const fn set_now(&mut self, now: Now) {
        self.collector.set_now(now);
    }

    pub(super) fn poll_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }
}

impl RecordSink for Producer {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        // Topics are made when they are first written to.
        if !self.collector.knows(record.topic) {
            self.set_partition_count(record.topic, self.partitions);
        }
        self.collector.send(record)?;
        self.collector.seal_all();
        while let Some(sealed) = self.collector.poll_sealed() {
            self.collector.acknowledged(sealed.ticket);
            self.sent.push_back(Sent {
                partition: sealed.partition,
                batch: sealed.batch,
                is_stamped: record.timestamp == NO_TIMESTAMP,
            });
        }
        Ok(())
    }

    fn partition_count(&self, topic: &TopicName) -> Option<i32> {
        let known = self.collector.partition_count(topic);
        Some(known.unwrap_or(self.partitions))
    }
}

/// The logs of all topics.
#[derive(Default)]
pub(super) struct Topics {
    /// A batch for each record, so a batch's index is its offset.
    logs: BTreeMap<TopicPartition, Vec<RecordBatch>>,
    /// What the topology sent, by topic, and was not read by the test.
    unread: BTreeMap<TopicName, VecDeque<ProducedRecord>>,
    /// What it sent since the test last asked for all of it.
    produced: Vec<ProducedRecord>,
}

impl Topics {
    /// The partitions of these topics that were written to.
    pub(super) fn partitions_of(&self, topics: &[TopicName]) -> Vec<TopicPartition> {
        let of = self.logs.keys().filter(|p| topics.contains(&p.topic));
        of.cloned().collect()
    }

    /// Appends a batch of one record, and gives it as it would be fetched.
    pub(super) fn append(
        &mut self,
        partition: &TopicPartition,
        batch: &SealedBatch,
    ) -> Result<RecordBatch, StreamsError> {
        let log = self.logs.entry(partition.clone()).or_default();
        let failed = |error| StreamsError::Protocol(format!("{partition}: {error}"));
        let mut sent = decode_batches(batch.encode(-1, -1, -1)).map_err(failed)?;
        let sent = sent.pop().map(|b| assign_offsets(&b, log.len() as i64, 0));
        let mut stored = decode_batches(sent.unwrap_or_default()).map_err(failed)?;
        let Some(batch) = stored.pop() else {
            let message = format!("{partition}: a batch without records");
            return Err(StreamsError::Protocol(message));
        };
        log.push(batch.clone());
        Ok(batch)
    }

    /// Notes a batch that the topology sent.
    pub(super) fn sent(
        &mut self,
        partition: &TopicPartition,
        batch: &RecordBatch,
        is_stamped: bool,
    ) -> Result<(), StreamsError> {
        for record in batch.records() {
            let failed = |error| StreamsError::Protocol(format!("{partition}: {error}"));
            let produced = ProducedRecord {
                partition: partition.clone(),
                record: record.map_err(failed)?,
                is_stamped,
            };
            let unread = self.unread.entry(partition.topic.clone()).or_default();
            unread.push_back(produced.clone());
            self.produced.push(produced);
        }
        Ok(())
    }

    pub(super) fn end(&self, partition: &TopicPartition) -> i64 {
        self.logs.get(partition).map_or(0, |log| log.len() as i64)
    }

    /// The batches from `offset` on.
    pub(super) fn from(&self, partition: &TopicPartition, offset: i64) -> Vec<RecordBatch> {
        let log = self.logs.get(partition).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset).unwrap_or(0).min(log.len());
        log[from..].to_vec()
    }

    pub(super) fn take_produced(&mut self) -> Vec<ProducedRecord> {
        std::mem::take(&mut self.produced)
    }

    pub(super) fn read(&mut self, topic: &TopicName) -> Option<ProducedRecord> {
        self.unread.get_mut(topic)?.pop_front()
    }

    pub(super) fn unread_count(&self, topic: &TopicName) -> usize {
        self.unread.get(topic).map_or(0, VecDeque::len)
    }

    pub(super) fn produced_names(&self) -> BTreeSet<TopicName> {
        self.unread.keys().cloned().collect()
    }
}
