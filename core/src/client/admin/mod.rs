//! Calls to a cluster one at a time: what tools need beside a running application.

mod answers;
mod call;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::call::{Call, Step};
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::net::{
    Backoff, BrokerFeatures, ClientEvent, Cluster, ClusterConfig, ClusterEvent, Input, Outgoing,
    Output, RequestError, RequestToken, Target,
};
use crate::rng::{Rng, SeedTree};
use crate::time::{Instant, Now};
use crate::types::{TopicName, TopicPartition};
use crate::wire::streams_group::DescribedGroup;
use crate::wire::{Record, Request, Response, SealedBatch};

/// Names a call so that its result finds the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminToken(pub u64);

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; -1 takes the broker's default.
    pub partitions: i32,
    /// How many replicas; -1 takes the broker's default.
    pub replication_factor: i16,
    /// Its configuration.
    pub configs: BTreeMap<String, String>,
}

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Of the first record there is.
    Earliest,
    /// Of the next record to come.
    Latest,
}

/// Whose records are read, and up to where (Java: `IsolationLevel`; key of a consumer:
/// `isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Every record, those of open and aborted transactions too, up to the end of the log.
    #[default]
    ReadUncommitted,
    /// Without the records of aborted transactions, up to the first that is still open.
    ReadCommitted,
}

/// What came of a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AdminResult {
    /// Of [`AdminClient::create_topics`]: each topic, and why it was not created.
    TopicsCreated(Vec<(TopicName, Result<(), StreamsError>)>),
    /// Of [`AdminClient::describe_streams_group`].
    Group(Box<DescribedGroup>),
    /// Of [`AdminClient::committed_offsets`], in the order asked for; `None` where the group has
    /// committed nothing.
    CommittedOffsets(Vec<(TopicPartition, Option<i64>)>),
    /// Of [`AdminClient::list_offsets`], in the order asked for.
    Offsets(Vec<(TopicPartition, i64)>),
    /// Of [`AdminClient::produce`]: the offset of the batch's first record.
    Produced(i64),
    /// Of [`AdminClient::fetch`].
    Fetched {
        /// Records in offset order, none before the offset asked for.
        records: Vec<Record>,
        /// Where to go on.
        next_offset: i64,
        /// One past the last record there was.
        log_end: i64,
    },
    /// Of [`AdminClient::partition_counts`]: `None` where the topic does not exist.
    PartitionCounts(Vec<(TopicName, Option<i32>)>),
    /// Of [`AdminClient::features`].
    Features(BrokerFeatures),
}

/// A client for tools, as a state machine with the grammar of the stream thread's client.
///
/// Each call is tried again while its failure may pass, and ends within the time given to
/// [`AdminClient::new`]. Calls run beside each other; only batches of one partition keep their
/// order.
#[derive(Debug)]
pub struct AdminClient {
    cluster: Cluster,
    rng: Rng,
    settings: Settings,
    next_token: u64,
    next_request: u64,
    operations: BTreeMap<AdminToken, Operation>,
    requests: BTreeMap<RequestToken, AdminToken>,
    /// Partitions with a batch that must be answered before the next one.
    producing: BTreeSet<TopicPartition>,
    /// Why the brokers do not let us in: every call ends with it.
    locked_out: Option<StreamsError>,
    next_timeout: Option<Instant>,
    outputs: VecDeque<Output>,
    results: VecDeque<(AdminToken, Result<AdminResult, StreamsError>)>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    call_timeout_ms: u64,
    retry_backoff_ms: u64,
    retry_backoff_max_ms: u64,
    fetch_max_wait_ms: u64,
    fetch_max_bytes: i32,
    request_timeout_ms: u64,
    isolation_level: IsolationLevel,
}

#[derive(Debug)]
struct Operation {
    call: Call,
    deadline: Instant,
    backoff: Backoff,
    in_flight: usize,
    /// Why the last try failed.
    last_error: Option<StreamsError>,
}

impl AdminClient {
    /// A client for the brokers of `config`, whose calls each end within `call_timeout_ms`.
    pub fn new(
        now: Now,
        config: &StreamsConfig,
        client_id: &str,
        call_timeout_ms: u64,
        seed: SeedTree,
    ) -> Self {
        let cluster_config = ClusterConfig::new(config, client_id);
        let mut admin = Self {
            cluster: Cluster::new(cluster_config, seed.child("cluster", 0).rng()),
            rng: seed.child("admin", 0).rng(),
            settings: Settings {
                call_timeout_ms,
                retry_backoff_ms: config.retry_backoff_ms(),
                retry_backoff_max_ms: config.retry_backoff_max_ms(),
                fetch_max_wait_ms: config.fetch_max_wait_ms(),
                fetch_max_bytes: config.fetch_max_bytes(),
                request_timeout_ms: config.request_timeout_ms(),
                isolation_level: IsolationLevel::default(),
            },
            next_token: 0,
            next_request: 0,
            operations: BTreeMap::new(),
            requests: BTreeMap::new(),
            producing: BTreeSet::new(),
            locked_out: None,
            next_timeout: None,
            outputs: VecDeque::new(),
            results: VecDeque::new(),
        };
        admin.pump(now.instant);
        admin
    }

