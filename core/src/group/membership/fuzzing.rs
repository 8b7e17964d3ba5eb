//! A membership under answers from arbitrary bytes.

use super::*;
use crate::group::HeartbeatFailure;
use crate::rng::SeedTree;
use crate::wire::Response;
use crate::wire::streams_group::{
    DescribedGroup, DescribedMember, MemberAssignment, Status, StreamsGroupDescribeResponse,
    StreamsGroupHeartbeatResponse, TaskIds, Topology,
};

fn config() -> MembershipConfig {
    MembershipConfig {
        group_id: "group".into(),
        member_id: "member".into(),
        process_id: "process".into(),
        rebalance_timeout_ms: 60_000,
        max_poll_interval_ms: 60_000,
        retry_backoff_ms: 100,
        retry_backoff_max_ms: 1000,
        endpoint: None,
        client_tags: Vec::new(),
        rack_id: None,
        topology: Topology::default(),
    }
}

/// Takes bytes one by one; zero after the last.
struct Script<'a>(std::slice::Iter<'a, u8>);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn tasks(&mut self) -> Option<Vec<TaskIds>> {
        let byte = self.byte();
        if byte & 3 == 0 {
            return None;
        }
        let partitions = (0..4).filter(|bit| byte & (4 << bit) != 0).collect();
        let id = if byte == 255 {
            "x".into()
        } else {
            (byte >> 7).to_string()
        };
        Some(vec![TaskIds {
            subtopology_id: id,
            partitions,
        }])
    }

    /// An answer to the oldest request: nearly always one of its kind.
    fn answer(&mut self, member: &Membership) -> Response {
        let asked = matches!(member.in_flight.front(), Some(InFlight::Description));
        if asked == (self.byte() > 2) {
            Response::StreamsGroupDescribe(self.description(member))
        } else {
            Response::StreamsGroupHeartbeat(self.response())
        }
    }

    fn description(&mut self, member: &Membership) -> StreamsGroupDescribeResponse {
        let errors = [0, 0, 0, 0, 0, 14, 15, 30, 69];
        let assignment = MemberAssignment {
            active_tasks: self.tasks().unwrap_or_default(),
            standby_tasks: self.tasks().unwrap_or_default(),
            warmup_tasks: Vec::new(),
        };
        let described = DescribedMember {
            member_id: member.member_id.clone(),
            member_epoch: i32::from(self.byte() as i8),
            assignment,
            ..DescribedMember::default()
        };
        let group = DescribedGroup {
            error_code: errors[usize::from(self.byte()) % errors.len()],
            group_id: "group".into(),
            members: vec![described],
            ..DescribedGroup::default()
        };
        StreamsGroupDescribeResponse {
            groups: vec![group],
            ..StreamsGroupDescribeResponse::default()
        }
    }

    fn response(&mut self) -> StreamsGroupHeartbeatResponse {
        let errors = [0, 0, 0, 0, 14, 15, 16, 25, 29, 110, 42, 999];
        let error_code = errors[usize::from(self.byte()) % errors.len()];
        let standby_tasks = self.tasks();
        let both = standby_tasks.is_some();
        StreamsGroupHeartbeatResponse {
            error_code,
            member_epoch: i32::from(self.byte() as i8),
            heartbeat_interval_ms: i32::from(self.byte() as i8) * 10,
            status: Some(vec![Status {
                status_code: self.byte() as i8 % 9,
                ..Status::default()
            }]),
            active_tasks: if both {
                self.tasks().or(Some(Vec::new()))
            } else {
                None
            },
            warmup_tasks: both.then(Vec::new),
            standby_tasks,
            ..StreamsGroupHeartbeatResponse::default()
        }
    }
}

/// Any sequence of answers, failures, time and callbacks: never a panic, one request in flight
/// besides those that leave, nothing inside a backoff, no field a broker refuses, and never two ids
/// that mean to stay.
pub fn heartbeat_responses(data: &[u8]) {
    let mut script = Script(data.iter());
    let mut member = Membership::new(config(), SeedTree::new(7).rng());
    let mut now = Instant::ZERO;
    let mut tickets = Vec::new();
    member.subscribe();
    member.handle_coordinator(true);
    member.application_polled(now);
    while script.0.len() > 0 {
        match script.byte() % 8 {
            0 => now = now.plus_ms(u64::from(script.byte()) * 40),
            1 => member.application_polled(now),
            2 => {
                let response = script.answer(&member);
                member.handle_response(now, Ok(response));
            }
            3 => {
                let failure = match script.byte() & 1 {
                    0 => HeartbeatFailure::Disconnected,
                    _ => HeartbeatFailure::NotSent,
                };
                member.handle_response(now, Err(failure));
            }
            4 => member.handle_coordinator(script.byte() & 1 == 0),
            5 => {
                if let Some(ticket) = tickets.pop() {
                    member.revoked(now, ticket);
                    member.assigned(now, ticket);
                    member.released(now, ticket);
                }
            }
            6 if script.byte() > 250 => member.leave(now),
            _ => {}
        }
        while let Some(request) = member.poll_request(now) {
            check_request(&member, now, &request);
        }
        while let Some(event) = member.poll_event() {
            match event {
                MembershipEvent::Revoke { ticket, .. }
                | MembershipEvent::Assign { ticket, .. }
                | MembershipEvent::Lose { ticket } => tickets.push(ticket),
                _ => {}
            }
        }
    }
}

fn check_request(member: &Membership, now: Instant, request: &Request) {
    if let Request::StreamsGroupHeartbeat(request) = request {
        assert!(request.instance_id.is_none() && request.task_offsets.is_none());
        assert!(request.task_end_offsets.is_none());
        assert!(request.warmup_tasks.as_ref().is_none_or(Vec::is_empty));
        let is_own = request.member_id == member.member_id;
        assert!(request.member_epoch < 0 || is_own, "a former self stays");
        let is_patient = now >= member.backoff_until;
        assert!(request.member_epoch < 0 || is_patient, "inside a backoff");
    }
    let leaves = |request: &&InFlight| matches!(request, InFlight::Leave);
    let waits = |request: &&InFlight| !matches!(request, InFlight::Retirement(_));
    let leaves = member.in_flight.iter().filter(leaves).count();
    let all = member.in_flight.iter().filter(waits).count();
    assert!(leaves <= 1 && all - leaves <= 1, "two requests in flight");
}
