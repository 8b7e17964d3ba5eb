//! Recipes for stores: a topology keeps one for each store, and every task builds its own from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::byte_store::{ByteKeyValueStore, InMemoryKeyValueStore};
use super::handle::StoreHandle;
use super::key_value::{
    KeyValueStore, TimestampedKeyValueStore, TimestampedKeyValueStoreWithHeaders,
    TypedKeyValueStore,
};
use super::lru::LruMap;
use super::stack::{KeyValueBytesStore, KeyValueStoreOptions};
use super::storage::PersistentKeyValueStore;
use super::value::{ValueFormat, ValueLayout};
use super::{CacheBudget, StateStore};
use crate::config::StreamsConfig;
use crate::serde::SerdeRef;

/// Builds the store of one task (Java: `StoreBuilder`).
pub trait StoreBuilder: Send + Sync {
    /// The name of the store.
    fn name(&self) -> &str;

    /// True when the store has a changelog topic.
    fn is_logged(&self) -> bool;

    /// The settings of the changelog topic: those of the kind of store under those of the user.
    fn changelog_config(&self) -> &BTreeMap<String, String>;

    /// How long the rows live in milliseconds, where they expire: the changelog topic keeps its
    /// records as long and `windowstore.changelog.additional.retention.ms` more.
    fn retention_ms(&self) -> Option<i64> {
        None
    }

    /// The recipe to take instead under `config`, where that decides what the store is made of
    /// (Java: `StoreFactory.configure`).
    fn configured(&self, config: &StreamsConfig) -> Option<Arc<dyn StoreBuilder>> {
        let _ = config;
        None
    }

    /// How long replaced versions are known in milliseconds, where the store is versioned.
    fn history_retention_ms(&self) -> Option<i64> {
        None
    }

    /// A new, empty store whose cache takes its bytes from `budget`.
    fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore>;
}

impl<B: StoreBuilder + ?Sized> StoreBuilder for Box<B> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn is_logged(&self) -> bool {
        (**self).is_logged()
    }

    fn changelog_config(&self) -> &BTreeMap<String, String> {
        (**self).changelog_config()
    }

    fn retention_ms(&self) -> Option<i64> {
        (**self).retention_ms()
    }

    fn configured(&self, config: &StreamsConfig) -> Option<Arc<dyn StoreBuilder>> {
        (**self).configured(config)
    }

    fn history_retention_ms(&self) -> Option<i64> {
        (**self).history_retention_ms()
    }

    fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore> {
        (**self).build(budget)
    }
}

/// Makes the rows of a key-value store (Java: `KeyValueBytesStoreSupplier`).
pub trait KeyValueBytesStoreSupplier: Send + Sync {
    /// The name of the store.
    fn name(&self) -> &str;

    /// New rows.
    fn supply(&self) -> Box<dyn ByteKeyValueStore>;
}

/// Where store recipes begin (Java: `Stores`).
///
/// ```
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::state::{CacheBudget, StoreBuilder, Stores};
///
/// let builder = Stores::key_value_store_builder(
///     Stores::in_memory_key_value_store("counts"),
///     String::default_serde(),
///     i64::default_serde(),
/// )
/// .with_caching_enabled();
/// assert!(builder.build(&CacheBudget::new(10 << 20)).is_cached());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stores;

impl Stores {
    /// Rows in memory.
    pub fn in_memory_key_value_store(
        name: impl Into<Arc<str>>,
    ) -> Arc<dyn KeyValueBytesStoreSupplier> {
        Arc::new(Supplier::new(name, || {
            Box::new(InMemoryKeyValueStore::new())
        }))
    }

    /// At most `max_entries` rows in memory, of which a further one pushes out the one used longest
    /// ago; a store of plain values logs that as a deletion.
    pub fn lru_map(
        name: impl Into<Arc<str>>,
        max_entries: usize,
    ) -> Arc<dyn KeyValueBytesStoreSupplier> {
        Arc::new(Supplier::new(name, move || {
            Box::new(LruMap::new(max_entries))
        }))
    }

    /// Rows in the storage of the task, which outlives the process where the application has a
    /// `state.dir` (Java: `persistentKeyValueStore`).
    pub fn persistent_key_value_store(
        name: impl Into<Arc<str>>,
    ) -> Arc<dyn KeyValueBytesStoreSupplier> {
        let name = name.into();
        let store = Arc::clone(&name);
        Arc::new(Supplier::new(name, move || {
            Box::new(PersistentKeyValueStore::new(&store))
        }))
    }

    /// A store of keys with values: logged, not cached.
    pub fn key_value_store_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> KeyValueStoreBuilder<K, V> {
        key_value(supplier, keys, values)
    }

    /// A store of keys with values and their timestamps: logged, not cached.
    pub fn timestamped_key_value_store_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedKeyValueStoreBuilder<K, V> {
        key_value(supplier, keys, values)
    }

    /// A store of keys with values and their timestamps and headers (KIP-1271): logged, not cached.
    pub fn timestamped_key_value_store_with_headers_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedKeyValueStoreWithHeadersBuilder<K, V> {
        key_value(supplier, keys, values)
    }
}

/// The recipe of a [`KeyValueStore`].
pub type KeyValueStoreBuilder<K, V> = TypedStoreBuilder<KeyValueStore<K, V>>;

