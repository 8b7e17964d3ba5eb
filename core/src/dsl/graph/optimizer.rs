//! Java's optimisations of the logical graph, and what it always merges
//! (Java: `InternalStreamsBuilder`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{GraphNodeId, Kind, ROOT, StreamsGraph};
use crate::config::TopologyOptimization;
use crate::topology::{TopicsKind, TopologyError};

impl StreamsGraph {
    /// Sources of the same topics become one.
    pub(super) fn merge_duplicate_sources(&mut self) -> Result<(), TopologyError> {
        let mut by_topic: BTreeMap<Arc<str>, GraphNodeId> = BTreeMap::new();
        let mut by_pattern: BTreeMap<String, GraphNodeId> = BTreeMap::new();
        for id in self.nodes[ROOT].children.clone() {
            let Kind::StreamSource { topics, .. } = &self.nodes[id].kind else {
                continue;
            };
            let topics = match topics.clone().0 {
                TopicsKind::Named(topics) => topics,
                TopicsKind::Pattern(pattern) => {
                    match by_pattern.get(&pattern) {
                        Some(&first) => self.merge_source(first, id)?,
                        None => {
                            by_pattern.insert(pattern, id);
                        }
                    }
                    continue;
                }
            };
            for topic in &topics {
                let Some(&first) = by_topic.get(&topic.name) else {
                    by_topic.insert(Arc::clone(&topic.name), id);
                    continue;
                };
                if first == id || !self.nodes[ROOT].children.contains(&id) {
                    continue;
                }
                let Kind::StreamSource { topics: others, .. } = &self.nodes[first].kind else {
                    continue;
                };
                let TopicsKind::Named(mut others) = others.clone().0 else {
                    continue;
                };
                let mut own = topics.clone();
                own.sort();
                others.sort();
                if own != others {
                    return Err(TopologyError::OverlappingSources(topic.name.to_string()));
                }
                self.merge_source(first, id)?;
            }
        }
        Ok(())
    }

    fn merge_source(
        &mut self,
        first: GraphNodeId,
        second: GraphNodeId,
    ) -> Result<(), TopologyError> {
        let (first_node, second_node) = (&self.nodes[first], &self.nodes[second]);
        if let (
            Kind::StreamSource {
                types,
                offset_reset,
                ..
            },
            Kind::StreamSource {
                types: other_types,
                offset_reset: other_reset,
                ..
            },
        ) = (&first_node.kind, &second_node.kind)
        {
            if types.0 != other_types.0 {
                return Err(TopologyError::SourceTypesDiffer {
                    source: first_node.name.to_string(),
                    types: types.1,
                    others: other_types.1,
                });
            }
            if offset_reset != other_reset {
                return Err(TopologyError::OffsetResetsDiffer {
                    first: first_node.name.to_string(),
                    second: second_node.name.to_string(),
                });
            }
        }
        for child in self.nodes[second].children.clone() {
            self.link(first, child);
        }
        for child in self.nodes[second].children.clone() {
            self.unlink(second, child);
        }
        // Java leaves the name of the source that went in copartition groups, where it then stands
        // for no topic: brokers compare groups, so this does too.
        self.unlink(ROOT, second);
        Ok(())
    }

    pub(super) fn optimize(
        &mut self,
        optimization: TopologyOptimization,
    ) -> Result<(), TopologyError> {
        if optimization.merges_repartition_topics {
            self.merge_repartition_topics();
        }
        if optimization.single_store_self_join {
            let mut visited = BTreeSet::new();
            self.rewrite_self_joins(ROOT, &mut visited);
        }
        Ok(())
    }

    /// The node itself or the first above it for which `test` holds, depth first.
    fn find_above(
        &self,
        start: GraphNodeId,
        test: &dyn Fn(&Self, GraphNodeId) -> bool,
    ) -> Option<GraphNodeId> {
        if test(self, start) {
            return Some(start);
        }
        let mut parents = self.nodes[start].parents.iter();
        parents.find_map(|&parent| self.find_above(parent, test))
    }

    /// The node that makes a repartition topic necessary, where nothing between changes values.
    pub(super) fn key_changing_parent(&self, repartition: GraphNodeId) -> Option<GraphNodeId> {
        let changing = self.find_above(repartition, &|graph, node| {
            graph.nodes[node].key_changing || graph.nodes[node].value_changing
        });
        let key_changing =
            self.find_above(repartition, &|graph, node| graph.nodes[node].key_changing);
        key_changing.filter(|_| changing == key_changing)
    }

