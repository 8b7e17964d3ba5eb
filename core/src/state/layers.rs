//! What key-value, window and session stores have between their serdes and their rows.

use std::sync::Arc;

use super::bytes::StoreBytes;
use super::cache::{CacheReads, CachedEntry, Entries, RecordCache};
use super::changelog::{ChangelogBuffer, ChangelogEntry};
use super::places::Places;
use super::storage::{StoreInit, TaskStorage};
use super::value::{NO_HEADERS, ValueFormat};
use super::{ChangelogRecord, FlushedEntry, StateError};
use crate::types::RecordContext;

/// Cache and changelog of a store, each where there is one.
pub(super) struct Layers<E> {
    pub(super) name: Arc<str>,
    pub(super) format: ValueFormat,
    log: Option<ChangelogBuffer>,
    pub(super) cache: Option<RecordCache<E>>,
    listener: Option<Listener>,
    /// How many writes there were.
    pub(super) writes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Listener {
    send_old_values: bool,
}

impl<E: Entries> Layers<E> {
    pub(super) fn new(
        name: Arc<str>,
        format: ValueFormat,
        is_logged: bool,
        cache: Option<RecordCache<E>>,
    ) -> Self {
        Self {
            name,
            format,
            log: is_logged.then(ChangelogBuffer::new),
            cache,
            listener: None,
            writes: 0,
        }
    }

    pub(super) const fn is_logged(&self) -> bool {
        self.log.is_some()
    }

    pub(super) const fn is_cached(&self) -> bool {
        self.cache.is_some()
    }

    /// What the rows are told before they are used.
    pub(super) fn init<'a>(&'a self, storage: &'a TaskStorage) -> StoreInit<'a> {
        StoreInit {
            storage,
            store: &self.name,
            format: self.format.name(),
            is_logged: self.is_logged(),
        }
    }

    pub(super) fn cached_bytes(&self) -> usize {
        self.cache.as_ref().map_or(0, RecordCache::size_bytes)
    }

    pub(super) fn take_cache_reads(&self) -> CacheReads {
        let reads = self.cache.as_ref().map(RecordCache::take_reads);
        reads.unwrap_or_default()
    }

    pub(super) fn set_flush_listener(&mut self, send_old_values: bool) {
        if self.is_cached() {
            self.listener = Some(Listener { send_old_values });
        }
    }

    pub(super) fn begin_flush(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.begin_flush();
        }
    }

    #[inline]
    pub(super) fn has_pending(&self) -> bool {
        self.cache.as_ref().is_some_and(RecordCache::is_flushing)
    }

    /// True when what was evicted is to go down at once: there is nobody who would pull it.
    #[inline]
    pub(super) fn is_to_settle(&self) -> bool {
        self.listener.is_none() && self.has_pending()
    }

    pub(super) fn shrink_cache(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.shrink();
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
        if let Some(log) = &mut self.log {
            log.clear();
        }
    }

    /// The next entry on its way down, whose row is asked for next; `rows` are below.
    pub(super) fn pop_queued(&mut self, rows: &dyn Places) -> Option<CachedEntry<E::OwnedKey>> {
        let cache = self.cache.as_mut()?;
        if let Some(places) = cache.warm() {
            rows.warm(places);
        }
        let entry = cache.pop_queued()?;
        rows.expect_at(entry.place);
        Some(entry)
    }

    /// The row of `entry` was just written.
    pub(super) fn placed(&mut self, entry: &CachedEntry<E::OwnedKey>, rows: &dyn Places) {
        if let Some(cache) = &mut self.cache {
            cache.placed(entry, rows.last_place());
        }
    }

    /// True when the row that `entry` replaces has to be read first.
    pub(super) fn wants_old(&self, entry: &CachedEntry<E::OwnedKey>) -> bool {
        self.listener
            .is_some_and(|listener| entry.value.is_none() || listener.send_old_values)
    }

    /// True for what was written and deleted between two flushes, where someone listens: nothing
    /// below ever knew of it.
    pub(super) fn is_without_trace(
        &self,
        entry: &CachedEntry<E::OwnedKey>,
        old: Option<&StoreBytes>,
    ) -> bool {
        self.listener.is_some() && entry.value.is_none() && old.is_none()
    }

    /// `entry` for the listener, if there is one; `key` is that of the changelog.
    pub(super) fn flushed(
        &self,
        key: StoreBytes,
        entry: CachedEntry<E::OwnedKey>,
        old: Option<StoreBytes>,
    ) -> Option<FlushedEntry> {
        let old = old.filter(|_| self.listener.is_some_and(|l| l.send_old_values));
        self.listener.map(|_| FlushedEntry {
            key,
            new: entry.value,
            old,
            context: entry.context,
        })
    }

    /// Appends a changelog record, with what the value has beside itself, or else `context`.
    #[inline]
    pub(super) fn append(
        &mut self,
        key: &[u8],
        stored: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        match &mut self.log {
            Some(log) => log.append(&self.name, self.format, key, stored, context),
            None => Ok(()),
        }
    }

    /// Logs that rows had to make room. As in Java only stores of plain values do; others evict the
    /// same rows again when they restore.
    pub(super) fn append_evicted(&mut self, key: &[u8], context: &RecordContext) {
        if let (Some(log), ValueFormat::Plain) = (&mut self.log, self.format) {
            log.push(ChangelogEntry {
                key,
                value: None,
                timestamp: context.timestamp,
                headers: &NO_HEADERS,
            });
        }
    }

    pub(super) fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        if let Some(log) = &mut self.log {
            log.visit(visit);
        }
    }

    /// The value that a changelog record stands for, as it is in the row; `out` is room for it.
    pub(super) fn restored<'a>(
        &self,
        record: &'a ChangelogRecord,
        out: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let value = record.value.as_ref()?;
        if self.format == ValueFormat::Plain {
            return Some(value);
        }
        out.clear();
        self.format
            .write_prefix(record.timestamp, &record.headers, out);
        out.extend_from_slice(value);
        Some(out)
    }

    /// Shows a row as the changelog record that would restore it.
    pub(super) fn visit_row(
        &self,
        key: &[u8],
        stored: &[u8],
        visit: &mut dyn FnMut(ChangelogEntry<'_>),
    ) -> Result<(), StateError> {
        let stored = self.format.split(&self.name, stored)?;
        visit(ChangelogEntry {
            key,
            value: Some(stored.value),
            timestamp: stored.timestamp.unwrap_or(-1),
            headers: &stored.headers(&self.name)?,
        });
        Ok(())
    }
}
