//! Tables of windows: their stores, and how changes of rows go downstream.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::emit::EmitFinal;
use super::windows::EmitStrategy;
use crate::metrics::names;
use crate::processor::{Change, ForwardFlushed, ProcessorError, Record, TaskContext};
use crate::serde::SerdeRef;
use crate::state::{FlushedEntry, SessionStore, TimestampedWindowStore, ValueAndTimestamp};
use crate::types::Headers;
use crate::window::Windowed;

/// The store of a windowed table, as the aggregation that fills it sees it (Java:
/// `TimestampedTupleForwarder`).
pub(super) struct WindowedTable<K, A> {
    name: Arc<str>,
    strategy: EmitStrategy,
    node: usize,
    pub(super) store: usize,
    /// Changes go downstream at once: neither when the cache is flushed nor when windows close.
    forwards: bool,
    sends_old_values: bool,
    emit_final: Option<EmitFinal>,
    observed_stream_time: i64,
    types: PhantomData<fn() -> (K, A)>,
}

impl<K: Clone + 'static, A: Clone + 'static> WindowedTable<K, A> {
    pub(super) const fn new(name: Arc<str>, strategy: EmitStrategy) -> Self {
        Self {
            name,
            strategy,
            node: 0,
            store: 0,
            forwards: false,
            sends_old_values: false,
            emit_final: None,
            observed_stream_time: -1,
            types: PhantomData,
        }
    }

    /// Finds the store when the task begins.
    pub(super) fn open<F: ForwardFlushed + 'static>(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        forwarder: fn(usize) -> F,
    ) -> Result<(), ProcessorError> {
        self.node = node;
        self.store = task.store_index(node, &self.name)?;
        if self.strategy == EmitStrategy::OnWindowClose {
            self.emit_final = Some(EmitFinal::new(task));
            task.begin_emitting(node, &names::NODE_WINDOW_AGGREGATE_FINAL_EMIT_TOTAL);
            return Ok(());
        }
        self.forwards = !task.is_cached(self.store);
        self.sends_old_values = task.sends_old_values(node);
        task.set_forwarder(self.store, node, Rc::new(forwarder(self.store)));
        Ok(())
    }

    /// The time before which windows of this grace period are closed, once a record of `timestamp`
    /// is here.
    pub(super) fn close_time(&mut self, timestamp: i64, grace_ms: i64) -> i64 {
        self.observed_stream_time = self.observed_stream_time.max(timestamp);
        self.observed_stream_time.saturating_sub(grace_ms)
    }

    /// True when results are emitted on close and it is time to, for windows that closed before
    /// `close_time`; asking counts as looking.
    pub(super) fn is_emit_due(&mut self, task: &TaskContext, close_time: i64) -> bool {
        let emit = self.emit_final.as_mut();
        emit.is_some_and(|emit| emit.is_due(task))
            && self.emitted_to(task).is_none_or(|last| last < close_time)
    }

    /// Windows that closed before this time are emitted. It is committed with the offsets of the
    /// task, under the name of the store.
    pub(super) fn emitted_to(&self, task: &TaskContext) -> Option<i64> {
        task.metadata.get(&self.name)
    }

    /// Notes that windows are emitted which closed before `close_time`.
    pub(super) fn set_emitted_to(&self, task: &mut TaskContext, close_time: i64) {
        task.metadata.put(&self.name, close_time);
    }

    /// True when a change that is forwarded now has to say what the row was before.
    pub(super) const fn wants_old(&self) -> bool {
        self.forwards && self.sends_old_values
    }

    /// True when changes are forwarded as they are made.
    pub(super) const fn forwards(&self) -> bool {
        self.forwards
    }

    /// Forwards the change of a row.
    pub(super) fn forward(
        &self,
        task: &mut TaskContext,
        key: Windowed<K>,
        change: Change<A>,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        task.forward(self.node, Record::new(key, change, timestamp))
    }

    /// Forwards the rows of windows that begin from `from` to `to`, which are final.
    pub(super) fn forward_closed(
        &self,
        task: &mut TaskContext,
        from: i64,
        to: i64,
    ) -> Result<(), ProcessorError> {
        let rows = task
            .with_store::<TimestampedWindowStore<K, A>, _>(self.store, |store, _| {
                store.fetch_all(from, to).collect::<Result<Vec<_>, _>>()
            })??;
        for (key, row) in rows {
            self.forward_final(task, key, row.value, row.timestamp)?;
        }
        Ok(())
    }

    /// Forwards a row that is final.
    pub(super) fn forward_final(
        &self,
        task: &mut TaskContext,
        key: Windowed<K>,
        value: A,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        task.count_emitted(self.node);
        self.forward(task, key, Change::new(Some(value), None), timestamp)
    }

    /// Forwards the change of a session, which has no headers (as in Java).
    pub(super) fn forward_session(
        &self,
        task: &mut TaskContext,
        key: Windowed<K>,
        change: Change<A>,
    ) -> Result<(), ProcessorError> {
        let timestamp = key.window.end;
        let headers = std::mem::replace(&mut task.context.headers, Headers::new());
        let result = self.forward(task, key, change, timestamp);
        task.context.headers = headers;
        result
    }
}

