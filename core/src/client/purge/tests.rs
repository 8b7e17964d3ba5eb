//! Purging against hand-made answers.

use super::*;
use crate::client::testing::{answered, config, connected, received};
use crate::wire::RequestFrame;
use crate::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};

const START: Instant = Instant::from_nanos(1);

fn after(millis: u64) -> Instant {
    START.plus_ms(millis)
}

fn purge() -> Purge {
    let config = config().set("repartition.purge.interval.ms", 1000);
    Purge::new(&config.expect("valid"))
}

/// Two partitions, each led by another broker.
fn cluster() -> Cluster {
    connected(&[("r", &[(1, 0), (2, 0)])])
}

fn asked(frame: &RequestFrame) -> Vec<(i32, i64)> {
    let Request::DeleteRecords(request) = &frame.request else {
        panic!("{frame:?}");
    };
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.offset)).collect()
}

fn answer(frame: &RequestFrame, code: i16) -> Response {
    let partitions = asked(frame).into_iter().map(|(index, offset)| {
        DeleteRecordsPartitionResult::default()
            .with_partition_index(index)
            .with_low_watermark(offset)
            .with_error_code(code)
    });
    let topic = DeleteRecordsTopicResult::default()
        .with_name(wire_name(&"r".into()))
        .with_partitions(partitions.collect());
    let response = DeleteRecordsResponse::default().with_topics(vec![topic]);
    answered(frame, &Response::DeleteRecords(response))
}

/// Sends what is due and has it answered with `code`; gives what was asked for.
fn round(purge: &mut Purge, at: Instant, cluster: &Cluster, code: i16) -> Vec<(i32, i64)> {
    let mut sent = Vec::new();
    while let Some(request) = purge.poll_request(at, cluster) {
        let frame = received(&request);
        sent.extend(asked(&frame));
        purge.handle_response(request.token, Ok(answer(&frame, code)));
    }
    sent
}

fn levels(purge: &mut Purge) -> Vec<Level> {
    let events = std::iter::from_fn(|| purge.poll_event());
    let levels = events.filter_map(|event| match event {
        PurgeEvent::Log(log) => Some(log.level),
        PurgeEvent::RefreshMetadata => None,
    });
    levels.collect()
}

#[test]
fn what_is_committed_is_deleted_when_the_interval_is_over_and_once() {
    let (mut purge, cluster) = (purge(), cluster());
    assert_eq!(purge.poll_timeout(), None, "nothing is committed");
    purge.committed(START, TopicPartition::new("r", 0), 5);
    purge.committed(after(400), TopicPartition::new("r", 1), 0);
    purge.committed(after(500), TopicPartition::new("r", 0), 7);
    assert_eq!(purge.poll_timeout(), Some(after(1000)));
    assert!(purge.poll_request(after(999), &cluster).is_none());
    assert_eq!(round(&mut purge, after(1000), &cluster, 0), [(0, 7)]);
    assert_eq!(purge.poll_timeout(), None, "there is nothing new");
    assert!(purge.poll_request(after(9000), &cluster).is_none());
}

#[test]
fn each_leader_is_asked_and_no_round_begins_before_all_have_answered() {
    let (mut purge, cluster) = (purge(), cluster());
    purge.committed(START, TopicPartition::new("r", 0), 5);
    purge.committed(START, TopicPartition::new("r", 1), 6);
    let first = purge.poll_request(after(1000), &cluster).expect("one");
    let second = purge.poll_request(after(1000), &cluster).expect("another");
    let target = |broker| Target::Broker(BrokerId(broker));
    assert_eq!((first.target, second.target), (target(1), target(2)));
    purge.committed(after(1001), TopicPartition::new("r", 0), 8);
    let answer_to = |request: &Outgoing| Ok(answer(&received(request), 0));
    purge.handle_response(first.token, answer_to(&first));
    assert_eq!(purge.poll_timeout(), None);
    assert!(purge.poll_request(after(5000), &cluster).is_none());
    purge.handle_response(second.token, answer_to(&second));
    assert_eq!(purge.poll_timeout(), Some(after(2000)));
    assert_eq!(round(&mut purge, after(5000), &cluster, 0), [(0, 8)]);
}

#[test]
fn a_failure_is_tried_again_with_the_next_offsets_and_warned_about_once() {
    let (mut purge, cluster) = (purge(), cluster());
    let partition = TopicPartition::new("r", 0);
    purge.committed(START, partition.clone(), 5);
    let request = purge.poll_request(after(1000), &cluster).expect("due");
    purge.handle_response(request.token, Err(RequestError::Disconnected));
    assert_eq!(levels(&mut purge), [Level::Debug]);
    assert!(purge.poll_request(after(1999), &cluster).is_none());
    purge.committed(after(1500), partition.clone(), 6);
    assert_eq!(round(&mut purge, after(2000), &cluster, 6), [(0, 6)]);
    assert_eq!(levels(&mut purge), [Level::Debug], "it has moved");
    for expected in [Level::Warn, Level::Debug] {
        let next = purge.poll_timeout().expect("again");
        assert_eq!(round(&mut purge, next, &cluster, 29), [(0, 6)]);
        assert_eq!(levels(&mut purge), [expected]);
    }
    purge.forget(&partition);
    assert_eq!(purge.poll_timeout(), None);
}

#[test]
fn a_partition_without_a_leader_waits_for_the_next_round() {
    let (mut purge, cluster) = (purge(), cluster());
    purge.committed(START, TopicPartition::new("unheard-of", 0), 5);
    assert!(purge.poll_request(after(1000), &cluster).is_none());
    let event = purge.poll_event();
    assert!(matches!(event, Some(PurgeEvent::RefreshMetadata)));
    assert_eq!(purge.poll_timeout(), Some(after(2000)));
}
