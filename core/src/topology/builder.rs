//! Building a topology node by node (Java: `InternalTopologyBuilder`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{NodeDefinition, NodeFactory, NodeKind, StoreDefinition, Topology, TopologyError};
use crate::state::StoreBuilder;

/// Collects nodes and stores; the first mistake is kept until [`TopologyBuilder::build`].
#[derive(Default)]
pub(crate) struct TopologyBuilder {
    nodes: Vec<NodeDefinition>,
    stores: Vec<StoreDefinition>,
    error: Option<TopologyError>,
}

impl TopologyBuilder {
    fn fail(&mut self, error: TopologyError) {
        self.error.get_or_insert(error);
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
        if let NodeKind::Source(topics) = &kind {
            for topic in topics.clone() {
                self.check_name(&topic.name);
                let read = |node: &NodeDefinition| matches!(&node.kind, NodeKind::Source(read) if read.contains(&topic));
                if self.nodes.iter().any(read) {
                    self.fail(TopologyError::TopicRegisteredTwice(topic.name.to_string()));
                }
            }
        }
        if let NodeKind::Sink(topic) = &kind {
            let topic = Arc::clone(&topic.name);
            self.check_name(&topic);
        }
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
            factory,
        });
        index
    }

    /// Adds a store; one that is there already under the same name is a mistake.
    pub(crate) fn add_store(&mut self, builder: Arc<dyn StoreBuilder>) {
        let name: Arc<str> = Arc::from(builder.name());
        self.check_name(&name);
        if self.stores.iter().any(|store| store.name == name) {
            self.fail(TopologyError::DuplicateName(format!("store {name}")));
        }
        self.stores.push(StoreDefinition { name, builder });
    }

    /// Lets a processor use the store called `store`.
    pub(crate) fn connect(&mut self, node: usize, store: &str) {
        match self.stores.iter().position(|known| &*known.name == store) {
            Some(index) => self.nodes[node].stores.push(index),
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
    pub(crate) fn build(self) -> Result<Topology, TopologyError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self
            .nodes
            .iter()
            .any(|node| matches!(node.kind, NodeKind::Source(_)))
        {
            return Err(TopologyError::Empty);
        }
        let groups = number_groups(&self.nodes);
        Ok(Topology {
            nodes: self.nodes,
            stores: self.stores,
            groups,
        })
    }
}

/// Numbers sub-topologies as Java does: nodes that are connected, or share a store, belong
/// together; groups are numbered by their sources in order of name, then by other nodes in order.
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
    let by_name = |sources: bool| -> BTreeSet<(&str, usize)> {
        let of_kind = |(index, node): (usize, &'_ NodeDefinition)| {
            (matches!(node.kind, NodeKind::Source(_)) == sources).then_some(index)
        };
        let indexes = nodes.iter().enumerate().filter_map(of_kind);
        indexes.map(|index| (&*nodes[index].name, index)).collect()
    };
    let mut numbers = BTreeMap::new();
    for (_, node) in by_name(true).into_iter().chain(by_name(false)) {
        let next = numbers.len() as i32;
        numbers.entry(root(&roots, node)).or_insert(next);
    }
    (0..nodes.len())
        .map(|node| numbers[&root(&roots, node)])
        .collect()
}
