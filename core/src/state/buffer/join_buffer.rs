//! The buffer of a stream-table join with a grace period (KIP-923; Java:
//! `RocksDBTimeOrderedKeyValueBuffer`).

use std::any::Any;
use std::sync::Arc;

use super::super::builder::TypedStoreBuilder;
use super::super::byte_store::{ALL_KEYS, Direction};
use super::super::bytes::StoreBytes;
use super::super::changelog::{ChangelogBuffer, ChangelogEntry};
use super::super::serdes::StoreSerdes;
use super::super::storage::{
    Space, SpaceRows, StorageError, StoreInit, TaskStorage, not_open, storage_error,
};
use super::super::{ChangelogRecord, StateError, StateStore, ValueFormat};
use super::change_buffer::Eviction;
use super::value::{BufferValue, Reader};
use crate::serde::SerdeRef;
use crate::types::{Headers, NO_TIMESTAMP, RecordContext, TopicName};

/// Every record that was put, in the order of their timestamps, of the bytes of their keys within
/// a time, and then of arrival; in the storage of the task, as Java's.
///
/// Each put and each removal goes to the changelog at once.
pub struct TimeOrderedKeyValueBuffer<K, V> {
    serdes: StoreSerdes<K, V>,
    log: Option<ChangelogBuffer>,
    /// By `{0}{timestamp: 8}{key}{number: 4}` (Java: `TimeFirstWindowKeySchema`); set by
    /// [`init`](StateStore::init).
    rows: Option<Space>,
    num_records: usize,
    grace_ms: i64,
    /// The highest timestamp put; -1 before the first one.
    observed_stream_time: i64,
    /// That of the last record.
    number: i32,
    bytes: Vec<u8>,
}

impl<K, V> TimeOrderedKeyValueBuffer<K, V> {
    /// An empty buffer called `name` that holds records back for `grace_ms` milliseconds.
    pub fn new(
        name: impl Into<Arc<str>>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        grace_ms: i64,
        is_logged: bool,
    ) -> Self {
        Self {
            serdes: StoreSerdes::new(name.into(), keys, values),
            log: is_logged.then(ChangelogBuffer::new),
            rows: None,
            num_records: 0,
            grace_ms: grace_ms.max(0),
            observed_stream_time: NO_TIMESTAMP,
            number: 0,
            bytes: Vec::new(),
        }
    }

    /// The recipe of a buffer called `name`: logged.
    pub fn builder(
        name: impl Into<Arc<str>>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        grace_ms: i64,
    ) -> TimeOrderedKeyValueBufferBuilder<K, V>
    where
        K: 'static,
        V: 'static,
    {
        let name: Arc<str> = name.into();
        let store = Arc::clone(&name);
        TypedStoreBuilder::new(
            name,
            None,
            "compact",
            ValueFormat::Plain,
            move |layers, _| {
                let (keys, values) = (Arc::clone(&keys), Arc::clone(&values));
                Self::new(Arc::clone(&store), keys, values, grace_ms, layers.is_logged)
            },
        )
    }

    /// Buffers a record; false says that its grace is over already.
    ///
    /// # Errors
    /// When the key is null or a serde fails.
    pub fn put(
        &mut self,
        key: &K,
        value: &V,
        timestamp: i64,
        context: &RecordContext,
    ) -> Result<bool, StateError> {
        if timestamp < self.observed_stream_time - self.grace_ms {
            return Ok(false);
        }
        let new = self.serdes.value(Some(value))?;
        let bytes = &mut self.bytes;
        bytes.clear();
        bytes.push(TIME_FIRST);
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        self.serdes
            .with_key(key, |key| bytes.extend_from_slice(key))?;
        self.number = self.number.wrapping_add(1) & i32::MAX;
        bytes.extend_from_slice(&self.number.to_be_bytes());
        let row = StoreBytes::new(bytes);
        let value = BufferValue {
            prior: None,
            old: None,
            new,
            context: context.clone(),
        };
        write_row(&value, &mut self.bytes);
        if let Some(log) = &mut self.log {
            log.push(entry(&row, Some(&self.bytes)));
        }
        let value = StoreBytes::new(&self.bytes);
        self.rows_mut()?.put(&row, Some(value));
        self.num_records += 1;
        self.advance(timestamp)?;
        Ok(true)
    }

    /// The first record whose grace is over. It stays until [`remove_first`](Self::remove_first).
    ///
    /// # Errors
    /// When the storage or a serde fails.
    pub fn first(&self) -> Result<Option<Eviction<K, V>>, StateError> {
        let Some((row, value)) = self.first_row()? else {
            return Ok(None);
        };
        let Some((timestamp, key, _)) = split_row(&row) else {
            return Err(self.corrupt("key"));
        };
        if timestamp > self.observed_stream_time - self.grace_ms {
            return Ok(None);
        }
        let buffered = Reader::new(&value).value();
        let Some((value, context)) = buffered.and_then(|b| Some((b.new?, b.context))) else {
            return Err(self.corrupt("value"));
        };
        Ok(Some(Eviction {
            key: self.serdes.read_key(key)?,
            value: self.serdes.read_value(&value)?,
            context,
        }))
    }

