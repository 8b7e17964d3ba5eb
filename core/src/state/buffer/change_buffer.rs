//! The buffer of a suppressed table (Java: `InMemoryTimeOrderedKeyValueChangeBuffer`).

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::super::builder::TypedStoreBuilder;
use super::super::bytes::StoreBytes;
use super::super::changelog::{ChangelogBuffer, ChangelogEntry};
use super::super::serdes::StoreSerdes;
use super::super::slots::Slots;
use super::super::{ChangelogRecord, StateError, StateStore, ValueFormat};
use super::value::{BufferValue, Reader};
use crate::collections::Map;
use crate::serde::SerdeRef;
use crate::topology::java_order::{bytes_hash, hash_table_order, table_capacity};
use crate::types::{Headers, NO_TIMESTAMP, RecordContext, TopicName};

/// A buffered record on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction<K, T> {
    /// The key.
    pub key: K,
    /// What was buffered.
    pub value: T,
    /// The context of the record that was buffered last.
    pub context: RecordContext,
}

/// The latest change of each key, in the order of the times at which the keys were first buffered,
/// and of the bytes of the keys within a time.
///
/// Changes go to the changelog when the task commits: the last one of each key, or a tombstone for
/// a key that has left.
pub struct TimeOrderedKeyValueChangeBuffer<K, V> {
    serdes: StoreSerdes<K, V>,
    log: Option<ChangelogBuffer>,
    keys: Map<StoreBytes, KeyState>,
    /// The slots of the changes: a node of the tree is not to move large values.
    order: BTreeMap<(i64, StoreBytes), u32>,
    changes: Slots<Option<Buffered>>,
    size_bytes: usize,
    dirty: DirtyKeys,
}

/// What there is of a key.
#[derive(Debug, Default)]
struct KeyState {
    /// Its change, if one is buffered.
    slot: Option<u32>,
    /// It is among the [`DirtyKeys`].
    is_dirty: bool,
}

#[derive(Debug)]
struct Buffered {
    time: i64,
    value: BufferValue,
    /// Java's `computeRecordSize`.
    size_bytes: usize,
}

impl<K, V> TimeOrderedKeyValueChangeBuffer<K, V> {
    /// An empty buffer called `name`.
    pub fn new(
        name: impl Into<Arc<str>>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        is_logged: bool,
    ) -> Self {
        Self {
            serdes: StoreSerdes::new(name.into(), keys, values),
            log: is_logged.then(ChangelogBuffer::new),
            keys: Map::new(),
            order: BTreeMap::new(),
            changes: Slots::new(),
            size_bytes: 0,
            dirty: DirtyKeys::default(),
        }
    }

