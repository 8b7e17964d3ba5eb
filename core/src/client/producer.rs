//! The idempotent producer (Java: `Sender`, `RecordAccumulator` and `TransactionManager`).
//!
//! Batches of a partition are written in order and once: each has a sequence number, up to five are
//! under way, and after a failure everything under way comes back before the oldest is sent again.
//! Under exactly-once all of it belongs to a transaction, which [`Transactions`] begins and ends.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::client::offsets::wire_name;
use crate::client::transactions::{Outcome, Transactions, is_lost};
use crate::config::{HostPort, StreamsConfig};
use crate::error::StreamsError;
use crate::net::{Backoff, Cluster, Outgoing, RequestError, RequestToken, Target};
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{BrokerId, MemberEpoch, OffsetAndMetadata, TopicName, TopicPartition};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::produce_response::PartitionProduceResponse;
use crate::wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse, ProducerId};
use crate::wire::{ApiKey, Request, Response, SealedBatch, Uuid, error_name};

/// What became of batches.
#[derive(Debug)]
pub(crate) enum ProducerEvent {
    /// A batch was written (its base offset, -1 where only that it was written is known) or never
    /// will be.
    Produced {
        ticket: u64,
        result: Result<i64, StreamsError>,
    },
    /// A transaction was committed with these offsets.
    Committed {
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    },
    /// The transaction cannot be committed, for this reason. Nothing is produced until
    /// [`Producer::resume`].
    Lost(String),
    /// A coordinator is not where it was.
    FindCoordinator(Target),
    /// A broker said who leads a partition now.
    LeaderHint {
        partition: TopicPartition,
        leader: BrokerId,
        leader_epoch: i32,
        endpoint: Option<HostPort>,
    },
    /// The metadata is wrong.
    RefreshMetadata,
    /// Nothing can be produced any more.
    Failed(StreamsError),
    /// For the log.
    Log(LogEvent),
}

/// A broker remembers the last five batches of a partition to tell duplicates: so many may follow,
/// in the log, on one that is not known to be there.
const IN_FLIGHT_MAX: usize = 5;

/// Longer than any program runs.
const NO_TIMEOUT_MS: u64 = i32::MAX as u64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    InFlight,
    /// Came back with an error that passes.
    Failed,
}

/// Where a batch stands among those of its partition.
#[derive(Clone, Copy)]
struct Place {
    /// Of its first record.
    sequence: i32,
    /// Batches sent before it.
    before: u64,
}

impl Place {
    const FIRST: Self = Self {
        sequence: 0,
        before: 0,
    };
}

struct Batch {
    ticket: u64,
    sealed: SealedBatch,
    /// The place it was first sent in; kept for every retry.
    place: Option<Place>,
    stage: Stage,
    deadline: Instant,
}

/// Producer id and epoch.
pub(super) type Identity = (i64, i16);

struct PartitionQueue {
    batches: VecDeque<Batch>,
    next: Place,
    /// The producer that the sequence numbers count for. What was sent under an older id may be in
    /// the log: it is sent again under that one, so that the broker can tell.
    identity: Option<Identity>,
    /// The broker will not take these sequence numbers: all begins anew under another id.
    renumber: bool,
    /// Something was written under this identity.
    acknowledged: bool,
    backoff: Backoff,
}

impl PartitionQueue {
    /// The bytes of a batch that is [`PartitionQueue::sendable`], in its place under a producer.
    fn send(&mut self, at: usize, newest: Identity) -> Bytes {
        let never_sent = self.batches[at].place.is_none();
        if self.renumber || (never_sent && self.identity != Some(newest)) {
            self.number_anew(newest);
        }
        let (producer_id, producer_epoch) = self.identity.unwrap_or(newest);
        let batch = &mut self.batches[at];
        let place = *batch.place.get_or_insert_with(|| {
            let place = self.next;
            self.next = Place {
                sequence: advance(place.sequence, batch.sealed.record_count()),
                before: place.before + 1,
            };
            place
        });
        batch.stage = Stage::InFlight;
        batch
            .sealed
            .encode(producer_id, producer_epoch, place.sequence)
    }

    /// Gives every batch a place under another producer; nothing is under way.
    fn number_anew(&mut self, identity: Identity) {
        self.identity = Some(identity);
        self.next = Place::FIRST;
        (self.renumber, self.acknowledged) = (false, false);
        for batch in &mut self.batches {
            batch.place = None;
            batch.stage = Stage::Waiting;
        }
    }

