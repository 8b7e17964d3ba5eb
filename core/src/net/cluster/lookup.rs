//! What the cluster asks for itself: metadata and the group's coordinator.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cluster, ClusterConfig, ClusterEvent, LinkKey};
use crate::config::{HostPort, MetadataRecoveryStrategy};
use crate::error::{Concerned, StreamsError};
use crate::net::backoff::Backoff;
use crate::net::metadata::PartitionMetadata;
use crate::net::request::{RequestError, RequestToken};
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{BrokerId, TopicName};
use crate::wire::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, StrBytes,
    TopicName as KafkaTopicName, metadata_request::MetadataRequestTopic,
    metadata_response::MetadataResponseTopic,
};
use crate::wire::{self, ApiKey, Request, Response, Uuid};

/// The cluster's own requests; nobody above uses tokens this high.
pub(super) const METADATA_TOKEN: RequestToken = RequestToken(u64::MAX);
const COORDINATOR_TOKEN: RequestToken = RequestToken(u64::MAX - 1);
const TRANSACTION_COORDINATOR_TOKEN: RequestToken = RequestToken(u64::MAX - 2);

/// When metadata is asked for next, and for what.
#[derive(Debug)]
pub(super) struct Refresh {
    topics: BTreeSet<TopicName>,
    /// What the request under way asks for.
    in_flight: Option<BTreeSet<TopicName>>,
    /// Asked for while an answer was on its way: when to ask once more.
    again: Option<Instant>,
    /// Requests so far.
    asked: u64,
    /// How many there were when the last one that was understood was sent.
    answered: u64,
    due: Instant,
    last_answer: Option<Instant>,
    /// Since when metadata is asked for without an answer that can be used.
    in_vain_since: Option<Instant>,
    backoff: Backoff,
    retry_backoff_ms: u64,
}

impl Refresh {
    pub(super) fn new(config: &ClusterConfig) -> Self {
        Self {
            topics: BTreeSet::new(),
            in_flight: None,
            again: None,
            asked: 0,
            answered: 0,
            due: Instant::ZERO,
            last_answer: None,
            in_vain_since: None,
            backoff: Backoff::new(config.retry_backoff_ms, config.retry_backoff_max_ms),
            retry_backoff_ms: config.retry_backoff_ms.max(1),
        }
    }

    pub(super) fn want(&mut self, now: Instant, topics: impl IntoIterator<Item = TopicName>) {
        let before = self.topics.len();
        self.topics.extend(topics);
        if self.topics.len() > before {
            self.again = self.in_flight.is_some().then_some(now);
            self.due = self.due.min(now);
        }
    }

    pub(super) const fn asked(&self) -> u64 {
        self.asked
    }

    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    pub(super) fn request(&mut self, now: Instant) {
        if self.in_flight.is_some() {
            // The answer on its way may be older than what made the caller ask.
            self.again.get_or_insert(now.plus_ms(self.retry_backoff_ms));
            return;
        }
        let earliest = match self.last_answer {
            Some(last) => now.max(last.plus_ms(self.retry_backoff_ms)),
            None => now,
        };
        self.due = self.due.min(earliest.max(self.backoff.until()));
    }

    /// The time it becomes due, if that is yet to come.
    pub(super) fn due_after(&self, now: Instant) -> Option<Instant> {
        (self.in_flight.is_none() && self.due > now).then_some(self.due)
    }
}

/// What a coordinator coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoordinatorKind {
    Group,
    Transaction,
}

impl CoordinatorKind {
    /// Whose lookup a token is of.
    pub(super) fn of(token: RequestToken) -> Option<Self> {
        [Self::Group, Self::Transaction]
            .into_iter()
            .find(|kind| kind.token() == token)
    }

    const fn token(self) -> RequestToken {
        match self {
            Self::Group => COORDINATOR_TOKEN,
            Self::Transaction => TRANSACTION_COORDINATOR_TOKEN,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Group => "the group's coordinator",
            Self::Transaction => "the coordinator of transactions",
        }
    }
}

/// The search for a coordinator.
#[derive(Debug)]
pub(super) struct Coordinator {
    /// The group id or transactional id, if there is any.
    key: Option<String>,
    known: Option<BrokerId>,
    in_flight: bool,
    not_before: Instant,
    backoff: Backoff,
    retry_backoff_ms: u64,
}

impl Coordinator {
    pub(super) fn new(config: &ClusterConfig, key: Option<&String>) -> Self {
        Self {
            key: key.cloned(),
            known: None,
            in_flight: false,
            not_before: Instant::ZERO,
            backoff: Backoff::new(config.retry_backoff_ms, config.retry_backoff_max_ms),
            retry_backoff_ms: config.retry_backoff_ms.max(1),
        }
    }

