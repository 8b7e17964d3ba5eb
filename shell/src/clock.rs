//! The two clocks of a process, in core's own types.

use std::time::SystemTime;

use eddyline_core::time::{Instant, Now, WallClock};

/// Reads both clocks; instants count from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall = wall.unwrap_or_default().as_millis();
        Now {
            instant: self.instant(),
            wall_clock: WallClock(i64::try_from(wall).unwrap_or(i64::MAX)),
        }
    }

    pub(crate) fn instant(self) -> Instant {
        let elapsed = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}
