//! Logins of whole connections: before anything else, again in time, and never against a refusal.

use super::*;
use crate::net::sasl::tests::config;
use crate::net::testing::{FakeBrokers, answer, metadata};
use crate::rng::SeedTree;
use crate::wire::messages::{
    ListOffsetsRequest, SaslAuthenticateResponse, SaslHandshakeResponse, StrBytes,
};
use crate::wire::{Request, RequestFrame};

struct World {
    cluster: Cluster,
    brokers: FakeBrokers,
    now: Instant,
    connects: usize,
    events: Vec<ClusterEvent>,
    responses: Vec<RequestToken>,
}

impl World {
    fn new(config: &StreamsConfig) -> Self {
        let config = ClusterConfig::new(config, "test");
        let mut world = Self {
            cluster: Cluster::new(config, SeedTree::new(7).rng()),
            brokers: FakeBrokers::default(),
            now: Instant::from_nanos(1),
            connects: 0,
            events: Vec::new(),
            responses: Vec::new(),
        };
        world.run();
        world
    }

    fn run(&mut self) {
        loop {
            self.cluster.drive(self.now);
            while let Some(output) = self.cluster.poll_output() {
                self.connects += usize::from(matches!(output, Output::Connect { .. }));
                self.brokers.carry_out(output);
            }
            while let Some(event) = self.cluster.poll_event() {
                self.events.push(event);
            }
            while let Some((token, _)) = self.cluster.poll_response() {
                self.responses.push(token);
            }
            let Some(input) = self.brokers.inputs.pop_front() else {
                break;
            };
            self.cluster.handle_input(self.now, input);
        }
        if let Some(at) = self.cluster.poll_timeout() {
            assert!(at > self.now, "a busy loop at {at}");
        }
    }

    /// Lets time pass, as a driver does.
    fn pass(&mut self, millis: u64) {
        let end = self.now.plus_ms(millis);
        while let Some(at) = self.cluster.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.run();
        }
        self.now = end;
        self.run();
    }

    fn input(&mut self, input: Input) {
        self.cluster.handle_input(self.now, input);
        self.run();
    }

    /// The only request without an answer, which must be of this API.
    fn asked(&mut self, api: ApiKey) -> (ConnectionId, RequestFrame) {
        assert_eq!(self.brokers.requests.len(), 1, "{:?}", self.apis());
        let (id, _, frame) = self.brokers.requests.pop_front().expect("one");
        assert_eq!(frame.api_key, api);
        (id, frame)
    }

    fn apis(&self) -> Vec<ApiKey> {
        let requests = self.brokers.requests.iter();
        requests.map(|(_, _, frame)| frame.api_key).collect()
    }

    fn answer(&mut self, (id, frame): (ConnectionId, RequestFrame), response: &Response) {
        self.input(answer(id, &frame, response));
    }

    /// Goes through a whole login; the session ends after this long.
    fn log_in(&mut self, session_lifetime_ms: i64) {
        let asked = self.asked(ApiKey::SaslHandshake);
        let accepted = SaslHandshakeResponse::default();
        self.answer(asked, &Response::SaslHandshake(accepted));
        let asked = self.asked(ApiKey::SaslAuthenticate);
        let response = SaslAuthenticateResponse::default();
        let response = response.with_session_lifetime_ms(session_lifetime_ms);
        self.answer(asked, &Response::SaslAuthenticate(response));
    }

    fn send(&mut self, token: u64) {
        let outgoing = Outgoing {
            token: RequestToken(token),
            target: Target::Broker(BrokerId(1)),
            version: None,
            request: Request::ListOffsets(ListOffsetsRequest::default()),
        };
        self.cluster.send(self.now, outgoing);
        self.run();
    }

    fn failures(&self) -> Vec<&StreamsError> {
        let events = self.events.iter();
        let failures = events.filter_map(|event| match event {
            ClusterEvent::Failed(error) => Some(error),
            _ => None,
        });
        failures.collect()
    }
}

