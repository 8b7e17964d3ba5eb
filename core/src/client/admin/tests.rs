//! The admin client against hand-made answers.

use super::*;
use crate::net::testing::{FakeBrokers, answer, coordinator, metadata, topic_id};
use crate::types::Headers;
use crate::wire::messages::{
    CreateTopicsResponse, FetchResponse, ListOffsetsResponse, OffsetFetchResponse, ProduceResponse,
    StrBytes, TopicName as KafkaTopicName,
    create_topics_response::CreatableTopicResult,
    fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData},
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    },
    produce_response::{PartitionProduceResponse, TopicProduceResponse},
};
use crate::wire::streams_group::StreamsGroupDescribeResponse;
use crate::wire::{ApiKey, RecordBatchBuilder, RequestFrame, assign_offsets, decode_batches};

struct World {
    admin: AdminClient,
    brokers: FakeBrokers,
    now: Now,
    /// Breaks every connection when a request of this API arrives.
    reset_on: Option<ApiKey>,
}

type Answerer<'a> = &'a mut dyn FnMut(&str, &RequestFrame) -> Option<Response>;

impl World {
    fn new() -> Self {
        let config = StreamsConfig::new("app", "boot:1").expect("valid");
        let now = Now {
            instant: Instant::from_nanos(1),
            ..Now::default()
        };
        Self {
            admin: AdminClient::new(now, &config, "test", 30_000, SeedTree::new(3)),
            brokers: FakeBrokers::default(),
            now,
            reset_on: None,
        }
    }

    /// Answers whatever can be answered, moving the clock on when nothing happens, until a result.
    fn run(&mut self, answerer: Answerer<'_>) -> Result<AdminResult, StreamsError> {
        for _ in 0..1000 {
            while let Some(output) = self.admin.poll_output() {
                self.brokers.carry_out(output);
            }
            if let Some((_, result)) = self.admin.poll_result() {
                return result;
            }
            if let Some(input) = self.brokers.inputs.pop_front() {
                self.admin.handle_input(self.now, input);
                continue;
            }
            let front = self.brokers.requests.front();
            if self.reset_on.is_some() && front.map(|(_, _, f)| f.api_key) == self.reset_on {
                self.reset_on = None;
                self.brokers.reset_all();
                continue;
            }
            let mut answered = false;
            if let Some((id, address, frame)) = self.brokers.requests.front() {
                let response = match frame.api_key {
                    ApiKey::FindCoordinator => Some(coordinator(2)),
                    _ => answerer(address, frame),
                };
                if let Some(response) = response {
                    self.brokers.inputs.push_back(answer(*id, frame, &response));
                    self.brokers.requests.pop_front();
                    answered = true;
                }
            }
            if !answered {
                let at = self.admin.poll_timeout().expect("something is due");
                assert!(at > self.now.instant, "a busy loop");
                self.now.instant = at;
                self.admin.handle_input(self.now, Input::Timeout);
            }
        }
        panic!("no result");
    }
}

fn topic_t(frame: &RequestFrame) -> Option<Response> {
    (frame.api_key == ApiKey::Metadata).then(|| metadata(&[("t", &[(1, 3), (2, 3)])]))
}

fn name(topic: &'static str) -> KafkaTopicName {
    KafkaTopicName(StrBytes::from_static_str(topic))
}

#[test]
fn creates_topics_and_names_refusals() {
    let mut world = World::new();
    let topic = NewTopic {
        name: "t".into(),
        partitions: 2,
        replication_factor: -1,
        configs: BTreeMap::from([("cleanup.policy".into(), "compact".into())]),
    };
    world.admin.create_topics(world.now, vec![topic]);
    let result = world.run(&mut |_, frame| {
        let Request::CreateTopics(request) = &frame.request else {
            return topic_t(frame);
        };
        assert_eq!(request.topics[0].num_partitions, 2);
        assert_eq!(&*request.topics[0].configs[0].name, "cleanup.policy");
        let refused = CreatableTopicResult::default()
            .with_name(name("t"))
            .with_error_code(36);
        let response = CreateTopicsResponse::default().with_topics(vec![refused]);
        Some(Response::CreateTopics(response))
    });
    let Ok(AdminResult::TopicsCreated(results)) = result else {
        panic!("unexpected {result:?}");
    };
    assert_eq!(
        results[0].1.as_ref().expect_err("refused").to_string(),
        "creating topic t was refused by the broker with error 36: TOPIC_ALREADY_EXISTS"
    );
}

