//! Counting outcomes by family, which is the folder of a scenario.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Outcome, run_file};

/// Every `.json` file below the paths, in order.
///
/// # Errors
/// When a folder cannot be read.
pub fn scenario_files(paths: &[PathBuf]) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        if path.is_dir() {
            folders.push(path.clone());
        } else {
            files.push(path.clone());
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Outcomes of one family.
#[derive(Debug, Default)]
pub struct Report {
    /// Scenarios that passed.
    pub passed: usize,
    /// Scenarios that failed, with how.
    pub failed: BTreeMap<String, String>,
    /// Scenarios that differ in a way that is known, with how.
    pub known_differences: BTreeMap<String, String>,
    /// Scenarios that need what the library does not have yet, with what that is.
    pub unsupported: BTreeMap<String, String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} known differences, {} not supported yet",
            self.passed,
            self.failed.len(),
            self.known_differences.len(),
            self.unsupported.len()
        )
    }
}

/// Outcomes by family.
#[derive(Debug, Default)]
pub struct Families(pub BTreeMap<String, Report>);

impl Families {
    /// Runs every file.
    pub fn run(files: &[PathBuf]) -> Self {
        let mut families = Self::default();
        for file in files {
            let (family, name) = names(file);
            let report = families.0.entry(family).or_default();
            match run_file(file) {
                Outcome::Passed => report.passed += 1,
                Outcome::Failed(how) => drop(report.failed.insert(name, how)),
                Outcome::KnownDifference(how) => {
                    report.known_differences.insert(name, how);
                }
                Outcome::Unsupported(what) => drop(report.unsupported.insert(name, what)),
            }
        }
        families
    }

    /// True when a scenario failed.
    pub fn has_failures(&self) -> bool {
        self.0.values().any(|report| !report.failed.is_empty())
    }

    /// The scenarios that are not supported yet, one a line: `family/name: what is missing`.
    pub fn unsupported(&self) -> Vec<String> {
        let of = |(family, report): (&String, &Report)| {
            let line = |(name, what): (&String, &String)| format!("{family}/{name}: {what}");
            report.unsupported.iter().map(line).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

fn names(file: &Path) -> (String, String) {
    let text = |name: Option<&std::ffi::OsStr>| {
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let family = file.parent().and_then(Path::file_name);
    (text(family), text(file.file_stem()))
}
