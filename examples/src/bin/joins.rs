//! Joins: orders with the payments that come within an hour of them, and with what is known of the
//! customer.
//!
//! `joins` shows the topology; `joins HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::{JoinWindows, Materialized};
use eddyline::topology::{Topology, TopologyError};
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

/// Orders (`orders`), payments in cents (`payments`) and addresses (`customers`) by customer make
/// what is to be done (`shipments`).
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, String>("orders");
    let payments = builder.stream::<String, i64>("payments");
    let customers = builder.table::<String, String>("customers", Materialized::default());

    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let within_an_hour = JoinWindows::of_time_difference_and_grace(hour, minute);
    orders
        .left_join(
            &payments,
            |order, cents| match cents {
                Some(cents) => format!("ship {order}, paid with {cents}"),
                None => format!("cancel {order}, not paid"),
            },
            within_an_hour,
        )
        .join_table_with_key(&customers, |name, order, address| {
            format!("{order}: {name}, {address}")
        })
        .to("shipments");
    builder.build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("shipments", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
