//! Committed offsets against hand-made answers, by topic id and by name.

use super::*;
use crate::client::testing::{answered, config, connected, received};
use crate::net::testing::topic_id;
use crate::rng::SeedTree;
use crate::wire::RequestFrame;
use crate::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};

const NOW: Instant = Instant::from_nanos(1);

fn offsets() -> Offsets {
    let mut offsets = Offsets::new(&config(), SeedTree::new(1).rng());
    offsets.set_member("m", MemberEpoch(3));
    offsets
}

fn at(offset: i64) -> OffsetAndMetadata {
    OffsetAndMetadata {
        offset,
        leader_epoch: Some(4),
        metadata: "x".to_owned(),
    }
}

fn commit_answer(frame: &RequestFrame, code: i16) -> Response {
    let Request::OffsetCommit(request) = &frame.request else {
        panic!("a commit");
    };
    assert_eq!(request.member_id.as_str(), "m");
    assert_eq!(request.generation_id_or_member_epoch, 3);
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            assert_eq!((p.committed_offset, p.committed_leader_epoch), (7, 4));
            OffsetCommitResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    let response = OffsetCommitResponse::default().with_topics(topics.collect());
    answered(frame, &Response::OffsetCommit(response))
}

fn fetch_answer(frame: &RequestFrame, code: i16) -> Response {
    let Request::OffsetFetch(request) = &frame.request else {
        panic!("a fetch");
    };
    assert!(request.require_stable);
    let group = &request.groups[0];
    let topics = group.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(*index)
                .with_committed_offset(i64::from(*index) * 10 - 1)
                .with_error_code(code)
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id.clone())
        .with_topics(topics.collect());
    let response = OffsetFetchResponse::default().with_groups(vec![group]);
    answered(frame, &Response::OffsetFetch(response))
}

fn committed(offsets: &mut Offsets) -> Option<bool> {
    match offsets.poll_event() {
        Some(OffsetsEvent::Committed { result, .. }) => Some(result.is_ok()),
        None => None,
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn commits_name_topics_by_id_and_by_name_where_one_has_none() {
    let cluster = connected(&[("t", &[(1, 1)])]);
    for (topic, version) in [("t", 10), ("unheard-of", 9)] {
        let mut offsets = offsets();
        offsets.commit(NOW, 1, vec![(TopicPartition::new(topic, 0), at(7))]);
        let outgoing = offsets.poll_request(NOW, &cluster).expect("the commit");
        let frame = received(&outgoing);
        let Request::OffsetCommit(request) = &frame.request else {
            panic!("a commit");
        };
        let asked = &request.topics[0];
        let named = if version == 10 {
            (topic_id(topic), "")
        } else {
            (Uuid::nil(), topic)
        };
        assert_eq!(frame.version, version);
        assert_eq!((asked.topic_id, asked.name.0.as_str()), named);
        assert!(
            offsets.poll_request(NOW, &cluster).is_none(),
            "one at a time"
        );
        offsets.handle_response(NOW, outgoing.token, Ok(commit_answer(&frame, 0)));
        assert_eq!(committed(&mut offsets), Some(true));
        assert!(offsets.is_idle());
    }
}

#[test]
fn a_topic_id_that_the_broker_does_not_know_asks_for_metadata_and_again() {
    let cluster = connected(&[("t", &[(1, 1)])]);
    let mut offsets = offsets();
    offsets.commit(NOW, 1, vec![(TopicPartition::new("t", 0), at(7))]);
    let outgoing = offsets.poll_request(NOW, &cluster).expect("the commit");
    let response = commit_answer(&received(&outgoing), UNKNOWN_TOPIC_ID);
    offsets.handle_response(NOW, outgoing.token, Ok(response));
    let event = offsets.poll_event();
    assert!(
        matches!(event, Some(OffsetsEvent::RefreshMetadata)),
        "{event:?}"
    );
    assert!(offsets.poll_request(NOW, &cluster).is_none(), "a backoff");
    let later = offsets.poll_timeout().expect("the end of the backoff");
    let outgoing = offsets.poll_request(later, &cluster).expect("once more");
    offsets.handle_response(
        later,
        outgoing.token,
        Ok(commit_answer(&received(&outgoing), 0)),
    );
    assert_eq!(committed(&mut offsets), Some(true));
}

#[test]
fn fetches_find_their_partitions_again_by_id_and_by_name() {
    let cluster = connected(&[("t", &[(1, 1), (1, 1)]), ("u", &[(2, 1)])]);
    for (other, version) in [("u", 10), ("unheard-of", 9)] {
        let mut offsets = offsets();
        let mut wanted = vec![
            TopicPartition::new("t", 0),
            TopicPartition::new("t", 1),
            TopicPartition::new(other, 0),
        ];
        for partition in &wanted {
            offsets.fetch(NOW, partition.clone());
        }
        let outgoing = offsets.poll_request(NOW, &cluster).expect("the fetch");
        let frame = received(&outgoing);
        assert_eq!(frame.version, version);
        // The first answer is that all topics have other ids, or names, by now.
        let code = if version == 10 { UNKNOWN_TOPIC_ID } else { 3 };
        offsets.handle_response(NOW, outgoing.token, Ok(fetch_answer(&frame, code)));
        while let Some(event) = offsets.poll_event() {
            assert!(matches!(event, OffsetsEvent::RefreshMetadata), "{event:?}");
        }
        let later = offsets.poll_timeout().expect("the end of the backoff");
        let outgoing = offsets.poll_request(later, &cluster).expect("once more");
        let response = fetch_answer(&received(&outgoing), 0);
        offsets.handle_response(later, outgoing.token, Ok(response));
        while let Some(event) = offsets.poll_event() {
            let OffsetsEvent::Fetched {
                partition,
                committed,
            } = event
            else {
                panic!("unexpected {event:?}");
            };
            let expected = (partition.partition == 1).then_some(9);
            assert_eq!(committed.map(|committed| committed.offset), expected);
            wanted.retain(|wanted| *wanted != partition);
        }
        assert_eq!(wanted, []);
        assert!(offsets.poll_request(later, &cluster).is_none());
    }
}

#[test]
fn a_member_that_is_not_what_it_was_does_not_commit() {
    let cluster = connected(&[("t", &[(1, 1)])]);
    for (code, migrated) in [(113, true), (25, true), (12, false)] {
        let mut offsets = offsets();
        offsets.commit(NOW, 1, vec![(TopicPartition::new("t", 0), at(7))]);
        let outgoing = offsets.poll_request(NOW, &cluster).expect("the commit");
        let response = commit_answer(&received(&outgoing), code);
        offsets.handle_response(NOW, outgoing.token, Ok(response));
        let Some(OffsetsEvent::Committed { result, .. }) = offsets.poll_event() else {
            panic!("the commit was answered");
        };
        let failure = result.expect_err("it was refused");
        assert_eq!(matches!(failure, CommitFailure::Migrated), migrated);
    }
}
