//! Committed offsets: OffsetCommit (8) and OffsetFetch (9), with the checks streams groups add
//! (Java: `OffsetMetadataManager`, `StreamsGroup.validateOffsetCommit`).

use eddyline_core::types::OffsetAndMetadata;
use eddyline_core::wire::Response;
use eddyline_core::wire::messages::offset_commit_request::OffsetCommitRequestPartition;
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
use super::{Broker, codes};

/// `offset.metadata.max.bytes`.
const MAX_METADATA: usize = 4096;
/// Members of streams groups commit with this version or a later one.
const MEMBER_EPOCHS_FROM: i16 = 9;

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

/// `UNKNOWN_TOPIC_OR_PARTITION` of a partition that is not there.
fn check_exists(broker: &Broker, topic: &str, partition: i32) -> Result<(), i16> {
    let topic = broker.topics.by_name(topic);
    match topic.and_then(|topic| topic.partition(partition)) {
        Some(_) => Ok(()),
        None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
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
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let code = match rejected {
                    Some(code) => code,
                    None => accepted.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR),
                };
                if code == codes::NONE {
                    let name = topic.name.0.as_str();
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
    fn check_commit(&self, version: i16, request: &OffsetCommitRequest) -> Result<Vec<i16>, i16> {
        let validator = self.commit_validator(version, request)?;
        let mut codes = Vec::new();
        for topic in &request.topics {
            let name = topic.name.0.as_str();
            for partition in &topic.partitions {
                let index = partition.partition_index;
                let metadata = partition.committed_metadata.as_ref();
                codes.push(if let Err(code) = check_exists(self, name, index) {
                    code
                } else if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) {
                    codes::OFFSET_METADATA_TOO_LARGE
                } else {
                    validator.check(name, index)?;
                    codes::NONE
                });
            }
        }
        Ok(codes)
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
            let groups = groups.map(|group| self.offset_fetch_group(group)).collect();
            return Response::OffsetFetch(OffsetFetchResponse::default().with_groups(groups));
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
        let group = self.offset_fetch_group(&group);
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

    fn offset_fetch_group(&self, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let response = OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone());
        if let Err(code) = self.check_offset_fetch(request) {
            return response.with_error_code(code);
        }
        let id = request.group_id.0.as_str();
        let none = GroupOffsets::new();
        let known = self.groups.get(id).and_then(|_| self.groups.offsets(id));
        let offsets = known.unwrap_or(&none);
        let topics = match &request.topics {
            None => {
                let topics = offsets.iter().map(|(name, partitions)| {
                    let partitions = partitions
                        .iter()
                        .map(|(&p, offset)| fetched(p, Some(offset)));
                    OffsetFetchResponseTopics::default()
                        .with_name(messages::TopicName(name.clone().into()))
                        .with_partitions(partitions.collect())
                });
                topics.collect()
            }
            Some(topics) => {
                let topics = topics.iter().map(|topic| {
                    let known = offsets.get(topic.name.0.as_str());
                    let partitions = topic.partition_indexes.iter();
                    let partitions = partitions
                        .map(|p| fetched(*p, known.and_then(|partitions| partitions.get(p))));
                    OffsetFetchResponseTopics::default()
                        .with_name(topic.name.clone())
                        .with_topic_id(topic.topic_id)
                        .with_partitions(partitions.collect())
                });
                topics.collect()
            }
        };
        response.with_topics(topics)
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

fn committed(partition: &OffsetCommitRequestPartition) -> OffsetAndMetadata {
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
