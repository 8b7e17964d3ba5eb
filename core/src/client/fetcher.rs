//! Fetching partitions from their leaders (Java: `Fetcher`, `OffsetFetcher`, KIP-227 sessions).
//!
//! A partition is fetched while what was handed on and not processed yet is below a limit, and one
//! fetch a broker is under way; the next one leaves as soon as the last is taken apart. A broker may
//! hold that one back until a record comes, so partitions whose records are processed meanwhile are
//! fetched aside, over another connection: without it a word count stood still most of the time.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::fetch_session::FetchSession;
use super::offsets::wire_name;
use super::read_committed::drop_aborted;
use crate::config::{HostPort, StreamsConfig};
use crate::error::StreamsError;
use crate::net::{Backoff, Cluster, Outgoing, RequestError, RequestToken, Target};
use crate::rng::Rng;
use crate::time::{Instant, WallClock};
use crate::trace::{Level, LogEvent};
use crate::types::{AutoOffsetReset, BrokerId, TopicName, TopicPartition};
use crate::wire::messages::fetch_response::PartitionData;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::{BrokerId as WireBrokerId, FetchResponse, ListOffsetsRequest};
use crate::wire::{
    ApiKey, RecordBatch, RecordError, Request, Response, decode_batches, error_name,
};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchStart {
    /// At an offset.
    At { offset: i64 },
    /// By `auto.offset.reset`.
    Reset,
    /// A changelog to what is its end now, from an offset or, where that is outside the log, from
    /// the beginning.
    Restore { from: i64 },
}

/// What was fetched, and what went wrong.
#[derive(Debug)]
pub(crate) enum FetcherEvent {
    /// Reading begins at `offset`; `end` is the log end, for restores.
    Started {
        partition: TopicPartition,
        offset: i64,
        end: Option<i64>,
    },
    /// Batches in order; the first may begin before the offset wanted.
    Records {
        partition: TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
        log_end: i64,
    },
    /// A broker said who leads a partition now.
    LeaderHint {
        partition: TopicPartition,
        leader: BrokerId,
        leader_epoch: i32,
        endpoint: Option<HostPort>,
    },
    /// The metadata is wrong.
    RefreshMetadata,
    /// A partition cannot be read.
    Failed(StreamsError),
    /// For the log.
    Log(LogEvent),
}

const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Special timestamps of ListOffsets.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Asks where to begin.
    Position {
        timestamp: i64,
    },
    /// Asks where a changelog ends, before anything is read of it.
    End,
    Fetching,
}

struct PartitionState {
    /// Tells answers to an earlier start of the same partition apart.
    generation: u64,
    stage: Stage,
    listing: bool,
    position: i64,
    end: Option<i64>,
    restore: bool,
    started: bool,
    log_end: i64,
    outstanding_bytes: usize,
    corrupt: u32,
    backoff: Backoff,
}

enum InFlight {
    Fetch {
        broker: BrokerId,
        /// Where the fetch is aside of the session.
        aside: Option<FetchSession>,
        generations: BTreeMap<TopicPartition, u64>,
    },
    List {
        generations: BTreeMap<TopicPartition, u64>,
    },
}

/// Answers with a wrong checksum before the log itself is held to be damaged.
const CORRUPT_MAX: u32 = 5;

/// How long a broker may hold a fetch aside: it is repeated until the session's fetch comes back and
/// takes its partitions over, so this bounds both the requests and the wait for a new record.
const ASIDE_MAX_WAIT_MS: i32 = 10;

/// All partitions that one client reads.
pub(crate) struct Fetcher {
    rng: Rng,
    backoff: Backoff,
    reset: AutoOffsetReset,
    /// Policies of single topics.
    topic_resets: BTreeMap<TopicName, AutoOffsetReset>,
    wall_clock: WallClock,
    max_wait_ms: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
    /// Reads what is committed only (key: `isolation.level`).
    read_committed: bool,
    tokens: u64,
    generations: u64,
    partitions: BTreeMap<TopicPartition, PartitionState>,
    sessions: BTreeMap<BrokerId, FetchSession>,
    in_flight: BTreeMap<RequestToken, InFlight>,
    last_now: Instant,
    events: VecDeque<FetcherEvent>,
}

