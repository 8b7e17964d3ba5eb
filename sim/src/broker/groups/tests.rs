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
