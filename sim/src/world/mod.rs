//! A whole cluster and its clients in virtual time, chosen by one seed.
//!
//! [`run_seed`] runs an application with everything a seed can think of: nodes, partitions, settings
//! and faults. Half of the seeds run a word count, the others count by window or by session, join two
//! streams, or a stream with a table. [`Simulation`] does the same with a topology and an input of yours. Clients are the
//! machines that run in production; only sockets, clocks and threads are simulated.
//!
//! Faults stop at some time, and then everything has to come to rest: the group is stable, every
//! task runs once, all input is processed and committed. What must hold always is checked all
//! along; [`Violation::oracle`] says which rule was broken:
//!
//! | oracle | rule |
//! |---|---|
//! | `owners` | no two members of the group have applied the same active task |
//! | `loop` | no machine is woken without end |
//! | `error` | no thread fails or closes by itself, nothing is logged as an error |
//! | `panic` | nothing panics |
//! | `settle` | without faults everything comes to rest, and closes, in bounded time |
//! | `fold` | a store, a standby's too, holds what restoring its changelog would give: when a task begins to run, and in the end |
//! | `promotion` | what a standby has is not restored again |
//! | `standby` | nobody who did not run a task wrote to its changelogs |
//! | `disk` | what a crash or a close leaves on a disk is a store as of the changelog offset beside it |
//! | `reads` | a task reads what it wrote, through cache and evictions (word count) |
//! | `dedup` | one changelog record and one change forwarded for a key and a flush (word count) |
//! | `interpreter` | under exactly-once every transaction holds what an interpreter of the application writes for the records between its offsets, and in the end all input is committed ([`run_seed`]) |
//! | `counts` | every word is counted, and once under exactly-once or where no member was lost (word count) |
//! | `results` | what comes of all input is there, and once under exactly-once or where no member was lost ([`run_seed`], but for the word count) |
//! | `input` | the input can be written |
//! | `check` | what was given to [`Simulation::check`] |
//!
//! Two rules have an exception that Kafka's at-least-once has, too: there, when an expelled member writes
//! to a changelog that another one restores from, that partition is left out of `fold` and `disk`,
//! and counts may be too low.
//!
//! Half of the seeds run under exactly-once. There nothing is excused: all oracles look at what is
//! committed, so a record that was read from an aborted transaction, or twice, shows in `fold` and
//! `counts`.
//!
//! Half of the seeds keep their stores on disks, of which a crash may lose any number of the latest
//! batches, or sectors of the last ones, and which may be full.
//!
//! Not tried yet: clocks that jump, retention by time, topics that grow or vanish, leaders
//! that lose records, brokers of several versions, punctuators.

mod applications;
mod disk;
mod engine;
mod events;
mod faults;
mod instance;
mod interpreter;
mod moments;
mod network;
mod oracles;
mod rest;
mod schedule;
mod seed_run;
#[cfg(test)]
mod tests;
mod trace;
mod workload;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::config::{ConfigError, ProcessingGuarantee, StreamsConfig};
use eddyline_core::rng::SeedTree;
use eddyline_core::time::Instant;
use eddyline_core::topology::Topology;
use eddyline_core::wire::{Record, partition_for_key};

use self::applications::Application;
use self::engine::{Scenario, World};
pub use self::oracles::Violation;
use self::schedule::{START_MS, Schedule};
pub use self::seed_run::{SeedRun, replay, run_seed};
use self::trace::Trace;
use self::workload::{Produced, Signals};
use crate::broker::{Broker, BrokerConfig};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The trace of everything that happened, folded: equal for equal runs.
    pub trace_hash: u64,
    /// How many events there were.
    pub events: u64,
    /// The virtual time at the end, counted from the start of the clock.
    pub virtual_time: Instant,
    /// What must not happen and did.
    pub violations: Vec<Violation>,
    /// The cluster as it is at the end, with its topics and groups.
    pub cluster: Broker,
}

