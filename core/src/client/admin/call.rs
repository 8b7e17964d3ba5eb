//! What each call asks and how its answers are read.

use std::collections::BTreeMap;

use super::{AdminResult, NewTopic, OffsetSpec, Settings};
use crate::config::HostPort;
use crate::error::StreamsError;
use crate::net::{Cluster, RequestError, Target};
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, ListOffsetsRequest, ListOffsetsResponse, OffsetFetchRequest,
    OffsetFetchResponse, ProduceRequest, ProduceResponse, StrBytes, TopicName as KafkaTopicName,
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    fetch_request::{FetchPartition, FetchTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_fetch_request::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
    produce_request::{PartitionProduceData, TopicProduceData},
};
use crate::wire::streams_group::StreamsGroupDescribeRequest;
use crate::wire::{self, ApiKey, Request, Response, SealedBatch, Uuid};

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
        answers_before: u64,
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

    pub(super) fn partition_counts(topics: Vec<TopicName>, answers_before: u64) -> Self {
        let kind = Kind::PartitionCounts {
            topics,
            answers_before,
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
        let asked = cluster.metadata_answers() > 0;
        asked.then(|| StreamsError::Broker {
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
            } => list_offsets_step(cluster, partitions, *spec, found),
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
                answers_before,
            } if cluster.metadata_answers() > *answers_before => {
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

    pub(super) fn answered(
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
                let results = response.topics.into_iter().map(|topic| {
                    let message = topic.error_message.as_deref();
                    let operation = format!("creating topic {}", &*topic.name.0);
                    let result = refused(&operation, topic.error_code, message);
                    (TopicName::new(&*topic.name.0), result)
                });
                Outcome::Done(Ok(AdminResult::TopicsCreated(results.collect())))
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
            ) => match read_committed(operation, partitions, &response) {
                Ok(offsets) => Outcome::Done(Ok(AdminResult::CommittedOffsets(offsets))),
                Err(error) => {
                    *coordinator = None;
                    outcome_of(error)
                }
            },
            (Kind::Group { coordinator, .. }, Response::StreamsGroupDescribe(response)) => {
                let Some(group) = response.groups.into_iter().next() else {
                    return Outcome::Done(Err(unexpected(operation)));
                };
                match refused(operation, group.error_code, group.error_message.as_deref()) {
                    Ok(()) => Outcome::Done(Ok(AdminResult::Group(Box::new(group)))),
                    Err(error) => {
                        *coordinator = None;
                        outcome_of(error)
                    }
                }
            }
            (
                Kind::ListOffsets {
                    partitions, found, ..
                },
                Response::ListOffsets(response),
            ) => match read_offsets(operation, &response, found) {
                Err(error) => outcome_of(error),
                Ok(()) if partitions.iter().all(|p| found.contains_key(p)) => {
                    let offsets = partitions
                        .iter()
                        .filter_map(|partition| Some((partition.clone(), *found.get(partition)?)));
                    Outcome::Done(Ok(AdminResult::Offsets(offsets.collect())))
                }
                Ok(()) => Outcome::More,
            },
            (Kind::Produce { .. }, Response::Produce(response)) => {
                match read_produce(operation, &response) {
                    Ok(offset) => Outcome::Done(Ok(AdminResult::Produced(offset))),
                    Err(error) => outcome_of(error),
                }
            }
            (Kind::Fetch { partition, offset }, Response::Fetch(response)) => {
                match read_fetch(operation, partition, *offset, response) {
                    Ok(result) => Outcome::Done(Ok(result)),
                    Err(error) => outcome_of(error),
                }
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
            sends.push((target, version, list_offsets_request(&partitions, spec)));
        }
    }
    if sends.is_empty() {
        Step::Wait
    } else {
        Step::Send(sends)
    }
}

fn kafka_name(topic: &TopicName) -> KafkaTopicName {
    KafkaTopicName(StrBytes::from_string(topic.as_str().to_string()))
}

fn millis(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn create_topics_request(topics: &[NewTopic], settings: &Settings) -> Request {
    let text = |text: &String| StrBytes::from_string(text.clone());
    let topics = topics.iter().map(|topic| {
        let configs = topic.configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        });
        CreatableTopic::default()
            .with_name(kafka_name(&topic.name))
            .with_num_partitions(topic.partitions)
            .with_replication_factor(topic.replication_factor)
            .with_configs(configs.collect())
    });
    Request::CreateTopics(
        CreateTopicsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(millis(settings.call_timeout_ms)),
    )
}

