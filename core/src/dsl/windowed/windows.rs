//! The kinds of windows that records are grouped into.

use std::time::Duration;

use crate::window::Window;

/// Windows of one size at even distances (Java: `TimeWindows`): *tumbling* ones follow each other,
/// *hopping* ones begin every `advance` and overlap. They begin at multiples of their distance from
/// the epoch on and have their start and not their end. Times are cut to whole milliseconds.
///
/// ```
/// use std::time::Duration;
/// use eddyline_core::dsl::TimeWindows;
///
/// let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
/// let hopping = TimeWindows::of_size_and_grace(Duration::from_secs(60), Duration::from_secs(5))
///     .advance_by(Duration::from_secs(20));
/// assert_eq!(minutes.advance_ms(), 60_000);
/// assert_eq!(hopping.advance_ms(), 20_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
}

impl TimeWindows {
    /// Tumbling windows of `size`, closed when stream time reaches their end. A size below a
    /// millisecond does not build.
    pub fn of_size_with_no_grace(size: Duration) -> Self {
        Self::of_size_and_grace(size, Duration::ZERO)
    }

    /// Tumbling windows of `size` that take late records until `grace` behind their end.
    pub fn of_size_and_grace(size: Duration, grace: Duration) -> Self {
        Self {
            size_ms: millis(size),
            advance_ms: millis(size),
            grace_ms: millis(grace),
        }
    }

    /// Hopping windows: one begins every `advance`. An advance below a millisecond or above the
    /// size does not build.
    #[must_use]
    pub fn advance_by(self, advance: Duration) -> Self {
        Self {
            advance_ms: millis(advance),
            ..self
        }
    }

    /// How long a window lasts in milliseconds.
    pub const fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// From the start of one window to that of the next, in milliseconds.
    pub const fn advance_ms(&self) -> i64 {
        self.advance_ms
    }

    /// How long a window takes records behind its end, in milliseconds.
    pub const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    fn problem(&self) -> Option<String> {
        let Self {
            size_ms,
            advance_ms,
            ..
        } = *self;
        if size_ms <= 0 {
            return Some("the size of time windows must be a millisecond or more".to_owned());
        }
        (!(1..=size_ms).contains(&advance_ms)).then(|| {
            format!(
                "time windows of {size_ms} ms must advance by 1 to {size_ms} ms, not by \
                 {advance_ms} ms"
            )
        })
    }
}

/// Windows that records make themselves (Java: `SlidingWindows`, KIP-450): records of a key are in
/// one window when they are apart by the time difference at most. Both ends belong to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindows {
    time_difference_ms: i64,
    grace_ms: i64,
}

impl SlidingWindows {
    /// Windows of this time difference, closed when stream time is behind their end.
    pub fn of_time_difference_with_no_grace(time_difference: Duration) -> Self {
        Self::of_time_difference_and_grace(time_difference, Duration::ZERO)
    }

    /// Windows of this time difference that take late records until `grace` behind their end.
    pub fn of_time_difference_and_grace(time_difference: Duration, grace: Duration) -> Self {
        Self {
            time_difference_ms: millis(time_difference),
            grace_ms: millis(grace),
        }
    }

    /// The time from the first record of a window to the last one it can have, in milliseconds.
    pub const fn time_difference_ms(&self) -> i64 {
        self.time_difference_ms
    }

    /// How long a window takes records behind its end, in milliseconds.
    pub const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The window that begins at `start`.
    pub(super) const fn window(&self, start: i64) -> Window {
        Window::of_size(start, self.time_difference_ms)
    }
}

/// Windows that end when nothing came for a while (Java: `SessionWindows`). Sessions that a record
/// brings together become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    gap_ms: i64,
    grace_ms: i64,
}

impl SessionWindows {
    /// Sessions whose records are apart by `gap` at most.
    pub fn of_inactivity_gap_with_no_grace(gap: Duration) -> Self {
        Self::of_inactivity_gap_and_grace(gap, Duration::ZERO)
    }

    /// Sessions whose records are apart by `gap` at most, and which take late records until
    /// `grace` behind their gap.
    pub fn of_inactivity_gap_and_grace(gap: Duration, grace: Duration) -> Self {
        Self {
            gap_ms: millis(gap),
            grace_ms: millis(grace),
        }
    }

    /// The longest time without a record in a session, in milliseconds.
    pub const fn inactivity_gap_ms(&self) -> i64 {
        self.gap_ms
    }

    /// How long a session takes records behind its gap, in milliseconds.
    pub const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// How long a session takes records behind its end.
    pub(super) const fn close_delay_ms(&self) -> i64 {
        self.gap_ms.saturating_add(self.grace_ms)
    }
}

/// One window from a start to the end of time (Java: `UnlimitedWindows`). Records before the start
/// are in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnlimitedWindows {
    start_ms: i64,
}

impl UnlimitedWindows {
    /// The window of all time.
    pub const fn of() -> Self {
        Self { start_ms: 0 }
    }

    /// The window from `start_ms` on, in milliseconds since the epoch. A negative one does not
    /// build.
    #[must_use]
    pub const fn start_on(self, start_ms: i64) -> Self {
        Self { start_ms }
    }

    /// The first millisecond.
    pub const fn start_ms(&self) -> i64 {
        self.start_ms
    }
}

/// Windows whose bounds do not depend on what is in them (Java: `Windows`).
#[derive(Clone, Copy, Debug)]
pub(in crate::dsl) enum FixedWindows {
    Time(TimeWindows),
    Unlimited(UnlimitedWindows),
}

impl FixedWindows {
    pub(super) const fn size_ms(self) -> i64 {
        match self {
            Self::Time(windows) => windows.size_ms,
            Self::Unlimited(_) => i64::MAX,
        }
    }

