//! The logical graph of the DSL: what operators add, before it is written to a topology.
//!
//! Java's optimisations, and the order in which it adds nodes and stores to a topology, are defined
//! on such a graph (Java: `kstream.internals.graph`), so names, sub-topologies and flush order are
//! Java's only if this has the same nodes. A node knows its neighbours and how to write itself.

mod naming;
mod optimizer;
mod source_nodes;
mod write;

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::TopologyOptimization;
use crate::processor::{Processor, ProcessorWrapper};
use crate::state::{StateError, StoreBuilder};
use crate::topology::{TopicRef, Topics, Topology, TopologyBuilder, TopologyError};
use crate::types::AutoOffsetReset;

pub(in crate::dsl) use self::naming::Naming;
pub(in crate::dsl) use self::source_nodes::SourceNodes;
pub(in crate::dsl) use self::write::Writer;

/// A node's place in the graph.
pub(in crate::dsl) type GraphNodeId = usize;

/// Writes a node to the topology.
type WriteNode = Box<dyn FnOnce(&mut Writer<'_>)>;

/// A node that is not in the graph yet (Java: `GraphNode` and its kin).
pub(in crate::dsl) struct GraphNode {
    name: Arc<str>,
    kind: Kind,
    parents: Vec<GraphNodeId>,
    children: Vec<GraphNodeId>,
    /// Among the nodes whose parents are written, the least one is written first.
    build_priority: u32,
    key_changing: bool,
    value_changing: bool,
    is_merge: bool,
    relaxed_null_keys: bool,
    /// A child wants to know what a table's rows were before.
    send_old_values: bool,
    rows: Option<Rows>,
    /// Whether a table's rows are versioned, where it has rows of its own.
    output_versioned: Option<bool>,
    grace_ms: Option<i64>,
    is_suppress: bool,
    /// Stores that the node brings along.
    stores: Vec<Arc<dyn StoreBuilder>>,
    /// Names of stores of others that it uses.
    connected_stores: Vec<Arc<str>>,
    write: Option<WriteNode>,
    is_written: bool,
}

/// What optimisations tell apart.
enum Kind {
    Root,
    /// A source of a stream, with its topics and types: equal ones are merged.
    StreamSource {
        topics: Topics,
        offset_reset: Option<AutoOffsetReset>,
        types: (TypeId, &'static str),
    },
    /// A repartition topic with the nodes around it.
    Repartition(Repartition),
    /// A join of two streams, with the names of the nodes that fill its windows.
    StreamStreamJoin {
        this_windowed: Arc<str>,
        other_windowed: Arc<str>,
        is_self_join: bool,
    },
    Other,
}

/// A repartition topic and the nodes around it (Java: `BaseRepartitionNode`).
#[derive(Clone)]
struct Repartition {
    topic: Arc<str>,
    /// Java merges only what an operator asked for without being told.
    is_optimizable: bool,
    write: WriteRepartition,
}

/// Writes the nodes around a repartition topic under the names given.
type WriteRepartition = Rc<dyn Fn(&mut Writer<'_>, &RepartitionNames)>;

/// The names of the nodes around a repartition topic.
#[derive(Clone)]
pub(in crate::dsl) struct RepartitionNames {
    /// The topic, without the application id.
    pub(in crate::dsl) topic: Arc<str>,
    pub(in crate::dsl) sink: String,
    pub(in crate::dsl) filter: String,
    pub(in crate::dsl) source: String,
}

impl RepartitionNames {
    /// Draws them for the repartition topic of `prefix` (Java:
    /// `KStreamImpl.createRepartitionedSource`).
    fn draw(graph: &mut StreamsGraph, prefix: &str) -> Self {
        let topic = if prefix.ends_with("-repartition") {
            prefix.to_owned()
        } else {
            format!("{prefix}-repartition")
        };
        // Drawn even where they are not used: later names must be Java's.
        let (sink, filter, source) = (
            graph.new_name("KSTREAM-SINK-"),
            graph.new_name("KSTREAM-FILTER-"),
            graph.new_name("KSTREAM-SOURCE-"),
        );
        let (sink, filter, source) = if is_generated(prefix) {
            (sink, filter, source)
        } else {
            let named = |suffix| format!("{topic}-{suffix}");
            (named("sink"), named("filter"), named("source"))
        };
        Self {
            topic: topic.into(),
            sink,
            filter,
            source,
        }
    }
}

/// Java's `KSTREAM.*-[0-9]{10}`.
fn is_generated(name: &str) -> bool {
    name.starts_with("KSTREAM")
        && name.rsplit_once('-').is_some_and(|(_, digits)| {
            digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Where the rows of a table come from.
pub(in crate::dsl) enum Rows {
    /// It has a store of its own.
    Materialized,
    /// From a topic, kept in a store once someone needs them (Java: `KTableSource`).
    Source {
        /// Makes the store, with a changelog or without.
        store: Rc<dyn Fn(bool) -> Arc<dyn StoreBuilder>>,
        /// The topic, where the table may be restored from it.
        topic: Option<Arc<str>>,
        is_materialized: bool,
    },
    /// From the rows of another table.
    Derived(GraphNodeId),
    /// From the rows of two tables.
    Joined(GraphNodeId, GraphNodeId),
    /// In a store that these nodes share (Java: `KTablePassThrough`).
    Passed(Vec<GraphNodeId>),
}

impl GraphNode {
    /// A node that children call `name`; `write` adds it to the topology.
    pub(in crate::dsl) fn new(
        name: impl Into<Arc<str>>,
        write: impl FnOnce(&mut Writer<'_>) + 'static,
    ) -> Self {
        Self {
            write: Some(Box::new(write)),
            ..Self::of_kind(name.into(), Kind::Other)
        }
    }

    /// A processor that `supply` makes for every task.
    pub(in crate::dsl) fn processor<KIn, VIn, KOut, VOut, P>(
        name: impl Into<Arc<str>>,
        supply: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self
    where
        KIn: 'static,
        VIn: 'static,
        KOut: 'static,
        VOut: 'static,
        P: Processor<KIn, VIn, KOut, VOut> + 'static,
    {
        let name = name.into();
        let own = Arc::clone(&name);
        Self::new(name, move |writer| {
            let parents = writer.parents().to_vec();
            writer.add_processor(&own, &parents, supply);
        })
    }

    fn of_kind(name: Arc<str>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            parents: Vec::new(),
            children: Vec::new(),
            build_priority: 0,
            key_changing: false,
            value_changing: false,
            is_merge: false,
            relaxed_null_keys: false,
            send_old_values: false,
            rows: None,
            output_versioned: None,
            grace_ms: None,
            is_suppress: false,
            stores: Vec::new(),
            connected_stores: Vec::new(),
            write: None,
            is_written: false,
        }
    }

    /// A source of a stream of records of type `T`.
    pub(in crate::dsl) fn stream_source<T: 'static>(
        name: impl Into<Arc<str>>,
        topics: Topics,
        offset_reset: Option<AutoOffsetReset>,
        write: impl FnOnce(&mut Writer<'_>) + 'static,
    ) -> Self {
        let kind = Kind::StreamSource {
            topics,
            offset_reset,
            types: (TypeId::of::<T>(), std::any::type_name::<T>()),
        };
        Self {
            write: Some(Box::new(write)),
            ..Self::of_kind(name.into(), kind)
        }
    }

    /// A join of two streams whose windows are filled by the nodes of these names; `write` asks
    /// [`Writer::is_self_join`].
    pub(in crate::dsl) fn stream_stream_join(
        name: impl Into<Arc<str>>,
        this_windowed: Arc<str>,
        other_windowed: Arc<str>,
        write: impl FnOnce(&mut Writer<'_>) + 'static,
    ) -> Self {
        let kind = Kind::StreamStreamJoin {
            this_windowed,
            other_windowed,
            is_self_join: false,
        };
        Self {
            write: Some(Box::new(write)),
            ..Self::of_kind(name.into(), kind)
        }
    }

    /// Adds stores that belong to the node, which must have written a processor of its own name.
    pub(in crate::dsl) fn with_stores(
        mut self,
        stores: impl IntoIterator<Item = Arc<dyn StoreBuilder>>,
    ) -> Self {
        self.stores.extend(stores);
        self
    }

    /// Lets the node use stores that others bring along.
    pub(in crate::dsl) fn connected_to<S: Into<Arc<str>>>(
        mut self,
        stores: impl IntoIterator<Item = S>,
    ) -> Self {
        self.connected_stores
            .extend(stores.into_iter().map(Into::into));
        self
    }

    /// Records leave under other keys than they came under.
    pub(in crate::dsl) fn key_changing(mut self) -> Self {
        self.key_changing = true;
        self
    }

    /// Records leave with other values than they came with.
    pub(in crate::dsl) fn value_changing(mut self) -> Self {
        self.value_changing = true;
        self
    }

    /// The node passes on what several parents forward.
    pub(in crate::dsl) fn merging(mut self) -> Self {
        self.is_merge = true;
        self
    }

    /// The node is a join that takes null keys (KIP-962): repartition topics above it keep them.
    pub(in crate::dsl) fn with_relaxed_null_keys(mut self) -> Self {
        self.relaxed_null_keys = true;
        self
    }

    /// The node is a table.
    pub(in crate::dsl) fn with_rows(mut self, rows: Rows) -> Self {
        self.rows = Some(rows);
        self
    }

    /// The table has rows of its own, versioned or not (Java: `setOutputVersioned`).
    pub(in crate::dsl) fn with_output_versioned(mut self, is_versioned: bool) -> Self {
        self.output_versioned = Some(is_versioned);
        self
    }

    /// The node groups by windows with this grace (Java: `GracePeriodGraphNode`).
    pub(in crate::dsl) fn with_grace_ms(mut self, grace_ms: i64) -> Self {
        self.grace_ms = Some(grace_ms);
        self
    }

    /// The node holds back changes, which versioned tables do not allow (Java: `TableSuppressNode`).
    pub(in crate::dsl) fn suppressing(mut self) -> Self {
        self.is_suppress = true;
        self
    }
}

/// The graph so far, and the counter that numbers generated names (Java: `InternalStreamsBuilder`).
pub(in crate::dsl) struct StreamsGraph {
    nodes: Vec<GraphNode>,
    index: u32,
    /// Every name that was generated, used or not.
    generated: BTreeSet<String>,
    next_priority: u32,
    /// Nodes that change keys, in order, with the repartition topics that are needed for it alone.
    key_changers: Vec<(GraphNodeId, Vec<GraphNodeId>)>,
    merges: Vec<GraphNodeId>,
    copartition_groups: Vec<SourceNodes>,
    /// The repartition node that was made for a stream, to be used again (Java:
    /// `KStreamImpl.repartitionNode`).
    repartitioned: BTreeMap<GraphNodeId, GraphNodeId>,
    /// Code around every processor.
    pub(in crate::dsl) wrapper: Option<Arc<dyn ProcessorWrapper>>,
    error: Option<TopologyError>,
    is_finished: bool,
}

impl Default for StreamsGraph {
    fn default() -> Self {
        Self {
            nodes: vec![GraphNode::of_kind(Arc::from("root"), Kind::Root)],
            index: 0,
            generated: BTreeSet::new(),
            next_priority: 0,
            key_changers: Vec::new(),
            merges: Vec::new(),
            copartition_groups: Vec::new(),
            repartitioned: BTreeMap::new(),
            wrapper: None,
            error: None,
            is_finished: false,
        }
    }
}

/// Above every source.
pub(in crate::dsl) const ROOT: GraphNodeId = 0;

impl StreamsGraph {
    /// `PREFIX-0000000007` (Java: `newProcessorName`).
    pub(in crate::dsl) fn new_name(&mut self, prefix: &str) -> String {
        let index = self.index;
        self.index += 1;
        let name = format!("{prefix}{index:010}");
        self.generated.insert(name.clone());
        name
    }

    /// Like `new_name`, unless the user gave a name. The number is drawn all the same: later names
    /// must be Java's.
    pub(in crate::dsl) fn name_or(&mut self, given: Option<&str>, prefix: &str) -> String {
        let drawn = self.new_name(prefix);
        given.map_or(drawn, str::to_owned)
    }

    /// The name of a node.
    pub(in crate::dsl) fn name(&self, node: GraphNodeId) -> &Arc<str> {
        &self.nodes[self.known(node)].name
    }

    /// Notes a mistake, to be told when the topology is built.
    pub(in crate::dsl) fn fail(&mut self, error: TopologyError) {
        self.error.get_or_insert(error);
    }

    /// The store that was built; `None` where it cannot be, which is noted as a mistake.
    pub(in crate::dsl) fn store_or_fail(
        &mut self,
        built: Result<Arc<dyn StoreBuilder>, StateError>,
    ) -> Option<Arc<dyn StoreBuilder>> {
        built
            .map_err(|error| self.fail(TopologyError::InvalidStore(error.to_string())))
            .ok()
    }

    /// Adds a node below `parents`.
    pub(in crate::dsl) fn add(&mut self, parents: &[GraphNodeId], node: GraphNode) -> GraphNodeId {
        let parents: Vec<_> = parents.iter().map(|&parent| self.known(parent)).collect();
        let id = self.nodes.len();
        self.nodes.push(node);
        for parent in parents {
            self.link(parent, id);
        }
        self.register(id);
        id
    }

    /// Adds another parent to a node that is there, which makes it younger (Java: `addGraphNode`
    /// with the node of an earlier call).
    pub(in crate::dsl) fn add_again(&mut self, parent: GraphNodeId, node: GraphNodeId) {
        let (parent, node) = (self.known(parent), self.known(node));
        self.link(parent, node);
        self.register(node);
    }

    /// What is left in a builder that was built. Nodes that were there before are not known any
    /// more, and nothing can be made of new ones.
    pub(in crate::dsl) fn finished() -> Self {
        Self {
            is_finished: true,
            error: Some(TopologyError::OtherBuilder),
            ..Self::default()
        }
    }

    /// The same node; for one of a graph that is finished the root.
    const fn known(&self, node: GraphNodeId) -> GraphNodeId {
        if self.is_finished { ROOT } else { node }
    }

    fn register(&mut self, id: GraphNodeId) {
        self.nodes[id].build_priority = self.next_priority;
        self.next_priority += 1;
        let node = &self.nodes[id];
        if node.key_changing {
            self.key_changers.push((id, Vec::new()));
        } else if matches!(&node.kind, Kind::Repartition(topic) if topic.is_optimizable) {
            if let Some(above) = self.key_changing_parent(id)
                && let Some((_, topics)) = self.key_changers.iter_mut().find(|(n, _)| *n == above)
                && !topics.contains(&id)
            {
                topics.push(id);
            }
        } else if node.is_merge {
            self.merges.push(id);
        }
    }

    fn link(&mut self, parent: GraphNodeId, child: GraphNodeId) {
        if parent != child && !self.nodes[parent].children.contains(&child) {
            self.nodes[parent].children.push(child);
            self.nodes[child].parents.push(parent);
        }
    }

    fn unlink(&mut self, parent: GraphNodeId, child: GraphNodeId) {
        self.nodes[parent].children.retain(|&node| node != child);
        self.nodes[child].parents.retain(|&node| node != parent);
    }

    /// The sources of both must have equally many partitions; gives all of them (Java:
    /// `ensureCopartitionWith`).
    pub(in crate::dsl) fn copartition(
        &mut self,
        first: &SourceNodes,
        others: &[&SourceNodes],
    ) -> Rc<SourceNodes> {
        let all = first.with_all(others);
        self.copartition_groups.push(all.copy());
        Rc::new(all)
    }

    /// Lets a table say what its rows were before, and the tables that it is made from. That needs
    /// a store: without `force`, none is added for it and the answer may be no (Java:
    /// `enableSendingOldValues`).
    pub(in crate::dsl) fn send_old_values(&mut self, table: GraphNodeId, force: bool) -> bool {
        let table = self.known(table);
        let sends = match self.nodes[table].rows {
            Some(Rows::Source {
                is_materialized, ..
            }) => force || is_materialized,
            Some(Rows::Derived(parent)) => self.send_old_values(parent, force),
            Some(Rows::Joined(left, right)) => {
                self.send_old_values(left, true);
                self.send_old_values(right, true)
            }
            Some(Rows::Passed(ref nodes)) => {
                for node in nodes.clone() {
                    self.nodes[node].send_old_values = true;
                }
                true
            }
            Some(Rows::Materialized) | None => true,
        };
        if sends {
            self.materialize(table);
            self.nodes[table].send_old_values = true;
        }
        sends
    }

    /// The table says what its rows were before, whoever asked for it.
    pub(in crate::dsl) fn set_sends_old_values(&mut self, table: GraphNodeId) {
        let table = self.known(table);
        self.nodes[table].send_old_values = true;
    }

    /// Gives a table of a topic its store; others have theirs or never will.
    pub(in crate::dsl) fn materialize(&mut self, table: GraphNodeId) {
        let table = self.known(table);
        if let Some(Rows::Source {
            is_materialized, ..
        }) = &mut self.nodes[table].rows
        {
            *is_materialized = true;
        }
    }

    /// True when the rows of a table are known to be versioned or not (Java: `isOutputVersioned`).
    pub(in crate::dsl) fn output_versioned(&self, table: GraphNodeId) -> Option<bool> {
        self.nodes[self.known(table)].output_versioned
    }

    /// The grace of the windows that `node` is grouped by: the longest of its parents' (Java:
    /// `GraphGraceSearchUtil`).
    ///
    /// # Errors
    /// When it is not grouped by windows.
    pub(in crate::dsl) fn grace_ms(&self, node: GraphNodeId) -> Result<i64, TopologyError> {
        let found = self.find_grace_ms(node);
        found.ok_or_else(|| TopologyError::NotWindowed(self.name(node).to_string()))
    }

    fn find_grace_ms(&self, node: GraphNodeId) -> Option<i64> {
        let node = &self.nodes[self.known(node)];
        if node.grace_ms.is_some() {
            return node.grace_ms;
        }
        let graces = node
            .parents
            .iter()
            .map(|&parent| self.find_grace_ms(parent));
        graces.collect::<Option<Vec<i64>>>()?.into_iter().max()
    }

    /// Adds a repartition topic below `parent`, with the nodes around it; `write` is told their
    /// names. `is_optimizable` says that it may be merged with others of the same parent.
    pub(in crate::dsl) fn add_repartition(
        &mut self,
        parent: GraphNodeId,
        names: &RepartitionNames,
        is_optimizable: bool,
        write: impl Fn(&mut Writer<'_>, &RepartitionNames) + 'static,
    ) -> GraphNodeId {
        let repartition = Repartition {
            topic: Arc::clone(&names.topic),
            is_optimizable,
            write: Rc::new(write),
        };
        let node = self.repartition_node(names.clone(), repartition);
        self.add(&[parent], node)
    }

    fn repartition_node(&self, names: RepartitionNames, repartition: Repartition) -> GraphNode {
        let write = Rc::clone(&repartition.write);
        let name = Arc::from(names.source.as_str());
        GraphNode {
            write: Some(Box::new(move |writer| write(writer, &names))),
            ..GraphNode::of_kind(name, Kind::Repartition(repartition))
        }
    }

    /// Draws the names around the repartition topic of `prefix`.
    pub(in crate::dsl) fn repartition_names(&mut self, prefix: &str) -> RepartitionNames {
        RepartitionNames::draw(self, prefix)
    }

    /// The repartition node made for `stream` before.
    pub(in crate::dsl) fn repartitioned(&self, stream: GraphNodeId) -> Option<GraphNodeId> {
        self.repartitioned.get(&stream).copied()
    }

    /// Notes the repartition node of `stream`.
    pub(in crate::dsl) fn set_repartitioned(&mut self, stream: GraphNodeId, node: GraphNodeId) {
        self.repartitioned.insert(stream, node);
    }

    /// Writes everything to a topology (Java: `buildAndOptimizeTopology`).
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub(in crate::dsl) fn build(
        mut self,
        optimization: TopologyOptimization,
        naming: Naming,
    ) -> Result<Topology, TopologyError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.merge_duplicate_sources()?;
        self.optimize(optimization)?;
        self.check_suppressed()?;
        let mut topology = TopologyBuilder::new();
        topology.set_wrapper(self.wrapper.take());
        let mut queue = BTreeSet::from([(0, ROOT)]);
        while let Some((_, id)) = queue.pop_first() {
            let parents = self.nodes[id].parents.iter();
            let ready = parents.copied().all(|parent| self.nodes[parent].is_written);
            if ready && !self.nodes[id].is_written {
                self.write(id, optimization, &mut topology);
            }
            let children = self.nodes[id].children.iter();
            queue.extend(children.map(|&child| (self.nodes[child].build_priority, child)));
        }
        for group in &self.copartition_groups {
            topology.copartition_sources(group.iter());
        }
        let topology = topology.build()?;
        match naming {
            Naming::Explicit => self.check_named(&topology)?,
            Naming::Any => {}
        }
        Ok(topology)
    }

    /// A suppressed table cannot be versioned, nor made from one that is.
    fn check_suppressed(&self) -> Result<(), TopologyError> {
        let mut nodes = 0..self.nodes.len();
        let wrong = nodes.find(|&id| self.nodes[id].is_suppress && self.is_versioned_above(id));
        match wrong {
            Some(id) => Err(TopologyError::SuppressedVersioned(
                self.nodes[id].name.to_string(),
            )),
            None => Ok(()),
        }
    }

    fn is_versioned_above(&self, node: GraphNodeId) -> bool {
        let node = &self.nodes[node];
        if matches!(node.kind, Kind::Root) {
            return false;
        }
        node.parents.iter().all(|&parent| self.is_versioned(parent))
    }

    fn is_versioned(&self, node: GraphNodeId) -> bool {
        let own = self.nodes[node].output_versioned;
        own.unwrap_or_else(|| self.is_versioned_above(node))
    }

    /// The topic that internal names of the DSL refer to.
    pub(in crate::dsl) fn internal_topic(name: &Arc<str>) -> TopicRef {
        TopicRef {
            name: Arc::clone(name),
            internal: true,
        }
    }
}
