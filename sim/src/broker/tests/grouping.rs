//! Coordinators, committed offsets and lists of groups.

use eddyline_core::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use eddyline_core::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use eddyline_core::wire::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId,
    ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};
use eddyline_core::wire::streams_group::{
    StreamsGroupDescribeRequest, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    Subtopology, TaskIds, Topology,
};

use super::*;

fn eager(nodes: u16) -> BrokerConfig {
    BrokerConfig {
        group: GroupConfig {
            initial_rebalance_delay_ms: 0,
            assignment_interval_ms: 0,
            ..GroupConfig::default()
        },
        ..BrokerConfig::with_nodes(nodes)
    }
}

fn group_id() -> GroupId {
    GroupId("g".into())
}

impl World {
    fn heartbeat(
        &mut self,
        connection: ConnectionId,
        request: StreamsGroupHeartbeatRequest,
    ) -> StreamsGroupHeartbeatResponse {
        let request = Request::StreamsGroupHeartbeat(request);
        match self.call(connection, 0, &request) {
            Response::StreamsGroupHeartbeat(response) => response,
            _ => panic!("an answer to the heartbeat"),
        }
    }

    fn join(&mut self, connection: ConnectionId, member: &str) -> StreamsGroupHeartbeatResponse {
        let subtopology = Subtopology {
            subtopology_id: "0".to_owned(),
            source_topics: vec!["t".to_owned()],
            ..Subtopology::default()
        };
        self.heartbeat(
            connection,
            StreamsGroupHeartbeatRequest {
                rebalance_timeout_ms: 60_000,
                topology: Some(Topology {
                    epoch: 0,
                    subtopologies: vec![subtopology],
                }),
                active_tasks: Some(Vec::new()),
                standby_tasks: Some(Vec::new()),
                warmup_tasks: Some(Vec::new()),
                process_id: Some(member.to_owned()),
                ..beat(member, 0)
            },
        )
    }

    fn commit(
        &mut self,
        connection: ConnectionId,
        version: i16,
        member: (&str, i32),
        partition: i32,
        offset: i64,
    ) -> i16 {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_metadata(Some("note".into()));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName("t".into()))
            .with_topic_id(self.topic_id("t"))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id())
            .with_member_id(member.0.to_owned().into())
            .with_generation_id_or_member_epoch(member.1)
            .with_topics(vec![topic]);
        match self.call(connection, version, &Request::OffsetCommit(request)) {
            Response::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
            _ => panic!("an answer to the commit"),
        }
    }

    /// OffsetFetch 10: topic, partition, offset and error of each partition of the answer.
    fn fetch_by_id(
        &mut self,
        connection: ConnectionId,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    ) -> Vec<(Uuid, i32, i64, i16)> {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(topics);
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let response = self.call(connection, 10, &Request::OffsetFetch(request));
        let Response::OffsetFetch(response) = response else {
            panic!("an answer to offset fetch");
        };
        let topics = response.groups[0].topics.iter();
        let partitions = topics.flat_map(|topic| {
            let id = topic.topic_id;
            let partitions = topic.partitions.iter();
            partitions.map(move |p| (id, p.partition_index, p.committed_offset, p.error_code))
        });
        partitions.collect()
    }
}

fn beat(member: &str, epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: "g".to_owned(),
        member_id: member.to_owned(),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
        ..StreamsGroupHeartbeatRequest::default()
    }
}

#[test]
fn one_node_coordinates_a_group_and_can_be_found() {
    let mut world = World::new(eager(3));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_coordinator(world.now, "g", BrokerId(2));
    let other = world.connect(1);
    for version in offered(&world.broker, ApiKey::FindCoordinator) {
        let request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec!["g".into()])
        } else {
            FindCoordinatorRequest::default().with_key("g".into())
        };
        let response = world.call(other, version, &Request::FindCoordinator(request));
        let Response::FindCoordinator(response) = response else {
            panic!("an answer to find coordinator");
        };
        let node = response
            .coordinators
            .first()
            .map_or(response.node_id, |found| found.node_id);
        assert_eq!(node.0, 2, "v{version}");
    }
    assert_eq!(world.join(other, "m").error_code, codes::NOT_COORDINATOR);
    assert_eq!(
        world.commit(other, 9, ("", -1), 0, 1),
        codes::NOT_COORDINATOR
    );
    let coordinator = world.connect(2);
    assert_eq!(world.join(coordinator, "m").error_code, codes::NONE);
}

