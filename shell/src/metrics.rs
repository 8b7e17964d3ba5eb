//! Metrics under Java's names: see [`RunningStreams::metrics`].

use std::time::Instant;

use crossbeam_channel::unbounded;
use eddyline_core::metrics::{ClientMetrics, ThreadStateMetrics};
pub use eddyline_core::metrics::{Metric, MetricValue, RecordingLevel, to_prometheus};

use crate::query::{Job, PATIENCE, is_stream_thread};
use crate::streams::RunningStreams;

impl RunningStreams {
    /// What is measured of this instance, its threads, tasks, processors, topics and stores, as far as
    /// `metrics.recording.level` goes (Java: `KafkaStreams.metrics`). Groups, names, tags and descriptions
    /// are Java's; [`to_prometheus`] makes text of it.
    ///
    /// Each stream thread is asked between two steps. One that user code keeps busy for more than half a
    /// second shows its state alone, and so do all of them where a stream thread asks.
    ///
    /// ```no_run
    /// # let streams: eddyline::RunningStreams = unimplemented!();
    /// for metric in streams.metrics() {
    ///     println!("{} {} {:?} {}", metric.group, metric.name, metric.tags, metric.value);
    /// }
    /// // What an HTTP server of yours answers at /metrics:
    /// let text = eddyline::metrics::to_prometheus(&streams.metrics());
    /// ```
    pub fn metrics(&self) -> Vec<Metric> {
        let identity = &self.shared.identity;
        let threads = self.shared.survey();
        let until = Instant::now() + PATIENCE;
        let asks = !is_stream_thread();
        let asked = threads.alive.iter().map(|(thread, state)| {
            let (answer, metrics) = unbounded();
            if asks {
                thread.ask(Job::Metrics(answer));
            }
            (thread, *state, metrics)
        });
        // All are asked before any answer is waited for.
        let asked: Vec<_> = asked.collect();
        let client = ClientMetrics {
            client_id: &identity.client_id,
            process_id: &identity.process_id,
            application_id: &identity.application_id,
            version: env!("CARGO_PKG_VERSION"),
            topology_description: self.shared.topology().describe().to_string(),
            state: (threads.state.name(), threads.state as u8),
            alive_stream_threads: asked.len(),
            failed_stream_threads: threads.failed,
        };
        let mut all = client.metrics(identity.level);
        for (thread, state, metrics) in asked {
            let state = ThreadStateMetrics {
                thread_id: &thread.name,
                process_id: &identity.process_id,
                state,
            };
            all.extend(state.metrics(identity.level));
            all.extend(metrics.recv_deadline(until).unwrap_or_default());
        }
        all
    }
}