    pub(super) const fn known(&self) -> Option<BrokerId> {
        self.known
    }

    /// Forgets the coordinator; returns whether there was one.
    pub(super) const fn lost(&mut self) -> bool {
        self.known.take().is_some()
    }

    const fn is_wanted(&self) -> bool {
        self.key.is_some() && self.known.is_none() && !self.in_flight
    }

    pub(super) fn due_after(&self, now: Instant) -> Option<Instant> {
        (self.is_wanted() && self.not_before > now).then_some(self.not_before)
    }
}

impl Cluster {
    /// Asks for metadata when due. Returns whether a connection to any broker is missing.
    pub(super) fn drive_refresh(&mut self, now: Instant) -> bool {
        if self.refresh.in_flight.is_some() || self.refresh.due > now {
            return false;
        }
        self.refresh.in_vain_since.get_or_insert(now);
        let Some(key) = self.any_ready() else {
            return true;
        };
        let topics = self.refresh.topics.iter().map(|topic| {
            let name = StrBytes::from_string(topic.as_str().to_string());
            MetadataRequestTopic::default().with_name(Some(KafkaTopicName(name)))
        });
        let request = MetadataRequest::default()
            .with_topics(Some(topics.collect()))
            .with_allow_auto_topic_creation(false);
        self.refresh.in_flight = Some(self.refresh.topics.clone());
        self.refresh.asked += 1;
        self.refresh.again = None;
        self.ask(now, key, METADATA_TOKEN, Request::Metadata(request));
        false
    }

    pub(super) fn may_rebootstrap(&self) -> bool {
        self.config.metadata_recovery_strategy == MetadataRecoveryStrategy::Rebootstrap
    }

    /// When brokers that answer, but tell nothing, will have done so for too long.
    pub(super) fn rebootstrap_at(&self) -> Option<Instant> {
        let trigger_ms = self.config.metadata_recovery_rebootstrap_trigger_ms.max(1);
        let since = self
            .refresh
            .in_vain_since
            .filter(|_| self.may_rebootstrap());
        Some(since?.plus_ms(trigger_ms))
    }

    /// Forgets the brokers and begins with the bootstrap addresses again, when no metadata could be
    /// had for too long (KIP-1102).
    pub(super) fn rebootstrap_when_due(&mut self, now: Instant) {
        if self.rebootstrap_at().is_none_or(|at| at > now) {
            return;
        }
        self.refresh.in_vain_since = Some(now);
        let brokers: Vec<BrokerId> = self.metadata.brokers().map(|(id, _)| id).collect();
        if brokers.is_empty() {
            return;
        }
        let message = "no broker told metadata for metadata.recovery.rebootstrap.trigger.ms: begins \
                       with bootstrap.servers again";
        let log = LogEvent::new(Level::Warn, message.to_owned());
        self.events.push_back(ClusterEvent::Log(log));
        self.metadata.set_brokers(BTreeMap::new());
        for broker in brokers {
            self.close_node(now, broker);
        }
        self.rebootstrapping = true;
        self.refresh.due = now;
    }

    fn ask(&mut self, now: Instant, key: LinkKey, token: RequestToken, request: Request) {
        let queued = super::Queued {
            token,
            version: None,
            request,
            deadline: now.plus_ms(self.config.request_timeout_ms),
        };
        self.links.entry(key).or_default().queue.push_back(queued);
    }

    pub(super) fn metadata_answered(
        &mut self,
        now: Instant,
        result: Result<Response, RequestError>,
    ) {
        let asked = self.refresh.in_flight.take().unwrap_or_default();
        let failure = match result {
            Ok(Response::Metadata(response)) => match self.take_metadata(now, &asked, &response) {
                Ok(complete) => {
                    self.refresh.last_answer = Some(now);
                    self.refresh.in_vain_since = None;
                    self.refresh.answered = self.refresh.asked;
                    if complete {
                        self.refresh.backoff.succeeded();
                        let age = self.config.metadata_max_age_ms;
                        self.refresh.due = now.plus_ms(age.max(self.refresh.retry_backoff_ms));
                    } else {
                        self.refresh.backoff.failed(now, &mut self.rng);
                        self.refresh.due = self.refresh.backoff.until();
                    }
                    if let Some(at) = self.refresh.again.take() {
                        self.refresh.due = self.refresh.due.min(at);
                    }
                    return;
                }
                Err(message) => message,
            },
            Ok(_) => "the answer is of another kind".to_string(),
            Err(error) => error.to_string(),
        };
        self.refresh.backoff.failed(now, &mut self.rng);
        self.refresh.due = self.refresh.backoff.until();
        let message = format!("metadata could not be had, will ask again: {failure}");
        self.events
            .push_back(ClusterEvent::Log(LogEvent::new(Level::Info, message)));
    }

