//! One task's nodes and stores at run time.

mod metrics;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::global::{self, GlobalStores};
use super::handling;
use super::node::{ErasedNode, LoadError, RawRecord, Successor};
use super::punctuation::{PunctuationQueue, PunctuationType};
use super::{ProcessorError, ProcessorMetadata, RecordSink};
use crate::config::{DefaultTimestampExtractor, StreamsConfig};
use crate::error::{HandledError, StreamsError};
use crate::metrics::{Sampled, Volume, record_bytes};
use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::state::storage::{InMemoryStorageFactory, StorageFactory, TaskStorage};
use crate::state::{CacheBudget, ChangelogRecord, StateStore};
use crate::time::{Now, StreamTime, WallClock};
use crate::topology::{TopicPattern, Topology};
use crate::types::{Headers, RecordContext, SourceRecord, TaskId, TopicName, TopicPartition};
use crate::wire;

use super::task_context::{Measured, NodeSlot, StoreSlot, TaskContext, state_error, streams_error};

/// The stores `ids` of a topology, empty.
fn build_stores(
    topology: &Topology,
    ids: &[usize],
    config: &StreamsConfig,
    budget: &CacheBudget,
) -> Vec<StoreSlot> {
    let build = |&id: &usize| {
        let definition = topology.store(id);
        let mut store = match definition.builder.configured(config) {
            Some(builder) => builder.build(budget),
            None => definition.builder.build(budget),
        };
        let changelog = definition.changelog_topic(config.application_id());
        if let Some(topic) = &changelog {
            store.set_changelog_topic(topic);
        }
        StoreSlot {
            name: Arc::clone(&definition.name),
            store: Some(store),
            changelog,
            read_only: definition.is_read_only(),
            forwarder: None,
            draining: false,
            hit_ratio: Sampled::default(),
            buffered: None,
            told_dropped: 0,
        }
    };
    ids.iter().map(build).collect()
}

/// The nodes `ids` of a topology, which know each other and `stores` by their places in these lists.
fn build_nodes(
    topology: &Topology,
    ids: &[usize],
    stores: &[usize],
    application_id: &str,
) -> Vec<NodeSlot> {
    let places: BTreeMap<usize, usize> = ids.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let place_of_store = |store| stores.iter().position(|id| id == store);
    let build = |&id: &usize| {
        let definition = topology.node(id);
        let children = definition.children.iter();
        NodeSlot {
            name: Arc::clone(&definition.name),
            node: Some(topology.instantiate(id, application_id)),
            children: children.map(|child| places[child]).collect(),
            stores: definition
                .stores
                .iter()
                .filter_map(place_of_store)
                .collect(),
            fills_global_store: topology.fills_global_store(definition),
            send_old_values: definition.send_old_values,
            measured: Measured::of(definition, application_id),
        }
    };
    let mut nodes: Vec<NodeSlot> = ids.iter().map(build).collect();
    for at in 0..nodes.len() {
        let Some(mut parent) = nodes[at].node.take() else {
            continue;
        };
        let successor = |&place: &usize| {
            let node = nodes[place].node.as_deref()?;
            Some(Successor { place, node })
        };
        let children: Vec<_> = nodes[at].children.iter().filter_map(successor).collect();
        parent.connect(&children);
        drop(children);
        nodes[at].node = Some(parent);
    }
    nodes
}

/// The sources among the nodes `ids`.
fn sources_of(topology: &Topology, ids: &[usize], application_id: &str) -> Vec<Source> {
    let nodes = ids.iter().map(|&id| topology.node(id)).enumerate();
    nodes
        .filter(|(_, definition)| definition.kind.is_source())
        .map(|(node, definition)| Source {
            node,
            topics: definition.source_topics(application_id),
            pattern: definition.source_pattern().cloned(),
        })
        .collect()
}

/// Gives persistent stores their places in the storage of the task.
fn open_storage(
    stores: &mut [StoreSlot],
    task: TaskId,
    application_id: &str,
    storages: &dyn StorageFactory,
) -> Result<Option<TaskStorage>, StreamsError> {
    let stores = stores.iter_mut().filter_map(|slot| slot.store.as_mut());
    let mut persistent = stores.filter(|store| store.is_persistent()).peekable();
    if persistent.peek().is_none() {
        return Ok(None);
    }
    let storage = TaskStorage::open(storages.open(task)?, application_id, task)?;
    persistent.try_for_each(|store| store.init(&storage))?;
    Ok(Some(storage))
}

