//! Membership of a streams group (KIP-1071).

use crate::types::{TaskId, TopicPartition};

/// A task with the partitions that feed it: only partitions that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskAssignment {
    /// The task.
    pub task: TaskId,
    /// Its input partitions, sorted.
    pub partitions: Vec<TopicPartition>,
}

/// The tasks of one member, each list sorted by task id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Tasks to process.
    pub active: Vec<TaskAssignment>,
    /// Tasks to follow by their changelogs.
    pub standby: Vec<TaskAssignment>,
    /// Tasks to warm up; treated as standbys.
    pub warmup: Vec<TaskAssignment>,
}
