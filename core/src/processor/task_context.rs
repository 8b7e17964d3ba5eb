//! What the nodes of one task share while they run: context, stores, forwarding.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::global::{self, GlobalStores, is_global};
use super::node::{Child, Children, ErasedNode, Run, TypedNode};
use super::punctuation::PunctuationQueue;
use super::{
    Failure, OutgoingRecord, ProcessorError, ProcessorMetadata, Record, RecordOrigin, RecordSink,
};
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::metrics::{Definition, Sampled, Volume};
use crate::state::{FlushedEntry, StateError, StateStore};
use crate::time::{Now, StreamTime, WallClock};
use crate::topology::NodeDefinition;
use crate::types::{RecordContext, TaskId, TopicName, TopicPartition};

/// Turns a flushed cache entry into a typed change for the children of the store's processor.
pub(crate) trait ForwardFlushed {
    fn forward(
        &self,
        task: &mut TaskContext,
        node: usize,
        entry: FlushedEntry,
    ) -> Result<(), ProcessorError>;
}

pub(super) struct NodeSlot {
    pub(super) name: Arc<str>,
    /// Empty while the node runs, so that the rest of the task can be borrowed.
    pub(super) node: Option<Box<dyn ErasedNode>>,
    pub(super) children: Box<[usize]>,
    pub(super) stores: Vec<usize>,
    pub(super) fills_global_store: bool,
    pub(super) send_old_values: bool,
    pub(super) measured: Measured,
}

/// What is measured of sources and sinks; of a processor between them nothing is, as in Java.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) is_sink: bool,
    /// Records that a source forwarded.
    pub(super) processed: u64,
    /// How old records were, in milliseconds, when the task had them.
    pub(super) latency: Sampled,
    /// What a suppression, or an aggregation that emits on close, let go.
    pub(super) emitted: Option<(&'static Definition, u64)>,
    /// What a sink wrote.
    pub(super) produced: BTreeMap<TopicName, Volume>,
}

pub(super) struct StoreSlot {
    pub(super) name: Arc<str>,
    pub(super) store: Option<Box<dyn StateStore>>,
    pub(super) changelog: Option<TopicName>,
    /// The changelog is a topic of the user's: what is written is in it already.
    pub(super) read_only: bool,
    pub(super) forwarder: Option<(usize, Rc<dyn ForwardFlushed>)>,
    /// True while flushed entries are being forwarded: a write from downstream only queues more.
    pub(super) draining: bool,
    /// What part of the reads of its cache found something, of the reads between two flushes.
    pub(super) hit_ratio: Sampled,
    /// Of the buffer of a suppression.
    pub(super) buffered: Option<Box<Buffered>>,
    /// How many of the writes that it dropped were told.
    pub(super) told_dropped: u64,
}

/// How full the buffer of a suppression was.
#[derive(Default)]
pub(super) struct Buffered {
    pub(super) count: Sampled,
    pub(super) size_bytes: Sampled,
}

impl Measured {
    /// Nothing so far, of a node with this definition.
    pub(super) fn of(definition: &NodeDefinition, application_id: &str) -> Self {
        let topic = definition.sink_topic(application_id);
        Self {
            is_sink: definition.kind.is_sink(),
            produced: topic
                .into_iter()
                .map(|topic| (topic, Volume::default()))
                .collect(),
            ..Self::default()
        }
    }
}

/// A record for a node that is running already: see [`TaskContext::deliver`].
pub(super) type Deferred = Box<dyn FnOnce(&mut TaskContext) -> Result<(), ProcessorError>>;

/// What nodes share while they run.
pub(crate) struct TaskContext {
    pub(crate) id: TaskId,
    pub(crate) config: Arc<StreamsConfig>,
    pub(crate) context: RecordContext,
    pub(crate) now: Now,
    /// The wall clock when the task last began to process or to punctuate.
    pub(crate) system_time: WallClock,
    pub(crate) stream_time: StreamTime,
    pub(crate) sink: Rc<RefCell<dyn RecordSink>>,
    pub(crate) scratch: Vec<u8>,
    pub(super) punctuators: PunctuationQueue,
    pub(super) commit_requested: bool,
    /// What is kept with committed offsets.
    pub(crate) metadata: ProcessorMetadata,
    pub(super) nodes: Vec<NodeSlot>,
    pub(super) stores: Vec<StoreSlot>,
    pub(super) shared: BTreeMap<Arc<str>, Rc<dyn Any>>,
    pub(super) globals: GlobalStores,
    pub(super) deferred: VecDeque<(usize, Deferred)>,
    pub(super) dropped_records: u64,
    /// How often a punctuator was called.
    pub(super) punctuations: u64,
    pub(super) last_drop: Option<String>,
}

