//! The application that seeds are run with: word count, and a store that is read all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use eddyline_core::dsl::{Materialized, StreamsBuilder};
use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline_core::rng::Rng;
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{KeyValueStore, StateError, Stores};
use eddyline_core::time::{Instant, WallClock};
use eddyline_core::topology::{Topology, TopologyError};
use eddyline_core::types::{Headers, TopicName};
use eddyline_core::wire::{self, RecordBatchBuilder, SealedBatch};

use super::applications::{Application, Journal};
use super::engine::World;
use super::interpreter::check_results;
use super::oracles::{Violation, fold};
use super::schedule::BIG_CACHE_BYTES;
use crate::broker::PartitionLog;

/// A record of the input, and when it is produced.
#[derive(Clone, Debug)]
pub(super) struct Produced {
    pub(super) at: Instant,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) key: Option<Bytes>,
    pub(super) value: Bytes,
    /// The time when it is produced, if none is given.
    pub(super) timestamp: Option<i64>,
}

impl Produced {
    pub(super) fn batch(&self, now: WallClock) -> SealedBatch {
        let mut batch = RecordBatchBuilder::new();
        let (key, value) = (self.key.as_deref(), Some(&self.value[..]));
        let timestamp = self.timestamp.unwrap_or(now.0);
        batch.append(timestamp, key, value, &Headers::new());
        batch.seal()
    }

    /// The record as a task reads it, wherever it is in its log.
    pub(super) fn record(&self) -> wire::Record {
        wire::Record {
            offset: 0,
            timestamp: self.timestamp.unwrap_or(0),
            key: self.key.clone(),
            value: Some(self.value.clone()),
            headers: Headers::new(),
        }
    }
}

pub(super) const LINES: &str = "lines";
pub(super) const COUNTS: &str = "counts";
const LEDGER: &str = "ledger";
pub(super) const REPARTITION: &str = "sim-counts-repartition";
pub(super) const CHANGELOG: &str = "sim-counts-changelog";
pub(super) const LEDGER_CHANGELOG: &str = "sim-ledger-changelog";

/// Lines of words: a few words make up most of them.
pub(super) fn lines(rng: &mut Rng) -> Vec<String> {
    let words = 2 + rng.below(40);
    let hot = 1 + rng.below(words);
    let count = 10 + rng.below(190);
    let line = |rng: &mut Rng| {
        let length = 1 + rng.below(5);
        let word = |rng: &mut Rng| {
            let among = if rng.chance(3, 4) { hot } else { words };
            format!("word{}", rng.below(among))
        };
        let words: Vec<String> = (0..length).map(|_| word(rng)).collect();
        words.join(" ")
    };
    (0..count).map(|_| line(rng)).collect()
}

/// What the processors of a run are told from outside.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The virtual time in nanoseconds.
    clock: AtomicU64,
    fails: AtomicBool,
    pub(super) journal: Mutex<Journal>,
}

impl Signals {
    pub(super) fn set_clock(&self, at: Instant) {
        self.clock.store(at.as_nanos(), Ordering::Relaxed);
    }

    fn clock(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// The next record fails, or does not.
    pub(super) fn fail_next(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    pub(super) fn take_failure(&self) -> bool {
        self.fails.swap(false, Ordering::Relaxed)
    }
}

/// What a record that fails says.
pub(super) const FAILURE: &str = "a failure on purpose";

/// What processors find wrong.
pub(super) type Findings = Arc<Mutex<Vec<Violation>>>;

fn report(findings: &Findings, oracle: &'static str, message: String) {
    let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
    if findings.len() < 10 {
        findings.push(Violation { oracle, message });
    }
}

/// How the word count is built wrong, to see that somebody notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defects {
    /// This word is not counted.
    pub(super) dropped_word: Option<&'static str>,
    /// This word is counted twice.
    pub(super) doubled_word: Option<&'static str>,
    /// Changes are forwarded twice.
    pub(super) forwards_twice: bool,
    /// The model of the ledger forgets a write.
    pub(super) forgets_a_write: bool,
    /// User code panics.
    pub(super) panics: bool,
}

/// Word count with a ledger beside it.
pub(super) fn topology(
    findings: &Findings,
    defects: Defects,
    has_disks: bool,
    signals: &Arc<Signals>,
) -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    let supplier = if has_disks {
        Stores::persistent_key_value_store(LEDGER)
    } else {
        Stores::in_memory_key_value_store(LEDGER)
    };
    let (keys, values) = (String::default_serde(), i64::default_serde());
    let ledger = Stores::key_value_store_builder(supplier, keys, values);
    builder.add_state_store(ledger.with_caching_enabled());
    let lines = builder.stream::<Option<String>, String>(LINES);
    let found = Arc::clone(findings);
    let told = Arc::clone(signals);
    let ledger = move || Ledger {
        model: BTreeMap::new(),
        findings: Arc::clone(&found),
        signals: Arc::clone(&told),
        defects,
    };
    lines.process::<(), ()>(ledger, &[LEDGER]);
    let found = Arc::clone(findings);
    let signals = Arc::clone(signals);
    let probe = move || Probe {
        signals: Arc::clone(&signals),
        at: u64::MAX,
        keys: BTreeSet::new(),
        findings: Arc::clone(&found),
        defects,
    };
    lines
        .flat_map_values(move |line: String| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let times = move |word: &String| match Some(word.as_str()) {
                word if word == defects.dropped_word => 0,
                word if word == defects.doubled_word => 2,
                _ => 1,
            };
            words
                .into_iter()
                .flat_map(move |word| vec![word.clone(); times(&word)])
        })
        .group_by(|_, word: &String| word.clone())
        .count(Materialized::as_store(COUNTS))
        .to_stream()
        .process::<String, Option<i64>>(probe, &[])
        .to(COUNTS);
    builder.build()
}

