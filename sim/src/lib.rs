//! A seeded simulation of Kafka Streams clusters, and an embedded broker for tests.
//!
//! [`broker`] is a Kafka cluster as a machine without input or output.

pub mod broker;