impl Fetcher {
    pub(crate) fn new(config: &StreamsConfig, rng: Rng) -> Self {
        Self {
            rng,
            backoff: Backoff::new(config.retry_backoff_ms(), config.retry_backoff_max_ms()),
            reset: config.auto_offset_reset(),
            topic_resets: BTreeMap::new(),
            wall_clock: WallClock::default(),
            max_wait_ms: i32::try_from(config.fetch_max_wait_ms()).unwrap_or(i32::MAX),
            max_bytes: config.fetch_max_bytes(),
            partition_max_bytes: config.max_partition_fetch_bytes(),
            read_committed: config.is_exactly_once(),
            tokens: 0,
            generations: 0,
            partitions: BTreeMap::new(),
            sessions: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_now: Instant::ZERO,
            events: VecDeque::new(),
        }
    }

    /// Sets the policies of topics that have one of their own.
    pub(crate) fn set_topic_resets(&mut self, resets: BTreeMap<TopicName, AutoOffsetReset>) {
        self.topic_resets = resets;
    }

    /// Tells the time, which a reset by duration counts from.
    pub(crate) const fn set_wall_clock(&mut self, wall_clock: WallClock) {
        self.wall_clock = wall_clock;
    }

    fn policy(&self, topic: &TopicName) -> AutoOffsetReset {
        self.topic_resets.get(topic).copied().unwrap_or(self.reset)
    }

    /// Where to begin by policy, as a timestamp of ListOffsets; `None` has the reading fail.
    fn reset_timestamp(&self, topic: &TopicName) -> Option<i64> {
        match self.policy(topic) {
            AutoOffsetReset::Earliest => Some(EARLIEST),
            AutoOffsetReset::Latest => Some(LATEST),
            AutoOffsetReset::ByDuration { duration_ms } => Some(
                self.wall_clock
                    .0
                    .saturating_sub_unsigned(duration_ms)
                    .max(0),
            ),
            AutoOffsetReset::None => None,
        }
    }

    /// Begins, or begins again, to read a partition.
    pub(crate) fn start(&mut self, _now: Instant, partition: TopicPartition, start: FetchStart) {
        self.generations += 1;
        let mut state = PartitionState {
            generation: self.generations,
            stage: Stage::Fetching,
            listing: false,
            position: 0,
            end: None,
            restore: false,
            started: false,
            log_end: -1,
            outstanding_bytes: 0,
            corrupt: 0,
            backoff: self.backoff.clone(),
        };
        match start {
            FetchStart::At { offset } => {
                state.position = offset;
                state.started = true;
                let (partition, end) = (partition.clone(), None);
                self.events.push_back(FetcherEvent::Started {
                    partition,
                    offset,
                    end,
                });
            }
            FetchStart::Reset => match self.reset_timestamp(&partition.topic) {
                Some(timestamp) => state.stage = Stage::Position { timestamp },
                None => {
                    let error = StreamsError::OffsetOutOfRange(partition);
                    return self.events.push_back(FetcherEvent::Failed(error));
                }
            },
            FetchStart::Restore { from } => {
                state.restore = true;
                state.position = from;
                state.stage = Stage::End;
            }
        }
        self.partitions.insert(partition, state);
    }

    /// Reads a partition no further.
    pub(crate) fn stop(&mut self, _now: Instant, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// So many bytes that were handed on are processed.
    pub(crate) fn consumed(&mut self, _now: Instant, partition: &TopicPartition, bytes: usize) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.outstanding_bytes = state.outstanding_bytes.saturating_sub(bytes);
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<FetcherEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.partitions.values().map(|state| state.backoff.until());
        due.filter(|due| *due > self.last_now).min()
    }

