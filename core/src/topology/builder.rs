//! Building a topology node by node (Java: `InternalTopologyBuilder`).

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::endpoints::{Sink, SinkTarget, Source, TopicPattern, TopicsKind};
use super::{
    NodeDefinition, NodeFactory, NodeKind, StoreDefinition, TopicRef, Topology, TopologyError,
};
use crate::processor::{
    ProcessorNode, ProcessorSupplier, ProcessorWrapper, SinkNode, SinkOptions, SinkTopic,
    SourceNode, SourceOptions,
};
use crate::serde::SerdeRef;
use crate::state::StoreBuilder;
use crate::types::AutoOffsetReset;

/// Collects nodes and stores, for processors without the DSL (Java: `Topology#addSource` and the
/// like); the first mistake is kept until [`TopologyBuilder::build`].
///
/// ```
/// use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::topology::TopologyBuilder;
///
/// struct Shout;
///
/// impl Processor<Option<String>, String, Option<String>, String> for Shout {
///     fn process(
///         &mut self,
///         context: &mut ProcessorContext<'_, Option<String>, String>,
///         record: Record<Option<String>, String>,
///     ) -> Result<(), ProcessorError> {
///         let loud = record.value.to_uppercase();
///         context.forward(record.with_value(loud))
///     }
/// }
///
/// let serdes = || (Option::<String>::default_serde(), String::default_serde());
/// let mut builder = TopologyBuilder::new();
/// builder
///     .add_source("words", &["in"], serdes())
///     .add_processor("shout", || Shout, &["words"])
///     .add_sink("loud", "out", serdes(), &["shout"]);
/// assert!(builder.build().is_ok());
/// ```
#[derive(Default)]
pub struct TopologyBuilder {
    nodes: Vec<NodeDefinition>,
    stores: Vec<StoreDefinition>,
    /// What nodes added by name forward; the DSL has the compiler check it.
    outputs: BTreeMap<usize, RecordType>,
    copartition_groups: Vec<Vec<usize>>,
    /// Of internal topics that are declared with a number of them.
    partitions: BTreeMap<Arc<str>, i32>,
    wrapper: Option<Arc<dyn ProcessorWrapper>>,
    error: Option<TopologyError>,
}

/// The key and value types of a record.
#[derive(Clone, Copy, PartialEq)]
struct RecordType {
    id: TypeId,
    name: &'static str,
}

impl RecordType {
    fn of<K: 'static, V: 'static>() -> Self {
        Self {
            id: TypeId::of::<(K, V)>(),
            name: std::any::type_name::<(K, V)>(),
        }
    }
}

