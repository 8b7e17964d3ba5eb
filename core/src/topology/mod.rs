//! Topologies: nodes, stores and how they hang together; names, sub-topologies, describe text.

mod builder;
mod describe;
mod endpoints;
pub(crate) mod java_order;
mod java_tree;
mod subtopology;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::config::StreamsConfig;
use crate::processor::{ErasedNode, ProcessorWrapper};
use crate::state::{CacheBudget, StoreBuilder};
use crate::types::{AutoOffsetReset, TopicName};

pub use builder::TopologyBuilder;
pub use describe::TopologyDescription;
pub use endpoints::{Sink, Source, TopicPattern, Topics};
pub(crate) use endpoints::{SinkTarget, TopicsKind};

pub use subtopology::{InternalTopic, Subtopology, topology_message};

/// A topology that cannot be built, and what to change (Java: `TopologyException`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyError {
    /// Two nodes or two stores have the same name.
    DuplicateName(String),
    /// A name that cannot be part of a topic name.
    IllegalName(String),
    /// Two sources read the same topic.
    TopicRegisteredTwice(String),
    /// A source without a topic.
    NoTopics(String),
    /// A topic pattern that is not a regular expression.
    IllegalPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// A pattern matches a topic that another source names.
    PatternOverlaps {
        /// The pattern.
        pattern: String,
        /// The topic.
        topic: String,
    },
    /// A processor names a store that was never added.
    UnknownStore {
        /// The processor.
        processor: String,
        /// The store.
        store: String,
    },
    /// A processor names a global store, which all may read as it is.
    GlobalStoreConnected {
        /// The processor.
        processor: String,
        /// The store.
        store: String,
    },
    /// A node that was never added is named as a parent or as the user of a store.
    UnknownNode(String),
    /// A sink is named as a parent.
    SinkAsParent(String),
    /// A processor or sink without a parent.
    NoParent(String),
    /// A parent forwards records of other types than its child takes.
    TypeMismatch {
        /// The parent.
        parent: String,
        /// The key and value types it forwards.
        forwards: &'static str,
        /// The child.
        child: String,
        /// The key and value types it takes.
        takes: &'static str,
    },
    /// Two streams read topics of which only some are the same.
    OverlappingSources(String),
    /// Two streams of the same topics have different types.
    SourceTypesDiffer {
        /// The source of one.
        source: String,
        /// Its key and value types.
        types: &'static str,
        /// Those of the other.
        others: &'static str,
    },
    /// Two streams of the same topics begin them by different policies.
    OffsetResetsDiffer {
        /// The source of one.
        first: String,
        /// The source of the other.
        second: String,
    },
    /// An operator that needs windows is used on what is not grouped by any.
    NotWindowed(String),
    /// A table is suppressed whose rows are versioned.
    SuppressedVersioned(String),
    /// A global table with a versioned store of this name.
    VersionedGlobalTable(String),
    /// A join that is told what does not go together.
    InvalidJoin {
        /// The node of the join.
        join: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Topics that must have equally many partitions are declared with different numbers.
    NotCopartitioned(String),
    /// Stores and internal topics with generated names, where
    /// `ensure.explicit.internal.resource.naming` asks for names (KIP-1111).
    UnnamedResources {
        /// The stores; those that are logged name a changelog topic too.
        stores: Vec<String>,
        /// The topics that records are moved through, without the application id.
        topics: Vec<String>,
    },
    /// A stream or table of another builder, or of this one before it was built.
    OtherBuilder,
    /// A repartition topic that is to have no partitions.
    NoPartitions(String),
    /// Windows that cannot be, or results of windows that never come.
    InvalidWindows(String),
    /// A store whose settings do not go together.
    InvalidStore(String),
    /// A topology without any source.
    Empty,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName(name) => {
                write!(
                    f,
                    "{name} is there already: give one of the two another name"
                )
            }
            Self::IllegalName(name) => write!(
                f,
                "{name:?} cannot be a name: use up to 249 letters, digits, '.', '_' and '-'"
            ),
            Self::TopicRegisteredTwice(topic) => {
                write!(
                    f,
                    "topic {topic} has a source already: use that stream twice instead"
                )
            }
            Self::NoTopics(name) => write!(f, "source {name} has no topic: name at least one"),
            Self::OtherBuilder => f.write_str(
                "a stream or table is used that comes from another StreamsBuilder, or from this \
                 one before its topology was built: make all of a topology with one builder, and build \
                 it once",
            ),
            Self::NoPartitions(topic) => {
                write!(f, "repartition topic {topic}: give it at least 1 partition")
            }
            Self::IllegalPattern { pattern, message } => {
                write!(f, "{pattern:?} is not a regular expression: {message}")
            }
            Self::PatternOverlaps { pattern, topic } => write!(
                f,
                "pattern {pattern:?} matches topic {topic}, which another source names: give the \
                 topic to one of the two"
            ),
            Self::UnknownStore { processor, store } => {
                write!(
                    f,
                    "processor {processor} names store {store}, which was not added"
                )
            }
            Self::GlobalStoreConnected { processor, store } => write!(
                f,
                "processor {processor} names the global store {store}: leave it out, every \
                 processor may read it"
            ),
            Self::UnknownNode(name) => {
                write!(
                    f,
                    "node {name} was not added: add parents before their children"
                )
            }
            Self::SourceTypesDiffer {
                source,
                types,
                others,
            } => write!(
                f,
                "the topics of source {source} are read as {types} and once more as {others}: read \
                 them once and use that stream twice"
            ),
            Self::SinkAsParent(name) => write!(
                f,
                "sink {name} cannot be a parent: it forwards nothing, name the parent of the sink"
            ),
            Self::NoParent(name) => write!(f, "node {name} has no parent"),
            Self::TypeMismatch {
                parent,
                forwards,
                child,
                takes,
            } => write!(
                f,
                "node {parent} forwards {forwards} and its child {child} takes {takes}"
            ),
            Self::OverlappingSources(topic) => write!(
                f,
                "topic {topic} is read by two streams whose other topics differ: give both the \
                 same topics, or one topic each"
            ),
            Self::OffsetResetsDiffer { first, second } => write!(
                f,
                "sources {first} and {second} read the same topics with different offset reset \
                 policies: give both the same one"
            ),
            Self::NotWindowed(node) => write!(
                f,
                "{node} waits for windows to close, and no operator above it has windows: group \
                 by windows first"
            ),
            Self::SuppressedVersioned(node) => write!(
                f,
                "{node} suppresses a table with a versioned store, or one made from it: keep the \
                 table in a store without versions"
            ),
            Self::VersionedGlobalTable(store) => write!(
                f,
                "store {store} of a global table cannot be versioned: name one that is not"
            ),
            Self::InvalidJoin { join, message } => write!(f, "join {join}: {message}"),
            Self::NotCopartitioned(topics) => write!(
                f,
                "topics that are joined or grouped together need equally many partitions, and are \
                 declared with {topics}"
            ),
            Self::UnnamedResources { stores, topics } => {
                let listed = [("stores", stores), ("repartition topics", topics)];
                let listed = listed.into_iter().filter(|(_, names)| !names.is_empty());
                let listed = listed.map(|(what, names)| format!("{what} {}", names.join(", ")));
                write!(
                    f,
                    "ensure.explicit.internal.resource.naming is set, and these names are \
                     generated: {}: name the operators' Materialized, Grouped, StreamJoined, Joined, \
                     TableJoined, Repartitioned or Suppressed",
                    listed.collect::<Vec<_>>().join("; ")
                )
            }
            Self::InvalidWindows(message) | Self::InvalidStore(message) => f.write_str(message),
            Self::Empty => f.write_str("the topology has no source: begin with a stream or table"),
        }
    }
}

