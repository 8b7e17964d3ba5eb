//! The transactions of a producer (Java: `TransactionManager`).
//!
//! Under version 2 of the protocol (KIP-890) a write or an offset adds its partition by itself, and
//! every end gives the producer a new epoch, so that nothing late can get into the next transaction.
//! Under version 1, which clusters have whose feature `transaction.version` is below 2, the
//! coordinator is told beforehand, and the epoch stays. There, once an answer was lost, the producer
//! asks for a new epoch behind the transaction: a request that is still on its way somewhere must not
//! end, or add an old offset to, the next one. (Java leaves that to version 2.)

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::offsets::{text, wire_name};
use super::producer::Identity;
use super::unanswered::{NOT_COORDINATOR, unanswered_code};
use crate::config::StreamsConfig;
use crate::error::{Concerned, StreamsError};
use crate::mutation::{Mutant, Mutation};
use crate::net::{Backoff, RequestError, Target};
use crate::rng::Rng;
use crate::time::Instant;
use crate::types::{MemberEpoch, OffsetAndMetadata, TopicName, TopicPartition};
use crate::wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use crate::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId,
    InitProducerIdRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use crate::wire::{ApiKey, Request, Response, error_name};

/// The last version of Produce, and of EndTxn and TxnOffsetCommit, that belongs to version 1 of
/// transactions.
const PRODUCE_V1: i16 = 11;
const TRANSACTIONS_V1: i16 = 4;

/// What is to be told the brokers next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Who produces; this ends a transaction that is open under the same id.
    Init,
    /// Where is written to, under version 1.
    AddPartitions,
    /// That there will be offsets, under version 1.
    AddOffsets,
    /// The offsets, under this epoch of the member.
    Offsets(MemberEpoch),
    /// That the transaction is over.
    End,
}

impl Step {
    pub(super) const fn api(self) -> ApiKey {
        match self {
            Self::Init => ApiKey::InitProducerId,
            Self::AddPartitions => ApiKey::AddPartitionsToTxn,
            Self::AddOffsets => ApiKey::AddOffsetsToTxn,
            Self::Offsets(_) => ApiKey::TxnOffsetCommit,
            Self::End => ApiKey::EndTxn,
        }
    }

    const fn operation(self) -> &'static str {
        match self {
            Self::Init => "the request for a transactional producer id",
            Self::AddPartitions => "adding partitions to the transaction",
            Self::AddOffsets | Self::Offsets(_) => "adding offsets to the transaction",
            Self::End => "the end of the transaction",
        }
    }

    pub(super) const fn target(self) -> Target {
        match self {
            Self::Offsets(_) => Target::GroupCoordinator,
            _ => Target::TransactionCoordinator,
        }
    }
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Another step follows, or the same one again after a while.
    Pending,
    /// The same, but the coordinator has to be found first.
    FindCoordinator(Target),
    /// The producer has this id and epoch.
    Begun(Identity),
    /// A transaction is committed.
    Committed(Next, Commit),
    /// The transaction cannot be committed, for this reason: its tasks are lost.
    Lost(String),
    /// Nothing can be done about it.
    Failed(StreamsError),
}

/// Under which id and epoch the next transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Under these.
    Is(Identity),
    /// Under the same.
    Same,
    /// That is to be asked for.
    Ask,
}

/// Offsets that end a transaction.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) ticket: u64,
    pub(super) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    /// The transaction coordinator knows that there are offsets.
    is_group_added: bool,
    /// The group coordinator has the offsets.
    has_offsets: bool,
}

