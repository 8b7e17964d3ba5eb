//! StreamsGroupDescribe, API 89.

use bytes::{Bytes, BytesMut};

use super::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};
use crate::wire::codec::DecodeError;
use crate::wire::primitives::{Reader, Wire, Writer, nullable, wire};

/// API 89 version 0, request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupDescribeRequest {
    /// The groups.
    pub group_ids: Vec<String>,
    /// Whether to say what the asker may do.
    pub include_authorized_operations: bool,
}

wire!(StreamsGroupDescribeRequest: group_ids, include_authorized_operations);

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

wire!(
    DescribedSubtopology:
    subtopology_id, source_topics, repartition_sink_topics, state_changelog_topics,
    repartition_source_topics
);

/// A topology as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedTopology {
    /// Its epoch.
    pub epoch: i32,
    /// Its sub-topologies; null where they are not known.
    pub subtopologies: Option<Vec<DescribedSubtopology>>,
}

wire!(DescribedTopology: epoch, subtopologies);
nullable!(DescribedTopology);

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

wire!(MemberAssignment: active_tasks, standby_tasks, warmup_tasks);

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

wire!(
    DescribedMember:
    member_id, member_epoch, instance_id, rack_id, client_id, client_host, topology_epoch,
    process_id, user_endpoint, client_tags, task_offsets, task_end_offsets, assignment,
    target_assignment, is_classic
);

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

wire!(
    DescribedGroup:
    error_code, error_message, group_id, group_state, group_epoch, assignment_epoch, topology,
    members, authorized_operations
);

/// API 89 version 0, answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsGroupDescribeResponse {
    /// How long the broker held the request back.
    pub throttle_time_ms: i32,
    /// The groups.
    pub groups: Vec<DescribedGroup>,
}

wire!(StreamsGroupDescribeResponse: throttle_time_ms, groups);

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
