//! [`KStream`]: records as they come.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::branch::BranchedKStream;
use super::builder::StreamsBuilder;
use super::graph::{GraphNode, GraphNodeId, ROOT, SourceNodes};
use super::grouped::KGroupedStream;
use super::operators::{
    Filter, FlatMap, FlatMapValues, ForEach, Map, MapValues, Pass, Peek, SelectKey,
};
use super::options::{Grouped, Produced, Repartitioned};
use super::outcome::Outcome;
use super::printed::{Print, Printed};
use super::repartition::{write_partitioned, write_repartition};
use crate::processor::{
    FixedKeyNode, FixedKeyProcessorSupplier, Processor, ProcessorError, ProcessorNode,
    ProcessorSupplier, TopicNameExtractor,
};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::{NodeFactory, SinkTarget, TopicRef, TopologyError};

/// A stream of records (Java: `KStream`). A handle: cloning it does not copy the stream.
pub struct KStream<K, V> {
    builder: StreamsBuilder,
    node: GraphNodeId,
    sources: Rc<SourceNodes>,
    /// True once keys changed: records must move before they are grouped.
    repartition_required: bool,
    keys: Option<SerdeRef<K>>,
    values: Option<SerdeRef<V>>,
    /// What the user calls the node of the next operator.
    next_name: Option<Rc<str>>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            sources: Rc::clone(&self.sources),
            repartition_required: self.repartition_required,
            keys: self.keys.clone(),
            values: self.values.clone(),
            next_name: self.next_name.clone(),
            types: PhantomData,
        }
    }
}

/// What the rest of the DSL needs to know of a stream, and how it makes others.
impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    pub(super) const fn new(
        builder: StreamsBuilder,
        node: GraphNodeId,
        sources: Rc<SourceNodes>,
        repartition_required: bool,
    ) -> Self {
        Self {
            builder,
            node,
            sources,
            repartition_required,
            keys: None,
            values: None,
            next_name: None,
            types: PhantomData,
        }
    }

    pub(super) fn with_serdes(
        mut self,
        keys: Option<SerdeRef<K>>,
        values: Option<SerdeRef<V>>,
    ) -> Self {
        (self.keys, self.values) = (keys, values);
        self
    }

    pub(super) const fn builder(&self) -> &StreamsBuilder {
        &self.builder
    }

    pub(super) const fn node(&self) -> GraphNodeId {
        self.node
    }

    /// The sources it comes from.
    pub(super) const fn sources(&self) -> &Rc<SourceNodes> {
        &self.sources
    }

    /// True once keys changed.
    pub(super) const fn repartition_required(&self) -> bool {
        self.repartition_required
    }

    /// What the user calls the node of the next operator.
    pub(super) fn next_name(&self) -> Option<&str> {
        self.next_name.as_deref()
    }

    /// This stream where it is of `builder`; otherwise a mistake, with something in its place.
    pub(super) fn within(&self, builder: &StreamsBuilder) -> Self {
        if builder.is_same(&self.builder) {
            return self.clone();
        }
        let builder = builder.clone();
        Self {
            builder,
            ..self.same_at(ROOT)
        }
    }

    /// The same records at another node.
    pub(super) fn same_at(&self, node: GraphNodeId) -> Self {
        Self {
            node,
            next_name: None,
            ..self.clone()
        }
    }

    /// The stream that `node` below makes of this one: the same sources and keys, other values.
    pub(super) fn valued_at<V2: Clone + 'static>(&self, node: GraphNodeId) -> KStream<K, V2> {
        let (builder, sources) = (self.builder.clone(), Rc::clone(&self.sources));
        KStream::new(builder, node, sources, self.repartition_required)
            .with_serdes(self.keys.clone(), None)
    }

    /// The stream that `node` below makes of this one under other keys.
    pub(super) fn keyed_at<K2: Clone + 'static, V2: Clone + 'static>(
        &self,
        node: GraphNodeId,
    ) -> KStream<K2, V2> {
        let (builder, sources) = (self.builder.clone(), Rc::clone(&self.sources));
        KStream::new(builder, node, sources, true)
    }

    /// The stream behind a repartition topic, as a join needs it (Java:
    /// `KStreamImpl.repartitionForJoin`). `prefix` names the topic.
    pub(super) fn repartition_for_join(
        &self,
        prefix: &str,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> Self {
        let mut graph = self.builder.graph.borrow_mut();
        let names = graph.repartition_names(prefix);
        let again = graph.repartitioned(self.node);
        let node = match again.filter(|_| **graph.name(self.node) == *prefix) {
            Some(node) => node,
            None => {
                let serdes = (Arc::clone(&keys), Arc::clone(&values));
                let node = graph.add_repartition(self.node, &names, true, move |writer, names| {
                    write_repartition(writer, names, serdes.clone());
                });
                graph.set_repartitioned(self.node, node);
                node
            }
        };
        drop(graph);
        let sources = Rc::new(SourceNodes::from([Arc::from(names.source)]));
        Self::new(self.builder.clone(), node, sources, false).with_serdes(Some(keys), Some(values))
    }

    fn add<K2, V2, P>(
        &self,
        prefix: &str,
        supply: impl Fn() -> P + Send + Sync + 'static,
        effect: Effect,
    ) -> GraphNodeId
    where
        K2: 'static,
        V2: 'static,
        P: Processor<K, V, K2, V2> + 'static,
    {
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.name_or(self.next_name(), prefix);
        let node = effect.mark(GraphNode::processor(name, supply));
        graph.add(&[self.node], node)
    }
}