#[test]
fn a_group_moves_when_its_coordinator_goes_down() {
    let mut world = World::new(eager(2));
    assert!(world.broker.create_topic("t", 1));
    world.broker.move_coordinator(world.now, "g", BrokerId(1));
    let first = world.connect(1);
    let epoch = world.join(first, "m").member_epoch;
    world.broker.stop_node(world.now, BrokerId(1));
    world.drain();
    assert!(world.is_closed(first));
    let second = world.connect(2);
    let answer = world.heartbeat(second, beat("m", epoch));
    assert_eq!(
        (answer.error_code, answer.member_epoch),
        (codes::NONE, epoch)
    );
}

#[test]
fn the_coordinator_can_be_loading_or_away_for_a_while() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    for (fault, code) in [
        (
            CoordinatorFault::Loading,
            codes::COORDINATOR_LOAD_IN_PROGRESS,
        ),
        (
            CoordinatorFault::Unavailable,
            codes::COORDINATOR_NOT_AVAILABLE,
        ),
    ] {
        let until = world.now.instant.plus_ms(100);
        world.broker.fail_coordinator(fault, until);
        assert_eq!(world.join(connection, "m").error_code, code);
        assert_eq!(world.commit(connection, 9, ("", -1), 0, 1), code);
        world.advance(100);
    }
    assert_eq!(world.join(connection, "m").error_code, codes::NONE);
}

#[test]
fn offsets_of_a_group_without_members_are_anybodys() {
    let mut world = World::with_topic(2);
    let connection = world.connect(1);
    for version in offered(&world.broker, ApiKey::OffsetCommit) {
        let code = world.commit(connection, version, ("", -1), 1, i64::from(version));
        assert_eq!(code, codes::NONE, "v{version}");
    }
    let unknown = world.commit(connection, 9, ("", -1), 2, 1);
    assert_eq!(unknown, codes::UNKNOWN_TOPIC_OR_PARTITION);
    for version in offered(&world.broker, ApiKey::OffsetFetch) {
        let name = TopicName("t".into());
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name.clone())
            .with_partition_indexes(vec![0, 1]);
        let topics = OffsetFetchRequestTopics::default()
            .with_name(name)
            .with_topic_id(world.topic_id("t"))
            .with_partition_indexes(vec![0, 1]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(Some(vec![topics]));
        let request = if version >= 8 {
            OffsetFetchRequest::default().with_groups(vec![group])
        } else {
            OffsetFetchRequest::default()
                .with_group_id(group_id())
                .with_topics(Some(vec![topic]))
        };
        let response = world.call(connection, version, &Request::OffsetFetch(request));
        let Response::OffsetFetch(response) = response else {
            panic!("an answer to offset fetch");
        };
        let offsets: Vec<i64> = if version >= 8 {
            let partitions = &response.groups[0].topics[0].partitions;
            partitions.iter().map(|p| p.committed_offset).collect()
        } else {
            let partitions = &response.topics[0].partitions;
            partitions.iter().map(|p| p.committed_offset).collect()
        };
        assert_eq!(offsets, [-1, 10], "v{version}");
    }
    let committed = world.broker.committed_offsets("g");
    let offsets: Vec<_> = committed
        .into_values()
        .map(|o| (o.offset, o.metadata))
        .collect();
    assert_eq!(offsets, [(10, "note".to_owned())]);
}

