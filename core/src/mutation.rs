//! Known bugs that the simulator puts back, one at a time, to show that its oracles notice them.
//!
//! A machine is made with a `Mutant` from its configuration. Only the feature `mutations`, which
//! the simulator alone asks for, has a way to set it; without that feature it has no size, is never
//! any bug, and what it decides is compiled away.

/// A bug that Kafka Streams, its clients or this library once had, or could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// A reader of committed records takes no notice of the list of aborted transactions.
    AbortedIsRead,
    /// Offsets are committed while batches that belong to them are still under way.
    CommitBeforeWritten,
    /// A thread that failed commits what it has come to (KAFKA-4486, KAFKA-19128).
    DirtyCommit,
    /// A producer that was fenced asks for a new epoch and goes on where it was.
    FencedWrites,
    /// Under version 1 of transactions, an EndTxn that was lost may end the next transaction
    /// (found by Jepsen; KIP-890).
    LateEnd,
    /// A transaction that was aborted is taken for one that is committed.
    LostIsCommitted,
    /// Offsets are committed beside the transaction.
    OffsetsOutside,
    /// Offsets that wait for the end of a transaction are read as if there were none (KIP-447).
    OffsetsUnstable,
    /// Repartition topics are purged up to what was read, committed or not.
    PurgedAhead,
    /// A changelog is restored to its last stable offset.
    RestoreToStable,
    /// Only the tasks that are revoked are committed, although a transaction has all of them.
    RevokedAlone,
    /// Rows go to storage with the offset of the last batch written, not of the last one that
    /// belongs to the commit (KAFKA-16017).
    StoredAhead,
    /// Rows go to storage before the transaction they belong to is committed (KAFKA-9891).
    StoredBeforeCommit,
    /// A store whose changelog no longer has its offset is restored without being emptied
    /// (KAFKA-20663).
    StoredStale,
}

impl Mutation {
    /// Every one of them, in the order of their names.
    pub const ALL: [Self; 14] = [
        Self::AbortedIsRead,
        Self::CommitBeforeWritten,
        Self::DirtyCommit,
        Self::FencedWrites,
        Self::LateEnd,
        Self::LostIsCommitted,
        Self::OffsetsOutside,
        Self::OffsetsUnstable,
        Self::PurgedAhead,
        Self::RestoreToStable,
        Self::RevokedAlone,
        Self::StoredAhead,
        Self::StoredBeforeCommit,
        Self::StoredStale,
    ];
}

/// The bug that a machine has, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mutant {
    #[cfg(feature = "mutations")]
    pub(crate) mutation: Option<Mutation>,
}

impl Mutant {
    /// Whether it is this one.
    #[cfg(feature = "mutations")]
    pub(crate) fn is(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether it is this one: never.
    #[cfg(not(feature = "mutations"))]
    pub(crate) const fn is(self, _mutation: Mutation) -> bool {
        false
    }
}

#[cfg(feature = "mutations")]
impl crate::config::StreamsConfig {
    /// The same configuration of machines that have this bug.
    #[must_use]
    pub const fn with_mutation(mut self, mutation: Mutation) -> Self {
        self.mutant.mutation = Some(mutation);
        self
    }
}
