//! Fetch: what is read, what waits, sessions.

use eddyline_core::wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use eddyline_core::wire::messages::fetch_response::PartitionData;
use eddyline_core::wire::messages::{FetchRequest, FetchResponse, TopicName};

use super::*;

pub(super) fn wanted(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 20)
}

pub(super) fn request(topic: Uuid, partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(TopicName("t".into()))
        .with_topic_id(topic)
        .with_partitions(partitions);
    FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

fn fetch_response(response: Response) -> FetchResponse {
    let Response::Fetch(response) = response else {
        panic!("an answer to fetch");
    };
    response
}

pub(super) fn partitions(response: &FetchResponse) -> Vec<&PartitionData> {
    let topics = response.responses.iter();
    topics.flat_map(|topic| &topic.partitions).collect()
}

impl World {
    pub(super) fn fetch(
        &mut self,
        connection: ConnectionId,
        request: FetchRequest,
    ) -> FetchResponse {
        fetch_response(self.call(connection, 17, &Request::Fetch(request)))
    }

    fn fetch_one(&mut self, connection: ConnectionId, wanted: FetchPartition) -> PartitionData {
        let request = request(self.topic_id("t"), vec![wanted]).with_max_wait_ms(0);
        let response = self.fetch(connection, request);
        partitions(&response)[0].clone()
    }
}

#[test]
fn every_version_reads_what_was_produced() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    world.produce(connection, 0, plain(&["a", "b"]));
    world.produce(connection, 0, plain(&["c"]));
    for version in offered(&world.broker, ApiKey::Fetch) {
        let request = request(world.topic_id("t"), vec![wanted(0, 0)]);
        let response = world.call(connection, version, &Request::Fetch(request));
        let response = fetch_response(response);
        let data = partitions(&response)[0];
        assert_eq!((data.error_code, data.high_watermark), (0, 3), "v{version}");
        let records = data.records.as_ref().expect("records");
        let expected = [(0, "a"), (1, "b"), (2, "c")].map(|(o, v)| (o, v.to_owned()));
        assert_eq!(values(records), expected, "v{version}");
    }
}

#[test]
fn a_fetch_inside_a_batch_gets_the_whole_batch() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    world.produce(connection, 0, plain(&["a", "b"]));
    world.produce(connection, 0, plain(&["c"]));
    let data = world.fetch_one(connection, wanted(0, 1));
    assert_eq!(values(&data.records.expect("records")).len(), 3);
    let data = world.fetch_one(connection, wanted(0, 2));
    assert_eq!(
        values(&data.records.expect("records")),
        [(2, "c".to_owned())]
    );
}

#[test]
fn limits_hold_but_the_first_batch_is_sent_whole() {
    let mut world = World::with_topic(2);
    let connection = world.connect(1);
    let size = i32::try_from(plain(&["a"]).len()).expect("small");
    for partition in [0, 0, 0, 1] {
        world.produce(connection, partition, plain(&["a"]));
    }
    let count = |data: &PartitionData| values(data.records.as_ref().expect("records")).len();
    let data = world.fetch_one(connection, wanted(0, 0).with_partition_max_bytes(2 * size));
    assert_eq!(count(&data), 2);
    let data = world.fetch_one(connection, wanted(0, 0).with_partition_max_bytes(1));
    assert_eq!(count(&data), 1);
    let both = request(world.topic_id("t"), vec![wanted(0, 0), wanted(1, 0)]);
    let response = world.fetch(connection, both.with_max_bytes(3 * size));
    assert_eq!(
        partitions(&response)
            .iter()
            .map(|d| count(d))
            .collect::<Vec<_>>(),
        [3, 0]
    );
    let both = request(world.topic_id("t"), vec![wanted(1, 0), wanted(0, 0)]);
    let response = world.fetch(connection, both.with_max_bytes(1));
    assert_eq!(
        partitions(&response)
            .iter()
            .map(|d| count(d))
            .collect::<Vec<_>>(),
        [1, 0]
    );
}

