//! [`KGroupedTable`]: rows by group, ready to be aggregated.

use std::sync::Arc;

use super::aggregate::store_builder;
use super::builder::{Rows, StreamsBuilder};
use super::changed_serde::ChangedSerde;
use super::options::{Consumed, Grouped, Materialized};
use super::table::KTable;
use super::table_operators::AggregateTable;
use crate::processor::{Change, SinkNode, SinkOptions};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::{NodeKind, TopicRef, Topics};

/// A table grouped by another key (Java: `KGroupedTable`).
pub struct KGroupedTable<K, V> {
    builder: StreamsBuilder,
    node: usize,
    grouped: Grouped<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> KGroupedTable<K, V> {
    pub(super) const fn new(builder: StreamsBuilder, node: usize, grouped: Grouped<K, V>) -> Self {
        Self {
            builder,
            node,
            grouped,
        }
    }

    /// Counts the rows of every group.
    pub fn count(&self, materialized: Materialized<K, i64>) -> KTable<K, i64> {
        self.aggregate(
            || 0,
            |_, _, count| count + 1,
            |_, _, count| count - 1,
            materialized,
        )
    }

    /// Combines the values of every group: `add(before, value)` for a row that comes to it, and
    /// `subtract(before, value)` for one that leaves it. `None` deletes the row.
    pub fn reduce<R, S>(
        &self,
        add: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtract: impl Fn(V, V) -> S + Send + Sync + 'static,
        materialized: Materialized<K, V>,
    ) -> KTable<K, V>
    where
        V: DefaultSerde,
        R: Into<Option<V>>,
        S: Into<Option<V>>,
    {
        let add = move |_: &K, value, before: Option<V>| match before {
            Some(before) => add(before, value).into(),
            None => Some(value),
        };
        let subtract = move |_: &K, value, before| subtract(before, value).into();
        self.build("KTABLE-REDUCE-", add, subtract, materialized)
    }

    /// Folds the values of every group, from `initialize` on: `add(key, value, before)` for a row
    /// that comes to it, and `subtract(key, value, before)` for one that leaves it. `None` deletes
    /// the row.
    pub fn aggregate<A, R, S>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        subtract: impl Fn(&K, V, A) -> S + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A>
    where
        A: DefaultSerde + Clone + 'static,
        R: Into<Option<A>>,
        S: Into<Option<A>>,
    {
        let add = move |key: &K, value, before: Option<A>| {
            add(key, value, before.unwrap_or_else(&initialize)).into()
        };
        let subtract = move |key: &K, value, before| subtract(key, value, before).into();
        self.build("KTABLE-AGGREGATE-", add, subtract, materialized)
    }

    fn build<A: DefaultSerde + Clone + 'static>(
        &self,
        prefix: &str,
        add: impl Fn(&K, V, Option<A>) -> Option<A> + Send + Sync + 'static,
        subtract: impl Fn(&K, V, A) -> Option<A> + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A> {
        let mut shared = self.builder.shared.borrow_mut();
        let store = shared.store_name(&materialized, prefix);
        let sink = shared.new_name("KSTREAM-SINK-");
        let source = shared.new_name("KSTREAM-SOURCE-");
        let name = shared.new_name(prefix);
        let topic = self.grouped.name.as_deref().unwrap_or(&store);
        let topic = TopicRef {
            name: Arc::from(format!("{topic}-repartition")),
            internal: true,
        };
        let keys = &self.grouped.keys;
        let changes: SerdeRef<Change<V>> =
            Arc::new(ChangedSerde::new(Arc::clone(&self.grouped.values)));
        let factory = SinkNode::factory(SinkOptions::repartition(
            Arc::clone(keys),
            Arc::clone(&changes),
        ));
        let kind = NodeKind::Sink(topic.clone());
        shared.topology.add_node(&sink, kind, &[self.node], factory);
        let consumed = Consumed::with(Arc::clone(keys), changes);
        let parent = shared.add_source(&source, Topics::reference(topic), consumed);
        let keys = materialized.key_serde(keys);
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let builder = store_builder(Arc::clone(&store), serdes, &materialized);
        let (add, subtract) = (Arc::new(add), Arc::new(subtract));
        let supplied = Arc::clone(&store);
        let node =
            shared.add_processor::<K, Change<V>, K, Change<A>, _>(&name, parent, move || {
                AggregateTable::new(
                    Arc::clone(&supplied),
                    Arc::clone(&add),
                    Arc::clone(&subtract),
                )
            });
        shared.topology.add_store(builder);
        shared.topology.connect(node, &store);
        shared.add_table(node, Rows::Materialized);
        drop(shared);
        KTable::new(self.builder.clone(), node, keys, Some(values))
    }
}
