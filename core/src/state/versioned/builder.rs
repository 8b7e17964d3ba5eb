//! Recipes for versioned stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{CacheBudget, StateError, StateStore, StoreBuilder, Stores};
use super::persistent::PersistentVersionedKeyValueStore;
use super::rows::{ByteVersionedStore, InMemoryVersionedKeyValueStore};
use super::store::VersionedKeyValueStore;
use crate::serde::SerdeRef;
use crate::state::handle::StoreHandle;

/// Makes the rows of a versioned store (Java: `VersionedBytesStoreSupplier`).
pub trait VersionedBytesStoreSupplier: Send + Sync {
    /// The name of the store.
    fn name(&self) -> &str;

    /// How long replaced versions are known, in milliseconds.
    fn history_retention_ms(&self) -> i64;

    /// New rows.
    fn supply(&self) -> Box<dyn ByteVersionedStore>;
}

impl Stores {
    /// Versions in memory, with the visibility of [`persistent_versioned_key_value_store`]. Both
    /// times are in milliseconds; `segment_interval_ms` is how many versions expire together, by
    /// default Java's fraction of the history retention.
    ///
    /// # Errors
    /// When the history retention is negative or the segment interval is below 1.
    ///
    /// [`persistent_versioned_key_value_store`]: Self::persistent_versioned_key_value_store
    pub fn in_memory_versioned_key_value_store(
        name: impl Into<Arc<str>>,
        history_retention_ms: i64,
        segment_interval_ms: Option<i64>,
    ) -> Result<Arc<dyn VersionedBytesStoreSupplier>, StateError> {
        let supplier = Supplier::new(name.into(), history_retention_ms, segment_interval_ms)?;
        Ok(Arc::new(supplier))
    }

    /// Versions in the storage of the task (Java: `persistentVersionedKeyValueStore`); for the
    /// arguments see [`in_memory_versioned_key_value_store`].
    ///
    /// # Errors
    /// As for [`in_memory_versioned_key_value_store`].
    ///
    /// [`in_memory_versioned_key_value_store`]: Self::in_memory_versioned_key_value_store
    pub fn persistent_versioned_key_value_store(
        name: impl Into<Arc<str>>,
        history_retention_ms: i64,
        segment_interval_ms: Option<i64>,
    ) -> Result<Arc<dyn VersionedBytesStoreSupplier>, StateError> {
        let supplier = Supplier::new(name.into(), history_retention_ms, segment_interval_ms)?;
        Ok(Arc::new(Supplier {
            is_persistent: true,
            ..supplier
        }))
    }

