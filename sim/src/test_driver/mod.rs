//! [`TopologyTestDriver`]: a topology run in a test, record by record, without brokers, threads or
//! clocks (Java: `kafka-streams-test-utils`).
//!
//! It drives the tasks, stores and record collector of production and stands in for everything
//! around them: what is produced for a topic that the topology reads comes back as input, time is
//! what the test says. Everything has happened when a call returns.
//!
//! ```
//! use std::time::Duration;
//! use eddyline_core::config::StreamsConfig;
//! use eddyline_core::dsl::{Materialized, StreamsBuilder};
//! use eddyline_sim::{TestRecord, TopologyTestDriver};
//!
//! let builder = StreamsBuilder::new();
//! builder
//!     .stream::<Option<String>, String>("words")
//!     .group_by(|_, word| word.clone())
//!     .count(Materialized::as_store("counts"))
//!     .to_stream()
//!     .to("counts");
//!
//! let config = StreamsConfig::new("word-count", "localhost:9092")?;
//! let driver = TopologyTestDriver::new(builder.build()?, config)?;
//! let words = driver.create_input_topic::<Option<String>, String>("words");
//! let counts = driver.create_output_topic::<String, Option<i64>>("counts");
//!
//! words.pipe_value_list(["still".to_owned(), "water".to_owned(), "still".to_owned()])?;
//! assert_eq!(counts.read_key_value()?, ("still".to_owned(), Some(1)));
//! assert_eq!(counts.read_key_values_to_map()?["still"], Some(2));
//!
//! let store = driver.timestamped_key_value_store::<String, i64>("counts")?;
//! assert_eq!(store.get(&"water".to_owned())?.map(|count| count.value), Some(1));
//!
//! words.advance_time(Duration::from_secs(1));
//! words.pipe_value("water".to_owned())?;
//! let record = TestRecord::new("water".to_owned(), Some(2)).at(1000);
//! assert_eq!(counts.read_record()?, record);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What Java's cannot do
//!
//! - **The record cache and commits are visible.** By default every record is committed for itself,
//!   as Java's driver does it, so nothing stays in a cache. With [`CommitMode::Manual`] it does until
//!   [`commit`](TopologyTestDriver::commit) is called, with [`CommitMode::Interval`] until the wall
//!   clock has moved on by `commit.interval.ms`.
//! - **Several partitions.** [`TestDriverOptions::partitions`] runs one task for each partition
//!   of each sub-topology, as an application does.
//! - **Restarts.** [`restart`](TopologyTestDriver::restart) shuts down cleanly and restores every
//!   store from its changelog; [`crash`](TopologyTestDriver::crash) loses what was not committed.

#[cfg(test)]
mod dead_letter_tests;
mod engine;
#[cfg(test)]
mod failing_closure_tests;
#[cfg(test)]
mod global_failure_tests;
mod input;
#[cfg(test)]
mod metrics_tests;
#[cfg(test)]
mod misuse_tests;
mod output;
#[cfg(test)]
mod partitioner_tests;
mod record;
mod stores;
#[cfg(test)]
mod tests;
mod topics;
#[cfg(test)]
mod wrapper_tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::metrics::Metric;
use eddyline_core::serde::{DefaultSerde, SerdeError, SerdeRef};
use eddyline_core::state::StateError;
use eddyline_core::time::WallClock;
use eddyline_core::topology::Topology;
use eddyline_core::types::{OffsetAndMetadata, TaskId, TopicName, TopicPartition};

use engine::Engine;
pub use input::TestInputTopic;
pub use output::TestOutputTopic;
pub use record::TestRecord;
pub use stores::TestStore;
pub use topics::ProducedRecord;

/// When the driver commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitMode {
    /// After every record, as Java's driver.
    #[default]
    EachRecord,
    /// When the wall clock was moved on by `commit.interval.ms`, or a processor asks.
    Interval,
    /// When [`TopologyTestDriver::commit`] is called, or a processor asks.
    Manual,
}

/// How a driver differs from Java's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestDriverOptions {
    /// The wall clock at the start.
    pub wall_clock: WallClock,
    /// When it commits.
    pub commit_mode: CommitMode,
    /// With a number, the driver has the tasks that an application has: one for each partition of
    /// each sub-topology. Topics have so many partitions, but for internal ones whose number is
    /// fixed. Tasks take turns in the order of their ids, a record each.
    ///
    /// Without, one task runs the whole topology over topics of one partition.
    pub partitions: Option<i32>,
    /// True holds results back on the wall clock as an application does: those of left and outer
    /// joins of streams, and of windows that emit when they close. Otherwise they come at once, as
    /// in Java's driver.
    pub emit_intervals: bool,
}

/// What can go wrong with a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestDriverError {
    /// What would stop a stream thread.
    Streams(StreamsError),
    /// The topology does not read this topic.
    UnknownTopic(TopicName),
    /// An input topic does not have this partition.
    UnknownPartition {
        /// The partition.
        partition: TopicPartition,
        /// How many there are.
        count: i32,
    },
    /// A processor panicked. What it left is only to be thrown away.
    Panicked,
    /// No record is left in this topic, or never was.
    NoRecord(TopicName),
    /// A key or value does not go with its serde.
    Serde {
        /// The topic.
        topic: TopicName,
        /// What the serde says.
        error: SerdeError,
    },
    /// What a store says.
    State(StateError),
}

