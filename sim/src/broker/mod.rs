//! A Kafka cluster of one to many nodes as one machine without sockets, clocks or threads.
//!
//! [`Broker`] takes the bytes of connections and gives bytes back. All nodes share one state:
//! replication is immediate, and metadata is never stale, unless a test says otherwise through
//! the hooks (leaders and coordinators move, nodes go down or pause, requests fail).
//!
//! One file per area of the protocol. Not modelled: version 1 of transactions, consumer groups with
//! members, retention and compaction (a log grows until DeleteRecords), recompression (batches stay
//! as they were sent), ACLs, quotas, static members and everything else Kafka 4.3 itself refuses in
//! streams groups.

mod admin;
mod codes;
mod config;
mod faults;
mod fetch;
mod group_requests;
mod groups;
mod hooks;
mod list_offsets;
mod log;
mod metadata;
mod offsets;
mod produce;
mod sessions;
#[cfg(test)]
mod tests;
mod topics;
mod transactions;
mod transactions_v1;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use eddyline_core::rng::SeedTree;
use eddyline_core::time::{Instant, Now};
use eddyline_core::trace::{Level, LogEvent};
use eddyline_core::types::BrokerId;
use eddyline_core::wire::{
    self, ApiKey, DecodeError, FrameDecoder, Request, RequestFrame, Response,
};

pub use config::{BrokerConfig, GroupConfig, NodeConfig};
use faults::Faults;
pub use faults::{CoordinatorFault, Fault, FaultRule};
use fetch::HeldFetch;
use groups::Groups;
pub use groups::{AssignedTasks, GroupState, Member, MemberState, StreamsGroup, Task, Tasks};
pub use log::{PartitionLog, StoredBatch};
use sessions::Sessions;
use topics::Topics;
pub(crate) use transactions::CommittedTransaction;
use transactions::Transactions;

/// A connection of a client to one node, named by the driver; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What reaches the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerInput {
    /// A client connected to a node.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// The node.
        node: BrokerId,
    },
    /// Bytes from the client.
    Received(ConnectionId, Bytes),
    /// The client is gone.
    Disconnected(ConnectionId),
    /// The time of [`Broker::poll_timeout`] has come.
    Timeout,
}

/// What the cluster wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerOutput {
    /// Send these bytes.
    Transmit(ConnectionId, Bytes),
    /// Close the connection; no [`BrokerInput::Disconnected`] is needed.
    Close(ConnectionId),
    /// For a log.
    Log(LogEvent),
}

/// A node of the cluster.
#[derive(Debug)]
struct Node {
    config: NodeConfig,
    up: bool,
    paused: bool,
    sessions: Sessions,
}

#[derive(Debug)]
struct Connection {
    node: BrokerId,
    decoder: FrameDecoder,
    /// The fetch that waits. Requests behind it wait too: answers come in order.
    held: Option<HeldFetch>,
    /// A fault silenced the connection.
    hung: bool,
}

/// What became of a request.
#[derive(Debug)]
enum Handled {
    Answer(Response),
    Held(HeldFetch),
    /// Nobody waits for an answer.
    Silent,
    /// The connection must close, for this reason.
    Close(String),
}

/// The cluster.
///
/// ```
/// use eddyline_core::rng::SeedTree;
/// use eddyline_core::time::Now;
/// use eddyline_core::types::BrokerId;
/// use eddyline_sim::broker::{Broker, BrokerConfig, BrokerInput, BrokerOutput, ConnectionId};
///
/// let mut broker = Broker::new(BrokerConfig::default(), SeedTree::new(1));
/// let connection = ConnectionId(1);
/// let node = BrokerId(1);
/// broker.handle_input(Now::default(), BrokerInput::Connected { connection, node });
/// // Not Kafka: the connection is closed, with a line for the log.
/// let hostile = BrokerInput::Received(connection, "GET / HTTP/1.1\r\n\r\n".into());
/// broker.handle_input(Now::default(), hostile);
/// assert!(matches!(broker.poll_output(), Some(BrokerOutput::Log(_))));
/// assert_eq!(broker.poll_output(), Some(BrokerOutput::Close(connection)));
/// ```
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    now: Now,
    nodes: BTreeMap<BrokerId, Node>,
    topics: Topics,
    groups: Groups,
    coordinators: BTreeMap<String, BrokerId>,
    faults: Faults,
    next_producer_id: i64,
    /// Which client was given a producer id.
    producers: BTreeMap<i64, String>,
    transactions: Transactions,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Connections that may have a request to serve.
    runnable: VecDeque<ConnectionId>,
    /// Connections whose held fetch may be answered.
    woken: BTreeSet<ConnectionId>,
    deadlines: BTreeSet<(Instant, ConnectionId)>,
    outputs: VecDeque<BrokerOutput>,
}

