//! Aggregations over windows whose bounds do not depend on their records.

use crate::dsl::outcome::RowResult;
use std::sync::Arc;

use super::table::{Aggregation, ForwardWindow, WindowedTable};
use super::windows::FixedWindows;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::state::{TimestampedWindowStore, ValueAndTimestamp};
use crate::window::{Window, Windowed};

/// Folds every record into the rows of its windows (Java: `KStreamWindowAggregate`). Values may be
/// null, as in Java.
pub(super) struct TimeWindowAggregate<K, V, A, I, F> {
    aggregation: Arc<Aggregation<K, V, I, F>>,
    windows: FixedWindows,
    table: WindowedTable<K, A>,
}

impl<K, V, A, I, F> TimeWindowAggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
{
    pub(super) fn new(windows: FixedWindows, aggregation: Arc<Aggregation<K, V, I, F>>) -> Self {
        Self {
            table: WindowedTable::new(Arc::clone(&aggregation.store), aggregation.strategy),
            aggregation,
            windows,
        }
    }

    fn update(
        &self,
        task: &mut TaskContext,
        window: Window,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let Aggregation {
            initialize, fold, ..
        } = &*self.aggregation;
        let wants_old = self.table.wants_old();
        let (after, old) = task.with_store::<TimestampedWindowStore<K, A>, _>(
            self.table.store,
            |store, context| -> Result<_, ProcessorError> {
                let before = store.fetch_at(&key, window.start)?;
                // An aggregate is as new as the newest record in it.
                let newest = before
                    .as_ref()
                    .map_or(timestamp, |before| before.timestamp.max(timestamp));
                let before = before.map_or_else(initialize, |before| Some(before.value));
                let old = if wants_old { before.clone() } else { None };
                let after = fold(&key, value, before)?;
                let after = after.map(|new| ValueAndTimestamp::new(new, newest));
                store.put(&key, after.as_ref(), window.start, context)?;
                Ok(((after, newest), old))
            },
        )??;
        if !self.table.forwards() {
            return Ok(());
        }
        let (after, newest) = after;
        let change = Change::new(after.map(|after| after.value), old);
        let key = Windowed::new(key, window);
        self.table.forward(task, key, change, newest)
    }

    /// Forwards the rows of windows that closed since the last time.
    fn emit_closed(
        &mut self,
        task: &mut TaskContext,
        close_time: i64,
    ) -> Result<(), ProcessorError> {
        if !self.table.is_emit_due(task, close_time) {
            return Ok(());
        }
        let size_ms = self.windows.size_ms();
        let to = close_time.saturating_sub(size_ms);
        if to < 0 {
            return Ok(());
        }
        let mut from = 0;
        if let Some(last) = self.table.emitted_to(task) {
            let emitted = last.saturating_sub(size_ms).max(0);
            if self.windows.of(to).eq(self.windows.of(emitted)) {
                return Ok(());
            }
            from = emitted + 1;
        }
        self.table.forward_closed(task, from, to)?;
        self.table.set_emitted_to(task, close_time);
        Ok(())
    }
}

impl<K, V, A, I, F> Processor<K, V, Windowed<K>, Change<A>> for TimeWindowAggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Windowed<K>, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.table.open(task, node, ForwardWindow::<K, A>::new)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Windowed<K>, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let (task, _) = context.parts();
        if self.aggregation.keys.is_null(&record.key) {
            task.drop_record("its key is null, which cannot be grouped by");
            return Ok(());
        }
        let close_time = self
            .table
            .close_time(record.timestamp, self.windows.grace_ms());
        let mut windows = self.windows.of(record.timestamp);
        let mut record = Some(record);
        while let Some(window) = windows.next() {
            if window.end <= close_time {
                task.drop_record("its window is closed");
                continue;
            }
            // Windows close in the order in which they begin: the last one takes the record itself.
            let own = if windows.is_over() {
                record.take()
            } else {
                record.clone()
            };
            if let Some(own) = own {
                self.update(task, window, own)?;
            }
        }
        self.emit_closed(task, close_time)
    }
}
