//! Results of windows that are closed (KIP-825).

use crate::processor::TaskContext;

/// When an aggregation that emits on close looks for closed windows.
pub(super) struct EmitFinal {
    interval_ms: i64,
    next_emit_ms: i64,
}

impl EmitFinal {
    pub(super) fn new(task: &TaskContext) -> Self {
        let interval_ms = task.config.windowed_aggregation_emit_interval_ms();
        Self {
            interval_ms: i64::try_from(interval_ms).unwrap_or(i64::MAX),
            next_emit_ms: 0,
        }
    }

    /// True when it is time to look; asking counts as looking.
    pub(super) fn is_due(&mut self, task: &TaskContext) -> bool {
        let now_ms = task.now.wall_clock.0;
        if now_ms < self.next_emit_ms {
            return false;
        }
        self.next_emit_ms = now_ms.saturating_add(self.interval_ms);
        true
    }
}
