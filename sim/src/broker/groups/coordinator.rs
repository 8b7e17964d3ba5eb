//! StreamsGroupHeartbeat (API 88): join, heartbeat, leave
//! (Java: `GroupMetadataManager.streamsGroupHeartbeat`).

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::time::Instant;
use eddyline_core::wire::Uuid;
use eddyline_core::wire::streams_group::{
    EndpointToPartitions, Status, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    TopicPartitions, Topology,
};

use super::assignor::{self, MemberSpec, SubtopologySpec};
use super::group::{Member, MemberState, StreamsGroup, TopicsSeen};
use super::internal_topics::{self, ConfiguredTopology, TopicToCreate};
use super::reconcile::reconcile;
use super::tasks::{self, Task, Tasks};
use super::{Group, GroupConfig, GroupError, Groups, codes, validate};

const STALE_TOPOLOGY: i8 = 0;
const SHUTDOWN_APPLICATION: i8 = 4;
const ASSIGNMENT_DELAYED: i8 = 5;

/// The topics of the cluster, as the coordinator sees them.
pub(crate) trait TopicsView {
    /// Id and partition count of a topic that exists.
    fn topic(&self, name: &str) -> Option<(Uuid, i32)>;
    /// Changes whenever a topic comes, goes or grows.
    fn version(&self) -> u64;
}

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requester<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
}

/// What a heartbeat leads to.
pub(crate) struct HeartbeatResult {
    pub(crate) response: StreamsGroupHeartbeatResponse,
    pub(crate) topics_to_create: Vec<TopicToCreate>,
}

fn status(code: i8, detail: impl Into<String>) -> Status {
    Status {
        status_code: code,
        status_detail: detail.into(),
    }
}

/// An error response: everything but code and text is empty.
pub(crate) fn error_response(error: GroupError) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code: error.code,
        error_message: error.message,
        status: Some(Vec::new()),
        ..StreamsGroupHeartbeatResponse::default()
    }
}

/// A heartbeat on its way through the coordinator: nothing of it is stored if it fails.
struct Heartbeat<'a> {
    now: Instant,
    request: &'a StreamsGroupHeartbeatRequest,
    topics: &'a dyn TopicsView,
    config: GroupConfig,
    statuses: Vec<Status>,
}

/// What a heartbeat finds out about the group before it assigns.
struct Update {
    member: Member,
    topology: Topology,
    topics_seen: TopicsSeen,
    configured: ConfiguredTopology,
    validated_topology_epoch: i32,
    group_epoch: i32,
}

impl Groups {
    /// Answers a heartbeat: also names the internal topics that are missing.
    pub(crate) fn heartbeat(
        &mut self,
        now: Instant,
        from: Requester<'_>,
        request: &StreamsGroupHeartbeatRequest,
        topics: &dyn TopicsView,
    ) -> HeartbeatResult {
        let result = validate::request(request).and_then(|()| {
            if request.member_epoch < 0 {
                return self.leave(request);
            }
            self.join_or_stay(now, from, request, topics)
        });
        result.unwrap_or_else(|error| HeartbeatResult {
            response: error_response(error),
            topics_to_create: Vec::new(),
        })
    }

