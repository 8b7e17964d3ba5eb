//! Connections to the brokers of a cluster, and what is known about it.

mod metadata;
mod request;

pub use metadata::{Metadata, PartitionMetadata};
pub use request::{Outgoing, RequestError, RequestToken, Target};
