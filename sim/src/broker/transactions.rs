//! Transactions, version 2 (KIP-890): InitProducerId with a transactional id (API 22),
//! TxnOffsetCommit (28), EndTxn (26), and what they leave in logs and groups (Java:
//! `TransactionCoordinator`).
//!
//! Partitions and offsets join a transaction by being written. Every end raises the producer's epoch,
//! and its markers are written some time after it is decided. Requests of older versions do as
//! version 1 has it: see `transactions_v1`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eddyline_core::time::{Instant, Now};
use eddyline_core::types::{BrokerId, OffsetAndMetadata};
use eddyline_core::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use eddyline_core::wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use eddyline_core::wire::messages::{
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse,
    OffsetCommitRequest, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use eddyline_core::wire::{Record, Response};

use super::offsets::committed;
use super::{Broker, codes};

/// Requests in the shape of version 2.
pub(super) const VERSION: i16 = 5;

/// What a transaction has touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    pub(super) partitions: BTreeSet<(String, i32)>,
    /// Whose offsets it may commit, under version 1.
    pub(super) groups: BTreeSet<String>,
    /// Offsets to be committed, by group, topic and partition.
    offsets: BTreeMap<(String, String, i32), OffsetAndMetadata>,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Empty,
    Ongoing {
        until: Instant,
        touched: Touched,
    },
    /// It is decided, but not written down everywhere.
    Ending {
        until: Instant,
        is_commit: bool,
        /// Who wrote it: the next producer may have another id.
        producer_id: i64,
        touched: Touched,
    },
    Ended {
        is_commit: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    timeout_ms: u64,
    pub(super) state: State,
}

/// A transaction that is certain to count from now on.
#[derive(Clone, Debug)]
pub(crate) struct CommittedTransaction {
    /// The client id of its producer.
    pub(crate) client: String,
    /// What it wrote, by topic and partition.
    pub(crate) records: BTreeMap<(String, i32), Vec<Record>>,
    /// The offsets it commits, by topic and partition.
    pub(crate) offsets: BTreeMap<(String, i32), i64>,
}

/// All transactional ids, and the producers that have one.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    pub(super) by_id: BTreeMap<String, Transaction>,
    /// What was committed and nobody has looked at; `None` where nobody will.
    committed: Option<VecDeque<CommittedTransaction>>,
}

impl Transactions {
    /// Lets a producer write: what it writes belongs to its transaction, which begins if need be.
    pub(super) fn touch(
        &mut self,
        now: Instant,
        transactional_id: &str,
        (producer_id, epoch): (i64, i16),
    ) -> Result<&mut Touched, i16> {
        let known = self.by_id.get_mut(transactional_id);
        let known = known.ok_or(codes::INVALID_PRODUCER_ID_MAPPING)?;
        if known.producer_id != producer_id {
            return Err(codes::INVALID_PRODUCER_ID_MAPPING);
        }
        if known.epoch != epoch {
            return Err(codes::INVALID_PRODUCER_EPOCH);
        }
        if matches!(known.state, State::Empty | State::Ended { .. }) {
            known.state = State::Ongoing {
                until: now.plus_ms(known.timeout_ms),
                touched: Touched::default(),
            };
        }
        match &mut known.state {
            State::Ongoing { touched, .. } => Ok(touched),
            _ => Err(codes::CONCURRENT_TRANSACTIONS),
        }
    }

    /// Whether offsets of a partition wait for the end of a transaction.
    pub(super) fn is_unstable(&self, group: &str, topic: &str, partition: i32) -> bool {
        let key = (group.to_owned(), topic.to_owned(), partition);
        self.by_id.values().any(|known| match &known.state {
            State::Ongoing { touched, .. } | State::Ending { touched, .. } => {
                touched.offsets.contains_key(&key)
            }
            State::Empty | State::Ended { .. } => false,
        })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    /// When a transaction times out or is written down.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.by_id.values().filter_map(|known| match known.state {
            State::Ongoing { until, .. } | State::Ending { until, .. } => Some(until),
            State::Empty | State::Ended { .. } => None,
        });
        due.min()
    }

    /// Makes every open transaction time out.
    pub(super) fn expire(&mut self) {
        for known in self.by_id.values_mut() {
            if let State::Ongoing { until, .. } = &mut known.state {
                *until = Instant::ZERO;
            }
        }
    }

    fn due(&self, now: Instant) -> Option<String> {
        let due = self.by_id.iter().find(|(_, known)| match known.state {
            State::Ongoing { until, .. } | State::Ending { until, .. } => until <= now,
            State::Empty | State::Ended { .. } => false,
        });
        due.map(|(id, _)| id.clone())
    }
}

