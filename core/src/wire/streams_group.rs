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
use super::primitives::{Reader, Wire, Writer, read_nullable, write_nullable};

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

impl Wire for KeyValue {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            key: Wire::read(reader)?,
            value: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.key.write(writer);
        self.value.write(writer);
        writer.tags();
    }
}

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

impl Wire for TopicInfo {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            name: Wire::read(reader)?,
            partitions: Wire::read(reader)?,
            replication_factor: Wire::read(reader)?,
            topic_configs: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.name.write(writer);
        self.partitions.write(writer);
        self.replication_factor.write(writer);
        self.topic_configs.write(writer);
        writer.tags();
    }
}

/// Tasks of one sub-topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskIds {
    /// The sub-topology.
    pub subtopology_id: String,
    /// The partitions.
    pub partitions: Vec<i32>,
}

impl Wire for TaskIds {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            subtopology_id: Wire::read(reader)?,
            partitions: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.subtopology_id.write(writer);
        self.partitions.write(writer);
        writer.tags();
    }
}

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

impl Wire for TaskOffset {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            subtopology_id: Wire::read(reader)?,
            partition: Wire::read(reader)?,
            offset: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.subtopology_id.write(writer);
        self.partition.write(writer);
        self.offset.write(writer);
        writer.tags();
    }
}

/// Where interactive queries reach a member (`application.server`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Wire for Endpoint {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            host: Wire::read(reader)?,
            port: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.host.write(writer);
        self.port.write(writer);
        writer.tags();
    }
}

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

impl Wire for CopartitionGroup {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            source_topics: Wire::read(reader)?,
            source_topic_regex: Wire::read(reader)?,
            repartition_source_topics: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.source_topics.write(writer);
        self.source_topic_regex.write(writer);
        self.repartition_source_topics.write(writer);
        writer.tags();
    }
}

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

impl Wire for Subtopology {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            subtopology_id: Wire::read(reader)?,
            source_topics: Wire::read(reader)?,
            source_topic_regex: Wire::read(reader)?,
            state_changelog_topics: Wire::read(reader)?,
            repartition_sink_topics: Wire::read(reader)?,
            repartition_source_topics: Wire::read(reader)?,
            copartition_groups: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.subtopology_id.write(writer);
        self.source_topics.write(writer);
        self.source_topic_regex.write(writer);
        self.state_changelog_topics.write(writer);
        self.repartition_sink_topics.write(writer);
        self.repartition_source_topics.write(writer);
        self.copartition_groups.write(writer);
        writer.tags();
    }
}

/// A topology as a joining member declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Its epoch: 0 in Kafka 4.2 and 4.3.
    pub epoch: i32,
    /// Its sub-topologies, sorted by id as text.
    pub subtopologies: Vec<Subtopology>,
}

impl Wire for Topology {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            epoch: Wire::read(reader)?,
            subtopologies: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.epoch.write(writer);
        self.subtopologies.write(writer);
        writer.tags();
    }
}

/// Something that holds for the group or the member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Which: see [`StatusCode`].
    pub status_code: i8,
    /// In words.
    pub status_detail: String,
}

impl Wire for Status {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            status_code: Wire::read(reader)?,
            status_detail: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.status_code.write(writer);
        self.status_detail.write(writer);
        writer.tags();
    }
}

/// Partitions of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: String,
    /// The partitions.
    pub partitions: Vec<i32>,
}

impl Wire for TopicPartitions {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            topic: Wire::read(reader)?,
            partitions: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.topic.write(writer);
        self.partitions.write(writer);
        writer.tags();
    }
}

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

impl Wire for EndpointToPartitions {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            user_endpoint: Wire::read(reader)?,
            active_partitions: Wire::read(reader)?,
            standby_partitions: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.user_endpoint.write(writer);
        self.active_partitions.write(writer);
        self.standby_partitions.write(writer);
        writer.tags();
    }
}

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

impl Wire for StreamsGroupHeartbeatRequest {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            group_id: Wire::read(reader)?,
            member_id: Wire::read(reader)?,
            member_epoch: Wire::read(reader)?,
            endpoint_information_epoch: Wire::read(reader)?,
            instance_id: Wire::read(reader)?,
            rack_id: Wire::read(reader)?,
            rebalance_timeout_ms: Wire::read(reader)?,
            topology: read_nullable(reader)?,
            active_tasks: Wire::read(reader)?,
            standby_tasks: Wire::read(reader)?,
            warmup_tasks: Wire::read(reader)?,
            process_id: Wire::read(reader)?,
            user_endpoint: read_nullable(reader)?,
            client_tags: Wire::read(reader)?,
            task_offsets: Wire::read(reader)?,
            task_end_offsets: Wire::read(reader)?,
            shutdown_application: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.group_id.write(writer);
        self.member_id.write(writer);
        self.member_epoch.write(writer);
        self.endpoint_information_epoch.write(writer);
        self.instance_id.write(writer);
        self.rack_id.write(writer);
        self.rebalance_timeout_ms.write(writer);
        write_nullable(self.topology.as_ref(), writer);
        self.active_tasks.write(writer);
        self.standby_tasks.write(writer);
        self.warmup_tasks.write(writer);
        self.process_id.write(writer);
        write_nullable(self.user_endpoint.as_ref(), writer);
        self.client_tags.write(writer);
        self.task_offsets.write(writer);
        self.task_end_offsets.write(writer);
        self.shutdown_application.write(writer);
        writer.tags();
    }
}

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

impl Wire for StreamsGroupHeartbeatResponse {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            throttle_time_ms: Wire::read(reader)?,
            error_code: Wire::read(reader)?,
            error_message: Wire::read(reader)?,
            member_id: Wire::read(reader)?,
            member_epoch: Wire::read(reader)?,
            heartbeat_interval_ms: Wire::read(reader)?,
            acceptable_recovery_lag: Wire::read(reader)?,
            task_offset_interval_ms: Wire::read(reader)?,
            status: Wire::read(reader)?,
            active_tasks: Wire::read(reader)?,
            standby_tasks: Wire::read(reader)?,
            warmup_tasks: Wire::read(reader)?,
            endpoint_information_epoch: Wire::read(reader)?,
            partitions_by_user_endpoint: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.throttle_time_ms.write(writer);
        self.error_code.write(writer);
        self.error_message.write(writer);
        self.member_id.write(writer);
        self.member_epoch.write(writer);
        self.heartbeat_interval_ms.write(writer);
        self.acceptable_recovery_lag.write(writer);
        self.task_offset_interval_ms.write(writer);
        self.status.write(writer);
        self.active_tasks.write(writer);
        self.standby_tasks.write(writer);
        self.warmup_tasks.write(writer);
        self.endpoint_information_epoch.write(writer);
        self.partitions_by_user_endpoint.write(writer);
        writer.tags();
    }
}

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
