//! Recipes for window and session stores.

use std::sync::Arc;

use super::super::builder::TypedStoreBuilder;
use super::super::storage::PersistentWindowStore;
use super::super::value::ValueLayout;
use super::super::{StateError, Stores};
use super::keys::KeySchema;
use super::memory::InMemoryWindowStore;
use super::rows::{ByteWindowStore, RowOrder};
use super::session_store::{SessionStore, SessionStoreWithHeaders, TypedSessionStore};
use super::stack::{WindowBytesStore, WindowStoreOptions};
use super::window_store::{
    TimestampedWindowStore, TimestampedWindowStoreWithHeaders, TypedWindowStore, WindowStore,
};
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
        let supplier = Supplier::new(
            name.into(),
            KeySchema::Window,
            RowOrder::TimeFirst,
            retention_ms,
        )?;
        Ok(Arc::new(
            supplier.of_windows(window_size_ms, retain_duplicates)?,
        ))
    }

    /// Windows in the storage of the task, in order of time for aggregations that emit when windows
    /// close (Java: `RocksDbIndexedTimeOrderedWindowBytesStoreSupplier`), with an index by key or
    /// without.
    ///
    /// # Errors
    /// As for [`in_memory_window_store`](Self::in_memory_window_store).
    pub fn persistent_time_ordered_window_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
        window_size_ms: i64,
        is_indexed: bool,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let order = time_ordered(retention_ms, is_indexed);
        let supplier = Supplier::new(name.into(), KeySchema::Window, order, retention_ms)?;
        let supplier = supplier.persistent();
        Ok(Arc::new(supplier.of_windows(window_size_ms, false)?))
    }

    /// Sessions in the storage of the task, in order of time for aggregations that emit when windows
    /// close (Java: `RocksDbTimeOrderedSessionBytesStoreSupplier`).
    ///
    /// # Errors
    /// When the retention is negative.
    pub fn persistent_time_ordered_session_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let order = time_ordered(retention_ms, true);
        let supplier = Supplier::new(name.into(), KeySchema::Session, order, retention_ms)?;
        Ok(Arc::new(supplier.persistent()))
    }

    /// Windows in the storage of the task, in segments of half the retention and at least a minute
    /// (Java: `persistentWindowStore`).
    ///
    /// # Errors
    /// As for [`in_memory_window_store`](Self::in_memory_window_store).
    pub fn persistent_window_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
        window_size_ms: i64,
        retain_duplicates: bool,
    ) -> Result<Arc<dyn WindowBytesStoreSupplier>, StateError> {
        let order = segmented(retention_ms);
        let supplier = Supplier::new(name.into(), KeySchema::Window, order, retention_ms)?;
        let supplier = supplier.persistent();
        Ok(Arc::new(
            supplier.of_windows(window_size_ms, retain_duplicates)?,
        ))
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
        let supplier = Supplier::new(name.into(), KeySchema::Session, order, retention_ms);
        Ok(Arc::new(supplier?))
    }

    /// Sessions in the storage of the task, in segments of half the retention and at least a minute
    /// (Java: `persistentSessionStore`).
    ///
    /// # Errors
    /// When the retention is negative.
    pub fn persistent_session_store(
        name: impl Into<Arc<str>>,
        retention_ms: i64,
    ) -> Result<Arc<dyn SessionBytesStoreSupplier>, StateError> {
        let order = segmented(retention_ms);
        let supplier = Supplier::new(name.into(), KeySchema::Session, order, retention_ms)?;
        Ok(Arc::new(supplier.persistent()))
    }

    /// A store of values by key and window: logged, not cached.
    pub fn window_store_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> WindowStoreBuilder<K, V> {
        window(supplier, keys, values)
    }

    /// A store of values and their timestamps by key and window: logged, not cached.
    pub fn timestamped_window_store_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedWindowStoreBuilder<K, V> {
        window(supplier, keys, values)
    }

    /// A store of values and their timestamps and headers (KIP-1271) by key and window: logged, not
    /// cached.
    pub fn timestamped_window_store_with_headers_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn WindowBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimestampedWindowStoreWithHeadersBuilder<K, V> {
        window(supplier, keys, values)
    }

    /// A store of values by key and session: logged, not cached.
    pub fn session_store_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn SessionBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> SessionStoreBuilder<K, V> {
        session(supplier, keys, values)
    }

    /// A store of values and their headers (KIP-1271) by key and session: logged, not cached.
    pub fn session_store_with_headers_builder<K: 'static, V: 'static>(
        supplier: Arc<dyn SessionBytesStoreSupplier>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> SessionStoreWithHeadersBuilder<K, V> {
        session(supplier, keys, values)
    }
}

