//! Configuration under Java's own keys (`StreamsConfig`, with the consumer and producer keys that
//! a Streams client uses).
//!
//! ```
//! use eddyline_core::config::StreamsConfig;
//!
//! let config = StreamsConfig::new("word-count", "localhost:9092")
//!     .and_then(|config| config.set("commit.interval.ms", "1000"))
//!     .expect("valid configuration");
//! assert_eq!(config.commit_interval_ms(), 1000);
//! ```

mod dsl_stores;
mod error_handling;
mod host_port;
mod keys;
mod optimization;
mod processing_guarantee;
mod properties;
mod security;
mod sources;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use crate::error::ErrorHandlers;
use crate::metrics::RecordingLevel;
use crate::mutation::Mutant;
use crate::types::AutoOffsetReset;
use crate::wire::Compression;

pub use self::dsl_stores::{DslStoreFormat, StoreType};
pub use self::host_port::HostPort;
pub use self::optimization::TopologyOptimization;
pub use self::processing_guarantee::ProcessingGuarantee;
pub use self::properties::parse_properties;
pub use self::security::{
    OAuthTokenProvider, Pem, SaslLogin, SaslMechanism, Secret, SecurityProtocol, TlsConfig,
};
pub use self::values::{DefaultTimestampExtractor, MetadataRecoveryStrategy};

use self::host_port::parse_servers;
use self::values::{parse_bool, parse_compression};

/// A configuration that cannot be used: which key, which value, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value of a known key is not acceptable.
    Invalid {
        /// The configuration key.
        key: String,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// No such key.
    Unknown {
        /// The key given.
        key: String,
    },
    /// A key without a default was not given.
    Missing {
        /// The key wanted.
        key: &'static str,
    },
}

/// Something that was given and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// No such key: it may be misspelt, or for something else that reads the same map.
    Unknown {
        /// The key given.
        key: String,
    },
    /// A key of Kafka Streams or its clients that means nothing here.
    Ignored {
        /// The key given.
        key: String,
        /// Why, and what to do instead.
        reason: &'static str,
    },
}

impl ConfigError {
    fn invalid(key: &str, value: &str, allowed: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.into(),
            value: value.into(),
            allowed: allowed.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid {
                key,
                value,
                allowed,
            } => {
                write!(
                    f,
                    "configuration {key} = {value:?} is not valid: give {allowed}"
                )
            }
            Self::Unknown { key } => write!(f, "configuration key {key:?} is not known"),
            Self::Missing { key } => write!(f, "configuration key {key} is required"),
        }
    }
}

impl std::error::Error for ConfigError {}

