//! Heartbeat requests: full on joining, otherwise only what changed.

use super::{MembershipConfig, Tasks, to_wire};
use crate::types::MemberEpoch;
use crate::wire::streams_group::{Endpoint, KeyValue, StreamsGroupHeartbeatRequest};

/// A request that joins: everything the coordinator has to know, and no tasks.
pub(super) fn join(
    config: &MembershipConfig,
    member_id: &str,
    endpoint_epoch: i32,
) -> StreamsGroupHeartbeatRequest {
    let tags = config.client_tags.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: value.clone(),
    });
    StreamsGroupHeartbeatRequest {
        rebalance_timeout_ms: i32::try_from(config.rebalance_timeout_ms).unwrap_or(i32::MAX),
        rack_id: config.rack_id.clone(),
        topology: Some(config.topology.clone()),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(config.process_id.clone()),
        user_endpoint: config.endpoint.as_ref().map(|endpoint| Endpoint {
            host: endpoint.host.clone(),
            port: endpoint.port,
        }),
        client_tags: Some(tags.collect()),
        ..beat(config, member_id, MemberEpoch::JOIN.0, endpoint_epoch, None)
    }
}

/// A request that leaves for good.
pub(super) fn leave(
    config: &MembershipConfig,
    member_id: &str,
    endpoint_epoch: i32,
) -> StreamsGroupHeartbeatRequest {
    let epoch = MemberEpoch::LEAVE.0;
    beat(config, member_id, epoch, endpoint_epoch, None)
}

/// A request that says: still here, and (if `tasks` is given) having these.
pub(super) fn beat(
    config: &MembershipConfig,
    member_id: &str,
    epoch: i32,
    endpoint_epoch: i32,
    tasks: Option<&Tasks>,
) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: config.group_id.clone(),
        member_id: member_id.to_owned(),
        member_epoch: epoch,
        endpoint_information_epoch: endpoint_epoch,
        rebalance_timeout_ms: -1,
        active_tasks: tasks.map(|tasks| to_wire(&tasks.active)),
        standby_tasks: tasks.map(|tasks| to_wire(&tasks.standby)),
        warmup_tasks: tasks.map(|tasks| to_wire(&tasks.warmup)),
        ..StreamsGroupHeartbeatRequest::default()
    }
}
