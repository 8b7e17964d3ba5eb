//! The layers of a window or session store below its serdes.

use std::ops::Bound;
use std::sync::Arc;

use super::super::budget::CacheBudget;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::cache::{CacheReads, RecordCache};
use super::super::changelog::ChangelogEntry;
use super::super::layers::Layers;
use super::super::storage::TaskStorage;
use super::super::value::ValueFormat;
use super::super::{ChangelogRecord, FlushedEntry, StateError};
use super::cached::{RowCache, RowEntries};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::merged::{CachedRow, MergedKeyRows, MergedWindowRows};
use super::rows::{ByteWindowStore, RowOrder, WindowRows};
use crate::types::RecordContext;

/// What a window or session store is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStoreOptions {
    /// What its keys are made of.
    pub schema: KeySchema,
    /// The order of its rows.
    pub order: RowOrder,
    /// What its values are made of.
    pub format: ValueFormat,
    /// True to keep every value that is put for a key and a time, none replaces another.
    pub retain_duplicates: bool,
    /// True to keep writes in the record cache until a flush; without effect where duplicates are
    /// retained.
    pub is_cached: bool,
    /// True to write a changelog.
    pub is_logged: bool,
}

/// Cache over changelog over rows, all of it in bytes: see [`KeyValueBytesStore`], whose layers
/// these are.
///
/// [`KeyValueBytesStore`]: super::super::KeyValueBytesStore
pub struct WindowBytesStore {
    layers: Layers<RowEntries>,
    rows: Box<dyn ByteWindowStore>,
    options: WindowStoreOptions,
    /// The number of the last duplicate among the rows; the changelog has its own.
    row_number: i32,
    log_number: i32,
    dropped_records: u64,
    /// Room for a key or a value that is put together.
    bytes: Vec<u8>,
}

impl WindowBytesStore {
    /// A store called `name` over `rows`, which must have the schema and the order of `options`.
    pub fn new(
        name: impl Into<Arc<str>>,
        rows: Box<dyn ByteWindowStore>,
        options: WindowStoreOptions,
        budget: &CacheBudget,
    ) -> Self {
        let is_cached = options.is_cached && !options.retain_duplicates;
        let entries = is_cached.then(|| RowEntries::new(options.schema));
        let cache = entries.map(|entries| RecordCache::new(entries, budget.clone()));
        Self {
            layers: Layers::new(name.into(), options.format, options.is_logged, cache),
            rows,
            options,
            row_number: 0,
            log_number: 0,
            dropped_records: 0,
            bytes: Vec::new(),
        }
    }

    /// The name of the store.
    pub fn name(&self) -> &str {
        &self.layers.name
    }

    /// See [`StateStore::init`](super::super::StateStore::init).
    pub fn init(&mut self, storage: &TaskStorage) -> Result<(), StateError> {
        self.rows.init(&self.layers.init(storage))
    }

    /// True when there is a changelog.
    pub fn is_logged(&self) -> bool {
        self.layers.is_logged()
    }

    /// True when writes stay in the record cache until a flush.
    pub fn is_cached(&self) -> bool {
        self.layers.is_cached()
    }

    /// See [`StateStore::take_cache_reads`](super::super::StateStore::take_cache_reads).
    pub fn take_cache_reads(&self) -> CacheReads {
        self.layers.take_cache_reads()
    }

