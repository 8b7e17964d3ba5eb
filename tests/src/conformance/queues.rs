//! The input queues of the one task, merged by timestamp as Java's `PartitionGroup` does it.

use std::collections::VecDeque;

use bytes::Bytes;
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

/// Which of several queues with equal timestamps goes first follows from `java.util.PriorityQueue`,
/// so this is one: a binary heap of the queues that are not empty.
#[derive(Default)]
pub(super) struct Queues {
    queues: Vec<(TopicName, VecDeque<LoggedRecord>)>,
    heap: Vec<usize>,
}

impl Queues {
    pub(super) fn push(&mut self, record: LoggedRecord) {
        let known = self
            .queues
            .iter()
            .position(|(topic, _)| *topic == record.topic);
        let at = known.unwrap_or_else(|| {
            self.queues.push((record.topic.clone(), VecDeque::new()));
            self.queues.len() - 1
        });
        let queue = &mut self.queues[at].1;
        queue.push_back(record);
        if queue.len() == 1 {
            self.offer(at);
        }
    }

    pub(super) fn pop(&mut self) -> Option<LoggedRecord> {
        let first = *self.heap.first()?;
        let last = self.heap.pop()?;
        if let Some(root) = self.heap.first_mut() {
            *root = last;
            self.sift_down();
        }
        let queue = &mut self.queues[first].1;
        let record = queue.pop_front();
        if !queue.is_empty() {
            self.offer(first);
        }
        record
    }

    fn time(&self, queue: usize) -> i64 {
        let head = self.queues[queue].1.front();
        head.map_or(i64::MAX, |record| record.timestamp)
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
