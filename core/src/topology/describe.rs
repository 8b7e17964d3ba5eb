//! `Topology#describe`, as Java writes it.

use std::fmt::{self, Write as _};

use super::java_order::strings_in_hash_order;
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
    let sizes = sizes(topology);
    let mut text = String::from("Topologies:\n ");
    for group in 0..topology.subtopology_count() {
        // Java indents the first block by three spaces and the others by two.
        // Writing to a String cannot fail.
        writeln!(text, "  Sub-topology: {group}").ok();
        for node in in_order(topology, &sizes, topology.nodes_of(&[group])) {
            describe_node(topology, &sizes, node, &mut text);
        }
        text.push('\n');
    }
    TopologyDescription { text }
}

/// How many nodes hang below each, itself included, counted once for every way down.
fn sizes(topology: &Topology) -> Vec<usize> {
    let mut sizes = vec![1_usize; topology.nodes.len()];
    // Children come after their parents.
    for node in (0..topology.nodes.len()).rev() {
        let below: usize = topology.nodes[node]
            .children
            .iter()
            .map(|&child| sizes[child])
            .sum();
        sizes[node] = sizes[node].saturating_add(below);
    }
    sizes
}

/// Larger sub-trees first, then by name (Java: `NodeComparator`).
fn in_order(topology: &Topology, sizes: &[usize], mut nodes: Vec<usize>) -> Vec<usize> {
    nodes.sort_by(|&a, &b| {
        let names = || topology.nodes[a].name.cmp(&topology.nodes[b].name);
        sizes[b].cmp(&sizes[a]).then_with(names)
    });
    nodes
}

fn describe_node(topology: &Topology, sizes: &[usize], node: usize, text: &mut String) {
    let definition = &topology.nodes[node];
    let name = &definition.name;
    let names = |nodes: &[usize]| {
        let ordered = in_order(topology, sizes, nodes.to_vec());
        let names: Vec<&str> = ordered
            .iter()
            .map(|&node| &*topology.nodes[node].name)
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let (children, parents) = (names(&definition.children), names(&definition.parents));
    let line = match &definition.kind {
        NodeKind::Source(topics) => {
            let topics: Vec<&str> = topics.iter().map(|topic| &*topic.name).collect();
            let topics = strings_in_hash_order(&topics).join(", ");
            format!("    Source: {name} (topics: [{topics}])\n      --> {children}\n")
        }
        NodeKind::Processor => {
            let stores = definition.stores.iter();
            let stores: Vec<&str> = stores.map(|&store| &*topology.stores[store].name).collect();
            let stores = strings_in_hash_order(&stores).join(", ");
            format!(
                "    Processor: {name} (stores: [{stores}])\n      --> {children}\n      <-- {parents}\n"
            )
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