    /// See [`StateStore::state_id_tag`](super::super::StateStore::state_id_tag).
    pub fn state_id_tag(&self) -> &'static str {
        match (self.options.schema, self.rows.is_persistent()) {
            (KeySchema::Window, false) => "in-memory-window-state-id",
            (KeySchema::Window, true) => "rocksdb-window-state-id",
            (KeySchema::Session, false) => "in-memory-session-state-id",
            (KeySchema::Session, true) => "rocksdb-session-state-id",
        }
    }

    /// What the store is made of.
    pub fn options(&self) -> WindowStoreOptions {
        self.options
    }

    /// The rows below cache and changelog, as queries that skip the cache read them.
    pub fn rows(&self) -> &dyn ByteWindowStore {
        self.rows.as_ref()
    }

    /// How many writes there were.
    pub const fn writes(&self) -> u64 {
        self.layers.writes
    }

    /// How many records came too late and were dropped (Java: `dropped-records-total`).
    pub fn dropped_records(&self) -> u64 {
        self.dropped_records
    }

    /// The value of `row`. Where duplicates are retained only segmented rows have one here: the
    /// last value put, if that was for this key and time.
    pub fn get(&self, mut row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError> {
        if self.options.retain_duplicates {
            if self.options.order == RowOrder::TimeFirst {
                return Ok(None);
            }
            row.tail = i64::from(self.row_number);
        }
        if let Some(known) = self.layers.cache.as_ref().and_then(|cache| cache.get(row)) {
            return Ok(known.cloned());
        }
        self.rows.get(row)
    }

    /// Sets the value of `row`, `None` deletes it; `context` is of the record that is processed. A
    /// row that is too old is dropped, and logged all the same.
    pub fn put(
        &mut self,
        row: RowKey<&[u8]>,
        value: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        self.layers.writes += 1;
        if !self.is_cached() {
            self.put_row(row, value)?;
            return self.append(row, value, context);
        }
        self.stage(row, value, context)
    }

    /// Deletes `row`. Unlike a [`put`](Self::put) of nothing, it never is too late.
    pub fn remove(
        &mut self,
        row: RowKey<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        self.layers.writes += 1;
        if !self.is_cached() {
            self.rows.remove(row)?;
            return self.append(row, None, context);
        }
        self.stage(row, None, context)
    }

    /// The rows that `query` asks for, as the cache shows them.
    pub fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_> {
        let rows = || self.rows.scan(query, direction);
        let Some(cache) = self.layers.cache.as_ref().filter(|_| !query.is_empty()) else {
            return rows();
        };
        if let Some(key) = query.single_key() {
            let Some(cached) = cache.scan_key(key, query, direction) else {
                return rows();
            };
            self.rows.places().expect_at(cached.place());
            return Box::new(MergedKeyRows::new(cached, rows(), direction));
        }
        let WindowStoreOptions { schema, order, .. } = self.options;
        let order = order.of(query);
        let cached = self.cached_rows(cache, query, direction);
        Box::new(MergedWindowRows::new(
            schema,
            order,
            direction,
            cached,
            rows(),
        ))
    }

    /// About how many rows there are below the cache.
    pub fn approximate_num_entries(&self) -> u64 {
        self.rows.approximate_num_entries()
    }

    /// The bytes that the cache of this store takes from the budget.
    pub fn cached_bytes(&self) -> usize {
        self.layers.cached_bytes()
    }

    /// See [`StateStore::restore`](super::super::StateStore::restore).
    pub fn restore(&mut self, record: &ChangelogRecord) -> Result<(), StateError> {
        let Some(mut row) = self.options.schema.read(&record.key) else {
            return Err(self.short_row(record.key.len()));
        };
        let value = self.layers.restored(record, &mut self.bytes);
        if self.options.retain_duplicates && self.options.order == RowOrder::TimeFirst {
            // Java numbers them again, and goes on from there.
            let next = next_number(self.row_number);
            row.tail = i64::from(next);
            if value.is_some() {
                self.row_number = next;
            }
        }
        self.rows.put(row, value).map(|_| ())
    }

    /// See [`StateStore::visit_changelog`](super::super::StateStore::visit_changelog).
    pub fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        self.layers.visit_changelog(visit);
    }

    /// See [`StateStore::visit_rows`](super::super::StateStore::visit_rows); the order is that of
    /// the rows.
    pub fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError> {
        let all = WindowQuery::of_keys((Bound::Unbounded, Bound::Unbounded));
        for row in self.rows.scan(&all, Direction::Forward) {
            let (row, stored) = row?;
            let key = self.options.schema.to_bytes(row.lend());
            self.layers.visit_row(&key, &stored, visit)?;
        }
        Ok(())
    }

    /// See [`StateStore::set_flush_listener`](super::super::StateStore::set_flush_listener).
    pub fn set_flush_listener(&mut self, send_old_values: bool) {
        self.layers.set_flush_listener(send_old_values);
    }

    /// See [`StateStore::begin_flush`](super::super::StateStore::begin_flush).
    pub fn begin_flush(&mut self) {
        self.layers.begin_flush();
    }

    /// See [`StateStore::next_flushed`](super::super::StateStore::next_flushed).
    pub fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
        while let Some(entry) = self.layers.pop_queued(self.rows.places()) {
            let key = entry.key.clone();
            let row = key.lend();
            let old = match self.layers.wants_old(&entry) {
                true => self.rows.get(row)?,
                false => None,
            };
            if self.layers.is_without_trace(&entry, old.as_ref()) {
                continue;
            }
            self.put_row(row, entry.value.as_deref())?;
            self.layers.placed(&entry, self.rows.places());
            self.append(row, entry.value.as_deref(), &entry.context)?;
            self.bytes.clear();
            self.options.schema.write(row, &mut self.bytes);
            let key = StoreBytes::new(&self.bytes);
            let flushed = self.layers.flushed(key, entry, old);
            if flushed.is_some() {
                return Ok(flushed);
            }
        }
        Ok(None)
    }

    /// See [`StateStore::has_pending`](super::super::StateStore::has_pending).
    pub fn has_pending(&self) -> bool {
        self.layers.has_pending()
    }

    /// See [`StateStore::shrink_cache`](super::super::StateStore::shrink_cache).
    pub fn shrink_cache(&mut self) {
        self.layers.shrink_cache();
    }

    /// See [`StateStore::clear_cache`](super::super::StateStore::clear_cache).
    pub fn clear_cache(&mut self) {
        if let Some(cache) = &mut self.layers.cache {
            cache.clear();
        }
    }

    /// See [`StateStore::clear`](super::super::StateStore::clear).
    pub fn clear(&mut self) -> Result<(), StateError> {
        self.layers.clear();
        self.row_number = 0;
        self.log_number = 0;
        self.rows.clear()
    }

    fn stage(
        &mut self,
        row: RowKey<&[u8]>,
        value: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        if let Some(cache) = &mut self.layers.cache {
            cache.put(row, value, context);
        }
        // Without a listener there is nobody to wait for: evicted entries go down at once.
        if self.layers.is_to_settle() {
            self.next_flushed()?;
        }
        Ok(())
    }

    /// What the cache knows of the rows of `query`, in the order of segments.
    fn cached_rows(
        &self,
        cache: &RowCache,
        query: &WindowQuery<'_>,
        direction: Direction,
    ) -> Vec<CachedRow> {
        let WindowStoreOptions { schema, order, .. } = self.options;
        let order = order.of(query);
        let (_, to) = query.byte_bounds(schema);
        let known = cache.scan_keys(query, direction);
        let known = known.map(|(row, value)| CachedRow {
            segment: order.segment(row.time),
            bytes: StoreBytes::new(&schema.to_bytes(row)),
            value: value.cloned(),
        });
        let is_before_to = |row: &CachedRow| to.as_ref().is_none_or(|to| *row.bytes <= **to);
        let mut cached: Vec<CachedRow> = known.filter(is_before_to).collect();
        cached.sort_by(|a, b| {
            let position = (a.segment, order.compared(schema, &a.bytes));
            let ordering = position.cmp(&(b.segment, order.compared(schema, &b.bytes)));
            match direction {
                Direction::Forward => ordering,
                Direction::Backward => ordering.reverse(),
            }
        });
        cached
    }

    fn put_row(&mut self, mut row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<(), StateError> {
        if self.options.retain_duplicates {
            let next = next_number(self.row_number);
            row.tail = i64::from(next);
            if value.is_some() {
                self.row_number = next;
            } else if self.options.order != RowOrder::TimeFirst {
                return Ok(());
            }
            // No duplicate is deleted, but in memory the deletion tells the time, as in Java.
        }
        if !self.rows.put(row, value)? {
            self.dropped_records += 1;
        }
        Ok(())
    }

    /// Appends a changelog record, with what the value has beside itself, or else `context`.
    fn append(
        &mut self,
        mut row: RowKey<&[u8]>,
        stored: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        if !self.is_logged() {
            return Ok(());
        }
        if self.options.retain_duplicates {
            self.log_number = next_number(self.log_number);
            row.tail = i64::from(self.log_number);
        }
        self.bytes.clear();
        self.options.schema.write(row, &mut self.bytes);
        self.layers.append(&self.bytes, stored, context)
    }

    fn short_row(&self, len: usize) -> StateError {
        StateError::Corrupt {
            store: self.layers.name.to_string(),
            message: format!("a key of {len} bytes is too short for a key and its window"),
        }
    }
}

impl std::fmt::Debug for WindowBytesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowBytesStore")
            .field("name", &self.layers.name)
            .field("options", &self.options)
            .field("dropped_records", &self.dropped_records)
            .finish_non_exhaustive()
    }
}

/// The number of the next duplicate; after the highest one they begin again.
const fn next_number(number: i32) -> i32 {
    number.wrapping_add(1) & i32::MAX
}
