//! `Topology#describe`, as Java writes it.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use super::java_order::{hash_set_order, string_hash, strings_in_hash_order};
use super::java_tree::JavaTree;
use super::{NodeKind, Topology};

/// What a topology consists of (Java: `TopologyDescription`). Its `Display` is Java's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyDescription {
    text: String,
}

impl fmt::Display for TopologyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn describe(topology: &Topology) -> TopologyDescription {
    let mut text = String::from("Topologies:\n ");
    let global = topology.global_subtopologies();
    for group in 0..topology.subtopology_count() {
        // Java indents the first block by three spaces and the others by two.
        // Writing to a String cannot fail.
        let kind = if global.contains(&group) {
            " for global store (will not generate tasks)"
        } else {
            ""
        };
        writeln!(text, "  Sub-topology: {group}{kind}").ok();
        let mut nodes = topology.nodes_of(&[group]);
        let edges = Edges::new(topology, &nodes);
        nodes.sort_by(|&a, &b| compare(topology, &edges.sizes, a, b));
        for node in nodes {
            describe_node(topology, &edges, node, &mut text);
        }
        // Java has no blank line behind a global store.
        if kind.is_empty() {
            text.push('\n');
        }
    }
    TopologyDescription { text }
}

/// Parents and children as Java lists them: larger sub-trees first, then by name, as far as the
/// sizes were known when an edge was added (a `TreeSet` does not sort again, and finds its way by
/// the sizes there are).
struct Edges {
    /// How many nodes hang below each, itself included, counted once for every way down.
    sizes: Vec<usize>,
    parents: Vec<JavaTree>,
    children: Vec<JavaTree>,
}

impl Edges {
    fn new(topology: &Topology, nodes: &[usize]) -> Self {
        let count = topology.nodes.len();
        let mut edges = Self {
            sizes: vec![1; count],
            parents: (0..count).map(|_| JavaTree::default()).collect(),
            children: (0..count).map(|_| JavaTree::default()).collect(),
        };
        let name = |&node: &usize| &*topology.nodes[node].name;
        let names: Vec<&str> = nodes.iter().map(name).collect();
        let hashes: Vec<i32> = names.iter().map(|name| string_hash(name)).collect();
        for at in hash_set_order(&hashes) {
            let node = nodes[at];
            for &parent in &topology.nodes[node].parents {
                edges.insert(topology, node, parent);
            }
        }
        edges
    }

    fn insert(&mut self, topology: &Topology, node: usize, parent: usize) {
        let sizes = &self.sizes;
        let compare = |a, b| compare(topology, sizes, a, b);
        self.parents[node].insert(parent, compare);
        self.children[parent].insert(node, compare);
        let mut grown = vec![parent];
        while let Some(node_above) = grown.pop() {
            self.sizes[node_above] = self.sizes[node_above].saturating_add(self.sizes[node]);
            grown.extend(self.parents[node_above].items());
        }
    }
}

/// Java's `NodeComparator`.
fn compare(topology: &Topology, sizes: &[usize], a: usize, b: usize) -> Ordering {
    let names = || topology.nodes[a].name.cmp(&topology.nodes[b].name);
    sizes[b].cmp(&sizes[a]).then_with(names)
}

fn describe_node(topology: &Topology, edges: &Edges, node: usize, text: &mut String) {
    let definition = &topology.nodes[node];
    let name = &definition.name;
    let names = |nodes: &[usize]| {
        let names: Vec<&str> = nodes
            .iter()
            .map(|&node| &*topology.nodes[node].name)
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let children = names(&edges.children[node].items());
    let parents = names(&edges.parents[node].items());
    let line = match &definition.kind {
        NodeKind::Source(topics) => {
            let topics: Vec<&str> = topics.iter().map(|topic| &*topic.name).collect();
            let topics = strings_in_hash_order(&topics).join(", ");
            format!("    Source: {name} (topics: [{topics}])\n      --> {children}\n")
        }
        NodeKind::PatternSource(pattern) => {
            let pattern = pattern.as_str();
            format!("    Source: {name} (topics: {pattern})\n      --> {children}\n")
        }
        NodeKind::Processor => {
            let stores = definition.stores.iter();
            let stores: Vec<&str> = stores.map(|&store| &*topology.stores[store].name).collect();
            let stores = strings_in_hash_order(&stores).join(", ");
            format!(
                "    Processor: {name} (stores: [{stores}])\n      --> {children}\n      <-- {parents}\n"
            )
        }
        NodeKind::DynamicSink(extractor) => {
            format!("    Sink: {name} (extractor class: {extractor})\n      <-- {parents}\n")
        }
        NodeKind::Sink(topic) => {
            format!(
                "    Sink: {name} (topic: {})\n      <-- {parents}\n",
                topic.name
            )
        }
    };
    text.push_str(&line);
}