    /// The recipe of a buffer called `name`: logged.
    pub fn builder(
        name: impl Into<Arc<str>>,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> TimeOrderedKeyValueChangeBufferBuilder<K, V>
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
                Self::new(Arc::clone(&store), keys, values, layers.is_logged)
            },
        )
    }

    /// Buffers a change of `key`, `None` for a value that is not there; it takes the place of the
    /// one that is buffered, which keeps its time.
    ///
    /// # Errors
    /// When `key` is null or a serde fails.
    pub fn put(
        &mut self,
        time: i64,
        key: &K,
        new: Option<&V>,
        old: Option<&V>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let key = self.serdes.with_key(key, StoreBytes::new)?;
        let old = self.serdes.value(old)?;
        let new = self.serdes.value(new)?;
        let value = BufferValue {
            prior: old.clone(),
            old,
            new,
            context: context.clone(),
        };
        if self.log.is_some() {
            self.mark_dirty(&key);
        }
        self.set(time, key, value, true);
        Ok(())
    }

    /// The record to leave next, with the new and the old value: the one of the earliest time. It
    /// stays until [`remove_first`](Self::remove_first).
    ///
    /// # Errors
    /// When a serde fails.
    #[expect(clippy::type_complexity, reason = "the pair is new and old value")]
    pub fn first(&self) -> Result<Option<Eviction<K, (Option<V>, Option<V>)>>, StateError> {
        let Some(((_, key), slot)) = self.order.first_key_value() else {
            return Ok(None);
        };
        let Some(Buffered {
            value: buffered, ..
        }) = &self.changes[*slot]
        else {
            return Ok(None);
        };
        let read = |value: &Option<StoreBytes>| {
            let value = value.as_deref();
            value.map(|value| self.serdes.read_value(value)).transpose()
        };
        Ok(Some(Eviction {
            key: self.serdes.read_key(key)?,
            value: (read(&buffered.new)?, read(&buffered.old)?),
            context: buffered.context.clone(),
        }))
    }

    /// Removes what [`first`](Self::first) shows.
    pub fn remove_first(&mut self) {
        if let Some(((_, key), slot)) = self.order.pop_first() {
            if self.log.is_some() {
                self.mark_dirty(&key);
            }
            self.forget(&key, slot);
        }
    }

    /// What a buffered `key` was before it was buffered: what the suppressed table shows for it.
    /// `None` for a key that is not buffered (Java: `priorValueForBuffered`).
    ///
    /// # Errors
    /// When `key` is null or a serde fails.
    pub fn prior_value_for_buffered(&self, key: &K) -> Result<Option<Option<V>>, StateError> {
        let buffered = self.serdes.with_key(key, |key| self.buffered(key))?;
        let prior = buffered.map(|buffered| buffered.value.prior.as_deref());
        prior
            .map(|prior| prior.map(|prior| self.serdes.read_value(prior)).transpose())
            .transpose()
    }

    /// How many keys are buffered.
    pub fn num_records(&self) -> usize {
        self.order.len()
    }

    /// The bytes that Java counts for what is buffered (`bufferSize`).
    pub const fn buffer_size(&self) -> usize {
        self.size_bytes
    }

    /// The earliest time; `i64::MAX` when nothing is buffered.
    pub fn min_timestamp(&self) -> i64 {
        let first = self.order.first_key_value();
        first.map_or(i64::MAX, |((time, _), _)| *time)
    }

    fn buffered(&self, key: &[u8]) -> Option<&Buffered> {
        self.changes[self.keys.get(key)?.slot?].as_ref()
    }

    /// The key is logged with the next commit.
    fn mark_dirty(&mut self, key: &StoreBytes) {
        let state = self.keys.get_or_insert_with(key.clone(), KeyState::default);
        if !std::mem::replace(&mut state.is_dirty, true) {
            self.dirty.keys.push(key.clone());
        }
    }

    /// Buffers `value`; where the key is buffered, its time stays and, if so asked, its prior value.
    fn set(&mut self, time: i64, key: StoreBytes, mut value: BufferValue, keeps_prior: bool) {
        let state = self.keys.get_or_insert_with(key.clone(), KeyState::default);
        let own = state.slot.and_then(|slot| self.changes[slot].as_mut());
        if let Some(buffered) = own {
            if keeps_prior {
                value.prior = buffered.value.prior.take();
            }
            self.size_bytes -= buffered.size_bytes;
            *buffered = Buffered::new(buffered.time, &key, value);
            self.size_bytes += buffered.size_bytes;
            return;
        }
        let buffered = Buffered::new(time, &key, value);
        self.size_bytes += buffered.size_bytes;
        let slot = self.changes.insert(Some(buffered));
        state.slot = Some(slot);
        self.order.insert((time, key), slot);
    }

    /// Takes the change of `key` out of its slot.
    fn forget(&mut self, key: &StoreBytes, slot: u32) -> Option<Buffered> {
        let buffered = self.changes.remove(slot, None)?;
        self.size_bytes -= buffered.size_bytes;
        if let Some(state) = self.keys.get_mut(key) {
            state.slot = None;
            if !state.is_dirty {
                self.keys.remove(key);
            }
        }
        Some(buffered)
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.keys.get(key).and_then(|state| state.slot) {
            let key = StoreBytes::new(key);
            if let Some(removed) = self.forget(&key, slot) {
                self.order.remove(&(removed.time, key));
            }
        }
    }

    /// Reads a changelog record of any version that Kafka Streams wrote: 0 up to 2.1, 1 up to 2.3,
    /// 2 in 2.4 and 2.5.0, where it may be 3 all the same, and 3.
    fn read(&self, record: &ChangelogRecord, value: &[u8]) -> Option<(i64, BufferValue)> {
        let mut reader = Reader::new(value);
        let Some(version) = record.headers.last(VERSION_HEADER) else {
            let time = reader.long()?;
            let (old, new) = reader.change()?;
            let context = RecordContext {
                topic: Some(TopicName::new(self.serdes.topic())),
                partition: -1,
                offset: -1,
                timestamp: record.timestamp,
                headers: record.headers.clone(),
                source_record: None,
            };
            return Some((time, self.with_prior(&record.key, old, new, context)));
        };
        match version.value.as_deref()? {
            [3] => {
                let value = reader.value()?;
                Some((reader.long()?, value))
            }
            [2] => {
                let read_2_4 = |mut reader: Reader<'_>| {
                    let value = reader.value_2_4()?;
                    Some((reader.long()?, value))
                };
                read_2_4(reader).or_else(|| {
                    let mut reader = Reader::new(value);
                    let value = reader.value()?;
                    Some((reader.long()?, value))
                })
            }
            [1] => {
                let time = reader.long()?;
                let context = reader.context()?;
                let (old, new) = Reader::new(reader.nullable()??).change()?;
                Some((time, self.with_prior(&record.key, old, new, context)))
            }
            _ => None,
        }
    }

    fn with_prior(
        &self,
        key: &[u8],
        old: Option<StoreBytes>,
        new: Option<StoreBytes>,
        context: RecordContext,
    ) -> BufferValue {
        let buffered = self.buffered(key);
        let prior = buffered.and_then(|buffered| buffered.value.prior.clone());
        BufferValue {
            prior: prior.or_else(|| old.clone()),
            old,
            new,
            context,
        }
    }
}