fn find_coordinator_request(group: &str, version: i16) -> Request {
    let group = StrBytes::from_string(group.to_string());
    Request::FindCoordinator(if version >= 4 {
        FindCoordinatorRequest::default().with_coordinator_keys(vec![group])
    } else {
        FindCoordinatorRequest::default().with_key(group)
    })
}

fn offset_fetch_request(group: &str, partitions: &[TopicPartition], version: i16) -> Request {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        let indexes = topics.entry(&partition.topic).or_default();
        indexes.push(partition.partition);
    }
    let group = GroupId(StrBytes::from_string(group.to_string()));
    Request::OffsetFetch(if version >= 8 {
        let topics = topics.into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopics::default()
                .with_name(kafka_name(topic))
                .with_partition_indexes(indexes)
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group)
            .with_member_epoch(-1)
            .with_topics(Some(topics.collect()));
        OffsetFetchRequest::default().with_groups(vec![group])
    } else {
        let topics = topics.into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(kafka_name(topic))
                .with_partition_indexes(indexes)
        });
        OffsetFetchRequest::default()
            .with_group_id(group)
            .with_topics(Some(topics.collect()))
    })
}

fn list_offsets_request(partitions: &[(&TopicPartition, i32)], spec: OffsetSpec) -> Request {
    let timestamp = match spec {
        OffsetSpec::Earliest => -2,
        OffsetSpec::Latest => -1,
    };
    let mut topics: BTreeMap<&TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, epoch) in partitions {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(*epoch)
            .with_timestamp(timestamp);
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(kafka_name(topic))
            .with_partitions(partitions)
    });
    Request::ListOffsets(
        ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(topics.collect()),
    )
}

fn produce_request(
    partition: &TopicPartition,
    batch: &SealedBatch,
    version: i16,
    id: Uuid,
    settings: &Settings,
) -> Request {
    let records = batch.encode(NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE);
    let data = PartitionProduceData::default()
        .with_index(partition.partition)
        .with_records(Some(records));
    let mut topic = TopicProduceData::default().with_partition_data(vec![data]);
    if version >= 13 {
        topic.topic_id = id;
    } else {
        topic.name = kafka_name(&partition.topic);
    }
    Request::Produce(
        ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(millis(settings.request_timeout_ms))
            .with_topic_data(vec![topic]),
    )
}

fn fetch_request(
    partition: &TopicPartition,
    offset: i64,
    version: i16,
    id: Uuid,
    leader_epoch: i32,
    settings: &Settings,
) -> Request {
    let asked = FetchPartition::default()
        .with_partition(partition.partition)
        .with_current_leader_epoch(leader_epoch)
        .with_fetch_offset(offset)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(settings.fetch_max_bytes);
    let mut topic = FetchTopic::default().with_partitions(vec![asked]);
    if version >= 13 {
        topic.topic_id = id;
    } else {
        topic.topic = kafka_name(&partition.topic);
    }
    // No session: epoch -1 asks for one full answer.
    Request::Fetch(
        FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(millis(settings.fetch_max_wait_ms))
            .with_min_bytes(1)
            .with_max_bytes(settings.fetch_max_bytes)
            .with_session_epoch(-1)
            .with_topics(vec![topic]),
    )
}

fn refused(operation: &str, code: i16, message: Option<&str>) -> Result<(), StreamsError> {
    if code == 0 {
        return Ok(());
    }
    let message = message.filter(|message| !message.is_empty());
    Err(StreamsError::Broker {
        operation: operation.to_string(),
        code,
        message: message.unwrap_or(wire::error_name(code)).to_string(),
    })
}

fn unexpected(operation: &str) -> StreamsError {
    StreamsError::Protocol(format!("{operation} got an answer of another kind"))
}

fn outcome_of(error: StreamsError) -> Outcome {
    match error {
        StreamsError::Broker { code, .. } if is_passing(code) => Outcome::Retry(error),
        error => Outcome::Done(Err(error)),
    }
}

