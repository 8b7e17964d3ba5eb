//! What each call asks and how its answers are read.

use std::collections::BTreeMap;

use super::answers::{
    read_committed, read_coordinator, read_fetch, read_offsets, read_produce, refused, unexpected,
};
use super::requests::{
    create_topics_request, fetch_request, find_coordinator_request, list_offsets_request,
    offset_fetch_request, produce_request,
};
use super::{AdminResult, NewTopic, OffsetSpec, Settings};
use crate::error::{Concerned, StreamsError};
use crate::net::{Cluster, RequestError, Target};
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::messages::CreateTopicsResponse;
use crate::wire::streams_group::StreamsGroupDescribeRequest;
use crate::wire::{ApiKey, Request, Response, SealedBatch, Uuid};

/// What to do for a call next.
pub(super) enum Step {
    /// Something is on its way (a connection, metadata).
    Wait,
    /// Send these requests.
    Send(Vec<(Target, i16, Request)>),
    /// The call is over.
    Done(Result<AdminResult, StreamsError>),
}

/// What an answer meant.
pub(super) enum Outcome {
    Done(Result<AdminResult, StreamsError>),
    /// One step further.
    More,
    /// Try again later; why.
    Retry(StreamsError),
}

#[derive(Debug)]
pub(super) struct Call {
    kind: Kind,
    operation: String,
}

#[derive(Debug)]
enum Kind {
    CreateTopics(Vec<NewTopic>),
    /// A question for the coordinator of a group, which is looked up first.
    Group {
        group: String,
        coordinator: Option<BrokerId>,
        question: GroupQuestion,
    },
    ListOffsets {
        partitions: Vec<TopicPartition>,
        spec: OffsetSpec,
        found: BTreeMap<TopicPartition, i64>,
    },
    Produce {
        partition: TopicPartition,
        batch: SealedBatch,
    },
    Fetch {
        partition: TopicPartition,
        offset: i64,
    },
    PartitionCounts {
        topics: Vec<TopicName>,
        /// How often metadata had been asked for before: answers to that may not know them yet.
        asked_before: u64,
    },
    Features,
}

#[derive(Debug)]
enum GroupQuestion {
    Describe,
    CommittedOffsets(Vec<TopicPartition>),
}

impl Call {
    fn new(operation: String, kind: Kind) -> Self {
        Self { kind, operation }
    }

    pub(super) fn create_topics(topics: Vec<NewTopic>) -> Self {
        Self::new("creating topics".into(), Kind::CreateTopics(topics))
    }

    pub(super) fn describe_group(group: String) -> Self {
        let operation = format!("describing group {group}");
        Self::of_group(operation, group, GroupQuestion::Describe)
    }

    pub(super) fn committed_offsets(group: String, partitions: Vec<TopicPartition>) -> Self {
        let operation = format!("asking for the offsets of group {group}");
        Self::of_group(
            operation,
            group,
            GroupQuestion::CommittedOffsets(partitions),
        )
    }

    fn of_group(operation: String, group: String, question: GroupQuestion) -> Self {
        let kind = Kind::Group {
            group,
            coordinator: None,
            question,
        };
        Self::new(operation, kind)
    }

    pub(super) fn list_offsets(partitions: Vec<TopicPartition>, spec: OffsetSpec) -> Self {
        let found = BTreeMap::new();
        let kind = Kind::ListOffsets {
            partitions,
            spec,
            found,
        };
        Self::new("listing offsets".into(), kind)
    }

    pub(super) fn produce(partition: TopicPartition, batch: SealedBatch) -> Self {
        let operation = format!("writing to {partition}");
        Self::new(operation, Kind::Produce { partition, batch })
    }

    pub(super) fn fetch(partition: TopicPartition, offset: i64) -> Self {
        let operation = format!("reading {partition}");
        Self::new(operation, Kind::Fetch { partition, offset })
    }

    pub(super) fn partition_counts(topics: Vec<TopicName>, asked_before: u64) -> Self {
        let kind = Kind::PartitionCounts {
            topics,
            asked_before,
        };
        Self::new("asking for topics".into(), kind)
    }

    pub(super) fn features() -> Self {
        Self::new("asking for features".into(), Kind::Features)
    }

    /// The partition of a call that writes.
    pub(super) const fn batch_partition(&self) -> Option<&TopicPartition> {
        match &self.kind {
            Kind::Produce { partition, .. } => Some(partition),
            _ => None,
        }
    }

