//! How long the words of a dead instance wait for their counts: one of two instances of a word count
//! is killed, and its tasks go on from the standbys of the other. Both sides in turn, through a real
//! broker, without a cache and with a commit every 100 ms.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use crate::java;
use crate::probe::Probe;
use crate::process::{App, Broker, Side, WordCountApp, connect};

/// How much of it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Words a second that the probe writes.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Rows of the store.
    #[arg(long, default_value_t = 5_000_000)]
    rows: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 2)]
    partitions: i32,
    /// Leaves Java's application out; the probe is Java all the same.
    #[arg(long)]
    no_java: bool,
}

/// After which the group misses the dead instance.
const SESSION_TIMEOUT_MS: u32 = 6_000;
const STEADY: Duration = Duration::from_secs(10);
/// The session time-out, and what is to be shown to be short.
const AFTER_KILL: Duration = Duration::from_secs(25);

/// Runs it and prints the longest wait.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let broker = Broker::start(&format!(
        "group.streams.num.standby.replicas=1\n\
         group.streams.session.timeout.ms={SESSION_TIMEOUT_MS}\n\
         group.streams.heartbeat.interval.ms=1000\n"
    ))?;
    java::command("LatencyProbe", "")?;
    for side in Side::all(!arguments.no_java) {
        fail_over(*side, &broker, arguments)?;
    }
    Ok(())
}

fn fail_over(side: Side, broker: &Broker, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut admin = connect(broker)?;
    let config: [(&str, &dyn Display); 2] = [
        ("commit.interval.ms", &100),
        ("statestore.cache.max.bytes", &0),
    ];
    let mut word_count = WordCountApp::new(side, &config, &mut admin, arguments.partitions)?;
    // Its store must not be what the collector of garbage is busy with.
    word_count.java_heap = "-Xmx6g";
    let (first, second) = (word_count.start(broker)?, word_count.start(broker)?);
    word_count.count_rows(&mut admin, arguments.rows)?;
    wait_until_idle(&[&first, &second]);
    let mut probe = Probe::start(broker, &word_count, arguments.rate)?;
    probe.begin("steady")?;
    std::thread::sleep(STEADY);
    let usage = first.usage();
    probe.begin("failover")?;
    first.kill();
    std::thread::sleep(AFTER_KILL);
    println!("{side:?}, {} rows", arguments.rows);
    for phase in probe.end()? {
        println!(
            "  {:<10} {:>6} words, p50 {:>7.1} ms, at most {:>7.1} ms",
            phase.name, phase.words, phase.p50_ms, phase.max_ms
        );
    }
    println!("  of which {SESSION_TIMEOUT_MS} ms are the session time-out of the group");
    println!("  memory     {:.0} MB at most", usage.peak_mb);
    second.stop()
}

/// Standbys that read no more have read everything.
fn wait_until_idle(apps: &[&App]) {
    let used = || -> f64 { apps.iter().map(|app| app.usage().cpu_seconds).sum() };
    loop {
        let before = used();
        std::thread::sleep(Duration::from_secs(3));
        if used() - before < 0.3 {
            return;
        }
    }
}
