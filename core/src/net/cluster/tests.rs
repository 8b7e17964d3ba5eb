//! The cluster against hand-made answers, through real bytes.

use bytes::Bytes;

use super::*;
use crate::net::testing::{self, api_versions, coordinator};
use crate::rng::SeedTree;
use crate::wire::messages::{ApiVersionsResponse, FetchRequest, ListOffsetsRequest};
use crate::wire::{FrameDecoder, Request, RequestFrame};

/// A cluster, a clock, and the far ends of its connections.
struct World {
    cluster: Cluster,
    now: Instant,
    /// Open connections: where to, and bytes not understood yet.
    sockets: BTreeMap<ConnectionId, (String, FrameDecoder)>,
    /// Connections asked for and not decided yet.
    connecting: VecDeque<(ConnectionId, String)>,
    closed: Vec<ConnectionId>,
    /// What the brokers received: connection and request.
    requests: VecDeque<(ConnectionId, RequestFrame)>,
    responses: Vec<(RequestToken, Result<Response, RequestError>)>,
    events: Vec<ClusterEvent>,
}

impl World {
    fn new(bootstrap: &str, group: Option<&str>) -> Self {
        let config = StreamsConfig::new("app", bootstrap).expect("valid");
        let mut config = ClusterConfig::new(&config, "test");
        config.group_id = group.map(str::to_string);
        let mut world = Self {
            cluster: Cluster::new(config, SeedTree::new(7).rng()),
            now: Instant::from_nanos(1),
            sockets: BTreeMap::new(),
            connecting: VecDeque::new(),
            closed: Vec::new(),
            requests: VecDeque::new(),
            responses: Vec::new(),
            events: Vec::new(),
        };
        world.drain();
        world
    }

    fn drain(&mut self) {
        self.cluster.drive(self.now);
        while let Some(output) = self.cluster.poll_output() {
            match output {
                Output::Connect {
                    connection,
                    address,
                } => self.connecting.push_back((connection, address.to_string())),
                Output::Transmit(id, bytes) => {
                    let Some((_, decoder)) = self.sockets.get_mut(&id) else {
                        continue;
                    };
                    decoder.push(bytes);
                    while let Some(frame) = decoder.next_frame().expect("whole frames") {
                        let frame = wire::decode_request(frame).expect("a request");
                        self.requests.push_back((id, frame));
                    }
                }
                Output::Close(id) => {
                    self.sockets.remove(&id);
                    self.closed.push(id);
                }
                Output::Event(event) => panic!("unexpected {event:?}"),
            }
        }
        while let Some(response) = self.cluster.poll_response() {
            self.responses.push(response);
        }
        while let Some(event) = self.cluster.poll_event() {
            self.events.push(event);
        }
        if let Some(at) = self.cluster.poll_timeout() {
            assert!(at > self.now, "a busy loop at {at}");
        }
    }

    fn input(&mut self, input: Input) {
        self.cluster.handle_input(self.now, input);
        self.drain();
    }

    fn advance_to_timeout(&mut self) {
        self.now = self.cluster.poll_timeout().expect("something is due");
        self.input(Input::Timeout);
    }

