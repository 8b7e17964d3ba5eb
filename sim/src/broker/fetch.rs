//! Fetch (API 1): reads at once if there is enough, else holds the request.

use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use eddyline_core::wire::messages::{self, FetchRequest, FetchResponse};
use eddyline_core::wire::{Response, Uuid};

use super::sessions::{FetchScope, PartitionKey, SessionRequest, Wanted};
use super::topics::{Partition, TopicRef, Topics};
use super::{Broker, ConnectionId, Handled, codes};

/// Fetch names topics by id from this version on.
const IDS_FROM: i16 = 13;
/// Fetch answers carry the current leader of a partition from this version on (KIP-951),
const LEADERS_FROM: i16 = 12;
/// and the address of its node from this one on.
const ENDPOINTS_FROM: i16 = 16;

/// A fetch that waits for records.
#[derive(Debug)]
pub(crate) struct HeldFetch {
    pub(crate) correlation_id: i32,
    pub(crate) version: i16,
    pub(crate) deadline: Instant,
    fetch: FetchContext,
}

#[derive(Debug)]
pub(super) struct FetchContext {
    node: BrokerId,
    scope: FetchScope,
    min_bytes: usize,
    max_bytes: usize,
    read_committed: bool,
}

/// What one partition gives: how many bytes, or an error code.
#[derive(Clone, Copy, Debug)]
struct Planned {
    result: Result<usize, i16>,
}

fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

impl FetchContext {
    /// Decides what is read of every partition, and whether that is enough to answer.
    fn plan(&self, topics: &Topics) -> (Vec<Planned>, bool) {
        let mut plans = Vec::with_capacity(self.scope.partitions.len());
        let mut total = 0;
        let mut failed = false;
        for ((topic, index), wanted) in &self.scope.partitions {
            let result = self.plan_partition(topics, topic, *index, wanted, total);
            match result {
                Ok(bytes) => total += bytes,
                Err(_) => failed = true,
            }
            plans.push(Planned { result });
        }
        let enough = failed || total >= self.min_bytes || self.scope.partitions.is_empty();
        (plans, enough)
    }

    fn plan_partition(
        &self,
        topics: &Topics,
        topic: &TopicRef,
        index: i32,
        wanted: &Wanted,
        total: usize,
    ) -> Result<usize, i16> {
        let known = topics.resolve(topic).ok_or_else(|| topic.unknown())?;
        let partition = known
            .partition(index)
            .ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)?;
        partition.check_leader(self.node, wanted.leader_epoch)?;
        let log = &partition.log;
        if !(log.start_offset()..=log.end_offset()).contains(&wanted.fetch_offset) {
            return Err(codes::OFFSET_OUT_OF_RANGE);
        }
        let room = wanted.max_bytes.min(self.max_bytes.saturating_sub(total));
        // A first batch larger than the limits is sent whole, or the client would be stuck.
        let end = if self.read_committed {
            log.last_stable_offset()
        } else {
            log.end_offset()
        };
        Ok(log.readable_bytes(wanted.fetch_offset, room, total == 0, end))
    }
}

impl Broker {
    pub(super) fn fetch(
        &mut self,
        node: BrokerId,
        version: i16,
        request: &FetchRequest,
    ) -> FetchStep {
        let reference = |id: Uuid, name: &messages::TopicName| {
            TopicRef::new(id, name.0.as_str(), version, IDS_FROM)
        };
        let mut partitions = Vec::new();
        for topic in &request.topics {
            let key = reference(topic.topic_id, &topic.topic);
            for partition in &topic.partitions {
                let wanted = Wanted {
                    fetch_offset: partition.fetch_offset,
                    leader_epoch: partition.current_leader_epoch,
                    max_bytes: size(partition.partition_max_bytes),
                };
                partitions.push(((key.clone(), partition.partition), wanted));
            }
        }
        let mut forgotten = Vec::new();
        for topic in &request.forgotten_topics_data {
            let key = reference(topic.topic_id, &topic.topic);
            forgotten.extend(topic.partitions.iter().map(|&p| (key.clone(), p)));
        }
        let session = SessionRequest {
            id: request.session_id,
            epoch: request.session_epoch,
            uses_ids: version >= IDS_FROM,
            partitions,
            forgotten,
        };
        let scope = match self.node_mut(node).sessions.begin(session) {
            Ok(scope) => scope,
            Err(code) => {
                let response = FetchResponse::default().with_error_code(code);
                return FetchStep::Answer(Response::Fetch(response));
            }
        };
        let context = FetchContext {
            node,
            scope,
            min_bytes: size(request.min_bytes),
            max_bytes: size(request.max_bytes),
            read_committed: request.isolation_level == 1,
        };
        let (plans, enough) = context.plan(&self.topics);
        if enough || request.max_wait_ms <= 0 {
            return FetchStep::Answer(self.answer(context, version, &plans));
        }
        let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
        FetchStep::Hold {
            fetch: context,
            deadline: self.now.instant.plus_ms(wait),
        }
    }

    /// Registers a held fetch with the partitions it waits for.
    pub(super) fn hold(
        &mut self,
        connection: ConnectionId,
        correlation_id: i32,
        version: i16,
        step: FetchStep,
    ) -> Handled {
        let (fetch, deadline) = match step {
            FetchStep::Answer(response) => return Handled::Answer(response),
            FetchStep::Hold { fetch, deadline } => (fetch, deadline),
        };
        for ((topic, index), _) in &fetch.scope.partitions {
            if let Some(partition) = self.partition_mut(topic, *index) {
                partition.waiters.insert(connection);
            }
        }
        Handled::Held(HeldFetch {
            correlation_id,
            version,
            deadline,
            fetch,
        })
    }