impl TopologyBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `wrapper` put code around every processor (KIP-1112).
    #[must_use]
    pub fn with_processor_wrapper(mut self, wrapper: impl ProcessorWrapper + 'static) -> Self {
        self.wrapper = Some(Arc::new(wrapper));
        self
    }

    pub(crate) fn set_wrapper(&mut self, wrapper: Option<Arc<dyn ProcessorWrapper>>) {
        self.wrapper = wrapper;
    }

    /// Adds a source with the serdes of keys and values. `source` is the name of a topic, several
    /// of them, or a [`Source`] that says more.
    pub fn add_source<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: &str,
        source: impl Into<Source<K, V>>,
        serdes: (SerdeRef<K>, SerdeRef<V>),
    ) -> &mut Self {
        let node = self.add_source_node(name, source.into(), serdes);
        self.outputs.insert(node, RecordType::of::<K, V>());
        self
    }

    /// Adds a source and gives its index.
    pub(crate) fn add_source_node<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: &str,
        source: Source<K, V>,
        (keys, values): (SerdeRef<K>, SerdeRef<V>),
    ) -> usize {
        let kind = match source.topics.0 {
            TopicsKind::Named(topics) => NodeKind::Source(topics),
            TopicsKind::Pattern(pattern) => match TopicPattern::new(&pattern) {
                Ok(pattern) => NodeKind::PatternSource(pattern),
                Err(message) => {
                    self.fail(TopologyError::IllegalPattern { pattern, message });
                    NodeKind::Processor
                }
            },
        };
        let factory = SourceNode::factory(SourceOptions {
            keys,
            values,
            extractor: source.extractor,
        });
        let node = self.add_node(name, kind, &[], factory);
        self.nodes[node].offset_reset = source.offset_reset;
        node
    }

    /// Adds a processor below `parents`, which forward what it takes.
    pub fn add_processor<KIn, VIn, KOut, VOut>(
        &mut self,
        name: &str,
        supplier: impl ProcessorSupplier<KIn, VIn, KOut, VOut> + 'static,
        parents: &[&str],
    ) -> &mut Self
    where
        KIn: 'static,
        VIn: 'static,
        KOut: 'static,
        VOut: 'static,
    {
        let parents = self.parents(name, RecordType::of::<KIn, VIn>(), parents);
        let factory: NodeFactory = Arc::new(move |_| {
            ProcessorNode::<_, KOut, VOut>::erased::<KIn, VIn>(supplier.processor())
        });
        let node = self.add_node(name, NodeKind::Processor, &parents, factory);
        self.outputs.insert(node, RecordType::of::<KOut, VOut>());
        self
    }

    /// Adds a sink below `parents` with the serdes of keys and values. `sink` is the name of a
    /// topic, or a [`Sink`] that says more.
    pub fn add_sink<K: 'static, V: 'static>(
        &mut self,
        name: &str,
        sink: impl Into<Sink<K, V>>,
        serdes: (SerdeRef<K>, SerdeRef<V>),
        parents: &[&str],
    ) -> &mut Self {
        let parents = self.parents(name, RecordType::of::<K, V>(), parents);
        self.add_sink_node(name, sink.into(), serdes, &parents);
        self
    }

    /// Adds a sink and gives its index.
    pub(crate) fn add_sink_node<K: 'static, V: 'static>(
        &mut self,
        name: &str,
        sink: Sink<K, V>,
        (keys, values): (SerdeRef<K>, SerdeRef<V>),
        parents: &[usize],
    ) -> usize {
        let (kind, topic) = match sink.target {
            SinkTarget::Topic(topic) => (NodeKind::Sink(topic), SinkTopic::Fixed),
            SinkTarget::Extracted(extractor) => {
                let kind = NodeKind::DynamicSink(extractor.description());
                (kind, SinkTopic::Extracted(extractor))
            }
        };
        let factory = SinkNode::factory(SinkOptions {
            topic,
            partitioner: sink.partitioner,
            ..SinkOptions::new(keys, values)
        });
        self.add_node(name, kind, parents, factory)
    }

    /// Adds a store and lets `processors`, which were added before, use it.
    pub fn add_state_store(
        &mut self,
        builder: impl StoreBuilder + 'static,
        processors: &[&str],
    ) -> &mut Self {
        let store = builder.name().to_owned();
        self.add_store(Arc::new(builder));
        self.connect_processors(&store, processors)
    }

    /// Adds a global store: `supplier`'s processor fills it from all partitions of `topic`, before
    /// any task begins and ever after, and every processor may read it under its name (Java:
    /// `addGlobalStore`). The records have their own timestamps.
    ///
    /// Each stream thread has the whole store, in memory.
    pub fn add_global_store<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        builder: impl StoreBuilder + 'static,
        source: &str,
        topic: &str,
        serdes: (SerdeRef<K>, SerdeRef<V>),
        processor: &str,
        supplier: impl ProcessorSupplier<K, V, (), ()> + 'static,
    ) -> &mut Self {
        let factory: NodeFactory =
            Arc::new(move |_| ProcessorNode::<_, (), ()>::erased::<K, V>(supplier.processor()));
        self.add_global_nodes(Arc::new(builder), source, topic, serdes, processor, factory);
        self
    }

    /// Adds a global store with the nodes that fill it.
    pub(crate) fn add_global_nodes<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        builder: Arc<dyn StoreBuilder>,
        source: &str,
        topic: &str,
        serdes: (SerdeRef<K>, SerdeRef<V>),
        processor: &str,
        factory: NodeFactory,
    ) {
        let store = builder.name().to_owned();
        let node = self.add_source_node(source, Source::new(topic), serdes);
        self.nodes[node].is_global = true;
        let node = self.add_node(processor, NodeKind::Processor, &[node], factory);
        self.add_store(builder);
        self.connect(node, &store);
        self.restore_from(&store, &Arc::from(topic));
        if let Some(store) = self.stores.iter_mut().find(|known| *known.name == *store) {
            store.is_global = true;
        }
    }

    /// Adds a store that is filled by `supplier`'s processor from `topic`, which also is what it is
    /// restored from: there is no changelog (KIP-813; Java: `addReadOnlyStateStore`). Other
    /// processors may be connected to it, to read.
    pub fn add_read_only_state_store<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        builder: impl StoreBuilder + 'static,
        source: &str,
        topic: &str,
        serdes: (SerdeRef<K>, SerdeRef<V>),
        processor: &str,
        supplier: impl ProcessorSupplier<K, V, (), ()> + 'static,
    ) -> &mut Self {
        let store = builder.name().to_owned();
        let earliest = Source::new(topic).with_offset_reset_policy(AutoOffsetReset::Earliest);
        self.add_source(source, earliest, serdes)
            .add_processor::<K, V, (), ()>(processor, supplier, &[source])
            .add_state_store(builder, &[processor]);
        self.restore_from(&store, &Arc::from(topic));
        self
    }

    /// Lets `processors` use a store (Java: `connectProcessorAndStateStores`).
    pub fn connect_processors(&mut self, store: &str, processors: &[&str]) -> &mut Self {
        for processor in processors {
            match self.find(processor) {
                Some(node) => self.connect(node, store),
                None => self.fail(TopologyError::UnknownNode((*processor).to_owned())),
            }
        }
        self
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| &*node.name == name)
    }

    fn parents(&mut self, child: &str, takes: RecordType, parents: &[&str]) -> Vec<usize> {
        if parents.is_empty() {
            self.fail(TopologyError::NoParent(child.to_owned()));
        }
        let mut found = Vec::with_capacity(parents.len());
        for parent in parents {
            let Some(node) = self.find(parent) else {
                self.fail(TopologyError::UnknownNode((*parent).to_owned()));
                continue;
            };
            match self.outputs.get(&node).copied() {
                Some(forwards) if forwards == takes => found.push(node),
                Some(forwards) => self.fail(TopologyError::TypeMismatch {
                    parent: (*parent).to_owned(),
                    forwards: forwards.name,
                    child: child.to_owned(),
                    takes: takes.name,
                }),
                None => self.fail(TopologyError::SinkAsParent((*parent).to_owned())),
            }
        }
        found
    }
}