    fn leave(
        &mut self,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<HeartbeatResult, GroupError> {
        let id = &request.group_id;
        let group = self.streams_mut(id, "Group")?;
        if request.shutdown_application {
            let requester = request.member_id.clone();
            group.shutdown_requested_by.get_or_insert(requester);
        }
        if !group.members.contains_key(&request.member_id) {
            return Err(unknown_member(&request.member_id, id));
        }
        self.fence(id, &request.member_id);
        Ok(HeartbeatResult {
            response: StreamsGroupHeartbeatResponse {
                member_id: request.member_id.clone(),
                member_epoch: request.member_epoch,
                status: Some(Vec::new()),
                ..StreamsGroupHeartbeatResponse::default()
            },
            topics_to_create: Vec::new(),
        })
    }

    /// The streams group `id`; `what` starts the text of the error when there is none.
    fn streams_mut(&mut self, id: &str, what: &str) -> Result<&mut StreamsGroup, GroupError> {
        match self.groups.get_mut(id) {
            Some(Group::Streams(group)) => Ok(group),
            Some(Group::Simple) => Err(GroupError::new(
                codes::GROUP_ID_NOT_FOUND,
                format!("Group {id} is not a streams group."),
            )),
            None => Err(GroupError::new(
                codes::GROUP_ID_NOT_FOUND,
                format!("{what} {id} not found."),
            )),
        }
    }

    /// Removes a member: it left, or a timer ran out.
    pub(super) fn fence(&mut self, group_id: &str, member_id: &str) {
        if let Ok(group) = self.streams_mut(group_id, "Group") {
            group.remove_member(member_id);
        }
        self.timers.cancel_member(group_id, member_id);
    }

    fn join_or_stay(
        &mut self,
        now: Instant,
        from: Requester<'_>,
        request: &StreamsGroupHeartbeatRequest,
        topics: &dyn TopicsView,
    ) -> Result<HeartbeatResult, GroupError> {
        let id = request.group_id.as_str();
        let config = self.config(id).clone();
        let joining = request.member_epoch == 0;
        // A group that does not exist yet, or an empty simple one, starts as a new streams group.
        let is_new = joining && !matches!(self.groups.get(id), Some(Group::Streams(_)));
        let mut fresh = StreamsGroup::new();
        let group = if is_new {
            &mut fresh
        } else {
            self.streams_mut(id, "Streams group")?
        };
        if joining && group.members.len() >= config.max_size {
            return Err(group_is_full(config.max_size));
        }
        let mut heartbeat = Heartbeat {
            now,
            request,
            topics,
            config,
            statuses: Vec::new(),
        };
        let update = heartbeat.update(group, from)?;
        let was_empty = group.members.is_empty();
        let before = group.members.get(&request.member_id).cloned();
        group.topology = Some(update.topology);
        group.topics_seen = update.topics_seen;
        group.configured = Some(update.configured);
        group.topics_version = Some(topics.version());
        group.group_epoch = update.group_epoch;
        group.validated_topology_epoch = update.validated_topology_epoch;
        group.standby_replicas = Some(heartbeat.config.num_standby_replicas);
        let member_id = update.member.member_id.clone();
        group.members.insert(member_id, update.member);
        if is_new {
            let group = Group::Streams(Box::new(fresh));
            self.groups.insert(id.to_owned(), group);
        }
        self.assign_and_answer(heartbeat, was_empty, is_new, before)
    }

    fn assign_and_answer(
        &mut self,
        mut heartbeat: Heartbeat<'_>,
        was_empty: bool,
        is_new: bool,
        before: Option<Member>,
    ) -> Result<HeartbeatResult, GroupError> {
        let request = heartbeat.request;
        let id = request.group_id.as_str();
        let delay = heartbeat.config.initial_rebalance_delay_ms;
        if was_empty && delay > 0 {
            let at = heartbeat.now.plus_ms(u64::from(delay));
            self.timers.initial_delay_if_absent(id, at);
        }
        let delayed = self.timers.is_initial_delay_scheduled(id);
        let group = self.streams_mut(id, "Streams group")?;
        let (target_epoch, target) = heartbeat.target(group, delayed)?;
        let owned = heartbeat.owned();
        if let Some(owned) = &owned {
            let member_id = request.member_id.clone();
            group.reported.insert(member_id, owned.clone());
        }
        let Some(current) = group.members.get(&request.member_id) else {
            return Err(GroupError::unknown());
        };
        let mut member = current.clone();
        if !member.is_reconciled_to(target_epoch) {
            let owners = group.owners();
            member = reconcile(&member, target_epoch, &target, owned.as_ref(), &owners);
        }
        let changed = *current != member;
        group
            .members
            .insert(request.member_id.clone(), member.clone());
        let response = heartbeat.response(group, &member, before.as_ref(), is_new);
        let topics_to_create = group
            .configured
            .as_ref()
            .map_or_else(Vec::new, |configured| configured.to_create.clone());
        if changed {
            self.rebalance_timer(heartbeat.now, id, &member);
        }
        let session = u64::from(heartbeat.config.session_timeout_ms);
        self.timers
            .session(id, &request.member_id, heartbeat.now.plus_ms(session));
        Ok(HeartbeatResult {
            response,
            topics_to_create,
        })
    }

    fn rebalance_timer(&mut self, now: Instant, group: &str, member: &Member) {
        if member.state == MemberState::UnrevokedTasks {
            let timeout = u64::try_from(member.rebalance_timeout_ms).unwrap_or(0);
            let at = now.plus_ms(timeout);
            self.timers
                .rebalance(group, &member.member_id, at, member.member_epoch);
        } else {
            self.timers.cancel_rebalance(group, &member.member_id);
        }
    }

    /// The initial delay is over: the members that joined meanwhile share the tasks.
    pub(super) fn compute_delayed_assignment(&mut self, now: Instant, group_id: &str) {
        let standbys = self.config(group_id).num_standby_replicas;
        let Ok(group) = self.streams_mut(group_id, "Group") else {
            return;
        };
        if group.members.is_empty() || group.configured.is_none() {
            return;
        }
        // Fails only for a group without members.
        let _ = assign(group, now, standbys);
    }
}

fn unknown_member(member: &str, group: &str) -> GroupError {
    GroupError::new(
        codes::UNKNOWN_MEMBER_ID,
        format!("Member {member} is not a member of group {group}."),
    )
}

fn group_is_full(max_size: usize) -> GroupError {
    GroupError::new(
        codes::GROUP_MAX_SIZE_REACHED,
        format!("The streams group has reached its maximum capacity of {max_size} members."),
    )
}

/// Computes a new target assignment for the group's epoch.
fn assign(group: &mut StreamsGroup, now: Instant, standbys: u32) -> Result<(), GroupError> {
    let none = Tasks::default();
    let members: BTreeMap<String, MemberSpec<'_>> = group
        .members
        .values()
        .map(|member| {
            let spec = MemberSpec {
                process_id: &member.process_id,
                previous: group.target.get(&member.member_id).unwrap_or(&none),
            };
            (member.member_id.clone(), spec)
        })
        .collect();
    let configured = group.configured.as_ref().filter(|c| c.is_ready());
    let subtopologies = configured.and_then(|configured| configured.subtopologies.as_ref());
    let target = if let Some(subtopologies) = subtopologies {
        let specs: Vec<SubtopologySpec> = subtopologies
            .iter()
            .map(|(id, sub)| SubtopologySpec {
                id: id.clone(),
                tasks: sub.tasks,
                stateful: sub.stateful,
            })
            .collect();
        // Kafka answers UNKNOWN_SERVER_ERROR with this text.
        assignor::assign(&members, &specs, standbys as usize).map_err(|reason| {
            let epoch = group.group_epoch;
            let text =
                format!("Failed to compute a new target assignment for epoch {epoch}: {reason}");
            GroupError::new(codes::UNKNOWN_SERVER_ERROR, text)
        })?
    } else {
        let ids = members.keys().cloned();
        ids.map(|id| (id, Tasks::default())).collect()
    };
    group.target = target;
    group.assignment_epoch = group.group_epoch;
    group.assignment_time = Some(now);
    Ok(())
}

impl Heartbeat<'_> {
    fn owned(&self) -> Option<Tasks> {
        let request = self.request;
        Some(Tasks {
            active: tasks::from_wire(request.active_tasks.as_ref()?),
            standby: tasks::from_wire(request.standby_tasks.as_ref()?),
            warmup: tasks::from_wire(request.warmup_tasks.as_ref()?),
        })
    }

