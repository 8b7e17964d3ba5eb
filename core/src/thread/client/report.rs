//! What a stream thread shows of itself.

use crate::config::HostPort;
use crate::net::ThreadState;
use crate::types::{MemberEpoch, TaskId, TopicName, TopicPartition};
use crate::wire::streams_group::{EndpointToPartitions, TopicPartitions};

/// A picture of one group member and its input, for displays and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReport {
    /// The id of the member in its group.
    pub member_id: String,
    /// Its epoch: above 0 while it is a member.
    pub member_epoch: MemberEpoch,
    /// The state of its thread.
    pub state: ThreadState,
    /// Whether the group is ready to process.
    pub is_ready: bool,
    /// The tasks it processes, sorted.
    pub active_tasks: Vec<TaskId>,
    /// The tasks it follows by their changelogs, sorted.
    pub standby_tasks: Vec<TaskId>,
    /// Its input partitions, sorted.
    pub partitions: Vec<PartitionProgress>,
    /// The members of the group that answer queries, as the group told last (config key:
    /// `application.server`).
    pub endpoints: Vec<MemberEndpoint>,
    /// Partition counts of the topics that the topology reads or writes, as far as they are known.
    pub partition_counts: Vec<(TopicName, i32)>,
}

/// What is where in the group (KIP-1071: `PartitionsByUserEndpoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberEndpoint {
    /// Where it answers queries.
    pub host: HostPort,
    /// The input partitions of its active tasks.
    pub active: Vec<TopicPartition>,
    /// The input partitions of its standby tasks.
    pub standby: Vec<TopicPartition>,
}

/// An endpoint as the group tells it.
pub(super) fn endpoint(told: &EndpointToPartitions) -> MemberEndpoint {
    let partitions = |told: &[TopicPartitions]| {
        let each = told.iter().flat_map(|told| {
            let topic = TopicName::from(told.topic.clone());
            told.partitions
                .iter()
                .map(move |&partition| TopicPartition {
                    topic: topic.clone(),
                    partition,
                })
        });
        each.collect()
    };
    MemberEndpoint {
        host: HostPort {
            host: told.user_endpoint.host.clone(),
            port: told.user_endpoint.port,
        },
        active: partitions(&told.active_partitions),
        standby: partitions(&told.standby_partitions),
    }
}

/// How far an input partition is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset to be handed to the task runner.
    pub position: i64,
    /// The next offset to be processed, as last committed; where reading began before the first
    /// commit.
    pub committed: i64,
    /// One past the last record the partition had when it was fetched last; `None` before the
    /// first fetch.
    pub log_end: Option<i64>,
}

impl PartitionProgress {
    /// Records that are there and not committed; `None` before the first fetch.
    pub fn lag(&self) -> Option<u64> {
        self.log_end
            .map(|end| u64::try_from(end.saturating_sub(self.committed)).unwrap_or(0))
    }
}
