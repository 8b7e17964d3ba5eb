//! What the example `joins` does with an order that is paid, and with one that is not.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline_sim::{TestRecord, TopologyTestDriver};

#[path = "../src/bin/joins.rs"]
#[allow(dead_code, unreachable_pub)]
mod joins;

const MINUTE_MS: i64 = 60_000;

#[test]
fn orders_meet_their_payments_and_customers() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("shipments", "unused:9092")?;
    let driver = TopologyTestDriver::new(joins::topology()?, config)?;
    let orders = driver.create_input_topic::<String, String>("orders");
    let payments = driver.create_input_topic::<String, i64>("payments");
    let customers = driver.create_input_topic::<String, String>("customers");
    let shipments = driver.create_output_topic::<String, String>("shipments");

    customers.pipe_input_at("ada".into(), "Ockham".into(), 0)?;
    customers.pipe_input_at("bob".into(), "Bath".into(), 0)?;
    orders.pipe_input_at("ada".into(), "tea".into(), 0)?;
    orders.pipe_input_at("bob".into(), "salt".into(), MINUTE_MS)?;
    assert!(shipments.is_empty());

    payments.pipe_input_at("ada".into(), 450, 30 * MINUTE_MS)?;
    let shipped = "ship tea, paid with 450: ada, Ockham".to_owned();
    let shipped = TestRecord::new("ada".to_owned(), shipped).at(30 * MINUTE_MS);
    assert_eq!(shipments.read_record()?, shipped);

    // An hour and the minute of grace have passed.
    orders.pipe_input_at("bob".into(), "milk".into(), 63 * MINUTE_MS)?;
    let canceled = "cancel salt, not paid: bob, Bath".to_owned();
    let canceled = TestRecord::new("bob".to_owned(), canceled).at(MINUTE_MS);
    assert_eq!(shipments.read_record()?, canceled);
    assert!(shipments.is_empty());
    Ok(())
}
