//! Version 10 of OffsetCommit and OffsetFetch, byte by byte as its schemas say.

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    GroupId, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use uuid::Uuid;

use super::*;
use crate::wire::{
    Request, Response, decode_request, decode_response, encode_request, encode_response,
};

const ID: Uuid = Uuid::from_u128(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);

fn commit_request() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(3)
        .with_committed_offset(0x102)
        .with_committed_leader_epoch(4)
        .with_committed_metadata(Some("x".into()));
    let topic = OffsetCommitRequestTopic::default()
        .with_topic_id(ID)
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId("g".into()))
        .with_generation_id_or_member_epoch(5)
        .with_member_id("m".into())
        .with_topics(vec![topic])
}

fn fetch_request() -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopics::default()
        .with_topic_id(ID)
        .with_partition_indexes(vec![0, 3]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId("g".into()))
        .with_member_id(Some("m".into()))
        .with_member_epoch(5)
        .with_topics(Some(vec![topic]));
    OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(true)
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn check_request(request: Request, expected: &[u8]) {
    let frame = encode_request(VERSION, 7, "c", &request).expect("it encodes");
    assert_eq!(frame[4..], *expected);
    let decoded = decode_request(frame.slice(4..)).expect("it decodes");
    assert_eq!((decoded.version, &decoded.request), (VERSION, &request));
    for end in 8..expected.len() {
        assert!(decode_request(frame.slice(4..4 + end)).is_err(), "{end}");
    }
}

fn check_response(response: Response, expected: &[u8]) {
    let api = response.api_key();
    let frame = encode_response(api, VERSION, 7, &response).expect("it encodes");
    assert_eq!(frame[4..], *expected);
    let decoded = decode_response(api, VERSION, frame.slice(4..));
    assert_eq!(decoded, Ok((7, response)));
}

#[test]
fn commits_are_the_bytes_of_the_schema() {
    let request = bytes(&[
        &[0, 8, 0, 10, 0, 0, 0, 7, 0, 1, b'c', 0],
        // Group, epoch, member, no instance, one topic.
        &[2, b'g', 0, 0, 0, 5, 2, b'm', 0, 2],
        ID.as_bytes(),
        // One partition: its index, offset, leader epoch, metadata, and all the tags.
        &[
            2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 4, 2, b'x', 0, 0, 0,
        ],
    ]);
    check_request(Request::OffsetCommit(commit_request()), &request);
    let partition = OffsetCommitResponsePartition::default()
        .with_partition_index(3)
        .with_error_code(100);
    let topic = OffsetCommitResponseTopic::default()
        .with_topic_id(ID)
        .with_partitions(vec![partition]);
    let response = OffsetCommitResponse::default()
        .with_throttle_time_ms(9)
        .with_topics(vec![topic]);
    let expected = bytes(&[
        &[0, 0, 0, 7, 0, 0, 0, 0, 9, 2],
        ID.as_bytes(),
        &[2, 0, 0, 0, 3, 0, 100, 0, 0, 0],
    ]);
    check_response(Response::OffsetCommit(response), &expected);
}

#[test]
fn fetches_are_the_bytes_of_the_schema() {
    let request = bytes(&[
        &[0, 9, 0, 10, 0, 0, 0, 7, 0, 1, b'c', 0],
        // One group: its id, the member, its epoch, one topic.
        &[2, 2, b'g', 2, b'm', 0, 0, 0, 5, 2],
        ID.as_bytes(),
        // Two partitions, tags of the topic and the group, only stable offsets, tags.
        &[3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0],
    ]);
    check_request(Request::OffsetFetch(fetch_request()), &request);
    let partition = OffsetFetchResponsePartitions::default()
        .with_partition_index(3)
        .with_committed_offset(0x102)
        .with_committed_leader_epoch(4)
        .with_metadata(Some("x".into()));
    let topic = OffsetFetchResponseTopics::default()
        .with_topic_id(ID)
        .with_partitions(vec![partition]);
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(GroupId("g".into()))
        .with_topics(vec![topic])
        .with_error_code(113);
    let response = OffsetFetchResponse::default()
        .with_throttle_time_ms(9)
        .with_groups(vec![group]);
    let expected = bytes(&[
        &[0, 0, 0, 7, 0, 0, 0, 0, 9, 2, 2, b'g', 2],
        ID.as_bytes(),
        &[
            2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 4, 2, b'x', 0, 0, 0,
        ],
        // Tags of the topic, the group's error, its tags, tags.
        &[0, 0, 113, 0, 0],
    ]);
    check_response(Response::OffsetFetch(response), &expected);
}

#[test]
fn null_topics_ask_for_all_of_them() {
    let mut request = fetch_request();
    request.groups[0].topics = None;
    request.groups[0].member_id = None;
    let frame = encode_request(VERSION, 7, "c", &Request::OffsetFetch(request.clone()));
    let frame = frame.expect("it encodes");
    assert_eq!(frame[16..], [2, 2, b'g', 0, 0, 0, 0, 5, 0, 0, 1, 0]);
    let decoded = decode_request(frame.slice(4..)).expect("it decodes");
    assert_eq!(decoded.request, Request::OffsetFetch(request));
}

#[test]
fn names_and_the_old_shape_do_not_fit() {
    let mut commit = commit_request();
    commit.topics[0].name = TopicName("t".into());
    commit.topics[0].topic_id = Uuid::nil();
    assert!(encode_request(VERSION, 7, "c", &Request::OffsetCommit(commit)).is_err());
    let mut fetch = fetch_request();
    fetch.group_id = GroupId("g".into());
    assert!(encode_request(VERSION, 7, "c", &Request::OffsetFetch(fetch)).is_err());
}
