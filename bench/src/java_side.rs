//! A running Java program that measures one round of a case at a time, told by lines of text.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use crate::java;
use crate::rounds::Round;

/// A Java virtual machine with the other side of a benchmark: the class of `java/` that it runs
/// reads commands and answers each with a line of numbers.
pub(crate) struct JavaSide {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl JavaSide {
    /// Builds the Java side and starts it, or says in one phrase why that cannot be.
    pub(crate) fn start(class: &str) -> Result<Self, String> {
        let mut process = java::command(class, HEAP)?
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

    /// Drops the case before and makes the one called `name` with `keys` keys; gives the bytes of
    /// heap that are used for it.
    pub(crate) fn open(&mut self, name: &str, keys: u32) -> Option<usize> {
        let answer = self.ask(&format!("open {name} {keys}"))?;
        answer
            .first()
            .and_then(|bytes| usize::try_from(*bytes).ok())
    }

    /// A round of the case that is open, of about `limit`; `None` when Java is gone.
    pub(crate) fn round(&mut self, limit: Duration) -> Option<Round> {
        let answer = self.ask(&format!("round {}", limit.as_millis()))?;
        let (operations, nanos) = (*answer.first()?, *answer.get(1)?);
        Some(Round {
            operations,
            elapsed: Duration::from_nanos(nanos),
        })
    }

    fn ask(&mut self, command: &str) -> Option<Vec<u64>> {
        writeln!(self.commands, "{command}").ok()?;
        self.commands.flush().ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        let numbers: Option<Vec<u64>> = answer.split_whitespace().map(|n| n.parse().ok()).collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }
}

impl Drop for JavaSide {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Enough for five million rows in memory.
const HEAP: &str = "-Xmx6g";