    /// Sets what calls of [`AdminClient::list_offsets`] and [`AdminClient::fetch`] see from now on.
    pub const fn set_isolation_level(&mut self, level: IsolationLevel) {
        self.settings.isolation_level = level;
    }

    /// Creates topics.
    pub fn create_topics(&mut self, now: Now, topics: Vec<NewTopic>) -> AdminToken {
        self.begin(now, Call::create_topics(topics))
    }

    /// Describes a streams group (API 89), asking its coordinator.
    pub fn describe_streams_group(&mut self, now: Now, group: impl Into<String>) -> AdminToken {
        self.begin(now, Call::describe_group(group.into()))
    }

    /// Asks for the offsets that a group of any type has committed.
    pub fn committed_offsets(
        &mut self,
        now: Now,
        group: impl Into<String>,
        partitions: Vec<TopicPartition>,
    ) -> AdminToken {
        self.begin(now, Call::committed_offsets(group.into(), partitions))
    }

    /// Asks for the first or next offset of partitions.
    pub fn list_offsets(
        &mut self,
        now: Now,
        partitions: Vec<TopicPartition>,
        spec: OffsetSpec,
    ) -> AdminToken {
        let topics = partitions.iter().map(|p| p.topic.clone());
        self.cluster
            .want_topics(now.instant, topics.collect::<Vec<_>>());
        self.begin(now, Call::list_offsets(partitions, spec))
    }

    /// Writes a batch, acknowledged by all in-sync replicas. Batches of one partition are written
    /// in the order of the calls. Without a producer id: where the answer is lost the call fails
    /// rather than write the batch twice.
    pub fn produce(
        &mut self,
        now: Now,
        partition: TopicPartition,
        batch: SealedBatch,
    ) -> AdminToken {
        self.cluster
            .want_topics(now.instant, [partition.topic.clone()]);
        self.begin(now, Call::produce(partition, batch))
    }

    /// Reads a partition from `offset`; waits up to `fetch.max.wait.ms` for a record.
    pub fn fetch(&mut self, now: Now, partition: TopicPartition, offset: i64) -> AdminToken {
        self.cluster
            .want_topics(now.instant, [partition.topic.clone()]);
        self.begin(now, Call::fetch(partition, offset))
    }

    /// Asks how many partitions topics have.
    pub fn partition_counts(&mut self, now: Now, topics: Vec<TopicName>) -> AdminToken {
        self.cluster.want_topics(now.instant, topics.clone());
        self.cluster.request_metadata(now.instant);
        let asked = self.cluster.metadata_requests();
        self.begin(now, Call::partition_counts(topics, asked))
    }

    /// Asks what the brokers can do.
    pub fn features(&mut self, now: Now) -> AdminToken {
        self.begin(now, Call::features())
    }

    fn begin(&mut self, now: Now, call: Call) -> AdminToken {
        let token = AdminToken(self.next_token);
        self.next_token += 1;
        let settings = &self.settings;
        let operation = Operation {
            call,
            deadline: now.instant.plus_ms(settings.call_timeout_ms),
            backoff: Backoff::new(settings.retry_backoff_ms, settings.retry_backoff_max_ms),
            in_flight: 0,
            last_error: None,
        };
        self.operations.insert(token, operation);
        self.pump(now.instant);
        token
    }

