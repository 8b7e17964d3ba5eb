//! What the example `processor` tells of two sensors.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/processor.rs"]
#[allow(dead_code, unreachable_pub)]
mod processor;

#[test]
fn silent_sensors_are_told() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("sensors", "unused:9092")?;
    let driver = TopologyTestDriver::new(processor::topology()?, config)?;
    let readings = driver.create_input_topic::<String, i64>("readings");
    let warnings = driver.create_output_topic::<String, String>("warnings");
    readings.pipe_input_at("oven".into(), 180, 0)?;
    readings.pipe_input_at("fridge".into(), 4, 50_000)?;
    assert!(warnings.is_empty());
    readings.pipe_input_at("fridge".into(), 5, 61_000)?;
    assert_eq!(
        warnings.read_key_values_to_list()?,
        [("oven".to_owned(), "silent".to_owned())]
    );
    Ok(())
}