    /// Returns whether every topic that was asked for has a leader for every partition.
    fn take_metadata(
        &mut self,
        now: Instant,
        asked: &BTreeSet<TopicName>,
        response: &MetadataResponse,
    ) -> Result<bool, String> {
        if response.error_code != 0 {
            if response.error_code == REBOOTSTRAP_REQUIRED && self.may_rebootstrap() {
                self.rebootstrapping = true;
            }
            return Err(wire::error_name(response.error_code).to_string());
        }
        let brokers: BTreeMap<BrokerId, HostPort> = response
            .brokers
            .iter()
            .filter_map(|broker| {
                let at = HostPort::from_wire(&broker.host, broker.port)?;
                Some((BrokerId(broker.node_id.0), at))
            })
            .collect();
        if brokers.is_empty() {
            return Err("the broker knows no brokers yet".to_string());
        }
        let version = self.metadata.version();
        self.rebootstrapping = false;
        self.take_brokers(now, brokers);
        let mut complete = true;
        let mut answered = BTreeSet::new();
        for topic in &response.topics {
            if let Some(name) = &topic.name {
                let name = TopicName::new(&*name.0);
                complete &= self.take_topic(&name, topic);
                answered.insert(name);
            }
        }
        for topic in asked.difference(&answered) {
            self.metadata.deny_topic(topic);
            complete = false;
        }
        if self.metadata.version() != version {
            self.events.push_back(ClusterEvent::MetadataChanged);
        }
        Ok(complete)
    }

    fn take_brokers(&mut self, now: Instant, mut brokers: BTreeMap<BrokerId, HostPort>) {
        // A coordinator that just started may be missing from an answer of a slower broker.
        let coordinators = [self.coordinator(), self.transaction_coordinator.known()];
        for coordinator in coordinators.into_iter().flatten() {
            if let Some(address) = self.metadata.broker(coordinator) {
                let address = address.clone();
                brokers.entry(coordinator).or_insert(address);
            }
        }
        let moved: Vec<BrokerId> = self
            .metadata
            .brokers()
            .filter(|(id, address)| brokers.get(id) != Some(*address))
            .map(|(id, _)| id)
            .collect();
        self.metadata.set_brokers(brokers);
        for broker in moved {
            self.close_node(now, broker);
        }
    }

    /// Returns whether the topic needs no further asking.
    fn take_topic(&mut self, name: &TopicName, topic: &MetadataResponseTopic) -> bool {
        match topic.error_code {
            NONE => {}
            UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID => {
                self.metadata.deny_topic(name);
                return false;
            }
            code @ (INVALID_TOPIC | TOPIC_AUTHORIZATION_FAILED) => {
                let operation = format!("asking for the partitions of topic {name}");
                let concerned = Concerned {
                    topic: Some(name),
                    permission: "Describe",
                    ..Concerned::default()
                };
                let error = StreamsError::refused(operation, code, "", concerned);
                self.events
                    .push_back(ClusterEvent::TopicRefused(name.clone(), error));
                return false;
            }
            // No leader yet, or the broker is starting: what is known stays.
            _ => return false,
        }
        let mut partitions = vec![
            PartitionMetadata {
                leader: None,
                leader_epoch: -1,
            };
            topic.partitions.len()
        ];
        for partition in &topic.partitions {
            let index = usize::try_from(partition.partition_index).ok();
            if let Some(known) = index.and_then(|index| partitions.get_mut(index)) {
                let leader = partition.leader_id.0;
                known.leader = (leader >= 0).then_some(BrokerId(leader));
                known.leader_epoch = partition.leader_epoch;
            }
        }
        let id = Some(topic.topic_id).filter(|id| *id != Uuid::nil());
        let complete = !partitions.is_empty() && partitions.iter().all(|p| p.leader.is_some());
        self.metadata.set_topic(name, id, partitions);
        complete
    }

    const fn coordinator_mut(&mut self, kind: CoordinatorKind) -> &mut Coordinator {
        match kind {
            CoordinatorKind::Group => &mut self.coordinator,
            CoordinatorKind::Transaction => &mut self.transaction_coordinator,
        }
    }