impl Broker {
    /// A cluster without topics. `seed` only gives ids.
    pub fn new(config: BrokerConfig, seed: SeedTree) -> Self {
        let nodes = config.nodes.iter().map(|node| {
            let state = Node {
                config: node.clone(),
                up: true,
                paused: false,
                sessions: Sessions::new(config.max_fetch_sessions),
            };
            (node.id, state)
        });
        Self {
            now: Now::default(),
            nodes: nodes.collect(),
            topics: Topics::new(seed.child("topics", 0).rng()),
            groups: Groups::new(config.group.clone()),
            coordinators: BTreeMap::new(),
            faults: Faults::default(),
            next_producer_id: 1_000,
            producers: BTreeMap::new(),
            transactions: Transactions::default(),
            connections: BTreeMap::new(),
            runnable: VecDeque::new(),
            woken: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes one input.
    pub fn handle_input(&mut self, now: Now, input: BrokerInput) {
        self.now = now;
        self.handle_timers();
        match input {
            BrokerInput::Connected { connection, node } => self.connect(connection, node),
            BrokerInput::Received(connection, bytes) => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.decoder.push(bytes);
                    self.runnable.push_back(connection);
                }
            }
            BrokerInput::Disconnected(connection) => self.forget(connection),
            BrokerInput::Timeout => {}
        }
        self.run();
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<BrokerOutput> {
        self.outputs.pop_front()
    }

    /// When [`BrokerInput::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetch = self.deadlines.first().map(|(at, _)| *at);
        let groups = self.groups.poll_timeout();
        let transactions = self.transactions.poll_timeout();
        [fetch, groups, transactions].into_iter().flatten().min()
    }

    fn connect(&mut self, connection: ConnectionId, node: BrokerId) {
        if !self.nodes.get(&node).is_some_and(|node| node.up) {
            self.outputs.push_back(BrokerOutput::Close(connection));
            return;
        }
        let open = Connection {
            node,
            decoder: FrameDecoder::new(self.config.max_request_bytes),
            held: None,
            hung: false,
        };
        self.connections.insert(connection, open);
    }

    /// Drops what is known of a connection.
    fn forget(&mut self, connection: ConnectionId) {
        let open = self.connections.remove(&connection);
        if let Some(held) = open.and_then(|open| open.held) {
            self.deadlines.remove(&(held.deadline, connection));
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: Option<String>) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        if let Some(reason) = reason {
            let message = format!("Closing connection {}: {reason}", connection.0);
            let event = LogEvent::new(Level::Warn, message);
            self.outputs.push_back(BrokerOutput::Log(event));
        }
        self.forget(connection);
        self.outputs.push_back(BrokerOutput::Close(connection));
    }

    fn handle_timers(&mut self) {
        self.groups.handle_timeout(self.now.instant);
        self.handle_transactions(self.now);
        while let Some(&(at, connection)) = self.deadlines.first() {
            if at > self.now.instant {
                break;
            }
            self.deadlines.pop_first();
            // A paused node answers when it wakes up.
            if !self.is_paused(connection) {
                self.retry_held(connection, true);
            }
        }
    }

    /// Serves requests until nothing is left to do; held fetches see all that was produced.
    fn run(&mut self) {
        loop {
            while let Some(connection) = self.runnable.pop_front() {
                if self.serve_next(connection) {
                    self.runnable.push_back(connection);
                }
            }
            let Some(connection) = self.woken.pop_first() else {
                break;
            };
            self.retry_held(connection, false);
        }
    }

    fn is_paused(&self, connection: ConnectionId) -> bool {
        let node = self.connections.get(&connection).map(|open| open.node);
        let node = node.and_then(|node| self.nodes.get(&node));
        node.is_some_and(|node| node.paused)
    }

