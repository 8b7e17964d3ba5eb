//! Words of lines are counted, and a ledger is kept of them for each partition of the lines.

use bytes::Bytes;
use eddyline_core::wire::Record;

use super::facts::Facts;
use super::{Results, Rules, Written, key, unknown, value_number};
use crate::world::workload::{CHANGELOG, COUNTS, LEDGER_CHANGELOG, LINES, REPARTITION};

pub(in crate::world) struct WordCount;

fn entry(partition: i32, word: &[u8]) -> Bytes {
    let mut entry = format!("{partition}/").into_bytes();
    entry.extend_from_slice(word);
    entry.into()
}

fn read_line(facts: &mut Facts, partition: i32, line: &Record) {
    let line = line.value.as_deref().unwrap_or_default();
    for word in line.split(|byte| *byte == b' ') {
        facts.expect_one_more(REPARTITION, Bytes::copy_from_slice(word));
        let entry = entry(partition, word);
        let before = facts.expected(LEDGER_CHANGELOG, &entry);
        let turn = before.unwrap_or(0) + word.len() as i64;
        let after = match turn % 7 {
            0 => None,
            1 => before.or(Some(1)),
            _ => Some(turn + 1),
        };
        facts.expect(LEDGER_CHANGELOG, entry, after);
    }
}

impl Rules for WordCount {
    fn inputs(&self) -> &'static [&'static str] {
        &[LINES, REPARTITION]
    }

    fn outputs(&self) -> &'static [Written] {
        &[
            Written {
                topic: REPARTITION,
                is_table: false,
            },
            Written {
                topic: LEDGER_CHANGELOG,
                is_table: true,
            },
            Written {
                topic: CHANGELOG,
                is_table: true,
            },
            Written {
                topic: COUNTS,
                is_table: true,
            },
        ]
    }

    fn read(
        &mut self,
        facts: &mut Facts,
        topic: &str,
        partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        match topic {
            LINES => read_line(facts, partition, record),
            REPARTITION => {
                let word = key(record)?;
                facts.expect_one_more(CHANGELOG, word.clone());
                facts.expect_one_more(COUNTS, word.clone());
            }
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    fn written(
        &self,
        facts: &mut Facts,
        topic: &str,
        partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        let word = key(record)?.clone();
        match topic {
            REPARTITION => facts.find_one_more(REPARTITION, word),
            LEDGER_CHANGELOG => {
                let entry = entry(partition, &word);
                facts.find(LEDGER_CHANGELOG, entry, value_number(record)?);
            }
            CHANGELOG => facts.find_higher(CHANGELOG, word, value_number(record)?)?,
            COUNTS => facts.find_higher(COUNTS, word, value_number(record)?)?,
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    /// Its lines hold several words: its own `counts` looks at them.
    fn results(&self) -> Results {
        Results {
            topic: COUNTS,
            repartition: None,
            is_fragile: true,
            leaves_out: |_| true,
        }
    }
}
