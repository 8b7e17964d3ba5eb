//! The stores of windowed tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::windows::EmitStrategy;
use crate::config::{DslStoreFormat, StoreType};
use crate::dsl::configured_store::ConfiguredStore;
use crate::dsl::options::Materialized;
use crate::serde::SerdeRef;
use crate::state::{
    SessionBytesStoreSupplier, StateError, StoreBuilder, Stores, ValueFormat,
    WindowBytesStoreSupplier,
};

/// What a windowed table needs of its store (Java: `WindowStoreMaterializer`,
/// `SlidingWindowStoreMaterializer`, `SessionStoreMaterializer`).
pub(in crate::dsl) struct WindowedStore<K, V> {
    pub(super) name: Arc<str>,
    pub(super) rows: Rows,
    /// How long records can come to a row.
    pub(super) retention_min_ms: i64,
    pub(super) strategy: EmitStrategy,
    pub(super) keys: SerdeRef<K>,
    pub(super) values: SerdeRef<V>,
}

/// What the rows of a windowed table lie in.
#[derive(Clone, Copy, Debug)]
pub(in crate::dsl) enum Rows {
    Windows { size_ms: i64 },
    Sliding { size_ms: i64 },
    Sessions,
}

/// The settings of a store that are the user's.
#[derive(Clone)]
struct Options {
    retention_ms: i64,
    is_cached: bool,
    logging: Option<BTreeMap<String, String>>,
}

impl<K: 'static, V: 'static> WindowedStore<K, V> {
    /// The recipe of the store.
    ///
    /// # Errors
    /// When rows would not live as long as records can come to them, or are to lie in a store that
    /// is none of windows.
    pub(in crate::dsl) fn builder(
        &self,
        materialized: &Materialized<K, V>,
    ) -> Result<Arc<dyn StoreBuilder>, StateError> {
        if materialized.supplier.is_some() {
            return Err(StateError::Invalid {
                store: self.name.to_string(),
                message:
                    "the rows of windows do not go into a key-value or versioned store: name it \
                          with Materialized::as_store"
                        .to_owned(),
            });
        }
        let retention_ms = materialized.retention_ms.unwrap_or(self.retention_min_ms);
        if retention_ms < self.retention_min_ms {
            return Err(StateError::Invalid {
                store: self.name.to_string(),
                message: format!(
                    "a retention of {retention_ms} ms is too short: records can come to its \
                     windows for {} ms",
                    self.retention_min_ms
                ),
            });
        }
        // Java keeps the cache of time windows that emit on close, and of them alone.
        let is_cacheable = self.strategy == EmitStrategy::OnWindowUpdate
            || matches!(self.rows, Rows::Windows { .. });
        let options = Options {
            retention_ms,
            is_cached: materialized.caching && is_cacheable,
            logging: materialized.logging.clone(),
        };
        ConfiguredStore::builder(materialized.store_type, |store_type, format| {
            self.recipe(store_type, format, options.clone())
        })
    }

    fn recipe(
        &self,
        store_type: StoreType,
        format: DslStoreFormat,
        options: Options,
    ) -> Result<Arc<dyn StoreBuilder>, StateError> {
        let (keys, values) = (Arc::clone(&self.keys), Arc::clone(&self.values));
        // Java's suppliers of stores in memory do not know headers.
        let has_headers = (store_type, format) == (StoreType::Persistent, DslStoreFormat::Headers);
        macro_rules! with_options {
            ($builder:expr, $with_headers:expr) => {{
                let builder = $builder;
                let builder = match has_headers {
                    true => builder.with_row_format($with_headers),
                    false => builder,
                };
                let builder = match options.logging {
                    Some(config) => builder.with_logging_enabled(config),
                    None => builder.with_logging_disabled(),
                };
                Arc::new(if options.is_cached {
                    builder.with_caching_enabled()
                } else {
                    builder
                })
            }};
        }
        Ok(match self.rows {
            Rows::Windows { size_ms } | Rows::Sliding { size_ms } => {
                let is_sliding = matches!(self.rows, Rows::Sliding { .. });
                let sizes = (options.retention_ms, size_ms);
                let supplier = self.windows(store_type, sizes, is_sliding || has_headers)?;
                let builder = Stores::timestamped_window_store_builder(supplier, keys, values);
                with_options!(builder, ValueFormat::TimestampedWithHeaders)
            }
            Rows::Sessions => {
                let supplier = self.sessions(store_type, options.retention_ms)?;
                let builder = Stores::session_store_builder(supplier, keys, values);
                with_options!(builder, ValueFormat::WithHeaders)
            }
        })
    }

    fn windows(
        &self,
        store_type: StoreType,
        (retention_ms, size_ms): (i64, i64),
        is_indexed: bool,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let name = Arc::clone(&self.name);
        match (store_type, self.strategy) {
            (StoreType::InMemory, _) => {
                Stores::in_memory_window_store(name, retention_ms, size_ms, false)
            }
            (StoreType::Persistent, EmitStrategy::OnWindowUpdate) => {
                Stores::persistent_window_store(name, retention_ms, size_ms, false)
            }
            (StoreType::Persistent, EmitStrategy::OnWindowClose) => {
                Stores::persistent_time_ordered_window_store(
                    name,
                    retention_ms,
                    size_ms,
                    is_indexed,
                )
            }
        }
    }

    fn sessions(
        &self,
        store_type: StoreType,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let name = Arc::clone(&self.name);
        match (store_type, self.strategy) {
            (StoreType::InMemory, _) => Stores::in_memory_session_store(name, retention_ms),
            (StoreType::Persistent, EmitStrategy::OnWindowUpdate) => {
                Stores::persistent_session_store(name, retention_ms)
            }
            (StoreType::Persistent, EmitStrategy::OnWindowClose) => {
                Stores::persistent_time_ordered_session_store(name, retention_ms)
            }
        }
    }
}
