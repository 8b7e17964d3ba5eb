//! Applications on Kafka Streams itself.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::scratch;

/// A program of one Java file that runs Kafka Streams, prints RUNNING, and closes when its input
/// ends.
pub struct JavaApplication(Child);

impl JavaApplication {
    /// Starts the program in `source` (a path within the repository) and waits until it runs.
    /// `arguments` come before an empty folder for its state.
    ///
    /// # Panics
    /// When it cannot be started, or ends before it runs.
    pub fn start(source: &str, arguments: &[&str], state: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let state = scratch(state);
        // What an earlier run left would be continued from.
        let _ = std::fs::remove_dir_all(&state);
        let mut child = Command::new("java")
            .args([
                "-Xmx256m",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp",
            ])
            .arg(jars(&repository).join("*"))
            .arg(repository.join(source))
            .args(arguments)
            .arg(&state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java runs");
        let output = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let running = lines.any(|line| line.is_ok_and(|line| line == "RUNNING"));
        assert!(running, "the application ended before it was running");
        Self(child)
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// When it has ended by itself.
    pub fn kill(mut self) {
        let ended = self.0.try_wait().expect("its state is known");
        assert_eq!(ended, None, "the application was still running");
        self.0.kill().expect("it can be killed");
    }

    /// Closes it gracefully.
    ///
    /// # Panics
    /// When it does not close well.
    pub fn close(mut self) {
        drop(self.0.stdin.take());
        let status = self.0.wait().expect("the application ends");
        assert!(status.success(), "the application closed with {status}");
    }
}

/// Where the jars of Kafka Streams are; Maven copies them once.
fn jars(repository: &Path) -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let jars = scratch("kafka-streams-jars");
        let status = Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(repository.join("bench/java/pom.xml"))
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", jars.display()))
            .stdout(Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "Maven copies the jars"
        );
        jars
    })
}

impl Drop for JavaApplication {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
