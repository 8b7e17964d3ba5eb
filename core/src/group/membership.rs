//! The membership machine (Java: `StreamsMembershipManager` with `StreamsGroupHeartbeatRequestManager`).
//!
//! Two things Java does are not done here: a joining or acknowledging member keeps to its backoff,
//! and an assignment is never applied to partitions that do not exist.

pub(super) mod fuzzing;

use std::collections::VecDeque;

use super::{
    HeartbeatFailure, MemberState, MembershipConfig, MembershipEvent, Tasks, heartbeat, task_ids,
};
use crate::error::{Concerned, StreamsError};
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::MemberEpoch;
use crate::wire::error_name;
use crate::wire::streams_group::{
    EndpointToPartitions, StatusCode, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
};

/// A reconciliation under way: towards the target captured when it began.
struct Reconciliation {
    ticket: u64,
    target: Tasks,
    revoking: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    Beat,
    Leave,
    /// A beat from before the last join: its answer says nothing about the member that joins.
    Outlived,
}

/// The first wait for a group that is not ready, doubled from answer to answer.
const FIRST_WAIT_MS: u64 = 200;
/// Then the wait is longer than any heartbeat interval.
const MAX_DOUBLINGS: u32 = 16;

/// One member of a streams group. Requests are answered in the order they were given out.
pub struct Membership {
    config: MembershipConfig,
    rng: Rng,
    state: MemberState,
    epoch: i32,
    endpoint_epoch: i32,
    endpoints: Vec<EndpointToPartitions>,
    subscribed: bool,
    coordinator_known: bool,
    /// What the coordinator wants the member to have.
    target: Tasks,
    /// What the member has applied.
    current: Tasks,
    last_sent: Option<Tasks>,
    ready: bool,
    statuses: Vec<(StatusCode, String)>,
    reconciliation: Option<Reconciliation>,
    /// The `Lose` that was not answered yet.
    releasing: Option<u64>,
    in_flight: VecDeque<InFlight>,
    /// A heartbeat went unanswered, so an assignment may have been told that never arrived. A
    /// coordinator tells it once.
    answer_lost: bool,
    /// When a member that then has no tasks joins once more: the coordinator may have read the
    /// unanswered heartbeat after those that followed it, and told tasks to nobody.
    doubted_until: Option<Instant>,
    /// The tasks are being given up to join again and be told everything.
    rejoining: bool,
    /// True while leaving because the application did not poll.
    poll_expired: bool,
    /// The whole application is to stop.
    shutdown_application: bool,
    heartbeat_interval_ms: u64,
    /// Answers in a row that had the member wait for the group.
    waits: u32,
    next_heartbeat: Instant,
    failures: u32,
    backoff_until: Instant,
    poll_deadline: Option<Instant>,
    tickets: u64,
    events: VecDeque<MembershipEvent>,
}

impl Membership {
    /// A member that has not joined.
    pub fn new(config: MembershipConfig, rng: Rng) -> Self {
        Self {
            config,
            rng,
            state: MemberState::Unsubscribed,
            epoch: 0,
            endpoint_epoch: -1,
            endpoints: Vec::new(),
            subscribed: false,
            coordinator_known: false,
            target: Tasks::default(),
            current: Tasks::default(),
            last_sent: None,
            ready: false,
            statuses: Vec::new(),
            reconciliation: None,
            releasing: None,
            in_flight: VecDeque::new(),
            answer_lost: false,
            doubted_until: None,
            rejoining: false,
            poll_expired: false,
            shutdown_application: false,
            heartbeat_interval_ms: 0,
            waits: 0,
            next_heartbeat: Instant::ZERO,
            failures: 0,
            backoff_until: Instant::ZERO,
            poll_deadline: None,
            tickets: 0,
            events: VecDeque::new(),
        }
    }

    /// The group, which is the application.
    pub(crate) fn group_id(&self) -> &str {
        &self.config.group_id
    }

    /// The member's id, fixed for its life.
    pub fn member_id(&self) -> &str {
        &self.config.member_id
    }

    /// The member's epoch; commits carry it.
    pub const fn member_epoch(&self) -> MemberEpoch {
        MemberEpoch(self.epoch)
    }

    /// Where the member stands.
    pub const fn state(&self) -> MemberState {
        self.state
    }

