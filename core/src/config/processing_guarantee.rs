//! `processing.guarantee`, and what follows from it.

use super::{ConfigError, StreamsConfig};

/// How often a record may take effect (key: `processing.guarantee`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessingGuarantee {
    /// Records are processed again after a failure.
    #[default]
    AtLeastOnce,
    /// What is produced, changelogs and offsets are committed in one transaction, and only what is
    /// committed is read: every record takes effect once (KIP-447).
    ExactlyOnceV2,
}

impl ProcessingGuarantee {
    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        match value {
            "at_least_once" => Ok(Self::AtLeastOnce),
            "exactly_once_v2" => Ok(Self::ExactlyOnceV2),
            _ => Err(ConfigError::invalid(
                key,
                value,
                "at_least_once or exactly_once_v2",
            )),
        }
    }
}

/// `commit.interval.ms` where it is not set (Java: `StreamsConfig`).
const COMMIT_INTERVAL_MS: u64 = 30_000;
const EXACTLY_ONCE_COMMIT_INTERVAL_MS: u64 = 100;

impl StreamsConfig {
    /// Key: `processing.guarantee`.
    pub const fn processing_guarantee(&self) -> ProcessingGuarantee {
        self.processing_guarantee
    }

    /// Whether the guarantee is exactly-once.
    pub const fn is_exactly_once(&self) -> bool {
        matches!(
            self.processing_guarantee,
            ProcessingGuarantee::ExactlyOnceV2
        )
    }

    /// How often caches are flushed and offsets committed, in milliseconds: where it is not set,
    /// 30 000 under at-least-once, 100 under exactly-once.
    ///
    /// Key: `commit.interval.ms`.
    pub const fn commit_interval_ms(&self) -> u64 {
        match (self.commit_interval_ms, self.processing_guarantee) {
            (Some(interval_ms), _) => interval_ms,
            (None, ProcessingGuarantee::AtLeastOnce) => COMMIT_INTERVAL_MS,
            (None, ProcessingGuarantee::ExactlyOnceV2) => EXACTLY_ONCE_COMMIT_INTERVAL_MS,
        }
    }

    /// Checks that transactions live until they are committed.
    ///
    /// # Errors
    /// When `transaction.timeout.ms` is less than `commit.interval.ms` under exactly-once.
    pub fn check_transactions(&self) -> Result<(), ConfigError> {
        let (interval_ms, timeout_ms) = (self.commit_interval_ms(), self.transaction_timeout_ms());
        if !self.is_exactly_once() || timeout_ms >= interval_ms {
            return Ok(());
        }
        let allowed = format!(
            "at least commit.interval.ms, which is {interval_ms}: transactions would end before \
             they are committed"
        );
        let timeout = timeout_ms.to_string();
        Err(ConfigError::invalid(
            "transaction.timeout.ms",
            &timeout,
            allowed,
        ))
    }

    pub(super) fn set_commit_interval(
        &mut self,
        key: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        let interval_ms = value.trim().parse().ok();
        let interval_ms = interval_ms.filter(|interval_ms| *interval_ms <= i64::MAX as u64);
        let allowed = format!("a whole number from 0 to {}", i64::MAX);
        let interval_ms = interval_ms.ok_or_else(|| ConfigError::invalid(key, value, allowed))?;
        self.commit_interval_ms = Some(interval_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guarantee_decides_how_often_is_committed() {
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        assert!(!config.is_exactly_once());
        assert_eq!(config.commit_interval_ms(), 30_000);
        let exactly_once = config.set("processing.guarantee", "exactly_once_v2");
        let exactly_once = exactly_once.expect("valid");
        assert!(exactly_once.is_exactly_once());
        assert_eq!(exactly_once.commit_interval_ms(), 100);
        assert_eq!(exactly_once.transaction_timeout_ms(), 10_000);
        assert_eq!(exactly_once.check_transactions(), Ok(()));
        let slow = exactly_once.clone().set("commit.interval.ms", 20_000);
        let slow = slow.expect("valid");
        assert!(slow.check_transactions().is_err());
        let back = slow.set("processing.guarantee", "at_least_once");
        assert_eq!(back.expect("valid").check_transactions(), Ok(()));
        let wrong = exactly_once.set("processing.guarantee", "exactly_once");
        assert!(wrong.is_err(), "version 1 is gone");
    }
}
