//! The applications once more, in the plainest way: what they must have written for what they say
//! they have read. Nothing here comes from the library: no store, cache, window, serde, partitioner
//! or topology.
//!
//! Under exactly-once, every transaction is looked at when it is decided: it moves some tasks from
//! one offset to another, and must hold what the records in between lead to, no more and no less. So
//! a loss or a repetition shows at the very commit that makes it, also if a later one would cover it.
//!
//! Records are taken in the order of their partitions. Where it matters in which order a task takes
//! those of several partitions, it is the order in which the task did, by its journal.

mod facts;
mod joins;
mod windows;
mod word_count;

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::wire::Record;

use self::facts::Facts;
pub(super) use self::joins::{StreamJoin, TableJoin};
pub(super) use self::windows::{Sessions, Windows};
pub(super) use self::word_count::WordCount;
use super::applications::Journal;
use super::engine::World;
use super::workload::Produced;
use crate::broker::{Broker, CommittedTransaction, PartitionLog};

/// A topic that an application writes.
pub(super) struct Written {
    pub(super) topic: &'static str,
    /// The last record of a key is all that counts: the cleaner may take the others away.
    pub(super) is_table: bool,
}

/// What an application does, in numbers.
pub(super) trait Rules {
    /// The topics that tasks commit offsets of.
    fn inputs(&self) -> &'static [&'static str];

    /// The topics that are written.
    fn outputs(&self) -> &'static [Written];

    /// Whether it matters in which order records of several partitions are taken.
    fn is_ordered(&self) -> bool {
        false
    }

    /// What follows from a record that a task has processed.
    fn read(
        &mut self,
        facts: &mut Facts,
        topic: &str,
        partition: i32,
        record: &Record,
    ) -> Result<(), String>;

    /// What a record says that a task has written.
    fn written(
        &self,
        facts: &mut Facts,
        topic: &str,
        partition: i32,
        record: &Record,
    ) -> Result<(), String>;

    /// What must be in the end, whatever the order of the input; see [`check_results`].
    fn results(&self) -> Results;
}

/// What holds of a topic when all input is processed.
pub(super) struct Results {
    pub(super) topic: &'static str,
    /// Where input is read by its value: the topic it goes through first, under that as its key.
    pub(super) repartition: Option<&'static str>,
    /// What a crash leaves half written may count for nothing: under at-least-once, a session that
    /// is merged is deleted before it is written anew, in Kafka too.
    pub(super) is_fragile: bool,
    /// Rows that depend on the order.
    pub(super) leaves_out: fn(&[u8]) -> bool,
}

/// Follows the transactions of an application.
pub(super) struct Interpreter {
    rules: Box<dyn Rules>,
    facts: Facts,
    /// Where each input goes on, by topic and partition.
    positions: BTreeMap<(String, i32), i64>,
}

impl Interpreter {
    pub(super) fn new(rules: Box<dyn Rules>) -> Self {
        Self {
            rules,
            facts: Facts::default(),
            positions: BTreeMap::new(),
        }
    }

    /// Does what one transaction says was done, and compares.
    pub(super) fn check(
        &mut self,
        broker: &Broker,
        journal: &Journal,
        transaction: &CommittedTransaction,
    ) -> Result<(), String> {
        let mut taken = Vec::new();
        for ((topic, partition), offset) in &transaction.offsets {
            if !self.rules.inputs().contains(&topic.as_str()) {
                return Err(format!("offsets of {topic}"));
            }
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
                let turn = if self.rules.is_ordered() {
                    let (client, at) = (&transaction.client, record.offset);
                    let turn = journal.turn(client, topic, *partition, at);
                    turn.ok_or_else(|| {
                        format!(
                            "{client} commits {topic}-{partition} past {at}, which it never took"
                        )
                    })?
                } else {
                    0
                };
                taken.push((turn, topic, *partition, record));
            }
        }
        taken.sort_by_key(|(turn, ..)| *turn);
        for (_, topic, partition, record) in taken {
            self.rules
                .read(&mut self.facts, topic, partition, &record)?;
        }
        for ((topic, partition), records) in &transaction.records {
            for record in records {
                self.rules
                    .written(&mut self.facts, topic, *partition, record)?;
            }
        }
        self.facts.compare()
    }

    /// Everything that was to be read was, and what can be read of the results is what
    /// transactions brought.
    pub(super) fn check_end(&self, broker: &Broker) -> Result<(), String> {
        for topic in self.rules.inputs() {
            for (partition, log) in logs(broker, topic) {
                let at = self.positions.get(&((*topic).to_owned(), partition));
                let at = at.copied().unwrap_or(0);
                let rest = log.records_between(at, i64::MAX);
                if rest.is_ok_and(|rest| !rest.is_empty()) {
                    return Err(format!("{topic}-{partition} is committed to {at} only"));
                }
            }
        }
        for Written { topic, is_table } in self.rules.outputs() {
            let is_whole = |log: &PartitionLog| log.start_offset() == 0 && !log.is_cleaned();
            if *is_table || logs(broker, topic).all(|(_, log)| is_whole(log)) {
                let read = read_all(&*self.rules, broker, topic)?;
                self.facts.same_found(topic, &read)?;
            }
        }
        Ok(())
    }
}

