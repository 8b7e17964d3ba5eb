//! Recipes for window and session stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::stack::ValueFormat;
use super::super::{CacheBudget, StateError, StateStore, StoreBuilder, Stores};
use super::keys::KeySchema;
use super::rows::{ByteWindowStore, InMemoryWindowStore, RowOrder};
use super::session_store::SessionStore;
use super::stack::{WindowBytesStore, WindowStoreOptions};
use super::window_store::{TimestampedWindowStore, WindowStore};
use crate::serde::SerdeRef;

/// Makes the rows of a window store (Java: `WindowBytesStoreSupplier`).
pub trait WindowBytesStoreSupplier: Send + Sync {
    /// The name of the store.
    fn name(&self) -> &str;

    /// How long rows live, in milliseconds.
    fn retention_ms(&self) -> i64;

    /// How long windows last, in milliseconds.
    fn window_size_ms(&self) -> i64;

    /// True to keep every value that is put for a key and a window.
    fn retain_duplicates(&self) -> bool;

    /// The order of the rows.
    fn order(&self) -> RowOrder;

    /// New rows.
    fn supply(&self) -> Box<dyn ByteWindowStore>;
}

/// Makes the rows of a session store (Java: `SessionBytesStoreSupplier`).
pub trait SessionBytesStoreSupplier: Send + Sync {
    /// The name of the store.
    fn name(&self) -> &str;

    /// How long rows live behind the end of their session, in milliseconds.
    fn retention_ms(&self) -> i64;

    /// The order of the rows.
    fn order(&self) -> RowOrder;

    /// New rows.
    fn supply(&self) -> Box<dyn ByteWindowStore>;
}

