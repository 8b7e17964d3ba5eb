//! What must hold in every run, whatever the application computes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use eddyline_core::state::StateStore;
use eddyline_core::time::Instant;
use eddyline_core::types::{TaskId, TopicName, TopicPartition};
use eddyline_core::wire;

use super::applications::{LEFT_CHANGELOG, RIGHT_CHANGELOG};
use crate::broker::{Broker, Task, Tasks};

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule was broken.
    pub oracle: &'static str,
    /// What was seen.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.message)
    }
}

/// What was found, and what has to be remembered to find it.
#[derive(Default)]
pub(super) struct Oracles {
    found: Vec<Violation>,
    /// Who began to restore from a changelog, and the end of the log then; in order of time.
    restores: BTreeMap<TopicPartition, Vec<(String, i64)>>,
    /// What standbys had when they were promoted, by thread.
    promoted: BTreeMap<(String, TopicPartition), i64>,
    /// Threads that ran a task.
    ran: BTreeSet<(String, TaskId)>,
    /// Whoever writes without owning is fenced.
    is_exactly_once: bool,
}

/// One fault often shows in many places: so many are kept of one rule.
const KEPT_PER_ORACLE: usize = 5;

impl Oracles {
    pub(super) fn new(is_exactly_once: bool) -> Self {
        Self {
            is_exactly_once,
            ..Self::default()
        }
    }

