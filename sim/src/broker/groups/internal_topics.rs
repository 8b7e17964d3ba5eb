//! What a topology needs of the cluster: partition counts of internal topics, topics to create,
//! number of tasks (Java: `InternalTopicManager`, `RepartitionTopics`,
//! `CopartitionedTopicsEnforcer`, `ChangelogTopics`).

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::wire::streams_group::{Subtopology, TopicInfo, Topology};

use super::{GroupError, codes};

/// Status 1 of a heartbeat response: MISSING_SOURCE_TOPICS.
pub(crate) const MISSING_SOURCE_TOPICS: i8 = 1;
/// Status 2 of a heartbeat response: INCORRECTLY_PARTITIONED_TOPICS.
pub(crate) const INCORRECTLY_PARTITIONED_TOPICS: i8 = 2;
/// Status 3 of a heartbeat response: MISSING_INTERNAL_TOPICS.
pub(crate) const MISSING_INTERNAL_TOPICS: i8 = 3;

/// A topic the coordinator wants to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicToCreate {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) configs: BTreeMap<String, String>,
}

/// A sub-topology whose partition counts are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfiguredSubtopology {
    pub(crate) tasks: i32,
    pub(crate) stateful: bool,
    /// All topics the tasks read, sorted.
    pub(crate) source_topics: BTreeSet<String>,
    /// Decided counts of the repartition source and changelog topics.
    pub(crate) internal_partitions: BTreeMap<String, i32>,
}

/// A topology compared with the topics that exist (Java: `ConfiguredTopology`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfiguredTopology {
    pub(crate) subtopologies: Option<BTreeMap<String, ConfiguredSubtopology>>,
    pub(crate) to_create: Vec<TopicToCreate>,
    /// Why the group cannot run yet: status code and text.
    pub(crate) problem: Option<(i8, String)>,
}

impl ConfiguredTopology {
    pub(crate) fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

/// Why configuring stops: a status members are told, or an error of the request.
enum Stop {
    Status(i8, String),
    Error(GroupError),
}

fn invalid_topology(message: impl Into<String>) -> Stop {
    Stop::Error(GroupError::new(
        codes::STREAMS_INVALID_TOPOLOGY,
        message.into(),
    ))
}

/// A request Java fails on with an exception of its own: UNKNOWN_SERVER_ERROR without a text.
fn unknown() -> Stop {
    Stop::Error(GroupError::unknown())
}

fn incorrectly_partitioned(message: String) -> Stop {
    Stop::Status(INCORRECTLY_PARTITIONED_TOPICS, message)
}

/// Compares `topology` with the topics there are (`existing` gives their partition counts).
pub(crate) fn configure(
    topology: &Topology,
    existing: &dyn Fn(&str) -> Option<i32>,
) -> Result<ConfiguredTopology, GroupError> {
    let mut decider = Decider {
        subtopologies: topology.subtopologies.iter().collect(),
        existing,
        decided: BTreeMap::new(),
    };
    match decider.configure() {
        Ok(configured) => Ok(configured),
        Err(Stop::Status(code, message)) => Ok(ConfiguredTopology {
            problem: Some((code, message)),
            ..ConfiguredTopology::default()
        }),
        Err(Stop::Error(error)) => Err(error),
    }
}

struct Decider<'a> {
    subtopologies: Vec<&'a Subtopology>,
    existing: &'a dyn Fn(&str) -> Option<i32>,
    decided: BTreeMap<String, i32>,
}