impl Stores {
    /// Windows in memory, ordered by time and then key. `retention_ms` is how long a window lives
    /// behind its start.
    ///
    /// # Errors
    /// When the retention or the size is negative, or the size is above the retention.
    pub fn in_memory_window_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
        window_size_ms: i64,
        retain_duplicates: bool,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let supplier = InMemorySupplier::new(
            name.into(),
            KeySchema::Window,
            RowOrder::TimeFirst,
            retention_ms,
        )?;
        Ok(Arc::new(
            supplier.of_windows(window_size_ms, retain_duplicates)?,
        ))
    }

    /// Windows in memory, in segments of half the retention and at least a minute: in the order of
    /// Java's `persistentWindowStore`.
    ///
    /// # Errors
    /// As for [`in_memory_window_store`](Self::in_memory_window_store).
    pub fn segmented_window_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
        window_size_ms: i64,
        retain_duplicates: bool,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let order = segmented(retention_ms);
        let supplier = InMemorySupplier::new(name.into(), KeySchema::Window, order, retention_ms)?;
        Ok(Arc::new(
            supplier.of_windows(window_size_ms, retain_duplicates)?,
        ))
    }

    /// Windows in memory in the order of Java's persistent store of aggregations that emit when
    /// windows close (Java: `RocksDbIndexedTimeOrderedWindowBytesStoreSupplier`).
    ///
    /// # Errors
    /// As for [`in_memory_window_store`](Self::in_memory_window_store).
    pub fn time_ordered_window_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
        window_size_ms: i64,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let order = time_ordered(retention_ms);
        let supplier = InMemorySupplier::new(name.into(), KeySchema::Window, order, retention_ms)?;
        Ok(Arc::new(supplier.of_windows(window_size_ms, false)?))
    }

    /// Sessions in memory in the order of Java's persistent store of aggregations that emit when
    /// windows close (Java: `RocksDbTimeOrderedSessionBytesStoreSupplier`).
    ///
    /// # Errors
    /// When the retention is negative.
    pub fn time_ordered_session_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let order = time_ordered(retention_ms);
        let supplier = InMemorySupplier::new(name.into(), KeySchema::Session, order, retention_ms);
        Ok(Arc::new(supplier?))
    }

    /// Sessions in memory, ordered by end and then key. `retention_ms` is how long a session lives
    /// behind its end.
    ///
    /// # Errors
    /// When the retention is negative.
    pub fn in_memory_session_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let order = RowOrder::TimeFirst;
        let supplier = InMemorySupplier::new(name.into(), KeySchema::Session, order, retention_ms);
        Ok(Arc::new(supplier?))
    }

    /// Sessions in memory, in segments of half the retention and at least a minute: in the order of
    /// Java's `persistentSessionStore`.
    ///
    /// # Errors
    /// When the retention is negative.
    pub fn segmented_session_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let order = segmented(retention_ms);
        let supplier = InMemorySupplier::new(name.into(), KeySchema::Session, order, retention_ms);
        Ok(Arc::new(supplier?))
    }

    /// A store of values by key and window: logged, not cached.
    pub fn window_store_builder<K, V>(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> WindowStoreBuilder<K, V> {
        WindowStoreBuilder {
            recipe: Recipe::of_windows(supplier, keys, values, ValueFormat::Plain),
        }
    }

    /// A store of values and their timestamps by key and window: logged, not cached.
    pub fn timestamped_window_store_builder<K, V>(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedWindowStoreBuilder<K, V> {
        TimestampedWindowStoreBuilder {
            recipe: Recipe::of_windows(supplier, keys, values, ValueFormat::Timestamped),
        }
    }

    /// A store of values by key and session: logged, not cached.
    pub fn session_store_builder<K, V>(
        supplier: Arc<dyn SessionBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> SessionStoreBuilder<K, V> {
        let options = options(
            KeySchema::Session,
            supplier.order(),
            ValueFormat::Plain,
            false,
        );
        SessionStoreBuilder {
            recipe: Recipe {
                name: Arc::from(supplier.name()),
                retention_ms: supplier.retention_ms(),
                supply: Arc::new(move || supplier.supply()),
                keys,
                values,
                options,
                window_size_ms: 0,
                changelog_config: windowed_changelog_config(false),
            },
        }
    }
}

fn segmented(retention_ms: i64) -> RowOrder {
    RowOrder::Segmented {
        interval_ms: segment_interval_ms(retention_ms),
    }
}

fn time_ordered(retention_ms: i64) -> RowOrder {
    RowOrder::TimeOrdered {
        interval_ms: segment_interval_ms(retention_ms),
    }
}

fn segment_interval_ms(retention_ms: i64) -> i64 {
    (retention_ms / 2).max(SEGMENT_INTERVAL_MIN_MS)
}

struct InMemorySupplier {
    name: Arc<str>,
    schema: KeySchema,
    order: RowOrder,
    retention_ms: i64,
    window_size_ms: i64,
    retain_duplicates: bool,
}

impl InMemorySupplier {
    fn new(
        name: Arc<str>,
        schema: KeySchema,
        order: RowOrder,
        retention_ms: i64,
    ) -> Result<Self, StateError> {
        if retention_ms < 0 {
            return Err(StateError::Invalid {
                store: name.as_ref().to_owned(),
                message: format!("the retention of {retention_ms} ms is negative"),
            });
        }
        Ok(Self {
            name,
            schema,
            order,
            retention_ms,
            window_size_ms: 0,
            retain_duplicates: false,
        })
    }

    fn of_windows(
        mut self,
        window_size_ms: i64,
        retain_duplicates: bool,
    ) -> Result<Self, StateError> {
        if !(0..=self.retention_ms).contains(&window_size_ms) {
            return Err(StateError::Invalid {
                store: self.name.as_ref().to_owned(),
                message: format!(
                    "windows of {window_size_ms} ms need a size of at least 0 and a retention of \
                     at least their size, not {} ms",
                    self.retention_ms
                ),
            });
        }
        self.window_size_ms = window_size_ms;
        self.retain_duplicates = retain_duplicates;
        Ok(self)
    }

    fn rows(&self) -> Box<dyn ByteWindowStore> {
        Box::new(InMemoryWindowStore::new(
            self.schema,
            self.order,
            self.retention_ms,
        ))
    }
}

impl WindowBytesStoreSupplier for InMemorySupplier {
    fn name(&self) -> &str {
        &self.name
    }

    fn retention_ms(&self) -> i64 {
        self.retention_ms
    }

    fn window_size_ms(&self) -> i64 {
        self.window_size_ms
    }

    fn retain_duplicates(&self) -> bool {
        self.retain_duplicates
    }

    fn order(&self) -> RowOrder {
        self.order
    }

    fn supply(&self) -> Box<dyn ByteWindowStore> {
        self.rows()
    }
}

impl SessionBytesStoreSupplier for InMemorySupplier {
    fn name(&self) -> &str {
        &self.name
    }

    fn retention_ms(&self) -> i64 {
        self.retention_ms
    }

    fn order(&self) -> RowOrder {
        self.order
    }

    fn supply(&self) -> Box<dyn ByteWindowStore> {
        self.rows()
    }
}

struct Recipe<K, V> {
    name: Arc<str>,
    retention_ms: i64,
    window_size_ms: i64,
    supply: Arc<dyn Fn() -> Box<dyn ByteWindowStore> + Send + Sync>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    options: WindowStoreOptions,
    changelog_config: BTreeMap<String, String>,
}

impl<K, V> Clone for Recipe<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            supply: Arc::clone(&self.supply),
            keys: Arc::clone(&self.keys),
            values: Arc::clone(&self.values),
            changelog_config: self.changelog_config.clone(),
            ..*self
        }
    }
}

