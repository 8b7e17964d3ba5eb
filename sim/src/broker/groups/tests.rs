//! The coordinator against what Kafka 4.3.1 answered, and its rules one by one.

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::time::Instant;
use eddyline_core::wire::Uuid;
use eddyline_core::wire::streams_group::*;

use super::*;

#[derive(Default)]
struct FakeTopics {
    topics: BTreeMap<String, i32>,
    version: u64,
}

impl FakeTopics {
    fn with(topics: &[(&str, i32)]) -> Self {
        let topics = topics.iter().map(|&(name, count)| (name.to_owned(), count));
        Self {
            topics: topics.collect(),
            version: 1,
        }
    }

    fn add(&mut self, name: &str, partitions: i32) {
        self.topics.insert(name.to_owned(), partitions);
        self.version += 1;
    }
}

impl TopicsView for FakeTopics {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        Some((Uuid::from_u128(1), *self.topics.get(name)?))
    }

    fn version(&self) -> u64 {
        self.version
    }
}

const FROM: Requester<'_> = Requester {
    client_id: "probe",
    client_host: "/127.0.0.1",
};

fn at(ms: u64) -> Instant {
    Instant::ZERO.plus_ms(ms)
}

/// Group settings without waiting.
fn eager() -> GroupConfig {
    GroupConfig {
        initial_rebalance_delay_ms: 0,
        assignment_interval_ms: 0,
        ..GroupConfig::default()
    }
}

fn unhex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}

/// Every request of the capture gets the very answer Kafka gave.
#[test]
fn answers_are_those_of_kafka() {
    let topics = FakeTopics::with(&[("p2", 2), ("p3", 3)]);
    let mut groups = Groups::new(GroupConfig::default());
    // The capture was made with this group's delays off.
    groups.set_config("h1", eager());
    let (mut title, mut request, mut pairs) = ("", "", 0);
    for line in include_str!("captured.txt").lines() {
        match line.split_once(' ') {
            Some(("#", text)) => title = text,
            Some((tag, text)) if tag.starts_with("REQ") => request = text,
            Some(("RSP88v0", expected)) => {
                let request = StreamsGroupHeartbeatRequest::decode(unhex(request))
                    .expect("a captured request");
                let expected = StreamsGroupHeartbeatResponse::decode(unhex(expected))
                    .expect("a captured response");
                let result = groups.heartbeat(at(0), FROM, &request, &topics);
                assert_eq!(result.response, expected, "{title}");
                pairs += 1;
            }
            Some(("RSP89v0", expected)) => {
                let request = StreamsGroupDescribeRequest::decode(unhex(request))
                    .expect("a captured request");
                let expected = StreamsGroupDescribeResponse::decode(unhex(expected))
                    .expect("a captured response");
                let described = request
                    .group_ids
                    .iter()
                    .map(|id| groups.describe(id, request.include_authorized_operations));
                assert_eq!(described.collect::<Vec<_>>(), expected.groups, "{title}");
                pairs += 1;
            }
            _ => {}
        }
    }
    assert_eq!(pairs, 50);
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn topic_info(name: &str, partitions: i32) -> TopicInfo {
    TopicInfo {
        name: name.to_owned(),
        partitions,
        ..TopicInfo::default()
    }
}

/// One sub-topology that reads `source`, with a changelog called `changelog` if that is not empty.
fn topology(source: &str, changelog: &str) -> Topology {
    let changelogs = (!changelog.is_empty()).then(|| topic_info(changelog, 0));
    Topology {
        epoch: 0,
        subtopologies: vec![Subtopology {
            subtopology_id: "0".to_owned(),
            source_topics: strings(&[source]),
            state_changelog_topics: changelogs.into_iter().collect(),
            ..Subtopology::default()
        }],
    }
}

fn join(member: &str, topology: Topology) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: "g".to_owned(),
        member_id: member.to_owned(),
        endpoint_information_epoch: -1,
        rebalance_timeout_ms: 60_000,
        topology: Some(topology),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(format!("process-{member}")),
        client_tags: Some(Vec::new()),
        ..StreamsGroupHeartbeatRequest::default()
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

fn task_ids(partitions: &[i32]) -> Vec<TaskIds> {
    let ids = TaskIds {
        subtopology_id: "0".to_owned(),
        partitions: partitions.to_vec(),
    };
    if partitions.is_empty() {
        Vec::new()
    } else {
        vec![ids]
    }
}

/// A heartbeat that says what the member owns.
fn ack(member: &str, epoch: i32, active: &[i32], standby: &[i32]) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        active_tasks: Some(task_ids(active)),
        standby_tasks: Some(task_ids(standby)),
        warmup_tasks: Some(Vec::new()),
        ..beat(member, epoch)
    }
}

