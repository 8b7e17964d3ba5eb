//! Keys of Kafka Streams and its clients that mean something else here, or nothing.

use super::{ConfigError, ConfigWarning, StreamsConfig};

/// Where a key with a prefix belongs, and how much it weighs against the same key with another one:
/// `main.consumer.` overrides `consumer.`, which overrides none. One client does it all here.
pub(super) fn split_prefix(key: &str) -> (&str, i8) {
    let prefixes = [("main.consumer.", 2), ("consumer.", 1), ("producer.", 1)];
    for (prefix, rank) in prefixes {
        if let Some(plain) = key.strip_prefix(prefix) {
            return (plain, rank);
        }
    }
    // Older names give way to newer ones.
    match key {
        "cache.max.bytes.buffering" => ("statestore.cache.max.bytes", -1),
        "default.deserialization.exception.handler" => ("deserialization.exception.handler", -1),
        "default.production.exception.handler" => ("production.exception.handler", -1),
        _ => (key, 0),
    }
}

/// Why a key of Java's has no effect, where it has none.
pub(super) fn without_effect(key: &str, value: &str) -> Option<&'static str> {
    let other_clients = ["restore.consumer.", "global.consumer.", "admin."];
    if other_clients.iter().any(|prefix| key.starts_with(prefix)) {
        return Some("there is one client for everything: set it without a prefix");
    }
    if key.starts_with("rack.aware.assignment.") {
        return Some(ASSIGNED);
    }
    if key.starts_with("default.list.") {
        return Some(TYPED);
    }
    let (plain, _) = split_prefix(key);
    Some(match plain {
        "num.standby.replicas" if value.trim() == "0" => return None,
        "num.standby.replicas" => {
            "it is a configuration of the group: set streams.num.standby.replicas of the group with \
             kafka-configs.sh"
        }
        "session.timeout.ms" | "heartbeat.interval.ms" => {
            "it is a configuration of the group: set it with the prefix streams. of the group with \
             kafka-configs.sh"
        }
        "acceptable.recovery.lag"
        | "max.warmup.replicas"
        | "probing.rebalance.interval.ms"
        | "task.assignor.class"
        | "upgrade.from"
        | "group.remote.assignor"
        | "partition.assignment.strategy" => ASSIGNED,
        "auto.include.jmx.reporter" | "enable.metrics.push" | "metric.reporters" => {
            "metrics are read by the application: see RunningStreams::metrics"
        }
        "built.in.metrics.version" => "metrics have the names of the latest version",
        "log.summary.interval.ms" => "the log has no summaries: see RunningStreams::metrics",
        "metrics.num.samples" | "metrics.sample.window.ms" => {
            "averages and extremes are over two windows of 30 seconds"
        }
        "default.key.serde"
        | "default.value.serde"
        | "window.size.ms"
        | "windowed.inner.class.serde"
        | "key.serializer"
        | "value.serializer"
        | "key.deserializer"
        | "value.deserializer" => TYPED,
        "acks"
        | "allow.auto.create.topics"
        | "enable.auto.commit"
        | "enable.idempotence"
        | "group.id"
        | "isolation.level"
        | "max.in.flight.requests.per.connection"
        | "retries"
        | "transactional.id" => "processing.guarantee and application.id decide it",
        _ => return decided_elsewhere(plain),
    })
}

/// The same of keys about how things are done.
fn decided_elsewhere(plain: &str) -> Option<&'static str> {
    Some(match plain {
        "default.client.supplier" | "partitioner.class" | "rocksdb.config.setter" => {
            "it names a class of Java"
        }
        "processor.wrapper.class" => "it is given to the builder: with_processor_wrapper",
        "allow.os.group.write.access"
        | "client.dns.lookup"
        | "receive.buffer.bytes"
        | "send.buffer.bytes" => "the system decides it",
        "connections.max.idle.ms" => "brokers close what is idle, and it is connected again",
        "socket.connection.setup.timeout.max.ms" => {
            "every connection may take socket.connection.setup.timeout.ms"
        }
        "metadata.max.idle.ms" => "topics stay known",
        "auto.commit.interval.ms" => "commit.interval.ms decides it",
        "default.api.timeout.ms" => "task.timeout.ms decides it",
        "check.crcs" => "they are always checked",
        "exclude.internal.topics" => "topics are read by name",
        "compression.gzip.level" | "compression.lz4.level" | "compression.zstd.level" => {
            "codecs have one level"
        }
        "partitioner.adaptive.partitioning.enable" | "partitioner.availability.timeout.ms" => {
            "records without a key go to the partitions in turn, a batch each"
        }
        "share.acknowledgement.mode" | "share.acquire.mode" => "there are no share groups",
        "internal.throw.on.fetch.stable.offset.unsupported" => "brokers 4.2 and later have it",
        "poll.ms" => "threads wake when there is something to do",
        _ => return None,
    })
}