#[test]
fn since_version_10_topics_have_ids_and_unknown_ones_an_error_of_their_own() {
    let mut world = World::with_topic(2);
    let connection = world.connect(1);
    let (known, unknown) = (world.topic_id("t"), Uuid::from_u128(7));
    let topics = [known, unknown].map(|id| {
        let partitions = [1, 9].map(|index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(4)
        });
        OffsetCommitRequestTopic::default()
            .with_topic_id(id)
            .with_partitions(partitions.to_vec())
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id())
        .with_topics(topics.to_vec());
    let response = world.call(connection, 10, &Request::OffsetCommit(request));
    let Response::OffsetCommit(response) = response else {
        panic!("an answer to the commit");
    };
    let codes_of = response.topics.iter().map(|topic| {
        let codes = topic.partitions.iter().map(|p| p.error_code);
        (topic.topic_id, codes.collect::<Vec<_>>())
    });
    let missing = codes::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(
        codes_of.collect::<Vec<_>>(),
        [
            (known, vec![codes::NONE, missing]),
            (unknown, vec![codes::UNKNOWN_TOPIC_ID; 2])
        ]
    );
    let asked = [known, unknown].map(|id| {
        OffsetFetchRequestTopics::default()
            .with_topic_id(id)
            .with_partition_indexes(vec![1])
    });
    let some = world.fetch_by_id(connection, Some(asked.to_vec()));
    assert_eq!(
        some,
        [
            (known, 1, 4, codes::NONE),
            (unknown, 1, -1, codes::UNKNOWN_TOPIC_ID)
        ]
    );
    let all = world.fetch_by_id(connection, None);
    assert_eq!(all, [(known, 1, 4, codes::NONE)]);
}

#[test]
fn members_commit_at_their_epoch() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 2));
    let connection = world.connect(1);
    let unknown = world.commit(connection, 9, ("m1", 1), 0, 1);
    assert_eq!(unknown, codes::GROUP_ID_NOT_FOUND);
    assert_eq!(
        world.commit(connection, 8, ("m1", 1), 0, 1),
        codes::ILLEGAL_GENERATION
    );
    let epoch = world.join(connection, "m1").member_epoch;
    assert_eq!(
        world.commit(connection, 9, ("m1", epoch), 0, 1),
        codes::NONE
    );
    assert_eq!(
        world.commit(connection, 9, ("m1", epoch + 1), 0, 1),
        codes::STALE_MEMBER_EPOCH
    );
    assert_eq!(
        world.commit(connection, 9, ("m2", epoch), 0, 1),
        codes::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        world.commit(connection, 9, ("", -1), 0, 1),
        codes::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        world.commit(connection, 8, ("m1", epoch), 0, 1),
        codes::UNSUPPORTED_VERSION
    );
}

#[test]
fn an_older_epoch_commits_what_was_assigned_by_then() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 2));
    let connection = world.connect(1);
    let first = world.join(connection, "m1").member_epoch;
    world.join(connection, "m2");
    // Task 1 waits for its revocation: m1 may still commit it.
    world.heartbeat(connection, beat("m1", first));
    assert_eq!(
        world.commit(connection, 9, ("m1", first), 1, 5),
        codes::NONE
    );
    let owned = TaskIds {
        subtopology_id: "0".to_owned(),
        partitions: vec![0],
    };
    let acknowledged = world.heartbeat(
        connection,
        StreamsGroupHeartbeatRequest {
            active_tasks: Some(vec![owned]),
            standby_tasks: Some(Vec::new()),
            warmup_tasks: Some(Vec::new()),
            ..beat("m1", first)
        },
    );
    assert_eq!(acknowledged.member_epoch, first + 1);
    // At its old epoch it commits the task it kept, but no longer the one it gave up.
    assert_eq!(
        world.commit(connection, 9, ("m1", first), 0, 6),
        codes::NONE
    );
    assert_eq!(
        world.commit(connection, 9, ("m1", first), 1, 6),
        codes::STALE_MEMBER_EPOCH
    );
    // m2 was given task 1 at its current epoch.
    world.heartbeat(connection, beat("m2", first + 1));
    assert_eq!(
        world.commit(connection, 9, ("m2", first), 1, 6),
        codes::STALE_MEMBER_EPOCH
    );
    let offsets = world.broker.committed_offsets("g");
    assert_eq!(
        offsets.into_values().map(|o| o.offset).collect::<Vec<_>>(),
        [6, 5]
    );
}

