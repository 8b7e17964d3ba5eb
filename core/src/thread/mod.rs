//! A stream thread: one member of the streams group, as two machines joined by messages.
//!
//! The client machine is the network side (connections, membership, fetching, producing,
//! committing); the task runner runs tasks, stores and user code. Java beats from a thread of its
//! own so that a slow `process()` keeps its membership; here the client machine does.

mod client;
mod message;
mod runner;

pub use crate::net::{ClientEvent, ConnectionId, Input, Output, ThreadState};
pub use crate::task::TaskState;
pub use client::{
    ClientMachine, GroupReport, MemberEndpoint, PartitionProgress, TaskMetadata, ThreadMetadata,
};
pub(crate) use message::CommitFailure;
pub use message::{ToClient, ToRunner};
pub use runner::{Budget, RunnerEvent, SuspendReason, TaskQuery, TaskRunner};