/// One task's nodes and stores, made from a topology (the run time of Java's `ProcessorTopology`).
pub struct ProcessorGraph {
    task: TaskContext,
    /// Of persistent stores, where there are any.
    storage: Option<TaskStorage>,
    sources: Vec<Source>,
    inputs: Vec<InputSlot>,
    /// The source of the record that was taken.
    next_source: usize,
    default_extractor: DefaultTimestampExtractor,
}

/// A source node and the topics it reads.
struct Source {
    node: usize,
    topics: Vec<TopicName>,
    pattern: Option<TopicPattern>,
}

impl Source {
    fn reads(&self, topic: &TopicName) -> bool {
        let pattern = self.pattern.as_ref();
        self.topics.contains(topic) || pattern.is_some_and(|p| p.matches(topic.as_str()))
    }
}

/// What a graph is made of, beside what it is told.
struct Parts {
    members: Vec<usize>,
    store_ids: Vec<usize>,
    stores: Vec<StoreSlot>,
    storage: Option<TaskStorage>,
}

/// An input partition, and what is known of its first record beside key and value.
struct InputSlot {
    partition: TopicPartition,
    node: usize,
    /// Its number in the source node.
    slot: usize,
    offset: i64,
    timestamp: i64,
    headers: Headers,
    source_record: Option<Arc<SourceRecord>>,
    size_bytes: usize,
    /// What was taken of it.
    consumed: Volume,
}

/// Names an input partition of a [`ProcessorGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input(usize);

impl ProcessorGraph {
    /// As [`open`](Self::open), with persistent stores in memory.
    ///
    /// # Errors
    /// As there.
    pub fn new(
        topology: &Topology,
        task: TaskId,
        subtopologies: &[i32],
        config: &StreamsConfig,
        budget: &CacheBudget,
        sink: Rc<RefCell<dyn RecordSink>>,
    ) -> Result<Self, StreamsError> {
        let storages = &InMemoryStorageFactory;
        Self::open(
            topology,
            task,
            subtopologies,
            config,
            budget,
            sink,
            storages,
        )
    }

    /// The nodes of all global sub-topologies, which fill `stores`.
    pub(crate) fn global(
        topology: &Topology,
        config: &StreamsConfig,
        sink: Rc<RefCell<dyn RecordSink>>,
        stores: &GlobalStores,
    ) -> Result<Self, StreamsError> {
        let subtopologies = topology.global_subtopologies();
        let budget = CacheBudget::new(0);
        let task = global::TASK;
        let config = config.for_global_stores();
        let mut graph = Self::new(topology, task, &subtopologies, &config, &budget, sink)?;
        graph.set_global_stores(stores);
        // Java takes the records' own timestamps whatever is configured.
        graph.default_extractor = DefaultTimestampExtractor::FailOnInvalidTimestamp;
        Ok(graph)
    }

    /// Lets all processors read these global stores; before [`init`](Self::init).
    pub fn set_global_stores(&mut self, stores: &GlobalStores) {
        self.task.globals = stores.clone();
    }

    /// The nodes and stores of `subtopologies` for `task`: one sub-topology in production, any set
    /// of them in a test. Where a store is persistent, `storages` gives the task its storage.
    ///
    /// # Errors
    /// When the topology has no such sub-topology, or the storage cannot be opened.
    pub fn open(
        topology: &Topology,
        task: TaskId,
        subtopologies: &[i32],
        config: &StreamsConfig,
        budget: &CacheBudget,
        sink: Rc<RefCell<dyn RecordSink>>,
        storages: &dyn StorageFactory,
    ) -> Result<Self, StreamsError> {
        let application_id = config.application_id();
        let members = topology.nodes_of(subtopologies);
        if members.is_empty() {
            let message = format!("the topology has no sub-topology for task {task}");
            return Err(StreamsError::Topology(message));
        }
        let store_ids = topology.stores_of(&members);
        let mut stores = build_stores(topology, &store_ids, config, budget);
        let storage = open_storage(&mut stores, task, application_id, storages)?;
        let parts = Parts {
            members,
            store_ids,
            stores,
            storage,
        };
        let config = Arc::new(config.clone());
        Ok(Self::assemble(topology, task, parts, config, sink))
    }

