//! The input partitions of one task, merged by timestamp (Java: `PartitionGroup`).

use super::record_queue::{Head, Readiness, RecordQueue};
use crate::collections::JavaHeap;
use crate::error::StreamsError;
use crate::metrics::{Metrics, Sampled, names};
use crate::processor::{ProcessorGraph, ProcessorMetadata};
use crate::time::{Instant, Now, StreamTime};
use crate::types::{OffsetAndMetadata, TopicPartition};
use crate::wire::RecordBatch;

/// Queues in order of their partitions.
pub(super) struct PartitionGroup {
    queues: Vec<RecordQueue>,
    /// The queues that are not empty, by the time of their first record.
    by_time: JavaHeap<usize>,
    stream_time: StreamTime,
    /// How long to wait for empty partitions; `None` for those that merge as it comes, and where
    /// there is nothing to merge.
    max_task_idle_ms: Option<u64>,
    /// The task has records and waits until then for others.
    idle_until: Option<Instant>,
    /// The next record is processed although a partition is empty, which was waited for.
    is_enforced: bool,
    /// How often that was so.
    enforced: u64,
    /// How far records were behind stream time, in milliseconds.
    lateness: Sampled,
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
        let merges = queues.len() > 1;
        Ok(Self {
            queues,
            by_time: JavaHeap::default(),
            stream_time: StreamTime::UNKNOWN,
            max_task_idle_ms: u64::try_from(max_task_idle_ms).ok().filter(|_| merges),
            idle_until: None,
            is_enforced: false,
            enforced: 0,
            lateness: Sampled::default(),
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

    /// Whether a record may be taken now. A partition that has more on the broker is waited for, or
    /// records would be merged out of order; one that has not, for `max.task.idle.ms` (KIP-695; Java:
    /// `PartitionGroup.readyToProcess`).
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        self.idle_until = None;
        let Some(max_idle_ms) = self.max_task_idle_ms else {
            return !self.by_time.is_empty();
        };
        let mut is_fetching = false;
        let mut idle_until = None;
        for queue in &mut self.queues {
            match queue.readiness(now, max_idle_ms) {
                Readiness::Buffered => {}
                Readiness::WaitsForFetch => is_fetching = true,
                Readiness::IdleUntil(until) => idle_until = idle_until.max(Some(until)),
            }
        }
        if is_fetching || self.by_time.is_empty() {
            return false;
        }
        self.is_enforced = idle_until.is_some();
        self.idle_until = idle_until.filter(|until| *until > now);
        self.idle_until.is_none()
    }

    /// Until when the task waits for partitions that are empty although it has records of others.
    pub(super) const fn idle_until(&self) -> Option<Instant> {
        self.idle_until
    }

    /// Takes the next record into the graph and loads the one behind it; stream time advances.
    pub(super) fn pop(
        &mut self,
        now: Now,
        graph: &mut ProcessorGraph,
    ) -> Result<Option<Head>, StreamsError> {
        if !self.is_ready(now.instant) {
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
            let late_ms = self.stream_time.0 - timestamp;
            self.lateness.record(now.instant, late_ms as f64);
        }
        self.enforced += u64::from(self.is_enforced);
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

    /// How far each partition was not fetched, as far as that is known.
    pub(super) fn lags(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        let queues = self.queues.iter();
        queues.filter_map(|queue| Some((&queue.partition, queue.lag()?)))
    }

    pub(super) fn collect_metrics(&self, now: Instant, metrics: &mut Metrics) {
        metrics.count(&names::TASK_ENFORCED_PROCESSING_TOTAL, self.enforced);
        metrics.number(&names::TASK_RECORD_LATENESS_AVG, self.lateness.avg(now));
        metrics.number(&names::TASK_RECORD_LATENESS_MAX, self.lateness.max(now));
        let buffered: usize = self.queues.iter().map(RecordQueue::buffered_records).sum();
        metrics.number(&names::TASK_ACTIVE_BUFFER_COUNT, buffered as f64);
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
