//! Applications that run on Kafka Streams and on Eddyline, one after the other or both at once.

mod scenarios;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use eddyline::admin::{Admin, IsolationLevel};
use eddyline::types::TopicPartition;

use self::scenarios::{Expected, Input, Side, Topics};
pub use self::scenarios::{SCENARIOS, Scenario};

/// How often an input may be reflected in the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflected {
    /// Each just once.
    Once,
    /// Each once or more often. Rows are as for once, or, where they are numbers that grow with
    /// every input, not less; a row that was removed may still be there. Records are those for
    /// once, some of them repeated.
    OnceOrMore,
}

/// The records of a topic: each key's values in the order they were written.
type Records = BTreeMap<String, Vec<Option<String>>>;

/// An application on a cluster: its inputs and what has come of them.
pub struct Takeover {
    scenario: &'static Scenario,
    /// The group and the prefix of every topic.
    pub application_id: String,
    topics: Topics,
    inputs: Vec<Input>,
}

impl Takeover {
    /// Partitions of every topic, and so the tasks of a sub-topology.
    pub const PARTITIONS: i32 = 4;

    /// Makes the topics, for as many inputs as `count`.
    ///
    /// # Panics
    /// Where the cluster refuses.
    pub fn create(
        admin: &mut Admin,
        scenario: &'static Scenario,
        application_id: &str,
        count: usize,
    ) -> Self {
        let topics = Topics::of(application_id);
        let all = [&topics.left, &topics.right, &topics.output];
        admin
            .create_topics(&all.map(|topic| (topic.as_str(), Self::PARTITIONS)))
            .expect("topics are created");
        // Recent, or brokers would remove the records for their age.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = now.expect("a time after 1970").as_millis() as i64;
        Self {
            scenario,
            application_id: application_id.to_owned(),
            topics,
            inputs: scenario.inputs(count, now_ms),
        }
    }

    /// The topic of results.
    pub fn output(&self) -> &str {
        &self.topics.output
    }

    /// Writes inputs from `from` on, a few at a time, so that something is always under way.
    ///
    /// # Panics
    /// Where the cluster refuses.
    pub fn feed(&self, admin: &mut Admin, from: usize, count: usize) {
        for some in self.inputs[from..from + count].chunks(20) {
            for (side, topic) in [
                (Side::Left, &self.topics.left),
                (Side::Right, &self.topics.right),
            ] {
                let of_side = some.iter().filter(|input| input.side == side);
                let records = of_side
                    .map(|input| (input.timestamp_ms, Some(&input.key), input.value.as_ref()));
                admin
                    .produce_at(topic, records)
                    .expect("inputs are written");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the first `fed` inputs are reflected.
    ///
    /// # Panics
    /// With the first difference, when that takes longer than `patience`.
    pub fn wait_for_results(
        &self,
        admin: &mut Admin,
        fed: usize,
        how: Reflected,
        patience: Duration,
    ) {
        let began = Instant::now();
        while let Err(difference) = self.check(admin, fed, how) {
            let id = &self.application_id;
            assert!(began.elapsed() < patience, "{id}: {difference}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether the first `fed` inputs are reflected in what is committed.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, admin: &mut Admin, fed: usize, how: Reflected) -> Result<(), String> {
        let found = self.read(admin);
        let last = found.iter().filter_map(|(key, values)| {
            let last = values.last()?.clone()?;
            Some((key.clone(), last))
        });
        match (self.scenario.expected)(&self.inputs[..fed]) {
            Expected::Table(rows) => {
                let last = last.filter(|(key, _)| how == Reflected::Once || rows.contains_key(key));
                compare(&rows, &last.collect())
            }
            Expected::Numbers(rows) => {
                let mut numbers = BTreeMap::new();
                for (key, value) in last {
                    let number: i64 = value.parse().map_err(|_| format!("{key}: {value}"))?;
                    match rows.get(&key) {
                        Some(expected) if how == Reflected::OnceOrMore => {
                            numbers.insert(key, number.min(*expected))
                        }
                        None if how == Reflected::OnceOrMore => None,
                        _ => numbers.insert(key, number),
                    };
                }
                compare(&rows, &numbers)
            }
            Expected::Records(records) => {
                let mut counts = BTreeMap::new();
                for (key, values) in &found {
                    for value in values.iter().flatten() {
                        *counts.entry((key.clone(), value.clone())).or_insert(0) += 1;
                    }
                }
                if how == Reflected::OnceOrMore {
                    counts.values_mut().for_each(|times| *times = 1);
                }
                compare(
                    &records.into_iter().map(|record| (record, 1)).collect(),
                    &counts,
                )
            }
        }
    }

    /// Every record of the output that is committed, as Kafka's console consumer prints it.
    ///
    /// # Panics
    /// Where the output cannot be read.
    pub fn lines(&self, admin: &mut Admin) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, values) in self.read(admin) {
            let text = |value: &Option<String>| value.clone().unwrap_or("null".to_owned());
            lines.extend(values.iter().map(|value| format!("{key}\t{}", text(value))));
        }
        lines
    }

    /// What is in the output.
    fn read(&self, admin: &mut Admin) -> Records {
        admin.set_isolation_level(IsolationLevel::ReadCommitted);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut records = Records::new();
        for partition in 0..Self::PARTITIONS {
            let partition = TopicPartition::new(self.topics.output.as_str(), partition);
            let take = |record: eddyline::admin::Record| {
                let key = record.key.as_deref().map_or_else(String::new, text);
                let values = records.entry(key).or_default();
                values.push(record.value.as_deref().map(text));
            };
            admin
                .read(&partition, take)
                .expect("the output can be read");
        }
        records
    }
}

/// The first difference between what must be there and what is.
fn compare<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Result<(), String> {
    let differs = |key: &&K| expected.get(*key) != found.get(*key);
    let mut different = expected.keys().chain(found.keys()).filter(differs);
    let Some(key) = different.next() else {
        return Ok(());
    };
    Err(format!(
        "{key:?} is {:?}, expected {:?}; so are {} others of {}",
        found.get(key),
        expected.get(key),
        different.count(),
        expected.len()
    ))
}
