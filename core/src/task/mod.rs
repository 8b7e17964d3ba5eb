//! Tasks: what one partition of one sub-topology buffers, processes, restores and commits.
//!
//! A stream thread drives its tasks through [`TaskRunner`](crate::thread::TaskRunner). Test drivers
//! and benchmarks drive the same [`StreamTask`] without thread, group and broker: they restore it
//! ([`StreamTask::started`], [`push`](StreamTask::push), [`restore`](StreamTask::restore)), run it
//! ([`init`](StreamTask::init), [`process`](StreamTask::process),
//! [`punctuate`](StreamTask::punctuate)), commit it
//! ([`prepare_commit`](StreamTask::prepare_commit)), and take what it produces out of its
//! [`RecordCollector`], or out of any other [`RecordSink`](crate::processor::RecordSink).

mod changelogs;
mod global_task;
#[cfg(test)]
mod idle_tests;
mod offset_metadata;
mod partition_group;
mod record_collector;
mod record_queue;
mod standby_task;
#[cfg(test)]
mod storage_tests;
mod stream_task;
mod unresolved;

pub use changelogs::{ChangelogPosition, RestoreProgress};
pub use global_task::GlobalTask;
pub(crate) use record_collector::OwnedOrigin;
pub use record_collector::{RecordCollector, Sealed};
pub use standby_task::StandbyTask;
pub use stream_task::StreamTask;

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
