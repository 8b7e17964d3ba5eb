//! What a driver does: the loop around the tasks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::metrics::{Metric, Metrics};
use eddyline_core::processor::{ProcessorGraph, PunctuationType, RecordSink};
use eddyline_core::state::{CacheBudget, StateStore};
use eddyline_core::task::{GlobalTask, StreamTask, TaskState};
use eddyline_core::time::{Instant, Now, WallClock};
use eddyline_core::topology::{Subtopology, Topology};
use eddyline_core::types::{
    Headers, OffsetAndMetadata, RecordContext, TaskId, TopicName, TopicPartition,
};
use eddyline_core::wire::{RecordBatch, RecordBatchBuilder, partition_for_key};

use super::topics::{ProducedRecord, Producer, Sent, Topics};
use super::{CommitMode, TestDriverError, TestDriverOptions};

type Result<T> = std::result::Result<T, TestDriverError>;

/// What a task is made of.
struct TaskLayout {
    id: TaskId,
    subtopologies: Vec<i32>,
    inputs: Vec<TopicPartition>,
}

pub(super) struct Engine {
    topology: Topology,
    config: StreamsConfig,
    layout: Vec<TaskLayout>,
    /// How many partitions each input topic has.
    inputs: BTreeMap<TopicName, i32>,
    tasks: Vec<StreamTask>,
    globals: Option<GlobalTask>,
    global_topics: Vec<TopicName>,
    producer: Rc<RefCell<Producer>>,
    pub(super) topics: Topics,
    /// What was sent and not yet handed to the tasks that read it.
    undelivered: VecDeque<(TopicPartition, RecordBatch)>,
    pub(super) committed: BTreeMap<TopicPartition, OffsetAndMetadata>,
    commit_mode: CommitMode,
    next_commit: Instant,
    now: Now,
    /// Until user code is through: if it panics, for good.
    is_acting: bool,
}

impl Engine {
    pub(super) fn new(
        topology: Topology,
        config: StreamsConfig,
        options: TestDriverOptions,
    ) -> Self {
        let config = if options.emit_intervals {
            config
        } else {
            without_emit_intervals(config)
        };
        let partitions = options.partitions.unwrap_or(1);
        let subtopologies = topology.subtopologies(&config);
        let mut inputs = BTreeMap::new();
        for subtopology in &subtopologies {
            inputs.extend(
                subtopology
                    .inputs()
                    .map(|topic| (topic.clone(), partitions)),
            );
            for topic in &subtopology.repartition_source_topics {
                if let (Some(_), Some(fixed)) = (options.partitions, topic.partitions) {
                    inputs.insert(topic.name.clone(), fixed);
                }
            }
        }
        let now = Now {
            instant: Instant::ZERO,
            wall_clock: options.wall_clock,
        };
        let producer = Producer::new(&config, partitions);
        producer.borrow_mut().set_now(now);
        for (topic, count) in &inputs {
            producer.borrow_mut().set_partition_count(topic, *count);
        }
        let layout = match options.partitions {
            None => vec![one_task(&subtopologies)],
            Some(_) => tasks(&subtopologies, &inputs, &producer),
        };
        let global_topics = topology.global_topics();
        for topic in &global_topics {
            producer.borrow_mut().set_partition_count(topic, partitions);
        }
        Self {
            topology,
            layout,
            inputs,
            tasks: Vec::new(),
            globals: None,
            global_topics,
            producer,
            topics: Topics::default(),
            undelivered: VecDeque::new(),
            committed: BTreeMap::new(),
            commit_mode: options.commit_mode,
            next_commit: Instant::ZERO.plus_ms(config.commit_interval_ms()),
            now,
            is_acting: false,
            config,
        }
    }

    pub(super) const fn wall_clock(&self) -> WallClock {
        self.now.wall_clock
    }

