//! [`GlobalKTable`]: the latest value of every key of all partitions.

use std::sync::Arc;

use super::aggregate::store_builder;
use super::builder::StreamsBuilder;
use super::options::{Consumed, Materialized};
use super::table_operators::TableSource;
use super::value_getter::{StoreView, View};
use crate::processor::{Change, ProcessorNode};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::{NodeFactory, TopologyError};

/// A table of all partitions of a topic, which every task has as a whole (Java: `GlobalKTable`): to
/// be joined by keys that a stream is not partitioned by.
#[derive(Clone)]
pub struct GlobalKTable<K, V> {
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    store: Arc<str>,
}

impl<K: 'static, V: 'static> GlobalKTable<K, V> {
    /// The serde of keys.
    pub fn key_serde(&self) -> SerdeRef<K> {
        Arc::clone(&self.keys)
    }

    /// The serde of values.
    pub fn value_serde(&self) -> SerdeRef<V> {
        Arc::clone(&self.values)
    }

    /// The name of the store, which every processor may read (Java: `queryableStoreName`).
    pub fn store_name(&self) -> &str {
        &self.store
    }

    /// How an operator reads the rows.
    pub(super) fn view(&self) -> View<K, V> {
        StoreView::of(Arc::clone(&self.store))
    }
}

impl StreamsBuilder {
    /// A global table of the latest value of each key of `topic`, with the types' own serdes.
    pub fn global_table<K, V>(
        &self,
        topic: impl AsRef<str>,
        materialized: Materialized<K, V>,
    ) -> GlobalKTable<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        let keys = materialized.keys.clone().unwrap_or_else(K::default_serde);
        let values = materialized.values.clone().unwrap_or_else(V::default_serde);
        self.global_table_with(topic, Consumed::with(keys, values), materialized)
    }

    /// A global table of the latest value of each key of `topic`. Its store has the serdes of
    /// `consumed` and no changelog: it is filled from the topic at every start, before any task
    /// begins, and kept up to date. A versioned one does not build.
    pub fn global_table_with<K, V>(
        &self,
        topic: impl AsRef<str>,
        consumed: Consumed<K, V>,
        materialized: Materialized<K, V>,
    ) -> GlobalKTable<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        // Java draws the store's name first, then the source's, then the table's.
        let store = graph.store_name(&materialized, &format!("{}-", topic.as_ref()));
        if materialized.is_versioned() {
            graph.fail(TopologyError::VersionedGlobalTable(store.to_string()));
        }
        drop(graph);
        let (keys, values) = (Arc::clone(&consumed.keys), Arc::clone(&consumed.values));
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let materialized = materialized.with_logging_disabled();
        let builder = store_builder(Arc::clone(&store), serdes, &materialized);
        let (supplied, supplied_keys) = (Arc::clone(&store), Arc::clone(&keys));
        let factory: NodeFactory = Arc::new(move |_| {
            let (store, keys) = (Arc::clone(&supplied), Arc::clone(&supplied_keys));
            let processor = TableSource::<K, V>::new(store, keys);
            ProcessorNode::<_, K, Change<V>>::erased::<K, Option<V>>(processor)
        });
        self.add_global_nodes(builder, topic.as_ref(), consumed.nullable(), factory);
        GlobalKTable {
            keys,
            values,
            store,
        }
    }
}