    /// Checks the member's epoch. A lost response is forgiven: the previous epoch is accepted if
    /// the request says what the member owns and all of it is assigned to it.
    fn check_epoch(&self, member: &Member) -> Result<(), GroupError> {
        let (received, known) = (self.request.member_epoch, member.member_epoch);
        if received == 0 || received == known {
            return Ok(());
        }
        let fenced = |comparison: &str| {
            GroupError::new(
                codes::FENCED_MEMBER_EPOCH,
                format!(
                    "The streams group member has a {comparison} member epoch ({received}) than \
                     the one known by the group coordinator ({known}). The member must abandon \
                     all its partitions and rejoin."
                ),
            )
        };
        if received > known {
            return Err(fenced("greater"));
        }
        let assigned = &member.assigned;
        let response_lost = received == member.previous_member_epoch
            && self.owned().is_some_and(|owned| {
                let mut active = owned.active.iter();
                active.all(|task| assigned.active.contains_key(task))
                    && owned.standby.is_subset(&assigned.standby)
                    && owned.warmup.is_subset(&assigned.warmup)
            });
        if response_lost {
            Ok(())
        } else {
            Err(fenced("smaller"))
        }
    }

    /// The member with the request's data.
    fn updated_member(&self, current: &Member, from: Requester<'_>) -> Member {
        let request = self.request;
        let mut member = current.clone();
        if let Some(rack) = &request.rack_id {
            member.rack_id = Some(rack.clone());
        }
        if request.rebalance_timeout_ms != -1 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        if let Some(topology) = &request.topology {
            member.topology_epoch = topology.epoch;
        }
        member.client_id = from.client_id.to_owned();
        member.client_host = from.client_host.to_owned();
        if let Some(process_id) = &request.process_id {
            member.process_id.clone_from(process_id);
        }
        if let Some(tags) = &request.client_tags {
            let tags = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
            member.client_tags = tags.collect();
        }
        if let Some(endpoint) = &request.user_endpoint {
            member.user_endpoint = Some(endpoint.clone());
        }
        member
    }

