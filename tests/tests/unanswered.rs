//! Heartbeats whose answers get lost, on Apache Kafka: what they told is asked for, and every task
//! runs.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use eddyline::admin::Admin;
use eddyline::{KafkaStreams, RunningStreams, StreamsConfig};
use eddyline_core::wire::streams_group::StreamsGroupHeartbeatResponse;
use eddyline_core::wire::{ApiKey, FrameDecoder, MAX_FRAME_BYTES, Response, decode_response};
use eddyline_tests::{
    KEYS_TOPIC, KafkaBroker, PATIENCE, java_tests_run, key_count_topology, produce_keys, relay,
    wait_for_members, wait_until,
};

const KEYS: usize = 200;
const STORE: &str = "counts";
const GROUP: &str = "unanswered";
const HEARTBEAT: i16 = 88;
const DESCRIBE: i16 = 89;

type Unwanted = fn(&StreamsGroupHeartbeatResponse) -> bool;

/// A proxy that breaks the connection off instead of giving an answer that is unwanted, once.
#[derive(Default)]
struct Lossy {
    unwanted: Mutex<Option<Unwanted>>,
    descriptions: AtomicUsize,
}

/// The heartbeats of a connection that were not answered yet.
type Asked = Arc<Mutex<BTreeSet<i32>>>;

impl Lossy {
    fn start(broker: &KafkaBroker) -> Arc<Self> {
        let proxy = Arc::new(Self::default());
        for (port, upstream) in broker.proxied_ports() {
            let proxy = Arc::clone(&proxy);
            let carry = move |client, broker| proxy.carry(client, broker);
            relay::listen(port, upstream, carry).expect("the port is free");
        }
        proxy
    }

    fn lose(&self, unwanted: Unwanted) {
        *self.unwanted.lock().expect("nobody panicked") = Some(unwanted);
    }

    fn has_lost_it(&self) -> bool {
        self.unwanted.lock().expect("nobody panicked").is_none()
    }

    fn carry(self: &Arc<Self>, client: TcpStream, broker: TcpStream) {
        let (proxy, asked) = (Arc::clone(self), Asked::default());
        let pump = move |from: &TcpStream, to: &TcpStream, is_request| {
            proxy.pump(from, to, &asked, is_request);
        };
        relay::both_ways(client, broker, pump).expect("both are there");
    }

    /// Frame by frame, until one is unwanted or the connection ends.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, asked: &Asked, is_request: bool) {
        let mut frames = FrameDecoder::new(MAX_FRAME_BYTES);
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            frames.push(Bytes::copy_from_slice(&piece[..read]));
            while let Some(frame) = frames.next_frame().expect("frames of Kafka") {
                if is_request {
                    self.note_request(&frame, asked);
                } else if self.is_unwanted(&frame, asked) {
                    return;
                }
                let length = (frame.len() as u32).to_be_bytes();
                if to.write_all(&[&length, &*frame].concat()).is_err() {
                    return;
                }
            }
        }
    }

    fn note_request(&self, frame: &[u8], asked: &Asked) {
        let correlation_id = i32::from_be_bytes(frame[4..8].try_into().expect("four bytes"));
        match i16::from_be_bytes([frame[0], frame[1]]) {
            HEARTBEAT => {
                asked
                    .lock()
                    .expect("nobody panicked")
                    .insert(correlation_id);
            }
            DESCRIBE => {
                self.descriptions.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }

    fn is_unwanted(&self, frame: &Bytes, asked: &Asked) -> bool {
        let correlation_id = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
        if !asked
            .lock()
            .expect("nobody panicked")
            .remove(&correlation_id)
        {
            return false;
        }
        let answer = decode_response(ApiKey::StreamsGroupHeartbeat, 0, frame.clone());
        let Ok((_, Response::StreamsGroupHeartbeat(answer))) = answer else {
            panic!("not the answer to a heartbeat: {answer:?}");
        };
        let mut unwanted = self.unwanted.lock().expect("nobody panicked");
        let is_unwanted = unwanted.is_some_and(|is_unwanted| is_unwanted(&answer));
        if is_unwanted {
            *unwanted = None;
        }
        is_unwanted
    }
}

fn start(broker: &KafkaBroker) -> RunningStreams {
    let config = StreamsConfig::new(GROUP, broker.proxied_bootstrap())
        .and_then(|config| config.set("commit.interval.ms", 100))
        .expect("a valid configuration");
    let streams = KafkaStreams::new(key_count_topology(STORE), config).expect("a source");
    streams.start().expect("threads and sockets")
}

/// The counts that an instance has; none while its tasks move.
fn counts(streams: &RunningStreams) -> Vec<i64> {
    let store = streams.key_value_store::<String, i64>(STORE);
    let rows = store.ok().and_then(|store| store.all().ok());
    let counts = rows.into_iter().flatten().map(|row| row.map(|(_, n)| n));
    counts.collect::<Result<_, _>>().unwrap_or_default()
}

/// One more of every key, and each of the instances counts its part of them.
fn all_count(admin: &mut Admin, instances: &[&RunningStreams], times: i64) {
    produce_keys(admin, KEYS);
    wait_until("every key is counted", || {
        let counts: Vec<Vec<i64>> = instances.iter().map(|one| counts(one)).collect();
        let all = counts.iter().flatten().count() == KEYS;
        let each = counts.iter().all(|own| !own.is_empty());
        all && each && counts.iter().flatten().all(|count| *count == times)
    });
}

#[test]
fn what_an_unanswered_heartbeat_was_told_is_asked_for() {
    if !java_tests_run("what_an_unanswered_heartbeat_was_told_is_asked_for") {
        return;
    }
    let broker = KafkaBroker::start_nodes("kafka-unanswered", 1, "");
    let proxy = Lossy::start(&broker);
    let mut admin = broker.admin();
    admin.create_topics(&[(KEYS_TOPIC, 4)]).expect("a topic");
    // The answer to the join.
    proxy.lose(|_| true);
    let first = start(&broker);
    wait_for_members(&mut admin, GROUP, 1);
    assert!(proxy.has_lost_it());
    all_count(&mut admin, &[&first], 1);
    let mut times = 1;
    for round in 0..2 {
        // One that tells tasks: to the one that is to have fewer, or to the one that is to have more.
        proxy.lose(|answer| {
            let active = answer.active_tasks.as_ref();
            answer.error_code == 0 && active.is_some_and(|active| !active.is_empty())
        });
        let before = proxy.descriptions.load(Relaxed);
        let second = start(&broker);
        wait_for_members(&mut admin, GROUP, 2);
        times += 1;
        all_count(&mut admin, &[&first, &second], times);
        assert!(proxy.has_lost_it(), "round {round}");
        assert!(proxy.descriptions.load(Relaxed) > before, "round {round}");
        second.close(PATIENCE).expect("closes");
        wait_for_members(&mut admin, GROUP, 1);
    }
    first.close(PATIENCE).expect("closes");
}
