//! `eddyline sim`: whole clusters in virtual time, seed by seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eddyline_sim::{Mutation, Outcome, ProcessingGuarantee, SeedRun};
use indicatif::{ProgressBar, ProgressStyle};

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
        /// The processing guarantee: mixed is what each seed chooses
        #[arg(long, value_enum, default_value_t = Guarantee::Mixed)]
        guarantee: Guarantee,
    },
    /// Runs one seed and prints everything that happens
    Replay {
        /// The seed
        seed: u64,
        /// The processing guarantee: mixed is what the seed chooses
        #[arg(long, value_enum, default_value_t = Guarantee::Mixed)]
        guarantee: Guarantee,
        /// A known bug that is put back, by its name in `sim mutants`
        #[arg(long, value_parser = mutation)]
        mutant: Option<Mutation>,
    },
    /// Puts known bugs back, one at a time, and shows in how many seeds each is noticed
    Mutants {
        /// The seeds, as FIRST..END (END is not run)
        #[arg(long, default_value = "0..200", value_parser = seeds)]
        seeds: Range<u64>,
        /// Seeds at a time [default: as many as there are processors]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
        jobs: Option<u16>,
        /// Only this one
        #[arg(long, value_parser = mutation)]
        mutant: Option<Mutation>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Guarantee {
    AtLeastOnce,
    ExactlyOnce,
    Mixed,
}

impl Guarantee {
    fn run(self, seed: u64) -> SeedRun {
        let run = SeedRun::new(seed);
        match self {
            Self::AtLeastOnce => run.guarantee(ProcessingGuarantee::AtLeastOnce),
            Self::ExactlyOnce => run.guarantee(ProcessingGuarantee::ExactlyOnceV2),
            Self::Mixed => run,
        }
    }

    /// What a replay of a seed needs to be told.
    const fn option(self) -> &'static str {
        match self {
            Self::AtLeastOnce => " --guarantee at_least_once",
            Self::ExactlyOnce => " --guarantee exactly_once",
            Self::Mixed => "",
        }
    }
}

fn mutation(text: &str) -> Result<Mutation, String> {
    let mut all = Mutation::ALL.into_iter();
    all.find(|mutation| format!("{mutation:?}") == text)
        .ok_or_else(|| format!("give one of {:?}", Mutation::ALL))
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
        Command::Run {
            seeds,
            jobs,
            guarantee,
        } => run_seeds(seeds, *jobs, *guarantee),
        Command::Replay {
            seed,
            guarantee,
            mutant,
        } => {
            let run = guarantee.run(*seed);
            replay(mutant.map_or(run, |mutation| run.mutation(mutation)), *seed)
        }
        Command::Mutants {
            seeds,
            jobs,
            mutant,
        } => run_mutants(seeds, *jobs, *mutant),
    }
}

/// What a worker's seeds came to.
#[derive(Default)]
struct Tally {
    seeds: u64,
    events: u64,
    virtual_time: Duration,
    failed: u64,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.virtual_time += Duration::from_nanos(outcome.virtual_time.as_nanos());
        self.failed += u64::from(!outcome.violations.is_empty());
    }
}

/// Shows on a terminal how many seeds have run.
fn progress(seeds: &Range<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} seeds, {eta} to go");
    let bar = ProgressBar::new(seeds.end - seeds.start);
    bar.with_style(style.expect("a valid template"))
}

/// Has `jobs` workers look at the outcomes of all seeds. What is printed meanwhile has to suspend
/// the bar.
fn for_each_seed<T: Default + Send>(
    seeds: &Range<u64>,
    jobs: Option<u16>,
    run: impl Fn(u64) -> SeedRun + Sync,
    add: impl Fn(&mut T, u64, &Outcome, &ProgressBar) + Sync,
) -> Vec<T> {
    let bar = progress(seeds);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.map_or(processors, usize::from);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut tally = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return tally;
            }
            add(&mut tally, seed, &run(seed).run(), &bar);
            bar.inc(1);
        }
    };
    let tallies = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let tallies = workers.into_iter().filter_map(|worker| worker.join().ok());
        tallies.collect()
    });
    bar.finish_and_clear();
    tallies
}

fn run_seeds(seeds: &Range<u64>, jobs: Option<u16>, guarantee: Guarantee) -> Result<(), Failure> {
    let began = Instant::now();
    let add = |tally: &mut Tally, seed: u64, outcome: &Outcome, bar: &ProgressBar| {
        tally.add(outcome);
        // At once: who stops a long run has what it found so far.
        if !outcome.violations.is_empty() {
            bar.suspend(|| print_violations(seed, outcome, guarantee));
        }
    };
    let tallies = for_each_seed(seeds, jobs, |seed| guarantee.run(seed), add);
    let seconds = began.elapsed().as_secs_f64();
    let mut all = Tally::default();
    for tally in tallies {
        all.seeds += tally.seeds;
        all.events += tally.events;
        all.virtual_time += tally.virtual_time;
        all.failed += tally.failed;
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
    match all.failed {
        0 => Ok(()),
        failed => Err(Failure(format!(
            "{failed} of {} seeds broke an invariant",
            all.seeds
        ))),
    }
}

fn print_violations(seed: u64, outcome: &Outcome, guarantee: Guarantee) {
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }
    let option = guarantee.option();
    println!("  replay: cargo run --release --bin eddyline -- sim replay {seed}{option}");
}

fn replay(run: SeedRun, seed: u64) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = run.replay(&mut out)?;
    writeln!(out, "{outcome}")?;
    out.flush()?;
    if outcome.violations.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("seed {seed} broke an invariant")))
}

/// The seeds in which a bug was noticed, and in how many by which oracle first.
#[derive(Default)]
struct Kills {
    seeds: BTreeSet<u64>,
    oracles: BTreeMap<&'static str, usize>,
}

impl Kills {
    fn add(&mut self, seed: u64, outcome: &Outcome, _: &ProgressBar) {
        if let Some(first) = outcome.violations.first() {
            self.seeds.insert(seed);
            *self.oracles.entry(first.oracle).or_default() += 1;
        }
    }
}

/// Prints the kill table; fails when a bug was not noticed at all.
fn run_mutants(
    seeds: &Range<u64>,
    jobs: Option<u16>,
    only: Option<Mutation>,
) -> Result<(), Failure> {
    let mutations = Mutation::ALL.into_iter();
    let mut alive = Vec::new();
    println!(
        "| bug | seeds of {} | first seed | oracles |",
        seeds.end - seeds.start
    );
    println!("|---|---|---|---|");
    for mutation in mutations.filter(|mutation| only.is_none_or(|only| only == *mutation)) {
        let run = |seed| SeedRun::new(seed).mutation(mutation);
        let mut all = Kills::default();
        for kills in for_each_seed(seeds, jobs, run, Kills::add) {
            all.seeds.extend(kills.seeds);
            for (oracle, count) in kills.oracles {
                *all.oracles.entry(oracle).or_default() += count;
            }
        }
        let mut oracles: Vec<_> = all.oracles.into_iter().collect();
        oracles.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let oracles = oracles
            .iter()
            .map(|(oracle, count)| format!("`{oracle}` {count}"));
        let oracles: Vec<String> = oracles.collect();
        let first = all.seeds.first().map_or("-".to_owned(), u64::to_string);
        let (killed, oracles) = (all.seeds.len(), oracles.join(", "));
        println!("| `{mutation:?}` | {killed} | {first} | {oracles} |");
        if killed == 0 {
            alive.push(format!("{mutation:?}"));
        }
    }
    if alive.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("no seed noticed {}", alive.join(", "))))
}
