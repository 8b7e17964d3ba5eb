//! Kafka's own smoke test, with our application in place of Kafka Streams and its driver as the
//! producer and the judge, under exactly-once on Apache Kafka.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use eddyline_tests::{
    Instance, KafkaBroker, SmokeTestDriver, full_tests_run, java_tests_run, scratch,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_smoke-test-client");

/// Starts an instance whose state is in `name`, in which it may find what it had before.
fn start(broker: &KafkaBroker, name: &str) -> Instance {
    let state_dir = scratch(name).display().to_string();
    Instance::run(PROGRAM, &[broker.bootstrap(), state_dir])
}

#[test]
fn kafkas_smoke_test_succeeds() {
    let test = "kafkas_smoke_test_succeeds";
    if !java_tests_run(test) || !full_tests_run(test) {
        return;
    }
    let broker = KafkaBroker::start("kafka-smoke", "");
    let driver = SmokeTestDriver::start(&broker.bootstrap(), &mut broker.admin());
    let _ = std::fs::remove_dir_all(scratch("smoke-state"));
    let instance = start(&broker, "smoke-state");
    driver.expect_success();
    instance.close();
}

#[test]
fn kafkas_smoke_test_succeeds_though_the_application_is_killed() {
    if !java_tests_run("kafkas_smoke_test_succeeds_though_the_application_is_killed") {
        return;
    }
    let broker = KafkaBroker::start("kafka-smoke-killed", "");
    let mut driver = SmokeTestDriver::start(&broker.bootstrap(), &mut broker.admin());
    let _ = std::fs::remove_dir_all(scratch("smoke-state-killed"));
    let mut instance = start(&broker, "smoke-state-killed");
    for records in [4000, 9000, 14_000, 19_000] {
        driver.wait_for_records(records);
        instance.kill();
        instance = start(&broker, "smoke-state-killed");
    }
    driver.expect_success();
    instance.close();
}
