//! Runs seeds: `seeds FIRST COUNT`, or prints the trace of one: `seeds replay SEED`.

// An example is a program of its own: it alone reads what it was called with.
#![allow(clippy::disallowed_methods)]

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, seed] = arguments.as_slice()
        && command == "replay"
    {
        let seed = seed.parse().map_err(std::io::Error::other)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let outcome = eddyline_sim::replay(seed, &mut out)?;
        writeln!(out, "seed {seed}: {outcome}")?;
        out.flush()?;
        return Ok(exit_code(outcome.violations.is_empty()));
    }
    let number = |at: usize, default: u64| {
        let argument = arguments.get(at);
        argument.map_or(Ok(default), |a| a.parse().map_err(std::io::Error::other))
    };
    let (first, count) = (number(0, 0)?, number(1, 100)?);
    let (mut failed, mut events) = (0, 0);
    for seed in first..first + count {
        let outcome = eddyline_sim::run_seed(seed);
        events += outcome.events;
        if !outcome.violations.is_empty() {
            failed += 1;
            println!("seed {seed}: {outcome}");
        }
    }
    println!("{count} seeds, {events} events, {failed} failed");
    Ok(exit_code(failed == 0))
}

fn exit_code(passed: bool) -> ExitCode {
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
