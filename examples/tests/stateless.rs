//! What the example `stateless` makes of three orders.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline::serde::Json;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/stateless.rs"]
#[allow(dead_code, unreachable_pub)]
mod stateless;

use stateless::Order;

#[test]
fn orders_are_split_and_moved() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("orders", "unused:9092")?;
    let driver = TopologyTestDriver::new(stateless::topology()?, config)?;
    let orders = driver.create_input_topic::<String, Json<Order>>("orders");
    let [large, small, by_customer] = ["large", "small", "by-customer"]
        .map(|topic| driver.create_output_topic::<String, Json<Order>>(topic));
    let refused = driver.create_output_topic::<String, String>("refused");

    let order = |customer: &str, cents| {
        Json(Order {
            customer: customer.to_owned(),
            cents,
        })
    };
    orders.pipe_input("1".into(), order("ada", 50_000))?;
    orders.pipe_input("2".into(), order("bob", 350))?;
    orders.pipe_input("3".into(), order("ada", -1))?;
    assert_eq!(
        large.read_key_values_to_list()?,
        [("1".into(), order("ada", 50_000))]
    );
    assert_eq!(
        small.read_key_values_to_list()?,
        [("2".into(), order("bob", 350))]
    );
    assert_eq!(refused.read_value()?, "-1 cents from ada");
    assert_eq!(
        by_customer.read_key_values_to_list()?,
        [
            ("ada".into(), order("ada", 50_000)),
            ("bob".into(), order("bob", 350))
        ]
    );
    Ok(())
}
