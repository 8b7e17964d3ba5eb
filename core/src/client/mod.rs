//! What a client does over its connections: calls to the cluster.

mod admin;

pub use admin::{AdminClient, AdminResult, AdminToken, NewTopic, OffsetSpec};