    pub(super) const fn grace_ms(self) -> i64 {
        match self {
            Self::Time(windows) => windows.grace_ms,
            Self::Unlimited(_) => 0,
        }
    }

    /// The windows that `timestamp` lies in, earliest first.
    pub(super) fn of(self, timestamp: i64) -> WindowsOf {
        match self {
            Self::Time(windows) => {
                let before = (windows.size_ms - windows.advance_ms).max(0);
                let advance_ms = windows.advance_ms.max(1);
                let first = timestamp.saturating_sub(before).max(0) / advance_ms * advance_ms;
                WindowsOf {
                    next: (first <= timestamp).then_some(first),
                    advance_ms,
                    timestamp,
                    size_ms: windows.size_ms,
                }
            }
            Self::Unlimited(UnlimitedWindows { start_ms }) => WindowsOf {
                next: (start_ms <= timestamp).then_some(start_ms),
                advance_ms: i64::MAX,
                timestamp,
                size_ms: i64::MAX,
            },
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Time(windows) => windows.problem(),
            Self::Unlimited(windows) => (windows.start_ms < 0)
                .then(|| "the start of unlimited windows must not be negative".to_owned()),
        }
    }
}

/// Windows that have no gap: what time-windowed streams are grouped by.
#[derive(Clone, Copy, Debug)]
pub(in crate::dsl) enum TimeWindowing {
    Fixed(FixedWindows),
    Sliding(SlidingWindows),
}

impl From<TimeWindows> for TimeWindowing {
    fn from(windows: TimeWindows) -> Self {
        Self::Fixed(FixedWindows::Time(windows))
    }
}

impl From<UnlimitedWindows> for TimeWindowing {
    fn from(windows: UnlimitedWindows) -> Self {
        Self::Fixed(FixedWindows::Unlimited(windows))
    }
}

impl From<SlidingWindows> for TimeWindowing {
    fn from(windows: SlidingWindows) -> Self {
        Self::Sliding(windows)
    }
}

impl TimeWindowing {
    pub(in crate::dsl) const fn size_ms(&self) -> i64 {
        match self {
            Self::Fixed(windows) => windows.size_ms(),
            Self::Sliding(windows) => windows.time_difference_ms,
        }
    }

    pub(super) const fn grace_ms(&self) -> i64 {
        match self {
            Self::Fixed(windows) => windows.grace_ms(),
            Self::Sliding(windows) => windows.grace_ms,
        }
    }
}

/// The windows of one timestamp.
#[derive(Clone, Debug)]
pub(super) struct WindowsOf {
    next: Option<i64>,
    advance_ms: i64,
    timestamp: i64,
    size_ms: i64,
}

impl Iterator for WindowsOf {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let start = self.next?;
        let next = start.checked_add(self.advance_ms);
        self.next = next.filter(|next| *next <= self.timestamp);
        Some(Window::of_size(start, self.size_ms))
    }
}

impl WindowsOf {
    /// True when no window comes any more.
    pub(super) const fn is_over(&self) -> bool {
        self.next.is_none()
    }
}

/// When the result of a window goes downstream (Java: `EmitStrategy`, KIP-825).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmitStrategy {
    /// With every record of it (Java: `onWindowUpdate`).
    #[default]
    OnWindowUpdate,
    /// Once, when no record can come to it any more (Java: `onWindowClose`). Closed windows are
    /// looked for when a record is processed, at most once a second of wall-clock time.
    OnWindowClose,
}

/// In whole milliseconds, the highest there are for longer times.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(windows: FixedWindows, timestamp: i64) -> Vec<i64> {
        windows.of(timestamp).map(|window| window.start).collect()
    }

    fn time(size: u64, advance: u64) -> TimeWindows {
        let (size, advance) = (Duration::from_millis(size), Duration::from_millis(advance));
        TimeWindows::of_size_with_no_grace(size).advance_by(advance)
    }

    #[test]
    fn windows_of_a_timestamp_are_javas() {
        assert_eq!(starts(FixedWindows::Time(time(10, 10)), 19), [10]);
        assert_eq!(starts(FixedWindows::Time(time(10, 10)), 20), [20]);
        assert_eq!(starts(FixedWindows::Time(time(12, 5)), 21), [10, 15, 20]);
        assert_eq!(starts(FixedWindows::Time(time(12, 5)), 22), [15, 20]);
        assert_eq!(starts(FixedWindows::Time(time(10, 7)), 3), [0]);
        assert_eq!(starts(FixedWindows::Time(time(10, 7)), -1), [0_i64; 0]);
        let late = FixedWindows::Unlimited(UnlimitedWindows::of().start_on(20));
        assert_eq!(starts(late, 19), [0_i64; 0]);
        let end_of_time = Window::new(20, i64::MAX);
        assert_eq!(late.of(20).collect::<Vec<_>>(), [end_of_time]);
    }

    #[test]
    fn sizes_without_windows_are_named() {
        let problem = |windows| FixedWindows::Time(windows).problem();
        assert_eq!(problem(time(10, 10)), None);
        for (size, advance) in [(0, 0), (10, 0), (10, 11)] {
            assert!(problem(time(size, advance)).is_some(), "{size} {advance}");
        }
        let negative = FixedWindows::Unlimited(UnlimitedWindows::of().start_on(-1));
        assert!(negative.problem().is_some());
    }

    #[test]
    fn times_without_end_do_not_overflow() {
        let forever = TimeWindows::of_size_and_grace(Duration::MAX, Duration::MAX);
        let windows = FixedWindows::Time(forever);
        assert_eq!(starts(windows, i64::MAX - 1), [0]);
        assert_eq!(windows.of(5).map(|w| w.end).max(), Some(i64::MAX));
    }
}
