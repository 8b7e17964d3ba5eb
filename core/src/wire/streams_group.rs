//! Streams groups on the wire (KIP-1071): APIs 88 and 89, which `kafka_protocol` lacks.
//!
//! Field names and order are those of Kafka's schemas, version 0.

mod describe;

pub use describe::{
    DescribedGroup, DescribedMember, DescribedSubtopology, DescribedTopology, MemberAssignment,
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
};

use bytes::{Bytes, BytesMut};

use super::codec::DecodeError;
use super::primitives::{Reader, Wire, Writer, nullable, wire};

/// What a group tells its members on every heartbeat while it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StatusCode {
    /// The member's topology is older than the group's.
    StaleTopology,
    /// A source topic does not exist.
    MissingSourceTopics,
    /// Copartitioned topics differ in their partition counts.
    IncorrectlyPartitionedTopics,
    /// An internal topic could not be created yet.
    MissingInternalTopics,
    /// A member asked the whole application to stop.
    ShutdownApplication,
    /// The first assignment waits for more members.
    AssignmentDelayed,
    /// A code of a newer broker.
    Unknown(i8),
}

impl From<i8> for StatusCode {
    fn from(code: i8) -> Self {
        match code {
            0 => Self::StaleTopology,
            1 => Self::MissingSourceTopics,
            2 => Self::IncorrectlyPartitionedTopics,
            3 => Self::MissingInternalTopics,
            4 => Self::ShutdownApplication,
            5 => Self::AssignmentDelayed,
            _ => Self::Unknown(code),
        }
    }
}

/// A configuration entry or a client tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

wire!(KeyValue: key, value);

/// An internal topic as a member wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its partition count; 0 lets the broker decide.
    pub partitions: i32,
    /// Its replication factor; -1 or 0 takes the broker's default.
    pub replication_factor: i16,
    /// Its configuration, sorted by key.
    pub topic_configs: Vec<KeyValue>,
}

wire!(TopicInfo: name, partitions, replication_factor, topic_configs);

/// Tasks of one sub-topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskIds {
    /// The sub-topology.
    pub subtopology_id: String,
    /// The partitions.
    pub partitions: Vec<i32>,
}

wire!(TaskIds: subtopology_id, partitions);

/// How far a task's state has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOffset {
    /// The sub-topology.
    pub subtopology_id: String,
    /// The partition.
    pub partition: i32,
    /// The sum of changelog offsets.
    pub offset: i64,
}

wire!(TaskOffset: subtopology_id, partition, offset);

/// Where interactive queries reach a member (`application.server`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

wire!(Endpoint: host, port);
nullable!(Endpoint);

/// Topics that must have equally many partitions, as indexes into the lists of their sub-topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopartitionGroup {
    /// Into the source topics.
    pub source_topics: Vec<i16>,
    /// Into the source topic patterns.
    pub source_topic_regex: Vec<i16>,
    /// Into the repartition source topics.
    pub repartition_source_topics: Vec<i16>,
}

wire!(CopartitionGroup: source_topics, source_topic_regex, repartition_source_topics);

/// A sub-topology as a joining member declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtopology {
    /// Its number as text.
    pub subtopology_id: String,
    /// Topics it reads, sorted.
    pub source_topics: Vec<String>,
    /// Patterns it reads: must be empty in Kafka 4.2 and 4.3.
    pub source_topic_regex: Vec<String>,
    /// Its changelogs, sorted by name.
    pub state_changelog_topics: Vec<TopicInfo>,
    /// Repartition topics it writes, sorted.
    pub repartition_sink_topics: Vec<String>,
    /// Repartition topics it reads.
    pub repartition_source_topics: Vec<TopicInfo>,
    /// Topics that must have equally many partitions.
    pub copartition_groups: Vec<CopartitionGroup>,
}

wire!(
    Subtopology:
    subtopology_id, source_topics, source_topic_regex, state_changelog_topics,
    repartition_sink_topics, repartition_source_topics, copartition_groups
);

/// A topology as a joining member declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Its epoch: 0 in Kafka 4.2 and 4.3.
    pub epoch: i32,
    /// Its sub-topologies, sorted by id as text.
    pub subtopologies: Vec<Subtopology>,
}

wire!(Topology: epoch, subtopologies);
nullable!(Topology);

/// Something that holds for the group or the member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Which: see [`StatusCode`].
    pub status_code: i8,
    /// In words.
    pub status_detail: String,
}

wire!(Status: status_code, status_detail);

/// Partitions of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: String,
    /// The partitions.
    pub partitions: Vec<i32>,
}

