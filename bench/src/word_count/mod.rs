//! The word count, end to end through a real broker: Kafka Streams and Eddyline in turn, the same
//! input, one stream thread each, in-memory store, default cache.
//!
//! The application has counted and committed some lines when the clock starts: a state says little,
//! since a member may run before the group gave it tasks. Then the lines are written to its input
//! topic. The clock stops when every input and repartition record is committed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::types::TopicPartition;

use crate::app;
use crate::keys::Keys;
use crate::process::{Broker, Guarantee, Side, Usage, WordCountApp, connect, unique};

/// What to count, and how often.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A broker to use (4.2 or later); without one it starts its own, and tells what that uses.
    #[arg(long)]
    bootstrap: Option<String>,
    /// Lines of input, made by repeating the text.
    #[arg(long, default_value_t = 250_000)]
    lines: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 2)]
    partitions: i32,
    /// Commit interval of both, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    commit_interval_ms: u64,
    /// What both promise.
    #[arg(long, value_enum, default_value_t = Guarantee::AtLeastOnce)]
    guarantee: Guarantee,
    /// Rounds of each; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leaves Java out.
    #[arg(long)]
    no_java: bool,
    /// A text to count; the King James Bible without one.
    #[arg(long)]
    text: Option<PathBuf>,
    /// Counts lines of so many different words instead, each as likely as the others.
    #[arg(long, conflicts_with = "text")]
    random_words: Option<u32>,
    /// The record cache of both, in bytes; 0 for none.
    #[arg(long, default_value_t = 10 << 20)]
    cache_max_bytes: u64,
}

const KING_JAMES: &str = include_str!("../../../examples/data/kjv.txt");
/// Enough for every partition to get some, and every task to have run.
const WARM_UP_LINES: usize = 10_000;

/// What one run came to.
struct Run {
    seconds: f64,
    app: Usage,
    broker_cpu_seconds: f64,
}

/// Runs both sides in turn and prints a line for each run, the medians, and `ratio N.NN`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let broker = match &arguments.bootstrap {
        Some(bootstrap) => Broker::at(bootstrap),
        None => Broker::start("")?,
    };
    let text = match (&arguments.text, arguments.random_words) {
        (Some(file), _) => std::fs::read_to_string(file)?,
        (None, Some(count)) => random_text(count, arguments.lines),
        (None, None) => KING_JAMES.to_owned(),
    };
    let lines: Vec<&str> = text.lines().cycle().take(arguments.lines).collect();
    let mut expected = BTreeMap::new();
    let warm_up = lines.iter().take(WARM_UP_LINES);
    for word in warm_up.chain(&lines).flat_map(|line| app::words(line)) {
        *expected.entry(word).or_insert(0_i64) += 1;
    }
    let words: usize = lines.iter().map(|line| app::words(line).len()).sum();
    let mut bench = WordCount {
        admin: connect(&broker)?,
        broker,
        arguments,
        lines,
        words: words as f64,
        expected,
    };
    println!(
        "{} lines, {:.0} words, {} different ones",
        bench.lines.len(),
        bench.words,
        bench.expected.len()
    );
    bench.raw()?;
    let sides = Side::all(!arguments.no_java);
    let mut runs: Vec<(Side, Run)> = Vec::new();
    for _ in 0..arguments.rounds {
        for side in sides {
            let run = bench.round(*side)?;
            bench.print(&format!("{side:?}"), &run);
            runs.push((*side, run));
        }
    }
    let medians: Vec<f64> = sides
        .iter()
        .filter_map(|side| bench.median(*side, &runs))
        .collect();
    if let [java, ours] = medians[..] {
        println!("ratio {:.2}", ours / java);
    }
    Ok(())
}

/// Lines of ten words of the letters a to j.
fn random_text(count: u32, lines: usize) -> String {
    let mut keys = Keys::new(count);
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..10 {
            let digits = keys.next_number().to_string();
            text.extend(digits.bytes().map(|digit| char::from(digit - b'0' + b'a')));
            text.push(' ');
        }
        text.push('\n');
    }
    text
}

struct WordCount<'a> {
    admin: Admin,
    broker: Broker,
    arguments: &'a Arguments,
    lines: Vec<&'a str>,
    words: f64,
    expected: BTreeMap<String, i64>,
}

