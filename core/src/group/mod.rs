//! Membership of a streams group (KIP-1071): joining, beating, taking and giving up tasks.

mod heartbeat;
mod member_id;
mod membership;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use crate::config::HostPort;
use crate::error::StreamsError;
use crate::trace::LogEvent;
use crate::types::{TaskId, TopicPartition};
use crate::wire::streams_group::{StatusCode, TaskIds, Topology};

pub use member_id::random_member_id;
pub use membership::Membership;

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

/// What a member is.
#[derive(Clone, Debug)]
pub struct MembershipConfig {
    /// The group: `application.id`.
    pub group_id: String,
    /// The first id of the member, chosen by the client: see [`random_member_id`].
    pub member_id: String,
    /// The process that the member belongs to.
    pub process_id: String,
    /// Tells the broker how long giving up tasks may take.
    pub rebalance_timeout_ms: u64,
    /// How long the application may go without a poll.
    pub max_poll_interval_ms: u64,
    /// First wait after a failure.
    pub retry_backoff_ms: u64,
    /// Longest wait after a failure.
    pub retry_backoff_max_ms: u64,
    /// `application.server`.
    pub endpoint: Option<HostPort>,
    /// `client.tag.*`.
    pub client_tags: Vec<(String, String)>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// The topology, in Java's order.
    pub topology: Topology,
}

/// Where a member stands (Java: `MemberState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberState {
    /// Not in the group.
    Unsubscribed,
    /// Asks to join, with epoch 0.
    Joining,
    /// Has what it is to have.
    Stable,
    /// Gives up and takes over tasks.
    Reconciling,
    /// Has applied an assignment and is about to say so.
    Acknowledging,
    /// Is about to leave.
    PrepareLeaving,
    /// Says that it leaves.
    Leaving,
    /// Was thrown out; its tasks are being closed.
    Fenced,
    /// Left by itself because the application did not poll.
    Stale,
    /// Failed for good.
    Fatal,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsubscribed => "UNSUBSCRIBED",
            Self::Joining => "JOINING",
            Self::Stable => "STABLE",
            Self::Reconciling => "RECONCILING",
            Self::Acknowledging => "ACKNOWLEDGING",
            Self::PrepareLeaving => "PREPARE_LEAVING",
            Self::Leaving => "LEAVING",
            Self::Fenced => "FENCED",
            Self::Stale => "STALE",
            Self::Fatal => "FATAL",
        })
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatFailure {
    /// There was no connection, so nobody has read the request.
    NotSent,
    /// The connection broke.
    Disconnected,
    /// The coordinator did not answer in time.
    TimedOut,
    /// The broker has no streams groups; in one sentence.
    Unsupported(String),
}

/// What the owner of a membership must do or may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipEvent {
    /// Commit and close these active tasks, then call `revoked`.
    Revoke {
        /// To answer with.
        ticket: u64,
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Have exactly these tasks, then call `assigned`.
    Assign {
        /// To answer with.
        ticket: u64,
        /// To process.
        active: Vec<TaskId>,
        /// To follow.
        standby: Vec<TaskId>,
        /// To warm up.
        warmup: Vec<TaskId>,
    },
    /// Close every task without a commit, then call `released`.
    Lose {
        /// To answer with.
        ticket: u64,
    },
    /// Whether the group is ready to process.
    Ready(bool),
    /// The coordinator is not where it was.
    FindCoordinator,
    /// What holds for the group has changed.
    Statuses(Vec<(StatusCode, String)>),
    /// The member is out of the group, as `leave` asked.
    Left,
    /// The member failed for good.
    Failed(StreamsError),
    /// The member is in another state.
    StateChanged {
        /// The state it left.
        from: MemberState,
        /// The state it is in.
        to: MemberState,
    },
    /// A line for the log.
    Log(LogEvent),
}

/// The tasks of a member as sorted ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tasks {
    active: Vec<TaskId>,
    standby: Vec<TaskId>,
    warmup: Vec<TaskId>,
}

impl Tasks {
    /// Tasks from the wire; `None` when a sub-topology is not a number.
    fn from_wire(active: &[TaskIds], standby: &[TaskIds], warmup: &[TaskIds]) -> Option<Self> {
        Some(Self {
            active: task_ids(active)?,
            standby: task_ids(standby)?,
            warmup: task_ids(warmup)?,
        })
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn zip(&self, other: &Self, with: impl Fn(&[TaskId], &[TaskId]) -> Vec<TaskId>) -> Self {
        Self {
            active: with(&self.active, &other.active),
            standby: with(&self.standby, &other.standby),
            warmup: with(&self.warmup, &other.warmup),
        }
    }

    /// The tasks of either.
    fn union(&self, other: &Self) -> Self {
        self.zip(other, |one, other| {
            let all: BTreeSet<_> = one.iter().chain(other).copied().collect();
            all.into_iter().collect()
        })
    }

    /// The tasks of both.
    fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |one, other| {
            let kept = |task: &&TaskId| other.binary_search(task).is_ok();
            one.iter().filter(kept).copied().collect()
        })
    }
}

/// Tasks from the wire, sorted; `None` when a sub-topology is not a number.
fn task_ids(lists: &[TaskIds]) -> Option<Vec<TaskId>> {
    let mut tasks = Vec::new();
    for list in lists {
        let subtopology = list.subtopology_id.parse().ok()?;
        tasks.extend(list.partitions.iter().map(|&partition| TaskId {
            subtopology,
            partition,
        }));
    }
    tasks.sort_unstable();
    tasks.dedup();
    Some(tasks)
}

/// Sorted tasks to the wire, sub-topologies in order of their ids as text.
fn to_wire(tasks: &[TaskId]) -> Vec<TaskIds> {
    let mut lists: Vec<TaskIds> = Vec::new();
    for task in tasks {
        let id = task.subtopology.to_string();
        match lists.last_mut() {
            Some(last) if last.subtopology_id == id => last.partitions.push(task.partition),
            _ => lists.push(TaskIds {
                subtopology_id: id,
                partitions: vec![task.partition],
            }),
        }
    }
    lists.sort_by(|a, b| a.subtopology_id.cmp(&b.subtopology_id));
    lists
}

/// Body of the fuzz target, compiled and run over the committed corpus by `cargo test`.
#[doc(hidden)]
pub mod fuzzing {
    pub use super::membership::fuzzing::heartbeat_responses;
}
