//! One run: takes what is due, in order, and carries it to the machine it is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::config::{HostPort, StreamsConfig};
use eddyline_core::error::StreamsError;
use eddyline_core::rng::{Rng, SeedTree};
use eddyline_core::state::storage::StorageError;
use eddyline_core::thread::{
    ClientEvent, ConnectionId, Input, Output, RunnerEvent, SuspendReason, TaskState,
};
use eddyline_core::time::{Instant, Now, WallClock};
use eddyline_core::topology::Topology;
use eddyline_core::trace::Level;
use eddyline_core::types::{BrokerId, TaskId};
use eddyline_core::wire::ApiKey;

use super::applications::Application;
use super::events::{Alarm, Event, EventQueue};
use super::instance::{Instance, StreamThread};
use super::interpreter::Interpreter;
use super::moments::Moments;
use super::network::{Connection, End, Pipe, Segment};
use super::oracles::{Oracles, Wakeups, shared_task};
use super::schedule::{Network, START_MS, Schedule};
use super::trace::Trace;
use super::workload::{FAILURE, Produced, Signals};
use crate::broker::ConnectionId as BrokerConnectionId;
use crate::broker::{Broker, BrokerInput, BrokerOutput};

/// What a run is about.
pub(super) struct Scenario {
    pub(super) seed: SeedTree,
    pub(super) schedule: Schedule,
    pub(super) config: StreamsConfig,
    pub(super) topology: Arc<Topology>,
    /// In order of time.
    pub(super) input: Vec<Produced>,
    /// What it does is known: an interpreter checks it.
    pub(super) application: Option<Application>,
    /// What processors are told.
    pub(super) signals: Arc<Signals>,
    #[cfg(test)]
    pub(super) sabotage: Option<fn(&mut World<'_>)>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Input and faults come, and everything has to come to rest afterwards.
    Working,
    /// All instances close.
    Closing,
    Over,
}

/// A direction between an instance and nodes in which nothing passes.
pub(super) struct Blockade {
    pub(super) instance: usize,
    pub(super) node: Option<BrokerId>,
    pub(super) end: End,
    pub(super) until: Instant,
}

/// The cluster, its clients, and everything between them.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Instant,
    pub(super) queue: EventQueue,
    pub(super) broker: Broker,
    broker_alarm: Alarm,
    broker_wakeups: Wakeups,
    pub(super) connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    pub(super) blockades: Vec<Blockade>,
    pub(super) moments: Moments,
    pub(super) threads: BTreeMap<u64, StreamThread>,
    next_thread: u64,
    pub(super) instances: Vec<Instance>,
    next_input: usize,
    pub(super) network_rng: Rng,
    pub(super) fault_rng: Rng,
    pub(super) disk_rng: Rng,
    /// Connections that the cluster closes break at any byte.
    pub(super) is_abrupt: bool,
    pub(super) phase: Phase,
    pub(super) deadline: Instant,
    /// What was still to be committed when the deadline was put off.
    pub(super) lag: Option<String>,
    pub(super) oracles: Oracles,
    /// Follows transactions, where what they must hold is known.
    pub(super) interpreter: Option<Interpreter>,
    pub(super) trace: Trace<'a>,
}

