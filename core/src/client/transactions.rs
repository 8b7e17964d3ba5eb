//! The transactions of a producer, under version 2 of the protocol (Java: `TransactionManager`;
//! KIP-890): a write or an offset adds its partition by itself, and every end gives the producer a
//! new epoch, so that nothing late can get into the next transaction.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::offsets::{text, wire_name};
use super::producer::Identity;
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::net::{Backoff, RequestError, Target};
use crate::rng::Rng;
use crate::time::Instant;
use crate::types::{MemberEpoch, OffsetAndMetadata, TopicName, TopicPartition};
use crate::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::wire::messages::{
    EndTxnRequest, GroupId, InitProducerIdRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use crate::wire::{ApiKey, Request, Response, error_name};

/// The version of EndTxn and TxnOffsetCommit that belongs to version 2 of transactions.
const VERSION: i16 = 5;

/// What is to be told the brokers next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Who produces; this ends a transaction that is open under the same id.
    Init,
    /// The offsets, under this epoch of the member.
    Offsets(MemberEpoch),
    /// That the transaction is over.
    End,
}

impl Step {
    pub(super) const fn api(self) -> ApiKey {
        match self {
            Self::Init => ApiKey::InitProducerId,
            Self::Offsets(_) => ApiKey::TxnOffsetCommit,
            Self::End => ApiKey::EndTxn,
        }
    }

    pub(super) const fn target(self) -> Target {
        match self {
            Self::Init | Self::End => Target::TransactionCoordinator,
            Self::Offsets(_) => Target::GroupCoordinator,
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
    /// A transaction is committed; the next one has this id and epoch.
    Committed(Identity, Commit),
    /// The transaction cannot be committed, for this reason: its tasks are lost.
    Lost(String),
    /// Nothing can be done about it.
    Failed(StreamsError),
}

/// Offsets that end a transaction.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) ticket: u64,
    pub(super) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
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
    commit: Option<Commit>,
    in_flight: Option<Step>,
    backoff: Backoff,
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
            commit: None,
            in_flight: None,
            backoff: Backoff::new(config.retry_backoff_ms(), config.retry_backoff_max_ms()),
        }
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

    /// Something is produced.
    pub(super) const fn begin(&mut self) {
        self.is_open = true;
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
            (Some(_), None) => None,
            (Some(_), Some(commit)) if commit.has_offsets => Some(Step::End),
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

    /// The request of a step.
    ///
    /// # Errors
    /// When the broker does not know this version of transactions.
    pub(super) fn request(
        &mut self,
        step: Step,
        version: i16,
        identity: Option<Identity>,
    ) -> Result<Request, StreamsError> {
        if step != Step::Init && version < VERSION {
            return Err(StreamsError::Unsupported(UNSUPPORTED.to_owned()));
        }
        self.in_flight = Some(step);
        let (producer_id, producer_epoch) = identity.unwrap_or((-1, -1));
        Ok(match step {
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
        })
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
        let code = match result {
            Ok(Response::InitProducerId(response)) if response.error_code == 0 => {
                self.backoff.succeeded();
                self.is_open = false;
                return Outcome::Begun((response.producer_id.0, response.producer_epoch));
            }
            Ok(Response::InitProducerId(response)) => response.error_code,
            Ok(Response::TxnOffsetCommit(response)) => match worst_code(&response) {
                Some(code) => code,
                None => {
                    self.backoff.succeeded();
                    if let Some(commit) = &mut self.commit {
                        commit.has_offsets = true;
                    }
                    return Outcome::Pending;
                }
            },
            Ok(Response::EndTxn(response)) if response.error_code == 0 => {
                self.backoff.succeeded();
                self.is_open = false;
                let identity = (response.producer_id.0, response.producer_epoch);
                return match self.commit.take() {
                    Some(commit) => Outcome::Committed(identity, commit),
                    None => Outcome::Begun(identity),
                };
            }
            Ok(Response::EndTxn(response)) => response.error_code,
            Ok(_) | Err(RequestError::Disconnected | RequestError::Protocol(_)) => NOT_COORDINATOR,
            Err(RequestError::TimedOut) => REQUEST_TIMED_OUT,
            Err(RequestError::Unsupported(message)) => {
                return Outcome::Failed(StreamsError::Unsupported(message));
            }
        };
        self.refused(now, rng, step, code)
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
            // UNKNOWN_TOPIC_ID
            (3 | 7 | 14 | 51 | 100, _) => {
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
            (code, _) if is_lost(code) => Outcome::Lost(error_name(code).to_owned()),
            (code, _) => Outcome::Failed(StreamsError::Broker {
                operation: match step {
                    Step::Init => "the request for a transactional producer id".to_owned(),
                    Step::Offsets(_) => "adding offsets to the transaction".to_owned(),
                    Step::End => "the end of the transaction".to_owned(),
                },
                code,
                message: error_name(code).to_owned(),
            }),
        }
    }
}

const NOT_COORDINATOR: i16 = 16;
const REQUEST_TIMED_OUT: i16 = 7;

/// What to say of a cluster without version 2 of transactions.
pub(crate) const UNSUPPORTED: &str = "exactly-once needs transactions of version 2 (KIP-890): raise \
    the feature transaction.version to 2 with kafka-features.sh, or use at_least_once";

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

/// The error that decides over all offsets; those that do not pass before those that do.
fn worst_code(response: &TxnOffsetCommitResponse) -> Option<i16> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let codes: Vec<i16> = partitions
        .map(|partition| partition.error_code)
        .filter(|code| *code != 0)
        .collect();
    let passes = |code: &i16| matches!(code, 3 | 7 | 14 | 15 | 16 | 51 | 100);
    let lasting = codes.iter().find(|code| !passes(code));
    lasting.or_else(|| codes.first()).copied()
}
