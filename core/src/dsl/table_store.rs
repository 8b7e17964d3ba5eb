//! The store of a table, of whatever kind it is (Java: `KeyValueStoreWrapper` with
//! `TimestampedTupleForwarder`).

use std::marker::PhantomData;

use super::aggregate::ForwardChange;
use super::value_getter::{Row, not_versioned};
use crate::processor::{Change, ProcessorError, Record, TaskContext};
use crate::state::{
    PutReturn, StateError, StateStore, StoreBuilder, TimestampedKeyValueStore, ValueAndTimestamp,
    VersionedKeyValueStore, VersionedRecord,
};
use crate::types::RecordContext;

/// True when the store keeps former rows.
pub(super) fn is_versioned(store: &dyn StoreBuilder) -> bool {
    store.history_retention_ms().is_some()
}

/// What both kinds of stores of tables do.
pub(super) trait TableRows<K, V>: StateStore {
    /// The row of `key`, the latest one.
    fn row(&mut self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError>;

    /// Sets the row of `key`, `None` deletes it as of `timestamp`.
    fn set_row(
        &mut self,
        key: &K,
        row: Option<&ValueAndTimestamp<V>>,
        timestamp: i64,
        context: &RecordContext,
    ) -> Result<PutReturn, StateError>;
}

impl<K: 'static, V: 'static> TableRows<K, V> for TimestampedKeyValueStore<K, V> {
    fn row(&mut self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        self.get(key)
    }

    fn set_row(
        &mut self,
        key: &K,
        row: Option<&ValueAndTimestamp<V>>,
        _: i64,
        context: &RecordContext,
    ) -> Result<PutReturn, StateError> {
        self.put(key, row, context)?;
        Ok(PutReturn::ValidToUndefined)
    }
}

impl<K: 'static, V: 'static> TableRows<K, V> for VersionedKeyValueStore<K, V> {
    fn row(&mut self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        Ok(self.get(key)?.map(row))
    }

    fn set_row(
        &mut self,
        key: &K,
        row: Option<&ValueAndTimestamp<V>>,
        timestamp: i64,
        _: &RecordContext,
    ) -> Result<PutReturn, StateError> {
        self.put(key, row.map(|row| &row.value), timestamp)
    }
}

/// A row, the store's own error, or that of a processor behind what was evicted.
type Found<V> = Result<Result<Option<ValueAndTimestamp<V>>, StateError>, ProcessorError>;

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
        Ok(self.find(task, key)??)
    }

    /// The row of `key`, with the store's own error.
    fn find(&self, task: &mut TaskContext, key: &K) -> Found<V> {
        let store = self.store;
        if self.is_versioned {
            task.with_store::<VersionedKeyValueStore<K, V>, _>(store, |store, _| store.row(key))
        } else {
            task.with_store::<TimestampedKeyValueStore<K, V>, _>(store, |store, _| store.row(key))
        }
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

    /// The row of `key`, with the store's own error.
    pub(super) fn find(&self, task: &mut TaskContext, key: &K) -> Found<V> {
        self.rows.find(task, key)
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
        let (store, new) = (self.rows.store, row.as_ref());
        let put = if self.rows.is_versioned {
            task.with_store::<VersionedKeyValueStore<K, V>, _>(store, |store, context| {
                store.set_row(&key, new, timestamp, context)
            })??
        } else {
            task.with_store::<TimestampedKeyValueStore<K, V>, _>(store, |store, context| {
                store.set_row(&key, new, timestamp, context)
            })??
        };
        if self.cached || put == PutReturn::NotPut {
            return Ok(());
        }
        let change = Change {
            new: row.map(|row| row.value),
            old: old.filter(|_| task.sends_old_values(self.node)),
            is_latest: put == PutReturn::ValidToUndefined,
        };
        task.forward(self.node, Record::new(key, change, timestamp))
    }
}
