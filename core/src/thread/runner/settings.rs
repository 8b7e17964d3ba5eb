//! What an application changes while it runs: pausing, and how many threads share its memory.

use super::TaskRunner;
use crate::error::StreamsError;
use crate::time::Now;

impl TaskRunner {
    /// Processes, punctuates, restores and follows changelogs no further (Java:
    /// `KafkaStreams.pause`, KIP-834). What was processed is committed, global stores are filled and
    /// the membership is kept all the same.
    pub const fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Goes on where it paused (Java: `KafkaStreams.resume`).
    pub const fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Gives this thread its part of the memory that `threads` threads of the process share, at
    /// least one: of record caches, and of what persistent stores have not committed (Java:
    /// `resizeThreadCache`, KIP-663). In the beginning they are `num.stream.threads`.
    pub fn share_memory(&mut self, threads: usize) {
        self.threads = threads.max(1);
        let max_bytes = self.config.statestore_cache_max_bytes() / self.threads;
        self.budget.resize(max_bytes);
        self.is_cache_excessive = self.budget.is_exceeded();
    }

    /// Evicts what no longer has room.
    pub(super) fn shrink_caches(&mut self, now: Now) -> Result<(), StreamsError> {
        if std::mem::take(&mut self.is_cache_excessive) {
            for task in self.tasks.values_mut() {
                task.graph_mut().shrink_caches(now)?;
            }
        }
        Ok(())
    }
}
