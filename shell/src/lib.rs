#![doc = include_str!("../README.md")]

pub mod admin;
mod clock;
#[cfg(feature = "persistent")]
pub mod persistent;
pub mod query;
mod sockets;
mod storages;
mod stream_thread;
mod streams;

pub use eddyline_core::config::StreamsConfig;
pub use eddyline_core::dsl::StreamsBuilder;
pub use eddyline_core::topology::Topology;
pub use eddyline_core::{
    config, dsl, error, processor, serde, state, thread, time, topology, trace, types, window,
};
pub use streams::{
    CloseError, KafkaStreams, RunningStreams, StartError, State, UncaughtExceptionResponse,
};
