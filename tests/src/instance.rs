//! An instance of the word count as a process of its own: one that can be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::WordCount;

/// A running instance; killed when dropped.
pub struct Instance(Child);

impl Instance {
    /// Starts the program `word-count-instance`, whose path only a test of its package knows.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(program: impl AsRef<Path>, bootstrap: &str, count: &WordCount) -> Self {
        let child = Command::new(program.as_ref())
            .args([bootstrap, &count.application_id])
            .args([&count.input, &count.output])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the instance starts");
        Self(child)
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// Where it has ended by itself.
    pub fn kill(mut self) {
        let ended = self.0.try_wait().expect("its state is known");
        assert_eq!(ended, None, "the instance was still running");
        self.0.kill().expect("it can be killed");
    }

    /// Has it close as an application does.
    ///
    /// # Panics
    /// Where it fails.
    pub fn close(mut self) {
        drop(self.0.stdin.take());
        let status = self.0.wait().expect("the instance ends");
        assert!(status.success(), "the instance closed with {status}");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
