//! What the runner counts, and shows with what its tasks count.

#[cfg(test)]
mod tests;

use super::TaskRunner;
use crate::metrics::{Metric, Metrics, Sampled, names};
use crate::task::{StreamTask, TaskState};
use crate::time::{Instant, Now, WallClock};

/// What is counted of a thread (Java: `ThreadMetrics`).
pub(super) struct Counters {
    started: WallClock,
    pub(super) polls: u64,
    pub(super) punctuations: u64,
    pub(super) tasks_created: u64,
    pub(super) tasks_closed: u64,
    processed: u64,
    /// Records processed in a step.
    step_records: Sampled,
    commits: u64,
    /// When the commit began that is under way.
    pub(super) commit_began: Instant,
    /// How long commits took, in milliseconds.
    commit_latency: Sampled,
}

impl Counters {
    pub(super) fn new(now: Now) -> Self {
        Self {
            started: now.wall_clock,
            polls: 0,
            punctuations: 0,
            tasks_created: 0,
            tasks_closed: 0,
            processed: 0,
            step_records: Sampled::default(),
            commits: 0,
            commit_began: Instant::ZERO,
            commit_latency: Sampled::default(),
        }
    }

    /// A step has processed so many records.
    pub(super) fn processed(&mut self, now: Instant, records: usize) {
        self.processed += records as u64;
        self.step_records.record(now, records as f64);
    }

    /// The commit that was under way has succeeded.
    pub(super) fn committed(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.commit_began);
        self.commits += 1;
        self.commit_latency.record(now, took.as_secs_f64() * 1000.0);
    }

    fn collect(&self, now: Instant, metrics: &mut Metrics) {
        metrics.number(&names::THREAD_START_TIME, self.started.0 as f64);
        metrics.count(&names::THREAD_COMMIT_TOTAL, self.commits);
        let (avg, max) = (
            &names::THREAD_COMMIT_LATENCY_AVG,
            &names::THREAD_COMMIT_LATENCY_MAX,
        );
        metrics.number(avg, self.commit_latency.avg(now));
        metrics.number(max, self.commit_latency.max(now));
        metrics.count(&names::THREAD_POLL_TOTAL, self.polls);
        metrics.count(&names::THREAD_PROCESS_TOTAL, self.processed);
        let (avg, max) = (
            &names::THREAD_PROCESS_RECORDS_AVG,
            &names::THREAD_PROCESS_RECORDS_MAX,
        );
        metrics.number(avg, self.step_records.avg(now));
        metrics.number(max, self.step_records.max(now));
        metrics.count(&names::THREAD_PUNCTUATE_TOTAL, self.punctuations);
        metrics.count(&names::THREAD_TASK_CREATED_TOTAL, self.tasks_created);
        metrics.count(&names::THREAD_TASK_CLOSED_TOTAL, self.tasks_closed);
    }
}

impl TaskRunner {
    /// What is measured of the thread, which is called `thread_id`, and its tasks, as far as
    /// `metrics.recording.level` goes (Java: `KafkaStreams.metrics`).
    pub fn metrics(&self, now: Now, thread_id: &str) -> Vec<Metric> {
        let level = self.config.metrics_recording_level();
        let mut metrics = Metrics::of_thread(level, thread_id);
        self.counters.collect(now.instant, &mut metrics);
        for task in self.tasks.values() {
            task.collect_metrics(now.instant, &mut metrics);
        }
        for standby in self.standbys.values() {
            standby.collect_metrics(&mut metrics);
        }
        let mut all = metrics.into_vec();
        all.extend(self.updater_metrics(thread_id));
        all.extend(self.lags(thread_id));
        all
    }

    /// Java has a thread for it.
    fn updater_metrics(&self, thread_id: &str) -> Vec<Metric> {
        let level = self.config.metrics_recording_level();
        let thread_id = thread_id.replace("-StreamThread-", "-StateUpdater-");
        let mut metrics = Metrics::of_thread(level, &thread_id);
        let tasks = self.tasks.values();
        let restoring = tasks
            .filter(|task| task.state == TaskState::Restoring)
            .count();
        let standbys = self.standbys.len();
        let ((restoring, paused), (updating, paused_standbys)) = if self.is_paused {
            ((0, restoring), (0, standbys))
        } else {
            ((restoring, 0), (standbys, 0))
        };
        metrics.number(&names::UPDATER_ACTIVE_RESTORING_TASKS, restoring as f64);
        metrics.number(&names::UPDATER_ACTIVE_PAUSED_TASKS, paused as f64);
        metrics.number(&names::UPDATER_STANDBY_UPDATING_TASKS, updating as f64);
        metrics.number(&names::UPDATER_STANDBY_PAUSED_TASKS, paused_standbys as f64);
        metrics.into_vec()
    }

    /// How far the ends of logs are away: of inputs from what was fetched, of changelogs from what is in
    /// the stores. Java has them of its two consumers.
    fn lags(&self, thread_id: &str) -> Vec<Metric> {
        let mut metrics = Metrics::new(self.config.metrics_recording_level());
        metrics.with_tag("client-id", format!("{thread_id}-consumer"), |metrics| {
            for (partition, lag) in self.tasks.values().flat_map(StreamTask::input_lags) {
                metrics.of_partition(partition, &names::RECORDS_LAG, lag as f64);
            }
        });
        let client = format!("{thread_id}-restore-consumer");
        metrics.with_tag("client-id", client, |metrics| {
            for changelog in self.changelog_positions() {
                let lag = (changelog.end - changelog.position).max(0);
                metrics.of_partition(&changelog.partition, &names::RECORDS_LAG, lag as f64);
            }
        });
        metrics.into_vec()
    }
}