    /// Whether a batch may be sent for the first time.
    fn has_room(&self) -> bool {
        // Brokers take any sequence number as the first of a producer they do not know: a second
        // batch could be written although the first was not.
        let most = if self.acknowledged { IN_FLIGHT_MAX } else { 1 };
        let oldest = self.batches.front().and_then(|batch| batch.place);
        oldest.is_none_or(|oldest| self.next.before - oldest.before < most as u64)
    }

    /// The next batch that may be sent without overtaking another.
    fn sendable(&self, now: Instant, identity: Option<Identity>) -> Option<usize> {
        if !self.backoff.is_over(now) {
            return None;
        }
        let is_any = |stage| self.batches.iter().any(|batch| batch.stage == stage);
        let changes = is_any(Stage::Failed) || self.renumber || self.identity != identity;
        if changes && is_any(Stage::InFlight) {
            return None;
        }
        let next = |batch: &Batch| batch.stage != Stage::InFlight;
        let at = self.batches.iter().position(next)?;
        (self.batches[at].place.is_some() || self.has_room()).then_some(at)
    }
}

enum InFlight {
    Init,
    Transaction,
    Produce {
        broker: BrokerId,
        batches: Vec<(TopicPartition, u64, Uuid)>,
    },
}

/// All batches of one client.
pub(crate) struct Producer {
    rng: Rng,
    backoff: Backoff,
    request_timeout_ms: u64,
    delivery_timeout_ms: u64,
    max_request_size: usize,
    tokens: u64,
    identity: Option<Identity>,
    transactions: Option<Transactions>,
    init_backoff: Backoff,
    partitions: BTreeMap<TopicPartition, PartitionQueue>,
    in_flight: BTreeMap<RequestToken, InFlight>,
    last_now: Instant,
    events: VecDeque<ProducerEvent>,
}

impl Producer {
    pub(crate) fn new(config: &StreamsConfig, rng: Rng) -> Self {
        let backoff = Backoff::new(config.retry_backoff_ms(), config.retry_backoff_max_ms());
        Self {
            rng,
            init_backoff: backoff.clone(),
            backoff,
            request_timeout_ms: config.request_timeout_ms(),
            delivery_timeout_ms: config.delivery_timeout_ms(),
            max_request_size: config.max_request_size(),
            tokens: 0,
            identity: None,
            transactions: None,
            partitions: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_now: Instant::ZERO,
            events: VecDeque::new(),
        }
    }

    /// The same with transactions, under an id that no other producer alive has.
    pub(crate) fn with_transactions(mut self, transactions: Transactions) -> Self {
        // A transaction that takes too long is aborted by its coordinator.
        self.delivery_timeout_ms = NO_TIMEOUT_MS;
        self.transactions = Some(transactions);
        self
    }

    /// Whose offsets a transaction commits.
    pub(crate) fn set_member(&mut self, member_id: &str, member_epoch: MemberEpoch) {
        if let Some(transactions) = &mut self.transactions {
            transactions.set_member(member_id, member_epoch);
        }
    }

    /// Commits what was produced and acknowledged, with these offsets; answered under `ticket`.
    pub(crate) fn commit(
        &mut self,
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) {
        let Some(transactions) = &mut self.transactions else {
            return;
        };
        transactions.commit(ticket, offsets);
        if let Some(commit) = transactions.take_empty_commit() {
            let (ticket, offsets) = (commit.ticket, commit.offsets);
            self.events
                .push_back(ProducerEvent::Committed { ticket, offsets });
        }
    }

    /// Whoever abandoned the last transaction has nothing to say about it any more.
    pub(crate) fn resume(&mut self) {
        if let Some(transactions) = &mut self.transactions {
            transactions.resume();
        }
    }

    /// Writes a batch, after all earlier ones of its partition; answered under `ticket`.
    pub(crate) fn produce(
        &mut self,
        now: Instant,
        ticket: u64,
        partition: TopicPartition,
        sealed: SealedBatch,
    ) {
        let mut sealed = sealed;
        if let Some(transactions) = &self.transactions {
            if transactions.is_halted() {
                return;
            }
            sealed = sealed.transactional();
        }
        let deadline = now.plus_ms(self.delivery_timeout_ms);
        let backoff = &self.backoff;
        let queue = self
            .partitions
            .entry(partition)
            .or_insert_with(|| PartitionQueue {
                batches: VecDeque::new(),
                next: Place::FIRST,
                identity: None,
                renumber: false,
                acknowledged: false,
                backoff: backoff.clone(),
            });
        let stage = Stage::Waiting;
        queue.batches.push_back(Batch {
            ticket,
            sealed,
            place: None,
            stage,
            deadline,
        });
    }

