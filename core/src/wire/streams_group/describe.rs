//! StreamsGroupDescribe, API 89.

use bytes::{Bytes, BytesMut};

use super::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};
use crate::wire::codec::DecodeError;
use crate::wire::primitives::{Reader, Wire, Writer, read_nullable, write_nullable};

/// API 89 version 0, request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupDescribeRequest {
    /// The groups.
    pub group_ids: Vec<String>,
    /// Whether to say what the asker may do.
    pub include_authorized_operations: bool,
}

impl Wire for StreamsGroupDescribeRequest {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            group_ids: Wire::read(reader)?,
            include_authorized_operations: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.group_ids.write(writer);
        self.include_authorized_operations.write(writer);
        writer.tags();
    }
}

impl StreamsGroupDescribeRequest {
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

/// A sub-topology as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedSubtopology {
    /// Its number as text.
    pub subtopology_id: String,
    /// Topics it reads.
    pub source_topics: Vec<String>,
    /// Repartition topics it writes.
    pub repartition_sink_topics: Vec<String>,
    /// Its changelogs.
    pub state_changelog_topics: Vec<TopicInfo>,
    /// Repartition topics it reads.
    pub repartition_source_topics: Vec<TopicInfo>,
}

impl Wire for DescribedSubtopology {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            subtopology_id: Wire::read(reader)?,
            source_topics: Wire::read(reader)?,
            repartition_sink_topics: Wire::read(reader)?,
            state_changelog_topics: Wire::read(reader)?,
            repartition_source_topics: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.subtopology_id.write(writer);
        self.source_topics.write(writer);
        self.repartition_sink_topics.write(writer);
        self.state_changelog_topics.write(writer);
        self.repartition_source_topics.write(writer);
        writer.tags();
    }
}

/// A topology as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedTopology {
    /// Its epoch.
    pub epoch: i32,
    /// Its sub-topologies; null where they are not known.
    pub subtopologies: Option<Vec<DescribedSubtopology>>,
}

impl Wire for DescribedTopology {
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

/// Tasks of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberAssignment {
    /// To process.
    pub active_tasks: Vec<TaskIds>,
    /// To follow.
    pub standby_tasks: Vec<TaskIds>,
    /// To warm up.
    pub warmup_tasks: Vec<TaskIds>,
}

impl Wire for MemberAssignment {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            active_tasks: Wire::read(reader)?,
            standby_tasks: Wire::read(reader)?,
            warmup_tasks: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.active_tasks.write(writer);
        self.standby_tasks.write(writer);
        self.warmup_tasks.write(writer);
        writer.tags();
    }
}

/// A member as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member_id: String,
    /// Its epoch.
    pub member_epoch: i32,
    /// Its static id.
    pub instance_id: Option<String>,
    /// Its rack.
    pub rack_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The epoch of its topology.
    pub topology_epoch: i32,
    /// Its process.
    pub process_id: String,
    /// Where queries reach it.
    pub user_endpoint: Option<Endpoint>,
    /// Its tags.
    pub client_tags: Vec<KeyValue>,
    /// How far its tasks have come.
    pub task_offsets: Vec<TaskOffset>,
    /// How far they could.
    pub task_end_offsets: Vec<TaskOffset>,
    /// What it has.
    pub assignment: MemberAssignment,
    /// What it is to have.
    pub target_assignment: MemberAssignment,
    /// Whether it uses the classic protocol.
    pub is_classic: bool,
}

impl Wire for DescribedMember {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            member_id: Wire::read(reader)?,
            member_epoch: Wire::read(reader)?,
            instance_id: Wire::read(reader)?,
            rack_id: Wire::read(reader)?,
            client_id: Wire::read(reader)?,
            client_host: Wire::read(reader)?,
            topology_epoch: Wire::read(reader)?,
            process_id: Wire::read(reader)?,
            user_endpoint: read_nullable(reader)?,
            client_tags: Wire::read(reader)?,
            task_offsets: Wire::read(reader)?,
            task_end_offsets: Wire::read(reader)?,
            assignment: Wire::read(reader)?,
            target_assignment: Wire::read(reader)?,
            is_classic: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.member_id.write(writer);
        self.member_epoch.write(writer);
        self.instance_id.write(writer);
        self.rack_id.write(writer);
        self.client_id.write(writer);
        self.client_host.write(writer);
        self.topology_epoch.write(writer);
        self.process_id.write(writer);
        write_nullable(self.user_endpoint.as_ref(), writer);
        self.client_tags.write(writer);
        self.task_offsets.write(writer);
        self.task_end_offsets.write(writer);
        self.assignment.write(writer);
        self.target_assignment.write(writer);
        self.is_classic.write(writer);
        writer.tags();
    }
}

/// A group as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedGroup {
    /// 0, or why there is no description.
    pub error_code: i16,
    /// The same in words.
    pub error_message: Option<String>,
    /// The group.
    pub group_id: String,
    /// Empty, NotReady, Assigning, Reconciling, Stable or Dead.
    pub group_state: String,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of its target assignment.
    pub assignment_epoch: i32,
    /// Its topology.
    pub topology: Option<DescribedTopology>,
    /// Its members.
    pub members: Vec<DescribedMember>,
    /// What the asker may do; -2147483648 where not asked.
    pub authorized_operations: i32,
}

impl Wire for DescribedGroup {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            error_code: Wire::read(reader)?,
            error_message: Wire::read(reader)?,
            group_id: Wire::read(reader)?,
            group_state: Wire::read(reader)?,
            group_epoch: Wire::read(reader)?,
            assignment_epoch: Wire::read(reader)?,
            topology: read_nullable(reader)?,
            members: Wire::read(reader)?,
            authorized_operations: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.error_code.write(writer);
        self.error_message.write(writer);
        self.group_id.write(writer);
        self.group_state.write(writer);
        self.group_epoch.write(writer);
        self.assignment_epoch.write(writer);
        write_nullable(self.topology.as_ref(), writer);
        self.members.write(writer);
        self.authorized_operations.write(writer);
        writer.tags();
    }
}

/// API 89 version 0, answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupDescribeResponse {
    /// How long the broker held the request back.
    pub throttle_time_ms: i32,
    /// The groups.
    pub groups: Vec<DescribedGroup>,
}

impl Wire for StreamsGroupDescribeResponse {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let value = Self {
            throttle_time_ms: Wire::read(reader)?,
            groups: Wire::read(reader)?,
        };
        reader.tags()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        self.throttle_time_ms.write(writer);
        self.groups.write(writer);
        writer.tags();
    }
}

impl StreamsGroupDescribeResponse {
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
