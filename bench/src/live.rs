//! What one waits for: latency at a fixed rate, the start of an application, tasks that change
//! hands, a store that is restored. The word count of both sides in turn, through a real broker,
//! without a cache and with a commit every 100 ms.

use std::error::Error;
use std::fmt::Display;
use std::time::{Duration, Instant};

use eddyline::admin::Admin;

use crate::java;
use crate::probe::Probe;
use crate::process::{App, Broker, Guarantee, Side, WordCountApp, connect, word};

/// How much of it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A broker to use (4.2 or later); without one it starts its own.
    #[arg(long)]
    bootstrap: Option<String>,
    /// Words a second that the probe writes.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Seconds of each phase.
    #[arg(long, default_value_t = 15)]
    phase_seconds: u64,
    /// Rows of the store that is restored.
    #[arg(long, default_value_t = 500_000)]
    rows: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 2)]
    partitions: i32,
    /// Leaves Java's application out; the probe is Java all the same.
    #[arg(long)]
    no_java: bool,
}

/// Runs it all and prints a line for each figure.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let broker = match &arguments.bootstrap {
        Some(bootstrap) => Broker::at(bootstrap),
        None => Broker::start("")?,
    };
    // Maven's time is nobody's start.
    java::command("LatencyProbe", "")?;
    let mut live = Live {
        admin: connect(&broker)?,
        broker,
        arguments,
    };
    for side in Side::all(!arguments.no_java) {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnceV2] {
            println!("{side:?}, {guarantee}");
            live.latency_and_hand_over(*side, guarantee)?;
        }
        println!("{side:?}, start and restore");
        live.start_and_restore(*side)?;
    }
    Ok(())
}

struct Live<'a> {
    admin: Admin,
    broker: Broker,
    arguments: &'a Arguments,
}

impl Live<'_> {
    fn app(&mut self, side: Side, guarantee: Guarantee) -> Result<WordCountApp, Box<dyn Error>> {
        let config: [(&str, &dyn Display); 3] = [
            ("commit.interval.ms", &100),
            ("statestore.cache.max.bytes", &0),
            ("processing.guarantee", &guarantee),
        ];
        WordCountApp::new(side, &config, &mut self.admin, self.arguments.partitions)
    }

    /// One instance; then a second joins; then the second leaves. Tasks that change hands hold up
    /// their words: the longest wait of a phase tells for how long.
    fn latency_and_hand_over(
        &mut self,
        side: Side,
        guarantee: Guarantee,
    ) -> Result<(), Box<dyn Error>> {
        let word_count = self.app(side, guarantee)?;
        let first = word_count.start(&self.broker)?;
        let mut probe = Probe::start(&self.broker, &word_count, self.arguments.rate)?;
        let phase = Duration::from_secs(self.arguments.phase_seconds);
        probe.begin("warm-up")?;
        std::thread::sleep(phase);
        probe.begin("steady")?;
        std::thread::sleep(phase);
        let usage = first.usage();
        probe.begin("scale-out")?;
        let second = word_count.start(&self.broker)?;
        std::thread::sleep(phase);
        probe.begin("leave")?;
        second.stop()?;
        std::thread::sleep(phase);
        for phase in probe.end()? {
            println!(
                "  {:<10} {:>6} words, p50 {:>7.1} ms, p99 {:>7.1} ms, at most {:>7.1} ms",
                phase.name, phase.words, phase.p50_ms, phase.p99_ms, phase.max_ms
            );
        }
        println!("  memory     {:.0} MB at most", usage.peak_mb);
        first.stop()
    }

    /// From the start of the process to the first count it writes: a new application, the same one
    /// once more, and with rows to restore.
    fn start_and_restore(&mut self, side: Side) -> Result<(), Box<dyn Error>> {
        let word_count = self.app(side, Guarantee::AtLeastOnce)?;
        let app = self.first_output("new", &word_count)?;
        app.stop()?;
        let app = self.first_output("again", &word_count)?;
        let rows = self.arguments.rows;
        word_count.count_rows(&mut self.admin, rows)?;
        app.stop()?;
        let app = self.first_output(&format!("{rows} rows"), &word_count)?;
        println!("  memory     {:.0} MB at most", app.usage().peak_mb);
        app.stop()
    }

    fn first_output(&mut self, what: &str, app: &WordCountApp) -> Result<App, Box<dyn Error>> {
        // A line for every partition, since not all of them start at once.
        let lines = 16 * usize::try_from(self.arguments.partitions)?;
        let lines = (0..lines).map(|line| (None::<&str>, Some(format!("first {}", word(line)))));
        let written = app.written(&mut self.admin)?;
        self.admin.produce(&app.input, lines)?;
        let began = Instant::now();
        let instance = app.start(&self.broker)?;
        while app.written(&mut self.admin)? == written {
            std::thread::sleep(Duration::from_millis(5));
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("  start      {what}: {seconds:.2} s to the first count");
        Ok(instance)
    }
}
