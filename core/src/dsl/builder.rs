//! Where a topology begins.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::store_builder;
use super::graph::{GraphNode, Naming, ROOT, Rows, SourceNodes, StreamsGraph, Writer};
use super::options::{Consumed, Materialized};
use super::stream::KStream;
use super::table::KTable;
use super::table_operators::TableSource;
use super::value_getter::StoreView;
use crate::config::{StreamsConfig, TopologyOptimization};
use crate::processor::{
    FailOnInvalidTimestamp, ProcessorNode, ProcessorSupplier, ProcessorWrapper,
};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::StoreBuilder;
use crate::topology::{NodeFactory, Source, TopicRef, Topics, Topology, TopologyError};

/// Builds a topology out of streams and tables (Java: `StreamsBuilder`).
#[derive(Clone, Default)]
pub struct StreamsBuilder {
    pub(super) graph: Rc<RefCell<StreamsGraph>>,
}

impl std::fmt::Debug for StreamsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamsBuilder").finish_non_exhaustive()
    }
}

impl StreamsGraph {
    /// The name of the store of a table whose keys are in no windows, drawn if the user gave none.
    pub(super) fn store_name<K, V>(
        &mut self,
        materialized: &Materialized<K, V>,
        prefix: &str,
    ) -> Arc<str> {
        let name = self.windowed_store_name(materialized, prefix);
        if materialized.is_windowed() {
            self.fail(TopologyError::InvalidStore(format!(
                "store {name}: a store of windows or sessions is for aggregations by window"
            )));
        }
        name
    }

    /// The same for any table.
    pub(super) fn windowed_store_name<K, V>(
        &mut self,
        materialized: &Materialized<K, V>,
        prefix: &str,
    ) -> Arc<str> {
        match &materialized.name {
            Some(name) => Arc::from(name.as_str()),
            None => Arc::from(self.new_name(&format!("{prefix}STATE-STORE-"))),
        }
    }
}

/// Adds the source of a repartition topic: its records were timed when they were written.
pub(super) fn write_source<K: Clone + 'static, V: Clone + 'static>(
    writer: &mut Writer<'_>,
    name: &str,
    topic: TopicRef,
    serdes: (SerdeRef<K>, SerdeRef<V>),
) -> usize {
    let source =
        Source::new(Topics::reference(topic)).with_timestamp_extractor(FailOnInvalidTimestamp);
    writer.topology().add_source_node(name, source, serdes)
}

