//! Committed offsets: OffsetCommit (8) and OffsetFetch (9), with the checks streams groups add
//! (Java: `OffsetMetadataManager`, `StreamsGroup.validateOffsetCommit`).

use eddyline_core::types::OffsetAndMetadata;
use eddyline_core::wire::Response;
use eddyline_core::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use eddyline_core::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use eddyline_core::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use eddyline_core::wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use eddyline_core::wire::messages::{
    self, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};

use super::groups::{Group, GroupOffsets, Member, StreamsGroup, Task};
use super::topics::{Topic, TopicRef};
use super::{Broker, codes};

/// `offset.metadata.max.bytes`.
const MAX_METADATA: usize = 4096;
/// Members of streams groups commit with this version or a later one.
const MEMBER_EPOCHS_FROM: i16 = 9;

/// From this version on topics have ids instead of names.
const TOPIC_IDS_FROM: i16 = 10;

/// Which partitions a commit may touch.
enum Validator<'a> {
    All,
    /// The request's epoch is behind the member's: only tasks assigned at that epoch or before.
    AssignedUpTo {
        group: &'a StreamsGroup,
        member: &'a Member,
        epoch: i32,
    },
}

impl Validator<'_> {
    fn check(&self, topic: &str, partition: i32) -> Result<(), i16> {
        let &Self::AssignedUpTo {
            group,
            member,
            epoch,
        } = self
        else {
            return Ok(());
        };
        let subtopologies = group.topology().map_or(&[][..], |t| &t.subtopologies[..]);
        let subtopology = subtopologies.iter().find(|sub| {
            sub.source_topics.iter().any(|name| name == topic)
                || sub
                    .repartition_source_topics
                    .iter()
                    .any(|t| t.name == topic)
        });
        let subtopology = subtopology.ok_or(codes::STALE_MEMBER_EPOCH)?;
        let task = Task::new(&subtopology.subtopology_id, partition);
        let assigned = member.assigned.active.get(&task);
        let assigned = assigned.or_else(|| member.pending_revocation.active.get(&task));
        match assigned {
            Some(&assigned) if epoch >= assigned => Ok(()),
            _ => Err(codes::STALE_MEMBER_EPOCH),
        }
    }
}

