//! Standbys: one of two instances stops, and the other goes on from the copy it has.

use std::sync::{Arc, Mutex};

use eddyline::admin::Admin;
use eddyline::query::{KeyQuery, StateQueryRequest};
use eddyline::types::TopicPartition;
use eddyline::{
    KafkaStreams, RunningStreams, StandbyUpdateListener, StateRestoreListener, StreamsConfig,
};
use eddyline_core::thread::SuspendReason;
use eddyline_sim::broker::GroupConfig;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{
    KEYS_TOPIC, KafkaBroker, PATIENCE, java_tests_run, key_count_topology, produce_keys, wait_until,
};

const KEYS: usize = 2000;
const STORE: &str = "counts";

/// What listeners were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    /// Changelogs and where restoring began.
    restores: Vec<(TopicPartition, i64)>,
    restored: u64,
    loaded: u64,
    promoted: usize,
}

impl StateRestoreListener for Told {
    fn on_restore_start(&self, changelog: &TopicPartition, _: &str, start: i64, _: i64) {
        let mut notes = self.0.lock().expect("nobody panicked");
        notes.restores.push((changelog.clone(), start));
    }

    fn on_restore_end(&self, _: &TopicPartition, store: &str, total: u64) {
        assert_eq!(store, STORE);
        self.0.lock().expect("nobody panicked").restored += total;
    }
}

impl StandbyUpdateListener for Told {
    fn on_batch_loaded(&self, _: &TopicPartition, _: &str, _: i64, records: u64, _: i64) {
        self.0.lock().expect("nobody panicked").loaded += records;
    }

    fn on_update_suspended(
        &self,
        _: &TopicPartition,
        _: &str,
        _: i64,
        _: i64,
        reason: SuspendReason,
    ) {
        let mut notes = self.0.lock().expect("nobody panicked");
        notes.promoted += usize::from(reason == SuspendReason::Promoted);
    }
}

fn start(bootstrap: &str, guarantee: &str, told: &Told) -> RunningStreams {
    let config = StreamsConfig::new("standbys", bootstrap)
        .and_then(|config| config.set("commit.interval.ms", 100))
        .and_then(|config| config.set("processing.guarantee", guarantee))
        .expect("a valid configuration");
    let streams = KafkaStreams::new(key_count_topology(STORE), config).expect("a source");
    streams
        .with_state_restore_listener(told.clone())
        .with_standby_update_listener(told.clone())
        .start()
        .expect("threads and sockets")
}

/// How many rows an instance has, stale ones too.
fn rows(streams: &RunningStreams) -> usize {
    let store = streams.key_value_store::<String, i64>(STORE);
    let store = store.expect("a store").enable_stale_stores();
    store.all().map_or(0, Iterator::count)
}

fn fails_over(bootstrap: &str, guarantee: &str) {
    let mut admin = Admin::connect(bootstrap, PATIENCE).expect("it answers");
    admin.create_topics(&[(KEYS_TOPIC, 2)]).expect("a topic");
    produce_keys(&mut admin, KEYS);
    let told = [Told::default(), Told::default()];
    let one = start(bootstrap, guarantee, &told[0]);
    // Whoever counted rows itself needs no copy of them.
    wait_until("one has all rows", || rows(&one) == KEYS);
    let other = start(bootstrap, guarantee, &told[1]);
    wait_until("the other has them too", || rows(&other) == KEYS);
    wait_until("copies are at the end", || {
        let lags = other.all_local_store_partition_lags();
        let all = lags.get(STORE);
        all.is_some_and(|all| all.len() == 2 && all.values().all(|lag| lag.offset_lag() == 0))
    });
    let query = || KeyQuery::<String, i64>::with_key("key-0001".to_owned());
    let request = StateQueryRequest::in_store(STORE, query()).require_active();
    let answers = other.query(&request).expect("an answer");
    let refused = answers.into_partition_results();
    let refused = refused.values().filter(|answer| answer.rows.is_err());
    assert_eq!(refused.count(), 1, "one of two partitions is a standby's");

    told[1].0.lock().expect("nobody panicked").restored = 0;
    told[1].0.lock().expect("nobody panicked").restores.clear();
    one.close(PATIENCE).expect("it closes");
    produce_keys(&mut admin, KEYS);
    let store = other
        .key_value_store::<String, i64>(STORE)
        .expect("a store");
    wait_until("the other counts everything", || {
        let Ok(rows) = store.all() else { return false };
        let rows: Result<Vec<_>, _> = rows.collect();
        rows.is_ok_and(|rows| rows.len() == KEYS && rows.iter().all(|(_, count)| *count == 2))
    });
    let notes = told[1].0.lock().expect("nobody panicked");
    assert!(notes.loaded > 0 && notes.promoted == 1);
    assert_eq!(notes.restores.len(), 1, "{:?}", notes.restores);
    assert!(notes.restores[0].1 > 0, "{:?}", notes.restores);
    assert!(notes.restored < 10, "{} records restored", notes.restored);
}

#[test]
fn the_other_instance_goes_on_from_its_copy() {
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        let mut config = EmbeddedBrokerConfig::default();
        config.broker.group = GroupConfig {
            num_standby_replicas: 1,
            ..config.broker.group
        };
        let broker = EmbeddedBroker::start(config).expect("a free port");
        fails_over(&broker.bootstrap_servers(), guarantee);
    }
}

#[test]
fn the_other_instance_goes_on_from_its_copy_on_kafka() {
    if !java_tests_run("standbys on Kafka") {
        return;
    }
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        let properties = "group.streams.num.standby.replicas=1\n";
        let broker = KafkaBroker::start(&format!("standbys-{guarantee}"), properties);
        fails_over(&broker.bootstrap(), guarantee);
    }
}
