//! The client machine with a hand-played task runner and hand-made answers.

use super::*;
use crate::net::testing::{FakeBrokers, answer, coordinator, metadata};
use crate::thread::message::{ClientMessage, StartFrom, Ticket};
use crate::topology::InternalTopic;
use crate::types::OffsetAndMetadata;
use crate::wire::RequestFrame;
use crate::wire::messages::ApiVersionsResponse;
use crate::wire::streams_group::{
    Status, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, TaskIds,
};

struct World {
    machine: ClientMachine,
    brokers: FakeBrokers,
    now: Now,
    messages: Vec<RunnerMessage>,
    events: Vec<ClientEvent>,
    /// The internal topics exist.
    internal: bool,
    /// Heartbeats as they came.
    beats: Vec<StreamsGroupHeartbeatRequest>,
    reply: StreamsGroupHeartbeatResponse,
}

impl World {
    fn new() -> Self {
        Self::with_patterns(Vec::new())
    }

    fn with_patterns(source_patterns: Vec<String>) -> Self {
        let config = StreamsConfig::new("app", "boot:1").expect("valid");
        let internal = |name: &str| InternalTopic {
            name: name.into(),
            partitions: None,
            replication_factor: -1,
            configs: BTreeMap::new(),
        };
        let subtopology = Subtopology {
            id: 0,
            source_topics: vec!["in".into(), "narrow".into()],
            source_patterns,
            offset_resets: BTreeMap::new(),
            repartition_source_topics: Vec::new(),
            repartition_sink_topics: Vec::new(),
            sink_topics: vec!["out".into()],
            stores: Vec::new(),
            changelog_topics: vec![internal("app-s-changelog")],
            copartition_groups: Vec::new(),
        };
        let now = Now {
            instant: Instant::from_nanos(1),
            ..Now::default()
        };
        let identity = Identity {
            thread_index: 0,
            process_id: "process",
        };
        let seed = SeedTree::new(11);
        Self {
            machine: ClientMachine::assemble(now, &config, &[subtopology], identity, seed),
            brokers: FakeBrokers::default(),
            now,
            messages: Vec::new(),
            events: Vec::new(),
            internal: false,
            beats: Vec::new(),
            reply: StreamsGroupHeartbeatResponse {
                member_epoch: 1,
                heartbeat_interval_ms: 5000,
                status: Some(Vec::new()),
                ..Default::default()
            },
        }
    }