impl Outcome {
    /// All records of a topic, partition by partition; none if there is no such topic.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        let logs = (0..).map_while(|partition| self.cluster.log(topic, partition));
        logs.flat_map(|log| log.records().unwrap_or_default())
            .collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hash, events, time) = (self.trace_hash, self.events, self.virtual_time);
        write!(f, "trace {hash:016x}, {events} events in {time}")?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// Half of the seeds keep their stores on disks.
fn has_disks(seed: SeedTree) -> bool {
    seed.child("stores", 0).rng().chance(1, 2)
}

/// Half of the seeds run under exactly-once.
fn draw_guarantee(seed: SeedTree) -> ProcessingGuarantee {
    if seed.child("guarantee", 0).rng().chance(1, 2) {
        ProcessingGuarantee::ExactlyOnceV2
    } else {
        ProcessingGuarantee::AtLeastOnce
    }
}

const fn guarantee_name(guarantee: ProcessingGuarantee) -> &'static str {
    match guarantee {
        ProcessingGuarantee::AtLeastOnce => "at_least_once",
        ProcessingGuarantee::ExactlyOnceV2 => "exactly_once_v2",
    }
}

type Check = Box<dyn Fn(&Broker) -> Result<(), String>>;

struct InputRecord {
    topic: String,
    key: Option<Bytes>,
    value: Bytes,
    /// The time when it is produced, if none is given.
    timestamp: Option<i64>,
}