    /// The same task with its stores as they are and nodes that have not begun: for the next life
    /// of a task that was committed (Java: `ProcessorStateManager.recycle`).
    pub(crate) fn recycle(mut self, topology: &Topology) -> Self {
        self.close_nodes();
        let Self { task, storage, .. } = self;
        let TaskContext {
            id,
            config,
            sink,
            mut stores,
            globals,
            ..
        } = task;
        for slot in &mut stores {
            (slot.forwarder, slot.draining) = (None, false);
            (slot.hit_ratio, slot.buffered) = (Sampled::default(), None);
            if let Some(store) = &mut slot.store {
                // What comes from the changelog goes in below.
                store.clear_cache();
            }
        }
        let members = topology.nodes_of(&[id.subtopology]);
        let parts = Parts {
            store_ids: topology.stores_of(&members),
            members,
            stores,
            storage,
        };
        let mut graph = Self::assemble(topology, id, parts, config, sink);
        graph.task.globals = globals;
        graph
    }

    fn assemble(
        topology: &Topology,
        task: TaskId,
        parts: Parts,
        config: Arc<StreamsConfig>,
        sink: Rc<RefCell<dyn RecordSink>>,
    ) -> Self {
        let application_id = config.application_id();
        let Parts {
            members,
            store_ids,
            stores,
            storage,
        } = parts;
        let nodes = build_nodes(topology, &members, &store_ids, application_id);
        let sources = sources_of(topology, &members, application_id);
        let default_extractor = config.default_timestamp_extractor();
        let task = TaskContext {
            id: task,
            config,
            context: RecordContext::punctuation(-1),
            now: Now::default(),
            system_time: WallClock(0),
            stream_time: StreamTime::UNKNOWN,
            sink,
            scratch: Vec::new(),
            punctuators: PunctuationQueue::default(),
            commit_requested: false,
            metadata: ProcessorMetadata::default(),
            nodes,
            stores,
            shared: BTreeMap::new(),
            globals: GlobalStores::default(),
            deferred: VecDeque::new(),
            dropped_records: 0,
            punctuations: 0,
            last_drop: None,
        };
        Self {
            task,
            storage,
            sources,
            inputs: Vec::new(),
            next_source: 0,
            default_extractor,
        }
    }

    /// True for a topic that is an input.
    pub(crate) fn reads(&self, topic: &TopicName) -> bool {
        self.sources.iter().any(|source| source.reads(topic))
    }

    /// Adds an input partition; asked for again, it is the same.
    ///
    /// # Errors
    /// When the task has no source for its topic.
    pub fn input(&mut self, partition: &TopicPartition) -> Result<Input, StreamsError> {
        let known = self.inputs.iter().position(|i| i.partition == *partition);
        if let Some(known) = known {
            return Ok(Input(known));
        }
        let mut sources = self.sources.iter();
        let named = sources.find(|source| source.reads(&partition.topic));
        let node = named.map(|source| source.node);
        let slot = node.and_then(|node| {
            let source = self.task.nodes[node].node.as_mut()?.as_source()?;
            Some((node, source.add_partition()))
        });
        let Some((node, slot)) = slot else {
            let message = format!("task {} has no source for {partition}", self.task.id);
            return Err(StreamsError::Topology(message));
        };
        self.inputs.push(InputSlot {
            partition: partition.clone(),
            node,
            slot,
            offset: -1,
            timestamp: -1,
            headers: Headers::new(),
            source_record: None,
            size_bytes: 0,
            consumed: Volume::default(),
        });
        Ok(Input(self.inputs.len() - 1))
    }