    /// Moves everything that can move without the clock.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut progress = false;
            while let Some(output) = self.machine.poll_output() {
                progress = true;
                match output {
                    Output::Event(event) => self.events.push(event),
                    output => self.brokers.carry_out(output),
                }
            }
            while let Some(message) = self.machine.poll_message() {
                self.messages.push(message.0);
            }
            if let Some(input) = self.brokers.inputs.pop_front() {
                self.machine.handle_input(self.now, input);
                progress = true;
            } else if let Some((id, _, frame)) = self.brokers.requests.pop_front()
                && let Some(response) = self.answer_to(&frame)
            {
                self.brokers.inputs.push_back(answer(id, &frame, &response));
                progress = true;
            }
            if !progress {
                if let Some(at) = self.machine.poll_timeout() {
                    assert!(at > self.now.instant, "a busy loop");
                }
                return;
            }
        }
        panic!("never settles");
    }

    fn answer_to(&mut self, frame: &RequestFrame) -> Option<Response> {
        match &frame.request {
            Request::Metadata(_) => {
                let both: &[(i32, i32)] = &[(1, 0), (2, 0)];
                let changelog: &[(i32, i32)] = if self.internal { both } else { &[] };
                Some(metadata(&[
                    ("in", both),
                    ("narrow", &[(1, 0)]),
                    ("out", both),
                    ("app-s-changelog", changelog),
                ]))
            }
            Request::FindCoordinator(_) => Some(coordinator(2)),
            Request::StreamsGroupHeartbeat(request) => {
                self.beats.push(request.clone());
                let mut reply = self.reply.clone();
                if request.member_epoch < 0 {
                    reply.member_epoch = -1;
                    reply.status = Some(Vec::new());
                }
                // Lists are sent once, as the broker does.
                self.reply.active_tasks = None;
                self.reply.standby_tasks = None;
                self.reply.warmup_tasks = None;
                Some(Response::StreamsGroupHeartbeat(reply))
            }
            _ => None,
        }
    }

    fn advance(&mut self, millis: u64) {
        let end = self.now.instant.plus_ms(millis);
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now.instant, "a busy loop");
            self.now.instant = at;
            self.machine.handle_input(self.now, Input::Timeout);
            self.settle();
        }
        self.now.instant = end;
    }

    fn say(&mut self, message: ClientMessage) {
        self.machine.handle_message(self.now, ToClient(message));
        self.settle();
    }

    /// The next heartbeat brings these active tasks of sub-topology 0.
    fn assign(&mut self, partitions: Vec<i32>) {
        self.reply.active_tasks = Some(vec![TaskIds {
            subtopology_id: "0".into(),
            partitions,
        }]);
        self.reply.standby_tasks = Some(Vec::new());
        self.reply.warmup_tasks = Some(Vec::new());
    }

    fn assigned(&self) -> Option<(Ticket, Assignment)> {
        self.messages.iter().find_map(|message| match message {
            RunnerMessage::Assign { ticket, assignment } => Some((*ticket, assignment.clone())),
            _ => None,
        })
    }

    fn failure(&self) -> Option<&StreamsError> {
        self.events.iter().find_map(|event| match event {
            ClientEvent::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// Joins with both tasks, which run.
    fn running() -> (Self, Ticket) {
        let mut world = Self::new();
        world.internal = true;
        world.assign(vec![0, 1]);
        world.say(ClientMessage::Polled);
        let (ticket, _) = world.assigned().expect("assigned");
        world.say(ClientMessage::Restored(true));
        world.say(ClientMessage::Assigned { ticket });
        assert_eq!(world.machine.report().state, ThreadState::Running);
        (world, ticket)
    }
}

#[test]
fn holds_an_assignment_until_its_topics_are_there() {
    let mut world = World::new();
    world.settle();
    assert!(world.beats.is_empty(), "user code has not spoken");
    world.assign(vec![1, 0]);
    world.say(ClientMessage::Polled);
    assert_eq!(world.beats.len(), 1);
    assert_eq!(world.beats[0].member_epoch, 0);
    assert_eq!(world.beats[0].member_id.len(), 22);
    assert!(world.assigned().is_none(), "no changelog topic yet");
    world.internal = true;
    world.advance(1500);
    let (ticket, assignment) = world.assigned().expect("released");
    let shown: Vec<Vec<String>> = assignment
        .active
        .iter()
        .map(|task| task.partitions.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(shown, [vec!["in-0", "narrow-0"], vec!["in-1"]]);
    let counts = world
        .messages
        .iter()
        .rev()
        .find_map(|message| match message {
            RunnerMessage::PartitionCounts(counts) => Some(counts.len()),
            _ => None,
        });
    assert_eq!(counts, Some(4));
    let position = |wanted: fn(&RunnerMessage) -> bool| world.messages.iter().position(wanted);
    assert!(
        position(|m| matches!(m, RunnerMessage::PartitionCounts(_)))
            < position(|m| matches!(m, RunnerMessage::Assign { .. }))
    );
    world.say(ClientMessage::Restored(true));
    world.say(ClientMessage::Assigned { ticket });
    let report = world.machine.report();
    assert_eq!(report.state, ThreadState::Running);
    assert_eq!(report.active_tasks.len(), 2);
    // The tasks are acknowledged at once.
    let owned = world
        .beats
        .last()
        .and_then(|beat| beat.active_tasks.clone());
    assert_eq!(owned.expect("a full heartbeat")[0].partitions, [0, 1]);
}

#[test]
fn closes_tasks_then_leaves_once() {
    let (mut world, _) = World::running();
    world.machine.close(world.now);
    world.settle();
    assert!(matches!(world.messages.last(), Some(RunnerMessage::Close)));
    let beats = world.beats.len();
    world.advance(11_000);
    assert!(
        world.beats.len() >= beats + 2,
        "beats go on while tasks close"
    );
    assert!(world.beats.iter().all(|beat| beat.member_epoch >= 0));
    world.say(ClientMessage::Closed);
    let leaves = world.beats.iter().filter(|beat| beat.member_epoch == -1);
    assert_eq!(leaves.count(), 1);
    assert!(world.machine.is_closed());
    assert!(matches!(world.events.last(), Some(ClientEvent::Closed)));
    assert_eq!(world.machine.poll_timeout(), None);
    world.say(ClientMessage::Polled);
    assert!(world.machine.poll_output().is_none());
}

#[test]
fn a_closing_thread_takes_no_more_tasks() {
    for closes in [false, true] {
        let (mut world, _) = World::running();
        world.assign(vec![0, 1, 2]);
        if closes {
            world.machine.close(world.now);
        }
        let before = world.messages.len();
        world.advance(11_000);
        let assigned = world.messages[before..]
            .iter()
            .any(|message| matches!(message, RunnerMessage::Assign { .. }));
        assert_eq!(assigned, !closes);
        world.say(ClientMessage::Closed);
        assert_eq!(world.machine.is_closed(), closes);
    }
}

#[test]
fn closes_in_bounded_time_without_broker_and_runner() {
    let config = StreamsConfig::new("app", "nowhere:1").expect("valid");
    let mut now = Now::default();
    let identity = Identity {
        thread_index: 0,
        process_id: "process",
    };
    let seed = SeedTree::new(1);
    let mut machine = ClientMachine::assemble(now, &config, &[], identity, seed);
    machine.close(now);
    while let Some(at) = machine.poll_timeout() {
        assert!(at > now.instant, "a busy loop");
        now.instant = at;
        machine.handle_input(now, Input::Timeout);
    }
    assert!(machine.is_closed());
    assert!(now.instant <= Instant::ZERO.plus_ms(36_000));
}

#[test]
fn group_statuses_stop_the_thread_with_their_own_errors() {
    for (code, expected) in [
        (4, StreamsError::ShutdownRequested),
        (2, StreamsError::Topology("why".into())),
        (1, StreamsError::MissingSourceTopics("why".into())),
    ] {
        let (mut world, _) = World::running();
        world.reply.status = Some(vec![Status {
            status_code: code,
            status_detail: "why".into(),
        }]);
        world.advance(5100);
        if code == 1 {
            assert_eq!(world.failure(), None, "two heartbeat intervals of patience");
            world.advance(10_000);
        }
        assert_eq!(world.failure(), Some(&expected));
        let aborted = |m: &RunnerMessage| matches!(m, RunnerMessage::Abort(e) if *e == expected);
        assert!(world.messages.iter().any(aborted));
        world.say(ClientMessage::Closed);
        assert!(world.machine.is_closed());
        assert_eq!(world.beats.last().map(|beat| beat.member_epoch), Some(-1));
    }
}

#[test]
fn missing_sources_that_come_in_time_are_forgiven() {
    let (mut world, _) = World::running();
    world.reply.status = Some(vec![Status {
        status_code: 1,
        status_detail: "in".into(),
    }]);
    world.advance(5100);
    world.reply.status = Some(Vec::new());
    world.advance(30_000);
    assert_eq!(world.failure(), None);
}

#[test]
fn a_cluster_without_streams_groups_is_refused_in_plain_words() {
    let mut world = World::new();
    // The handshake is answered by hand.
    let mut outputs = Vec::new();
    while let Some(output) = world.machine.poll_output() {
        outputs.push(output);
    }
    let Some(Output::Connect { connection, .. }) = outputs
        .into_iter()
        .find(|output| matches!(output, Output::Connect { .. }))
    else {
        panic!("no connection");
    };
    world
        .machine
        .handle_input(world.now, Input::Connected(connection));
    let Some(Output::Transmit(_, bytes)) = world.machine.poll_output() else {
        panic!("no handshake");
    };
    let frame = crate::wire::decode_request(bytes.slice(4..)).expect("a request");
    let none = Response::ApiVersions(ApiVersionsResponse::default());
    let input = answer(connection, &frame, &none);
    world.machine.handle_input(world.now, input);
    world.settle();
    assert!(matches!(
        world.failure(),
        Some(StreamsError::Unsupported(_))
    ));
    world.say(ClientMessage::Closed);
    world.advance(5000);
    assert!(world.machine.is_closed());
    assert!(world.beats.is_empty());
}

#[test]
fn a_fenced_member_loses_its_tasks_and_comes_back() {
    let (mut world, _) = World::running();
    let good = world.reply.clone();
    world.reply.error_code = 110;
    world.advance(5100);
    let ticket = world.messages.iter().find_map(|message| match message {
        RunnerMessage::Lose { ticket } => Some(*ticket),
        _ => None,
    });
    let ticket = ticket.expect("lost");
    assert_eq!(world.machine.report().active_tasks.len(), 0);
    world.reply = good;
    world.messages.clear();
    world.assign(vec![0]);
    world.say(ClientMessage::Released { ticket });
    world.say(ClientMessage::Polled);
    let (_, assignment) = world.assigned().expect("assigned again");
    assert_eq!(assignment.active.len(), 1);
    let ids: std::collections::BTreeSet<&str> =
        world.beats.iter().map(|b| b.member_id.as_str()).collect();
    assert_eq!(ids.len(), 1, "the same member");
}

#[test]
fn two_minutes_in_user_code_keep_the_membership_and_more_than_allowed_gives_it_up() {
    let (mut world, _) = World::running();
    world.beats.clear();
    world.messages.clear();
    // The runner says nothing: `process()` has not returned.
    world.advance(120_000);
    assert!(world.beats.len() >= 20, "{} heartbeats", world.beats.len());
    assert!(world.beats.iter().all(|beat| beat.member_epoch > 0));
    assert_eq!(world.machine.report().active_tasks.len(), 2);
    assert!(world.messages.is_empty());

    // `max.poll.interval.ms` is five minutes.
    world.advance(185_000);
    let last = world.beats.last().expect("it beat");
    assert_eq!(last.member_epoch, -1, "it left");
    assert_eq!(world.machine.report().active_tasks.len(), 0);
    assert_eq!(world.failure(), None);
    let lost = world.messages.iter().find_map(|message| match message {
        RunnerMessage::Lose { ticket } => Some(*ticket),
        _ => None,
    });
    let ticket = lost.expect("its tasks are lost");

    // It returns, and the member comes back.
    world.beats.clear();
    world.assign(vec![0]);
    world.say(ClientMessage::Released { ticket });
    assert!(world.beats.is_empty(), "not before user code has spoken");
    world.say(ClientMessage::Polled);
    assert_eq!(world.beats[0].member_epoch, 0);
    assert!(world.assigned().is_some());
}

/// What the thread fails with when the broker answers nothing that `message` asks for.
fn impatient(message: ClientMessage) -> (u64, String) {
    let (mut world, _) = World::running();
    let began = world.now.instant;
    world.say(message);
    while world.failure().is_none() {
        world.advance(1000);
        world.say(ClientMessage::Polled);
    }
    let waited = world.now.instant.saturating_duration_since(began);
    let failure = world.failure().expect("it failed").to_string();
    (waited.as_secs(), failure)
}

#[test]
fn what_takes_too_long_is_given_up_after_the_task_timeout() {
    let partition = TopicPartition::new("in", 0);
    let offset = OffsetAndMetadata {
        offset: 1,
        leader_epoch: None,
        metadata: String::new(),
    };
    let commit = ClientMessage::Commit {
        ticket: 1,
        offsets: vec![(partition.clone(), offset)],
    };
    let from = StartFrom::Committed;
    let start = ClientMessage::Start { partition, from };
    for (message, what) in [(commit, "the offset commit"), (start, "read in-0 from")] {
        let (seconds, failure) = impatient(message);
        assert!(failure.contains(what), "{failure}");
        // `task.timeout.ms` and `request.timeout.ms`
        assert!((340..342).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn a_member_without_tasks_runs_too() {
    let mut world = World::new();
    world.internal = true;
    world.assign(Vec::new());
    world.say(ClientMessage::Polled);
    let (ticket, assignment) = world.assigned().expect("an empty assignment");
    assert!(
        assignment
            .active
            .iter()
            .all(|task| task.partitions.is_empty())
    );
    world.say(ClientMessage::Restored(true));
    world.say(ClientMessage::Assigned { ticket });
    assert_eq!(world.machine.report().state, ThreadState::Running);
}

#[test]
fn patterns_of_topics_are_refused_before_the_group_is_asked() {
    let mut world = World::with_patterns(vec!["in-.*".to_owned()]);
    world
        .machine
        .handle_message(world.now, ToClient(ClientMessage::Polled));
    world.settle();
    let message = world.events.iter().find_map(|event| match event {
        ClientEvent::Failed(StreamsError::Unsupported(message)) => Some(message.clone()),
        _ => None,
    });
    let message = message.expect("the thread fails");
    assert!(
        message.contains("in-.*") && message.contains("name the topics"),
        "{message}"
    );
    world
        .machine
        .handle_message(world.now, ToClient(ClientMessage::Closed));
    world.settle();
    world.advance(10_000);
    assert!(world.beats.is_empty(), "it never joins: {:?}", world.beats);
    assert!(world.machine.is_closed());
}