    /// Makes all tasks, restores them and lets them go on at the offsets committed.
    pub(super) fn open(&mut self) -> Result<()> {
        let budget = CacheBudget::new(self.config.statestore_cache_max_bytes());
        self.open_globals()?;
        for layout in &self.layout {
            let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Producer>>::clone(&self.producer);
            let mut graph = ProcessorGraph::new(
                &self.topology,
                layout.id,
                &layout.subtopologies,
                &self.config,
                &budget,
                sink,
            )?;
            if let Some(globals) = &self.globals {
                graph.set_global_stores(globals.stores());
            }
            let idle_ms = self.config.max_task_idle_ms();
            let mut task = StreamTask::new(layout.id, graph, &layout.inputs, idle_ms)?;
            task.state = TaskState::Restoring;
            restore(self.now, &mut task, &self.topics, &self.committed)?;
            task.init(self.now)?;
            task.state = TaskState::Running;
            for input in &layout.inputs {
                let position = self.committed.get(input).cloned().unwrap_or_default();
                let (offset, end) = (position.offset, self.topics.end(input));
                task.started(input, offset, None, &position.metadata)
                    .map_err(StreamsError::Protocol)?;
                let batches = self.topics.from(input, offset);
                task.push(self.now, input, batches, end, end)?;
            }
            self.tasks.push(task);
        }
        Ok(())
    }

    /// Makes the global stores and fills them from what their topics have.
    fn open_globals(&mut self) -> Result<()> {
        self.globals = GlobalTask::new(self.now, &self.topology, &self.config)?;
        for partition in self.topics.partitions_of(&self.global_topics) {
            for batch in self.topics.from(&partition, 0) {
                self.update_globals(&partition, &batch)?;
            }
        }
        Ok(())
    }

    fn update_globals(&mut self, partition: &TopicPartition, batch: &RecordBatch) -> Result<()> {
        let Some(globals) = &mut self.globals else {
            return Ok(());
        };
        for record in batch.records() {
            let failed = |error| StreamsError::Protocol(format!("{partition}: {error}"));
            globals.update(self.now, partition, record.map_err(failed)?)?;
        }
        Ok(())
    }

