//! Java's side of the store benchmark: `java/src/main/java/StoreBench.java`, built with Maven.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use crate::java;

/// A running Java virtual machine, which measures one round at a time.
pub(crate) struct Java {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Java {
    /// Builds the Java side and starts it, or says in one phrase why that cannot be.
    pub(crate) fn start(keys: u32, pairs: usize) -> Result<Self, String> {
        let mut process = java::command("StoreBench")?
            .args([keys.to_string(), pairs.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("Java cannot be started ({error})"))?;
        let commands = process.stdin.take().ok_or("Java has no input")?;
        let answers = process.stdout.take().ok_or("Java has no output")?;
        Ok(Self {
            process,
            commands,
            answers: BufReader::new(answers),
        })
    }

    /// One round of the case called `name`; `None` when Java is gone.
    pub(crate) fn round(&mut self, name: &str) -> Option<Duration> {
        writeln!(self.commands, "{name}").ok()?;
        self.commands.flush().ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        answer.trim().parse().ok().map(Duration::from_nanos)
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
