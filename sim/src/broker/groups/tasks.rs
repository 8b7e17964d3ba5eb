//! Sets of tasks as the coordinator keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eddyline_core::wire::streams_group::TaskIds;

/// A task as the wire names it: sub-topology ids are strings there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// The sub-topology's id.
    pub subtopology: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl Task {
    /// Partition `partition` of sub-topology `subtopology`.
    pub fn new(subtopology: impl AsRef<str>, partition: i32) -> Self {
        Self {
            subtopology: Arc::from(subtopology.as_ref()),
            partition,
        }
    }
}

/// Tasks by role: a target assignment, or what a member says it owns (Java: `TasksTuple`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Tasks that process.
    pub active: BTreeSet<Task>,
    /// Tasks that keep a copy of the state.
    pub standby: BTreeSet<Task>,
    /// Tasks that build up state; always empty up to Kafka 4.3.
    pub warmup: BTreeSet<Task>,
}

/// Tasks a member was given; active ones with the epoch they were assigned at
/// (Java: `TasksTupleWithEpochs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssignedTasks {
    /// Active tasks and the epoch each was assigned at.
    pub active: BTreeMap<Task, i32>,
    /// Standby tasks.
    pub standby: BTreeSet<Task>,
    /// Warm-up tasks.
    pub warmup: BTreeSet<Task>,
}

impl AssignedTasks {
    /// True when there is no task of any role.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.active.extend(other.active);
        self.standby.extend(other.standby);
        self.warmup.extend(other.warmup);
    }
}

impl Tasks {
    pub(crate) fn contains_any(&self, other: &AssignedTasks) -> bool {
        other.active.keys().any(|task| self.active.contains(task))
            || !self.standby.is_disjoint(&other.standby)
            || !self.warmup.is_disjoint(&other.warmup)
    }
}

pub(crate) fn from_wire(ids: &[TaskIds]) -> BTreeSet<Task> {
    let mut tasks = BTreeSet::new();
    for id in ids {
        let subtopology: Arc<str> = Arc::from(id.subtopology_id.as_str());
        tasks.extend(id.partitions.iter().map(|&partition| Task {
            subtopology: subtopology.clone(),
            partition,
        }));
    }
    tasks
}

pub(crate) fn to_wire<'a>(tasks: impl IntoIterator<Item = &'a Task>) -> Vec<TaskIds> {
    let mut ids: Vec<TaskIds> = Vec::new();
    for task in tasks {
        match ids.last_mut() {
            Some(last) if last.subtopology_id == *task.subtopology => {
                last.partitions.push(task.partition);
            }
            _ => ids.push(TaskIds {
                subtopology_id: task.subtopology.to_string(),
                partitions: vec![task.partition],
            }),
        }
    }
    ids
}
