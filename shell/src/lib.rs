#![doc = include_str!("../README.md")]

pub mod admin;
mod clock;
mod listeners;
pub mod metrics;
#[cfg(feature = "persistent")]
pub mod persistent;
pub mod query;
mod resolver;
mod sockets;
mod storages;
mod stream_thread;
mod streams;
mod threads;
mod tls;

pub use eddyline_core::config::StreamsConfig;
pub use eddyline_core::dsl::StreamsBuilder;
pub use eddyline_core::topology::Topology;
pub use eddyline_core::{
    config, dsl, error, processor, serde, state, thread, time, topology, trace, types, window,
};
pub use listeners::{StandbyUpdateListener, StateRestoreListener, UncaughtExceptionResponse};
pub use streams::{CloseError, KafkaStreams, RunningStreams, StartError, State};
