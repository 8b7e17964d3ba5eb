//! Fetching partitions from their leaders (Java: `Fetcher`, `OffsetFetcher`, KIP-227 sessions).
//!
//! A partition is fetched while what was handed on and not processed yet is below a limit, and one
//! fetch a broker is under way; the next one leaves as soon as the last is taken apart. A broker may
//! hold that one back until a record comes, so partitions whose records are processed meanwhile are
//! fetched aside, over another connection: without it a word count stood still most of the time.

mod answers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::credit::Credit;
use super::fetch_session::FetchSession;
use super::offsets::wire_name;
use crate::config::{HostPort, StreamsConfig};
use crate::error::StreamsError;
use crate::mutation::{Mutant, Mutation};
use crate::net::{Backoff, Cluster, Outgoing, RequestToken, Target};
use crate::rng::Rng;
use crate::time::{Instant, WallClock};
use crate::trace::LogEvent;
use crate::types::{AutoOffsetReset, BrokerId, TopicName, TopicPartition};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::{BrokerId as WireBrokerId, ListOffsetsRequest};
use crate::wire::{ApiKey, RecordBatch, Request};

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
    credit: Credit,
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

/// How long a broker may hold a fetch aside: it is repeated until the session's fetch comes back and
/// takes its partitions over, so this bounds both the requests and the wait for a new record.
const ASIDE_MAX_WAIT_MS: i32 = 10;

/// Partitions to ask about, by whom to ask.
#[derive(Default)]
struct Wanted {
    /// Whether it is about the end of a changelog.
    lists: BTreeMap<(BrokerId, bool), Vec<TopicPartition>>,
    fetches: BTreeMap<BrokerId, Vec<TopicPartition>>,
}

/// All partitions that one client reads.
pub(crate) struct Fetcher {
    rng: Rng,
    backoff: Backoff,
    reset: AutoOffsetReset,
    /// Policies of single topics.
    topic_resets: BTreeMap<TopicName, AutoOffsetReset>,
    wall_clock: WallClock,
    max_wait_ms: i32,
    min_bytes: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
    /// Key: `buffered.records.per.partition`.
    buffered_max: usize,
    /// Reads what is committed only (key: `isolation.level`).
    read_committed: bool,
    mutant: Mutant,
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
            min_bytes: config.fetch_min_bytes(),
            max_wait_ms: i32::try_from(config.fetch_max_wait_ms()).unwrap_or(i32::MAX),
            max_bytes: config.fetch_max_bytes(),
            partition_max_bytes: config.max_partition_fetch_bytes(),
            buffered_max: config.buffered_records_per_partition(),
            read_committed: config.is_exactly_once(),
            mutant: config.mutant,
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
            credit: Credit::default(),
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
            state.credit.give_back(bytes);
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
        let Wanted { lists, fetches } = self.wanted(now, cluster);
        for ((broker, is_end), partitions) in lists {
            if let Some(version) = cluster.version(Target::Broker(broker), ApiKey::ListOffsets) {
                // A changelog ends where its log does: what is not committed yet may become so, and
                // the offsets that belong to it with it. Reading gets there when it is decided.
                let is_stable = !is_end || self.mutant.is(Mutation::RestoreToStable);
                let isolation_level = i8::from(self.read_committed && is_stable);
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

    /// Who is to be asked what now; partitions without a leader wait a little.
    fn wanted(&mut self, now: Instant, cluster: &Cluster) -> Wanted {
        let mut wanted = Wanted::default();
        let mut leaderless = false;
        let (max_bytes, max_records) = (self.outstanding_max(), self.buffered_max);
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
                Stage::Fetching if state.credit.is_left(max_bytes, max_records) => {
                    wanted
                        .fetches
                        .entry(leader)
                        .or_default()
                        .push(partition.clone());
                }
                Stage::Position { .. } | Stage::End if !state.listing => {
                    let list = (leader, state.stage == Stage::End);
                    wanted
                        .lists
                        .entry(list)
                        .or_default()
                        .push(partition.clone());
                }
                _ => {}
            }
        }
        if leaderless {
            self.events.push_back(FetcherEvent::RefreshMetadata);
        }
        wanted
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
            let session = self.sessions.entry(broker).or_default();
            // A session tells where a log ends once. One that was begun anew since needs to hear it.
            let is_new = |state: &PartitionState| state.log_end < 0;
            let mut told = wanted.keys().filter(|p| session.position(p).is_some());
            if told.any(|partition| self.partitions.get(partition).is_some_and(is_new)) {
                session.end();
            }
            (session, self.max_wait_ms)
        };
        let request = session.request(version, wanted, self.partition_max_bytes);
        let request = request
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(if is_aside { 1 } else { self.min_bytes })
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
}
