//! Answers to queries from outside.

use std::collections::BTreeSet;

use super::TaskRunner;
use crate::processor::GLOBAL_TASK;
use crate::query::{PartitionPage, Position, PositionBound, QueryFailure, RowPosition, StoreQuery};
use crate::task::{StandbyTask, StreamTask, TaskState};
use crate::types::TaskId;

/// What is asked of the tasks of a runner.
#[derive(Clone, Copy, Debug)]
pub struct TaskQuery<'a> {
    /// The name of the store.
    pub store: &'a str,
    /// The partitions asked; all by default.
    pub partitions: Option<&'a BTreeSet<i32>>,
    /// The question.
    pub query: &'a StoreQuery,
    /// Goes on behind this row.
    pub after: Option<&'a RowPosition>,
    /// Most rows of a partition.
    pub max_rows: usize,
    /// How far the store must be.
    pub bound: &'a PositionBound,
    /// Asks standbys too, and tasks whose stores are being restored.
    pub allows_stale: bool,
}

impl TaskRunner {
    /// The answers of the tasks that have the store; to be asked between two steps.
    pub fn query(&self, query: TaskQuery<'_>) -> Vec<PartitionPage> {
        let asked = |id: TaskId| {
            let partitions = query.partitions;
            partitions.is_none_or(|asked| asked.contains(&id.partition))
        };
        let tasks = self.tasks.values().filter(|task| asked(task.id));
        let pages = tasks.filter_map(|task| answer(task, query));
        let standbys = self.standbys.values().filter(|standby| asked(standby.id));
        let copies = standbys.filter_map(|standby| answer_of_copy(standby, query));
        pages
            .chain(copies)
            .chain(self.global_answer(query))
            .collect()
    }

    /// The answer of a global store, which has all partitions in one.
    fn global_answer(&self, query: TaskQuery<'_>) -> Option<PartitionPage> {
        let globals = self.globals.as_ref()?;
        let stores = globals.stores();
        let found = stores.query(query.store, query.query, query.after, query.max_rows)?;
        let (task, position) = (GLOBAL_TASK, globals.position());
        let page = match query.bound {
            _ if !globals.is_ready() && !query.allows_stale => {
                Err(QueryFailure::NotActive { task })
            }
            PositionBound::At(bound) if !position.reaches_all(bound) => {
                Err(QueryFailure::NotUpToBound {
                    position: position.clone(),
                    bound: bound.clone(),
                })
            }
            _ => found,
        };
        Some(PartitionPage {
            task,
            is_active: true,
            position,
            page,
        })
    }
}

/// The answer of a standby. It does not know which input its rows reflect: changelog records do not
/// say so unless Java's internal `consistency.offset.vector.enabled` is on. So it is up to no bound.
fn answer_of_copy(standby: &StandbyTask, query: TaskQuery<'_>) -> Option<PartitionPage> {
    let graph = standby.graph();
    if !graph.has_own_store(query.store) {
        return None;
    }
    let (task, position) = (standby.id, Position::empty());
    let page = match query.bound {
        _ if !query.allows_stale => Err(QueryFailure::NotActive { task }),
        PositionBound::At(bound) if !position.reaches(bound, task.partition) => {
            Err(QueryFailure::NotUpToBound {
                position: position.clone(),
                bound: bound.clone(),
            })
        }
        _ => graph.query(query.store, query.query, query.after, query.max_rows),
    };
    Some(PartitionPage {
        task,
        is_active: false,
        position,
        page,
    })
}

fn answer(task: &StreamTask, query: TaskQuery<'_>) -> Option<PartitionPage> {
    if !task.has_store(query.store) {
        return None;
    }
    let position = task.position();
    let page = if task.state != TaskState::Running && !query.allows_stale {
        Err(QueryFailure::NotActive { task: task.id })
    } else {
        match query.bound {
            PositionBound::At(bound) if !position.reaches(bound, task.id.partition) => {
                Err(QueryFailure::NotUpToBound {
                    position: position.clone(),
                    bound: bound.clone(),
                })
            }
            _ => task.query(query.store, query.query, query.after, query.max_rows),
        }
    };
    Some(PartitionPage {
        task: task.id,
        is_active: true,
        position,
        page,
    })
}