/// A cluster that runs an application of yours. The seed chooses whatever is not said.
///
/// ```
/// use eddyline_core::dsl::StreamsBuilder;
/// use eddyline_sim::Simulation;
///
/// let builder = StreamsBuilder::new();
/// let names = builder.stream::<Option<String>, String>("names");
/// names.map_values(|name| format!("hello {name}")).to("greetings");
///
/// let outcome = Simulation::new(7, builder.build()?)
///     .input("names", [(Some("1"), "ann"), (Some("2"), "bob")])
///     .instances(2)
///     .run();
/// assert!(outcome.violations.is_empty(), "{outcome}");
/// let greetings = outcome.records("greetings");
/// assert!(greetings.iter().any(|record| record.value.as_deref() == Some(b"hello ann")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Simulation {
    seed: SeedTree,
    topology: Arc<Topology>,
    schedule: Schedule,
    config: StreamsConfig,
    has_faults: bool,
    /// What it does is known: an interpreter checks it.
    application: Option<Application>,
    input: Vec<InputRecord>,
    checks: Vec<Check>,
    /// What processors are told while it runs.
    signals: Arc<Signals>,
    #[cfg(test)]
    sabotage: Option<fn(&mut World<'_>)>,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("schedule", &self.schedule)
            .field("config", &self.config)
            .field("input", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// A cluster for `topology`, whose topics it creates; all else comes from `seed`.
    pub fn new(seed: u64, topology: Topology) -> Self {
        let seed = SeedTree::new(seed);
        let schedule = Schedule::draw(seed);
        let config = StreamsConfig::new("sim", "broker-1:9092");
        let mut config = config.expect("a valid application id and address");
        for (key, value) in &schedule.settings {
            config = config.set(key, value).expect("a setting within its range");
        }
        let stores = if has_disks(seed) {
            "rocksDB"
        } else {
            "in_memory"
        };
        let uncommitted = [300, 5_000, 64 << 20];
        let uncommitted = uncommitted[seed.child("stores", 1).rng().below(3) as usize];
        let guarantee = guarantee_name(draw_guarantee(seed));
        let timeout_ms = 3_000 + seed.child("guarantee", 1).rng().below(7_000);
        let idle_ms = [0, 0, 20, 500][seed.child("idle", 0).rng().below(4) as usize];
        let config = config
            .set("max.task.idle.ms", idle_ms)
            .and_then(|config| config.set("processing.guarantee", guarantee))
            .and_then(|config| config.set("transaction.timeout.ms", timeout_ms))
            .and_then(|config| config.set("default.dsl.store", stores))
            .and_then(|config| config.set("statestore.uncommitted.max.bytes", uncommitted));
        let config = config.expect("a type of stores and a size");
        Self {
            seed,
            topology: Arc::new(topology),
            schedule,
            config,
            has_faults: true,
            application: None,
            input: Vec::new(),
            checks: Vec::new(),
            signals: Arc::default(),
            #[cfg(test)]
            sabotage: None,
        }
    }

    /// Records for `topic`, in order: key and value, produced over a few seconds. Records without
    /// a key go to one partition after the other.
    #[must_use]
    pub fn input<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        topic: &str,
        records: impl IntoIterator<Item = (Option<K>, V)>,
    ) -> Self {
        let records = records.into_iter().map(|(key, value)| InputRecord {
            topic: topic.to_owned(),
            key: key.map(|key| Bytes::copy_from_slice(key.as_ref())),
            value: Bytes::copy_from_slice(value.as_ref()),
            timestamp: None,
        });
        self.input.extend(records);
        self
    }

    /// This many instances of the application, at least one.
    #[must_use]
    pub fn instances(mut self, count: usize) -> Self {
        let mut rng = self.seed.child("starts", 0).rng();
        self.schedule.starts_ms = (0..count.max(1)).map(|_| rng.below(2_500)).collect();
        self
    }

    /// This many stream threads in each instance, at least one.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.schedule.threads = count.max(1);
        self
    }

    /// This many nodes, at least one.
    #[must_use]
    pub fn brokers(mut self, count: u16) -> Self {
        self.schedule.brokers = count.max(1);
        self
    }

    /// This many partitions of every topic of the topology, at least one.
    #[must_use]
    pub fn partitions(mut self, count: i32) -> Self {
        self.schedule.partitions = count.max(1);
        self
    }

    /// Nothing goes wrong.
    #[must_use]
    pub fn without_faults(mut self) -> Self {
        self.has_faults = false;
        self
    }

    /// A setting of the application as in [`StreamsConfig::set`], in place of what the seed chose.
    ///
    /// # Errors
    /// As there.
    pub fn set(mut self, key: &str, value: impl ToString) -> Result<Self, ConfigError> {
        self.config = self.config.set(key, value)?;
        Ok(self)
    }

    fn guarantee(&mut self, guarantee: ProcessingGuarantee) {
        let config = self.config.clone();
        let config = config.set("processing.guarantee", guarantee_name(guarantee));
        self.config = config.expect("a guarantee");
    }

    /// Something that must hold of the cluster in the end, when all instances are closed; what it
    /// returns as an error becomes a [`Violation`].
    #[must_use]
    pub fn check(mut self, check: impl Fn(&Broker) -> Result<(), String> + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        self.run_with(None, |_| {}).0
    }

    /// Runs it, with a line for everything that happens.
    ///
    /// # Errors
    /// When `out` cannot be written; the run stops for nothing else.
    pub fn replay(self, out: &mut dyn io::Write) -> io::Result<Outcome> {
        let (outcome, written) = self.run_with(Some(out), |_| {});
        written.map(|()| outcome)
    }

    fn run_with(
        mut self,
        out: Option<&mut dyn io::Write>,
        after: impl FnOnce(&mut World<'_>),
    ) -> (Outcome, io::Result<()>) {
        let checks = std::mem::take(&mut self.checks);
        let (scenario, broker) = self.prepare();
        let out = out.map(|out| -> &mut dyn io::Write { out });
        let mut trace = Trace::new(out);
        let start = Instant::ZERO.plus_ms(START_MS);
        trace.note(start, "schedule", 0, &format!("{:?}", scenario.schedule));
        let mut world = World::new(&scenario, broker, trace);
        // A machine that panicked is not used any more: the run is over.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            world
                .oracles
                .report("panic", text.unwrap_or("(no message)"));
        }
        after(&mut world);
        if world.oracles.is_clean() {
            for check in &checks {
                if let Err(message) = check(&world.broker) {
                    world.oracles.report("check", message);
                }
            }
        }
        world.finish()
    }

    /// Creates the topics and decides what is produced when.
    fn prepare(mut self) -> (Scenario, Broker) {
        if self.has_faults {
            let is_exactly_once = self.config.is_exactly_once();
            self.schedule.draw_faults(self.seed, is_exactly_once);
        } else {
            self.schedule.faults.clear();
            self.schedule.may_duplicate = false;
        }
        if self.config.is_exactly_once() {
            self.schedule.fit_to_transactions();
        }
        let schedule = &self.schedule;
        let servers: Vec<String> = (1..=schedule.brokers)
            .map(|node| format!("broker-{node}:9092"))
            .collect();
        let config = self.config.set("bootstrap.servers", servers.join(","));
        let config = config.and_then(|c| c.set("num.stream.threads", schedule.threads));
        let config = config.expect("the addresses of nodes and a count of threads are valid");
        let mut cluster = BrokerConfig::with_nodes(schedule.brokers);
        cluster.group = schedule.group.clone();
        cluster.marker_delay_ms =
            [0, 0, 5, 300][self.seed.child("markers", 0).rng().below(4) as usize];
        // A third of the clusters have not been upgraded.
        let version = self.seed.child("transactions", 0).rng().below(3);
        cluster.transaction_version = if version == 0 { 1 } else { 2 };
        let mut broker = Broker::new(cluster, self.seed.child("broker", 0));
        let subtopologies = self.topology.subtopologies(&config);
        let own = subtopologies.iter().flat_map(|subtopology| {
            let sources = subtopology.source_topics.iter();
            sources.chain(&subtopology.sink_topics)
        });
        let internal: BTreeSet<&str> = subtopologies
            .iter()
            .flat_map(|s| &s.repartition_source_topics)
            .map(|topic| topic.name.as_str())
            .collect();
        let topics: BTreeSet<&str> = own
            .map(|topic| topic.as_str())
            .chain(self.input.iter().map(|record| record.topic.as_str()))
            .filter(|topic| !internal.contains(topic))
            .collect();
        for topic in topics {
            broker.create_topic(topic, schedule.partitions);
        }
        let input = spread(self.seed, schedule, &self.input);
        let scenario = Scenario {
            seed: self.seed,
            schedule: self.schedule,
            config,
            topology: self.topology,
            input,
            application: self.application,
            signals: self.signals,
            #[cfg(test)]
            sabotage: self.sabotage,
        };
        (scenario, broker)
    }
}