/// A store is not of the type that it was asked for as.
pub(super) fn other_store<S: StateStore>(store: &dyn StateStore) -> ProcessorError {
    let (name, own) = (store.name(), short(store.type_name()));
    let wanted = short(std::any::type_name::<S>());
    ProcessorError::new(format!(
        "store {name} is a {own} and was asked for as a {wanted}"
    ))
}

/// The name of a type without the modules.
fn short(type_name: &str) -> String {
    let is_in_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let mut rest = type_name;
    let mut out = String::new();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_in_path(c) != is_in_path(first));
        let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
        out.push_str(part.rsplit("::").next().unwrap_or(part));
        rest = behind;
    }
    out
}

impl TaskContext {
    /// The input record being processed, for error messages.
    pub(crate) fn input(&self) -> Option<(TopicPartition, i64)> {
        let RecordContext {
            topic,
            partition,
            offset,
            ..
        } = &self.context;
        let topic = topic.clone()?;
        Some((
            TopicPartition {
                topic,
                partition: *partition,
            },
            *offset,
        ))
    }

    /// Processing or punctuation begins. Only this moves the system time that processors see: what a
    /// commit flushes, they see at the time of the record before it, as in Java.
    pub(super) const fn begin(&mut self, now: Now) {
        self.now = now;
        self.system_time = now.wall_clock;
    }

    /// Counts an input record that is not processed at all.
    #[cold]
    pub(super) fn drop_input(&mut self, partition: &TopicPartition, offset: i64, reason: &str) {
        self.dropped_records += 1;
        self.last_drop.get_or_insert_with(|| {
            format!(
                "task {} drops the record at {partition} offset {offset}: {reason}",
                self.id
            )
        });
    }

    /// Notes what a store dropped since the last call, to be told.
    pub(super) fn tell_late_writes(&mut self, store: usize) {
        let slot = &mut self.stores[store];
        let Some(state) = &slot.store else { return };
        let dropped = state.dropped_records();
        let since = dropped.saturating_sub(std::mem::replace(&mut slot.told_dropped, dropped));
        if since > 0 {
            self.last_drop.get_or_insert_with(|| {
                let (task, name) = (self.id, &slot.name);
                format!("task {task} drops {since} writes that are too late for store {name}")
            });
        }
    }

    /// Takes how old a record of `timestamp` is at a source or a sink (KIP-613).
    #[inline]
    pub(super) fn measure_latency(&mut self, node: usize, timestamp: i64) {
        let latency_ms = self.system_time.0.saturating_sub(timestamp);
        let latency = &mut self.nodes[node].measured.latency;
        latency.record(self.now.instant, latency_ms as f64);
    }

    /// What [`count_emitted`](Self::count_emitted) counts at `node`.
    pub(crate) fn begin_emitting(&mut self, node: usize, metric: &'static Definition) {
        self.nodes[node].measured.emitted = Some((metric, 0));
    }

    /// A record goes on that was held back until now.
    pub(crate) fn count_emitted(&mut self, node: usize) {
        if let Some((_, emitted)) = &mut self.nodes[node].measured.emitted {
            *emitted += 1;
        }
    }

    /// Takes how full a buffer is, of records and bytes.
    pub(crate) fn measure_buffer(&mut self, store: usize, (records, bytes): (usize, usize)) {
        let now = self.now.instant;
        let buffered = self.stores[store].buffered.get_or_insert_default();
        buffered.count.record(now, records as f64);
        buffered.size_bytes.record(now, bytes as f64);
    }

    pub(super) fn node_name(&self, node: usize) -> &Arc<str> {
        &self.nodes[node].name
    }

