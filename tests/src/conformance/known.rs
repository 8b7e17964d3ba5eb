//! The differences to Java that are meant.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder with the scenarios and the list of known differences.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// Scenarios in which Java has a defect that is done right here (`known-differences.json`): for each
/// `family/name` the digest of its file, by which it is known wherever it lies, and the reason.
#[derive(Debug, Default)]
pub struct KnownDifferences(BTreeMap<String, String>);

impl KnownDifferences {
    /// Reads the list.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read() -> io::Result<Self> {
        let path = folder().join("known-differences.json");
        let list: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        let field = |entry: &Value, name| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = list.as_object().into_iter().flatten();
        let entries = entries.map(|(_, entry)| (field(entry, "digest"), field(entry, "reason")));
        Ok(Self(entries.collect()))
    }

    /// Why the scenario of a file with this text differs.
    pub(super) fn reason(&self, text: &str) -> Option<&str> {
        self.0.get(&digest(text)).map(String::as_str)
    }
}

/// 64 bits of FNV-1a.
pub(super) fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
