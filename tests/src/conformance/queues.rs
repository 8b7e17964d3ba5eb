//! The input queues of the one task, merged by timestamp as Java's `PartitionGroup` does it.

use std::collections::VecDeque;

use bytes::Bytes;
use eddyline_core::error::StreamsError;
use eddyline_core::time::StreamTime;
use eddyline_core::types::{Headers, TopicName};

/// A record in a topic.
#[derive(Clone)]
pub(super) struct LoggedRecord {
    pub(super) topic: TopicName,
    pub(super) offset: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) timestamp: i64,
    pub(super) headers: Headers,
}

/// Makes a record the first of its partition, of which the time so far is given; gives its time,
/// or `None` if it is dropped.
pub(super) trait Load:
    FnMut(&LoggedRecord, StreamTime) -> Result<Option<i64>, StreamsError>
{
}

impl<F: FnMut(&LoggedRecord, StreamTime) -> Result<Option<i64>, StreamsError>> Load for F {}

struct Queue {
    topic: TopicName,
    records: VecDeque<LoggedRecord>,
    /// The time of the first record, `None` in it for the last of a run of dropped ones.
    head: Option<Option<i64>>,
    partition_time: StreamTime,
}

impl Queue {
    fn load(&mut self, load: &mut impl Load) -> Result<(), StreamsError> {
        while let Some(record) = self.records.pop_front() {
            let time = load(&record, self.partition_time)?;
            self.head = Some(time);
            if time.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Which of several queues with equal timestamps goes first follows from `java.util.PriorityQueue`,
/// so this is one: a binary heap of the queues that are not empty.
#[derive(Default)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    heap: Vec<usize>,
}

impl Queues {
    pub(super) fn push(
        &mut self,
        record: LoggedRecord,
        mut load: impl Load,
    ) -> Result<(), StreamsError> {
        let known = self.queues.iter().position(|q| q.topic == record.topic);
        let at = known.unwrap_or_else(|| {
            self.queues.push(Queue {
                topic: record.topic.clone(),
                records: VecDeque::new(),
                head: None,
                partition_time: StreamTime::UNKNOWN,
            });
            self.queues.len() - 1
        });
        let queue = &mut self.queues[at];
        queue.records.push_back(record);
        if queue.head.is_none() {
            queue.load(&mut load)?;
            self.offer(at);
        }
        Ok(())
    }

    /// The queue whose turn it is: its topic, and the time of its first record unless that was
    /// dropped.
    pub(super) fn poll(&mut self) -> Option<(TopicName, Option<i64>)> {
        let first = *self.heap.first()?;
        let queue = &self.queues[first];
        Some((queue.topic.clone(), queue.head?))
    }

    /// The first record was taken: loads the next one.
    pub(super) fn advance(&mut self, mut load: impl Load) -> Result<(), StreamsError> {
        let Some(&first) = self.heap.first() else {
            return Ok(());
        };
        let last = self.heap.pop();
        if let (Some(root), Some(last)) = (self.heap.first_mut(), last) {
            *root = last;
            self.sift_down();
        }
        let queue = &mut self.queues[first];
        if let Some(Some(time)) = queue.head.take() {
            queue.partition_time.advance_to(time);
        }
        queue.load(&mut load)?;
        if queue.head.is_some() {
            self.offer(first);
        }
        Ok(())
    }

    fn time(&self, queue: usize) -> i64 {
        let head = self.queues[queue].head;
        head.map_or(i64::MAX, |time| time.unwrap_or(-1))
    }

    fn offer(&mut self, queue: usize) {
        let mut at = self.heap.len();
        self.heap.push(queue);
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.time(queue) >= self.time(self.heap[parent]) {
                break;
            }
            self.heap.swap(at, parent);
            at = parent;
        }
    }

    fn sift_down(&mut self) {
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let Some(&left_queue) = self.heap.get(left) else {
                return;
            };
            let smaller = match self.heap.get(right) {
                Some(&queue) if self.time(queue) < self.time(left_queue) => right,
                _ => left,
            };
            if self.time(self.heap[at]) <= self.time(self.heap[smaller]) {
                return;
            }
            self.heap.swap(at, smaller);
            at = smaller;
        }
    }
}