fn statuses(response: &StreamsGroupHeartbeatResponse) -> Vec<i8> {
    let statuses = response.status.iter().flatten();
    statuses.map(|status| status.status_code).collect()
}

/// A coordinator under test and the topics it sees.
struct Fixture {
    groups: Groups,
    topics: FakeTopics,
    now_ms: u64,
}

impl Fixture {
    fn new(config: GroupConfig, topics: &[(&str, i32)]) -> Self {
        Self {
            groups: Groups::new(config),
            topics: FakeTopics::with(topics),
            now_ms: 0,
        }
    }

    /// Answers a heartbeat and creates the topics it asks for.
    fn send(&mut self, request: &StreamsGroupHeartbeatRequest) -> StreamsGroupHeartbeatResponse {
        let result = self
            .groups
            .heartbeat(at(self.now_ms), FROM, request, &self.topics);
        for topic in result.topics_to_create {
            self.topics.add(&topic.name, topic.partitions);
        }
        result.response
    }

    fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        self.groups.handle_timeout(at(self.now_ms));
    }

    fn group(&self) -> &StreamsGroup {
        self.groups.streams("g").expect("the group exists")
    }
}

#[test]
fn a_member_gives_up_a_task_before_another_gets_it() {
    let mut fixture = Fixture::new(eager(), &[("in", 2)]);
    let joined = fixture.send(&join("m1", topology("in", "")));
    assert_eq!(
        (joined.member_epoch, joined.active_tasks),
        (2, Some(task_ids(&[0, 1])))
    );
    assert_eq!(fixture.group().state(), GroupState::Stable);

    let second = fixture.send(&join("m2", topology("in", "")));
    assert_eq!(
        (second.member_epoch, second.active_tasks),
        (3, Some(Vec::new()))
    );
    let told = fixture.send(&beat("m1", 2));
    assert_eq!(
        (told.member_epoch, told.active_tasks),
        (2, Some(task_ids(&[0])))
    );
    assert_eq!(
        fixture.group().members()["m1"].state,
        MemberState::UnrevokedTasks
    );
    assert_eq!(fixture.group().state(), GroupState::Reconciling);
    assert_eq!(fixture.send(&beat("m1", 2)).active_tasks, None);
    assert_eq!(fixture.send(&beat("m2", 3)).active_tasks, None);
    // Still owned, so still not released.
    assert_eq!(fixture.send(&ack("m1", 2, &[0, 1], &[])).member_epoch, 2);

    assert_eq!(fixture.send(&ack("m1", 2, &[0], &[])).member_epoch, 3);
    let given = fixture.send(&beat("m2", 3));
    assert_eq!(given.active_tasks, Some(task_ids(&[1])));
    assert_eq!(fixture.group().state(), GroupState::Stable);
    assert_eq!(
        fixture.group().applied()["m1"].active,
        [Task::new("0", 0)].into()
    );
}