pub(crate) struct Transactions {
    transactional_id: String,
    group_id: String,
    timeout_ms: i32,
    member_id: String,
    member_epoch: MemberEpoch,
    /// Something was sent that has to be committed or aborted.
    is_open: bool,
    /// The tasks are being given up: what they still send is not to be committed by anybody.
    is_halted: bool,
    /// Version 2, as far as the cluster told last; a producer keeps to what it began with.
    is_v2_offered: bool,
    is_v2: bool,
    /// Under version 1: where the transaction may write, and where it is to.
    added: BTreeSet<TopicPartition>,
    to_add: BTreeSet<TopicPartition>,
    /// Under version 1: a request of this epoch may arrive late.
    has_stray: bool,
    commit: Option<Commit>,
    in_flight: Option<Step>,
    backoff: Backoff,
    /// Since when the next step does not succeed.
    failing_since: Option<Instant>,
    task_timeout_ms: u64,
    mutant: Mutant,
}

impl Transactions {
    pub(crate) fn new(config: &StreamsConfig, transactional_id: String) -> Self {
        Self {
            transactional_id,
            group_id: config.application_id().to_owned(),
            timeout_ms: i32::try_from(config.transaction_timeout_ms()).unwrap_or(i32::MAX),
            member_id: String::new(),
            member_epoch: MemberEpoch::LEAVE,
            is_open: false,
            is_halted: false,
            is_v2_offered: true,
            is_v2: true,
            added: BTreeSet::new(),
            to_add: BTreeSet::new(),
            has_stray: false,
            commit: None,
            in_flight: None,
            backoff: Backoff::new(config.retry_backoff_ms(), config.retry_backoff_max_ms()),
            failing_since: None,
            task_timeout_ms: config.task_timeout_ms(),
            mutant: config.mutant,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.transactional_id
    }

    pub(super) fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.transactional_id))
    }

    pub(super) fn set_member(&mut self, member_id: &str, member_epoch: MemberEpoch) {
        if self.member_id != member_id {
            member_id.clone_into(&mut self.member_id);
        }
        self.member_epoch = member_epoch;
    }

    /// What version of transactions the cluster has: from the next producer epoch on.
    pub(super) const fn set_version(&mut self, version: i16) {
        self.is_v2_offered = version >= 2;
    }

    /// Something is produced.
    pub(super) const fn begin(&mut self) {
        self.is_open = true;
    }

    /// The version of Produce that belongs to the version of transactions.
    pub(super) const fn produce_version(&self, version: i16) -> i16 {
        if self.is_v2 || version < PRODUCE_V1 {
            version
        } else {
            PRODUCE_V1
        }
    }

    /// Whether a partition may be written to.
    pub(super) fn may_write(&self, partition: &TopicPartition) -> bool {
        self.is_v2 || self.added.contains(partition)
    }

    /// A partition is to be written to: where need be, the coordinator is told first.
    pub(super) fn want(&mut self, partition: &TopicPartition) {
        if !self.may_write(partition) {
            self.to_add.insert(partition.clone());
        }
    }

    /// A request was lost, and may arrive yet.
    pub(super) const fn note_stray(&mut self) {
        self.has_stray = true;
    }

    /// Ends the transaction with these offsets; everything that was produced is acknowledged.
    pub(super) fn commit(
        &mut self,
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) {
        if !self.is_halted {
            let has_offsets = offsets.is_empty();
            self.commit = Some(Commit {
                ticket,
                offsets,
                is_group_added: has_offsets || self.is_v2,
                has_offsets,
            });
        }
    }

    /// The commit that has nothing to commit.
    pub(super) fn take_empty_commit(&mut self) -> Option<Commit> {
        let is_open = self.is_open;
        self.commit
            .take_if(|commit| !is_open && commit.offsets.is_empty())
    }

    /// Nothing of what is open may be committed any more, nor what comes until
    /// [`Transactions::resume`].
    pub(super) fn halt(&mut self) {
        self.is_halted = true;
        self.commit = None;
        self.in_flight = None;
        self.failing_since = None;
        self.forget_added();
    }

    fn forget_added(&mut self) {
        self.added.clear();
        self.to_add.clear();
    }

    pub(super) const fn resume(&mut self) {
        self.is_halted = false;
    }

    pub(super) const fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// True when nothing is to be committed or aborted.
    pub(super) const fn is_settled(&self, identity: Option<Identity>) -> bool {
        self.commit.is_none() && (identity.is_some() || !self.is_open)
    }

    fn wanted(&self, identity: Option<Identity>) -> Option<Step> {
        if self.in_flight.is_some() {
            return None;
        }
        match (identity, &self.commit) {
            (None, _) => Some(Step::Init),
            (Some(_), _) if !self.to_add.is_empty() => Some(Step::AddPartitions),
            (Some(_), None) => None,
            (Some(_), Some(commit)) if commit.has_offsets => Some(Step::End),
            (Some(_), Some(commit)) if !commit.is_group_added => Some(Step::AddOffsets),
            (Some(_), Some(_)) => Some(Step::Offsets(self.member_epoch)),
        }
    }

    /// The step to take now.
    pub(super) fn next_step(&self, now: Instant, identity: Option<Identity>) -> Option<Step> {
        self.wanted(identity).filter(|_| self.backoff.is_over(now))
    }

    /// When the next step may be taken that has to wait.
    pub(super) fn due(&self, identity: Option<Identity>) -> Option<Instant> {
        self.wanted(identity).map(|_| self.backoff.until())
    }

    /// The request of a step, and its version where `version` is the highest.
    pub(super) fn request(
        &mut self,
        step: Step,
        version: i16,
        identity: Option<Identity>,
    ) -> (Request, i16) {
        self.in_flight = Some(step);
        let version = match step {
            Step::Offsets(_) | Step::End if !self.is_v2 => version.min(TRANSACTIONS_V1),
            _ => version,
        };
        (self.request_of(step, identity), version)
    }

    fn request_of(&mut self, step: Step, identity: Option<Identity>) -> Request {
        let (producer_id, producer_epoch) = identity.unwrap_or((-1, -1));
        match step {
            Step::Init => Request::InitProducerId(
                InitProducerIdRequest::default()
                    .with_transactional_id(Some(self.transactional_id()))
                    .with_transaction_timeout_ms(self.timeout_ms)
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1),
            ),
            Step::Offsets(member_epoch) => {
                self.is_open = true;
                Request::TxnOffsetCommit(
                    TxnOffsetCommitRequest::default()
                        .with_transactional_id(self.transactional_id())
                        .with_group_id(GroupId(text(&self.group_id)))
                        .with_producer_id(ProducerId(producer_id))
                        .with_producer_epoch(producer_epoch)
                        .with_generation_id(member_epoch.0)
                        .with_member_id(text(&self.member_id))
                        .with_topics(self.offsets()),
                )
            }
            Step::End => Request::EndTxn(
                EndTxnRequest::default()
                    .with_transactional_id(self.transactional_id())
                    .with_producer_id(ProducerId(producer_id))
                    .with_producer_epoch(producer_epoch)
                    .with_committed(true),
            ),
            Step::AddPartitions => {
                self.is_open = true;
                Request::AddPartitionsToTxn(
                    AddPartitionsToTxnRequest::default()
                        .with_v3_and_below_transactional_id(self.transactional_id())
                        .with_v3_and_below_producer_id(ProducerId(producer_id))
                        .with_v3_and_below_producer_epoch(producer_epoch)
                        .with_v3_and_below_topics(self.partitions_to_add()),
                )
            }
            Step::AddOffsets => {
                self.is_open = true;
                Request::AddOffsetsToTxn(
                    AddOffsetsToTxnRequest::default()
                        .with_transactional_id(self.transactional_id())
                        .with_producer_id(ProducerId(producer_id))
                        .with_producer_epoch(producer_epoch)
                        .with_group_id(GroupId(text(&self.group_id))),
                )
            }
        }
    }

    fn partitions_to_add(&self) -> Vec<AddPartitionsToTxnTopic> {
        let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
        for partition in &self.to_add {
            let partitions = topics.entry(&partition.topic).or_default();
            partitions.push(partition.partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            AddPartitionsToTxnTopic::default()
                .with_name(wire_name(topic))
                .with_partitions(partitions)
        });
        topics.collect()
    }

    fn offsets(&self) -> Vec<TxnOffsetCommitRequestTopic> {
        let mut topics: BTreeMap<&TopicName, Vec<TxnOffsetCommitRequestPartition>> =
            BTreeMap::new();
        let offsets = self.commit.iter().flat_map(|commit| &commit.offsets);
        for (partition, offset) in offsets {
            topics.entry(&partition.topic).or_default().push(
                TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&offset.metadata))),
            );
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TxnOffsetCommitRequestTopic::default()
                .with_name(wire_name(topic))
                .with_partitions(partitions)
        });
        topics.collect()
    }

    /// Takes the answer to the step that was under way.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        result: Result<Response, RequestError>,
    ) -> Outcome {
        let Some(step) = self.in_flight.take() else {
            return Outcome::Pending;
        };
        if matches!(
            result,
            Err(RequestError::Disconnected | RequestError::Protocol(_) | RequestError::TimedOut)
        ) {
            self.note_stray();
        }
        let code = match result {
            Ok(response) => match code_of(&response) {
                0 => {
                    self.backoff.succeeded();
                    self.failing_since = None;
                    return self.succeeded(&response);
                }
                code => code,
            },
            Err(error) => match unanswered_code(error) {
                Ok(code) => code,
                Err(error) => return Outcome::Failed(error),
            },
        };
        let outcome = self.refused(now, rng, step, code);
        if matches!(outcome, Outcome::Pending | Outcome::FindCoordinator(_)) {
            let since = *self.failing_since.get_or_insert(now);
            if since.plus_ms(self.task_timeout_ms) <= now {
                return Outcome::Failed(self.timed_out(step, code));
            }
        }
        outcome
    }

    /// A step that was answered well.
    fn succeeded(&mut self, response: &Response) -> Outcome {
        match response {
            Response::InitProducerId(response) => {
                self.is_open = false;
                self.is_v2 = self.is_v2_offered;
                self.has_stray = false;
                self.forget_added();
                // A commit that waited for a new epoch may have begun before the version was known.
                if let Some(commit) = &mut self.commit {
                    commit.is_group_added = commit.has_offsets || self.is_v2;
                }
                return Outcome::Begun((response.producer_id.0, response.producer_epoch));
            }
            Response::AddPartitionsToTxn(response) => {
                for topic in &response.results_by_topic_v3_and_below {
                    for partition in &topic.results_by_partition {
                        let index = partition.partition_index;
                        let partition = TopicPartition::new(topic.name.0.as_str(), index);
                        self.to_add.remove(&partition);
                        self.added.insert(partition);
                    }
                }
            }
            Response::AddOffsetsToTxn(_) => {
                if let Some(commit) = &mut self.commit {
                    commit.is_group_added = true;
                }
            }
            Response::TxnOffsetCommit(_) => {
                if let Some(commit) = &mut self.commit {
                    commit.has_offsets = true;
                }
            }
            Response::EndTxn(response) => {
                self.is_open = false;
                self.forget_added();
                let told = (response.producer_id.0, response.producer_epoch);
                return self.committed(told);
            }
            _ => {}
        }
        Outcome::Pending
    }

    fn committed(&mut self, told: Identity) -> Outcome {
        let Some(commit) = self.commit.take() else {
            return Outcome::Pending;
        };
        if self.is_v2 {
            return Outcome::Committed(Next::Is(told), commit);
        }
        let keeps_epoch = !self.has_stray || self.mutant.is(Mutation::LateEnd);
        let next = if keeps_epoch { Next::Same } else { Next::Ask };
        Outcome::Committed(next, commit)
    }

    fn timed_out(&self, step: Step, code: i16) -> StreamsError {
        StreamsError::Unreachable(format!(
            "{} did not succeed within task.timeout.ms ({} ms), at last because of {}",
            step.operation(),
            self.task_timeout_ms,
            error_name(code)
        ))
    }

    fn refused(&mut self, now: Instant, rng: &mut Rng, step: Step, code: i16) -> Outcome {
        let is_stale = |epoch: MemberEpoch| epoch != self.member_epoch;
        match (code, step) {
            // COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
            (15 | 16, _) => {
                self.backoff.failed(now, rng);
                Outcome::FindCoordinator(step.target())
            }
            // UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT, COORDINATOR_LOAD_IN_PROGRESS,
            // CONCURRENT_TRANSACTIONS (the last transaction is not written down everywhere yet),
            // OPERATION_NOT_ATTEMPTED, UNKNOWN_TOPIC_ID
            (3 | 7 | 14 | 51 | 55 | 100, _) => {
                self.backoff.failed(now, rng);
                Outcome::Pending
            }
            // ILLEGAL_GENERATION, FENCED_MEMBER_EPOCH, STALE_MEMBER_EPOCH under an epoch that has
            // moved on while the request was under way.
            (22 | 110 | 113, Step::Offsets(sent)) if is_stale(sent) => {
                self.backoff.failed(now, rng);
                Outcome::Pending
            }
            // INVALID_PRODUCER_EPOCH, PRODUCER_FENCED: of whoever asked last under this id.
            (47 | 90, Step::Init) => {
                self.backoff.failed(now, rng);
                Outcome::Pending
            }
            (code, Step::End) if is_lost(code) && self.mutant.is(Mutation::LostIsCommitted) => {
                self.commit.take().map_or(Outcome::Pending, |commit| {
                    Outcome::Committed(Next::Ask, commit)
                })
            }
            (code, _) if is_lost(code) => Outcome::Lost(error_name(code).to_owned()),
            (code, _) => {
                let concerned = Concerned {
                    group: Some(&self.group_id),
                    transactional_id: Some(&self.transactional_id),
                    permission: "Read",
                    ..Concerned::default()
                };
                Outcome::Failed(StreamsError::refused(step.operation(), code, "", concerned))
            }
        }
    }
}