    /// Removes the record that is first.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn remove_first(&mut self) -> Result<(), StateError> {
        if let Some((row, _)) = self.first_row()? {
            self.rows_mut()?.put(&row, None);
            self.num_records -= 1;
            if let Some(log) = &mut self.log {
                log.push(entry(&row, None));
            }
        }
        Ok(())
    }

    /// How many records are buffered.
    pub fn num_records(&self) -> usize {
        self.num_records
    }

    fn rows(&self) -> Result<&Space, StateError> {
        self.rows
            .as_ref()
            .ok_or_else(|| not_open(self.serdes.store()))
    }

    fn rows_mut(&mut self) -> Result<&mut Space, StateError> {
        let store = self.serdes.store();
        self.rows.as_mut().ok_or_else(|| not_open(store))
    }

    fn scan(&self) -> Result<SpaceRows, StateError> {
        Ok(self.rows()?.scan(ALL_KEYS, Direction::Forward))
    }

    fn first_row(&self) -> Result<Option<(StoreBytes, StoreBytes)>, StateError> {
        let first = self.scan()?.next().transpose();
        first.map_err(|error| self.failed(&error))
    }

    fn advance(&mut self, timestamp: i64) -> Result<(), StateError> {
        if timestamp > self.observed_stream_time {
            self.observed_stream_time = timestamp;
            self.rows_mut()?.set_observed_stream_time(timestamp);
        }
        Ok(())
    }

    fn failed(&self, error: &StorageError) -> StateError {
        storage_error(self.serdes.store(), error)
    }

    fn corrupt(&self, what: &str) -> StateError {
        StateError::Corrupt {
            store: self.serdes.store().to_owned(),
            message: format!("a changelog record has no {what} of a buffered record"),
        }
    }
}

impl<K: 'static, V: 'static> StateStore for TimeOrderedKeyValueBuffer<K, V> {
    fn name(&self) -> &str {
        self.serdes.store()
    }

    fn is_logged(&self) -> bool {
        self.log.is_some()
    }

    fn is_persistent(&self) -> bool {
        true
    }

    fn init(&mut self, storage: &TaskStorage) -> Result<(), StateError> {
        let rows = StoreInit {
            storage,
            store: self.serdes.store(),
            format: ValueFormat::Plain.name(),
            is_logged: self.log.is_some(),
        };
        let rows = rows.space("records by time")?;
        self.observed_stream_time = rows.observed_stream_time();
        self.rows = Some(rows);
        for row in self.scan()? {
            let (row, _) = row.map_err(|error| self.failed(&error))?;
            let Some((_, _, number)) = split_row(&row) else {
                return Err(self.corrupt("key"));
            };
            self.number = self.number.max(number);
            self.num_records += 1;
        }
        Ok(())
    }

    fn set_changelog_topic(&mut self, topic: &TopicName) {
        self.serdes.set_topic(topic);
    }

    fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
        let Some((timestamp, _, number)) = split_row(&record.key) else {
            return Err(self.corrupt("key"));
        };
        if let Some(value) = &record.value {
            let read = Reader::new(value).value();
            if read.is_none_or(|read| read.new.is_none()) {
                return Err(self.corrupt("value"));
            }
        }
        let value = record.value.as_deref().map(StoreBytes::new);
        let before = self.rows()?.get(&record.key);
        let before = before.map_err(|error| self.failed(&error))?;
        self.num_records += usize::from(value.is_some());
        self.num_records -= usize::from(before.is_some());
        self.rows_mut()?.put(&record.key, value);
        self.advance(timestamp)?;
        // Java begins at 1 again, and writes over what it has restored.
        self.number = self.number.max(number);
        Ok(())
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
        self.observed_stream_time = NO_TIMESTAMP;
        (self.num_records, self.number) = (0, 0);
        let cleared = self.rows_mut()?.clear();
        cleared.map_err(|error| self.failed(&error))
    }

    fn approximate_num_entries(&self) -> u64 {
        self.num_records as u64
    }

    fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError> {
        for row in self.scan()? {
            let (row, value) = row.map_err(|error| self.failed(&error))?;
            visit(entry(&row, Some(&value)));
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The recipe of a [`TimeOrderedKeyValueBuffer`].
pub type TimeOrderedKeyValueBufferBuilder<K, V> =
    TypedStoreBuilder<TimeOrderedKeyValueBuffer<K, V>>;

/// The timestamp, the key and the number of a row.
fn split_row(row: &[u8]) -> Option<(i64, &[u8], i32)> {
    let row = row.strip_prefix(&[TIME_FIRST])?;
    let (timestamp, row) = row.split_first_chunk()?;
    let (key, number) = row.split_last_chunk()?;
    let (timestamp, number) = (i64::from_be_bytes(*timestamp), i32::from_be_bytes(*number));
    Some((timestamp, key, number))
}

/// Fills `out`; where the other buffer has its time, this one has 0.
fn write_row(value: &BufferValue, out: &mut Vec<u8>) {
    out.clear();
    value.write(out);
    out.extend_from_slice(&0_i64.to_be_bytes());
}

fn entry<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> ChangelogEntry<'a> {
    ChangelogEntry {
        key,
        value,
        timestamp: NO_TIMESTAMP,
        headers: &NO_HEADERS,
    }
}

/// `PrefixedWindowKeySchemas.TIME_FIRST_PREFIX`.
const TIME_FIRST: u8 = 0;

static NO_HEADERS: Headers = Headers::new();
