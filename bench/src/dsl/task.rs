//! One stream task over all of a topology, without a broker.

use std::cell::RefCell;
use std::rc::Rc;

use eddyline_core::config::StreamsConfig;
use eddyline_core::processor::{ProcessorGraph, PunctuationType, RecordSink};
use eddyline_core::state::CacheBudget;
use eddyline_core::task::{RecordCollector, StreamTask, TaskState};
use eddyline_core::time::Now;
use eddyline_core::topology::Subtopology;
use eddyline_core::types::{Headers, TaskId, TopicName, TopicPartition};
use eddyline_core::wire::{RecordBatch, RecordBatchBuilder, assign_offsets, decode_batches};

use super::topologies;
use crate::keys::Keys;
use crate::rounds::Case;

pub(super) struct TaskCase {
    task: StreamTask,
    collector: Rc<RefCell<RecordCollector>>,
    inputs: Vec<Input>,
    /// How many of the inputs are fed from outside.
    fed: usize,
    prepared: Vec<RecordBatch>,
    keys: Keys,
    timestamp: i64,
    now: Now,
}

struct Input {
    partition: TopicPartition,
    next_offset: i64,
}

impl TaskCase {
    /// A task of the case called `name`, which has seen each of `keys` keys.
    pub(super) fn new(name: &str, keys: u32) -> Self {
        Self::with_config(name, keys, &config())
    }

    /// The same without a cache.
    pub(super) fn uncached(name: &str, keys: u32) -> Self {
        let config = config().set("statestore.cache.max.bytes", "0");
        Self::with_config(name, keys, &config.expect("is valid"))
    }

    fn with_config(name: &str, keys: u32, config: &StreamsConfig) -> Self {
        let topology = topologies::topology(name, config);
        let subtopologies = topology.subtopologies(config);
        let ids: Vec<i32> = subtopologies.iter().map(|s| s.id).collect();
        let mut topics: Vec<TopicName> = subtopologies
            .iter()
            .flat_map(|s| s.inputs().cloned())
            .collect();
        let is_source = |topic: &TopicName| matches!(topic.as_str(), "in" | "other");
        topics.sort_by_key(|topic| (!is_source(topic), topic.clone()));
        let fed = topics.iter().filter(|topic| is_source(topic)).count();
        let partitions: Vec<_> = topics
            .iter()
            .map(|t| TopicPartition::new(t.clone(), 0))
            .collect();

        let mut collector = RecordCollector::new(config);
        let now = Now::default();
        collector.set_now(now);
        for subtopology in &subtopologies {
            for topic in outputs(subtopology) {
                collector.set_partition_count(topic.clone(), 1);
            }
        }
        let collector = Rc::new(RefCell::new(collector));
        let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<RecordCollector>>::clone(&collector);
        let budget = CacheBudget::new(config.statestore_cache_max_bytes());
        let id = TaskId::new(0, 0);
        let graph = ProcessorGraph::new(&topology, id, &ids, config, &budget, sink);
        let graph = graph.expect("has its sub-topologies");
        let task = StreamTask::new(id, graph, &partitions, config.max_task_idle_ms());
        let mut task = task.expect("reads its topics");
        task.init(now).expect("processors begin");
        task.state = TaskState::Running;
        for partition in &partitions {
            task.started(partition, 0, None, "")
                .expect("has no metadata");
            // It is empty so far: nothing is waited for.
            task.push(now, partition, Vec::new(), 0, 0)
                .expect("has no records");
        }
        let inputs = partitions.into_iter().map(|partition| Input {
            partition,
            next_offset: 0,
        });
        let mut case = Self {
            task,
            collector,
            inputs: inputs.collect(),
            fed,
            prepared: Vec::new(),
            keys: Keys::new(keys),
            timestamp: DAY_MS,
            now,
        };
        case.fill();
        case
    }

    fn fill(&mut self) {
        let all: Vec<u32> = (0..self.keys.count()).collect();
        for numbers in all.chunks(250) {
            // One for each input.
            let each = numbers
                .iter()
                .flat_map(|n| std::iter::repeat_n(*n, self.fed));
            let numbers: Vec<u32> = each.collect();
            self.prepare_records(numbers.into_iter());
            self.operate(0);
        }
        self.commit();
    }

