//! The order in which Java iterates a `TreeSet` whose comparator changes its mind.

use std::cmp::Ordering;

/// Indexes in the order of a `TreeSet`: where they were put when they came, although what they are
/// compared by may have changed since. A red-black tree, because the way down decides where one is
/// put (Java: `TreeMap.fixAfterInsertion`).
#[derive(Clone, Debug, Default)]
pub(super) struct JavaTreeSet {
    nodes: Vec<Node>,
    root: Option<usize>,
}

#[derive(Clone, Debug)]
struct Node {
    element: usize,
    parent: Option<usize>,
    children: [Option<usize>; 2],
    is_red: bool,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl JavaTreeSet {
    /// Puts `element` where `compare` says now, unless an equal one is met on the way.
    pub(super) fn insert(&mut self, element: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let (mut parent, mut side, mut at) = (None, LEFT, self.root);
        while let Some(node) = at {
            side = match compare(element, self.nodes[node].element) {
                Ordering::Less => LEFT,
                Ordering::Greater => RIGHT,
                Ordering::Equal => return,
            };
            parent = at;
            at = self.nodes[node].children[side];
        }
        let new = self.nodes.len();
        self.nodes.push(Node {
            element,
            parent,
            children: [None, None],
            is_red: true,
        });
        match parent {
            Some(parent) => self.nodes[parent].children[side] = Some(new),
            None => self.root = Some(new),
        }
        self.rebalance(new);
    }

    /// The elements from left to right.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut elements = Vec::with_capacity(self.nodes.len());
        let mut above = Vec::new();
        let mut at = self.root;
        while at.is_some() || !above.is_empty() {
            if let Some(node) = at {
                above.push(node);
                at = self.nodes[node].children[LEFT];
            } else if let Some(node) = above.pop() {
                elements.push(self.nodes[node].element);
                at = self.nodes[node].children[RIGHT];
            }
        }
        elements
    }

    fn rebalance(&mut self, mut at: usize) {
        while let Some(parent) = self.nodes[at].parent.filter(|&p| self.nodes[p].is_red) {
            // A red node has a parent: the root is black.
            let Some(grandparent) = self.nodes[parent].parent else {
                break;
            };
            let side = self.side(parent, grandparent);
            let uncle = self.nodes[grandparent].children[1 - side];
            if let Some(uncle) = uncle.filter(|&uncle| self.nodes[uncle].is_red) {
                self.nodes[parent].is_red = false;
                self.nodes[uncle].is_red = false;
                self.nodes[grandparent].is_red = true;
                at = grandparent;
                continue;
            }
            let mut top = parent;
            if self.side(at, parent) != side {
                self.rotate(parent, side);
                top = at;
                at = parent;
            }
            self.nodes[top].is_red = false;
            self.nodes[grandparent].is_red = true;
            self.rotate(grandparent, 1 - side);
        }
        if let Some(root) = self.root {
            self.nodes[root].is_red = false;
        }
    }

    fn side(&self, node: usize, parent: usize) -> usize {
        usize::from(self.nodes[parent].children[RIGHT] == Some(node))
    }

    /// Moves `node` down to `side`; its child of the other side takes its place.
    fn rotate(&mut self, node: usize, side: usize) {
        let Some(child) = self.nodes[node].children[1 - side] else {
            return;
        };
        let inner = self.nodes[child].children[side];
        self.nodes[node].children[1 - side] = inner;
        if let Some(inner) = inner {
            self.nodes[inner].parent = Some(node);
        }
        let parent = self.nodes[node].parent;
        self.nodes[child].parent = parent;
        match parent {
            Some(parent) => {
                let side = self.side(node, parent);
                self.nodes[parent].children[side] = Some(child);
            }
            None => self.root = Some(child),
        }
        self.nodes[child].children[side] = Some(node);
        self.nodes[node].parent = Some(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_in_order_and_the_tree_stays_low() {
        let mut tree = JavaTreeSet::default();
        for element in (0..500).chain((500..1000).rev()) {
            tree.insert(element, |a, b| a.cmp(&b));
            tree.insert(element, |a, b| a.cmp(&b));
        }
        assert_eq!(tree.in_order(), (0..1000).collect::<Vec<_>>());
        let depth = |mut node: usize| {
            let mut depth = 0;
            while let Some(parent) = tree.nodes[node].parent {
                (node, depth) = (parent, depth + 1);
            }
            depth
        };
        assert!(
            (0..1000)
                .map(depth)
                .max()
                .is_some_and(|deepest| deepest < 20)
        );
    }
}
