//! The client machine: everything of a stream thread that talks to brokers.
//!
//! It composes the cluster's connections, the membership of the group, the fetcher, the producer
//! and the committed offsets, and carries messages between them and the task runner.

mod assignment;
mod closing;
mod messages;
mod patience;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use self::assignment::HeldAssignment;
use self::closing::Closing;
use self::patience::Patience;
use self::plan::Plan;
use self::report::endpoint;
pub use self::report::{
    GroupReport, MemberEndpoint, PartitionProgress, TaskMetadata, ThreadMetadata,
};
use super::message::RunnerMessage;
use super::{ToClient, ToRunner};
use crate::client::{Fetcher, Offsets, Producer, Purge, Transactions};
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::group::{Assignment, HeartbeatFailure, Membership, MembershipConfig, random_member_id};
use crate::mutation::Mutant;
use crate::net::{
    ClientEvent, Cluster, ClusterConfig, ClusterEvent, Input, Outgoing, Output, RequestError,
    RequestToken, Target, ThreadState,
};
use crate::rng::SeedTree;
use crate::time::{Instant, Now};
use crate::topology::{Subtopology, Topology, topology_message};
use crate::trace::{Level, LogEvent};
use crate::types::{TopicName, TopicPartition};
use crate::wire::{Request, Response};

/// The network side of one stream thread, which is one member of the streams group.
///
/// One input, message or command, then drain the messages and outputs, before the next one.
pub struct ClientMachine {
    cluster: Cluster,
    membership: Membership,
    fetcher: Fetcher,
    producer: Producer,
    offsets: Offsets,
    purge: Purge,
    /// Offsets are committed in transactions.
    is_exactly_once: bool,
    mutant: Mutant,
    plan: Plan,
    name: String,
    state: ThreadState,
    /// The task runner spoke: user code is there to take tasks.
    polled: bool,
    subscribed: bool,
    /// What the runner was told last.
    assignment: Assignment,
    counts: Vec<(TopicName, i32)>,
    held: Option<HeldAssignment>,
    /// Every active task of the assignment is restored, as far as the runner told.
    restored: bool,
    heartbeat_interval_ms: u64,
    /// When missing source topics become an error, and which.
    sources_missing: Option<(Instant, String)>,
    progress: BTreeMap<TopicPartition, PartitionProgress>,
    /// Inputs whose committed offset is being asked for or used.
    starting: BTreeMap<TopicPartition, Starting>,
    /// Inputs that standbys follow as changelogs, and when to ask again how far the group is.
    limits: BTreeMap<TopicPartition, Instant>,
    commit_interval_ms: u64,
    patience: Patience,
    closing: Closing,
    /// Until then the driver may answer a failure.
    answer_by: Option<Instant>,
    next_heartbeat: u64,
    next_timeout: Option<Instant>,
    messages: VecDeque<ToRunner>,
    outputs: VecDeque<Output>,
}

/// What the committed offset of an input is for.
#[derive(Debug)]
enum Starting {
    /// To process it from there; with the metadata that was committed.
    Input(String),
    /// To restore a store from it, from an offset up to the committed one.
    Restore { from: i64, committed: i64 },
}

/// Which machine a request belongs to: the low bits of its token in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Membership = 0,
    Fetcher = 1,
    Producer = 2,
    Offsets = 3,
    Purge = 4,
}

impl Owner {
    fn outer(self, token: RequestToken) -> RequestToken {
        RequestToken(token.0 << OWNER_BITS | self as u64)
    }

    const fn of(token: RequestToken) -> (Self, RequestToken) {
        let inner = RequestToken(token.0 >> OWNER_BITS);
        let owner = match token.0 & ((1 << OWNER_BITS) - 1) {
            0 => Self::Membership,
            1 => Self::Fetcher,
            2 => Self::Producer,
            3 => Self::Offsets,
            _ => Self::Purge,
        };
        (owner, inner)
    }
}

const OWNER_BITS: u32 = 3;

fn membership_config(
    config: &StreamsConfig,
    subtopologies: &[Subtopology],
    identity: Identity<'_>,
    seed: SeedTree,
) -> MembershipConfig {
    MembershipConfig {
        group_id: config.application_id().to_string(),
        member_id: random_member_id(&mut seed.child("member", 0).rng()),
        process_id: identity.process_id.to_string(),
        rebalance_timeout_ms: config.max_poll_interval_ms(),
        max_poll_interval_ms: config.max_poll_interval_ms(),
        retry_backoff_ms: config.retry_backoff_ms(),
        retry_backoff_max_ms: config.retry_backoff_max_ms(),
        endpoint: config.application_server().cloned(),
        client_tags: config.client_tags().clone().into_iter().collect(),
        rack_id: config.client_rack().map(str::to_owned),
        topology: topology_message(subtopologies),
    }
}

/// Which thread of which process.
#[derive(Clone, Copy, Debug)]
struct Identity<'a> {
    thread_index: usize,
    process_id: &'a str,
}

