//! Keeps the records of a stream for those of another one.

use std::sync::Arc;

use crate::processor::{Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::serde::SerdeRef;
use crate::state::{StateError, TimestampedWindowStoreWithHeaders, ValueTimestampHeaders};

/// The records of one side, with duplicates. Java keeps headers beside them, for the changelog.
type JoinWindowStore<K, V> = TimestampedWindowStoreWithHeaders<K, V>;

/// Passes every record on and keeps it, as the start of a window of its own (Java:
/// `KStreamJoinWindow`).
pub(in crate::dsl) struct JoinWindow<K> {
    name: Arc<str>,
    keys: SerdeRef<K>,
    store: usize,
}

impl<K> JoinWindow<K> {
    /// Keeps records in the store `name`.
    pub(in crate::dsl) const fn new(name: Arc<str>, keys: SerdeRef<K>) -> Self {
        Self {
            name,
            keys,
            store: 0,
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, V, K, V> for JoinWindow<K> {
    fn init(&mut self, context: &mut ProcessorContext<'_, K, V>) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        if self.keys.is_null(&record.key) {
            return context.pass(record);
        }
        // Joined before it is kept: a self-join must not find it.
        context.pass(record.clone())?;
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let (task, _) = context.parts();
        task.with_store::<JoinWindowStore<K, V>, _>(self.store, |store, context| {
            let headers = context.headers.clone();
            let kept = ValueTimestampHeaders::new(value, timestamp, headers);
            store.put(&key, Some(&kept), timestamp, context)
        })??;
        Ok(())
    }
}

/// Adds the values kept for `key` with timestamps of a range, earliest first.
pub(super) fn fetch<K: 'static, V: 'static>(
    task: &mut TaskContext,
    store: usize,
    key: &K,
    (from, to): (i64, i64),
    found: &mut Vec<(i64, V)>,
) -> Result<(), ProcessorError> {
    task.with_store::<JoinWindowStore<K, V>, _>(store, |store, _| {
        for row in store.fetch(key, from, to)? {
            let (timestamp, kept) = row?;
            found.push((timestamp, kept.value));
        }
        Ok::<(), StateError>(())
    })??;
    Ok(())
}
