//! [`KStream`]: records as they come.

use std::marker::PhantomData;
use std::sync::Arc;

use super::builder::StreamsBuilder;
use super::grouped::KGroupedStream;
use super::operators::{
    Filter, FlatMap, FlatMapValues, ForEach, Map, MapValues, MapValuesWithKey, Pass, Peek,
    SelectKey,
};
use super::options::{Grouped, Produced};
use crate::processor::{
    FixedKeyNode, FixedKeyProcessorSupplier, Processor, ProcessorNode, ProcessorSupplier,
    TopicNameExtractor,
};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::{NodeFactory, NodeKind, SinkTarget, TopicRef};

/// A stream of records (Java: `KStream`). A handle: cloning it does not copy the stream.
pub struct KStream<K, V> {
    builder: StreamsBuilder,
    node: usize,
    /// True once keys changed: records must move before they are grouped.
    repartition_required: bool,
    keys: Option<SerdeRef<K>>,
    values: Option<SerdeRef<V>>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            repartition_required: self.repartition_required,
            keys: self.keys.clone(),
            values: self.values.clone(),
            types: PhantomData,
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    pub(super) const fn new(
        builder: StreamsBuilder,
        node: usize,
        repartition_required: bool,
        keys: Option<SerdeRef<K>>,
        values: Option<SerdeRef<V>>,
    ) -> Self {
        Self {
            builder,
            node,
            repartition_required,
            keys,
            values,
            types: PhantomData,
        }
    }

    fn add<K2, V2, P>(&self, prefix: &str, supply: impl Fn() -> P + Send + Sync + 'static) -> usize
    where
        K2: 'static,
        V2: 'static,
        P: Processor<K, V, K2, V2> + 'static,
    {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name(prefix);
        shared.add_processor(&name, self.node, supply)
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
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let keep = Arc::new(keep);
        let node = self.add("KSTREAM-FILTER-", move || Filter(Arc::clone(&keep)));
        Self {
            node,
            ..self.clone()
        }
    }

    /// The records for which `drop` does not hold.
    pub fn filter_not(&self, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter(move |key, value| !drop(key, value))
    }

    /// Every record with another value.
    pub fn map_values<V2: Clone + 'static>(
        &self,
        map: impl Fn(V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let map = Arc::new(map);
        let node = self.add("KSTREAM-MAPVALUES-", move || MapValues(Arc::clone(&map)));
        let (builder, keys) = (self.builder.clone(), self.keys.clone());
        KStream::new(builder, node, self.repartition_required, keys, None)
    }

    /// Every record with another value, made of key and value.
    pub fn map_values_with_key<V2: Clone + 'static>(
        &self,
        map: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let map = Arc::new(map);
        let node = self.add("KSTREAM-MAPVALUES-", move || {
            MapValuesWithKey(Arc::clone(&map))
        });
        let (builder, keys) = (self.builder.clone(), self.keys.clone());
        KStream::new(builder, node, self.repartition_required, keys, None)
    }

    /// Every record with another key and value; grouping afterwards moves records.
    pub fn map<K2: Clone + 'static, V2: Clone + 'static>(
        &self,
        map: impl Fn(K, V) -> (K2, V2) + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let map = Arc::new(map);
        let node = self.add("KSTREAM-MAP-", move || Map(Arc::clone(&map)));
        KStream::new(self.builder.clone(), node, true, None, None)
    }