#[test]
fn a_login_comes_first_and_is_repeated_with_nothing_beside_it() {
    let mut world = World::new(&config("PLAIN"));
    world.log_in(0);
    let asked = world.asked(ApiKey::Metadata);
    world.answer(asked, &metadata(&[("t", &[(1, 1)])]));
    world.send(1);
    world.log_in(10_000);
    let first = world.asked(ApiKey::ListOffsets);
    // It is due between 8.5 and 9.5 seconds, and waits for what is under way.
    world.pass(8_400);
    world.send(2);
    let second = world.asked(ApiKey::ListOffsets);
    world.pass(1_200);
    world.send(3);
    assert_eq!(world.apis(), []);
    let listed = Response::ListOffsets(Default::default());
    world.answer(first, &listed);
    assert_eq!(world.apis(), []);
    world.answer(second, &listed);
    assert_eq!(world.responses, [RequestToken(1), RequestToken(2)]);
    world.log_in(10_000);
    let third = world.asked(ApiKey::ListOffsets);
    world.answer(third, &listed);
    // An idle connection logs in by itself.
    world.pass(9_600);
    world.log_in(0);
    world.pass(60_000);
    assert_eq!(world.apis(), []);
    assert_eq!(world.connects, 2, "no connection was lost");
    assert!(world.failures().is_empty());
}

#[test]
fn a_login_that_is_not_answered_loses_the_connection() {
    let mut world = World::new(&config("PLAIN"));
    world.asked(ApiKey::SaslHandshake);
    world.pass(10_100);
    assert!(world.connects > 1, "it is tried again");
    assert!(world.failures().is_empty());
}

#[test]
fn nobody_asks_again_who_is_not_let_in() {
    let refused = |asked: &str, world: &mut World| {
        let failures = world.failures();
        let [StreamsError::Authentication { mechanism, .. }] = failures[..] else {
            panic!("{failures:?}");
        };
        assert_eq!(mechanism, asked);
        let connects = world.connects;
        world.cluster.request_metadata(world.now);
        world.send(1);
        world.pass(120_000);
        assert_eq!(world.connects, connects);
    };
    let mut world = World::new(&config("PLAIN"));
    let asked = world.asked(ApiKey::SaslHandshake);
    let accepted = SaslHandshakeResponse::default();
    world.answer(asked, &Response::SaslHandshake(accepted));
    let asked = world.asked(ApiKey::SaslAuthenticate);
    let response = SaslAuthenticateResponse::default()
        .with_error_code(58)
        .with_error_message(Some(StrBytes::from_static_str("who are you?")));
    world.answer(asked, &Response::SaslAuthenticate(response));
    refused("PLAIN", &mut world);

    let mut world = World::new(&config("PLAIN"));
    let (id, _) = world.asked(ApiKey::SaslHandshake);
    world.input(Input::TlsFailed(id, "unknown issuer".into()));
    refused("TLS", &mut world);

    // A listener of TLS answers with an alert.
    let plaintext = StreamsConfig::new("app", "localhost:9092").expect("valid");
    let mut world = World::new(&plaintext);
    let (id, _) = world.asked(ApiKey::Metadata);
    let alert = bytes::Bytes::from_static(&[0x15, 3, 3, 0, 2, 2, 80]);
    world.input(Input::Received(id, alert));
    refused("TLS", &mut world);
}

#[test]
fn a_contradiction_is_told_before_anything_is_connected_to() {
    let contradiction = StreamsConfig::new("app", "localhost:9092")
        .and_then(|config| config.set("security.protocol", "SASL_SSL"))
        .expect("each key is valid");
    let mut world = World::new(&contradiction);
    world.pass(60_000);
    assert!(matches!(world.failures()[..], [StreamsError::Config(_)]));
    assert_eq!(world.connects, 0);
}