/// The transaction is over and nothing of it will count: the member is not what it was, the
/// coordinator timed the transaction out, or another producer has the id (Java:
/// `TaskMigratedException`).
pub(super) const fn is_lost(code: i16) -> bool {
    matches!(
        code,
        // ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS, GROUP_ID_NOT_FOUND,
        // FENCED_MEMBER_EPOCH, STALE_MEMBER_EPOCH
        22 | 25 | 27 | 69 | 110 | 113
        // OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
        // INVALID_PRODUCER_ID_MAPPING, UNKNOWN_PRODUCER_ID, PRODUCER_FENCED, TRANSACTION_ABORTABLE
        | 45 | 47 | 48 | 49 | 59 | 90 | 120
    )
}

/// The error that decides over a whole answer, 0 for none.
fn code_of(response: &Response) -> i16 {
    match response {
        Response::InitProducerId(response) => response.error_code,
        Response::AddOffsetsToTxn(response) => response.error_code,
        Response::EndTxn(response) => response.error_code,
        Response::TxnOffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            worst(partitions.map(|partition| partition.error_code))
        }
        Response::AddPartitionsToTxn(response) => {
            let topics = response.results_by_topic_v3_and_below.iter();
            let partitions = topics.flat_map(|topic| &topic.results_by_partition);
            worst(partitions.map(|partition| partition.partition_error_code))
        }
        _ => NOT_COORDINATOR,
    }
}

/// The error that decides over all partitions: those that do not pass before those that do.
fn worst(codes: impl Iterator<Item = i16>) -> i16 {
    let codes: Vec<i16> = codes.filter(|code| *code != 0).collect();
    // The last, OPERATION_NOT_ATTEMPTED, says that another one failed.
    let passes = |code: &i16| matches!(code, 3 | 7 | 14 | 15 | 16 | 51 | 100 | 55);
    let lasting = codes.iter().find(|code| !passes(code));
    let telling = codes.iter().find(|code| **code != 55);
    lasting.or(telling).or(codes.first()).copied().unwrap_or(0)
}
