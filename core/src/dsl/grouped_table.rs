//! [`KGroupedTable`]: rows by group, ready to be aggregated.

use super::outcome::{OptionalOutcome, RowResult};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::store_builder;
use super::builder::{StreamsBuilder, write_source};
use super::changed_serde::ChangedSerde;
use super::graph::{GraphNode, GraphNodeId, Rows, SourceNodes, StreamsGraph};
use super::options::{Grouped, Materialized};
use super::table::KTable;
use super::table_operators::AggregateTable;
use super::value_getter::StoreView;
use crate::processor::Change;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::Sink;

/// A table grouped by another key (Java: `KGroupedTable`).
#[must_use]
pub struct KGroupedTable<K, V> {
    builder: StreamsBuilder,
    node: GraphNodeId,
    grouped: Grouped<K, V>,
    /// The repartition node of the name that the user gave, once it is there.
    repartitioned: Rc<Cell<Option<GraphNodeId>>>,
    /// What the user calls the node of the next operator.
    next_name: Option<Rc<str>>,
}

impl<K: Clone + 'static, V: Clone + 'static> KGroupedTable<K, V> {
    pub(super) fn new(builder: StreamsBuilder, node: GraphNodeId, grouped: Grouped<K, V>) -> Self {
        Self {
            builder,
            node,
            grouped,
            repartitioned: Rc::default(),
            next_name: None,
        }
    }

    /// The same, where the node that the next operator adds is called `name` (Java: `Named`).
    #[must_use = "the name is for the next operator called on the result"]
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            grouped: self.grouped.clone(),
            repartitioned: Rc::clone(&self.repartitioned),
            next_name: Some(Rc::from(name.as_ref())),
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
        R: OptionalOutcome<V>,
        S: OptionalOutcome<V>,
    {
        let add = move |_: &K, value, before: Option<V>| match before {
            Some(before) => add(before, value).into_optional(),
            None => Ok(Some(value)),
        };
        let subtract = move |_: &K, value, before| subtract(before, value).into_optional();
        // Reduced rows are of the group's type, and by its serde.
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| Arc::clone(&self.grouped.values));
        let materialized = Materialized {
            values: Some(values),
            ..materialized
        };
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
        R: OptionalOutcome<A>,
        S: OptionalOutcome<A>,
    {
        let add = move |key: &K, value, before: Option<A>| {
            add(key, value, before.unwrap_or_else(&initialize)).into_optional()
        };
        let subtract = move |key: &K, value, before| subtract(key, value, before).into_optional();
        self.build(AGGREGATE, add, subtract, materialized)
    }

    fn build<A: DefaultSerde + Clone + 'static>(
        &self,
        prefix: &str,
        add: impl Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
        subtract: impl Fn(&K, V, A) -> RowResult<A> + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A> {
        let mut graph = self.builder.graph.borrow_mut();
        // Java gives the stores of all of them this name.
        let store = graph.store_name(&materialized, AGGREGATE);
        let named = self.next_name.as_deref();
        let suffixed = |suffix| named.map(|name| format!("{name}-{suffix}"));
        let sink = graph.name_or(suffixed("sink").as_deref(), "KSTREAM-SINK-");
        let source = graph.name_or(suffixed("source").as_deref(), "KSTREAM-SOURCE-");
        let source: Arc<str> = source.into();
        let name = graph.name_or(named, prefix);
        let keys = Arc::clone(&self.grouped.keys);
        let given = self.grouped.name.as_deref();
        let parent = match self.repartitioned.get().filter(|_| given.is_some()) {
            Some(node) => {
                graph.add_again(self.node, node);
                node
            }
            None => {
                let topic = format!("{}-repartition", given.unwrap_or(&store));
                let node = self.repartition_node(&topic.into(), sink, &source);
                let node = graph.add(&[self.node], node);
                self.repartitioned.set(Some(node));
                node
            }
        };
        let sources = Rc::new(SourceNodes::from([source]));
        let keys = materialized.key_serde(&keys);
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let builder = store_builder(Arc::clone(&store), serdes, &materialized);
        let (add, subtract) = (Arc::new(add), Arc::new(subtract));
        let view = StoreView::always(Arc::clone(&store));
        let node = GraphNode::processor::<K, Change<V>, K, Change<A>, _>(name, move || {
            AggregateTable::new(Arc::clone(&store), Arc::clone(&add), Arc::clone(&subtract))
        });
        let node = node.with_stores([builder]).with_rows(Rows::Materialized);
        let node = graph.add(
            &[parent],
            node.with_output_versioned(materialized.is_versioned()),
        );
        drop(graph);
        KTable::new(
            self.builder.clone(),
            node,
            sources,
            (keys, Some(values)),
            view,
        )
    }

    /// A repartition topic of changes (Java: `GroupedTableOperationRepartitionNode`).
    fn repartition_node(&self, topic: &Arc<str>, sink: String, source: &Arc<str>) -> GraphNode {
        let changes = ChangedSerde::new(Arc::clone(&self.grouped.values));
        let changes: SerdeRef<Change<V>> = Arc::new(changes);
        let (keys, own) = (Arc::clone(&self.grouped.keys), Arc::clone(source));
        let topic = StreamsGraph::internal_topic(topic);
        GraphNode::new(Arc::clone(source), move |writer| {
            let parents = writer.parents().to_vec();
            let serdes = (Arc::clone(&keys), Arc::clone(&changes));
            let written = Sink::reference(topic.clone());
            let topology = writer.topology();
            topology.add_sink_node(&sink, written, serdes, &parents);
            write_source(writer, &own, topic, (keys, changes));
        })
    }
}

const AGGREGATE: &str = "KTABLE-AGGREGATE-";
