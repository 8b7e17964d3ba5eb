//! The word count that the tests run, and how its result is checked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::dsl::Materialized;
use eddyline::types::TopicPartition;
use eddyline::{StreamsBuilder, Topology};

/// Real text.
pub const KING_JAMES: &str = include_str!("../../examples/data/kjv.txt");

/// The words of a line, in lower case.
pub fn words(line: &str) -> Vec<String> {
    line.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// A direct count.
pub fn count_words<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for word in lines.into_iter().flat_map(words) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// Counts the words of `input` into `output`, in a store `counts`.
///
/// # Panics
/// Never: the topology is valid.
pub fn word_count_topology(input: &str, output: &str) -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>(input)
        .flat_map_values(|line: String| words(&line))
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .to(output);
    builder.build().expect("a valid topology")
}

/// A word count on a cluster: its topics and what has come of them.
pub struct WordCount {
    /// The group and the prefix of internal topics.
    pub application_id: String,
    /// The topic of lines.
    pub input: String,
    /// The topic of counts.
    pub output: String,
    /// The `processing.guarantee` of instances.
    pub guarantee: String,
    partitions: i32,
}

impl WordCount {
    /// Makes the topics.
    ///
    /// # Panics
    /// Where the cluster refuses.
    pub fn create(admin: &mut Admin, application_id: &str, partitions: i32) -> Self {
        let (input, output) = (
            format!("{application_id}-lines"),
            format!("{application_id}-out"),
        );
        admin
            .create_topics(&[(&input, partitions), (&output, partitions)])
            .expect("topics are created");
        Self {
            application_id: application_id.to_owned(),
            input,
            output,
            guarantee: "at_least_once".to_owned(),
            partitions,
        }
    }

    /// Writes lines to the input.
    ///
    /// # Panics
    /// Where the cluster refuses.
    pub fn write(&self, admin: &mut Admin, lines: &[&str]) {
        let records = lines.iter().map(|line| (None::<&str>, Some(line)));
        admin
            .produce(&self.input, records)
            .expect("lines are written");
    }

    /// What is in the input.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn lines(&self, admin: &mut Admin) -> Vec<String> {
        let mut lines = Vec::new();
        for partition in self.partitions_of(&self.input) {
            for record in admin.read_to_end(&partition).expect("lines can be read") {
                let line = record.value.expect("lines have text").to_vec();
                lines.push(String::from_utf8(line).expect("lines are text"));
            }
        }
        lines
    }

    /// Waits until the output is what `lines` make. `admin` reads what is committed only.
    ///
    /// # Panics
    /// Where that takes three minutes, or a count is too high.
    pub fn wait_for_exactly(&self, admin: &mut Admin, lines: &[&str]) {
        let expected = count_words(lines.iter().copied());
        let started = Instant::now();
        loop {
            let counts = self.counts(admin);
            for (word, times) in &counts {
                let expected = expected.get(word).copied().unwrap_or(0);
                assert!(*times <= expected, "{word}: {times} of {expected}");
            }
            if counts == expected {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(180),
                "{} of {} words are there",
                counts.len(),
                expected.len()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        (0..self.partitions)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect()
    }

    /// Waits until all of the input, and then all of what it led to, is committed.
    ///
    /// # Panics
    /// Where that takes three minutes, which is far more than it needs.
    pub fn wait_until_done(&self, admin: &mut Admin) {
        let repartition = format!("{}-counts-repartition", self.application_id);
        let started = Instant::now();
        for topic in [&self.input, &repartition] {
            let partitions = self.partitions_of(topic);
            loop {
                let committed = admin.committed_offsets(&self.application_id, &partitions);
                let ends = admin.end_offsets(&partitions);
                if let Ok((committed, ends)) = committed.and_then(|c| Ok((c, ends?))) {
                    let done = |(end, committed): (&Option<i64>, &Option<i64>)| {
                        end.is_some_and(|end| committed.unwrap_or(0) >= end)
                    };
                    if ends.iter().zip(&committed).all(done) {
                        break;
                    }
                    assert!(
                        started.elapsed() < Duration::from_secs(180),
                        "{topic}: committed {committed:?} of {ends:?}"
                    );
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// The last value of every key of the output, or of the store's changelog.
    fn last_counts(&self, admin: &mut Admin, topic: &str) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for partition in self.partitions_of(topic) {
            admin
                .read(&partition, |record| {
                    let key = record.key.expect("counts have keys");
                    let value = record.value.expect("counts are never removed");
                    let word = String::from_utf8(key.to_vec()).expect("words are text");
                    let value = value.as_ref().try_into().expect("a long has eight bytes");
                    counts.insert(word, i64::from_be_bytes(value));
                })
                .expect("the topic can be read");
        }
        counts
    }

    /// The counts as the output tells them.
    pub fn counts(&self, admin: &mut Admin) -> BTreeMap<String, i64> {
        self.last_counts(admin, &self.output)
    }

    /// The counts as the store's changelog tells them.
    pub fn changelog(&self, admin: &mut Admin) -> BTreeMap<String, i64> {
        let topic = format!("{}-counts-changelog", self.application_id);
        self.last_counts(admin, &topic)
    }
}
