//! How long to wait before trying again.

use crate::rng::Rng;
use crate::time::Instant;

/// Exponential waiting with jitter (Java: `ExponentialBackoff`): `base * 2^n` up to a maximum,
/// each varied by 20 per cent so that many clients do not come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    base_ms: u64,
    max_ms: u64,
    failures: u32,
    until: Instant,
}

impl Backoff {
    /// Waits from `base_ms` to `max_ms` milliseconds.
    pub const fn new(base_ms: u64, max_ms: u64) -> Self {
        Self {
            base_ms,
            max_ms,
            failures: 0,
            until: Instant::ZERO,
        }
    }

    /// One more failure: waits longer than after the last one.
    pub fn failed(&mut self, now: Instant, rng: &mut Rng) {
        let factor = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        let wait_ms = self.base_ms.saturating_mul(factor).min(self.max_ms);
        // Never zero: a machine that tries again at the same instant would spin.
        let wait_ms = rng.jitter(wait_ms, JITTER_PERCENT).max(1);
        self.failures = self.failures.saturating_add(1);
        self.until = now.plus_ms(wait_ms);
    }

    /// It worked: the next failure waits shortest again.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
        self.until = Instant::ZERO;
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The earliest time to try again; [`Instant::ZERO`] while nothing failed.
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// Whether the wait is over.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }
}

/// `CommonClientConfigs.RETRY_BACKOFF_JITTER`.
const JITTER_PERCENT: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeedTree;

    #[test]
    fn waits_double_up_to_the_maximum_and_start_over() {
        let mut rng = SeedTree::new(1).rng();
        let mut backoff = Backoff::new(100, 1000);
        assert!(backoff.is_over(Instant::ZERO));
        for expected in [100, 200, 400, 800, 1000, 1000] {
            backoff.failed(Instant::ZERO, &mut rng);
            let waited = backoff.until().as_nanos() / 1_000_000;
            assert!(
                (expected * 8 / 10..=expected * 12 / 10).contains(&waited),
                "{waited} for {expected}"
            );
        }
        backoff.succeeded();
        backoff.failed(Instant::ZERO, &mut rng);
        assert!(backoff.until() <= Instant::ZERO.plus_ms(120));
    }

    #[test]
    fn a_wait_is_never_empty() {
        let mut rng = SeedTree::new(1).rng();
        let mut backoff = Backoff::new(0, 0);
        backoff.failed(Instant::ZERO, &mut rng);
        assert!(!backoff.is_over(Instant::ZERO));
    }
}