    /// Whether the call cannot end without this topic.
    pub(super) fn needs(&self, topic: &TopicName) -> bool {
        match &self.kind {
            Kind::ListOffsets { partitions, .. } => partitions.iter().any(|p| p.topic == *topic),
            Kind::Produce { partition, .. } | Kind::Fetch { partition, .. } => {
                partition.topic == *topic
            }
            Kind::PartitionCounts { topics, .. } => topics.contains(topic),
            _ => false,
        }
    }

    /// What keeps the call waiting, as far as that is known.
    pub(super) fn waits_for(&self, cluster: &Cluster) -> Option<StreamsError> {
        let topics = match &self.kind {
            Kind::ListOffsets { partitions, .. } => partitions.as_slice(),
            Kind::Produce { partition, .. } | Kind::Fetch { partition, .. } => {
                std::slice::from_ref(partition)
            }
            _ => return None,
        };
        let exists = |topic| cluster.metadata().partition_count(topic).is_some();
        let missing = topics.iter().find(|partition| !exists(&partition.topic))?;
        let answered = cluster.metadata_request_answered() > 0;
        answered.then(|| StreamsError::Broker {
            operation: self.operation.clone(),
            code: UNKNOWN_TOPIC_OR_PARTITION,
            message: format!("topic {} does not exist", missing.topic),
        })
    }

    pub(super) fn start(&mut self, cluster: &Cluster, settings: &Settings) -> Step {
        match &self.kind {
            Kind::CreateTopics(topics) => {
                one(cluster, Target::AnyBroker, ApiKey::CreateTopics, |_| {
                    create_topics_request(topics, settings)
                })
            }
            Kind::Group {
                group,
                coordinator,
                question,
            } => match (coordinator, question) {
                (None, _) => {
                    let api = ApiKey::FindCoordinator;
                    one(cluster, Target::AnyBroker, api, |version| {
                        find_coordinator_request(group, version)
                    })
                }
                (Some(broker), GroupQuestion::Describe) => {
                    let api = ApiKey::StreamsGroupDescribe;
                    one(cluster, Target::Broker(*broker), api, |_| {
                        Request::StreamsGroupDescribe(StreamsGroupDescribeRequest {
                            group_ids: vec![group.clone()],
                            ..Default::default()
                        })
                    })
                }
                (Some(broker), GroupQuestion::CommittedOffsets(partitions)) => {
                    let (target, api) = (Target::Broker(*broker), ApiKey::OffsetFetch);
                    one_up_to(OFFSET_FETCH_NAMES, cluster, target, api, |version| {
                        offset_fetch_request(group, partitions, version)
                    })
                }
            },
            Kind::ListOffsets {
                partitions,
                spec,
                found,
            } => list_offsets_step(cluster, partitions, *spec, found, settings),
            Kind::Produce { partition, batch } => {
                to_leader(cluster, partition, ApiKey::Produce, |version, id, _| {
                    produce_request(partition, batch, version, id, settings)
                })
            }
            Kind::Fetch { partition, offset } => {
                to_leader(cluster, partition, ApiKey::Fetch, |version, id, epoch| {
                    fetch_request(partition, *offset, version, id, epoch, settings)
                })
            }
            Kind::PartitionCounts {
                topics,
                asked_before,
            } if cluster.metadata_request_answered() > *asked_before => {
                let count = |topic: &TopicName| cluster.metadata().partition_count(topic);
                let counts = topics.iter().map(|topic| (topic.clone(), count(topic)));
                Step::Done(Ok(AdminResult::PartitionCounts(counts.collect())))
            }
            Kind::Features => match cluster.features() {
                Some(features) => Step::Done(Ok(AdminResult::Features(features.clone()))),
                None => {
                    // Asking for any version has a connection made.
                    let _ = cluster.version(Target::AnyBroker, ApiKey::ApiVersions);
                    Step::Wait
                }
            },
            Kind::PartitionCounts { .. } => Step::Wait,
        }
    }

    /// Takes an answer; what it says is not allowed is named.
    pub(super) fn answered(
        &mut self,
        cluster: &mut Cluster,
        result: Result<Response, RequestError>,
    ) -> Outcome {
        match self.take_answer(cluster, result) {
            Outcome::Done(Err(error)) => Outcome::Done(Err(named(error, self.concerned()))),
            outcome => outcome,
        }
    }