/// The wall clock when a run begins: some time in 2025.
pub(super) const WALL_CLOCK_START_MS: i64 = 1_750_000_000_000;
/// A run of more events never ends.
const EVENTS_MAX: u64 = 2_000_000;

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, mut broker: Broker, trace: Trace<'a>) -> Self {
        let is_exactly_once = scenario.config.is_exactly_once();
        let followed = scenario.application.filter(|_| is_exactly_once);
        if followed.is_some() {
            broker.watch_transactions();
        }
        let Scenario { seed, schedule, .. } = scenario;
        let mut rng = seed.child("skew", 0).rng();
        let instances = schedule.starts_ms.iter().map(|_| Instance {
            skew_ms: rng.below(schedule.skew_ms + 1) as i64,
            ..Instance::default()
        });
        Self {
            scenario,
            now: Instant::ZERO.plus_ms(START_MS),
            queue: EventQueue::default(),
            broker,
            broker_alarm: Alarm::default(),
            broker_wakeups: Wakeups::default(),
            connections: BTreeMap::new(),
            next_connection: 0,
            blockades: Vec::new(),
            moments: Moments::default(),
            threads: BTreeMap::new(),
            next_thread: 0,
            instances: instances.collect(),
            next_input: 0,
            network_rng: seed.child("network", 1).rng(),
            fault_rng: seed.child("faults", 1).rng(),
            disk_rng: seed.child("disk", 1).rng(),
            is_abrupt: false,
            phase: Phase::Working,
            deadline: Instant::MAX,
            lag: None,
            oracles: Oracles::new(is_exactly_once),
            interpreter: followed.map(|application| Interpreter::new(application.rules())),
            trace,
        }
    }

    /// Runs until everything has come to rest and is closed, or something is wrong.
    pub(super) fn run(&mut self) {
        let schedule = &self.scenario.schedule;
        for (instance, start_ms) in schedule.starts_ms.iter().enumerate() {
            self.instances[instance].is_wanted = true;
            let at = self.now.plus_ms(*start_ms);
            self.queue.add(at, Event::Start { instance });
        }
        for (index, fault) in schedule.faults.iter().enumerate() {
            self.queue.add(fault.from, Event::Fault { index });
            self.queue.add(fault.until, Event::Heal { index });
        }
        if let Some(first) = self.scenario.input.first() {
            self.queue.add(first.at, Event::Input);
        }
        let input_end = self.scenario.input.last().map_or(self.now, |last| last.at);
        let quiet = schedule.faults_end().max(input_end).plus_ms(1);
        self.deadline = quiet.plus_ms(self.settle_ms());
        self.queue.add(quiet.max(self.now), Event::Check);
        while self.phase != Phase::Over
            && self.oracles.is_clean()
            && let Some((at, event)) = self.queue.next()
        {
            self.now = at;
            self.scenario.signals.set_clock(at);
            #[cfg(test)]
            if let Some(sabotage) = self.scenario.sabotage {
                sabotage(self);
            }
            self.handle(event);
            self.drain_broker();
            self.carry_out_moments();
            self.drain_broker();
            self.check_owners();
            self.check_transactions();
            if self.trace.events() > EVENTS_MAX {
                let message = format!("{EVENTS_MAX} events by {at}");
                self.oracles.report("loop", message);
            }
        }
    }

    /// Time to come to rest: for sessions to end, stuck closes to give up, and commits to follow.
    fn settle_ms(&self) -> u64 {
        let config = &self.scenario.config;
        let session_ms = u64::from(self.scenario.schedule.group.session_timeout_ms);
        let waits = config.max_poll_interval_ms() + config.request_timeout_ms() + session_ms;
        // An instance that vanished leaves a transaction behind.
        let transaction_ms = if config.is_exactly_once() {
            config.transaction_timeout_ms()
        } else {
            0
        };
        2 * waits + 4 * config.commit_interval_ms() + 2 * transaction_ms + 40_000
    }

    /// The time on an instance's clocks.
    pub(super) fn clock(&self, instance: usize) -> Now {
        let skew_ms = self.instances.get(instance).map_or(0, |i| i.skew_ms);
        let millis = (self.now.as_nanos() / 1_000_000) as i64;
        Now {
            instant: self.now,
            wall_clock: WallClock(WALL_CLOCK_START_MS + millis + skew_ms),
        }
    }

    /// The time on the clocks of the cluster.
    pub(super) fn broker_clock(&self) -> Now {
        self.clock(usize::MAX)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive { connection, end } => self.arrive(connection, end),
            Event::Broker => self.broker_timer(),
            Event::Client { thread } => self.client_due(thread),
            Event::Runner { thread } => self.runner_due(thread),
            Event::Input => self.produce(),
            Event::Fault { index } => self.begin_fault(index),
            Event::Heal { index } => self.end_fault(index),
            Event::Start { instance } => self.start(instance),
            Event::Check => self.check(),
        }
    }

    fn produce(&mut self) {
        let input = &self.scenario.input;
        while let Some(produced) = input.get(self.next_input) {
            if produced.at > self.now {
                self.queue.add(produced.at, Event::Input);
                return;
            }
            self.next_input += 1;
            let now = self.broker_clock();
            let batch = produced.batch(now.wall_clock);
            self.trace.event(self.now, "input", 0, &produced.value);
            let appended = self
                .broker
                .append(now, &produced.topic, produced.partition, &batch);
            if appended.is_none() {
                let message = format!("no partition {}-{}", produced.topic, produced.partition);
                self.oracles.report("input", message);
            }
        }
    }

    /// Starts the threads of an instance, once those before are gone.
    fn start(&mut self, instance: usize) {
        let state = &mut self.instances[instance];
        if !state.is_wanted || self.phase != Phase::Working {
            return;
        }
        if let Some(first) = state.threads.first() {
            // Those that are not closing are what was to be started.
            if !self.threads.get(first).is_some_and(|t| t.is_closing) {
                return;
            }
            let again = self.now.plus_ms(50);
            return self.queue.add(again, Event::Start { instance });
        }
        state.starts += 1;
        let name = format!("instance-{instance}-{}", state.starts);
        let seed = self.scenario.seed.child(&name, 0);
        let now = self.clock(instance);
        let config = self.scenario.config.clone().set("client.id", &name);
        let Ok(config) = config else { return };
        for index in 0..config.num_stream_threads() {
            let id = self.next_thread;
            self.next_thread += 1;
            let seed = seed.child("thread", index as u64);
            let topology = &self.scenario.topology;
            let disk = &self.instances[instance].disk;
            let thread = StreamThread::new(now, &config, topology, instance, index, seed, disk);
            self.trace.note(self.now, "start", id, &thread.name);
            let mut journal = self.scenario.signals.journal();
            journal.started(&thread.name, id);
            drop(journal);
            self.threads.insert(id, thread);
            self.instances[instance].threads.push(id);
            self.pump_client(id);
            self.wake_runner(id, self.now);
        }
    }

    // The clients.

    fn client_due(&mut self, id: u64) {
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        if !thread.client_alarm.take(self.now) {
            return;
        }
        if thread.client_paused_until <= self.now {
            let now = self.clock_of(id);
            self.take_client_messages(id);
            let Some(thread) = self.threads.get_mut(&id) else {
                return;
            };
            if thread
                .client
                .poll_timeout()
                .is_some_and(|at| at <= self.now)
            {
                self.trace.event(self.now, "client timer", id, &[]);
                if let Some(wrong) = thread.client_wakeups.count(self.now) {
                    let message = format!("client of {}: {wrong}", thread.name);
                    self.oracles.report("loop", message);
                }
                thread.client.handle_input(now, Input::Timeout);
            }
        }
        self.pump_client(id);
    }

    pub(super) fn clock_of(&self, thread: u64) -> Now {
        let instance = self.threads.get(&thread).map_or(usize::MAX, |t| t.instance);
        self.clock(instance)
    }

    fn take_client_messages(&mut self, id: u64) {
        let now = self.clock_of(id);
        while let Some(thread) = self.threads.get_mut(&id)
            && let Some((at, _)) = thread.to_client.front()
            && *at <= self.now
            && let Some((_, message)) = thread.to_client.pop_front()
        {
            self.trace.event(self.now, "to client", id, &[]);
            thread.client.handle_message(now, message);
            self.pump_client(id);
        }
    }

    pub(super) fn input_client(&mut self, id: u64, input: Input) {
        let now = self.clock_of(id);
        if let Some(thread) = self.threads.get_mut(&id) {
            thread.client.handle_input(now, input);
            self.pump_client(id);
        }
    }

    /// Takes what a client machine has for the runner and the network.
    pub(super) fn pump_client(&mut self, id: u64) {
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        let mut told = false;
        while let Some(message) = thread.client.poll_message() {
            thread.to_runner.push_back((self.now, message));
            told = true;
        }
        let mut outputs = Vec::new();
        while let Some(output) = thread.client.poll_output() {
            outputs.push(output);
        }
        for output in outputs {
            self.carry_out(id, output);
        }
        if told {
            self.wake_runner(id, self.now);
        }
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        if thread.client.is_closed() {
            return self.remove_thread(id);
        }
        if let Some(due) = thread.client_due() {
            let due = due.max(self.now);
            let event = Event::Client { thread: id };
            thread.client_alarm.set(&mut self.queue, due, event);
        }
    }

    fn carry_out(&mut self, id: u64, output: Output) {
        match output {
            Output::Connect {
                connection,
                address,
            } => self.connect(id, connection, &address),
            Output::Transmit(connection, bytes) => self.transmit(id, connection, bytes),
            Output::Close(connection) => {
                let thread = self.threads.get_mut(&id);
                let known = thread.and_then(|thread| thread.connections.remove(&connection));
                if let Some(connection) = known {
                    self.send(connection, End::Broker, Segment::Close);
                    if let Some(open) = self.connections.get_mut(&connection) {
                        open.to_client.abandon();
                    }
                }
            }
            Output::Event(event) => self.client_event(id, &event),
        }
    }

    fn client_event(&mut self, id: u64, event: &ClientEvent) {
        let closing = self.threads.get(&id).is_some_and(|t| t.is_closing);
        match event {
            ClientEvent::Log(log) if log.level == Level::Error => {
                self.oracles.report("error", log.message.clone());
            }
            ClientEvent::Failed(StreamsError::Storage(StorageError::Full { .. })) => {
                self.stop_failed(id);
            }
            ClientEvent::Failed(StreamsError::Processing { message, .. }) if message == FAILURE => {
                self.stop_failed(id);
            }
            // Without brokers a close gives up; anything else has no excuse.
            ClientEvent::Failed(error) if !closing => {
                let message = format!("thread {id} failed: {error}");
                self.oracles.report("error", message);
            }
            _ => {}
        }
        let text = match event {
            ClientEvent::Log(log) => log.message.clone(),
            event => format!("{event:?}"),
        };
        self.trace.note(self.now, "client", id, &text);
    }

    /// The thread has closed.
    fn remove_thread(&mut self, id: u64) {
        self.trace.note(self.now, "closed", id, "");
        if let Some(thread) = self.threads.remove(&id) {
            let instance = &mut self.instances[thread.instance];
            instance.threads.retain(|other| *other != id);
            if !thread.is_closing {
                let message = format!("{} closed unasked", thread.name);
                self.oracles.report("error", message);
            }
            for connection in thread.connections.into_values() {
                self.send(connection, End::Broker, Segment::Close);
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.to_client.abandon();
                }
            }
        }
    }

    // The task runners.

    pub(super) fn wake_runner(&mut self, id: u64, at: Instant) {
        if let Some(thread) = self.threads.get_mut(&id) {
            let at = at.max(thread.busy_until);
            let event = Event::Runner { thread: id };
            thread.runner_alarm.set(&mut self.queue, at, event);
        }
    }

    fn runner_due(&mut self, id: u64) {
        let step_us = self.scenario.schedule.step_us;
        let took_us = step_us + self.network_rng.below(step_us);
        let now = self.clock_of(id);
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        if !thread.runner_alarm.take(self.now) {
            return;
        }
        if thread.busy_until > self.now {
            let until = thread.busy_until;
            return self.wake_runner(id, until);
        }
        self.trace.event(self.now, "runner", id, &[]);
        self.scenario.signals.journal().runs(id);
        let (more, took) = thread.step_runner(now, self.scenario.schedule.budget);
        if !took && let Some(wrong) = thread.runner_wakeups.count(self.now) {
            let message = format!("runner of {}: {wrong}", thread.name);
            self.oracles.report("loop", message);
        }
        let took = std::time::Duration::from_micros(took_us);
        thread.busy_until = thread.busy_until.max(self.now.saturating_add(took));
        let (mut events, told) = (Vec::new(), thread.busy_until);
        while let Some(event) = thread.runner.poll_event() {
            thread.note(&event);
            events.push(event);
        }
        while let Some(message) = thread.runner.poll_message() {
            thread.to_client.push_back((told, message));
        }
        let instance = thread.instance;
        let due = if more {
            Some(thread.busy_until)
        } else {
            thread.runner_due()
        };
        if let Some(due) = thread.client_due() {
            let due = due.max(self.now);
            let event = Event::Client { thread: id };
            thread.client_alarm.set(&mut self.queue, due, event);
        }
        if let Some(due) = due {
            self.wake_runner(id, due);
        }
        for event in events {
            self.runner_event(id, &event);
        }
        let written = self.instances[instance].disk.take_written();
        self.check_disk(instance, written);
    }

    fn runner_event(&mut self, id: u64, event: &RunnerEvent) {
        self.note_runner_event(id, event);
        match event {
            RunnerEvent::Log(log) if log.level == Level::Error => {
                self.oracles.report("error", log.message.clone());
            }
            RunnerEvent::RestoreStarted {
                partition,
                offset,
                end,
                ..
            } => {
                if let Some(thread) = self.threads.get(&id) {
                    let name = &thread.name;
                    self.oracles.restore_started(name, partition, *end);
                    self.oracles.restores_the_rest(name, partition, *offset);
                }
            }
            RunnerEvent::StandbySuspended {
                position,
                reason: SuspendReason::Promoted,
            } if !self.scenario.schedule.fills_disks() => {
                if let Some(thread) = self.threads.get(&id) {
                    let (name, partition) = (&thread.name, &position.partition);
                    self.oracles.promoted(name, partition, position.position);
                }
            }
            RunnerEvent::TaskStateChanged { task, to, .. } if *to == TaskState::Running => {
                self.check_runners(id, *task);
                self.check_restored(id, *task);
            }
            _ => {}
        }
        let text = match event {
            RunnerEvent::Log(log) => log.message.clone(),
            event => format!("{event:?}"),
        };
        self.trace.note(self.now, "tasks", id, &text);
    }

    // The network.

    fn connect(&mut self, thread: u64, id: ConnectionId, address: &HostPort) {
        let Some(owner) = self.threads.get_mut(&thread) else {
            return;
        };
        let host = address.host.strip_prefix("broker-");
        let node = BrokerId(host.and_then(|node| node.parse().ok()).unwrap_or(-1));
        self.next_connection += 1;
        let connection = self.next_connection;
        owner.connections.insert(id, connection);
        self.trace.comment(self.now, "connects", connection, || {
            format!("thread {thread} to {address}")
        });
        let mut open = Connection {
            thread,
            instance: owner.instance,
            id,
            node,
            is_open: false,
            to_broker: Pipe::default(),
            to_client: Pipe::default(),
            asked: BTreeMap::new(),
            answers: Vec::new(),
        };
        self.blockades.retain(|blockade| blockade.until > self.now);
        for blockade in &self.blockades {
            if blockade.instance == open.instance && blockade.node.is_none_or(|n| n == node) {
                open.pipe(blockade.end).stall(blockade.until);
            }
        }
        self.connections.insert(connection, open);
        self.send(connection, End::Broker, Segment::Open);
    }

    fn transmit(&mut self, thread: u64, id: ConnectionId, bytes: Bytes) {
        let owner = self.threads.get(&thread);
        let Some(connection) = owner.and_then(|t| t.connections.get(&id).copied()) else {
            return;
        };
        self.trace.comment(self.now, "sends", connection, || {
            let api = bytes.get(4..6).and_then(|key| key.first_chunk());
            let api = api.map(|key| ApiKey::try_from(i16::from_be_bytes(*key)));
            format!("{} bytes of {api:?}", bytes.len())
        });
        self.note_request(thread, connection, &bytes);
        self.send_bytes(connection, End::Broker, bytes);
    }

    fn send_bytes(&mut self, connection: u64, to: End, mut bytes: Bytes) {
        if self.scenario.schedule.network.cuts_segments {
            while bytes.len() > 1 && self.network_rng.chance(1, 2) {
                let at = 1 + self.network_rng.below(bytes.len() as u64 - 1) as usize;
                let head = bytes.split_to(at);
                self.send(connection, to, Segment::Bytes(head));
            }
        }
        self.send(connection, to, Segment::Bytes(bytes));
    }

    pub(super) fn send(&mut self, connection: u64, to: End, segment: Segment) {
        let at = self.now.saturating_add(self.delay());
        if let Some(open) = self.connections.get_mut(&connection) {
            open.pipe(to).send(at, segment);
            self.arm(connection, to);
        }
    }

    fn delay(&mut self) -> std::time::Duration {
        let Network {
            base_us,
            jitter_us,
            spike_us,
            ..
        } = self.scenario.schedule.network;
        let rng = &mut self.network_rng;
        let spike = rng.chance(1, 100) && self.now < self.scenario.schedule.faults_end();
        let spike_us = if spike { rng.below(spike_us + 1) } else { 0 };
        let nanos = (base_us + spike_us) * 1_000 + rng.below(jitter_us * 1_000);
        std::time::Duration::from_nanos(nanos)
    }

    /// Sees to it that what is first in a pipe arrives.
    pub(super) fn arm(&mut self, connection: u64, end: End) {
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        let pipe = open.pipe(end);
        if let Some(at) = pipe.next_at() {
            let event = Event::Arrive { connection, end };
            pipe.alarm.set(&mut self.queue, at.max(self.now), event);
        }
    }

    fn arrive(&mut self, connection: u64, end: End) {
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        let (thread, id, node) = (open.thread, open.id, open.node);
        let pipe = open.pipe(end);
        if !pipe.alarm.take(self.now) {
            return;
        }
        let segment = pipe.take(self.now);
        self.arm(connection, end);
        match (segment, end) {
            (Some(segment), End::Broker) => self.arrive_at_broker(connection, node, segment),
            (Some(segment), End::Client) => self.arrive_at_client(connection, thread, id, segment),
            (None, _) => {}
        }
        if self
            .connections
            .get(&connection)
            .is_some_and(Connection::is_over)
        {
            self.connections.remove(&connection);
        }
    }

    fn arrive_at_broker(&mut self, connection: u64, node: BrokerId, segment: Segment) {
        let now = self.broker_clock();
        let id = BrokerConnectionId(connection);
        match segment {
            Segment::Open => {
                self.trace.event(self.now, "connected", connection, &[]);
                let connection = id;
                self.broker
                    .handle_input(now, BrokerInput::Connected { connection, node });
                self.drain_broker();
                self.send(id.0, End::Client, Segment::Open);
            }
            Segment::Bytes(bytes) => {
                self.trace.event(self.now, "request", connection, &bytes);
                self.broker
                    .handle_input(now, BrokerInput::Received(id, bytes));
            }
            Segment::Close => {
                self.trace.event(self.now, "disconnected", connection, &[]);
                self.broker.handle_input(now, BrokerInput::Disconnected(id));
                self.send(connection, End::Client, Segment::Close);
            }
        }
    }

    fn arrive_at_client(
        &mut self,
        connection: u64,
        thread: u64,
        id: ConnectionId,
        segment: Segment,
    ) {
        let open = self.connections.get_mut(&connection);
        let was_open = open.is_some_and(|open| std::mem::replace(&mut open.is_open, true));
        let input = match segment {
            Segment::Open => Input::Connected(id),
            Segment::Bytes(bytes) => {
                self.trace.event(self.now, "response", connection, &bytes);
                self.input_client(thread, Input::Received(id, bytes));
                return self.note_arrived(connection);
            }
            Segment::Close if was_open => Input::Disconnected(id),
            Segment::Close => Input::ConnectFailed(id, "connection refused".to_owned()),
        };
        self.trace.event(self.now, "link", connection, &[]);
        if !matches!(input, Input::Connected(_)) {
            if let Some(thread) = self.threads.get_mut(&thread) {
                thread.connections.remove(&id);
            }
            self.send(connection, End::Broker, Segment::Close);
        }
        self.input_client(thread, input);
    }

    // The cluster.

    fn broker_timer(&mut self) {
        if !self.broker_alarm.take(self.now) {
            return;
        }
        if self.broker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.trace.event(self.now, "broker timer", 0, &[]);
            if let Some(wrong) = self.broker_wakeups.count(self.now) {
                self.oracles.report("loop", format!("the cluster: {wrong}"));
            }
            let now = self.broker_clock();
            self.broker.handle_input(now, BrokerInput::Timeout);
        }
    }

    /// Takes what the cluster has for its clients.
    pub(super) fn drain_broker(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            match output {
                BrokerOutput::Transmit(connection, bytes) => {
                    self.note_answer(connection.0, &bytes);
                    self.send_bytes(connection.0, End::Client, bytes);
                }
                BrokerOutput::Close(connection) => self.closed_by_broker(connection.0),
                BrokerOutput::Log(log) => self.trace.note(self.now, "broker", 0, &log.message),
            }
        }
        if let Some(at) = self.broker.poll_timeout() {
            let at = at.max(self.now);
            self.broker_alarm.set(&mut self.queue, at, Event::Broker);
        }
    }

    fn closed_by_broker(&mut self, connection: u64) {
        let (is_abrupt, now) = (self.is_abrupt, self.now);
        if let Some(open) = self.connections.get_mut(&connection) {
            open.to_broker.abandon();
            if is_abrupt {
                let keep = self.network_rng.below(open.to_client.bytes_under_way() + 1);
                open.to_client.cut(now, keep);
            }
        }
        self.send(connection, End::Client, Segment::Close);
        self.arm(connection, End::Client);
    }

    /// No task is processed twice at a time, as far as the group knows its members.
    fn check_owners(&mut self) {
        let Some(group) = self.broker.group(self.scenario.config.application_id()) else {
            return;
        };
        if let Some((task, one, other)) = shared_task(group.applied()) {
            let (subtopology, partition) = (&task.subtopology, task.partition);
            let message = format!("{one} and {other} both own task {subtopology}_{partition}");
            self.oracles.report("owners", message);
        }
    }

    /// A task that begins to run is in no other member's hands. A member that was expelled may
    /// still run it: it learns so with its next heartbeat, and is none until it has let go.
    fn check_runners(&mut self, id: u64, task: TaskId) {
        let group = self.broker.group(self.scenario.config.application_id());
        let Some(group) = group else { return };
        let is_member =
            |thread: &StreamThread| group.members().contains_key(thread.client.member_id());
        if !self.threads.get(&id).is_some_and(is_member) {
            return;
        }
        let others = self.threads.iter().filter(|(other, _)| **other != id);
        let mut holders =
            others.filter(|(_, thread)| thread.tasks.contains_key(&task) && is_member(thread));
        if let Some((_, other)) = holders.next() {
            let message = format!("task {task} runs in thread {id} and in {}", other.name);
            self.oracles.report("owners", message);
        }
    }
}
