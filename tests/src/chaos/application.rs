//! The application that has to bear it, and what must come of its input.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use eddyline::config::StoreType;
use eddyline::dsl::{Materialized, TimeWindows};
use eddyline::{CloseError, KafkaStreams, State, StreamsBuilder, StreamsConfig, Topology};

use crate::words;

/// Lines, by their number.
pub const INPUT: &str = "chaos-lines";
/// How often every word was seen, each time.
pub const COUNTS: &str = "chaos-counts";
/// The same by window: `WORD@START`.
pub const WINDOWS: &str = "chaos-windows";
/// How a process ends that could not close in time, and one that failed.
pub const CLOSED_LATE: i32 = 4;
const FAILED: i32 = 3;
const WINDOW_MS: i64 = 10_000;

/// Counts words in a persistent store, and words by window in one in memory. Without a cache every
/// word gives one record of each: the n-th of a key is `n`, whatever happens on the way.
///
/// # Panics
/// Never: the topology is valid.
pub fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    let by_word = builder
        .stream::<String, String>(INPUT)
        .flat_map_values(|line: String| words(&line))
        .group_by(|_, word| word.clone());
    by_word
        .count(Materialized::as_store("counts").with_store_type(StoreType::Persistent))
        .to_stream()
        .map_values(|count| count.unwrap_or(0).to_string())
        .to(COUNTS);
    let size = Duration::from_millis(WINDOW_MS as u64);
    by_word
        .windowed_by(TimeWindows::of_size_and_grace(size, 1000 * size))
        .count(Materialized::as_store("windows").with_store_type(StoreType::InMemory))
        .to_stream()
        .map(|word, count| {
            let key = format!("{}@{}", word.key, word.window.start);
            (key, count.unwrap_or(0).to_string())
        })
        .to(WINDOWS);
    builder.build().expect("a valid topology")
}

/// Runs an instance until the standard input ends. It ends by itself where a stream thread fails,
/// which nothing that is done to it should bring about.
///
/// # Errors
/// It cannot be started, or does not close well.
pub fn run(bootstrap: &str, state_dir: &str) -> Result<ExitCode, Box<dyn Error>> {
    let config = StreamsConfig::new("chaos", bootstrap)?
        .set("processing.guarantee", "exactly_once_v2")?
        .set("num.stream.threads", 2)?
        .set("statestore.cache.max.bytes", 0)?
        .set("request.timeout.ms", 4000)?
        .set("state.dir", state_dir)?;
    let process = std::process::id();
    let started = std::time::Instant::now();
    let tell = move |text: std::fmt::Arguments<'_>| {
        eprintln!("{process} {:.3} {text}", started.elapsed().as_secs_f64());
    };
    let streams = KafkaStreams::new(topology(), config)?
        .with_state_listener(move |new, old| {
            tell(format_args!("{old:?} -> {new:?}"));
            if new == State::Error {
                std::process::exit(FAILED);
            }
        })
        .with_log_listener(move |event| tell(format_args!("{:?}: {}", event.level, event.message)))
        .start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    match streams.close(Duration::from_secs(20)) {
        Err(CloseError::TimedOut) => Ok(ExitCode::from(CLOSED_LATE as u8)),
        closed => Ok(closed.map(|()| ExitCode::SUCCESS)?),
    }
}

/// A record as Java's consumer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// How often every key of the outputs must occur, by what is in the input: counted without any of
/// the code that is tested.
pub fn expected(input: &[Shown]) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    let mut expected: BTreeMap<_, BTreeMap<String, usize>> = BTreeMap::new();
    for line in input {
        let start = line.timestamp_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        for word in words(&line.value) {
            let windowed = format!("{word}@{start}");
            for (topic, key) in [(COUNTS, word), (WINDOWS, windowed)] {
                let counts = expected.entry(topic).or_default();
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    expected
}

/// What is wrong with the records of an output: every key must have 1, 2, ... up to how often it
/// must occur, in this order.
pub fn violations(topic: &str, expected: &BTreeMap<String, usize>, found: &[Shown]) -> Vec<String> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in found {
        values.entry(&record.key).or_default().push(&record.value);
    }
    let mut wrong = Vec::new();
    for (key, times) in expected {
        let values = values.remove(key.as_str()).unwrap_or_default();
        let right = (1..=*times).map(|count| count.to_string());
        if !right.eq(values.iter().copied()) {
            wrong.push(format!("{topic}: {key}: not 1 to {times} but {values:?}"));
        }
    }
    let unknown = values
        .keys()
        .map(|key| format!("{topic}: {key}: there is no such key"));
    wrong.extend(unknown);
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(timestamp_ms: i64, key: &str, value: &str) -> Shown {
        Shown {
            timestamp_ms,
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn what_is_lost_doubled_or_strange_is_found() {
        let input = [shown(19_999, "0", "to be"), shown(20_000, "1", "Be!")];
        let expected = expected(&input);
        assert_eq!(expected[WINDOWS]["be@10000"], 1);
        let counts = &expected[COUNTS];
        let right = [
            shown(0, "be", "1"),
            shown(0, "to", "1"),
            shown(0, "be", "2"),
        ];
        assert_eq!(violations(COUNTS, counts, &right), Vec::<String>::new());
        assert_eq!(violations(COUNTS, counts, &right[..2]).len(), 1);
        let mut wrong = right.to_vec();
        wrong.extend([shown(0, "be", "2"), shown(0, "or", "1")]);
        assert_eq!(violations(COUNTS, counts, &wrong).len(), 2);
        wrong.truncate(3);
        wrong.swap(0, 2);
        assert_eq!(violations(COUNTS, counts, &wrong).len(), 1);
    }
}