impl Decider<'_> {
    fn configure(&mut self) -> Result<ConfiguredTopology, Stop> {
        self.check_source_topics()?;
        self.decided = self.repartition_counts()?;
        self.enforce_copartitioning()?;
        self.decide_changelogs()?;
        let mut subtopologies = BTreeMap::new();
        for subtopology in &self.subtopologies {
            let configured = self.configure_subtopology(subtopology)?;
            let id = subtopology.subtopology_id.clone();
            if subtopologies.insert(id, configured).is_some() {
                return Err(unknown());
            }
        }
        let to_create = self.missing_topics(&subtopologies)?;
        let problem = (!to_create.is_empty()).then(|| {
            let names: Vec<&str> = to_create.iter().map(|topic| topic.name.as_str()).collect();
            let text = format!("Internal topics are missing: {}", summarize(&names));
            (MISSING_INTERNAL_TOPICS, text)
        });
        Ok(ConfiguredTopology {
            subtopologies: Some(subtopologies),
            to_create,
            problem,
        })
    }

    fn check_source_topics(&self) -> Result<(), Stop> {
        let topics = self.subtopologies.iter().flat_map(|sub| &sub.source_topics);
        let missing: BTreeSet<&str> = topics
            .map(String::as_str)
            .filter(|topic| (self.existing)(topic).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<&str> = missing.into_iter().collect();
        Err(Stop::Status(
            MISSING_SOURCE_TOPICS,
            format!("Source topics {} are missing.", summarize(&missing)),
        ))
    }

    /// The count of an existing topic, else the decided one.
    fn count(&self, topic: &str) -> Option<i32> {
        (self.existing)(topic).or_else(|| self.decided.get(topic).copied())
    }

    fn repartition_sources(&self) -> impl Iterator<Item = &TopicInfo> {
        let subtopologies = self.subtopologies.iter();
        subtopologies.flat_map(|sub| &sub.repartition_source_topics)
    }

    fn repartition_counts(&self) -> Result<BTreeMap<String, i32>, Stop> {
        let mut counts: BTreeMap<String, i32> = self
            .repartition_sources()
            .filter(|topic| topic.partitions != 0)
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect();
        loop {
            let mut needed = false;
            let mut progress = false;
            for subtopology in &self.subtopologies {
                for sink in &subtopology.repartition_sink_topics {
                    if counts.contains_key(sink) {
                        continue;
                    }
                    match self.upstream_count(&counts, subtopology) {
                        Some(count) => {
                            counts.insert(sink.clone(), count);
                            progress = true;
                        }
                        None => needed = true,
                    }
                }
            }
            if !needed {
                break;
            }
            if !progress {
                return Err(invalid_topology(
                    "Failed to compute number of partitions for all repartition topics. There \
                     may be loops in the topology that cannot be resolved.",
                ));
            }
        }
        if self
            .repartition_sources()
            .any(|topic| !counts.contains_key(&topic.name))
        {
            return Err(invalid_topology(
                "Failed to compute number of partitions for all repartition topics, because a \
                 repartition source topic is never used as a sink topic.",
            ));
        }
        Ok(counts)
    }

    /// A repartition topic gets the highest count among the topics its writer reads.
    fn upstream_count(&self, counts: &BTreeMap<String, i32>, sub: &Subtopology) -> Option<i32> {
        let repartition = sub.repartition_source_topics.iter();
        let repartition = repartition.filter_map(|topic| counts.get(&topic.name).copied());
        let external = sub.source_topics.iter();
        let external = external.filter_map(|topic| self.count(topic));
        repartition.chain(external).max()
    }

    fn enforce_copartitioning(&mut self) -> Result<(), Stop> {
        let (flexible, fixed): (Vec<&TopicInfo>, Vec<&TopicInfo>) = self
            .repartition_sources()
            .partition(|topic| topic.partitions == 0);
        let names = |topics: Vec<&TopicInfo>| -> BTreeSet<String> {
            topics.into_iter().map(|topic| topic.name.clone()).collect()
        };
        let (flexible, fixed) = (names(flexible), names(fixed));
        for subtopology in self.subtopologies.clone() {
            for group in &subtopology.copartition_groups {
                let topics = copartition_topics(subtopology, group).ok_or_else(unknown)?;
                let counts = self.enforce_group(&topics, &fixed, &flexible)?;
                self.decided.extend(counts);
            }
        }
        Ok(())
    }

    fn enforce_group(
        &self,
        topics: &BTreeSet<String>,
        fixed: &BTreeSet<String>,
        flexible: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, i32>, Stop> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut repartition = BTreeMap::new();
        let mut external = BTreeMap::new();
        for topic in topics {
            let count = self.count(topic).ok_or_else(unknown)?;
            if fixed.contains(topic) || flexible.contains(topic) {
                repartition.insert(topic.clone(), count);
            } else {
                external.insert(topic.clone(), count);
            }
        }
        let count = if let Some(&first) = external.values().next() {
            // The repartition topics follow the external ones, which must agree.
            if external.values().any(|&count| count != first) {
                return Err(different_counts(&external));
            }
            first
        } else if fixed.is_empty() {
            match repartition.values().copied().max() {
                Some(max) if max > 0 => max,
                _ => return Err(invalid_topology(undefined_counts(&repartition))),
            }
        } else {
            self.fixed_count(fixed, &repartition)?
        };
        for (topic, &current) in &repartition {
            if fixed.contains(topic) && current != count {
                return Err(incorrectly_partitioned(format!(
                    "Number of partitions [{current}] of repartition topic [{topic}] doesn't \
                     match number of partitions [{count}] of the source topic."
                )));
            }
        }
        Ok(repartition
            .into_keys()
            .map(|topic| (topic, count))
            .collect())
    }

    /// Java looks at every fixed repartition topic of the topology here, not only the group's.
    fn fixed_count(
        &self,
        fixed: &BTreeSet<String>,
        repartition: &BTreeMap<String, i32>,
    ) -> Result<i32, Stop> {
        let mut counts = fixed.iter().map(|topic| self.count(topic));
        let first = counts.next().flatten().ok_or_else(unknown)?;
        for count in counts {
            if count.ok_or_else(unknown)? != first {
                return Err(different_counts(repartition));
            }
        }
        Ok(first)
    }

    /// As many partitions as the sub-topology has tasks.
    fn task_count(&self, subtopology: &Subtopology) -> Result<Option<i32>, Stop> {
        let repartition = subtopology.repartition_source_topics.iter();
        let repartition = repartition.map(|topic| topic.name.as_str());
        let sources = subtopology.source_topics.iter().map(String::as_str);
        let mut max = None;
        for topic in sources.chain(repartition) {
            max = max.max(Some(self.count(topic).ok_or_else(unknown)?));
        }
        Ok(max)
    }

    fn decide_changelogs(&mut self) -> Result<(), Stop> {
        for subtopology in self.subtopologies.clone() {
            let Some(count) = self.task_count(subtopology)? else {
                let id = &subtopology.subtopology_id;
                return Err(invalid_topology(format!(
                    "No source topics found for subtopology {id}"
                )));
            };
            for changelog in &subtopology.state_changelog_topics {
                self.decided.insert(changelog.name.clone(), count);
            }
        }
        Ok(())
    }

    fn configure_subtopology(&self, sub: &Subtopology) -> Result<ConfiguredSubtopology, Stop> {
        let tasks = self.task_count(sub)?.ok_or_else(unknown)?;
        if tasks <= 0 {
            return Err(unknown());
        }
        let internal = sub.repartition_source_topics.iter();
        let internal = internal.chain(&sub.state_changelog_topics);
        let mut internal_partitions = BTreeMap::new();
        for topic in internal {
            let count = match topic.partitions {
                0 => *self.decided.get(&topic.name).ok_or_else(unknown)?,
                fixed => fixed,
            };
            internal_partitions.insert(topic.name.clone(), count);
        }
        let repartition = sub.repartition_source_topics.iter();
        let repartition = repartition.map(|topic| topic.name.clone());
        Ok(ConfiguredSubtopology {
            tasks,
            stateful: !sub.state_changelog_topics.is_empty(),
            source_topics: sub
                .source_topics
                .iter()
                .cloned()
                .chain(repartition)
                .collect(),
            internal_partitions,
        })
    }

    fn missing_topics(
        &self,
        configured: &BTreeMap<String, ConfiguredSubtopology>,
    ) -> Result<Vec<TopicToCreate>, Stop> {
        let mut missing: BTreeMap<String, TopicToCreate> = BTreeMap::new();
        for subtopology in &self.subtopologies {
            let Some(counts) = configured.get(&subtopology.subtopology_id) else {
                continue;
            };
            let internal = subtopology.repartition_source_topics.iter();
            for topic in internal.chain(&subtopology.state_changelog_topics) {
                let Some(&partitions) = counts.internal_partitions.get(&topic.name) else {
                    continue;
                };
                if let Some(found) = (self.existing)(&topic.name) {
                    if found != partitions {
                        return Err(incorrectly_partitioned(format!(
                            "Existing topic {} has different number of partitions: expected \
                             {partitions}, found {found}",
                            topic.name
                        )));
                    }
                    continue;
                }
                let configs = topic.topic_configs.iter();
                let topic = TopicToCreate {
                    name: topic.name.clone(),
                    partitions,
                    configs: configs
                        .map(|config| (config.key.clone(), config.value.clone()))
                        .collect(),
                };
                missing.insert(topic.name.clone(), topic);
            }
        }
        Ok(missing.into_values().collect())
    }
}