/// The recipe of a [`WindowStore`].
pub type WindowStoreBuilder<K, V> = TypedStoreBuilder<WindowStore<K, V>>;

/// The recipe of a [`TimestampedWindowStore`].
pub type TimestampedWindowStoreBuilder<K, V> = TypedStoreBuilder<TimestampedWindowStore<K, V>>;

/// The recipe of a [`TimestampedWindowStoreWithHeaders`].
pub type TimestampedWindowStoreWithHeadersBuilder<K, V> =
    TypedStoreBuilder<TimestampedWindowStoreWithHeaders<K, V>>;

/// The recipe of a [`SessionStore`].
pub type SessionStoreBuilder<K, V> = TypedStoreBuilder<SessionStore<K, V>>;

/// The recipe of a [`SessionStoreWithHeaders`].
pub type SessionStoreWithHeadersBuilder<K, V> = TypedStoreBuilder<SessionStoreWithHeaders<K, V>>;

fn window<K: 'static, V: 'static, L: ValueLayout>(
    supplier: Arc<dyn WindowBytesStoreSupplier>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
) -> TypedStoreBuilder<TypedWindowStore<K, V, L>> {
    let name = Arc::from(supplier.name());
    let retention_ms = Some(supplier.retention_ms());
    // Duplicates have keys of their own, which compaction would never remove.
    let cleanup_policy = match supplier.retain_duplicates() {
        true => "delete",
        false => COMPACT_DELETE,
    };
    TypedStoreBuilder::new(
        name,
        retention_ms,
        cleanup_policy,
        L::FORMAT,
        move |layers, budget| {
            let options = WindowStoreOptions {
                schema: KeySchema::Window,
                order: supplier.order(),
                format: layers.format,
                retain_duplicates: supplier.retain_duplicates(),
                is_cached: layers.is_cached,
                is_logged: layers.is_logged,
            };
            let bytes = WindowBytesStore::new(supplier.name(), supplier.supply(), options, budget);
            let (keys, values) = (Arc::clone(&keys), Arc::clone(&values));
            TypedWindowStore::new(bytes, keys, values, supplier.window_size_ms())
        },
    )
}

fn session<K: 'static, V: 'static, L: ValueLayout>(
    supplier: Arc<dyn SessionBytesStoreSupplier>,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
) -> TypedStoreBuilder<TypedSessionStore<K, V, L>> {
    let name = Arc::from(supplier.name());
    let retention_ms = Some(supplier.retention_ms());
    TypedStoreBuilder::new(
        name,
        retention_ms,
        COMPACT_DELETE,
        L::FORMAT,
        move |layers, budget| {
            let options = WindowStoreOptions {
                schema: KeySchema::Session,
                order: supplier.order(),
                format: layers.format,
                retain_duplicates: false,
                is_cached: layers.is_cached,
                is_logged: layers.is_logged,
            };
            let bytes = WindowBytesStore::new(supplier.name(), supplier.supply(), options, budget);
            TypedSessionStore::new(bytes, Arc::clone(&keys), Arc::clone(&values))
        },
    )
}

/// Rows of windows are compacted, and go with their segments.
const COMPACT_DELETE: &str = "compact,delete";

fn segmented(retention_ms: i64) -> RowOrder {
    RowOrder::Segmented {
        interval_ms: segment_interval_ms(retention_ms),
    }
}

fn time_ordered(retention_ms: i64, is_indexed: bool) -> RowOrder {
    RowOrder::TimeOrdered {
        interval_ms: segment_interval_ms(retention_ms),
        is_indexed,
    }
}

fn segment_interval_ms(retention_ms: i64) -> i64 {
    (retention_ms / 2).max(SEGMENT_INTERVAL_MIN_MS)
}

struct Supplier {
    name: Arc<str>,
    schema: KeySchema,
    order: RowOrder,
    is_persistent: bool,
    retention_ms: i64,
    window_size_ms: i64,
    retain_duplicates: bool,
}

impl Supplier {
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
            is_persistent: false,
            retention_ms,
            window_size_ms: 0,
            retain_duplicates: false,
        })
    }

    fn persistent(mut self) -> Self {
        self.is_persistent = true;
        self
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
        let (schema, order, retention_ms) = (self.schema, self.order, self.retention_ms);
        if self.is_persistent {
            Box::new(PersistentWindowStore::new(
                &self.name,
                schema,
                order,
                retention_ms,
            ))
        } else {
            Box::new(InMemoryWindowStore::new(schema, order, retention_ms))
        }
    }
}

impl WindowBytesStoreSupplier for Supplier {
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

impl SessionBytesStoreSupplier for Supplier {
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

/// Java's default for the segments of a persistent store.
const SEGMENT_INTERVAL_MIN_MS: i64 = 60_000;
