//! Tables whose changes are held back for a while.

mod config;

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

pub use self::config::{BufferConfig, EagerBufferConfig, StrictBufferConfig, Suppressed};

use self::config::{Until, WhenFull};
use super::graph::{GraphNode, Rows, SourceNodes};
use super::table::KTable;
use super::value_getter::{MakeView, Row, ValueGetter, ValueGetterSupplier, View, not_versioned};
use crate::metrics::names;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::serde::DefaultSerde;
use crate::state::{Eviction, StoreBuilder, TimeOrderedKeyValueChangeBuffer, ValueAndTimestamp};
use crate::topology::TopologyError;
use crate::types::{NO_TIMESTAMP, RecordContext};

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// The table, with its changes held back: of those that come to a row meanwhile the last one
    /// goes on (Java: `suppress`). Tables over versioned stores cannot be suppressed.
    pub fn suppress(&self, suppressed: Suppressed<K>) -> Self
    where
        V: DefaultSerde,
    {
        let Suppressed {
            name: given,
            until,
            time,
            buffer,
        } = suppressed;
        let mut graph = self.builder().graph.borrow_mut();
        let graph = &mut *graph;
        // Java draws no name where the user gave one.
        let prefix = "KTABLE-SUPPRESS-";
        let name = match &given {
            Some(name) => name.clone(),
            None => graph.new_name(prefix),
        };
        let name: Arc<str> = name.into();
        if graph.output_versioned(self.node()) == Some(true) {
            graph.fail(TopologyError::SuppressedVersioned(name.to_string()));
        }
        let wait_ms = match until {
            Until::TimeLimit(limit_ms) => limit_ms,
            Until::WindowCloses => graph.grace_ms(self.node()).unwrap_or_else(|error| {
                graph.fail(error);
                0
            }),
        };
        let store: Arc<str> = match &given {
            Some(name) => format!("{name}-store").into(),
            None => graph.new_name(&format!("{prefix}STATE-STORE-")).into(),
        };
        let values = self.value_serde().unwrap_or_else(V::default_serde);
        let builder = TimeOrderedKeyValueChangeBuffer::<K, V>::builder(
            Arc::clone(&store),
            self.key_serde(),
            values,
        );
        let builder: Arc<dyn StoreBuilder> = Arc::new(match buffer.logging.clone() {
            Some(config) => builder.with_logging_enabled(config),
            None => builder.with_logging_disabled(),
        });
        // A suppressed table shows what its buffered rows were before.
        graph.send_old_values(self.node(), true);
        let (own, supplied) = (Arc::clone(&name), Arc::clone(&store));
        let node = GraphNode::processor(name, move || Suppress::<K, V> {
            name: Arc::clone(&own),
            store_name: Arc::clone(&supplied),
            store: 0,
            time,
            wait_ms,
            drops_tombstones: until == Until::WindowCloses,
            max_records: buffer.max_records,
            max_bytes: buffer.max_bytes,
            when_full: buffer.when_full,
            observed_stream_time: NO_TIMESTAMP,
            types: PhantomData,
        });
        let node = node
            .with_stores([builder])
            .with_rows(Rows::Derived(self.node()))
            .with_output_versioned(false)
            .suppressing();
        // Java takes the table for a source, which leaves it out of co-partitioning.
        let sources = SourceNodes::from([Arc::clone(graph.name(self.node()))]);
        let node = graph.add(&[self.node()], node);
        let view = SuppressedView::make(self.make_view(), store);
        let serdes = (self.key_serde(), self.value_serde());
        Self::new(self.builder().clone(), node, Rc::new(sources), serdes, view)
    }
}

/// Java's `KTableSuppressProcessorSupplier`.
struct Suppress<K, V> {
    name: Arc<str>,
    store_name: Arc<str>,
    store: usize,
    time: fn(&RecordContext, &K) -> i64,
    /// How long after its time a change waits.
    wait_ms: i64,
    /// Nothing went on for a row before, so that deleting it says nothing.
    drops_tombstones: bool,
    max_records: Option<u64>,
    max_bytes: Option<u64>,
    when_full: WhenFull,
    observed_stream_time: i64,
    types: PhantomData<fn(V)>,
}

type Buffer<K, V> = TimeOrderedKeyValueChangeBuffer<K, V>;

/// A key, its new and old value, and the context of their record.
type Evicted<K, V> = Eviction<K, (Option<V>, Option<V>)>;

impl<K: Clone + 'static, V: Clone + 'static> Suppress<K, V> {
    fn is_over_capacity(&self, buffer: &Buffer<K, V>) -> bool {
        let exceeds = |size: usize, max: Option<u64>| max.is_some_and(|max| size as u64 > max);
        exceeds(buffer.num_records(), self.max_records)
            || exceeds(buffer.buffer_size(), self.max_bytes)
    }

    /// The change that goes on next, if one has to; an error when none may and there is no room.
    fn next(&self, buffer: &Buffer<K, V>) -> Result<Option<Evicted<K, V>>, ProcessorError> {
        let expiry_time = self.observed_stream_time.saturating_sub(self.wait_ms);
        let is_over_capacity = self.is_over_capacity(buffer);
        let emits_early = self.when_full == WhenFull::EmitEarly && is_over_capacity;
        if buffer.num_records() > 0 && (buffer.min_timestamp() <= expiry_time || emits_early) {
            Ok(buffer.first()?)
        } else if is_over_capacity {
            Err(self.full(buffer))
        } else {
            Ok(None)
        }
    }