/// What the coordinator of a transactional id is found by, among those of groups.
pub(super) fn coordinator_key(transactional_id: &str) -> String {
    format!("transactional id {transactional_id}")
}

impl Broker {
    pub(super) fn init_transactional_producer(
        &mut self,
        client_id: &str,
        transactional_id: &str,
        request: &InitProducerIdRequest,
    ) -> Response {
        let answer = |(producer_id, epoch): (i64, i16), code: i16| {
            let response = InitProducerIdResponse::default()
                .with_error_code(code)
                .with_producer_id(ProducerId(producer_id));
            Response::InitProducerId(response.with_producer_epoch(epoch))
        };
        let refused = |code| answer((-1, -1), code);
        let Ok(timeout_ms) = u64::try_from(request.transaction_timeout_ms) else {
            return refused(codes::INVALID_TRANSACTION_TIMEOUT);
        };
        if transactional_id.is_empty() {
            return refused(codes::INVALID_REQUEST);
        }
        match self
            .transactions
            .by_id
            .get(transactional_id)
            .map(|t| &t.state)
        {
            Some(State::Ongoing { .. }) => {
                self.end(transactional_id, false, true);
                return refused(codes::CONCURRENT_TRANSACTIONS);
            }
            Some(State::Ending { .. }) => return refused(codes::CONCURRENT_TRANSACTIONS),
            Some(State::Empty | State::Ended { .. }) => {
                self.raise_epoch(transactional_id, client_id);
            }
            None => {
                let producer_id = self.new_producer(client_id);
                let fresh = Transaction {
                    producer_id,
                    epoch: 0,
                    timeout_ms,
                    state: State::Empty,
                };
                let id = transactional_id.to_owned();
                self.transactions.by_id.insert(id, fresh);
            }
        }
        let Some(known) = self.transactions.by_id.get_mut(transactional_id) else {
            return refused(codes::UNKNOWN_SERVER_ERROR);
        };
        known.timeout_ms = timeout_ms;
        known.state = State::Empty;
        let identity = (known.producer_id, known.epoch);
        answer(identity, codes::NONE)
    }

    pub(super) fn new_producer(&mut self, client_id: &str) -> i64 {
        let id = self.next_producer_id;
        self.next_producer_id += 1;
        self.producers.insert(id, client_id.to_owned());
        id
    }

    /// The next epoch, or another producer id when there is none.
    fn raise_epoch(&mut self, transactional_id: &str, client_id: &str) {
        let epoch = self.transactions.by_id.get(transactional_id);
        let next = epoch.and_then(|known| known.epoch.checked_add(1));
        let (producer_id, epoch) = match next.filter(|epoch| *epoch < i16::MAX) {
            Some(epoch) => (None, epoch),
            None => (Some(self.new_producer(client_id)), 0),
        };
        if let Some(known) = self.transactions.by_id.get_mut(transactional_id) {
            known.producer_id = producer_id.unwrap_or(known.producer_id);
            known.epoch = epoch;
        }
    }

    /// Makes a partition part of the transaction of whoever writes to it.
    pub(super) fn touch_partition(
        &mut self,
        transactional_id: &str,
        identity: (i64, i16),
        topic: &str,
        partition: i32,
    ) -> Result<(), i16> {
        let now = self.now.instant;
        let touched = self.transactions.touch(now, transactional_id, identity)?;
        touched.partitions.insert((topic.to_owned(), partition));
        Ok(())
    }