#[test]
fn lists_offsets_of_each_leader_and_retries_what_moved() {
    let mut world = World::new();
    let partitions = vec![TopicPartition::new("t", 1), TopicPartition::new("t", 0)];
    world
        .admin
        .list_offsets(world.now, partitions.clone(), OffsetSpec::Latest);
    let mut asked = Vec::new();
    let result = world.run(&mut |address, frame| {
        let Request::ListOffsets(request) = &frame.request else {
            return topic_t(frame);
        };
        let partition = request.topics[0].partitions[0].partition_index;
        assert_eq!(request.topics[0].partitions[0].timestamp, -1);
        asked.push((address.to_string(), partition));
        let first = asked.len() == 1;
        let answered = ListOffsetsPartitionResponse::default()
            .with_partition_index(partition)
            .with_error_code(if first { 6 } else { 0 })
            .with_offset(10 + i64::from(partition));
        let topic = ListOffsetsTopicResponse::default()
            .with_name(name("t"))
            .with_partitions(vec![answered]);
        let response = ListOffsetsResponse::default().with_topics(vec![topic]);
        Some(Response::ListOffsets(response))
    });
    let Ok(AdminResult::Offsets(offsets)) = result else {
        panic!("unexpected {result:?}");
    };
    assert_eq!(
        offsets,
        [(partitions[0].clone(), 11), (partitions[1].clone(), 10)]
    );
    assert_eq!(asked.len(), 3);
    assert!(asked.contains(&("broker1:9092".to_string(), 0)));
    assert!(asked.contains(&("broker2:9092".to_string(), 1)));
}

#[test]
fn produces_in_order_and_reads_back() {
    let mut world = World::new();
    let tp = TopicPartition::new("t", 0);
    let batch = |value: &[u8]| {
        let mut builder = RecordBatchBuilder::new();
        builder.append(7, None, Some(value), &Headers::new());
        builder.seal()
    };
    let tokens = [
        world.admin.produce(world.now, tp.clone(), batch(b"one")),
        world.admin.produce(world.now, tp.clone(), batch(b"two")),
    ];
    let mut log = Vec::new();
    let mut answerer = |_: &str, frame: &RequestFrame| match &frame.request {
        Request::Produce(request) => {
            let topic = &request.topic_data[0];
            assert_eq!(topic.topic_id, topic_id("t"));
            log.push(topic.partition_data[0].records.clone().expect("records"));
            let partition = PartitionProduceResponse::default()
                .with_base_offset(i64::try_from(log.len()).expect("small") - 1);
            let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
            let response = ProduceResponse::default().with_responses(vec![topic]);
            Some(Response::Produce(response))
        }
        _ => topic_t(frame),
    };
    for expected in 0..2 {
        let result = world.run(&mut answerer);
        assert!(
            matches!(result, Ok(AdminResult::Produced(offset)) if offset == expected),
            "{result:?}"
        );
    }
    assert_ne!(tokens[0], tokens[1]);
    world.admin.fetch(world.now, tp, 0);
    let records = log[0].clone();
    let result = world.run(&mut |_, frame| match &frame.request {
        Request::Fetch(request) => {
            assert_eq!(request.session_epoch, -1);
            let data = PartitionData::default()
                .with_high_watermark(2)
                .with_records(Some(records.clone()));
            let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
            let response = FetchResponse::default().with_responses(vec![topic]);
            Some(Response::Fetch(response))
        }
        _ => topic_t(frame),
    });
    let Ok(AdminResult::Fetched {
        records,
        next_offset,
        log_end,
    }) = result
    else {
        panic!("unexpected {result:?}");
    };
    assert_eq!(records[0].value.as_deref(), Some(b"one".as_slice()));
    assert_eq!((next_offset, log_end), (1, 2));
}

#[test]
fn reads_what_is_committed_where_asked() {
    let mut world = World::new();
    let tp = TopicPartition::new("t", 0);
    world
        .admin
        .set_isolation_level(IsolationLevel::ReadCommitted);
    world
        .admin
        .list_offsets(world.now, vec![tp.clone()], OffsetSpec::Latest);
    let listed = world.run(&mut |_, frame| {
        let Request::ListOffsets(request) = &frame.request else {
            return topic_t(frame);
        };
        assert_eq!(request.isolation_level, 1);
        let answered = ListOffsetsPartitionResponse::default().with_offset(2);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(name("t"))
            .with_partitions(vec![answered]);
        let response = ListOffsetsResponse::default().with_topics(vec![topic]);
        Some(Response::ListOffsets(response))
    });
    assert!(listed.is_ok(), "{listed:?}");

    let transactional = |producer: i64, offset: i64| {
        let mut builder = RecordBatchBuilder::new();
        builder.append(7, None, Some(b"x"), &Headers::new());
        let bytes = builder.seal().transactional().encode(producer, 0, 0);
        let batch = decode_batches(bytes).expect("sound").remove(0);
        assign_offsets(&batch, offset, 0)
    };
    let log = [transactional(1, 0), transactional(2, 1)].concat();
    world.admin.fetch(world.now, tp, 0);
    let fetched = world.run(&mut |_, frame| {
        let Request::Fetch(request) = &frame.request else {
            return topic_t(frame);
        };
        assert_eq!(request.isolation_level, 1);
        // The last batch is the aborted one: reading goes on behind it all the same.
        let aborted = AbortedTransaction::default()
            .with_producer_id(2.into())
            .with_first_offset(1);
        let data = PartitionData::default()
            .with_aborted_transactions(Some(vec![aborted]))
            .with_records(Some(log.clone().into()));
        let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
        let response = FetchResponse::default().with_responses(vec![topic]);
        Some(Response::Fetch(response))
    });
    let Ok(AdminResult::Fetched {
        records,
        next_offset,
        ..
    }) = fetched
    else {
        panic!("unexpected {fetched:?}");
    };
    let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
    assert_eq!((offsets, next_offset), (vec![0], 2));
}

