//! The checks a heartbeat passes before the group is looked at (Java: `GroupCoordinatorService`
//! and `KafkaApis`), with Kafka's texts.

use eddyline_core::wire::streams_group::{StreamsGroupHeartbeatRequest, TaskIds, Topology};

use super::internal_topics::ConfiguredTopology;
use super::{GroupError, codes};

type Check = Result<(), GroupError>;

fn invalid(message: impl Into<String>) -> GroupError {
    GroupError::new(codes::INVALID_REQUEST, message)
}

fn require(condition: bool, message: &str) -> Check {
    if condition {
        Ok(())
    } else {
        Err(invalid(message))
    }
}

pub(super) fn request(request: &StreamsGroupHeartbeatRequest) -> Check {
    if let Some(topology) = &request.topology {
        topic_names(topology)?;
    }
    unsupported(request)?;
    shape(request)
}

/// The names Kafka itself uses.
fn is_internal(topic: &str) -> bool {
    matches!(
        topic,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

/// Kafka's rule for topic names (Java: `Topic.isValid`).
pub(crate) fn is_valid_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name != "." && name != ".." && name.len() <= 249 && name.chars().all(legal)
}

fn topic_names(topology: &Topology) -> Check {
    let mut topics: Vec<&str> = Vec::new();
    for subtopology in &topology.subtopologies {
        topics.extend(subtopology.source_topics.iter().map(String::as_str));
        topics.extend(
            subtopology
                .repartition_sink_topics
                .iter()
                .map(String::as_str),
        );
        let internal = subtopology.repartition_source_topics.iter();
        let internal = internal.chain(&subtopology.state_changelog_topics);
        topics.extend(internal.map(|topic| topic.name.as_str()));
    }
    let refuse = |topics: Vec<&str>, before: &str, after: &str| {
        if topics.is_empty() {
            return Ok(());
        }
        let message = format!("{before} {} {after}", topics.join(","));
        Err(GroupError::new(codes::STREAMS_INVALID_TOPOLOGY, message))
    };
    let internal = topics.iter().copied().filter(|topic| is_internal(topic));
    refuse(
        internal.collect(),
        "Use of Kafka internal topics",
        "in a Kafka Streams topology is prohibited.",
    )?;
    let illegal = topics.iter().copied().filter(|t| !is_valid_topic_name(t));
    refuse(
        illegal.collect(),
        "Topic names",
        "are not valid topic names.",
    )
}

fn unsupported(request: &StreamsGroupHeartbeatRequest) -> Check {
    require(
        request.instance_id.is_none(),
        "Static membership is not yet supported.",
    )?;
    require(
        request.task_offsets.is_none(),
        "TaskOffsets are not supported yet.",
    )?;
    require(
        request.task_end_offsets.is_none(),
        "TaskEndOffsets are not supported yet.",
    )?;
    require(
        request.warmup_tasks.as_ref().is_none_or(Vec::is_empty),
        "WarmupTasks are not supported yet.",
    )?;
    let subtopologies = request.topology.iter().flat_map(|t| &t.subtopologies);
    for subtopology in subtopologies {
        require(
            subtopology.source_topic_regex.is_empty(),
            "Regular expressions for source topics are not supported yet.",
        )?;
    }
    Ok(())
}

fn shape(request: &StreamsGroupHeartbeatRequest) -> Check {
    require(!request.member_id.is_empty(), "MemberId can't be empty.")?;
    require(!request.group_id.is_empty(), "GroupId can't be empty.")?;
    require(
        request.rack_id.as_deref() != Some(""),
        "RackId can't be empty.",
    )?;
    match request.member_epoch {
        0 => joining(request)?,
        -2 => require(request.instance_id.is_some(), "InstanceId can't be null.")?,
        epoch if epoch < -2 => {
            return Err(invalid(format!(
                "MemberEpoch is {epoch}, but must be greater than or equal to -2."
            )));
        }
        _ => {}
    }
    let lists = [
        &request.active_tasks,
        &request.standby_tasks,
        &request.warmup_tasks,
    ];
    if lists.iter().any(|list| list.is_some()) {
        require(
            lists.iter().all(|list| list.is_some()),
            "If one task-type is non-null, all must be non-null.",
        )?;
    }
    require(
        request.member_epoch == 0 || request.topology.is_none(),
        "Topology can only be provided when (re-)joining.",
    )
}

fn joining(request: &StreamsGroupHeartbeatRequest) -> Check {
    require(
        request.rebalance_timeout_ms != -1,
        "RebalanceTimeoutMs must be provided in first request.",
    )?;
    let empty = |list: &Option<Vec<TaskIds>>| list.as_ref().is_some_and(Vec::is_empty);
    require(
        empty(&request.active_tasks),
        "ActiveTasks must be empty when (re-)joining.",
    )?;
    require(
        empty(&request.standby_tasks),
        "StandbyTasks must be empty when (re-)joining.",
    )?;
    require(
        empty(&request.warmup_tasks),
        "WarmupTasks must be empty when (re-)joining.",
    )?;
    let Some(topology) = &request.topology else {
        return Err(invalid("Topology must be non-null when (re-)joining."));
    };
    for subtopology in &topology.subtopologies {
        for topic in &subtopology.state_changelog_topics {
            if topic.partitions != 0 {
                return Err(GroupError::new(
                    codes::STREAMS_INVALID_TOPOLOGY,
                    format!(
                        "Changelog topic {} must have an undefined partition count, but it is \
                         set to {}.",
                        topic.name, topic.partitions
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Owned tasks must exist once the topology is ready.
pub(super) fn owned_tasks(
    configured: &ConfiguredTopology,
    request: &StreamsGroupHeartbeatRequest,
) -> Check {
    let Some(subtopologies) = &configured.subtopologies else {
        return Ok(());
    };
    let lists = [
        &request.active_tasks,
        &request.standby_tasks,
        &request.warmup_tasks,
    ];
    for ids in lists.into_iter().flatten().flatten() {
        let id = &ids.subtopology_id;
        let Some(subtopology) = subtopologies.get(id) else {
            return Err(invalid(format!(
                "Subtopology {id} does not exist in the topology."
            )));
        };
        let tasks = subtopology.tasks;
        for partition in &ids.partitions {
            if !(0..tasks).contains(partition) {
                return Err(invalid(format!(
                    "Task {partition} for subtopology {id} is invalid. Number of tasks for this \
                     subtopology: {tasks}"
                )));
            }
        }
    }
    Ok(())
}
