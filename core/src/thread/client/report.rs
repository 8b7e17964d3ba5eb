//! What a stream thread shows of itself.

use std::collections::BTreeMap;

use super::ClientMachine;
use crate::config::HostPort;
use crate::group::TaskAssignment;
use crate::net::ThreadState;
use crate::time::WallClock;
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

/// A stream thread and its tasks (Java: `ThreadMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadMetadata {
    /// The name of the thread, which is the client id of its connections.
    pub thread_name: String,
    /// Its state.
    pub thread_state: ThreadState,
    /// The tasks it processes, sorted.
    pub active_tasks: Vec<TaskMetadata>,
    /// The tasks it follows by their changelogs, sorted.
    pub standby_tasks: Vec<TaskMetadata>,
}

/// What a task reads and how far it is (Java: `TaskMetadata`). A standby reads nothing: all it has
/// are the partitions of the active task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskMetadata {
    /// The task.
    pub task_id: TaskId,
    /// Its input partitions, sorted.
    pub topic_partitions: Vec<TopicPartition>,
    /// The next offset to be processed, as last committed, or where reading began before the first
    /// commit; not there before (Java: -1).
    pub committed_offsets: BTreeMap<TopicPartition, i64>,
    /// One past the last record of the partition when it was fetched last; not there before.
    pub end_offsets: BTreeMap<TopicPartition, i64>,
    /// Since when it has had nothing to process; `None` while it processes. Only its runner knows:
    /// see [`TaskRunner::idling_since`](crate::thread::TaskRunner::idling_since).
    pub time_current_idling_started: Option<WallClock>,
}

impl ClientMachine {
    /// What to show of the thread and its tasks.
    pub fn thread_metadata(&self) -> ThreadMetadata {
        let active = self.assignment.active.iter();
        let copies = self.assignment.standby.iter();
        let mut standby_tasks: Vec<TaskMetadata> =
            copies.chain(&self.assignment.warmup).map(named).collect();
        standby_tasks.sort_by_key(|task| task.task_id);
        ThreadMetadata {
            thread_name: self.name.clone(),
            thread_state: self.state,
            active_tasks: active
                .map(|assigned| self.task_metadata(assigned))
                .collect(),
            standby_tasks,
        }
    }

    fn task_metadata(&self, assigned: &TaskAssignment) -> TaskMetadata {
        let mut task = named(assigned);
        for partition in &assigned.partitions {
            if let Some(progress) = self.progress.get(partition) {
                let committed = (partition.clone(), progress.committed);
                task.committed_offsets.extend([committed]);
                let end = progress.log_end.map(|end| (partition.clone(), end));
                task.end_offsets.extend(end);
            }
        }
        task
    }
}

fn named(assigned: &TaskAssignment) -> TaskMetadata {
    TaskMetadata {
        task_id: assigned.task,
        topic_partitions: assigned.partitions.clone(),
        committed_offsets: BTreeMap::new(),
        end_offsets: BTreeMap::new(),
        time_current_idling_started: None,
    }
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
