//! A streams group and its members, as the coordinator stores them.

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::time::Instant;
use eddyline_core::wire::Uuid;
use eddyline_core::wire::streams_group::{Endpoint, EndpointToPartitions, Topology};

use super::internal_topics::ConfiguredTopology;
use super::tasks::{AssignedTasks, Task, Tasks};

/// How far a member is on its way to the target assignment (Java: `MemberState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It has what it should have.
    Stable,
    /// It must give up tasks first and stays at its epoch until it says it has.
    UnrevokedTasks,
    /// It waits for tasks other members still hold.
    UnreleasedTasks,
}

/// The state of a group as tools show it (Java: `StreamsGroup.StreamsGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members.
    Empty,
    /// Topics are missing or wrongly partitioned.
    NotReady,
    /// A new target assignment is due.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// Every member has what it should have.
    Stable,
}

impl GroupState {
    /// Kafka's name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::NotReady => "NotReady",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// A member of a streams group (Java: `StreamsGroupMember`).
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The id the member chose.
    pub member_id: String,
    /// The epoch the member was last told.
    pub member_epoch: i32,
    /// The epoch before that one.
    pub previous_member_epoch: i32,
    /// Where the member stands.
    pub state: MemberState,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// `client.id`, from the request header.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// How long the member may take to give up tasks.
    pub rebalance_timeout_ms: i32,
    /// The epoch of the topology the member joined with.
    pub topology_epoch: i32,
    /// The process the member runs in.
    pub process_id: String,
    /// `application.server`.
    pub user_endpoint: Option<Endpoint>,
    /// Client tags.
    pub client_tags: BTreeMap<String, String>,
    /// Tasks given to the member.
    pub assigned: AssignedTasks,
    /// Tasks the member must give up.
    pub pending_revocation: AssignedTasks,
}

impl Member {
    pub(super) fn new(member_id: &str) -> Self {
        Self {
            member_id: member_id.to_owned(),
            member_epoch: 0,
            previous_member_epoch: 0,
            state: MemberState::Stable,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: String::new(),
            user_endpoint: None,
            client_tags: BTreeMap::new(),
            assigned: AssignedTasks::default(),
            pending_revocation: AssignedTasks::default(),
        }
    }

    pub(super) fn update_epoch(&mut self, epoch: i32) {
        self.previous_member_epoch = self.member_epoch;
        self.member_epoch = epoch;
    }

    pub(super) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == epoch
    }
}

/// What the coordinator knows of the topics a group needs: id and partition count by name
/// (Kafka keeps a hash of it).
pub(super) type TopicsSeen = BTreeMap<String, (Uuid, i32)>;

/// A streams group.
#[derive(Debug)]
pub struct StreamsGroup {
    pub(super) group_epoch: i32,
    pub(super) assignment_epoch: i32,
    pub(super) assignment_time: Option<Instant>,
    pub(super) topology: Option<Topology>,
    pub(super) validated_topology_epoch: i32,
    pub(super) topics_seen: TopicsSeen,
    /// Version of the cluster's topics that `topics_seen` was last compared with.
    pub(super) topics_version: Option<u64>,
    pub(super) configured: Option<ConfiguredTopology>,
    pub(super) standby_replicas: Option<u32>,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) target: BTreeMap<String, Tasks>,
    /// What each member last said it owns: not part of Kafka's state, kept for oracles.
    pub(super) reported: BTreeMap<String, Tasks>,
    pub(super) shutdown_requested_by: Option<String>,
    pub(super) endpoint_epoch: i32,
    /// Kafka sends what it computed when the member last changed.
    pub(super) endpoints: BTreeMap<String, EndpointToPartitions>,
}

impl StreamsGroup {
    pub(super) fn new() -> Self {
        Self {
            group_epoch: 1,
            assignment_epoch: 1,
            assignment_time: None,
            topology: None,
            validated_topology_epoch: 0,
            topics_seen: BTreeMap::new(),
            topics_version: None,
            configured: None,
            standby_replicas: None,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            reported: BTreeMap::new(),
            shutdown_requested_by: None,
            endpoint_epoch: 0,
            endpoints: BTreeMap::new(),
        }
    }

    /// The group's epoch: bumped by everything that needs a new assignment.
    pub fn group_epoch(&self) -> i32 {
        self.group_epoch
    }

    /// The epoch of the target assignment.
    pub fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    /// The members by id.
    pub fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// The target assignment by member id.
    pub fn target(&self) -> &BTreeMap<String, Tasks> {
        &self.target
    }

    /// What each member last reported to own: the assignment it has really applied. Members that
    /// have not reported since they joined are missing.
    pub fn applied(&self) -> &BTreeMap<String, Tasks> {
        &self.reported
    }

    /// The topology the first member brought.
    pub fn topology(&self) -> Option<&Topology> {
        self.topology.as_ref()
    }

    /// The state of the group.
    pub fn state(&self) -> GroupState {
        let topology_epoch = self.topology.as_ref().map(|topology| topology.epoch);
        if self.members.is_empty() {
            GroupState::Empty
        } else if topology_epoch != Some(self.validated_topology_epoch) {
            GroupState::NotReady
        } else if self.group_epoch > self.assignment_epoch {
            GroupState::Assigning
        } else if self
            .members
            .values()
            .all(|member| member.is_reconciled_to(self.assignment_epoch))
        {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    pub(super) fn remove_member(&mut self, member_id: &str) {
        self.members.remove(member_id);
        self.target.remove(member_id);
        self.reported.remove(member_id);
        self.endpoints.remove(member_id);
        self.group_epoch += 1;
        if self.members.is_empty() {
            self.shutdown_requested_by = None;
        }
    }

    pub(super) fn forget_soft_state(&mut self) {
        self.topics_version = None;
        self.configured = None;
        self.shutdown_requested_by = None;
        self.endpoint_epoch = 0;
        self.endpoints.clear();
    }

    /// Who holds which task right now, waiting revocations included.
    pub(super) fn owners(&self) -> Owners<'_> {
        let mut owners = Owners::default();
        for member in self.members.values() {
            let process = member.process_id.as_str();
            for tasks in [&member.assigned, &member.pending_revocation] {
                for task in tasks.active.keys() {
                    owners.active.insert(task, process);
                }
                for task in &tasks.standby {
                    owners.standby.entry(task).or_default().insert(process);
                }
                for task in &tasks.warmup {
                    owners.warmup.entry(task).or_default().insert(process);
                }
            }
        }
        owners
    }
}

/// The processes that hold each task.
#[derive(Debug, Default)]
pub(super) struct Owners<'a> {
    active: BTreeMap<&'a Task, &'a str>,
    standby: BTreeMap<&'a Task, BTreeSet<&'a str>>,
    warmup: BTreeMap<&'a Task, BTreeSet<&'a str>>,
}

impl Owners<'_> {
    pub(super) fn is_active_anywhere(&self, task: &Task) -> bool {
        self.active.contains_key(task)
    }

    pub(super) fn is_active_in(&self, task: &Task, process: &str) -> bool {
        self.active.get(task).is_some_and(|owner| *owner == process)
    }

    pub(super) fn is_copied_in(&self, task: &Task, process: &str) -> bool {
        let has = |copies: &BTreeMap<&Task, BTreeSet<&str>>| {
            copies.get(task).is_some_and(|set| set.contains(process))
        };
        has(&self.standby) || has(&self.warmup)
    }
}
