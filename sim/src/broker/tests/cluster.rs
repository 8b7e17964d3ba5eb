//! Nodes that go down, pause or fail requests.

use eddyline_core::wire::messages::MetadataRequest;

use super::*;

fn metadata(world: &mut World, connection: ConnectionId) -> i32 {
    let request = Request::Metadata(MetadataRequest::default().with_topics(None));
    world.send(connection, 12, &request)
}

fn brokers_and_leaders(world: &mut World, node: i32) -> (Vec<i32>, Vec<i32>) {
    let connection = world.connect(node);
    let request = Request::Metadata(MetadataRequest::default().with_topics(None));
    let Response::Metadata(response) = world.call(connection, 12, &request) else {
        panic!("an answer to metadata");
    };
    let brokers = response.brokers.iter().map(|broker| broker.node_id.0);
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    (
        brokers.collect(),
        partitions.map(|p| p.leader_id.0).collect(),
    )
}

#[test]
fn another_replica_leads_when_a_node_is_down() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 2));
    let before = world.broker.leader("t", 0).expect("a leader");
    let connection = world.connect(before.0.0);
    world.broker.stop_node(world.now, before.0);
    world.drain();
    assert!(world.is_closed(connection));
    let other = 3 - before.0.0;
    assert_eq!(
        world.broker.leader("t", 0),
        Some((BrokerId(other), before.1 + 1))
    );
    assert_eq!(
        brokers_and_leaders(&mut world, other),
        (vec![other], vec![other, other])
    );
    let refused = world.connect(before.0.0);
    assert!(world.is_closed(refused));
    world.broker.start_node(world.now, before.0);
    assert_eq!(brokers_and_leaders(&mut world, before.0.0).0, [1, 2]);
}

#[test]
fn a_partition_without_living_replicas_has_no_leader() {
    let mut world = World::with_topic(1);
    world.broker.stop_node(world.now, BrokerId(1));
    assert_eq!(world.broker.leader("t", 0), None);
    world.broker.start_node(world.now, BrokerId(1));
    assert_eq!(world.broker.leader("t", 0), Some((BrokerId(1), 2)));
}

#[test]
fn a_paused_node_answers_when_it_wakes_up() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    world.broker.pause_node(BrokerId(1));
    let first = metadata(&mut world, connection);
    let second = metadata(&mut world, connection);
    assert_eq!(world.received(connection).len(), 0);
    world.broker.resume_node(world.now, BrokerId(1));
    world.drain();
    let ids: Vec<i32> = world
        .received(connection)
        .into_iter()
        .map(|frame| {
            wire::decode_response(ApiKey::Metadata, 12, frame)
                .expect("an answer")
                .0
        })
        .collect();
    assert_eq!(ids, [first, second]);
}

#[test]
fn a_request_fails_as_often_as_ordered() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    world.broker.inject(FaultRule {
        skip: 1,
        times: 2,
        ..FaultRule::once(ApiKey::Produce, Fault::Error(codes::NOT_LEADER_OR_FOLLOWER))
    });
    let codes: Vec<i16> = (0..4)
        .map(|_| world.produce(connection, 0, plain(&["a"])).error_code)
        .collect();
    assert_eq!(codes, [0, 6, 6, 0]);
    assert_eq!(
        world.broker.log("t", 0).map(PartitionLog::end_offset),
        Some(2)
    );
}

#[test]
fn an_answer_can_be_lost_after_the_request_was_applied() {
    let mut world = World::with_topic(1);
    let request = produce_request(world.topic_id("t"), 0, Some(plain(&["a"])), 1);
    let request = Request::Produce(request);
    for (fault, closed, end) in [
        (Fault::ApplyThenDisconnect, true, 1),
        (Fault::ApplyThenHang, false, 2),
        (Fault::Disconnect, true, 2),
        (Fault::Hang, false, 2),
    ] {
        let connection = world.connect(1);
        world.broker.inject(FaultRule::once(ApiKey::Produce, fault));
        world.send(connection, 13, &request);
        assert_eq!(world.is_closed(connection), closed, "{fault:?}");
        let log_end = world.broker.log("t", 0).map(PartitionLog::end_offset);
        assert_eq!(log_end, Some(end), "{fault:?}");
        metadata(&mut world, connection);
        assert_eq!(world.received(connection).len(), 0, "{fault:?}");
    }
}

#[test]
fn every_api_with_an_error_code_can_be_refused() {
    let mut world = World::with_topic(1);
    // These have no place for an error of the request as a whole, and close the connection.
    let close = [
        ApiKey::DeleteTopics,
        ApiKey::DescribeGroups,
        ApiKey::DescribeConfigs,
        ApiKey::IncrementalAlterConfigs,
        ApiKey::ConsumerGroupDescribe,
    ];
    for (api, _, _) in super::super::metadata::APIS {
        for version in offered(&world.broker, api) {
            let connection = world.connect(1);
            world.broker.inject(FaultRule::once(api, Fault::Error(15)));
            world.send(connection, version, &empty_request(api));
            let closes = close.contains(&api);
            assert_eq!(world.is_closed(connection), closes, "{api:?} v{version}");
            assert_eq!(world.received(connection).len(), usize::from(!closes));
            world.broker.clear_faults();
        }
    }
}

fn empty_request(api: ApiKey) -> Request {
    macro_rules! empty {
        ($($name:ident)*) => {
            match api {
                $(ApiKey::$name => Request::$name(Default::default()),)*
            }
        };
    }
    empty!(
        Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator DescribeGroups
        ListGroups ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId
        OffsetForLeaderEpoch AddPartitionsToTxn AddOffsetsToTxn EndTxn TxnOffsetCommit DescribeConfigs
        IncrementalAlterConfigs DescribeCluster SaslHandshake SaslAuthenticate
        ConsumerGroupDescribe DescribeTopicPartitions StreamsGroupHeartbeat StreamsGroupDescribe
    )
}

#[test]
fn equal_seeds_give_equal_clusters() {
    let ids = |seed| {
        let mut broker = Broker::new(BrokerConfig::default(), SeedTree::new(seed));
        assert!(broker.create_topic("t", 1));
        broker.topics.by_name("t").expect("the topic").id
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}
