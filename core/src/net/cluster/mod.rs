//! All connections to all brokers of a cluster.
//!
//! A broker answers the requests of one connection in order, and holds a fetch that finds nothing.
//! So each broker gets a connection for each of: fetches, the group's coordinator, the coordinator
//! of transactions, everything else; a held fetch never delays a heartbeat, a commit or a produce.

mod link;
#[cfg(test)]
mod login_tests;
mod lookup;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::link::{Link, LinkKey, Node, NodeState, Purpose, Queued};
use self::lookup::{Coordinator, CoordinatorKind, Refresh};
use super::connection::{ConnectionError, TLS};
use super::driver::{ConnectionId, Input, Output};
use super::features::BrokerFeatures;
use super::metadata::Metadata;
use super::request::{Outgoing, RequestError, RequestToken, Target};
use crate::config::{ConfigError, HostPort, MetadataRecoveryStrategy, SaslLogin, StreamsConfig};
use crate::error::StreamsError;
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::LogEvent;
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::{self, ApiKey, Response};

/// What a [`Cluster`] must know.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Addresses to begin with, and to come back to.
    pub bootstrap: Vec<HostPort>,
    /// Sent with every request; shown in the broker's logs.
    pub client_id: String,
    /// The group whose coordinator is to be found, if any.
    pub group_id: Option<String>,
    /// The transactional id whose coordinator is to be found, if any.
    pub transactional_id: Option<String>,
    /// Key: `request.timeout.ms`.
    pub request_timeout_ms: u64,
    /// Key: `socket.connection.setup.timeout.ms`.
    pub socket_connection_setup_timeout_ms: u64,
    /// Key: `retry.backoff.ms`.
    pub retry_backoff_ms: u64,
    /// Key: `retry.backoff.max.ms`.
    pub retry_backoff_max_ms: u64,
    /// Key: `reconnect.backoff.ms`.
    pub reconnect_backoff_ms: u64,
    /// Key: `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max_ms: u64,
    /// Key: `metadata.max.age.ms`.
    pub metadata_max_age_ms: u64,
    /// Key: `metadata.recovery.strategy`.
    pub metadata_recovery_strategy: MetadataRecoveryStrategy,
    /// Key: `metadata.recovery.rebootstrap.trigger.ms`.
    pub metadata_recovery_rebootstrap_trigger_ms: u64,
    /// How every connection logs in; see [`StreamsConfig::sasl_login`].
    pub login: Result<Option<SaslLogin>, ConfigError>,
}

impl ClusterConfig {
    /// The settings of a Streams configuration, without a group.
    pub fn new(config: &StreamsConfig, client_id: impl Into<String>) -> Self {
        Self {
            bootstrap: config.bootstrap_servers().to_vec(),
            client_id: client_id.into(),
            group_id: None,
            transactional_id: None,
            request_timeout_ms: config.request_timeout_ms(),
            socket_connection_setup_timeout_ms: config.socket_connection_setup_timeout_ms(),
            retry_backoff_ms: config.retry_backoff_ms(),
            retry_backoff_max_ms: config.retry_backoff_max_ms(),
            reconnect_backoff_ms: config.reconnect_backoff_ms(),
            reconnect_backoff_max_ms: config.reconnect_backoff_max_ms(),
            metadata_max_age_ms: config.metadata_max_age_ms(),
            metadata_recovery_strategy: config.metadata_recovery_strategy(),
            metadata_recovery_rebootstrap_trigger_ms: config
                .metadata_recovery_rebootstrap_trigger_ms(),
            login: config.sasl_login(),
        }
    }

    /// These settings with a group to find the coordinator of.
    pub fn with_group(mut self, group_id: impl Into<String>) -> Self {
        self.group_id = Some(group_id.into());
        self
    }

    /// These settings with a transactional id to find the coordinator of.
    #[must_use]
    pub fn with_transactional_id(mut self, transactional_id: impl Into<String>) -> Self {
        self.transactional_id = Some(transactional_id.into());
        self
    }
}

/// What a [`Cluster`] tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A broker finished its handshake after none was connected.
    Reached(BrokerFeatures),
    /// Every known address was tried in vain: one sentence naming each and why. Told once a
    /// round, while the trying goes on.
    Unreachable(String),
    /// [`Metadata::version`] grew.
    MetadataChanged,
    /// The group's coordinator is known.
    CoordinatorFound(BrokerId),
    /// The group's coordinator is not known any longer and is being looked up.
    CoordinatorLost,
    /// The brokers refuse a topic for good (not: it does not exist yet).
    TopicRefused(TopicName, StreamsError),
    /// The group's coordinator cannot be found for a reason that will not pass, or the brokers do
    /// not let us in; then nothing is connected to any more.
    Failed(StreamsError),
    /// For the log.
    Log(LogEvent),
}

