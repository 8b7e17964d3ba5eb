//! Versioned stores of typed keys and values (Java: `MeteredVersionedKeyValueStore` over
//! `ChangeLoggingVersionedKeyValueBytesStore`).

use std::any::Any;
use std::sync::Arc;

use super::super::answer::{count_row, page};
use super::super::byte_store::Direction;
use super::super::changelog::{ChangelogBuffer, ChangelogEntry};
use super::super::serdes::StoreSerdes;
use super::super::storage::{StoreInit, TaskStorage};
use super::super::{ChangelogRecord, StateError, StateStore, ValueFormat};
use super::rows::{ByteVersionedStore, ByteVersions, VersionedBytes};
use super::versions::PutReturn;
use crate::query::{QueryFailure, QueryPage, QueryRow, RowPosition, StoreQuery};
use crate::serde::SerdeRef;
use crate::types::{Headers, TopicName};

/// A value and when it was valid (Java: `VersionedRecord`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionedRecord<V> {
    /// The value.
    pub value: V,
    /// When it began, in milliseconds.
    pub timestamp: i64,
    /// When it ended, in milliseconds, exclusive; `None` for the latest one.
    pub valid_to: Option<i64>,
}

/// A store of values by key and time (Java: `VersionedKeyValueStore`).
///
/// A put tells since when a value holds. The value as of a time is known back to the history
/// retention before the highest timestamp put; records that are older are dropped and counted. The
/// latest value of a key never expires.
///
/// ```
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::state::{CacheBudget, PutReturn, Stores};
///
/// # fn main() -> Result<(), eddyline_core::state::StateError> {
/// let prices = Stores::in_memory_versioned_key_value_store("prices", 60_000, None)?;
/// let mut prices =
///     Stores::versioned_key_value_store_builder(prices, String::default_serde(), i64::default_serde())
///         .build_typed();
/// let apple = "apple".to_owned();
/// prices.put(&apple, Some(&3), 2_000)?;
/// assert_eq!(prices.put(&apple, Some(&2), 1_000)?, PutReturn::ValidTo(2_000));
/// assert_eq!(prices.get_as_of(&apple, 1_999)?.map(|record| record.value), Some(2));
/// assert_eq!(prices.get(&apple)?.map(|record| record.value), Some(3));
/// # Ok(())
/// # }
/// ```
pub struct VersionedKeyValueStore<K, V> {
    rows: Box<dyn ByteVersionedStore>,
    log: Option<ChangelogBuffer>,
    serdes: StoreSerdes<K, V>,
    writes: u64,
}

impl<K, V> VersionedKeyValueStore<K, V> {
    /// A store called `name` of these serdes over `rows`.
    pub fn new(
        name: impl Into<Arc<str>>,
        rows: Box<dyn ByteVersionedStore>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        is_logged: bool,
    ) -> Self {
        Self {
            rows,
            log: is_logged.then(ChangelogBuffer::new),
            serdes: StoreSerdes::new(name.into(), keys, values),
            writes: 0,
        }
    }

    /// Sets what `key` is from `timestamp` on, until its next version; `None` deletes it. Logged
    /// even where it is too old to be put, as in Java.
    ///
    /// # Errors
    /// When `key` is null, or a serde or the storage fails.
    pub fn put(
        &mut self,
        key: &K,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<PutReturn, StateError> {
        self.writes += 1;
        let (key, value) = self.serdes.row(key, value)?;
        let result = self.rows.put(key, value, timestamp)?;
        append(&mut self.log, key, value, timestamp);
        Ok(result)
    }

    /// Deletes `key` as of `timestamp` and returns what it was at that time; where that is longer
    /// ago than the history retention nothing is deleted nor returned.
    ///
    /// # Errors
    /// When `key` is null, or a serde or the storage fails.
    pub fn delete(
        &mut self,
        key: &K,
        timestamp: i64,
    ) -> Result<Option<VersionedRecord<V>>, StateError> {
        self.writes += 1;
        let (key, _) = self.serdes.row(key, None)?;
        let before = self.rows.delete(key, timestamp)?;
        append(&mut self.log, key, None, timestamp);
        before.map(|found| self.read(&found)).transpose()
    }

    /// The latest version of `key`.
    ///
    /// # Errors
    /// When `key` is null, or a serde or the storage fails.
    pub fn get(&self, key: &K) -> Result<Option<VersionedRecord<V>>, StateError> {
        let found = self.serdes.with_key(key, |key| self.rows.get(key))??;
        found.map(|found| self.read(&found)).transpose()
    }

    /// What `key` was at `timestamp` (Java: `get(key, asOfTimestamp)`).
    ///
    /// # Errors
    /// When `key` is null, or a serde or the storage fails.
    pub fn get_as_of(
        &self,
        key: &K,
        timestamp: i64,
    ) -> Result<Option<VersionedRecord<V>>, StateError> {
        let found = self
            .serdes
            .with_key(key, |key| self.rows.get_as_of(key, timestamp))??;
        found.map(|found| self.read(&found)).transpose()
    }

    /// The versions of `key` that were valid at some time from `from` to `to`, both in milliseconds
    /// and inclusive, earliest first (Java: `MultiVersionedKeyQuery`). As in Java, a version that
    /// was replaced in a later segment than that of `to` is passed over.
    ///
    /// # Errors
    /// When `key` is null or its serde fails; the iterator gives the errors of values.
    pub fn history(
        &self,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<VersionedRecordIterator<'_, K, V>, StateError> {
        self.walk(key, from, to, Direction::Forward)
    }

    /// [`history`](Self::history), latest first.
    ///
    /// # Errors
    /// As for [`history`](Self::history).
    pub fn reverse_history(
        &self,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<VersionedRecordIterator<'_, K, V>, StateError> {
        self.walk(key, from, to, Direction::Backward)
    }

    /// How many puts and deletions came too late and were dropped (Java: `dropped-records-total`).
    pub fn dropped_records(&self) -> u64 {
        self.rows.dropped_records()
    }

    fn walk(
        &self,
        key: &K,
        from: i64,
        to: i64,
        direction: Direction,
    ) -> Result<VersionedRecordIterator<'_, K, V>, StateError> {
        let walk = |key: &[u8]| self.rows.history(key, from, to, direction);
        Ok(VersionedRecordIterator {
            versions: self.serdes.with_key(key, walk)?,
            store: self,
        })
    }

