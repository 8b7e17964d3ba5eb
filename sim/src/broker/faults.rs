//! Failures a test can order, and the answers a refused request gets.

use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::messages::{self, *};
use eddyline_core::wire::streams_group::{DescribedGroup, StreamsGroupDescribeResponse};
use eddyline_core::wire::{ApiKey, Request, Response};

use super::group_requests::heartbeat_error;
use super::transactions_v1::partitions_added;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this error code and not applied.
    Error(i16),
    /// The connection closes before the request is looked at.
    Disconnect,
    /// It is applied, but the connection closes instead of an answer.
    ApplyThenDisconnect,
    /// It is applied, but neither it nor anything after it on the connection is answered.
    ApplyThenHang,
    /// It is neither applied nor answered, nor anything after it on the connection.
    Hang,
}

/// Requests to fail: the next ones that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// Only requests of this API; `None` is any.
    pub api: Option<ApiKey>,
    /// Only requests to this node; `None` is any.
    pub node: Option<BrokerId>,
    /// Matching requests to leave alone first.
    pub skip: u32,
    /// Matching requests to fail; the rule is gone afterwards.
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

impl FaultRule {
    /// Fails the next request of `api`, at whatever node.
    pub fn once(api: ApiKey, fault: Fault) -> Self {
        Self {
            api: Some(api),
            node: None,
            skip: 0,
            times: 1,
            fault,
        }
    }
}

/// Why the group coordinator does not answer for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorFault {
    /// COORDINATOR_NOT_AVAILABLE, to FindCoordinator too.
    Unavailable,
    /// COORDINATOR_LOAD_IN_PROGRESS.
    Loading,
}

/// All failures ordered so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<FaultRule>,
    pub(super) coordinator: Option<(CoordinatorFault, Instant)>,
}

impl Faults {
    pub(super) fn push(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
        self.coordinator = None;
    }

    /// The fault of the first rule that meets this request.
    pub(super) fn take(&mut self, api: ApiKey, node: BrokerId) -> Option<Fault> {
        let mut found = None;
        for rule in &mut self.rules {
            let matches = rule.api.is_none_or(|a| a == api) && rule.node.is_none_or(|n| n == node);
            if !matches || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            found = Some(rule.fault);
            break;
        }
        self.rules.retain(|rule| rule.times > 0);
        found
    }
}

/// The answer to `request` that says `code` wherever its API has room for one; `None` if it has none.
pub(super) fn refuse(version: i16, request: &Request, code: i16) -> Option<Response> {
    Some(match request {
        Request::ApiVersions(_) => {
            Response::ApiVersions(ApiVersionsResponse::default().with_error_code(code))
        }
        Request::Metadata(request) => refuse_metadata(request, code),
        Request::FindCoordinator(request) => refuse_find_coordinator(version, request, code),
        Request::Produce(request) => refuse_produce(request, code),
        Request::Fetch(request) => refuse_fetch(version, request, code),
        Request::ListOffsets(request) => refuse_list_offsets(request, code),
        Request::OffsetCommit(request) => refuse_offset_commit(request, code),
        Request::OffsetFetch(request) => refuse_offset_fetch(version, request, code),
        Request::OffsetForLeaderEpoch(request) => refuse_leader_epoch(request, code),
        Request::CreateTopics(request) => refuse_create_topics(request, code),
        Request::DeleteRecords(request) => refuse_delete_records(request, code),
        Request::InitProducerId(_) => Response::InitProducerId(
            InitProducerIdResponse::default()
                .with_error_code(code)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        ),
        Request::TxnOffsetCommit(request) => refuse_txn_offset_commit(request, code),
        Request::AddPartitionsToTxn(request) => partitions_added(request, &mut || code),
        Request::AddOffsetsToTxn(_) => {
            Response::AddOffsetsToTxn(AddOffsetsToTxnResponse::default().with_error_code(code))
        }
        Request::EndTxn(_) => Response::EndTxn(
            EndTxnResponse::default()
                .with_error_code(code)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        ),
        Request::ListGroups(_) => {
            Response::ListGroups(ListGroupsResponse::default().with_error_code(code))
        }
        Request::DescribeCluster(_) => {
            let response = DescribeClusterResponse::default().with_error_code(code);
            Response::DescribeCluster(response.with_endpoint_type(1))
        }
        Request::StreamsGroupHeartbeat(_) => Response::StreamsGroupHeartbeat(heartbeat_error(code)),
        Request::StreamsGroupDescribe(request) => {
            let groups = request.group_ids.iter().map(|id| DescribedGroup {
                error_code: code,
                group_id: id.clone(),
                authorized_operations: i32::MIN,
                ..DescribedGroup::default()
            });
            Response::StreamsGroupDescribe(StreamsGroupDescribeResponse {
                groups: groups.collect(),
                ..StreamsGroupDescribeResponse::default()
            })
        }
        _ => return None,
    })
}

