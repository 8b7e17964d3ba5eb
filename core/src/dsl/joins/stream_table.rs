//! Joins of a stream with a table or a global table.

use std::sync::Arc;

use super::super::value_getter::{Row, ValueGetter, View};
use super::{Joiner, forward_copy};
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::serde::SerdeRef;
use crate::state::TimeOrderedKeyValueBuffer;

/// Says which row of a table a record joins.
pub(in crate::dsl) trait RowOf<K, V, TK>: Send + Sync + 'static {
    /// Calls `read` with the key of the row.
    ///
    /// # Errors
    /// When code of the user's cannot say which.
    fn with_key<R>(
        &self,
        key: &K,
        value: &V,
        read: impl FnOnce(&TK) -> R,
    ) -> Result<R, ProcessorError>;
}

/// The row of the record's own key.
pub(in crate::dsl) struct SameKey;

impl<K, V> RowOf<K, V, K> for SameKey {
    fn with_key<R>(&self, key: &K, _: &V, read: impl FnOnce(&K) -> R) -> Result<R, ProcessorError> {
        Ok(read(key))
    }
}

/// The row of the key that the user makes of a record.
pub(in crate::dsl) struct Selected<F>(pub(in crate::dsl) F);

impl<K, V, TK, F> RowOf<K, V, TK> for Selected<F>
where
    F: Fn(&K, &V) -> Result<TK, ProcessorError> + Send + Sync + 'static,
{
    fn with_key<R>(
        &self,
        key: &K,
        value: &V,
        read: impl FnOnce(&TK) -> R,
    ) -> Result<R, ProcessorError> {
        Ok(read(&(self.0)(key, value)?))
    }
}

/// A join of a stream with a table.
pub(in crate::dsl) struct StreamTableJoin<V, TK, TV, S, J> {
    pub(in crate::dsl) view: View<TK, TV>,
    pub(in crate::dsl) table_keys: SerdeRef<TK>,
    pub(in crate::dsl) values: SerdeRef<V>,
    pub(in crate::dsl) row_of: S,
    pub(in crate::dsl) joiner: J,
    /// Records without a row give a result too.
    pub(in crate::dsl) is_left: bool,
    /// The buffer that holds records back for a grace period.
    pub(in crate::dsl) buffer: Option<Arc<str>>,
}

/// Joins every record with the row of a table as it is, or as it was at the time of the record
/// where the table is versioned (Java: `KStreamKTableJoinProcessor`).
pub(in crate::dsl) struct StreamTableJoinProcessor<V, TK, TV, S, J> {
    join: Arc<StreamTableJoin<V, TK, TV, S, J>>,
    rows: Box<dyn ValueGetter<TK, TV>>,
    buffer: Option<usize>,
}

impl<V, TK, TV, S, J> StreamTableJoinProcessor<V, TK, TV, S, J>
where
    V: Clone + 'static,
{
    pub(in crate::dsl) fn new(join: Arc<StreamTableJoin<V, TK, TV, S, J>>) -> Self {
        let rows = join.view.getter();
        Self {
            join,
            rows,
            buffer: None,
        }
    }

    /// The row that a record joins, `None` if it has a null key.
    fn row<K>(
        &mut self,
        task: &mut TaskContext,
        record: &Record<K, V>,
    ) -> Result<Option<Row<TV>>, ProcessorError>
    where
        S: RowOf<K, V, TK>,
    {
        let (join, rows) = (&self.join, &mut self.rows);
        join.row_of.with_key(&record.key, &record.value, |key| {
            if join.table_keys.is_null(key) {
                None
            } else if rows.is_versioned() {
                Some(rows.get_as_of(task, key, record.timestamp))
            } else {
                Some(rows.get(task, key))
            }
        })
    }

    fn join<K>(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError>
    where
        K: Clone + 'static,
        S: RowOf<K, V, TK>,
        J: Joiner<K, V, TV>,
    {
        let row = match self.row(task, &record)? {
            Some(row) => row?,
            None if self.join.is_left => None,
            None => {
                task.drop_record("its key is null, which cannot be joined");
                return Ok(());
            }
        };
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let row = row.map(|row| row.value);
        match self.join.joiner.join(&key, Some(value), row)? {
            Some(joined) => forward_copy(task, node, Record::new(key, joined, timestamp)),
            None => Ok(()),
        }
    }

    /// Joins the records whose grace period is over, each in its own context.
    fn join_due<K>(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        buffer: usize,
    ) -> Result<(), ProcessorError>
    where
        K: Clone + 'static,
        S: RowOf<K, V, TK>,
        J: Joiner<K, V, TV>,
    {
        type Buffer<K, V> = TimeOrderedKeyValueBuffer<K, V>;
        while let Some(due) = task.with_store::<Buffer<K, V>, _>(buffer, |b, _| b.first())?? {
            let record = Record::new(due.key, due.value, due.context.timestamp);
            let before = std::mem::replace(&mut task.context, due.context);
            // What fails is dropped alone: it would stay the first one for good (as it does in Java).
            let joined = self.join(task, node, record);
            let joined = joined.or_else(|error| task.handle_failure(node, error));
            task.context = before;
            joined?;
            task.with_store::<Buffer<K, V>, _>(buffer, |buffer, _| buffer.remove_first())??;
        }
        Ok(())
    }
}

impl<K, V, TK, TV, S, J> Processor<K, V, K, J::Joined> for StreamTableJoinProcessor<V, TK, TV, S, J>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: RowOf<K, V, TK>,
    J: Joiner<K, V, TV>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        if let Some(name) = &self.join.buffer {
            self.buffer = Some(task.store_index(node, name)?);
        }
        self.rows.init(task, node)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let join = &self.join;
        let Record { key, value, .. } = &record;
        if join.values.is_null(value) {
            task.drop_record("its value is null, which cannot be joined");
            return Ok(());
        }
        let Some(buffer) = self.buffer else {
            return self.join(task, node, record);
        };
        let has_no_key = |key: &TK| join.table_keys.is_null(key);
        if !join.is_left && join.row_of.with_key(key, value, has_no_key)? {
            task.drop_record("its key is null, which cannot be joined");
            return Ok(());
        }
        let is_held_back = task
            .with_store::<TimeOrderedKeyValueBuffer<K, V>, _>(buffer, |buffer, context| {
                buffer.put(key, value, record.timestamp, context)
            })??;
        match is_held_back {
            true => self.join_due(task, node, buffer),
            false => self.join(task, node, record),
        }
    }

    fn close(&mut self) {
        self.rows.close();
    }
}
