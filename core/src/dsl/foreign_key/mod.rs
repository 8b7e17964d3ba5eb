//! Joins of a table with the rows of another one that its values point to (Java:
//! `kstream.internals.foreignkeyjoin`).
//!
//! A left row *subscribes* to its foreign key at the right table's task, which keeps the
//! subscription and answers to the left table's task: at once, and whenever the right row changes.
//! An answer bears the hash of the left value it was made for; one that comes too late is dropped.

mod hash;
mod left;
mod right;
mod subscription;
mod table_joined;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use self::left::{ResponseJoin, SubscriptionSend};
use self::right::{ForeignTableJoin, SubscriptionJoin, SubscriptionReceive};
use self::subscription::{
    CombinedKeySerde, Subscription, SubscriptionResponse, SubscriptionResponseSerde,
    SubscriptionSerde,
};
pub use self::table_joined::TableJoined;
use super::builder::{source_rows, write_source};
use super::configured_store::ConfiguredStore;
use super::graph::{GraphNode, GraphNodeId, SourceNodes, StreamsGraph};
use super::options::Materialized;
use super::outcome::{OptionalOutcome, RowResult};
use super::table::KTable;
use super::table_operators::TableSource;
use super::value_getter::StoreView;
use crate::config::StoreType;
use crate::serde::serdes::OptionSerde;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{StoreBuilder, Stores};
use crate::topology::Sink;

/// Joins with the rows of another table that a foreign key points to. `foreign_key(key, value)` is
/// the key of the other row; it may give `None`, which joins with nothing. Both tables need their
/// rows, which puts tables of topics into stores, and changes move through two topics. A joiner that
/// gives `None` leaves the row out.
impl<K, V> KTable<K, V>
where
    K: Clone + 'static,
    V: DefaultSerde + Clone + 'static,
{
    /// The rows whose foreign key has a row in `other` (Java: `join` with a foreign-key extractor).
    pub fn join_on_foreign_key<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, VO) -> R + Send + Sync + 'static,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let (joined, materialized) = (TableJoined::default(), Materialized::default());
        self.join_on_foreign_key_with(other, foreign_key, join, joined, materialized)
    }

    /// The rows whose foreign key has a row in `other`, in a store of their own if `materialized`
    /// names one.
    pub fn join_on_foreign_key_materialized<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, VO) -> R + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let joined = TableJoined::default();
        self.join_on_foreign_key_with(other, foreign_key, join, joined, materialized)
    }

    /// The rows whose foreign key has a row in `other`, as `joined` names and partitions them.
    pub fn join_on_foreign_key_with<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, VO) -> R + Send + Sync + 'static,
        joined: TableJoined<K, KO>,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let join = move |left, right: Option<VO>| match right {
            Some(right) => join(left, right).into_optional(),
            None => Ok(None),
        };
        let foreign_key = move |key: &K, value: &V| foreign_key(key, value).into_optional();
        Join::new(self, other, joined, false).build(foreign_key, join, materialized)
    }

    /// The rows of this table, with the rows of `other` that their foreign keys have (Java:
    /// `leftJoin` with a foreign-key extractor).
    pub fn left_join_on_foreign_key<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, Option<VO>) -> R + Send + Sync + 'static,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let (joined, materialized) = (TableJoined::default(), Materialized::default());
        self.left_join_on_foreign_key_with(other, foreign_key, join, joined, materialized)
    }

    /// The rows of this table, with the rows of `other` that their foreign keys have, in a store of
    /// their own if `materialized` names one.
    pub fn left_join_on_foreign_key_materialized<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, Option<VO>) -> R + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let joined = TableJoined::default();
        self.left_join_on_foreign_key_with(other, foreign_key, join, joined, materialized)
    }

    /// The rows of this table, with the rows of `other` that their foreign keys have, as `joined`
    /// names and partitions them.
    pub fn left_join_on_foreign_key_with<KO, VO, VR, F, R>(
        &self,
        other: &KTable<KO, VO>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(V, Option<VO>) -> R + Send + Sync + 'static,
        joined: TableJoined<K, KO>,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        KO: Clone + 'static,
        VO: DefaultSerde + Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        F: OptionalOutcome<KO>,
        R: OptionalOutcome<VR>,
    {
        let join = move |left, right| join(left, right).into_optional();
        let foreign_key = move |key: &K, value: &V| foreign_key(key, value).into_optional();
        Join::new(self, other, joined, true).build(foreign_key, join, materialized)
    }
}

