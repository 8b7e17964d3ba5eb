//! Connections to the brokers of a cluster, and what is known about it.

mod backoff;
mod cluster;
mod connection;
mod driver;
mod features;
mod metadata;
mod request;
mod sasl;
#[cfg(test)]
pub(crate) mod testing;

pub use backoff::Backoff;
pub use cluster::{Cluster, ClusterConfig, ClusterEvent};
pub use connection::ConnectionError;
pub use driver::{ClientEvent, ConnectionId, Input, Output, ThreadState};
pub use features::BrokerFeatures;
pub use metadata::{Metadata, PartitionMetadata};
pub use request::{Outgoing, RequestError, RequestToken, Target};
#[doc(hidden)]
pub use sasl::fuzzing;