/// Reads its own writes in a store, and keeps a model of what must be there.
struct Ledger {
    model: BTreeMap<String, i64>,
    findings: Findings,
    signals: Arc<Signals>,
    defects: Defects,
}

type LedgerStore = KeyValueStore<String, i64>;

fn rows(store: &LedgerStore) -> Result<BTreeMap<String, i64>, StateError> {
    store.all()?.collect()
}

impl Processor<Option<String>, String, (), ()> for Ledger {
    fn init(&mut self, context: &mut ProcessorContext<'_, (), ()>) -> Result<(), ProcessorError> {
        self.model = context.with_store::<LedgerStore, _>(LEDGER, |store, _| rows(store))??;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, (), ()>,
        record: Record<Option<String>, String>,
    ) -> Result<(), ProcessorError> {
        assert!(!self.defects.panics, "user code panics");
        if self.signals.take_failure() {
            return Err(ProcessorError::from(std::io::Error::other(FAILURE)));
        }
        let task = context.task_id();
        for word in record.value.split(' ').map(str::to_owned) {
            let expected = self.model.get(&word).copied();
            let turn = expected.unwrap_or(0) + word.len() as i64;
            let seen = context.with_store::<LedgerStore, _>(LEDGER, |store, context| {
                let seen = store.get(&word)?;
                match turn % 7 {
                    0 => store.delete(&word, context)?,
                    1 => store.put_if_absent(&word, Some(&1), context)?,
                    _ => {
                        store.put(&word, Some(&(turn + 1)), context)?;
                        None
                    }
                };
                Ok::<_, StateError>(seen)
            })??;
            if seen != expected {
                let message = format!("task {task} reads {seen:?} of {word}, not {expected:?}");
                report(&self.findings, "reads", message);
            }
            match turn % 7 {
                0 => self.model.remove(&word),
                1 => expected.or_else(|| self.model.insert(word, 1)),
                _ if self.defects.forgets_a_write && turn > 20 => None,
                _ => self.model.insert(word, turn + 1),
            };
        }
        if record.timestamp % 16 == 0 {
            let all = context.with_store::<LedgerStore, _>(LEDGER, |store, _| rows(store))??;
            if all != self.model {
                let message = format!("task {task} reads {all:?}, not {:?}", self.model);
                report(&self.findings, "reads", message);
            }
        }
        Ok(())
    }
}

/// Sees every change of the counts on its way out.
struct Probe {
    /// The time of the run: the task's own stands still between records.
    signals: Arc<Signals>,
    at: u64,
    /// Keys that changed at that moment: a moment has one flush at most, for a flush waits for the
    /// one before to be written and committed.
    keys: BTreeSet<String>,
    findings: Findings,
    defects: Defects,
}

impl Processor<String, Option<i64>, String, Option<i64>> for Probe {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, Option<i64>>,
        record: Record<String, Option<i64>>,
    ) -> Result<(), ProcessorError> {
        let now = self.signals.clock();
        if now != self.at {
            self.at = now;
            self.keys.clear();
        }
        let times = if self.defects.forwards_twice { 2 } else { 1 };
        for _ in 0..times {
            if !self.keys.insert(record.key.clone()) {
                let (task, key) = (context.task_id(), &record.key);
                let message = format!("task {task} forwards {key} twice in one flush");
                report(&self.findings, "dedup", message);
            }
            context.forward(record.clone())?;
        }
        Ok(())
    }
}

