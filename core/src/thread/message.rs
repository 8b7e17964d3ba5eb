//! What the two machines of a stream thread say to each other. A driver carries these messages
//! unopened and in order: through a channel between two OS threads, or within one loop.

use crate::client::{Refusal, Verdict};
use crate::error::StreamsError;
use crate::group::Assignment;
use crate::types::{OffsetAndMetadata, TaskId, TopicName, TopicPartition};
use crate::wire::{RecordBatch, SealedBatch};

/// Names a question so that its answer finds the asker.
pub(crate) type Ticket = u64;

/// From the client to the task runner.
#[derive(Debug)]
pub struct ToRunner(pub(crate) RunnerMessage);

/// From the task runner to the client.
#[derive(Debug)]
pub struct ToClient(pub(crate) ClientMessage);

impl ToClient {
    /// What a driver that caught a panic of the task runner tells in its place.
    pub const fn panicked(message: String) -> Self {
        Self(ClientMessage::Failed(StreamsError::Panicked(message)))
    }
}

/// Where to begin reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartFrom {
    /// At the group's committed offset; without one, by `auto.offset.reset`.
    Committed,
    /// A changelog to what is its end now, from an offset or, where that is outside the log, from
    /// the first record there is.
    Restore { from: i64 },
    /// A changelog from an offset as there, and on for good.
    Follow { from: i64 },
}

#[derive(Debug)]
pub(crate) enum RunnerMessage {
    /// Partition counts of every topic the topology reads or writes, before the first `Assign`
    /// and whenever one changes.
    PartitionCounts(Vec<(TopicName, i32)>),
    /// Suspend, commit and close these active tasks, then answer `Revoked`.
    Revoke { ticket: Ticket, tasks: Vec<TaskId> },
    /// The full target: create what is new, close standbys that are gone, answer `Assigned`
    /// once every task object exists (restoring goes on afterwards).
    Assign {
        ticket: Ticket,
        assignment: Assignment,
    },
    /// Every task is lost: close dirty, commit nothing, answer `Released`.
    Lose { ticket: Ticket },
    /// Processing may go on (`true`) or must wait (`false`: the group is not ready).
    Ready(bool),
    /// Reading began. `end` is the log end at that time, for restores only.
    Started {
        partition: TopicPartition,
        offset: i64,
        end: Option<i64>,
        metadata: String,
    },
    /// Fetched batches in offset order; `next_offset` follows the last of them, and also moves
    /// over what needs no processing (control batches, compacted tails).
    Records {
        partition: TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    },
    /// The group has processed an input up to `offset`, which a standby follows as a changelog.
    Limit {
        partition: TopicPartition,
        offset: i64,
    },
    /// A produced batch is done with: written, but for records that `Resolve` dropped. The base
    /// offset is -1 where none was written, or only that it was written is known.
    Produced { ticket: Ticket, base_offset: i64 },
    /// A produced batch, or a record of it, can never be written: answered by `Resolve`.
    Refused { ticket: Ticket, refusal: Refusal },
    /// Offsets were committed, or the group refused them (`Migrated`), or retrying is useless.
    Committed {
        ticket: Ticket,
        result: Result<(), CommitFailure>,
    },
    /// Commit, close every task clean, answer `Closed`.
    Close,
    /// The thread cannot go on: close every task dirty, answer `Closed`.
    Abort(StreamsError),
}

/// Why offsets were not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// The member is no longer what it was: its tasks are about to be lost (Java:
    /// `TaskMigratedException`).
    Migrated,
    /// Refused for good.
    Fatal(StreamsError),
}

#[derive(Debug)]
pub(crate) enum ClientMessage {
    /// User code is not stuck: restarts the `max.poll.interval.ms` timer.
    Polled,
    /// The tasks of `Revoke` are committed and closed.
    Revoked { ticket: Ticket },
    /// The assignment is what the runner now owns.
    Assigned { ticket: Ticket },
    /// Every task is gone.
    Released { ticket: Ticket },
    /// Begin (or begin again) to read a partition.
    Start {
        partition: TopicPartition,
        from: StartFrom,
    },
    /// Read no further; what is still on the way is dropped by the runner.
    Stop { partition: TopicPartition },
    /// This many fetched bytes of the partition (batch bytes as in `RecordBatch::size_bytes`)
    /// are processed: as much more may be fetched.
    Consumed {
        partition: TopicPartition,
        bytes: usize,
    },
    /// Write a sealed batch; answered by `Produced`. Batches of one partition keep their order.
    Produce {
        ticket: Ticket,
        partition: TopicPartition,
        batch: SealedBatch,
    },
    /// What becomes of a refused batch; `Produced` follows.
    Resolve {
        ticket: Ticket,
        partition: TopicPartition,
        verdict: Verdict,
    },
    /// Find out how many partitions a topic has that a sink chose; told by `PartitionCounts`.
    WantTopic(TopicName),
    /// Commit offsets with member id and epoch; answered by `Committed`.
    Commit {
        ticket: Ticket,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    },
    /// Tasks exist and all active ones are restored (`true`), or some are not (`false`).
    Restored(bool),
    /// The runner cannot go on; it has closed its tasks dirty.
    Failed(StreamsError),
    /// Every task is closed after `Close` or `Abort`.
    Closed,
}