impl TopologyBuilder {
    /// Notes a mistake, to be told when the topology is built.
    pub(crate) fn fail(&mut self, error: TopologyError) {
        self.error.get_or_insert(error);
    }

    /// How long the store called `store` knows replaced versions, if it is there and versioned.
    pub(crate) fn history_retention_ms(&self, store: &str) -> Option<i64> {
        let known = self.stores.iter().find(|known| &*known.name == store);
        known?.builder.history_retention_ms()
    }

    fn check_name(&mut self, name: &str) {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty()
            || name.len() > 249
            || matches!(name, "." | "..")
            || !name.chars().all(legal)
        {
            self.fail(TopologyError::IllegalName(name.to_owned()));
        }
    }

    /// Topics have legal names, and one source each.
    fn check_topics(&mut self, node: &str, kind: &NodeKind) {
        match kind {
            NodeKind::Source(topics) if topics.is_empty() => {
                self.fail(TopologyError::NoTopics(node.to_owned()));
            }
            NodeKind::Source(topics) => {
                for (at, topic) in topics.iter().enumerate() {
                    self.check_name(&topic.name);
                    self.check_unread(topic, &topics[..at]);
                }
            }
            NodeKind::PatternSource(pattern) => {
                let named = self.nodes.iter().find_map(|node| match &node.kind {
                    NodeKind::Source(topics) => topics
                        .iter()
                        .find(|topic| !topic.internal && pattern.matches(&topic.name)),
                    _ => None,
                });
                if let Some(topic) = named.map(|topic| topic.name.to_string()) {
                    let pattern = pattern.as_str().to_owned();
                    self.fail(TopologyError::PatternOverlaps { pattern, topic });
                }
            }
            NodeKind::Sink(topic) => self.check_name(&topic.name),
            NodeKind::Processor | NodeKind::DynamicSink(_) => {}
        }
    }

