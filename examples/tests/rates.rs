//! What the example `rates` makes of a price whose rate comes late.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/rates.rs"]
#[allow(dead_code, unreachable_pub)]
mod rates;

const SECOND_MS: i64 = 1000;

#[test]
fn prices_have_the_rate_of_their_time() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("rates", "unused:9092")?;
    let driver = TopologyTestDriver::new(rates::topology()?, config)?;
    let prices = driver.create_input_topic::<String, i64>("prices");
    let rates = driver.create_input_topic::<String, i64>("rates");
    let countries = driver.create_input_topic::<String, String>("countries");
    let euros = driver.create_output_topic::<String, String>("euros");
    let busy = driver.create_output_topic::<String, Option<i64>>("busy");

    countries.pipe_input("CHF".into(), "Switzerland".into())?;
    rates.pipe_input_at("CHF".into(), 1000, 0)?;
    prices.pipe_input_at("CHF".into(), 200, 10 * SECOND_MS)?;
    // This one holds from 5 s on, and comes after the price.
    rates.pipe_input_at("CHF".into(), 1100, 5 * SECOND_MS)?;
    rates.pipe_input_at("CHF".into(), 9000, 20 * SECOND_MS)?;
    assert!(euros.is_empty());
    prices.pipe_input_at("CHF".into(), 1, 30 * SECOND_MS)?;
    prices.pipe_input_at("CHF".into(), 1, 71 * SECOND_MS)?;
    let converted = "220 in Switzerland".to_owned();
    assert_eq!(euros.read_key_value()?, ("CHF".to_owned(), converted));
    assert!(euros.is_empty());

    assert!(busy.is_empty());
    prices.pipe_input_at("CHF".into(), 1, 80 * SECOND_MS)?;
    assert_eq!(busy.read_key_value()?, ("CHF".to_owned(), Some(3)));
    Ok(())
}
