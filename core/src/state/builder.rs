//! Recipes for stores: a topology keeps one for each store, and every task builds its own from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::byte_store::{ByteKeyValueStore, InMemoryKeyValueStore};
use super::key_value::{KeyValueStore, TimestampedKeyValueStore};
use super::stack::{KeyValueBytesStore, KeyValueStoreOptions, ValueFormat};
use super::{CacheBudget, StateStore};
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
        Arc::new(InMemoryKeyValueStoreSupplier { name: name.into() })
    }

    /// A store of keys with values: logged, not cached.
    pub fn key_value_store_builder<K, V>(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> KeyValueStoreBuilder<K, V> {
        KeyValueStoreBuilder {
            recipe: Recipe::new(supplier, keys, values, ValueFormat::Plain),
        }
    }

    /// A store of keys with values and their timestamps: logged, not cached.
    pub fn timestamped_key_value_store_builder<K, V>(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedKeyValueStoreBuilder<K, V> {
        TimestampedKeyValueStoreBuilder {
            recipe: Recipe::new(supplier, keys, values, ValueFormat::Timestamped),
        }
    }
}

struct InMemoryKeyValueStoreSupplier {
    name: Arc<str>,
}

impl KeyValueBytesStoreSupplier for InMemoryKeyValueStoreSupplier {
    fn name(&self) -> &str {
        &self.name
    }

    fn supply(&self) -> Box<dyn ByteKeyValueStore> {
        Box::new(InMemoryKeyValueStore::new())
    }
}

struct Recipe<K, V> {
    supplier: Arc<dyn KeyValueBytesStoreSupplier>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    options: KeyValueStoreOptions,
    changelog_config: BTreeMap<String, String>,
}

impl<K, V> Clone for Recipe<K, V> {
    fn clone(&self) -> Self {
        Self {
            supplier: Arc::clone(&self.supplier),
            keys: Arc::clone(&self.keys),
            values: Arc::clone(&self.values),
            options: self.options,
            changelog_config: self.changelog_config.clone(),
        }
    }
}

impl<K, V> Recipe<K, V> {
    fn new(
        supplier: Arc<dyn KeyValueBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        format: ValueFormat,
    ) -> Self {
        Self {
            supplier,
            keys,
            values,
            options: KeyValueStoreOptions {
                format,
                is_cached: false,
                is_logged: true,
            },
            changelog_config: key_value_changelog_config(),
        }
    }

    fn enable_logging(&mut self, config: BTreeMap<String, String>) {
        self.options.is_logged = true;
        self.changelog_config.extend(config);
    }

    fn disable_logging(&mut self) {
        self.options.is_logged = false;
        self.changelog_config = key_value_changelog_config();
    }

    fn bytes(&self, budget: &CacheBudget) -> KeyValueBytesStore {
        let name = self.supplier.name();
        let options = KeyValueStoreOptions {
            // Java strips the caches where `statestore.cache.max.bytes` is 0: a cache without room
            // would still swallow deletions of rows that were never there.
            is_cached: self.options.is_cached && budget.max_bytes() > 0,
            ..self.options
        };
        KeyValueBytesStore::new(name, self.supplier.supply(), options, budget)
    }
}

/// What Java sets for the changelog of a key-value store (`UnwindowedUnversionedChangelogTopicConfig`).
fn key_value_changelog_config() -> BTreeMap<String, String> {
    [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "CreateTime"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

macro_rules! key_value_store_builder {
    ($(#[$doc:meta])* $builder:ident, $store:ident) => {
        $(#[$doc])*
        pub struct $builder<K, V> {
            recipe: Recipe<K, V>,
        }

        impl<K, V> Clone for $builder<K, V> {
            fn clone(&self) -> Self {
                Self {
                    recipe: self.recipe.clone(),
                }
            }
        }

        impl<K, V> $builder<K, V> {
            /// Writes stay in the record cache until a flush.
            #[must_use]
            pub fn with_caching_enabled(mut self) -> Self {
                self.recipe.options.is_cached = true;
                self
            }

            /// Every write goes to the rows at once.
            #[must_use]
            pub fn with_caching_disabled(mut self) -> Self {
                self.recipe.options.is_cached = false;
                self
            }

            /// The store has a changelog topic; `config` is put over the settings of that topic.
            #[must_use]
            pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
                self.recipe.enable_logging(config);
                self
            }

            /// The store has no changelog topic: what it holds is lost with its task.
            #[must_use]
            pub fn with_logging_disabled(mut self) -> Self {
                self.recipe.disable_logging();
                self
            }
        }

        impl<K: 'static, V: 'static> $builder<K, V> {
            /// [`StoreBuilder::build`] as what it is.
            pub fn build_typed(&self, budget: &CacheBudget) -> $store<K, V> {
                $store::new(
                    self.recipe.bytes(budget),
                    Arc::clone(&self.recipe.keys),
                    Arc::clone(&self.recipe.values),
                )
            }
        }

        impl<K: 'static, V: 'static> StoreBuilder for $builder<K, V> {
            fn name(&self) -> &str {
                self.recipe.supplier.name()
            }

            fn is_logged(&self) -> bool {
                self.recipe.options.is_logged
            }

            fn changelog_config(&self) -> &BTreeMap<String, String> {
                &self.recipe.changelog_config
            }

            fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore> {
                Box::new(self.build_typed(budget))
            }
        }
    };
}

key_value_store_builder!(
    /// The recipe of a [`KeyValueStore`].
    KeyValueStoreBuilder,
    KeyValueStore
);

key_value_store_builder!(
    /// The recipe of a [`TimestampedKeyValueStore`].
    TimestampedKeyValueStoreBuilder,
    TimestampedKeyValueStore
);
