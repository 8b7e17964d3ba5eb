//! Processors of tables.

use super::outcome::RowResult;
use std::marker::PhantomData;
use std::sync::Arc;

use super::table_store::TableStore;
use super::to_table::Nullable;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};
use crate::serde::SerdeRef;

/// Keeps a topic's records as a table (Java: `KTableSource`). Without a store it only forwards.
pub(super) struct TableSource<K, V> {
    name: Arc<str>,
    keys: SerdeRef<K>,
    rows: Option<TableStore<K, V>>,
}

impl<K, V> TableSource<K, V> {
    pub(super) const fn new(name: Arc<str>, keys: SerdeRef<K>) -> Self {
        Self {
            name,
            keys,
            rows: None,
        }
    }
}

impl<K, VIn, V> Processor<K, VIn, K, Change<V>> for TableSource<K, V>
where
    K: Clone + 'static,
    VIn: Nullable<V>,
    V: Clone + 'static,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        if task.has_stores(node) {
            self.rows = Some(TableStore::open(task, node, &self.name)?);
        }
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
        record: Record<K, VIn>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        if self.keys.is_null(&key) {
            task.drop_record("its key is null, which a table cannot hold");
            return Ok(());
        }
        let value: Option<V> = value.into();
        let Some(rows) = &self.rows else {
            let change = Change::new(value, None);
            return task.forward(node, Record::new(key, change, timestamp));
        };
        // Java reads the row even where nobody asks for it, which fills the cache.
        let old = rows.get(task, &key)?.map(|row| row.value);
        rows.put(task, key, (value, old), timestamp)
    }
}

/// A table made from another one, row by row (Java: `KTableFilter`, `KTableMapValues`).
pub(super) struct Derive<K, V, V2, F> {
    store: Option<Arc<str>>,
    change: Arc<F>,
    /// Changes from nothing to nothing end here.
    skip_nothing: bool,
    rows: Option<TableStore<K, V2>>,
    types: PhantomData<fn(V)>,
}

impl<K, V, V2, F> Derive<K, V, V2, F> {
    pub(super) const fn new(store: Option<Arc<str>>, change: Arc<F>, skip_nothing: bool) -> Self {
        Self {
            store,
            change,
            skip_nothing,
            rows: None,
            types: PhantomData,
        }
    }
}

impl<K, V, V2, F> Processor<K, Change<V>, K, Change<V2>> for Derive<K, V, V2, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    V2: Clone + 'static,
    F: Fn(&K, V) -> RowResult<V2>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V2>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        if let Some(name) = &self.store {
            self.rows = Some(TableStore::open(task, node, name)?);
        }
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V2>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        let change_value = |value: Option<V>| match value {
            Some(value) => (self.change)(&key, value),
            None => Ok(None),
        };
        let new = change_value(change.new)?;
        let sends_old = task.sends_old_values(node);
        let old = match &self.rows {
            _ if !sends_old => None,
            Some(rows) => rows.get(task, &key)?.map(|row| row.value),
            None => change_value(change.old)?,
        };
        if self.skip_nothing && sends_old && old.is_none() && new.is_none() {
            return Ok(());
        }
        if let Some(rows) = &self.rows {
            return rows.put(task, key, (new, old), timestamp);
        }
        let change = Change {
            new,
            old,
            is_latest: change.is_latest,
        };
        task.forward(node, Record::new(key, change, timestamp))
    }
}

/// Moves rows under other keys: what leaves a group, and what comes to it (Java:
/// `KTableRepartitionMap`).
pub(super) struct RepartitionMap<K, F> {
    map: Arc<F>,
    keys: SerdeRef<K>,
    /// Changes that are not the latest of their row are dropped (KIP-914).
    is_versioned: bool,
}

impl<K, F> RepartitionMap<K, F> {
    pub(super) const fn new(map: Arc<F>, keys: SerdeRef<K>, is_versioned: bool) -> Self {
        Self {
            map,
            keys,
            is_versioned,
        }
    }
}

impl<K, V, K2, V2, F> Processor<K, Change<V>, K2, Change<V2>> for RepartitionMap<K2, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    K2: Clone + PartialEq + 'static,
    V2: Clone + 'static,
    F: Fn(&K, V) -> RowResult<(K2, V2)>,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, Change<V2>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        if self.is_versioned && !change.is_latest {
            return Ok(());
        }
        let map = |value: Option<V>| {
            let Some(value) = value else { return Ok(None) };
            let row = (self.map)(&key, value)?;
            Ok::<_, ProcessorError>(row.filter(|(group, _)| !self.keys.is_null(group)))
        };
        match (map(change.new)?, map(change.old)?) {
            (Some((group, new)), Some((left, old))) if group == left => {
                let change = Change::new(Some(new), Some(old));
                context.forward(Record::new(group, change, timestamp))
            }
            (joined, left) => {
                if let Some((group, old)) = left {
                    let change = Change::new(None, Some(old));
                    context.forward(Record::new(group, change, timestamp))?;
                }
                if let Some((group, new)) = joined {
                    let change = Change::new(Some(new), None);
                    context.forward(Record::new(group, change, timestamp))?;
                }
                Ok(())
            }
        }
    }
}

/// Folds the rows of every group (Java: `KTableAggregate`, `KTableReduce`).
pub(super) struct AggregateTable<K, V, A, F, G> {
    name: Arc<str>,
    add: Arc<F>,
    subtract: Arc<G>,
    rows: Option<TableStore<K, A>>,
    types: PhantomData<fn(V)>,
}

impl<K, V, A, F, G> AggregateTable<K, V, A, F, G> {
    pub(super) const fn new(name: Arc<str>, add: Arc<F>, subtract: Arc<G>) -> Self {
        Self {
            name,
            add,
            subtract,
            rows: None,
            types: PhantomData,
        }
    }
}

impl<K, V, A, F, G> Processor<K, Change<V>, K, Change<A>> for AggregateTable<K, V, A, F, G>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
    G: Fn(&K, V, A) -> RowResult<A>,
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
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            mut timestamp,
        } = record;
        let (task, _) = context.parts();
        let Some(rows) = &self.rows else {
            return Err(ProcessorError::new("the table has no store before init"));
        };
        let before = rows.get(task, &key)?;
        if let Some(before) = &before
            && (change.new.is_some() || change.old.is_some())
        {
            timestamp = timestamp.max(before.timestamp);
        }
        let old = before.map(|before| before.value);
        let sent = old.clone().filter(|_| !rows.is_cached());
        // What a row was leaves the group before what it is now comes to it.
        let rest = match (change.old, old) {
            (Some(value), Some(old)) => (self.subtract)(&key, value, old)?,
            (_, old) => old,
        };
        let new = match change.new {
            Some(value) => (self.add)(&key, value, rest)?,
            None => rest,
        };
        rows.put(task, key, (new, sent), timestamp)
    }
}
