//! The application of Kafka's own smoke test (`SmokeTestClient`), until its standard input ends.
//! Arguments: bootstrap servers, a folder for its state.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use eddyline::{KafkaStreams, StreamsConfig};
use eddyline_tests::smoke_test_topology;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, state_dir] = &arguments[..] else {
        return Err("arguments: BOOTSTRAP STATE_DIR".into());
    };
    let three_days_ms = 3 * 24 * 3600 * 1000;
    let config = StreamsConfig::new("SmokeTest", bootstrap)?
        .set("client.id", format!("SmokeTest-{}", std::process::id()))?
        .set("state.dir", state_dir)?
        .set("processing.guarantee", "exactly_once_v2")?
        .set(
            "windowstore.changelog.additional.retention.ms",
            three_days_ms,
        )?;
    let process = std::process::id();
    let streams = KafkaStreams::new(smoke_test_topology(), config)?
        .with_state_listener(move |new, old| eprintln!("{process} {old:?} -> {new:?}"))
        .with_log_listener(move |event| eprintln!("{process} {:?}: {}", event.level, event.message))
        .start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(streams.close(Duration::from_secs(60))?)
}
