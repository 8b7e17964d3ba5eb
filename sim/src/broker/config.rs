//! What a test may choose about the simulated cluster.

use std::collections::BTreeMap;

use eddyline_core::types::BrokerId;

/// One node of the cluster: where its clients are told to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// `node.id`.
    pub id: BrokerId,
    /// The host name in `advertised.listeners`.
    pub host: String,
    /// The port in `advertised.listeners`.
    pub port: u16,
}

/// The `group.streams.*` settings of a group; the defaults are Kafka's own (4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.streams.session.timeout.ms`: a member silent for this long is out.
    pub session_timeout_ms: u32,
    /// `group.streams.heartbeat.interval.ms`: what members are told.
    pub heartbeat_interval_ms: u32,
    /// `group.streams.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: u32,
    /// `group.streams.assignment.interval.ms`: least time between two target assignments.
    pub assignment_interval_ms: u32,
    /// `group.streams.num.standby.replicas`.
    pub num_standby_replicas: u32,
    /// `group.streams.max.size`: most members of a group.
    pub max_size: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            initial_rebalance_delay_ms: 3_000,
            assignment_interval_ms: 1_000,
            num_standby_replicas: 0,
            max_size: i32::MAX as usize,
        }
    }
}

/// The whole cluster. [`BrokerConfig::default`] is one node at `localhost:9092`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// The nodes, at least one. The first is the controller.
    pub nodes: Vec<NodeConfig>,
    /// The cluster id shown to clients.
    pub cluster_id: String,
    /// The host name group descriptions show for every client.
    pub client_host: String,
    /// `num.partitions`: partitions of a topic created without a count.
    pub default_partitions: i32,
    /// `auto.create.topics.enable`: Metadata requests may create topics.
    pub auto_create_topics: bool,
    /// `socket.request.max.bytes`: a longer frame closes the connection.
    pub max_request_bytes: usize,
    /// `message.max.bytes`: a larger record batch is refused (RECORD_TOO_LARGE).
    pub max_batch_bytes: usize,
    /// Finalized level of the feature `streams.version`; 0 turns APIs 88 and 89 off.
    pub streams_version: i16,
    /// Finalized level of the feature `transaction.version`.
    pub transaction_version: i16,
    /// How long after its end a transaction is written into what it touched.
    pub marker_delay_ms: u64,
    /// Caps on what ApiVersions offers, by API key: (lowest, highest). Lets a test pose as an
    /// older broker. An empty range (lowest above highest) hides the API.
    pub api_versions: BTreeMap<i16, (i16, i16)>,
    /// `group.streams.*`.
    pub group: GroupConfig,
    /// `max.incremental.fetch.session.cache.slots`, per node.
    pub max_fetch_sessions: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            nodes: vec![NodeConfig {
                id: BrokerId(1),
                host: "localhost".to_owned(),
                port: 9092,
            }],
            cluster_id: "eddyline-simulated-clu".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            default_partitions: 1,
            auto_create_topics: false,
            max_request_bytes: 100 << 20,
            max_batch_bytes: 1_048_588,
            streams_version: 1,
            transaction_version: 2,
            marker_delay_ms: 0,
            api_versions: BTreeMap::new(),
            group: GroupConfig::default(),
            max_fetch_sessions: 1_000,
        }
    }
}

impl BrokerConfig {
    /// A cluster of `count` nodes with ids from 1, named `broker-1`, `broker-2`, ... on port 9092.
    pub fn with_nodes(count: u16) -> Self {
        let nodes = (1..=count.max(1)).map(|id| NodeConfig {
            id: BrokerId(i32::from(id)),
            host: format!("broker-{id}"),
            port: 9092,
        });
        Self {
            nodes: nodes.collect(),
            ..Self::default()
        }
    }
}
