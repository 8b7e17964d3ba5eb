//! Produce and InitProducerId.

use eddyline_core::wire::Compression;
use eddyline_core::wire::messages::InitProducerIdRequest;

use super::*;

fn code(world: &mut World, connection: ConnectionId, records: Bytes) -> (i16, i64) {
    let response = world.produce(connection, 0, records);
    (response.error_code, response.base_offset)
}

#[test]
fn every_version_appends_and_answers() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    for (offset, version) in (0..).zip(offered(&world.broker, ApiKey::Produce)) {
        let request = produce_request(world.topic_id("t"), 0, Some(plain(&["a"])), -1);
        let response = world.call(connection, version, &Request::Produce(request));
        let Response::Produce(response) = response else {
            panic!("an answer to produce");
        };
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, offset),
            "v{version}"
        );
    }
}

#[test]
fn offsets_and_leader_epoch_are_stamped_into_the_batch() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_leader(world.now, "t", 0, BrokerId(2));
    let connection = world.connect(2);
    assert_eq!(code(&mut world, connection, plain(&["a", "b"])), (0, 0));
    assert_eq!(code(&mut world, connection, plain(&["c"])), (0, 2));
    let log = world.broker.log("t", 0).expect("the log");
    let stored: Vec<_> = log
        .batches()
        .map(|batch| (batch.base_offset(), batch.last_offset()))
        .collect();
    assert_eq!(stored, [(0, 1), (2, 2)]);
    let (_, epoch) = world.broker.leader("t", 0).expect("a leader");
    for batch in log.batches() {
        let decoded =
            wire::decode_batches(batch.bytes().clone()).expect("the checksum still holds");
        assert_eq!(decoded[0].header().partition_leader_epoch, epoch);
    }
    let records = log.records().expect("sound records");
    let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
    assert_eq!(log.end_offset(), 3);
}

#[test]
fn compressed_batches_are_looked_into_and_stored_as_they_are() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let text = "words that repeat ".repeat(20);
    for (at, codec) in (0..).zip(Compression::ALL) {
        let batch = sealed(&[&text, &text]).compress(codec).encode(-1, -1, -1);
        assert_eq!(code(&mut world, connection, batch.clone()), (0, at * 2));
        let log = world.broker.log("t", 0).expect("the log");
        let stored = log.batches().last().expect("the batch").bytes();
        assert_eq!(stored[21..], batch[21..], "{codec}");
        let read = log.records().expect("sound records");
        assert_eq!(read.len() as i64, at * 2 + 2);
        assert!(
            read.iter()
                .all(|record| record.value.as_deref() == Some(text.as_bytes()))
        );
    }
    // A sound checksum over what no codec writes.
    let mut damaged = sealed(&[&text])
        .compress(Compression::Gzip)
        .encode(-1, -1, -1)
        .to_vec();
    damaged.truncate(damaged.len() - 9);
    let length = (damaged.len() - 12) as i32;
    damaged[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&damaged[21..]);
    damaged[17..21].copy_from_slice(&crc.to_be_bytes());
    let refused = code(&mut world, connection, Bytes::from(damaged));
    assert_eq!(refused, (codes::INVALID_RECORD, -1));
}

#[test]
fn the_last_five_batches_of_a_producer_are_recognised() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let batch = |sequence| sealed(&["x", "y"]).encode(9, 0, sequence);
    for sequence in [0, 2, 4, 6, 8, 10] {
        assert_eq!(
            code(&mut world, connection, batch(sequence)),
            (0, i64::from(sequence))
        );
    }
    for sequence in [2, 4, 6, 8, 10] {
        assert_eq!(
            code(&mut world, connection, batch(sequence)),
            (0, i64::from(sequence))
        );
    }
    let forgotten = code(&mut world, connection, batch(0));
    assert_eq!(forgotten, (codes::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(
        world.broker.log("t", 0).map(PartitionLog::end_offset),
        Some(12)
    );
}

#[test]
fn a_gap_in_the_sequence_is_refused() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let batch = |sequence| sealed(&["x"]).encode(9, 0, sequence);
    assert_eq!(code(&mut world, connection, batch(0)).0, codes::NONE);
    assert_eq!(
        code(&mut world, connection, batch(2)).0,
        codes::OUT_OF_ORDER_SEQUENCE_NUMBER
    );
    assert_eq!(code(&mut world, connection, batch(1)).0, codes::NONE);
}

