//! `eddyline demo word-count`: real text through a broker and back, checked against a direct count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use eddyline::admin::Admin;
use eddyline::dsl::Materialized;
use eddyline::topology::TopologyError;
use eddyline::types::TopicPartition;
use eddyline::{KafkaStreams, RunningStreams, StreamsBuilder, StreamsConfig, Topology};
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cluster::Cluster;
use crate::groups::CALL_TIMEOUT;
use crate::{Failure, words};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The text to count, - for the standard input [default: the King James Bible]
    file: Option<String>,
    /// A Kafka cluster of version 4.2 or later; without one, the embedded broker
    #[command(flatten)]
    cluster: Cluster,
    /// Partitions of the topics
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,
    /// Stream threads, each a member of the group
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Shows the log of the stream threads
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = words::read(arguments.file.as_deref())?;
    let expected = words::count(&text);
    let application_id = Demo::new_application_id();
    // It serves for as long as it is held.
    let (config, _embedded) = match arguments.cluster.config(&application_id)? {
        Some(config) => (config, None),
        None => {
            let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default())
                .map_err(|error| Failure(format!("cannot serve the embedded broker: {error}")))?;
            let config = StreamsConfig::new(&application_id, broker.bootstrap_servers())?;
            (config, Some(broker))
        }
    };
    let mut admin = Admin::connect_with(&config, CALL_TIMEOUT)?;
    admin.require_streams_groups()?;
    let demo = Demo::new(config, arguments)?;
    let lines = demo.fill(&mut admin, &text)?;
    let topology = demo.topology()?;
    println!("{}", topology.describe());
    let began = Instant::now();
    let mut streams = KafkaStreams::new(topology, demo.config.clone())?;
    if arguments.verbose {
        streams =
            streams.with_log_listener(|event| eprintln!("{:?}: {}", event.level, event.message));
    }
    let streams = streams.start()?;
    let progress = demo.wait_until_done(&mut admin, &streams, lines);
    let took = began.elapsed();
    let closed = streams.close(Duration::from_secs(10));
    progress?;
    closed?;
    let counts = demo.counts(&mut admin)?;
    show(&counts, lines, took);
    check(&counts, &expected)
}

/// The names of one run, so that it never meets what another left on the cluster.
struct Demo<'a> {
    input: String,
    output: String,
    config: StreamsConfig,
    arguments: &'a Arguments,
}

impl<'a> Demo<'a> {
    fn new_application_id() -> String {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let run = since_epoch.unwrap_or_default().as_millis();
        format!("word-count-{run}")
    }

    fn new(config: StreamsConfig, arguments: &'a Arguments) -> Result<Self, Failure> {
        let application_id = config.application_id();
        Ok(Self {
            input: format!("{application_id}-lines"),
            output: format!("{application_id}-counts"),
            config: config
                .set("num.stream.threads", arguments.threads)?
                .set("commit.interval.ms", 500)?,
            arguments,
        })
    }

    /// Makes the topics and writes every line; gives how many there are.
    fn fill(&self, admin: &mut Admin, text: &str) -> Result<u64, Failure> {
        let partitions = self.arguments.partitions;
        admin.create_topics(&[(&self.input, partitions), (&self.output, partitions)])?;
        let began = Instant::now();
        let lines = text.lines().map(|line| (None::<&str>, Some(line)));
        let lines = admin.produce(&self.input, lines)?;
        println!(
            "{lines} lines written to {} ({partitions} partitions) at {} in {:.2} s",
            self.input,
            self.config
                .bootstrap_servers()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(","),
            began.elapsed().as_secs_f64()
        );
        Ok(lines)
    }

    fn topology(&self) -> Result<Topology, TopologyError> {
        let builder = StreamsBuilder::new();
        builder
            .stream::<Option<String>, String>(&self.input)
            .flat_map_values(|line: String| words::words(&line))
            .group_by(|_, word| word.clone())
            .count(Materialized::as_store("counts"))
            .to_stream()
            .to(&self.output);
        builder.build()
    }

    fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        (0..self.arguments.partitions)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect()
    }

    /// Shows the lag until all of the input is committed, and then all of what it became in the
    /// repartition topic. An input record is committed only after everything it led to is written,
    /// so that the end of the repartition topic is final by then.
    fn wait_until_done(
        &self,
        admin: &mut Admin,
        streams: &RunningStreams,
        lines: u64,
    ) -> Result<(), Failure> {
        let style = "{elapsed_precise} [{bar:40}] {msg}";
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
        let input = self.partitions_of(&self.input);
        let repartition = format!("{}-counts-repartition", self.config.application_id());
        let all = [input.clone(), self.partitions_of(&repartition)].concat();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            if let Some(error) = streams.error() {
                return Err(error.into());
            }
            let committed = admin.committed_offsets(self.config.application_id(), &all)?;
            let ends = admin.end_offsets(&all)?;
            let sum = |offsets: &[Option<i64>]| -> u64 {
                offsets.iter().flatten().map(|at| at.unsigned_abs()).sum()
            };
            let lines_done = sum(&committed[..input.len()]);
            let (done, end) = (sum(&committed), sum(&ends));
            bar.set_length(end);
            bar.set_position(done);
            let lag = end.saturating_sub(done);
            bar.set_message(format!(
                "{lines_done}/{lines} lines, lag {lag} of {end} records"
            ));
            if lines_done == lines && lag == 0 {
                bar.finish();
                return Ok(());
            }
        }
    }

    /// The last count of every word in the output topic.
    fn counts(&self, admin: &mut Admin) -> Result<BTreeMap<String, i64>, Failure> {
        let mut counts = BTreeMap::new();
        for partition in self.partitions_of(&self.output) {
            let mut unreadable = 0;
            admin.read(&partition, |record| {
                let word = record.key.as_deref().and_then(|k| str::from_utf8(k).ok());
                let count = record.value.as_deref().and_then(|v| v.try_into().ok());
                match word.zip(count.map(i64::from_be_bytes)) {
                    Some((word, count)) => {
                        counts.insert(word.to_owned(), count);
                    }
                    None => unreadable += 1,
                }
            })?;
            if unreadable > 0 {
                return Err(Failure(format!(
                    "{unreadable} records of {partition} are not a word and its count"
                )));
            }
        }
        Ok(counts)
    }
}

fn show(counts: &BTreeMap<String, i64>, lines: u64, took: Duration) {
    let mut ranked: Vec<(&String, &i64)> = counts.iter().collect();
    ranked.sort_by_key(|(word, count)| (-**count, *word));
    for (rank, (word, count)) in (1..).zip(ranked.iter().take(20)) {
        println!("{rank:>4}. {word:<12} {count:>8}");
    }
    let words: i64 = counts.values().sum();
    let seconds = took.as_secs_f64();
    println!(
        "{lines} lines, {words} words, {} different ones in {seconds:.2} s: {:.0} lines/s, {:.0} words/s",
        counts.len(),
        lines as f64 / seconds,
        words as f64 / seconds
    );
}

/// Compares with the direct count.
fn check(counts: &BTreeMap<String, i64>, expected: &BTreeMap<String, i64>) -> Result<(), Failure> {
    let words: std::collections::BTreeSet<_> = counts.keys().chain(expected.keys()).collect();
    let differs = |word: &&&String| counts.get(**word) != expected.get(**word);
    let wrong: Vec<String> = words
        .iter()
        .filter(differs)
        .map(|word| {
            let count = |of: &BTreeMap<String, i64>| of.get(*word).copied().unwrap_or(0);
            format!("{word} {} instead of {}", count(counts), count(expected))
        })
        .collect();
    if wrong.is_empty() {
        println!("The counts are those of a direct count of the same text.");
        return Ok(());
    }
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Err(Failure(format!(
        "{} of {} counts differ from a direct count: {shown}",
        wrong.len(),
        words.len()
    )))
}
