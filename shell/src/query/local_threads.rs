//! What the threads of this instance do (KIP-224).

use std::time::Instant;

use crossbeam_channel::unbounded;
use eddyline_core::thread::ThreadMetadata;

use super::{IS_STREAM_THREAD, Job, PATIENCE};
use crate::streams::RunningStreams;

impl RunningStreams {
    /// The stream threads of this instance that have not ended, with their tasks (Java:
    /// `KafkaStreams.metadataForLocalThreads`). A thread that is kept busy by user code for long shows
    /// no task idling. Not from a stream thread, which gets nothing.
    pub fn metadata_for_local_threads(&self) -> Vec<ThreadMetadata> {
        if IS_STREAM_THREAD.get() {
            return Vec::new();
        }
        let until = Instant::now() + PATIENCE;
        let threads = self.shared.threads().into_iter();
        let asked = threads.map(|thread| {
            let (answer, idling) = unbounded();
            thread.ask(Job::Idling(answer));
            (thread, idling)
        });
        // All are asked before any answer is waited for.
        let asked: Vec<_> = asked.collect();
        let metadata = asked.into_iter().filter_map(|(thread, idling)| {
            let mut metadata = thread.metadata()?;
            let idling = idling.recv_deadline(until).unwrap_or_default();
            for task in &mut metadata.active_tasks {
                task.time_current_idling_started = idling.get(&task.task_id).copied();
            }
            Some(metadata)
        });
        metadata.collect()
    }
}