/// What a closure gives that cannot fail.
#[inline]
const fn sure<T>(value: T) -> Result<T, Infallible> {
    Ok(value)
}

/// What an operator does to records, as far as optimisations ask.
#[derive(Clone, Copy)]
enum Effect {
    None,
    Values,
    Keys,
}

impl Effect {
    fn mark(self, node: GraphNode) -> GraphNode {
        match self {
            Self::None => node,
            Self::Values => node.value_changing(),
            Self::Keys => node.key_changing(),
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// This stream, where the node that the next operator adds is called `name` (Java: `Named`).
    /// Operators that take a name of their own, in what they are told, do not look at it.
    #[must_use = "the name is for the next operator called on the result"]
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            next_name: Some(Rc::from(name.as_ref())),
            ..self.clone()
        }
    }

    /// The serde of keys, where an operator before was told.
    pub fn key_serde(&self) -> Option<SerdeRef<K>> {
        self.keys.clone()
    }

    /// The serde of values, where an operator before was told.
    pub fn value_serde(&self) -> Option<SerdeRef<V>> {
        self.values.clone()
    }

    /// The records for which `keep` holds.
    pub fn filter<R: Outcome<bool>>(
        &self,
        keep: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> Self {
        let keep = Arc::new(keep);
        let supply = move || Filter(Arc::clone(&keep));
        self.same_at(self.add("KSTREAM-FILTER-", supply, Effect::None))
    }

    /// The records for which `drop` does not hold.
    pub fn filter_not<R: Outcome<bool>>(
        &self,
        drop: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> Self {
        self.filter(move |key, value| drop(key, value).into_result().map(|drops| !drops))
    }

    /// Every record with another value.
    pub fn map_values<V2: Clone + 'static>(
        &self,
        map: impl Fn(V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        self.try_map_values_with_key(move |_, value| sure(map(value)))
    }

    /// Every record with another value, if there is one: what `map` fails with goes to the
    /// processing exception handler.
    pub fn try_map_values<V2: Clone + 'static, E: Into<ProcessorError> + 'static>(
        &self,
        map: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        self.try_map_values_with_key(move |_, value| map(value))
    }

    /// Every record with another value, made of key and value.
    pub fn map_values_with_key<V2: Clone + 'static>(
        &self,
        map: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        self.try_map_values_with_key(move |key, value| sure(map(key, value)))
    }

    /// Every record with another value, made of key and value, if there is one.
    pub fn try_map_values_with_key<V2: Clone + 'static, E: Into<ProcessorError> + 'static>(
        &self,
        map: impl Fn(&K, V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let map = Arc::new(map);
        let supply = move || MapValues(Arc::clone(&map));
        self.valued_at(self.add("KSTREAM-MAPVALUES-", supply, Effect::Values))
    }

    /// Every record with another key and value; grouping afterwards moves records.
    pub fn map<K2: Clone + 'static, V2: Clone + 'static, R: Outcome<(K2, V2)>>(
        &self,
        map: impl Fn(K, V) -> R + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let map = Arc::new(map);
        let supply = move || Map(Arc::clone(&map));
        self.keyed_at(self.add("KSTREAM-MAP-", supply, Effect::Keys))
    }

    /// Any number of records for every record; grouping afterwards moves records.
    pub fn flat_map<K2: Clone + 'static, V2: Clone + 'static, I>(
        &self,
        map: impl Fn(K, V) -> I + Send + Sync + 'static,
    ) -> KStream<K2, V2>
    where
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        self.try_flat_map(move |key, value| sure(map(key, value)))
    }

    /// Any number of records for every record, if `map` does not fail.
    pub fn try_flat_map<K2: Clone + 'static, V2: Clone + 'static, I, E>(
        &self,
        map: impl Fn(K, V) -> Result<I, E> + Send + Sync + 'static,
    ) -> KStream<K2, V2>
    where
        I: IntoIterator<Item = (K2, V2)> + 'static,
        E: Into<ProcessorError> + 'static,
    {
        let map = Arc::new(map);
        let supply = move || FlatMap(Arc::clone(&map));
        self.keyed_at(self.add("KSTREAM-FLATMAP-", supply, Effect::Keys))
    }

    /// Any number of values, under the same key, for every record.
    pub fn flat_map_values<V2: Clone + 'static, I>(
        &self,
        map: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        I: IntoIterator<Item = V2> + 'static,
    {
        self.try_flat_map_values_with_key(move |_, value| sure(map(value)))
    }

    /// Any number of values, under the same key, for every record, if `map` does not fail.
    pub fn try_flat_map_values<V2: Clone + 'static, I, E>(
        &self,
        map: impl Fn(V) -> Result<I, E> + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        I: IntoIterator<Item = V2> + 'static,
        E: Into<ProcessorError> + 'static,
    {
        self.try_flat_map_values_with_key(move |_, value| map(value))
    }

    /// Any number of values, under the same key, for every record, made of key and value.
    pub fn flat_map_values_with_key<V2: Clone + 'static, I>(
        &self,
        map: impl Fn(&K, V) -> I + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        I: IntoIterator<Item = V2> + 'static,
    {
        self.try_flat_map_values_with_key(move |key, value| sure(map(key, value)))
    }

    /// Any number of values, under the same key, for every record, made of key and value, if `map`
    /// does not fail.
    pub fn try_flat_map_values_with_key<V2: Clone + 'static, I, E>(
        &self,
        map: impl Fn(&K, V) -> Result<I, E> + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        I: IntoIterator<Item = V2> + 'static,
        E: Into<ProcessorError> + 'static,
    {
        let map = Arc::new(map);
        let supply = move || FlatMapValues(Arc::clone(&map));
        self.valued_at(self.add("KSTREAM-FLATMAPVALUES-", supply, Effect::Values))
    }

    /// Every record under another key; grouping afterwards moves records.
    pub fn select_key<K2: Clone + 'static>(
        &self,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        self.try_select_key(move |key, value| sure(select(key, value)))
    }