impl StreamsBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// This builder, where `wrapper` puts code around every processor of the topology (KIP-1112).
    #[must_use]
    pub fn with_processor_wrapper(self, wrapper: impl ProcessorWrapper + 'static) -> Self {
        self.graph.borrow_mut().wrapper = Some(Arc::new(wrapper));
        self
    }

    /// False for another builder, which is a mistake that is told when this one is built.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same = Rc::ptr_eq(&self.graph, &other.graph);
        if !is_same {
            self.graph.borrow_mut().fail(TopologyError::OtherBuilder);
        }
        is_same
    }

    /// A stream of the records of a topic, of several, or of all that match, with the types' own
    /// serdes.
    pub fn stream<K, V>(&self, topics: impl Into<Topics>) -> KStream<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        let consumed = Consumed::with(K::default_serde(), V::default_serde());
        self.stream_with(topics, consumed)
    }

    /// A stream of the records of a topic, of several, or of all that match.
    pub fn stream_with<K, V>(
        &self,
        topics: impl Into<Topics>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        let name = graph.name_or(consumed.name.as_deref(), "KSTREAM-SOURCE-");
        let (own, topics) = (Arc::<str>::from(name.as_str()), topics.into());
        let (source, serdes) = consumed.into_source(topics.clone());
        let (written, policy) = (serdes.clone(), source.offset_reset);
        let node = GraphNode::stream_source::<(K, V)>(name, topics, policy, move |writer| {
            writer.topology().add_source_node(&own, source, written);
        });
        let node = graph.add(&[ROOT], node);
        let sources = SourceNodes::from([Arc::clone(graph.name(node))]);
        drop(graph);
        KStream::new(self.clone(), node, Rc::new(sources), false)
            .with_serdes(Some(serdes.0), Some(serdes.1))
    }

    /// A table of the latest value of each key of `topic`.
    pub fn table<K, V>(
        &self,
        topic: impl AsRef<str>,
        materialized: Materialized<K, V>,
    ) -> KTable<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        let consumed = Consumed::with(K::default_serde(), V::default_serde());
        self.table_with(topic, consumed, materialized)
    }

    /// A table of the latest value of each key of `topic`. It is kept in a store if `materialized`
    /// names one, or an operator needs it.
    pub fn table_with<K, V>(
        &self,
        topic: impl AsRef<str>,
        consumed: Consumed<K, V>,
        materialized: Materialized<K, V>,
    ) -> KTable<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        // Java draws the store's name first, then the source's, then the table's.
        let store = graph.store_name(&materialized, &format!("{}-", topic.as_ref()));
        let given = consumed.name.as_deref();
        let given_source = given.map(|name| format!("{name}-source"));
        let source = graph.name_or(given_source.as_deref(), "KSTREAM-SOURCE-");
        let name = graph.name_or(given, "KTABLE-SOURCE-");
        let topic: Arc<str> = Arc::from(topic.as_ref());
        let keys = materialized.key_serde(&consumed.keys);
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| Arc::clone(&consumed.values));
        let rows = source_rows(
            &store,
            (&keys, &values),
            &materialized,
            Some(Arc::clone(&topic)),
        );
        let (own, source_name) = (Arc::<str>::from(name.as_str()), source.clone());
        let (supplied, supplied_keys) = (Arc::clone(&store), Arc::clone(&keys));
        let (nullable, serdes) = consumed.nullable().into_source((&*topic).into());
        let node = GraphNode::new(name, move |writer| {
            let topology = writer.topology();
            let parent = topology.add_source_node(&source_name, nullable, serdes);
            writer.add_processor::<K, Option<V>, K, _, _>(&own, &[parent], move || {
                TableSource::<K, V>::new(Arc::clone(&supplied), Arc::clone(&supplied_keys))
            });
        });
        let node = node
            .with_rows(rows)
            .with_output_versioned(materialized.is_versioned());
        let node = graph.add(&[ROOT], node);
        drop(graph);
        let sources = SourceNodes::from([Arc::from(source)]);
        let view = StoreView::on_demand(node, store);
        KTable::new(
            self.clone(),
            node,
            Rc::new(sources),
            (keys, Some(values)),
            view,
        )
    }

    /// Adds a store for processors that name it (Java: `addStateStore`).
    pub fn add_state_store(&self, builder: impl StoreBuilder + 'static) -> &Self {
        let builder: Arc<dyn StoreBuilder> = Arc::new(builder);
        let name = builder.name().to_owned();
        let node = GraphNode::new(name, move |writer| writer.topology().add_store(builder));
        self.graph.borrow_mut().add(&[ROOT], node);
        self
    }

    /// Adds a global store: `supplier`'s processor fills it from all partitions of `topic`, before
    /// any task begins and ever after, and every processor may read it under its name (Java:
    /// `addGlobalStore`). The records have their own timestamps, whatever `consumed` says.
    pub fn add_global_store<K: Clone + 'static, V: Clone + 'static>(
        &self,
        builder: impl StoreBuilder + 'static,
        topic: impl AsRef<str>,
        consumed: Consumed<K, V>,
        supplier: impl ProcessorSupplier<K, V, (), ()> + 'static,
    ) -> &Self {
        let factory: NodeFactory =
            Arc::new(move |_| ProcessorNode::<_, (), ()>::erased::<K, V>(supplier.processor()));
        self.add_global_nodes(Arc::new(builder), topic.as_ref(), consumed, factory);
        self
    }

    /// Adds a global store with the nodes that fill it; gives the name of the processor.
    pub(super) fn add_global_nodes<K: Clone + 'static, V: Clone + 'static>(
        &self,
        builder: Arc<dyn StoreBuilder>,
        topic: &str,
        consumed: Consumed<K, V>,
        factory: NodeFactory,
    ) -> Arc<str> {
        let mut graph = self.graph.borrow_mut();
        let given = consumed.name.as_deref();
        let given_source = given.map(|name| format!("{name}-source"));
        let source = graph.name_or(given_source.as_deref(), "KSTREAM-SOURCE-");
        let name: Arc<str> = graph.name_or(given, "KTABLE-SOURCE-").into();
        let (topic, own) = (topic.to_owned(), Arc::clone(&name));
        let serdes = (consumed.keys, consumed.values);
        let node = GraphNode::new(Arc::clone(&name), move |writer| {
            let topology = writer.topology();
            topology.add_global_nodes(builder, &source, &topic, serdes, &own, factory);
        });
        graph.add(&[ROOT], node);
        name
    }

    /// The finished topology, without optimisations. A builder is built once.
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub fn build(&self) -> Result<Topology, TopologyError> {
        self.build_as(TopologyOptimization::default(), Naming::Any)
    }

    /// The finished topology with the optimisations of `config` (Java: `build(Properties)`), and
    /// with names for all stores and internal topics if it asks for them. A builder is built once.
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub fn build_with(&self, config: &StreamsConfig) -> Result<Topology, TopologyError> {
        let naming = match config.ensure_explicit_internal_resource_naming() {
            true => Naming::Explicit,
            false => Naming::Any,
        };
        self.build_as(config.topology_optimization(), naming)
    }

    fn build_as(
        &self,
        optimization: TopologyOptimization,
        naming: Naming,
    ) -> Result<Topology, TopologyError> {
        let graph = self.graph.replace(StreamsGraph::finished());
        graph.build(optimization, naming)
    }
}

/// The rows of a table of a topic or a stream: kept in a store if `materialized` names one.
pub(super) fn source_rows<K: 'static, V: 'static>(
    store: &Arc<str>,
    (keys, values): (&SerdeRef<K>, &SerdeRef<V>),
    materialized: &Materialized<K, V>,
    topic: Option<Arc<str>>,
) -> Rows {
    let (name, serdes) = (Arc::clone(store), (Arc::clone(keys), Arc::clone(values)));
    let is_materialized = materialized.name.is_some();
    let materialized = materialized.clone();
    Rows::Source {
        store: Rc::new(move |is_logged| {
            let mut materialized = materialized.clone();
            materialized.logging = materialized.logging.filter(|_| is_logged);
            store_builder(Arc::clone(&name), serdes.clone(), &materialized)
        }),
        topic,
        is_materialized,
    }
}