/// The names a copartition group's indexes mean; `None` for an index out of range.
fn copartition_topics(
    subtopology: &Subtopology,
    group: &eddyline_core::wire::streams_group::CopartitionGroup,
) -> Option<BTreeSet<String>> {
    let mut topics = BTreeSet::new();
    for &index in &group.source_topics {
        let index = usize::try_from(index).ok()?;
        topics.insert(subtopology.source_topics.get(index)?.clone());
    }
    for &index in &group.repartition_source_topics {
        let index = usize::try_from(index).ok()?;
        let topic = subtopology.repartition_source_topics.get(index)?;
        topics.insert(topic.name.clone());
    }
    Some(topics)
}

/// Java's text of a sorted map: `{a=1, b=2}`.
fn map_text(counts: &BTreeMap<String, i32>) -> String {
    let entries: Vec<String> = counts.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{{{}}}", entries.join(", "))
}

fn different_counts(counts: &BTreeMap<String, i32>) -> Stop {
    let counts = map_text(counts);
    incorrectly_partitioned(format!(
        "Following topics do not have the same number of partitions: [{counts}]"
    ))
}

fn undefined_counts(counts: &BTreeMap<String, i32>) -> String {
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    let names = names.join(", ");
    format!("All topics in the copartition group had undefined partition number: [{names}]")
}

fn summarize(topics: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut text = topics[..topics.len().min(SHOWN)].join(", ");
    if topics.len() > SHOWN {
        text += &format!(" and {} additional topics", topics.len() - SHOWN);
    }
    text
}