/// A join that is being added to the graph (Java: `KTableImpl.doJoinOnForeignKey`).
struct Join<'a, K, V, KO, VO> {
    left: &'a KTable<K, V>,
    right: KTable<KO, VO>,
    joined: TableJoined<K, KO>,
    is_left: bool,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    foreign_keys: SerdeRef<KO>,
    foreign_values: SerdeRef<VO>,
}

/// What the halves of a join have in common.
struct Topics {
    registration: Arc<str>,
    response: Arc<str>,
}

impl<'a, K, V, KO, VO> Join<'a, K, V, KO, VO>
where
    K: Clone + 'static,
    V: DefaultSerde + Clone + 'static,
    KO: Clone + 'static,
    VO: DefaultSerde + Clone + 'static,
{
    fn new(
        left: &'a KTable<K, V>,
        right: &KTable<KO, VO>,
        joined: TableJoined<K, KO>,
        is_left: bool,
    ) -> Self {
        Self {
            left,
            right: right.within(left.builder()),
            joined,
            is_left,
            keys: left.key_serde(),
            values: left.value_serde().unwrap_or_else(V::default_serde),
            foreign_keys: right.key_serde(),
            foreign_values: right.value_serde().unwrap_or_else(VO::default_serde),
        }
    }

    /// The name of a part, drawn where the user gave none.
    fn name(&self, graph: &mut StreamsGraph, suffix: &str, prefix: &str) -> Arc<str> {
        let given = self.joined.name.as_deref().or(self.left.next_name());
        let given = given.map(|name| format!("{name}-{suffix}"));
        let prefix = format!("KTABLE-{prefix}");
        graph.name_or(given.as_deref(), &prefix).into()
    }

    fn build<VR>(
        &self,
        foreign_key: impl Fn(&K, &V) -> RowResult<KO> + Send + Sync + 'static,
        join: impl Fn(V, Option<VO>) -> RowResult<VR> + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        VR: DefaultSerde + Clone + 'static,
    {
        let mut graph = self.left.builder().graph.borrow_mut();
        let graph = &mut *graph;
        // Former rows say which subscriptions end, and whether a right row changed at all.
        graph.send_old_values(self.right.node(), true);
        graph.send_old_values(self.left.node(), true);
        let registration = self.name(graph, "subscription-registration", REGISTRATION);
        let mut topics = Topics {
            registration: format!("{registration}-topic").into(),
            response: Arc::from(""),
        };
        let source = self.add_send(graph, &topics, foreign_key);
        let (join_node, foreign_node) = self.add_right(graph, source);
        let response = self.name(graph, "subscription-response", RESPONSE);
        topics.response = format!("{response}-topic").into();
        let source = self.add_response(graph, &topics, join_node, foreign_node);
        let sources = self.left.sources().with(Arc::clone(graph.name(source)));
        let sources = graph.copartition(&sources, &[]);
        let resolver = self.add_resolver(graph, &topics, source, join);
        self.add_result(graph, resolver, sources, materialized)
    }

    /// What sends subscriptions, and the topic that they go through; gives the topic's source.
    fn add_send(
        &self,
        graph: &mut StreamsGraph,
        topics: &Topics,
        foreign_key: impl Fn(&K, &V) -> RowResult<KO> + Send + Sync + 'static,
    ) -> GraphNodeId {
        let name = self.name(graph, "subscription-registration-processor", REGISTRATION);
        let (own, foreign_key, is_left) = (Arc::clone(&name), Arc::new(foreign_key), self.is_left);
        let serdes = (Arc::clone(&self.foreign_keys), Arc::clone(&self.values));
        let registration_topic = Arc::clone(&topics.registration);
        let node = GraphNode::new(name, move |writer| {
            let (parents, is_versioned) =
                (writer.parents().to_vec(), writer.has_versioned_parent());
            writer.add_processor(&own, &parents, move || {
                SubscriptionSend::<K, V, KO, _>::new(
                    Arc::clone(&foreign_key),
                    serdes.clone(),
                    Arc::clone(&registration_topic),
                    is_left,
                    is_versioned,
                )
            });
        });
        let send = graph.add(&[self.left.node()], node);
        let keys: SerdeRef<Option<KO>> = Arc::new(OptionSerde::new(Arc::clone(&self.foreign_keys)));
        let values: SerdeRef<Subscription<K>> =
            Arc::new(SubscriptionSerde::new(Arc::clone(&self.keys)));
        let sink = self.name(graph, "subscription-registration-sink", SINK);
        let topic = StreamsGraph::internal_topic(&topics.registration);
        let own = Arc::clone(&sink);
        let written = Sink {
            partitioner: self.joined.subscription_partitioner(),
            ..Sink::reference(topic.clone())
        };
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let node = GraphNode::new(sink, move |writer| {
            let parents = writer.parents().to_vec();
            let topology = writer.topology();
            topology.add_sink_node(&own, written, serdes, &parents);
        });
        let sink = graph.add(&[send], node);
        let source = self.name(graph, "subscription-registration-source", SOURCE);
        let own = Arc::clone(&source);
        let node = GraphNode::new(source, move |writer| {
            write_source(writer, &own, topic, (keys, values));
        });
        graph.add(&[sink], node)
    }

    /// What keeps subscriptions and answers them, and what answers them again when a right row
    /// changes.
    fn add_right(
        &self,
        graph: &mut StreamsGraph,
        source: GraphNodeId,
    ) -> (GraphNodeId, GraphNodeId) {
        let sources = self.right.sources().with(Arc::clone(graph.name(source)));
        graph.copartition(&sources, &[]);
        let store_name = self.name(graph, "subscription-store", STORE);
        let store = self.subscription_store(&store_name);
        let name = self.name(graph, "subscription-receive", PROCESSOR);
        let supplied = Arc::clone(&store_name);
        let node = GraphNode::processor(name, move || {
            SubscriptionReceive::<KO, K>::new(Arc::clone(&supplied))
        });
        let receive = graph.add(&[source], node.with_stores([Arc::clone(&store)]));
        let rows = self.right.view(graph);
        let stores = rows.store_names();
        let name = self.name(graph, "subscription-join-foreign", PROCESSOR);
        let node = GraphNode::processor(name, move || SubscriptionJoin::<KO, K, VO>::new(&rows));
        let join = graph.add(&[receive], node.connected_to(stores));
        let name = self.name(graph, "foreign-join-subscription", PROCESSOR);
        let (own, foreign_keys) = (Arc::clone(&name), Arc::clone(&self.foreign_keys));
        let node = GraphNode::new(name, move |writer| {
            let (parents, is_versioned) =
                (writer.parents().to_vec(), writer.has_versioned_parent());
            writer.add_processor(&own, &parents, move || {
                let (name, keys) = (Arc::clone(&store_name), Arc::clone(&foreign_keys));
                ForeignTableJoin::<KO, K, VO>::new(name, keys, is_versioned)
            });
        });
        let foreign = graph.add(&[self.right.node()], node.with_stores([store]));
        (join, foreign)
    }

    /// Logged, with the headers of records, and never cached: it is read by prefix.
    fn subscription_store(&self, name: &Arc<str>) -> Arc<dyn StoreBuilder> {
        let recipe = |supplier| -> Arc<dyn StoreBuilder> {
            let (foreign_keys, keys) = (Arc::clone(&self.foreign_keys), Arc::clone(&self.keys));
            Arc::new(Stores::timestamped_key_value_store_with_headers_builder(
                supplier,
                Arc::new(CombinedKeySerde::new(foreign_keys, keys)),
                Arc::new(SubscriptionSerde::new(Arc::clone(&self.keys))),
            ))
        };
        let Ok(builder) =
            ConfiguredStore::builder(None, |store_type, _| -> Result<_, Infallible> {
                let name = Arc::clone(name);
                Ok(recipe(match store_type {
                    StoreType::InMemory => Stores::in_memory_key_value_store(name),
                    StoreType::Persistent => Stores::persistent_key_value_store(name),
                }))
            });
        builder
    }

    /// The topic that answers go through; gives its source.
    fn add_response(
        &self,
        graph: &mut StreamsGraph,
        topics: &Topics,
        join: GraphNodeId,
        foreign: GraphNodeId,
    ) -> GraphNodeId {
        let sink = self.name(graph, "subscription-response-sink", SINK);
        let topic = StreamsGraph::internal_topic(&topics.response);
        let own = Arc::clone(&sink);
        let written = Sink {
            partitioner: Some(self.joined.response_partitioner()),
            ..Sink::reference(topic.clone())
        };
        let keys = Arc::clone(&self.keys);
        let values: SerdeRef<SubscriptionResponse<VO>> = Arc::new(SubscriptionResponseSerde::new(
            Arc::clone(&self.foreign_values),
        ));
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let node = GraphNode::new(sink, move |writer| {
            let parents = writer.parents().to_vec();
            let topology = writer.topology();
            topology.add_sink_node(&own, written, serdes, &parents);
        });
        let sink = graph.add(&[join], node);
        graph.add_again(foreign, sink);
        let source = self.name(graph, "subscription-response-source", SOURCE);
        let own = Arc::clone(&source);
        let node = GraphNode::new(source, move |writer| {
            write_source(writer, &own, topic, (keys, values));
        });
        graph.add(&[sink], node)
    }

    /// What joins answers with left rows.
    fn add_resolver<VR: Clone + 'static>(
        &self,
        graph: &mut StreamsGraph,
        topics: &Topics,
        source: GraphNodeId,
        join: impl Fn(V, Option<VO>) -> RowResult<VR> + Send + Sync + 'static,
    ) -> GraphNodeId {
        let rows = self.left.view(graph);
        let stores = rows.store_names();
        let name = self.name(graph, "subscription-response-resolver", RESOLVER);
        let (values, topic) = (Arc::clone(&self.values), Arc::clone(&topics.registration));
        let (join, is_left) = (Arc::new(join), self.is_left);
        let node = GraphNode::processor(name, move || {
            let (values, topic) = (Arc::clone(&values), Arc::clone(&topic));
            ResponseJoin::<K, V, VO, VR, _>::new(&rows, values, topic, Arc::clone(&join), is_left)
        });
        graph.add(&[source], node.connected_to(stores))
    }

    /// The joined table: like one of a topic, it has a store if someone needs it.
    fn add_result<VR: DefaultSerde + Clone + 'static>(
        &self,
        graph: &mut StreamsGraph,
        resolver: GraphNodeId,
        sources: Rc<SourceNodes>,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR> {
        let name = self.name(graph, "result", OUTPUT);
        let store = graph.store_name(&materialized, &format!("KTABLE-{OUTPUT}"));
        let keys = materialized.key_serde(&self.keys);
        let values = materialized.values.clone();
        let stored = values.clone().unwrap_or_else(VR::default_serde);
        let rows = source_rows(&store, (&keys, &stored), &materialized, None);
        let (supplied, supplied_keys) = (Arc::clone(&store), Arc::clone(&keys));
        let node = GraphNode::processor::<K, Option<VR>, K, _, _>(name, move || {
            TableSource::<K, VR>::new(Arc::clone(&supplied), Arc::clone(&supplied_keys))
        });
        let node = node
            .with_rows(rows)
            .with_output_versioned(materialized.is_versioned());
        let node = graph.add(&[resolver], node);
        let (builder, view) = (
            self.left.builder().clone(),
            StoreView::on_demand(node, store),
        );
        KTable::new(builder, node, sources, (keys, values), view)
    }
}

const REGISTRATION: &str = "FK-JOIN-SUBSCRIPTION-REGISTRATION-";
const RESPONSE: &str = "FK-JOIN-SUBSCRIPTION-RESPONSE-";
const PROCESSOR: &str = "FK-JOIN-SUBSCRIPTION-PROCESSOR-";
const RESOLVER: &str = "FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-";
const STORE: &str = "FK-JOIN-SUBSCRIPTION-STATE-STORE-";
const OUTPUT: &str = "FK-JOIN-OUTPUT-";
const SINK: &str = "SINK-";
const SOURCE: &str = "SOURCE-";
