//! When the rows of a window store are too old.

use super::rows::RowOrder;

/// The time of a store and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct Retention {
    pub(in crate::state) order: RowOrder,
    pub(in crate::state) retention_ms: i64,
    /// The highest time of any row; -1 before the first.
    pub(in crate::state) observed_stream_time: i64,
}

impl Retention {
    pub(in crate::state) const fn new(order: RowOrder, retention_ms: i64) -> Self {
        Self {
            order,
            retention_ms,
            observed_stream_time: -1,
        }
    }

    /// The earliest time that is still there.
    pub(in crate::state) fn live_from(&self) -> i64 {
        let expired = self.observed_stream_time.saturating_sub(self.retention_ms);
        expired.saturating_add(1)
    }

    /// The first segment that takes rows: some of them may be expired already.
    pub(in crate::state) fn first_segment(&self) -> i64 {
        match self.order {
            RowOrder::TimeFirst => self.live_from(),
            RowOrder::Segmented { .. } => self.order.segment(self.live_from() - 1),
        }
    }

    /// Takes the time of a row; true where it is later than any before, and rows may expire.
    pub(in crate::state) fn advance(&mut self, time: i64) -> bool {
        let is_later = time > self.observed_stream_time;
        if is_later {
            self.observed_stream_time = time;
        }
        is_later
    }

    /// True for a row that is not taken any more.
    pub(in crate::state) fn is_late(&self, time: i64) -> bool {
        self.order.segment(time) < self.first_segment()
    }
}
