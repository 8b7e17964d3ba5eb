//! Hand-made answers for the tests of machines that talk to brokers.

use std::collections::{BTreeMap, VecDeque};

use super::{ConnectionId, Input, Output};
use crate::wire::messages::{
    ApiVersionsResponse, BrokerId as KafkaBrokerId, FindCoordinatorResponse, MetadataResponse,
    StrBytes, TopicName as KafkaTopicName,
    api_versions_response::{ApiVersion, FinalizedFeatureKey},
    find_coordinator_response::Coordinator,
    metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
};
use crate::wire::{self, ApiKey, FrameDecoder, RequestFrame, Response, Uuid};

/// Brokers that accept every connection and shake hands; the test answers the rest.
#[derive(Default)]
pub(crate) struct FakeBrokers {
    sockets: BTreeMap<ConnectionId, (String, FrameDecoder)>,
    /// Requests without an answer: connection, address of the broker, request.
    pub(crate) requests: VecDeque<(ConnectionId, String, RequestFrame)>,
    /// Inputs for the machine.
    pub(crate) inputs: VecDeque<Input>,
}

impl FakeBrokers {
    /// Carries out an output that is no event.
    pub(crate) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect {
                connection,
                address,
            } => {
                let socket = (address.to_string(), FrameDecoder::new(1 << 24));
                self.sockets.insert(connection, socket);
                self.inputs.push_back(Input::Connected(connection));
            }
            Output::Transmit(id, bytes) => {
                let Some((address, decoder)) = self.sockets.get_mut(&id) else {
                    return;
                };
                let address = address.clone();
                decoder.push(bytes);
                while let Some(frame) = decoder.next_frame().expect("whole frames") {
                    let frame = wire::decode_request(frame).expect("a request");
                    if frame.api_key == ApiKey::ApiVersions {
                        self.inputs.push_back(answer(id, &frame, &api_versions()));
                    } else {
                        self.requests.push_back((id, address.clone(), frame));
                    }
                }
            }
            Output::Close(id) => {
                self.sockets.remove(&id);
                self.requests.retain(|(from, _, _)| *from != id);
            }
            Output::Event(_) => {}
        }
    }

    /// Breaks every connection.
    pub(crate) fn reset_all(&mut self) {
        self.requests.clear();
        for (id, _) in std::mem::take(&mut self.sockets) {
            self.inputs.push_back(Input::Disconnected(id));
        }
    }
}

/// The bytes of an answer as an input.
pub(crate) fn answer(id: ConnectionId, frame: &RequestFrame, response: &Response) -> Input {
    let bytes = wire::encode_response(frame.api_key, frame.version, frame.correlation_id, response)
        .expect("encodes");
    Input::Received(id, bytes)
}

/// Everything this library knows, with streams groups switched on.
pub(crate) fn api_versions() -> Response {
    let keys = ApiKey::ALL.iter().map(|api| {
        let (min, max) = wire::supported_versions(*api);
        ApiVersion::default()
            .with_api_key(api.code())
            .with_min_version(min)
            .with_max_version(max)
    });
    let feature = FinalizedFeatureKey::default()
        .with_name(StrBytes::from_static_str("streams.version"))
        .with_max_version_level(1);
    Response::ApiVersions(
        ApiVersionsResponse::default()
            .with_api_keys(keys.collect())
            .with_finalized_features_epoch(1)
            .with_finalized_features(vec![feature]),
    )
}

/// The answer of a broker that has just started.
pub(crate) fn metadata_of_no_brokers() -> Response {
    Response::Metadata(MetadataResponse::default())
}

/// Brokers 1 and 2; each topic with the leaders and leader epochs of its partitions, or without
/// any where it does not exist.
pub(crate) fn metadata(topics: &[(&str, &[(i32, i32)])]) -> Response {
    let brokers = [1, 2].map(|id| {
        MetadataResponseBroker::default()
            .with_node_id(KafkaBrokerId(id))
            .with_host(StrBytes::from_string(format!("broker{id}")))
            .with_port(9092)
    });
    let topics = topics.iter().map(|(name, leaders)| {
        let partitions = leaders.iter().zip(0..).map(|((leader, epoch), index)| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(KafkaBrokerId(*leader))
                .with_leader_epoch(*epoch)
        });
        let topic = MetadataResponseTopic::default()
            .with_name(Some(KafkaTopicName(StrBytes::from_string((*name).into()))));
        if leaders.is_empty() {
            topic.with_error_code(3)
        } else {
            topic
                .with_topic_id(topic_id(name))
                .with_partitions(partitions.collect())
        }
    });
    Response::Metadata(
        MetadataResponse::default()
            .with_brokers(brokers.to_vec())
            .with_topics(topics.collect()),
    )
}

/// The id of a topic of [`metadata`].
pub(crate) fn topic_id(name: &str) -> Uuid {
    let number = name
        .bytes()
        .fold(1, |n: u128, byte| n * 257 + u128::from(byte));
    Uuid::from_u128(number)
}

/// The coordinator is this broker.
pub(crate) fn coordinator(broker: i32) -> Response {
    let found = Coordinator::default()
        .with_node_id(KafkaBrokerId(broker))
        .with_host(StrBytes::from_string(format!("broker{broker}")))
        .with_port(9092);
    Response::FindCoordinator(FindCoordinatorResponse::default().with_coordinators(vec![found]))
}