    /// Forgets every batch: whose they were has lost its tasks, and somebody else may write for
    /// them by now. What is under way cannot be called back, but a transaction is aborted.
    pub(crate) fn abandon(&mut self) {
        if let Some(transactions) = &mut self.transactions {
            transactions.halt();
            // The next producer of this id ends what this one began.
            self.identity = None;
            self.partitions.clear();
            self.in_flight.clear();
            return;
        }
        let batches = self.partitions.values().flat_map(|queue| &queue.batches);
        if batches.into_iter().any(|batch| batch.place.is_some()) {
            // There will be a gap in the numbers.
            self.identity = None;
        }
        for queue in self.partitions.values_mut() {
            queue.batches.clear();
        }
    }

    /// True when every batch was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.partitions
            .values()
            .all(|queue| queue.batches.is_empty())
            && self
                .transactions
                .as_ref()
                .is_none_or(|transactions| transactions.is_settled(self.identity))
    }

    pub(crate) fn poll_event(&mut self) -> Option<ProducerEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let queues = self
            .partitions
            .values()
            .filter(|queue| !queue.batches.is_empty());
        let mut due: Vec<Instant> = Vec::new();
        for queue in queues {
            due.push(queue.backoff.until());
            due.extend(queue.batches.front().map(|batch| batch.deadline));
        }
        let transactions = self.transactions.as_ref();
        due.extend(transactions.and_then(|transactions| transactions.due(self.identity)));
        if !due.is_empty() && self.identity.is_none() {
            due.push(self.init_backoff.until());
        }
        due.into_iter().filter(|due| *due > self.last_now).min()
    }

    fn token(&mut self) -> RequestToken {
        self.tokens += 1;
        RequestToken(self.tokens)
    }

    pub(crate) fn poll_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        self.last_now = now;
        self.expire(now);
        if self.transactions.is_some() {
            let request = self.transaction_request(now, cluster);
            if request.is_some() || self.identity.is_none() {
                return request;
            }
        }
        if self.is_idle() {
            return None;
        }
        if self.identity.is_none() {
            return self.init_request(now, cluster);
        }
        let mut leaders: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        let mut unknown = false;
        for (partition, queue) in &self.partitions {
            if queue.sendable(now, self.identity).is_some() {
                match cluster.metadata().leader(partition) {
                    Some((leader, _)) => leaders.entry(leader).or_default().push(partition.clone()),
                    None => unknown = true,
                }
            }
        }
        if unknown {
            self.postpone_unknown(now, cluster);
        }
        for (broker, partitions) in leaders {
            let Some(version) = cluster.version(Target::Broker(broker), ApiKey::Produce) else {
                continue;
            };
            let request = self.produce_request(now, broker, version, &partitions, cluster);
            if request.is_some() {
                return request;
            }
        }
        None
    }

    /// Partitions without a leader wait a little, and the metadata is asked for.
    fn postpone_unknown(&mut self, now: Instant, cluster: &Cluster) {
        for (partition, queue) in &mut self.partitions {
            if queue.sendable(now, self.identity).is_some()
                && cluster.metadata().leader(partition).is_none()
            {
                queue.backoff.failed(now, &mut self.rng);
            }
        }
        self.events.push_back(ProducerEvent::RefreshMetadata);
    }

    fn transaction_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        let transactions = self.transactions.as_mut()?;
        let step = transactions.next_step(now, self.identity)?;
        let target = step.target();
        let version = cluster.version(target, step.api())?;
        let request = match transactions.request(step, version, self.identity) {
            Ok(request) => request,
            Err(error) => {
                transactions.halt();
                self.events.push_back(ProducerEvent::Failed(error));
                return None;
            }
        };
        let token = self.token();
        self.in_flight.insert(token, InFlight::Transaction);
        Some(Outgoing {
            token,
            target,
            version: Some(version),
            request,
        })
    }

    fn transaction_answered(&mut self, now: Instant, result: Result<Response, RequestError>) {
        let Some(transactions) = &mut self.transactions else {
            return;
        };
        let event = match transactions.answered(now, &mut self.rng, result) {
            Outcome::Pending => return,
            Outcome::Begun(identity) => {
                self.identity = Some(identity);
                return;
            }
            Outcome::FindCoordinator(target) => ProducerEvent::FindCoordinator(target),
            Outcome::Committed(identity, commit) => {
                self.identity = Some(identity);
                let (ticket, offsets) = (commit.ticket, commit.offsets);
                ProducerEvent::Committed { ticket, offsets }
            }
            Outcome::Lost(reason) => return self.lose(reason),
            Outcome::Failed(error) => ProducerEvent::Failed(error),
        };
        self.events.push_back(event);
    }

    /// The transaction will not be committed.
    fn lose(&mut self, reason: String) {
        let transactions = self.transactions.as_ref();
        if transactions.is_some_and(Transactions::is_halted) {
            return;
        }
        self.abandon();
        self.events.push_back(ProducerEvent::Lost(reason));
    }

    fn init_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        let under_way = self
            .in_flight
            .values()
            .any(|request| matches!(request, InFlight::Init));
        if under_way || !self.init_backoff.is_over(now) {
            return None;
        }
        let version = cluster.version(Target::AnyBroker, ApiKey::InitProducerId)?;
        let token = self.token();
        self.in_flight.insert(token, InFlight::Init);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        Some(Outgoing {
            token,
            target: Target::AnyBroker,
            version: Some(version),
            request: Request::InitProducerId(request),
        })
    }

    /// One batch of each partition, as many as fit a request.
    fn produce_request(
        &mut self,
        now: Instant,
        broker: BrokerId,
        version: i16,
        partitions: &[TopicPartition],
        cluster: &Cluster,
    ) -> Option<Outgoing> {
        let on_the_way = |request: &&InFlight| matches!(request, InFlight::Produce { broker: to, .. } if *to == broker);
        if self.in_flight.values().filter(on_the_way).count() >= IN_FLIGHT_MAX {
            return None;
        }
        let identity = self.identity?;
        // Ids need every topic's id; a topic made this moment may not have one here yet.
        let ids: Option<BTreeMap<_, _>> = partitions
            .iter()
            .map(|p| Some((p.topic.clone(), cluster.metadata().topic_id(&p.topic)?)))
            .collect();
        let ids = if version >= 13 { ids } else { None };
        let version = if ids.is_some() {
            version
        } else {
            version.min(12)
        };
        let mut topics: BTreeMap<TopicName, Vec<PartitionProduceData>> = BTreeMap::new();
        let (mut size, mut batches) = (0, Vec::new());
        for partition in partitions {
            let Some(queue) = self.partitions.get_mut(partition) else {
                continue;
            };
            let Some(at) = queue.sendable(now, self.identity) else {
                continue;
            };
            let batch_size = queue.batches[at].sealed.size_bytes();
            if size > 0 && size + batch_size > self.max_request_size {
                continue;
            }
            size += batch_size;
            let records = queue.send(at, identity);
            let data = PartitionProduceData::default()
                .with_index(partition.partition)
                .with_records(Some(records));
            topics
                .entry(partition.topic.clone())
                .or_default()
                .push(data);
            let id = ids
                .as_ref()
                .map_or_else(Uuid::nil, |ids| ids[&partition.topic]);
            batches.push((partition.clone(), queue.batches[at].ticket, id));
        }
        if batches.is_empty() {
            return None;
        }
        let topics = topics.into_iter().map(|(topic, data)| {
            let converted = TopicProduceData::default().with_partition_data(data);
            match &ids {
                Some(ids) => converted.with_topic_id(ids[&topic]),
                None => converted.with_name(wire_name(&topic)),
            }
        });
        let transactional_id = self.transactions.as_mut().map(|transactions| {
            transactions.begin();
            transactions.transactional_id()
        });
        let request = ProduceRequest::default()
            .with_transactional_id(transactional_id)
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(self.request_timeout_ms).unwrap_or(i32::MAX))
            .with_topic_data(topics.collect());
        let token = self.token();
        self.in_flight
            .insert(token, InFlight::Produce { broker, batches });
        let (target, version) = (Target::Broker(broker), Some(version));
        Some(Outgoing {
            token,
            target,
            version,
            request: Request::Produce(request),
        })
    }

    /// Gives up batches that nobody took in `delivery.timeout.ms`.
    fn expire(&mut self, now: Instant) {
        for (partition, queue) in &mut self.partitions {
            while let Some(batch) = queue.batches.front()
                && batch.deadline <= now
                && batch.stage != Stage::InFlight
            {
                let error = StreamsError::Delivery {
                    partition: partition.clone(),
                    message: "no broker took them within delivery.timeout.ms".to_owned(),
                };
                let (ticket, result) = (batch.ticket, Err(error));
                self.events
                    .push_back(ProducerEvent::Produced { ticket, result });
                queue.batches.pop_front();
            }
        }
    }

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
                    self.events.push_back(ProducerEvent::RefreshMetadata);
                    for (partition, ticket, _) in batches {
                        self.failed(now, &partition, ticket);
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
            let operation = "the request for a producer id".to_owned();
            let message = error_name(code).to_owned();
            let error = StreamsError::Broker {
                operation,
                code,
                message,
            };
            self.events.push_back(ProducerEvent::Failed(error));
        }
    }

    fn produce_answered(
        &mut self,
        now: Instant,
        batches: Vec<(TopicPartition, u64, Uuid)>,
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
        for (partition, ticket, id) in batches {
            match answer_of(partition.topic.as_str(), id, partition.partition) {
                Some(answer) => self.partition_answered(now, &partition, ticket, answer, response),
                None => self.failed(now, &partition, ticket),
            }
        }
    }

    fn partition_answered(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        ticket: u64,
        answer: &PartitionProduceResponse,
        response: &ProduceResponse,
    ) {
        let is_first = self
            .partitions
            .get(partition)
            .and_then(|queue| queue.batches.front())
            .is_some_and(|batch| batch.ticket == ticket);
        match answer.error_code {
            0 => self.finish(partition, ticket, Ok(answer.base_offset)),
            // DUPLICATE_SEQUENCE_NUMBER: it was written before; where, nobody says.
            46 => self.finish(partition, ticket, Ok(-1)),
            // OUT_OF_ORDER_SEQUENCE_NUMBER behind a batch that failed: resent in order.
            45 if !is_first => self.failed(now, partition, ticket),
            code if self.transactions.is_some() && is_lost(code) => {
                self.lose(format!("{} for {partition}", error_name(code)));
            }
            // CONCURRENT_TRANSACTIONS: the last transaction is not over in the partition.
            51 if self.transactions.is_some() => self.failed(now, partition, ticket),
            // The broker does not know this producer (any longer): a new id, new numbers.
            45 | 47 | 59 => {
                let message = format!(
                    "{} for {partition}: a new producer id is asked for",
                    error_name(answer.error_code)
                );
                let log = LogEvent::new(Level::Warn, message);
                self.events.push_back(ProducerEvent::Log(log));
                self.renumber(partition);
                self.failed(now, partition, ticket);
            }
            code if is_retriable(code) => {
                let leader = &answer.current_leader;
                if leader.leader_id.0 >= 0 {
                    let endpoints = response.node_endpoints.iter();
                    let endpoint = endpoints
                        .filter(|e| e.node_id == leader.leader_id)
                        .find_map(|e| {
                            let port = u16::try_from(e.port).ok()?;
                            Some(HostPort {
                                host: e.host.as_str().to_owned(),
                                port,
                            })
                        });
                    self.events.push_back(ProducerEvent::LeaderHint {
                        partition: partition.clone(),
                        leader: BrokerId(leader.leader_id.0),
                        leader_epoch: leader.leader_epoch,
                        endpoint,
                    });
                }
                self.events.push_back(ProducerEvent::RefreshMetadata);
                self.failed(now, partition, ticket);
            }
            code => {
                let words = answer.error_message.as_ref().map(|words| words.as_str());
                let message = format!(
                    "the broker refused them with {}{}",
                    error_name(code),
                    words.map(|words| format!(" ({words})")).unwrap_or_default()
                );
                let partition_name = partition.clone();
                let error = StreamsError::Delivery {
                    partition: partition_name,
                    message,
                };
                self.finish(partition, ticket, Err(error));
            }
        }
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

    fn finish(
        &mut self,
        partition: &TopicPartition,
        ticket: u64,
        result: Result<i64, StreamsError>,
    ) {
        if let Some(queue) = self.partitions.get_mut(partition) {
            let before = queue.batches.len();
            queue.batches.retain(|batch| batch.ticket != ticket);
            let is_known = queue.batches.len() < before;
            if result.is_ok() && is_known {
                queue.acknowledged = true;
                queue.backoff.succeeded();
            }
        }
        self.events
            .push_back(ProducerEvent::Produced { ticket, result });
    }

    fn failed(&mut self, now: Instant, partition: &TopicPartition, ticket: u64) {
        let Some(queue) = self.partitions.get_mut(partition) else {
            return;
        };
        let batch = queue
            .batches
            .iter_mut()
            .find(|batch| batch.ticket == ticket);
        if let Some(batch) = batch {
            batch.stage = Stage::Failed;
            // One wait for all that fail together.
            if queue.backoff.is_over(now) {
                queue.backoff.failed(now, &mut self.rng);
            }
        }
    }
}

/// Sequence numbers wrap to zero after `i32::MAX`.
fn advance(sequence: i32, records: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(records);
    i32::try_from(next & i64::from(i32::MAX)).unwrap_or(0)
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
