//! Other values for the rows of a table, by code that keeps stores and state of its own.

use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::store_builder;
use super::graph::GraphNode;
use super::options::Materialized;
use super::table::KTable;
use super::table_store::TableStore;
use super::value_getter::{MakeView, Row, StoreView, ValueGetter, ValueGetterSupplier, View};
use crate::processor::{
    Cancellable, Change, ProcessingContext, Processor, ProcessorContext, ProcessorError, Record,
    TaskContext,
};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{StoreBuilder, ValueAndTimestamp};
use crate::types::{Headers, RecordContext};

/// User code that gives rows another value (Java: `ValueTransformerWithKey`). One instance belongs
/// to one task. Where the result is not in a store, it is also called to read rows and for what rows
/// were before: what it gives should follow from key and value.
pub trait ValueTransformerWithKey<K, V, VR> {
    /// Called once before the first row, after the stores are restored.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn init(&mut self, context: &mut ProcessingContext<'_>) -> Result<(), ProcessorError> {
        let _ = context;
        Ok(())
    }

    /// Another value for a row. No value is a row that is deleted or not there; none given leaves
    /// the row out.
    ///
    /// # Errors
    /// Whatever the row cannot be processed for.
    fn transform(
        &mut self,
        context: &mut ProcessingContext<'_>,
        key: &K,
        value: Option<V>,
    ) -> Result<Option<VR>, ProcessorError>;

    /// Called for a punctuator that was scheduled with the context.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn punctuate(
        &mut self,
        context: &mut ProcessingContext<'_>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let _ = (context, punctuator, timestamp);
        Ok(())
    }

    /// Called when the task closes.
    fn close(&mut self) {}
}

/// Makes a transformer for every task (Java: `ValueTransformerWithKeySupplier`).
pub trait ValueTransformerWithKeySupplier<K, V, VR>: Send + Sync {
    /// A new transformer.
    fn transformer(&self) -> Box<dyn ValueTransformerWithKey<K, V, VR>>;
}

impl<F, T, K, V, VR> ValueTransformerWithKeySupplier<K, V, VR> for F
where
    F: Fn() -> T + Send + Sync,
    T: ValueTransformerWithKey<K, V, VR> + 'static,
{
    fn transformer(&self) -> Box<dyn ValueTransformerWithKey<K, V, VR>> {
        Box::new(self())
    }
}

type Supplier<K, V, VR> = Arc<dyn ValueTransformerWithKeySupplier<K, V, VR>>;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Every row with another value, by transformers of your own, one for each task, which may use
    /// the stores named (Java: `transformValues`).
    pub fn transform_values<VR: Clone + 'static>(
        &self,
        supplier: impl ValueTransformerWithKeySupplier<K, V, VR> + 'static,
        stores: &[&str],
    ) -> KTable<K, VR> {
        self.transformed(Arc::new(supplier), stores, None, None)
    }

    /// Every row with another value, in a store of their own if `materialized` names one.
    pub fn transform_values_materialized<VR: DefaultSerde + Clone + 'static>(
        &self,
        supplier: impl ValueTransformerWithKeySupplier<K, V, VR> + 'static,
        stores: &[&str],
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR> {
        // Java draws no name for a store that is not there.
        let values = materialized.values.clone();
        let store = materialized.name.as_deref().map(|name| {
            let values = values.clone().unwrap_or_else(VR::default_serde);
            let serdes = (materialized.key_serde(&self.key_serde()), values);
            store_builder(name.into(), serdes, &materialized)
        });
        self.transformed(Arc::new(supplier), stores, store, values)
    }

    fn transformed<VR: Clone + 'static>(
        &self,
        supplier: Supplier<K, V, VR>,
        stores: &[&str],
        store: Option<Arc<dyn StoreBuilder>>,
        values: Option<SerdeRef<VR>>,
    ) -> KTable<K, VR> {
        let mut graph = self.builder().graph.borrow_mut();
        let name = graph.name_or(self.next_name(), "KTABLE-TRANSFORMVALUES-");
        let store_name = store.as_ref().map(|store| Arc::<str>::from(store.name()));
        let (supplied, written_to) = (Arc::clone(&supplier), store_name.clone());
        let node = GraphNode::processor(name, move || TransformValues {
            transformer: supplied.transformer(),
            store: written_to.clone(),
            rows: None,
        });
        let node = node.connected_to(stores.iter().copied());
        let node = node.with_own_rows(store, self.node());
        let node = graph.add(&[self.node()], node);
        drop(graph);
        let view = match store_name {
            Some(name) => StoreView::always(name),
            None => TransformedView::make(self.make_view(), supplier),
        };
        self.valued_at(node, values, view)
    }
}

