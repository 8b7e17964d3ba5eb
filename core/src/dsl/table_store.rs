//! The store of a table, of whatever kind it is (Java: `KeyValueStoreWrapper` with
//! `TimestampedTupleForwarder`).

use std::marker::PhantomData;

use super::aggregate::ForwardChange;
use super::value_getter::{Row, not_versioned};
use crate::processor::{Change, ProcessorError, Record, TaskContext};
use crate::state::{StoreBuilder, TimestampedKeyValueStore, ValueAndTimestamp};

/// True when the store keeps former rows.
pub(super) fn is_versioned(store: &dyn StoreBuilder) -> bool {
    let _ = store;
    false
}

/// The rows of a store, for whoever is connected to it.
pub(super) struct StoredRows<K, V> {
    store: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> StoredRows<K, V> {
    /// The store called `name`, which `node` must be connected to.
    pub(super) fn open(
        task: &mut TaskContext,
        node: usize,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        Ok(Self {
            store: task.store_index(node, name)?,
            types: PhantomData,
        })
    }

    pub(super) fn get(&self, task: &mut TaskContext, key: &K) -> Row<V> {
        let row =
            task.with_store::<TimestampedKeyValueStore<K, V>, _>(self.store, |s, _| s.get(key))??;
        Ok(row)
    }

    /// The row as it was at `timestamp`.
    pub(super) fn get_as_of(&self, _: &mut TaskContext, _: &K, _: i64) -> Row<V> {
        Err(not_versioned())
    }

    /// True when the store keeps former rows.
    pub(super) const fn is_versioned(&self) -> bool {
        false
    }
}

/// The store of a table, for the processor that writes it and forwards what changes.
pub(super) struct TableStore<K, V> {
    rows: StoredRows<K, V>,
    node: usize,
    cached: bool,
}

impl<K: Clone + 'static, V: Clone + 'static> TableStore<K, V> {
    /// The store called `name` of `node`.
    pub(super) fn open(
        task: &mut TaskContext,
        node: usize,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let rows = StoredRows::open(task, node, name)?;
        task.set_forwarder(rows.store, node, ForwardChange::<K, V>::new(rows.store));
        let cached = task.is_cached(rows.store);
        Ok(Self { rows, node, cached })
    }

    /// True when changes are forwarded as the cache is flushed.
    pub(super) const fn is_cached(&self) -> bool {
        self.cached
    }

    pub(super) fn get(&self, task: &mut TaskContext, key: &K) -> Row<V> {
        self.rows.get(task, key)
    }

    /// Sets a row and forwards the change, if that is not left to the cache.
    pub(super) fn put(
        &self,
        task: &mut TaskContext,
        key: K,
        (new, old): (Option<V>, Option<V>),
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let row = new.map(|new| ValueAndTimestamp::new(new, timestamp));
        task.with_store::<TimestampedKeyValueStore<K, V>, _>(
            self.rows.store,
            |store, context| store.put(&key, row.as_ref(), context),
        )??;
        if self.cached {
            return Ok(());
        }
        let old = old.filter(|_| task.sends_old_values(self.node));
        let change = Change::new(row.map(|row| row.value), old);
        task.forward(self.node, Record::new(key, change, timestamp))
    }
}
