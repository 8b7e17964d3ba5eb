//! The stores of windowed tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::windows::EmitStrategy;
use crate::config::{DslStoreFormat, StoreType};
use crate::dsl::configured_store::ConfiguredStore;
use crate::dsl::options::{Materialized, TableStoreSupplier};
use crate::serde::SerdeRef;
use crate::state::{
    RowOrder, SessionBytesStoreSupplier, StateError, StoreBuilder, Stores, ValueFormat,
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

/// What makes the rows.
enum Supplier {
    Windows(Arc<dyn WindowBytesStoreSupplier>),
    Sessions(Arc<dyn SessionBytesStoreSupplier>),
}

impl Supplier {
    fn retention_ms(&self) -> i64 {
        match self {
            Self::Windows(supplier) => supplier.retention_ms(),
            Self::Sessions(supplier) => supplier.retention_ms(),
        }
    }
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
        let supplied = self.supplied(materialized)?;
        let retention_ms = match &supplied {
            Some(supplied) => supplied.retention_ms(),
            None => materialized.retention_ms.unwrap_or(self.retention_min_ms),
        };
        if retention_ms < self.retention_min_ms {
            return Err(self.invalid(format!(
                "a retention of {retention_ms} ms is too short: records can come to its windows for \
                 {} ms",
                self.retention_min_ms
            )));
        }
        // Java keeps the cache of time windows that emit on close, and of them alone.
        let is_cacheable = self.strategy == EmitStrategy::OnWindowUpdate
            || matches!(self.rows, Rows::Windows { .. });
        let options = Options {
            retention_ms,
            is_cached: materialized.caching && is_cacheable,
            logging: materialized.logging.clone(),
        };
        if let Some(supplied) = supplied {
            return Ok(self.recipe(supplied, false, &options));
        }
        ConfiguredStore::builder(materialized.store_type, |store_type, format| {
            // Java's suppliers of stores in memory do not know headers.
            let has_headers =
                (store_type, format) == (StoreType::Persistent, DslStoreFormat::Headers);
            let own = self.own(store_type, options.retention_ms, has_headers)?;
            Ok(self.recipe(own, has_headers, &options))
        })
    }

    fn invalid(&self, message: String) -> StateError {
        StateError::Invalid {
            store: self.name.to_string(),
            message,
        }
    }

    /// What the user says makes the rows, if it can.
    fn supplied(&self, materialized: &Materialized<K, V>) -> Result<Option<Supplier>, StateError> {
        let refused = |message: &str| Err(self.invalid(message.to_owned()));
        match (&materialized.supplier, self.rows) {
            (None, _) => Ok(None),
            (
                Some(TableStoreSupplier::Window(supplier)),
                Rows::Windows { size_ms } | Rows::Sliding { size_ms },
            ) => {
                if supplier.window_size_ms() != size_ms {
                    return Err(self.invalid(format!(
                        "its windows are of {} ms, and those of the aggregation of {size_ms} ms",
                        supplier.window_size_ms()
                    )));
                }
                if supplier.retain_duplicates() {
                    return refused("it retains duplicates, and an aggregation has one value");
                }
                Ok(Some(Supplier::Windows(Arc::clone(supplier))))
            }
            (Some(TableStoreSupplier::Session(supplier)), Rows::Sessions) => {
                if self.strategy == EmitStrategy::OnWindowClose
                    && matches!(supplier.order(), RowOrder::Segmented { .. })
                {
                    return refused(
                        "sessions in segments are not found by time, which results that are emitted \
                         when sessions close need: keep them in memory or time-ordered",
                    );
                }
                Ok(Some(Supplier::Sessions(Arc::clone(supplier))))
            }
            _ => refused(
                "its supplier is of another kind than the windows: give windows of time to \
                 Materialized::as_window_store and sessions to as_session_store, or a name to as_store",
            ),
        }
    }

    /// What makes the rows where the user does not say so.
    fn own(
        &self,
        store_type: StoreType,
        retention_ms: i64,
        has_headers: bool,
    ) -> Result<Supplier, StateError> {
        Ok(match self.rows {
            Rows::Windows { size_ms } | Rows::Sliding { size_ms } => {
                let is_sliding = matches!(self.rows, Rows::Sliding { .. });
                let sizes = (retention_ms, size_ms);
                Supplier::Windows(self.windows(store_type, sizes, is_sliding || has_headers)?)
            }
            Rows::Sessions => Supplier::Sessions(self.sessions(store_type, retention_ms)?),
        })
    }

    fn recipe(
        &self,
        supplier: Supplier,
        has_headers: bool,
        options: &Options,
    ) -> Arc<dyn StoreBuilder> {
        let (keys, values) = (Arc::clone(&self.keys), Arc::clone(&self.values));
        macro_rules! with_options {
            ($builder:expr, $with_headers:expr) => {{
                let builder = $builder;
                let builder = match has_headers {
                    true => builder.with_row_format($with_headers),
                    false => builder,
                };
                let builder = match &options.logging {
                    Some(config) => builder.with_logging_enabled(config.clone()),
                    None => builder.with_logging_disabled(),
                };
                Arc::new(if options.is_cached {
                    builder.with_caching_enabled()
                } else {
                    builder
                })
            }};
        }
        match supplier {
            Supplier::Windows(supplier) => {
                let builder = Stores::timestamped_window_store_builder(supplier, keys, values);
                with_options!(builder, ValueFormat::TimestampedWithHeaders)
            }
            Supplier::Sessions(supplier) => {
                let builder = Stores::session_store_builder(supplier, keys, values);
                with_options!(builder, ValueFormat::WithHeaders)
            }
        }
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