    /// The members that answer queries with what they have, as the group told last.
    pub fn endpoints(&self) -> &[EndpointToPartitions] {
        &self.endpoints
    }

    /// Whether the group is ready to process.
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Joins at the next [`Membership::application_polled`].
    pub fn subscribe(&mut self) {
        self.subscribed = true;
    }

    /// The application is alive: restarts the timer of `max.poll.interval.ms`, and joins or rejoins.
    pub fn application_polled(&mut self, now: Instant) {
        self.poll_deadline = Some(now.plus_ms(self.config.max_poll_interval_ms));
        let may_join = match self.state {
            MemberState::Unsubscribed => self.subscribed,
            MemberState::Stale => self.releasing.is_none(),
            _ => false,
        };
        if may_join {
            self.join(now);
        }
    }

    fn join(&mut self, now: Instant) {
        self.epoch = MemberEpoch::JOIN.0;
        self.target = Tasks::default();
        self.current = Tasks::default();
        self.last_sent = None;
        self.next_heartbeat = now;
        self.answer_lost = false;
        self.rejoining = false;
        for request in &mut self.in_flight {
            if *request == InFlight::Beat {
                *request = InFlight::Outlived;
            }
        }
        self.transition(MemberState::Joining);
    }

    fn transition(&mut self, to: MemberState) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.events
                .push_back(MembershipEvent::StateChanged { from, to });
        }
    }

    fn log(&mut self, level: Level, message: String) {
        self.events
            .push_back(MembershipEvent::Log(LogEvent::new(level, message)));
    }

    const fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// The tasks of a `Revoke` are committed and closed.
    pub fn revoked(&mut self, _now: Instant, ticket: u64) {
        let Some(reconciliation) = &mut self.reconciliation else {
            return;
        };
        if reconciliation.ticket != ticket || !reconciliation.revoking {
            return;
        }
        reconciliation.revoking = false;
        let target = reconciliation.target.clone();
        self.emit_assign(target);
    }

    fn emit_assign(&mut self, target: Tasks) {
        let ticket = self.next_ticket();
        let Tasks {
            active,
            standby,
            warmup,
        } = target.clone();
        self.reconciliation = Some(Reconciliation {
            ticket,
            target,
            revoking: false,
        });
        self.events.push_back(MembershipEvent::Assign {
            ticket,
            active,
            standby,
            warmup,
        });
    }

    /// The tasks of an `Assign` exist.
    pub fn assigned(&mut self, now: Instant, ticket: u64) {
        match self.reconciliation.take() {
            Some(done) if done.ticket == ticket && !done.revoking => {
                self.current = done.target;
                if self.rejoining && self.current == Tasks::default() {
                    self.join(now);
                } else {
                    self.transition(MemberState::Acknowledging);
                }
            }
            other => self.reconciliation = other,
        }
    }

    /// Every task of a `Lose` is closed.
    pub fn released(&mut self, now: Instant, ticket: u64) {
        if self.releasing != Some(ticket) {
            return;
        }
        self.releasing = None;
        // A stale member waits for the application's next poll.
        if self.state == MemberState::Fenced {
            self.join(now);
        }
    }

    fn lose(&mut self) {
        self.reconciliation = None;
        self.target = Tasks::default();
        self.current = Tasks::default();
        self.last_sent = None;
        let ticket = self.next_ticket();
        self.releasing = Some(ticket);
        self.events.push_back(MembershipEvent::Lose { ticket });
    }

    /// Has the group tell every member to stop once this one leaves.
    pub const fn request_shutdown(&mut self) {
        self.shutdown_application = true;
    }

    /// Leaves the group for good; the application has closed its tasks. Ends with `Left`.
    pub fn leave(&mut self, _now: Instant) {
        self.subscribed = false;
        self.poll_deadline = None;
        match self.state {
            MemberState::Joining
            | MemberState::Stable
            | MemberState::Reconciling
            | MemberState::Acknowledging => {
                self.reconciliation = None;
                self.poll_expired = false;
                self.transition(MemberState::PrepareLeaving);
                self.epoch = MemberEpoch::LEAVE.0;
                if self.coordinator_known {
                    self.transition(MemberState::Leaving);
                } else {
                    self.left();
                }
            }
            MemberState::Leaving => self.poll_expired = false,
            MemberState::PrepareLeaving
            | MemberState::Unsubscribed
            | MemberState::Fenced
            | MemberState::Stale
            | MemberState::Fatal => self.left(),
        }
    }

    fn left(&mut self) {
        self.transition(MemberState::Unsubscribed);
        self.events.push_back(MembershipEvent::Left);
    }

    /// Whether the group's coordinator is known.
    pub fn handle_coordinator(&mut self, known: bool) {
        self.coordinator_known = known;
        // A leave is never retried, and never waits for a coordinator.
        if !known
            && self.state == MemberState::Leaving
            && !self.in_flight.contains(&InFlight::Leave)
        {
            self.finish_leave();
        }
    }

    fn finish_leave(&mut self) {
        if self.poll_expired {
            self.poll_expired = false;
            self.transition(MemberState::Stale);
            self.lose();
        } else {
            self.left();
        }
    }

    const fn is_in_group(&self) -> bool {
        matches!(
            self.state,
            MemberState::Joining
                | MemberState::Stable
                | MemberState::Reconciling
                | MemberState::Acknowledging
        )
    }

    /// The request to send to the coordinator now, if there is one.
    pub fn poll_request(&mut self, now: Instant) -> Option<StreamsGroupHeartbeatRequest> {
        self.check_poll_timer(now);
        self.start_reconciliation(now);
        if !self.coordinator_known {
            return None;
        }
        if self.state == MemberState::Leaving {
            return self.leave_request();
        }
        if !self.in_flight.is_empty() || self.due_at().is_none_or(|due| due > now) {
            return None;
        }
        let request = if self.state == MemberState::Joining {
            heartbeat::join(&self.config, self.endpoint_epoch)
        } else {
            // While tasks are being taken over the lists stay out: what they leave out, the
            // coordinator would give away at once.
            let tell = self.state != MemberState::Reconciling
                && self.last_sent.as_ref() != Some(&self.current);
            let tasks = tell.then_some(&self.current);
            let request = heartbeat::beat(&self.config, self.epoch, self.endpoint_epoch, tasks);
            if tell {
                self.last_sent = Some(self.current.clone());
            }
            request
        };
        if self.state == MemberState::Acknowledging {
            let done = self.target == self.current;
            self.transition(if done {
                MemberState::Stable
            } else {
                MemberState::Reconciling
            });
            self.start_reconciliation(now);
        }
        self.next_heartbeat = now.plus_ms(self.heartbeat_interval_ms);
        self.in_flight.push_back(InFlight::Beat);
        Some(request)
    }

    fn leave_request(&mut self) -> Option<StreamsGroupHeartbeatRequest> {
        if self.in_flight.contains(&InFlight::Leave) {
            return None;
        }
        self.in_flight.push_back(InFlight::Leave);
        let epoch = MemberEpoch::LEAVE.0;
        let mut request = heartbeat::beat(&self.config, epoch, self.endpoint_epoch, None);
        request.shutdown_application = self.shutdown_application;
        if self.poll_expired {
            // The answer only matters to the log.
            self.finish_leave();
        }
        Some(request)
    }

    fn check_poll_timer(&mut self, now: Instant) {
        if !self.is_in_group() || self.poll_deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.poll_deadline = None;
        self.log(
            Level::Warn,
            "the application did not poll within max.poll.interval.ms: its process() takes too \
             long; the member leaves the group and rejoins when it polls again"
                .to_owned(),
        );
        self.poll_expired = true;
        self.transition(MemberState::PrepareLeaving);
        self.epoch = MemberEpoch::LEAVE.0;
        self.transition(MemberState::Leaving);
        if !self.coordinator_known {
            self.finish_leave();
        }
    }

    fn start_reconciliation(&mut self, _now: Instant) {
        if self.state != MemberState::Reconciling || self.reconciliation.is_some() {
            return;
        }
        let target = self.target.clone();
        let kept = |task: &&crate::types::TaskId| target.active.binary_search(task).is_err();
        let revoke: Vec<_> = self.current.active.iter().filter(kept).copied().collect();
        if revoke.is_empty() {
            self.emit_assign(target);
        } else {
            let ticket = self.next_ticket();
            self.reconciliation = Some(Reconciliation {
                ticket,
                target,
                revoking: true,
            });
            self.events.push_back(MembershipEvent::Revoke {
                ticket,
                tasks: revoke,
            });
        }
    }

    /// When the next heartbeat is due, if the state sends any.
    fn due_at(&self) -> Option<Instant> {
        match self.state {
            MemberState::Joining | MemberState::Acknowledging => Some(self.backoff_until),
            MemberState::Stable | MemberState::Reconciling => {
                Some(self.next_heartbeat.max(self.backoff_until))
            }
            _ => None,
        }
    }

    /// When [`Membership::poll_request`] should be called again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == MemberState::Leaving && !self.in_flight.contains(&InFlight::Leave) {
            return self.coordinator_known.then_some(Instant::ZERO);
        }
        let may_send = self.coordinator_known && self.in_flight.is_empty();
        let due = if may_send { self.due_at() } else { None };
        let deadline = if self.is_in_group() {
            self.poll_deadline
        } else {
            None
        };
        due.into_iter().chain(deadline).min()
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<MembershipEvent> {
        self.events.pop_front()
    }

    /// The answer to the oldest request without one.
    pub fn handle_response(
        &mut self,
        now: Instant,
        result: Result<StreamsGroupHeartbeatResponse, HeartbeatFailure>,
    ) {
        let Some(kind) = self.in_flight.pop_front() else {
            return;
        };
        match kind {
            InFlight::Beat => {}
            InFlight::Leave if self.state == MemberState::Leaving => return self.finish_leave(),
            InFlight::Leave | InFlight::Outlived => return,
        }
        match result {
            Ok(response) if response.error_code == 0 => self.succeeded(now, response),
            Ok(response) => self.refused(now, &response),
            Err(failure) => self.unanswered(now, failure),
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
        if self.answer_lost {
            self.doubted_until = Some(now.plus_ms(self.heartbeat_interval_ms));
        }
        let is_told = response.active_tasks.is_some();
        match (
            response.active_tasks,
            response.standby_tasks,
            response.warmup_tasks,
        ) {
            (None, None, None) => {
                if std::mem::take(&mut self.answer_lost) && self.state != MemberState::Joining {
                    self.rejoining = true;
                    self.target = Tasks::default();
                    self.log(
                        Level::Info,
                        "a heartbeat went unanswered and may have told an assignment: the member \
                         gives up its tasks and joins again"
                            .to_owned(),
                    );
                    if self.current == Tasks::default() && self.reconciliation.is_none() {
                        return self.join(now);
                    }
                }
                if self.doubted_until.is_some_and(|until| until <= now) {
                    self.doubted_until = None;
                    let has_none = self.target == Tasks::default() && self.current == self.target;
                    if has_none && self.state == MemberState::Stable {
                        return self.join(now);
                    }
                }
            }
            (Some(active), Some(standby), Some(warmup)) => {
                let tasks = (task_ids(&active), task_ids(&standby), task_ids(&warmup));
                let (Some(active), Some(standby), Some(warmup)) = tasks else {
                    let message = "the coordinator assigned a sub-topology that is not a number";
                    return self.fail(StreamsError::Protocol(message.to_owned()));
                };
                self.target = Tasks {
                    active,
                    standby,
                    warmup,
                };
            }
            _ => {
                let message =
                    "the coordinator sent some of the three task lists and not the others";
                return self.fail(StreamsError::Protocol(message.to_owned()));
            }
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

    fn update_statuses(&mut self, statuses: Vec<crate::wire::streams_group::Status>) {
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
                self.coordinator_known = false;
                self.events.push_back(MembershipEvent::FindCoordinator);
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
            self.config.member_id,
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
            self.config.member_id
        );
        self.log(Level::Warn, message);
        self.failed(now, false);
        self.epoch = 0;
        self.transition(MemberState::Fenced);
        self.lose();
    }

    fn unanswered(&mut self, now: Instant, failure: HeartbeatFailure) {
        match failure {
            HeartbeatFailure::Disconnected | HeartbeatFailure::TimedOut => {
                self.answer_lost = true;
                self.failed(now, true);
                self.coordinator_known = false;
                self.events.push_back(MembershipEvent::FindCoordinator);
            }
            HeartbeatFailure::Unsupported(message) => {
                if self.is_in_group() {
                    self.fail(StreamsError::Unsupported(message));
                }
            }
        }
    }

    fn fail(&mut self, error: StreamsError) {
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