    /// One repartition topic for all that one change of keys makes necessary.
    fn merge_repartition_topics(&mut self) {
        self.move_key_changes_to_merges();
        for (changer, replaced) in std::mem::take(&mut self.key_changers) {
            let Some(&first) = replaced.first() else {
                continue;
            };
            let Kind::Repartition(repartition) = &self.nodes[first].kind else {
                continue;
            };
            let repartition = repartition.clone();
            let names = self.repartition_names(&repartition.topic);
            let node = self.repartition_node(names, repartition);
            let single = self.nodes.len();
            self.nodes.push(node);
            // Java gives it the age of the node above: it comes before what hangs below.
            self.nodes[single].build_priority = self.nodes[changer].build_priority;
            for old in replaced {
                self.replace_repartition(changer, old, single);
            }
            self.link(changer, single);
        }
    }

    fn replace_repartition(&mut self, changer: GraphNodeId, old: GraphNodeId, single: GraphNodeId) {
        let below = self.find_above(old, &|graph, node| {
            graph.nodes[node].parents.contains(&changer)
        });
        let Some(below) = below else { return };
        self.link(single, below);
        self.unlink(changer, below);
        let parents = self.nodes[old].parents.clone();
        for child in self.nodes[old].children.clone() {
            for &parent in &parents {
                self.link(parent, child);
            }
        }
        for parent in parents {
            self.unlink(parent, old);
        }
        for child in self.nodes[old].children.clone() {
            self.unlink(old, child);
        }
        let (from, to) = (self.name(old).clone(), self.name(single).clone());
        self.rename_copartitioned(&from, &to);
    }

    /// Where changed keys meet in a merge above all of their repartition topics, the topic goes
    /// below the merge.
    fn move_key_changes_to_merges(&mut self) {
        let mut moved: Vec<(GraphNodeId, Vec<GraphNodeId>)> = Vec::new();
        for &merge in &self.merges {
            let is_above_all = |topics: &[GraphNodeId]| {
                topics.iter().all(|&topic| {
                    let below_merge = |graph: &Self, node: GraphNodeId| {
                        graph.nodes[node].parents.contains(&merge)
                    };
                    self.find_above(topic, &below_merge).is_some()
                })
            };
            let changers = self.key_changers.iter().filter(|(changer, topics)| {
                let below_changer =
                    |graph: &Self, node: GraphNodeId| graph.nodes[node].parents.contains(changer);
                is_above_all(topics) && self.find_above(merge, &below_changer).is_some()
            });
            moved.push((merge, changers.map(|(changer, _)| *changer).collect()));
        }
        let mut removed = Vec::new();
        for (merge, changers) in moved {
            let mut topics: Vec<GraphNodeId> = Vec::new();
            for changer in changers {
                let of = self.key_changers.iter().find(|(node, _)| *node == changer);
                for topic in of.map_or(&[][..], |(_, topics)| topics) {
                    if !topics.contains(topic) {
                        topics.push(*topic);
                    }
                }
                removed.push(changer);
            }
            match self
                .key_changers
                .iter_mut()
                .find(|(node, _)| *node == merge)
            {
                Some((_, old)) => *old = topics,
                None => self.key_changers.push((merge, topics)),
            }
        }
        self.key_changers
            .retain(|(changer, _)| !removed.contains(changer));
    }

    /// A join of a stream with itself keeps one window.
    fn rewrite_self_joins(&mut self, id: GraphNodeId, visited: &mut BTreeSet<GraphNodeId>) {
        visited.insert(id);
        if let Kind::StreamStreamJoin {
            this_windowed,
            other_windowed,
            ..
        } = &self.nodes[id].kind
            && let [parent] = self.nodes[id].parents[..]
        {
            let windowed = |name: &Arc<str>| {
                let children = self.nodes[parent].children.iter().copied();
                let priority = self.nodes[id].build_priority;
                let mut found = children.filter(|&child| {
                    self.nodes[child].name == *name && self.nodes[child].build_priority < priority
                });
                found.next()
            };
            let (left, right) = (windowed(this_windowed), windowed(other_windowed));
            if let (Some(_), Some(right)) = (left, right) {
                self.unlink(parent, right);
                if let Kind::StreamStreamJoin { is_self_join, .. } = &mut self.nodes[id].kind {
                    *is_self_join = true;
                }
            }
        }
        for child in self.nodes[id].children.clone() {
            if !visited.contains(&child) {
                self.rewrite_self_joins(child, visited);
            }
        }
    }

    /// A repartition topic keeps null keys only for a join below it that takes them.
    pub(super) fn drops_null_keys(&self, id: GraphNodeId) -> bool {
        matches!(self.nodes[id].kind, Kind::Repartition(_)) && !self.has_relaxed_join_below(id)
    }

    fn has_relaxed_join_below(&self, id: GraphNodeId) -> bool {
        self.nodes[id]
            .children
            .iter()
            .any(|&child| self.nodes[child].relaxed_null_keys || self.has_relaxed_join_below(child))
    }

    fn rename_copartitioned(&mut self, from: &Arc<str>, to: &Arc<str>) {
        for group in &mut self.copartition_groups {
            group.rename(from, to);
        }
    }
}
