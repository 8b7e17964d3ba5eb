//! Runs conformance scenarios: files, or folders of them.

use std::path::PathBuf;
use std::process::ExitCode;

use eddyline_tests::conformance::{Families, scenario_files};

const USAGE: &str = "usage: conformance [--verbose] PATH...";

fn main() -> ExitCode {
    let (flags, paths): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with("--"));
    let verbose = flags.iter().any(|flag| flag == "--verbose");
    if paths.is_empty() || flags.iter().any(|flag| flag != "--verbose") {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let files = match scenario_files(&paths) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => {
            eprintln!("there is no scenario: name .json files, or folders that have some");
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // What user code throws is part of what is compared.
    std::panic::set_hook(Box::new(|_| {}));
    let families = Families::run(&files);
    for (family, report) in &families.0 {
        println!("{family}: {report}");
        if verbose {
            let kinds = [
                ("failed", &report.failed),
                ("known difference", &report.known_differences),
                ("not supported yet", &report.unsupported),
            ];
            for (kind, scenarios) in kinds {
                for (name, how) in scenarios {
                    println!("  {kind}: {family}/{name}: {how}");
                }
            }
        }
    }
    if families.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
