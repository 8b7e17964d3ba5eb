//! Dead letters of records that a cache or a buffer held back.

use std::time::Duration;

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{BufferConfig, KTable, Materialized, StreamsBuilder, Suppressed};
use eddyline_core::processor::ProcessorError;

use super::*;

/// The dead letters, when the table of what comes in is read by one that fails on "x".
fn letters(
    table: impl FnOnce(KTable<String, String>) -> KTable<String, String>,
    caching: bool,
    texts: &[&str],
) -> Vec<(String, String)> {
    let builder = StreamsBuilder::new();
    let rows = Materialized::as_store("rows");
    let rows = match caching {
        true => rows,
        false => rows.with_caching_disabled(),
    };
    let rows = builder.table::<String, String>("in", rows);
    let checked = table(rows).filter(|_, text| match text.as_str() {
        "x" => Err(ProcessorError::new("x is no text")),
        _ => Ok(true),
    });
    checked.to_stream().to("out");
    let config = StreamsConfig::new("app", "localhost:9092")
        .and_then(|config| {
            let handler = "LogAndContinueProcessingExceptionHandler";
            config.set("processing.exception.handler", handler)
        })
        .and_then(|config| config.set("errors.dead.letter.queue.topic.name", "dead"));
    let topology = builder.build().expect("a topology");
    let options = TestDriverOptions {
        commit_mode: CommitMode::Manual,
        ..TestDriverOptions::default()
    };
    let driver = TopologyTestDriver::with_options(topology, config.expect("valid"), options);
    let driver = driver.expect("a driver");
    let input = driver.create_input_topic::<String, String>("in");
    let input = input.with_time(0, Duration::from_millis(1));
    for (at, text) in texts.iter().enumerate() {
        let piped = input.pipe_input(format!("k{at}"), (*text).to_owned());
        piped.expect("failures are handled");
    }
    driver.commit().expect("is committed");
    let dead = driver.create_output_topic::<String, String>("dead");
    dead.read_key_values_to_list().expect("is read")
}

fn of(key: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), "x".to_owned())]
}

#[test]
fn what_a_cache_held_back_has_its_source_record() {
    for caching in [false, true] {
        let dead = letters(|rows| rows, caching, &["a", "x", "b"]);
        assert_eq!(dead, of("k1"), "cached: {caching}");
    }
}

#[test]
fn what_a_suppression_held_back_has_its_source_record() {
    let limit = Duration::from_millis(1);
    let suppress = |rows: KTable<String, String>| {
        rows.suppress(Suppressed::until_time_limit(
            limit,
            BufferConfig::unbounded(),
        ))
    };
    assert_eq!(letters(suppress, false, &["x", "a", "b", "c"]), of("k0"));
}
