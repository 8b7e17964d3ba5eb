//! The Processor API and queries: sensors that have been silent for a minute are told, and the last
//! reading of each can be asked for while the application runs.
//!
//! `processor` shows the topology; `processor HOST:PORT` runs it and answers the names of sensors
//! that come in on the standard input, until that ends.

use std::error::Error;
use std::time::Duration;

use eddyline::processor::{
    Cancellable, Processor, ProcessorContext, ProcessorError, PunctuationType, Record,
};
use eddyline::serde::DefaultSerde;
use eddyline::state::{StoreHandle, Stores, TimestampedKeyValueStore, ValueAndTimestamp};
use eddyline::topology::{Topology, TopologyBuilder, TopologyError};
use eddyline::{KafkaStreams, StreamsConfig};

type Readings = TimestampedKeyValueStore<String, i64>;

/// Keeps the last reading of every sensor and tells of those that are silent.
struct Watch(StoreHandle<Readings>);

const SILENCE: Duration = Duration::from_secs(60);

impl Processor<String, i64, String, String> for Watch {
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        context.schedule(SILENCE, PunctuationType::StreamTime)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessorError> {
        let reading = ValueAndTimestamp::new(record.value, record.timestamp);
        context.with_store(&self.0, |readings, cx| {
            readings.put(&record.key, Some(&reading), cx)
        })??;
        Ok(())
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        _: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let silent_since = timestamp - SILENCE.as_millis() as i64;
        let silent = context.with_store(&self.0, |readings, _| {
            let silent = readings.all()?.filter_map(|row| match row {
                Ok((sensor, last)) => (last.timestamp <= silent_since).then_some(Ok(sensor)),
                Err(error) => Some(Err(error)),
            });
            silent.collect::<Result<Vec<String>, _>>()
        })??;
        for sensor in silent {
            context.forward(Record::new(sensor, "silent".to_owned(), timestamp))?;
        }
        Ok(())
    }
}

/// Readings by sensor (`readings`) make warnings (`warnings`); the last ones are in `last`.
pub fn topology() -> Result<Topology, TopologyError> {
    let store = Stores::timestamped_key_value_store_builder(
        Stores::persistent_key_value_store("last"),
        String::default_serde(),
        i64::default_serde(),
    );
    let last = store.handle();
    let mut builder = TopologyBuilder::new();
    builder
        .add_source(
            "readings",
            "readings",
            (String::default_serde(), i64::default_serde()),
        )
        .add_processor("watch", move || Watch(last.clone()), &["readings"])
        .add_state_store(store, &["watch"])
        .add_sink(
            "warnings",
            "warnings",
            (String::default_serde(), String::default_serde()),
            &["watch"],
        );
    builder.build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let streams = KafkaStreams::new(topology, StreamsConfig::new("sensors", bootstrap)?)?;
    let running = streams.start()?;
    let last = running.key_value_store::<String, i64>("last")?;
    for sensor in std::io::stdin().lines() {
        let sensor = sensor?;
        match last.get_timestamped(&sensor) {
            Ok(Some(last)) => println!("{sensor}: {} at {} ms", last.value, last.timestamp),
            Ok(None) => println!("{sensor} has said nothing yet"),
            Err(failure) => println!("{failure}"),
        }
    }
    Ok(running.close(Duration::from_secs(10))?)
}
