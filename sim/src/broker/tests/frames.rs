//! Bytes that are not what they should be, and what is not offered.

use eddyline_core::wire::messages::{ApiVersionsRequest, MetadataRequest};
use eddyline_core::wire::streams_group::{
    StreamsGroupDescribeRequest, StreamsGroupHeartbeatRequest,
};
use proptest::prelude::*;

use super::*;

fn api_versions(world: &mut World, connection: ConnectionId, version: i16) -> Response {
    let request = Request::ApiVersions(
        ApiVersionsRequest::default()
            .with_client_software_name("tester".into())
            .with_client_software_version("1".into()),
    );
    world.call(connection, version, &request)
}

fn offered_to(world: &mut World) -> (BTreeMap<i16, (i16, i16)>, usize) {
    let connection = world.connect(1);
    let Response::ApiVersions(response) = api_versions(world, connection, 4) else {
        panic!("an answer to api versions");
    };
    let keys = response.api_keys.iter();
    let keys = keys.map(|key| (key.api_key, (key.min_version, key.max_version)));
    (keys.collect(), response.finalized_features.len())
}

#[test]
fn every_offered_version_can_be_spoken() {
    let world = World::new(BrokerConfig::default());
    for (api, _, _) in super::super::metadata::APIS {
        offered(&world.broker, api);
    }
}

#[test]
fn versions_are_offered_in_every_shape() {
    let mut world = World::new(BrokerConfig::default());
    let connection = world.connect(1);
    for version in 0..=4 {
        let Response::ApiVersions(response) = api_versions(&mut world, connection, version) else {
            panic!("an answer to api versions");
        };
        assert_eq!((response.error_code, response.api_keys.len()), (0, 25));
    }
    let (keys, features) = offered_to(&mut world);
    assert_eq!((keys[&88], keys[&28], features), ((0, 0), (0, 5), 2));
}

#[test]
fn a_version_of_api_versions_that_is_too_new_is_told_what_there_is() {
    let mut world = World::new(BrokerConfig::default());
    let connection = world.connect(1);
    // API 18, version 9, correlation 3, no client id, no tags.
    let frame = [0, 0, 0, 11, 0, 18, 0, 9, 0, 0, 0, 3, 0xff, 0xff, 0];
    world.input(BrokerInput::Received(
        connection,
        Bytes::copy_from_slice(&frame),
    ));
    let response = world
        .answer(connection, ApiKey::ApiVersions, 0, 3)
        .expect("an answer");
    let Response::ApiVersions(response) = response else {
        panic!("an answer to api versions");
    };
    assert_eq!(response.error_code, codes::UNSUPPORTED_VERSION);
    assert_eq!(response.api_keys.len(), 25);
}

#[test]
fn older_brokers_can_be_posed_as() {
    let api_versions = BTreeMap::from([(1, (4, 12)), (75, (0, 0)), (88, (1, 0))]);
    let mut world = World::new(BrokerConfig {
        api_versions,
        streams_version: 0,
        transaction_version: 0,
        ..BrokerConfig::default()
    });
    let (keys, features) = offered_to(&mut world);
    assert_eq!(
        (keys[&1], keys.get(&75), keys.get(&88), features),
        ((4, 12), None, None, 0)
    );
    let connection = world.connect(1);
    let request = Request::StreamsGroupHeartbeat(StreamsGroupHeartbeatRequest::default());
    world.send(connection, 0, &request);
    assert!(world.is_closed(connection));
}

#[test]
fn streams_groups_need_their_feature() {
    let mut world = World::new(BrokerConfig {
        streams_version: 0,
        ..BrokerConfig::default()
    });
    let connection = world.connect(1);
    let beat = Request::StreamsGroupHeartbeat(StreamsGroupHeartbeatRequest::default());
    let Response::StreamsGroupHeartbeat(response) = world.call(connection, 0, &beat) else {
        panic!("an answer to the heartbeat");
    };
    assert_eq!(response.error_code, codes::UNSUPPORTED_VERSION);
    let describe = Request::StreamsGroupDescribe(StreamsGroupDescribeRequest {
        group_ids: vec!["g".to_owned()],
        ..StreamsGroupDescribeRequest::default()
    });
    let Response::StreamsGroupDescribe(response) = world.call(connection, 0, &describe) else {
        panic!("an answer to the description");
    };
    assert_eq!(response.groups[0].error_code, codes::UNSUPPORTED_VERSION);
}

#[test]
fn requests_may_come_in_pieces_and_several_at_once() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let request = Request::Metadata(MetadataRequest::default().with_topics(None));
    let frame = |id| wire::encode_request(12, id, "tester", &request).expect("it encodes");
    let bytes = [frame(1), frame(2), frame(3)].concat();
    for chunk in bytes.chunks(5) {
        let chunk = Bytes::copy_from_slice(chunk);
        world.input(BrokerInput::Received(connection, chunk));
    }
    let ids: Vec<i32> = world
        .received(connection)
        .into_iter()
        .map(|frame| {
            wire::decode_response(ApiKey::Metadata, 12, frame)
                .expect("an answer")
                .0
        })
        .collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn frames_that_are_too_long_close_the_connection() {
    let mut world = World::new(BrokerConfig {
        max_request_bytes: 100,
        ..BrokerConfig::default()
    });
    for length in [101_i32, i32::MAX, -1] {
        let connection = world.connect(1);
        let bytes = Bytes::copy_from_slice(&length.to_be_bytes());
        world.input(BrokerInput::Received(connection, bytes));
        assert!(world.is_closed(connection), "{length}");
    }
}

/// Requests of every offered API to damage: their bodies are all zero at first.
fn damaged() -> impl Strategy<Value = (usize, i16, Vec<u8>)> {
    let body = prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..80);
    (0_usize..23, 0_i16..19, body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_requests_never_panic(requests in prop::collection::vec(damaged(), 1..20)) {
        let mut world = World::with_topic(1);
        for (api, version, body) in requests {
            let (api, _, _) = super::super::metadata::APIS[api];
            let connection = world.connect(1);
            let mut frame = Vec::new();
            frame.extend(i32::try_from(10 + body.len()).expect("short").to_be_bytes());
            frame.extend(api.code().to_be_bytes());
            frame.extend(version.to_be_bytes());
            frame.extend([0, 0, 0, 1, 0xff, 0xff]);
            frame.extend(&body);
            world.input(BrokerInput::Received(connection, frame.into()));
        }
        world.advance(100_000);
        // Whatever happened, the broker still serves.
        let connection = world.connect(1);
        let response = api_versions(&mut world, connection, 0);
        prop_assert!(matches!(response, Response::ApiVersions(_)));
    }
}