impl WordCount<'_> {
    fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        (0..self.arguments.partitions)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect()
    }

    /// Writes the first lines of the text to the input, and waits until everything they lead to is
    /// committed.
    fn count(&mut self, app: &WordCountApp, lines: usize) -> Result<(), Box<dyn Error>> {
        let lines = self.lines.iter().take(lines);
        let lines = lines.map(|line| (None::<&str>, Some(line)));
        self.admin.produce(&app.input, lines)?;
        let group = &app.application_id;
        self.wait_until_committed(group, &self.partitions_of(&app.input), 0)?;
        let repartition = self.partitions_of(&format!("{group}-counts-repartition"));
        // The last thing in it is the mark of a transaction, which nobody commits.
        let marks = i64::from(self.arguments.guarantee == Guarantee::ExactlyOnceV2);
        self.wait_until_committed(group, &repartition, marks)
    }

    /// What the broker gives where nothing is processed: the words, written and read again in
    /// large batches.
    fn raw(&mut self) -> Result<(), Box<dyn Error>> {
        let topic = format!("raw-{}", unique());
        self.admin
            .create_topics(&[(&topic, self.arguments.partitions)])?;
        let words: Vec<String> = self
            .lines
            .iter()
            .flat_map(|line| app::words(line))
            .take(2_000_000)
            .collect();
        let began = Instant::now();
        let records = words.iter().map(|word| (Some(word), Some(word)));
        let count = self.admin.produce(&topic, records)? as f64;
        let produced = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let mut read = 0;
        for partition in self.partitions_of(&topic) {
            self.admin.read(&partition, |_| read += 1)?;
        }
        let fetched = began.elapsed().as_secs_f64();
        println!(
            "raw limit: {:.2} M rec/s produced, {:.2} M rec/s fetched, nothing processed",
            count / produced / 1e6,
            f64::from(read) / fetched / 1e6
        );
        Ok(())
    }

    fn round(&mut self, side: Side) -> Result<Run, Box<dyn Error>> {
        let config: [(&str, &dyn Display); 3] = [
            (
                "statestore.cache.max.bytes",
                &self.arguments.cache_max_bytes,
            ),
            ("commit.interval.ms", &self.arguments.commit_interval_ms),
            ("processing.guarantee", &self.arguments.guarantee),
        ];
        let word_count =
            WordCountApp::new(side, &config, &mut self.admin, self.arguments.partitions)?;
        let app = word_count.start(&self.broker)?;
        self.count(&word_count, WARM_UP_LINES)?;
        let before = (app.usage(), self.broker.usage().unwrap_or_default());
        let began = Instant::now();
        self.count(&word_count, self.lines.len())?;
        let seconds = began.elapsed().as_secs_f64();
        let mut usage = app.usage();
        usage.cpu_seconds -= before.0.cpu_seconds;
        let broker_after = self.broker.usage().unwrap_or_default();
        app.stop()?;
        self.check(&word_count.output)?;
        Ok(Run {
            seconds,
            app: usage,
            broker_cpu_seconds: broker_after.cpu_seconds - before.1.cpu_seconds,
        })
    }

    fn wait_until_committed(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
        marks: i64,
    ) -> Result<(), Box<dyn Error>> {
        loop {
            let committed = self.admin.committed_offsets(group, partitions)?;
            // A partition without a record has nothing to commit.
            let done = |(end, committed): (Option<i64>, Option<i64>)| {
                end.is_some_and(|end| committed.unwrap_or(0) >= end - marks)
            };
            let ends = self.admin.end_offsets(partitions)?;
            if ends.into_iter().zip(committed).all(done) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Both sides must have counted right, or there is nothing to compare.
    fn check(&mut self, output: &str) -> Result<(), Box<dyn Error>> {
        let mut counts = BTreeMap::new();
        for partition in self.partitions_of(output) {
            self.admin.read(&partition, |record| {
                let word = record.key.as_deref().and_then(|k| str::from_utf8(k).ok());
                let count = record.value.as_deref().and_then(|v| v.try_into().ok());
                if let Some((word, count)) = word.zip(count.map(i64::from_be_bytes)) {
                    counts.insert(word.to_owned(), count);
                }
            })?;
        }
        if counts == self.expected {
            return Ok(());
        }
        Err(format!("the counts in {output} are wrong").into())
    }

    fn print(&self, name: &str, run: &Run) {
        let broker = self.broker.usage().map_or_else(String::new, |usage| {
            format!(
                ", broker {:.1} s CPU, {:.0} MB at most",
                run.broker_cpu_seconds, usage.peak_mb
            )
        });
        println!(
            "{name}: {:.2} s, {:.0} words/s, {:.1} s CPU, {:.0} MB at most{broker}",
            run.seconds,
            self.words / run.seconds,
            run.app.cpu_seconds,
            run.app.peak_mb
        );
    }

    /// Prints the medians of a side; gives its words a second.
    fn median(&self, side: Side, runs: &[(Side, Run)]) -> Option<f64> {
        let median = |figure: fn(&Run) -> f64| {
            let of_side = runs.iter().filter(|(of, _)| *of == side);
            let mut figures: Vec<f64> = of_side.map(|(_, run)| figure(run)).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        let run = Run {
            seconds: median(|run| run.seconds)?,
            app: Usage {
                cpu_seconds: median(|run| run.app.cpu_seconds)?,
                peak_mb: median(|run| run.app.peak_mb)?,
            },
            broker_cpu_seconds: median(|run| run.broker_cpu_seconds)?,
        };
        self.print(&format!("{side:?}, median"), &run);
        Some(self.words / run.seconds)
    }
}