#[test]
fn a_produce_whose_answer_is_lost_is_not_repeated() {
    let mut world = World::new();
    let mut builder = RecordBatchBuilder::new();
    builder.append(7, None, Some(b"x"), &Headers::new());
    let tp = TopicPartition::new("t", 0);
    world.admin.produce(world.now, tp, builder.seal());
    world.reset_on = Some(ApiKey::Produce);
    let result = world.run(&mut |_, frame| {
        assert_ne!(frame.api_key, ApiKey::Produce, "sent twice");
        topic_t(frame)
    });
    let error = result.expect_err("lost");
    assert!(error.to_string().contains("writing to t-0"), "{error}");
}

#[test]
fn asks_the_coordinator_about_groups() {
    let mut world = World::new();
    world.admin.describe_streams_group(world.now, "app");
    let mut tries = 0;
    let mut describe = |address: &str, frame: &RequestFrame| match &frame.request {
        Request::StreamsGroupDescribe(request) => {
            assert_eq!(address, "broker2:9092");
            assert_eq!(request.group_ids, ["app"]);
            tries += 1;
            let group = DescribedGroup {
                // The coordinator has moved: looked up again.
                error_code: if tries == 1 { 16 } else { 0 },
                group_id: "app".into(),
                group_state: "Stable".into(),
                ..Default::default()
            };
            Some(Response::StreamsGroupDescribe(
                StreamsGroupDescribeResponse {
                    groups: vec![group],
                    ..Default::default()
                },
            ))
        }
        _ => topic_t(frame),
    };
    let result = world.run(&mut describe);
    assert!(
        matches!(&result, Ok(AdminResult::Group(group)) if group.group_state == "Stable"),
        "{result:?}"
    );
    let partitions = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    world.admin.committed_offsets(world.now, "app", partitions);
    let result = world.run(&mut |_, frame| match &frame.request {
        Request::OffsetFetch(request) => {
            assert_eq!(request.groups[0].member_epoch, -1);
            let partition = |index, offset| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset)
            };
            let topic = OffsetFetchResponseTopics::default()
                .with_name(name("t"))
                .with_partitions(vec![partition(0, 5), partition(1, -1)]);
            let group = OffsetFetchResponseGroup::default().with_topics(vec![topic]);
            let response = OffsetFetchResponse::default().with_groups(vec![group]);
            Some(Response::OffsetFetch(response))
        }
        _ => topic_t(frame),
    });
    let Ok(AdminResult::CommittedOffsets(offsets)) = result else {
        panic!("unexpected {result:?}");
    };
    let offsets: Vec<Option<i64>> = offsets.into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(offsets, [Some(5), None]);
}

#[test]
fn calls_end_in_time_and_say_why() {
    let mut world = World::new();
    world.admin.partition_counts(world.now, vec!["gone".into()]);
    let mut nothing = |_: &str, frame: &RequestFrame| {
        (frame.api_key == ApiKey::Metadata).then(|| metadata(&[("gone", &[])]))
    };
    let result = world.run(&mut nothing);
    assert!(
        matches!(&result, Ok(AdminResult::PartitionCounts(counts)) if counts[0].1.is_none()),
        "{result:?}"
    );
    let tp = TopicPartition::new("gone", 0);
    world
        .admin
        .list_offsets(world.now, vec![tp], OffsetSpec::Earliest);
    let started = world.now.instant;
    let error = world.run(&mut nothing).expect_err("no such topic");
    assert!(error.to_string().contains("gone does not exist"), "{error}");
    assert!(world.now.instant <= started.plus_ms(30_000));
}

/// The request that a client begins with names no topic.
#[test]
fn an_answer_to_an_older_request_says_nothing_about_a_topic() {
    let mut world = World::new();
    world.admin.features(world.now);
    let result = world.run(&mut |_, _| None);
    assert!(matches!(result, Ok(AdminResult::Features(_))), "{result:?}");
    world.admin.partition_counts(world.now, vec!["t".into()]);
    let mut asked = Vec::new();
    let result = world.run(&mut |_, frame| {
        let Request::Metadata(request) = &frame.request else {
            return None;
        };
        let topics = request.topics.as_ref().map_or(0, Vec::len);
        asked.push(topics);
        let known = ("t", &[(1, 3)][..]);
        Some(metadata(if topics == 0 {
            &[]
        } else {
            std::slice::from_ref(&known)
        }))
    });
    let Ok(AdminResult::PartitionCounts(counts)) = result else {
        panic!("unexpected {result:?}");
    };
    assert_eq!(counts, [("t".into(), Some(1))]);
    assert_eq!(asked, [0, 1]);
}