    fn check_unread(&mut self, topic: &TopicRef, same_source: &[TopicRef]) {
        let mut error = None;
        if same_source.contains(topic) {
            error = Some(TopologyError::TopicRegisteredTwice(topic.name.to_string()));
        }
        for node in &self.nodes {
            match &node.kind {
                NodeKind::Source(read) if read.contains(topic) => {
                    error = Some(TopologyError::TopicRegisteredTwice(topic.name.to_string()));
                }
                NodeKind::PatternSource(pattern)
                    if !topic.internal && pattern.matches(&topic.name) =>
                {
                    error = Some(TopologyError::PatternOverlaps {
                        pattern: pattern.as_str().to_owned(),
                        topic: topic.name.to_string(),
                    });
                }
                _ => {}
            }
        }
        if let Some(error) = error {
            self.fail(error);
        }
    }

    /// Adds a node and gives its index. Store names are resolved when the topology is built, so
    /// that stores may be added in any order.
    pub(crate) fn add_node(
        &mut self,
        name: &str,
        kind: NodeKind,
        parents: &[usize],
        factory: NodeFactory,
    ) -> usize {
        self.check_name(name);
        if self.nodes.iter().any(|node| &*node.name == name) {
            self.fail(TopologyError::DuplicateName(format!("processor {name}")));
        }
        self.check_topics(name, &kind);
        let index = self.nodes.len();
        for &parent in parents {
            self.nodes[parent].children.push(index);
        }
        self.nodes.push(NodeDefinition {
            name: Arc::from(name),
            kind,
            parents: parents.to_vec(),
            children: Vec::new(),
            stores: Vec::new(),
            send_old_values: false,
            offset_reset: None,
            is_global: false,
            factory,
        });
        index
    }

    /// A child of `node` wants to know what a table's rows were before.
    pub(crate) fn send_old_values(&mut self, node: usize) {
        self.nodes[node].send_old_values = true;
    }

    /// Adds a store; one that is there already under the same name is a mistake.
    pub(crate) fn add_store(&mut self, builder: Arc<dyn StoreBuilder>) {
        let name: Arc<str> = Arc::from(builder.name());
        self.check_name(&name);
        if self.stores.iter().any(|store| store.name == name) {
            self.fail(TopologyError::DuplicateName(format!("store {name}")));
        }
        self.stores.push(StoreDefinition {
            name,
            builder,
            source_topic: None,
            is_global: false,
        });
    }

    /// Adds a store that may be there already as the same one.
    pub(crate) fn add_store_once(&mut self, builder: Arc<dyn StoreBuilder>) {
        let known = self.stores.iter();
        let mut known = known.filter(|store| Arc::ptr_eq(&store.builder, &builder));
        if known.next().is_none() {
            self.add_store(builder);
        }
    }

    /// The store called `store` has no changelog of its own: it is restored from `topic`, which
    /// its task reads (Java: `connectSourceStoreAndTopic`).
    pub(crate) fn restore_from(&mut self, store: &str, topic: &Arc<str>) {
        if let Some(store) = self.stores.iter_mut().find(|known| &*known.name == store) {
            store.source_topic = Some(Arc::clone(topic));
        }
    }

