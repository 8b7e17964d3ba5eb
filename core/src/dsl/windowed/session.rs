//! Aggregations over sessions.

use crate::dsl::outcome::RowResult;
use std::sync::Arc;

use super::table::{Aggregation, ForwardSession, WindowedTable};
use super::windows::SessionWindows;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::state::SessionStore;
use crate::window::{Window, Windowed};

/// Folds every record into the session that it lies in, and makes one of the sessions that it
/// brings together (Java: `KStreamSessionWindowAggregate`). Values may be null, as in Java.
pub(super) struct SessionWindowAggregate<K, V, A, I, F, M> {
    aggregation: Arc<Aggregation<K, V, I, F>>,
    merge: Arc<M>,
    windows: SessionWindows,
    table: WindowedTable<K, A>,
}

impl<K, V, A, I, F, M> SessionWindowAggregate<K, V, A, I, F, M>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
    M: Fn(&K, Option<A>, A) -> RowResult<A>,
{
    pub(super) fn new(
        windows: SessionWindows,
        aggregation: Arc<Aggregation<K, V, I, F>>,
        merge: Arc<M>,
    ) -> Self {
        Self {
            table: WindowedTable::new(Arc::clone(&aggregation.store), aggregation.strategy),
            aggregation,
            merge,
            windows,
        }
    }

    /// The sessions of `key` that a record at `timestamp` lies in, earliest first.
    fn sessions(
        &self,
        task: &mut TaskContext,
        key: &K,
        timestamp: i64,
    ) -> Result<Vec<(Window, A)>, ProcessorError> {
        let gap_ms = self.windows.inactivity_gap_ms();
        let from = timestamp.saturating_sub(gap_ms);
        let to = timestamp.saturating_add(gap_ms);
        let found = task.with_store::<SessionStore<K, A>, _>(self.table.store, |store, _| {
            let sessions = store.find_sessions(key, from, to)?;
            let sessions = sessions.map(|session| session.map(|(key, row)| (key.window, row)));
            sessions.collect::<Result<Vec<_>, _>>()
        })??;
        Ok(found)
    }

    fn update(
        &self,
        task: &mut TaskContext,
        record: Record<K, V>,
        close_time: i64,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let sessions = self.sessions(task, &key, timestamp)?;
        let own = Window::new(timestamp, timestamp);
        let merged = sessions.iter().fold(own, |merged, (session, _)| {
            Window::new(merged.start.min(session.start), merged.end.max(session.end))
        });
        if merged.end < close_time {
            task.drop_record("its session is closed");
            return Ok(());
        }
        let mut session = Windowed::new(key, own);
        let mut aggregate = (self.aggregation.initialize)();
        let mut replaced = Vec::new();
        for (window, row) in sessions {
            if merged != own {
                let old = self.table.wants_old().then(|| row.clone());
                replaced.push((window, old));
            }
            aggregate = (self.merge)(&session.key, aggregate, row)?;
        }
        // Before anything is removed: what fails leaves the sessions as they were.
        let aggregate = (self.aggregation.fold)(&session.key, value, aggregate)?;
        for (window, old) in replaced {
            session.window = window;
            task.with_store::<SessionStore<K, A>, _>(self.table.store, |store, context| {
                store.remove(&session, context)
            })??;
            if self.table.forwards() {
                let change = Change::new(None, old);
                self.table.forward_session(task, session.clone(), change)?;
            }
        }
        session.window = merged;
        task.with_store::<SessionStore<K, A>, _>(self.table.store, |store, context| {
            store.put(&session, aggregate.as_ref(), context)
        })??;
        if !self.table.forwards() {
            return Ok(());
        }
        let change = Change::new(aggregate, None);
        self.table.forward_session(task, session, change)
    }

    /// Forwards the sessions that closed since the last time.
    fn emit_closed(
        &mut self,
        task: &mut TaskContext,
        close_time: i64,
    ) -> Result<(), ProcessorError> {
        if !self.table.is_emit_due(task, close_time) {
            return Ok(());
        }
        let from = self.table.emitted_to(task).unwrap_or(0).max(0);
        let to = close_time.saturating_sub(1);
        if to < from {
            return Ok(());
        }
        let rows = task.with_store::<SessionStore<K, A>, _>(self.table.store, |store, _| {
            store
                .find_ended_sessions(from, to)
                .collect::<Result<Vec<_>, _>>()
        })??;
        for (key, row) in rows {
            let timestamp = key.window.end;
            self.table.forward_final(task, key, row, timestamp)?;
        }
        self.table.set_emitted_to(task, close_time);
        Ok(())
    }
}

impl<K, V, A, I, F, M> Processor<K, V, Windowed<K>, Change<A>>
    for SessionWindowAggregate<K, V, A, I, F, M>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
    M: Fn(&K, Option<A>, A) -> RowResult<A>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Windowed<K>, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.table.open(task, node, ForwardSession::<K, A>::new)
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
            .close_time(record.timestamp, self.windows.close_delay_ms());
        self.update(task, record, close_time)?;
        self.emit_closed(task, close_time)
    }
}
