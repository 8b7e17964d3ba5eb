//! What a member does about its requests that went unanswered.
//!
//! The coordinator may have read such a request, or may read it yet, after those that followed it
//! on another connection. Both are holes in the protocol (KIP-1071; Java falls into both):
//!
//! - It tells an assignment once. An answer that was lost has told tasks to nobody, and nobody runs
//!   them, or raised the member's epoch, and the next heartbeat would be fenced. So the member asks
//!   for the group's description, which says what it has.
//! - What a heartbeat lists is what the member has, and a task that the coordinator wants back and
//!   does not find there goes to another member. So one whose unanswered heartbeat may be read yet
//!   takes no task that this one did not list: it gives up all of them and joins under another id,
//!   which no old request names.

use super::{InFlight, Membership};
use crate::error::StreamsError;
use crate::group::member_id::random_member_id;
use crate::group::{MemberState, Tasks, heartbeat};
use crate::time::Instant;
use crate::trace::Level;
use crate::wire::streams_group::{
    DescribedMember, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
};
use crate::wire::{Request, error_name};

/// For so long a request that went unanswered may be read: longer than any broker keeps a member
/// by default (`group.streams.session.timeout.ms`, 45 s) or a client waits (`request.timeout.ms`).
const READ_WITHIN_MS: u64 = 60_000;

/// There are requests that went unanswered.
pub(super) struct Doubt {
    /// What all of them listed that listed tasks, if any did; one that joins or leaves lists none.
    listed: Option<Tasks>,
    until: Instant,
    /// The description is to be asked for.
    asks: bool,
}

impl Membership {
    pub(super) fn doubt_about(&mut self, now: Instant, request: &InFlight) {
        let none = Tasks::default();
        let listed = match request {
            InFlight::Beat(listed) | InFlight::Outlived(listed) => listed.as_ref(),
            InFlight::Leave => Some(&none),
            InFlight::Description => return self.ask_what_was_told(),
            InFlight::Retirement(_) => return,
        };
        let known = self.doubt.take().and_then(|doubt| doubt.listed);
        let listed = match (known, listed) {
            (Some(known), Some(listed)) => Some(known.intersection(listed)),
            (known, listed) => known.or_else(|| listed.cloned()),
        };
        self.doubt = Some(Doubt {
            listed,
            until: now.plus_ms(READ_WITHIN_MS),
            asks: true,
        });
    }

    /// A request may be read yet that says which tasks the member of this id has.
    pub(super) fn may_be_misread(&self) -> bool {
        let doubt = self.doubt.as_ref();
        doubt.is_some_and(|doubt| doubt.listed.is_some())
    }

    /// A request may be read yet that says that the member does not have what it has or takes.
    pub(super) fn may_lose_tasks(&self) -> bool {
        let listed = self.doubt.as_ref().and_then(|doubt| doubt.listed.as_ref());
        listed.is_some_and(|listed| {
            let held = self.held();
            held.intersection(listed) != held
        })
    }

    /// Gives up every task and joins under another id.
    pub(super) fn rejoin(&mut self, now: Instant) {
        self.rejoining = true;
        self.target = Tasks::default();
        let message = format!(
            "an unanswered heartbeat may take tasks from member {}: it gives them up and joins \
             under another id",
            self.member_id
        );
        self.log(Level::Info, message);
        if self.current.is_empty() && self.reconciliation.is_none() {
            self.join(now);
        } else if self.state == MemberState::Stable {
            self.transition(MemberState::Reconciling);
        }
    }

    pub(super) fn take_another_id(&mut self) {
        let id = random_member_id(&mut self.rng);
        let former = std::mem::replace(&mut self.member_id, id);
        self.log(
            Level::Info,
            format!(
                "member {former} joins as {}: what it sent and nobody answered may be read yet",
                self.member_id
            ),
        );
        self.retired.push(former);
        self.doubt = None;
    }

    /// Has the member of a former id leave. Tried once: the group gives it up by itself later.
    pub(super) fn retirement(&mut self, id: String) -> Request {
        let request = heartbeat::leave(&self.config, &id, self.endpoint_epoch);
        self.in_flight.push_back(InFlight::Retirement(id));
        Request::StreamsGroupHeartbeat(request)
    }

    /// Has the description asked for, if there is doubt: after every heartbeat, as the old one may
    /// be read between any two.
    pub(super) const fn ask_what_was_told(&mut self) {
        if let Some(doubt) = &mut self.doubt {
            doubt.asks = true;
        }
    }

    pub(super) fn wants_description(&self) -> bool {
        let may_ask = self.has_joined() && !self.rejoining;
        may_ask && self.doubt.as_ref().is_some_and(|doubt| doubt.asks)
    }

    const fn has_joined(&self) -> bool {
        self.is_in_group() && !matches!(self.state, MemberState::Joining)
    }

    pub(super) fn description_request(&mut self) -> Request {
        if let Some(doubt) = &mut self.doubt {
            doubt.asks = false;
        }
        self.in_flight.push_back(InFlight::Description);
        Request::StreamsGroupDescribe(StreamsGroupDescribeRequest {
            group_ids: vec![self.config.group_id.clone()],
            include_authorized_operations: false,
        })
    }

    pub(super) fn described(&mut self, now: Instant, response: StreamsGroupDescribeResponse) {
        if !self.has_joined() || self.rejoining {
            return;
        }
        let mut groups = response.groups.into_iter();
        let Some(group) = groups.find(|group| group.group_id == self.config.group_id) else {
            let message = "the coordinator described another group than the one that was asked for";
            return self.fail(StreamsError::Protocol(message.to_owned()));
        };
        match group.error_code {
            0 => {}
            // COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
            15 | 16 => {
                return self.lose_coordinator();
            }
            // COORDINATOR_LOAD_IN_PROGRESS; GROUP_ID_NOT_FOUND, of which the next heartbeat tells.
            14 | 69 => return,
            code => {
                let message = format!(
                    "the group cannot be described ({}), so nothing tells what an unanswered \
                     heartbeat was told",
                    error_name(code)
                );
                self.log(Level::Warn, message);
                return self.rejoin_as_another(now);
            }
        }
        // Without the member in it the next heartbeat is refused. A lower epoch is what a
        // coordinator remembers that is none any more: it does not need the others to describe.
        let (id, epoch) = (&self.member_id, self.epoch);
        let is_own =
            |member: &DescribedMember| member.member_id == *id && member.member_epoch >= epoch;
        let Some(member) = group.members.into_iter().find(is_own) else {
            return;
        };
        if self.doubt.as_ref().is_some_and(|doubt| doubt.until <= now) {
            self.doubt = None;
        }
        self.epoch = member.member_epoch;
        let lists = member.assignment;
        let told = Tasks::from_wire(
            &lists.active_tasks,
            &lists.standby_tasks,
            &lists.warmup_tasks,
        );
        self.take_target(now, told);
    }

    /// Joins under another id although no request may be misread.
    fn rejoin_as_another(&mut self, now: Instant) {
        if let Some(doubt) = &mut self.doubt {
            doubt.listed.get_or_insert_with(Tasks::default);
        }
        self.rejoin(now);
    }
}
