//! Kafka Streams as a deterministic state machine that never touches the operating system.
//!
//! **One input or command, then `run_once`, then drain the outputs, before the next one.**
//!
//! Every machine in this crate speaks the same grammar: `handle_*` takes inputs, plain verbs are
//! commands, `poll_*` gives outputs, getters borrow. Time enters as an argument ([`time::Now`]),
//! randomness as one seed ([`rng::SeedTree`]); equal inputs give equal outputs, byte for byte.
//!
//! A stream thread is two machines joined by opaque messages: the client machine (sockets,
//! group membership, fetching, producing) and the task runner (tasks, stores, user code).
//! The crate `eddyline` drives them with real sockets, `eddyline-sim` with simulated ones.

pub mod client;
pub mod collections;
pub mod config;
pub mod dsl;
pub mod error;
pub mod group;
pub mod metrics;
#[doc(hidden)]
pub mod mutation;
pub mod net;
pub mod processor;
pub mod query;
pub mod rng;
pub mod serde;
pub mod state;
pub mod task;
pub mod thread;
pub mod time;
pub mod topology;
pub mod trace;
pub mod types;
pub mod window;
pub mod wire;