    /// Every record under another key, if there is one; grouping afterwards moves records.
    pub fn try_select_key<K2: Clone + 'static, E: Into<ProcessorError> + 'static>(
        &self,
        select: impl Fn(&K, &V) -> Result<K2, E> + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let select = Arc::new(select);
        let supply = move || SelectKey(Arc::clone(&select));
        let node = self.add("KSTREAM-KEY-SELECT-", supply, Effect::Keys);
        self.keyed_at(node).with_serdes(None, self.values.clone())
    }

    /// Looks at every record on its way.
    pub fn peek<R: Outcome<()>>(&self, look: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self {
        let look = Arc::new(look);
        let supply = move || Peek(Arc::clone(&look));
        self.same_at(self.add("KSTREAM-PEEK-", supply, Effect::None))
    }

    /// Takes every record; the stream ends here.
    pub fn for_each<R: Outcome<()>>(&self, take: impl Fn(K, V) -> R + Send + Sync + 'static) {
        let take = Arc::new(take);
        let supply = move || ForEach(Arc::clone(&take));
        self.add("KSTREAM-FOREACH-", supply, Effect::None);
    }

    /// Prints every record; the stream ends here.
    pub fn print(&self, printed: Printed<K, V>) {
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.name_or(printed.name.as_deref(), "KSTREAM-PRINTER-");
        let label = match &printed.label {
            Some(label) => Arc::from(label.as_str()),
            None => Arc::clone(graph.name(self.node)),
        };
        let node = GraphNode::processor(name, move || Print::new(&printed, &label));
        graph.add(&[self.node], node);
    }

    /// Splits the stream into branches.
    pub fn split(&self) -> BranchedKStream<K, V> {
        BranchedKStream::new(self.clone())
    }

    /// The records of both streams.
    pub fn merge(&self, other: &Self) -> Self {
        let other = other.within(&self.builder);
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.name_or(self.next_name(), "KSTREAM-MERGE-");
        let node = GraphNode::processor::<K, V, K, V, _>(name, || Pass).merging();
        let node = graph.add(&[self.node, other.node], node);
        drop(graph);
        let sources = self.sources.union(&other.sources);
        let repartition_required = self.repartition_required || other.repartition_required;
        let builder = self.builder.clone();
        Self::new(builder, node, Rc::new(sources), repartition_required)
    }

    /// The records, moved through a topic by their keys, with the stream's serdes or the types'
    /// own.
    pub fn repartition(&self) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        let keys = self.keys.clone().unwrap_or_else(K::default_serde);
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.repartition_with(Repartitioned::with(keys, values))
    }

