//! What the example `cogroup` makes of a basket.

use std::error::Error;

use eddyline::config::StreamsConfig;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/cogroup.rs"]
#[allow(dead_code, unreachable_pub)]
mod cogroup;

#[test]
fn three_streams_make_a_basket() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("baskets", "unused:9092")?;
    let driver = TopologyTestDriver::new(cogroup::topology()?, config)?;
    let added = driver.create_input_topic::<String, String>("added");
    let removed = driver.create_input_topic::<String, i64>("removed");
    let paid = driver.create_input_topic::<String, String>("paid");
    let baskets = driver.create_output_topic::<String, Option<i64>>("baskets");

    for article in ["tea", "salt", "milk"] {
        added.pipe_input("ada".into(), article.into())?;
    }
    removed.pipe_input("ada".into(), 1)?;
    paid.pipe_input("ada".into(), "4.50".into())?;
    let counts = [Some(1), Some(2), Some(3), Some(2), None];
    assert_eq!(baskets.read_values_to_list()?, counts);
    Ok(())
}