/// Connections, metadata and coordinator of one cluster, as a state machine.
///
/// After inputs and sends comes [`Cluster::drive`], then the outputs, responses and events.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    rng: Rng,
    metadata: Metadata,
    features: Option<BrokerFeatures>,
    next_connection: u64,
    nodes: BTreeMap<Node, NodeState>,
    links: BTreeMap<LinkKey, Link>,
    connections: BTreeMap<ConnectionId, LinkKey>,
    /// Connections that someone asked the version of; until made or failed.
    wishes: RefCell<BTreeSet<LinkKey>>,
    any_wished: Cell<bool>,
    /// Requests for any broker while there is none.
    unplaced: VecDeque<Queued>,
    /// Known brokers all failed, so the bootstrap addresses count again.
    rebootstrapping: bool,
    unreachable_rounds: u32,
    /// The brokers do not let us in: asking again and again may lock the user out.
    is_locked_out: bool,
    refresh: Refresh,
    coordinator: Coordinator,
    transaction_coordinator: Coordinator,
    next_timeout: Option<Instant>,
    outputs: VecDeque<Output>,
    responses: VecDeque<(RequestToken, Result<Response, RequestError>)>,
    events: VecDeque<ClusterEvent>,
}

impl Cluster {
    /// A cluster without connections; the first [`Cluster::drive`] asks for one.
    pub fn new(config: ClusterConfig, mut rng: Rng) -> Self {
        let nodes = (0..config.bootstrap.len())
            .map(|index| (Node::Bootstrap(index), NodeState::new(&config, &mut rng)))
            .collect();
        let refused = config.login.as_ref().err().cloned();
        let failed = refused.map(|error| ClusterEvent::Failed(StreamsError::Config(error)));
        Self {
            is_locked_out: failed.is_some(),
            refresh: Refresh::new(&config),
            coordinator: Coordinator::new(&config, config.group_id.as_ref()),
            transaction_coordinator: Coordinator::new(&config, config.transactional_id.as_ref()),
            config,
            rng,
            metadata: Metadata::default(),
            features: None,
            next_connection: 0,
            nodes,
            links: BTreeMap::new(),
            connections: BTreeMap::new(),
            wishes: RefCell::default(),
            any_wished: Cell::new(false),
            unplaced: VecDeque::new(),
            rebootstrapping: false,
            unreachable_rounds: 0,
            next_timeout: None,
            outputs: VecDeque::new(),
            responses: VecDeque::new(),
            events: failed.into_iter().collect(),
        }
    }

    /// What is known about brokers and topics.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How many times metadata was asked for so far.
    pub const fn metadata_requests(&self) -> u64 {
        self.refresh.asked()
    }

    /// Which of the questions for metadata was the last to be answered and understood, counted
    /// from 1; 0 while none was.
    pub const fn metadata_request_answered(&self) -> u64 {
        self.refresh.answered()
    }

    /// Makes a broker known that another answer named; metadata answers may overrule it.
    pub fn add_broker(&mut self, broker: BrokerId, address: HostPort) {
        self.metadata.set_broker(broker, address);
    }

    /// What the broker that connected last can do.
    pub const fn features(&self) -> Option<&BrokerFeatures> {
        self.features.as_ref()
    }

    /// The group's coordinator, while known.
    pub const fn coordinator(&self) -> Option<BrokerId> {
        self.coordinator.known()
    }

    /// The version to build a request in. `None` while there is no connection; asking makes one
    /// be opened. Where the broker does not know the API, this library's own highest version: the
    /// request will then fail as [`RequestError::Unsupported`].
    pub fn version(&self, target: Target, api: ApiKey) -> Option<i16> {
        let key = match target {
            Target::Broker(broker) => LinkKey::new(Node::Broker(broker), Purpose::of(api)),
            Target::Aside(broker) => LinkKey::new(Node::Broker(broker), Purpose::Aside),
            Target::GroupCoordinator => {
                LinkKey::new(Node::Broker(self.coordinator()?), Purpose::Coordinator)
            }
            Target::TransactionCoordinator => {
                let broker = self.transaction_coordinator.known()?;
                LinkKey::new(Node::Broker(broker), Purpose::Transactions)
            }
            Target::AnyBroker => match self.any_ready() {
                Some(key) => key,
                None => {
                    self.any_wished.set(true);
                    return None;
                }
            },
        };
        let features = self.links.get(&key).and_then(Link::features);
        match features {
            Some(features) => {
                let version = features.version(api);
                version.or(Some(wire::supported_versions(api).1))
            }
            None => {
                self.wishes.borrow_mut().insert(key);
                None
            }
        }
    }

