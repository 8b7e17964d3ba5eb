//! From the logical graph to a topology.

use std::sync::Arc;

use super::{GraphNodeId, Kind, ROOT, Rows, StreamsGraph};
use crate::config::TopologyOptimization;
use crate::processor::{Processor, ProcessorNode};
use crate::state::StoreBuilder;
use crate::topology::{NodeFactory, NodeKind, TopologyBuilder};

/// What a node is told when it is written, and where it writes to.
pub(in crate::dsl) struct Writer<'a> {
    topology: &'a mut TopologyBuilder,
    parents: Vec<usize>,
    send_old_values: bool,
    is_self_join: bool,
    drops_null_keys: bool,
    versioned_parents: Vec<Arc<str>>,
}

impl Writer<'_> {
    /// The topology, for sources and sinks.
    pub(in crate::dsl) const fn topology(&mut self) -> &mut TopologyBuilder {
        self.topology
    }

    /// The parents' nodes.
    pub(in crate::dsl) fn parents(&self) -> &[usize] {
        &self.parents
    }

    /// The node called `name`, written before.
    pub(in crate::dsl) fn node(&self, name: &str) -> Option<usize> {
        self.topology.written(name)
    }

    /// True when both sides of the join are the same stream, of which one window is enough.
    pub(in crate::dsl) const fn is_self_join(&self) -> bool {
        self.is_self_join
    }

    /// True when nothing below the repartition topic takes null keys.
    pub(in crate::dsl) const fn drops_null_keys(&self) -> bool {
        self.drops_null_keys
    }

    /// True when the rows of the parent called `name` are versioned (Java:
    /// `VersionedSemanticsGraphNode`).
    pub(in crate::dsl) fn is_versioned(&self, name: &str) -> bool {
        self.versioned_parents
            .iter()
            .any(|parent| &**parent == name)
    }

    /// True when the rows of any parent are versioned.
    pub(in crate::dsl) const fn has_versioned_parent(&self) -> bool {
        !self.versioned_parents.is_empty()
    }

    /// Adds a processor that `supply` makes for every task.
    pub(in crate::dsl) fn add_processor<KIn, VIn, KOut, VOut, P>(
        &mut self,
        name: &str,
        parents: &[usize],
        supply: impl Fn() -> P + Send + Sync + 'static,
    ) -> usize
    where
        KIn: 'static,
        VIn: 'static,
        KOut: 'static,
        VOut: 'static,
        P: Processor<KIn, VIn, KOut, VOut> + 'static,
    {
        let factory: NodeFactory =
            Arc::new(move |_| ProcessorNode::<P, KOut, VOut>::erased::<KIn, VIn>(supply()));
        self.add_node(name, parents, factory)
    }

    /// Adds a processor that `factory` makes for every task.
    pub(in crate::dsl) fn add_node(
        &mut self,
        name: &str,
        parents: &[usize],
        factory: NodeFactory,
    ) -> usize {
        let node = self
            .topology
            .add_node(name, NodeKind::Processor, parents, factory);
        if self.send_old_values {
            self.topology.send_old_values(node);
        }
        node
    }

    /// Adds a store, unless it is there, and lets `node` use it.
    pub(in crate::dsl) fn add_store(&mut self, node: usize, store: &Arc<dyn StoreBuilder>) {
        self.topology.add_store_once(Arc::clone(store));
        self.topology.connect(node, store.name());
    }

    /// Lets `node` use a store that another node brought along.
    pub(in crate::dsl) fn connect(&mut self, node: usize, store: &str) {
        self.topology.connect(node, store);
    }
}

impl StreamsGraph {
    /// Writes a node whose parents are written.
    pub(super) fn write(
        &mut self,
        id: GraphNodeId,
        optimization: TopologyOptimization,
        topology: &mut TopologyBuilder,
    ) {
        let versioned = self.nodes[id].parents.iter().copied();
        let versioned: Vec<GraphNodeId> =
            versioned.filter(|&node| self.is_versioned(node)).collect();
        let name_of = |node: GraphNodeId| Arc::clone(&self.nodes[node].name);
        let versioned_parents = versioned.into_iter().map(name_of).collect();
        let parents: Vec<usize> = self.nodes[id]
            .parents
            .iter()
            .filter(|&&parent| parent != ROOT)
            .flat_map(|&parent| topology.written(&self.nodes[parent].name))
            .collect();
        let drops_null_keys = self.drops_null_keys(id);
        let node = &mut self.nodes[id];
        node.is_written = true;
        let mut writer = Writer {
            topology,
            parents,
            send_old_values: node.send_old_values,
            is_self_join: matches!(
                node.kind,
                Kind::StreamStreamJoin {
                    is_self_join: true,
                    ..
                }
            ),
            drops_null_keys,
            versioned_parents,
        };
        if let Some(write) = node.write.take() {
            write(&mut writer);
        }
        let own = writer.topology.written(&node.name);
        if let Some(own) = own {
            for store in &node.stores {
                writer.add_store(own, store);
            }
            for store in &node.connected_stores {
                writer.connect(own, store);
            }
            if let Some(Rows::Source {
                store,
                topic,
                is_materialized: true,
            }) = &node.rows
            {
                // A table of a topic can be restored from that topic itself.
                let reuses = optimization.reuses_source_topics && topic.is_some();
                let store = store(!reuses);
                writer.add_store(own, &store);
                if let Some(topic) = topic.as_ref().filter(|_| reuses) {
                    writer.topology.restore_from(store.name(), topic);
                }
            }
        }
    }
}
