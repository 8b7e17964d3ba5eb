//! Sub-topologies with their topics, and the message that declares them to the group (KIP-1071).

use std::collections::{BTreeMap, BTreeSet};

use super::java_order::{JavaHashSet, hash_table_order, sized_capacity};
use super::{NodeKind, StoreDefinition, Topology};
use crate::config::StreamsConfig;
use crate::types::{AutoOffsetReset, TopicName};
use crate::wire::streams_group as message;

/// An internal topic as the broker is asked to create it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its full name.
    pub name: TopicName,
    /// Its partition count; `None` lets the broker decide.
    pub partitions: Option<i32>,
    /// `replication.factor`.
    pub replication_factor: i16,
    /// Its configuration.
    pub configs: BTreeMap<String, String>,
}

impl InternalTopic {
    /// Java's order of configurations: the library's, then `topic.*`; a store's own come last.
    fn new(name: TopicName, library: &[(&str, &str)], config: &StreamsConfig) -> Self {
        let library = library
            .iter()
            .chain(&[("message.timestamp.type", "CreateTime")]);
        let library = library.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut configs: BTreeMap<String, String> = library.collect();
        configs.extend(config.topic_configs().clone());
        Self {
            name,
            partitions: None,
            replication_factor: config.replication_factor(),
            configs,
        }
    }
}

/// A part of a topology that runs as tasks of its own, one for each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtopology {
    /// Its number.
    pub id: i32,
    /// Topics of the user's that it reads, sorted.
    pub source_topics: Vec<TopicName>,
    /// Patterns of topics that it reads, sorted.
    pub source_patterns: Vec<String>,
    /// Where topics that have a policy of their own are begun without a committed offset.
    pub offset_resets: BTreeMap<TopicName, AutoOffsetReset>,
    /// Repartition topics that it reads, sorted.
    pub repartition_source_topics: Vec<InternalTopic>,
    /// Repartition topics that it writes, sorted.
    pub repartition_sink_topics: Vec<TopicName>,
    /// Topics of the user's that it writes, sorted.
    pub sink_topics: Vec<TopicName>,
    /// The names of its stores, sorted.
    pub stores: Vec<String>,
    /// Changelogs of its stores, sorted.
    pub changelog_topics: Vec<InternalTopic>,
    /// Topics that must have equally many partitions, in Java's order: brokers compare it.
    pub copartition_groups: Vec<Vec<TopicName>>,
}

impl Subtopology {
    /// Every topic it reads.
    pub fn inputs(&self) -> impl Iterator<Item = &TopicName> {
        self.source_topics
            .iter()
            .chain(self.repartition_source_topics.iter().map(|t| &t.name))
    }
}

impl Topology {
    /// The sub-topologies that make tasks, by number.
    pub fn subtopologies(&self, config: &StreamsConfig) -> Vec<Subtopology> {
        let groups = self.copartition_groups(config.application_id());
        let global = self.global_subtopologies();
        (0..self.subtopology_count())
            .filter(|id| !global.contains(id))
            .map(|id| {
                let mut subtopology = self.subtopology(id, config);
                let inputs: BTreeSet<&TopicName> = subtopology.inputs().collect();
                let own = groups.iter();
                let own = own.filter(|group| group.iter().all(|topic| inputs.contains(topic)));
                subtopology.copartition_groups = own.cloned().collect();
                subtopology
            })
            .collect()
    }

    /// Topics that must have equally many partitions. Groups that meet are put together as Java
    /// does it: with the first topic that has a group already, so not always all that meet (Java:
    /// `InternalTopologyBuilder.copartitionGroups`).
    fn copartition_groups(&self, application_id: &str) -> Vec<Vec<TopicName>> {
        let mut groups: Vec<JavaHashSet<TopicName>> = Vec::new();
        // In the order in which topics were first met.
        let mut group_of: Vec<(TopicName, usize)> = Vec::new();
        for sources in &self.copartition_groups {
            let mut topics = JavaHashSet::default();
            for &node in sources {
                for topic in self.nodes[node].source_topics(application_id) {
                    topics.insert(topic);
                }
            }
            let known = |topic: &TopicName| {
                let mut known = group_of.iter().filter(|(known, _)| known == topic);
                known.next().map(|(_, group)| *group)
            };
            let group = topics.iter().find_map(known).unwrap_or_else(|| {
                groups.push(JavaHashSet::default());
                groups.len() - 1
            });
            for topic in topics.iter() {
                groups[group].insert(topic.clone());
                match group_of.iter_mut().find(|(known, _)| known == topic) {
                    Some((_, of)) => *of = group,
                    None => group_of.push((topic.clone(), group)),
                }
            }
        }
        // Java puts the group of every topic into a set that was sized for all of them.
        let mut unique: Vec<&JavaHashSet<TopicName>> = Vec::new();
        for (_, group) in &group_of {
            let group = &groups[*group];
            if !unique.iter().any(|known| known.is_same(group)) {
                unique.push(group);
            }
        }
        let hashes: Vec<i32> = unique.iter().map(|group| group.hash()).collect();
        let order = hash_table_order(&hashes, sized_capacity(group_of.len())).into_iter();
        order
            .map(|at| unique[at].iter().cloned().collect())
            .collect()
    }

