//! An instance of an application as a process of its own: one that can be killed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::WordCount;

/// A running instance; killed when dropped.
pub struct Instance(Child);

impl Instance {
    /// Starts the program `word-count-instance`, whose path only a test of its package knows.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(program: impl AsRef<Path>, bootstrap: &str, count: &WordCount) -> Self {
        let (id, input, output) = (&count.application_id, &count.input, &count.output);
        Self::run(program, &[bootstrap, id, input, output, &count.guarantee])
    }

    /// Starts a program that closes when its input ends.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn run(program: impl AsRef<Path>, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::run_with_log(program, arguments, Stdio::inherit())
    }

    /// As [`Instance::run`], with what it prints of errors in `log`.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn run_with_log(
        program: impl AsRef<Path>,
        arguments: &[impl AsRef<OsStr>],
        log: impl Into<Stdio>,
    ) -> Self {
        let child = Command::new(program.as_ref())
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the instance starts");
        Self(child)
    }

    /// How it ended, where it did.
    ///
    /// # Panics
    /// Where the system does not know.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("its state is known")
    }

    /// Suspends it (`STOP`) or lets it go on (`CONT`).
    ///
    /// # Panics
    /// Where there is no program `kill`.
    pub fn signal(&self, signal: &str) {
        let process = self.0.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &process])
            .status();
        assert!(status.is_ok(), "there is a program `kill`");
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// Where it has ended by itself.
    pub fn kill(mut self) {
        assert_eq!(self.ended(), None, "the instance was still running");
        self.0.kill().expect("it can be killed");
    }

    /// Has it close as an application does.
    ///
    /// # Panics
    /// Where it fails.
    pub fn close(mut self) {
        let status = self.end();
        assert!(status.success(), "the instance closed with {status}");
    }

    /// Has it close and says how it did.
    ///
    /// # Panics
    /// Where the system does not know.
    pub fn end(&mut self) -> ExitStatus {
        drop(self.0.stdin.take());
        self.0.wait().expect("the instance ends")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
