//! The word count itself: the text, what a word is, and a direct count to check against.

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::Failure;

/// The King James Bible, in the public domain.
const KING_JAMES: &str = include_str!("../../examples/data/kjv.txt");

/// Reads a text: a file, `-` for the standard input, or the King James Bible.
pub(crate) fn read(file: Option<&str>) -> Result<String, Failure> {
    let bytes = match file {
        None => return Ok(KING_JAMES.to_owned()),
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| Failure(format!("cannot read the standard input: {error}")))?;
            bytes
        }
        Some(file) => {
            std::fs::read(file).map_err(|error| Failure(format!("cannot read {file}: {error}")))?
        }
    };
    let name = match file {
        Some("-") | None => "the standard input",
        Some(file) => file,
    };
    String::from_utf8(bytes)
        .map_err(|_| Failure(format!("{name} is not text in UTF-8: give another file")))
}

/// The words of a line, in lower case: what stands between anything but letters, digits and
/// apostrophes.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Counts words without any broker.
pub(crate) fn count(text: &str) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for word in text.lines().flat_map(words) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_lowered() {
        assert_eq!(
            words("  In the BEGINNING, God's--word\t1:1 "),
            ["in", "the", "beginning", "god's", "word", "1", "1"]
        );
        assert!(words(" .,; ").is_empty());
    }
}
