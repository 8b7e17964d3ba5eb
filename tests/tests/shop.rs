//! An application with every kind of join, on the embedded broker and on Apache Kafka: two
//! instances, tasks that move, stores that are restored.

use std::path::Path;
use std::time::Duration;

use eddyline::admin::Admin;
use eddyline::{KafkaStreams, RunningStreams, State, StreamsConfig};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{JavaApplication, KafkaBroker, Shop, java_tests_run, scratch};

const PATIENCE: Duration = Duration::from_secs(60);
const ORDERS: usize = 900;

/// An instance whose stores lie in memory, or in the folder given.
fn start(bootstrap: &str, threads: usize, state_dir: Option<&Path>) -> RunningStreams {
    let stores = state_dir.map_or("in_memory", |_| "rocksDB");
    let state_dir = state_dir.unwrap_or(Path::new("")).display().to_string();
    let config = StreamsConfig::new("shop", bootstrap)
        .and_then(|config| config.set("commit.interval.ms", 100))
        .and_then(|config| config.set("num.stream.threads", threads))
        .and_then(|config| config.set("default.dsl.store", stores))
        .and_then(|config| match state_dir.is_empty() {
            true => Ok(config),
            false => config.set("state.dir", state_dir),
        })
        .expect("a valid configuration");
    let streams = KafkaStreams::new(Shop::topology(), config).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    streams
}

/// Two instances, then one; a third of the orders each.
fn run(bootstrap: &str, admin: &mut Admin, state_dirs: [Option<&Path>; 2]) {
    let shop = Shop::new(ORDERS);
    shop.open(admin);
    let first = start(bootstrap, 2, state_dirs[0]);
    let third = ORDERS / 3;
    shop.feed(admin, 0, third);
    let second = start(bootstrap, 1, state_dirs[1]);
    shop.feed(admin, third, third);
    std::thread::sleep(Duration::from_millis(500));
    first.close(PATIENCE).expect("a clean close");
    shop.feed(admin, 2 * third, third);
    shop.wait_for_results(admin, PATIENCE);
    second.close(PATIENCE).expect("a clean close");
}

fn start_java(bootstrap: &str) -> JavaApplication {
    let arguments = [bootstrap, "shop"];
    JavaApplication::start(
        "tests/kafka/java/ShopApp.java",
        &arguments,
        "java-shop-state",
    )
}

#[test]
fn every_join_is_right_on_the_embedded_broker() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let bootstrap = broker.bootstrap_servers();
    let mut admin = Admin::connect(&bootstrap, PATIENCE).expect("it answers");
    run(&bootstrap, &mut admin, [None, None]);
}

#[test]
fn every_join_is_right_with_persistent_stores() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let bootstrap = broker.bootstrap_servers();
    let mut admin = Admin::connect(&bootstrap, PATIENCE).expect("it answers");
    let folders = ["shop-state-1", "shop-state-2"].map(|name| {
        let folder = scratch(name);
        // What an earlier run left belongs to another broker.
        let _ = std::fs::remove_dir_all(&folder);
        folder
    });
    run(
        &bootstrap,
        &mut admin,
        [Some(&folders[0]), Some(&folders[1])],
    );
    // The first instance comes back to its folder, with less to restore.
    let shop = Shop::new(ORDERS);
    let again = start(&bootstrap, 2, Some(&folders[0]));
    shop.wait_for_results(&mut admin, PATIENCE);
    again.close(PATIENCE).expect("a clean close");
}

#[test]
fn every_join_is_right_on_apache_kafka() {
    if !java_tests_run("every_join_is_right_on_apache_kafka") {
        return;
    }
    let broker = KafkaBroker::start("kafka-shop", "");
    run(&broker.bootstrap(), &mut broker.admin(), [None, None]);
}

/// Kafka Streams begins, Eddyline goes on from its offsets and changelogs, and the other way round.
#[test]
fn java_and_eddyline_take_over_from_one_another() {
    if !java_tests_run("java_and_eddyline_take_over_from_one_another") {
        return;
    }
    let broker = KafkaBroker::start("kafka-takeover", "");
    let (bootstrap, mut admin) = (broker.bootstrap(), broker.admin());
    let shop = Shop::new(ORDERS);
    shop.open(&mut admin);
    let third = ORDERS / 3;
    let java = start_java(&bootstrap);
    shop.feed(&mut admin, 0, third);
    std::thread::sleep(Duration::from_secs(2));
    java.close();
    let eddyline = start(&bootstrap, 1, None);
    shop.feed(&mut admin, third, third);
    std::thread::sleep(Duration::from_secs(2));
    eddyline.close(PATIENCE).expect("a clean close");
    let java = start_java(&bootstrap);
    shop.feed(&mut admin, 2 * third, third);
    shop.wait_for_results(&mut admin, PATIENCE);
    java.close();
}

/// Both are members of one group at once; then one of them leaves.
#[test]
fn java_and_eddyline_share_a_group() {
    if !java_tests_run("java_and_eddyline_share_a_group") {
        return;
    }
    let broker = KafkaBroker::start("kafka-cohabitation", "");
    let (bootstrap, mut admin) = (broker.bootstrap(), broker.admin());
    let shop = Shop::new(ORDERS);
    shop.open(&mut admin);
    let third = ORDERS / 3;
    let eddyline = start(&bootstrap, 1, None);
    shop.feed(&mut admin, 0, third);
    let java = start_java(&bootstrap);
    shop.feed(&mut admin, third, third);
    std::thread::sleep(Duration::from_secs(5));
    let group = admin.describe_streams_group("shop").expect("the group");
    assert_eq!(group.members.len(), 2);
    eddyline.close(PATIENCE).expect("a clean close");
    shop.feed(&mut admin, 2 * third, third);
    shop.wait_for_results(&mut admin, PATIENCE);
    java.close();
}
