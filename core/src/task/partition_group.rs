//! The input partitions of one task, merged by timestamp (Java: `PartitionGroup`).

use super::record_queue::{Head, RecordQueue};
use crate::collections::JavaHeap;
use crate::error::StreamsError;
use crate::processor::{ProcessorGraph, ProcessorMetadata};
use crate::time::{Now, StreamTime};
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::RecordBatch;

/// Queues in order of their partitions.
pub(super) struct PartitionGroup {
    queues: Vec<RecordQueue>,
    /// The queues that are not empty, by the time of their first record.
    by_time: JavaHeap<usize>,
    stream_time: StreamTime,
    max_task_idle_ms: i64,
}

impl PartitionGroup {
    pub(super) fn new(
        graph: &mut ProcessorGraph,
        partitions: &[TopicPartition],
        max_task_idle_ms: i64,
    ) -> Result<Self, StreamsError> {
        let mut partitions = partitions.to_vec();
        partitions.sort();
        let mut queues = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let input = graph.input(&partition)?;
            queues.push(RecordQueue::new(partition, input));
        }
        Ok(Self {
            queues,
            by_time: JavaHeap::default(),
            stream_time: StreamTime::UNKNOWN,
            max_task_idle_ms,
        })
    }

    pub(super) const fn stream_time(&self) -> StreamTime {
        self.stream_time
    }

    fn position_of(&self, partition: &TopicPartition) -> Option<usize> {
        self.queues
            .iter()
            .position(|queue| queue.partition == *partition)
    }

    pub(super) fn start(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        metadata: &str,
    ) -> Result<ProcessorMetadata, String> {
        let Some(at) = self.position_of(partition) else {
            return Ok(ProcessorMetadata::default());
        };
        let started = self.queues[at].start(offset, metadata);
        self.rebuild();
        let (time, processors) = started?;
        self.stream_time.advance_to(time.0);
        Ok(processors)
    }

    pub(super) fn push(
        &mut self,
        now: Now,
        graph: &mut ProcessorGraph,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    ) -> Result<(), StreamsError> {
        let Some(at) = self.position_of(partition) else {
            return Ok(());
        };
        let was_empty = self.queues[at].head().is_none();
        self.queues[at].push(now, graph, batches, next_offset, log_end)?;
        if was_empty {
            self.offer(at);
        }
        Ok(())
    }

    /// Whether a record may be taken now.
    pub(super) fn has_next(&self) -> bool {
        if self.by_time.is_empty() {
            return false;
        }
        // A partition that has more on the broker is waited for, or records would be merged out of
        // order (KIP-695); -1 turns that off.
        let idle = self.max_task_idle_ms >= 0 && self.queues.len() > 1;
        !(idle && self.queues.iter().any(RecordQueue::is_waiting_for_fetch))
    }

    /// Takes the next record into the graph and loads the one behind it; stream time advances.
    pub(super) fn pop(
        &mut self,
        now: Now,
        graph: &mut ProcessorGraph,
    ) -> Result<Option<Head>, StreamsError> {
        if !self.has_next() {
            return Ok(None);
        }
        let Self {
            queues, by_time, ..
        } = self;
        let Some(at) = by_time.poll(|&queue| time(queues, queue)) else {
            return Ok(None);
        };
        let queue = &mut self.queues[at];
        let Some(head) = queue.head() else {
            return Ok(None);
        };
        if let Some(timestamp) = head.timestamp {
            graph.take(queue.input());
            self.stream_time.advance_to(timestamp);
        }
        queue.advance(now, graph)?;
        self.offer(at);
        Ok(Some(head))
    }

    /// Adds a queue, unless it is empty.
    fn offer(&mut self, queue: usize) {
        let Self {
            queues, by_time, ..
        } = self;
        if queues[queue].head().is_some() {
            by_time.offer(queue, |&queue| time(queues, queue));
        }
    }

    /// A queue was emptied where it stands.
    fn rebuild(&mut self) {
        for queue in std::mem::take(&mut self.by_time).iter() {
            self.offer(*queue);
        }
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.queues.iter().map(|queue| &queue.partition)
    }

    /// What to commit of each partition, with what processors keep.
    pub(super) fn positions(
        &self,
        processors: &ProcessorMetadata,
    ) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let of = |queue: &RecordQueue| Some((queue.partition.clone(), queue.position(processors)?));
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

fn time(queues: &[RecordQueue], queue: usize) -> i64 {
    let head = queues[queue].head();
    head.map_or(i64::MAX, |head| head.timestamp.unwrap_or(-1))
}