    fn concerned(&self) -> Concerned<'_> {
        match &self.kind {
            Kind::Group { group, .. } => Concerned {
                group: Some(group),
                permission: "Describe",
                ..Concerned::default()
            },
            Kind::ListOffsets { partitions, .. } => about(partitions.first(), "Describe"),
            Kind::Produce { partition, .. } => about(Some(partition), "Write"),
            Kind::Fetch { partition, .. } => about(Some(partition), "Read"),
            Kind::CreateTopics(_) | Kind::PartitionCounts { .. } | Kind::Features => {
                about(None, "Describe")
            }
        }
    }

    fn take_answer(
        &mut self,
        cluster: &mut Cluster,
        result: Result<Response, RequestError>,
    ) -> Outcome {
        let response = match result {
            Ok(response) => response,
            Err(RequestError::Unsupported(message)) => {
                let message = format!("{} cannot be done: {message}", self.operation);
                return Outcome::Done(Err(StreamsError::Unsupported(message)));
            }
            Err(error) => return self.lost(&error),
        };
        let operation = &self.operation;
        match (&mut self.kind, response) {
            (Kind::CreateTopics(_), Response::CreateTopics(response)) => {
                Outcome::Done(Ok(AdminResult::TopicsCreated(read_created(response))))
            }
            (Kind::Group { coordinator, .. }, Response::FindCoordinator(response)) => {
                match read_coordinator(operation, &response) {
                    Ok((broker, address)) => {
                        cluster.add_broker(broker, address);
                        *coordinator = Some(broker);
                        Outcome::More
                    }
                    Err(error) => outcome_of(error),
                }
            }
            (
                Kind::Group {
                    coordinator,
                    question: GroupQuestion::CommittedOffsets(partitions),
                    ..
                },
                Response::OffsetFetch(response),
            ) => {
                let read = read_committed(operation, partitions, &response);
                if read.is_err() {
                    *coordinator = None;
                }
                outcome(read.map(AdminResult::CommittedOffsets))
            }
            (Kind::Group { coordinator, .. }, Response::StreamsGroupDescribe(response)) => {
                let Some(group) = response.groups.into_iter().next() else {
                    return Outcome::Done(Err(unexpected(operation)));
                };
                let asked = refused(operation, group.error_code, group.error_message.as_deref());
                if asked.is_err() {
                    *coordinator = None;
                }
                outcome(asked.map(|()| AdminResult::Group(Box::new(group))))
            }
            (
                Kind::ListOffsets {
                    partitions, found, ..
                },
                Response::ListOffsets(response),
            ) => match read_offsets(operation, &response, found) {
                Err(error) => outcome_of(error),
                Ok(()) => match offsets_of(partitions, found) {
                    Some(offsets) => Outcome::Done(Ok(AdminResult::Offsets(offsets))),
                    None => Outcome::More,
                },
            },
            (Kind::Produce { .. }, Response::Produce(response)) => {
                outcome(read_produce(operation, &response).map(AdminResult::Produced))
            }
            (Kind::Fetch { partition, offset }, Response::Fetch(response)) => {
                outcome(read_fetch(operation, partition, *offset, response))
            }
            _ => Outcome::Done(Err(unexpected(operation))),
        }
    }

    /// The answer was lost: the broker may or may not have acted.
    fn lost(&mut self, error: &RequestError) -> Outcome {
        let error = StreamsError::Unreachable(format!("{} failed: {error}", self.operation));
        match &mut self.kind {
            Kind::Produce { .. } => Outcome::Done(Err(error)),
            Kind::Group { coordinator, .. } => {
                *coordinator = None;
                Outcome::Retry(error)
            }
            _ => Outcome::Retry(error),
        }
    }
}

fn one(cluster: &Cluster, target: Target, api: ApiKey, build: impl FnOnce(i16) -> Request) -> Step {
    one_up_to(i16::MAX, cluster, target, api, build)
}

fn one_up_to(
    last: i16,
    cluster: &Cluster,
    target: Target,
    api: ApiKey,
    build: impl FnOnce(i16) -> Request,
) -> Step {
    match cluster
        .version(target, api)
        .map(|version| version.min(last))
    {
        Some(version) => Step::Send(vec![(target, version, build(version))]),
        None => Step::Wait,
    }
}

/// A request to the leader of a partition, by topic id where the version wants one.
fn to_leader(
    cluster: &Cluster,
    partition: &TopicPartition,
    api: ApiKey,
    build: impl FnOnce(i16, Uuid, i32) -> Request,
) -> Step {
    let metadata = cluster.metadata();
    let Some((leader, epoch)) = metadata.leader(partition) else {
        // Wanted already, so an answer is on its way or will be asked for.
        return Step::Wait;
    };
    let id = metadata.topic_id(&partition.topic);
    one(cluster, Target::Broker(leader), api, |version| {
        build(version, id.unwrap_or_default(), epoch)
    })
}

