//! What clients ask first: ApiVersions (18), Metadata (3), FindCoordinator (10),
//! DescribeCluster (60).

use std::collections::BTreeSet;

use eddyline_core::types::BrokerId;
use eddyline_core::wire::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use eddyline_core::wire::messages::describe_cluster_response::DescribeClusterBroker;
use eddyline_core::wire::messages::find_coordinator_response::Coordinator;
use eddyline_core::wire::messages::metadata_request::MetadataRequestTopic;
use eddyline_core::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use eddyline_core::wire::messages::{
    self, ApiVersionsResponse, DescribeClusterRequest, DescribeClusterResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse,
};
use eddyline_core::wire::{ApiKey, Response, Uuid};

use super::groups::is_valid_topic_name;
use super::topics::{Partition, Topic};
use super::transactions::coordinator_key;
use super::{Broker, codes};

const LEADER_NOT_AVAILABLE: i16 = 5;
/// Types of coordinators (Java: `CoordinatorType`).
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// Bits of operations that were not asked for.
const NOT_ASKED: i32 = i32::MIN;
/// Bits of all operations on a topic and on a cluster: there are no ACLs.
const TOPIC_OPERATIONS: i32 = 3576;
const CLUSTER_OPERATIONS: i32 = 8184;

/// What the broker speaks: API, lowest and highest version.
///
/// No entry, no service. Consumer groups (KIP-848, or with a leader) are missing; without DescribeTopicPartitions (75) clients describe topics with Metadata.
pub(super) const APIS: [(ApiKey, i16, i16); 25] = [
    (ApiKey::Produce, 3, 13),
    (ApiKey::Fetch, 4, 18),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 10),
    (ApiKey::OffsetFetch, 1, 10),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 4),
    (ApiKey::EndTxn, 0, 5),
    (ApiKey::TxnOffsetCommit, 0, 5),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::ConsumerGroupDescribe, 0, 1),
    (ApiKey::StreamsGroupHeartbeat, 0, 0),
    (ApiKey::StreamsGroupDescribe, 0, 0),
];

impl Broker {
    /// The versions of `api` this cluster offers.
    pub(super) fn versions(&self, api: ApiKey) -> Option<(i16, i16)> {
        let &(_, min, max) = APIS.iter().find(|(known, _, _)| *known == api)?;
        let cap = self.config.api_versions.get(&api.code());
        let (low, high) = cap.copied().unwrap_or((min, max));
        let range = (min.max(low), max.min(high));
        (range.0 <= range.1).then_some(range)
    }