    /// The group's topology after this request.
    fn updated_topology(&self, group: &StreamsGroup) -> Result<Topology, GroupError> {
        match (&self.request.topology, &group.topology) {
            // Java cannot even build a topology of a negative epoch.
            (Some(new), _) if new.epoch < 0 => Err(GroupError::unknown()),
            (Some(new), None) => Ok(new.clone()),
            (Some(new), Some(known)) if known.epoch > new.epoch => Ok(known.clone()),
            (Some(new), Some(known)) if !same_topology(known, new) => Err(GroupError::new(
                codes::INVALID_REQUEST,
                "Topology updates are not supported yet.",
            )),
            (_, Some(known)) => Ok(known.clone()),
            (None, None) => Err(GroupError::unknown()),
        }
    }

    fn topics_of(&self, topology: &Topology) -> TopicsSeen {
        let mut seen = BTreeMap::new();
        for subtopology in &topology.subtopologies {
            let internal = subtopology.repartition_source_topics.iter();
            let internal = internal.chain(&subtopology.state_changelog_topics);
            let internal = internal.map(|topic| topic.name.as_str());
            let sources = subtopology.source_topics.iter().map(String::as_str);
            for name in sources.chain(internal) {
                if let Some(topic) = self.topics.topic(name) {
                    seen.insert(name.to_owned(), topic);
                }
            }
        }
        seen
    }

    fn update(&mut self, group: &StreamsGroup, from: Requester<'_>) -> Result<Update, GroupError> {
        let request = self.request;
        let known = group.members.get(&request.member_id);
        let new = Member::new(&request.member_id);
        let current = match known {
            Some(member) => member,
            None if request.member_epoch == 0 => &new,
            None => return Err(unknown_member(&request.member_id, &request.group_id)),
        };
        self.check_epoch(current)?;
        let member = self.updated_member(current, from);
        let mut bump = known != Some(&member);
        let topology = self.updated_topology(group)?;
        if let Some(stored) = &group.topology
            && member.topology_epoch < stored.epoch
        {
            let (old, new) = (member.topology_epoch, stored.epoch);
            self.statuses.push(status(
                STALE_TOPOLOGY,
                format!(
                    "The member's topology epoch {old} is behind the group's topology epoch {new}."
                ),
            ));
        }
        let mut topics_seen = group.topics_seen.clone();
        let mut configured = group.configured.clone();
        if configured.is_none() || group.topics_version != Some(self.topics.version()) {
            topics_seen = self.topics_of(&topology);
            let changed = topics_seen != group.topics_seen;
            bump |= changed;
            if changed || group.topology.is_none() {
                configured = None;
            }
        }
        let configured = match configured {
            Some(configured) => configured,
            None => internal_topics::configure(&topology, &|name| {
                self.topics.topic(name).map(|(_, partitions)| partitions)
            })?,
        };
        let mut validated_topology_epoch = -1;
        if configured.is_ready() {
            validated_topology_epoch = topology.epoch;
            validate::owned_tasks(&configured, request)?;
        }
        bump |= validated_topology_epoch != group.validated_topology_epoch;
        bump |= group.standby_replicas != Some(self.config.num_standby_replicas);
        Ok(Update {
            member,
            topology,
            topics_seen,
            configured,
            // Kafka writes it down together with a new epoch only; it is equal otherwise.
            validated_topology_epoch,
            group_epoch: group.group_epoch + i32::from(bump),
        })
    }

    /// The target assignment of this member, computed anew if the group's epoch asks for it.
    fn target(
        &mut self,
        group: &mut StreamsGroup,
        initial_delay: bool,
    ) -> Result<(i32, Tasks), GroupError> {
        if initial_delay {
            self.statuses.push(status(
                ASSIGNMENT_DELAYED,
                "Assignment delayed due to the configured initial rebalance delay.",
            ));
            return Ok((group.assignment_epoch, Tasks::default()));
        }
        if group.assignment_epoch < group.group_epoch {
            let interval = u64::from(self.config.assignment_interval_ms);
            let due = group.assignment_time.map(|time| time.plus_ms(interval));
            if due.is_some_and(|due| self.now < due) {
                self.statuses.push(status(
                    ASSIGNMENT_DELAYED,
                    "Assignment delayed due to the configured assignment interval.",
                ));
            } else {
                assign(group, self.now, self.config.num_standby_replicas)?;
            }
        }
        let target = group.target.get(&self.request.member_id);
        Ok((group.assignment_epoch, target.cloned().unwrap_or_default()))
    }