    /// Looks a coordinator up when needed. Returns whether a connection to any broker is missing.
    pub(super) fn drive_coordinator(&mut self, now: Instant, kind: CoordinatorKind) -> bool {
        let coordinator = self.coordinator_mut(kind);
        if !coordinator.is_wanted() || coordinator.not_before > now {
            return false;
        }
        let sought = coordinator.key.clone().unwrap_or_default();
        let Some(key) = self.any_ready() else {
            return true;
        };
        let version = self
            .links
            .get(&key)
            .and_then(|link| link.features()?.version(ApiKey::FindCoordinator))
            .unwrap_or(0);
        let sought = StrBytes::from_string(sought);
        let mut request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![sought])
        } else {
            FindCoordinatorRequest::default().with_key(sought)
        };
        if version >= 1 {
            request = request.with_key_type(kind as i8);
        }
        self.coordinator_mut(kind).in_flight = true;
        let request = Request::FindCoordinator(request);
        self.ask(now, key, kind.token(), request);
        false
    }

    pub(super) fn coordinator_answered(
        &mut self,
        now: Instant,
        kind: CoordinatorKind,
        result: Result<Response, RequestError>,
    ) {
        self.coordinator_mut(kind).in_flight = false;
        let failure = match result {
            Ok(Response::FindCoordinator(response)) => match read_coordinator(&response) {
                Ok((broker, address)) => {
                    let coordinator = self.coordinator_mut(kind);
                    coordinator.backoff.succeeded();
                    // A broker that denies being the coordinator is not asked without a pause.
                    coordinator.not_before = now.plus_ms(coordinator.retry_backoff_ms);
                    coordinator.known = Some(broker);
                    if self
                        .metadata
                        .broker(broker)
                        .is_some_and(|old| *old != address)
                    {
                        self.close_node(now, broker);
                    }
                    self.metadata.set_broker(broker, address);
                    if kind == CoordinatorKind::Group {
                        self.events
                            .push_back(ClusterEvent::CoordinatorFound(broker));
                    }
                    return;
                }
                Err((code, message)) if is_passing(code) => message,
                Err((code, message)) => {
                    let key = self.coordinator_mut(kind).key.take();
                    let mut concerned = Concerned::default();
                    match kind {
                        CoordinatorKind::Group => concerned.group = key.as_deref(),
                        CoordinatorKind::Transaction => {
                            concerned.transactional_id = key.as_deref();
                        }
                    }
                    let operation = format!("looking for {}", kind.name());
                    let error = StreamsError::refused(operation, code, &message, concerned);
                    self.events.push_back(ClusterEvent::Failed(error));
                    return;
                }
            },
            Ok(_) => "the answer is of another kind".to_string(),
            Err(error) => error.to_string(),
        };
        let coordinator = match kind {
            CoordinatorKind::Group => &mut self.coordinator,
            CoordinatorKind::Transaction => &mut self.transaction_coordinator,
        };
        coordinator.backoff.failed(now, &mut self.rng);
        coordinator.not_before = coordinator.backoff.until();
        let message = format!("{} is not known, will ask again: {failure}", kind.name());
        self.events
            .push_back(ClusterEvent::Log(LogEvent::new(Level::Debug, message)));
    }
}

fn read_coordinator(
    response: &FindCoordinatorResponse,
) -> Result<(BrokerId, HostPort), (i16, String)> {
    let (code, message, node, host, port) = match response.coordinators.first() {
        Some(found) => (
            found.error_code,
            &found.error_message,
            found.node_id.0,
            &found.host,
            found.port,
        ),
        None => (
            response.error_code,
            &response.error_message,
            response.node_id.0,
            &response.host,
            response.port,
        ),
    };
    if code != NONE {
        let message = message.as_ref().map(ToString::to_string);
        return Err((
            code,
            message.unwrap_or_else(|| wire::error_name(code).to_string()),
        ));
    }
    match HostPort::from_wire(host, port) {
        Some(at) if node >= 0 && !host.is_empty() => Ok((BrokerId(node), at)),
        _ => Err((
            COORDINATOR_NOT_AVAILABLE,
            "the answer names no coordinator".to_string(),
        )),
    }
}

/// Whether asking again may help (Java: `RetriableException` among the errors of the lookup).
const fn is_passing(code: i16) -> bool {
    matches!(
        code,
        COORDINATOR_LOAD_IN_PROGRESS
            | COORDINATOR_NOT_AVAILABLE
            | NOT_COORDINATOR
            | UNKNOWN_SERVER_ERROR
    )
}

const UNKNOWN_SERVER_ERROR: i16 = -1;
const NONE: i16 = 0;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const INVALID_TOPIC: i16 = 17;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const UNKNOWN_TOPIC_ID: i16 = 100;
const REBOOTSTRAP_REQUIRED: i16 = 129;
