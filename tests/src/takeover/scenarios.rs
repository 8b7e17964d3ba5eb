//! The topologies that Java and Eddyline take over from one another, what they are fed with, and
//! what must come of it. `kafka/java/TakeoverApp.java` has the same topologies, call by call.

use std::collections::BTreeMap;
use std::time::Duration;

use eddyline::dsl::{JoinWindows, Materialized, SessionWindows, TimeWindows};
use eddyline::{StreamsBuilder, Topology};

/// The topics of an application, each under its `application.id`.
pub(crate) struct Topics {
    pub(crate) left: String,
    pub(crate) right: String,
    pub(crate) output: String,
}

impl Topics {
    pub(crate) fn of(application_id: &str) -> Self {
        let topic = |name: &str| format!("{application_id}-{name}");
        Self {
            left: topic("left"),
            right: topic("right"),
            output: topic("out"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A record of one of the input topics.
pub(crate) struct Input {
    pub(crate) side: Side,
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    pub(crate) timestamp_ms: i64,
}

/// What must come of some inputs.
pub(crate) enum Expected {
    /// The last value of each key. Inputs that are processed twice change nothing, except that a
    /// row which was removed may stay.
    Table(BTreeMap<String, String>),
    /// The last value of each key, a number that grows with every input.
    Numbers(BTreeMap<String, i64>),
    /// Records, in any order. Inputs that are processed twice repeat some.
    Records(Vec<(String, String)>),
}

/// A topology with its inputs.
pub struct Scenario {
    /// What both programs know it by.
    pub name: &'static str,
    topology: fn(&StreamsBuilder, &Topics),
    /// Side, key and value of the input of a number.
    input: fn(usize) -> (Side, String, Option<String>),
    pub(crate) expected: fn(&[Input]) -> Expected,
}

/// All of them.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "word-count",
        topology: word_count,
        input: |at| {
            let words = (0..8).map(|salt| format!("word{}", pick(at, salt, 60)));
            let line = words.collect::<Vec<_>>().join(" ");
            (Side::Left, format!("line{at}"), Some(line))
        },
        expected: |inputs| {
            let lines = inputs.iter().filter_map(|input| input.value.as_deref());
            Expected::Numbers(count(lines.flat_map(str::split_whitespace).map(Into::into)))
        },
    },
    Scenario {
        name: "windowed-sum",
        topology: windowed_sum,
        input: |at| {
            let (key, amount) = (pick(at, 1, 40), 1 + pick(at, 2, 9));
            (Side::Left, format!("k{key}"), Some(amount.to_string()))
        },
        expected: windowed_sums,
    },
    Scenario {
        name: "session-count",
        topology: session_count,
        input: |at| {
            let user = format!("user{}", pick(at, 1, 40));
            (Side::Left, format!("view{at}"), Some(user))
        },
        expected: sessions,
    },
    Scenario {
        name: "stream-join",
        topology: stream_join,
        input: |at| {
            let key = format!("k{}", pick(at, 1, 50));
            (either(at), key, Some(format!("v{at}")))
        },
        expected: joined_streams,
    },
    Scenario {
        name: "table-join",
        topology: table_join,
        input: |at| {
            let key = format!("k{}", pick(at, 1, 200));
            (either(at), key, kept(at, 10).then(|| format!("v{at}")))
        },
        expected: |inputs| {
            let (left, right) = (table(inputs, Side::Left), table(inputs, Side::Right));
            let joined = left.into_iter().filter_map(|(key, value)| {
                let other = right.get(&key)?;
                Some((key, format!("{value}+{other}")))
            });
            Expected::Table(joined.collect())
        },
    },
    Scenario {
        name: "foreign-key-join",
        topology: foreign_key_join,
        input: |at| match either(at) {
            Side::Left => {
                let (key, other) = (pick(at, 1, 150), pick(at, 2, 30));
                let value = kept(at, 10).then(|| format!("r{other}|v{at}"));
                (Side::Left, format!("l{key}"), value)
            }
            Side::Right => {
                let value = kept(at, 20).then(|| format!("v{at}"));
                (Side::Right, format!("r{}", pick(at, 1, 30)), value)
            }
        },
        expected: |inputs| {
            let (left, right) = (table(inputs, Side::Left), table(inputs, Side::Right));
            let joined = left.into_iter().filter_map(|(key, value)| {
                let other = right.get(&foreign_key(&value))?;
                Some((key, format!("{value}+{other}")))
            });
            Expected::Table(joined.collect())
        },
    },
];

impl Scenario {
    /// The one of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        const ALL: &[Scenario] = &SCENARIOS;
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// The application.
    ///
    /// # Panics
    /// Never: the topologies are valid.
    pub fn topology(&self, application_id: &str) -> Topology {
        let builder = StreamsBuilder::new();
        (self.topology)(&builder, &Topics::of(application_id));
        builder.build().expect("a valid topology")
    }

    /// The first `count` inputs. Each has a timestamp of its own, `INTERVAL_MS` apart, some out of
    /// order.
    pub(crate) fn inputs(&self, count: usize, from_ms: i64) -> Vec<Input> {
        let input = |at| {
            let (side, key, value) = (self.input)(at);
            Input {
                side,
                key,
                value,
                timestamp_ms: from_ms + (at ^ 21) as i64 * INTERVAL_MS,
            }
        };
        (0..count).map(input).collect()
    }
}

fn word_count(builder: &StreamsBuilder, topics: &Topics) {
    builder
        .stream::<String, String>(&topics.left)
        .flat_map_values(|line| {
            let words = line.split_whitespace().map(str::to_owned);
            words.collect::<Vec<_>>()
        })
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .map_values(|count| count.unwrap_or(0).to_string())
        .to(&topics.output);
}

fn windowed_sum(builder: &StreamsBuilder, topics: &Topics) {
    let windows = TimeWindows::of_size_and_grace(millis(WINDOW_MS), GRACE);
    builder
        .stream::<String, String>(&topics.left)
        .group_by_key()
        .windowed_by(windows.advance_by(millis(ADVANCE_MS)))
        .aggregate(
            || 0,
            |_, amount, sum: i64| sum + amount.parse::<i64>().unwrap_or(0),
            Materialized::as_store("sums"),
        )
        .to_stream()
        .map(|key, sum| {
            let label = format!("{}@{}", key.key, key.window.start);
            (label, sum.unwrap_or(0).to_string())
        })
        .to(&topics.output);
}

fn session_count(builder: &StreamsBuilder, topics: &Topics) {
    builder
        .stream::<String, String>(&topics.left)
        .group_by(|_, user| user.clone())
        .windowed_by(SessionWindows::of_inactivity_gap_and_grace(
            millis(GAP_MS),
            GRACE,
        ))
        .count(Materialized::as_store("sessions"))
        .to_stream()
        .map(|key, count| {
            let (start, end) = (key.window.start, key.window.end);
            (
                format!("{}@{start}-{end}", key.key),
                count.map(|count| count.to_string()),
            )
        })
        .to(&topics.output);
}

fn stream_join(builder: &StreamsBuilder, topics: &Topics) {
    let left = builder.stream::<String, String>(&topics.left);
    let right = builder.stream::<String, String>(&topics.right);
    let windows = JoinWindows::of_time_difference_and_grace(millis(DIFFERENCE_MS), GRACE);
    left.join(&right, |left, right| format!("{left}+{right}"), windows)
        .to(&topics.output);
}

fn table_join(builder: &StreamsBuilder, topics: &Topics) {
    let left = builder.table::<String, String>(&topics.left, Materialized::default());
    let right = builder.table::<String, String>(&topics.right, Materialized::default());
    left.join(&right, |left, right: String| format!("{left}+{right}"))
        .to_stream()
        .to(&topics.output);
}

fn foreign_key_join(builder: &StreamsBuilder, topics: &Topics) {
    let left = builder.table::<String, String>(&topics.left, Materialized::default());
    let right = builder.table::<String, String>(&topics.right, Materialized::default());
    left.join_on_foreign_key(
        &right,
        |_, value| foreign_key(value),
        |left, right: String| format!("{left}+{right}"),
    )
    .to_stream()
    .to(&topics.output);
}

/// What a left value of the foreign-key join points to: `key|...`.
fn foreign_key(value: &str) -> String {
    value.split('|').next().unwrap_or_default().to_owned()
}

/// A number below `among`, the same at every run.
fn pick(at: usize, salt: u64, among: u64) -> u64 {
    let mut mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (salt << 32);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 33) % among
}

fn either(at: usize) -> Side {
    [Side::Left, Side::Right][pick(at, 7, 2) as usize]
}

/// False once in `times`.
fn kept(at: usize, times: u64) -> bool {
    pick(at, 8, times) != 0
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn count(keys: impl Iterator<Item = String>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// The rows of a topic.
fn table(inputs: &[Input], side: Side) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for input in inputs.iter().filter(|input| input.side == side) {
        match &input.value {
            Some(value) => rows.insert(input.key.clone(), value.clone()),
            None => rows.remove(&input.key),
        };
    }
    rows
}

fn windowed_sums(inputs: &[Input]) -> Expected {
    let mut sums = BTreeMap::new();
    for input in inputs {
        let amount: i64 = input.value.as_deref().map_or(0, |v| v.parse().unwrap_or(0));
        let mut start = input.timestamp_ms - input.timestamp_ms % ADVANCE_MS;
        while start > input.timestamp_ms - WINDOW_MS {
            *sums.entry(format!("{}@{start}", input.key)).or_insert(0) += amount;
            start -= ADVANCE_MS;
        }
    }
    Expected::Numbers(sums)
}

fn sessions(inputs: &[Input]) -> Expected {
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for input in inputs {
        let user = input.value.as_deref().unwrap_or_default();
        times.entry(user).or_default().push(input.timestamp_ms);
    }
    let mut rows = BTreeMap::new();
    for (user, mut times) in times {
        times.sort_unstable();
        for session in times.chunk_by(|one, next| next - one <= GAP_MS) {
            let (first, last) = (session[0], session[session.len() - 1]);
            rows.insert(format!("{user}@{first}-{last}"), session.len() as i64);
        }
    }
    Expected::Numbers(rows)
}

fn joined_streams(inputs: &[Input]) -> Expected {
    let of = |side| inputs.iter().filter(move |input| input.side == side);
    let mut records = Vec::new();
    for left in of(Side::Left) {
        let meets = |right: &&Input| {
            left.key == right.key
                && left.timestamp_ms.abs_diff(right.timestamp_ms) <= DIFFERENCE_MS as u64
        };
        for right in of(Side::Right).filter(meets) {
            let value = |input: &Input| input.value.clone().unwrap_or_default();
            records.push((
                left.key.clone(),
                format!("{}+{}", value(left), value(right)),
            ));
        }
    }
    Expected::Records(records)
}

const INTERVAL_MS: i64 = 10;
const WINDOW_MS: i64 = 10_000;
const ADVANCE_MS: i64 = 5_000;
/// Less than the 400 ms that a user is away on average.
const GAP_MS: i64 = 300;
const DIFFERENCE_MS: i64 = 1_000;
/// Nothing is ever too late, in whatever order tasks read.
const GRACE: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs that led to nothing, or whose rows were never removed, would test nothing.
    #[test]
    fn inputs_lead_to_something() {
        for scenario in &SCENARIOS {
            let inputs = scenario.inputs(2000, 0);
            let results = match (scenario.expected)(&inputs) {
                Expected::Table(rows) => rows.len(),
                Expected::Numbers(rows) => rows.values().filter(|number| **number > 1).count(),
                Expected::Records(records) => records.len(),
            };
            assert!(results >= 60, "{}: {results}", scenario.name);
        }
    }
}
