//! `eddyline sim`: whole clusters in virtual time, seed by seed.

use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eddyline_sim::{Outcome, replay, run_seed};

use crate::Failure;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Runs seeds and checks every invariant; fails at the first violation of each seed
    Run {
        /// The seeds, as FIRST..END (END is not run)
        #[arg(long, default_value = "0..1000", value_parser = seeds)]
        seeds: Range<u64>,
        /// Seeds at a time [default: as many as there are processors]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
        jobs: Option<u16>,
    },
    /// Runs one seed and prints everything that happens
    Replay {
        /// The seed
        seed: u64,
    },
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parsed = text
        .split_once("..")
        .and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    match parsed {
        Some(seeds) if !seeds.is_empty() => Ok(seeds),
        _ => Err("give FIRST..END with FIRST below END, such as 0..1000".to_owned()),
    }
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Run { seeds, jobs } => run_seeds(seeds, *jobs),
        Command::Replay { seed } => replay_seed(*seed),
    }
}

/// What a worker's seeds came to.
#[derive(Default)]
struct Tally {
    seeds: u64,
    events: u64,
    virtual_time: Duration,
    violations: Vec<(u64, String)>,
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.virtual_time += Duration::from_nanos(outcome.virtual_time.as_nanos());
        let violations = outcome.violations.iter();
        self.violations
            .extend(violations.map(|violation| (seed, violation.to_string())));
    }
}

fn run_seeds(seeds: &Range<u64>, jobs: Option<u16>) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.map_or(processors, usize::from);
    let next = AtomicU64::new(seeds.start);
    let began = Instant::now();
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return tally;
            }
            tally.add(seed, &run_seed(seed));
        }
    };
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let tallies = workers.into_iter().filter_map(|worker| worker.join().ok());
        tallies.collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    let mut all = Tally::default();
    for tally in tallies {
        all.seeds += tally.seeds;
        all.events += tally.events;
        all.virtual_time += tally.virtual_time;
        all.violations.extend(tally.violations);
    }
    println!(
        "{} seeds in {seconds:.1} s: {:.1} seeds/s, {:.0} events/s, {:.0} times faster than real time",
        all.seeds,
        all.seeds as f64 / seconds,
        all.events as f64 / seconds,
        all.virtual_time.as_secs_f64() / seconds
    );
    if all.seeds != seeds.end - seeds.start {
        return Err(Failure("a worker ended before its seeds did".to_owned()));
    }
    all.violations.sort();
    let mut failed: Vec<u64> = all.violations.iter().map(|(seed, _)| *seed).collect();
    failed.dedup();
    if failed.is_empty() {
        return Ok(());
    }
    for (seed, violation) in &all.violations {
        println!("seed {seed}: {violation}");
        println!("  replay: cargo run --release --bin eddyline -- sim replay {seed}");
    }
    Err(Failure(format!(
        "{} of {} seeds broke an invariant",
        failed.len(),
        all.seeds
    )))
}

fn replay_seed(seed: u64) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = replay(seed, &mut out)?;
    writeln!(out, "{outcome}")?;
    out.flush()?;
    if outcome.violations.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("seed {seed} broke an invariant")))
}
