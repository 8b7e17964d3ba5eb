//! The store of a table, of whatever kind it is (Java: `KeyValueStoreWrapper` with
//! `TimestampedTupleForwarder`).

use std::marker::PhantomData;

use super::aggregate::ForwardChange;
use super::value_getter::{Row, not_versioned};
use crate::processor::{Change, ProcessorError, Record, TaskContext};
use crate::state::{
    PutReturn, StoreBuilder, TimestampedKeyValueStore, ValueAndTimestamp, VersionedKeyValueStore,
    VersionedRecord,
};

/// True when the store keeps former rows.
pub(super) fn is_versioned(store: &dyn StoreBuilder) -> bool {
    store.history_retention_ms().is_some()
}

/// The rows of a store, for whoever is connected to it.
pub(super) struct StoredRows<K, V> {
    store: usize,
    is_versioned: bool,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> StoredRows<K, V> {
    /// The store called `name`, which `node` must be connected to.
    pub(super) fn open(
        task: &mut TaskContext,
        node: usize,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        let store = task.store_index(node, name)?;
        Ok(Self {
            store,
            is_versioned: task.is_store::<VersionedKeyValueStore<K, V>>(store),
            types: PhantomData,
        })
    }

    pub(super) fn get(&self, task: &mut TaskContext, key: &K) -> Row<V> {
        if self.is_versioned {
            let read = |store: &mut VersionedKeyValueStore<K, V>, _: &_| store.get(key);
            return Ok(task.with_store(self.store, read)??.map(row));
        }
        let read = |store: &mut TimestampedKeyValueStore<K, V>, _: &_| store.get(key);
        Ok(task.with_store(self.store, read)??)
    }

    /// The row as it was at `timestamp`.
    pub(super) fn get_as_of(&self, task: &mut TaskContext, key: &K, timestamp: i64) -> Row<V> {
        if !self.is_versioned {
            return Err(not_versioned());
        }
        let read =
            |store: &mut VersionedKeyValueStore<K, V>, _: &_| store.get_as_of(key, timestamp);
        Ok(task.with_store(self.store, read)??.map(row))
    }

    /// True when the store keeps former rows.
    pub(super) const fn is_versioned(&self) -> bool {
        self.is_versioned
    }
}

fn row<V>(version: VersionedRecord<V>) -> ValueAndTimestamp<V> {
    ValueAndTimestamp::new(version.value, version.timestamp)
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

    /// Sets a row and forwards the change, if that is not left to the cache. A versioned store does
    /// not take what is too old, which is not forwarded either.
    pub(super) fn put(
        &self,
        task: &mut TaskContext,
        key: K,
        (new, old): (Option<V>, Option<V>),
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let row = new.map(|new| ValueAndTimestamp::new(new, timestamp));
        let is_latest = if self.rows.is_versioned {
            let value = row.as_ref().map(|row| &row.value);
            let put =
                |store: &mut VersionedKeyValueStore<K, V>, _: &_| store.put(&key, value, timestamp);
            match task.with_store(self.rows.store, put)?? {
                PutReturn::NotPut => return Ok(()),
                PutReturn::ValidToUndefined => true,
                PutReturn::ValidTo(_) => false,
            }
        } else {
            let put = |store: &mut TimestampedKeyValueStore<K, V>, context: &_| {
                store.put(&key, row.as_ref(), context)
            };
            task.with_store(self.rows.store, put)??;
            true
        };
        if self.cached {
            return Ok(());
        }
        let change = Change {
            new: row.map(|row| row.value),
            old: old.filter(|_| task.sends_old_values(self.node)),
            is_latest,
        };
        task.forward(self.node, Record::new(key, change, timestamp))
    }
}
