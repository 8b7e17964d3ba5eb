//! Counting outcomes by family, which is the folder of a scenario.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{KnownDifferences, Outcome, run_file};

/// Every `.json` file below the paths, in order.
///
/// # Errors
/// When a path is not there or cannot be read.
pub fn scenario_files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        if fs::metadata(path).map_err(at(path))?.is_dir() {
            folders.push(path.clone());
        } else {
            files.push(path.clone());
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && path.extension().is_some_and(|ext| ext == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Names the path in an error.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Outcomes of one family, by the names of its scenarios.
#[derive(Debug, Default)]
pub struct Report(pub BTreeMap<String, Outcome>);

impl Report {
    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.0.values().filter(|outcome| which(outcome)).count()
    }

    /// Scenarios that did not pass, those that are not supported among them.
    pub fn failed(&self) -> usize {
        self.count(Outcome::is_failure)
    }

    /// Scenarios that need what the library does not have yet.
    pub fn unsupported(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Unsupported(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} known differences",
            self.count(|outcome| matches!(outcome, Outcome::Passed | Outcome::Reordered(_))),
            self.failed(),
            self.count(|outcome| matches!(outcome, Outcome::KnownDifference(_))),
        )?;
        match self.unsupported() {
            0 => Ok(()),
            unsupported => write!(f, " ({unsupported} of the failed are not supported yet)"),
        }
    }
}

/// Outcomes by family.
#[derive(Debug, Default)]
pub struct Families(pub BTreeMap<String, Report>);

impl Families {
    /// Runs every file.
    pub fn run(files: &[PathBuf], known: &KnownDifferences) -> Self {
        let mut families = Self::default();
        for file in files {
            let (family, mut name) = names(file);
            let report = families.0.entry(family).or_default();
            // Generated names repeat over folders.
            if report.0.contains_key(&name) {
                name = file.display().to_string();
            }
            report.0.insert(name, run_file(file, known));
        }
        families
    }

    /// All in one.
    pub fn total(&self) -> Report {
        let mut total = Report::default();
        for (family, report) in &self.0 {
            let named = report.0.iter();
            let named = named.map(|(name, outcome)| (format!("{family}/{name}"), outcome.clone()));
            total.0.extend(named);
        }
        total
    }
}

/// Family and name of a scenario.
fn names(file: &Path) -> (String, String) {
    let text = |name: Option<&std::ffi::OsStr>| {
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let family = file.parent().and_then(Path::file_name);
    (text(family), text(file.file_stem()))
}