    /// A store of values by key and time: logged. It is never cached.
    pub fn versioned_key_value_store_builder<K, V>(
        supplier: Arc<dyn VersionedBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> VersionedKeyValueStoreBuilder<K, V> {
        VersionedKeyValueStoreBuilder {
            changelog_config: versioned_changelog_config(supplier.history_retention_ms()),
            supplier,
            keys,
            values,
            is_logged: true,
        }
    }
}

/// `RocksDbVersionedKeyValueBytesStoreSupplier.defaultSegmentInterval`.
fn default_segment_interval(history_retention_ms: i64) -> i64 {
    match history_retention_ms {
        ..=60_000 => (history_retention_ms / 3).max(2_000),
        60_001..=300_000 => (history_retention_ms / 5).max(20_000),
        300_001..=3_600_000 => (history_retention_ms / 12).max(60_000),
        _ => (history_retention_ms / 24).max(300_000),
    }
}

/// What Java sets for the changelog of a versioned store (`VersionedChangelogTopicConfig`): what is
/// compacted must be history.
fn versioned_changelog_config(history_retention_ms: i64) -> BTreeMap<String, String> {
    let lag_ms = history_retention_ms.saturating_add(ADDITIONAL_COMPACTION_LAG_MS);
    [
        ("cleanup.policy", "compact".to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
        ("min.compaction.lag.ms", lag_ms.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

struct Supplier {
    name: Arc<str>,
    history_retention_ms: i64,
    segment_interval_ms: i64,
    is_persistent: bool,
}

impl Supplier {
    fn new(
        name: Arc<str>,
        history_retention_ms: i64,
        segment_interval_ms: Option<i64>,
    ) -> Result<Self, StateError> {
        let segment_interval_ms =
            segment_interval_ms.unwrap_or_else(|| default_segment_interval(history_retention_ms));
        let message = if history_retention_ms < 0 {
            format!("the history retention of {history_retention_ms} ms is negative")
        } else if segment_interval_ms < 1 {
            format!("the segment interval of {segment_interval_ms} ms must be at least 1")
        } else {
            return Ok(Self {
                name,
                history_retention_ms,
                segment_interval_ms,
                is_persistent: false,
            });
        };
        let store = name.as_ref().to_owned();
        Err(StateError::Invalid { store, message })
    }
}

impl VersionedBytesStoreSupplier for Supplier {
    fn name(&self) -> &str {
        &self.name
    }

    fn history_retention_ms(&self) -> i64 {
        self.history_retention_ms
    }

    fn supply(&self) -> Box<dyn ByteVersionedStore> {
        let times = (self.history_retention_ms, self.segment_interval_ms);
        if self.is_persistent {
            let rows = PersistentVersionedKeyValueStore::new(&self.name, times.0, times.1);
            return Box::new(rows);
        }
        Box::new(InMemoryVersionedKeyValueStore::new(times.0, times.1))
    }
}

/// The recipe of a [`VersionedKeyValueStore`].
pub struct VersionedKeyValueStoreBuilder<K, V> {
    supplier: Arc<dyn VersionedBytesStoreSupplier>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    is_logged: bool,
    changelog_config: BTreeMap<String, String>,
}

impl<K, V> Clone for VersionedKeyValueStoreBuilder<K, V> {
    fn clone(&self) -> Self {
        Self {
            supplier: Arc::clone(&self.supplier),
            keys: Arc::clone(&self.keys),
            values: Arc::clone(&self.values),
            is_logged: self.is_logged,
            changelog_config: self.changelog_config.clone(),
        }
    }
}

impl<K, V> VersionedKeyValueStoreBuilder<K, V> {
    /// What processors ask for the store by.
    pub fn handle(&self) -> StoreHandle<VersionedKeyValueStore<K, V>> {
        StoreHandle::new(Arc::from(self.supplier.name()))
    }

    /// The store has a changelog topic; `config` is put over the settings of that topic.
    #[must_use]
    pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
        self.is_logged = true;
        self.changelog_config.extend(config);
        self
    }

    /// The store has no changelog topic: what it holds is lost with its task.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.is_logged = false;
        self.changelog_config = versioned_changelog_config(self.supplier.history_retention_ms());
        self
    }
}

impl<K: 'static, V: 'static> VersionedKeyValueStoreBuilder<K, V> {
    /// [`StoreBuilder::build`] as what it is.
    pub fn build_typed(&self) -> VersionedKeyValueStore<K, V> {
        VersionedKeyValueStore::new(
            self.supplier.name(),
            self.supplier.supply(),
            Arc::clone(&self.keys),
            Arc::clone(&self.values),
            self.is_logged,
        )
    }
}

impl<K: 'static, V: 'static> StoreBuilder for VersionedKeyValueStoreBuilder<K, V> {
    fn name(&self) -> &str {
        self.supplier.name()
    }

    fn is_logged(&self) -> bool {
        self.is_logged
    }

    fn changelog_config(&self) -> &BTreeMap<String, String> {
        &self.changelog_config
    }

    fn history_retention_ms(&self) -> Option<i64> {
        Some(self.supplier.history_retention_ms())
    }

    fn build(&self, _budget: &CacheBudget) -> Box<dyn StateStore> {
        Box::new(self.build_typed())
    }
}

/// `VersionedChangelogTopicConfig.VERSIONED_STORE_CHANGE_LOG_ADDITIONAL_COMPACTION_LAG_MS`: a day,
/// since stream time and the broker's clock differ.
const ADDITIONAL_COMPACTION_LAG_MS: i64 = 24 * 60 * 60 * 1000;