/// Gives every record its time and its partition.
fn spread(seed: SeedTree, schedule: &Schedule, input: &[InputRecord]) -> Vec<Produced> {
    let mut rng = seed.child("input", 0).rng();
    let (from_ms, for_ms) = schedule.input_ms;
    let mut times: Vec<u64> = input.iter().map(|_| rng.below(for_ms * 1_000)).collect();
    times.sort_unstable();
    let start = Instant::ZERO.plus_ms(START_MS + from_ms);
    let partitions = schedule.partitions;
    let records = input.iter().zip(times).enumerate();
    let produced = records.map(|(index, (record, at_us))| Produced {
        at: start.saturating_add(std::time::Duration::from_micros(at_us)),
        topic: record.topic.clone(),
        partition: match &record.key {
            Some(key) => partition_for_key(key, partitions),
            None => (index % partitions as usize) as i32,
        },
        key: record.key.clone(),
        value: record.value.clone(),
        timestamp: record.timestamp,
    });
    produced.collect()
}

impl World<'_> {
    fn finish(self) -> (Outcome, io::Result<()>) {
        let outcome = Outcome {
            trace_hash: self.trace.hash(),
            events: self.trace.events(),
            virtual_time: self.now,
            violations: self.oracles.into_violations(),
            cluster: self.broker,
        };
        (outcome, self.trace.into_result())
    }
}
