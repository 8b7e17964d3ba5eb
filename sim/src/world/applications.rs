//! The applications that seeds are run with, beside the word count.
//!
//! Nothing in them is ever late: what is dropped for that depends on what a task has seen since it
//! began, and is tested elsewhere. Times of records are out of order and all different.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eddyline_core::dsl::{
    JoinWindows, Materialized, SessionWindows, StreamJoined, StreamsBuilder, TimeWindows,
};
use eddyline_core::processor::{
    FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessorError,
};
use eddyline_core::rng::{Rng, SeedTree};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::topology::{Topology, TopologyError};
use eddyline_core::window::Windowed;

use super::InputRecord;
use super::engine::WALL_CLOCK_START_MS;
use super::interpreter::{Rules, Sessions, StreamJoin, TableJoin, Windows, WordCount};
use super::workload::{Defects, FAILURE, LINES, Signals, lines};

pub(super) const EVENTS: &str = "events";
pub(super) const WINDOWS: &str = "windows";
pub(super) const WINDOW_REPARTITION: &str = "sim-windows-repartition";
pub(super) const WINDOW_CHANGELOG: &str = "sim-windows-changelog";
pub(super) const WINDOW_SIZE_MS: i64 = 600;
pub(super) const WINDOW_ADVANCE_MS: i64 = 200;
pub(super) const SESSIONS: &str = "sessions";
pub(super) const SESSION_REPARTITION: &str = "sim-sessions-repartition";
pub(super) const SESSION_CHANGELOG: &str = "sim-sessions-changelog";
pub(super) const SESSION_GAP_MS: i64 = 60;
pub(super) const LEFT: &str = "left";
pub(super) const RIGHT: &str = "right";
pub(super) const PAIRS: &str = "pairs";
pub(super) const LEFT_CHANGELOG: &str = "sim-pairs-this-join-store-changelog";
pub(super) const RIGHT_CHANGELOG: &str = "sim-pairs-other-join-store-changelog";
pub(super) const JOIN_DIFFERENCE_MS: u64 = 300;
pub(super) const PROFILES: &str = "profiles";
pub(super) const CLICKS: &str = "clicks";
pub(super) const JOINED: &str = "joined";
pub(super) const PROFILE_CHANGELOG: &str = "sim-profiles-changelog";

/// Longer than the times of any input are apart.
const GRACE: Duration = Duration::from_secs(3_600);

/// What a seed runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Application {
    /// Word count, with a ledger beside it: see [`super::workload`].
    WordCount,
    /// Counts by hopping window.
    Windows,
    /// Counts by session.
    Sessions,
    /// Two streams joined.
    StreamJoin,
    /// A stream joined with a table.
    TableJoin,
}

impl Application {
    /// Those that are not the word count.
    #[cfg(test)]
    pub(super) const OTHERS: [Self; 4] = [
        Self::Windows,
        Self::Sessions,
        Self::StreamJoin,
        Self::TableJoin,
    ];

    /// Half of the seeds run the word count.
    pub(super) fn draw(seed: SeedTree) -> Self {
        match seed.child("application", 0).rng().below(8) {
            0 => Self::Windows,
            1 => Self::Sessions,
            2 => Self::StreamJoin,
            3 => Self::TableJoin,
            _ => Self::WordCount,
        }
    }

    /// What it does, in the plainest way.
    pub(super) fn rules(self) -> Box<dyn Rules> {
        match self {
            Self::WordCount => Box::new(WordCount),
            Self::Windows => Box::new(Windows),
            Self::Sessions => Box::new(Sessions::default()),
            Self::StreamJoin => Box::new(StreamJoin::default()),
            Self::TableJoin => Box::new(TableJoin),
        }
    }

    /// The changelogs of its stores.
    pub(super) const fn changelogs(self) -> &'static [&'static str] {
        match self {
            Self::WordCount => &[
                super::workload::CHANGELOG,
                super::workload::LEDGER_CHANGELOG,
            ],
            Self::Windows => &[WINDOW_CHANGELOG],
            Self::Sessions => &[SESSION_CHANGELOG],
            Self::StreamJoin => &[LEFT_CHANGELOG, RIGHT_CHANGELOG],
            Self::TableJoin => &[PROFILE_CHANGELOG],
        }
    }

    /// Its topology; the word count has one of its own.
    pub(super) fn topology(
        self,
        defects: Defects,
        signals: &Arc<Signals>,
    ) -> Result<Topology, TopologyError> {
        let builder = StreamsBuilder::new();
        match self {
            Self::WordCount => {}
            Self::Windows => windows(&builder, defects),
            Self::Sessions => sessions(&builder, defects),
            Self::StreamJoin => stream_join(&builder, defects),
            Self::TableJoin => table_join(&builder, defects, signals),
        }
        builder.build()
    }

    /// What it is given.
    pub(super) fn input(self, rng: &mut Rng) -> Vec<InputRecord> {
        let record = |topic: &str, key: Option<String>, value: String| InputRecord {
            topic: topic.to_owned(),
            key: key.map(Bytes::from),
            value: value.into(),
            timestamp: None,
        };
        if self == Self::WordCount {
            let lines = lines(rng).into_iter();
            return lines.map(|line| record(LINES, None, line)).collect();
        }
        let (count, words) = (20 + rng.below(180), 1 + rng.below(12));
        let mut times = BTreeSet::new();
        let next = |index| {
            let word = format!("word{}", rng.below(words));
            let is_first = rng.chance(1, 2);
            let mut at = WALL_CLOCK_START_MS + (index * 20 + rng.below(1_500)) as i64;
            while !times.insert(at) {
                at += 1;
            }
            let mut made = match (self, is_first) {
                (Self::StreamJoin, true) => record(LEFT, Some(word), format!("l{index}")),
                (Self::StreamJoin, false) => record(RIGHT, Some(word), format!("r{index}")),
                (Self::TableJoin, true) => {
                    let number = if rng.chance(1, 5) { 0 } else { index };
                    record(PROFILES, Some(word), number.to_string())
                }
                (Self::TableJoin, false) => record(CLICKS, Some(word), format!("c{index}")),
                _ => record(EVENTS, None, word),
            };
            made.timestamp = Some(at);
            made
        };
        (0..count).map(next).collect()
    }
}

