//! How a topology is tested: without broker, threads or clocks, record by record.
//!
//! The topology warns of sensors that were too hot three times.

use std::time::Duration;

use eddyline::config::StreamsConfig;
use eddyline::dsl::{Materialized, StreamsBuilder};
use eddyline::topology::{Topology, TopologyError};
use eddyline_sim::{
    CommitMode, TestDriverError, TestDriverOptions, TestRecord, TopologyTestDriver,
};

fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, i32>("temperatures")
        .filter(|_, degrees| *degrees > 70)
        .group_by_key()
        .count(Materialized::as_store("too-hot"))
        .to_stream()
        .filter(|_, times| times.is_some_and(|times| times >= 3))
        .map_values(|times| format!("too hot {} times", times.unwrap_or_default()))
        .to("warnings");
    builder.build()
}

fn sensor(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn config() -> StreamsConfig {
    StreamsConfig::new("sensors", "unused:9092").expect("a configuration")
}

#[test]
fn the_third_time_is_a_warning() -> Result<(), Box<dyn std::error::Error>> {
    let driver = TopologyTestDriver::new(topology()?, config())?;
    let temperatures = driver
        .create_input_topic::<Option<String>, i32>("temperatures")
        .with_time(0, Duration::from_secs(60));
    let warnings = driver.create_output_topic::<Option<String>, String>("warnings");

    let readings = [71, 20, 80].map(|degrees| (sensor("oven"), degrees));
    temperatures.pipe_key_value_list(readings)?;
    temperatures.pipe_input(sensor("fridge"), 99)?;
    assert!(warnings.is_empty());

    temperatures.pipe_input(sensor("oven"), 90)?;
    let warning = TestRecord::new(sensor("oven"), "too hot 3 times".to_owned());
    assert_eq!(warnings.read_record()?, warning.at(4 * 60_000));

    let counts = driver.timestamped_key_value_store::<Option<String>, i64>("too-hot")?;
    let fridge = counts.get(&sensor("fridge"))?;
    assert_eq!(
        fridge.map(|count| (count.value, count.timestamp)),
        Some((1, 180_000))
    );
    Ok(())
}

/// With a record cache, what happens between two commits is one change.
#[test]
fn a_commit_sends_the_last_count_alone() -> Result<(), Box<dyn std::error::Error>> {
    let options = TestDriverOptions {
        commit_mode: CommitMode::Manual,
        ..TestDriverOptions::default()
    };
    let driver = TopologyTestDriver::with_options(topology()?, config(), options)?;
    let temperatures = driver.create_input_topic::<Option<String>, i32>("temperatures");
    let warnings = driver.create_output_topic::<Option<String>, String>("warnings");

    for _ in 0..5 {
        temperatures.pipe_input(sensor("oven"), 75)?;
    }
    assert!(warnings.is_empty());
    driver.commit()?;
    assert_eq!(warnings.read_values_to_list()?, ["too hot 5 times"]);

    // The count survives a restart: it is restored from the changelog.
    driver.restart()?;
    temperatures.pipe_input(sensor("oven"), 75)?;
    driver.commit()?;
    assert_eq!(warnings.read_value()?, "too hot 6 times");
    assert_eq!(
        warnings.read_value(),
        Err(TestDriverError::NoRecord("warnings".into()))
    );
    Ok(())
}
