//! Tables: orders with their customers, which they name by a key in their values (a foreign-key
//! join); customers with their addresses, which have the same key; and what a customer is worth,
//! told at most once an hour.
//!
//! `tables` shows the topology; `tables HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::{BufferConfig, Grouped, Materialized, Suppressed};
use eddyline::topology::{Topology, TopologyError};
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

/// Orders (`orders`: `customer amount`), names (`customers`) and addresses (`addresses`) make named
/// orders (`deliveries`) and sums by customer (`worth`).
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let orders = builder.table::<String, String>("orders", Materialized::as_store("orders"));
    let customers = builder.table::<String, String>("customers", Materialized::default());
    let addresses = builder.table::<String, String>("addresses", Materialized::default());

    let recipients = customers.left_join(&addresses, |name, address: Option<String>| {
        format!(
            "{name}, {}",
            address.unwrap_or_else(|| "to be called for".to_owned())
        )
    });
    orders
        .join_on_foreign_key(
            &recipients,
            |_, order| customer(order),
            |order, recipient: String| format!("{} for {recipient}", amount(&order)),
        )
        .to_stream()
        .to("deliveries");

    let hourly = Suppressed::until_time_limit(
        Duration::from_secs(60 * 60),
        BufferConfig::max_records(10_000),
    );
    orders
        .group_by(
            |_, order| (customer(&order).unwrap_or_default(), amount(&order)),
            Grouped::named("by-customer"),
        )
        .aggregate(
            || 0,
            |_, amount: i64, sum: i64| sum + amount,
            |_, amount, sum| sum - amount,
            Materialized::as_store("worth"),
        )
        .suppress(hourly)
        .to_stream()
        .to("worth");
    builder.build()
}

/// Whose order it is; one that names nobody is delivered to nobody.
fn customer(order: &str) -> Option<String> {
    let (customer, _) = order.split_once(' ')?;
    Some(customer.to_owned())
}

fn amount(order: &str) -> i64 {
    let amount = order.rsplit(' ').next();
    amount.and_then(|amount| amount.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("deliveries", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
