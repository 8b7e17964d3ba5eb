//! Two streams that are joined, and a stream with a table.

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::wire::Record;

use super::facts::Facts;
use super::{
    Results, Rules, Written, key, number, tailed, text, unknown, value_number, value_text,
};
use crate::world::applications::{
    CLICKS, JOIN_DIFFERENCE_MS, JOINED, LEFT, LEFT_CHANGELOG, PAIRS, PROFILE_CHANGELOG, PROFILES,
    RIGHT, RIGHT_CHANGELOG,
};

/// What was read of a side: times and values by word.
type Side = BTreeMap<String, Vec<(i64, String)>>;

/// Every two records of a word whose times are near each other make a pair, once, whichever of them
/// comes last.
#[derive(Default)]
pub(in crate::world) struct StreamJoin {
    left: Side,
    right: Side,
}

impl Rules for StreamJoin {
    fn inputs(&self) -> &'static [&'static str] {
        &[LEFT, RIGHT]
    }

    fn outputs(&self) -> &'static [Written] {
        &[
            Written {
                topic: LEFT_CHANGELOG,
                is_table: false,
            },
            Written {
                topic: RIGHT_CHANGELOG,
                is_table: false,
            },
            Written {
                topic: PAIRS,
                is_table: false,
            },
        ]
    }

    fn read(
        &mut self,
        facts: &mut Facts,
        topic: &str,
        _partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        let Self { left, right } = self;
        let (own, other, changelog) = match topic {
            LEFT => (left, right, LEFT_CHANGELOG),
            RIGHT => (right, left, RIGHT_CHANGELOG),
            _ => return Err(unknown(topic)),
        };
        let (word, at, value) = (text(key(record)?)?, record.timestamp, value_text(record)?);
        let own = own.entry(word.to_owned()).or_default();
        own.push((at, value.to_owned()));
        facts.expect_one_more(changelog, format!("{word}@{at} {value}").into());
        for (then, met) in other.get(word).into_iter().flatten() {
            if then.abs_diff(at) <= JOIN_DIFFERENCE_MS {
                let (left, right) = if topic == LEFT {
                    (value, met.as_str())
                } else {
                    (met.as_str(), value)
                };
                facts.expect_one_more(PAIRS, format!("{word} {left}+{right}").into());
            }
        }
        Ok(())
    }

    fn written(
        &self,
        facts: &mut Facts,
        topic: &str,
        _partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        let key = key(record)?;
        let changelog = match topic {
            LEFT_CHANGELOG => LEFT_CHANGELOG,
            RIGHT_CHANGELOG => RIGHT_CHANGELOG,
            PAIRS => {
                let pair = format!("{} {}", text(key)?, value_text(record)?);
                facts.find_one_more(PAIRS, pair.into());
                return Ok(());
            }
            _ => return Err(unknown(topic)),
        };
        // The word, its time, and a number that tells apart what is else the same.
        let (word, tail) = tailed(key, 12)?;
        let (at, value) = (number(&tail[..8])?, value_text(record)?);
        facts.find_one_more(changelog, format!("{word}@{at} {value}").into());
        Ok(())
    }

    fn results(&self) -> Results {
        Results {
            topic: PAIRS,
            repartition: None,
            is_fragile: false,
            leaves_out: |_| false,
        }
    }
}

/// Every click gets the number that its word has at that moment. A profile of 0 deletes the number.
#[derive(Default)]
pub(in crate::world) struct TableJoin;

/// How often a click was joined.
fn times(click: &str) -> Bytes {
    format!("times {click}").into()
}

impl Rules for TableJoin {
    fn inputs(&self) -> &'static [&'static str] {
        &[PROFILES, CLICKS]
    }

    fn outputs(&self) -> &'static [Written] {
        &[
            Written {
                topic: PROFILE_CHANGELOG,
                is_table: true,
            },
            Written {
                topic: JOINED,
                is_table: false,
            },
        ]
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn read(
        &mut self,
        facts: &mut Facts,
        topic: &str,
        _partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        let (word, value) = (key(record)?, value_text(record)?);
        match topic {
            PROFILES => {
                let number: i64 = value.parse().map_err(|error| format!("{error}"))?;
                let number = (number != 0).then_some(number);
                facts.expect(PROFILE_CHANGELOG, word.clone(), number);
            }
            CLICKS => {
                let number = facts.expected(PROFILE_CHANGELOG, word);
                facts.expect(JOINED, value.to_owned().into(), Some(number.unwrap_or(-1)));
                facts.expect_one_more(JOINED, times(value));
            }
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    fn written(
        &self,
        facts: &mut Facts,
        topic: &str,
        _partition: i32,
        record: &Record,
    ) -> Result<(), String> {
        match topic {
            PROFILE_CHANGELOG => {
                let word = key(record)?.clone();
                facts.find(PROFILE_CHANGELOG, word, value_number(record)?);
            }
            JOINED => {
                let joined = value_text(record)?;
                let parts = joined.split_once('=');
                let (click, number) = parts.ok_or_else(|| format!("{joined} is not joined"))?;
                let number = number.parse().map_err(|error| format!("{error}"))?;
                facts.find(JOINED, click.to_owned().into(), Some(number));
                facts.find_one_more(JOINED, times(click));
            }
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    fn results(&self) -> Results {
        Results {
            topic: JOINED,
            repartition: None,
            is_fragile: false,
            leaves_out: |row| !row.starts_with(b"times "),
        }
    }
}