/// The recipe of a [`TimestampedKeyValueStore`].
pub type TimestampedKeyValueStoreBuilder<K, V> = TypedStoreBuilder<TimestampedKeyValueStore<K, V>>;

/// The recipe of a [`TimestampedKeyValueStoreWithHeaders`].
pub type TimestampedKeyValueStoreWithHeadersBuilder<K, V> =
    TypedStoreBuilder<TimestampedKeyValueStoreWithHeaders<K, V>>;

fn key_value<K: 'static, V: 'static, L: ValueLayout>(
    supplier: Arc<dyn KeyValueBytesStoreSupplier>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
) -> TypedStoreBuilder<TypedKeyValueStore<K, V, L>> {
    let name = Arc::from(supplier.name());
    TypedStoreBuilder::new(name, None, "compact", L::FORMAT, move |layers, budget| {
        let options = KeyValueStoreOptions {
            format: layers.format,
            is_cached: layers.is_cached,
            is_logged: layers.is_logged,
        };
        let bytes = KeyValueBytesStore::new(supplier.name(), supplier.supply(), options, budget);
        TypedKeyValueStore::new(bytes, Arc::clone(&keys), Arc::clone(&values))
    })
}

struct Supplier<F> {
    name: Arc<str>,
    supply: F,
}

impl<F: Fn() -> Box<dyn ByteKeyValueStore>> Supplier<F> {
    fn new(name: impl Into<Arc<str>>, supply: F) -> Self {
        Self {
            name: name.into(),
            supply,
        }
    }
}

impl<F> KeyValueBytesStoreSupplier for Supplier<F>
where
    F: Fn() -> Box<dyn ByteKeyValueStore> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn supply(&self) -> Box<dyn ByteKeyValueStore> {
        (self.supply)()
    }
}

/// What users can choose of a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers {
    pub(super) format: ValueFormat,
    pub(super) is_cached: bool,
    pub(super) is_logged: bool,
}

/// The recipe of a store of the type `S`.
pub struct TypedStoreBuilder<S> {
    name: Arc<str>,
    retention_ms: Option<i64>,
    cleanup_policy: &'static str,
    layers: Layers,
    changelog_config: BTreeMap<String, String>,
    make: Arc<Make<S>>,
}

type Make<S> = dyn Fn(Layers, &CacheBudget) -> S + Send + Sync;

impl<S> Clone for TypedStoreBuilder<S> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            changelog_config: self.changelog_config.clone(),
            make: Arc::clone(&self.make),
            ..*self
        }
    }
}

impl<S> TypedStoreBuilder<S> {
    pub(super) fn new(
        name: Arc<str>,
        retention_ms: Option<i64>,
        cleanup_policy: &'static str,
        format: ValueFormat,
        make: impl Fn(Layers, &CacheBudget) -> S + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            retention_ms,
            cleanup_policy,
            layers: Layers {
                format,
                is_cached: false,
                is_logged: true,
            },
            changelog_config: changelog_config(cleanup_policy),
            make: Arc::new(make),
        }
    }

    /// Writes stay in the record cache until a flush; without effect where a window store retains
    /// duplicates.
    #[must_use]
    pub fn with_caching_enabled(mut self) -> Self {
        self.layers.is_cached = true;
        self
    }

    /// Every write goes to the rows at once.
    #[must_use]
    pub fn with_caching_disabled(mut self) -> Self {
        self.layers.is_cached = false;
        self
    }

    /// The store has a changelog topic; `config` is put over the settings of that topic.
    #[must_use]
    pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
        self.layers.is_logged = true;
        self.changelog_config.extend(config);
        self
    }

    /// The store has no changelog topic: what it holds is lost with its task.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.layers.is_logged = false;
        self.changelog_config = changelog_config(self.cleanup_policy);
        self
    }

    /// Rows have `format`, which must hold all that values of the store have; what else it has is
    /// empty. Tables have headers that way where `dsl.store.format` asks for them.
    pub(crate) fn with_row_format(mut self, format: ValueFormat) -> Self {
        self.layers.format = format;
        self
    }

    /// [`StoreBuilder::build`] as what it is.
    pub fn build_typed(&self, budget: &CacheBudget) -> S {
        let layers = Layers {
            // Java strips the caches where `statestore.cache.max.bytes` is 0: a cache without room
            // would still swallow deletions of rows that were never there.
            is_cached: self.layers.is_cached && budget.max_bytes() > 0,
            ..self.layers
        };
        (self.make)(layers, budget)
    }
}

impl<S: StateStore> TypedStoreBuilder<S> {
    /// What processors ask for the store by.
    pub fn handle(&self) -> StoreHandle<S> {
        StoreHandle::new(Arc::clone(&self.name))
    }
}

impl<S: StateStore> StoreBuilder for TypedStoreBuilder<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_logged(&self) -> bool {
        self.layers.is_logged
    }

    fn changelog_config(&self) -> &BTreeMap<String, String> {
        &self.changelog_config
    }

    fn retention_ms(&self) -> Option<i64> {
        self.retention_ms
    }

    fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore> {
        Box::new(self.build_typed(budget))
    }
}

/// What Java sets for a changelog (`UnwindowedUnversionedChangelogTopicConfig`,
/// `WindowedChangelogTopicConfig`), but for the retention.
fn changelog_config(cleanup_policy: &str) -> BTreeMap<String, String> {
    [
        ("cleanup.policy", cleanup_policy),
        ("message.timestamp.type", "CreateTime"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
