//! What the example `tables` makes of a few orders.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/tables.rs"]
#[allow(dead_code, unreachable_pub)]
mod tables;

const HOUR_MS: i64 = 60 * 60 * 1000;

#[test]
fn orders_find_their_customers() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("deliveries", "unused:9092")?;
    let driver = TopologyTestDriver::new(tables::topology()?, config)?;
    let orders = driver.create_input_topic::<String, String>("orders");
    let customers = driver.create_input_topic::<String, String>("customers");
    let addresses = driver.create_input_topic::<String, String>("addresses");
    let deliveries = driver.create_output_topic::<String, Option<String>>("deliveries");
    let worth = driver.create_output_topic::<String, Option<i64>>("worth");
    let delivered = |order: &str, to: &str| (order.to_owned(), Some(to.to_owned()));

    orders.pipe_input_at("o1".into(), "c1 30".into(), 0)?;
    orders.pipe_input_at("o2".into(), "c1 12".into(), 1)?;
    assert!(deliveries.is_empty(), "nobody is known yet");
    customers.pipe_input_at("c1".into(), "Ada".into(), 2)?;
    assert_eq!(
        deliveries.read_key_values_to_list()?,
        [
            delivered("o1", "30 for Ada, to be called for"),
            delivered("o2", "12 for Ada, to be called for"),
        ]
    );
    addresses.pipe_input_at("c1".into(), "12 Mill Lane".into(), 3)?;
    let moved = deliveries.read_key_values_to_map()?;
    assert_eq!(moved["o2"].as_deref(), Some("12 for Ada, 12 Mill Lane"));

    assert!(worth.is_empty(), "the hour is not over");
    orders.pipe_input_at("o1".into(), "c1 31".into(), HOUR_MS)?;
    assert_eq!(
        worth.read_key_values_to_list()?,
        [("c1".to_owned(), Some(43))]
    );
    let changed = deliveries.read_key_values_to_list()?;
    assert_eq!(changed, [delivered("o1", "31 for Ada, 12 Mill Lane")]);
    Ok(())
}
