//! The layers of a key-value store below its serdes.

use std::sync::Arc;

use super::budget::CacheBudget;
use super::byte_store::{
    ByteBounds, ByteKeyValueStore, ByteRows, Direction, prefix_bounds, prefix_end,
};
use super::bytes::StoreBytes;
use super::cache::{CacheReads, CachedEntry, KeyEntries, RecordCache};
use super::changelog::ChangelogEntry;
use super::layers::Layers;
use super::merged::MergedRows;
use super::storage::TaskStorage;
use super::value::ValueFormat;
use super::{ChangelogRecord, FlushedEntry, StateError};
use crate::types::RecordContext;

/// What a key-value store is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueStoreOptions {
    /// What its values are made of.
    pub format: ValueFormat,
    /// True to keep writes in the record cache until a flush.
    pub is_cached: bool,
    /// True to write a changelog.
    pub is_logged: bool,
}

/// Cache over changelog over rows, all of it in bytes. See [the module](super) for the layers and
/// [`StateStore`](super::StateStore) for what flush and restore mean.
pub struct KeyValueBytesStore {
    layers: Layers<KeyEntries>,
    rows: Box<dyn ByteKeyValueStore>,
    /// Room for a value that is put together.
    value: Vec<u8>,
}

impl KeyValueBytesStore {
    /// A store called `name` over `rows`.
    pub fn new(
        name: impl Into<Arc<str>>,
        rows: Box<dyn ByteKeyValueStore>,
        options: KeyValueStoreOptions,
        budget: &CacheBudget,
    ) -> Self {
        let entries = options.is_cached.then(KeyEntries::default);
        let cache = entries.map(|entries| RecordCache::new(entries, budget.clone()));
        Self {
            layers: Layers::new(name.into(), options.format, options.is_logged, cache),
            rows,
            value: Vec::new(),
        }
    }

    /// The name of the store.
    pub fn name(&self) -> &str {
        &self.layers.name
    }

    /// See [`StateStore::init`](super::StateStore::init).
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

    /// See [`StateStore::take_cache_reads`](super::StateStore::take_cache_reads).
    pub fn take_cache_reads(&self) -> CacheReads {
        self.layers.take_cache_reads()
    }

