//! The checks that the protocol's description asks of a member.

use super::*;
use crate::rng::SeedTree;
use crate::time::Instant;
use crate::types::MemberEpoch;
use crate::wire::streams_group::{
    DescribedGroup, DescribedMember, MemberAssignment, Status, StreamsGroupDescribeResponse,
    StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, Subtopology,
};
use crate::wire::{Request, Response};

const ZERO: Instant = Instant::ZERO;

fn config(member_id: &str, source: &str) -> MembershipConfig {
    MembershipConfig {
        group_id: "h1".into(),
        member_id: member_id.into(),
        process_id: format!("p-{member_id}"),
        rebalance_timeout_ms: 60_000,
        max_poll_interval_ms: 60_000,
        retry_backoff_ms: 100,
        retry_backoff_max_ms: 1000,
        endpoint: None,
        client_tags: Vec::new(),
        rack_id: None,
        topology: Topology {
            epoch: 0,
            subtopologies: vec![Subtopology {
                subtopology_id: "0".into(),
                source_topics: vec![source.into()],
                ..Subtopology::default()
            }],
        },
    }
}

impl Membership {
    /// The heartbeat to send now.
    fn beat(&mut self, now: Instant) -> Option<StreamsGroupHeartbeatRequest> {
        match self.poll_request(now)? {
            Request::StreamsGroupHeartbeat(request) => Some(request),
            other => panic!("no heartbeat: {other:?}"),
        }
    }

    fn answered(&mut self, now: Instant, response: StreamsGroupHeartbeatResponse) {
        self.handle_response(now, Ok(Response::StreamsGroupHeartbeat(response)));
    }

    /// The member asks what it has, and is told these active tasks.
    fn asks_and_hears(&mut self, now: Instant, partitions: &[i32]) {
        let request = self.poll_request(now);
        let Some(Request::StreamsGroupDescribe(request)) = request else {
            panic!("does not ask: {request:?}");
        };
        assert_eq!(request.group_ids, ["h1"]);
        self.hears(now, self.member_epoch().0, partitions);
    }

    /// The answer to that.
    fn hears(&mut self, now: Instant, member_epoch: i32, partitions: &[i32]) {
        let described = DescribedMember {
            member_id: self.member_id().to_owned(),
            member_epoch,
            assignment: MemberAssignment {
                active_tasks: tasks(partitions),
                ..MemberAssignment::default()
            },
            ..DescribedMember::default()
        };
        let group = DescribedGroup {
            group_id: "h1".into(),
            members: vec![DescribedMember::default(), described],
            ..DescribedGroup::default()
        };
        let response = StreamsGroupDescribeResponse {
            groups: vec![group],
            ..StreamsGroupDescribeResponse::default()
        };
        self.handle_response(now, Ok(Response::StreamsGroupDescribe(response)));
    }

    /// The heartbeat that is due goes unanswered.
    fn goes_unanswered(&mut self, now: Instant) -> StreamsGroupHeartbeatRequest {
        let request = self.beat(now).expect("a heartbeat");
        self.handle_response(now, Err(HeartbeatFailure::Disconnected));
        self.handle_coordinator(true);
        request
    }
}

fn member() -> Membership {
    let mut member = Membership::new(config("m1", "p2"), SeedTree::new(1).rng());
    member.subscribe();
    member.handle_coordinator(true);
    member.application_polled(ZERO);
    member
}

fn tasks(partitions: &[i32]) -> Vec<TaskIds> {
    if partitions.is_empty() {
        return Vec::new();
    }
    vec![TaskIds {
        subtopology_id: "0".into(),
        partitions: partitions.to_vec(),
    }]
}

fn assigned(epoch: i32, partitions: &[i32]) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        active_tasks: Some(tasks(partitions)),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..unchanged(epoch)
    }
}

fn unchanged(epoch: i32) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        member_epoch: epoch,
        heartbeat_interval_ms: 5000,
        status: Some(Vec::new()),
        ..StreamsGroupHeartbeatResponse::default()
    }
}

fn refused(code: i16) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code: code,
        ..StreamsGroupHeartbeatResponse::default()
    }
}

fn events(member: &mut Membership) -> Vec<MembershipEvent> {
    let mut events = Vec::new();
    while let Some(event) = member.poll_event() {
        if !matches!(
            event,
            MembershipEvent::StateChanged { .. } | MembershipEvent::Log(_)
        ) {
            events.push(event);
        }
    }
    events
}