/// The results are those of the input, or more where records may have been processed twice.
pub(super) fn check_results(
    mut rules: Box<dyn Rules>,
    broker: &Broker,
    input: &[Produced],
    may_duplicate: bool,
) -> Result<(), String> {
    let Results {
        topic,
        repartition,
        is_fragile,
        leaves_out,
    } = rules.results();
    if is_fragile && may_duplicate {
        return Ok(());
    }
    let mut facts = read_all(&*rules, broker, topic)?;
    for produced in input {
        let mut record = produced.record();
        rules.read(&mut facts, &produced.topic, produced.partition, &record)?;
        if let Some(repartition) = repartition {
            record.key = record.value.clone();
            rules.read(&mut facts, repartition, 0, &record)?;
        }
    }
    let mut wrong = facts.differences(topic).filter(|(row, expected, found)| {
        let is_excused = may_duplicate && expected.is_some() && found > expected;
        !leaves_out(row) && !is_excused
    });
    wrong.next().map_or(Ok(()), |(row, expected, found)| {
        Err(format!(
            "{topic}: {row:?} should be {expected:?} and is {found:?}"
        ))
    })
}

/// What can be read of a topic.
fn read_all(rules: &dyn Rules, broker: &Broker, topic: &str) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for (partition, log) in logs(broker, topic) {
        for record in log.records().map_err(|error| error.to_string())? {
            rules.written(&mut facts, topic, partition, &record)?;
        }
    }
    Ok(facts)
}

fn logs<'a>(broker: &'a Broker, topic: &'a str) -> impl Iterator<Item = (i32, &'a PartitionLog)> {
    (0..).map_while(move |partition| Some((partition, broker.log(topic, partition)?)))
}

fn unknown(topic: &str) -> String {
    format!("records of {topic}")
}

fn key(record: &Record) -> Result<&Bytes, String> {
    let offset = record.offset;
    let key = record.key.as_ref();
    key.ok_or_else(|| format!("the record at {offset} has no key"))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{bytes:?} is not text"))
}

fn value_text(record: &Record) -> Result<&str, String> {
    let offset = record.offset;
    let value = record.value.as_deref();
    text(value.ok_or_else(|| format!("the record at {offset} has no value"))?)
}

/// The value: eight bytes, the highest first.
fn value_number(record: &Record) -> Result<Option<i64>, String> {
    record.value.as_deref().map(number).transpose()
}

/// Eight bytes, the highest first.
fn number(bytes: &[u8]) -> Result<i64, String> {
    if bytes.len() != 8 {
        return Err(format!("{bytes:?} is not a number"));
    }
    let number = bytes
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(number as i64)
}

/// The text before a tail of so many bytes, and the tail.
fn tailed(bytes: &[u8], tail: usize) -> Result<(&str, &[u8]), String> {
    let at = bytes.len().checked_sub(tail);
    let at = at.ok_or_else(|| format!("{bytes:?} is too short"))?;
    let (head, tail) = bytes.split_at(at);
    Ok((text(head)?, tail))
}

impl World<'_> {
    /// What is committed is what an interpreter makes of the input that it is committed with.
    pub(super) fn check_transactions(&mut self) {
        let Some(interpreter) = &mut self.interpreter else {
            return;
        };
        while let Some(transaction) = self.broker.poll_committed() {
            let journal = self.scenario.signals.journal();
            if let Err(message) = interpreter.check(&self.broker, &journal, &transaction) {
                self.oracles.report("interpreter", message);
            }
        }
    }
}