    /// The changelog partitions of logged stores, with the index that [`Self::restore`] wants.
    pub fn changelogs(&self) -> Vec<(usize, TopicPartition)> {
        let partition = self.task.id.partition;
        let logged = self
            .task
            .stores
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| {
                let topic = slot.changelog.clone()?;
                Some((index, TopicPartition { topic, partition }))
            });
        logged.collect()
    }

    /// Applies one changelog record to a store.
    ///
    /// # Errors
    /// When the store cannot take it.
    pub fn restore(&mut self, store: usize, record: ChangelogRecord) -> Result<(), StreamsError> {
        let task = self.task.id;
        let slot = self.task.stores.get_mut(store);
        match slot.and_then(|slot| slot.store.as_mut()) {
            Some(state) => state
                .restore(record)
                .map_err(|error| state_error(task, error)),
            None => Ok(()),
        }
    }

    /// Initialises every processor; after restoring, before the first record.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn init(&mut self, now: Now) -> Result<(), StreamsError> {
        self.task.begin(now);
        for node in 0..self.task.nodes.len() {
            self.run(node, |running, task| running.init(task, node))?;
        }
        Ok(())
    }

    fn run(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut dyn ErasedNode, &mut TaskContext) -> Result<(), ProcessorError>,
    ) -> Result<(), StreamsError> {
        let Some(mut running) = self.task.nodes[node].node.take() else {
            return Ok(());
        };
        let result = act(running.as_mut(), &mut self.task);
        self.task.nodes[node].node = Some(running);
        let result = result.map_err(|error| self.task.locate(node, error));
        let result = result.and_then(|()| self.task.run_deferred(node));
        result.map_err(|error| streams_error(self.task.id, error))
    }

    /// Makes `record` the first of its partition: reads its key and value and extracts its time,
    /// which it gives; `None` says that the record is dropped, and counted (Java: `RecordQueue`).
    ///
    /// # Errors
    /// When the record cannot be read or has no time.
    pub fn load(
        &mut self,
        now: Now,
        input: Input,
        record: wire::Record,
        partition_time: StreamTime,
    ) -> Result<Option<i64>, StreamsError> {
        let Self { task, inputs, .. } = self;
        let slot = &mut inputs[input.0];
        let source = task.nodes[slot.node].node.as_mut();
        let Some(source) = source.and_then(|node| node.as_source()) else {
            return Ok(None);
        };
        let raw = RawRecord {
            topic: &slot.partition.topic,
            partition: slot.partition.partition,
            record: &record,
            partition_time,
            wall_clock: now.wall_clock,
            default_extractor: self.default_extractor,
        };
        match source.load(slot.slot, raw) {
            Ok(timestamp) if timestamp >= 0 => {
                (slot.offset, slot.timestamp) = (record.offset, timestamp);
                slot.size_bytes = record_bytes(
                    slot.partition.topic.as_str(),
                    record.key.as_deref(),
                    record.value.as_deref(),
                    &record.headers,
                );
                if task.config.error_handlers().keeps_raw {
                    slot.source_record = Some(Arc::new(handling::source_record(&record)));
                }
                slot.headers = record.headers;
                Ok(Some(timestamp))
            }
            Ok(timestamp) => {
                let reason = format!("its extracted timestamp is {timestamp}");
                task.drop_input(&slot.partition, record.offset, &reason);
                Ok(None)
            }
            Err(LoadError::Deserialization { part, error }) => {
                let failed = (part, error);
                task.handle_unreadable(slot.node, &slot.partition, &record, failed)?;
                Ok(None)
            }
            Err(LoadError::Timestamp(error)) => Err(StreamsError::Timestamp {
                task: task.id,
                input: (slot.partition.clone(), record.offset),
                message: error.to_string(),
            }),
        }
    }

    /// Takes the loaded record of `input` aside as the next one to process: another one may be
    /// loaded in its place.
    pub fn take(&mut self, input: Input) {
        let input = &mut self.inputs[input.0];
        self.next_source = input.node;
        input.consumed.add(input.size_bytes);
        let context = &mut self.task.context;
        if context.topic.as_ref() != Some(&input.partition.topic) {
            context.topic = Some(input.partition.topic.clone());
        }
        context.partition = input.partition.partition;
        context.offset = input.offset;
        context.timestamp = input.timestamp;
        context.headers = std::mem::take(&mut input.headers);
        context.source_record = input.source_record.take();
        let source = self.task.nodes[input.node].node.as_mut();
        if let Some(source) = source.and_then(|node| node.as_source()) {
            source.take(input.slot);
        }
    }

    /// Runs the record that was taken through the graph, depth first. Changelog records of stores
    /// it writes are with the sink when this returns.
    ///
    /// # Errors
    /// Whatever a serde, store or processor fails with.
    pub fn process(&mut self, now: Now, stream_time: StreamTime) -> Result<(), StreamsError> {
        self.task.begin(now);
        self.task.stream_time = stream_time;
        let node = self.next_source;
        self.task.measure_latency(node, self.task.context.timestamp);
        self.task.nodes[node].measured.processed += 1;
        self.run(node, |running, task| match running.as_source() {
            Some(source) => source.forward(task),
            None => Ok(()),
        })
    }

    /// Loads, takes and processes one record at once, for drivers without queues. A record without a
    /// time is dropped.
    ///
    /// # Errors
    /// Whatever a serde, store or processor fails with.
    pub fn process_record(
        &mut self,
        now: Now,
        partition: &TopicPartition,
        record: wire::Record,
        stream_time: StreamTime,
    ) -> Result<(), StreamsError> {
        let input = self.input(partition)?;
        if self.load(now, input, record, stream_time)?.is_some() {
            self.take(input);
            self.process(now, stream_time)?;
        }
        Ok(())
    }

    /// Calls every punctuator of a kind that is due; `true` when one was.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn punctuate(
        &mut self,
        kind: PunctuationType,
        now: Now,
        stream_time: StreamTime,
    ) -> Result<bool, StreamsError> {
        self.task.now = now;
        self.task.stream_time = stream_time;
        let time_ms = match kind {
            PunctuationType::StreamTime => stream_time.0,
            PunctuationType::WallClockTime => now.wall_clock.0,
        };
        let mut any = false;
        while let Some(due) = self.task.punctuators.pop_due(kind, time_ms) {
            any = true;
            self.task.punctuations += 1;
            self.task.begin(now);
            self.task.context = RecordContext::punctuation(time_ms);
            self.run(due.node, |running, task| {
                let result = running.punctuate(task, due.node, due.id, time_ms);
                result.or_else(|error| task.handle_failure(due.node, error))
            })?;
            self.task.punctuators.called(time_ms);
        }
        Ok(any)
    }

    /// When the next wall-clock punctuator is due.
    pub fn next_wall_clock_punctuation(&self) -> Option<WallClock> {
        self.task.punctuators.next_wall_clock().map(WallClock)
    }

    /// Flushes every cache in order of store registration, forwarding and logging what was dirty.
    ///
    /// # Errors
    /// Whatever a store or a processor downstream fails with.
    pub fn flush(&mut self, now: Now) -> Result<(), StreamsError> {
        self.task.now = now;
        let mut result = Ok(());
        for store in 0..self.task.stores.len() {
            self.task.tell_late_writes(store);
            let slot = &mut self.task.stores[store];
            slot.measure_hits(now.instant);
            if let Some(state) = &mut slot.store {
                state.begin_flush();
            }
            let drained = self.task.drain_flushed(store);
            let drained = drained.map_err(|error| match streams_error(self.task.id, error) {
                cause @ StreamsError::Processing { .. } => StreamsError::Flush {
                    store: self.task.stores[store].name.to_string(),
                    cause: Box::new(cause),
                },
                error => error,
            });
            // As in Java the rest is flushed all the same.
            result = result.and(drained);
        }
        result
    }

    /// Evicts what has no room in the caches any more, forwarding and logging what was dirty.
    ///
    /// # Errors
    /// Whatever a store or a processor downstream fails with.
    pub(crate) fn shrink_caches(&mut self, now: Now) -> Result<(), StreamsError> {
        self.task.now = now;
        for store in 0..self.task.stores.len() {
            if let Some(state) = &mut self.task.stores[store].store {
                state.shrink_cache();
            }
            let drained = self.task.drain_flushed(store);
            drained.map_err(|error| streams_error(self.task.id, error))?;
        }
        Ok(())
    }

    /// What processors keep with committed offsets.
    pub(crate) const fn metadata(&self) -> &ProcessorMetadata {
        &self.task.metadata
    }

    /// Takes what was committed with an input partition.
    pub(crate) fn update_metadata(&mut self, committed: ProcessorMetadata) {
        self.task.metadata.update(committed);
    }

    /// True once after a processor asked for a commit.
    pub fn take_commit_request(&mut self) -> bool {
        std::mem::take(&mut self.task.commit_requested)
    }

    /// The last record of its changelog that the rows of a store reflect already: see
    /// [`TaskStorage::committed_offset`].
    pub fn committed_offset(&self, store: &str) -> Option<i64> {
        self.storage.as_ref()?.committed_offset(store)
    }

    pub(crate) fn store_name(&self, store: usize) -> Arc<str> {
        let slot = self.task.stores.get(store);
        slot.map_or_else(|| Arc::from(""), |slot| Arc::clone(&slot.name))
    }

    /// The storage of the persistent stores, where there are any.
    pub(crate) const fn storage(&self) -> Option<&TaskStorage> {
        self.storage.as_ref()
    }

    /// Empties a store that cannot go on from what it has.
    ///
    /// # Errors
    /// When its storage fails.
    pub(crate) fn clear_store(&mut self, store: usize) -> Result<(), StreamsError> {
        let task = self.task.id;
        let slot = self.task.stores.get_mut(store);
        match slot.and_then(|slot| slot.store.as_mut()) {
            Some(state) => state.clear().map_err(|error| state_error(task, error)),
            None => Ok(()),
        }
    }

    /// Closes the processors and drops the stores with what was not committed of them. A clean
    /// close sees to it that no crash takes anything from the storage afterwards.
    pub fn close(&mut self, clean: bool) {
        self.close_nodes();
        for slot in &mut self.task.stores {
            slot.store = None;
        }
        if let Some(storage) = self.storage.take()
            && clean
        {
            // Where that fails, less is there than could be, and the changelog has the rest.
            storage.flush().ok();
        }
    }

    fn close_nodes(&mut self) {
        for slot in &mut self.task.nodes {
            if let Some(node) = &mut slot.node {
                node.close();
            }
        }
    }

    /// Records that no operator could take, and writes that came too late for a store, so far (Java:
    /// `dropped-records-total`).
    pub fn dropped_records(&self) -> u64 {
        let stores = self.stores().map(|(store, _)| store.dropped_records());
        self.task.dropped_records + stores.sum::<u64>()
    }

    /// Counts a record that was produced and cannot be written.
    pub(crate) fn drop_produced(&mut self, topic: &TopicName, error: HandledError<'_>) {
        self.task.dropped_records += 1;
        let id = self.task.id;
        self.task.last_drop.get_or_insert_with(|| {
            format!("task {id} drops a record that cannot be written to {topic}: {error}")
        });
    }

    /// What the first record dropped since the last call was dropped for.
    pub fn take_drop_reason(&mut self) -> Option<String> {
        self.task.last_drop.take()
    }

    /// Every store with its changelog topic, in the order they were added.
    pub fn stores(&self) -> impl Iterator<Item = (&dyn StateStore, Option<&TopicName>)> {
        let slots = self.task.stores.iter();
        slots.filter_map(|slot| Some((slot.store.as_deref()?, slot.changelog.as_ref())))
    }

    /// Calls `access` with a store and the context that writes are made under, as a processor does:
    /// what the access evicts is forwarded, what it writes is logged. The context is that of no
    /// record, at time 0, as in Java's `TopologyTestDriver`.
    ///
    /// # Errors
    /// When there is no store of that name and type, or the store or a processor fails.
    pub fn with_store<S: StateStore, R>(
        &mut self,
        now: Now,
        name: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, StreamsError> {
        self.task.now = now;
        self.task.context = RecordContext::punctuation(0);
        let Some(store) = self.find_store(name) else {
            let message = format!("task {} has no store {name}", self.task.id);
            return Err(StreamsError::Topology(message));
        };
        let result = self.task.with_store(store, access);
        result.map_err(|error| streams_error(self.task.id, error))
    }

    /// True for the name of a store of the task, or of a global one.
    pub fn has_store(&self, name: &str) -> bool {
        self.find_store(name).is_some()
    }

    /// True for the name of a store of the task.
    pub(crate) fn has_own_store(&self, name: &str) -> bool {
        let mut stores = self.stores();
        stores.any(|(store, _)| store.name() == name)
    }

    /// Answers a query of one of the task's stores.
    pub(crate) fn query(
        &self,
        store: &str,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        let mut stores = self.stores();
        match stores.find(|(known, _)| known.name() == store) {
            Some((store, _)) => store.query(query, after, max_rows),
            None => Err(QueryFailure::NotPresent {
                store: store.to_owned(),
                partition: Some(self.task.id.partition),
            }),
        }
    }

    fn find_store(&self, name: &str) -> Option<usize> {
        let own = self.task.stores.iter().position(|s| &*s.name == name);
        own.or_else(|| self.task.globals.find(name))
    }

    /// A store of the task, for queries and tests.
    pub fn store(&mut self, name: &str) -> Option<&mut dyn StateStore> {
        let slot = self
            .task
            .stores
            .iter_mut()
            .find(|slot| &*slot.name == name)?;
        slot.store.as_deref_mut()
    }
}
