//! Three kinds of time that never convert into one another.

use std::fmt;
use std::time::Duration;

/// A point on a monotonic clock: nanoseconds since an arbitrary origin chosen by the driver.
///
/// Only a driver (shell, simulator, embedder) makes one from a clock; core only compares and adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);
    /// The end of time: a deadline that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// An instant `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This instant plus `duration`, stopping at [`Instant::MAX`].
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// This instant plus `millis` milliseconds, stopping at [`Instant::MAX`].
    pub fn plus_ms(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// The time from `earlier` to this instant, zero if `earlier` is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// Wall-clock time: milliseconds since the Unix epoch. May jump in either direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(pub i64);

/// Stream time: the highest record timestamp seen so far, in milliseconds, of a task or partition.
///
/// [`StreamTime::UNKNOWN`] (-1) before the first record, as in Java.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamTime(pub i64);

impl StreamTime {
    /// No record seen yet (`ConsumerRecord.NO_TIMESTAMP`).
    pub const UNKNOWN: Self = Self(-1);

    /// Moves forward to `timestamp` if that is later; stream time never goes back.
    pub fn advance_to(&mut self, timestamp: i64) {
        self.0 = self.0.max(timestamp);
    }
}

impl Default for StreamTime {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// The present as the driver sees it: handed to every call that may need the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and time-outs.
    pub instant: Instant,
    /// For timestamps and wall-clock punctuation.
    pub wall_clock: WallClock,
}

/// The earlier of two optional deadlines.
pub fn earliest<T>(a: Option<(Instant, T)>, b: Option<(Instant, T)>) -> Option<(Instant, T)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, None) => a,
        (None, b) => b,
    }
}