fn ticket(events: &[MembershipEvent]) -> u64 {
    let ticket = events.iter().rev().find_map(|event| match event {
        MembershipEvent::Revoke { ticket, .. }
        | MembershipEvent::Assign { ticket, .. }
        | MembershipEvent::Lose { ticket } => Some(*ticket),
        _ => None,
    });
    ticket.expect("an event with a ticket")
}

/// A member that has acknowledged `partitions` at epoch 2 and waits for its next heartbeat.
fn stable(partitions: &[i32]) -> Membership {
    let mut member = member();
    member.beat(ZERO).expect("the join");
    member.answered(ZERO, assigned(2, partitions));
    member.beat(ZERO);
    let ticket = ticket(&events(&mut member));
    member.assigned(ZERO, ticket);
    member.beat(ZERO).expect("the acknowledgement");
    member.answered(ZERO, unchanged(2));
    assert_eq!(member.state(), MemberState::Stable);
    member
}

fn hex(request: &StreamsGroupHeartbeatRequest) -> String {
    request
        .encode()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn c1_join_and_beat_are_the_bytes_java_sends() {
    let mut member = member();
    let join = member.beat(ZERO).expect("the join");
    assert_eq!(
        hex(&join),
        "036831036d3100000000ffffffff00000000ea60010000000002023002037032010101010100\
         0001010105702d6d31ff0100000000"
            .replace(' ', "")
    );
    let member = &mut stable(&[0, 1]);
    let beat = member.beat(ZERO.plus_ms(5000)).expect("a heartbeat");
    assert_eq!(
        hex(&beat),
        "036831036d3100000002000000000000ffffffffff00000000ff0000000000"
    );
}

#[test]
fn c2_null_lists_leave_the_assignment_untouched() {
    let mut member = stable(&[0, 1]);
    member.beat(ZERO.plus_ms(5000)).expect("a heartbeat");
    member.answered(ZERO.plus_ms(5000), unchanged(3));
    assert_eq!(events(&mut member), []);
    assert_eq!(member.state(), MemberState::Stable);
    assert_eq!(member.member_epoch(), MemberEpoch(3));
}

#[test]
fn c3_tasks_are_acknowledged_when_they_are_closed_or_open_and_not_before() {
    let mut member = stable(&[0, 1]);
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.answered(at, assigned(2, &[0]));
    let seen = events(&mut member);
    assert!(
        matches!(&seen[..], [MembershipEvent::Revoke { tasks, .. }] if *tasks == [TaskId::new(0, 1)])
    );
    let revoke = ticket(&seen);
    // Still owned: a heartbeat meanwhile does not say otherwise.
    let late = at.plus_ms(5000);
    let meanwhile = member.beat(late).expect("a heartbeat");
    assert_eq!(meanwhile.active_tasks, None);
    member.answered(late, unchanged(2));
    member.revoked(late, revoke);
    let assign = ticket(&events(&mut member));
    assert_eq!(member.beat(late), None);
    member.assigned(late, assign);
    let acknowledgement = member.beat(late).expect("at once");
    assert_eq!(acknowledgement.active_tasks, Some(tasks(&[0])));
    // Tickets of another time change nothing.
    member.assigned(late, assign);
    member.revoked(late, revoke);
    assert_eq!(events(&mut member), []);
}

#[test]
fn c4_a_lost_answer_makes_the_next_heartbeat_full_at_the_old_epoch() {
    let mut member = stable(&[0, 1]);
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.handle_response(at, Err(HeartbeatFailure::Disconnected));
    assert!(events(&mut member).contains(&MembershipEvent::FindCoordinator));
    assert_eq!(
        member.beat(at.plus_ms(1000)),
        None,
        "no coordinator is known"
    );
    member.handle_coordinator(true);
    member.asks_and_hears(at.plus_ms(1000), &[0, 1]);
    let full = member.beat(at.plus_ms(1000)).expect("a heartbeat");
    assert_eq!(
        (full.member_epoch, full.active_tasks),
        (2, Some(tasks(&[0, 1])))
    );
    assert_eq!(
        (full.standby_tasks, full.warmup_tasks),
        (Some(vec![]), Some(vec![]))
    );
}

#[test]
fn c5_a_fenced_member_loses_its_tasks_and_rejoins_under_the_same_id() {
    for code in [25, 110] {
        let mut member = stable(&[0]);
        let at = ZERO.plus_ms(5000);
        member.beat(at).expect("a heartbeat");
        member.answered(at, refused(code));
        let seen = events(&mut member);
        assert!(
            matches!(&seen[..], [MembershipEvent::Lose { .. }]),
            "{seen:?}"
        );
        assert_eq!(
            member.beat(at),
            None,
            "nothing while tasks are being closed"
        );
        member.released(at, ticket(&seen));
        let join = member.beat(at).expect("the rejoin, without a backoff");
        assert_eq!((join.member_id.as_str(), join.member_epoch), ("m1", 0));
        assert!(join.topology.is_some());
    }
}

#[test]
fn c6_and_c7_leave_is_sent_once_and_beside_another_request() {
    let mut member = stable(&[0]);
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    assert_eq!(
        member.beat(at.plus_ms(60_000 - 5001)),
        None,
        "one in flight"
    );
    member.leave(at);
    let leave = member.beat(at).expect("at once");
    assert_eq!((leave.member_epoch, &leave.active_tasks), (-1, &None));
    assert_eq!(member.beat(at), None);
    member.answered(at, unchanged(2));
    assert_eq!(events(&mut member), []);
    member.handle_response(at, Err(HeartbeatFailure::TimedOut));
    assert_eq!(events(&mut member), [MembershipEvent::Left]);
    member.leave(at);
    assert_eq!(member.beat(at), None, "never again");
}

#[test]
fn c8_nothing_is_sent_inside_a_backoff_even_while_joining() {
    let mut member = member();
    let mut now = ZERO;
    let mut waits = Vec::new();
    for _ in 0..6 {
        member.beat(now).expect("the join");
        member.answered(now, refused(14));
        assert_eq!(member.beat(now), None);
        let due = member.poll_timeout().expect("a deadline");
        waits.push(due.saturating_duration_since(now).as_millis());
        now = due;
    }
    for (wait, base) in waits.iter().zip([100, 200, 400, 800, 1000, 1000]) {
        assert!((base * 8 / 10..=base * 12 / 10).contains(wait), "{waits:?}");
    }
}

#[test]
fn c9_unknown_codes_are_typed_and_never_a_panic() {
    let mut member = stable(&[0]);
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    let status = Status {
        status_code: 99,
        status_detail: "new".into(),
    };
    let response = StreamsGroupHeartbeatResponse {
        status: Some(vec![status]),
        ..unchanged(2)
    };
    member.answered(at, response);
    let expected = vec![(StatusCode::Unknown(99), "new".to_owned())];
    assert_eq!(events(&mut member), [MembershipEvent::Statuses(expected)]);
    member.beat(at.plus_ms(5000)).expect("a heartbeat");
    member.answered(at, refused(999));
    assert!(matches!(
        events(&mut member)[..],
        [MembershipEvent::Failed(StreamsError::Broker {
            code: 999,
            ..
        })]
    ));
    assert_eq!(member.state(), MemberState::Fatal);
    assert_eq!(member.poll_timeout(), None);
}

#[test]
fn c10_fields_that_brokers_refuse_are_never_sent() {
    for seed in 0..200_u64 {
        let mut rng = SeedTree::new(seed).rng();
        let bytes: Vec<u8> = (0..400).map(|_| rng.next_u64() as u8).collect();
        fuzzing::heartbeat_responses(&bytes);
    }
}

#[test]
fn readiness_follows_the_statuses() {
    let mut member = member();
    member.beat(ZERO).expect("the join");
    let delayed = Status {
        status_code: 5,
        ..Status::default()
    };
    let response = StreamsGroupHeartbeatResponse {
        status: Some(vec![delayed]),
        ..assigned(1, &[])
    };
    member.answered(ZERO, response);
    assert!(!member.is_ready());
    member.beat(ZERO.plus_ms(5000)).expect("a heartbeat");
    member.answered(ZERO.plus_ms(5000), unchanged(1));
    assert!(events(&mut member).contains(&MembershipEvent::Ready(true)));
}

#[test]
fn an_application_that_does_not_poll_leaves_and_rejoins_with_the_next_poll() {
    let mut member = stable(&[0]);
    let late = ZERO.plus_ms(60_000);
    let leave = member.beat(late).expect("the leave");
    assert_eq!(leave.member_epoch, -1);
    assert_eq!(member.state(), MemberState::Stale);
    let lose = ticket(&events(&mut member));
    member.answered(late, unchanged(-1));
    member.application_polled(late);
    assert_eq!(
        member.state(),
        MemberState::Stale,
        "its tasks are not closed yet"
    );
    member.released(late, lose);
    assert_eq!(member.beat(late), None, "it waits for the application");
    member.application_polled(late);
    assert_eq!(member.beat(late).map(|join| join.member_epoch), Some(0));
}

#[test]
fn an_answer_from_before_the_rejoin_says_nothing_about_it() {
    let mut member = stable(&[0]);
    member
        .beat(ZERO.plus_ms(5000))
        .expect("a heartbeat, not answered yet");
    let late = ZERO.plus_ms(60_000);
    member.beat(late).expect("the leave");
    let lose = ticket(&events(&mut member));
    member.released(late, lose);
    member.application_polled(late);
    assert_eq!(member.state(), MemberState::Joining);
    member.answered(late, assigned(3, &[0, 1]));
    assert_eq!(member.state(), MemberState::Joining);
    assert_eq!(events(&mut member), []);
    member.answered(late, unchanged(-1));
    let join = member.beat(late).expect("the join");
    assert_eq!(join.member_epoch, 0);
    member.answered(late, assigned(4, &[1]));
    assert!(matches!(
        events(&mut member)[..],
        [MembershipEvent::Assign { .. }]
    ));
}

#[test]
fn a_target_that_changes_while_it_is_applied_waits_for_the_next_round() {
    let mut member = member();
    member.beat(ZERO).expect("the join");
    member.answered(ZERO, assigned(1, &[0, 1]));
    let first = ticket(&events(&mut member));
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.answered(at, assigned(1, &[0]));
    assert_eq!(events(&mut member), []);
    member.assigned(at, first);
    let acknowledgement = member.beat(at).expect("at once");
    assert_eq!(acknowledgement.active_tasks, Some(tasks(&[0, 1])));
    assert!(matches!(
        events(&mut member)[..],
        [MembershipEvent::Revoke { .. }]
    ));
}

#[test]
fn what_an_unanswered_heartbeat_was_told_is_asked_for() {
    let mut member = stable(&[0, 1]);
    let mut at = ZERO.plus_ms(5000);
    member.goes_unanswered(at);
    assert_eq!(member.poll_request(at), None, "a backoff");
    at = at.plus_ms(1000);
    member.asks_and_hears(at, &[0, 1]);
    member.beat(at).expect("the full heartbeat");
    member.answered(at, unchanged(2));
    member.asks_and_hears(at, &[0, 1]);
    assert_eq!(events(&mut member)[1..], [], "all is as it was");
    // The coordinator reads the old one only now, and tells nobody.
    at = at.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.answered(at, unchanged(2));
    member.asks_and_hears(at, &[0, 2]);
    let seen = events(&mut member);
    assert!(
        matches!(&seen[..], [MembershipEvent::Revoke { tasks, .. }] if *tasks == [TaskId::new(0, 1)])
    );
    member.revoked(at, ticket(&seen));
    let assign = ticket(&events(&mut member));
    member.assigned(at, assign);
    let acknowledgement = member.beat(at).expect("at once");
    assert_eq!(acknowledgement.active_tasks, Some(tasks(&[0, 2])));
    assert_eq!(acknowledgement.member_id, "m1");
}

#[test]
fn doubt_passes() {
    let mut member = stable(&[0]);
    member.goes_unanswered(ZERO.plus_ms(5000));
    member.asks_and_hears(ZERO.plus_ms(10_000), &[0]);
    for seconds in (15..=100).step_by(5) {
        let at = ZERO.plus_ms(seconds * 1000);
        member.application_polled(at);
        member.beat(at).expect("a heartbeat");
        member.answered(at, unchanged(2));
        if seconds <= 65 {
            member.asks_and_hears(at, &[0]);
        } else {
            assert_eq!(member.poll_request(at), None, "a minute is over");
        }
    }
    assert_eq!(member.member_id(), "m1");
}

#[test]
fn a_description_of_an_earlier_time_says_nothing() {
    let mut member = stable(&[0]);
    member.goes_unanswered(ZERO.plus_ms(5000));
    let at = ZERO.plus_ms(6000);
    member.poll_request(at).expect("the question");
    events(&mut member);
    member.hears(at, 1, &[0, 1]);
    assert_eq!(events(&mut member), []);
    let beat = member.beat(at).expect("a heartbeat");
    assert_eq!(beat.active_tasks, Some(tasks(&[0])));
}

#[test]
fn a_question_that_goes_unanswered_is_asked_again() {
    let mut member = stable(&[0]);
    let mut at = ZERO.plus_ms(5000);
    member.goes_unanswered(at);
    for lost in [true, false] {
        at = at.plus_ms(1000);
        if lost {
            member.poll_request(at).expect("the question");
            member.handle_response(at, Err(HeartbeatFailure::TimedOut));
            member.handle_coordinator(true);
        } else {
            member.asks_and_hears(at, &[0, 1]);
        }
    }
    let seen = events(&mut member);
    assert!(
        matches!(&seen.last(), Some(MembershipEvent::Assign { active, .. }) if active.len() == 2)
    );
}

#[test]
fn a_group_that_cannot_be_described_is_joined_anew() {
    let mut member = stable(&[0]);
    let at = ZERO.plus_ms(5000);
    member.goes_unanswered(at);
    let at = at.plus_ms(1000);
    member.poll_request(at).expect("the question");
    let refused = DescribedGroup {
        error_code: 30,
        group_id: "h1".into(),
        ..DescribedGroup::default()
    };
    let refused = StreamsGroupDescribeResponse {
        groups: vec![refused],
        ..StreamsGroupDescribeResponse::default()
    };
    member.handle_response(at, Ok(Response::StreamsGroupDescribe(refused)));
    gives_up_and_joins_anew(&mut member, at);
}

/// Every task is given up, the old id leaves, another one joins.
fn gives_up_and_joins_anew(member: &mut Membership, at: Instant) {
    assert_eq!(member.state(), MemberState::Reconciling);
    let old = member.member_id().to_owned();
    let revoke = ticket(&events(member));
    member.revoked(at, revoke);
    let assign = ticket(&events(member));
    member.assigned(at, assign);
    joins_anew(member, at, &old);
}

fn joins_anew(member: &mut Membership, at: Instant, old: &str) {
    let leave = member.beat(at).expect("the old id leaves");
    assert_eq!((leave.member_id.as_str(), leave.member_epoch), (old, -1));
    let join = member.beat(at).expect("the join");
    assert_eq!(join.member_epoch, 0);
    assert_ne!(join.member_id, old);
    assert_eq!(member.member_id(), join.member_id);
    // Whatever the coordinator says to the old one.
    member.answered(at, refused(25));
    member.answered(at, assigned(7, &[3]));
    assert_eq!(member.member_epoch(), MemberEpoch(7));
    let seen = events(member);
    let assign = seen.last();
    assert!(
        matches!(assign, Some(MembershipEvent::Assign { active, .. }) if *active == [TaskId::new(0, 3)]),
        "{seen:?}"
    );
}

#[test]
fn a_join_that_went_unanswered_is_repeated_under_another_id() {
    let mut member = member();
    let join = member.goes_unanswered(ZERO);
    assert_eq!(join.member_id, "m1");
    events(&mut member);
    joins_anew(&mut member, ZERO.plus_ms(1000), "m1");
}

#[test]
fn a_leave_of_a_former_id_keeps_to_the_backoff() {
    let mut member = member();
    member.goes_unanswered(ZERO);
    let mut now = ZERO;
    for _ in 0..3 {
        assert_eq!(member.poll_request(now), None, "a backoff");
        now = now.plus_ms(1200);
        let leave = member.beat(now).expect("the old id leaves");
        assert_eq!((leave.member_id.as_str(), leave.member_epoch), ("m1", -1));
        let join = member.beat(now).expect("the join");
        assert_eq!(join.member_epoch, 0);
        for _ in 0..2 {
            member.handle_response(now, Err(HeartbeatFailure::NotSent));
        }
        member.handle_coordinator(true);
    }
}

#[test]
fn what_was_never_sent_is_not_doubted() {
    let mut member = member();
    member.beat(ZERO).expect("the join");
    member.handle_response(ZERO, Err(HeartbeatFailure::NotSent));
    member.handle_coordinator(true);
    let join = member.beat(ZERO.plus_ms(1000)).expect("the join");
    assert_eq!((join.member_id.as_str(), join.member_epoch), ("m1", 0));
    member.answered(ZERO.plus_ms(1000), assigned(1, &[0]));
    assert_eq!(member.poll_request(ZERO.plus_ms(1000)), None);
}

#[test]
fn a_task_that_an_unanswered_heartbeat_did_not_list_is_not_taken() {
    let mut member = stable(&[0]);
    let mut at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.answered(at, assigned(2, &[0, 1]));
    let assign = ticket(&events(&mut member));
    member.assigned(at, assign);
    // It lists 0 and 1, and those may stay and go.
    member.goes_unanswered(at);
    at = at.plus_ms(1000);
    member.asks_and_hears(at, &[1]);
    assert_eq!(member.member_id(), "m1");
    let revoke = ticket(&events(&mut member));
    member.revoked(at, revoke);
    let assign = ticket(&events(&mut member));
    member.assigned(at, assign);
    member.beat(at).expect("the acknowledgement");
    member.answered(at, assigned(3, &[1, 2]));
    gives_up_and_joins_anew(&mut member, at);
}

#[test]
fn an_answer_from_before_a_rejoin_is_not_the_answer_to_it() {
    let mut member = stable(&[0]);
    let mut at = ZERO.plus_ms(5000);
    member.goes_unanswered(at);
    at = at.plus_ms(1000);
    member.asks_and_hears(at, &[0]);
    // A full one, unanswered as well.
    member.goes_unanswered(at);
    events(&mut member);
    at = at.plus_ms(1000);
    member.asks_and_hears(at, &[0, 1]);
    let revoked = ticket(&events(&mut member));
    // The next heartbeat falls into the time in which the tasks are being given up.
    at = at.plus_ms(5000);
    let beat = member.beat(at).expect("a heartbeat meanwhile");
    assert_eq!((beat.member_epoch, beat.active_tasks), (2, None));
    member.revoked(at, revoked);
    let assign = ticket(&events(&mut member));
    member.assigned(at, assign);
    assert_eq!(member.state(), MemberState::Joining);
    assert_eq!(member.poll_request(at), None, "one in flight");
    member.answered(at, assigned(3, &[0, 1]));
    assert_eq!(member.state(), MemberState::Joining);
    let leave = member.beat(at).expect("the old id leaves");
    assert_eq!((leave.member_id.as_str(), leave.member_epoch), ("m1", -1));
    let join = member.beat(at).expect("the join");
    assert_eq!(join.member_epoch, 0);
}

#[test]
fn tasks_about_to_be_taken_are_listed() {
    let mut member = member();
    member.beat(ZERO).expect("the join");
    member.answered(ZERO, assigned(1, &[]));
    let first = ticket(&events(&mut member));
    let at = ZERO.plus_ms(5000);
    member.beat(at).expect("a heartbeat");
    member.answered(at, assigned(2, &[0, 1]));
    member.assigned(at, first);
    let acknowledgement = member.beat(at).expect("at once");
    assert_eq!(acknowledgement.active_tasks, Some(tasks(&[0, 1])));
}

#[test]
fn a_member_that_waits_for_topics_asks_again_less_and_less_often() {
    // MISSING_SOURCE_TOPICS, MISSING_INTERNAL_TOPICS, ASSIGNMENT_DELAYED
    for status_code in [1, 3, 5] {
        asks_again_less_and_less_often(status_code);
    }
}

fn asks_again_less_and_less_often(status_code: i8) {
    let mut member = stable(&[0]);
    let waiting = StreamsGroupHeartbeatResponse {
        status: Some(vec![Status {
            status_code,
            status_detail: "on their way".into(),
        }]),
        ..unchanged(2)
    };
    let mut waits = Vec::new();
    let mut now = ZERO;
    for _ in 0..7 {
        let due = member.poll_timeout().expect("a heartbeat is due");
        waits.push(due.saturating_duration_since(now).as_millis());
        now = due;
        member.beat(now).expect("the heartbeat");
        member.answered(now, waiting.clone());
    }
    assert_eq!(waits, [5000, 200, 400, 800, 1600, 3200, 5000]);
    now = member.poll_timeout().expect("a heartbeat is due");
    member.beat(now).expect("the heartbeat");
    member.answered(now, unchanged(2));
    let due = member.poll_timeout().expect("a heartbeat is due");
    assert_eq!(due.saturating_duration_since(now).as_millis(), 5000);
}