    /// Any number of records for every record; grouping afterwards moves records.
    pub fn flat_map<K2: Clone + 'static, V2: Clone + 'static, I>(
        &self,
        map: impl Fn(K, V) -> I + Send + Sync + 'static,
    ) -> KStream<K2, V2>
    where
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        let map = Arc::new(map);
        let node = self.add("KSTREAM-FLATMAP-", move || FlatMap(Arc::clone(&map)));
        KStream::new(self.builder.clone(), node, true, None, None)
    }

    /// Any number of values, under the same key, for every record.
    pub fn flat_map_values<V2: Clone + 'static, I>(
        &self,
        map: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        I: IntoIterator<Item = V2> + 'static,
    {
        let map = Arc::new(map);
        let node = self.add("KSTREAM-FLATMAPVALUES-", move || {
            FlatMapValues(Arc::clone(&map))
        });
        let (builder, keys) = (self.builder.clone(), self.keys.clone());
        KStream::new(builder, node, self.repartition_required, keys, None)
    }

    /// Every record under another key; grouping afterwards moves records.
    pub fn select_key<K2: Clone + 'static>(
        &self,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let select = Arc::new(select);
        let node = self.add("KSTREAM-KEY-SELECT-", move || {
            SelectKey(Arc::clone(&select))
        });
        KStream::new(self.builder.clone(), node, true, None, self.values.clone())
    }

    /// Looks at every record on its way.
    pub fn peek(&self, look: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let look = Arc::new(look);
        let node = self.add("KSTREAM-PEEK-", move || Peek(Arc::clone(&look)));
        Self {
            node,
            ..self.clone()
        }
    }

    /// Takes every record; the stream ends here.
    pub fn for_each(&self, take: impl Fn(K, V) + Send + Sync + 'static) {
        let take = Arc::new(take);
        self.add("KSTREAM-FOREACH-", move || ForEach(Arc::clone(&take)));
    }

    /// The records of both streams.
    pub fn merge(&self, other: &Self) -> Self {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name("KSTREAM-MERGE-");
        let factory: NodeFactory =
            Arc::new(|_| ProcessorNode::<K, V, K, V>::erased(Box::new(Pass)));
        let parents = [self.node, other.node];
        let node = shared
            .topology
            .add_node(&name, NodeKind::Processor, &parents, factory);
        drop(shared);
        let repartition_required = self.repartition_required || other.repartition_required;
        Self::new(self.builder.clone(), node, repartition_required, None, None)
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
        let node = self.add_user_processor("KSTREAM-PROCESSVALUES-", factory, stores);
        let (builder, keys) = (self.builder.clone(), self.keys.clone());
        KStream::new(builder, node, self.repartition_required, keys, None)
    }

    fn add_user_processor(&self, prefix: &str, factory: NodeFactory, stores: &[&str]) -> usize {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name(prefix);
        let node = shared
            .topology
            .add_node(&name, NodeKind::Processor, &[self.node], factory);
        for store in stores {
            shared.topology.connect(node, store);
        }
        node
    }

    /// Runs every record through processors of your own, one for each task, which may use the
    /// stores named; grouping afterwards moves records.
    pub fn process<K2: Clone + 'static, V2: Clone + 'static>(
        &self,
        supplier: impl ProcessorSupplier<K, V, K2, V2> + 'static,
        stores: &[&str],
    ) -> KStream<K2, V2> {
        let factory: NodeFactory =
            Arc::new(move |_| ProcessorNode::<K, V, K2, V2>::erased(supplier.processor()));
        let node = self.add_user_processor("KSTREAM-PROCESSOR-", factory, stores);
        KStream::new(self.builder.clone(), node, true, None, None)
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
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.name_or(produced.name.as_deref(), "KSTREAM-SINK-");
        let (sink, serdes) = produced.into_sink(target);
        let topology = &mut shared.topology;
        topology.add_sink_node(&name, sink, serdes, &[self.node]);
    }

    /// Groups by another key: records move through a repartition topic.
    pub fn group_by<K2>(
        &self,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KGroupedStream<K2, V>
    where
        K2: DefaultSerde + Clone + 'static,
        V: DefaultSerde,
    {
        let values = self.values.clone().unwrap_or_else(V::default_serde);
        self.group_by_with(select, Grouped::with(K2::default_serde(), values))
    }

    /// Groups by another key: records move through a repartition topic.
    pub fn group_by_with<K2: Clone + 'static>(
        &self,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
        grouped: Grouped<K2, V>,
    ) -> KGroupedStream<K2, V> {
        let select = Arc::new(select);
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.name_or(grouped.name.as_deref(), "KSTREAM-KEY-SELECT-");
        let node = shared.add_processor(&name, self.node, move || SelectKey(Arc::clone(&select)));
        drop(shared);
        KGroupedStream::new(self.builder.clone(), node, true, grouped)
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
        KGroupedStream::new(
            self.builder.clone(),
            self.node,
            self.repartition_required,
            grouped,
        )
    }
}