    /// Runs what calls user code, unless that panicked before. What was sent before a failure is
    /// there to be read.
    fn act<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if std::mem::replace(&mut self.is_acting, true) {
            return Err(TestDriverError::Panicked);
        }
        let result = act(self);
        self.is_acting = false;
        if result.is_err() {
            self.collect()?;
        }
        result
    }

    /// Takes a record for an input topic: to `partition`, or where its key belongs.
    pub(super) fn pipe(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        (key, value): (Option<Bytes>, Option<Bytes>),
        timestamp: i64,
        headers: &Headers,
    ) -> Result<()> {
        let is_global = self.global_topics.contains(topic);
        let global = is_global.then(|| self.producer.borrow().partition_count(topic));
        let count = self.inputs.get(topic).copied().or(global.flatten());
        let Some(count) = count else {
            return Err(TestDriverError::UnknownTopic(topic.clone()));
        };
        let by_key = || key.as_ref().map_or(0, |key| partition_for_key(key, count));
        let partition = TopicPartition::new(topic.clone(), partition.unwrap_or_else(by_key));
        if !(0..count).contains(&partition.partition) {
            return Err(TestDriverError::UnknownPartition { partition, count });
        }
        let mut batch = RecordBatchBuilder::new();
        batch.append(timestamp, key.as_deref(), value.as_deref(), headers);
        let batch = self.topics.append(&partition, &batch.seal())?;
        self.act(|engine| {
            engine.deliver(&partition, &batch)?;
            engine.complete()
        })
    }

    /// Notes what was sent.
    fn collect(&mut self) -> Result<()> {
        let mut producer = self.producer.borrow_mut();
        while let Some(sent) = producer.poll_sent() {
            let batch = self.topics.append(&sent.partition, &sent.batch)?;
            let Sent {
                partition,
                is_stamped,
                ..
            } = sent;
            self.topics.sent(&partition, &batch, is_stamped)?;
            self.undelivered.push_back((partition, batch));
        }
        Ok(())
    }

    /// Hands what was sent to the tasks that read it.
    fn route(&mut self) -> Result<()> {
        self.collect()?;
        while let Some((partition, batch)) = self.undelivered.pop_front() {
            self.deliver(&partition, &batch)?;
        }
        Ok(())
    }

    fn deliver(&mut self, partition: &TopicPartition, batch: &RecordBatch) -> Result<()> {
        let end = self.topics.end(partition);
        for (task, layout) in self.tasks.iter_mut().zip(&self.layout) {
            if layout.inputs.contains(partition) {
                let next = batch.header().last_offset + 1;
                task.push(self.now, partition, vec![batch.clone()], next, end)?;
            }
        }
        if self.global_topics.contains(&partition.topic) {
            self.update_globals(partition, batch)?;
        }
        Ok(())
    }

    /// Processes until no task has a record left.
    fn complete(&mut self) -> Result<()> {
        self.route()?;
        let mut progress = true;
        while progress {
            progress = false;
            for at in 0..self.tasks.len() {
                let task = &mut self.tasks[at];
                if !task.can_process(self.now) {
                    continue;
                }
                progress = true;
                task.process(self.now, 1)?;
                task.punctuate(PunctuationType::StreamTime, self.now)?;
                let asked = task.take_commit_request();
                if asked || self.commit_mode == CommitMode::EachRecord {
                    self.commit_task(at)?;
                }
                self.route()?;
            }
        }
        Ok(())
    }

    fn commit_task(&mut self, at: usize) -> Result<()> {
        let task = &mut self.tasks[at];
        if task.is_commit_needed() {
            let offsets = task.prepare_commit(self.now)?;
            self.committed.extend(offsets);
            // Stores are restored from their changelogs at a restart, whatever they had.
            task.post_commit(|_| None)?;
        }
        Ok(())
    }

    fn commit_all(&mut self) -> Result<()> {
        for at in 0..self.tasks.len() {
            self.commit_task(at)?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.act(|engine| {
            engine.commit_all()?;
            engine.complete()
        })
    }

    pub(super) fn advance_wall_clock(&mut self, by: Duration) -> Result<()> {
        self.act(|engine| engine.advance(by))
    }

    fn advance(&mut self, by: Duration) -> Result<()> {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now.wall_clock.0 = self.now.wall_clock.0.saturating_add(by_ms);
        self.now.instant = self.now.instant.saturating_add(by);
        self.producer.borrow_mut().set_now(self.now);
        for at in 0..self.tasks.len() {
            let task = &mut self.tasks[at];
            task.punctuate(PunctuationType::WallClockTime, self.now)?;
            if task.take_commit_request() {
                self.commit_task(at)?;
            }
        }
        let due = match self.commit_mode {
            CommitMode::EachRecord => true,
            CommitMode::Interval => self.next_commit <= self.now.instant,
            CommitMode::Manual => false,
        };
        if due {
            let interval_ms = self.config.commit_interval_ms();
            self.next_commit = self.now.instant.plus_ms(interval_ms);
            self.commit_all()?;
        }
        self.complete()
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.close()?;
        self.open()
    }

    pub(super) fn open_from(
        &mut self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<()> {
        self.close()?;
        self.committed = offsets;
        self.open()?;
        self.complete()
    }

    pub(super) fn crash(&mut self) -> Result<()> {
        self.is_acting = false;
        self.route()?;
        for mut task in self.tasks.drain(..) {
            task.close(false);
        }
        self.open()?;
        self.complete()
    }

    pub(super) fn close(&mut self) -> Result<()> {
        // What a commit sends to a topic that is read here is input, and asks for another commit.
        while self.tasks.iter().any(StreamTask::is_commit_needed) {
            self.commit()?;
        }
        for mut task in self.tasks.drain(..) {
            task.close(true);
        }
        self.collect()
    }

    /// Calls `access` with a store, of `task` or of the first task that has it or reads it as a global one.
    pub(super) fn with_store<S: StateStore, R>(
        &mut self,
        task: Option<TaskId>,
        name: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R> {
        let has = |of: &&mut StreamTask| match task {
            Some(task) => of.id == task,
            None => of.graph().has_store(name),
        };
        let is_closed = self.tasks.is_empty();
        self.act(|engine| {
            let Some(found) = engine.tasks.iter_mut().find(has) else {
                let message = if is_closed {
                    "the driver is closed".to_owned()
                } else {
                    format!("the topology has no store {name}")
                };
                return Err(StreamsError::Topology(message).into());
            };
            let result = found.graph_mut().with_store(engine.now, name, access)?;
            engine.complete()?;
            Ok(result)
        })
    }

    pub(super) fn take_produced(&mut self) -> Vec<ProducedRecord> {
        // A batch that cannot be read back was refused when it was sent.
        self.collect().ok();
        self.topics.take_produced()
    }

    pub(super) fn task_ids(&self) -> Vec<TaskId> {
        self.tasks.iter().map(|task| task.id).collect()
    }

    pub(super) fn state_store_names(&self) -> BTreeSet<String> {
        let stores = self.tasks.iter().flat_map(|task| task.graph().stores());
        let mut names: BTreeSet<String> =
            stores.map(|(store, _)| store.name().to_owned()).collect();
        if let Some(globals) = &self.globals {
            globals.stores().visit(|store| {
                names.insert(store.name().to_owned());
            });
        }
        names
    }

    pub(super) fn metrics(&self) -> Vec<Metric> {
        let level = self.config.metrics_recording_level();
        let mut metrics = Metrics::of_thread(level, "main");
        for task in &self.tasks {
            task.collect_metrics(self.now.instant, &mut metrics);
        }
        metrics.into_vec()
    }

    pub(super) fn dropped_records(&self) -> u64 {
        let dropped = |task: &StreamTask| task.graph().dropped_records();
        self.tasks.iter().map(dropped).sum()
    }
}

/// Java's driver: one task for everything.
fn one_task(subtopologies: &[Subtopology]) -> TaskLayout {
    let topics = subtopologies.iter().flat_map(Subtopology::inputs);
    TaskLayout {
        id: TaskId::new(0, 0),
        subtopologies: subtopologies.iter().map(|s| s.id).collect(),
        inputs: topics
            .map(|topic| TopicPartition::new(topic.clone(), 0))
            .collect(),
    }
}

/// The tasks of an application over topics with so many partitions.
fn tasks(
    subtopologies: &[Subtopology],
    inputs: &BTreeMap<TopicName, i32>,
    producer: &RefCell<Producer>,
) -> Vec<TaskLayout> {
    let mut layout = Vec::new();
    for subtopology in subtopologies {
        let count = subtopology.inputs().map(|topic| inputs[topic]).max();
        let count = count.unwrap_or(0);
        for changelog in &subtopology.changelog_topics {
            let mut producer = producer.borrow_mut();
            producer.set_partition_count(&changelog.name, count);
        }
        for partition in 0..count {
            let read = subtopology.inputs().filter(|t| partition < inputs[*t]);
            layout.push(TaskLayout {
                id: TaskId::new(subtopology.id, partition),
                subtopologies: vec![subtopology.id],
                inputs: read
                    .map(|topic| TopicPartition::new(topic.clone(), partition))
                    .collect(),
            });
        }
    }
    layout
}

/// Fills the stores of a task from their changelogs.
fn restore(
    now: Now,
    task: &mut StreamTask,
    topics: &Topics,
    committed: &BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Result<()> {
    let inputs = task.inputs();
    for changelog in task.changelog_partitions() {
        // A source topic that serves as the changelog of its table is restored as far as it was
        // processed.
        let end = if inputs.contains(&changelog) {
            committed
                .get(&changelog)
                .map_or(0, |position| position.offset)
        } else {
            topics.end(&changelog)
        };
        task.started(&changelog, 0, Some(end), "")
            .map_err(StreamsError::Protocol)?;
        task.push(now, &changelog, topics.from(&changelog, 0), end, end)?;
    }
    task.restore(usize::MAX)?;
    if task.is_restored() {
        Ok(())
    } else {
        let message = format!("task {} has a changelog that ends too early", task.id);
        Err(StreamsError::Protocol(message).into())
    }
}

/// Nothing is held back on the wall clock.
fn without_emit_intervals(config: StreamsConfig) -> StreamsConfig {
    let keys = [
        "__emit.interval.ms.kstreams.windowed.aggregation__",
        "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__",
    ];
    keys.into_iter().fold(config, |config, key| {
        let unset = config.clone().set(key, 0);
        unset.unwrap_or(config)
    })
}
