//! Windows: how often every page was seen in the last five minutes, minute by minute; the final
//! count of every hour, once; and the visits of every reader, which end after half an hour of
//! silence.
//!
//! `windows` shows the topology; `windows HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use eddyline::dsl::{EmitStrategy, Materialized, SessionWindows, TimeWindows};
use eddyline::topology::{Topology, TopologyError};
use eddyline::window::Windowed;
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

const MINUTE: Duration = Duration::from_secs(60);

/// Views of pages by reader (`views`) make counts by page (`trends`, `hourly`) and lists of pages
/// by visit (`visits`).
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let views = builder.stream::<String, String>("views");
    let by_page = views.group_by(|_, page| page.clone());

    let trends = TimeWindows::of_size_with_no_grace(5 * MINUTE).advance_by(MINUTE);
    by_page
        .windowed_by(trends)
        .count(Materialized::as_store("trends"))
        .to_stream()
        .select_key(|page, _| labelled(page))
        .to("trends");

    let hours = TimeWindows::of_size_and_grace(60 * MINUTE, MINUTE);
    by_page
        .windowed_by(hours)
        .emit_strategy(EmitStrategy::OnWindowClose)
        .count(Materialized::as_store("hourly"))
        .to_stream()
        .select_key(|page, _| labelled(page))
        .to("hourly");

    let visits = SessionWindows::of_inactivity_gap_with_no_grace(30 * MINUTE);
    views
        .group_by_key()
        .windowed_by(visits)
        .reduce(
            |pages: String, page| format!("{pages}, {page}"),
            Materialized::as_store("visits"),
        )
        .to_stream()
        .select_key(|reader, _| labelled(reader))
        .to("visits");
    builder.build()
}

/// A key with the minutes of its window.
fn labelled(key: &Windowed<String>) -> String {
    let minute = |ms: i64| ms / 60_000;
    let (from, to) = (minute(key.window.start), minute(key.window.end));
    format!("{} {from}-{to}", key.key)
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("page-views", bootstrap)?)?;
    let running = streams.start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
