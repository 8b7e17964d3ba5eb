//! Processes and what they use, as Linux counts it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Processor time and memory of a process since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) peak_mb: f64,
}

impl Usage {
    /// Of the process `pid`; zeros where the system does not tell.
    pub(super) fn of(pid: u32) -> Self {
        let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        // Behind the name in brackets, user and system time are fields 12 and 13, in hundredths.
        let stat = read("stat").unwrap_or_default();
        let times = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = times
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        let status = read("status").unwrap_or_default();
        let peak_kb = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Self {
            cpu_seconds: ticks as f64 / 100.0,
            peak_mb: peak_kb.unwrap_or(0.0) / 1024.0,
        }
    }
}

/// A word count application in a process of its own.
pub(super) struct App {
    process: Child,
    input: Option<ChildStdin>,
}

impl App {
    /// Starts it and waits until it says RUNNING.
    pub(super) fn start(mut command: Command) -> Result<Self, String> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the application cannot be started: {error}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("the application is mute")?;
        let app = Self { process, input };
        for line in BufReader::new(output).lines() {
            if line.is_ok_and(|line| line == "RUNNING") {
                return Ok(app);
            }
        }
        Err("the application ended before it ran".to_owned())
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Has it close, and waits for that.
    pub(super) fn stop(mut self) -> Result<(), String> {
        drop(self.input.take());
        let ended = self.process.wait().map_err(|error| error.to_string())?;
        if ended.success() {
            return Ok(());
        }
        Err(format!("the application ended with {ended}"))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A real broker, started for the benchmark or somewhere else.
pub(super) struct Broker {
    pub(super) bootstrap: String,
    folder: Option<PathBuf>,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kafka/kafka-broker");

impl Broker {
    /// The one at `bootstrap`, whose use of the machine is not known.
    pub(super) fn at(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            folder: None,
        }
    }

    /// Starts one that is gone with its data when it is dropped.
    pub(super) fn start() -> Result<Self, String> {
        let run = format!("eddyline-bench-{}", std::process::id());
        let folder = std::env::temp_dir().join(run);
        let broker = Self {
            bootstrap: "127.0.0.1:19192".to_owned(),
            folder: Some(folder.clone()),
        };
        // Its output goes to its own file, or this would wait for the broker's end.
        let started = Command::new(SCRIPT)
            .arg("start")
            .arg(&folder)
            .arg("19192")
            .stdout(Stdio::null())
            .status();
        match started {
            Ok(status) if status.success() => Ok(broker),
            _ => Err("no broker: it needs Java 17, Maven and port 19192".to_owned()),
        }
    }

    /// What it used until now; `None` where it is not ours.
    pub(super) fn usage(&self) -> Option<Usage> {
        let file = self.folder.as_deref()?.join("1/pid");
        let pid = std::fs::read_to_string(file).ok()?;
        Some(Usage::of(pid.trim().parse().ok()?))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = Command::new(SCRIPT).arg("kill").arg(folder).status();
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
