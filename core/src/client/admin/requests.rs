//! Requests as Kafka words them.

use std::collections::BTreeMap;

use super::{IsolationLevel, NewTopic, OffsetSpec, Settings};
use crate::types::{TopicName, TopicPartition};
use crate::wire::messages::{
    CreateTopicsRequest, FetchRequest, FindCoordinatorRequest, GroupId, ListOffsetsRequest,
    OffsetFetchRequest, ProduceRequest, StrBytes, TopicName as KafkaTopicName,
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    fetch_request::{FetchPartition, FetchTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_fetch_request::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
    produce_request::{PartitionProduceData, TopicProduceData},
};
use crate::wire::{Request, SealedBatch, Uuid};

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;
const NO_SEQUENCE: i32 = -1;

fn kafka_name(topic: &TopicName) -> KafkaTopicName {
    KafkaTopicName(StrBytes::from_string(topic.as_str().to_string()))
}

fn millis(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

pub(super) fn create_topics_request(topics: &[NewTopic], settings: &Settings) -> Request {
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

pub(super) fn find_coordinator_request(group: &str, version: i16) -> Request {
    let group = StrBytes::from_string(group.to_string());
    Request::FindCoordinator(if version >= 4 {
        FindCoordinatorRequest::default().with_coordinator_keys(vec![group])
    } else {
        FindCoordinatorRequest::default().with_key(group)
    })
}

pub(super) fn offset_fetch_request(
    group: &str,
    partitions: &[TopicPartition],
    version: i16,
) -> Request {
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

const fn isolation_level(settings: &Settings) -> i8 {
    match settings.isolation_level {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
    }
}

pub(super) fn list_offsets_request(
    partitions: &[(&TopicPartition, i32)],
    spec: OffsetSpec,
    settings: &Settings,
) -> Request {
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
            .with_isolation_level(isolation_level(settings))
            .with_topics(topics.collect()),
    )
}

pub(super) fn produce_request(
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

pub(super) fn fetch_request(
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
            .with_isolation_level(isolation_level(settings))
            .with_topics(vec![topic]),
    )
}