impl std::error::Error for TopologyError {}

/// A topic as a node names it: internal ones get the application id as their prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicRef {
    pub(crate) name: Arc<str>,
    pub(crate) internal: bool,
}

impl TopicRef {
    /// A topic of the user's.
    pub(crate) fn external(topic: &str) -> Self {
        Self {
            name: Arc::from(topic),
            internal: false,
        }
    }

    pub(crate) fn resolve(&self, application_id: &str) -> TopicName {
        if self.internal {
            TopicName::from(format!("{application_id}-{}", self.name))
        } else {
            TopicName::new(&*self.name)
        }
    }
}

/// Makes a node for a task: given the application id and the topic, if the node is a sink.
pub(crate) type NodeFactory = Arc<dyn Fn(Option<TopicName>) -> Box<dyn ErasedNode> + Send + Sync>;

pub(crate) enum NodeKind {
    Source(Vec<TopicRef>),
    /// Reads every topic that matches.
    PatternSource(TopicPattern),
    Processor,
    Sink(TopicRef),
    /// Chooses a topic for each record; what describes how.
    DynamicSink(String),
}

impl NodeKind {
    pub(crate) const fn is_source(&self) -> bool {
        matches!(self, Self::Source(_) | Self::PatternSource(_))
    }

    pub(crate) const fn is_sink(&self) -> bool {
        matches!(self, Self::Sink(_) | Self::DynamicSink(_))
    }
}