#[test]
fn offsets_out_of_range_and_wrong_epochs_are_refused() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_leader(world.now, "t", 0, BrokerId(1));
    world.broker.move_leader(world.now, "t", 0, BrokerId(2));
    let (_, epoch) = world.broker.leader("t", 0).expect("a leader");
    let connection = world.connect(2);
    world.produce(connection, 0, plain(&["a", "b"]));
    let code = |world: &mut World, wanted| world.fetch_one(connection, wanted).error_code;
    assert_eq!(code(&mut world, wanted(0, 2)), codes::NONE);
    assert_eq!(code(&mut world, wanted(0, 3)), codes::OFFSET_OUT_OF_RANGE);
    assert_eq!(code(&mut world, wanted(0, -1)), codes::OFFSET_OUT_OF_RANGE);
    assert_eq!(
        code(&mut world, wanted(1, 0)),
        codes::UNKNOWN_TOPIC_OR_PARTITION
    );
    let with_epoch = |epoch| wanted(0, 0).with_current_leader_epoch(epoch);
    assert_eq!(code(&mut world, with_epoch(epoch)), codes::NONE);
    assert_eq!(
        code(&mut world, with_epoch(epoch - 1)),
        codes::FENCED_LEADER_EPOCH
    );
    assert_eq!(
        code(&mut world, with_epoch(epoch + 1)),
        codes::UNKNOWN_LEADER_EPOCH
    );
    let other = world.connect(1);
    let data = world.fetch_one(other, wanted(0, 0));
    assert_eq!(data.error_code, codes::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(
        (
            data.current_leader.leader_id.0,
            data.current_leader.leader_epoch
        ),
        (2, epoch)
    );
}

#[test]
fn an_empty_fetch_waits_for_its_time() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let request = Request::Fetch(request(world.topic_id("t"), vec![wanted(0, 0)]));
    let id = world.send(connection, 17, &request);
    world.advance(499);
    assert_eq!(world.answer(connection, ApiKey::Fetch, 17, id), None);
    world.advance(1);
    let response = world
        .answer(connection, ApiKey::Fetch, 17, id)
        .expect("time is up");
    let response = fetch_response(response);
    assert_eq!(partitions(&response)[0].records.as_deref(), Some(&[][..]));
    assert_eq!(world.broker.poll_timeout(), None);
}

#[test]
fn a_produce_wakes_the_fetch_that_waits_and_requests_behind_it() {
    let mut world = World::with_topic(2);
    let (consumer, producer) = (world.connect(1), world.connect(1));
    let both = Request::Fetch(request(
        world.topic_id("t"),
        vec![wanted(0, 0), wanted(1, 0)],
    ));
    world.send(consumer, 17, &both);
    // Answers come in order: the next request waits behind the held one.
    world.send(consumer, 17, &both);
    assert_eq!(world.received(consumer).len(), 0);
    world.produce(producer, 1, plain(&["a"]));
    let frames = world.received(consumer);
    assert_eq!(frames.len(), 2);
    for frame in frames {
        let (_, response) = wire::decode_response(ApiKey::Fetch, 17, frame).expect("an answer");
        let response = fetch_response(response);
        let data = partitions(&response)[1];
        assert_eq!(
            values(data.records.as_ref().expect("records")),
            [(0, "a".to_owned())]
        );
    }
    assert_eq!(world.broker.poll_timeout(), None);
}

#[test]
fn min_bytes_are_awaited() {
    let mut world = World::with_topic(1);
    let (consumer, producer) = (world.connect(1), world.connect(1));
    let size = i32::try_from(plain(&["a"]).len()).expect("small");
    let fetch = request(world.topic_id("t"), vec![wanted(0, 0)]).with_min_bytes(2 * size);
    let id = world.send(consumer, 17, &Request::Fetch(fetch));
    world.produce(producer, 0, plain(&["a"]));
    assert_eq!(world.answer(consumer, ApiKey::Fetch, 17, id), None);
    world.produce(producer, 0, plain(&["b"]));
    assert!(world.answer(consumer, ApiKey::Fetch, 17, id).is_some());
}

#[test]
fn a_held_fetch_hears_of_a_lost_leader_and_a_deleted_topic() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    for topic in ["t", "u"] {
        assert!(world.broker.create_topic(topic, 1));
        world.broker.move_leader(world.now, topic, 0, BrokerId(1));
    }
    let consumer = world.connect(1);
    let fetch = Request::Fetch(request(world.topic_id("t"), vec![wanted(0, 0)]));
    let id = world.send(consumer, 17, &fetch);
    world.broker.move_leader(world.now, "t", 0, BrokerId(2));
    world.drain();
    let response = world
        .answer(consumer, ApiKey::Fetch, 17, id)
        .expect("the leader moved");
    let code = partitions(&fetch_response(response))[0].error_code;
    assert_eq!(code, codes::NOT_LEADER_OR_FOLLOWER);
}

#[test]
fn a_client_that_is_gone_leaves_nothing_behind() {
    let mut world = World::with_topic(1);
    let (consumer, producer) = (world.connect(1), world.connect(1));
    let fetch = Request::Fetch(request(world.topic_id("t"), vec![wanted(0, 0)]));
    world.send(consumer, 17, &fetch);
    world.input(BrokerInput::Disconnected(consumer));
    assert_eq!(world.broker.poll_timeout(), None);
    world.produce(producer, 0, plain(&["a"]));
    assert_eq!(world.received(consumer).len(), 0);
}

