//! Connections: who is connected to, when, and what waits for it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::lookup::CoordinatorKind;
use super::{Cluster, ClusterConfig, ClusterEvent};
use crate::error::StreamsError;
use crate::net::backoff::Backoff;
use crate::net::connection::{Connection, ConnectionError, ConnectionEvent};
use crate::net::driver::{ConnectionId, Output};
use crate::net::features::BrokerFeatures;
use crate::net::request::{RequestError, RequestToken};
use crate::net::sasl::Login;
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::BrokerId;
use crate::wire::{ApiKey, Request, Response};

/// Something to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A broker of the metadata.
    Broker(BrokerId),
    /// An address given by the user, whose broker id is not known.
    Bootstrap(usize),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    General,
    Fetch,
    Aside,
    Coordinator,
    Transactions,
}

impl Purpose {
    pub(super) fn of(api: ApiKey) -> Self {
        if api == ApiKey::Fetch {
            Self::Fetch
        } else {
            Self::General
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey {
    pub(super) node: Node,
    pub(super) purpose: Purpose,
}

impl LinkKey {
    pub(super) const fn new(node: Node, purpose: Purpose) -> Self {
        Self { node, purpose }
    }
}

/// How connecting to a node went, over all its connections.
#[derive(Debug)]
pub(super) struct NodeState {
    pub(super) backoff: Backoff,
    pub(super) last_error: String,
    /// Spreads clients over brokers of equal merit.
    rank: u64,
}

impl NodeState {
    pub(super) fn new(config: &ClusterConfig, rng: &mut Rng) -> Self {
        Self {
            backoff: Backoff::new(config.reconnect_backoff_ms, config.reconnect_backoff_max_ms),
            last_error: String::new(),
            rank: rng.next_u64(),
        }
    }
}

/// A request that waits for its connection or for room in it.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) token: RequestToken,
    pub(super) version: Option<i16>,
    pub(super) request: Request,
    pub(super) deadline: Instant,
}

/// One connection to one node for one purpose, or the place where it will be.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) connection: Option<(ConnectionId, Connection)>,
    /// When connecting began.
    opened: Instant,
    pub(super) queue: VecDeque<Queued>,
}

impl Link {
    pub(super) fn features(&self) -> Option<&BrokerFeatures> {
        self.connection.as_ref()?.1.features()
    }

    fn in_flight(&self) -> usize {
        self.connection.as_ref().map_or(0, |(_, c)| c.in_flight()) + self.queue.len()
    }
}

impl Cluster {
    pub(super) fn connected(&mut self, now: Instant, id: ConnectionId) {
        let Some((_, connection)) = self.connection_mut(id) else {
            return;
        };
        match connection.connected() {
            Ok(bytes) => self.outputs.push_back(Output::Transmit(id, bytes)),
            Err(error) => {
                let error = ConnectionError::Protocol(error.to_string());
                let reason = error.to_string();
                self.drop_connection(now, id, Some(error), &reason);
            }
        }
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<(super::LinkKey, &mut Connection)> {
        let key = *self.connections.get(&id)?;
        let (_, connection) = self.links.get_mut(&key)?.connection.as_mut()?;
        Some((key, connection))
    }

    pub(super) fn received(&mut self, now: Instant, id: ConnectionId, bytes: Bytes) {
        let mut events = Vec::new();
        let Some((key, connection)) = self.connection_mut(id) else {
            return;
        };
        let result = connection.received(now, bytes, &mut events);
        for event in events {
            match event {
                ConnectionEvent::Ready => self.ready(key),
                ConnectionEvent::Send(bytes) => {
                    self.outputs.push_back(Output::Transmit(id, bytes));
                }
                ConnectionEvent::Reauthenticated => {}
                ConnectionEvent::Response(token, response) => {
                    self.answered(now, token, Ok(response));
                }
            }
        }
        if let Err(error) = result {
            let reason = error.to_string();
            self.drop_connection(now, id, Some(error), &reason);
        }
    }

    fn ready(&mut self, key: LinkKey) {
        let others_ready = self
            .links
            .iter()
            .any(|(other, link)| *other != key && link.features().is_some());
        if let Some(node) = self.nodes.get_mut(&key.node) {
            node.backoff.succeeded();
        }
        self.unreachable_rounds = 0;
        self.features = self.links.get(&key).and_then(Link::features).cloned();
        if let Some(features) = &self.features
            && !others_ready
        {
            self.events
                .push_back(ClusterEvent::Reached(features.clone()));
        }
    }

    /// An answer for the cluster itself or for someone above.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        if token == super::lookup::METADATA_TOKEN {
            self.metadata_answered(now, result);
        } else if let Some(kind) = CoordinatorKind::of(token) {
            self.coordinator_answered(now, kind, result);
        } else {
            self.respond(token, result);
        }
    }