pub(crate) struct NodeDefinition {
    pub(crate) name: Arc<str>,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) stores: Vec<usize>,
    /// A child wants to know what a table's rows were before.
    pub(crate) send_old_values: bool,
    /// Where a source begins without a committed offset, if not by `auto.offset.reset`.
    pub(crate) offset_reset: Option<AutoOffsetReset>,
    /// A source that fills a global store.
    is_global: bool,
    factory: NodeFactory,
}

impl NodeDefinition {
    pub(crate) fn source_topics(&self, application_id: &str) -> Vec<TopicName> {
        match &self.kind {
            NodeKind::Source(topics) => topics.iter().map(|t| t.resolve(application_id)).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) const fn source_pattern(&self) -> Option<&TopicPattern> {
        match &self.kind {
            NodeKind::PatternSource(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// Where a sink writes, unless it chooses a topic for each record.
    pub(crate) fn sink_topic(&self, application_id: &str) -> Option<TopicName> {
        match &self.kind {
            NodeKind::Sink(topic) => Some(topic.resolve(application_id)),
            _ => None,
        }
    }

    fn instantiate(&self, application_id: &str) -> Box<dyn ErasedNode> {
        (self.factory)(self.sink_topic(application_id))
    }

    fn fills_global_store(&self, stores: &[StoreDefinition]) -> bool {
        self.stores.iter().any(|&store| stores[store].is_global)
    }

    /// True for a node that a [`ProcessorWrapper`] is asked about.
    fn is_wrapped(&self, stores: &[StoreDefinition]) -> bool {
        matches!(self.kind, NodeKind::Processor) && !self.fills_global_store(stores)
    }
}

pub(crate) struct StoreDefinition {
    pub(crate) name: Arc<str>,
    pub(crate) builder: Arc<dyn StoreBuilder>,
    /// The topic of the user's that it is restored from instead of a changelog.
    source_topic: Option<Arc<str>>,
    /// It is filled from a whole topic by a sub-topology of its own, and read by all others.
    is_global: bool,
}

impl StoreDefinition {
    /// True when its changelog is a topic of the user's, which nothing is written to.
    pub(crate) const fn is_read_only(&self) -> bool {
        self.source_topic.is_some()
    }

    /// `<application.id>-<store>-changelog`, where the store is logged, or the topic that it is
    /// restored from.
    pub(crate) fn changelog_topic(&self, application_id: &str) -> Option<TopicName> {
        if let Some(topic) = &self.source_topic {
            return Some(TopicName::new(&**topic));
        }
        let logged = self.builder.is_logged();
        logged.then(|| TopicName::from(format!("{application_id}-{}-changelog", self.name)))
    }
}

/// What an application computes: built once, shared by all threads, never changed (Java:
/// `Topology`).
pub struct Topology {
    nodes: Vec<NodeDefinition>,
    stores: Vec<StoreDefinition>,
    /// Sub-topology of each node.
    groups: Vec<i32>,
    /// Sources whose topics must have equally many partitions, in the order they were declared.
    copartition_groups: Vec<Vec<usize>>,
    /// Of internal topics that are declared with a number of them.
    partitions: BTreeMap<Arc<str>, i32>,
    wrapper: Option<Arc<dyn ProcessorWrapper>>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.describe())
    }
}

impl Topology {
    /// What it consists of; its `Display` is Java's text (`Topology#describe`).
    pub fn describe(&self) -> TopologyDescription {
        describe::describe(self)
    }

    /// Nodes of the given sub-topologies, in the order they were added (parents first).
    pub(crate) fn nodes_of(&self, subtopologies: &[i32]) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|&node| subtopologies.contains(&self.groups[node]))
            .collect()
    }