fn refuse_metadata(request: &MetadataRequest, code: i16) -> Response {
    let topics = request.topics.iter().flatten().map(|topic| {
        metadata_response::MetadataResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_error_code(code)
    });
    Response::Metadata(MetadataResponse::default().with_topics(topics.collect()))
}

fn refuse_find_coordinator(version: i16, request: &FindCoordinatorRequest, code: i16) -> Response {
    let response = FindCoordinatorResponse::default();
    if version < 4 {
        let response = response.with_error_code(code).with_error_message(None);
        return Response::FindCoordinator(response.with_node_id(messages::BrokerId(-1)));
    }
    let coordinators = request.coordinator_keys.iter().map(|key| {
        find_coordinator_response::Coordinator::default()
            .with_key(key.clone())
            .with_error_message(None)
            .with_node_id(messages::BrokerId(-1))
            .with_port(-1)
            .with_error_code(code)
    });
    Response::FindCoordinator(response.with_coordinators(coordinators.collect()))
}

fn refuse_produce(request: &ProduceRequest, code: i16) -> Response {
    let topics = request.topic_data.iter().map(|topic| {
        let partitions = topic.partition_data.iter().map(|data| {
            produce_response::PartitionProduceResponse::default()
                .with_index(data.index)
                .with_error_code(code)
                .with_base_offset(-1)
                .with_log_append_time_ms(-1)
                .with_log_start_offset(-1)
        });
        produce_response::TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(partitions.collect())
    });
    Response::Produce(ProduceResponse::default().with_responses(topics.collect()))
}

/// Errors of the session stand at the top, others at every partition of the request.
fn refuse_fetch(version: i16, request: &FetchRequest, code: i16) -> Response {
    if (70..=71).contains(&code) && version >= 7 {
        return Response::Fetch(FetchResponse::default().with_error_code(code));
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            fetch_response::PartitionData::default()
                .with_partition_index(partition.partition)
                .with_error_code(code)
                .with_high_watermark(-1)
                .with_aborted_transactions(None)
                .with_records(Some(bytes::Bytes::new()))
        });
        fetch_response::FetchableTopicResponse::default()
            .with_topic(topic.topic.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    Response::Fetch(FetchResponse::default().with_responses(topics.collect()))
}

fn refuse_list_offsets(request: &ListOffsetsRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            list_offsets_response::ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
                .with_timestamp(-1)
                .with_offset(-1)
        });
        list_offsets_response::ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    Response::ListOffsets(ListOffsetsResponse::default().with_topics(topics.collect()))
}

fn refuse_offset_commit(request: &OffsetCommitRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            offset_commit_response::OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        offset_commit_response::OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    Response::OffsetCommit(OffsetCommitResponse::default().with_topics(topics.collect()))
}

fn refuse_txn_offset_commit(request: &TxnOffsetCommitRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            txn_offset_commit_response::TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        txn_offset_commit_response::TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    Response::TxnOffsetCommit(TxnOffsetCommitResponse::default().with_topics(topics.collect()))
}

fn refuse_offset_fetch(version: i16, request: &OffsetFetchRequest, code: i16) -> Response {
    if version < 8 {
        return Response::OffsetFetch(OffsetFetchResponse::default().with_error_code(code));
    }
    let groups = request.groups.iter().map(|group| {
        offset_fetch_response::OffsetFetchResponseGroup::default()
            .with_group_id(group.group_id.clone())
            .with_error_code(code)
    });
    Response::OffsetFetch(OffsetFetchResponse::default().with_groups(groups.collect()))
}

fn refuse_leader_epoch(request: &OffsetForLeaderEpochRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            offset_for_leader_epoch_response::EpochEndOffset::default()
                .with_partition(partition.partition)
                .with_error_code(code)
                .with_end_offset(-1)
        });
        offset_for_leader_epoch_response::OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    Response::OffsetForLeaderEpoch(
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect()),
    )
}

fn refuse_create_topics(request: &CreateTopicsRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        create_topics_response::CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(code)
            .with_error_message(None)
            .with_configs(None)
    });
    Response::CreateTopics(CreateTopicsResponse::default().with_topics(topics.collect()))
}

fn refuse_delete_records(request: &DeleteRecordsRequest, code: i16) -> Response {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            delete_records_response::DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
                .with_low_watermark(-1)
        });
        delete_records_response::DeleteRecordsTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    Response::DeleteRecords(DeleteRecordsResponse::default().with_topics(topics.collect()))
}