    /// Bytes handed on and not processed above which a partition waits: one answer being processed
    /// and the next one ready behind it.
    fn outstanding_max(&self) -> usize {
        usize::try_from(self.partition_max_bytes)
            .unwrap_or(0)
            .saturating_mul(2)
    }

    pub(crate) fn poll_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        self.last_now = now;
        let mut fetches: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        let mut lists: BTreeMap<(BrokerId, bool), Vec<TopicPartition>> = BTreeMap::new();
        let mut leaderless = false;
        let outstanding_max = self.outstanding_max();
        for (partition, state) in &mut self.partitions {
            if !state.backoff.is_over(now) {
                continue;
            }
            let Some((leader, _)) = cluster.metadata().leader(partition) else {
                state.backoff.failed(now, &mut self.rng);
                leaderless = true;
                continue;
            };
            match state.stage {
                Stage::Fetching if state.outstanding_bytes < outstanding_max => {
                    fetches.entry(leader).or_default().push(partition.clone());
                }
                Stage::Position { .. } | Stage::End if !state.listing => {
                    let list = (leader, state.stage == Stage::End);
                    lists.entry(list).or_default().push(partition.clone());
                }
                _ => {}
            }
        }
        if leaderless {
            self.events.push_back(FetcherEvent::RefreshMetadata);
        }
        for ((broker, is_end), partitions) in lists {
            if let Some(version) = cluster.version(Target::Broker(broker), ApiKey::ListOffsets) {
                // A changelog ends where its log does: what is not committed yet may become so, and
                // the offsets that belong to it with it. Reading gets there when it is decided.
                let isolation_level = i8::from(self.read_committed && !is_end);
                let mut request = self.list_request(broker, version, &partitions, cluster);
                if let Request::ListOffsets(list) = &mut request.request {
                    list.isolation_level = isolation_level;
                }
                return Some(request);
            }
        }
        for (broker, mut partitions) in fetches {
            let (mut session_busy, mut aside_busy) = (false, false);
            for request in self.in_flight.values() {
                if let InFlight::Fetch {
                    broker: at,
                    aside,
                    generations,
                } = request
                    && *at == broker
                {
                    session_busy |= aside.is_none();
                    aside_busy |= aside.is_some();
                    partitions.retain(|partition| !generations.contains_key(partition));
                }
            }
            if partitions.is_empty() || (session_busy && aside_busy) {
                continue;
            }
            let target = if session_busy {
                Target::Aside(broker)
            } else {
                Target::Broker(broker)
            };
            if let Some(version) = cluster.version(target, ApiKey::Fetch) {
                return Some(self.fetch_request(target, broker, version, &partitions, cluster));
            }
        }
        None
    }

    fn token(&mut self) -> RequestToken {
        self.tokens += 1;
        RequestToken(self.tokens)
    }

    fn generations_of<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> BTreeMap<TopicPartition, u64> {
        let of = |p: &TopicPartition| Some((p.clone(), self.partitions.get(p)?.generation));
        partitions.filter_map(of).collect()
    }

    fn list_request(
        &mut self,
        broker: BrokerId,
        version: i16,
        partitions: &[TopicPartition],
        cluster: &Cluster,
    ) -> Outgoing {
        let mut topics: BTreeMap<&TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for partition in partitions {
            let Some(state) = self.partitions.get_mut(partition) else {
                continue;
            };
            state.listing = true;
            let timestamp = match state.stage {
                Stage::Position { timestamp } => timestamp,
                Stage::End | Stage::Fetching => LATEST,
            };
            let epoch = cluster
                .metadata()
                .leader(partition)
                .map_or(-1, |(_, epoch)| epoch);
            let mut list = ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_timestamp(timestamp);
            if version >= 4 {
                list = list.with_current_leader_epoch(epoch);
            }
            topics.entry(&partition.topic).or_default().push(list);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            ListOffsetsTopic::default()
                .with_name(wire_name(topic))
                .with_partitions(partitions)
        });
        let mut request = ListOffsetsRequest::default()
            .with_replica_id(WireBrokerId(-1))
            .with_topics(topics.collect());
        if version >= 10 {
            request = request.with_timeout_ms(self.max_wait_ms);
        }
        let token = self.token();
        let generations = self.generations_of(partitions.iter());
        self.in_flight.insert(token, InFlight::List { generations });
        Outgoing {
            token,
            target: Target::Broker(broker),
            version: Some(version),
            request: Request::ListOffsets(request),
        }
    }

    fn fetch_request(
        &mut self,
        target: Target,
        broker: BrokerId,
        version: i16,
        partitions: &[TopicPartition],
        cluster: &Cluster,
    ) -> Outgoing {
        let metadata = cluster.metadata();
        // From version 13 topics have ids; one without is fetched by name with the older version.
        let ids = partitions
            .iter()
            .all(|p| metadata.topic_id(&p.topic).is_some());
        let version = if ids { version } else { version.min(12) };
        let wanted = partitions.iter().filter_map(|partition| {
            let state = self.partitions.get(partition)?;
            let (_, epoch) = metadata.leader(partition)?;
            let id = if version >= 13 {
                metadata.topic_id(&partition.topic)?
            } else {
                crate::wire::Uuid::nil()
            };
            Some((partition.clone(), (state.position, epoch, id)))
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let is_aside = matches!(target, Target::Aside(_));
        let mut no_session = FetchSession::none();
        let (session, max_wait_ms) = if is_aside {
            (&mut no_session, self.max_wait_ms.min(ASIDE_MAX_WAIT_MS))
        } else {
            (self.sessions.entry(broker).or_default(), self.max_wait_ms)
        };
        let request = session.request(version, wanted, self.partition_max_bytes);
        let request = request
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(1)
            .with_isolation_level(i8::from(self.read_committed))
            .with_max_bytes(self.max_bytes);
        // Everything in the session may be in the answer.
        let session_partitions: Vec<TopicPartition> = session.partitions().cloned().collect();
        let generations = self.generations_of(session_partitions.iter());
        let token = self.token();
        self.in_flight.insert(
            token,
            InFlight::Fetch {
                broker,
                aside: is_aside.then_some(no_session),
                generations,
            },
        );
        Outgoing {
            token,
            target,
            version: Some(version),
            request: Request::Fetch(request),
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
            Some(InFlight::Fetch {
                broker,
                aside,
                generations,
            }) => match result {
                Ok(Response::Fetch(response)) => {
                    self.fetch_answered(now, broker, aside.as_ref(), &generations, response);
                }
                failed => {
                    if aside.is_none() {
                        self.sessions.remove(&broker);
                    }
                    self.request_failed(now, &generations, failed.err());
                }
            },
            Some(InFlight::List { generations }) => {
                for partition in generations.keys() {
                    if let Some(state) = self.current(partition, &generations) {
                        state.listing = false;
                    }
                }
                match result {
                    Ok(Response::ListOffsets(response)) => {
                        for topic in &response.topics {
                            for p in &topic.partitions {
                                let name = topic.name.0.as_str();
                                let partition = TopicPartition::new(name, p.partition_index);
                                self.listed(now, partition, &generations, p.error_code, p.offset);
                            }
                        }
                    }
                    failed => self.request_failed(now, &generations, failed.err()),
                }
            }
        }
    }

    /// The state of a partition that was not stopped or started again since.
    fn current(
        &mut self,
        partition: &TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
    ) -> Option<&mut PartitionState> {
        let state = self.partitions.get_mut(partition)?;
        (generations.get(partition) == Some(&state.generation)).then_some(state)
    }

    fn request_failed(
        &mut self,
        now: Instant,
        generations: &BTreeMap<TopicPartition, u64>,
        error: Option<RequestError>,
    ) {
        if let Some(RequestError::Unsupported(message)) = error {
            let error = StreamsError::Unsupported(message);
            return self.events.push_back(FetcherEvent::Failed(error));
        }
        for partition in generations.keys() {
            self.wait(now, partition);
        }
        self.events.push_back(FetcherEvent::RefreshMetadata);
    }

    fn wait(&mut self, now: Instant, partition: &TopicPartition) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.backoff.failed(now, &mut self.rng);
        }
    }

    fn listed(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
        code: i16,
        offset: i64,
    ) {
        let reset = self.policy(&partition.topic);
        let Some(state) = self.current(&partition, generations) else {
            return;
        };
        if code == 0
            && offset < 0
            && matches!(state.stage, Stage::Position { timestamp } if timestamp >= 0)
        {
            // No record is that young: what is wanted is still to come.
            state.stage = Stage::Position { timestamp: LATEST };
            return;
        }
        if code != 0 || offset < 0 {
            return self.refused(now, &partition, code, None, &[]);
        }
        state.backoff.succeeded();
        match state.stage {
            Stage::Fetching => return,
            Stage::End => {
                state.end = Some(offset);
                state.stage = Stage::Position {
                    timestamp: EARLIEST,
                };
                return;
            }
            Stage::Position { .. } => {
                let known = offset..=state.end.unwrap_or(-1);
                if !(state.restore && !state.started && known.contains(&state.position)) {
                    state.position = offset;
                }
                state.stage = Stage::Fetching;
            }
        }
        let (offset, end, again) = (state.position, state.end, state.started);
        state.started = true;
        let is_restore = state.restore;
        if again && !is_restore {
            let message = format!(
                "the position in {partition} was outside its log: reading goes on at {offset} \
                 (auto.offset.reset is {reset:?})"
            );
            self.events
                .push_back(FetcherEvent::Log(LogEvent::new(Level::Warn, message)));
        } else {
            self.events.push_back(FetcherEvent::Started {
                partition,
                offset,
                end,
            });
        }
    }

    fn fetch_answered(
        &mut self,
        now: Instant,
        broker: BrokerId,
        aside: Option<&FetchSession>,
        generations: &BTreeMap<TopicPartition, u64>,
        response: FetchResponse,
    ) {
        let mut session = match aside {
            Some(_) => None,
            None => match self.sessions.get_mut(&broker) {
                Some(session) => Some(session),
                None => return,
            },
        };
        if response.error_code != 0 {
            // FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR:
            // the next request opens another session, at once the first time.
            let patient = session.as_mut().is_none_or(|session| session.refused());
            if patient || !matches!(response.error_code, 70 | 71 | 106) {
                for partition in generations.keys() {
                    self.wait(now, partition);
                }
                self.events.push_back(FetcherEvent::RefreshMetadata);
            }
            return;
        }
        if let Some(session) = session {
            session.answered(response.session_id);
        }
        let topics = response.responses;
        for topic in topics {
            let told = aside.or_else(|| self.sessions.get(&broker));
            let name = match session_topic(told, topic.topic_id) {
                Some(name) => name,
                None => TopicName::new(topic.topic.0.as_str()),
            };
            for data in topic.partitions {
                let partition = TopicPartition {
                    topic: name.clone(),
                    partition: data.partition_index,
                };
                let told = aside.or_else(|| self.sessions.get(&broker));
                let asked = told.and_then(|told| told.position(&partition));
                let position = self.partitions.get(&partition).map(|state| state.position);
                // Another broker answered since, from before a new leader was known.
                if data.error_code == OFFSET_OUT_OF_RANGE && asked != position {
                    continue;
                }
                self.partition_answered(
                    now,
                    partition,
                    generations,
                    data,
                    &response.node_endpoints,
                );
            }
        }
    }

    fn partition_answered(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
        data: PartitionData,
        endpoints: &[crate::wire::messages::fetch_response::NodeEndpoint],
    ) {
        if self
            .current(&partition, generations)
            .is_none_or(|s| s.stage != Stage::Fetching)
        {
            return;
        }
        if data.error_code != 0 {
            let leader = (
                data.current_leader.leader_id.0,
                data.current_leader.leader_epoch,
            );
            return self.refused(now, &partition, data.error_code, Some(leader), endpoints);
        }
        let decoded = decode_batches(data.records.unwrap_or_default());
        let read_committed = self.read_committed;
        let Some(state) = self.current(&partition, generations) else {
            return;
        };
        let mut batches = match decoded {
            Ok(batches) => batches,
            Err(error) => return self.unreadable(now, &partition, error),
        };
        // What lies behind open transactions is not there for who reads what is committed.
        let log_end = if read_committed {
            data.last_stable_offset
        } else {
            data.high_watermark
        };
        (state.corrupt, state.log_end) = (0, log_end.max(state.log_end));
        state.backoff.succeeded();
        let before = state.position;
        if let Some(last) = batches.last() {
            state.position = before.max(last.header().last_offset + 1);
        }
        if read_committed {
            drop_aborted(&mut batches, data.aborted_transactions.unwrap_or_default());
        }
        batches.retain(|batch| batch.header().last_offset >= before && !batch.header().is_control);
        let bytes: usize = batches.iter().map(RecordBatch::size_bytes).sum();
        state.outstanding_bytes += bytes;
        let next_offset = state.position;
        // Also without records: the log end tells the task whether there is more to wait for.
        self.events.push_back(FetcherEvent::Records {
            partition,
            batches,
            next_offset,
            log_end,
        });
    }

    fn unreadable(&mut self, now: Instant, partition: &TopicPartition, error: RecordError) {
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        state.corrupt += 1;
        let fatal = !matches!(error, RecordError::Corrupt { .. }) || state.corrupt > CORRUPT_MAX;
        let message = format!("{partition}: {error}");
        if fatal {
            self.events
                .push_back(FetcherEvent::Failed(StreamsError::Protocol(message)));
        } else {
            self.events
                .push_back(FetcherEvent::Log(LogEvent::new(Level::Warn, message)));
        }
        self.wait(now, partition);
    }

    fn refused(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        code: i16,
        leader: Option<(i32, i32)>,
        endpoints: &[crate::wire::messages::fetch_response::NodeEndpoint],
    ) {
        match code {
            OFFSET_OUT_OF_RANGE => return self.out_of_range(partition),
            // TOPIC_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION, INVALID_TOPIC
            29 | 35 | 17 => {
                let operation = format!("reading {partition}");
                let message = error_name(code).to_owned();
                let error = StreamsError::Broker {
                    operation,
                    code,
                    message,
                };
                self.events.push_back(FetcherEvent::Failed(error));
            }
            // All others pass by themselves, most with new metadata.
            _ => self.events.push_back(FetcherEvent::RefreshMetadata),
        }
        if let Some((id, leader_epoch)) = leader
            && id >= 0
        {
            let endpoint = endpoints
                .iter()
                .filter(|e| e.node_id.0 == id)
                .find_map(|e| {
                    let port = u16::try_from(e.port).ok()?;
                    Some(HostPort {
                        host: e.host.as_str().to_owned(),
                        port,
                    })
                });
            let (partition, leader) = (partition.clone(), BrokerId(id));
            let hint = FetcherEvent::LeaderHint {
                partition,
                leader,
                leader_epoch,
                endpoint,
            };
            self.events.push_back(hint);
        }
        self.wait(now, partition);
    }

    fn out_of_range(&mut self, partition: &TopicPartition) {
        let by_policy = self.reset_timestamp(&partition.topic);
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        // A changelog whose beginning was compacted away is read from what is left of it.
        let timestamp = if state.restore {
            Some(EARLIEST)
        } else {
            by_policy
        };
        match timestamp {
            Some(timestamp) => state.stage = Stage::Position { timestamp },
            None => {
                let error = StreamsError::OffsetOutOfRange(partition.clone());
                self.events.push_back(FetcherEvent::Failed(error));
            }
        }
    }
}

fn session_topic(session: Option<&FetchSession>, id: crate::wire::Uuid) -> Option<TopicName> {
    if id.is_nil() {
        None
    } else {
        session?.topic(id).cloned()
    }
}
