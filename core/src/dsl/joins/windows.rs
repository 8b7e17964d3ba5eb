//! How far apart in time two records may be that join.

use std::time::Duration;

/// Records join whose timestamps differ by no more than this (Java: `JoinWindows`): one of the
/// other stream from `before_ms` earlier to `after_ms` later than one of this stream. Either may be
/// negative, which leaves out what comes too close.
///
/// ```
/// use std::time::Duration;
/// use eddyline_core::dsl::JoinWindows;
///
/// // What the other stream has between 10 and 60 seconds later.
/// let later = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(60))
///     .at_least_after(Duration::from_secs(10));
/// assert_eq!((later.before_ms(), later.after_ms()), (-10_000, 60_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
}

impl JoinWindows {
    /// Records up to `time_difference` apart, whichever is the earlier; a record that is more than
    /// `after_window_end` late does not join any more.
    pub fn of_time_difference_and_grace(
        time_difference: Duration,
        after_window_end: Duration,
    ) -> Self {
        Self {
            before_ms: millis(time_difference),
            after_ms: millis(time_difference),
            grace_ms: millis(after_window_end),
        }
    }

    /// Records up to `time_difference` apart, whichever is the earlier; late ones do not join.
    pub fn of_time_difference_with_no_grace(time_difference: Duration) -> Self {
        Self::of_time_difference_and_grace(time_difference, Duration::ZERO)
    }

    /// Records of the other stream may be earlier by no more than this.
    #[must_use]
    pub fn before(mut self, time_difference: Duration) -> Self {
        self.before_ms = millis(time_difference);
        self
    }

    /// Records of the other stream may be later by no more than this.
    #[must_use]
    pub fn after(mut self, time_difference: Duration) -> Self {
        self.after_ms = millis(time_difference);
        self
    }

    /// Records of the other stream must be later by this or more (Java: `before` of a negative
    /// duration). More than [`after`](Self::after) allows does not build.
    #[must_use]
    pub fn at_least_after(mut self, time_difference: Duration) -> Self {
        self.before_ms = -millis(time_difference);
        self
    }

    /// Records of the other stream must be earlier by this or more (Java: `after` of a negative
    /// duration). More than [`before`](Self::before) allows does not build.
    #[must_use]
    pub fn at_least_before(mut self, time_difference: Duration) -> Self {
        self.after_ms = -millis(time_difference);
        self
    }

    /// How much earlier a record of the other stream may be, in milliseconds; negative where it must
    /// be later.
    pub const fn before_ms(&self) -> i64 {
        self.before_ms
    }

    /// How much later a record of the other stream may be, in milliseconds; negative where it must be
    /// earlier.
    pub const fn after_ms(&self) -> i64 {
        self.after_ms
    }

    /// How late a record may be, in milliseconds.
    pub const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The size of the window around a record, in milliseconds.
    pub const fn size_ms(&self) -> i64 {
        self.before_ms.saturating_add(self.after_ms)
    }

    /// Why no two records could ever join.
    pub(in crate::dsl) fn problem(&self) -> Option<String> {
        let Self {
            before_ms,
            after_ms,
            ..
        } = self;
        (self.size_ms() < 0).then(|| {
            format!(
                "no record of the other stream can be {} ms later and {after_ms} ms later at most: \
                 the times before ({before_ms} ms) and after ({after_ms} ms) must not sum to less \
                 than 0",
                before_ms.saturating_neg()
            )
        })
    }

    /// How long a record is kept for others to join, in milliseconds.
    pub(in crate::dsl) const fn retention_ms(&self) -> i64 {
        self.size_ms().saturating_add(self.grace_ms)
    }
}

/// What does not fit is as good as for ever.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_may_have_its_own_difference() {
        let second = Duration::from_secs(1);
        let windows = JoinWindows::of_time_difference_and_grace(second, 3 * second);
        assert_eq!((windows.size_ms(), windows.retention_ms()), (2000, 5000));
        let windows = windows.before(Duration::ZERO).after(2 * second);
        assert_eq!((windows.before_ms(), windows.after_ms()), (0, 2000));
        let ever = JoinWindows::of_time_difference_with_no_grace(Duration::MAX);
        assert_eq!(ever.retention_ms(), i64::MAX);
    }
}
