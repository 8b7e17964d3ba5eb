//! What version 1 of transactions has beside version 2: AddPartitionsToTxn (API 24) and
//! AddOffsetsToTxn (25), which come before what they are about, and an EndTxn (26) behind which the
//! producer keeps its epoch.

use eddyline_core::types::TopicPartition;
use eddyline_core::wire::Response;
use eddyline_core::wire::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use eddyline_core::wire::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest,
};

use super::transactions::{State, Transactions};
use super::{Broker, codes};

impl Transactions {
    /// Whether a producer may write to a partition, or commit offsets of a group: it has told its
    /// coordinator so, and the transaction is open.
    fn check_added(
        &self,
        transactional_id: &str,
        (producer_id, epoch): (i64, i16),
        is_added: impl Fn(&super::transactions::Touched) -> bool,
    ) -> Result<(), i16> {
        let known = self.by_id.get(transactional_id);
        let known = known.ok_or(codes::INVALID_PRODUCER_ID_MAPPING)?;
        if known.producer_id != producer_id {
            return Err(codes::INVALID_PRODUCER_ID_MAPPING);
        }
        if known.epoch != epoch {
            return Err(codes::INVALID_PRODUCER_EPOCH);
        }
        match &known.state {
            State::Ongoing { touched, .. } if is_added(touched) => Ok(()),
            _ => Err(codes::INVALID_TXN_STATE),
        }
    }
}

impl Broker {
    /// Whether a producer that has to tell beforehand has told that it writes to a partition.
    pub(super) fn check_partition_added(
        &self,
        transactional_id: &str,
        identity: (i64, i16),
        topic: &str,
        partition: i32,
    ) -> Result<(), i16> {
        let key = (topic.to_owned(), partition);
        let transactions = &self.transactions;
        transactions.check_added(transactional_id, identity, |touched| {
            touched.partitions.contains(&key)
        })
    }

    /// The same of the offsets of a group.
    pub(super) fn check_group_added(
        &self,
        transactional_id: &str,
        identity: (i64, i16),
        group: &str,
    ) -> Result<(), i16> {
        let transactions = &self.transactions;
        transactions.check_added(transactional_id, identity, |touched| {
            touched.groups.contains(group)
        })
    }

    pub(super) fn add_partitions_to_txn(
        &mut self,
        request: &AddPartitionsToTxnRequest,
    ) -> Response {
        let id = request.v3_and_below_transactional_id.0.as_str();
        let identity = (
            request.v3_and_below_producer_id.0,
            request.v3_and_below_producer_epoch,
        );
        let asked = request.v3_and_below_topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| TopicPartition::new(topic.name.0.as_str(), *partition))
        });
        let asked: Vec<TopicPartition> = asked.collect();
        let is_known = |asked: &TopicPartition| {
            let topic = self.topics.by_name(asked.topic.as_str());
            topic.is_some_and(|topic| topic.partition(asked.partition).is_some())
        };
        let refusal = |asked: &TopicPartition| match is_known(asked) {
            true => codes::OPERATION_NOT_ATTEMPTED,
            false => codes::UNKNOWN_TOPIC_OR_PARTITION,
        };
        // All of them, or none.
        let mut codes: Vec<i16> = asked.iter().map(refusal).collect();
        if !codes.contains(&codes::UNKNOWN_TOPIC_OR_PARTITION) {
            let add = |asked: &TopicPartition| {
                let topic = asked.topic.as_str();
                let added = self.touch_partition(id, identity, topic, asked.partition);
                added.err().unwrap_or(codes::NONE)
            };
            codes = asked.iter().map(add).collect();
        }
        let mut codes = codes.into_iter();
        let mut next = || codes.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR);
        partitions_added(request, &mut next)
    }

    pub(super) fn add_offsets_to_txn(&mut self, request: &AddOffsetsToTxnRequest) -> Response {
        let id = request.transactional_id.0.as_str();
        let identity = (request.producer_id.0, request.producer_epoch);
        let now = self.now.instant;
        let code = match self.transactions.touch(now, id, identity) {
            Ok(touched) => {
                touched.groups.insert(request.group_id.0.to_string());
                codes::NONE
            }
            Err(code) => code,
        };
        Response::AddOffsetsToTxn(AddOffsetsToTxnResponse::default().with_error_code(code))
    }

    /// The end of a transaction whose producer keeps its epoch.
    pub(super) fn try_end_v1(
        &mut self,
        id: &str,
        request: &EndTxnRequest,
    ) -> Result<(i64, i16), i16> {
        let known = self.transactions.by_id.get(id);
        let known = known.ok_or(codes::INVALID_PRODUCER_ID_MAPPING)?;
        if known.producer_id != request.producer_id.0 {
            return Err(codes::INVALID_PRODUCER_ID_MAPPING);
        }
        if known.epoch != request.producer_epoch {
            return Err(codes::PRODUCER_FENCED);
        }
        match known.state {
            State::Ongoing { .. } => self.end(id, request.committed, false),
            State::Ended { is_commit } if is_commit == request.committed => {}
            State::Ending { is_commit, .. } if is_commit == request.committed => {
                return Err(codes::CONCURRENT_TRANSACTIONS);
            }
            _ => return Err(codes::INVALID_TXN_STATE),
        }
        Ok((-1, -1))
    }
}

/// The answer to a request for partitions with a code for each of them, in order.
pub(super) fn partitions_added(
    request: &AddPartitionsToTxnRequest,
    next: &mut dyn FnMut() -> i16,
) -> Response {
    let topics = request.v3_and_below_topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*partition)
                .with_partition_error_code(next())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    let topics = topics.collect();
    let response = AddPartitionsToTxnResponse::default();
    Response::AddPartitionsToTxn(response.with_results_by_topic_v3_and_below(topics))
}