#[test]
fn an_empty_group_waits_for_more_members() {
    let config = GroupConfig {
        initial_rebalance_delay_ms: 3_000,
        ..eager()
    };
    let mut fixture = Fixture::new(config, &[("in", 4)]);
    let first = fixture.send(&join("m1", topology("in", "")));
    assert_eq!((first.member_epoch, statuses(&first)), (1, vec![5]));
    fixture.advance(2_999);
    let second = fixture.send(&join("m2", topology("in", "")));
    assert_eq!((second.member_epoch, statuses(&second)), (1, vec![5]));
    fixture.advance(1);
    assert_eq!(
        fixture.group().assignment_epoch(),
        fixture.group().group_epoch()
    );
    let first = fixture.send(&beat("m1", 1));
    assert_eq!((first.member_epoch, statuses(&first)), (3, vec![]));
    assert_eq!(first.active_tasks, Some(task_ids(&[0, 2])));
    let second = fixture.send(&beat("m2", 1));
    assert_eq!(second.active_tasks, Some(task_ids(&[1, 3])));
}

#[test]
fn assignments_keep_their_interval() {
    let config = GroupConfig {
        assignment_interval_ms: 1_000,
        ..eager()
    };
    let mut fixture = Fixture::new(config, &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.advance(999);
    let early = fixture.send(&join("m2", topology("in", "")));
    assert_eq!((early.member_epoch, statuses(&early)), (2, vec![5]));
    fixture.advance(1);
    let due = fixture.send(&beat("m2", 2));
    assert_eq!((due.member_epoch, statuses(&due)), (3, vec![]));
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut fixture = Fixture::new(eager(), &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.advance(44_999);
    assert_eq!(fixture.send(&beat("m1", 2)).error_code, 0);
    fixture.advance(44_999);
    assert_eq!(fixture.group().members().len(), 1);
    fixture.advance(1);
    assert_eq!(fixture.group().state(), GroupState::Empty);
    assert_eq!(
        fixture.send(&beat("m1", 2)).error_code,
        codes::UNKNOWN_MEMBER_ID
    );
    assert_eq!(fixture.groups.poll_timeout(), None);
}

#[test]
fn a_member_that_does_not_give_up_tasks_is_out_after_its_rebalance_timeout() {
    let config = GroupConfig {
        session_timeout_ms: 600_000,
        ..eager()
    };
    let mut fixture = Fixture::new(config, &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.send(&join("m2", topology("in", "")));
    fixture.send(&beat("m1", 2));
    fixture.advance(59_999);
    assert_eq!(fixture.group().members().len(), 2);
    fixture.advance(1);
    assert!(!fixture.group().members().contains_key("m1"));
    let rest = fixture.send(&beat("m2", 3));
    assert_eq!(rest.active_tasks, Some(task_ids(&[0, 1])));
}

#[test]
fn a_revocation_in_time_ends_the_rebalance_timeout() {
    let mut fixture = Fixture::new(eager(), &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.send(&join("m2", topology("in", "")));
    fixture.send(&beat("m1", 2));
    fixture.send(&ack("m1", 2, &[0], &[]));
    for _ in 0..4 {
        fixture.advance(30_000);
        assert_eq!(fixture.send(&beat("m1", 3)).error_code, 0);
        assert_eq!(fixture.send(&beat("m2", 3)).error_code, 0);
    }
}

#[test]
fn missing_changelogs_are_created_with_as_many_partitions_as_tasks() {
    let mut fixture = Fixture::new(eager(), &[("in", 3)]);
    let joined = fixture.send(&join("m1", topology("in", "g-store-changelog")));
    assert_eq!(statuses(&joined), [3]);
    let detail = &joined.status.as_ref().expect("statuses")[0].status_detail;
    assert_eq!(detail, "Internal topics are missing: g-store-changelog");
    assert_eq!(joined.active_tasks, Some(Vec::new()));
    assert_eq!(fixture.topics.topics["g-store-changelog"], 3);
    let ready = fixture.send(&beat("m1", 2));
    assert_eq!((ready.member_epoch, statuses(&ready)), (3, vec![]));
    assert_eq!(ready.active_tasks, Some(task_ids(&[0, 1, 2])));
}

#[test]
fn a_changelog_of_another_size_stops_the_group() {
    let mut fixture = Fixture::new(eager(), &[("in", 3), ("log", 2)]);
    let joined = fixture.send(&join("m1", topology("in", "log")));
    assert_eq!(statuses(&joined), [2]);
    let detail = &joined.status.as_ref().expect("statuses")[0].status_detail;
    assert_eq!(
        detail,
        "Existing topic log has different number of partitions: expected 3, found 2"
    );
    assert_eq!(fixture.group().state(), GroupState::NotReady);
}

/// Two sources of different sizes feed a repartition topic each; the two are joined.
fn joined_topology(fixed: i32) -> Topology {
    let upstream = |id: &str, source: &str, sink: &str| Subtopology {
        subtopology_id: id.to_owned(),
        source_topics: strings(&[source]),
        repartition_sink_topics: strings(&[sink]),
        ..Subtopology::default()
    };
    Topology {
        epoch: 0,
        subtopologies: vec![
            upstream("0", "small", "a-repartition"),
            upstream("1", "large", "b-repartition"),
            Subtopology {
                subtopology_id: "2".to_owned(),
                repartition_source_topics: vec![
                    topic_info("a-repartition", 0),
                    topic_info("b-repartition", fixed),
                ],
                state_changelog_topics: vec![topic_info("join-changelog", 0)],
                copartition_groups: vec![CopartitionGroup {
                    repartition_source_topics: vec![0, 1],
                    ..CopartitionGroup::default()
                }],
                ..Subtopology::default()
            },
        ],
    }
}

#[test]
fn copartitioned_repartition_topics_take_the_largest_upstream_count() {
    let mut fixture = Fixture::new(eager(), &[("small", 2), ("large", 5)]);
    fixture.send(&join("m1", joined_topology(0)));
    let created = ["a-repartition", "b-repartition", "join-changelog"];
    assert_eq!(created.map(|topic| fixture.topics.topics[topic]), [5, 5, 5]);
}

#[test]
fn a_fixed_repartition_count_wins_over_upstream() {
    let mut fixture = Fixture::new(eager(), &[("small", 2), ("large", 5)]);
    fixture.send(&join("m1", joined_topology(7)));
    let created = ["a-repartition", "b-repartition", "join-changelog"];
    assert_eq!(created.map(|topic| fixture.topics.topics[topic]), [7, 7, 7]);
}

#[test]
fn a_repartition_topic_nobody_writes_is_invalid() {
    let mut fixture = Fixture::new(eager(), &[("in", 1)]);
    let mut orphan = topology("in", "");
    orphan.subtopologies[0].repartition_source_topics = vec![topic_info("lost", 0)];
    let answer = fixture.send(&join("m1", orphan));
    assert_eq!(answer.error_code, codes::STREAMS_INVALID_TOPOLOGY);
    assert!(fixture.groups.get("g").is_none());
}

#[test]
fn a_copartition_index_out_of_range_is_an_error_not_a_panic() {
    let mut fixture = Fixture::new(eager(), &[("in", 1)]);
    for index in [-1, 1, i16::MAX] {
        let mut hostile = topology("in", "");
        hostile.subtopologies[0].copartition_groups = vec![CopartitionGroup {
            source_topics: vec![index],
            ..CopartitionGroup::default()
        }];
        let answer = fixture.send(&join("m1", hostile));
        assert_eq!(answer.error_code, codes::UNKNOWN_SERVER_ERROR);
    }
}

#[test]
fn a_source_topic_that_appears_makes_the_group_ready() {
    let mut fixture = Fixture::new(eager(), &[]);
    assert_eq!(
        statuses(&fixture.send(&join("m1", topology("in", "")))),
        [1]
    );
    assert_eq!(fixture.group().state(), GroupState::NotReady);
    fixture.topics.add("in", 2);
    let ready = fixture.send(&beat("m1", 2));
    assert_eq!(
        (ready.member_epoch, ready.active_tasks),
        (3, Some(task_ids(&[0, 1])))
    );
}

#[test]
fn the_topology_outlives_the_last_member() {
    let mut fixture = Fixture::new(eager(), &[("in", 1), ("other", 1)]);
    fixture.send(&join("m1", topology("in", "")));
    assert_eq!(fixture.send(&beat("m1", -1)).member_epoch, -1);
    let other = fixture.send(&join("m2", topology("other", "")));
    assert_eq!(other.error_code, codes::INVALID_REQUEST);
    assert_eq!(fixture.send(&join("m2", topology("in", ""))).error_code, 0);
}

#[test]
fn a_full_group_takes_nobody() {
    let config = GroupConfig {
        max_size: 1,
        ..eager()
    };
    let mut fixture = Fixture::new(config, &[("in", 1)]);
    fixture.send(&join("m1", topology("in", "")));
    let full = fixture.send(&join("m2", topology("in", "")));
    assert_eq!(full.error_code, codes::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn standbys_sit_in_other_processes_and_follow_their_setting() {
    let mut fixture = Fixture::new(eager(), &[("in", 2), ("log", 2)]);
    fixture.send(&join("m1", topology("in", "log")));
    fixture.send(&join("m2", topology("in", "log")));
    fixture.send(&beat("m1", 2));
    fixture.send(&ack("m1", 2, &[0], &[]));
    fixture.send(&beat("m2", 3));
    assert_eq!(fixture.group().state(), GroupState::Stable);
    let config = GroupConfig {
        num_standby_replicas: 1,
        ..eager()
    };
    fixture.groups.set_config("g", config);
    let first = fixture.send(&beat("m1", 3));
    assert_eq!(
        (first.member_epoch, first.standby_tasks),
        (4, Some(task_ids(&[1])))
    );
    let second = fixture.send(&beat("m2", 3));
    assert_eq!(
        (second.member_epoch, second.standby_tasks),
        (4, Some(task_ids(&[0])))
    );
}

#[test]
fn a_reloaded_group_keeps_members_and_starts_their_sessions_again() {
    let mut fixture = Fixture::new(eager(), &[("in", 1)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.advance(40_000);
    fixture.groups.reload(at(fixture.now_ms), "g");
    fixture.advance(44_999);
    let answer = fixture.send(&beat("m1", 2));
    assert_eq!((answer.error_code, answer.member_epoch), (0, 2));
}

#[test]
fn a_simple_group_without_members_becomes_a_streams_group() {
    let mut fixture = Fixture::new(eager(), &[("in", 1)]);
    fixture.groups.ensure_simple("g");
    let answer = fixture.send(&beat("m1", 1));
    assert_eq!(answer.error_code, codes::GROUP_ID_NOT_FOUND);
    let message = answer.error_message.as_deref();
    assert_eq!(message, Some("Group g is not a streams group."));
    assert_eq!(fixture.send(&join("m1", topology("in", ""))).error_code, 0);
}

/// Kafka tells an assignment once: a member whose answer got lost does not learn of its tasks
/// from later heartbeats, only by joining again.
#[test]
fn an_assignment_is_told_once() {
    let mut fixture = Fixture::new(eager(), &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.send(&join("m2", topology("in", "")));
    fixture.send(&beat("m1", 2));
    fixture.send(&ack("m1", 2, &[0], &[]));
    let lost = fixture.send(&beat("m2", 3));
    assert_eq!(lost.active_tasks, Some(task_ids(&[1])));
    let again = fixture.send(&ack("m2", 3, &[], &[]));
    assert_eq!((again.error_code, again.active_tasks), (0, None));
    let joined = fixture.send(&join("m2", topology("in", "")));
    assert_eq!(
        (joined.member_epoch, joined.active_tasks),
        (3, Some(task_ids(&[1])))
    );
}

/// A member that says it owns nothing is taken at its word, even if it was just given tasks: what
/// it has not applied yet may go to another at once.
#[test]
fn tasks_that_were_not_reported_are_given_away_without_waiting() {
    let mut fixture = Fixture::new(eager(), &[("in", 2)]);
    fixture.send(&join("m1", topology("in", "")));
    fixture.send(&join("m2", topology("in", "")));
    let reduced = fixture.send(&ack("m1", 2, &[], &[]));
    assert_eq!(
        (reduced.member_epoch, reduced.active_tasks),
        (3, Some(task_ids(&[0])))
    );
    assert_eq!(
        fixture.send(&beat("m2", 3)).active_tasks,
        Some(task_ids(&[1]))
    );
}
