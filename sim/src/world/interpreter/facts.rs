//! What topics should say and what they do say, row by row.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// A topic, and what of it a row is about, in a form of the interpreter's own.
type Row = (&'static str, Bytes);

/// What should be there, and what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fact {
    expected: Option<i64>,
    found: Option<i64>,
}

/// The latest number of every row of every topic: a value, or how often something was written.
#[derive(Debug, Default)]
pub(in crate::world) struct Facts {
    rows: BTreeMap<Row, Fact>,
    /// Rows that changed since they were compared.
    touched: BTreeSet<Row>,
}

impl Facts {
    fn touch(&mut self, topic: &'static str, row: Bytes) -> &mut Fact {
        self.touched.insert((topic, row.clone()));
        self.rows.entry((topic, row)).or_default()
    }

    /// What a row should be.
    pub(super) fn expected(&self, topic: &'static str, row: &Bytes) -> Option<i64> {
        self.rows.get(&(topic, row.clone()))?.expected
    }

    /// A row should be this, or should not be.
    pub(super) fn expect(&mut self, topic: &'static str, row: Bytes, number: Option<i64>) {
        self.touch(topic, row).expected = number;
    }

    /// A row should be one more than before.
    pub(super) fn expect_one_more(&mut self, topic: &'static str, row: Bytes) {
        let fact = self.touch(topic, row);
        fact.expected = Some(fact.expected.unwrap_or(0) + 1);
    }

    /// A row is this, or is deleted.
    pub(super) fn find(&mut self, topic: &'static str, row: Bytes, number: Option<i64>) {
        self.touch(topic, row).found = number;
    }

    /// A row is written once more.
    pub(super) fn find_one_more(&mut self, topic: &'static str, row: Bytes) {
        let fact = self.touch(topic, row);
        fact.found = Some(fact.found.unwrap_or(0) + 1);
    }

    /// A row is this, which must be more than before.
    pub(super) fn find_higher(
        &mut self,
        topic: &'static str,
        row: Bytes,
        number: Option<i64>,
    ) -> Result<(), String> {
        let number = number.ok_or_else(|| format!("{topic}: {row:?} is deleted"))?;
        let fact = self.touch(topic, row.clone());
        match fact.found.replace(number) {
            Some(before) if before >= number => {
                Err(format!("{topic}: {row:?} goes from {before} to {number}"))
            }
            _ => Ok(()),
        }
    }

    /// Rows that changed are what they should be.
    pub(super) fn compare(&mut self) -> Result<(), String> {
        for (topic, row) in std::mem::take(&mut self.touched) {
            let key = (topic, row);
            let fact = self.rows.get(&key).copied().unwrap_or_default();
            let Fact { expected, found } = fact;
            if expected != found {
                let (topic, row) = key;
                return Err(format!(
                    "{topic}: {row:?} should be {expected:?} and is {found:?}"
                ));
            }
            if fact == Fact::default() {
                self.rows.remove(&key);
            }
        }
        Ok(())
    }

    /// All rows of a topic are what somebody else found.
    pub(super) fn same_found(&self, topic: &'static str, other: &Self) -> Result<(), String> {
        let rows = self.rows.keys().chain(other.rows.keys());
        for row in rows.filter(|(of, _)| *of == topic) {
            let found = |facts: &Self| facts.rows.get(row).and_then(|fact| fact.found);
            let (known, read) = (found(self), found(other));
            if known != read {
                let row = &row.1;
                return Err(format!(
                    "{topic}: {row:?} was committed as {known:?} and reads as {read:?}"
                ));
            }
        }
        Ok(())
    }

    /// Expected and found numbers of a topic that differ.
    pub(super) fn differences(
        &self,
        topic: &'static str,
    ) -> impl Iterator<Item = (&Bytes, Option<i64>, Option<i64>)> {
        let rows = self.rows.iter().filter(move |((of, _), _)| *of == topic);
        rows.filter(|(_, fact)| fact.expected != fact.found)
            .map(|((_, row), fact)| (row, fact.expected, fact.found))
    }
}
