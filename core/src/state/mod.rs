//! State stores: typed stores over an ordered byte store, with an optional record cache and a
//! changelog buffer between.
//!
//! The layers of one store, from the top (Java: `Metered*`, `Caching*`, `ChangeLogging*`, bytes):
//!
//! 1. [`KeyValueStore`] and [`TimestampedKeyValueStore`]: serdes, once per operation.
//! 2. Record cache: the last writes of a task, bounded in bytes over all stores of a thread
//!    ([`CacheBudget`]). A flush or an eviction hands its entries to
//! 3. [`ChangelogBuffer`]: records for the changelog topic, in write order, and
//! 4. [`ByteKeyValueStore`]: the rows.
//!
//! A store never calls back. A flush is pulled: [`StateStore::begin_flush`] marks what is dirty and
//! every [`StateStore::next_flushed`] moves one entry down and hands it out, so that the caller can
//! forward it with the store back in its place. Reads and writes between two such calls are
//! allowed; what is queued stays readable until it is in the rows, and a key written again while it
//! waits goes down twice, old value first.

mod answer;
mod budget;
mod buffer;
mod builder;
mod byte_store;
mod bytes;
mod cache;
mod changelog;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod key_value;
mod layers;
mod lru;
mod merged;
mod places;
mod serdes;
mod slab;
mod slot_queue;
mod slots;
mod stack;
pub mod storage;
mod typed;
mod value;
mod versioned;
mod windowed;

use std::any::Any;
use std::fmt;

use ::bytes::Bytes;

use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::serde::SerdeError;
use crate::types::{Headers, RecordContext, TopicName};

pub use self::budget::CacheBudget;
pub use self::buffer::{
    Eviction, TimeOrderedKeyValueBuffer, TimeOrderedKeyValueBufferBuilder,
    TimeOrderedKeyValueChangeBuffer, TimeOrderedKeyValueChangeBufferBuilder,
};
pub use self::builder::{
    KeyValueBytesStoreSupplier, KeyValueStoreBuilder, StoreBuilder, Stores,
    TimestampedKeyValueStoreBuilder, TimestampedKeyValueStoreWithHeadersBuilder, TypedStoreBuilder,
};
pub(crate) use self::byte_store::ALL_KEYS;
pub use self::byte_store::{
    ByteBounds, ByteKeyValueStore, ByteRow, ByteRows, Direction, InMemoryKeyValueStore, WriteBatch,
    prefix_end,
};
pub use self::bytes::StoreBytes;
pub use self::cache::CacheReads;
pub use self::changelog::{ChangelogBuffer, ChangelogEntry};
pub use self::handle::{StoreHandle, StoreName};
pub use self::key_value::{
    KeyValueIterator, KeyValueStore, TimestampedKeyValueStore, TimestampedKeyValueStoreWithHeaders,
    TypedKeyValueStore,
};
pub use self::lru::LruMap;
pub use self::places::{NO_PLACE, NoPlaces, Places};
pub use self::stack::{KeyValueBytesStore, KeyValueStoreOptions};
use self::storage::TaskStorage;
pub use self::typed::FlushedChange;
pub use self::value::{
    AggregationWithHeaders, Plain, Timestamped, TimestampedWithHeaders, ValueAndTimestamp,
    ValueFormat, ValueLayout, ValueTimestampHeaders, WithHeaders,
};
pub use self::versioned::{
    ByteVersionedStore, ByteVersions, InMemoryVersionedKeyValueStore,
    PersistentVersionedKeyValueStore, PutReturn, VersionedBytes, VersionedBytesStoreSupplier,
    VersionedKeyValueStore, VersionedKeyValueStoreBuilder, VersionedRecord,
    VersionedRecordIterator,
};
pub use self::windowed::{
    ByteWindowStore, InMemoryWindowStore, KeySchema, RowKey, RowOrder, SessionBytesStoreSupplier,
    SessionStore, SessionStoreBuilder, SessionStoreWithHeaders, SessionStoreWithHeadersBuilder,
    TimestampedWindowStore, TimestampedWindowStoreBuilder, TimestampedWindowStoreWithHeaders,
    TimestampedWindowStoreWithHeadersBuilder, TypedSessionStore, TypedWindowStore,
    WindowBytesStore, WindowBytesStoreSupplier, WindowQuery, WindowRow, WindowRows, WindowStore,
    WindowStoreBuilder, WindowStoreIterator, WindowStoreOptions,
};

