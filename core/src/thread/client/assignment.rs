//! From the group's tasks to the task runner and back.

use std::collections::BTreeSet;

use super::ClientMachine;
use super::closing::Closing;
use crate::error::{AclResource, StreamsError};
use crate::group::{Assignment, MembershipEvent};
use crate::net::{ClientEvent, ThreadState};
use crate::thread::message::{RunnerMessage, Ticket};
use crate::time::Instant;
use crate::trace::Level;
use crate::types::TaskId;
use crate::wire::streams_group::StatusCode;

/// Tasks whose topics are not all known yet: internal topics are seconds old when the first
/// assignment comes.
#[derive(Debug)]
pub(super) struct HeldAssignment {
    ticket: Ticket,
    active: Vec<TaskId>,
    standby: Vec<TaskId>,
    warmup: Vec<TaskId>,
}

impl ClientMachine {
    /// Joins the group once brokers answered about the topics and the task runner is there.
    pub(super) fn join_when_ready(&mut self, now: Instant) {
        let ready = self.polled && self.cluster.metadata_request_answered() > 0;
        if ready && !self.subscribed && matches!(self.closing, Closing::No) {
            self.subscribed = true;
            self.membership.subscribe();
            self.membership.application_polled(now);
        }
    }

    pub(super) fn pump_membership(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(request) = self.membership.poll_request(now) {
            progress = true;
            self.send_to_group(now, request);
        }
        while let Some(event) = self.membership.poll_event() {
            progress = true;
            self.take_membership_event(now, event);
        }
        progress
    }

    fn take_membership_event(&mut self, now: Instant, event: MembershipEvent) {
        match event {
            MembershipEvent::Revoke { ticket, tasks } => {
                self.change_state(ThreadState::PartitionsRevoked);
                self.stop_fetching(now, |task| tasks.contains(&task));
                self.tell(RunnerMessage::Revoke { ticket, tasks });
            }
            // A closing thread begins nothing: it would end without a commit. The group gives the
            // tasks to others once this one has left.
            MembershipEvent::Assign { .. } if self.closing != Closing::No => {}
            MembershipEvent::Assign {
                ticket,
                active,
                standby,
                warmup,
            } => {
                let held = HeldAssignment {
                    ticket,
                    active,
                    standby,
                    warmup,
                };
                let tasks = held.all_tasks();
                let internal = self.plan.internal_of(&tasks);
                self.cluster.want_topics(now, internal);
                self.held = Some(held);
            }
            MembershipEvent::Lose { ticket } => {
                self.held = None;
                self.change_state(ThreadState::PartitionsRevoked);
                self.stop_fetching(now, |_| true);
                self.assignment = Assignment::default();
                self.progress.clear();
                self.starting.clear();
                self.limits.clear();
                self.purge.forget_all();
                self.patience.clear();
                self.producer.abandon();
                self.offsets.abandon();
                self.tell(RunnerMessage::Lose { ticket });
            }
            MembershipEvent::Ready(ready) => self.tell(RunnerMessage::Ready(ready)),
            MembershipEvent::FindCoordinator => self.cluster.coordinator_lost(),
            MembershipEvent::Statuses(statuses) => self.take_statuses(now, statuses),
            MembershipEvent::Left => self.left(now),
            MembershipEvent::Failed(error) => self.fail(now, error),
            MembershipEvent::StateChanged { from, to } => {
                self.log(
                    Level::Debug,
                    format!("membership goes from {from:?} to {to:?}"),
                );
            }
            MembershipEvent::Log(log) => self.event(ClientEvent::Log(log)),
        }
    }

    /// Hands an assignment to the runner once every topic of its tasks is known.
    pub(super) fn release_held(&mut self, _now: Instant) {
        let Some(held) = &self.held else {
            return;
        };
        let metadata = self.cluster.metadata();
        let resolved = self
            .plan
            .resolve(&held.active, metadata)
            .zip(self.plan.resolve(&held.standby, metadata))
            .zip(self.plan.resolve(&held.warmup, metadata));
        let Some(((active, standby), warmup)) = resolved else {
            return;
        };
        let ticket = held.ticket;
        self.held = None;
        self.assignment = Assignment {
            active,
            standby,
            warmup,
        };
        let inputs: BTreeSet<_> = self
            .assignment
            .active
            .iter()
            .flat_map(|task| task.partitions.iter().cloned())
            .collect();
        self.progress
            .retain(|partition, _| inputs.contains(partition));
        self.tell_partition_counts();
        let assignment = self.assignment.clone();
        // The runner says anew whether everything is restored.
        self.restored = false;
        self.change_state(ThreadState::PartitionsAssigned);
        self.tell(RunnerMessage::Assign { ticket, assignment });
    }

    /// Tells the runner how many partitions topics have, where that is news.
    pub(super) fn tell_partition_counts(&mut self) {
        let counts = self.plan.partition_counts(self.cluster.metadata());
        if counts != self.counts {
            self.counts = counts.clone();
            self.tell(RunnerMessage::PartitionCounts(counts));
        }
    }

    /// Stops reading the input of some active tasks: what they committed must be their last word.
    fn stop_fetching(&mut self, now: Instant, stopped: impl Fn(TaskId) -> bool) {
        for task in &self.assignment.active {
            if stopped(task.task) {
                for partition in &task.partitions {
                    self.fetcher.stop(now, partition);
                }
            }
        }
    }

    fn take_statuses(&mut self, now: Instant, statuses: Vec<(StatusCode, String)>) {
        let mut missing = None;
        for (status, detail) in statuses {
            match status {
                StatusCode::ShutdownApplication => {
                    return self.fail(now, StreamsError::ShutdownRequested);
                }
                StatusCode::IncorrectlyPartitionedTopics => {
                    return self.fail(now, StreamsError::Topology(detail));
                }
                StatusCode::MissingSourceTopics => missing = Some(detail),
                // The group would wait for them for ever.
                StatusCode::MissingInternalTopics
                    if detail
                        .to_ascii_lowercase()
                        .contains("unauthorized to create") =>
                {
                    return self.fail(now, self.uncreatable(detail));
                }
                _ => {}
            }
        }
        self.sources_missing = match (missing, self.sources_missing.take()) {
            (Some(detail), None) => {
                let patience_ms = MISSING_SOURCES_INTERVALS * self.heartbeat_interval_ms;
                Some((now.plus_ms(patience_ms.max(1)), detail))
            }
            (Some(_), known) => known,
            (None, _) => None,
        };
    }

    /// The brokers may not make internal topics for us.
    fn uncreatable(&self, detail: String) -> StreamsError {
        StreamsError::Authorization {
            operation: format!("making internal topics ({detail})"),
            resource: AclResource::ApplicationTopics(self.membership.group_id().to_owned()),
            permission: "Create",
        }
    }

    pub(super) fn check_missing_sources(&mut self, now: Instant) {
        if let Some((at, detail)) = &self.sources_missing
            && *at <= now
        {
            let error = StreamsError::MissingSourceTopics(detail.clone());
            self.sources_missing = None;
            self.fail(now, error);
        }
    }
}

impl HeldAssignment {
    fn all_tasks(&self) -> Vec<TaskId> {
        let lists = [&self.active, &self.standby, &self.warmup];
        lists.into_iter().flatten().copied().collect()
    }
}

/// `StreamThread.handleMissingSourceTopicsWithTimeout`: twice the heartbeat interval.
const MISSING_SOURCES_INTERVALS: u64 = 2;
