//! The word count once more, in the plainest way: what it must have written for what it says it has
//! read. Nothing here comes from the library: no store, cache, serde, partitioner or topology.
//!
//! Each sub-topology of the word count reads one topic, so the order in which a task has consumed
//! its input is the order of its partition. Under exactly-once, every transaction is looked at when
//! it is decided: it moves some tasks from one offset to another, and must hold what the records in
//! between lead to, no more and no less. So a loss or a repetition shows at the very commit that
//! makes it, also if a later one would cover it.

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::wire::Record;

use super::workload::{CHANGELOG, COUNTS, LEDGER_CHANGELOG, LINES, REPARTITION};
use crate::broker::{Broker, CommittedTransaction};

/// Word to number.
type Numbers = BTreeMap<Bytes, i64>;

/// The state of every task as of its committed offset.
#[derive(Default)]
pub(super) struct Interpreter {
    /// Where each input goes on, by topic and partition.
    positions: BTreeMap<(String, i32), i64>,
    /// What the ledger of each task holds, and what its changelog says of it.
    ledgers: BTreeMap<i32, Numbers>,
    logged_ledgers: BTreeMap<i32, Numbers>,
    /// How often each word was read, and the number last logged and last forwarded.
    counts: Numbers,
    logged: Numbers,
    forwarded: Numbers,
    /// Words written to the repartition topic, all in all.
    repartitioned: Numbers,
}

impl Interpreter {
    /// Does what one transaction says was done, and compares.
    pub(super) fn check(
        &mut self,
        broker: &Broker,
        transaction: &CommittedTransaction,
    ) -> Result<(), String> {
        let mut words = Numbers::new();
        for ((topic, partition), offset) in &transaction.offsets {
            let input = (topic.clone(), *partition);
            let from = self.positions.insert(input, *offset).unwrap_or(0);
            if *offset < from {
                let message = format!("{topic}-{partition} goes from {from} back to {offset}");
                return Err(message);
            }
            let log = broker.log(topic, *partition);
            let records = log.map(|log| log.records_between(from, *offset));
            let records = records.transpose().map_err(|error| error.to_string())?;
            for record in records.unwrap_or_default() {
                match topic.as_str() {
                    LINES => self.read_line(*partition, &record, &mut words),
                    REPARTITION => *self.counts.entry(key(&record)?).or_default() += 1,
                    _ => return Err(format!("offsets of {topic}")),
                }
            }
        }
        let mut repartitioned = Numbers::new();
        for ((topic, partition), records) in &transaction.records {
            for record in records {
                let (word, value) = (key(record)?, record.value.as_ref());
                match topic.as_str() {
                    REPARTITION => *repartitioned.entry(word).or_default() += 1,
                    LEDGER_CHANGELOG => {
                        let logged = self.logged_ledgers.entry(*partition).or_default();
                        match value.map(number).transpose()? {
                            Some(number) => logged.insert(word, number),
                            None => logged.remove(&word),
                        };
                    }
                    CHANGELOG => self.log_count(word, value)?,
                    COUNTS => self.forward_count(word, value)?,
                    _ => return Err(format!("records of {topic}")),
                }
            }
        }
        for (word, times) in &repartitioned {
            *self.repartitioned.entry(word.clone()).or_default() += times;
        }
        same("the repartition topic", &words, &repartitioned)?;
        self.compare()
    }

    fn read_line(&mut self, task: i32, line: &Record, words: &mut Numbers) {
        let ledger = self.ledgers.entry(task).or_default();
        let line = line.value.as_deref().unwrap_or_default();
        for word in line.split(|byte| *byte == b' ') {
            let length = word.len() as i64;
            let word = Bytes::copy_from_slice(word);
            *words.entry(word.clone()).or_default() += 1;
            let turn = ledger.get(&word).copied().unwrap_or(0) + length;
            match turn % 7 {
                0 => drop(ledger.remove(&word)),
                1 => drop(ledger.entry(word).or_insert(1)),
                _ => drop(ledger.insert(word, turn + 1)),
            }
        }
    }