    /// The sub-topologies that fill global stores: they make no tasks.
    pub(crate) fn global_subtopologies(&self) -> Vec<i32> {
        let sources = self.nodes.iter().zip(&self.groups);
        let global = sources.filter(|(node, _)| node.is_global);
        let mut groups: Vec<i32> = global.map(|(_, group)| *group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The topics that global stores are filled from.
    pub fn global_topics(&self) -> Vec<TopicName> {
        let global = self.nodes.iter().filter(|node| node.is_global);
        let topics = global.flat_map(|node| match &node.kind {
            NodeKind::Source(topics) => topics.as_slice(),
            _ => &[],
        });
        topics.map(|topic| TopicName::new(&*topic.name)).collect()
    }

    pub(crate) fn fills_global_store(&self, node: &NodeDefinition) -> bool {
        node.fills_global_store(&self.stores)
    }

    pub(crate) fn global_stores(&self) -> impl Iterator<Item = &StoreDefinition> {
        self.stores.iter().filter(|store| store.is_global)
    }

    /// True when a store, as `config` has it, keeps its rows in the storage of its task.
    pub fn has_persistent_stores(&self, config: &StreamsConfig) -> bool {
        let budget = CacheBudget::new(0);
        let mut stores = self.stores.iter().filter(|store| !store.is_global);
        stores.any(|store| {
            let store = match store.builder.configured(config) {
                Some(configured) => configured.build(&budget),
                None => store.builder.build(&budget),
            };
            store.is_persistent()
        })
    }

    /// Stores but global ones connected to any of `nodes`, in the order in which Java flushes them:
    /// that of the nodes, and of the names in a `HashSet` for each.
    pub(crate) fn stores_of(&self, nodes: &[usize]) -> Vec<usize> {
        let mut found = Vec::new();
        for &node in nodes {
            let stores = &self.nodes[node].stores;
            let names: Vec<&str> = stores.iter().map(|&id| &*self.stores[id].name).collect();
            for at in java_order::string_order(&names) {
                if !found.contains(&stores[at]) && !self.stores[stores[at]].is_global {
                    found.push(stores[at]);
                }
            }
        }
        found
    }

    pub(crate) fn nodes(&self) -> &[NodeDefinition] {
        &self.nodes
    }

    pub(crate) fn stores(&self) -> &[StoreDefinition] {
        &self.stores
    }

    pub(crate) fn node(&self, node: usize) -> &NodeDefinition {
        &self.nodes[node]
    }

    /// The node for a task, with what the wrapper puts around it.
    pub(crate) fn instantiate(&self, node: usize, application_id: &str) -> Box<dyn ErasedNode> {
        let definition = &self.nodes[node];
        let node = definition.instantiate(application_id);
        let wrapper = self.wrapper.as_ref();
        let wrapper = wrapper.filter(|_| definition.is_wrapped(&self.stores));
        match wrapper.and_then(|wrapper| wrapper.wrap(&definition.name)) {
            Some(around) => node.wrapped(around),
            None => node,
        }
    }

    pub(crate) fn store(&self, store: usize) -> &StoreDefinition {
        &self.stores[store]
    }

    /// True when it has a store of this name.
    pub fn has_store(&self, name: &str) -> bool {
        self.stores.iter().any(|store| &*store.name == name)
    }

    /// True when it has a global store of this name.
    pub fn has_global_store(&self, name: &str) -> bool {
        self.global_stores().any(|store| &*store.name == name)
    }

    /// How many sub-topologies there are; their numbers begin at zero.
    pub fn subtopology_count(&self) -> i32 {
        self.groups.iter().max().map_or(0, |last| last + 1)
    }
}