    fn full(&self, buffer: &Buffer<K, V>) -> ProcessorError {
        let (records, bytes) = (buffer.num_records(), buffer.buffer_size());
        let of = |max: Option<u64>| max.map_or_else(|| "any".to_owned(), |max| max.to_string());
        ProcessorError::new(format!(
            "the buffer of {} holds {records} records of {} and {bytes} bytes of {}: give it more \
             room, or let it emit early",
            self.name,
            of(self.max_records),
            of(self.max_bytes)
        ))
    }

    /// Forwards a change under the context that it came with.
    fn emit(
        &self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
        evicted: Evicted<K, V>,
    ) -> Result<(), ProcessorError> {
        let (new, old) = evicted.value;
        if new.is_none() && self.drops_tombstones {
            return Ok(());
        }
        let (task, node) = context.parts();
        task.count_emitted(node);
        let timestamp = evicted.context.timestamp;
        let before = std::mem::replace(&mut task.context, evicted.context);
        let record = Record::new(evicted.key, Change::new(new, old), timestamp);
        let result = task.forward(node, record);
        task.context = before;
        result
    }
}

/// The records and bytes in a buffer.
fn fill_of<K: 'static, V: 'static>(buffer: &Buffer<K, V>) -> (usize, usize) {
    (buffer.num_records(), buffer.buffer_size())
}

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, Change<V>, K, Change<V>>
    for Suppress<K, V>
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.store_name)?;
        task.begin_emitting(node, &names::NODE_SUPPRESSION_EMIT_TOTAL);
        let held = task.with_store(self.store, |buffer: &mut Buffer<K, V>, _| fill_of(buffer))?;
        task.measure_buffer(self.store, held);
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        self.observed_stream_time = self.observed_stream_time.max(record.timestamp);
        let (task, _) = context.parts();
        let (time, Change { new, old, .. }) = (self.time, &record.value);
        let (mut next, held) =
            task.with_store(self.store, |buffer: &mut Buffer<K, V>, context| {
                let time = time(context, &record.key);
                buffer.put(time, &record.key, new.as_ref(), old.as_ref(), context)?;
                Ok::<_, ProcessorError>((self.next(buffer)?, fill_of(buffer)))
            })??;
        task.measure_buffer(self.store, held);
        let mut left = None;
        while let Some(evicted) = next {
            self.emit(context, evicted)?;
            let (task, _) = context.parts();
            let (following, held) =
                task.with_store(self.store, |buffer: &mut Buffer<K, V>, _| {
                    buffer.remove_first();
                    Ok::<_, ProcessorError>((self.next(buffer)?, fill_of(buffer)))
                })??;
            (next, left) = (following, Some(held));
        }
        if let Some(left) = left {
            let (task, _) = context.parts();
            task.measure_buffer(self.store, left);
        }
        Ok(())
    }
}

/// The rows of a suppressed table: those of its parent, or what they were before they were
/// buffered.
struct SuppressedView<K, V> {
    parent: View<K, V>,
    store: Arc<str>,
}

impl<K: 'static, V: 'static> SuppressedView<K, V> {
    fn make(parent: &MakeView<K, V>, store: Arc<str>) -> MakeView<K, V> {
        let parent = Rc::clone(parent);
        Rc::new(move |graph| {
            let (parent, store) = (parent(graph), Arc::clone(&store));
            Arc::new(Self { parent, store })
        })
    }
}

impl<K: 'static, V: 'static> ValueGetterSupplier<K, V> for SuppressedView<K, V> {
    fn getter(&self) -> Box<dyn ValueGetter<K, V>> {
        Box::new(SuppressedGetter {
            parent: self.parent.getter(),
            store_name: Arc::clone(&self.store),
            store: 0,
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        let mut names = vec![Arc::clone(&self.store)];
        names.extend(self.parent.store_names());
        names
    }
}

struct SuppressedGetter<K, V> {
    parent: Box<dyn ValueGetter<K, V>>,
    store_name: Arc<str>,
    store: usize,
}

impl<K: 'static, V: 'static> ValueGetter<K, V> for SuppressedGetter<K, V> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.store = task.store_index(node, &self.store_name)?;
        self.parent.init(task, node)
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V> {
        let prior = task.with_store::<Buffer<K, V>, _>(self.store, |buffer, _| {
            buffer.prior_value_for_buffered(key)
        })??;
        match prior {
            // Java does not know the timestamp of a former value.
            Some(prior) => Ok(prior.map(|prior| ValueAndTimestamp::new(prior, NO_TIMESTAMP))),
            None => self.parent.get(task, key),
        }
    }

    fn get_as_of(&mut self, _: &mut TaskContext, _: &K, _: i64) -> Row<V> {
        Err(not_versioned())
    }

    fn is_versioned(&self) -> bool {
        false
    }

    fn close(&mut self) {
        self.parent.close();
    }
}