    fn read(&self, found: &VersionedBytes) -> Result<VersionedRecord<V>, StateError> {
        Ok(VersionedRecord {
            value: self.serdes.read_value(&found.value)?,
            timestamp: found.timestamp,
            valid_to: found.valid_to,
        })
    }
}

/// Versions of a key, read while walking (Java: `VersionedRecordIterator`).
pub struct VersionedRecordIterator<'a, K, V> {
    versions: ByteVersions<'a>,
    store: &'a VersionedKeyValueStore<K, V>,
}

impl<K, V> Iterator for VersionedRecordIterator<'_, K, V> {
    type Item = Result<VersionedRecord<V>, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.versions.next()?;
        Some(found.and_then(|found| self.store.read(&found)))
    }
}

impl<K: 'static, V: 'static> StateStore for VersionedKeyValueStore<K, V> {
    fn writes(&self) -> u64 {
        self.writes
    }

    fn dropped_records(&self) -> u64 {
        self.rows.dropped_records()
    }

    fn name(&self) -> &str {
        self.serdes.store()
    }

    fn is_logged(&self) -> bool {
        self.log.is_some()
    }

    fn is_persistent(&self) -> bool {
        self.rows.is_persistent()
    }

    fn init(&mut self, storage: &TaskStorage) -> Result<(), StateError> {
        self.rows.init(&StoreInit {
            storage,
            store: self.serdes.store(),
            format: ValueFormat::Plain.name(),
            is_logged: self.log.is_some(),
        })
    }

    fn set_changelog_topic(&mut self, topic: &TopicName) {
        self.serdes.set_topic(topic);
    }

    /// Record by record, as it was written. Java looks at a batch with the time of its end: a
    /// deletion that has expired by then is not seen by a late put of the same batch, which brings
    /// the key back.
    fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
        let ChangelogRecord {
            key,
            value,
            timestamp,
            ..
        } = record;
        self.rows.put(&key, value.as_deref(), timestamp).map(|_| ())
    }

    fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        if let Some(log) = &mut self.log {
            log.visit(visit);
        }
    }

    fn clear(&mut self) -> Result<(), StateError> {
        if let Some(log) = &mut self.log {
            log.clear();
        }
        self.rows.clear()
    }

    fn approximate_num_entries(&self) -> u64 {
        self.rows.approximate_num_entries()
    }

    fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError> {
        self.rows.visit(&mut |key, timestamp, value| {
            visit(ChangelogEntry {
                key,
                value,
                timestamp,
                headers: &NO_HEADERS,
            });
        })
    }

    fn query(
        &self,
        query: &StoreQuery,
        _: Option<&RowPosition>,
        _: usize,
    ) -> Result<QueryPage, QueryFailure> {
        // The versions of one key are few: they make one page.
        let found: ByteVersions<'_> = match query {
            StoreQuery::Key { key, .. } => Box::new(self.rows.get(key)?.into_iter().map(Ok)),
            StoreQuery::VersionAsOf { key, as_of } => {
                let found = match *as_of {
                    i64::MAX => self.rows.get(key)?,
                    as_of => self.rows.get_as_of(key, as_of)?,
                };
                Box::new(found.into_iter().map(Ok))
            }
            StoreQuery::Versions {
                key,
                from,
                to,
                direction,
            } => self.rows.history(key, *from, *to, *direction),
            StoreQuery::Count => return Ok(count_row(self.approximate_num_entries())),
            other => return Err(QueryFailure::unknown(self.name(), other)),
        };
        let rows = found.map(|version| {
            let version = version?;
            Ok(QueryRow {
                position: RowPosition {
                    key: query.key().unwrap_or_default(),
                    time: version.timestamp,
                    tail: 0,
                },
                window: None,
                value: version.value.to_bytes(),
                timestamp: Some(version.timestamp),
                valid_to: version.valid_to,
                headers: Headers::new(),
                count: 0,
            })
        });
        page(rows, usize::MAX)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Versions go to the changelog without headers.
fn append(log: &mut Option<ChangelogBuffer>, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
    if let Some(log) = log {
        log.push(ChangelogEntry {
            key,
            value,
            timestamp,
            headers: &NO_HEADERS,
        });
    }
}

static NO_HEADERS: Headers = Headers::new();