impl fmt::Display for TestDriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streams(error) => error.fmt(f),
            Self::UnknownTopic(topic) => write!(f, "the topology does not read topic {topic}"),
            Self::UnknownPartition { partition, count } => write!(
                f,
                "there is no partition {partition}: the topic has {count}, from 0"
            ),
            Self::Panicked => f.write_str(
                "a processor panicked and took its node along: go on with crash(), or with another \
                 driver",
            ),
            Self::NoRecord(topic) => write!(f, "there is no record to read in topic {topic}"),
            Self::Serde { topic, error } => write!(f, "topic {topic}: {error}"),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TestDriverError {}

impl From<StreamsError> for TestDriverError {
    fn from(error: StreamsError) -> Self {
        Self::Streams(error)
    }
}

impl From<StateError> for TestDriverError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Runs a topology in a test: see [the module](self). A handle, as are the topics and stores it
/// gives: a clone is the same driver.
#[derive(Clone)]
pub struct TopologyTestDriver {
    engine: Rc<RefCell<Engine>>,
}

impl TopologyTestDriver {
    /// A driver with one task for the whole topology, over topics of one partition, which commits
    /// every record; the wall clock begins at 0.
    ///
    /// # Errors
    /// Whatever a processor's `init` fails with.
    pub fn new(topology: Topology, config: StreamsConfig) -> Result<Self, TestDriverError> {
        Self::with_options(topology, config, TestDriverOptions::default())
    }

    /// A driver with other options.
    ///
    /// # Errors
    /// Whatever a processor's `init` fails with.
    pub fn with_options(
        topology: Topology,
        config: StreamsConfig,
        options: TestDriverOptions,
    ) -> Result<Self, TestDriverError> {
        let mut engine = Engine::new(topology, config, options);
        engine.open()?;
        Ok(Self {
            engine: Rc::new(RefCell::new(engine)),
        })
    }

    /// An input topic with the types' own serdes; its records begin at the driver's wall clock.
    pub fn create_input_topic<K, V>(&self, topic: impl Into<TopicName>) -> TestInputTopic<K, V>
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.create_input_topic_with(topic, K::default_serde(), V::default_serde())
    }

    /// An input topic with these serdes; its records begin at the driver's wall clock.
    pub fn create_input_topic_with<K, V>(
        &self,
        topic: impl Into<TopicName>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TestInputTopic<K, V> {
        TestInputTopic::new(self.clone(), topic.into(), keys, values)
    }

    /// An output topic with the types' own serdes.
    pub fn create_output_topic<K, V>(&self, topic: impl Into<TopicName>) -> TestOutputTopic<K, V>
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.create_output_topic_with(topic, K::default_serde(), V::default_serde())
    }

    /// An output topic with these serdes. All handles of a topic share what is left to read.
    pub fn create_output_topic_with<K, V>(
        &self,
        topic: impl Into<TopicName>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TestOutputTopic<K, V> {
        TestOutputTopic::new(self.clone(), topic.into(), keys, values)
    }

    /// Every topic that a record was sent to, internal ones too.
    pub fn produced_topic_names(&self) -> BTreeSet<TopicName> {
        self.engine.borrow().topics.produced_names()
    }

    /// Every record sent since the last call, to output, repartition and changelog topics, in the
    /// order sent.
    pub fn take_produced(&self) -> Vec<ProducedRecord> {
        self.engine.borrow_mut().take_produced()
    }

    /// The wall clock.
    pub fn wall_clock(&self) -> WallClock {
        self.engine.borrow().wall_clock()
    }

    /// Moves the wall clock on and calls the punctuators that are due.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn advance_wall_clock_time(&self, by: Duration) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().advance_wall_clock(by)
    }

    /// Commits every task that processed or punctuated something: caches are flushed, and what that
    /// sends to topics of the topology is processed (and not committed).
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn commit(&self) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().commit()
    }

    /// Closes all tasks cleanly, loses their state and opens them again: every store is restored
    /// from its changelog, input goes on where it was, processors are new.
    ///
    /// # Errors
    /// Whatever a processor fails with, or a store cannot be restored for.
    pub fn restart(&self) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().restart()
    }

    /// Loses all tasks with what was not committed, and opens them again: stores are restored from
    /// what their changelogs have, and input is read again from the offsets that were committed.
    /// What was sent stays sent (at least once).
    ///
    /// # Errors
    /// Whatever a processor fails with, or a store cannot be restored for.
    pub fn crash(&self) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().crash()
    }

    /// What is committed of each input partition: the next offset, and the partition time and
    /// processors' state in its metadata.
    pub fn committed_offsets(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        self.engine.borrow().committed.clone()
    }

    /// Opens the tasks of a closed driver again, from the offsets given: every store is restored
    /// from its changelog, and input behind the offsets is processed.
    ///
    /// # Errors
    /// Whatever a processor fails with, or a store cannot be restored for.
    pub fn open_from(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().open_from(offsets)
    }

    /// The tasks there are.
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.engine.borrow().task_ids()
    }

    /// The names of all stores.
    pub fn state_store_names(&self) -> BTreeSet<String> {
        self.engine.borrow().state_store_names()
    }

    /// What is measured of the tasks there are, as of the thread `main`, as far as
    /// `metrics.recording.level` goes (Java: `metrics`).
    pub fn metrics(&self) -> Vec<Metric> {
        self.engine.borrow().metrics()
    }

    /// How many records no operator could take (Java: `dropped-records-total`).
    pub fn dropped_records(&self) -> u64 {
        self.engine.borrow().dropped_records()
    }

    /// Commits until nothing more comes of it and closes all tasks. What was produced can still be
    /// read.
    ///
    /// # Errors
    /// Whatever a processor fails with.
    pub fn close(&self) -> Result<(), TestDriverError> {
        self.engine.borrow_mut().close()
    }
}
