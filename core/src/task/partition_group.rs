//! The input partitions of one task, merged by timestamp (Java: `PartitionGroup`).

use super::record_queue::RecordQueue;
use crate::error::StreamsError;
use crate::time::StreamTime;
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::{Record, RecordBatch};

/// Queues in order of their partitions; of equal timestamps the first partition's goes first,
/// where Java leaves it to a heap.
pub(super) struct PartitionGroup {
    queues: Vec<RecordQueue>,
    stream_time: StreamTime,
    max_task_idle_ms: i64,
}

impl PartitionGroup {
    pub(super) fn new(partitions: &[TopicPartition], max_task_idle_ms: i64) -> Self {
        let mut partitions = partitions.to_vec();
        partitions.sort();
        let queues = partitions.into_iter().map(RecordQueue::new).collect();
        Self {
            queues,
            stream_time: StreamTime::UNKNOWN,
            max_task_idle_ms,
        }
    }

    pub(super) const fn stream_time(&self) -> StreamTime {
        self.stream_time
    }

    fn queue(&mut self, partition: &TopicPartition) -> Option<&mut RecordQueue> {
        self.queues
            .iter_mut()
            .find(|queue| queue.partition == *partition)
    }

    pub(super) fn start(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        metadata: &str,
    ) -> Result<(), String> {
        let Some(queue) = self.queue(partition) else {
            return Ok(());
        };
        let time = queue.start(offset, metadata)?;
        self.stream_time.advance_to(time.0);
        Ok(())
    }

    pub(super) fn push(
        &mut self,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) -> Result<(), StreamsError> {
        match self.queue(partition) {
            Some(queue) => queue.push(batches, next_offset, log_end),
            None => Ok(()),
        }
    }

    /// The queue whose record is next, if one may be taken now.
    fn next_queue(&self) -> Option<usize> {
        if let [queue] = self.queues.as_slice() {
            return queue.head_timestamp().map(|_| 0);
        }
        // A partition that has more on the broker is waited for, or records would be merged out of
        // order (KIP-695); -1 turns that off.
        let idle = self.max_task_idle_ms >= 0;
        if idle && self.queues.iter().any(RecordQueue::is_waiting_for_fetch) {
            return None;
        }
        let heads = self.queues.iter().enumerate();
        let timed = heads.filter_map(|(at, queue)| Some((queue.head_timestamp()?, at)));
        timed.min().map(|(_, at)| at)
    }

    pub(super) fn has_next(&self) -> bool {
        self.next_queue().is_some()
    }

    /// Takes the next record; stream time advances when it is taken.
    pub(super) fn pop(&mut self) -> Result<Option<(usize, Record)>, StreamsError> {
        let Some(at) = self.next_queue() else {
            return Ok(None);
        };
        let record = self.queues[at].pop()?;
        Ok(record.map(|record| {
            self.stream_time.advance_to(record.timestamp);
            (at, record)
        }))
    }

    pub(super) fn partition(&self, queue: usize) -> &TopicPartition {
        &self.queues[queue].partition
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.queues.iter().map(|queue| &queue.partition)
    }

    pub(super) fn positions(&self) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let of = |queue: &RecordQueue| Some((queue.partition.clone(), queue.position()?));
        self.queues.iter().filter_map(of).collect()
    }

    pub(super) fn take_consumed(&mut self) -> Vec<(TopicPartition, usize)> {
        let of = |queue: &mut RecordQueue| {
            let bytes = queue.take_consumed_bytes();
            (bytes > 0).then(|| (queue.partition.clone(), bytes))
        };
        self.queues.iter_mut().filter_map(of).collect()
    }
}