    /// See [`StateStore::state_id_tag`](super::StateStore::state_id_tag).
    pub fn state_id_tag(&self) -> &'static str {
        self.rows.state_id_tag()
    }

    /// What the values are made of.
    pub fn format(&self) -> ValueFormat {
        self.layers.format
    }

    /// The rows below cache and changelog, as queries that skip the cache read them.
    pub fn rows(&self) -> &dyn ByteKeyValueStore {
        self.rows.as_ref()
    }

    /// The value of `key`. What was read from the rows goes to the cache, which may evict.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        let Some(cache) = &mut self.layers.cache else {
            return self.rows.get(key);
        };
        if let Some(known) = cache.get(key) {
            return Ok(known.cloned());
        }
        let found = self.rows.get(key)?;
        if let Some(value) = &found {
            cache.put_clean(key, value, self.rows.places().last_place());
            self.settle()?;
        }
        Ok(found)
    }

    /// The value of `key`, without a change to the cache but for the order of eviction: for
    /// queries from outside the task.
    pub fn peek(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        match self.layers.cache.as_ref().and_then(|cache| cache.get(key)) {
            Some(known) => Ok(known.cloned()),
            None => self.rows.get(key),
        }
    }

    /// Sets the value of `key`, `None` deletes it; `context` is of the record that is processed.
    pub fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        self.layers.writes += 1;
        if let Some(cache) = &mut self.layers.cache {
            cache.put(key, value, context);
            return self.settle();
        }
        self.put_row(key, value)?;
        self.log_evicted(context);
        self.layers.append(key, value, context)
    }

    /// Puts all `rows`, in their order; a map that evicts logs what it evicted first.
    pub fn put_all<'r>(
        &mut self,
        rows: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)> + Clone,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        if self.is_cached() {
            for (key, value) in rows {
                self.put(key, value, context)?;
            }
            return Ok(());
        }
        for (key, value) in rows.clone() {
            self.layers.writes += 1;
            self.put_row(key, value)?;
        }
        self.log_evicted(context);
        for (key, value) in rows {
            self.layers.append(key, value, context)?;
        }
        Ok(())
    }

    /// Sets the value of `key` if it has none, and returns the one it has otherwise.
    pub fn put_if_absent(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<Option<StoreBytes>, StateError> {
        let previous = self.get(key)?;
        if previous.is_none() {
            self.put(key, value, context)?;
        }
        Ok(previous)
    }

    /// Deletes `key` and returns the value it had. The deletion is logged even if it had none.
    pub fn delete(
        &mut self,
        key: &[u8],
        context: &RecordContext,
    ) -> Result<Option<StoreBytes>, StateError> {
        let previous = self.get(key)?;
        self.put(key, None, context)?;
        Ok(previous)
    }

    /// The rows within `bounds` as the cache shows them.
    pub fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> ByteRows<'_> {
        let rows = self.rows.range(bounds, direction);
        match &self.layers.cache {
            Some(cache) => {
                let cached = cache.range(bounds, direction);
                Box::new(MergedRows::new(cached, rows, direction))
            }
            None => rows,
        }
    }

    /// The rows whose keys begin with `prefix`, as the cache shows them.
    pub fn prefix(&self, prefix: &[u8], direction: Direction) -> ByteRows<'_> {
        let end = prefix_end(prefix);
        self.range(prefix_bounds(prefix, end.as_deref()), direction)
    }

    /// About how many rows there are below the cache.
    pub fn approximate_num_entries(&self) -> u64 {
        self.rows.approximate_num_entries()
    }

    /// How many writes there were.
    pub const fn writes(&self) -> u64 {
        self.layers.writes
    }

    /// None: no row is too old.
    pub const fn dropped_records(&self) -> u64 {
        0
    }

    /// The bytes that the cache of this store takes from the budget.
    pub fn cached_bytes(&self) -> usize {
        self.layers.cached_bytes()
    }

    /// See [`StateStore::restore`](super::StateStore::restore).
    pub fn restore(&mut self, record: &ChangelogRecord) -> Result<(), StateError> {
        match self.layers.restored(record, &mut self.value) {
            Some(value) => self.rows.put(&record.key, value)?,
            None => self.rows.delete(&record.key)?,
        }
        // What was evicted when the record was new is in the changelog already.
        while self.rows.pop_evicted().is_some() {}
        Ok(())
    }

    /// See [`StateStore::visit_changelog`](super::StateStore::visit_changelog).
    pub fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        self.layers.visit_changelog(visit);
    }

    /// See [`StateStore::visit_rows`](super::StateStore::visit_rows).
    pub fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError> {
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        for row in self.rows.range(all, Direction::Forward) {
            let (key, stored) = row?;
            self.layers.visit_row(&key, &stored, visit)?;
        }
        Ok(())
    }

    /// See [`StateStore::set_flush_listener`](super::StateStore::set_flush_listener).
    pub fn set_flush_listener(&mut self, send_old_values: bool) {
        self.layers.set_flush_listener(send_old_values);
    }

    /// See [`StateStore::begin_flush`](super::StateStore::begin_flush).
    pub fn begin_flush(&mut self) {
        self.layers.begin_flush();
    }

    /// See [`StateStore::next_flushed`](super::StateStore::next_flushed).
    pub fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
        while let Some(entry) = self.layers.pop_queued(self.rows.places()) {
            let old = match self.layers.wants_old(&entry) {
                true => self.rows.get(&entry.key)?,
                false => None,
            };
            if self.layers.is_without_trace(&entry, old.as_ref()) {
                continue;
            }
            self.write_down(&entry)?;
            self.layers.placed(&entry, self.rows.places());
            let flushed = self.layers.flushed(entry.key.clone(), entry, old);
            if flushed.is_some() {
                return Ok(flushed);
            }
        }
        Ok(None)
    }

    /// See [`StateStore::has_pending`](super::StateStore::has_pending).
    #[inline]
    pub fn has_pending(&self) -> bool {
        self.layers.has_pending()
    }

    /// See [`StateStore::shrink_cache`](super::StateStore::shrink_cache). Without a listener what
    /// was evicted waits for [`next_flushed`](Self::next_flushed) all the same.
    pub fn shrink_cache(&mut self) {
        self.layers.shrink_cache();
    }

    /// See [`StateStore::clear_cache`](super::StateStore::clear_cache).
    pub fn clear_cache(&mut self) {
        if let Some(cache) = &mut self.layers.cache {
            cache.clear();
        }
    }

    /// See [`StateStore::clear`](super::StateStore::clear).
    pub fn clear(&mut self) -> Result<(), StateError> {
        self.layers.clear();
        self.rows.clear()
    }

    /// Without a listener there is nobody to wait for: evicted entries go down at once.
    #[inline]
    fn settle(&mut self) -> Result<(), StateError> {
        if self.layers.is_to_settle() {
            let forwarded = self.next_flushed()?;
            debug_assert!(
                forwarded.is_none(),
                "nothing is forwarded without a listener"
            );
        }
        Ok(())
    }

    fn write_down(&mut self, entry: &CachedEntry<StoreBytes>) -> Result<(), StateError> {
        match &entry.value {
            Some(value) => self.rows.put_shared(&entry.key, value)?,
            None => self.rows.delete(&entry.key)?,
        }
        self.log_evicted(&entry.context);
        let value = entry.value.as_deref();
        self.layers.append(&entry.key, value, &entry.context)
    }

    fn put_row(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StateError> {
        match value {
            Some(value) => self.rows.put(key, value),
            None => self.rows.delete(key),
        }
    }

    fn log_evicted(&mut self, context: &RecordContext) {
        while let Some(key) = self.rows.pop_evicted() {
            self.layers.append_evicted(&key, context);
        }
    }
}

impl std::fmt::Debug for KeyValueBytesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyValueBytesStore")
            .field("name", &self.layers.name)
            .field("format", &self.layers.format)
            .field("is_cached", &self.is_cached())
            .field("is_logged", &self.is_logged())
            .finish_non_exhaustive()
    }
}
