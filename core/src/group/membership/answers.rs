//! What the coordinator answers, and that it does not.

use super::{InFlight, Membership};
use crate::error::{Concerned, StreamsError};
use crate::group::{HeartbeatFailure, MemberState, MembershipEvent, Tasks};
use crate::time::Instant;
use crate::trace::Level;
use crate::wire::streams_group::{Status, StatusCode, StreamsGroupHeartbeatResponse};
use crate::wire::{Response, error_name};

/// The first wait for a group that is not ready, doubled from answer to answer.
const FIRST_WAIT_MS: u64 = 200;
/// Then the wait is longer than any heartbeat interval.
const MAX_DOUBLINGS: u32 = 16;

impl Membership {
    /// The answer to the oldest request without one.
    pub fn handle_response(&mut self, now: Instant, result: Result<Response, HeartbeatFailure>) {
        let Some(request) = self.in_flight.pop_front() else {
            return;
        };
        if let Err(HeartbeatFailure::Disconnected | HeartbeatFailure::TimedOut) = result {
            self.doubt_about(now, &request);
        }
        match (request, result) {
            (InFlight::Leave, _) if self.state == MemberState::Leaving => {
                return self.finish_leave();
            }
            (InFlight::Retirement(id), Err(HeartbeatFailure::NotSent)) => self.retired.push(id),
            (InFlight::Leave | InFlight::Retirement(_) | InFlight::Outlived(_), _) => return,
            (InFlight::Beat(_), Ok(Response::StreamsGroupHeartbeat(response))) => {
                match response.error_code {
                    0 => self.succeeded(now, response),
                    _ => self.refused(now, &response),
                }
            }
            (InFlight::Description, Ok(Response::StreamsGroupDescribe(response))) => {
                self.described(now, response);
            }
            (InFlight::Beat(_) | InFlight::Description, Ok(_)) => {
                let message = "the coordinator answered another request than the one that was sent";
                return self.fail(StreamsError::Protocol(message.to_owned()));
            }
            (InFlight::Beat(_) | InFlight::Description, Err(failure)) => {
                self.unanswered(now, failure);
            }
        }
        self.start_reconciliation(now);
    }

    fn succeeded(&mut self, now: Instant, response: StreamsGroupHeartbeatResponse) {
        self.failures = 0;
        self.backoff_until = Instant::ZERO;
        let interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or(0);
        if interval != self.heartbeat_interval_ms {
            self.heartbeat_interval_ms = interval;
            self.next_heartbeat = now.plus_ms(interval);
        }
        if !self.is_in_group() || response.member_epoch < 0 {
            return;
        }
        self.epoch = response.member_epoch;
        self.endpoint_epoch = response.endpoint_information_epoch;
        if let Some(endpoints) = response.partitions_by_user_endpoint {
            self.endpoints = endpoints;
        }
        self.update_statuses(response.status.unwrap_or_default());
        self.ask_again_soon(now);
        self.ask_what_was_told();
        let lists = (
            response.active_tasks,
            response.standby_tasks,
            response.warmup_tasks,
        );
        match lists {
            (None, None, None) => self.follow_target(now, false),
            (Some(active), Some(standby), Some(warmup)) => {
                self.take_target(now, Tasks::from_wire(&active, &standby, &warmup));
            }
            _ => {
                let message =
                    "the coordinator sent some of the three task lists and not the others";
                self.fail(StreamsError::Protocol(message.to_owned()));
            }
        }
    }

    /// The coordinator says which tasks the member is to have.
    pub(super) fn take_target(&mut self, now: Instant, told: Option<Tasks>) {
        let Some(told) = told else {
            let message = "the coordinator assigned a sub-topology that is not a number";
            return self.fail(StreamsError::Protocol(message.to_owned()));
        };
        if !self.rejoining {
            self.target = told;
        }
        self.follow_target(now, true);
    }

    fn follow_target(&mut self, now: Instant, is_told: bool) {
        if !self.rejoining && self.may_lose_tasks() {
            return self.rejoin(now);
        }
        // An empty assignment is applied too, once: a thread without tasks runs as well.
        let is_first = is_told && self.state == MemberState::Joining;
        if self.target != self.current || is_first {
            if matches!(self.state, MemberState::Joining | MemberState::Stable) {
                self.transition(MemberState::Reconciling);
            }
        } else if matches!(self.state, MemberState::Joining | MemberState::Reconciling)
            && self.reconciliation.is_none()
        {
            self.transition(MemberState::Stable);
        }
    }

    fn update_statuses(&mut self, statuses: Vec<Status>) {
        let statuses: Vec<_> = statuses
            .into_iter()
            .map(|status| (StatusCode::from(status.status_code), status.status_detail))
            .collect();
        let blocks = |(code, _): &(StatusCode, String)| {
            matches!(
                code,
                StatusCode::MissingSourceTopics
                    | StatusCode::IncorrectlyPartitionedTopics
                    | StatusCode::MissingInternalTopics
                    | StatusCode::AssignmentDelayed
            )
        };
        let ready = !statuses.iter().any(blocks);
        if ready != self.ready {
            self.ready = ready;
            self.events.push_back(MembershipEvent::Ready(ready));
        }
        if statuses != self.statuses {
            self.statuses.clone_from(&statuses);
            self.events.push_back(MembershipEvent::Statuses(statuses));
        }
    }