    /// The node called `name`, if it was added.
    pub(crate) fn written(&self, name: &str) -> Option<usize> {
        self.find(name)
    }

    /// The internal topic called `topic` has this many partitions.
    pub(crate) fn set_partitions(&mut self, topic: &Arc<str>, partitions: i32) {
        self.partitions.insert(Arc::clone(topic), partitions);
    }

    /// The topics of these sources, which come in the order of a Java `HashSet`, must have equally
    /// many partitions (Java: `copartitionSources`).
    pub(crate) fn copartition_sources<'a>(&mut self, sources: impl Iterator<Item = &'a Arc<str>>) {
        let found = sources.filter_map(|name| self.find(name)).collect();
        self.copartition_groups.push(found);
    }

    /// Lets a processor use the store called `store`.
    pub(crate) fn connect(&mut self, node: usize, store: &str) {
        match self.stores.iter().position(|known| &*known.name == store) {
            Some(index) if self.stores[index].is_global => {
                let processor = self.nodes[node].name.to_string();
                self.fail(TopologyError::GlobalStoreConnected {
                    processor,
                    store: store.to_owned(),
                });
            }
            Some(index) => {
                let stores = &mut self.nodes[node].stores;
                if !stores.contains(&index) {
                    stores.push(index);
                }
            }
            None => {
                let processor = self.nodes[node].name.to_string();
                self.fail(TopologyError::UnknownStore {
                    processor,
                    store: store.to_owned(),
                });
            }
        }
    }

    /// The finished topology.
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub fn build(mut self) -> Result<Topology, TopologyError> {
        self.connect_wrapper_stores();
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.nodes.iter().any(|node| node.kind.is_source()) {
            return Err(TopologyError::Empty);
        }
        self.check_copartitioned()?;
        let groups = number_groups(&self.nodes);
        Ok(Topology {
            nodes: self.nodes,
            stores: self.stores,
            groups,
            copartition_groups: self.copartition_groups,
            partitions: self.partitions,
            wrapper: self.wrapper,
        })
    }
}

impl TopologyBuilder {
    /// Gives processors the stores that the wrapper wants for them.
    fn connect_wrapper_stores(&mut self) {
        let Some(wrapper) = self.wrapper.clone() else {
            return;
        };
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_wrapped(&self.stores) {
                continue;
            }
            let name = Arc::clone(&self.nodes[node].name);
            for store in wrapper.stores(&name) {
                let store_name = store.name().to_owned();
                self.add_store_once(store);
                self.connect(node, &store_name);
            }
        }
    }

    /// Topics that must have equally many partitions cannot be declared with different numbers.
    fn check_copartitioned(&self) -> Result<(), TopologyError> {
        for group in &self.copartition_groups {
            let topics = group.iter().flat_map(|&node| match &self.nodes[node].kind {
                NodeKind::Source(topics) => topics.as_slice(),
                _ => &[],
            });
            let declared: Option<BTreeMap<&str, i32>> = topics
                .map(|topic| {
                    let partitions = self.partitions.get(&topic.name)?;
                    Some((&*topic.name, *partitions))
                })
                .collect();
            let Some(declared) = declared else { continue };
            let distinct: BTreeSet<i32> = declared.values().copied().collect();
            if distinct.len() > 1 {
                let topics = declared
                    .iter()
                    .map(|(name, count)| format!("{name}: {count}"));
                let topics: Vec<String> = topics.collect();
                return Err(TopologyError::NotCopartitioned(topics.join(", ")));
            }
        }
        Ok(())
    }
}

