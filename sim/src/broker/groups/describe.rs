//! StreamsGroupDescribe (API 89): a group as tools see it.

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::wire::streams_group::{
    DescribedGroup, DescribedMember, DescribedSubtopology, DescribedTopology, KeyValue,
    MemberAssignment as Assignment, TopicInfo, Topology,
};

use super::group::{Member, StreamsGroup};
use super::tasks::{self, Task, Tasks};
use super::{Group, Groups, codes};

/// Bits of the operations a client without ACLs may do on a group.
const GROUP_OPERATIONS: i32 = 3400;
/// The bits were not asked for.
const NOT_ASKED: i32 = i32::MIN;

impl Groups {
    /// The description of one group; an unknown one is described by its error.
    pub(crate) fn describe(&self, group_id: &str, include_operations: bool) -> DescribedGroup {
        let error = |message: String| DescribedGroup {
            error_code: codes::GROUP_ID_NOT_FOUND,
            error_message: Some(message),
            group_id: group_id.to_owned(),
            authorized_operations: NOT_ASKED,
            ..DescribedGroup::default()
        };
        match self.get(group_id) {
            None => error(format!("Group {group_id} not found.")),
            Some(Group::Simple) => error(format!("Group {group_id} is not a streams group.")),
            Some(Group::Streams(group)) => DescribedGroup {
                group_id: group_id.to_owned(),
                group_state: group.state().name().to_owned(),
                group_epoch: group.group_epoch,
                assignment_epoch: group.assignment_epoch,
                topology: group
                    .topology()
                    .map(|topology| describe_topology(group, topology)),
                members: group
                    .members
                    .values()
                    .map(|member| describe_member(member, group.target.get(&member.member_id)))
                    .collect(),
                authorized_operations: if include_operations {
                    GROUP_OPERATIONS
                } else {
                    NOT_ASKED
                },
                ..DescribedGroup::default()
            },
        }
    }
}

/// Lists sorted; decided partition counts once the topology is ready.
fn describe_topology(group: &StreamsGroup, topology: &Topology) -> DescribedTopology {
    let configured = group.configured.as_ref().filter(|c| c.is_ready());
    let configured = configured.and_then(|configured| configured.subtopologies.as_ref());
    let sorted = |names: &[String]| -> Vec<String> {
        let names: BTreeSet<&String> = names.iter().collect();
        names.into_iter().cloned().collect()
    };
    let mut subtopologies = BTreeMap::new();
    for subtopology in &topology.subtopologies {
        let id = subtopology.subtopology_id.clone();
        let counts = configured.and_then(|configured| configured.get(&id));
        let topics = |topics: &[TopicInfo]| -> Vec<TopicInfo> {
            let mut topics = topics.to_vec();
            for topic in &mut topics {
                let count = counts.and_then(|counts| counts.internal_partitions.get(&topic.name));
                topic.partitions = count.copied().unwrap_or(topic.partitions);
            }
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            topics
        };
        let described = DescribedSubtopology {
            subtopology_id: id.clone(),
            source_topics: sorted(&subtopology.source_topics),
            repartition_sink_topics: sorted(&subtopology.repartition_sink_topics),
            state_changelog_topics: topics(&subtopology.state_changelog_topics),
            repartition_source_topics: topics(&subtopology.repartition_source_topics),
        };
        subtopologies.insert(id, described);
    }
    DescribedTopology {
        epoch: topology.epoch,
        subtopologies: Some(subtopologies.into_values().collect()),
    }
}

fn describe_member(member: &Member, target: Option<&Tasks>) -> DescribedMember {
    let none = BTreeSet::new();
    let (active, standby, warmup) = target.map_or((&none, &none, &none), |target| {
        (&target.active, &target.standby, &target.warmup)
    });
    let tags = member.client_tags.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: value.clone(),
    });
    DescribedMember {
        member_id: member.member_id.clone(),
        member_epoch: member.member_epoch,
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.clone(),
        user_endpoint: member.user_endpoint.clone(),
        client_tags: tags.collect(),
        assignment: assignment(
            &member.assigned.active.keys().cloned().collect(),
            &member.assigned.standby,
            &member.assigned.warmup,
        ),
        target_assignment: assignment(active, standby, warmup),
        ..DescribedMember::default()
    }
}

fn assignment(
    active: &BTreeSet<Task>,
    standby: &BTreeSet<Task>,
    warmup: &BTreeSet<Task>,
) -> Assignment {
    Assignment {
        active_tasks: tasks::to_wire(active),
        standby_tasks: tasks::to_wire(standby),
        warmup_tasks: tasks::to_wire(warmup),
    }
}
