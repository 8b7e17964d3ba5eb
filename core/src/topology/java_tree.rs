//! The red-black tree of `java.util.TreeSet`.
//!
//! Java keeps the parents and children of a described node in such sets, and goes on changing what
//! they are ordered by. Where a node comes to stand then depends on the shape of the tree.

use std::cmp::Ordering;

/// A set of numbers in a tree that is balanced exactly as Java's is.
#[derive(Debug, Default)]
pub(super) struct JavaTree {
    entries: Vec<Entry>,
    root: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    item: usize,
    parent: Option<usize>,
    /// Left and right.
    children: [Option<usize>; 2],
    is_red: bool,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl JavaTree {
    /// Adds an item (`TreeMap.put`), found by `compare` with those on its way down.
    pub(super) fn insert(&mut self, item: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let mut parent = None;
        let mut side = LEFT;
        let mut next = self.root;
        while let Some(at) = next {
            side = match compare(item, self.entries[at].item) {
                Ordering::Less => LEFT,
                Ordering::Greater => RIGHT,
                Ordering::Equal => return,
            };
            parent = next;
            next = self.entries[at].children[side];
        }
        let new = self.entries.len();
        self.entries.push(Entry {
            item,
            parent,
            children: [None; 2],
            is_red: true,
        });
        match parent {
            Some(parent) => self.entries[parent].children[side] = Some(new),
            None => self.root = Some(new),
        }
        self.rebalance(new);
    }

    /// All items, in order.
    pub(super) fn items(&self) -> Vec<usize> {
        let mut items = Vec::with_capacity(self.entries.len());
        let (mut above, mut next) = (Vec::new(), self.root);
        loop {
            while let Some(at) = next {
                above.push(at);
                next = self.entries[at].children[LEFT];
            }
            let Some(at) = above.pop() else {
                return items;
            };
            items.push(self.entries[at].item);
            next = self.entries[at].children[RIGHT];
        }
    }

    fn is_red(&self, at: Option<usize>) -> bool {
        at.is_some_and(|at| self.entries[at].is_red)
    }

    /// `TreeMap.fixAfterInsertion`.
    fn rebalance(&mut self, mut at: usize) {
        while let Some((parent, grandparent)) = self.red_parent(at) {
            let side = usize::from(self.entries[grandparent].children[RIGHT] == Some(parent));
            let uncle = self.entries[grandparent].children[1 - side];
            if let Some(uncle) = uncle.filter(|&uncle| self.entries[uncle].is_red) {
                self.entries[parent].is_red = false;
                self.entries[uncle].is_red = false;
                self.entries[grandparent].is_red = true;
                at = grandparent;
                continue;
            }
            let mut parent = parent;
            if self.entries[parent].children[1 - side] == Some(at) {
                self.rotate(parent, side);
                (at, parent) = (parent, at);
            }
            self.entries[parent].is_red = false;
            self.entries[grandparent].is_red = true;
            self.rotate(grandparent, 1 - side);
        }
        if let Some(root) = self.root {
            self.entries[root].is_red = false;
        }
    }

    /// Parent and grandparent of an entry whose parent is red; a red one is never the root.
    fn red_parent(&self, at: usize) -> Option<(usize, usize)> {
        let parent = self.entries[at].parent?;
        let grandparent = self.entries[parent].parent?;
        self.is_red(Some(parent)).then_some((parent, grandparent))
    }

    /// Turns the edge from `at` to its child on the other side towards `side`.
    fn rotate(&mut self, at: usize, side: usize) {
        let Some(up) = self.entries[at].children[1 - side] else {
            return;
        };
        let moved = self.entries[up].children[side];
        self.entries[at].children[1 - side] = moved;
        if let Some(moved) = moved {
            self.entries[moved].parent = Some(at);
        }
        let parent = self.entries[at].parent;
        self.entries[up].parent = parent;
        match parent {
            None => self.root = Some(up),
            Some(parent) => {
                let of = usize::from(self.entries[parent].children[RIGHT] == Some(at));
                self.entries[parent].children[of] = Some(up);
            }
        }
        self.entries[up].children[side] = Some(at);
        self.entries[at].parent = Some(up);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn depth(tree: &JavaTree, at: Option<usize>) -> usize {
        let Some(at) = at else { return 0 };
        let [left, right] = tree.entries[at].children;
        let deepest = depth(tree, left).max(depth(tree, right));
        let both_red = tree.entries[at].is_red && (tree.is_red(left) || tree.is_red(right));
        assert!(!both_red, "a red entry has a red child");
        deepest + 1
    }

    proptest! {
        #[test]
        fn items_are_in_order_and_the_tree_is_balanced(items in prop::collection::vec(0_usize..200, 0..120)) {
            let mut tree = JavaTree::default();
            for &item in &items {
                tree.insert(item, |a, b| a.cmp(&b));
            }
            let mut expected = items;
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(tree.items(), expected.clone());
            prop_assert!(depth(&tree, tree.root) <= 2 * (expected.len() + 1).ilog2() as usize + 1);
        }
    }

    /// Two items are ordered anew behind the tree's back: a third one meets the root alone.
    #[test]
    fn what_changes_later_does_not_move() {
        let mut keys = [10, 20, 30, 40];
        let mut tree = JavaTree::default();
        for item in [0, 1, 2] {
            tree.insert(item, |a, b| keys[a].cmp(&keys[b]));
        }
        keys[0] = 50;
        tree.insert(3, |a, b| keys[a].cmp(&keys[b]));
        assert_eq!(tree.items(), [0, 1, 2, 3]);
    }
}