    /// Counts a record that an operator cannot take (Java: `dropped-records`).
    #[cold]
    pub(crate) fn drop_record(&mut self, reason: &str) {
        self.dropped_records += 1;
        if self.last_drop.is_none() {
            let place = self
                .input()
                .map_or_else(String::new, |(partition, offset)| {
                    format!(" at {partition} offset {offset}")
                });
            self.last_drop = Some(format!("task {} drops a record{place}: {reason}", self.id));
        }
    }

    pub(super) fn locate(&self, node: usize, error: ProcessorError) -> ProcessorError {
        match *error.0 {
            Failure::Located(error) => ProcessorError::located(error),
            Failure::User { message, .. } => ProcessorError::located(StreamsError::Processing {
                task: self.id,
                node: self.nodes[node].name.to_string(),
                input: self.input(),
                message,
            }),
        }
    }

    /// Hands `record` to `children`, the last one by value. They share its headers, but what they do
    /// to them is not seen here (Java: `Record.withValue` and the like copy them).
    #[inline(always)]
    pub(super) fn forward_to_all<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        children: &Children<K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let headers = self.context.headers.clone();
        let source_record = self.context.source_record.clone();
        let result = self.pass_to_all(children, record);
        self.context.headers = headers;
        self.context.source_record = source_record;
        result
    }

    /// [`forward_to_all`](Self::forward_to_all) of a record as it came: what children do to its
    /// headers is seen by all who get it later.
    #[inline(always)]
    pub(super) fn pass_to_all<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        children: &Children<K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Some((last, earlier)) = children.as_slice().split_last() else {
            return Ok(());
        };
        let before = std::mem::replace(&mut self.context.timestamp, record.timestamp);
        let mut result = Ok(());
        if !earlier.is_empty() {
            result = self.deliver_copies(earlier, &record);
        }
        if result.is_ok() {
            result = self.deliver_to(last, record);
        }
        self.context.timestamp = before;
        result
    }

    /// Outside, so that a hop to one child has a small frame.
    #[inline(never)]
    fn deliver_copies<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        children: &[Child<K, V>],
        record: &Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let mut children = children.iter();
        children.try_for_each(|child| self.deliver_to(child, record.clone()))
    }

    #[inline(always)]
    fn deliver_to<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        child: &Child<K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        match &child.node {
            Some(node) => self.process(child.place, node, record),
            None => self.handle_failure(child.place, other_type()),
        }
    }

    /// Hands `record` to every child of `from`, as [`forward_to_all`](Self::forward_to_all), for
    /// operators that know no more than their place: looks the children up.
    pub(crate) fn forward<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        from: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Some(last) = self.nodes[from].children.len().checked_sub(1) else {
            return Ok(());
        };
        let headers = self.context.headers.clone();
        let source_record = self.context.source_record.clone();
        let before = std::mem::replace(&mut self.context.timestamp, record.timestamp);
        let earlier = (0..last)
            .try_for_each(|at| self.deliver(self.nodes[from].children[at], record.clone()));
        let result = earlier.and_then(|()| self.deliver(self.nodes[from].children[last], record));
        self.context.timestamp = before;
        self.context.headers = headers;
        self.context.source_record = source_record;
        result
    }

    /// [`forward`](Self::forward) to the child called `child` alone.
    pub(super) fn forward_to<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        from: usize,
        child: &str,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let mut children = self.nodes[from].children.iter();
        let Some(at) = children.position(|&node| &*self.nodes[node].name == child) else {
            let from = &self.nodes[from].name;
            return Err(ProcessorError::new(format!(
                "{child} is not a child of {from}"
            )));
        };
        let headers = self.context.headers.clone();
        let source_record = self.context.source_record.clone();
        let result = self.forward_to_nth(from, at, record);
        self.context.headers = headers;
        self.context.source_record = source_record;
        result
    }

    /// Hands a record as it came to the child that was connected as number `child`, if there is one.
    pub(crate) fn forward_to_nth<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        from: usize,
        child: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Some(&node) = self.nodes[from].children.get(child) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut self.context.timestamp, record.timestamp);
        let result = self.deliver(node, record);
        self.context.timestamp = before;
        result
    }

    /// [`process`](Self::process) at a place whose node is not known yet.
    pub(super) fn deliver<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Some(slot) = self.nodes[node].node.as_deref() else {
            self.defer(node, record);
            return Ok(());
        };
        match TypedNode::running(slot) {
            Some(typed) => self.process(node, &typed, record),
            None => self.handle_failure(node, other_type()),
        }
    }

    /// Runs the node at `place` with `record`. A node that is running already (a processor below a
    /// table wrote to that table's cached store, whose eviction comes back to it) gets the record
    /// when it is done.
    ///
    /// All of a hop is inline, and what is rare outside: a record is copied from frame to frame, so a
    /// hop had better be one (see [`Children`]).
    #[inline(always)]
    fn process<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        place: usize,
        node: &RefCell<dyn Run<K, V>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Ok(mut running) = node.try_borrow_mut() else {
            self.defer(place, record);
            return Ok(());
        };
        let result = running.process(self, place, record);
        drop(running);
        if let Err(error) = result {
            self.handle_failure(place, error)?;
        }
        if self.deferred.is_empty() {
            Ok(())
        } else {
            self.run_deferred(place)
        }
    }

    #[cold]
    fn defer<K: Clone + 'static, V: Clone + 'static>(&mut self, node: usize, record: Record<K, V>) {
        let context = self.context.clone();
        let again: Deferred = Box::new(move |task| {
            let before = std::mem::replace(&mut task.context, context);
            let delivered = task.deliver(node, record);
            task.context = before;
            delivered
        });
        self.deferred.push_back((node, again));
    }

    pub(super) fn run_deferred(&mut self, node: usize) -> Result<(), ProcessorError> {
        while let Some(at) = self
            .deferred
            .iter()
            .position(|(waiting, _)| *waiting == node)
        {
            if let Some((_, again)) = self.deferred.remove(at) {
                again(self)?;
            }
        }
        Ok(())
    }

    /// The store called `name`, if `node` is connected to it or it is a global one.
    pub(super) fn connected_store(&self, node: usize, name: &str) -> Result<usize, ProcessorError> {
        let slot = &self.nodes[node];
        let connected = slot.stores.iter().copied();
        let mut found = connected.filter(|&store| &*self.stores[store].name == name);
        let found = found.next().or_else(|| self.globals.find(name));
        found.ok_or_else(|| {
            ProcessorError::new(format!(
                "store {name} is not connected to processor {}: name it where the processor is added",
                slot.name
            ))
        })
    }

    /// The only store connected to `node` under `name`, for operators that made it themselves.
    pub(crate) fn store_index(&self, node: usize, name: &str) -> Result<usize, ProcessorError> {
        self.connected_store(node, name)
    }

    /// What nodes of this task have in common under `name`, made by the first that asks.
    pub(crate) fn shared<T: Default + 'static>(&mut self, name: &Arc<str>) -> Rc<T> {
        let shared = self.shared.entry(Arc::clone(name));
        let shared = shared.or_insert_with(|| Rc::new(T::default()));
        // A name is used for one type: that of the operator it was drawn for.
        Rc::clone(shared).downcast().unwrap_or_default()
    }

    /// True when a store is connected to `node`.
    pub(crate) fn has_stores(&self, node: usize) -> bool {
        let slot = &self.nodes[node];
        slot.fills_global_store || !slot.stores.is_empty()
    }

    /// True when children of `node`, a table, want to know what rows were before.
    pub(crate) fn sends_old_values(&self, node: usize) -> bool {
        self.nodes[node].send_old_values
    }

    /// Sets who forwards what a flush of `store` hands out.
    pub(crate) fn set_forwarder(
        &mut self,
        store: usize,
        node: usize,
        forwarder: Rc<dyn ForwardFlushed>,
    ) {
        // Global stores have no cache.
        if is_global(store) {
            return;
        }
        let send_old_values = self.sends_old_values(node);
        if let Some(state) = &mut self.stores[store].store {
            state.set_flush_listener(send_old_values);
        }
        self.stores[store].forwarder = Some((node, forwarder));
    }

    /// True when `store` is of the type `S`.
    pub(crate) fn is_store<S: StateStore>(&self, store: usize) -> bool {
        if is_global(store) {
            return self.globals.is_store::<S>(store);
        }
        let state = self.stores[store].store.as_ref();
        state.is_some_and(|state| state.as_any().is::<S>())
    }

    /// True when writes to `store` stay in its cache.
    pub(crate) fn is_cached(&self, store: usize) -> bool {
        !is_global(store)
            && self.stores[store]
                .store
                .as_ref()
                .is_some_and(|store| store.is_cached())
    }

    /// Calls `access` with the store, then logs what was written and forwards what was evicted.
    pub(crate) fn with_store<S: StateStore, R>(
        &mut self,
        store: usize,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        if is_global(store) {
            let writes = self.id == global::TASK;
            return self
                .globals
                .with_store(store, writes, &self.context, access);
        }
        let slot = &mut self.stores[store];
        let Some(state) = &mut slot.store else {
            let message = format!("store {} is closed", slot.name);
            return Err(ProcessorError::new(message));
        };
        let Some(typed) = state.as_any_mut().downcast_mut::<S>() else {
            return Err(other_store::<S>(state.as_ref()));
        };
        let result = access(typed, &self.context);
        let pending = state.has_pending();
        self.log_writes(store)?;
        if pending && !self.stores[store].draining {
            self.drain_flushed(store)?;
        }
        Ok(result)
    }

    /// Sends what `store` has buffered for its changelog topic.
    pub(super) fn log_writes(&mut self, store: usize) -> Result<(), StreamsError> {
        let slot = &mut self.stores[store];
        let (Some(state), Some(topic)) = (&mut slot.store, &slot.changelog) else {
            return Ok(());
        };
        if slot.read_only {
            state.visit_changelog(&mut |_| {});
            return Ok(());
        }
        let mut result = Ok(());
        let (sink, partition) = (&self.sink, self.id.partition);
        let origin = RecordOrigin {
            task: self.id,
            node: &slot.name,
            context: &self.context,
        };
        state.visit_changelog(&mut |entry| {
            let record = OutgoingRecord {
                topic,
                partition: Some(partition),
                key: Some(entry.key),
                value: entry.value,
                timestamp: entry.timestamp,
                headers: entry.headers,
                origin: Some(origin),
            };
            if result.is_ok() {
                result = sink.borrow_mut().send(record);
            }
        });
        result
    }

    /// Moves flushed entries down one by one and forwards each with the store back in its place.
    pub(super) fn drain_flushed(&mut self, store: usize) -> Result<(), ProcessorError> {
        self.stores[store].draining = true;
        let drained = self.forward_flushed(store);
        self.stores[store].draining = false;
        drained
    }

    fn forward_flushed(&mut self, store: usize) -> Result<(), ProcessorError> {
        while let Some(state) = &mut self.stores[store].store {
            let next = state.next_flushed();
            let next = next.map_err(|error| state_error(self.id, error))?;
            self.log_writes(store)?;
            let Some(mut entry) = next else { break };
            let Some((node, forwarder)) = self.stores[store].forwarder.clone() else {
                continue;
            };
            let context = std::mem::replace(&mut entry.context, RecordContext::punctuation(-1));
            let before = std::mem::replace(&mut self.context, context);
            let forwarded = forwarder.forward(self, node, entry);
            self.context = before;
            forwarded?;
        }
        Ok(())
    }
}

#[cold]
fn other_type() -> ProcessorError {
    ProcessorError::new("its parent forwards records of another type")
}

/// A failed store as users read it.
pub(super) fn state_error(task: TaskId, error: StateError) -> StreamsError {
    match StreamsError::from(error) {
        StreamsError::State { store, message, .. } => StreamsError::State {
            task: Some(task),
            store,
            message,
        },
        error => error,
    }
}

/// Takes a processor's failure apart.
pub(super) fn streams_error(task: TaskId, error: ProcessorError) -> StreamsError {
    match *error.0 {
        Failure::Located(error) => error,
        Failure::User { message, .. } => StreamsError::Processing {
            task,
            node: "(task)".to_owned(),
            input: None,
            message,
        },
    }
}
