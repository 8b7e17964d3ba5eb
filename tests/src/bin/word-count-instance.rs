//! An instance of the word count, until its standard input ends.
//! Arguments: bootstrap servers, application id, input topic, output topic, guarantee.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use eddyline::{KafkaStreams, StreamsConfig};
use eddyline_tests::word_count_topology;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, application_id, input, output, guarantee] = &arguments[..] else {
        return Err("arguments: BOOTSTRAP APPLICATION_ID INPUT OUTPUT GUARANTEE".into());
    };
    let config = StreamsConfig::new(application_id, bootstrap)?
        .set("commit.interval.ms", 200)?
        .set("processing.guarantee", guarantee)?
        .set("request.timeout.ms", 5000)?;
    let process = std::process::id();
    let streams = KafkaStreams::new(word_count_topology(input, output), config)?
        .with_log_listener(move |event| eprintln!("{process} {:?}: {}", event.level, event.message))
        .start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(streams.close(Duration::from_secs(20))?)
}
