//! Cogroup: what is in every basket, out of what goes in and what is taken out again.
//!
//! `cogroup` shows the topology; `cogroup HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::Materialized;
use eddyline::topology::{Topology, TopologyError};
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

/// Articles put into baskets (`added`), numbers of articles taken out again (`removed`) and
/// checkouts (`paid`), all by customer, make one table of how many articles lie in each
/// (`baskets`).
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let added = builder.stream::<String, String>("added").group_by_key();
    let removed = builder.stream::<String, i64>("removed").group_by_key();
    let paid = builder.stream::<String, String>("paid").group_by_key();

    added
        .cogroup(|_, _article, count: i64| count + 1)
        .cogroup(&removed, |_, number, count| (count - number).max(0))
        // Nothing is left: the row goes.
        .cogroup(&paid, |_, _receipt, _| None)
        .aggregate(|| 0, Materialized::as_store("baskets"))
        .to_stream()
        .to("baskets");
    builder.build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("baskets", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