wire!(TopicPartitions: topic, partitions);

/// Which partitions are at which endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointToPartitions {
    /// The endpoint.
    pub user_endpoint: Endpoint,
    /// Partitions of its active tasks.
    pub active_partitions: Vec<TopicPartitions>,
    /// Partitions of its standby tasks.
    pub standby_partitions: Vec<TopicPartitions>,
}

wire!(EndpointToPartitions: user_endpoint, active_partitions, standby_partitions);

/// API 88 version 0, request: join, beat, acknowledge, leave (KIP-1071).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupHeartbeatRequest {
    /// The group: the `application.id`.
    pub group_id: String,
    /// The member, chosen by the client for its lifetime.
    pub member_id: String,
    /// 0 joins, above 0 beats, -1 leaves.
    pub member_epoch: i32,
    /// The last endpoint epoch received; -1 at first.
    pub endpoint_information_epoch: i32,
    /// Static membership: must be null in Kafka 4.2 and 4.3.
    pub instance_id: Option<String>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// How long giving up tasks may take; -1 is unchanged.
    pub rebalance_timeout_ms: i32,
    /// On joining only.
    pub topology: Option<Topology>,
    /// Active tasks owned; null is unchanged.
    pub active_tasks: Option<Vec<TaskIds>>,
    /// Standby tasks owned; null is unchanged.
    pub standby_tasks: Option<Vec<TaskIds>>,
    /// Warm-up tasks owned; null is unchanged.
    pub warmup_tasks: Option<Vec<TaskIds>>,
    /// The process, on joining only.
    pub process_id: Option<String>,
    /// Where queries reach the member, on joining only.
    pub user_endpoint: Option<Endpoint>,
    /// `client.tag.*`, on joining only.
    pub client_tags: Option<Vec<KeyValue>>,
    /// Must be null in Kafka 4.2 and 4.3.
    pub task_offsets: Option<Vec<TaskOffset>>,
    /// Must be null in Kafka 4.2 and 4.3.
    pub task_end_offsets: Option<Vec<TaskOffset>>,
    /// Asks every member to shut down.
    pub shutdown_application: bool,
}

wire!(
    StreamsGroupHeartbeatRequest:
    group_id, member_id, member_epoch, endpoint_information_epoch, instance_id, rack_id,
    rebalance_timeout_ms, topology, active_tasks, standby_tasks, warmup_tasks, process_id,
    user_endpoint, client_tags, task_offsets, task_end_offsets, shutdown_application
);

impl StreamsGroupHeartbeatRequest {
    /// The body's bytes.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer(BytesMut::new());
        self.write(&mut writer);
        writer.0.freeze()
    }

    /// The message in a body's bytes.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::read(&mut Reader(bytes))
    }
}

/// API 88 version 0, answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupHeartbeatResponse {
    /// How long the broker held the request back.
    pub throttle_time_ms: i32,
    /// 0, or why the heartbeat was refused.
    pub error_code: i16,
    /// The same in words.
    pub error_message: Option<String>,
    /// The member.
    pub member_id: String,
    /// Its epoch now.
    pub member_epoch: i32,
    /// When to beat next.
    pub heartbeat_interval_ms: i32,
    /// Lag at which a warm-up counts as caught up.
    pub acceptable_recovery_lag: i32,
    /// How often to report task offsets.
    pub task_offset_interval_ms: i32,
    /// What holds for the group.
    pub status: Option<Vec<Status>>,
    /// Active tasks assigned; null is unchanged.
    pub active_tasks: Option<Vec<TaskIds>>,
    /// Standby tasks assigned; null is unchanged.
    pub standby_tasks: Option<Vec<TaskIds>>,
    /// Warm-up tasks assigned; null is unchanged.
    pub warmup_tasks: Option<Vec<TaskIds>>,
    /// The epoch of the endpoints.
    pub endpoint_information_epoch: i32,
    /// The endpoints, when the request's epoch is old.
    pub partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>>,
}

wire!(
    StreamsGroupHeartbeatResponse:
    throttle_time_ms, error_code, error_message, member_id, member_epoch, heartbeat_interval_ms,
    acceptable_recovery_lag, task_offset_interval_ms, status, active_tasks, standby_tasks,
    warmup_tasks, endpoint_information_epoch, partitions_by_user_endpoint
);

impl StreamsGroupHeartbeatResponse {
    /// The body's bytes.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer(BytesMut::new());
        self.write(&mut writer);
        writer.0.freeze()
    }

    /// The message in a body's bytes.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::read(&mut Reader(bytes))
    }
}