    /// A record for each key with one of the `numbers`, by turns for every input, a millisecond apart.
    fn prepare_records(&mut self, numbers: impl Iterator<Item = u32>) {
        let mut batches: Vec<_> = (0..self.fed).map(|_| RecordBatchBuilder::new()).collect();
        for (at, number) in numbers.enumerate() {
            self.timestamp += 1;
            let value = i64::from((number + self.timestamp as u32) % self.keys.count());
            let (key, value) = (self.keys.text(number), value.to_be_bytes());
            batches[at % self.fed].append(
                self.timestamp,
                Some(key.as_bytes()),
                Some(&value),
                &Headers::new(),
            );
        }
        let fetched = batches.into_iter().zip(&self.inputs);
        let fetched =
            fetched.map(|(batch, input)| fetched_batch(&batch.seal().encode(-1, -1, -1), input));
        self.prepared.extend(fetched);
    }

    /// Hands what was sent to topics that this task reads back to it; true when there was any.
    fn deliver(&mut self) -> bool {
        let mut collector = self.collector.borrow_mut();
        if self.fed < self.inputs.len() {
            collector.seal_all();
        }
        let mut has_delivered = false;
        while let Some(sealed) = collector.poll_sealed() {
            collector.acknowledged(sealed.ticket);
            let mut inputs = self.inputs.iter_mut();
            if let Some(input) = inputs.find(|input| input.partition == sealed.partition) {
                let batch = fetched_batch(&sealed.batch.encode(-1, -1, -1), input);
                push(&mut self.task, self.now, input, batch);
                has_delivered = true;
            }
        }
        has_delivered
    }

    fn process(&mut self) {
        loop {
            let processed = self.task.process(self.now, usize::MAX);
            processed.expect("is processed");
            let stream_time = PunctuationType::StreamTime;
            let punctuated = self.task.punctuate(stream_time, self.now);
            punctuated.expect("is processed");
            if !self.deliver() {
                return;
            }
        }
    }
}

impl Case for TaskCase {
    fn prepare(&mut self, count: usize) {
        let numbers: Vec<u32> = (0..count).map(|_| self.keys.next_number()).collect();
        self.prepare_records(numbers.into_iter());
    }

    fn operate(&mut self, _: usize) {
        for (batch, input) in self.prepared.drain(..).zip(&mut self.inputs) {
            push(&mut self.task, self.now, input, batch);
        }
        self.process();
    }

    fn commit(&mut self) {
        self.task.prepare_commit(self.now).expect("is flushed");
        self.collector.borrow_mut().seal_all();
        if self.deliver() {
            self.process();
        }
        self.task
            .post_commit(|_| None)
            .expect("stores are in memory");
    }
}

/// Every topic that is written to.
fn outputs(subtopology: &Subtopology) -> impl Iterator<Item = &TopicName> {
    let changelogs = subtopology.changelog_topics.iter().map(|topic| &topic.name);
    let sinks = subtopology.sink_topics.iter();
    sinks
        .chain(&subtopology.repartition_sink_topics)
        .chain(changelogs)
}

fn config() -> StreamsConfig {
    let config = StreamsConfig::new("bench", "localhost:1").expect("is valid");
    let config = config.set("default.dsl.store", "in_memory");
    config.expect("is valid")
}

/// The first timestamp: Java's cache fails at sessions that could begin before 1970.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A batch as it would be fetched.
fn fetched_batch(bytes: &bytes::Bytes, input: &Input) -> RecordBatch {
    let decode = |bytes| {
        let batches = decode_batches(bytes).expect("was just encoded");
        batches.into_iter().next().expect("was just encoded")
    };
    let sent = decode(bytes.clone());
    decode(assign_offsets(&sent, input.next_offset, 0))
}

fn push(task: &mut StreamTask, now: Now, input: &mut Input, batch: RecordBatch) {
    input.next_offset = batch.header().last_offset + 1;
    let end = input.next_offset;
    task.push(now, &input.partition, vec![batch], end, end)
        .expect("is read");
}
