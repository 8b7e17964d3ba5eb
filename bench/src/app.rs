//! Our side: what `WordCountApp.java` does.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use eddyline::dsl::Materialized;
use eddyline::{KafkaStreams, State, StreamsBuilder, StreamsConfig};

/// Where the application reads and writes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    bootstrap: String,
    application_id: String,
    input: String,
    output: String,
    /// `key=value` of the configuration.
    config: Vec<String>,
}

/// The words of a line in lower case: what `[^a-z]+` separates.
pub(crate) fn words(line: &str) -> Vec<String> {
    let lower = line.to_lowercase();
    lower
        .split(|c: char| !c.is_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Prints RUNNING when its state is Running and ends when its standard input does.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>(&arguments.input)
        .flat_map_values(|line: String| words(&line))
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .to(&arguments.output);
    let mut config = StreamsConfig::new(&arguments.application_id, &arguments.bootstrap)?;
    for setting in &arguments.config {
        let (key, value) = setting.split_once('=').ok_or("a setting is key=value")?;
        config = config.set(key, value)?;
    }
    let streams = KafkaStreams::new(builder.build()?, config)?.start()?;
    let state = streams.wait_for(State::Running, Duration::from_secs(120));
    if state == State::Running {
        println!("RUNNING");
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    Ok(streams.close(Duration::from_secs(30))?)
}