    fn advance(&mut self, millis: u64) {
        let end = self.now.plus_ms(millis);
        while let Some(at) = self.cluster.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.input(Input::Timeout);
        }
        self.now = end;
        self.drain();
    }

    /// Accepts the oldest connection asked for.
    fn accept(&mut self) -> (ConnectionId, String) {
        let (id, address) = self.connecting.pop_front().expect("a connection");
        self.sockets
            .insert(id, (address.clone(), FrameDecoder::new(1 << 20)));
        self.input(Input::Connected(id));
        (id, address)
    }

    fn next_request(&mut self) -> (ConnectionId, RequestFrame) {
        self.requests.pop_front().expect("a request")
    }

    fn reply_bytes(frame: &RequestFrame, response: &Response) -> Bytes {
        wire::encode_response(frame.api_key, frame.version, frame.correlation_id, response)
            .expect("encodes")
    }

    fn reply(&mut self, id: ConnectionId, frame: &RequestFrame, response: &Response) {
        self.input(Input::Received(id, Self::reply_bytes(frame, response)));
    }

    /// Accepts, and answers the handshake.
    fn accept_and_shake(&mut self) -> (ConnectionId, String) {
        let (id, address) = self.accept();
        let (from, frame) = self.next_request();
        assert_eq!((from, frame.api_key), (id, ApiKey::ApiVersions));
        self.reply(id, &frame, &api_versions());
        (id, address)
    }

    /// Gets through bootstrap: brokers 1 and 2, topic `t` with partitions led by both.
    fn bootstrap(&mut self) {
        self.cluster.want_topics(self.now, [TopicName::new("t")]);
        let (id, _) = self.accept_and_shake();
        let (from, frame) = self.next_request();
        assert_eq!((from, frame.api_key), (id, ApiKey::Metadata));
        self.reply(id, &frame, &metadata(&[(1, 5), (2, 5)]));
    }

    fn send(&mut self, token: u64, target: Target, request: Request) {
        let outgoing = Outgoing {
            token: RequestToken(token),
            target,
            version: None,
            request,
        };
        self.cluster.send(self.now, outgoing);
        self.drain();
    }

    fn log_count(&self, wanted: fn(&ClusterEvent) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

/// Topic `t`, whose partitions have these leaders and epochs.
fn metadata(leaders: &[(i32, i32)]) -> Response {
    testing::metadata(&[("t", leaders)])
}

fn list_offsets() -> Request {
    Request::ListOffsets(ListOffsetsRequest::default())
}

#[test]
fn bootstraps_then_follows_leaders_and_keeps_fetches_apart() {
    let mut world = World::new("boot:1", None);
    world.bootstrap();
    assert_eq!(world.closed.len(), 1, "the bootstrap connection is spare");
    let tp = TopicPartition::new("t", 1);
    assert_eq!(world.cluster.metadata().leader(&tp), Some((BrokerId(2), 5)));
    let target = Target::Broker(BrokerId(2));
    assert_eq!(world.cluster.version(target, ApiKey::Fetch), None);
    assert_eq!(world.cluster.version(target, ApiKey::ListOffsets), None);
    world.drain();
    assert_eq!(world.connecting.len(), 2, "asking for the version connects");
    let (general, address) = world.accept_and_shake();
    assert_eq!(address, "broker2:9092");
    let (fetch, _) = world.accept_and_shake();
    assert!(world.cluster.version(target, ApiKey::Fetch).is_some());
    world.send(1, target, Request::Fetch(FetchRequest::default()));
    world.send(2, target, list_offsets());
    assert_eq!(world.next_request().0, fetch);
    let (from, frame) = world.next_request();
    assert_eq!(from, general);
    let answer = Response::ListOffsets(Default::default());
    world.reply(general, &frame, &answer);
    let (token, result) = world.responses.pop().expect("an answer");
    assert_eq!(token, RequestToken(2));
    assert!(result.is_ok());
}

#[test]
fn handshake_falls_back_to_version_0() {
    let mut world = World::new("boot:1", None);
    let (id, _) = world.accept();
    let (_, frame) = world.next_request();
    assert_eq!(frame.version, 4);
    let refusal = Response::ApiVersions(ApiVersionsResponse::default().with_error_code(35));
    let refusal = wire::encode_response(ApiKey::ApiVersions, 0, frame.correlation_id, &refusal);
    world.input(Input::Received(id, refusal.expect("encodes")));
    let (_, frame) = world.next_request();
    assert_eq!((frame.api_key, frame.version), (ApiKey::ApiVersions, 0));
    world.reply(id, &frame, &api_versions());
    assert_eq!(world.next_request().1.api_key, ApiKey::Metadata);
    let features = world.cluster.features().expect("connected");
    assert_eq!(
        features.level("streams.version"),
        None,
        "v0 has no features"
    );
    assert_eq!(features.streams_groups_missing(), None);
}

#[test]
fn a_broker_without_streams_groups_is_named() {
    let mut features = BrokerFeatures::default();
    let missing = features.streams_groups_missing().expect("no API");
    assert!(missing.contains("does not offer streams groups"));
    let Response::ApiVersions(mut answer) = api_versions() else {
        unreachable!()
    };
    answer.finalized_features.clear();
    features = BrokerFeatures::read(&answer);
    let missing = features.streams_groups_missing().expect("level 0");
    assert!(missing.contains("streams.version"));
}

#[test]
fn a_reset_at_any_byte_fails_the_request_and_reconnects_later() {
    let answer_len = {
        let mut world = World::new("boot:1", None);
        world.bootstrap();
        world.send(1, Target::Broker(BrokerId(1)), list_offsets());
        let _ = world.accept_and_shake();
        let (_, frame) = world.next_request();
        World::reply_bytes(&frame, &Response::ListOffsets(Default::default())).len()
    };
    for cut in 0..answer_len {
        let mut world = World::new("boot:1", None);
        world.bootstrap();
        world.send(1, Target::Broker(BrokerId(1)), list_offsets());
        let (id, _) = world.accept_and_shake();
        world.send(2, Target::Broker(BrokerId(1)), list_offsets());
        let (_, frame) = world.next_request();
        let bytes = World::reply_bytes(&frame, &Response::ListOffsets(Default::default()));
        world.input(Input::Received(id, bytes.slice(..cut)));
        world.input(Input::Disconnected(id));
        let failed: Vec<_> = world.responses.drain(..).collect();
        assert_eq!(failed.len(), 2);
        for ((token, result), expected) in failed.into_iter().zip([1, 2]) {
            assert_eq!(token, RequestToken(expected));
            assert_eq!(result.err(), Some(RequestError::Disconnected));
        }
        // Late bytes of the dead connection change nothing.
        world.input(Input::Received(id, bytes.slice(cut..)));
        assert!(world.responses.is_empty());
        world.requests.clear();
        world.connecting.clear();
        world.send(3, Target::Broker(BrokerId(1)), list_offsets());
        assert!(
            !world.connecting.iter().any(|(_, to)| to == "broker1:9092"),
            "not before the backoff is over"
        );
        world.advance(200);
        assert!(world.connecting.iter().any(|(_, to)| to == "broker1:9092"));
    }
}

#[test]
fn the_window_holds_five_and_keeps_the_order() {
    let mut world = World::new("boot:1", None);
    world.bootstrap();
    let target = Target::Broker(BrokerId(1));
    for token in 0..8 {
        world.send(token, target, list_offsets());
    }
    let (id, _) = world.accept_and_shake();
    let mut frames: Vec<_> = world.requests.drain(..).collect();
    assert_eq!(frames.len(), 5);
    let answer = Response::ListOffsets(Default::default());
    world.reply(id, &frames.remove(0).1, &answer);
    assert_eq!(world.requests.len(), 1, "one answered, one more sent");
    // Two answers in one chunk, cut in the middle of the second.
    let first = World::reply_bytes(&frames[0].1, &answer);
    let second = World::reply_bytes(&frames[1].1, &answer);
    let both = Bytes::from([&first[..], &second[..]].concat());
    world.input(Input::Received(id, both.slice(..first.len() + 3)));
    world.input(Input::Received(id, both.slice(first.len() + 3..)));
    let tokens: Vec<u64> = world.responses.iter().map(|(token, _)| token.0).collect();
    assert_eq!(tokens, [0, 1, 2]);
}

#[test]
fn an_answer_to_another_question_closes_the_connection() {
    for garbage in [
        b"\0\0\0\x04\0\0\0\x63".as_slice(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
    ] {
        let mut world = World::new("boot:1", None);
        world.bootstrap();
        world.send(1, Target::Broker(BrokerId(1)), list_offsets());
        let (id, _) = world.accept_and_shake();
        world.input(Input::Received(id, Bytes::from_static(garbage)));
        assert_eq!(world.closed.last(), Some(&id), "{garbage:?}");
        let (_, result) = world.responses.pop().expect("failed");
        assert!(
            matches!(result, Err(RequestError::Protocol(_))),
            "{result:?}"
        );
    }
}

#[test]
fn requests_and_connections_time_out() {
    let mut world = World::new("boot:1", None);
    world.advance(10_000);
    assert_eq!(world.closed.len(), 1, "a connection that hangs is given up");
    assert_eq!(
        world.log_count(|e| matches!(e, ClusterEvent::Unreachable(_))),
        1
    );
    world.connecting.clear();
    world.advance(100);
    world.bootstrap();
    world.send(1, Target::Broker(BrokerId(1)), list_offsets());
    let (id, _) = world.accept_and_shake();
    world.advance(1000);
    world.send(2, Target::Broker(BrokerId(1)), list_offsets());
    world.advance(38_999);
    assert!(world.responses.is_empty());
    world.advance(1);
    assert!(world.closed.contains(&id));
    let errors: Vec<_> = world.responses.drain(..).map(|(_, r)| r.err()).collect();
    // Only the oldest took too long, but its connection is gone for both.
    assert_eq!(
        errors,
        [
            Some(RequestError::TimedOut),
            Some(RequestError::Disconnected)
        ]
    );
}

#[test]
fn unreachable_brokers_are_reported_once_a_round_and_tried_for_ever() {
    let mut world = World::new("one:1,two:2", None);
    let mut tried = Vec::new();
    for _ in 0..40 {
        while let Some((id, address)) = world.connecting.pop_front() {
            tried.push(address);
            world.input(Input::ConnectFailed(id, "refused".into()));
        }
        world.advance_to_timeout();
    }
    assert!(tried.iter().any(|a| a == "one:1") && tried.iter().any(|a| a == "two:2"));
    let reports: Vec<&String> = world
        .events
        .iter()
        .filter_map(|event| match event {
            ClusterEvent::Unreachable(message) => Some(message),
            _ => None,
        })
        .collect();
    assert!(reports[0].contains("one:1 (refused)") && reports[0].contains("two:2 (refused)"));
    assert!((tried.len() / 2 - 1..=tried.len() / 2).contains(&reports.len()));
    // Each address is tried about once a second in the end, not more often.
    assert!(world.now >= Instant::ZERO.plus_ms(10_000));
}

#[test]
fn comes_back_to_the_bootstrap_addresses_when_all_brokers_fail() {
    let mut world = World::new("boot:1", None);
    world.bootstrap();
    world.send(1, Target::AnyBroker, list_offsets());
    let mut tried = BTreeSet::new();
    for _ in 0..10 {
        while let Some((id, address)) = world.connecting.pop_front() {
            tried.insert(address.clone());
            if address == "boot:1" {
                world.connecting.push_front((id, address));
                let _ = world.accept_and_shake();
                world.advance(200);
                let mut asked: Vec<_> = world.requests.iter().map(|(_, f)| f.api_key).collect();
                asked.sort_by_key(|api| api.code());
                assert_eq!(asked, [ApiKey::ListOffsets, ApiKey::Metadata]);
                assert_eq!(tried.len(), 3);
                return;
            }
            world.input(Input::ConnectFailed(id, "refused".into()));
        }
        world.advance_to_timeout();
    }
    panic!("never came back; tried {tried:?}");
}

/// Whether a cluster whose brokers answer, but know none, connects to its bootstrap address within
/// some minutes.
fn begins_anew(strategy: MetadataRecoveryStrategy, minutes: u64) -> bool {
    let mut world = World::new("boot:1", None);
    world.cluster.config.metadata_recovery_strategy = strategy;
    world.bootstrap();
    let end = world.now.plus_ms(300_000 + minutes * 60_000);
    let nothing = testing::metadata_of_no_brokers();
    while world.now < end {
        while !world.connecting.is_empty() {
            let (_, address) = world.accept_and_shake();
            if address == "boot:1" {
                return true;
            }
        }
        while let Some((id, frame)) = world.requests.pop_front() {
            world.reply(id, &frame, &nothing);
        }
        world.advance_to_timeout();
    }
    false
}

#[test]
fn begins_anew_when_brokers_tell_nothing_for_too_long() {
    // Metadata is asked for again after five minutes, and then in vain for as long.
    let rebootstrap = MetadataRecoveryStrategy::Rebootstrap;
    assert!(!begins_anew(rebootstrap, 4));
    assert!(begins_anew(rebootstrap, 6));
    assert!(!begins_anew(MetadataRecoveryStrategy::None, 20));
}

#[test]
fn a_missing_topic_is_asked_for_again_with_backoff() {
    let mut world = World::new("boot:1", None);
    world.cluster.want_topics(world.now, [TopicName::new("t")]);
    let (id, _) = world.accept_and_shake();
    let (_, frame) = world.next_request();
    world.reply(id, &frame, &metadata(&[]));
    assert!(world.requests.is_empty(), "not at once");
    world.advance(130);
    let (id, _) = world.accept_and_shake();
    let mut asked = 0;
    for _ in 0..10 {
        while let Some((_, frame)) = world.requests.pop_front() {
            asked += 1;
            world.reply(id, &frame, &metadata(&[]));
        }
        world.advance(1000);
    }
    assert!(
        (7..=20).contains(&asked),
        "asked {asked} times in ten seconds"
    );
    let topic = TopicName::new("t");
    assert_eq!(world.cluster.metadata().partition_count(&topic), None);
    world.advance(1200);
    let (_, frame) = world.next_request();
    world.reply(id, &frame, &metadata(&[(1, 0)]));
    assert_eq!(world.cluster.metadata().partition_count(&topic), Some(1));
    world.advance(100_000);
    assert!(world.requests.is_empty(), "now it is known");
    world.advance(200_000);
    assert_eq!(world.requests.len(), 1, "until it grows old");
}

#[test]
fn the_coordinator_is_found_lost_and_found_elsewhere() {
    let mut world = World::new("boot:1", Some("app"));
    world.bootstrap();
    let (id, frame) = world.next_request();
    assert_eq!(frame.api_key, ApiKey::FindCoordinator);
    world.reply(id, &frame, &coordinator(1));
    assert_eq!(world.cluster.coordinator(), Some(BrokerId(1)));
    world.send(1, Target::GroupCoordinator, list_offsets());
    let (first, address) = world.accept_and_shake();
    assert_eq!(address, "broker1:9092");
    assert_eq!(world.next_request().0, first);
    world.input(Input::Disconnected(first));
    assert_eq!(world.cluster.coordinator(), None);
    assert_eq!(
        world.log_count(|e| matches!(e, ClusterEvent::CoordinatorLost)),
        1
    );
    let (_, result) = world.responses.pop().expect("failed");
    assert_eq!(result.err(), Some(RequestError::Disconnected));
    world.send(2, Target::GroupCoordinator, list_offsets());
    let (_, result) = world.responses.pop().expect("failed at once");
    assert_eq!(result.err(), Some(RequestError::NotSent));
    world.advance(300);
    let (any, _) = world.accept_and_shake();
    while let Some((_, frame)) = world.requests.pop_front() {
        match frame.api_key {
            ApiKey::Metadata => world.reply(any, &frame, &metadata(&[(1, 5), (2, 5)])),
            ApiKey::FindCoordinator => world.reply(any, &frame, &coordinator(2)),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(world.cluster.coordinator(), Some(BrokerId(2)));
    world.send(3, Target::GroupCoordinator, list_offsets());
    let (_, address) = world.accept_and_shake();
    assert_eq!(address, "broker2:9092");
    // One that denies being it is not asked again and again without a pause.
    world.cluster.coordinator_lost();
    world.drain();
    world.advance(200);
    assert!(
        world
            .requests
            .iter()
            .any(|(_, frame)| frame.api_key == ApiKey::FindCoordinator)
    );
}

#[test]
fn a_leader_hint_moves_the_partition_and_an_old_one_does_not() {
    let mut world = World::new("boot:1", None);
    world.bootstrap();
    let tp = TopicPartition::new("t", 0);
    let endpoint = HostPort {
        host: "broker3".into(),
        port: 9092,
    };
    world.cluster.leader_hint(&tp, BrokerId(2), 4, None);
    assert_eq!(world.cluster.metadata().leader(&tp), Some((BrokerId(1), 5)));
    world
        .cluster
        .leader_hint(&tp, BrokerId(3), 6, Some(endpoint));
    assert_eq!(world.cluster.metadata().leader(&tp), Some((BrokerId(3), 6)));
    world.send(1, Target::Broker(BrokerId(3)), list_offsets());
    assert_eq!(world.accept().1, "broker3:9092");
    world.send(2, Target::Broker(BrokerId(77)), list_offsets());
    let (token, result) = world.responses.pop().expect("no such broker");
    assert_eq!(token, RequestToken(2));
    assert_eq!(result.err(), Some(RequestError::NotSent));
}

/// Whatever the network does: one response a request, no connection used after its end, no busy
/// loop, and all is well again once the faults stop.
#[test]
fn random_faults_lose_no_request() {
    for seed in 0..150 {
        let mut rng = SeedTree::new(seed).rng();
        let mut world = World::new("boot:1,boot:2", Some("app"));
        world.cluster.want_topics(world.now, [TopicName::new("t")]);
        world.drain();
        let mut sent = 0;
        for _ in 0..300 {
            random_step(&mut world, &mut rng, &mut sent);
        }
        let mut steps = 0;
        while world.responses.len() < sent || world.cluster.coordinator().is_none() {
            steps += 1;
            assert!(steps < 2000, "seed {seed} does not come to rest");
            if !world.connecting.is_empty() {
                world.accept();
            } else if let Some((id, frame)) = world.requests.pop_front() {
                world.reply(id, &frame, &right_answer(&frame));
            } else {
                world.advance_to_timeout();
            }
        }
        let mut tokens: Vec<u64> = world.responses.iter().map(|(t, _)| t.0).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..sent as u64).collect::<Vec<_>>(), "seed {seed}");
    }
}

fn right_answer(frame: &RequestFrame) -> Response {
    match frame.api_key {
        ApiKey::ApiVersions => api_versions(),
        ApiKey::Metadata => metadata(&[(1, 1), (2, 1)]),
        ApiKey::FindCoordinator => coordinator(2),
        ApiKey::Fetch => Response::Fetch(Default::default()),
        _ => Response::ListOffsets(Default::default()),
    }
}

fn random_step(world: &mut World, rng: &mut Rng, sent: &mut usize) {
    match rng.below(8) {
        0 if !world.connecting.is_empty() => {
            let (id, _) = world.connecting.pop_front().expect("checked");
            world.input(Input::ConnectFailed(id, "refused".into()));
        }
        0 | 1 if !world.connecting.is_empty() => {
            world.accept();
        }
        2 => {
            let open: Vec<ConnectionId> = world.sockets.keys().copied().collect();
            if rng.chance(1, 4) && !open.is_empty() {
                let id = open[rng.below(open.len() as u64) as usize];
                world.requests.retain(|(from, _)| *from != id);
                world.input(Input::Disconnected(id));
                world.sockets.remove(&id);
            }
        }
        3 => {
            let target = match rng.below(4) {
                0 => Target::AnyBroker,
                1 => Target::GroupCoordinator,
                broker => Target::Broker(BrokerId(broker as i32 - 1)),
            };
            let request = if rng.chance(1, 2) {
                Request::Fetch(FetchRequest::default())
            } else {
                list_offsets()
            };
            world.send(*sent as u64, target, request);
            *sent += 1;
        }
        4 => world.advance(rng.below(2000)),
        5 if rng.chance(1, 10) => world.cluster.coordinator_lost(),
        _ => {
            if let Some((id, frame)) = world.requests.pop_front() {
                let bytes = World::reply_bytes(&frame, &right_answer(&frame));
                let cut = rng.below(bytes.len() as u64 + 1) as usize;
                world.input(Input::Received(id, bytes.slice(..cut)));
                if rng.chance(1, 20) {
                    world.input(Input::Received(id, Bytes::from_static(&[0xff; 9])));
                } else {
                    world.input(Input::Received(id, bytes.slice(cut..)));
                }
            }
        }
    }
    world.drain();
    let open: BTreeSet<ConnectionId> = world.sockets.keys().copied().collect();
    world.requests.retain(|(id, _)| open.contains(id));
}

#[test]
fn an_address_that_swallows_connections_does_not_hold_up_the_others() {
    let mut world = World::new("one:1,two:2", None);
    assert_eq!(world.connecting.len(), 1);
    world.advance(999);
    assert_eq!(world.connecting.len(), 1);
    world.advance(1);
    assert_eq!(
        world.connecting.len(),
        2,
        "the other is tried after a second"
    );
    world.connecting.pop_front();
    world.accept_and_shake();
    assert_eq!(world.next_request().1.api_key, ApiKey::Metadata);
}
