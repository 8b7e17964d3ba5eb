//! Which instance has what (KIP-67, KIP-535).

use std::collections::BTreeSet;

use crate::config::HostPort;
use crate::types::TopicPartition;

/// The address at which an instance answers queries (Java: `HostInfo`; config key:
/// `application.server`).
pub type HostInfo = HostPort;

/// What an instance has (Java: `StreamsMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsMetadata {
    /// Its address.
    pub host: HostInfo,
    /// The stores of its active tasks.
    pub state_store_names: BTreeSet<String>,
    /// The input partitions of its active tasks.
    pub topic_partitions: BTreeSet<TopicPartition>,
    /// The stores of its standby tasks.
    pub standby_state_store_names: BTreeSet<String>,
    /// The input partitions of its standby tasks.
    pub standby_topic_partitions: BTreeSet<TopicPartition>,
}

/// Who has the row of a key (Java: `KeyQueryMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyQueryMetadata {
    /// The instance with the active task; `None` while nobody has it, or it gave no address.
    pub active_host: Option<HostInfo>,
    /// The instances with standby tasks.
    pub standby_hosts: BTreeSet<HostInfo>,
    /// The partition of the key.
    pub partition: i32,
}