    pub(super) fn report(&mut self, oracle: &'static str, message: impl Into<String>) {
        let same = self.found.iter().filter(|known| known.oracle == oracle);
        if same.count() < KEPT_PER_ORACLE {
            let message = message.into();
            self.found.push(Violation { oracle, message });
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.found
    }

    pub(super) fn restore_started(&mut self, client: &str, partition: &TopicPartition, end: i64) {
        let owners = self.restores.entry(partition.clone()).or_default();
        owners.push((client.to_owned(), end));
    }

    /// A standby that has a changelog up to `position` becomes an active task.
    pub(super) fn promoted(&mut self, client: &str, partition: &TopicPartition, position: i64) {
        let key = (client.to_owned(), partition.clone());
        self.promoted.insert(key, position);
    }

    /// What a standby has need not be restored.
    pub(super) fn restores_the_rest(
        &mut self,
        client: &str,
        partition: &TopicPartition,
        offset: i64,
    ) {
        let key = (client.to_owned(), partition.clone());
        if let Some(position) = self.promoted.remove(&key)
            && offset < position
        {
            let message = format!(
                "{client} restores {partition} from {offset}: its standby was at {position}"
            );
            self.report("promotion", message);
        }
    }

    /// A thread runs a task.
    pub(super) fn runs(&mut self, client: &str, task: TaskId) {
        self.ran.insert((client.to_owned(), task));
    }

    /// Where restoring of a changelog by `client` ended last.
    pub(super) fn restored_to(&self, client: &str, partition: &TopicPartition) -> Option<i64> {
        let mut owners = self.restores.get(partition)?.iter().rev();
        owners
            .find(|(owner, _)| owner == client)
            .map(|(_, end)| *end)
    }

    /// Only who ran a task wrote to its changelogs: standbys never do.
    pub(super) fn was_written_by_owners(
        &mut self,
        broker: &Broker,
        task: TaskId,
        changelog: &TopicName,
    ) {
        let Some(log) = broker.log(changelog.as_str(), task.partition) else {
            return;
        };
        for stored in log.batches() {
            let batches = wire::decode_batches(stored.bytes().clone()).unwrap_or_default();
            for batch in batches.iter().filter(|batch| !batch.header().is_control) {
                let writer = broker.producer_client(batch.header().producer_id);
                let writer = writer.unwrap_or("nobody").to_owned();
                if !self.ran.contains(&(writer.clone(), task)) {
                    let message = format!(
                        "{writer} wrote to {changelog}-{} and never ran task {task}",
                        task.partition
                    );
                    self.report("standby", message);
                }
            }
        }
    }

    /// Whether someone wrote to a changelog after another one had begun to restore from it: a
    /// member that was expelled and did not know. At-least-once cannot keep it out, in Kafka
    /// neither, and then no store is what its changelog says.
    pub(super) fn was_written_by_a_zombie(&self, broker: &Broker, topic: &str, index: i32) -> bool {
        if self.is_exactly_once {
            return false;
        }
        let partition = TopicPartition::new(topic, index);
        let (Some(log), Some(owners)) = (broker.log(topic, index), self.restores.get(&partition))
        else {
            return false;
        };
        log.batches().any(|stored| {
            let base = stored.base_offset();
            let owner = owners.iter().rev().find(|(_, end)| *end <= base);
            let batches = wire::decode_batches(stored.bytes().clone()).unwrap_or_default();
            let mut writers = batches
                .iter()
                .filter_map(|batch| broker.producer_client(batch.header().producer_id));
            writers.any(|writer| owner.is_none_or(|(owner, _)| owner != writer))
        })
    }

    /// A store holds what restoring its changelog would give.
    pub(super) fn store_is_fold(
        &mut self,
        broker: &Broker,
        task: TaskId,
        store: &dyn StateStore,
        changelog: &TopicName,
    ) {
        let expected = fold_to(broker, changelog, task.partition, Some(i64::MAX));
        if let Err(difference) = expected.and_then(|expected| expected.compare(store)) {
            let name = store.name();
            let message = format!("store {name} of task {task} is not its changelog: {difference}");
            self.report("fold", message);
        }
    }

    /// A store that was restored holds what its changelog has up to `end`.
    pub(super) fn restored_is_fold(
        &mut self,
        broker: &Broker,
        task: TaskId,
        store: &dyn StateStore,
        changelog: &TopicName,
        end: i64,
    ) {
        let expected = fold_to(broker, changelog, task.partition, Some(end - 1));
        if let Err(difference) = expected.and_then(|expected| expected.compare(store)) {
            let name = store.name();
            let message = format!(
                "store {name} of task {task} is not its changelog up to {end} when restored: {difference}"
            );
            self.report("fold", message);
        }
    }

    /// What is on a disk is a store as of the changelog record that it says it is.
    pub(super) fn disk_is_fold(
        &mut self,
        broker: &Broker,
        task: TaskId,
        store: &dyn StateStore,
        changelog: &TopicName,
        offset: Option<i64>,
    ) {
        let expected = fold_to(broker, changelog, task.partition, offset);
        if let Err(difference) = expected.and_then(|expected| expected.compare(store)) {
            let message = format!(
                "store {} of task {task} on disk is not its changelog up to {offset:?}: {difference}",
                store.name()
            );
            self.report("disk", message);
        }
    }
}

/// Key to timestamp and value; the timestamp -1 is none.
pub(super) type Rows = BTreeMap<Bytes, (i64, Bytes)>;

/// What a changelog says up to some record.
struct Fold {
    rows: Rows,
    is_numbered: bool,
    /// Keys whose last record up to there was cleaned away for a later one: who restores from what
    /// is left has an older value of it, or none, until it gets there.
    cleaned: BTreeSet<Bytes>,
}

impl Fold {
    fn compare(mut self, store: &dyn StateStore) -> Result<(), String> {
        let mut rows: Rows = BTreeMap::new();
        let visited = store.visit_rows(&mut |row| {
            let value = row.value.map(Bytes::copy_from_slice).unwrap_or_default();
            let key = Bytes::copy_from_slice(row.key);
            rows.insert(identity(key, self.is_numbered), (row.timestamp, value));
        });
        visited.map_err(|error| error.to_string())?;
        for key in &self.cleaned {
            rows.remove(key);
            self.rows.remove(key);
        }
        difference(&rows, &self.rows).map_or(Ok(()), Err)
    }
}

/// The last value of every key of a partition that is not deleted.
pub(super) fn fold(broker: &Broker, topic: &TopicName, partition: i32) -> Result<Rows, String> {
    fold_to(broker, topic, partition, Some(i64::MAX)).map(|fold| fold.rows)
}

/// The same of the records up to `offset`, without one of none.
fn fold_to(
    broker: &Broker,
    topic: &TopicName,
    partition: i32,
    offset: Option<i64>,
) -> Result<Fold, String> {
    let Some(log) = broker.log(topic.as_str(), partition) else {
        return Err(format!("there is no {topic}-{partition}"));
    };
    let is_numbered = [LEFT_CHANGELOG, RIGHT_CHANGELOG].contains(&topic.as_str());
    let mut rows = Rows::new();
    let mut last: BTreeMap<Bytes, i64> = BTreeMap::new();
    let mut cleaned = BTreeSet::new();
    for record in log.history().map_err(|error| error.to_string())? {
        let Some(key) = record.key else { continue };
        let key = identity(key, is_numbered);
        if Some(record.offset) > offset {
            let before = last.get(&key);
            if before.is_some_and(|before| log.is_cleaned_at(*before)) {
                cleaned.insert(key);
            }
            continue;
        }
        last.insert(key.clone(), record.offset);
        match record.value {
            Some(value) => rows.insert(key, (record.timestamp, value)),
            None => rows.remove(&key),
        };
    }
    Ok(Fold {
        rows,
        is_numbered,
        cleaned,
    })
}

/// Rows of the stores of stream-stream joins end with a number, which begins anew with every task
/// and, in memory, with what is restored: in Java, too. No two records of a seed have the same time.
fn identity(key: Bytes, is_numbered: bool) -> Bytes {
    let number_bytes = if is_numbered { size_of::<i32>() } else { 0 };
    key.slice(..key.len().saturating_sub(number_bytes))
}

fn difference(rows: &Rows, expected: &Rows) -> Option<String> {
    let keys: BTreeSet<&Bytes> = rows.keys().chain(expected.keys()).collect();
    keys.into_iter().find_map(|key| {
        let (row, folded) = (rows.get(key), expected.get(key));
        let equal = match (row, folded) {
            (Some((timestamp, value)), Some((logged, folded))) => {
                value == folded && (*timestamp < 0 || timestamp == logged)
            }
            (row, folded) => row.is_none() && folded.is_none(),
        };
        (!equal).then(|| format!("key {key:?} is {row:?} and should be {folded:?}"))
    })
}

/// A task that two members say is theirs, by the tasks each has applied.
pub(super) fn shared_task(applied: &BTreeMap<String, Tasks>) -> Option<(&Task, &str, &str)> {
    let mut owners: BTreeMap<&Task, &str> = BTreeMap::new();
    for (member, tasks) in applied {
        for task in &tasks.active {
            if let Some(other) = owners.insert(task, member) {
                return Some((task, other, member));
            }
        }
    }
    None
}

/// Counts the wake-ups of one machine that nothing from outside caused.
#[derive(Default)]
pub(super) struct Wakeups {
    at: Instant,
    now: u32,
    since: Instant,
    lately: u32,
}

/// More wake-ups than this at one moment are a loop.
const WAKEUPS_AT_ONCE_MAX: u32 = 20;
/// More wake-ups than this in a second are one, too.
const WAKEUPS_PER_SECOND_MAX: u32 = 5_000;

impl Wakeups {
    /// One more; `Some` says what is wrong.
    pub(super) fn count(&mut self, at: Instant) -> Option<String> {
        self.now = if self.at == at { self.now + 1 } else { 1 };
        self.at = at;
        if self.since.plus_ms(1_000) <= at {
            (self.since, self.lately) = (at, 0);
        }
        self.lately += 1;
        if self.now > WAKEUPS_AT_ONCE_MAX {
            return Some(format!("{} wake-ups at {at}", self.now));
        }
        (self.lately > WAKEUPS_PER_SECOND_MAX)
            .then(|| format!("{} wake-ups within a second before {at}", self.lately))
    }
}