fn list_offsets_step(
    cluster: &Cluster,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
    found: &BTreeMap<TopicPartition, i64>,
    settings: &Settings,
) -> Step {
    if partitions.is_empty() {
        return Step::Done(Ok(AdminResult::Offsets(Vec::new())));
    }
    let mut by_leader: BTreeMap<BrokerId, Vec<(&TopicPartition, i32)>> = BTreeMap::new();
    for partition in partitions.iter().filter(|p| !found.contains_key(p)) {
        if let Some((leader, epoch)) = cluster.metadata().leader(partition) {
            by_leader
                .entry(leader)
                .or_default()
                .push((partition, epoch));
        }
    }
    let mut sends = Vec::new();
    for (leader, partitions) in by_leader {
        let target = Target::Broker(leader);
        if let Some(version) = cluster.version(target, ApiKey::ListOffsets) {
            let request = list_offsets_request(&partitions, spec, settings);
            sends.push((target, version, request));
        }
    }
    if sends.is_empty() {
        Step::Wait
    } else {
        Step::Send(sends)
    }
}

fn read_created(response: CreateTopicsResponse) -> Vec<(TopicName, Result<(), StreamsError>)> {
    let results = response.topics.into_iter().map(|topic| {
        let message = topic.error_message.as_deref();
        let operation = format!("creating topic {}", &*topic.name.0);
        let result = refused(&operation, topic.error_code, message);
        let name = TopicName::new(&*topic.name.0);
        let concerned = Concerned {
            topic: Some(&name),
            permission: "Create",
            ..Concerned::default()
        };
        let result = result.map_err(|error| named(error, concerned));
        (name, result)
    });
    results.collect()
}

/// The offset of each partition, once all of them are known.
fn offsets_of(
    partitions: &[TopicPartition],
    found: &BTreeMap<TopicPartition, i64>,
) -> Option<Vec<(TopicPartition, i64)>> {
    let offset = |partition: &TopicPartition| Some((partition.clone(), *found.get(partition)?));
    partitions.iter().map(offset).collect()
}

fn about<'a>(partition: Option<&'a TopicPartition>, permission: &'static str) -> Concerned<'a> {
    Concerned {
        topic: partition.map(|partition| &partition.topic),
        permission,
        ..Concerned::default()
    }
}

/// The same error with what an ACL is missing on, where that is what it says.
fn named(error: StreamsError, concerned: Concerned<'_>) -> StreamsError {
    match error {
        StreamsError::Broker {
            operation,
            code,
            message,
        } => StreamsError::refused(operation, code, &message, concerned),
        error => error,
    }
}

fn outcome(result: Result<AdminResult, StreamsError>) -> Outcome {
    match result {
        Ok(result) => Outcome::Done(Ok(result)),
        Err(error) => outcome_of(error),
    }
}

fn outcome_of(error: StreamsError) -> Outcome {
    match error {
        StreamsError::Broker { code, .. } if is_passing(code) => Outcome::Retry(error),
        error => Outcome::Done(Err(error)),
    }
}

/// Whether trying again may help (Java: `RetriableException`). Only definite refusals: what a
/// broker may have done in spite of the error is not among them.
const fn is_passing(code: i16) -> bool {
    matches!(
        code,
        3   // UNKNOWN_TOPIC_OR_PARTITION
        | 5   // LEADER_NOT_AVAILABLE
        | 6   // NOT_LEADER_OR_FOLLOWER
        | 9   // REPLICA_NOT_AVAILABLE
        | 14  // COORDINATOR_LOAD_IN_PROGRESS
        | 15  // COORDINATOR_NOT_AVAILABLE
        | 16  // NOT_COORDINATOR
        | 19  // NOT_ENOUGH_REPLICAS
        | 41  // NOT_CONTROLLER
        | 56  // KAFKA_STORAGE_ERROR
        | 74  // FENCED_LEADER_EPOCH
        | 75  // UNKNOWN_LEADER_EPOCH
        | 78  // OFFSET_NOT_AVAILABLE
        | 100 // UNKNOWN_TOPIC_ID
    )
}

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// The last version of OffsetFetch with names: the topics asked for may be in no metadata.
const OFFSET_FETCH_NAMES: i16 = 9;
