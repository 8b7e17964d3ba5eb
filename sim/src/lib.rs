//! A seeded simulation of Kafka Streams clusters, an embedded broker and a test driver for topologies.
//!
//! [`test_driver`] runs a topology record by record in a unit test.
//!
//! [`broker`] is a Kafka cluster as a machine without input or output. With the feature `serve`,
//! `serve` puts it on real sockets. [`run_seed`] and [`Simulation`] put it together with the
//! clients of production in virtual time: see [`world`] for what is checked.
//!
//! # Reproducing a seed
//!
//! A seed decides everything: [`run_seed`] of one number does the same on every machine and in
//! every build of one version, to the last byte. To look into a violation, [`replay`] the seed: it
//! prints a line for each event (virtual time, kind, machine, size, hash of the trace so far) with
//! states and logs between. The trace begins with the schedule that the seed chose. Two replays
//! that should be equal part at the first line that differs.
//!
//! ```
//! let mut trace = Vec::new();
//! let outcome = eddyline_sim::replay(1, &mut trace)?;
//! assert_eq!(outcome.trace_hash, eddyline_sim::run_seed(1).trace_hash);
//! assert!(String::from_utf8_lossy(&trace).contains("RestoreStarted"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! From a checkout, `cargo run --release --bin eddyline -- sim run --seeds 0..500` runs seeds and
//! `... -- sim replay 17` prints one.

pub mod broker;
#[cfg(feature = "serve")]
pub mod serve;
pub mod test_driver;
pub mod world;

pub use eddyline_core::config::ProcessingGuarantee;
pub use eddyline_core::mutation::Mutation;
pub use test_driver::{
    CommitMode, ProducedRecord, TestDriverError, TestDriverOptions, TestInputTopic,
    TestOutputTopic, TestRecord, TestStore, TopologyTestDriver,
};
pub use world::{Outcome, SeedRun, Simulation, Violation, replay, run_seed};
