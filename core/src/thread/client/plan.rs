//! Which topics the topology touches, and what a task reads of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::group::TaskAssignment;
use crate::net::Metadata;
use crate::topology::Subtopology;
use crate::types::{TaskId, TopicName, TopicPartition};

/// The topics of a topology as the client needs them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    subtopologies: BTreeMap<i32, SubtopologyTopics>,
    /// Repartition topics.
    repartition: BTreeSet<TopicName>,
    /// Topics of the user: read or written.
    external: BTreeSet<TopicName>,
}

#[derive(Debug, Default)]
struct SubtopologyTopics {
    /// Source and repartition source topics: what feeds a task.
    inputs: BTreeSet<TopicName>,
    /// Topics the group makes: repartition topics it reads or writes, and changelogs.
    internal: BTreeSet<TopicName>,
}

impl Plan {
    pub(super) fn new(subtopologies: &[Subtopology]) -> Self {
        let mut plan = Self::default();
        let mut internal: BTreeSet<TopicName> = BTreeSet::new();
        for subtopology in subtopologies {
            let repartition = subtopology.repartition_source_topics.iter();
            let repartition: Vec<TopicName> = repartition.map(|t| t.name.clone()).collect();
            let changelogs = subtopology.changelog_topics.iter().map(|t| t.name.clone());
            let sources = subtopology.source_topics.iter().cloned();
            let topics = SubtopologyTopics {
                inputs: sources.clone().chain(repartition.clone()).collect(),
                internal: repartition
                    .clone()
                    .into_iter()
                    .chain(changelogs)
                    .chain(subtopology.repartition_sink_topics.iter().cloned())
                    .filter(|topic| !subtopology.source_topics.contains(topic))
                    .collect(),
            };
            plan.repartition.extend(repartition);
            internal.extend(topics.internal.iter().cloned());
            plan.external.extend(sources);
            plan.external
                .extend(subtopology.sink_topics.iter().cloned());
            plan.subtopologies.insert(subtopology.id, topics);
        }
        plan.external.retain(|topic| !internal.contains(topic));
        plan
    }

    /// Adds topics of the user that no sub-topology names.
    pub(super) fn add_external(&mut self, topics: &[TopicName]) {
        self.external.extend(topics.iter().cloned());
    }

    /// Topics of the user, which exist or not whatever the group does.
    pub(super) fn external(&self) -> impl Iterator<Item = &TopicName> {
        self.external.iter()
    }

    /// Topics that the group makes for these tasks.
    pub(super) fn internal_of(&self, tasks: &[TaskId]) -> BTreeSet<TopicName> {
        let ids: BTreeSet<i32> = tasks.iter().map(|task| task.subtopology).collect();
        ids.iter()
            .filter_map(|id| self.subtopologies.get(id))
            .flat_map(|topics| topics.internal.iter().cloned())
            .collect()
    }

    /// How many partitions each topic has, of those that exist.
    pub(super) fn partition_counts(&self, metadata: &Metadata) -> Vec<(TopicName, i32)> {
        let internal = self.subtopologies.values().flat_map(|t| &t.internal);
        let topics: BTreeSet<&TopicName> = self.external.iter().chain(internal).collect();
        topics
            .into_iter()
            .filter_map(|topic| Some((topic.clone(), metadata.partition_count(topic)?)))
            .collect()
    }

    /// The tasks with their input partitions, or `None` while a topic they need is not known.
    ///
    /// Only partitions that exist: Java maps every input topic of the sub-topology, also those
    /// with fewer partitions than the task's number.
    pub(super) fn resolve(
        &self,
        tasks: &[TaskId],
        metadata: &Metadata,
    ) -> Option<Vec<TaskAssignment>> {
        let mut resolved = Vec::with_capacity(tasks.len());
        for task in tasks {
            let mut partitions = Vec::new();
            // A task of a sub-topology that is not ours has no inputs: the runner refuses it.
            if let Some(topics) = self.subtopologies.get(&task.subtopology) {
                for topic in &topics.internal {
                    metadata.partition_count(topic)?;
                }
                for topic in &topics.inputs {
                    if task.partition < metadata.partition_count(topic)? {
                        partitions.push(TopicPartition::new(topic.clone(), task.partition));
                    }
                }
            }
            resolved.push(TaskAssignment {
                task: *task,
                partitions,
            });
        }
        resolved.sort_by_key(|assignment| assignment.task);
        Some(resolved)
    }

    /// Whether records of the partition are of no use once they are committed.
    pub(super) fn is_purged(&self, partition: &TopicPartition) -> bool {
        self.repartition.contains(&partition.topic)
    }

    /// Whether the partition feeds a task (a changelog does not).
    pub(super) fn is_input(&self, partition: &TopicPartition) -> bool {
        self.subtopologies
            .values()
            .any(|topics| topics.inputs.contains(&partition.topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PartitionMetadata;
    use crate::topology::InternalTopic;
    use crate::types::BrokerId;

    fn internal(name: &str) -> InternalTopic {
        InternalTopic {
            name: name.into(),
            partitions: None,
            replication_factor: -1,
            configs: BTreeMap::new(),
        }
    }

    fn set(metadata: &mut Metadata, topic: &str, partitions: usize) {
        let leader = PartitionMetadata {
            leader: Some(BrokerId(1)),
            leader_epoch: 0,
        };
        metadata.set_topic(&topic.into(), None, vec![leader; partitions]);
    }

    #[test]
    fn tasks_get_the_partitions_that_exist_once_all_topics_do() {
        let subtopology = Subtopology {
            id: 0,
            source_topics: vec!["wide".into(), "narrow".into()],
            source_patterns: Vec::new(),
            offset_resets: BTreeMap::new(),
            repartition_source_topics: vec![internal("app-x-repartition")],
            repartition_sink_topics: vec!["app-y-repartition".into()],
            sink_topics: vec!["out".into()],
            stores: Vec::new(),
            changelog_topics: vec![internal("app-s-changelog")],
            copartition_groups: Vec::new(),
        };
        let plan = Plan::new(&[subtopology]);
        let external: Vec<&str> = plan.external().map(TopicName::as_str).collect();
        assert_eq!(external, ["narrow", "out", "wide"]);
        let tasks = [TaskId::new(0, 1), TaskId::new(0, 0)];
        assert_eq!(plan.internal_of(&tasks).len(), 3);
        let mut metadata = Metadata::default();
        for topic in ["wide", "app-x-repartition", "app-y-repartition"] {
            set(&mut metadata, topic, 2);
        }
        set(&mut metadata, "narrow", 1);
        assert_eq!(plan.resolve(&tasks, &metadata), None, "no changelog yet");
        set(&mut metadata, "app-s-changelog", 2);
        let resolved = plan.resolve(&tasks, &metadata).expect("all known");
        let shown: Vec<Vec<String>> = resolved
            .iter()
            .map(|task| task.partitions.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(
            shown,
            [
                vec!["app-x-repartition-0", "narrow-0", "wide-0"],
                vec!["app-x-repartition-1", "wide-1"],
            ]
        );
        assert_eq!(plan.partition_counts(&metadata).len(), 5);
        assert!(plan.is_input(&TopicPartition::new("wide", 0)));
        assert!(plan.is_purged(&TopicPartition::new("app-x-repartition", 0)));
        for kept in ["wide", "app-y-repartition", "app-s-changelog"] {
            assert!(!plan.is_purged(&TopicPartition::new(kept, 0)), "{kept}");
        }
        assert!(!plan.is_input(&TopicPartition::new("app-s-changelog", 0)));
    }
}