    /// The records, moved through a topic by their keys.
    pub fn repartition_with(&self, repartitioned: Repartitioned<K, V>) -> Self {
        let Repartitioned {
            name,
            keys,
            values,
            partitions,
            partitioner,
        } = repartitioned;
        let mut graph = self.builder.graph.borrow_mut();
        let prefix = name.unwrap_or_else(|| graph.new_name("KSTREAM-REPARTITION-"));
        let names = graph.repartition_names(&prefix);
        if partitions.is_some_and(|partitions| partitions < 1) {
            graph.fail(TopologyError::NoPartitions(names.topic.to_string()));
        }
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let node = graph.add_repartition(self.node, &names, false, move |writer, names| {
            if let Some(partitions) = partitions {
                writer.topology().set_partitions(&names.topic, partitions);
            }
            write_partitioned(writer, names, serdes.clone(), partitioner.clone());
        });
        let sources = Rc::new(SourceNodes::from([Arc::clone(graph.name(node))]));
        drop(graph);
        Self::new(self.builder.clone(), node, sources, false).with_serdes(Some(keys), Some(values))
    }

    /// Runs every record through processors of your own that keep its key, one for each task, which
    /// may use the stores named.
    pub fn process_values<V2: Clone + 'static>(
        &self,
        supplier: impl FixedKeyProcessorSupplier<K, V, V2> + 'static,
        stores: &[&str],
    ) -> KStream<K, V2> {
        let factory: NodeFactory =
            Arc::new(move |_| FixedKeyNode::<K, V, V2>::erased(supplier.processor()));
        let prefix = "KSTREAM-PROCESSVALUES-";
        self.valued_at(self.add_user_processor(prefix, factory, stores))
    }

    /// Java's optimiser looks through processors of the user's, which may change anything.
    fn add_user_processor(
        &self,
        prefix: &str,
        factory: NodeFactory,
        stores: &[&str],
    ) -> GraphNodeId {
        let mut graph = self.builder.graph.borrow_mut();
        // Java draws no name where the user gave one.
        let name = match self.next_name() {
            Some(name) => name.to_owned(),
            None => graph.new_name(prefix),
        };
        let name: Arc<str> = name.into();
        let own = Arc::clone(&name);
        let node = GraphNode::new(name, move |writer| {
            let parents = writer.parents().to_vec();
            writer.add_node(&own, &parents, factory);
        });
        let node = node.connected_to(stores.iter().copied());
        graph.add(&[self.node], node)
    }

    /// Runs every record through processors of your own, one for each task, which may use the
    /// stores named; grouping afterwards moves records.
    pub fn process<K2: Clone + 'static, V2: Clone + 'static>(
        &self,
        supplier: impl ProcessorSupplier<K, V, K2, V2> + 'static,
        stores: &[&str],
    ) -> KStream<K2, V2> {
        let factory: NodeFactory =
            Arc::new(move |_| ProcessorNode::<_, K2, V2>::erased::<K, V>(supplier.processor()));
        let prefix = "KSTREAM-PROCESSOR-";
        self.keyed_at(self.add_user_processor(prefix, factory, stores))
    }

    /// Writes every record to `topic`, with the stream's serdes or the types' own.
    pub fn to(&self, topic: impl AsRef<str>)
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        let keys = self.keys.clone().unwrap_or_else(K::default_serde);
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.to_with(topic, Produced::with(keys, values));
    }

    /// Writes every record to `topic`.
    pub fn to_with(&self, topic: impl AsRef<str>, produced: Produced<K, V>) {
        let topic = TopicRef::external(topic.as_ref());
        self.add_sink(SinkTarget::Topic(topic), produced);
    }

    /// Writes every record to the topic that `extractor` chooses for it, with the stream's serdes or
    /// the types' own. The topics must exist.
    pub fn to_extracted(&self, extractor: impl TopicNameExtractor<K, V> + 'static)
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        let keys = self.keys.clone().unwrap_or_else(K::default_serde);
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.to_extracted_with(extractor, Produced::with(keys, values));
    }

    /// Writes every record to the topic that `extractor` chooses for it. The topics must exist.
    pub fn to_extracted_with(
        &self,
        extractor: impl TopicNameExtractor<K, V> + 'static,
        produced: Produced<K, V>,
    ) {
        self.add_sink(SinkTarget::Extracted(Arc::new(extractor)), produced);
    }

    fn add_sink(&self, target: SinkTarget<K, V>, produced: Produced<K, V>) {
        let mut graph = self.builder.graph.borrow_mut();
        let given = produced.name.as_deref().or(self.next_name());
        let name: Arc<str> = graph.name_or(given, "KSTREAM-SINK-").into();
        let own = Arc::clone(&name);
        let (sink, serdes) = produced.into_sink(target);
        let node = GraphNode::new(name, move |writer| {
            let parents = writer.parents().to_vec();
            let topology = writer.topology();
            topology.add_sink_node(&own, sink, serdes, &parents);
        });
        graph.add(&[self.node], node);
    }

    /// Groups by another key: records move through a repartition topic.
    pub fn group_by<K2, R>(
        &self,
        select: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> KGroupedStream<K2, V>
    where
        K2: DefaultSerde + Clone + 'static,
        V: DefaultSerde,
        R: Outcome<K2>,
    {
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.group_by_with(select, Grouped::with(K2::default_serde(), values))
    }

    /// Groups by another key: records move through a repartition topic.
    pub fn group_by_with<K2: Clone + 'static, R: Outcome<K2>>(
        &self,
        select: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        grouped: Grouped<K2, V>,
    ) -> KGroupedStream<K2, V> {
        let select = Arc::new(move |key: &K, value: &V| select(key, value).into_result());
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.name_or(grouped.name.as_deref(), "KSTREAM-KEY-SELECT-");
        let node = GraphNode::processor(name, move || SelectKey(Arc::clone(&select)));
        let node = graph.add(&[self.node], node.key_changing());
        drop(graph);
        KGroupedStream::new(self.keyed_at(node), grouped)
    }

    /// Groups by the keys there are; records move only if an operator changed keys before.
    pub fn group_by_key(&self) -> KGroupedStream<K, V>
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        let keys = self.keys.clone().unwrap_or_else(K::default_serde);
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.group_by_key_with(Grouped::with(keys, values))
    }

    /// Groups by the keys there are; records move only if an operator changed keys before.
    pub fn group_by_key_with(&self, grouped: Grouped<K, V>) -> KGroupedStream<K, V> {
        KGroupedStream::new(self.same_at(self.node), grouped)
    }
}