    /// A connection is over: everything that waited for it fails.
    pub(super) fn drop_connection(
        &mut self,
        now: Instant,
        id: ConnectionId,
        error: Option<ConnectionError>,
        reason: &str,
    ) {
        let Some(key) = self.connections.remove(&id) else {
            return;
        };
        self.outputs.push_back(Output::Close(id));
        self.wishes.borrow_mut().remove(&key);
        let address = self
            .address(key.node)
            .map_or_else(String::new, ToString::to_string);
        if let Some(node) = self.nodes.get_mut(&key.node) {
            node.backoff.failed(now, &mut self.rng);
            node.last_error = reason.to_string();
        }
        if let Some(ConnectionError::Authentication { mechanism, message }) = &error {
            self.lock_out(&address, mechanism, message);
        }
        let level = match error {
            Some(ConnectionError::Protocol(_) | ConnectionError::Authentication { .. }) => {
                Level::Warn
            }
            _ => Level::Info,
        };
        self.events.push_back(ClusterEvent::Log(LogEvent::new(
            level,
            format!("connection to {address} lost: {reason}"),
        )));
        self.fail_link(now, key, error.as_ref());
        if let Node::Broker(broker) = key.node {
            if key.purpose == Purpose::Coordinator && self.coordinator() == Some(broker) {
                self.coordinator_lost();
            }
            if key.purpose == Purpose::Transactions
                && self.transaction_coordinator.known() == Some(broker)
            {
                self.transaction_coordinator_lost();
            }
            // Whatever made the connection break may have moved the leaders too.
            self.refresh.request(now);
        }
        if !self.is_locked_out {
            self.report_unreachable();
        }
    }

    /// The brokers do not let us in (Java: `AuthenticationException`, fatal too).
    fn lock_out(&mut self, broker: &str, mechanism: &str, message: &str) {
        self.is_locked_out = true;
        let error = StreamsError::Authentication {
            broker: broker.into(),
            mechanism: mechanism.into(),
            message: message.into(),
        };
        self.events.push_back(ClusterEvent::Failed(error));
    }