    /// Takes what the driver tells.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.cluster.handle_input(now.instant, input);
        self.pump(now.instant);
    }

    /// The next thing for the driver to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next result; every call has exactly one.
    pub fn poll_result(&mut self) -> Option<(AdminToken, Result<AdminResult, StreamsError>)> {
        self.results.pop_front()
    }

    /// When [`Input::Timeout`] must be given next.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// Closes every connection; calls without a result get none.
    pub fn close(&mut self) {
        self.operations.clear();
        self.requests.clear();
        self.cluster.shut_down();
        self.take_outputs();
        self.next_timeout = None;
    }

    fn pump(&mut self, now: Instant) {
        loop {
            self.cluster.drive(now);
            self.take_outputs();
            let mut progress = false;
            while let Some((token, result)) = self.cluster.poll_response() {
                progress = true;
                self.answered(now, token, result);
            }
            progress |= self.start_calls(now);
            if !progress {
                break;
            }
        }
        self.expire(now);
        // Calls that could not start may have asked for connections.
        self.cluster.drive(now);
        self.take_outputs();
        self.next_timeout = self.compute_timeout(now);
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.cluster.poll_output() {
            self.outputs.push_back(output);
        }
        while let Some(event) = self.cluster.poll_event() {
            let event = match event {
                ClusterEvent::Reached(_) => ClientEvent::Reached,
                ClusterEvent::Unreachable(message) => {
                    for operation in self.operations.values_mut() {
                        operation.last_error = Some(StreamsError::Unreachable(message.clone()));
                    }
                    ClientEvent::Unreachable(message)
                }
                ClusterEvent::Log(log) => ClientEvent::Log(log),
                ClusterEvent::TopicRefused(topic, error) => {
                    let needs = |operation: &Operation| operation.call.needs(&topic);
                    let refused = self.operations.iter().filter(|(_, o)| needs(o));
                    let refused: Vec<AdminToken> = refused.map(|(token, _)| *token).collect();
                    for token in refused {
                        self.finish(token, Err(error.clone()));
                    }
                    continue;
                }
                ClusterEvent::Failed(error) => {
                    self.locked_out.get_or_insert(error);
                    continue;
                }
                _ => continue,
            };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Sends what can be sent. Returns whether anything was.
    fn start_calls(&mut self, now: Instant) -> bool {
        let mut progress = false;
        let tokens: Vec<AdminToken> = self.operations.keys().copied().collect();
        if let Some(error) = self.locked_out.clone() {
            for token in &tokens {
                self.finish(*token, Err(error.clone()));
            }
            return !tokens.is_empty();
        }
        let mut blocked = self.producing.clone();
        for token in tokens {
            let Some(operation) = self.operations.get_mut(&token) else {
                continue;
            };
            let batch_of = operation.call.batch_partition().cloned();
            if operation.in_flight > 0 {
                continue;
            }
            if let Some(partition) = &batch_of
                && !blocked.insert(partition.clone())
            {
                // An earlier batch of the partition comes first.
                continue;
            }
            if !operation.backoff.is_over(now) {
                continue;
            }
            match operation.call.start(&self.cluster, &self.settings) {
                Step::Wait => {}
                Step::Send(sends) => {
                    progress = true;
                    operation.in_flight = sends.len();
                    self.producing.extend(batch_of);
                    for (target, version, request) in sends {
                        self.send(now, token, target, version, request);
                    }
                }
                Step::Done(result) => {
                    progress = true;
                    self.finish(token, result);
                }
            }
        }
        progress
    }

    fn send(
        &mut self,
        now: Instant,
        call: AdminToken,
        target: Target,
        version: i16,
        request: Request,
    ) {
        let token = RequestToken(self.next_request);
        self.next_request += 1;
        self.requests.insert(token, call);
        let outgoing = Outgoing {
            token,
            target,
            version: Some(version),
            request,
        };
        self.cluster.send(now, outgoing);
    }

    fn answered(
        &mut self,
        now: Instant,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        let Some(token) = self.requests.remove(&token) else {
            return;
        };
        let Some(operation) = self.operations.get_mut(&token) else {
            return;
        };
        operation.in_flight -= 1;
        let outcome = operation.call.answered(&mut self.cluster, result);
        match outcome {
            call::Outcome::Done(result) => return self.finish(token, result),
            call::Outcome::More => operation.backoff.succeeded(),
            call::Outcome::Retry(error) => {
                operation.last_error = Some(error);
                operation.backoff.failed(now, &mut self.rng);
                self.cluster.request_metadata(now);
            }
        }
        if operation.in_flight == 0
            && let Some(partition) = operation.call.batch_partition()
        {
            self.producing.remove(partition);
        }
    }

    fn finish(&mut self, token: AdminToken, result: Result<AdminResult, StreamsError>) {
        if let Some(operation) = self.operations.remove(&token)
            && let Some(partition) = operation.call.batch_partition()
        {
            self.producing.remove(partition);
        }
        self.results.push_back((token, result));
    }

    fn expire(&mut self, now: Instant) {
        let late: Vec<AdminToken> = self
            .operations
            .iter()
            .filter(|(_, operation)| operation.deadline <= now)
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            let error = self.operations.get(&token).and_then(|operation| {
                let waits_for = operation.call.waits_for(&self.cluster);
                waits_for.or_else(|| operation.last_error.clone())
            });
            let error = error.unwrap_or_else(|| {
                StreamsError::Unreachable("no broker answered in the time given".to_string())
            });
            self.finish(token, Err(error));
        }
    }

    fn compute_timeout(&self, now: Instant) -> Option<Instant> {
        let operations = self.operations.values().flat_map(|operation| {
            let retry = Some(operation.backoff.until());
            let retry = retry.filter(|at| operation.in_flight == 0 && *at > now);
            retry.into_iter().chain([operation.deadline])
        });
        operations.chain(self.cluster.poll_timeout()).min()
    }
}