/// Numbers sub-topologies as Java does: nodes that are connected, or share a store, belong
/// together; groups are numbered in the order of their first nodes.
fn number_groups(nodes: &[NodeDefinition]) -> Vec<i32> {
    let mut roots: Vec<usize> = (0..nodes.len()).collect();
    fn root(roots: &[usize], mut node: usize) -> usize {
        while roots[node] != node {
            node = roots[node];
        }
        node
    }
    let mut first_user = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let users = node
            .stores
            .iter()
            .map(|store| *first_user.entry(*store).or_insert(index));
        let linked: Vec<usize> = node.parents.iter().copied().chain(users).collect();
        for other in linked {
            let (a, b) = (root(&roots, index), root(&roots, other));
            roots[a.max(b)] = a.min(b);
        }
    }
    let mut numbers = BTreeMap::new();
    for node in 0..nodes.len() {
        let next = numbers.len() as i32;
        numbers.entry(root(&roots, node)).or_insert(next);
    }
    (0..nodes.len())
        .map(|node| numbers[&root(&roots, node)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StreamsConfig;
    use crate::serde::DefaultSerde;
    use crate::topology::{Topics, Topology};
    use crate::types::{RecordContext, TopicName};

    fn serdes() -> (SerdeRef<String>, SerdeRef<i64>) {
        (String::default_serde(), i64::default_serde())
    }

    fn built(build: impl FnOnce(&mut TopologyBuilder)) -> Result<Topology, TopologyError> {
        let mut builder = TopologyBuilder::new();
        build(&mut builder);
        builder.build()
    }

    #[test]
    fn topics_have_one_source() {
        let twice = |topics: [&'static str; 2], other: Topics| {
            built(|b| {
                b.add_source("a", topics, serdes())
                    .add_source("b", other, serdes());
            })
        };
        assert!(twice(["x", "y"], "z".into()).is_ok());
        let registered = TopologyError::TopicRegisteredTwice("y".to_owned());
        assert_eq!(twice(["x", "y"], "y".into()).err(), Some(registered));
        let overlaps = TopologyError::PatternOverlaps {
            pattern: "[xz]".to_owned(),
            topic: "x".to_owned(),
        };
        let pattern = Topics::matching("[xz]");
        assert_eq!(twice(["x", "y"], pattern).err(), Some(overlaps.clone()));
        let pattern_first = built(|b| {
            b.add_source("a", Topics::matching("[xz]"), serdes())
                .add_source("b", ["y", "x"], serdes());
        });
        assert_eq!(pattern_first.err(), Some(overlaps));
        let none = built(|b| {
            b.add_source("a", Vec::<String>::new(), serdes());
        });
        assert_eq!(none.err(), Some(TopologyError::NoTopics("a".to_owned())));
        let illegal = built(|b| {
            b.add_source("a", Topics::matching("("), serdes());
        });
        assert!(matches!(illegal, Err(TopologyError::IllegalPattern { .. })));
    }

    #[test]
    fn patterns_policies_and_chosen_topics_are_described() {
        let topology = built(|b| {
            let latest = Source::new(["x", "y"]).with_offset_reset_policy(AutoOffsetReset::Latest);
            b.add_source("all", Topics::matching("in-.*"), serdes())
                .add_source("late", latest, serdes())
                .add_sink("out", Sink::extracted(ByKey), serdes(), &["all"]);
        });
        let topology = topology.expect("valid");
        let text = topology.describe().to_string();
        assert!(text.contains("Source: all (topics: in-.*)\n"), "{text}");
        assert!(
            text.contains("Sink: out (extractor class: by key)\n"),
            "{text}"
        );
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        let subtopologies = topology.subtopologies(&config);
        assert_eq!(subtopologies[0].source_patterns, ["in-.*"]);
        let latest = ["x", "y"].map(|topic| (TopicName::from(topic), AutoOffsetReset::Latest));
        assert_eq!(subtopologies[1].offset_resets, BTreeMap::from(latest));
    }

    struct ByKey;

    impl crate::processor::TopicNameExtractor<String, i64> for ByKey {
        fn topic(&self, key: &String, _: &i64, _: &RecordContext) -> TopicName {
            TopicName::new(key)
        }
        fn description(&self) -> String {
            "by key".to_owned()
        }
    }
}