    pub(super) fn api_versions(&self, error_code: i16) -> Response {
        let keys = APIS.iter().filter_map(|&(api, _, _)| {
            let (min, max) = self.versions(api)?;
            Some(
                ApiVersion::default()
                    .with_api_key(api.code())
                    .with_min_version(min)
                    .with_max_version(max),
            )
        });
        let mut keys: Vec<ApiVersion> = keys.collect();
        keys.sort_by_key(|key| key.api_key);
        let mut response = ApiVersionsResponse::default()
            .with_error_code(error_code)
            .with_api_keys(keys)
            .with_supported_features(vec![
                SupportedFeatureKey::default()
                    .with_name("streams.version".into())
                    .with_min_version(0)
                    .with_max_version(1),
                SupportedFeatureKey::default()
                    .with_name("transaction.version".into())
                    .with_min_version(0)
                    .with_max_version(2),
            ])
            .with_finalized_features_epoch(1);
        let features = [
            ("streams.version", self.config.streams_version),
            ("transaction.version", self.config.transaction_version),
        ];
        let features = features.into_iter().filter(|(_, level)| *level > 0);
        let features = features.map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(name.into())
                .with_min_version_level(level)
                .with_max_version_level(level)
        });
        response.finalized_features = features.collect();
        Response::ApiVersions(response)
    }

    pub(super) fn metadata(&mut self, version: i16, request: &MetadataRequest) -> Response {
        let operations = request.include_topic_authorized_operations;
        let topics = match &request.topics {
            // An empty list meant all topics in version 0.
            Some(topics) if !(version == 0 && topics.is_empty()) => {
                let auto = request.allow_auto_topic_creation && self.config.auto_create_topics;
                let topics = topics.iter();
                topics
                    .map(|topic| self.metadata_topic(topic, auto, operations))
                    .collect()
            }
            _ => {
                let topics = self.topics.iter();
                topics
                    .map(|topic| topic_metadata(topic, operations))
                    .collect()
            }
        };
        let brokers = self.alive_nodes().map(|node| {
            MetadataResponseBroker::default()
                .with_node_id(messages::BrokerId(node.id.0))
                .with_host(node.host.clone().into())
                .with_port(i32::from(node.port))
        });
        Response::Metadata(
            MetadataResponse::default()
                .with_brokers(brokers.collect())
                .with_cluster_id(Some(self.config.cluster_id.clone().into()))
                .with_controller_id(messages::BrokerId(self.controller().map_or(-1, |id| id.0)))
                .with_topics(topics)
                .with_cluster_authorized_operations(
                    if request.include_cluster_authorized_operations {
                        CLUSTER_OPERATIONS
                    } else {
                        NOT_ASKED
                    },
                ),
        )
    }

    fn metadata_topic(
        &mut self,
        wanted: &MetadataRequestTopic,
        auto_create: bool,
        operations: bool,
    ) -> MetadataResponseTopic {
        let unknown = MetadataResponseTopic::default()
            .with_name(wanted.name.clone())
            .with_topic_id(wanted.topic_id)
            .with_topic_authorized_operations(NOT_ASKED);
        let Some(name) = wanted.name.as_ref().map(|name| name.0.as_str()) else {
            return match self.topics.by_id(&wanted.topic_id) {
                Some(topic) => topic_metadata(topic, operations),
                None => unknown.with_error_code(codes::UNKNOWN_TOPIC_ID),
            };
        };
        if wanted.topic_id != Uuid::default() {
            return match self.topics.by_id(&wanted.topic_id) {
                Some(topic) if topic.name == name => topic_metadata(topic, operations),
                _ => unknown.with_error_code(codes::UNKNOWN_TOPIC_ID),
            };
        }
        if !is_valid_topic_name(name) {
            return unknown.with_error_code(codes::INVALID_TOPIC_EXCEPTION);
        }
        if auto_create && self.topics.by_name(name).is_none() {
            self.create_topic_now(name, self.config.default_partitions, -1, Default::default());
        }
        match self.topics.by_name(name) {
            Some(topic) => topic_metadata(topic, operations),
            None => unknown.with_error_code(codes::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }

    pub(super) fn describe_cluster(&self, request: &DescribeClusterRequest) -> Response {
        let brokers = self.alive_nodes().map(|node| {
            DescribeClusterBroker::default()
                .with_broker_id(messages::BrokerId(node.id.0))
                .with_host(node.host.clone().into())
                .with_port(i32::from(node.port))
        });
        Response::DescribeCluster(
            DescribeClusterResponse::default()
                .with_endpoint_type(1)
                .with_cluster_id(self.config.cluster_id.clone().into())
                .with_controller_id(messages::BrokerId(self.controller().map_or(-1, |id| id.0)))
                .with_brokers(brokers.collect())
                .with_cluster_authorized_operations(
                    if request.include_cluster_authorized_operations {
                        CLUSTER_OPERATIONS
                    } else {
                        NOT_ASKED
                    },
                ),
        )
    }

    pub(super) fn find_coordinator(
        &mut self,
        version: i16,
        request: &FindCoordinatorRequest,
    ) -> Response {
        let kind = request.key_type;
        if version >= 4 {
            let keys = request.coordinator_keys.iter();
            let coordinators = keys
                .map(|key| self.coordinator_of(key.as_str(), kind))
                .collect();
            return Response::FindCoordinator(
                FindCoordinatorResponse::default().with_coordinators(coordinators),
            );
        }
        let found = self.coordinator_of(request.key.as_str(), kind);
        Response::FindCoordinator(
            FindCoordinatorResponse::default()
                .with_error_code(found.error_code)
                .with_error_message(found.error_message)
                .with_node_id(found.node_id)
                .with_host(found.host)
                .with_port(found.port),
        )
    }

    fn coordinator_of(&mut self, key: &str, kind: i8) -> Coordinator {
        let none = Coordinator::default()
            .with_key(key.to_owned().into())
            .with_error_message(None)
            .with_node_id(messages::BrokerId(-1))
            .with_port(-1);
        if !(GROUP..=TRANSACTION).contains(&kind) {
            // Share groups.
            return none.with_error_code(codes::INVALID_REQUEST);
        }
        if self.is_coordinator_unavailable() {
            return none.with_error_code(codes::COORDINATOR_NOT_AVAILABLE);
        }
        let id = if kind == TRANSACTION {
            self.coordinator(&coordinator_key(key))
        } else {
            self.coordinator(key)
        };
        match id.and_then(|id| self.alive_nodes().find(|node| node.id == id)) {
            None => none.with_error_code(codes::COORDINATOR_NOT_AVAILABLE),
            Some(node) => Coordinator::default()
                .with_key(key.to_owned().into())
                .with_error_message(None)
                .with_node_id(messages::BrokerId(node.id.0))
                .with_host(node.host.clone().into())
                .with_port(i32::from(node.port)),
        }
    }
}

fn topic_metadata(topic: &Topic, operations: bool) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions);
    MetadataResponseTopic::default()
        .with_name(Some(messages::TopicName(topic.name.clone().into())))
        .with_topic_id(topic.id)
        .with_is_internal(topic.name.starts_with("__"))
        .with_partitions(partitions.map(|(i, p)| partition_metadata(i, p)).collect())
        .with_topic_authorized_operations(if operations {
            TOPIC_OPERATIONS
        } else {
            NOT_ASKED
        })
}

fn partition_metadata(index: i32, partition: &Partition) -> MetadataResponsePartition {
    let ids = |nodes: &[BrokerId]| -> Vec<messages::BrokerId> {
        nodes.iter().map(|id| messages::BrokerId(id.0)).collect()
    };
    let response = MetadataResponsePartition::default()
        .with_partition_index(index)
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(ids(&partition.replicas));
    match partition.leader {
        Some(leader) => {
            // The leader is in sync in any case; a test may have moved it off the replicas.
            let mut in_sync: BTreeSet<BrokerId> = partition.replicas.iter().copied().collect();
            in_sync.insert(leader);
            let in_sync: Vec<BrokerId> = in_sync.into_iter().collect();
            response
                .with_leader_id(messages::BrokerId(leader.0))
                .with_isr_nodes(ids(&in_sync))
        }
        None => response
            .with_error_code(LEADER_NOT_AVAILABLE)
            .with_leader_id(messages::BrokerId(-1))
            .with_offline_replicas(ids(&partition.replicas)),
    }
}