#[test]
fn a_producer_nothing_is_known_of_may_start_anywhere() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let batch = sealed(&["x"]).encode(9, 3, 77);
    assert_eq!(code(&mut world, connection, batch), (0, 0));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let batch = |epoch, sequence| sealed(&["x"]).encode(9, epoch, sequence);
    assert_eq!(code(&mut world, connection, batch(0, 0)).0, codes::NONE);
    assert_eq!(
        code(&mut world, connection, batch(1, 5)).0,
        codes::OUT_OF_ORDER_SEQUENCE_NUMBER
    );
    assert_eq!(code(&mut world, connection, batch(1, 0)).0, codes::NONE);
    assert_eq!(
        code(&mut world, connection, batch(0, 1)).0,
        codes::INVALID_PRODUCER_EPOCH
    );
}

#[test]
fn sequences_wrap_to_zero() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let batch = |sequence| sealed(&["x", "y"]).encode(9, 0, sequence);
    assert_eq!(code(&mut world, connection, batch(i32::MAX)).0, codes::NONE);
    assert_eq!(code(&mut world, connection, batch(1)).0, codes::NONE);
    assert_eq!(code(&mut world, connection, batch(i32::MAX)), (0, 0));
    assert_eq!(
        code(&mut world, connection, batch(4)).0,
        codes::OUT_OF_ORDER_SEQUENCE_NUMBER
    );
}

#[test]
fn unsound_batches_are_refused() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let mut corrupt = plain(&["a"]).to_vec();
    *corrupt.last_mut().expect("it has bytes") ^= 1;
    assert_eq!(
        code(&mut world, connection, corrupt.into()).0,
        codes::CORRUPT_MESSAGE
    );
    let two = [plain(&["a"]), plain(&["b"])].concat();
    assert_eq!(
        code(&mut world, connection, two.into()).0,
        codes::INVALID_RECORD
    );
    let whole = plain(&["a"]);
    let cut = whole.slice(..whole.len() - 1);
    assert_ne!(code(&mut world, connection, cut).0, codes::NONE);
    assert_eq!(
        code(&mut world, connection, Bytes::new()).0,
        codes::INVALID_RECORD
    );
    // Magic 1.
    let mut old = plain(&["a"]).to_vec();
    old[16] = 1;
    assert_eq!(
        code(&mut world, connection, old.into()).0,
        codes::INVALID_RECORD
    );
    let huge = "x".repeat(world.broker.config.max_batch_bytes);
    assert_eq!(
        code(&mut world, connection, plain(&[&huge])).0,
        codes::RECORD_TOO_LARGE
    );
    assert_eq!(
        world.broker.log("t", 0).map(PartitionLog::end_offset),
        Some(0)
    );
}

#[test]
fn unknown_topics_partitions_and_acks_are_refused() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    assert_eq!(world.produce(connection, 1, plain(&["a"])).error_code, 3);
    assert_eq!(world.produce(connection, -1, plain(&["a"])).error_code, 3);
    let unknown = Uuid::from_u128(5);
    for (topic, acks, version, expected) in [
        (unknown, 1, 13, codes::UNKNOWN_TOPIC_ID),
        (world.topic_id("t"), 2, 13, codes::INVALID_REQUIRED_ACKS),
    ] {
        let request = produce_request(topic, 0, Some(plain(&["a"])), acks);
        let Response::Produce(response) =
            world.call(connection, version, &Request::Produce(request))
        else {
            panic!("an answer to produce");
        };
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, expected);
    }
}

#[test]
fn without_acknowledgement_there_is_no_answer_and_an_error_closes() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let id = world.topic_id("t");
    let good = produce_request(id, 0, Some(plain(&["a"])), 0);
    world.send(connection, 13, &Request::Produce(good));
    assert_eq!(world.received(connection), Vec::<Bytes>::new());
    assert_eq!(
        world.broker.log("t", 0).map(PartitionLog::end_offset),
        Some(1)
    );
    let bad = produce_request(id, 7, Some(plain(&["a"])), 0);
    world.send(connection, 13, &Request::Produce(bad));
    assert!(world.is_closed(connection));
}

#[test]
fn a_node_that_does_not_lead_names_the_leader() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_leader(world.now, "t", 0, BrokerId(2));
    let connection = world.connect(1);
    let response = world.produce(connection, 0, plain(&["a"]));
    assert_eq!(response.error_code, codes::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(response.current_leader.leader_id.0, 2);
}

#[test]
fn producer_ids_are_unique() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let mut ids = BTreeSet::new();
    for version in offered(&world.broker, ApiKey::InitProducerId) {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let response = world.call(connection, version, &Request::InitProducerId(request));
        let Response::InitProducerId(response) = response else {
            panic!("an answer to init producer id");
        };
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(ids.insert(response.producer_id.0));
    }
}