impl<K, V> Recipe<K, V> {
    fn of_windows(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        format: ValueFormat,
    ) -> Self {
        let retain_duplicates = supplier.retain_duplicates();
        Self {
            name: Arc::from(supplier.name()),
            retention_ms: supplier.retention_ms(),
            window_size_ms: supplier.window_size_ms(),
            options: options(
                KeySchema::Window,
                supplier.order(),
                format,
                retain_duplicates,
            ),
            supply: Arc::new(move || supplier.supply()),
            keys,
            values,
            changelog_config: windowed_changelog_config(retain_duplicates),
        }
    }

    fn enable_logging(&mut self, config: BTreeMap<String, String>) {
        self.options.is_logged = true;
        self.changelog_config.extend(config);
    }

    fn disable_logging(&mut self) {
        self.options.is_logged = false;
        self.changelog_config = windowed_changelog_config(self.options.retain_duplicates);
    }

    fn bytes(&self, budget: &CacheBudget) -> WindowBytesStore {
        let name = Arc::clone(&self.name);
        WindowBytesStore::new(name, (self.supply)(), self.options, budget)
    }
}

const fn options(
    schema: KeySchema,
    order: RowOrder,
    format: ValueFormat,
    retain_duplicates: bool,
) -> WindowStoreOptions {
    WindowStoreOptions {
        schema,
        order,
        format,
        retain_duplicates,
        is_cached: false,
        is_logged: true,
    }
}

/// What Java sets for the changelog of a windowed store (`WindowedChangelogTopicConfig`), but for
/// the retention. Duplicates have keys of their own, which compaction would never remove.
fn windowed_changelog_config(retain_duplicates: bool) -> BTreeMap<String, String> {
    let cleanup = if retain_duplicates {
        "delete"
    } else {
        "compact,delete"
    };
    [
        ("cleanup.policy", cleanup),
        ("message.timestamp.type", "CreateTime"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

macro_rules! windowed_store_builder {
    ($(#[$doc:meta])* $builder:ident, $store:ident, $build:expr) => {
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
            /// Writes stay in the record cache until a flush; without effect where duplicates are
            /// retained.
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
                let build: fn(&Recipe<K, V>, WindowBytesStore) -> $store<K, V> = $build;
                build(&self.recipe, self.recipe.bytes(budget))
            }
        }

        impl<K: 'static, V: 'static> StoreBuilder for $builder<K, V> {
            fn name(&self) -> &str {
                &self.recipe.name
            }

            fn is_logged(&self) -> bool {
                self.recipe.options.is_logged
            }

            fn changelog_config(&self) -> &BTreeMap<String, String> {
                &self.recipe.changelog_config
            }

            fn retention_ms(&self) -> Option<i64> {
                Some(self.recipe.retention_ms)
            }

            fn build(&self, budget: &CacheBudget) -> Box<dyn StateStore> {
                Box::new(self.build_typed(budget))
            }
        }
    };
}

windowed_store_builder!(
    /// The recipe of a [`WindowStore`].
    WindowStoreBuilder,
    WindowStore,
    |recipe, bytes| WindowStore::new(
        bytes,
        Arc::clone(&recipe.keys),
        Arc::clone(&recipe.values),
        recipe.window_size_ms,
    )
);

windowed_store_builder!(
    /// The recipe of a [`TimestampedWindowStore`].
    TimestampedWindowStoreBuilder,
    TimestampedWindowStore,
    |recipe, bytes| TimestampedWindowStore::new(
        bytes,
        Arc::clone(&recipe.keys),
        Arc::clone(&recipe.values),
        recipe.window_size_ms,
    )
);

windowed_store_builder!(
    /// The recipe of a [`SessionStore`].
    SessionStoreBuilder,
    SessionStore,
    |recipe, bytes| SessionStore::new(
        bytes,
        Arc::clone(&recipe.keys),
        Arc::clone(&recipe.values),
    )
);

/// Java's default for the segments of a persistent store.
const SEGMENT_INTERVAL_MIN_MS: i64 = 60_000;
