//! Averages and extremes over a moving window (Java: `SampledStat`).

use std::time::Duration;

use crate::time::Instant;

/// Java's default of `metrics.sample.window.ms`; there are two, its default of `metrics.num.samples`.
const WINDOW: Duration = Duration::from_secs(30);

/// What was measured in the last two windows: at least the last 30 seconds, at most the last 60.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampled {
    /// The window that is filled.
    current: Sample,
    last: Sample,
}

#[derive(Clone, Debug)]
struct Sample {
    since: Instant,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new(Instant::ZERO)
    }
}

impl Sample {
    const fn new(since: Instant) -> Self {
        Self {
            since,
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Sampled {
    #[inline]
    pub(crate) fn record(&mut self, now: Instant, value: f64) {
        if now.saturating_duration_since(self.current.since) >= WINDOW {
            self.begin_window(now);
        }
        let sample = &mut self.current;
        sample.count += 1;
        sample.sum += value;
        sample.min = sample.min.min(value);
        sample.max = sample.max.max(value);
    }

    #[cold]
    fn begin_window(&mut self, now: Instant) {
        self.last = std::mem::replace(&mut self.current, Sample::new(now));
    }

    /// The windows that are not too old.
    fn samples(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let is_recent = move |sample: &&Sample| {
            sample.count > 0 && now.saturating_duration_since(sample.since) < 2 * WINDOW
        };
        [&self.current, &self.last].into_iter().filter(is_recent)
    }

    /// The average; not a number without a measurement.
    pub(crate) fn avg(&self, now: Instant) -> f64 {
        let (count, sum) = self
            .samples(now)
            .fold((0, 0.0), |(count, sum), s| (count + s.count, sum + s.sum));
        if count == 0 {
            f64::NAN
        } else {
            sum / count as f64
        }
    }

    /// The lowest; not a number without a measurement.
    pub(crate) fn min(&self, now: Instant) -> f64 {
        self.samples(now).map(|s| s.min).fold(f64::NAN, f64::min)
    }

    /// The highest; not a number without a measurement.
    pub(crate) fn max(&self, now: Instant) -> f64 {
        self.samples(now).map(|s| s.max).fold(f64::NAN, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_is_too_old_no_longer_counts() {
        let mut sampled = Sampled::default();
        assert!(sampled.avg(at(0)).is_nan() && sampled.max(at(0)).is_nan());
        sampled.record(at(100), 4.0);
        sampled.record(at(129), 8.0);
        assert_eq!((sampled.avg(at(129)), sampled.min(at(129))), (6.0, 4.0));
        sampled.record(at(130), 3.0);
        // Both windows.
        assert_eq!((sampled.avg(at(131)), sampled.max(at(131))), (5.0, 8.0));
        sampled.record(at(160), 1.0);
        assert_eq!((sampled.max(at(160)), sampled.min(at(160))), (3.0, 1.0));
        // Nobody records any more.
        assert_eq!(sampled.max(at(190)), 1.0);
        assert!(sampled.max(at(220)).is_nan() && sampled.avg(at(220)).is_nan());
    }

    #[test]
    fn a_window_without_a_measurement_between_is_none() {
        let mut sampled = Sampled::default();
        sampled.record(at(0), 9.0);
        sampled.record(at(1000), 2.0);
        assert_eq!((sampled.max(at(1000)), sampled.avg(at(1000))), (2.0, 2.0));
    }
}
