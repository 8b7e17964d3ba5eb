//! Processes and what they use, as Linux counts it.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use eddyline::admin::Admin;
use eddyline::types::TopicPartition;

use crate::java;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The sides of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Java,
    Eddyline,
}

impl Side {
    /// Both in turn, or ours alone.
    pub(crate) fn all(with_java: bool) -> &'static [Self] {
        if with_java {
            &[Self::Java, Self::Eddyline]
        } else {
            &[Self::Eddyline]
        }
    }
}

/// Processor time and memory of a process since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mb: f64,
}

impl Usage {
    /// Of the process `pid`; zeros where the system does not tell.
    pub(crate) fn of(pid: u32) -> Self {
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

/// Values of `processing.guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Guarantee {
    AtLeastOnce,
    ExactlyOnceV2,
}

impl Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnceV2 => "exactly_once_v2",
        })
    }
}

/// A word count application of one side: one stream thread, in-memory store.
pub(crate) struct WordCountApp {
    pub(crate) side: Side,
    pub(crate) application_id: String,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) partitions: i32,
    /// Option of Java's machine: the most that its heap takes.
    pub(crate) java_heap: &'static str,
    /// `key=value` of the configuration.
    pub(crate) config: Vec<String>,
}

impl WordCountApp {
    /// One that no run before had, with topics of as many partitions.
    pub(crate) fn new(
        side: Side,
        config: &[(&str, &dyn Display)],
        admin: &mut Admin,
        partitions: i32,
    ) -> Result<Self, Box<dyn Error>> {
        let id = format!("bench-{side:?}-{}", unique()).to_lowercase();
        let app = Self {
            side,
            partitions,
            java_heap: "-Xmx2g",
            input: format!("{id}-lines"),
            output: format!("{id}-counts"),
            config: config
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
            application_id: id,
        };
        admin.create_topics(&[(&app.input, partitions), (&app.output, partitions)])?;
        Ok(app)
    }

    /// Starts an instance in a process of its own and waits until it says RUNNING.
    pub(crate) fn start(&self, broker: &Broker) -> Result<App, Box<dyn Error>> {
        let mut command = match self.side {
            Side::Java => java::command("WordCountApp", self.java_heap)?,
            Side::Eddyline => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("word-count-app");
                command
            }
        };
        command
            .args([&broker.bootstrap, &self.application_id])
            .args([&self.input, &self.output])
            .args(&self.config);
        // Java keeps the id of its process there.
        let state = std::env::temp_dir().join(format!("{}-{}", self.application_id, unique()));
        if self.side == Side::Java {
            command.arg(&state);
        }
        App::start(command, state)
    }

    /// Records of the output.
    pub(crate) fn written(&self, admin: &mut Admin) -> Result<i64, Box<dyn Error>> {
        let partitions: Vec<TopicPartition> = (0..self.partitions)
            .map(|partition| TopicPartition::new(&*self.output, partition))
            .collect();
        let ends = admin.end_offsets(&partitions)?;
        Ok(ends.into_iter().flatten().sum())
    }

    /// Has the running application count so many words that it did not know: rows of its store.
    pub(crate) fn count_rows(&self, admin: &mut Admin, rows: usize) -> Result<(), Box<dyn Error>> {
        let before = self.written(admin)?;
        let lines = (0..rows).map(|row| (None::<&str>, Some(word(row))));
        admin.produce(&self.input, lines)?;
        while self.written(admin)? < before + i64::try_from(rows)? {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// A process that runs until its standard input ends.
pub(crate) struct App {
    process: Child,
    input: Option<ChildStdin>,
    state: PathBuf,
}

impl App {
    fn start(mut command: Command, state: PathBuf) -> Result<Self, Box<dyn Error>> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the application cannot be started: {error}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("the application is mute")?;
        let app = Self {
            process,
            input,
            state,
        };
        for line in BufReader::new(output).lines() {
            if line.is_ok_and(|line| line == "RUNNING") {
                return Ok(app);
            }
        }
        Err("the application ended before it ran".into())
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Has it close, and waits for that.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.input.take());
        let ended = self.process.wait()?;
        if ended.success() {
            return Ok(());
        }
        Err(format!("the application ended with {ended}").into())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// A real broker, started for the benchmark or somewhere else.
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    folder: Option<PathBuf>,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kafka/kafka-broker");

impl Broker {
    /// The one at `bootstrap`, whose use of the machine is not known.
    pub(crate) fn at(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            folder: None,
        }
    }

    /// Starts one that is gone with its data when it is dropped; `properties` are lines of its
    /// configuration.
    pub(crate) fn start(properties: &str) -> Result<Self, String> {
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
            .env("KAFKA_EXTRA_PROPERTIES", properties)
            .stdout(Stdio::null())
            .status();
        match started {
            Ok(status) if status.success() => Ok(broker),
            _ => Err("no broker: it needs Java 17, Maven and port 19192".to_owned()),
        }
    }

    /// What it used until now; `None` where it is not ours.
    pub(crate) fn usage(&self) -> Option<Usage> {
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

/// A broker that has just opened its port may need a moment more.
pub(crate) fn connect(broker: &Broker) -> Result<Admin, Box<dyn Error>> {
    let until = Instant::now() + CALL_TIMEOUT;
    loop {
        match Admin::connect(&broker.bootstrap, CALL_TIMEOUT) {
            Ok(admin) if admin.require_streams_groups().is_ok() => return Ok(admin),
            Ok(admin) if Instant::now() > until => admin.require_streams_groups()?,
            Err(error) if Instant::now() > until => return Err(error.into()),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Milliseconds since the epoch: topics of one run never meet those of another.
pub(crate) fn unique() -> u128 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap_or_default().as_millis()
}

/// A word of letters alone for each number.
pub(crate) fn word(number: usize) -> String {
    let mut word = "row".to_owned();
    let mut rest = number;
    while rest > 0 {
        word.extend(char::from_digit((rest % 26 + 10) as u32, 36));
        rest /= 26;
    }
    word
}
