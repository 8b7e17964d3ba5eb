//! An instance of one of the takeover's applications, until its standard input ends.
//! Arguments: bootstrap servers, application id, scenario, guarantee, state directory.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use eddyline::{KafkaStreams, StreamsConfig};
use eddyline_tests::Scenario;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, application_id, scenario, guarantee, state_dir] = &arguments[..] else {
        return Err("arguments: BOOTSTRAP APPLICATION_ID SCENARIO GUARANTEE STATE_DIR".into());
    };
    let scenario = Scenario::named(scenario).ok_or("there is no such scenario")?;
    let config = StreamsConfig::new(application_id, bootstrap)?
        .set("processing.guarantee", guarantee)?
        .set("state.dir", state_dir)?
        .set("commit.interval.ms", 100)?
        .set("transaction.timeout.ms", 5000)?
        .set("request.timeout.ms", 5000)?;
    let process = std::process::id();
    let streams = KafkaStreams::new(scenario.topology(application_id), config)?
        .with_log_listener(move |event| eprintln!("{process} {:?}: {}", event.level, event.message))
        .start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(streams.close(Duration::from_secs(20))?)
}
