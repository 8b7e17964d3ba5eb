//! Tables of the past and of everywhere: prices are converted with the rate of their time, even where
//! that comes late, named after the country, which every instance knows whole, and averaged over the
//! last minute.
//!
//! `rates` shows the topology; `rates HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::{Joined, Materialized, SlidingWindows};
use eddyline::state::Stores;
use eddyline::topology::Topology;
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

/// Prices by currency (`prices`), thousandths of a euro (`rates`) and the currencies' countries
/// (`countries`) make prices in euros (`euros`), and how many there were in a minute (`busy`).
pub fn topology() -> Result<Topology, Box<dyn Error>> {
    let builder = StreamsBuilder::new();
    let prices = builder.stream::<String, i64>("prices");
    let history = Stores::persistent_versioned_key_value_store("rates", HOUR_MS, None)?;
    let rates = builder.table::<String, i64>("rates", Materialized::as_versioned_store(history));
    let countries =
        builder.global_table::<String, String>("countries", Materialized::as_store("countries"));

    // A price waits a minute for the rate of its time.
    let late_rates = Joined::named("convert").with_grace_period(MINUTE);
    prices
        .join_table_with(&rates, |_, price, rate| price * rate / 1000, late_rates)
        .left_join_global_table(
            &countries,
            |currency, _| currency.clone(),
            |euros, country| format!("{euros} in {}", country.unwrap_or_else(|| "?".into())),
        )
        .to("euros");

    // Every window of a minute that has other prices than the one before.
    let last_minute = SlidingWindows::of_time_difference_and_grace(MINUTE, MINUTE);
    prices
        .group_by_key()
        .windowed_by(last_minute)
        .count(Materialized::as_store("busy"))
        .filter(|_, count| *count >= 3)
        .to_stream()
        .map(|window, count| (window.key, count))
        .to("busy");
    Ok(builder.build()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("rates", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
