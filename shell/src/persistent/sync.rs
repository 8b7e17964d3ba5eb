//! Makes batches durable, away from the threads that process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::engine::TaskFile;

/// How much time of state a crash may lose at most; the changelog has it. A batch that is applied
/// while a file is synced waits for that.
const INTERVAL: Duration = Duration::from_secs(1);

/// Syncs the files of one application as long as it is held.
pub(super) struct Syncer {
    files: Arc<Mutex<Vec<Weak<TaskFile>>>>,
    /// Dropped to stop the thread.
    _alive: Sender<()>,
}

impl Syncer {
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let (alive, stopped) = bounded(0);
        let files = Arc::new(Mutex::new(Vec::new()));
        let watched = Arc::clone(&files);
        let thread = std::thread::Builder::new().name("eddyline-state-sync".to_owned());
        thread.spawn(move || run(&watched, &stopped))?;
        Ok(Arc::new(Self {
            files,
            _alive: alive,
        }))
    }

    /// Syncs `file` until nobody has it any more.
    pub(super) fn watch(&self, file: &Arc<TaskFile>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push(Arc::downgrade(file));
    }
}

fn run(files: &Mutex<Vec<Weak<TaskFile>>>, stopped: &Receiver<()>) {
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let watched = {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.retain(|file| file.strong_count() > 0);
            files.clone()
        };
        for file in watched.iter().filter_map(Weak::upgrade) {
            // Where it fails the next batch fails, too, and its thread tells.
            file.sync().ok();
        }
    }
}