/// What must hold of an application when everything has come to rest.
pub(super) fn check(world: &mut World<'_>, application: Application, findings: &Findings) {
    let found = std::mem::take(&mut *findings.lock().unwrap_or_else(PoisonError::into_inner));
    // A small cache evicts, and what is evicted goes out at once.
    let evicts = world.scenario.config.statestore_cache_max_bytes() < BIG_CACHE_BYTES as usize;
    for violation in found {
        if violation.oracle != "dedup" || !evicts {
            world.oracles.report(violation.oracle, violation.message);
        }
    }
    if !world.oracles.is_clean() {
        return;
    }
    if let Some(interpreter) = &world.interpreter
        && let Err(message) = interpreter.check_end(&world.broker)
    {
        world.oracles.report("interpreter", message);
    }
    if application != Application::WordCount {
        if let Err(message) = check_application(world, application) {
            world.oracles.report("results", message);
        }
        return;
    }
    if let Err(message) = check_counts(world) {
        world.oracles.report("counts", message);
    }
    if !world.scenario.schedule.may_duplicate
        && let Err(message) = check_changes(world)
    {
        world.oracles.report("dedup", message);
    }
}

/// What came of the input, unless an expelled member overwrote something: see the oracle.
fn check_application(world: &World<'_>, application: Application) -> Result<(), String> {
    let is_rewritten = |topic: &&str| {
        let mut partitions = 0..world.scenario.schedule.partitions;
        let (oracles, broker) = (&world.oracles, &world.broker);
        partitions.any(|partition| oracles.was_written_by_a_zombie(broker, topic, partition))
    };
    if application.changelogs().iter().any(is_rewritten) {
        return Ok(());
    }
    let may_duplicate = world.scenario.schedule.may_duplicate;
    let input = &world.scenario.input;
    check_results(application.rules(), &world.broker, input, may_duplicate)
}

fn check_counts(world: &World<'_>) -> Result<(), String> {
    let expected = true_counts(&world.scenario.input);
    let mut counted: BTreeMap<Bytes, i64> = BTreeMap::new();
    let mut is_rewritten = false;
    for partition in 0..world.scenario.schedule.partitions {
        is_rewritten |= world
            .oracles
            .was_written_by_a_zombie(&world.broker, CHANGELOG, partition);
        for (key, (_, value)) in fold(&world.broker, &TopicName::from(CHANGELOG), partition)? {
            counted.insert(key, number(&value)?);
        }
    }
    for (word, times) in &expected {
        let found = counted.get(word).copied().unwrap_or(0);
        // An expelled member may overwrite a count with an older one: see the oracle.
        let lost = found < *times && !is_rewritten;
        let doubled = found > *times && !world.scenario.schedule.may_duplicate;
        if lost || doubled {
            return Err(format!("{word:?} occurs {times} times, not {found}"));
        }
    }
    match counted.keys().find(|word| !expected.contains_key(*word)) {
        Some(word) => Err(format!("{word:?} does not occur")),
        None => Ok(()),
    }
}

fn true_counts(input: &[Produced]) -> BTreeMap<Bytes, i64> {
    let mut counts = BTreeMap::new();
    for produced in input {
        for word in produced.value.split(|byte| *byte == b' ') {
            *counts.entry(Bytes::copy_from_slice(word)).or_default() += 1;
        }
    }
    counts
}

fn number(value: &Bytes) -> Result<i64, String> {
    let bytes = value.first_chunk::<8>();
    let bytes = bytes.ok_or_else(|| format!("{value:?} is not a number"))?;
    Ok(i64::from_be_bytes(*bytes))
}

/// What is logged is what is forwarded, change for change.
fn check_changes(world: &World<'_>) -> Result<(), String> {
    let logs = (0..).map_while(|partition| world.broker.log(CHANGELOG, partition));
    if logs.into_iter().any(PartitionLog::is_cleaned) {
        return Ok(());
    }
    let logged = changes(world, CHANGELOG)?;
    let forwarded = changes(world, COUNTS)?;
    for (key, values) in &logged {
        if forwarded.get(key) != Some(values) {
            let seen = forwarded.get(key);
            return Err(format!(
                "{key:?}: {values:?} were logged, {seen:?} forwarded"
            ));
        }
    }
    Ok(())
}

fn changes(world: &World<'_>, topic: &str) -> Result<BTreeMap<Bytes, Vec<i64>>, String> {
    let mut changes: BTreeMap<Bytes, Vec<i64>> = BTreeMap::new();
    for partition in 0..world.scenario.schedule.partitions {
        let Some(log) = world.broker.log(topic, partition) else {
            continue;
        };
        for record in log.records().map_err(|error| error.to_string())? {
            if let (Some(key), Some(value)) = (record.key, record.value) {
                changes.entry(key).or_default().push(number(&value)?);
            }
        }
    }
    Ok(changes)
}
