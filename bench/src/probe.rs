//! The client that measures, the same for both sides: `LatencyProbe.java`.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::java;
use crate::process::{Broker, WordCountApp};

/// What the words of a phase took from when they were due until their counts were read.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) words: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Phase {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let name = fields.next()?.to_owned();
        let words = fields.next()?.parse().ok()?;
        let mut figure = || fields.next()?.parse().ok();
        Some(Self {
            name,
            words,
            p50_ms: figure()?,
            p99_ms: figure()?,
            max_ms: figure()?,
        })
    }
}

/// Writes words at a fixed rate and reads their counts.
pub(crate) struct Probe {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Probe {
    /// One that is ready and writes nothing before its first phase.
    pub(crate) fn start(
        broker: &Broker,
        app: &WordCountApp,
        words_per_second: u32,
    ) -> Result<Self, Box<dyn Error>> {
        let mut process = java::command("LatencyProbe", "-Xmx512m")?
            .args([&broker.bootstrap, &app.input, &app.output])
            .arg(words_per_second.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("the probe is mute")?);
        let mut probe = Self {
            process,
            input,
            output,
        };
        let mut ready = String::new();
        probe.output.read_line(&mut ready)?;
        if ready.trim() != "READY" {
            return Err("the probe did not start".into());
        }
        Ok(probe)
    }

    /// Words belong to this phase from now on.
    pub(crate) fn begin(&mut self, phase: &str) -> Result<(), Box<dyn Error>> {
        let input = self.input.as_mut().ok_or("the probe has ended")?;
        writeln!(input, "{phase}")?;
        Ok(input.flush()?)
    }

    /// Waits for the counts of all words: an error if one is missing.
    pub(crate) fn end(mut self) -> Result<Vec<Phase>, Box<dyn Error>> {
        drop(self.input.take());
        let mut phases = Vec::new();
        for line in (&mut self.output).lines() {
            phases.extend(Phase::parse(&line?));
        }
        if self.process.wait()?.success() {
            return Ok(phases);
        }
        Err("the probe did not get all its words back".into())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
