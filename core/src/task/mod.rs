//! Tasks: what one partition of one sub-topology buffers, processes, restores and commits.

mod offset_metadata;
mod partition_group;
mod record_collector;
mod record_queue;
mod stream_task;

pub(crate) use record_collector::RecordCollector;
pub(crate) use stream_task::StreamTask;

use std::fmt;

/// The state of a task (Java: `Task.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Made.
    Created,
    /// Its stores are filled from their changelogs.
    Restoring,
    /// It processes.
    Running,
    /// It processes no more and is committed for the last time.
    Suspended,
    /// Gone.
    Closed,
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Restoring => "RESTORING",
            Self::Running => "RUNNING",
            Self::Suspended => "SUSPENDED",
            Self::Closed => "CLOSED",
        })
    }
}