/// Forwards flushed rows of a window store (Java: `TimestampedCacheFlushListener`).
pub(super) struct ForwardWindow<K, A> {
    store: usize,
    types: PhantomData<fn() -> (K, A)>,
}

impl<K, A> ForwardWindow<K, A> {
    pub(super) const fn new(store: usize) -> Self {
        Self {
            store,
            types: PhantomData,
        }
    }
}

impl<K: Clone + 'static, A: Clone + 'static> ForwardFlushed for ForwardWindow<K, A> {
    fn forward(
        &self,
        task: &mut TaskContext,
        node: usize,
        entry: FlushedEntry,
    ) -> Result<(), ProcessorError> {
        let typed = task
            .with_store::<TimestampedWindowStore<K, A>, _>(self.store, |store, _| {
                store.flushed_change(entry)
            })??;
        let timestamp = typed
            .new
            .as_ref()
            .map_or(task.context.timestamp, |new| new.timestamp);
        let value = |row: Option<ValueAndTimestamp<A>>| row.map(|row| row.value);
        let change = Change::new(value(typed.new), value(typed.old));
        task.forward(node, Record::new(typed.key, change, timestamp))
    }
}

/// Forwards flushed rows of a session store (Java: `SessionCacheFlushListener`).
pub(super) struct ForwardSession<K, A> {
    store: usize,
    types: PhantomData<fn() -> (K, A)>,
}

impl<K, A> ForwardSession<K, A> {
    pub(super) const fn new(store: usize) -> Self {
        Self {
            store,
            types: PhantomData,
        }
    }
}

impl<K: Clone + 'static, A: Clone + 'static> ForwardFlushed for ForwardSession<K, A> {
    fn forward(
        &self,
        task: &mut TaskContext,
        node: usize,
        entry: FlushedEntry,
    ) -> Result<(), ProcessorError> {
        let (typed, has_headers) =
            task.with_store::<SessionStore<K, A>, _>(self.store, |store, _| {
                let format = store.bytes().options().format;
                let typed = store.flushed_change(entry);
                typed.map(|typed| (typed, format.has_headers()))
            })??;
        if has_headers {
            // Java takes the headers out of the row, where tables leave none.
            task.context.headers = Headers::new();
        }
        let timestamp = typed.key.window.end;
        let change = Change::new(typed.new, typed.old);
        task.forward(node, Record::new(typed.key, change, timestamp))
    }
}

/// What an aggregation is made of.
pub(in crate::dsl) struct Aggregation<K, V, I, F> {
    /// The name of its store.
    pub(in crate::dsl) store: Arc<str>,
    pub(in crate::dsl) strategy: EmitStrategy,
    pub(in crate::dsl) keys: SerdeRef<K>,
    pub(in crate::dsl) values: SerdeRef<V>,
    pub(in crate::dsl) initialize: I,
    pub(in crate::dsl) fold: F,
}
