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

/// How far a store is with its changelog (Java: `LagInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagInfo {
    /// The next offset of the changelog that the store has not.
    pub current_offset_position: i64,
    /// One past the last record of the changelog, as far as it is known here.
    pub end_offset_position: i64,
}

impl LagInfo {
    /// How many offsets the store is behind.
    pub fn offset_lag(&self) -> u64 {
        let lag = self
            .end_offset_position
            .saturating_sub(self.current_offset_position);
        u64::try_from(lag).unwrap_or(0)
    }
}
