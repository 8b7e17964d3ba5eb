//! A seeded simulation of Kafka Streams clusters, and an embedded broker for tests.
//!
//! [`broker`] is a Kafka cluster as a machine without input or output. With the feature `serve`,
//! `serve` puts it on real sockets.

pub mod broker;
#[cfg(feature = "serve")]
pub mod serve;