const ASSIGNED: &str = "the coordinator of the group assigns tasks";
const TYPED: &str = "the types of the topology decide how they are read and written";

/// What cannot be had, although records would be processed differently with it.
fn refused(plain: &str, value: &str) -> Option<&'static str> {
    let is_none = value.trim().is_empty();
    match plain {
        "group.protocol" if !value.trim().eq_ignore_ascii_case("streams") => Some(
            "streams: members speak KIP-1071 alone; an application of group.protocol=classic has \
             to be stopped before it is started with this one",
        ),
        "group.instance.id" if !is_none => {
            Some("nothing: groups of the streams protocol have no static members")
        }
        "config.providers" if !is_none => Some("nothing: give the values themselves"),
        "interceptor.classes" if !is_none => Some("nothing: there are no interceptors"),
        "partitioner.ignore.keys" | "transaction.two.phase.commit.enable"
            if !value.trim().eq_ignore_ascii_case("false") =>
        {
            Some("false: equal keys go to one partition, and a thread commits its own transactions")
        }
        _ => None,
    }
}

/// Whether [`refused`] is all there is to say of a key.
fn is_fixed(plain: &str) -> bool {
    matches!(
        plain,
        "group.protocol"
            | "group.instance.id"
            | "config.providers"
            | "interceptor.classes"
            | "partitioner.ignore.keys"
            | "transaction.two.phase.commit.enable"
    )
}

/// Bounds of Java's `StreamsConfig`.
const CLIENT_TAGS_MAX: usize = 5;
const CLIENT_TAG_KEY_MAX: usize = 20;
const CLIENT_TAG_VALUE_MAX: usize = 30;

impl StreamsConfig {
    /// Sets any key, whatever its prefix.
    pub(super) fn apply(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        if let Some(topic_key) = key.strip_prefix("topic.") {
            self.topic_configs.insert(topic_key.into(), value.into());
            return Ok(());
        }
        if let Some(tag) = key.strip_prefix("client.tag.") {
            return self.set_client_tag(key, tag, value);
        }
        if let Some(reason) = without_effect(key, value) {
            let key = key.to_owned();
            self.warn(ConfigWarning::Ignored { key, reason });
            return Ok(());
        }
        let (plain, rank) = split_prefix(key);
        if let Some(allowed) = refused(plain, value) {
            return Err(ConfigError::invalid(key, value, allowed));
        }
        if is_fixed(plain) || (plain == "num.standby.replicas" && value.trim() == "0") {
            return Ok(());
        }
        let named = |error| match error {
            ConfigError::Invalid { value, allowed, .. } => ConfigError::Invalid {
                key: key.to_owned(),
                value,
                allowed,
            },
            ConfigError::Unknown { .. } => ConfigError::Unknown {
                key: key.to_owned(),
            },
            error => error,
        };
        if self.given.get(plain).is_some_and(|given| *given > rank) {
            // What weighs more was given before; this must be valid all the same.
            return self.clone().set_plain(plain, value).map_err(named);
        }
        self.set_plain(plain, value).map_err(named)?;
        self.given.insert(plain.to_owned(), rank);
        Ok(())
    }

    pub(super) fn warn(&mut self, warning: ConfigWarning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn set_client_tag(&mut self, key: &str, tag: &str, value: &str) -> Result<(), ConfigError> {
        let is_new = !self.client_tags.contains_key(tag);
        if tag.trim().is_empty()
            || tag.len() > CLIENT_TAG_KEY_MAX
            || value.trim().is_empty()
            || value.len() > CLIENT_TAG_VALUE_MAX
            || (is_new && self.client_tags.len() == CLIENT_TAGS_MAX)
        {
            let allowed = format!(
                "at most {CLIENT_TAGS_MAX} tags, each with a key of 1 to {CLIENT_TAG_KEY_MAX} and a \
                 value of 1 to {CLIENT_TAG_VALUE_MAX} bytes"
            );
            return Err(ConfigError::invalid(key, value, allowed));
        }
        self.client_tags.insert(tag.to_owned(), value.to_owned());
        Ok(())
    }
}