    /// While the group makes its internal topics or delays an assignment, or has not heard of topics
    /// that were just made, the member asks again before the interval is over, less and less often:
    /// Java waits for whole intervals, which are the better part of the time that an application
    /// takes to start.
    fn ask_again_soon(&mut self, now: Instant) {
        let passes = |(code, _): &(StatusCode, String)| {
            matches!(
                code,
                StatusCode::MissingSourceTopics
                    | StatusCode::MissingInternalTopics
                    | StatusCode::AssignmentDelayed
            )
        };
        if !self.statuses.iter().any(passes) {
            self.waits = 0;
            return;
        }
        let wait_ms = FIRST_WAIT_MS << self.waits.min(MAX_DOUBLINGS);
        self.waits = self.waits.saturating_add(1);
        let soon = now.plus_ms(wait_ms);
        self.next_heartbeat = self.next_heartbeat.min(soon);
    }

    /// After any failure the next heartbeat is full, and as soon as the backoff allows.
    fn failed(&mut self, now: Instant, backoff: bool) {
        self.last_sent = None;
        self.next_heartbeat = now;
        if backoff {
            let exponential = self
                .config
                .retry_backoff_ms
                .saturating_mul(1_u64.checked_shl(self.failures).unwrap_or(u64::MAX))
                .min(self.config.retry_backoff_max_ms);
            self.failures = self.failures.saturating_add(1).min(32);
            self.backoff_until = now.plus_ms(self.rng.jitter(exponential, 20));
        }
    }

    fn refused(&mut self, now: Instant, response: &StreamsGroupHeartbeatResponse) {
        let code = response.error_code;
        let words = response.error_message.clone().unwrap_or_default();
        match code {
            // COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
            15 | 16 => {
                self.failed(now, false);
                self.lose_coordinator();
            }
            // COORDINATOR_LOAD_IN_PROGRESS
            14 => self.failed(now, true),
            // UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH
            25 | 110 => self.fenced(now, code),
            _ => {
                if self.is_in_group() {
                    let name = error_name(code);
                    let message = if words.is_empty() {
                        name.to_owned()
                    } else {
                        words
                    };
                    self.fail(match code {
                        35 => StreamsError::Unsupported(no_streams_groups(&message)),
                        _ => StreamsError::refused(
                            format!("the heartbeat of group {}", self.config.group_id),
                            code,
                            &message,
                            Concerned {
                                group: Some(&self.config.group_id),
                                permission: "Describe",
                                ..Concerned::default()
                            },
                        ),
                    });
                }
            }
        }
    }

    fn fenced(&mut self, now: Instant, code: i16) {
        if !self.is_in_group() {
            return;
        }
        let message = format!(
            "member {} was fenced at epoch {} ({}): it gives up its tasks and rejoins",
            self.member_id,
            self.epoch,
            error_name(code)
        );
        self.log(Level::Warn, message);
        // The first rejoin is at once; a member that is fenced while it joins keeps a distance.
        let again = self.state == MemberState::Joining;
        self.failed(now, again);
        self.epoch = 0;
        self.transition(MemberState::Fenced);
        self.lose();
    }

    /// The tasks cannot go on, for this reason: the member gives them up and joins again, as one
    /// that is fenced. Nothing is said of one that is losing them already.
    pub fn lose_tasks(&mut self, now: Instant, reason: &str) {
        if !self.is_in_group() {
            return;
        }
        let message = format!(
            "member {} loses its tasks and rejoins: {reason}",
            self.member_id
        );
        self.log(Level::Warn, message);
        self.failed(now, false);
        self.epoch = 0;
        self.transition(MemberState::Fenced);
        self.lose();
    }

    fn unanswered(&mut self, now: Instant, failure: HeartbeatFailure) {
        match failure {
            HeartbeatFailure::NotSent
            | HeartbeatFailure::Disconnected
            | HeartbeatFailure::TimedOut => {
                if self.state == MemberState::Joining && self.may_be_misread() {
                    self.take_another_id();
                }
                self.failed(now, true);
                self.lose_coordinator();
            }
            HeartbeatFailure::Unsupported(message) => {
                if self.is_in_group() {
                    self.fail(StreamsError::Unsupported(message));
                }
            }
        }
    }

    pub(super) fn fail(&mut self, error: StreamsError) {
        self.reconciliation = None;
        self.poll_deadline = None;
        self.transition(MemberState::Fatal);
        self.events.push_back(MembershipEvent::Failed(error));
    }
}

fn no_streams_groups(words: &str) -> String {
    format!(
        "the broker has no streams groups ({words}): Eddyline needs Apache Kafka 4.2 or later with \
         the feature streams.version at 1"
    )
}
