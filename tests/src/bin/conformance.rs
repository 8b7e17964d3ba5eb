//! Runs conformance scenarios: files, or folders of them.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use eddyline_tests::conformance::{Families, KnownDifferences, Outcome, Report, scenario_files};

const USAGE: &str = "usage: conformance [--verbose] [--allow-unsupported] PATH...

  --verbose            shows how scenarios differ, and what is not supported
  --allow-unsupported  the exit status is 0 when nothing fails but what is not supported yet";

fn main() -> ExitCode {
    // What user code throws is part of what is compared.
    std::panic::set_hook(Box::new(|_| {}));
    let (flags, paths): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with("--"));
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let (mut verbose, mut allow_unsupported) = (false, false);
    for flag in &flags {
        match flag.as_str() {
            "--verbose" => verbose = true,
            "--allow-unsupported" => allow_unsupported = true,
            _ => return usage(),
        }
    }
    if paths.is_empty() {
        return usage();
    }
    run(&paths, verbose, allow_unsupported).unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn run(paths: &[PathBuf], verbose: bool, allow_unsupported: bool) -> io::Result<ExitCode> {
    let files = scenario_files(paths)?;
    if files.is_empty() {
        let message = "there is no scenario: name .json files, or folders that have some";
        return Err(io::Error::other(message));
    }
    let families = Families::run(&files, &KnownDifferences::read()?);
    for (family, report) in &families.0 {
        println!("{family}: {report}");
        if verbose {
            show(family, report);
        }
    }
    let total = families.total();
    println!("total: {total}");
    let forgiven = if allow_unsupported {
        total.unsupported()
    } else {
        0
    };
    Ok(if total.failed() > forgiven {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn show(family: &str, report: &Report) {
    for (name, outcome) in &report.0 {
        let (kind, how) = match outcome {
            Outcome::Passed => continue,
            Outcome::Reordered(how) => ("passed, in another order across topics", how),
            Outcome::KnownDifference(how) => ("known difference", how),
            Outcome::Failed(how) => ("failed", how),
            Outcome::Unsupported(how) => ("failed, not supported yet", how),
        };
        println!("  {kind}: {family}/{name}: {how}");
    }
}
