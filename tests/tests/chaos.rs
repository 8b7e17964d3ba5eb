//! Chaos on Apache Kafka: see `eddyline_tests::chaos`. Other seeds and more time:
//! `cargo run --release -p eddyline-tests --bin chaos -- --seed N --minutes M`.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::time::Duration;

use eddyline_tests::chaos::{Chaos, Schedule};
use eddyline_tests::{full_tests_run, java_tests_run};

/// Runs a seed on three brokers; nothing may be wrong with what comes of it.
fn run(seed: u64, duration: Duration, transaction_version: i16) {
    let (instances, nodes) = (3, 3);
    let schedule = Schedule::draw(seed, duration, instances, nodes.into());
    let chaos = Chaos {
        program: env!("CARGO_BIN_EXE_chaos").into(),
        name: "chaos-test".to_owned(),
        instances,
        nodes,
        standbys: 1,
        transaction_version,
    };
    let report = chaos.run(&schedule);
    assert!(report.violations.is_empty(), "{schedule}{report}");
    println!("{report}");
}

#[test]
fn two_minutes_of_chaos_lose_and_double_nothing() {
    if java_tests_run("two_minutes_of_chaos_lose_and_double_nothing") {
        run(1, Duration::from_secs(120), 2);
    }
}

#[test]
fn ten_minutes_of_chaos_lose_and_double_nothing() {
    let test = "ten_minutes_of_chaos_lose_and_double_nothing";
    if java_tests_run(test) && full_tests_run(test) {
        run(2, Duration::from_secs(600), 2);
    }
}

#[test]
fn two_minutes_of_chaos_with_transactions_of_version_1() {
    let test = "two_minutes_of_chaos_with_transactions_of_version_1";
    if java_tests_run(test) && full_tests_run(test) {
        run(3, Duration::from_secs(120), 1);
    }
}