fn read_coordinator(
    operation: &str,
    response: &FindCoordinatorResponse,
) -> Result<(BrokerId, HostPort), StreamsError> {
    let (code, message, node, host, port) = match response.coordinators.first() {
        Some(found) => (
            found.error_code,
            &found.error_message,
            found.node_id.0,
            &found.host,
            found.port,
        ),
        None => (
            response.error_code,
            &response.error_message,
            response.node_id.0,
            &response.host,
            response.port,
        ),
    };
    refused(operation, code, message.as_deref())?;
    let port = u16::try_from(port).map_err(|_| unexpected(operation))?;
    let host = host.to_string();
    Ok((BrokerId(node), HostPort { host, port }))
}

fn read_offsets(
    operation: &str,
    response: &ListOffsetsResponse,
    found: &mut BTreeMap<TopicPartition, i64>,
) -> Result<(), StreamsError> {
    let mut result = Ok(());
    for topic in &response.topics {
        for partition in &topic.partitions {
            match refused(operation, partition.error_code, None) {
                Ok(()) => {
                    let key = TopicPartition::new(&*topic.name.0, partition.partition_index);
                    found.insert(key, partition.offset);
                }
                Err(error) => result = Err(error),
            }
        }
    }
    result
}

/// The committed offset of each partition; a partition or group without one has none.
fn read_committed(
    operation: &str,
    partitions: &[TopicPartition],
    response: &OffsetFetchResponse,
) -> Result<Vec<(TopicPartition, Option<i64>)>, StreamsError> {
    let mut found: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut take = |topic: &KafkaTopicName, index, code, offset| {
        refused(operation, code, None)?;
        found.insert(TopicPartition::new(&*topic.0, index), offset);
        Ok::<(), StreamsError>(())
    };
    match response.groups.first() {
        Some(group) => {
            match group.error_code {
                // A group that never existed has committed nothing.
                GROUP_ID_NOT_FOUND => {}
                code => refused(operation, code, None)?,
            }
            for topic in &group.topics {
                for p in &topic.partitions {
                    take(
                        &topic.name,
                        p.partition_index,
                        p.error_code,
                        p.committed_offset,
                    )?;
                }
            }
        }
        None => {
            refused(operation, response.error_code, None)?;
            for topic in &response.topics {
                for p in &topic.partitions {
                    take(
                        &topic.name,
                        p.partition_index,
                        p.error_code,
                        p.committed_offset,
                    )?;
                }
            }
        }
    }
    let offsets = partitions.iter().map(|partition| {
        let offset = found.get(partition).copied().filter(|offset| *offset >= 0);
        (partition.clone(), offset)
    });
    Ok(offsets.collect())
}

fn read_produce(operation: &str, response: &ProduceResponse) -> Result<i64, StreamsError> {
    let partition = response
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first())
        .ok_or_else(|| unexpected(operation))?;
    refused(
        operation,
        partition.error_code,
        partition.error_message.as_deref(),
    )?;
    Ok(partition.base_offset)
}

fn read_fetch(
    operation: &str,
    partition: &TopicPartition,
    offset: i64,
    response: FetchResponse,
) -> Result<AdminResult, StreamsError> {
    refused(operation, response.error_code, None)?;
    let data = response
        .responses
        .into_iter()
        .next()
        .and_then(|topic| topic.partitions.into_iter().next())
        .ok_or_else(|| unexpected(operation))?;
    if data.error_code == OFFSET_OUT_OF_RANGE {
        return Err(StreamsError::OffsetOutOfRange(partition.clone()));
    }
    refused(operation, data.error_code, None)?;
    let unreadable = |error: &dyn std::fmt::Display| {
        StreamsError::Protocol(format!("{operation} found records it cannot read: {error}"))
    };
    let mut records = Vec::new();
    let mut next_offset = offset;
    let bytes = data.records.unwrap_or_default();
    for batch in wire::decode_batches(bytes).map_err(|error| unreadable(&error))? {
        if !batch.header().is_control {
            for record in batch.records() {
                let record = record.map_err(|error| unreadable(&error))?;
                if record.offset >= offset {
                    records.push(record);
                }
            }
        }
        next_offset = next_offset.max(batch.header().last_offset.saturating_add(1));
    }
    Ok(AdminResult::Fetched {
        records,
        next_offset,
        log_end: data.high_watermark,
    })
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
const OFFSET_OUT_OF_RANGE: i16 = 1;
const GROUP_ID_NOT_FOUND: i16 = 69;
/// The last version of OffsetFetch with names: the topics asked for may be in no metadata.
const OFFSET_FETCH_NAMES: i16 = 9;
const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;
const NO_SEQUENCE: i32 = -1;
