//! `topology.optimization`.

use super::ConfigError;

/// Which optimisations are applied when a topology of the DSL is built: none by default. An
/// application that changes them gets other internal topics, so it must be reset (key:
/// `topology.optimization`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopologyOptimization {
    /// Tables are restored from the topics they read, without changelogs of their own
    /// (`reuse.ktable.source.topics`).
    pub reuses_source_topics: bool,
    /// One change of keys makes one repartition topic (`merge.repartition.topics`).
    pub merges_repartition_topics: bool,
    /// The join of a stream with itself keeps one window store (`single.store.self.join`).
    pub single_store_self_join: bool,
}

impl TopologyOptimization {
    /// All of them (`all`).
    pub const ALL: Self = Self {
        reuses_source_topics: true,
        merges_repartition_topics: true,
        single_store_self_join: true,
    };

    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        let mut parsed = Self::default();
        for part in value.split(',').map(str::trim) {
            match part {
                "all" if !value.contains(',') => return Ok(Self::ALL),
                "none" if !value.contains(',') => {}
                "reuse.ktable.source.topics" => parsed.reuses_source_topics = true,
                "merge.repartition.topics" => parsed.merges_repartition_topics = true,
                "single.store.self.join" => parsed.single_store_self_join = true,
                _ => {
                    return Err(ConfigError::invalid(
                        key,
                        value,
                        "all, none, or a comma-separated list of reuse.ktable.source.topics, \
                         merge.repartition.topics and single.store.self.join",
                    ));
                }
            }
        }
        Ok(parsed)
    }
}