    /// Sends a request, or queues it until the connection has room. Exactly one response with
    /// its token follows.
    pub fn send(&mut self, now: Instant, outgoing: Outgoing) {
        let queued = Queued {
            token: outgoing.token,
            version: outgoing.version,
            request: outgoing.request,
            deadline: now.plus_ms(self.config.request_timeout_ms),
        };
        let key = match outgoing.target {
            Target::AnyBroker => {
                self.unplaced.push_back(queued);
                return;
            }
            Target::Broker(broker) => {
                LinkKey::new(Node::Broker(broker), Purpose::of(queued.request.api_key()))
            }
            Target::Aside(broker) => LinkKey::new(Node::Broker(broker), Purpose::Aside),
            Target::GroupCoordinator => match self.coordinator() {
                Some(broker) => LinkKey::new(Node::Broker(broker), Purpose::Coordinator),
                None => return self.respond(queued.token, Err(RequestError::NotSent)),
            },
            Target::TransactionCoordinator => match self.transaction_coordinator.known() {
                Some(broker) => LinkKey::new(Node::Broker(broker), Purpose::Transactions),
                None => return self.respond(queued.token, Err(RequestError::NotSent)),
            },
        };
        if self.address(key.node).is_none() {
            return self.respond(queued.token, Err(RequestError::NotSent));
        }
        self.links.entry(key).or_default().queue.push_back(queued);
    }

    /// Topics whose partitions and leaders are to be known from now on. New ones are asked for at
    /// once and, while they do not exist, again and again.
    pub fn want_topics(&mut self, now: Instant, topics: impl IntoIterator<Item = TopicName>) {
        self.refresh.want(now, topics);
    }

    /// Something showed that the metadata is stale: asks again, after `retry.backoff.ms` at least.
    pub fn request_metadata(&mut self, now: Instant) {
        self.refresh.request(now);
    }

    /// A broker answered with the leader it knows (KIP-951); `endpoint` is where that one listens.
    pub fn leader_hint(
        &mut self,
        partition: &TopicPartition,
        leader: BrokerId,
        leader_epoch: i32,
        endpoint: Option<HostPort>,
    ) {
        if let Some(endpoint) = endpoint {
            self.metadata.set_broker(leader, endpoint);
        }
        if self.metadata.broker(leader).is_some()
            && self.metadata.set_leader(partition, leader, leader_epoch)
        {
            self.events.push_back(ClusterEvent::MetadataChanged);
        }
    }

    /// The coordinator said that it is none, or does not answer: looks it up again.
    pub fn coordinator_lost(&mut self) {
        if self.coordinator.lost() {
            self.events.push_back(ClusterEvent::CoordinatorLost);
        }
    }

    /// The same of the coordinator of transactions.
    pub fn transaction_coordinator_lost(&mut self) {
        self.transaction_coordinator.lost();
    }

    /// Takes what the driver tells. [`Cluster::drive`] must follow.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Connected(id) => self.connected(now, id),
            Input::ConnectFailed(id, reason) => self.drop_connection(now, id, None, &reason),
            Input::TlsFailed(id, message) => {
                let mechanism = TLS;
                let error = ConnectionError::Authentication { mechanism, message };
                let reason = error.to_string();
                self.drop_connection(now, id, Some(error), &reason);
            }
            Input::Received(id, bytes) => self.received(now, id, bytes),
            Input::Disconnected(id) => {
                let reason = self.why_closed(id);
                self.drop_connection(now, id, None, reason);
            }
            Input::Timeout => {}
        }
    }

    /// Does what is due: time-outs, lookups, new connections, queued requests.
    pub fn drive(&mut self, now: Instant) {
        self.expire(now);
        self.rebootstrap_when_due(now);
        self.close_spare_bootstrap_links();
        let mut any_needed = self.any_wished.replace(false);
        any_needed |= self.drive_refresh(now);
        any_needed |= self.drive_coordinator(now, CoordinatorKind::Group);
        any_needed |= self.drive_coordinator(now, CoordinatorKind::Transaction);
        any_needed |= self.place_unplaced();
        self.open_links(now);
        if any_needed && self.any_ready().is_none() {
            self.open_any(now);
        }
        self.repeat_logins(now);
        self.flush_queues(now);
        self.next_timeout = self.compute_timeout(now, any_needed);
    }

    /// When [`Cluster::drive`] must be called next; valid after `drive`.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// The next thing for the driver to do. Never an event.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next answer.
    pub fn poll_response(&mut self) -> Option<(RequestToken, Result<Response, RequestError>)> {
        self.responses.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ClusterEvent> {
        self.events.pop_front()
    }

    /// Closes every connection. Nothing is sent or answered any more.
    pub fn shut_down(&mut self) {
        for (id, _) in std::mem::take(&mut self.connections) {
            self.outputs.push_back(Output::Close(id));
        }
        self.links.clear();
        self.unplaced.clear();
        self.responses.clear();
        self.wishes.borrow_mut().clear();
        self.next_timeout = None;
    }

    fn respond(&mut self, token: RequestToken, result: Result<Response, RequestError>) {
        self.responses.push_back((token, result));
    }

    fn address(&self, node: Node) -> Option<&HostPort> {
        match node {
            Node::Bootstrap(index) => self.config.bootstrap.get(index),
            Node::Broker(broker) => self.metadata.broker(broker),
        }
    }

    fn request_error(error: Option<&ConnectionError>) -> RequestError {
        match error {
            Some(ConnectionError::Protocol(message)) => RequestError::Protocol(message.clone()),
            _ => RequestError::Disconnected,
        }
    }
}