    pub(super) fn txn_offset_commit(
        &mut self,
        version: i16,
        request: &TxnOffsetCommitRequest,
    ) -> Response {
        let codes = self.add_offsets(version, request);
        let topics = request.topics.iter();
        let mut codes = codes.into_iter();
        let topics = topics.map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(codes.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR))
            });
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        let response = TxnOffsetCommitResponse::default().with_topics(topics.collect());
        Response::TxnOffsetCommit(response)
    }

    /// One code per partition of the request.
    fn add_offsets(&mut self, version: i16, request: &TxnOffsetCommitRequest) -> Vec<i16> {
        let count = request.topics.iter().map(|topic| topic.partitions.len());
        let count = count.sum();
        let plain = plain_commit(request);
        let accepted = match self.check_commit(PLAIN_VERSION, &plain) {
            Ok(accepted) => accepted,
            // This API has no room for it.
            Err(codes::STALE_MEMBER_EPOCH) => return vec![codes::ILLEGAL_GENERATION; count],
            Err(code) => return vec![code; count],
        };
        let identity = (request.producer_id.0, request.producer_epoch);
        let id = request.transactional_id.0.as_str();
        if version < VERSION
            && let Err(code) = self.check_group_added(id, identity, request.group_id.0.as_str())
        {
            return vec![code; count];
        }
        let touched = match self.transactions.touch(self.now.instant, id, identity) {
            Ok(touched) => touched,
            Err(code) => return vec![code; count],
        };
        let partitions = plain.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| (topic.name.0.to_string(), partition))
        });
        for ((topic, partition), code) in partitions.zip(&accepted) {
            if *code == codes::NONE {
                let group = plain.group_id.0.to_string();
                let key = (group, topic, partition.partition_index);
                touched.offsets.insert(key, committed(partition));
            }
        }
        accepted
    }

    pub(super) fn end_txn(&mut self, version: i16, request: &EndTxnRequest) -> Response {
        let id = request.transactional_id.0.as_str();
        let result = self.try_end(id, version, request);
        let response = EndTxnResponse::default();
        Response::EndTxn(match result {
            Ok((producer_id, epoch)) => response
                .with_producer_id(ProducerId(producer_id))
                .with_producer_epoch(epoch),
            Err(code) => response
                .with_error_code(code)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        })
    }

    fn try_end(
        &mut self,
        id: &str,
        version: i16,
        request: &EndTxnRequest,
    ) -> Result<(i64, i16), i16> {
        if version < VERSION {
            return self.try_end_v1(id, request);
        }
        let known = self.transactions.by_id.get(id);
        let known = known.ok_or(codes::INVALID_PRODUCER_ID_MAPPING)?;
        if known.producer_id != request.producer_id.0 {
            return Err(codes::INVALID_PRODUCER_ID_MAPPING);
        }
        let is_repeated = request.producer_epoch.checked_add(1) == Some(known.epoch);
        match known.state {
            State::Ended { is_commit } if is_repeated && is_commit == request.committed => {
                return Ok((known.producer_id, known.epoch));
            }
            State::Ending { is_commit, .. } if is_repeated && is_commit == request.committed => {
                return Err(codes::CONCURRENT_TRANSACTIONS);
            }
            _ if known.epoch != request.producer_epoch => return Err(codes::PRODUCER_FENCED),
            State::Ongoing { .. } => {}
            _ if !request.committed => {}
            _ => return Err(codes::INVALID_TXN_STATE),
        }
        self.end(id, request.committed, true);
        let known = self.transactions.by_id.get(id);
        known
            .map(|known| (known.producer_id, known.epoch))
            .ok_or(codes::UNKNOWN_SERVER_ERROR)
    }

    /// From now on keeps every transaction that is committed for [`Self::poll_committed`].
    pub(crate) fn watch_transactions(&mut self) {
        self.transactions.committed = Some(VecDeque::new());
    }

    /// The next transaction that was committed.
    pub(crate) fn poll_committed(&mut self) -> Option<CommittedTransaction> {
        self.transactions.committed.as_mut()?.pop_front()
    }

    /// Keeps a transaction that is to be committed for whoever watches.
    fn note_committed(&mut self, id: &str) {
        let Transactions { by_id, committed } = &mut self.transactions;
        let (Some(known), Some(committed)) = (by_id.get(id), committed) else {
            return;
        };
        let (State::Ongoing { touched, .. }, producer_id) = (&known.state, known.producer_id)
        else {
            return;
        };
        let records = touched.partitions.iter().filter_map(|(topic, partition)| {
            let log = &self.topics.by_name(topic)?.partition(*partition)?.log;
            let records = log.open_records(producer_id).ok()?;
            Some(((topic.clone(), *partition), records))
        });
        let offsets = touched.offsets.iter();
        let offsets = offsets
            .map(|((_, topic, partition), offset)| ((topic.clone(), *partition), offset.offset));
        let client = self.producers.get(&producer_id).cloned();
        committed.push_back(CommittedTransaction {
            client: client.unwrap_or_default(),
            records: records.collect(),
            offsets: offsets.collect(),
        });
    }

    /// Decides a transaction; with `raises_epoch`, its producer needs the next epoch from now on.
    pub(super) fn end(&mut self, id: &str, is_commit: bool, raises_epoch: bool) {
        if is_commit {
            self.note_committed(id);
        }
        let Some(known) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        let state = std::mem::replace(&mut known.state, State::Empty);
        let touched = match state {
            State::Ongoing { touched, .. } => touched,
            _ => Touched::default(),
        };
        let until = self.now.instant.plus_ms(self.config.marker_delay_ms);
        let producer_id = known.producer_id;
        for (topic, partition) in touched.partitions.iter().filter(|_| is_commit) {
            let topic = self.topics.by_name_mut(topic);
            if let Some(partition) = topic.and_then(|topic| topic.partition_mut(*partition)) {
                partition.log.decide_commit(producer_id);
            }
        }
        known.state = State::Ending {
            until,
            is_commit,
            producer_id,
            touched,
        };
        let client = self.producers.get(&producer_id);
        let client = client.cloned().unwrap_or_default();
        if raises_epoch {
            self.raise_epoch(id, &client);
        }
        if self.config.marker_delay_ms == 0 {
            self.write_markers(id);
        }
    }

    /// Writes the end of a transaction into everything it touched.
    fn write_markers(&mut self, id: &str) {
        let Some(known) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        let state = std::mem::replace(&mut known.state, State::Empty);
        let State::Ending {
            is_commit,
            producer_id,
            touched,
            ..
        } = state
        else {
            known.state = state;
            return;
        };
        known.state = State::Ended { is_commit };
        // One that has no epoch left never comes back.
        let is_same = known.producer_id == producer_id;
        let producer = (producer_id, if is_same { known.epoch } else { i16::MAX });
        let now = self.now.wall_clock;
        for (topic, partition) in touched.partitions {
            let topic = self.topics.by_name_mut(&topic);
            if let Some(partition) = topic.and_then(|topic| topic.partition_mut(partition)) {
                let epoch = partition.leader_epoch;
                partition
                    .log
                    .end_transaction(producer, is_commit, now, epoch);
                self.woken.append(&mut partition.waiters);
            }
        }
        for ((group, topic, partition), offset) in touched.offsets {
            if is_commit && self.topics.by_name(&topic).is_some() {
                self.groups.ensure_simple(&group);
                self.groups.commit(&group, &topic, partition, offset);
            }
        }
    }

    /// Aborts what takes too long, and writes down what is decided.
    pub(super) fn handle_transactions(&mut self, now: Now) {
        while let Some(id) = self.transactions.due(now.instant) {
            let known = self.transactions.by_id.get(&id);
            match known.map(|known| &known.state) {
                Some(State::Ongoing { .. }) => self.end(&id, false, true),
                _ => self.write_markers(&id),
            }
        }
    }

    /// Why `node` does not speak for a transactional id.
    pub(super) fn transaction_coordinator_error(
        &mut self,
        node: BrokerId,
        id: &str,
    ) -> Option<i16> {
        (self.coordinator(&coordinator_key(id)) != Some(node)).then_some(codes::NOT_COORDINATOR)
    }
}

/// OffsetCommit in the last version with topic names has the same checks.
const PLAIN_VERSION: i16 = 9;

fn plain_commit(request: &TxnOffsetCommitRequest) -> OffsetCommitRequest {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_committed_metadata(partition.committed_metadata.clone())
        });
        OffsetCommitRequestTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitRequest::default()
        .with_group_id(request.group_id.clone())
        .with_generation_id_or_member_epoch(request.generation_id)
        .with_member_id(request.member_id.clone())
        .with_topics(topics.collect())
}