    /// The answer to a held fetch, if it can be given: enough arrived, or time is up.
    pub(super) fn resume(
        &mut self,
        connection: ConnectionId,
        held: HeldFetch,
        timed_out: bool,
    ) -> Result<Response, HeldFetch> {
        let (plans, enough) = held.fetch.plan(&self.topics);
        if !enough && !timed_out {
            for ((topic, index), _) in &held.fetch.scope.partitions {
                if let Some(partition) = self.partition_mut(topic, *index) {
                    partition.waiters.insert(connection);
                }
            }
            return Err(held);
        }
        Ok(self.answer(held.fetch, held.version, &plans))
    }

    fn partition_mut(&mut self, topic: &TopicRef, index: i32) -> Option<&mut Partition> {
        self.topics.resolve_mut(topic)?.partition_mut(index)
    }

    fn answer(&mut self, context: FetchContext, version: i16, plans: &[Planned]) -> Response {
        let mut topics: Vec<FetchableTopicResponse> = Vec::new();
        let mut last: Option<TopicRef> = None;
        let mut leaders_named = false;
        let FetchScope {
            session_id,
            incremental,
            partitions,
        } = context.scope;
        for ((key, wanted), plan) in partitions.into_iter().zip(plans) {
            let mut data = self.read(&key, &wanted, plan.result, context.read_committed);
            if version >= LEADERS_FROM && is_wrong_leader(data.error_code) {
                data.current_leader = self.current_leader(&key);
                leaders_named = true;
            }
            let has_data = data.records.as_ref().is_some_and(|r| !r.is_empty());
            let bounds = (data.high_watermark, data.log_start_offset);
            if let Some(session) = self.node_mut(context.node).sessions.get_mut(session_id) {
                let failed = data.error_code != codes::NONE;
                let must = session.must_answer(&key, has_data, failed, bounds);
                if incremental && !must {
                    continue;
                }
            }
            if last.as_ref() != Some(&key.0) {
                topics.push(topic_response(&key.0));
                last = Some(key.0);
            }
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(data);
            }
        }
        let mut response = FetchResponse::default()
            .with_session_id(session_id)
            .with_responses(topics);
        if leaders_named && version >= ENDPOINTS_FROM {
            response.node_endpoints = self.fetch_endpoints();
        }
        Response::Fetch(response)
    }

    fn read(
        &self,
        (topic, index): &PartitionKey,
        wanted: &Wanted,
        result: Result<usize, i16>,
        read_committed: bool,
    ) -> PartitionData {
        let mut data = PartitionData::default()
            .with_partition_index(*index)
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1)
            .with_records(Some(bytes::Bytes::new()));
        data.aborted_transactions = read_committed.then(Vec::new);
        match result {
            Err(code) => data.error_code = code,
            Ok(bytes) => {
                let topic = self.topics.resolve(topic);
                let Some(partition) = topic.and_then(|topic| topic.partition(*index)) else {
                    data.error_code = codes::UNKNOWN_TOPIC_OR_PARTITION;
                    return data;
                };
                let log = &partition.log;
                data.high_watermark = log.end_offset();
                data.last_stable_offset = log.last_stable_offset();
                data.log_start_offset = log.start_offset();
                data.records = Some(log.read(wanted.fetch_offset, bytes));
                if let Some(aborted) = &mut data.aborted_transactions {
                    let (from, to) = (wanted.fetch_offset, log.last_stable_offset());
                    aborted.extend(log.aborted(from, to).map(|known| {
                        AbortedTransaction::default()
                            .with_producer_id(messages::ProducerId(known.producer_id))
                            .with_first_offset(known.first_offset)
                    }));
                }
            }
        }
        data
    }

    fn current_leader(&self, (topic, index): &PartitionKey) -> LeaderIdAndEpoch {
        let topic = self.topics.resolve(topic);
        let partition = topic.and_then(|topic| topic.partition(*index));
        let Some(partition) = partition else {
            return LeaderIdAndEpoch::default();
        };
        LeaderIdAndEpoch::default()
            .with_leader_id(messages::BrokerId(partition.leader.map_or(-1, |id| id.0)))
            .with_leader_epoch(partition.leader_epoch)
    }

    fn fetch_endpoints(&self) -> Vec<NodeEndpoint> {
        self.alive_nodes()
            .map(|node| {
                NodeEndpoint::default()
                    .with_node_id(messages::BrokerId(node.id.0))
                    .with_host(node.host.clone().into())
                    .with_port(i32::from(node.port))
            })
            .collect()
    }
}

/// The codes that tell a client to look for the leader elsewhere.
pub(super) fn is_wrong_leader(code: i16) -> bool {
    code == codes::NOT_LEADER_OR_FOLLOWER || code == codes::FENCED_LEADER_EPOCH
}

fn topic_response(topic: &TopicRef) -> FetchableTopicResponse {
    let response = FetchableTopicResponse::default();
    match topic {
        TopicRef::Id(id) => response.with_topic_id(*id),
        TopicRef::Name(name) => response.with_topic(messages::TopicName(name.clone().into())),
    }
}

/// What becomes of a fetch.
#[derive(Debug)]
pub(super) enum FetchStep {
    Answer(Response),
    Hold {
        fetch: FetchContext,
        deadline: Instant,
    },
}