    /// What the end of a connection may mean.
    pub(super) fn why_closed(&mut self, id: ConnectionId) -> &'static str {
        match self.connection_mut(id) {
            Some((_, connection)) if connection.may_want_login() => {
                "the broker closed the connection at the first request: it may want a login \
                 (security.protocol)"
            }
            _ => "the broker closed the connection",
        }
    }

    fn fail_link(&mut self, now: Instant, key: LinkKey, error: Option<&ConnectionError>) {
        let Some(mut link) = self.links.remove(&key) else {
            return;
        };
        let mut timed_out = error == Some(&ConnectionError::RequestTimedOut);
        let other = Self::request_error(error);
        if let Some((_, connection)) = link.connection.take() {
            for token in connection.into_unanswered() {
                let error = if std::mem::take(&mut timed_out) {
                    RequestError::TimedOut
                } else {
                    other.clone()
                };
                self.answered(now, token, Err(error));
            }
        }
        // Sent later, what waits here would overtake what was in flight and is retried above.
        for queued in link.queue {
            self.answered(now, queued.token, Err(RequestError::NotSent));
        }
    }

    /// Closes connections of a broker that left the cluster or moved.
    pub(super) fn close_node(&mut self, now: Instant, broker: BrokerId) {
        let node = Node::Broker(broker);
        for purpose in [
            Purpose::General,
            Purpose::Fetch,
            Purpose::Aside,
            Purpose::Coordinator,
            Purpose::Transactions,
        ] {
            let key = LinkKey::new(node, purpose);
            if let Some(link) = self.links.get(&key) {
                if let Some((id, _)) = link.connection {
                    self.connections.remove(&id);
                    self.outputs.push_back(Output::Close(id));
                }
                self.fail_link(now, key, None);
            }
        }
        self.nodes.remove(&node);
    }

    /// Bootstrap connections have done their work once brokers are known by id.
    pub(super) fn close_spare_bootstrap_links(&mut self) {
        if self.rebootstrapping || self.metadata.brokers().next().is_none() {
            return;
        }
        let spare = |key: &LinkKey, link: &Link| {
            matches!(key.node, Node::Bootstrap(_)) && link.in_flight() == 0
        };
        while let Some(key) = self
            .links
            .iter()
            .find_map(|(key, link)| spare(key, link).then_some(*key))
        {
            let link = self.links.remove(&key);
            if let Some((id, _)) = link.and_then(|link| link.connection) {
                self.connections.remove(&id);
                self.outputs.push_back(Output::Close(id));
            }
        }
    }

    /// Tells once a round when every address failed.
    fn report_unreachable(&mut self) {
        if self.links.values().any(|link| link.features().is_some()) {
            return;
        }
        let known = self.metadata.brokers().next().is_some();
        let failed = |node: &Node| {
            self.nodes
                .get(node)
                .map_or(0, |state| state.backoff.failures())
        };
        if known && !self.rebootstrapping {
            let all_failed = self
                .metadata
                .brokers()
                .all(|(broker, _)| failed(&Node::Broker(broker)) > 0);
            self.rebootstrapping = all_failed && self.may_rebootstrap();
        }
        let candidates = self.candidates();
        let rounds = candidates.iter().map(failed).min().unwrap_or(0);
        if rounds <= self.unreachable_rounds {
            return;
        }
        self.unreachable_rounds = rounds;
        let tried: Vec<String> = candidates
            .iter()
            .filter_map(|node| {
                let address = self.address(*node)?;
                let state = self.nodes.get(node)?;
                Some(format!("{address} ({})", state.last_error))
            })
            .collect();
        let message = format!("no broker could be reached: {}", tried.join(", "));
        self.events.push_back(ClusterEvent::Unreachable(message));
    }

    /// The nodes that may answer a request for any broker.
    fn candidates(&self) -> Vec<Node> {
        let known = self.metadata.brokers().map(|(id, _)| Node::Broker(id));
        let mut nodes: Vec<Node> = known.collect();
        if nodes.is_empty() || self.rebootstrapping {
            nodes.extend((0..self.config.bootstrap.len()).map(Node::Bootstrap));
        }
        nodes
    }

    /// The least busy connection that can take a request for any broker.
    pub(super) fn any_ready(&self) -> Option<LinkKey> {
        self.links
            .iter()
            .filter(|(key, link)| key.purpose == Purpose::General && link.features().is_some())
            .min_by_key(|(key, link)| {
                let rank = self.nodes.get(&key.node).map_or(0, |node| node.rank);
                (link.in_flight(), rank)
            })
            .map(|(key, _)| *key)
    }

    /// The candidates that are not being connected to, and until when it is worth waiting for one
    /// that is.
    fn idle_candidates(&self, now: Instant) -> (Vec<Node>, Option<Instant>) {
        let mut wait_until = None;
        let mut candidates = self.candidates();
        candidates.retain(|node| {
            let link = self.links.get(&LinkKey::new(*node, Purpose::General));
            let connecting = link.filter(|link| link.connection.is_some());
            if let Some(link) = connecting {
                wait_until = wait_until.max(Some(link.opened.plus_ms(STAGGER_MS)));
            }
            connecting.is_none()
        });
        (candidates, wait_until.filter(|until| *until > now))
    }

    /// Connects to one more candidate, unless one that is being connected to may soon be ready.
    pub(super) fn open_any(&mut self, now: Instant) {
        let (candidates, None) = self.idle_candidates(now) else {
            return;
        };
        if self.is_locked_out {
            return;
        }
        let config = &self.config;
        let mut best: Option<((u32, u64), Node)> = None;
        for node in candidates {
            let state = self
                .nodes
                .entry(node)
                .or_insert_with(|| NodeState::new(config, &mut self.rng));
            let merit = (state.backoff.failures(), state.rank);
            if state.backoff.is_over(now) && best.is_none_or(|(least, _)| merit < least) {
                best = Some((merit, node));
            }
        }
        if let Some((_, node)) = best {
            self.open(now, LinkKey::new(node, Purpose::General));
        }
    }

    /// Connects what is wished for or has requests waiting.
    pub(super) fn open_links(&mut self, now: Instant) {
        for key in self.unconnected() {
            let over = self
                .nodes
                .get(&key.node)
                .is_none_or(|node| node.backoff.is_over(now));
            if over {
                self.open(now, key);
            }
        }
    }

    /// Links that someone needs and that have no connection.
    fn unconnected(&self) -> Vec<LinkKey> {
        if self.is_locked_out {
            return Vec::new();
        }
        let mut wishes = self.wishes.borrow_mut();
        wishes.retain(|key| self.address(key.node).is_some());
        let waiting = self
            .links
            .iter()
            .filter(|(_, link)| link.connection.is_none() && !link.queue.is_empty())
            .map(|(key, _)| *key);
        let wished = wishes.iter().copied().filter(|key| {
            self.links
                .get(key)
                .is_none_or(|link| link.connection.is_none() && link.queue.is_empty())
        });
        waiting.chain(wished).collect()
    }

    fn open(&mut self, now: Instant, key: LinkKey) {
        let Some(address) = self.address(key.node).cloned() else {
            return;
        };
        let config = &self.config;
        let rng = &mut self.rng;
        self.nodes
            .entry(key.node)
            .or_insert_with(|| NodeState::new(config, rng));
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let login = config.login.as_ref().ok().and_then(Option::as_ref);
        let login = login.map(|login| Login::new(login.clone(), rng.split()));
        let machine = Connection::new(now, config, login);
        let link = self.links.entry(key).or_default();
        link.connection = Some((connection, machine));
        link.opened = now;
        self.connections.insert(connection, key);
        self.wishes.borrow_mut().remove(&key);
        self.outputs.push_back(Output::Connect {
            connection,
            address,
        });
    }

    /// Fails what took too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let late: Vec<(ConnectionId, ConnectionError)> = self
            .links
            .values()
            .filter_map(|link| link.connection.as_ref())
            .filter_map(|(id, connection)| Some((*id, connection.check_time(now).err()?)))
            .collect();
        for (id, error) in late {
            let reason = error.to_string();
            self.drop_connection(now, id, Some(error), &reason);
        }
        let mut expired = Vec::new();
        let queues = self.links.values_mut().map(|link| &mut link.queue);
        for queue in queues.chain([&mut self.unplaced]) {
            while queue.front().is_some_and(|first| first.deadline <= now) {
                expired.extend(queue.pop_front().map(|queued| queued.token));
            }
        }
        for token in expired {
            self.answered(now, token, Err(RequestError::TimedOut));
        }
    }

    /// Gives requests for any broker to a connection. Returns whether some are left.
    pub(super) fn place_unplaced(&mut self) -> bool {
        while !self.unplaced.is_empty() {
            let Some(key) = self.any_ready() else {
                return true;
            };
            let queued = self.unplaced.pop_front();
            if let Some(link) = self.links.get_mut(&key) {
                link.queue.extend(queued);
            }
        }
        false
    }

    /// Logs in anew where a session ends soon (KIP-368).
    pub(super) fn repeat_logins(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for link in self.links.values_mut() {
            let Some((id, connection)) = &mut link.connection else {
                continue;
            };
            match connection.reauthenticate(now) {
                Some(Ok(bytes)) => self.outputs.push_back(Output::Transmit(*id, bytes)),
                Some(Err(error)) => failed.push((*id, error.to_string())),
                None => {}
            }
        }
        for (id, reason) in failed {
            self.drop_connection(now, id, None, &reason);
        }
    }

    /// Sends what there is room for.
    pub(super) fn flush_queues(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for link in self.links.values_mut() {
            let Some((id, connection)) = &mut link.connection else {
                continue;
            };
            while connection.has_room(now) {
                let Some(queued) = link.queue.pop_front() else {
                    break;
                };
                match send_queued(now, connection, &queued) {
                    Ok(bytes) => self.outputs.push_back(Output::Transmit(*id, bytes)),
                    Err(error) => failed.push((queued.token, error)),
                }
            }
        }
        for (token, error) in failed {
            self.answered(now, token, Err(error));
        }
    }

    pub(super) fn compute_timeout(&self, now: Instant, any_needed: bool) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut consider = |at: Instant| {
            debug_assert!(
                at > now,
                "a time-out that has passed would make a busy loop"
            );
            next = Some(next.map_or(at, |next| next.min(at)));
        };
        for link in self.links.values() {
            if let Some((_, connection)) = &link.connection {
                connection.deadline().into_iter().for_each(&mut consider);
            }
            link.queue
                .front()
                .into_iter()
                .for_each(|q| consider(q.deadline));
        }
        self.unplaced
            .front()
            .into_iter()
            .for_each(|q| consider(q.deadline));
        self.refresh
            .due_after(now)
            .into_iter()
            .chain(self.rebootstrap_at())
            .for_each(&mut consider);
        for coordinator in [&self.coordinator, &self.transaction_coordinator] {
            coordinator
                .due_after(now)
                .into_iter()
                .for_each(&mut consider);
        }
        let retry = |node: Node| self.nodes.get(&node).map(|node| node.backoff.until());
        for key in self.unconnected() {
            retry(key.node).into_iter().for_each(&mut consider);
        }
        if any_needed && self.any_ready().is_none() && !self.is_locked_out {
            match self.idle_candidates(now) {
                (idle, Some(wait_until)) if !idle.is_empty() => consider(wait_until),
                (idle, _) => idle.into_iter().filter_map(retry).for_each(&mut consider),
            }
        }
        next
    }
}

/// How long a connection may take before another address is tried beside it.
const STAGGER_MS: u64 = 1000;

fn send_queued(
    now: Instant,
    connection: &mut Connection,
    queued: &Queued,
) -> Result<Bytes, RequestError> {
    let api = queued.request.api_key();
    let features = connection.features();
    let version = match queued.version {
        Some(version) => features
            .is_some_and(|features| features.knows(api, version))
            .then_some(version),
        None => features.and_then(|features| features.version(api)),
    };
    let Some(version) = version else {
        return Err(RequestError::Unsupported(format!(
            "the broker does not know the request {api:?} in a version this library can write"
        )));
    };
    connection
        .send(now, queued.token, version, &queued.request)
        .map_err(|error| RequestError::Unsupported(error.to_string()))
}
