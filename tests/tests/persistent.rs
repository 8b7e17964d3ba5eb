//! Stores on disk, on the embedded broker: a restart goes on from what it finds there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::dsl::Materialized;
use eddyline::state::storage::StorageError;
use eddyline::types::TopicPartition;
use eddyline::{KafkaStreams, RunningStreams, StartError, State, StreamsBuilder, StreamsConfig};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

const PATIENCE: Duration = Duration::from_secs(60);

struct Application {
    broker: EmbeddedBroker,
    admin: Admin,
    state_dir: PathBuf,
    written: i64,
}

/// Offsets at which changelogs began to be restored.
type Restores = Arc<Mutex<Vec<(i64, i64)>>>;

impl Application {
    fn new() -> Self {
        let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
        let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
        admin
            .create_topics(&[("in", 1), ("out", 1)])
            .expect("topics");
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eddyline-persistent-{}-{number}", std::process::id());
        Self {
            broker,
            admin,
            state_dir: std::env::temp_dir().join(name),
            written: 0,
        }
    }

    fn streams(&self) -> KafkaStreams {
        let builder = StreamsBuilder::new();
        let words = builder.stream::<String, String>("in");
        let counts = words.group_by_key().count(Materialized::as_store("counts"));
        counts.to_stream().to("out");
        let config = StreamsConfig::new("app", self.broker.bootstrap_servers())
            .and_then(|config| config.set("commit.interval.ms", 100))
            .and_then(|config| config.set("state.dir", self.state_dir.display()))
            .expect("a valid configuration");
        let topology = builder.build().expect("a valid topology");
        KafkaStreams::new(topology, config).expect("a source")
    }

    /// Writes `count` records of 10 keys, and waits until all there are are counted and committed.
    fn run(&mut self, count: usize) -> (RunningStreams, Vec<(i64, i64)>) {
        let keys: Vec<String> = (0..count)
            .map(|number| format!("key-{}", number % 10))
            .collect();
        let records = keys.iter().map(|key| (Some(key.as_str()), Some(&b"x"[..])));
        self.admin.produce("in", records).expect("records");
        self.written += count as i64;
        let restores = Restores::default();
        let seen = Arc::clone(&restores);
        let streams = self.streams().with_log_listener(move |event| {
            let text = &event.message;
            let offsets = text.split_once("-changelog-0 from offset ");
            if let Some((from, to)) = offsets.and_then(|(_, offsets)| offsets.split_once(" to ")) {
                let offsets = (
                    from.parse().expect("a number"),
                    to.parse().expect("a number"),
                );
                seen.lock().expect("nobody panicked").push(offsets);
            }
        });
        let streams = streams.start().expect("threads, sockets and a directory");
        assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
        let began = Instant::now();
        let partitions = [TopicPartition::new("in", 0)];
        loop {
            let committed = self.admin.committed_offsets("app", &partitions);
            if committed.expect("the broker answers") == [Some(self.written)] {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "all is counted");
            std::thread::sleep(Duration::from_millis(10));
        }
        let restores = restores.lock().expect("nobody panicked").clone();
        (streams, restores)
    }

    fn counts(&mut self) -> BTreeMap<Vec<u8>, i64> {
        let records = self
            .admin
            .read_to_end(&TopicPartition::new("out", 0))
            .expect("is read");
        let counts = records.into_iter().map(|record| {
            let value = record.value.expect("a count");
            let count = i64::from_be_bytes(value[..].try_into().expect("eight bytes"));
            (record.key.expect("a key").to_vec(), count)
        });
        counts.collect()
    }
}

/// A process that is killed when the test ends, if it was not before.
struct Instance(Child);

impl Instance {
    /// Has the state directory of `app` for itself when it is back; no broker is there for it.
    fn holding(state_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_takeover-instance"));
        command.args(["127.0.0.1:1", "app", "word-count", "at_least_once"]);
        let command = command.arg(state_dir).stdin(Stdio::piped());
        let instance = Self(
            command
                .stderr(Stdio::null())
                .spawn()
                .expect("it is started"),
        );
        // It is written once the lock is held.
        let file = state_dir.join("app/kafka-streams-process-metadata");
        let began = Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < PATIENCE, "it does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        instance
    }

    /// SIGKILL, where there are signals.
    fn kill(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it has ended");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.state_dir).ok();
    }
}

#[test]
fn a_restart_goes_on_from_the_stored_offset() {
    let mut application = Application::new();
    let (streams, restores) = application.run(500);
    assert_eq!(restores, [(0, 0)]);

    // The directory is taken.
    let refused = application.streams().start();
    assert!(matches!(
        refused.err(),
        Some(StartError::State(StorageError::Locked { .. }))
    ));
    let refused = application.streams().clean_up();
    assert!(matches!(refused, Err(StorageError::Locked { .. })));
    streams.close(PATIENCE).expect("it closes");

    let (streams, restores) = application.run(500);
    let [(from, end)] = restores[..] else {
        panic!("{restores:?}");
    };
    assert!(from > 0 && from == end, "nothing is restored: {restores:?}");
    assert!(application.counts().values().all(|count| *count == 100));
    streams.close(PATIENCE).expect("it closes");

    // Without its directory everything comes from the changelog.
    application.streams().clean_up().expect("it is free");
    assert!(!application.state_dir.join("app").exists());
    let (streams, restores) = application.run(500);
    assert!(
        matches!(restores[..], [(0, end)] if end > from),
        "{restores:?}"
    );
    assert!(application.counts().values().all(|count| *count == 150));
    streams.close(PATIENCE).expect("it closes");
}

#[test]
fn a_process_that_is_killed_leaves_its_directory_free() {
    let application = Application::new();
    let mut instance = Instance::holding(&application.state_dir);
    let refused = application.streams().start().expect_err("it is taken");
    let message = refused.to_string();
    assert!(
        message
            .contains("is in use by another instance: give each instance a state.dir of its own"),
        "{message}"
    );
    instance.kill();
    let streams = application.streams().start().expect("it is free at once");
    streams.close(PATIENCE).expect("it closes");
}