macro_rules! streams_config {
    ($( $(#[$doc:meta])* $field:ident : $type:ty = $key:literal, $default:expr, $min:expr, $max:expr; )*) => {
        /// A valid configuration. Made by [`StreamsConfig::new`] and [`StreamsConfig::set`] only.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct StreamsConfig {
            application_id: String,
            bootstrap_servers: Vec<HostPort>,
            client_id: String,
            application_server: Option<HostPort>,
            auto_offset_reset: AutoOffsetReset,
            default_timestamp_extractor: DefaultTimestampExtractor,
            error_handlers: ErrorHandlers,
            topic_configs: BTreeMap<String, String>,
            client_tags: BTreeMap<String, String>,
            client_rack: Option<String>,
            /// Keys that were set, and how much their prefixes weigh.
            given: BTreeMap<String, i8>,
            warnings: Vec<ConfigWarning>,
            rng_seed: Option<u64>,
            state_dir: Option<String>,
            topology_optimization: TopologyOptimization,
            ensure_explicit_internal_resource_naming: bool,
            is_global_processing_handled: bool,
            dsl_store_type: StoreType,
            dsl_store_format: DslStoreFormat,
            processing_guarantee: ProcessingGuarantee,
            commit_interval_ms: Option<u64>,
            compression_type: Compression,
            metadata_recovery_strategy: MetadataRecoveryStrategy,
            metrics_recording_level: RecordingLevel,
            pub(crate) mutant: Mutant,
            security: security::SecurityConfig,
            $( $field: $type, )*
        }

        impl StreamsConfig {
            fn with_defaults(application_id: String, bootstrap_servers: Vec<HostPort>) -> Self {
                Self {
                    application_id,
                    bootstrap_servers,
                    client_id: String::new(),
                    application_server: None,
                    auto_offset_reset: AutoOffsetReset::Earliest,
                    default_timestamp_extractor: DefaultTimestampExtractor::default(),
                    error_handlers: ErrorHandlers::default(),
                    topic_configs: BTreeMap::new(),
                    client_tags: BTreeMap::new(),
                    client_rack: None,
                    given: BTreeMap::new(),
                    warnings: Vec::new(),
                    rng_seed: None,
                    state_dir: None,
                    topology_optimization: TopologyOptimization::default(),
                    ensure_explicit_internal_resource_naming: false,
                    is_global_processing_handled: false,
                    dsl_store_type: StoreType::default(),
                    dsl_store_format: DslStoreFormat::default(),
                    processing_guarantee: ProcessingGuarantee::default(),
                    commit_interval_ms: None,
                    compression_type: Compression::default(),
                    metadata_recovery_strategy: MetadataRecoveryStrategy::default(),
                    metrics_recording_level: RecordingLevel::default(),
                    mutant: Mutant::default(),
                    security: security::SecurityConfig::default(),
                    $( $field: $default, )*
                }
            }

            fn set_number(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
                match key {
                    $( $key => {
                        let allowed = || format!("a whole number from {} to {}", $min, $max);
                        let parsed: $type = value
                            .trim()
                            .parse()
                            .map_err(|_| ConfigError::invalid(key, value, allowed()))?;
                        if !($min..=$max).contains(&parsed) {
                            return Err(ConfigError::invalid(key, value, allowed()));
                        }
                        self.$field = parsed;
                        Ok(())
                    } )*
                    _ => Err(ConfigError::Unknown { key: key.into() }),
                }
            }

            $( $(#[$doc])* #[doc = concat!("\n\nKey: `", $key, "`.")]
            pub const fn $field(&self) -> $type {
                self.$field
            } )*
        }
    };
}

const DAY_MS: u64 = 86_400_000;

streams_config! {
    /// Stream threads, each a member of the group with a client and a task runner of its own.
    num_stream_threads: usize = "num.stream.threads", 1, 1, 1024;
    /// Bytes of record cache over all threads of this instance.
    statestore_cache_max_bytes: usize = "statestore.cache.max.bytes", 10 * 1024 * 1024, 0, isize::MAX as usize;
    /// Bytes of uncommitted writes to persistent stores over all threads of this instance, which
    /// wait in memory: above it a thread commits early, and above twice as many it processes no
    /// more until that commit is over, whatever the guarantee (KIP-892). Rows that are restored, or
    /// followed by standbys, may take as many once more.
    statestore_uncommitted_max_bytes: usize = "statestore.uncommitted.max.bytes", 64 * 1024 * 1024, 1, isize::MAX as usize / 2;
    /// Bytes of rows of persistent stores that are kept in memory, over all tasks of this instance,
    /// which share them evenly; the system caches the rest of their files. (Java bounds RocksDB in a `RocksDBConfigSetter`, and
    /// gives every store 98 MB without one.)
    statestore_page_cache_max_bytes: usize = "statestore.page.cache.max.bytes", 512 * 1024 * 1024, 0, isize::MAX as usize;
    /// The longest that user code may keep a thread busy before the member leaves the group.
    max_poll_interval_ms: u64 = "max.poll.interval.ms", 300_000, 1, i32::MAX as u64;
    /// Most records processed before outputs and messages are looked at again.
    max_poll_records: usize = "max.poll.records", 1000, 1, i32::MAX as usize;
    /// Buffered input records of one partition above which its fetching pauses, beside those of the
    /// last answer; whole batches count.
    buffered_records_per_partition: usize = "buffered.records.per.partition", 1000, 1, i32::MAX as usize;
    /// How long to wait for the answer to a request before the connection is given up.
    request_timeout_ms: u64 = "request.timeout.ms", 40_000, 1, i32::MAX as u64;
    /// First wait before a failed request is tried again.
    retry_backoff_ms: u64 = "retry.backoff.ms", 100, 0, i32::MAX as u64;
    /// Longest wait before a failed request is tried again.
    retry_backoff_max_ms: u64 = "retry.backoff.max.ms", 1000, 0, i32::MAX as u64;
    /// How long a connection may take until the broker has answered its first request, and a login.
    socket_connection_setup_timeout_ms: u64 = "socket.connection.setup.timeout.ms", 10_000, 1, i64::MAX as u64;
    /// First wait before a broker is connected to again.
    reconnect_backoff_ms: u64 = "reconnect.backoff.ms", 50, 0, i32::MAX as u64;
    /// Longest wait before a broker is connected to again.
    reconnect_backoff_max_ms: u64 = "reconnect.backoff.max.ms", 1000, 0, i32::MAX as u64;
    /// How old metadata may grow before it is fetched again unasked.
    metadata_max_age_ms: u64 = "metadata.max.age.ms", 300_000, 0, i64::MAX as u64;
    /// How long brokers may answer without telling metadata before the client begins with
    /// `bootstrap.servers` again (KIP-1102).
    metadata_recovery_rebootstrap_trigger_ms: u64 = "metadata.recovery.rebootstrap.trigger.ms", 300_000, 0, i64::MAX as u64;
    /// How long the state of a task that is elsewhere lies in `state.dir` after it was written last,
    /// and how often that is looked after.
    state_cleanup_delay_ms: u64 = "state.cleanup.delay.ms", 600_000, 1, i64::MAX as u64;
    /// The state of tasks that was not written for so long is removed at the start (KIP-1259); -1
    /// leaves it.
    state_cleanup_dir_max_age_ms: i64 = "state.cleanup.dir.max.age.ms", -1, -1, i64::MAX;
    /// How long a task may be blocked by time-outs before its thread fails.
    task_timeout_ms: u64 = "task.timeout.ms", 300_000, 0, i64::MAX as u64;
    /// How long a record may stay unacknowledged before its send fails.
    delivery_timeout_ms: u64 = "delivery.timeout.ms", 120_000, 1, i32::MAX as u64;
    /// How long a topic is looked for before the production handler is asked about the records for it.
    max_block_ms: u64 = "max.block.ms", 60_000, 0, i64::MAX as u64;
    /// How long a transaction may stay open before the coordinator aborts it (exactly-once only).
    transaction_timeout_ms: u64 = "transaction.timeout.ms", 10_000, 1, i32::MAX as u64;
    /// How long a batch waits for more records while requests are not back to back.
    linger_ms: u64 = "linger.ms", 100, 0, i32::MAX as u64;
    /// Size at which a batch is sealed and sent.
    batch_size: usize = "batch.size", 256 * 1024, 1, 64 * 1024 * 1024;
    /// Largest request and largest record sent.
    max_request_size: usize = "max.request.size", 1_048_576, 1, 256 * 1024 * 1024;
    /// Bytes of unacknowledged records above which processing waits.
    buffer_memory: usize = "buffer.memory", 32 * 1024 * 1024, 1, isize::MAX as usize;
    /// Most bytes of one fetch answer.
    fetch_max_bytes: i32 = "fetch.max.bytes", 50 * 1024 * 1024, 1, i32::MAX;
    /// Most bytes of one partition in one fetch answer.
    max_partition_fetch_bytes: i32 = "max.partition.fetch.bytes", 1024 * 1024, 1, i32::MAX;
    /// How long a broker may hold a fetch that finds nothing.
    fetch_max_wait_ms: u64 = "fetch.max.wait.ms", 500, 0, i32::MAX as u64;
    /// How many bytes a broker waits for, up to `fetch.max.wait.ms`, before it answers a fetch.
    fetch_min_bytes: i32 = "fetch.min.bytes", 1, 0, i32::MAX;
    /// How often records of repartition topics are deleted once they are committed.
    repartition_purge_interval_ms: u64 = "repartition.purge.interval.ms", 30_000, 0, i64::MAX as u64;
    /// Replicas of internal topics; -1 takes the broker's default.
    replication_factor: i16 = "replication.factor", -1, -1, i16::MAX;
    /// How long a task with an empty input partition waits for it (-1: not at all).
    max_task_idle_ms: i64 = "max.task.idle.ms", 0, -1, i64::MAX;
    /// Added to the retention of windowed changelogs.
    windowstore_changelog_additional_retention_ms: u64 = "windowstore.changelog.additional.retention.ms", DAY_MS, 0, i64::MAX as u64;
    /// How long windowed aggregations that emit when windows close wait, on the wall clock, before
    /// they look for closed windows again.
    windowed_aggregation_emit_interval_ms: u64 = "__emit.interval.ms.kstreams.windowed.aggregation__", 1000, 0, i64::MAX as u64;
    /// How long left and outer joins of streams wait, on the wall clock, before they look for
    /// records without a match again.
    outer_join_emit_interval_ms: u64 = "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 1000, 0, i64::MAX as u64;
}

impl StreamsConfig {
    /// The two settings that have no default: `application.id`, which is also the group id and the
    /// prefix of internal topics, and `bootstrap.servers`, a comma-separated list of `HOST:PORT`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when the id cannot be part of a topic name or an address is wrong.
    pub fn new(
        application_id: impl Into<String>,
        bootstrap_servers: impl AsRef<str>,
    ) -> Result<Self, ConfigError> {
        let application_id = application_id.into();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if application_id.is_empty()
            || application_id.len() > 200
            || !application_id.chars().all(legal)
        {
            return Err(ConfigError::invalid(
                "application.id",
                &application_id,
                "1 to 200 letters, digits, '.', '_' or '-'",
            ));
        }
        let servers = parse_servers(bootstrap_servers.as_ref())?;
        Ok(Self::with_defaults(application_id, servers))
    }

    /// This configuration with `key` set to `value`, both as in a Java properties file. Keys may have
    /// the prefixes `consumer.`, `main.consumer.` (which weighs more) and `producer.`; `topic.KEY` sets
    /// a configuration of internal topics, `client.tag.KEY` a tag of this client. A key of Java's that
    /// means nothing here is [warned about](Self::warnings).
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] for a key this version does not know, [`ConfigError::Invalid`] for a
    /// value out of range.
    pub fn set(mut self, key: &str, value: impl ToString) -> Result<Self, ConfigError> {
        self.apply(key, &value.to_string())?;
        Ok(self)
    }

    /// Sets a key without its prefix.
    fn set_plain(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        match key {
            "bootstrap.servers" => self.bootstrap_servers = parse_servers(value)?,
            "client.id" => self.client_id = value.to_owned(),
            "client.rack" => {
                self.client_rack = Some(value.to_owned()).filter(|rack| !rack.is_empty())
            }
            "state.dir" if value.is_empty() => {
                return Err(ConfigError::invalid(key, value, "a directory"));
            }
            "state.dir" => self.state_dir = Some(value.to_owned()),
            "application.server" if value.is_empty() => self.application_server = None,
            "application.server" => {
                let server = HostPort::parse(value);
                let invalid = |_| ConfigError::invalid(key, value, "HOST:PORT");
                self.application_server = Some(server.map_err(invalid)?);
            }
            "auto.offset.reset" => {
                let allowed = "earliest, latest, none or by_duration:PnDTnHnMn.nS";
                self.auto_offset_reset = AutoOffsetReset::parse(value)
                    .ok_or_else(|| ConfigError::invalid(key, value, allowed))?;
            }
            "processing.exception.handler.global.enabled" => {
                self.is_global_processing_handled = parse_bool(key, value)?;
            }
            "errors.dead.letter.queue.topic.name"
            | "deserialization.exception.handler"
            | "processing.exception.handler"
            | "production.exception.handler" => self.set_error_handling(key, value)?,
            "metadata.recovery.strategy" => {
                self.metadata_recovery_strategy = MetadataRecoveryStrategy::parse(key, value)?;
            }
            "metrics.recording.level" => {
                self.metrics_recording_level = RecordingLevel::parse(value)
                    .ok_or_else(|| ConfigError::invalid(key, value, "INFO, DEBUG or TRACE"))?;
            }
            "compression.type" => self.compression_type = parse_compression(key, value)?,
            "default.timestamp.extractor" => {
                let allowed = "FailOnInvalidTimestamp, LogAndSkipOnInvalidTimestamp, \
                               UsePartitionTimeOnInvalidTimestamp or WallclockTimestampExtractor; \
                               give a source an extractor of your own where the topology is built";
                self.default_timestamp_extractor = DefaultTimestampExtractor::parse(value)
                    .ok_or_else(|| ConfigError::invalid(key, value, allowed))?;
            }
            "topology.optimization" => {
                self.topology_optimization = TopologyOptimization::parse(key, value)?;
            }
            "ensure.explicit.internal.resource.naming" => {
                self.ensure_explicit_internal_resource_naming = parse_bool(key, value)?;
            }
            "dsl.store.suppliers.class" | "default.dsl.store" => {
                self.dsl_store_type = StoreType::parse(key, value)?;
            }
            "dsl.store.format" => self.dsl_store_format = DslStoreFormat::parse(key, value)?,
            "processing.guarantee" => {
                self.processing_guarantee = ProcessingGuarantee::parse(key, value)?;
            }
            _ if ["security.", "sasl.", "ssl."]
                .iter()
                .any(|p| key.starts_with(p)) =>
            {
                self.set_security(key, value)?;
            }
            "commit.interval.ms" => self.set_commit_interval(key, value)?,
            _ => self.set_number(key, value)?,
        }
        Ok(())
    }

    /// This configuration with the seed of every random choice; by default the driver draws one.
    pub fn with_rng_seed(mut self, seed: u64) -> Self {
        self.rng_seed = Some(seed);
        self
    }

    /// Key: `application.id`.
    pub fn application_id(&self) -> &str {
        &self.application_id
    }

    /// Key: `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> &[HostPort] {
        &self.bootstrap_servers
    }

    /// Where this instance answers queries of others, which the group is told; the application
    /// listens there itself. Key: `application.server`.
    pub const fn application_server(&self) -> Option<&HostPort> {
        self.application_server.as_ref()
    }

    /// Key: `client.id`; the application id where it is not set.
    pub fn client_id(&self) -> &str {
        if self.client_id.is_empty() {
            &self.application_id
        } else {
            &self.client_id
        }
    }

    /// Key: `auto.offset.reset`.
    pub const fn auto_offset_reset(&self) -> AutoOffsetReset {
        self.auto_offset_reset
    }

    /// How the batches that are sent are compressed. Key: `compression.type`.
    pub const fn compression_type(&self) -> Compression {
        self.compression_type
    }

    /// Key: `metadata.recovery.strategy`.
    pub const fn metadata_recovery_strategy(&self) -> MetadataRecoveryStrategy {
        self.metadata_recovery_strategy
    }

    /// Which metrics are shown (key: `metrics.recording.level`).
    pub const fn metrics_recording_level(&self) -> RecordingLevel {
        self.metrics_recording_level
    }

    /// Key: `default.timestamp.extractor`.
    pub const fn default_timestamp_extractor(&self) -> DefaultTimestampExtractor {
        self.default_timestamp_extractor
    }

    /// Configurations of internal topics given with the prefix `topic.`, sorted by key.
    pub const fn topic_configs(&self) -> &BTreeMap<String, String> {
        &self.topic_configs
    }

    /// Tags of this client, which the group is told (keys: `client.tag.KEY`).
    pub const fn client_tags(&self) -> &BTreeMap<String, String> {
        &self.client_tags
    }

    /// The rack of this client, which the group is told (key: `client.rack`).
    pub fn client_rack(&self) -> Option<&str> {
        self.client_rack.as_deref()
    }

    /// Key: `topology.optimization`; see `StreamsBuilder::build_with`.
    pub const fn topology_optimization(&self) -> TopologyOptimization {
        self.topology_optimization
    }

    /// Whether stores and internal topics must have names given by the user (KIP-1111); see
    /// `StreamsBuilder::build_with`. Key: `ensure.explicit.internal.resource.naming`.
    pub const fn ensure_explicit_internal_resource_naming(&self) -> bool {
        self.ensure_explicit_internal_resource_naming
    }

    /// Where the rows of DSL stores lie unless an operator says so. Keys:
    /// `dsl.store.suppliers.class`, `default.dsl.store`.
    pub const fn dsl_store_type(&self) -> StoreType {
        self.dsl_store_type
    }

    /// What the rows of DSL stores have beside their values. Key: `dsl.store.format`.
    pub const fn dsl_store_format(&self) -> DslStoreFormat {
        self.dsl_store_format
    }

    /// The directory for persistent stores, which every instance needs for itself. Without one
    /// they live in memory, and are restored from their changelogs (Java has a default among
    /// temporary files). Key: `state.dir`.
    pub fn state_dir(&self) -> Option<&str> {
        self.state_dir.as_deref()
    }

    /// The seed of every random choice, if one was given.
    pub const fn rng_seed(&self) -> Option<u64> {
        self.rng_seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_has_javas_names() {
        let set = |value: &str| {
            let config = StreamsConfig::new("app", "localhost:9092")?;
            let config = config.set("producer.compression.type", value)?;
            Ok(config.compression_type())
        };
        for codec in Compression::ALL {
            assert_eq!(set(codec.name()), Ok(codec));
        }
        let refused: Result<_, ConfigError> = set("brotli");
        let message = refused.expect_err("no such codec").to_string();
        assert!(
            message.contains("none, gzip, snappy, lz4, zstd"),
            "{message}"
        );
    }

    #[test]
    fn values_are_checked_and_named() {
        let config = StreamsConfig::new("app", "a:1, [::1]:2").expect("valid");
        assert_eq!(config.bootstrap_servers()[1].to_string(), "[::1]:2");
        let error = config
            .clone()
            .set("num.stream.threads", "0")
            .expect_err("refused");
        assert_eq!(
            error.to_string(),
            "configuration num.stream.threads = \"0\" is not valid: give a whole number from 1 to 1024"
        );
        assert!(matches!(
            config.clone().set("no.such", 1),
            Err(ConfigError::Unknown { .. })
        ));
        assert!(StreamsConfig::new("a b", "a:1").is_err());
        assert!(StreamsConfig::new("a", "").is_err());
        assert!(StreamsConfig::new("a", "host").is_err());
        assert!(StreamsConfig::new("a", "host:99999").is_err());
        let duration = config
            .clone()
            .set("auto.offset.reset", "by_duration:P1DT2H3M4.5S");
        let duration_ms = ((26 * 60 + 3) * 60 + 4) * 1000 + 500;
        assert_eq!(
            duration.map(|c| c.auto_offset_reset()),
            Ok(AutoOffsetReset::ByDuration { duration_ms })
        );
        for wrong in ["P", "PT", "PT1", "P1H", "PT1S1M", "1D", "PT-1S", "PT1.5H"] {
            let reset = config
                .clone()
                .set("auto.offset.reset", format!("by_duration:{wrong}"));
            assert!(reset.is_err(), "{wrong}");
        }
        let name = "org.apache.kafka.streams.processor.WallclockTimestampExtractor";
        let extractor = config.clone().set("default.timestamp.extractor", name);
        assert_eq!(
            extractor.map(|c| c.default_timestamp_extractor()),
            Ok(DefaultTimestampExtractor::WallclockTimestampExtractor)
        );
        let config = config
            .set("producer.linger.ms", 5)
            .and_then(|c| c.set("topic.x", "y"));
        assert_eq!(config.map(|c| c.linger_ms()), Ok(5));
    }
}