impl ClientMachine {
    /// A member of the group `application.id` for `topology`; it joins once brokers answer and
    /// the task runner has spoken. `process_id` is shared by all threads of a process.
    pub fn new(
        now: Now,
        config: &StreamsConfig,
        topology: &Topology,
        thread_index: usize,
        process_id: &str,
        seed: SeedTree,
    ) -> Self {
        let subtopologies = topology.subtopologies(config);
        let identity = Identity {
            thread_index,
            process_id,
        };
        let mut machine = Self::assemble(now, config, &subtopologies, identity, seed);
        let mut more = topology.global_topics();
        more.extend(config.dead_letter_queue_topic().cloned());
        if !more.is_empty() {
            machine.plan.add_external(&more);
            machine.cluster.want_topics(now.instant, more);
            machine.pump(now.instant);
        }
        machine
    }

    fn assemble(
        now: Now,
        config: &StreamsConfig,
        subtopologies: &[Subtopology],
        identity: Identity<'_>,
        seed: SeedTree,
    ) -> Self {
        let group_id = config.application_id();
        let plan = Plan::new(subtopologies);
        let thread = identity.thread_index + 1;
        let name = format!("{}-StreamThread-{thread}", config.client_id());
        let mut cluster_config = ClusterConfig::new(config, name.clone()).with_group(group_id);
        let mut producer = Producer::new(config, seed.child("producer", 0).rng());
        if config.is_exactly_once() {
            // As Java's, so that either fences the other.
            let transactional_id = format!("{group_id}-{}-{thread}", identity.process_id);
            cluster_config = cluster_config.with_transactional_id(&transactional_id);
            producer = producer.with_transactions(Transactions::new(config, transactional_id));
        }
        let membership = membership_config(config, subtopologies, identity, seed);
        let mut machine = Self {
            cluster: Cluster::new(cluster_config, seed.child("cluster", 0).rng()),
            membership: Membership::new(membership, seed.child("membership", 0).rng()),
            fetcher: Fetcher::new(config, seed.child("fetcher", 0).rng()),
            producer,
            is_exactly_once: config.is_exactly_once(),
            mutant: config.mutant,
            offsets: Offsets::new(config, seed.child("offsets", 0).rng()),
            purge: Purge::new(config),
            plan,
            name,
            state: ThreadState::Created,
            polled: false,
            subscribed: false,
            assignment: Assignment::default(),
            counts: Vec::new(),
            held: None,
            restored: false,
            heartbeat_interval_ms: 0,
            sources_missing: None,
            progress: BTreeMap::new(),
            starting: BTreeMap::new(),
            limits: BTreeMap::new(),
            commit_interval_ms: config.commit_interval_ms().max(1),
            patience: Patience::new(config),
            closing: Closing::No,
            answer_by: None,
            next_heartbeat: 0,
            next_timeout: None,
            messages: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        machine.begin(now.instant, config, subtopologies);
        machine
    }

    /// Looks for the topics, unless the topology or the configuration cannot be run.
    fn begin(&mut self, now: Instant, config: &StreamsConfig, subtopologies: &[Subtopology]) {
        let resets = subtopologies.iter().map(|s| s.offset_resets.clone());
        self.fetcher.set_topic_resets(resets.flatten().collect());
        self.change_state(ThreadState::Starting);
        let external: Vec<TopicName> = self.plan.external().cloned().collect();
        self.cluster.want_topics(now, external);
        if let Err(error) = config.check_transactions() {
            self.fail(now, StreamsError::Unsupported(error.to_string()));
        }
        let patterns = subtopologies.iter().flat_map(|s| &s.source_patterns);
        if let Some(pattern) = patterns.into_iter().next() {
            // Brokers 4.2 and 4.3 answer the first heartbeat of such a topology with an error.
            let message = format!(
                "the topology reads topics by the pattern {pattern:?}, which streams groups do not \
                 have yet: name the topics"
            );
            self.fail(now, StreamsError::Unsupported(message));
        }
        self.pump(now);
    }

    /// Takes what the driver tells.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.fetcher.set_wall_clock(now.wall_clock);
        self.cluster.handle_input(now.instant, input);
        self.pump(now.instant);
    }

    /// Takes a message of the task runner.
    pub fn handle_message(&mut self, now: Now, message: ToClient) {
        self.fetcher.set_wall_clock(now.wall_clock);
        self.take_message(now.instant, message.0);
        self.pump(now.instant);
    }

    /// The next message for the task runner.
    pub fn poll_message(&mut self) -> Option<ToRunner> {
        self.messages.pop_front()
    }

    /// The next thing for the driver to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] must be given next.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// The id under which the thread is, or last was, a member of the group.
    pub fn member_id(&self) -> &str {
        self.membership.member_id()
    }

    /// Whether nothing will come of the machine any more.
    pub const fn is_closed(&self) -> bool {
        matches!(self.closing, Closing::Closed)
    }

    /// What to show of the member and its input.
    pub fn report(&self) -> GroupReport {
        let tasks = |list: &[crate::group::TaskAssignment]| {
            list.iter().map(|assignment| assignment.task).collect()
        };
        GroupReport {
            member_id: self.membership.member_id().to_string(),
            member_epoch: self.membership.member_epoch(),
            state: self.state,
            is_ready: self.membership.is_ready(),
            active_tasks: tasks(&self.assignment.active),
            standby_tasks: tasks(&self.assignment.standby),
            partitions: self.progress.values().cloned().collect(),
            endpoints: self.membership.endpoints().iter().map(endpoint).collect(),
            partition_counts: self.counts.clone(),
        }
    }