    fn subtopology(&self, id: i32, config: &StreamsConfig) -> Subtopology {
        let nodes = self.nodes_of(&[id]);
        let topics = self.topics_of(&nodes, config.application_id());
        let repartition_sources = topics.repartition_sources.into_iter();
        let stores = self.stores_of(&nodes);
        let mut names: Vec<String> = stores
            .iter()
            .map(|&store| self.stores[store].name.to_string())
            .collect();
        names.sort();
        let mut changelog_topics: Vec<_> = stores
            .iter()
            .filter_map(|&store| changelog_topic(&self.stores[store], config))
            .collect();
        changelog_topics.sort_by(|a, b| a.name.cmp(&b.name));
        Subtopology {
            id,
            source_topics: topics.sources.into_iter().collect(),
            source_patterns: topics.patterns.into_iter().collect(),
            offset_resets: topics.offset_resets,
            repartition_source_topics: repartition_sources
                .map(|name| self.repartition_topic(name, config))
                .collect(),
            repartition_sink_topics: topics.repartition_sinks.into_iter().collect(),
            sink_topics: topics.sinks.into_iter().collect(),
            stores: names,
            changelog_topics,
            copartition_groups: Vec::new(),
        }
    }

    fn topics_of(&self, nodes: &[usize], application_id: &str) -> Topics {
        let mut found = Topics::default();
        for &node in nodes {
            match &self.nodes[node].kind {
                NodeKind::Source(topics) => {
                    for topic in topics {
                        let name = topic.resolve(application_id);
                        if let Some(policy) = self.nodes[node].offset_reset {
                            found.offset_resets.insert(name.clone(), policy);
                        }
                        match topic.internal {
                            true => found.repartition_sources.insert(name),
                            false => found.sources.insert(name),
                        };
                    }
                }
                NodeKind::Sink(topic) => {
                    let name = topic.resolve(application_id);
                    match topic.internal {
                        true => found.repartition_sinks.insert(name),
                        false => found.sinks.insert(name),
                    };
                }
                NodeKind::PatternSource(pattern) => {
                    found.patterns.insert(pattern.as_str().to_owned());
                }
                NodeKind::Processor | NodeKind::DynamicSink(_) => {}
            }
        }
        found
    }

    fn repartition_topic(&self, name: TopicName, config: &StreamsConfig) -> InternalTopic {
        let library = [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("segment.bytes", "52428800"),
        ];
        let prefix = format!("{}-", config.application_id());
        let own_name = name.as_str().strip_prefix(&prefix);
        InternalTopic {
            partitions: own_name.and_then(|own_name| self.partitions.get(own_name).copied()),
            ..InternalTopic::new(name, &library, config)
        }
    }
}

fn changelog_topic(store: &StoreDefinition, config: &StreamsConfig) -> Option<InternalTopic> {
    let name = store.changelog_topic(config.application_id())?;
    let mut topic = InternalTopic::new(name, &[("cleanup.policy", "compact")], config);
    topic
        .configs
        .extend(store.builder.changelog_config().clone());
    if let Some(retention_ms) = store.builder.retention_ms() {
        let additional_ms = config.windowstore_changelog_additional_retention_ms();
        let retention_ms = retention_ms.saturating_add_unsigned(additional_ms);
        let retention_ms = retention_ms.to_string();
        topic
            .configs
            .insert("retention.ms".to_owned(), retention_ms);
    }
    Some(topic)
}

/// What some nodes read and write, each sorted.
#[derive(Default)]
struct Topics {
    sources: BTreeSet<TopicName>,
    repartition_sources: BTreeSet<TopicName>,
    patterns: BTreeSet<String>,
    offset_resets: BTreeMap<TopicName, AutoOffsetReset>,
    sinks: BTreeSet<TopicName>,
    repartition_sinks: BTreeSet<TopicName>,
}

/// The topology as a joining member declares it. Brokers compare it including order, so it is
/// Java's: sub-topologies, topics and configurations sorted, copartition groups as Java iterates a
/// `HashSet`.
pub fn topology_message(subtopologies: &[Subtopology]) -> message::Topology {
    let mut converted: Vec<_> = subtopologies.iter().map(subtopology_message).collect();
    converted.sort_by(|a, b| a.subtopology_id.cmp(&b.subtopology_id));
    message::Topology {
        epoch: 0,
        subtopologies: converted,
    }
}

fn subtopology_message(subtopology: &Subtopology) -> message::Subtopology {
    let texts = |topics: &[TopicName]| {
        let mut texts: Vec<String> = topics.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let infos = |topics: &[InternalTopic]| {
        let mut infos: Vec<_> = topics.iter().map(topic_info).collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    };
    let source_topics = texts(&subtopology.source_topics);
    let repartition_source_topics = infos(&subtopology.repartition_source_topics);
    let copartition_groups = subtopology.copartition_groups.iter().map(|group| {
        let mut converted = message::CopartitionGroup::default();
        for topic in group {
            let at = |found: Option<usize>| found.and_then(|at| i16::try_from(at).ok());
            let mut names = source_topics.iter();
            let source = at(names.position(|name| *name == topic.as_str()));
            let mut infos = repartition_source_topics.iter();
            let repartition = at(infos.position(|info| info.name == topic.as_str()));
            converted.source_topics.extend(source);
            converted.repartition_source_topics.extend(repartition);
        }
        converted
    });
    let copartition_groups = copartition_groups.collect();
    message::Subtopology {
        subtopology_id: subtopology.id.to_string(),
        state_changelog_topics: infos(&subtopology.changelog_topics),
        repartition_sink_topics: texts(&subtopology.repartition_sink_topics),
        copartition_groups,
        source_topics,
        repartition_source_topics,
        source_topic_regex: subtopology.source_patterns.clone(),
    }
}

fn topic_info(topic: &InternalTopic) -> message::TopicInfo {
    let entry = |(key, value): (&String, &String)| message::KeyValue {
        key: key.clone(),
        value: value.clone(),
    };
    message::TopicInfo {
        name: topic.name.to_string(),
        partitions: topic.partitions.unwrap_or(0),
        replication_factor: topic.replication_factor,
        topic_configs: topic.configs.iter().map(entry).collect(),
    }
}