impl Broker {
    pub(super) fn offset_commit(
        &mut self,
        version: i16,
        request: &OffsetCommitRequest,
    ) -> Response {
        let outcome = self.check_commit(version, request);
        let (accepted, rejected) = match outcome {
            Ok(accepted) => (accepted, None),
            Err(code) => (Vec::new(), Some(code)),
        };
        let group = request.group_id.0.as_str();
        if rejected.is_none() && request.generation_id_or_member_epoch < 0 {
            self.groups.ensure_simple(group);
        }
        let mut accepted = accepted.into_iter();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name = self.named(version, topic).map(|topic| topic.name.clone());
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let code = match rejected {
                    Some(code) => code,
                    None => accepted.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR),
                };
                if let (Ok(name), codes::NONE) = (&name, code) {
                    let offset = committed(partition);
                    self.groups
                        .commit(group, name, partition.partition_index, offset);
                }
                partitions.push(
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(code),
                );
            }
            topics.push(
                OffsetCommitResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(topic.topic_id)
                    .with_partitions(partitions),
            );
        }
        Response::OffsetCommit(OffsetCommitResponse::default().with_topics(topics))
    }

    /// One code per partition of the request, or the code that refuses it as a whole. As in Kafka,
    /// one task of a member that is not its own refuses the whole request.
    pub(super) fn check_commit(
        &self,
        version: i16,
        request: &OffsetCommitRequest,
    ) -> Result<Vec<i16>, i16> {
        let validator = self.commit_validator(version, request)?;
        let mut codes = Vec::new();
        for topic in &request.topics {
            let known = self.named(version, topic);
            for partition in &topic.partitions {
                let index = partition.partition_index;
                let metadata = partition.committed_metadata.as_ref();
                codes.push(match known {
                    Err(code) => code,
                    Ok(topic) if topic.partition(index).is_none() => {
                        codes::UNKNOWN_TOPIC_OR_PARTITION
                    }
                    Ok(_) if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) => {
                        codes::OFFSET_METADATA_TOO_LARGE
                    }
                    Ok(topic) => {
                        validator.check(&topic.name, index)?;
                        codes::NONE
                    }
                });
            }
        }
        Ok(codes)
    }

    /// The topic that a request of `version` means, or the error of one that does not exist.
    fn named(&self, version: i16, topic: &OffsetCommitRequestTopic) -> Result<&Topic, i16> {
        let topic = TopicRef::new(topic.topic_id, &topic.name, version, TOPIC_IDS_FROM);
        self.topics.resolve(&topic).ok_or_else(|| topic.unknown())
    }

    fn commit_validator(
        &self,
        version: i16,
        request: &OffsetCommitRequest,
    ) -> Result<Validator<'_>, i16> {
        let epoch = request.generation_id_or_member_epoch;
        let group = request.group_id.0.as_str();
        if group.is_empty() {
            return Err(codes::INVALID_GROUP_ID);
        }
        let group = match self.groups.get(group) {
            Some(Group::Streams(group)) => group,
            Some(Group::Simple) | None if epoch < 0 => return Ok(Validator::All),
            // A simple group has no members at all.
            Some(Group::Simple) => return Err(codes::UNKNOWN_MEMBER_ID),
            None if version >= MEMBER_EPOCHS_FROM => return Err(codes::GROUP_ID_NOT_FOUND),
            None => return Err(codes::ILLEGAL_GENERATION),
        };
        if epoch < 0 && group.members().is_empty() {
            return Ok(Validator::All);
        }
        let member = group.members().get(request.member_id.as_str());
        let member = member.ok_or(codes::UNKNOWN_MEMBER_ID)?;
        if version < MEMBER_EPOCHS_FROM {
            return Err(codes::UNSUPPORTED_VERSION);
        }
        match epoch.cmp(&member.member_epoch) {
            std::cmp::Ordering::Equal => Ok(Validator::All),
            std::cmp::Ordering::Greater => Err(codes::STALE_MEMBER_EPOCH),
            std::cmp::Ordering::Less => Ok(Validator::AssignedUpTo {
                group,
                member,
                epoch,
            }),
        }
    }

    pub(super) fn offset_fetch(&self, version: i16, request: &OffsetFetchRequest) -> Response {
        if version >= 8 {
            let groups = request.groups.iter();
            let stable = request.require_stable;
            let groups = groups.map(|group| self.offset_fetch_group(version, group, stable));
            return Response::OffsetFetch(
                OffsetFetchResponse::default().with_groups(groups.collect()),
            );
        }
        // One group, no member: the shape before batching.
        let topics = request.topics.as_ref().map(|topics| {
            let topics = topics.iter().map(|topic| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic.name.clone())
                    .with_partition_indexes(topic.partition_indexes.clone())
            });
            topics.collect()
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(request.group_id.clone())
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(topics);
        let group = self.offset_fetch_group(version, &group, request.require_stable);
        let topics = group.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_committed_offset(partition.committed_offset)
                    .with_committed_leader_epoch(partition.committed_leader_epoch)
                    .with_metadata(partition.metadata)
                    .with_error_code(partition.error_code)
            });
            OffsetFetchResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        Response::OffsetFetch(
            OffsetFetchResponse::default()
                .with_topics(topics.collect())
                .with_error_code(group.error_code),
        )
    }

    fn offset_fetch_group(
        &self,
        version: i16,
        request: &OffsetFetchRequestGroup,
        require_stable: bool,
    ) -> OffsetFetchResponseGroup {
        let response = OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone());
        if let Err(code) = self.check_offset_fetch(request) {
            return response.with_error_code(code);
        }
        let id = request.group_id.0.as_str();
        let none = GroupOffsets::new();
        let known = self.groups.get(id).and_then(|_| self.groups.offsets(id));
        let offsets = known.unwrap_or(&none);
        let mut topics = match &request.topics {
            None => self.all_offsets(version, offsets),
            Some(topics) => {
                let topics = topics.iter();
                let topics = topics.map(|topic| self.offsets_of(version, offsets, topic));
                topics.collect()
            }
        };
        if require_stable {
            self.mark_unstable(version, id, &mut topics);
        }
        response.with_topics(topics)
    }

    /// Holds back what a transaction may still change.
    fn mark_unstable(&self, version: i16, group: &str, topics: &mut [OffsetFetchResponseTopics]) {
        for topic in topics {
            let key = TopicRef::new(topic.topic_id, &topic.name, version, TOPIC_IDS_FROM);
            let Some(known) = self.topics.resolve(&key) else {
                continue;
            };
            for partition in &mut topic.partitions {
                let index = partition.partition_index;
                if self.transactions.is_unstable(group, &known.name, index) {
                    *partition =
                        fetched(index, None).with_error_code(codes::UNSTABLE_OFFSET_COMMIT);
                }
            }
        }
    }

    /// Everything a group has committed. A topic that is gone has no id to name it by.
    fn all_offsets(&self, version: i16, offsets: &GroupOffsets) -> Vec<OffsetFetchResponseTopics> {
        let topics = offsets.iter().filter_map(|(name, partitions)| {
            let id = self.topics.by_name(name).map(|topic| topic.id);
            if version >= TOPIC_IDS_FROM && id.is_none() {
                return None;
            }
            let partitions = partitions
                .iter()
                .map(|(&p, offset)| fetched(p, Some(offset)));
            let topic = OffsetFetchResponseTopics::default()
                .with_name(messages::TopicName(name.clone().into()))
                .with_topic_id(id.unwrap_or_default())
                .with_partitions(partitions.collect());
            Some(topic)
        });
        topics.collect()
    }

    fn offsets_of(
        &self,
        version: i16,
        offsets: &GroupOffsets,
        topic: &OffsetFetchRequestTopics,
    ) -> OffsetFetchResponseTopics {
        // A name is enough to find what was committed, even if the topic is gone; an id is not.
        let mut name = Some(topic.name.0.as_str());
        if version >= TOPIC_IDS_FROM {
            name = self
                .topics
                .by_id(&topic.topic_id)
                .map(|topic| topic.name.as_str());
        }
        let code = name.map_or(codes::UNKNOWN_TOPIC_ID, |_| codes::NONE);
        let known = name.and_then(|name| offsets.get(name));
        let partitions = topic.partition_indexes.iter().map(|p| {
            let offset = known.and_then(|partitions| partitions.get(p));
            fetched(*p, offset).with_error_code(code)
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    }

    fn check_offset_fetch(&self, request: &OffsetFetchRequestGroup) -> Result<(), i16> {
        let Some(group) = self.groups.streams(request.group_id.0.as_str()) else {
            return Ok(());
        };
        let member_id = match &request.member_id {
            None if request.member_epoch < 0 => return Ok(()),
            member_id => member_id.as_ref().map_or("", |id| id.as_str()),
        };
        let member = group.members().get(member_id);
        let member = member.ok_or(codes::UNKNOWN_MEMBER_ID)?;
        if member.member_epoch == request.member_epoch {
            Ok(())
        } else {
            Err(codes::STALE_MEMBER_EPOCH)
        }
    }
}

pub(super) fn committed(partition: &OffsetCommitRequestPartition) -> OffsetAndMetadata {
    let epoch = partition.committed_leader_epoch;
    let metadata = partition.committed_metadata.as_ref();
    OffsetAndMetadata {
        offset: partition.committed_offset,
        leader_epoch: (epoch >= 0).then_some(epoch),
        metadata: metadata.map_or_else(String::new, |metadata| metadata.to_string()),
    }
}

fn fetched(partition: i32, offset: Option<&OffsetAndMetadata>) -> OffsetFetchResponsePartitions {
    let none = OffsetAndMetadata {
        offset: -1,
        ..OffsetAndMetadata::default()
    };
    let offset = offset.unwrap_or(&none);
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition)
        .with_committed_offset(offset.offset)
        .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
        .with_metadata(Some(offset.metadata.clone().into()))
}