    /// Runs the machines until none of them has anything more to say.
    fn pump(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        loop {
            self.cluster.drive(now);
            self.take_outputs();
            let mut progress = self.take_cluster_events(now);
            progress |= self.take_responses(now);
            self.join_when_ready(now);
            progress |= self.pump_membership(now);
            progress |= self.pump_parts(now);
            self.release_held(now);
            progress |= self.advance_closing(now);
            if !progress || self.is_closed() {
                break;
            }
        }
        self.check_missing_sources(now);
        self.check_patience(now);
        // Asking for versions may have asked for connections.
        self.cluster.drive(now);
        self.take_outputs();
        self.next_timeout = self.compute_timeout();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.cluster.poll_output() {
            self.outputs.push_back(output);
        }
    }

    fn take_cluster_events(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(event) = self.cluster.poll_event() {
            progress = true;
            match event {
                ClusterEvent::Reached(features) => {
                    self.event(ClientEvent::Reached);
                    if let Some(missing) = features.streams_groups_missing() {
                        self.fail(now, StreamsError::Unsupported(missing.to_string()));
                    }
                    let version = features.transaction_version();
                    self.producer.set_transaction_version(version);
                }
                ClusterEvent::Unreachable(message) => {
                    self.event(ClientEvent::Unreachable(message));
                }
                ClusterEvent::MetadataChanged => self.tell_partition_counts(),
                ClusterEvent::CoordinatorFound(_) => self.membership.handle_coordinator(true),
                ClusterEvent::CoordinatorLost => self.membership.handle_coordinator(false),
                ClusterEvent::TopicRefused(_, error) | ClusterEvent::Failed(error) => {
                    self.fail(now, error);
                }
                ClusterEvent::Log(log) => self.event(ClientEvent::Log(log)),
            }
        }
        progress
    }

    fn take_responses(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some((token, result)) = self.cluster.poll_response() {
            progress = true;
            let (owner, token) = Owner::of(token);
            match owner {
                Owner::Membership => self.heartbeat_answered(now, result),
                Owner::Fetcher => self.fetcher.handle_response(now, token, result),
                Owner::Producer => self.producer.handle_response(now, token, result),
                Owner::Offsets => self.offsets.handle_response(now, token, result),
                Owner::Purge => self.purge.handle_response(token, result),
            }
        }
        progress
    }

    fn heartbeat_answered(&mut self, now: Instant, result: Result<Response, RequestError>) {
        if let Ok(Response::StreamsGroupHeartbeat(response)) = &result
            && let Ok(interval) = u64::try_from(response.heartbeat_interval_ms)
            && interval > 0
        {
            self.heartbeat_interval_ms = interval;
        }
        let result = result.map_err(|error| match error {
            RequestError::NotSent => HeartbeatFailure::NotSent,
            RequestError::TimedOut => HeartbeatFailure::TimedOut,
            RequestError::Disconnected | RequestError::Protocol(_) => {
                HeartbeatFailure::Disconnected
            }
            RequestError::Unsupported(message) => HeartbeatFailure::Unsupported(message),
        });
        self.membership.handle_response(now, result);
    }

    fn send(&mut self, now: Instant, owner: Owner, mut outgoing: Outgoing) {
        outgoing.token = owner.outer(outgoing.token);
        self.cluster.send(now, outgoing);
    }

    fn send_to_group(&mut self, now: Instant, request: Request) {
        let token = RequestToken(self.next_heartbeat);
        self.next_heartbeat += 1;
        let outgoing = Outgoing {
            token,
            target: Target::GroupCoordinator,
            version: None,
            request,
        };
        self.send(now, Owner::Membership, outgoing);
    }

    fn compute_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        [
            self.cluster.poll_timeout(),
            self.membership.poll_timeout(),
            self.fetcher.poll_timeout(),
            self.producer.poll_timeout(),
            self.offsets.poll_timeout(),
            self.purge_timeout(),
            self.sources_missing.as_ref().map(|(at, _)| *at),
            self.patience.poll_timeout(),
            self.closing.deadline(),
            self.limits.values().copied().min(),
            self.answer_by,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tell(&mut self, message: RunnerMessage) {
        self.messages.push_back(ToRunner(message));
    }

    fn event(&mut self, event: ClientEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn log(&mut self, level: Level, message: impl Into<String>) {
        self.event(ClientEvent::Log(LogEvent::new(level, message)));
    }

    fn change_state(&mut self, to: ThreadState) {
        let from = self.state;
        // A thread that shuts down goes no other way any more.
        let allowed = match from {
            ThreadState::Dead => false,
            ThreadState::PendingShutdown => to == ThreadState::Dead,
            _ => true,
        };
        if allowed && from != to {
            self.state = to;
            self.event(ClientEvent::StateChanged { from, to });
        }
    }
}