#[test]
fn offset_fetches_of_members_are_checked() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    let epoch = world.join(connection, "m1").member_epoch;
    for (member, at, code) in [
        (Some("m1"), epoch, codes::NONE),
        (Some("m1"), epoch - 1, codes::STALE_MEMBER_EPOCH),
        (Some("m2"), epoch, codes::UNKNOWN_MEMBER_ID),
        (None, -1, codes::NONE),
    ] {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_member_id(member.map(Into::into))
            .with_member_epoch(at)
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let response = world.call(connection, 9, &Request::OffsetFetch(request));
        let Response::OffsetFetch(response) = response else {
            panic!("an answer to offset fetch");
        };
        assert_eq!(response.groups[0].error_code, code);
    }
}

#[test]
fn groups_are_listed_by_type_and_state() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    world.join(connection, "m1");
    world.broker.groups.ensure_simple("old");
    let list = |world: &mut World, kind: &str, state: &str| {
        let filter = |text: &str| -> Vec<wire::messages::StrBytes> {
            text.split_whitespace()
                .map(|word| word.to_owned().into())
                .collect()
        };
        let request = ListGroupsRequest::default()
            .with_types_filter(filter(kind))
            .with_states_filter(filter(state));
        let response = world.call(connection, 5, &Request::ListGroups(request));
        let Response::ListGroups(response) = response else {
            panic!("an answer to list groups");
        };
        let groups = response.groups.iter();
        groups
            .map(|group| group.group_id.0.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&mut world, "", ""), ["g", "old"]);
    assert_eq!(list(&mut world, "streams", ""), ["g"]);
    assert_eq!(list(&mut world, "classic", ""), ["old"]);
    assert_eq!(list(&mut world, "", "stable"), ["g"]);
    assert_eq!(list(&mut world, "consumer", ""), Vec::<String>::new());
}

#[test]
fn groups_are_described_by_their_kind() {
    let mut world = World::new(eager(1));
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    world.join(connection, "m1");
    world.broker.groups.ensure_simple("old");
    let request = Request::StreamsGroupDescribe(StreamsGroupDescribeRequest {
        group_ids: ["g", "old", "none"].map(str::to_owned).to_vec(),
        include_authorized_operations: false,
    });
    let Response::StreamsGroupDescribe(response) = world.call(connection, 0, &request) else {
        panic!("an answer to describe");
    };
    let groups = response
        .groups
        .iter()
        .map(|g| (g.error_code, g.group_state.as_str()));
    assert_eq!(
        groups.collect::<Vec<_>>(),
        [(0, "Stable"), (69, ""), (69, "")]
    );

    for version in offered(&world.broker, ApiKey::DescribeGroups) {
        let groups = ["g", "old"].map(|id| GroupId(id.into())).to_vec();
        let request = DescribeGroupsRequest::default().with_groups(groups);
        let request = Request::DescribeGroups(request);
        let Response::DescribeGroups(response) = world.call(connection, version, &request) else {
            panic!("an answer to describe groups");
        };
        let states: Vec<_> = response
            .groups
            .iter()
            .map(|g| g.group_state.as_str())
            .collect();
        assert_eq!(states, ["Dead", "Empty"]);
    }
    for version in offered(&world.broker, ApiKey::ConsumerGroupDescribe) {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id()]);
        let request = Request::ConsumerGroupDescribe(request);
        let response = world.call(connection, version, &request);
        let Response::ConsumerGroupDescribe(response) = response else {
            panic!("an answer to consumer group describe");
        };
        assert_eq!(response.groups[0].error_code, codes::GROUP_ID_NOT_FOUND);
    }
}
