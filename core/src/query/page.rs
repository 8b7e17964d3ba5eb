//! Answers in bytes.

use bytes::Bytes;

use super::{Position, QueryFailure};
use crate::types::{Headers, TaskId};
use crate::window::Window;

/// Where a row stands in its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPosition {
    /// The key.
    pub key: Bytes,
    /// The start of a window or the end of a session; 0 without windows, the timestamp of a
    /// version.
    pub time: i64,
    /// The start of a session, or the number of a duplicate.
    pub tail: i64,
}

/// A row as a store answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRow {
    /// Where it stands.
    pub position: RowPosition,
    /// The window or session, in stores that have them.
    pub window: Option<Window>,
    /// The value without what the store puts in front of it.
    pub value: Bytes,
    /// Its timestamp in milliseconds, in stores that keep one.
    pub timestamp: Option<i64>,
    /// The time at which a version ended to be valid; `None` when it is the latest, or not a
    /// version.
    pub valid_to: Option<i64>,
    /// Its headers, in stores that keep them.
    pub headers: Headers,
    /// About how many rows the store has, where that was asked; 0 otherwise.
    pub count: u64,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryPage {
    /// The rows, in the order of the query.
    pub rows: Vec<QueryRow>,
    /// True when there may be more behind the last row.
    pub has_more: bool,
}

/// The answer of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPage {
    /// The task that owns it.
    pub task: TaskId,
    /// False when the task is a standby.
    pub is_active: bool,
    /// What the store has seen.
    pub position: Position,
    /// The rows, or why there are none.
    pub page: Result<QueryPage, QueryFailure>,
}
