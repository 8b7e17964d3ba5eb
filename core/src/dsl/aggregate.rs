//! Aggregations of streams into tables.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::options::Materialized;
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
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    materialized: &Materialized<K, V>,
) -> Arc<dyn StoreBuilder> {
    let supplier = Stores::in_memory_key_value_store(name);
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
        let value = Change {
            new: typed.new.map(|new| new.value),
            old: typed.old.map(|old| old.value),
        };
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

/// Java's `KStreamAggregate`, `KStreamReduce` and count in one: they differ in how they fold.
pub(super) struct Aggregate<K, V, A, F> {
    name: Arc<str>,
    fold: Arc<F>,
    store: usize,
    cached: bool,
    types: PhantomData<Types<K, V, A>>,
}

/// Owns none of them.
type Types<K, V, A> = fn() -> (K, V, A);

impl<K, V, A, F> Aggregate<K, V, A, F> {
    pub(super) const fn new(name: Arc<str>, fold: Arc<F>) -> Self {
        Self {
            name,
            fold,
            store: 0,
            cached: false,
            types: PhantomData,
        }
    }
}

impl<K, V, A, F> Processor<K, V, K, Change<A>> for Aggregate<K, V, A, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    F: Fn(&K, V, Option<A>) -> A,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        self.cached = task.is_cached(self.store);
        task.set_forwarder(
            self.store,
            node,
            false,
            ForwardChange::<K, A>::new(self.store),
        );
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
        let fold = &self.fold;
        let folded = task.with_store::<TimestampedKeyValueStore<K, A>, _>(
            self.store,
            |store, context| -> Result<_, StateError> {
                let before = store.get(&key)?;
                // An aggregate is as new as the newest record in it.
                let newest = before
                    .as_ref()
                    .map_or(timestamp, |b| b.timestamp.max(timestamp));
                let after = fold(&key, value, before.map(|before| before.value));
                let after = ValueAndTimestamp::new(after, newest);
                store.put(&key, Some(&after), context)?;
                Ok(after)
            },
        )?;
        let after = match folded {
            Ok(after) => after,
            Err(StateError::NullKey { .. }) => {
                task.drop_record("its key is null, which cannot be grouped by");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if self.cached {
            return Ok(());
        }
        let change = Change {
            new: Some(after.value),
            old: None,
        };
        task.forward(
            node,
            Record {
                key,
                value: change,
                timestamp: after.timestamp,
            },
        )
    }
}
