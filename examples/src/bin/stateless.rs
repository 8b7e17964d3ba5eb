//! Records one by one: orders as JSON are checked, split by their size, and moved under the
//! customer's key.
//!
//! `stateless` shows the topology; `stateless HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::Repartitioned;
use eddyline::serde::Json;
use eddyline::topology::{Topology, TopologyError};
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};
use serde::{Deserialize, Serialize};

/// An order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Who ordered.
    pub customer: String,
    /// What it costs, in cents.
    pub cents: i64,
}

/// Orders by number (`orders`) go to `large`, `small` or `refused`; all that are not refused, to
/// `by-customer` too.
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, Json<Order>>("orders");

    let mut split = orders.named("size").split();
    let refused = split.branch_named("-refused", |_, order| order.cents <= 0);
    let large = split.branch_named("-large", |_, order| order.cents >= 10_000);
    let small = split.default_branch_named("-small");
    refused
        .map_values(|order| format!("{} cents from {}", order.cents, order.customer))
        .to("refused");
    large.to("large");
    small.to("small");

    large
        .merge(&small)
        .select_key(|_, order| order.customer.clone())
        .repartition_with(Repartitioned::named("orders-by-customer"))
        .to("by-customer");
    builder.build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("orders", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