    fn response(
        &mut self,
        group: &mut StreamsGroup,
        member: &Member,
        before: Option<&Member>,
        is_new: bool,
    ) -> StreamsGroupHeartbeatResponse {
        let request = self.request;
        let mut response = StreamsGroupHeartbeatResponse {
            member_id: member.member_id.clone(),
            member_epoch: member.member_epoch,
            heartbeat_interval_ms: i32::try_from(self.config.heartbeat_interval_ms)
                .unwrap_or(i32::MAX),
            ..StreamsGroupHeartbeatResponse::default()
        };
        let changed = before.is_none_or(|before| before.assigned != member.assigned);
        if before.is_none_or(|before| before != member) {
            group.endpoints.remove(&member.member_id);
        }
        if request.member_epoch == 0 || changed {
            let assigned = &member.assigned;
            response.active_tasks = Some(tasks::to_wire(assigned.active.keys()));
            response.standby_tasks = Some(tasks::to_wire(&assigned.standby));
            response.warmup_tasks = Some(tasks::to_wire(&assigned.warmup));
            // Kafka has not stored a new group yet when it counts: the epoch starts at 0.
            if member.user_endpoint.is_some() && !is_new {
                group.endpoint_epoch += 1;
            }
        }
        response.endpoint_information_epoch = group.endpoint_epoch;
        if group.endpoint_epoch != request.endpoint_information_epoch {
            response.partitions_by_user_endpoint = Some(self.endpoints(group));
        }
        if request.shutdown_application {
            let requester = request.member_id.clone();
            group.shutdown_requested_by.get_or_insert(requester);
        }
        let problem = group.configured.as_ref().and_then(|c| c.problem.clone());
        if let Some((code, detail)) = problem {
            self.statuses.push(status(code, detail));
        }
        if let Some(requester) = &group.shutdown_requested_by {
            self.statuses.push(status(
                SHUTDOWN_APPLICATION,
                format!(
                    "Streams group member {requester} encountered a fatal error and requested a \
                     shutdown for the entire application."
                ),
            ));
        }
        response.status = Some(std::mem::take(&mut self.statuses));
        response
    }

    /// The partitions behind every endpoint: the requesting member's last, as in Java.
    fn endpoints(&self, group: &mut StreamsGroup) -> Vec<EndpointToPartitions> {
        let ids: Vec<String> = group.members.keys().cloned().collect();
        let requester = &self.request.member_id;
        let others = ids.iter().filter(|id| *id != requester);
        let mut list = Vec::new();
        for id in others.chain([requester]) {
            if let Some(known) = group.endpoints.get(id) {
                list.push(known.clone());
                continue;
            }
            let Some(endpoint) = self.endpoint(group, id) else {
                continue;
            };
            group.endpoints.insert(id.clone(), endpoint.clone());
            list.push(endpoint);
        }
        list
    }

    fn endpoint(&self, group: &StreamsGroup, member_id: &str) -> Option<EndpointToPartitions> {
        let member = group.members.get(member_id)?;
        let standby = &member.assigned.standby;
        let active: BTreeSet<Task> = member.assigned.active.keys().cloned().collect();
        Some(EndpointToPartitions {
            user_endpoint: member.user_endpoint.clone()?,
            active_partitions: self.partitions(group, &active),
            standby_partitions: self.partitions(group, standby),
        })
    }

    /// The source partitions of tasks. A topic with fewer partitions than the member has tasks
    /// of the sub-topology gets the lowest ones, existing or not: Java's arithmetic.
    fn partitions(&self, group: &StreamsGroup, tasks: &BTreeSet<Task>) -> Vec<TopicPartitions> {
        let configured = group.configured.as_ref();
        let Some(subtopologies) = configured.and_then(|c| c.subtopologies.as_ref()) else {
            return Vec::new();
        };
        let mut list = Vec::new();
        for ids in tasks::to_wire(tasks) {
            let Some(subtopology) = subtopologies.get(&ids.subtopology_id) else {
                continue;
            };
            for topic in &subtopology.source_topics {
                let count = self.topics.topic(topic).map_or(0, |(_, count)| count);
                let count = usize::try_from(count).unwrap_or(0);
                let mut partitions = ids.partitions.clone();
                partitions.truncate(count);
                list.push(TopicPartitions {
                    topic: topic.clone(),
                    partitions,
                });
            }
        }
        list
    }
}

/// Kafka compares sub-topologies by id, whatever their order; the order of lists inside counts.
fn same_topology(a: &Topology, b: &Topology) -> bool {
    let by_id = |topology: &Topology| -> BTreeMap<String, _> {
        let subtopologies = topology.subtopologies.iter().cloned();
        subtopologies
            .map(|sub| (sub.subtopology_id.clone(), sub))
            .collect()
    };
    a.epoch == b.epoch && by_id(a) == by_id(b)
}