/// A store of any kind, as the task that owns it sees it (Java: `StateStore` with `CachedStateStore`
/// and the restore callbacks). What is given here is what a store without cache does.
pub trait StateStore: Any {
    /// The name given by the user or made up by the DSL.
    fn name(&self) -> &str;

    /// The name of its type, for messages.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// True when there is a changelog topic.
    fn is_logged(&self) -> bool;

    /// True when writes stay in the record cache until a flush.
    fn is_cached(&self) -> bool {
        false
    }

    /// The bytes that its record cache takes from the budget, as Java counts them.
    fn cached_bytes(&self) -> usize {
        0
    }

    /// How often the record cache was read since the last call.
    fn take_cache_reads(&self) -> CacheReads {
        CacheReads::default()
    }

    /// How many writes there were, where that is counted.
    fn writes(&self) -> u64 {
        0
    }

    /// How many writes came too late for a row and were dropped (Java: `dropped-records-total`).
    fn dropped_records(&self) -> u64 {
        0
    }

    /// The tag that its metrics have its name under: its kind and `-state-id` (Java: `metricsScope`).
    fn state_id_tag(&self) -> &'static str {
        if self.is_persistent() {
            "rocksdb-state-id"
        } else {
            "in-memory-state-id"
        }
    }

    /// True when the rows are in the storage of the task (Java: `StateStore.persistent`).
    fn is_persistent(&self) -> bool {
        false
    }

    /// Takes its place in the storage of the task; before the first access where
    /// [`is_persistent`](Self::is_persistent).
    ///
    /// # Errors
    /// When the storage fails, or has rows that are not of this store.
    fn init(&mut self, _storage: &TaskStorage) -> Result<(), StateError> {
        Ok(())
    }

    /// Names the changelog topic, which serdes are told; the store's name until then.
    fn set_changelog_topic(&mut self, topic: &TopicName);

    /// Applies one record of the changelog topic: below the cache, never logged again.
    fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError>;

    /// Hands out what is to be written to the changelog topic, in write order, without copying,
    /// and forgets it.
    fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>));

    /// [`visit_changelog`](Self::visit_changelog) into owned records.
    fn drain_changelog(&mut self, into: &mut Vec<ChangelogRecord>) {
        self.visit_changelog(&mut |entry| {
            into.push(ChangelogRecord {
                key: Bytes::copy_from_slice(entry.key),
                value: entry.value.map(Bytes::copy_from_slice),
                timestamp: entry.timestamp,
                headers: entry.headers.clone(),
            });
        });
    }

    /// Flushed entries are to be handed out by [`next_flushed`](Self::next_flushed) (Java:
    /// `setFlushListener`); `send_old_values` asks for the value before. Without effect on a store
    /// without cache.
    fn set_flush_listener(&mut self, send_old_values: bool) {
        let _ = send_old_values;
    }

    /// Queues every dirty entry of the cache, in order of last write. They stay in the cache as
    /// clean ones, tombstones leave it.
    fn begin_flush(&mut self) {}

    /// Moves queued entries, of a flush or of an eviction, to the rows and the changelog, up to
    /// and including the next one to forward, and returns that; `None` when the queue is empty.
    /// Entries with neither an old nor a new value leave no trace, and a store without listener
    /// hands out nothing.
    fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
        Ok(None)
    }

    /// True when [`next_flushed`](Self::next_flushed) has something to do. Any write, and a read
    /// that fills the cache, may evict.
    fn has_pending(&self) -> bool {
        false
    }

    /// Evicts until the budget of the thread holds or the cache of this store is empty: to be
    /// called for one store after the other when the budget was made smaller.
    fn shrink_cache(&mut self) {}

    /// Drops the cache, of which nothing is dirty (Java: `CachedStateStore.clearCache`).
    fn clear_cache(&mut self) {}

    /// Drops cache, rows and changelog buffer.
    fn clear(&mut self) -> Result<(), StateError>;

    /// About how many rows there are, without the cache (Java: `approximateNumEntries`).
    fn approximate_num_entries(&self) -> u64;

    /// Shows every row below the cache as the changelog record that would restore it, in key
    /// order; plain values have the timestamp -1.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError>;

    /// Answers a query from outside the task, with up to `max_rows` rows behind the one at `after`.
    ///
    /// # Errors
    /// When the query is for another kind of store, or the rows cannot be read.
    fn query(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        let _ = (after, max_rows);
        Err(QueryFailure::unknown(self.name(), query))
    }

    /// The store as what it is.
    fn as_any(&self) -> &dyn Any;

    /// The store as what it is, to write to it.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// One record of a changelog topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogRecord {
    /// The key of the row.
    pub key: Bytes,
    /// The value as it is in the topic (a timestamped store's without the timestamp); `None`
    /// deletes the row.
    pub value: Option<Bytes>,
    /// The timestamp of the record in milliseconds.
    pub timestamp: i64,
    /// The headers of the record.
    pub headers: Headers,
}