fn windows(builder: &StreamsBuilder, defects: Defects) {
    let millis = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let windows = TimeWindows::of_size_and_grace(millis(WINDOW_SIZE_MS), GRACE);
    builder
        .stream::<Option<String>, String>(EVENTS)
        .filter(move |_, word| Some(word.as_str()) != defects.dropped_word)
        .group_by(|_, word: &String| word.clone())
        .windowed_by(windows.advance_by(millis(WINDOW_ADVANCE_MS)))
        .count(Materialized::as_store(WINDOWS))
        .to_stream()
        .select_key(|word: &Windowed<String>, _| format!("{}@{}", word.key, word.window.start))
        .to(WINDOWS);
}

fn sessions(builder: &StreamsBuilder, defects: Defects) {
    let gap = Duration::from_millis(SESSION_GAP_MS.unsigned_abs());
    builder
        .stream::<Option<String>, String>(EVENTS)
        .filter(move |_, word| Some(word.as_str()) != defects.dropped_word)
        .group_by(|_, word: &String| word.clone())
        .windowed_by(SessionWindows::of_inactivity_gap_and_grace(gap, GRACE))
        .count(Materialized::as_store(SESSIONS))
        .to_stream()
        .select_key(|word: &Windowed<String>, _| {
            format!("{}@{}-{}", word.key, word.window.start, word.window.end)
        })
        .to(SESSIONS);
}

fn stream_join(builder: &StreamsBuilder, defects: Defects) {
    let left = builder
        .stream::<String, String>(LEFT)
        .filter(move |word, _| Some(word.as_str()) != defects.dropped_word);
    let right = builder.stream::<String, String>(RIGHT);
    let near = Duration::from_millis(JOIN_DIFFERENCE_MS);
    let near = JoinWindows::of_time_difference_and_grace(near, GRACE);
    let serde = String::default_serde;
    let joined = StreamJoined::with(serde(), serde(), serde()).with_store_name(PAIRS);
    left.join_with(
        &right,
        |_, left: String, right: String| format!("{left}+{right}"),
        near,
        joined,
    )
    .to(PAIRS);
}

fn table_join(builder: &StreamsBuilder, defects: Defects, signals: &Arc<Signals>) {
    let signals = Arc::clone(signals);
    let journaled = move || Journaled(Arc::clone(&signals));
    let profiles = builder
        .stream::<String, String>(PROFILES)
        .process_values::<String>(journaled.clone(), &[])
        .map_values(|number: String| number.parse::<i64>().ok().filter(|number| *number != 0))
        .to_table::<i64>(Materialized::as_store(PROFILES));
    builder
        .stream::<String, String>(CLICKS)
        .process_values::<String>(journaled, &[])
        .filter(move |word, _| Some(word.as_str()) != defects.dropped_word)
        .left_join_table(&profiles, |click: String, number: Option<i64>| {
            format!("{click}={}", number.unwrap_or(-1))
        })
        .to(JOINED);
}

/// Who took which record when.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Numbers of threads by client id.
    threads: BTreeMap<String, u64>,
    running: u64,
    turns: BTreeMap<(u64, String, i32, i64), u64>,
    next: u64,
}

impl Journal {
    /// A thread is started.
    pub(super) fn started(&mut self, client: &str, thread: u64) {
        self.threads.insert(client.to_owned(), thread);
    }

    /// From now on a thread runs.
    pub(super) fn runs(&mut self, thread: u64) {
        self.running = thread;
    }

    /// The thread that runs takes a record.
    fn take(&mut self, topic: &str, partition: i32, offset: i64) {
        self.next += 1;
        let record = (self.running, topic.to_owned(), partition, offset);
        self.turns.insert(record, self.next);
    }

    /// When a thread took a record last; `None` if it never did.
    pub(super) fn turn(
        &self,
        client: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Option<u64> {
        let thread = *self.threads.get(client)?;
        let record = (thread, topic.to_owned(), partition, offset);
        self.turns.get(&record).copied()
    }
}

impl Signals {
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what is taken.
struct Journaled(Arc<Signals>);

impl FixedKeyProcessor<String, String, String> for Journaled {
    fn process(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, String, String>,
        record: FixedKeyRecord<String, String>,
    ) -> Result<(), ProcessorError> {
        if self.0.take_failure() {
            return Err(ProcessorError::from(std::io::Error::other(FAILURE)));
        }
        if let Some(at) = context.record_metadata()
            && let Some(topic) = at.topic
        {
            let mut journal = self.0.journal();
            journal.take(topic.as_str(), at.partition, at.offset);
        }
        context.forward(record)?;
        Ok(())
    }
}
