//! [`KTable`]: the latest value of every key.

use std::marker::PhantomData;
use std::sync::Arc;

use super::aggregate::store_builder;
use super::builder::{Rows, StreamsBuilder};
use super::grouped_table::KGroupedTable;
use super::operators::ToStream;
use super::options::{Grouped, Materialized};
use super::stream::KStream;
use super::table_operators::{Derive, RepartitionMap};
use crate::processor::Change;
use crate::serde::serdes::OptionSerde;
use crate::serde::{DefaultSerde, SerdeRef};

/// A table (Java: `KTable`). A handle: cloning it does not copy the table.
pub struct KTable<K, V> {
    builder: StreamsBuilder,
    node: usize,
    keys: SerdeRef<K>,
    values: Option<SerdeRef<V>>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            keys: Arc::clone(&self.keys),
            values: self.values.clone(),
            types: PhantomData,
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    pub(super) const fn new(
        builder: StreamsBuilder,
        node: usize,
        keys: SerdeRef<K>,
        values: Option<SerdeRef<V>>,
    ) -> Self {
        Self {
            builder,
            node,
            keys,
            values,
            types: PhantomData,
        }
    }

    /// The serde of keys.
    pub fn key_serde(&self) -> SerdeRef<K> {
        Arc::clone(&self.keys)
    }

    /// The serde of values, where an operator before was told.
    pub fn value_serde(&self) -> Option<SerdeRef<V>> {
        self.values.clone()
    }

    /// The changes of the table as records; `None` is a deleted row.
    pub fn to_stream(&self) -> KStream<K, Option<V>> {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name("KTABLE-TOSTREAM-");
        let node =
            shared.add_processor::<K, Change<V>, K, Option<V>, _>(&name, self.node, || ToStream);
        drop(shared);
        let values = self
            .values
            .clone()
            .map(|values| -> SerdeRef<Option<V>> { Arc::new(OptionSerde::new(values)) });
        let keys = Some(self.key_serde());
        KStream::new(self.builder.clone(), node, false, keys, values)
    }

    /// The rows for which `keep` holds.
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(keep, self.values.clone(), None)
    }

    /// The rows for which `keep` holds, in a store of their own if `materialized` names one.
    pub fn filter_materialized(
        &self,
        keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        materialized: Materialized<K, V>,
    ) -> Self
    where
        V: DefaultSerde,
    {
        let values = materialized.values.clone().or_else(|| self.values.clone());
        let store = self.store(FILTER, &materialized, &values);
        self.filtered(keep, values, store)
    }

    /// The rows for which `drop` does not hold.
    pub fn filter_not(&self, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter(move |key, value| !drop(key, value))
    }

    /// Every row with another value; `None` leaves it out.
    pub fn map_values<V2, R>(
        &self,
        map: impl Fn(&K, V) -> R + Send + Sync + 'static,
    ) -> KTable<K, V2>
    where
        V2: Clone + 'static,
        R: Into<Option<V2>>,
    {
        let map = move |key: &K, value| map(key, value).into();
        self.derive(MAP_VALUES, map, None, None)
    }

    /// Every row with another value, in a store of their own if `materialized` names one; `None`
    /// leaves it out.
    pub fn map_values_materialized<V2, R>(
        &self,
        map: impl Fn(&K, V) -> R + Send + Sync + 'static,
        materialized: Materialized<K, V2>,
    ) -> KTable<K, V2>
    where
        V2: DefaultSerde + Clone + 'static,
        R: Into<Option<V2>>,
    {
        let map = move |key: &K, value| map(key, value).into();
        let values = materialized.values.clone();
        let store = self.store(MAP_VALUES, &materialized, &values);
        self.derive(MAP_VALUES, map, values, store)
    }

    /// Groups rows by another key; records move through a repartition topic. A row for which `map`
    /// gives a null key or `None` as its value is in no group.
    pub fn group_by<K2, V2, R>(
        &self,
        map: impl Fn(&K, V) -> (K2, R) + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<K2, V2>
    where
        K2: Clone + PartialEq + 'static,
        V2: Clone + 'static,
        R: Into<Option<V2>> + 'static,
    {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.name_or(grouped.name.as_deref(), "KTABLE-SELECT-");
        let (map, keys) = (Arc::new(map), Arc::clone(&grouped.keys));
        let node =
            shared.add_processor::<K, Change<V>, K2, Change<V2>, _>(&name, self.node, move || {
                RepartitionMap::new(Arc::clone(&map), Arc::clone(&keys))
            });
        shared.send_old_values(self.node, true);
        drop(shared);
        KGroupedTable::new(self.builder.clone(), node, grouped)
    }

    fn filtered(
        &self,
        keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        values: Option<SerdeRef<V>>,
        store: Option<Arc<str>>,
    ) -> Self {
        let change = move |key: &K, value: V| keep(key, &value).then_some(value);
        self.derive(FILTER, change, values, store)
    }

    /// Draws the name of a store, and makes it if it was named by the user.
    fn store<V2: DefaultSerde + 'static>(
        &self,
        prefix: &str,
        materialized: &Materialized<K, V2>,
        values: &Option<SerdeRef<V2>>,
    ) -> Option<Arc<str>> {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.store_name(materialized, prefix);
        materialized.name.as_ref()?;
        let values = values.clone().unwrap_or_else(V2::default_serde);
        let serdes = (materialized.key_serde(&self.keys), values);
        let builder = store_builder(Arc::clone(&name), serdes, materialized);
        shared.topology.add_store(builder);
        Some(name)
    }

    /// Adds a table whose rows are those of this one, changed or left out.
    fn derive<V2: Clone + 'static>(
        &self,
        prefix: &str,
        change: impl Fn(&K, V) -> Option<V2> + Send + Sync + 'static,
        values: Option<SerdeRef<V2>>,
        store: Option<Arc<str>>,
    ) -> KTable<K, V2> {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name(prefix);
        let (change, supplied) = (Arc::new(change), store.clone());
        let is_filter = prefix == FILTER;
        // Where the rows are known, deleting what was never there is not passed on.
        let sends_old = is_filter && shared.send_old_values(self.node, false);
        let node =
            shared.add_processor::<K, Change<V>, K, Change<V2>, _>(&name, self.node, move || {
                Derive::new(supplied.clone(), Arc::clone(&change), is_filter)
            });
        if sends_old {
            shared.topology.send_old_values(node);
        }
        match &store {
            Some(store) => {
                shared.topology.connect(node, store);
                shared.add_table(node, Rows::Materialized);
            }
            None => shared.add_table(node, Rows::Derived(self.node)),
        }
        drop(shared);
        KTable::new(self.builder.clone(), node, self.key_serde(), values)
    }
}

const FILTER: &str = "KTABLE-FILTER-";
const MAP_VALUES: &str = "KTABLE-MAPVALUES-";
