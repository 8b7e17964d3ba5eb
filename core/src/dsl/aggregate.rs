//! Aggregations of streams into tables.

use super::outcome::RowResult;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::configured_store::ConfiguredStore;
use super::options::{Materialized, TableStoreSupplier};
use super::table_store::TableStore;
use crate::config::{DslStoreFormat, StoreType};
use crate::processor::{
    Change, ForwardFlushed, Processor, ProcessorContext, ProcessorError, Record, TaskContext,
};
use crate::serde::SerdeRef;
use crate::state::{
    FlushedEntry, StateError, StoreBuilder, Stores, TimestampedKeyValueStore, ValueFormat,
};

/// The recipe of a table's store.
pub(super) fn store_builder<K: 'static, V: 'static>(
    name: Arc<str>,
    (keys, values): (SerdeRef<K>, SerdeRef<V>),
    materialized: &Materialized<K, V>,
) -> Arc<dyn StoreBuilder> {
    if let Some(TableStoreSupplier::Versioned(supplier)) = &materialized.supplier {
        let supplier = Arc::clone(supplier);
        let builder = Stores::versioned_key_value_store_builder(supplier, keys, values);
        return Arc::new(match &materialized.logging {
            Some(config) => builder.with_logging_enabled(config.clone()),
            None => builder.with_logging_disabled(),
        });
    }
    let recipe = |supplier, has_headers| -> Arc<dyn StoreBuilder> {
        let (keys, values) = (Arc::clone(&keys), Arc::clone(&values));
        let builder = Stores::timestamped_key_value_store_builder(supplier, keys, values);
        let builder = match has_headers {
            true => builder.with_row_format(ValueFormat::TimestampedWithHeaders),
            false => builder,
        };
        let builder = match materialized.caching {
            true => builder.with_caching_enabled(),
            false => builder,
        };
        Arc::new(match &materialized.logging {
            Some(config) => builder.with_logging_enabled(config.clone()),
            None => builder.with_logging_disabled(),
        })
    };
    if let Some(TableStoreSupplier::KeyValue(supplier)) = &materialized.supplier {
        return recipe(Arc::clone(supplier), false);
    }
    let Ok(builder) = ConfiguredStore::builder(
        materialized.store_type,
        |store_type, format| -> Result<_, Infallible> {
            Ok(match store_type {
                // Java's suppliers of stores in memory do not know headers.
                StoreType::InMemory => {
                    recipe(Stores::in_memory_key_value_store(Arc::clone(&name)), false)
                }
                StoreType::Persistent => recipe(
                    Stores::persistent_key_value_store(Arc::clone(&name)),
                    format == DslStoreFormat::Headers,
                ),
            })
        },
    );
    builder
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
    rows: Option<TableStore<K, A>>,
}

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
            rows: None,
        }
    }
}

impl<K, V, A, I, F> Processor<K, V, K, Change<A>> for Aggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.rows = Some(TableStore::open(task, node, &self.name)?);
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
        let Some(rows) = &self.rows else {
            return Err(ProcessorError::new("the table has no store before init"));
        };
        // Read apart from the write: what the read evicts is forwarded first.
        let before = match rows.find(task, &key)? {
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
            None => (self.initialize)(),
        };
        let old = if task.sends_old_values(node) && !rows.is_cached() {
            before.clone()
        } else {
            None
        };
        let after = (self.fold)(&key, value, before)?;
        rows.put(task, key, (after, old), timestamp)
    }
}