impl<K: 'static, V: 'static> StateStore for TimeOrderedKeyValueChangeBuffer<K, V> {
    fn name(&self) -> &str {
        self.serdes.store()
    }

    fn is_logged(&self) -> bool {
        self.log.is_some()
    }

    fn state_id_tag(&self) -> &'static str {
        "in-memory-suppression-state-id"
    }

    fn set_changelog_topic(&mut self, topic: &TopicName) {
        self.serdes.set_topic(topic);
    }

    fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
        let Some(value) = &record.value else {
            self.remove(&record.key);
            return Ok(());
        };
        let Some((time, value)) = self.read(&record, value) else {
            return Err(StateError::Corrupt {
                store: self.serdes.store().to_owned(),
                message: "a changelog record is no buffered change of a version from 0 to 3"
                    .to_owned(),
            });
        };
        self.set(time, StoreBytes::new(&record.key), value, false);
        Ok(())
    }

    fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        if let Some(log) = &mut self.log {
            log.visit(visit);
        }
    }

    /// Logs the keys that changed, in the order of Java's hash set of them.
    fn begin_flush(&mut self) {
        let Some(log) = &mut self.log else {
            return;
        };
        let mut bytes = Vec::new();
        for key in self.dirty.take() {
            let state = self.keys.get_mut(&key);
            let change = state.and_then(|state| {
                state.is_dirty = false;
                self.changes[state.slot?].as_ref()
            });
            bytes.clear();
            match change {
                Some(change) => change.write(&mut bytes),
                None => drop(self.keys.remove(&key)),
            }
            log.push(ChangelogEntry {
                key: &key,
                value: change.is_some().then_some(&bytes),
                timestamp: NO_TIMESTAMP,
                headers: if change.is_some() {
                    &VERSION_3
                } else {
                    &NO_HEADERS
                },
            });
        }
    }

    fn clear(&mut self) -> Result<(), StateError> {
        if let Some(log) = &mut self.log {
            log.clear();
        }
        self.keys.clear();
        self.order.clear();
        self.changes = Slots::new();
        self.size_bytes = 0;
        self.dirty = DirtyKeys::default();
        Ok(())
    }

    fn approximate_num_entries(&self) -> u64 {
        self.order.len() as u64
    }

    /// The order is that of time.
    fn visit_rows(&self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) -> Result<(), StateError> {
        let mut bytes = Vec::new();
        for ((_, key), slot) in &self.order {
            let Some(change) = &self.changes[*slot] else {
                continue;
            };
            bytes.clear();
            change.write(&mut bytes);
            visit(ChangelogEntry {
                key,
                value: Some(&bytes),
                timestamp: NO_TIMESTAMP,
                headers: &VERSION_3,
            });
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

impl Buffered {
    fn new(time: i64, key: &StoreBytes, value: BufferValue) -> Self {
        const TIME_BYTES: usize = 8;
        Self {
            size_bytes: TIME_BYTES + key.len() + value.size_bytes(),
            time,
            value,
        }
    }

    /// Appends the bytes of the changelog.
    fn write(&self, out: &mut Vec<u8>) {
        self.value.write(out);
        out.extend_from_slice(&self.time.to_be_bytes());
    }
}

/// The keys that changed since the last commit, as they first did, each once.
#[derive(Debug, Default)]
struct DirtyKeys {
    keys: Vec<StoreBytes>,
    /// The most there ever were: Java's table does not shrink.
    max_len: usize,
}

impl DirtyKeys {
    /// Hands the keys out in the order of a Java hash set.
    fn take(&mut self) -> impl Iterator<Item = StoreBytes> {
        self.max_len = self.max_len.max(self.keys.len());
        let mut keys = std::mem::take(&mut self.keys);
        let hashes: Vec<i32> = keys.iter().map(|key| bytes_hash(key)).collect();
        let order = hash_table_order(&hashes, table_capacity(self.max_len));
        order
            .into_iter()
            .map(move |at| std::mem::replace(&mut keys[at], StoreBytes::EMPTY))
    }
}

/// The recipe of a [`TimeOrderedKeyValueChangeBuffer`].
pub type TimeOrderedKeyValueChangeBufferBuilder<K, V> =
    TypedStoreBuilder<TimeOrderedKeyValueChangeBuffer<K, V>>;

const VERSION_HEADER: &str = "v";

static VERSION_3: LazyLock<Headers> = LazyLock::new(|| {
    let mut headers = Headers::new();
    headers.push(VERSION_HEADER, Some(bytes::Bytes::from_static(&[3])));
    headers
});

static NO_HEADERS: Headers = Headers::new();