/// Java's `KTableTransformValues`.
struct TransformValues<K, V, VR> {
    transformer: Box<dyn ValueTransformerWithKey<K, V, VR>>,
    store: Option<Arc<str>>,
    rows: Option<TableStore<K, VR>>,
}

impl<K, V, VR> Processor<K, Change<V>, K, Change<VR>> for TransformValues<K, V, VR>
where
    K: Clone + 'static,
    V: Clone + 'static,
    VR: Clone + 'static,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<VR>>,
    ) -> Result<(), ProcessorError> {
        self.transformer.init(context)?;
        let (task, node) = context.parts();
        if let Some(name) = &self.store {
            self.rows = Some(TableStore::open(task, node, name)?);
        }
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<VR>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        let new = self.transformer.transform(context, &key, change.new)?;
        let (task, node) = context.parts();
        let sends_old = task.sends_old_values(node);
        if let Some(rows) = &self.rows {
            let old = if sends_old {
                rows.get(task, &key)?.map(|row| row.value)
            } else {
                None
            };
            return rows.put(task, key, (new, old), timestamp);
        }
        let old = if sends_old {
            self.transformer.transform(context, &key, change.old)?
        } else {
            None
        };
        let change = Change {
            new,
            old,
            is_latest: change.is_latest,
        };
        context.forward(Record::new(key, change, timestamp))
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<VR>>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.transformer.punctuate(context, punctuator, timestamp)
    }

    fn close(&mut self) {
        self.transformer.close();
    }
}

/// The rows of another table, transformed as they are read.
struct TransformedView<K, V, VR> {
    parent: View<K, V>,
    supplier: Supplier<K, V, VR>,
}

impl<K: 'static, V: 'static, VR: 'static> TransformedView<K, V, VR> {
    fn make(parent: &MakeView<K, V>, supplier: Supplier<K, V, VR>) -> MakeView<K, VR> {
        let parent = Rc::clone(parent);
        Rc::new(move |graph| {
            let (parent, supplier) = (parent(graph), Arc::clone(&supplier));
            Arc::new(Self { parent, supplier })
        })
    }
}

impl<K: 'static, V: 'static, VR: 'static> ValueGetterSupplier<K, VR> for TransformedView<K, V, VR> {
    fn getter(&self) -> Box<dyn ValueGetter<K, VR>> {
        Box::new(TransformedGetter {
            parent: self.parent.getter(),
            transformer: self.supplier.transformer(),
            node: 0,
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        self.parent.store_names()
    }
}

struct TransformedGetter<K, V, VR> {
    parent: Box<dyn ValueGetter<K, V>>,
    transformer: Box<dyn ValueTransformerWithKey<K, V, VR>>,
    node: usize,
}

impl<K, V, VR> TransformedGetter<K, V, VR> {
    /// The transformer sees the row's timestamp, and of the record at hand nothing.
    fn transform(
        &mut self,
        task: &mut TaskContext,
        key: &K,
        row: Option<ValueAndTimestamp<V>>,
    ) -> Row<VR> {
        let timestamp = row.as_ref().map_or(-1, |row| row.timestamp);
        let context = RecordContext {
            topic: None,
            partition: -1,
            offset: -1,
            timestamp,
            headers: Headers::new(),
            source_record: None,
        };
        let before = std::mem::replace(&mut task.context, context);
        let mut context = ProcessingContext::new(task, self.node);
        let value = row.map(|row| row.value);
        let value = self.transformer.transform(&mut context, key, value);
        task.context = before;
        Ok(value?.map(|value| ValueAndTimestamp::new(value, timestamp)))
    }
}

impl<K, V, VR> ValueGetter<K, VR> for TransformedGetter<K, V, VR> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.node = node;
        self.parent.init(task, node)?;
        self.transformer
            .init(&mut ProcessingContext::new(task, node))
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<VR> {
        let row = self.parent.get(task, key)?;
        self.transform(task, key, row)
    }

    fn get_as_of(&mut self, task: &mut TaskContext, key: &K, timestamp: i64) -> Row<VR> {
        let row = self.parent.get_as_of(task, key, timestamp)?;
        self.transform(task, key, row)
    }

    fn is_versioned(&self) -> bool {
        self.parent.is_versioned()
    }

    fn close(&mut self) {
        self.parent.close();
        self.transformer.close();
    }
}