/// A cache entry on its way down, to be forwarded to the children of the store's processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushedEntry {
    /// The key.
    pub key: StoreBytes,
    /// The value now, in the format of the store; `None` says that the row was deleted.
    pub new: Option<StoreBytes>,
    /// The value of the last flush, in the format of the store; only where old values are sent.
    pub old: Option<StoreBytes>,
    /// The context of the record that made the last write.
    pub context: RecordContext,
}

/// Why a store could not do its work (Java: `ProcessorStateException`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// A key that is null.
    NullKey {
        /// The store.
        store: String,
    },
    /// A serde failed.
    Serde {
        /// The store.
        store: String,
        /// What it read or wrote.
        item: StoreItem,
        /// The type that the store was declared with.
        expected: &'static str,
        /// What the serde said.
        error: SerdeError,
    },
    /// A row that its format does not allow.
    Corrupt {
        /// The store.
        store: String,
        /// What is wrong.
        message: String,
    },
    /// Settings that do not go together (Java: `IllegalArgumentException`).
    Invalid {
        /// The store.
        store: String,
        /// What is wrong.
        message: String,
    },
    /// It is persistent and not open yet (Java: `InvalidStateStoreException`).
    NotOpen {
        /// The store.
        store: String,
    },
    /// The storage below failed.
    Storage {
        /// The store.
        store: String,
        /// Why.
        error: storage::StorageError,
    },
}

/// What a serde works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreItem {
    /// The key of a row.
    Key,
    /// The value of a row.
    Value,
}

impl StateError {
    /// The name of the store.
    pub fn store(&self) -> &str {
        match self {
            Self::NullKey { store }
            | Self::Serde { store, .. }
            | Self::Corrupt { store, .. }
            | Self::Invalid { store, .. }
            | Self::NotOpen { store }
            | Self::Storage { store, .. } => store,
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullKey { store } => {
                write!(f, "store {store} has no null keys: filter them out before")
            }
            Self::Serde {
                store,
                item,
                expected,
                error,
            } => {
                let item = match item {
                    StoreItem::Key => "key",
                    StoreItem::Value => "value",
                };
                write!(f, "store {store}: a {item} of type {expected}: {error}")
            }
            Self::Corrupt { store, message } | Self::Invalid { store, message } => {
                write!(f, "store {store}: {message}")
            }
            Self::NotOpen { store } => {
                write!(f, "store {store}: it is persistent and not open yet")
            }
            Self::Storage { store, error } => write!(f, "store {store}: {error}"),
        }
    }
}

impl std::error::Error for StateError {}

impl From<StateError> for crate::error::StreamsError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Storage { error, .. } => Self::Storage(error),
            error => Self::State {
                task: None,
                store: error.store().to_owned(),
                message: error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