    /// Answers a held fetch if it can be.
    fn retry_held(&mut self, connection: ConnectionId, timed_out: bool) {
        let paused = self.is_paused(connection);
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        if paused || open.hung {
            return;
        }
        let Some(held) = open.held.take() else {
            return;
        };
        let (deadline, version) = (held.deadline, held.version);
        let correlation_id = held.correlation_id;
        match self.resume(connection, held, timed_out) {
            Err(held) => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.held = Some(held);
                }
            }
            Ok(response) => {
                self.deadlines.remove(&(deadline, connection));
                self.transmit(
                    connection,
                    ApiKey::Fetch,
                    version,
                    correlation_id,
                    &response,
                );
                self.runnable.push_back(connection);
            }
        }
    }

    /// Serves one request of a connection; false when there is none to serve now.
    fn serve_next(&mut self, connection: ConnectionId) -> bool {
        if self.is_paused(connection) {
            return false;
        }
        let Some(open) = self.connections.get_mut(&connection) else {
            return false;
        };
        if open.hung || open.held.is_some() {
            return false;
        }
        let node = open.node;
        match open.decoder.next_frame() {
            Ok(None) => return false,
            Err(error) => self.close(connection, Some(error.to_string())),
            Ok(Some(frame)) => match wire::decode_request(frame) {
                Err(error) => self.undecodable(connection, &error),
                Ok(frame) => self.serve(connection, node, &frame),
            },
        }
        true
    }

    /// A client may ask for a version of ApiVersions that is too new, and is told which there are.
    fn undecodable(&mut self, connection: ConnectionId, error: &DecodeError) {
        if let DecodeError::UnsupportedVersion {
            api: ApiKey::ApiVersions,
            correlation_id,
            ..
        } = *error
        {
            let response = self.api_versions(codes::UNSUPPORTED_VERSION);
            self.transmit(
                connection,
                ApiKey::ApiVersions,
                0,
                correlation_id,
                &response,
            );
        } else {
            self.close(connection, Some(error.to_string()));
        }
    }

    fn serve(&mut self, connection: ConnectionId, node: BrokerId, frame: &RequestFrame) {
        let (api, version) = (frame.api_key, frame.version);
        let offered = self.versions(api);
        if !offered.is_some_and(|(min, max)| (min..=max).contains(&version)) {
            if api == ApiKey::ApiVersions {
                let response = self.api_versions(codes::UNSUPPORTED_VERSION);
                return self.transmit(connection, api, 0, frame.correlation_id, &response);
            }
            let reason = format!("version {version} of {api:?} is not offered");
            return self.close(connection, Some(reason));
        }
        let fault = self.faults.take(api, node);
        let handled = match fault {
            Some(Fault::Disconnect) => return self.close(connection, None),
            Some(Fault::Hang) => return self.hang(connection),
            Some(Fault::Error(code)) => match faults::refuse(version, &frame.request, code) {
                Some(response) => Handled::Answer(response),
                None => Handled::Close(format!("no way to answer {code} to {api:?}")),
            },
            _ => self.handle(connection, node, frame),
        };
        match fault {
            Some(Fault::ApplyThenDisconnect) => return self.close(connection, None),
            Some(Fault::ApplyThenHang) => return self.hang(connection),
            _ => {}
        }
        match handled {
            Handled::Answer(response) => {
                self.transmit(connection, api, version, frame.correlation_id, &response);
            }
            Handled::Held(held) => {
                self.deadlines.insert((held.deadline, connection));
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.held = Some(held);
                }
            }
            Handled::Silent => {}
            Handled::Close(reason) => self.close(connection, Some(reason)),
        }
    }

    fn hang(&mut self, connection: ConnectionId) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.hung = true;
        }
    }

    fn transmit(
        &mut self,
        connection: ConnectionId,
        api: ApiKey,
        version: i16,
        correlation_id: i32,
        response: &Response,
    ) {
        match wire::encode_response(api, version, correlation_id, response) {
            Ok(bytes) => self
                .outputs
                .push_back(BrokerOutput::Transmit(connection, bytes)),
            Err(error) => self.close(connection, Some(error.to_string())),
        }
    }

    /// The group a request is about, if only the group's coordinator may serve it.
    fn coordinated_group(request: &Request) -> Option<String> {
        match request {
            Request::OffsetCommit(request) => Some(request.group_id.0.to_string()),
            Request::OffsetFetch(request) => Some(match request.groups.first() {
                Some(group) => group.group_id.0.to_string(),
                None => request.group_id.0.to_string(),
            }),
            Request::StreamsGroupHeartbeat(request) => Some(request.group_id.clone()),
            Request::TxnOffsetCommit(request) => Some(request.group_id.0.to_string()),
            _ => None,
        }
    }

    /// The transactional id a request is about, if only the coordinator of it may serve it.
    fn coordinated_id(request: &Request) -> Option<String> {
        match request {
            Request::InitProducerId(request) => {
                let id = request.transactional_id.as_ref();
                id.map(|id| id.0.to_string())
            }
            Request::AddPartitionsToTxn(request) => {
                Some(request.v3_and_below_transactional_id.0.to_string())
            }
            Request::AddOffsetsToTxn(request) => Some(request.transactional_id.0.to_string()),
            Request::EndTxn(request) => Some(request.transactional_id.0.to_string()),
            _ => None,
        }
    }

    fn handle(
        &mut self,
        connection: ConnectionId,
        node: BrokerId,
        frame: &RequestFrame,
    ) -> Handled {
        let version = frame.version;
        if let Some(group) = Self::coordinated_group(&frame.request)
            && !group.is_empty()
            && let Some(code) = self.coordinator_error(node, &group)
            && let Some(response) = faults::refuse(version, &frame.request, code)
        {
            return Handled::Answer(response);
        }
        if let Some(id) = Self::coordinated_id(&frame.request)
            && let Some(code) = self.transaction_coordinator_error(node, &id)
            && let Some(response) = faults::refuse(version, &frame.request, code)
        {
            return Handled::Answer(response);
        }
        let client_id = frame.client_id.as_deref().unwrap_or("");
        Handled::Answer(match &frame.request {
            Request::Produce(request) => return self.produce(node, version, request),
            Request::Fetch(request) => {
                let step = self.fetch(node, version, request);
                return self.hold(connection, frame.correlation_id, version, step);
            }
            Request::StreamsGroupHeartbeat(request) => {
                self.streams_group_heartbeat(client_id, request)
            }
            Request::OffsetCommit(request) => self.offset_commit(version, request),
            Request::OffsetFetch(request) => self.offset_fetch(version, request),
            Request::Metadata(request) => self.metadata(version, request),
            Request::ApiVersions(_) => self.api_versions(codes::NONE),
            Request::FindCoordinator(request) => self.find_coordinator(version, request),
            Request::ListOffsets(request) => self.list_offsets(node, version, request),
            Request::InitProducerId(request) => self.init_producer_id(client_id, request),
            Request::TxnOffsetCommit(request) => self.txn_offset_commit(version, request),
            Request::AddPartitionsToTxn(request) => self.add_partitions_to_txn(request),
            Request::AddOffsetsToTxn(request) => self.add_offsets_to_txn(request),
            Request::EndTxn(request) => self.end_txn(version, request),
            Request::DeleteRecords(request) => self.delete_records(node, request),
            Request::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(node, request),
            Request::CreateTopics(request) => self.create_topics(request),
            Request::DeleteTopics(request) => self.delete_topics(version, request),
            Request::DescribeConfigs(request) => self.describe_configs(request),
            Request::IncrementalAlterConfigs(request) => self.alter_configs(request),
            Request::DescribeCluster(request) => self.describe_cluster(request),
            Request::ListGroups(request) => self.list_groups(node, request),
            Request::DescribeGroups(request) => self.describe_groups(node, version, request),
            Request::ConsumerGroupDescribe(request) => self.consumer_group_describe(node, request),
            Request::StreamsGroupDescribe(request) => self.streams_group_describe(node, request),
            Request::DescribeTopicPartitions(_) => {
                return Handled::Close("DescribeTopicPartitions is not offered".to_owned());
            }
            Request::SaslHandshake(_) | Request::SaslAuthenticate(_) => {
                return Handled::Close("logins are not offered".to_owned());
            }
        })
    }
}