fn session(id: i32, epoch: i32, topic: Uuid, changed: Vec<FetchPartition>) -> FetchRequest {
    let mut fetch = request(topic, changed).with_max_wait_ms(0);
    fetch.session_id = id;
    fetch.session_epoch = epoch;
    fetch
}

#[test]
fn a_session_tells_only_what_changed() {
    let mut world = World::with_topic(3);
    let connection = world.connect(1);
    let topic = world.topic_id("t");
    let all = vec![wanted(0, 0), wanted(1, 0), wanted(2, 0)];
    let full = world.fetch(connection, session(0, 0, topic, all));
    assert_ne!(full.session_id, 0);
    assert_eq!(partitions(&full).len(), 3);
    let mut quiet = session(full.session_id, 1, topic, Vec::new());
    quiet.topics.clear();
    assert_eq!(partitions(&world.fetch(connection, quiet.clone())).len(), 0);
    world.produce(connection, 1, plain(&["a"]));
    quiet.session_epoch = 2;
    let response = world.fetch(connection, quiet.clone());
    assert_eq!(response.session_id, full.session_id);
    let data = partitions(&response);
    assert_eq!(
        data.iter().map(|d| d.partition_index).collect::<Vec<_>>(),
        [1]
    );
    // Without a new offset the same records come again.
    quiet.session_epoch = 3;
    assert_eq!(partitions(&world.fetch(connection, quiet)).len(), 1);
    let moved = world.fetch(
        connection,
        session(full.session_id, 4, topic, vec![wanted(1, 1)]),
    );
    assert_eq!(partitions(&moved).len(), 0);
}

#[test]
fn a_session_forgets_partitions_and_ends_without_any() {
    let mut world = World::with_topic(2);
    let connection = world.connect(1);
    let topic = world.topic_id("t");
    let full = world.fetch(
        connection,
        session(0, 0, topic, vec![wanted(0, 0), wanted(1, 0)]),
    );
    let forget = |epoch: i32, partition: i32| {
        let mut fetch = session(full.session_id, epoch, topic, Vec::new());
        fetch.topics.clear();
        fetch.forgotten_topics_data = vec![
            ForgottenTopic::default()
                .with_topic(TopicName("t".into()))
                .with_topic_id(topic)
                .with_partitions(vec![partition]),
        ];
        fetch
    };
    world.produce(connection, 0, plain(&["a"]));
    let response = world.fetch(connection, forget(1, 0));
    assert_eq!(
        (response.session_id, partitions(&response).len()),
        (full.session_id, 0)
    );
    assert_eq!(world.fetch(connection, forget(2, 1)).session_id, 0);
    let gone = world.fetch(
        connection,
        session(full.session_id, 3, topic, vec![wanted(0, 0)]),
    );
    assert_eq!(gone.error_code, codes::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn wrong_sessions_are_refused() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let topic = world.topic_id("t");
    let unknown = world.fetch(connection, session(77, 1, topic, vec![wanted(0, 0)]));
    assert_eq!(unknown.error_code, codes::FETCH_SESSION_ID_NOT_FOUND);
    let full = world.fetch(connection, session(0, 0, topic, vec![wanted(0, 0)]));
    let skipped = world.fetch(connection, session(full.session_id, 2, topic, Vec::new()));
    assert_eq!(skipped.error_code, codes::INVALID_FETCH_SESSION_EPOCH);
    let names = Request::Fetch(session(full.session_id, 1, topic, Vec::new()));
    let named = fetch_response(world.call(connection, 12, &names));
    assert_eq!(named.error_code, codes::FETCH_SESSION_TOPIC_ID_ERROR);
}

#[test]
fn the_least_recently_used_session_makes_room() {
    let mut world = World::new(BrokerConfig {
        max_fetch_sessions: 2,
        ..BrokerConfig::default()
    });
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    let topic = world.topic_id("t");
    let open = |world: &mut World| {
        let full = world.fetch(connection, session(0, 0, topic, vec![wanted(0, 0)]));
        full.session_id
    };
    let (first, second) = (open(&mut world), open(&mut world));
    let used = world.fetch(connection, session(first, 1, topic, vec![wanted(0, 0)]));
    assert_eq!(used.error_code, codes::NONE);
    open(&mut world);
    let kept = world.fetch(connection, session(first, 2, topic, vec![wanted(0, 0)]));
    assert_eq!(kept.error_code, codes::NONE);
    let lost = world.fetch(connection, session(second, 1, topic, vec![wanted(0, 0)]));
    assert_eq!(lost.error_code, codes::FETCH_SESSION_ID_NOT_FOUND);
}
