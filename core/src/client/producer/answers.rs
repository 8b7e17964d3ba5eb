//! What brokers answer, and what it means for the batches that were under way.

use super::{InFlight, Producer, ProducerEvent, SentBatch, Stage};
use crate::client::transactions::{Transactions, is_lost};
use crate::config::HostPort;
use crate::error::{Concerned, StreamsError};
use crate::mutation::Mutation;
use crate::net::{RequestError, RequestToken};
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{BrokerId, TopicPartition};
use crate::wire::messages::ProduceResponse;
use crate::wire::messages::produce_response::PartitionProduceResponse;
use crate::wire::{Response, Uuid, error_name};

impl Producer {
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        match self.in_flight.remove(&token) {
            None => {}
            Some(InFlight::Init) => self.init_answered(now, result),
            Some(InFlight::Transaction) => self.transaction_answered(now, result),
            Some(InFlight::Produce { batches, .. }) => match result {
                Ok(Response::Produce(response)) => self.produce_answered(now, batches, &response),
                Err(RequestError::Unsupported(message)) => {
                    self.events
                        .push_back(ProducerEvent::Failed(StreamsError::Unsupported(message)));
                }
                Ok(_) | Err(_) => {
                    if let Some(transactions) = &mut self.transactions {
                        transactions.note_stray();
                    }
                    self.events.push_back(ProducerEvent::RefreshMetadata);
                    for (partition, batch, _) in batches {
                        self.failed(now, &partition, batch);
                    }
                }
            },
        }
    }

    fn init_answered(&mut self, now: Instant, result: Result<Response, RequestError>) {
        let code = match result {
            Ok(Response::InitProducerId(response)) if response.error_code == 0 => {
                self.identity = Some((response.producer_id.0, response.producer_epoch));
                return self.init_backoff.succeeded();
            }
            Ok(Response::InitProducerId(response)) => response.error_code,
            Err(RequestError::Unsupported(message)) => {
                let failed = ProducerEvent::Failed(StreamsError::Unsupported(message));
                return self.events.push_back(failed);
            }
            Ok(_) | Err(_) => 7,
        };
        self.init_backoff.failed(now, &mut self.rng);
        // CLUSTER_AUTHORIZATION_FAILED, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, INVALID_REQUEST
        if matches!(code, 31 | 42 | 53) {
            let concerned = Concerned {
                permission: "IdempotentWrite",
                ..Concerned::default()
            };
            let operation = "the request for a producer id";
            let error = StreamsError::refused(operation, code, "", concerned);
            self.events.push_back(ProducerEvent::Failed(error));
        }
    }

    fn produce_answered(
        &mut self,
        now: Instant,
        batches: Vec<SentBatch>,
        response: &ProduceResponse,
    ) {
        let answer_of = |topic: &str, id: Uuid, partition: i32| {
            let topics = response.responses.iter();
            let mut found = topics.filter(|t| {
                if t.topic_id.is_nil() {
                    t.name.0.as_str() == topic
                } else {
                    t.topic_id == id
                }
            });
            found.find_map(|t| t.partition_responses.iter().find(|p| p.index == partition))
        };
        for (partition, batch, id) in batches {
            match answer_of(partition.topic.as_str(), id, partition.partition) {
                Some(answer) => self.partition_answered(now, &partition, batch, answer, response),
                None => self.failed(now, &partition, batch),
            }
        }
    }

    fn partition_answered(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        batch: u64,
        answer: &PartitionProduceResponse,
        response: &ProduceResponse,
    ) {
        let is_first = self
            .partitions
            .get(partition)
            .and_then(|queue| queue.batches.front())
            .is_some_and(|first| first.id == batch);
        let goes_on = self.mutant.is(Mutation::FencedWrites);
        match answer.error_code {
            0 => self.written(partition, batch, answer.base_offset),
            // DUPLICATE_SEQUENCE_NUMBER: it was written before; where, nobody says.
            46 => self.written(partition, batch, -1),
            // OUT_OF_ORDER_SEQUENCE_NUMBER behind a batch that failed: resent in order.
            45 if !is_first => self.failed(now, partition, batch),
            code if self.transactions.is_some() && is_lost(code) && !goes_on => {
                self.lose(format!("{} for {partition}", error_name(code)));
            }
            // CONCURRENT_TRANSACTIONS: the last transaction is not over in the partition.
            51 if self.transactions.is_some() => self.failed(now, partition, batch),
            // The broker does not know this producer (any longer): a new id, new numbers.
            45 | 47 | 59 => {
                let message = format!(
                    "{} for {partition}: a new producer id is asked for",
                    error_name(answer.error_code)
                );
                let log = LogEvent::new(Level::Warn, message);
                self.events.push_back(ProducerEvent::Log(log));
                self.renumber(partition);
                self.failed(now, partition, batch);
            }
            code if is_retriable(code) => {
                self.hint_at_leader(partition, answer, response);
                self.events.push_back(ProducerEvent::RefreshMetadata);
                self.failed(now, partition, batch);
            }
            // TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED,
            // TRANSACTIONAL_ID_AUTHORIZATION_FAILED: no handler is asked, as in Java.
            code @ (29 | 31 | 53) => self.not_allowed(partition, code),
            code => {
                let words = answer.error_message.as_ref().map(|words| words.as_str());
                let message = format!(
                    "the broker refused them with {}{}",
                    error_name(code),
                    words.map(|words| format!(" ({words})")).unwrap_or_default()
                );
                self.refused(partition, batch, Some(code), message);
            }
        }
    }

    /// A broker that does not lead a partition may say who does.
    fn hint_at_leader(
        &mut self,
        partition: &TopicPartition,
        answer: &PartitionProduceResponse,
        response: &ProduceResponse,
    ) {
        let leader = &answer.current_leader;
        if leader.leader_id.0 < 0 {
            return;
        }
        let mut endpoints = response.node_endpoints.iter();
        let endpoint = endpoints.find(|e| e.node_id == leader.leader_id);
        self.events.push_back(ProducerEvent::LeaderHint {
            partition: partition.clone(),
            leader: BrokerId(leader.leader_id.0),
            leader_epoch: leader.leader_epoch,
            endpoint: endpoint.and_then(|e| HostPort::from_wire(e.host.as_str(), e.port)),
        });
    }

    fn not_allowed(&mut self, partition: &TopicPartition, code: i16) {
        let concerned = Concerned {
            topic: Some(&partition.topic),
            transactional_id: self.transactions.as_ref().map(Transactions::id),
            permission: "Write",
            ..Concerned::default()
        };
        let operation = format!("writing to {partition}");
        let error = StreamsError::refused(operation, code, "", concerned);
        self.events.push_back(ProducerEvent::Failed(error));
    }

    /// Asks for a producer id, unless there is a newer one than the partition's already.
    fn renumber(&mut self, partition: &TopicPartition) {
        if let Some(queue) = self.partitions.get_mut(partition) {
            queue.renumber = true;
            if queue.identity == self.identity {
                self.identity = None;
            }
        }
    }

    fn failed(&mut self, now: Instant, partition: &TopicPartition, batch: u64) {
        let Some(queue) = self.partitions.get_mut(partition) else {
            return;
        };
        if let Some(batch) = queue.batches.iter_mut().find(|b| b.id == batch) {
            batch.stage = Stage::Failed;
            // One wait for all that fail together.
            if queue.backoff.is_over(now) {
                queue.backoff.failed(now, &mut self.rng);
            }
        }
    }
}

/// Passes by itself (Java: `RetriableException`).
const fn is_retriable(code: i16) -> bool {
    matches!(
        code,
        // CORRUPT_MESSAGE, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, NOT_LEADER, REQUEST_TIMED_OUT,
        // NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS (and after append), KAFKA_STORAGE_ERROR,
        // FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, THROTTLING, UNKNOWN_TOPIC_ID,
        // INCONSISTENT_TOPIC_ID
        2 | 3 | 5 | 6 | 7 | 13 | 19 | 20 | 56 | 74 | 75 | 89 | 100 | 103
    )
}
