//! How long tasks wait for brokers at most (key: `task.timeout.ms`, KIP-572).

use std::collections::BTreeMap;

use super::ClientMachine;
use super::closing::Closing;
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::time::Instant;
use crate::types::TopicPartition;

/// What tasks wait for, and since when.
///
/// As in Java a task has `task.timeout.ms` from when something has timed out first, which takes
/// `request.timeout.ms` here.
pub(super) struct Patience {
    limit_ms: u64,
    task_timeout_ms: u64,
    commit: Option<Instant>,
    starts: BTreeMap<TopicPartition, Instant>,
}

impl Patience {
    pub(super) fn new(config: &StreamsConfig) -> Self {
        let task_timeout_ms = config.task_timeout_ms();
        Self {
            limit_ms: task_timeout_ms.saturating_add(config.request_timeout_ms()),
            task_timeout_ms,
            commit: None,
            starts: BTreeMap::new(),
        }
    }

    /// Offsets are to be committed.
    pub(super) const fn commit_begins(&mut self, now: Instant) {
        self.commit = Some(now);
    }

    pub(super) const fn commit_ends(&mut self) {
        self.commit = None;
    }

    /// Where a partition is to be read from is asked for.
    pub(super) fn start_begins(&mut self, now: Instant, partition: TopicPartition) {
        self.starts.insert(partition, now);
    }

    pub(super) fn start_ends(&mut self, partition: &TopicPartition) {
        self.starts.remove(partition);
    }

    /// Nothing is waited for any more.
    pub(super) fn clear(&mut self) {
        self.commit = None;
        self.starts.clear();
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let since = self.starts.values().chain(&self.commit).min();
        since.map(|since| since.plus_ms(self.limit_ms))
    }

    /// What has taken too long.
    fn exhausted(&self, now: Instant) -> Option<StreamsError> {
        let is_over = |since: &Instant| since.plus_ms(self.limit_ms) <= now;
        let mut starts = self.starts.iter();
        let what = match starts.find(|(_, since)| is_over(since)) {
            Some((partition, _)) => format!("finding out where to read {partition} from"),
            None => {
                self.commit.filter(is_over)?;
                "the offset commit".to_owned()
            }
        };
        Some(StreamsError::Unreachable(format!(
            "{what} did not succeed within task.timeout.ms ({} ms)",
            self.task_timeout_ms
        )))
    }
}

impl ClientMachine {
    pub(super) fn check_patience(&mut self, now: Instant) {
        let is_open = matches!(self.closing, Closing::No | Closing::Tasks { .. });
        if is_open && let Some(error) = self.patience.exhausted(now) {
            self.fail(now, error);
        }
    }
}
