//! Aggregations of streams into tables.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::configured_store::ConfiguredStore;
use super::options::{Materialized, TableStoreSupplier};
use crate::config::StoreType;
use crate::processor::{
    Change, ForwardFlushed, Processor, ProcessorContext, ProcessorError, Record, TaskContext,
};
use crate::serde::SerdeRef;
use crate::state::{
    FlushedEntry, StateError, StoreBuilder, Stores, TimestampedKeyValueStore, ValueAndTimestamp,
};

/// The recipe of a table's store.
pub(super) fn store_builder<K: 'static, V: 'static>(
    name: Arc<str>,
    (keys, values): (SerdeRef<K>, SerdeRef<V>),
    materialized: &Materialized<K, V>,
) -> Arc<dyn StoreBuilder> {
    let supplier = match &materialized.supplier {
        Some(TableStoreSupplier::Versioned(supplier)) => {
            let supplier = Arc::clone(supplier);
            let builder = Stores::versioned_key_value_store_builder(supplier, keys, values);
            return Arc::new(match &materialized.logging {
                Some(config) => builder.with_logging_enabled(config.clone()),
                None => builder.with_logging_disabled(),
            });
        }
        Some(TableStoreSupplier::KeyValue(supplier)) => Some(Arc::clone(supplier)),
        None => None,
    };
    let recipe = |supplier| -> Arc<dyn StoreBuilder> {
        let (keys, values) = (Arc::clone(&keys), Arc::clone(&values));
        let builder = Stores::timestamped_key_value_store_builder(supplier, keys, values);
        let builder = if materialized.caching {
            builder.with_caching_enabled()
        } else {
            builder
        };
        Arc::new(match &materialized.logging {
            Some(config) => builder.with_logging_enabled(config.clone()),
            None => builder.with_logging_disabled(),
        })
    };
    if let Some(supplier) = supplier {
        return recipe(supplier);
    }
    let configured = ConfiguredStore::builder(materialized.store_type, |store_type, _| {
        let name = Arc::clone(&name);
        let supplier = match store_type {
            StoreType::Persistent => Stores::persistent_key_value_store(name),
            StoreType::InMemory => Stores::in_memory_key_value_store(name),
        };
        Ok::<_, std::convert::Infallible>(recipe(supplier))
    });
    match configured {
        Ok(builder) => builder,
        Err(never) => match never {},
    }
}

/// Forwards flushed entries of a timestamped store as changes (Java: `TimestampedCacheFlushListener`).
pub(super) struct ForwardChange<K, V> {
    store: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> ForwardChange<K, V> {
    pub(super) fn new(store: usize) -> Rc<Self> {
        Rc::new(Self {
            store,
            types: PhantomData,
        })
    }
}

impl<K: Clone + 'static, V: Clone + 'static> ForwardFlushed for ForwardChange<K, V> {
    fn forward(
        &self,
        task: &mut TaskContext,
        node: usize,
        entry: FlushedEntry,
    ) -> Result<(), ProcessorError> {
        let typed = task
            .with_store::<TimestampedKeyValueStore<K, V>, _>(self.store, |store, _| {
                store.flushed_change(entry)
            })??;
        // The timestamp inside the new value; of the record that deleted it where there is none.
        let timestamp = typed
            .new
            .as_ref()
            .map_or(task.context.timestamp, |new| new.timestamp);
        let value = Change::new(
            typed.new.map(|new| new.value),
            typed.old.map(|old| old.value),
        );
        task.forward(
            node,
            Record {
                key: typed.key,
                value,
                timestamp,
            },
        )
    }
}

/// Java's `KStreamAggregate`, `KStreamReduce` and count in one: they differ in how they begin and
/// fold.
pub(super) struct Aggregate<K, V, A, I, F> {
    name: Arc<str>,
    values: SerdeRef<V>,
    initialize: Arc<I>,
    fold: Arc<F>,
    store: usize,
    cached: bool,
    types: PhantomData<Types<K, A>>,
}

/// Owns none of them.
type Types<K, A> = fn() -> (K, A);

impl<K, V, A, I, F> Aggregate<K, V, A, I, F> {
    pub(super) const fn new(
        name: Arc<str>,
        values: SerdeRef<V>,
        initialize: Arc<I>,
        fold: Arc<F>,
    ) -> Self {
        Self {
            name,
            values,
            initialize,
            fold,
            store: 0,
            cached: false,
            types: PhantomData,
        }
    }
}

impl<K, V, A, I, F> Processor<K, V, K, Change<A>> for Aggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> Option<A>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        self.cached = task.is_cached(self.store);
        task.set_forwarder(self.store, node, ForwardChange::<K, A>::new(self.store));
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        if self.values.is_null(&value) {
            task.drop_record("its value is null, which cannot be aggregated");
            return Ok(());
        }
        let send_old_values = task.sends_old_values(node) && !self.cached;
        let (initialize, fold) = (&self.initialize, &self.fold);
        type Rows<K, A> = TimestampedKeyValueStore<K, A>;
        // Read apart from the write: what the read evicts is forwarded first.
        let before = match task.with_store::<Rows<K, A>, _>(self.store, |rows, _| rows.get(&key))? {
            Ok(before) => before,
            Err(StateError::NullKey { .. }) => {
                task.drop_record("its key is null, which cannot be grouped by");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // An aggregate is as new as the newest record in it.
        let timestamp = before
            .as_ref()
            .map_or(timestamp, |before| before.timestamp.max(timestamp));
        let before = match before {
            Some(before) => Some(before.value),
            None => initialize(),
        };
        let old = if send_old_values {
            before.clone()
        } else {
            None
        };
        let after = fold(&key, value, before).map(|new| ValueAndTimestamp::new(new, timestamp));
        task.with_store::<Rows<K, A>, _>(self.store, |rows, context| {
            rows.put(&key, after.as_ref(), context)
        })??;
        if self.cached {
            return Ok(());
        }
        let new = after.map(|after| after.value);
        let value = Change::new(new, old);
        task.forward(
            node,
            Record {
                key,
                value,
                timestamp,
            },
        )
    }
}
