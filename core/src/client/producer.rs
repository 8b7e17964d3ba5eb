//! The idempotent producer (Java: `Sender`, `RecordAccumulator` and `TransactionManager`).
//!
//! Batches of a partition are written in order and once: each has a sequence number, up to five are
//! under way, and after a failure everything under way comes back before the oldest is sent again.
//! A batch that can never be written waits for a verdict, with all behind it.
//! Under exactly-once all of it belongs to a transaction, which [`Transactions`] begins and ends.

mod answers;
mod queue;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

pub(super) use self::queue::Identity;
use self::queue::{Batch, IN_FLIGHT_MAX, PartitionQueue, Place, Stage};
pub(crate) use self::refusal::{Refusal, Verdict};
use crate::client::offsets::wire_name;
use crate::client::transactions::{Next, Outcome, Transactions};
use crate::config::{HostPort, StreamsConfig};
use crate::error::StreamsError;
use crate::mutation::Mutant;
use crate::net::{Backoff, Cluster, Outgoing, RequestError, RequestToken, Target};
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::LogEvent;
use crate::types::{BrokerId, MemberEpoch, OffsetAndMetadata, TopicName, TopicPartition};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{InitProducerIdRequest, ProduceRequest, ProducerId};
use crate::wire::{ApiKey, Request, Response, SealedBatch, Uuid};

/// What became of batches.
#[derive(Debug)]
pub(crate) enum ProducerEvent {
    /// A batch is done with: it was written, but for records that were dropped. `base_offset` is -1
    /// where none was written, or only that it was written is known.
    Produced { ticket: u64, base_offset: i64 },
    /// A batch cannot be written: [`Producer::resolve`] says what becomes of it.
    Refused { ticket: u64, refusal: Refusal },
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

/// Longer than any program runs.
const NO_TIMEOUT_MS: u64 = i32::MAX as u64;

/// The ids of topics.
type TopicIds = BTreeMap<TopicName, Uuid>;

/// A batch under way: its partition, its own id and that of its topic.
type SentBatch = (TopicPartition, u64, Uuid);

enum InFlight {
    Init,
    Transaction,
    Produce {
        broker: BrokerId,
        batches: Vec<SentBatch>,
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
    batch_ids: u64,
    identity: Option<Identity>,
    transactions: Option<Transactions>,
    mutant: Mutant,
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
            batch_ids: 0,
            identity: None,
            transactions: None,
            mutant: config.mutant,
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

    /// What version of transactions the cluster has (feature `transaction.version`).
    pub(crate) const fn set_transaction_version(&mut self, version: i16) {
        if let Some(transactions) = &mut self.transactions {
            transactions.set_version(version);
        }
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
        self.batch_ids += 1;
        let backoff = &self.backoff;
        let queue = self
            .partitions
            .entry(partition)
            .or_insert_with(|| PartitionQueue::new(backoff.clone()));
        let stage = Stage::Waiting;
        queue.batches.push_back(Batch {
            id: self.batch_ids,
            ticket,
            first_record: 0,
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
            queue.splits.clear();
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
        self.settle();
        if self.transactions.is_some() {
            self.want_partitions(now);
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
            let transactions = self.transactions.as_ref();
            let may_write = transactions.is_none_or(|known| known.may_write(partition));
            if may_write && queue.sendable(now, self.identity).is_some() {
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

    /// Has the coordinator told of partitions that it has to know before they are written to.
    fn want_partitions(&mut self, now: Instant) {
        let (Some(transactions), Some(_)) = (&mut self.transactions, self.identity) else {
            return;
        };
        for (partition, queue) in &self.partitions {
            if queue.sendable(now, self.identity).is_some() {
                transactions.want(partition);
            }
        }
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
        let (request, version) = transactions.request(step, version, self.identity);
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
            Outcome::Committed(next, commit) => {
                match next {
                    Next::Is(identity) => self.identity = Some(identity),
                    Next::Same => {}
                    Next::Ask => self.identity = None,
                }
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
        // Ids need every topic's id; a topic made this moment may not have one here yet.
        let ids: Option<TopicIds> = partitions
            .iter()
            .map(|p| Some((p.topic.clone(), cluster.metadata().topic_id(&p.topic)?)))
            .collect();
        let transactions = self.transactions.as_ref();
        let version = transactions.map_or(version, |known| known.produce_version(version));
        let ids = ids.filter(|_| version >= 13);
        let version = if ids.is_some() {
            version
        } else {
            version.min(12)
        };
        let (topics, batches) = self.take_batches(now, partitions, ids.as_ref())?;
        let transactional_id = self.transactions.as_mut().map(|transactions| {
            transactions.begin();
            transactions.transactional_id()
        });
        let request = ProduceRequest::default()
            .with_transactional_id(transactional_id)
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(self.request_timeout_ms).unwrap_or(i32::MAX))
            .with_topic_data(topics);
        let token = self.token();
        self.in_flight
            .insert(token, InFlight::Produce { broker, batches });
        Some(Outgoing {
            token,
            target: Target::Broker(broker),
            version: Some(version),
            request: Request::Produce(request),
        })
    }

    /// The next batch of every partition that fits beside the others, by name or by id of its
    /// topic; `None` where there is none.
    fn take_batches(
        &mut self,
        now: Instant,
        partitions: &[TopicPartition],
        ids: Option<&TopicIds>,
    ) -> Option<(Vec<TopicProduceData>, Vec<SentBatch>)> {
        let identity = self.identity?;
        let mut topics: BTreeMap<&TopicName, Vec<PartitionProduceData>> = BTreeMap::new();
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
            let data = PartitionProduceData::default()
                .with_index(partition.partition)
                .with_records(Some(queue.send(at, identity)));
            topics.entry(&partition.topic).or_default().push(data);
            let id = ids.map_or_else(Uuid::nil, |ids| ids[&partition.topic]);
            batches.push((partition.clone(), queue.batches[at].id, id));
        }
        let topics = topics.into_iter().map(|(topic, data)| {
            let converted = TopicProduceData::default().with_partition_data(data);
            match ids {
                Some(ids) => converted.with_topic_id(ids[topic]),
                None => converted.with_name(wire_name(topic)),
            }
        });
        let topics = topics.collect();
        (!batches.is_empty()).then_some((topics, batches))
    }
}
