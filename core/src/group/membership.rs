//! The membership machine (Java: `StreamsMembershipManager` with `StreamsGroupHeartbeatRequestManager`).
//!
//! Some things are not as in Java: a joining or acknowledging member keeps to its backoff, an
//! assignment is never applied to partitions that do not exist, a member lists tasks that it is
//! about to take as its own, and one whose request went unanswered asks what it has (see `doubt`).

mod answers;
mod doubt;
pub(super) mod fuzzing;

use std::collections::VecDeque;

use self::doubt::Doubt;
use super::{MemberState, MembershipConfig, MembershipEvent, Tasks, heartbeat};
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::MemberEpoch;
use crate::wire::Request;
use crate::wire::streams_group::{EndpointToPartitions, StatusCode};

/// A reconciliation under way: towards the target captured when it began.
struct Reconciliation {
    ticket: u64,
    target: Tasks,
    revoking: bool,
}

/// A request without an answer.
#[derive(PartialEq, Eq)]
enum InFlight {
    /// With the tasks that it listed.
    Beat(Option<Tasks>),
    Leave,
    /// A beat from before the last join: its answer says nothing about the member that joins.
    Outlived(Option<Tasks>),
    /// Asks what the member has.
    Description,
    /// Has a former self of the member leave.
    Retirement(String),
}

/// One member of a streams group. Requests are answered in the order they were given out.
pub struct Membership {
    config: MembershipConfig,
    rng: Rng,
    member_id: String,
    /// Former ids that have yet to leave.
    retired: Vec<String>,
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
    doubt: Option<Doubt>,
    /// The tasks are being given up to join again under another id.
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
            member_id: config.member_id.clone(),
            retired: Vec::new(),
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
            doubt: None,
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

    /// The member's id. It joins under another one where a request under this one may be read yet
    /// and would give away tasks that it has.
    pub fn member_id(&self) -> &str {
        &self.member_id
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
        if self.may_be_misread() {
            self.take_another_id();
        }
        self.epoch = MemberEpoch::JOIN.0;
        self.target = Tasks::default();
        self.current = Tasks::default();
        self.last_sent = None;
        self.next_heartbeat = now;
        self.rejoining = false;
        for request in &mut self.in_flight {
            if let InFlight::Beat(listed) = request {
                *request = InFlight::Outlived(listed.take());
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

    /// The coordinator says that it is none, or does not answer.
    fn lose_coordinator(&mut self) {
        self.coordinator_known = false;
        self.events.push_back(MembershipEvent::FindCoordinator);
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

    /// The request to send to the coordinator now, if there is one: a heartbeat, or one that asks
    /// for the group's description.
    pub fn poll_request(&mut self, now: Instant) -> Option<Request> {
        self.check_poll_timer(now);
        self.start_reconciliation(now);
        if !self.coordinator_known || !self.may_send(now) {
            return None;
        }
        // What follows it at once fails with it: it is not repeated without a backoff.
        if let Some(id) = self.retired.pop() {
            return Some(self.retirement(id));
        }
        Some(if self.state == MemberState::Leaving {
            self.leave_request()
        } else if self.wants_description() {
            self.description_request()
        } else {
            self.heartbeat(now)
        })
    }

    /// What the member has or is about to take.
    fn held(&self) -> Tasks {
        self.current.union(&self.target)
    }

    fn may_send(&self, now: Instant) -> bool {
        if self.state == MemberState::Leaving {
            return !self.in_flight.contains(&InFlight::Leave);
        }
        !self.is_waiting() && self.due_at().is_some_and(|due| due <= now)
    }

    fn heartbeat(&mut self, now: Instant) -> Request {
        let (id, epoch) = (&self.member_id, self.endpoint_epoch);
        let (request, listed) = if self.state == MemberState::Joining {
            let request = heartbeat::join(&self.config, id, epoch);
            (request, Some(Tasks::default()))
        } else {
            // While tasks are being taken over the lists stay out: what they leave out, the
            // coordinator would give away at once. For the same reason they hold what the member
            // was told of meanwhile.
            let listed = (self.state != MemberState::Reconciling)
                .then(|| self.held())
                .filter(|tasks| self.last_sent.as_ref() != Some(tasks));
            let request = heartbeat::beat(&self.config, id, self.epoch, epoch, listed.as_ref());
            if listed.is_some() {
                self.last_sent.clone_from(&listed);
            }
            (request, listed)
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
        self.in_flight.push_back(InFlight::Beat(listed));
        Request::StreamsGroupHeartbeat(request)
    }

    /// Whether the next request has to wait for an answer.
    fn is_waiting(&self) -> bool {
        let waits = |request: &InFlight| !matches!(request, InFlight::Retirement(_));
        self.in_flight.iter().any(waits)
    }

    fn leave_request(&mut self) -> Request {
        self.in_flight.push_back(InFlight::Leave);
        let (id, epoch) = (&self.member_id, self.endpoint_epoch);
        let mut request = heartbeat::leave(&self.config, id, epoch);
        request.shutdown_application = self.shutdown_application;
        if self.poll_expired {
            // The answer only matters to the log.
            self.finish_leave();
        }
        Request::StreamsGroupHeartbeat(request)
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

    /// When the next request is due, if the state sends any.
    fn due_at(&self) -> Option<Instant> {
        match self.state {
            MemberState::Joining | MemberState::Acknowledging => Some(self.backoff_until),
            _ if self.wants_description() => Some(self.backoff_until),
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
        let may_send = self.coordinator_known && !self.is_waiting();
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
}
