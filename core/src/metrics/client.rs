//! What drivers know and the task runner does not: the client and the states of its threads.

use super::{Metric, Metrics, RecordingLevel, names};
use crate::thread::ThreadState;

/// A client, which is one instance of an application (Java: `ClientMetrics`).
#[derive(Clone, Debug)]
pub struct ClientMetrics<'a> {
    /// `client.id`.
    pub client_id: &'a str,
    /// The id of its process.
    pub process_id: &'a str,
    /// `application.id`.
    pub application_id: &'a str,
    /// The version of the library.
    pub version: &'a str,
    /// What the topology is.
    pub topology_description: String,
    /// The state in Java's word, and its number.
    pub state: (&'a str, u8),
    /// Stream threads that have not ended.
    pub alive_stream_threads: usize,
    /// Stream threads that have failed since the start.
    pub failed_stream_threads: u64,
}

impl ClientMetrics<'_> {
    /// The metrics of the group `stream-metrics`.
    pub fn metrics(&self, level: RecordingLevel) -> Vec<Metric> {
        let mut metrics = Metrics::new(level);
        metrics.with_tag("client-id", self.client_id, |metrics| {
            metrics.text(&names::VERSION, self.version);
            metrics.text(&names::APPLICATION_ID, self.application_id);
            metrics.text(&names::TOPOLOGY_DESCRIPTION, &self.topology_description);
            metrics.text(&names::STATE, self.state.0);
            metrics.number(
                &names::ALIVE_STREAM_THREADS,
                self.alive_stream_threads as f64,
            );
            metrics.count(&names::FAILED_STREAM_THREADS, self.failed_stream_threads);
            metrics.with_tag("process-id", self.process_id, |metrics| {
                metrics.number(&names::RECORDING_LEVEL, f64::from(level as u8));
                metrics.with_tag("application-id", self.application_id, |metrics| {
                    metrics.number(&names::CLIENT_STATE, f64::from(self.state.1));
                });
            });
        });
        metrics.into_vec()
    }
}

/// The state of a stream thread (Java: `ThreadMetrics.addThreadStateMetric`).
#[derive(Clone, Copy, Debug)]
pub struct ThreadStateMetrics<'a> {
    /// The name of the thread.
    pub thread_id: &'a str,
    /// The id of its process.
    pub process_id: &'a str,
    /// Its state.
    pub state: ThreadState,
}

impl ThreadStateMetrics<'_> {
    /// Two metrics of the group `stream-thread-metrics`.
    pub fn metrics(&self, level: RecordingLevel) -> Vec<Metric> {
        let mut metrics = Metrics::of_thread(level, self.thread_id);
        metrics.text(&names::THREAD_STATE_NAME, &self.state.to_string());
        metrics.with_tag("process-id", self.process_id, |metrics| {
            metrics.number(&names::THREAD_STATE, f64::from(self.state as u8));
        });
        metrics.into_vec()
    }
}
