//! Results of windows that are closed (KIP-825).

use std::sync::Arc;

use crate::processor::TaskContext;

/// When an aggregation that emits on close looks for closed windows. How far it has emitted is
/// committed with the offsets of the task, under the name of its store.
pub(super) struct EmitFinal {
    store: Arc<str>,
    interval_ms: i64,
    next_emit_ms: i64,
}

impl EmitFinal {
    pub(super) fn new(task: &TaskContext, store: Arc<str>) -> Self {
        let interval_ms = task.config.windowed_aggregation_emit_interval_ms();
        Self {
            store,
            interval_ms: i64::try_from(interval_ms).unwrap_or(i64::MAX),
            next_emit_ms: 0,
        }
    }

    /// True when it is time to look for windows that closed before `close_time`; asking counts as
    /// looking.
    pub(super) fn is_due(&mut self, task: &TaskContext, close_time: i64) -> bool {
        let now_ms = task.now.wall_clock.0;
        if now_ms < self.next_emit_ms {
            return false;
        }
        self.next_emit_ms = now_ms.saturating_add(self.interval_ms);
        let last = self.last_close_time(task);
        last.is_none_or(|last| last < close_time)
    }

    /// Windows that closed before this time are emitted.
    pub(super) fn last_close_time(&self, task: &TaskContext) -> Option<i64> {
        task.metadata.get(&self.store)
    }

    /// Notes that windows are emitted which closed before `close_time`.
    pub(super) fn emitted(&self, task: &mut TaskContext, close_time: i64) {
        task.metadata.put(&self.store, close_time);
    }
}
