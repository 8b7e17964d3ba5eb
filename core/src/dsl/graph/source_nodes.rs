//! The sources that a stream or table comes from.

use std::sync::Arc;

use crate::topology::java_order::JavaHashSet;

/// Names of source nodes (Java: `subTopologySourceNodes`), in the order of Java's `HashSet`: brokers
/// compare groups of copartitioned topics, their order included.
#[derive(Clone)]
pub(in crate::dsl) struct SourceNodes(JavaHashSet<Arc<str>>);

impl SourceNodes {
    /// Both (Java: `addAll` of one after the other).
    pub(in crate::dsl) fn union(&self, other: &Self) -> Self {
        let mut all = JavaHashSet::default();
        for name in self.iter().chain(other.iter()) {
            all.insert(Arc::clone(name));
        }
        Self(all)
    }

    /// A copy of this set with another name.
    pub(in crate::dsl) fn with(&self, name: Arc<str>) -> Self {
        let mut all = self.copy();
        all.0.insert(name);
        all
    }

    /// A copy of this set with those of `others` (Java: `AbstractStream.ensureCopartitionWith`).
    pub(super) fn with_all(&self, others: &[&Self]) -> Self {
        let mut all = self.copy();
        for name in others.iter().flat_map(|other| other.iter()) {
            all.0.insert(Arc::clone(name));
        }
        all
    }

    /// Java's copy constructor, which may choose another number of buckets.
    pub(super) fn copy(&self) -> Self {
        let mut copy = JavaHashSet::for_size(self.iter().count());
        for name in self.iter() {
            copy.insert(Arc::clone(name));
        }
        Self(copy)
    }

    /// `to` takes the place of `from`, if that is there.
    pub(super) fn rename(&mut self, from: &str, to: &Arc<str>) {
        if self.0.remove(from) {
            self.0.insert(Arc::clone(to));
        }
    }

    /// The names in Java's order.
    pub(in crate::dsl) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }
}

impl From<[Arc<str>; 1]> for SourceNodes {
    fn from([name]: [Arc<str>; 1]) -> Self {
        let mut names = JavaHashSet::default();
        names.insert(name);
        Self(names)
    }
}