    fn log_count(&mut self, word: Bytes, value: Option<&Bytes>) -> Result<(), String> {
        rise(&mut self.logged, CHANGELOG, word, value)
    }

    fn forward_count(&mut self, word: Bytes, value: Option<&Bytes>) -> Result<(), String> {
        rise(&mut self.forwarded, COUNTS, word, value)
    }

    fn compare(&self) -> Result<(), String> {
        let tasks = self.ledgers.keys().chain(self.logged_ledgers.keys());
        let none = Numbers::new();
        for task in tasks {
            let held = self.ledgers.get(task).unwrap_or(&none);
            let logged = self.logged_ledgers.get(task).unwrap_or(&none);
            same(&format!("{LEDGER_CHANGELOG}-{task}"), held, logged)?;
        }
        same(CHANGELOG, &self.counts, &self.logged)?;
        same(COUNTS, &self.counts, &self.forwarded)
    }

    /// Everything that was to be read was, and what can be read of the results is what
    /// transactions brought.
    pub(super) fn check_end(&self, broker: &Broker) -> Result<(), String> {
        for topic in [LINES, REPARTITION] {
            for (partition, log) in logs(broker, topic) {
                let at = self.positions.get(&(topic.to_owned(), partition));
                let at = at.copied().unwrap_or(0);
                let rest = log.records_between(at, i64::MAX);
                if rest.is_ok_and(|rest| !rest.is_empty()) {
                    return Err(format!("{topic}-{partition} is committed to {at} only"));
                }
            }
        }
        let mut totals = BTreeMap::new();
        for (topic, known) in [(CHANGELOG, &self.logged), (COUNTS, &self.forwarded)] {
            let found = totals.entry(topic).or_insert_with(Numbers::new);
            for (_, log) in logs(broker, topic) {
                for record in log.records().map_err(|error| error.to_string())? {
                    if let Some(value) = &record.value {
                        found.insert(key(&record)?, number(value)?);
                    }
                }
            }
            same(topic, known, found)?;
        }
        if logs(broker, REPARTITION).all(|(_, log)| log.start_offset() == 0) {
            let mut found = Numbers::new();
            for (_, log) in logs(broker, REPARTITION) {
                for record in log.records().map_err(|error| error.to_string())? {
                    *found.entry(key(&record)?).or_default() += 1;
                }
            }
            same(REPARTITION, &self.repartitioned, &found)?;
        }
        Ok(())
    }
}

fn logs<'a>(
    broker: &'a Broker,
    topic: &'a str,
) -> impl Iterator<Item = (i32, &'a crate::broker::PartitionLog)> {
    (0..).map_while(move |partition| Some((partition, broker.log(topic, partition)?)))
}

/// A number of a word that is written: higher than the one before it.
fn rise(
    numbers: &mut Numbers,
    topic: &str,
    word: Bytes,
    value: Option<&Bytes>,
) -> Result<(), String> {
    let value = value.ok_or_else(|| format!("{topic}: {word:?} is deleted"))?;
    let value = number(value)?;
    match numbers.insert(word.clone(), value) {
        Some(before) if before >= value => {
            Err(format!("{topic}: {word:?} goes from {before} to {value}"))
        }
        _ => Ok(()),
    }
}

fn key(record: &Record) -> Result<Bytes, String> {
    let offset = record.offset;
    let key = record.key.clone();
    key.ok_or_else(|| format!("the record at {offset} has no key"))
}

/// Eight bytes, the highest first.
fn number(value: &Bytes) -> Result<i64, String> {
    if value.len() != 8 {
        return Err(format!("{value:?} is not a number"));
    }
    let number = value
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(number as i64)
}

fn same(what: &str, expected: &Numbers, found: &Numbers) -> Result<(), String> {
    let words = expected.keys().chain(found.keys());
    let mut wrong = words.filter(|word| expected.get(*word) != found.get(*word));
    wrong.next().map_or(Ok(()), |word| {
        let (expected, found) = (expected.get(word), found.get(word));
        Err(format!(
            "{what}: {word:?} should be {expected:?} and is {found:?}"
        ))
    })
}
