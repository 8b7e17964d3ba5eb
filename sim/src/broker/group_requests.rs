//! Requests about groups, apart from their offsets: StreamsGroupHeartbeat (88),
//! StreamsGroupDescribe (89), ListGroups (16), DescribeGroups (15), ConsumerGroupDescribe (69).

use eddyline_core::types::BrokerId;
use eddyline_core::wire::Response;
use eddyline_core::wire::messages::list_groups_response::ListedGroup;
use eddyline_core::wire::messages::{
    self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ListGroupsRequest, ListGroupsResponse,
    consumer_group_describe_response, describe_groups_response,
};
use eddyline_core::wire::streams_group::{
    DescribedGroup, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
    StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
};

use super::groups::{Group, Requester};
use super::{Broker, codes};

impl Broker {
    pub(super) fn streams_group_heartbeat(
        &mut self,
        client_id: &str,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Response {
        if self.config.streams_version == 0 {
            return Response::StreamsGroupHeartbeat(heartbeat_error(codes::UNSUPPORTED_VERSION));
        }
        let from = Requester {
            client_id,
            client_host: &self.config.client_host,
        };
        let result = self
            .groups
            .heartbeat(self.now.instant, from, request, &self.topics);
        self.create_internal_topics(result.topics_to_create);
        Response::StreamsGroupHeartbeat(result.response)
    }

    pub(super) fn streams_group_describe(
        &mut self,
        node: BrokerId,
        request: &StreamsGroupDescribeRequest,
    ) -> Response {
        let mut groups = Vec::with_capacity(request.group_ids.len());
        for id in &request.group_ids {
            let refused = if self.config.streams_version == 0 {
                Some(codes::UNSUPPORTED_VERSION)
            } else if id.is_empty() {
                Some(codes::INVALID_GROUP_ID)
            } else {
                self.coordinator_error(node, id)
            };
            groups.push(match refused {
                Some(error_code) => DescribedGroup {
                    error_code,
                    group_id: id.clone(),
                    authorized_operations: i32::MIN,
                    ..DescribedGroup::default()
                },
                None => self
                    .groups
                    .describe(id, request.include_authorized_operations),
            });
        }
        Response::StreamsGroupDescribe(StreamsGroupDescribeResponse {
            groups,
            ..StreamsGroupDescribeResponse::default()
        })
    }

    /// The groups this node coordinates.
    pub(super) fn list_groups(&mut self, node: BrokerId, request: &ListGroupsRequest) -> Response {
        let mut groups = Vec::new();
        for (id, group) in self.groups.iter() {
            let (protocol, state, kind) = match group {
                Group::Streams(group) => ("streams", group.state().name(), "Streams"),
                Group::Simple => ("", "Empty", "Classic"),
            };
            let wanted = |filter: &[messages::StrBytes], value: &str| {
                filter.is_empty() || filter.iter().any(|f| f.eq_ignore_ascii_case(value))
            };
            if wanted(&request.states_filter, state) && wanted(&request.types_filter, kind) {
                groups.push((id.clone(), protocol, state, kind));
            }
        }
        groups.retain(|(id, ..)| self.coordinator(id) == Some(node));
        let groups = groups.into_iter().map(|(id, protocol, state, kind)| {
            ListedGroup::default()
                .with_group_id(messages::GroupId(id.into()))
                .with_protocol_type(protocol.into())
                .with_group_state(state.into())
                .with_group_type(kind.into())
        });
        Response::ListGroups(ListGroupsResponse::default().with_groups(groups.collect()))
    }

    /// Classic groups never have members here: each is as good as dead, or empty with offsets.
    pub(super) fn describe_groups(
        &mut self,
        node: BrokerId,
        version: i16,
        request: &DescribeGroupsRequest,
    ) -> Response {
        let mut groups = Vec::with_capacity(request.groups.len());
        for id in &request.groups {
            let described =
                describe_groups_response::DescribedGroup::default().with_group_id(id.clone());
            let described = described.with_authorized_operations(i32::MIN);
            let name = id.0.as_str();
            groups.push(if let Some(code) = self.coordinator_error(node, name) {
                described.with_error_code(code)
            } else if matches!(self.groups.get(name), Some(Group::Simple)) {
                described.with_group_state("Empty".into())
            } else if version >= 6 {
                described
                    .with_group_state("Dead".into())
                    .with_error_code(codes::GROUP_ID_NOT_FOUND)
                    .with_error_message(Some(
                        format!("Group {name} is not a classic group.").into(),
                    ))
            } else {
                described.with_group_state("Dead".into())
            });
        }
        Response::DescribeGroups(DescribeGroupsResponse::default().with_groups(groups))
    }

    /// There are no consumer groups of KIP-848 here.
    pub(super) fn consumer_group_describe(
        &mut self,
        node: BrokerId,
        request: &ConsumerGroupDescribeRequest,
    ) -> Response {
        let mut groups = Vec::with_capacity(request.group_ids.len());
        for id in &request.group_ids {
            let name = id.0.as_str();
            let code = self.coordinator_error(node, name);
            let message = match self.groups.get(name) {
                None => format!("Group {name} not found."),
                Some(_) => format!("Group {name} is not a consumer group."),
            };
            groups.push(
                consumer_group_describe_response::DescribedGroup::default()
                    .with_group_id(id.clone())
                    .with_error_code(code.unwrap_or(codes::GROUP_ID_NOT_FOUND))
                    .with_error_message(Some(message.into()))
                    .with_authorized_operations(i32::MIN),
            );
        }
        Response::ConsumerGroupDescribe(
            ConsumerGroupDescribeResponse::default().with_groups(groups),
        )
    }
}

/// A heartbeat answered with a code alone.
pub(super) fn heartbeat_error(error_code: i16) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code,
        status: Some(Vec::new()),
        ..StreamsGroupHeartbeatResponse::default()
    }
}
