//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use eddyline_core::wire::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use eddyline_core::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use eddyline_core::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use eddyline_core::wire::messages::{
    DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName,
};

use super::*;

fn list(
    world: &mut World,
    connection: ConnectionId,
    version: i16,
    timestamp: i64,
) -> (i16, i64, i64) {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName("t".into()))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let response = world.call(connection, version, &Request::ListOffsets(request));
    let Response::ListOffsets(response) = response else {
        panic!("an answer to list offsets");
    };
    let found = &response.topics[0].partitions[0];
    (found.error_code, found.timestamp, found.offset)
}

fn delete(world: &mut World, connection: ConnectionId, version: i16, offset: i64) -> (i16, i64) {
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(0)
        .with_offset(offset);
    let topic = DeleteRecordsTopic::default()
        .with_name(TopicName("t".into()))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    let response = world.call(connection, version, &Request::DeleteRecords(request));
    let Response::DeleteRecords(response) = response else {
        panic!("an answer to delete records");
    };
    let result = &response.topics[0].partitions[0];
    (result.error_code, result.low_watermark)
}

#[test]
fn offsets_are_found_by_end_and_by_timestamp() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    assert_eq!(list(&mut world, connection, 7, -3), (0, -1, -1));
    // Timestamps 1000 to 1002, then 1000 again.
    world.produce(connection, 0, plain(&["a", "b", "c"]));
    world.produce(connection, 0, plain(&["d"]));
    for version in offered(&world.broker, ApiKey::ListOffsets) {
        assert_eq!(list(&mut world, connection, version, -2), (0, -1, 0));
        assert_eq!(list(&mut world, connection, version, -1), (0, -1, 4));
        assert_eq!(list(&mut world, connection, version, 1_001), (0, 1_001, 1));
        assert_eq!(list(&mut world, connection, version, 0), (0, 1_000, 0));
        assert_eq!(list(&mut world, connection, version, 1_003), (0, -1, -1));
    }
    assert_eq!(list(&mut world, connection, 7, -3), (0, 1_002, 2));
    assert_eq!(list(&mut world, connection, 9, -5), (0, -1, -1));
    assert_eq!(
        list(&mut world, connection, 9, -9).0,
        codes::INVALID_REQUEST
    );
}

#[test]
fn deleted_records_are_gone_and_their_memory_too() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    for _ in 0..3 {
        world.produce(connection, 0, plain(&["a", "b"]));
    }
    let size = |world: &World| world.broker.log("t", 0).map(PartitionLog::size_bytes);
    let whole = size(&world).expect("the log");
    // The middle of a batch: the batch stays, its first record is out of reach.
    assert_eq!(delete(&mut world, connection, 2, 3), (0, 3));
    assert_eq!(size(&world), Some(whole / 3 * 2));
    assert_eq!(list(&mut world, connection, 7, -2), (0, -1, 3));
    assert_eq!(list(&mut world, connection, 7, 1_000), (0, 1_001, 3));
    let log = world.broker.log("t", 0).expect("the log");
    let offsets: Vec<i64> = log
        .records()
        .expect("sound")
        .iter()
        .map(|r| r.offset)
        .collect();
    assert_eq!(offsets, [3, 4, 5]);
    assert_eq!(delete(&mut world, connection, 2, 1), (0, 3));
    assert_eq!(
        delete(&mut world, connection, 2, 7),
        (codes::OFFSET_OUT_OF_RANGE, -1)
    );
    assert_eq!(
        delete(&mut world, connection, 2, -2),
        (codes::OFFSET_OUT_OF_RANGE, -1)
    );
    for version in offered(&world.broker, ApiKey::DeleteRecords) {
        assert_eq!(delete(&mut world, connection, version, -1), (0, 6));
    }
    assert_eq!(size(&world), Some(0));
    assert_eq!(list(&mut world, connection, 7, -2), (0, -1, 6));
    assert_eq!(list(&mut world, connection, 7, -1), (0, -1, 6));
}

#[test]
fn leader_epochs_end_where_the_next_begins() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_leader(world.now, "t", 0, BrokerId(1));
    let first = world.broker.leader("t", 0).expect("a leader").1;
    let connection = world.connect(1);
    world.produce(connection, 0, plain(&["a", "b"]));
    world.broker.move_leader(world.now, "t", 0, BrokerId(2));
    let connection = world.connect(2);
    world.produce(connection, 0, plain(&["c"]));
    let cases = [
        (first, (first, 2)),
        (first + 1, (first + 1, 3)),
        (first + 2, (-1, -1)),
    ];
    for version in offered(&world.broker, ApiKey::OffsetForLeaderEpoch) {
        for (epoch, expected) in cases {
            let partition = OffsetForLeaderPartition::default()
                .with_partition(0)
                .with_current_leader_epoch(-1)
                .with_leader_epoch(epoch);
            let topic = OffsetForLeaderTopic::default()
                .with_topic(TopicName("t".into()))
                .with_partitions(vec![partition]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            let request = Request::OffsetForLeaderEpoch(request);
            let Response::OffsetForLeaderEpoch(response) =
                world.call(connection, version, &request)
            else {
                panic!("an answer to offset for leader epoch");
            };
            let end = &response.topics[0].partitions[0];
            assert_eq!((end.leader_epoch, end.end_offset), expected);
        }
    }
}
