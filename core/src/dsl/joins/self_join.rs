//! Joins of a stream with itself.

use std::any::{Any, type_name};
use std::sync::Arc;

use super::stream_stream::{StreamStreamJoin, time_range};
use super::window::fetch;
use super::{Joiner, forward_copy};
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record, TaskContext};

/// Joins the records of one stream with each other, out of one window instead of two: what the
/// optimiser makes of an inner join whose sides are the same stream (Java:
/// `KStreamKStreamSelfJoin`).
///
/// The two types of values are one, which the compiler does not know: the same window is read as
/// that of either side.
pub(in crate::dsl) struct SelfJoin<K, V1, V2, J> {
    join: Arc<StreamStreamJoin<K, V1, V2, J>>,
    window: usize,
    stream_time: i64,
}

impl<K, V1, V2, J> SelfJoin<K, V1, V2, J>
where
    K: Clone + 'static,
    V1: Clone + 'static,
    V2: Clone + 'static,
    J: Joiner<K, V1, V2>,
{
    pub(in crate::dsl) const fn new(join: Arc<StreamStreamJoin<K, V1, V2, J>>) -> Self {
        Self {
            join,
            window: 0,
            stream_time: -1,
        }
    }

    fn forward_joined(
        &self,
        task: &mut TaskContext,
        node: usize,
        (key, timestamp): (&K, i64),
        (left, right): (V1, V2),
    ) -> Result<(), ProcessorError> {
        match self.join.joiner.join(key, Some(left), Some(right))? {
            Some(joined) => forward_copy(task, node, Record::new(key.clone(), joined, timestamp)),
            None => Ok(()),
        }
    }

    /// Joins a record with others and itself, in the order that a join of two streams would.
    fn join(
        &self,
        task: &mut TaskContext,
        node: usize,
        (key, timestamp): (&K, i64),
        (left, right): (V1, V2),
    ) -> Result<(), ProcessorError> {
        let windows = &self.join.windows;
        let (before_ms, after_ms) = (windows.before_ms(), windows.after_ms());
        let mut found: Vec<(i64, V2)> = Vec::new();
        let times = time_range(timestamp, (before_ms, after_ms));
        fetch(task, self.window, key, times, &mut found)?;
        for (other_timestamp, other) in found {
            let at = (key, other_timestamp.max(timestamp));
            self.forward_joined(task, node, at, (left.clone(), other))?;
        }
        let mut found: Vec<(i64, V1)> = Vec::new();
        let times = time_range(timestamp, (after_ms, before_ms));
        fetch(task, self.window, key, times, &mut found)?;
        // Java is a millisecond stricter here than its window stores are.
        let expired = self.stream_time.saturating_sub(windows.retention_ms());
        let mut joins_itself = timestamp > expired.saturating_add(1);
        // Java forgets that windows may leave out what comes at the same time.
        joins_itself &= before_ms >= 0 && after_ms >= 0;
        for (other_timestamp, other) in found {
            // Results are in the order of their timestamps.
            if other_timestamp > timestamp && std::mem::take(&mut joins_itself) {
                let itself = (left.clone(), right.clone());
                self.forward_joined(task, node, (key, timestamp), itself)?;
            }
            let at = (key, other_timestamp.max(timestamp));
            self.forward_joined(task, node, at, (other, right.clone()))?;
        }
        if joins_itself {
            self.forward_joined(task, node, (key, timestamp), (left, right))?;
        }
        Ok(())
    }
}

impl<K, V1, V2, J> Processor<K, V1, K, J::Joined> for SelfJoin<K, V1, V2, J>
where
    K: Clone + 'static,
    V1: Clone + 'static,
    V2: Clone + 'static,
    J: Joiner<K, V1, V2>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.window = task.store_index(node, &self.join.left_window)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
        record: Record<K, V1>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let join = &self.join;
        if join.keys.is_null(&record.key) || join.left_values.is_null(&record.value) {
            task.drop_record("its key or value is null, which cannot be joined");
            return Ok(());
        }
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let Some(right) = (&value as &dyn Any).downcast_ref::<V2>().cloned() else {
            let (left, right) = (type_name::<V1>(), type_name::<V2>());
            let message = format!("a self-join has values of {left} and of {right}");
            return Err(ProcessorError::new(message));
        };
        self.stream_time = self.stream_time.max(timestamp);
        self.join(task, node, (&key, timestamp), (value, right))
    }
}
