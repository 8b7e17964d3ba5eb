//! Counts by window and by session.

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::wire::Record;

use super::facts::Facts;
use super::{
    Results, Rules, Written, key, number, tailed, text, unknown, value_number, value_text,
};
use crate::world::applications::{
    EVENTS, SESSION_CHANGELOG, SESSION_GAP_MS, SESSION_REPARTITION, SESSIONS, WINDOW_ADVANCE_MS,
    WINDOW_CHANGELOG, WINDOW_REPARTITION, WINDOW_SIZE_MS, WINDOWS,
};

/// A word and its time, before it gets to its counts.
fn event(word: &str, record: &Record) -> Bytes {
    format!("{word}@{}", record.timestamp).into()
}

/// How often each word occurs in each window.
pub(in crate::world) struct Windows;

impl Rules for Windows {
    fn inputs(&self) -> &'static [&'static str] {
        &[EVENTS, WINDOW_REPARTITION]
    }

    fn outputs(&self) -> &'static [Written] {
        &[
            Written {
                topic: WINDOW_REPARTITION,
                is_table: false,
            },
            Written {
                topic: WINDOW_CHANGELOG,
                is_table: true,
            },
            Written {
                topic: WINDOWS,
                is_table: true,
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
        match topic {
            EVENTS => facts.expect_one_more(WINDOW_REPARTITION, event(value_text(record)?, record)),
            WINDOW_REPARTITION => {
                let word = text(key(record)?)?;
                let mut start = record.timestamp - record.timestamp % WINDOW_ADVANCE_MS;
                while start >= 0 && start + WINDOW_SIZE_MS > record.timestamp {
                    let window = Bytes::from(format!("{word}@{start}"));
                    facts.expect_one_more(WINDOW_CHANGELOG, window.clone());
                    facts.expect_one_more(WINDOWS, window);
                    start -= WINDOW_ADVANCE_MS;
                }
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
        let key = key(record)?;
        match topic {
            WINDOW_REPARTITION => {
                facts.find_one_more(WINDOW_REPARTITION, event(text(key)?, record));
            }
            // The word, when the window starts, and a number that is always zero.
            WINDOW_CHANGELOG => {
                let (word, tail) = tailed(key, 12)?;
                let window = format!("{word}@{}", number(&tail[..8])?);
                facts.find_higher(WINDOW_CHANGELOG, window.into(), value_number(record)?)?;
            }
            WINDOWS => facts.find_higher(WINDOWS, key.clone(), value_number(record)?)?,
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    fn results(&self) -> Results {
        Results {
            topic: WINDOW_CHANGELOG,
            repartition: Some(WINDOW_REPARTITION),
            is_fragile: false,
            leaves_out: |_| false,
        }
    }
}

/// First and last time of a session, and how often its word occurs.
type Session = (i64, i64, i64);

/// How often each word occurs in each session.
#[derive(Default)]
pub(in crate::world) struct Sessions(BTreeMap<String, Vec<Session>>);

impl Sessions {
    fn take(&mut self, facts: &mut Facts, word: &str, at: i64) {
        let mut expect = |(start, end, _): Session, count| {
            let row = Bytes::from(format!("{word}@{start}-{end}"));
            facts.expect(SESSION_CHANGELOG, row.clone(), count);
            facts.expect(SESSIONS, row, count);
        };
        let sessions = self.0.entry(word.to_owned()).or_default();
        let mut merged = (at, at, 1);
        sessions.retain(|session| {
            let (start, end, count) = *session;
            let is_apart = end + SESSION_GAP_MS < at || at + SESSION_GAP_MS < start;
            if !is_apart {
                merged = (merged.0.min(start), merged.1.max(end), merged.2 + count);
                expect(*session, None);
            }
            is_apart
        });
        expect(merged, Some(merged.2));
        sessions.push(merged);
    }
}

impl Rules for Sessions {
    fn inputs(&self) -> &'static [&'static str] {
        &[EVENTS, SESSION_REPARTITION]
    }

    fn outputs(&self) -> &'static [Written] {
        &[
            Written {
                topic: SESSION_REPARTITION,
                is_table: false,
            },
            Written {
                topic: SESSION_CHANGELOG,
                is_table: true,
            },
            Written {
                topic: SESSIONS,
                is_table: true,
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
        match topic {
            EVENTS => {
                facts.expect_one_more(SESSION_REPARTITION, event(value_text(record)?, record));
            }
            SESSION_REPARTITION => self.take(facts, text(key(record)?)?, record.timestamp),
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
        let key = key(record)?;
        match topic {
            SESSION_REPARTITION => {
                facts.find_one_more(SESSION_REPARTITION, event(text(key)?, record));
            }
            // The word, when the session ends, and when it starts.
            SESSION_CHANGELOG => {
                let (word, tail) = tailed(key, 16)?;
                let (end, start) = (number(&tail[..8])?, number(&tail[8..])?);
                let session = Bytes::from(format!("{word}@{start}-{end}"));
                facts.find(SESSION_CHANGELOG, session, value_number(record)?);
            }
            SESSIONS => facts.find(SESSIONS, key.clone(), value_number(record)?),
            _ => return Err(unknown(topic)),
        }
        Ok(())
    }

    fn results(&self) -> Results {
        Results {
            topic: SESSION_CHANGELOG,
            repartition: Some(SESSION_REPARTITION),
            is_fragile: true,
            leaves_out: |_| false,
        }
    }
}
