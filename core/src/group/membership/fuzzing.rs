//! A membership under answers from arbitrary bytes.

use super::*;
use crate::rng::SeedTree;
use crate::wire::streams_group::{Status, TaskIds, Topology};

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
/// besides a leave, at most one leave, nothing inside a backoff, no field a broker refuses.
pub fn heartbeat_responses(data: &[u8]) {
    let mut script = Script(data.iter());
    let mut member = Membership::new(config(), SeedTree::new(7).rng());
    let mut now = Instant::ZERO;
    let (mut beats, mut leaves) = (0_usize, 0_usize);
    let mut tickets = Vec::new();
    member.subscribe();
    member.handle_coordinator(true);
    member.application_polled(now);
    while script.0.len() > 0 {
        match script.byte() % 8 {
            0 => now = now.plus_ms(u64::from(script.byte()) * 40),
            1 => member.application_polled(now),
            2 if beats + leaves > 0 => {
                let response = script.response();
                // Answers come in the order of the requests.
                if member.in_flight.front() == Some(&InFlight::Leave) {
                    leaves -= 1;
                } else {
                    beats -= 1;
                }
                member.handle_response(now, Ok(response));
            }
            3 if beats + leaves > 0 => {
                if member.in_flight.front() == Some(&InFlight::Leave) {
                    leaves -= 1;
                } else {
                    beats -= 1;
                }
                member.handle_response(now, Err(HeartbeatFailure::Disconnected));
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
            assert!(request.instance_id.is_none() && request.task_offsets.is_none());
            assert!(request.task_end_offsets.is_none());
            assert!(request.warmup_tasks.as_ref().is_none_or(Vec::is_empty) || data.len() > 9);
            if request.member_epoch == -1 {
                leaves += 1;
            } else {
                beats += 1;
                assert!(
                    now >= member.backoff_until,
                    "a heartbeat inside its backoff"
                );
            }
            assert!(beats <= 1, "two heartbeats in flight");
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
