//! Random histories of window and session stores that share a budget, against naive rows. What the
//! cache holds is not modelled: the changelog tells what went down and when.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::byte_store::Direction;
use super::super::fuzzing::Disk;
use super::super::storage::{PersistentWindowStore, TaskStorage};
use super::super::value::ValueFormat;
use super::super::{CacheBudget, ChangelogRecord};
use super::keys::{KeySchema, RowKey, WindowQuery};
use super::memory::InMemoryWindowStore;
use super::rows::{ByteWindowStore, RowOrder, WindowRows};
use super::stack::{WindowBytesStore, WindowStoreOptions};
use crate::types::{Headers, RecordContext};

/// Any bytes are a history.
pub fn windows(data: &[u8]) {
    let budget = CacheBudget::new(BUDGETS[3]);
    let mut runs: Vec<Run> = KINDS.iter().map(|kind| Run::new(*kind, &budget)).collect();
    let (ops, _) = data.as_chunks::<5>();
    for (sequence, op) in ops.iter().take(4096).enumerate() {
        if op[1] % 32 == 31 {
            budget.resize(BUDGETS[usize::from(op[3]) % BUDGETS.len()]);
            for run in &mut runs {
                run.store.shrink_cache();
            }
        }
        let run = &mut runs[usize::from(op[0]) % KINDS.len()];
        run.step(op, sequence as i64);
        run.learn();
        if runs.iter().all(|run| !run.store.has_pending()) {
            assert!(budget.used() <= budget.max_bytes(), "bound after {op:?}");
        }
    }
    for run in &mut runs {
        run.finish();
    }
    drop(runs);
    assert_eq!(budget.used(), 0, "closed stores give their bytes back");
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    options: WindowStoreOptions,
    /// Whether old values are sent.
    listener: Option<bool>,
    /// Rows in the storage of a task.
    is_persistent: bool,
}

const fn kind(
    schema: KeySchema,
    order: RowOrder,
    format: ValueFormat,
    is_cached: bool,
    listener: Option<bool>,
) -> Kind {
    Kind {
        options: WindowStoreOptions {
            schema,
            order,
            format,
            retain_duplicates: false,
            is_cached,
            is_logged: true,
        },
        listener,
        is_persistent: false,
    }
}

const fn persistent(mut kind: Kind) -> Kind {
    kind.is_persistent = true;
    kind
}

const fn duplicates(order: RowOrder) -> Kind {
    let mut kind = kind(KeySchema::Window, order, ValueFormat::Plain, true, None);
    kind.options.retain_duplicates = true;
    kind
}

const SEGMENTED: RowOrder = RowOrder::Segmented { interval_ms: 4 };
const TIME_ORDERED: RowOrder = time_ordered(false);
const INDEXED: RowOrder = time_ordered(true);

const fn time_ordered(is_indexed: bool) -> RowOrder {
    RowOrder::TimeOrdered {
        interval_ms: 4,
        is_indexed,
    }
}

const KINDS: [Kind; 30] = {
    use KeySchema::{Session, Window};
    use RowOrder::TimeFirst;
    use ValueFormat::{Plain, Timestamped, TimestampedWithHeaders, WithHeaders};
    [
        kind(Window, TimeFirst, Plain, false, None),
        kind(Window, SEGMENTED, Timestamped, false, Some(true)),
        kind(Session, TimeFirst, Plain, false, None),
        kind(Session, SEGMENTED, Plain, false, None),
        kind(Window, TimeFirst, Timestamped, true, None),
        kind(Window, SEGMENTED, Timestamped, true, Some(true)),
        kind(Window, SEGMENTED, Plain, true, None),
        kind(Session, TimeFirst, Plain, true, Some(true)),
        kind(Session, SEGMENTED, Plain, true, Some(false)),
        kind(Window, TimeFirst, Plain, true, Some(false)),
        duplicates(TimeFirst),
        duplicates(SEGMENTED),
        kind(Window, SEGMENTED, TimestampedWithHeaders, true, Some(true)),
        kind(Session, TimeFirst, WithHeaders, false, None),
        kind(Session, SEGMENTED, WithHeaders, true, None),
        kind(Window, TIME_ORDERED, Timestamped, false, None),
        kind(Window, TIME_ORDERED, Plain, true, None),
        kind(Window, INDEXED, Timestamped, false, None),
        kind(Window, INDEXED, Plain, true, None),
        kind(Session, INDEXED, Plain, false, None),
        persistent(kind(Window, SEGMENTED, Timestamped, false, Some(true))),
        persistent(kind(Session, SEGMENTED, Plain, false, None)),
        persistent(kind(Session, SEGMENTED, WithHeaders, true, Some(false))),
        persistent(kind(Window, SEGMENTED, Plain, true, None)),
        persistent(duplicates(SEGMENTED)),
        persistent(kind(Window, TIME_ORDERED, Timestamped, false, None)),
        persistent(kind(Window, TIME_ORDERED, Plain, true, None)),
        persistent(kind(Window, INDEXED, Timestamped, false, None)),
        persistent(kind(Session, INDEXED, Plain, false, None)),
        persistent(kind(Session, INDEXED, Plain, true, Some(true))),
    ]
};

const BUDGETS: [usize; 6] = [0, 80, 200, 500, 1000, 100_000];
const RETENTION_MS: i64 = 10;

type Row = (Vec<u8>, i64, i64);
type Value = Option<Vec<u8>>;

fn key(number: u8) -> Vec<u8> {
    let alphabet = [0, b'a', b'b', u8::MAX];
    let digit = |at: u8| alphabet[usize::from(number >> at & 3)];
    match number >> 4 & 3 {
        0 => vec![digit(0)],
        1 => vec![digit(0), digit(2)],
        2 if number & 15 == 0 => Vec::new(),
        2 => vec![digit(0), 0, digit(2)],
        _ => vec![digit(0); 20],
    }
}

fn lend(row: &Row) -> RowKey<&[u8]> {
    RowKey {
        key: &row.0,
        time: row.1,
        tail: row.2,
    }
}

fn collect(rows: WindowRows<'_>) -> Vec<(Row, Vec<u8>)> {
    rows.map(|row| row.expect("rows in memory do not fail"))
        .map(|(row, value)| ((row.key.to_vec(), row.time, row.tail), value.to_vec()))
        .collect()
}

fn build(kind: Kind, budget: &CacheBudget, disk: &Disk) -> (WindowBytesStore, TaskStorage) {
    let WindowStoreOptions { schema, order, .. } = kind.options;
    let rows: Box<dyn ByteWindowStore> = match kind.is_persistent {
        true => Box::new(PersistentWindowStore::new(
            "store",
            schema,
            order,
            RETENTION_MS,
        )),
        false => Box::new(InMemoryWindowStore::new(schema, order, RETENTION_MS)),
    };
    let storage = disk.task_storage();
    let mut store = WindowBytesStore::new("store", rows, kind.options, budget);
    store.init(&storage).expect("memory does not fail");
    if let Some(send_old_values) = kind.listener {
        store.set_flush_listener(send_old_values);
    }
    (store, storage)
}

/// Rows as naive as can be.
#[derive(Clone)]
struct Model {
    options: WindowStoreOptions,
    rows: BTreeMap<Row, Vec<u8>>,
    observed_stream_time: i64,
    number: i64,
    dropped: u64,
}

impl Model {
    const fn new(options: WindowStoreOptions) -> Self {
        Self {
            options,
            rows: BTreeMap::new(),
            observed_stream_time: -1,
            number: 0,
            dropped: 0,
        }
    }

    fn is_live(&self, time: i64) -> bool {
        let oldest = self.observed_stream_time - RETENTION_MS;
        match self.options.order {
            RowOrder::TimeFirst => time > oldest,
            RowOrder::Segmented { interval_ms } | RowOrder::TimeOrdered { interval_ms, .. } => {
                time / interval_ms >= oldest / interval_ms
            }
        }
    }

    /// True for a row that reads see, if it is there.
    fn is_seen(&self, time: i64, is_of_time: bool) -> bool {
        let oldest = self.observed_stream_time - RETENTION_MS;
        match (self.options.order, self.options.schema) {
            (RowOrder::TimeOrdered { .. }, KeySchema::Window) => time >= oldest,
            (RowOrder::TimeOrdered { .. }, KeySchema::Session) if is_of_time => true,
            _ => time > oldest,
        }
    }

    fn advance(&mut self, time: i64) {
        self.observed_stream_time = self.observed_stream_time.max(time);
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row, _| self.is_live(row.1));
        self.rows = rows;
    }

    fn put(&mut self, mut row: Row, value: Value) {
        if self.options.retain_duplicates {
            if value.is_none() && self.options.order != RowOrder::TimeFirst {
                return;
            }
            self.number += i64::from(value.is_some());
            row.2 = if value.is_some() { self.number } else { -1 };
        }
        self.advance(row.1);
        if !self.is_live(row.1) {
            self.dropped += 1;
        } else if let Some(value) = value {
            self.rows.insert(row, value);
        } else {
            self.rows.remove(&row);
        }
    }

    fn remove(&mut self, row: &Row) {
        if self.options.order != RowOrder::TimeFirst {
            self.advance(row.1);
        }
        self.rows.remove(row);
    }

    fn get(&self, row: &Row) -> Value {
        let is_seen = self.is_seen(row.1, false);
        self.rows.get(row).filter(|_| is_seen).cloned()
    }

    fn visible(&self, is_of_time: bool) -> BTreeMap<Row, Vec<u8>> {
        let mut rows = self.rows.clone();
        rows.retain(|row, _| self.is_seen(row.1, is_of_time));
        rows
    }

    /// What Java sorts by.
    fn position(&self, row: &Row, query: &WindowQuery<'_>) -> (i64, Vec<u8>, i64) {
        match (self.options.order.of(query), self.options.schema) {
            (RowOrder::TimeOrdered { .. }, KeySchema::Window) => (row.1, row.0.clone(), row.2),
            (RowOrder::TimeOrdered { .. }, KeySchema::Session) => {
                let mut bytes = row.2.to_be_bytes().to_vec();
                bytes.extend_from_slice(&row.0);
                (row.1, bytes, 0)
            }
            (RowOrder::Segmented { interval_ms }, schema) => {
                (row.1 / interval_ms, schema.to_bytes(lend(row)), 0)
            }
            (RowOrder::TimeFirst, KeySchema::Window) => (row.1, row.0.clone(), row.2),
            (RowOrder::TimeFirst, KeySchema::Session) => (row.1, row.0.clone(), -row.2),
        }
    }

    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> Vec<(Row, Vec<u8>)> {
        let rows = self.visible(query.is_of_time).into_iter();
        let mut rows: Vec<_> = rows
            .filter(|(row, _)| !query.is_empty() && query.matches(lend(row)))
            .collect();
        rows.sort_by_key(|(row, _)| self.position(row, query));
        if direction == Direction::Backward {
            rows.reverse();
        }
        rows
    }
}

struct Run {
    kind: Kind,
    store: WindowBytesStore,
    storage: TaskStorage,
    disk: Disk,
    budget: CacheBudget,
    /// The rows below the cache.
    model: Model,
    /// The last write of every row, by its number.
    writes: BTreeMap<Row, (i64, Value)>,
    /// What went down last of every row.
    down: BTreeMap<Row, i64>,
    log: Vec<ChangelogRecord>,
    downstream: BTreeMap<Row, Vec<u8>>,
}

impl Run {
    fn new(kind: Kind, budget: &CacheBudget) -> Self {
        let disk = Disk::default();
        let (store, storage) = build(kind, budget, &disk);
        Self {
            kind,
            store,
            storage,
            disk,
            budget: budget.clone(),
            model: Model::new(kind.options),
            writes: BTreeMap::new(),
            down: BTreeMap::new(),
            log: Vec::new(),
            downstream: BTreeMap::new(),
        }
    }

    fn step(&mut self, op: &[u8; 5], sequence: i64) {
        let row = self.row(op);
        let context = RecordContext {
            topic: None,
            partition: 0,
            offset: sequence,
            timestamp: sequence,
            headers: Headers::new(),
            source_record: None,
        };
        match op[1] % 32 {
            0..=11 => {
                let value = self.value(op, sequence);
                self.note(&row, sequence, Some(value.clone()));
                let put = self.store.put(lend(&row), Some(&value), &context);
                put.expect("rows in memory do not fail");
            }
            12..=13 => {
                self.note(&row, sequence, None);
                let put = self.store.put(lend(&row), None, &context);
                put.expect("rows in memory do not fail");
            }
            14..=15 if self.kind.options.schema == KeySchema::Session => {
                self.note(&row, sequence, None);
                if !self.store.is_cached() {
                    // Not a put: the model must not learn it as one.
                    self.model.remove(&row);
                }
                let removed = self.store.remove(lend(&row), &context);
                removed.expect("rows in memory do not fail");
                self.learn_removal();
            }
            14..=18 => self.check_get(&row),
            19..=26 => self.check_scans(op),
            27 if op[3].is_multiple_of(2) => {
                // Commits come and go without being seen.
                self.storage.seal();
                if op[3].is_multiple_of(4) {
                    let last = self.log.len() as i64 - 1;
                    let committed = self.storage.commit(|_| (last >= 0).then_some(last));
                    committed.expect("memory does not fail");
                }
            }
            27 => self.store.begin_flush(),
            28..=29 => {
                self.pull();
            }
            30 if op[3] < 16 => {
                self.store.clear().expect("rows in memory do not fail");
                let dropped = self.model.dropped;
                self.model = Model::new(self.kind.options);
                self.model.dropped = dropped;
                self.writes.clear();
                self.down.clear();
                self.log.clear();
                self.downstream.clear();
            }
            30 if op[3] < 48 => self.crash(),
            _ => self.check_restored(),
        }
    }

    /// Goes back to the last commit, and restores what went down since then.
    fn crash(&mut self) {
        if !self.kind.is_persistent || self.kind.options.retain_duplicates {
            return;
        }
        self.begin_flush_and_pull();
        (self.store, self.storage) = build(self.kind, &self.budget, &self.disk);
        let committed = self.storage.committed_offset("store");
        let behind = committed.map_or(0, |offset| offset as usize + 1);
        for record in &self.log[behind..] {
            let restored = self.store.restore(record);
            restored.expect("rows in memory do not fail");
        }
        self.model.dropped = 0;
        let all = WindowQuery::of_keys((Bound::Unbounded, Bound::Unbounded));
        self.check_scan(&all, Direction::Forward);
    }

    fn begin_flush_and_pull(&mut self) {
        self.store.begin_flush();
        while self.pull() {}
        self.learn();
        assert!(!self.store.has_pending());
    }

    /// Times go up with the history and spread over about two retentions.
    fn row(&self, op: &[u8; 5]) -> Row {
        let now = self.writes.len() as i64 / 4;
        let time = now + i64::from(op[4] % 24);
        let tail = match self.kind.options.schema {
            KeySchema::Window => 0,
            KeySchema::Session => (time - i64::from(op[4] >> 5)).max(0),
        };
        (key(op[2]), time, tail)
    }

    fn value(&self, op: &[u8; 5], sequence: i64) -> Vec<u8> {
        let mut headers = Headers::new();
        if op[3].is_multiple_of(2) {
            headers.push("h", Some(bytes::Bytes::copy_from_slice(&op[3..])));
        }
        let mut bytes = Vec::new();
        let format = self.kind.options.format;
        format.write_prefix(sequence, &headers, &mut bytes);
        bytes.extend((0..op[3] % 3 * 9).map(|at| op[3].wrapping_add(at)));
        bytes
    }

    fn note(&mut self, row: &Row, sequence: i64, value: Value) {
        self.writes.insert(row.clone(), (sequence, value));
    }

    /// Learns from the changelog what went down.
    fn learn(&mut self) {
        for record in self.drain() {
            let (row, value) = self.read(&record);
            self.down.insert(row.clone(), record.timestamp);
            self.model.put(row, value);
            self.log.push(record);
        }
        assert_eq!(self.store.dropped_records(), self.model.dropped);
        if !self.kind.is_persistent {
            let num_entries = self.store.approximate_num_entries();
            assert_eq!(num_entries, self.model.rows.len() as u64);
        }
    }

    fn learn_removal(&mut self) {
        if !self.store.is_cached() {
            for record in self.drain() {
                let (row, _) = self.read(&record);
                self.down.insert(row, record.timestamp);
                self.log.push(record);
            }
        }
    }

    fn drain(&mut self) -> Vec<ChangelogRecord> {
        let mut records = Vec::new();
        self.store.visit_changelog(&mut |entry| {
            records.push(ChangelogRecord {
                key: bytes::Bytes::copy_from_slice(entry.key),
                value: entry.value.map(bytes::Bytes::copy_from_slice),
                timestamp: entry.timestamp,
                headers: entry.headers.clone(),
            });
        });
        records
    }

    /// A changelog record as the row and the value that it was made from.
    fn read(&self, record: &ChangelogRecord) -> (Row, Value) {
        let row = self.kind.options.schema.read(&record.key);
        let row = row.expect("has the bytes of its schema");
        let tail = if self.kind.options.retain_duplicates {
            0
        } else {
            row.tail
        };
        let value = record.value.as_ref().map(|value| {
            let mut bytes = Vec::new();
            let format = self.kind.options.format;
            format.write_prefix(record.timestamp, &record.headers, &mut bytes);
            bytes.extend_from_slice(value);
            bytes
        });
        ((row.key.to_vec(), row.time, tail), value)
    }

    /// True for a row that must be as it was last written, wherever it is now.
    fn is_dirty(&self, row: &Row) -> bool {
        let written = self.writes.get(row).map(|write| write.0);
        written > self.down.get(row).copied()
    }

    fn check_get(&self, row: &Row) {
        let found = self.store.get(lend(row));
        let found = found.expect("rows in memory do not fail");
        let found = found.map(|value| value.to_vec());
        if self.kind.options.retain_duplicates {
            let last = (row.0.clone(), row.1, self.model.number);
            let is_seen = self.kind.options.order != RowOrder::TimeFirst;
            assert_eq!(found, self.model.get(&last).filter(|_| is_seen));
            return;
        }
        self.check_value(row, found);
    }

    /// A row in the cache may outlive the one below.
    fn check_value(&self, row: &Row, found: Value) {
        let latest = self.writes.get(row).and_then(|write| write.1.clone());
        let below = self.model.get(row);
        if self.store.is_cached() && (self.is_dirty(row) || below.is_some()) {
            assert_eq!(found, latest, "{row:?}");
        } else if self.store.is_cached() {
            assert!(found.is_none() || found == latest, "{row:?}");
        } else {
            assert_eq!(found, below, "{row:?}");
        }
    }

    fn check_scans(&mut self, op: &[u8; 5]) {
        let (from, to) = (key(op[2]), key(op[3]));
        let bound = |key, kind: u8| match kind % 4 {
            0 | 1 => Bound::Included(key),
            2 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let now = self.writes.len() as i64 / 4;
        let time_from = now + i64::from(op[4] % 24) - 12;
        let keys = if op[1].is_multiple_of(2) {
            (Bound::Included(&*from), Bound::Included(&*from))
        } else {
            (bound(&*from, op[2] >> 6), bound(&*to, op[3] >> 6))
        };
        let mut query = WindowQuery::of_times(keys, time_from, time_from + i64::from(op[3] % 16));
        if self.kind.options.schema == KeySchema::Session && op[4] & 32 == 0 {
            query.time_to = i64::MAX;
            query.start_to = time_from + i64::from(op[3] % 16);
        }
        let all = (Bound::Unbounded, Bound::Unbounded);
        for direction in [Direction::Forward, Direction::Backward] {
            self.check_scan(&query, direction);
            self.check_scan(&WindowQuery::of_keys(all), direction);
            self.check_scan(
                &WindowQuery::of_time(query.time_from, query.time_to),
                direction,
            );
        }
    }

    fn check_scan(&self, query: &WindowQuery<'_>, direction: Direction) {
        let below = self.model.scan(query, direction);
        let found = collect(self.store.rows().scan(query, direction));
        assert_eq!(found, below, "rows of {query:?}");
        let found = collect(self.store.scan(query, direction));
        if !self.store.is_cached() {
            assert_eq!(found, below, "{query:?}");
            return;
        }
        let mut positions: Vec<_> = found
            .iter()
            .map(|(row, _)| self.model.position(row, query))
            .collect();
        if direction == Direction::Backward {
            positions.reverse();
        }
        if self.kind.options.order != RowOrder::TimeFirst {
            assert!(positions.is_sorted(), "{query:?}: {found:?}");
        }
        let times: Vec<i64> = positions.iter().map(|position| position.0).collect();
        assert!(times.is_sorted(), "{query:?}: {found:?}");
        let count = found.len();
        let found: BTreeMap<Row, Vec<u8>> = found.into_iter().collect();
        assert_eq!(found.len(), count, "a row is shown once");
        for row in self.writes.keys() {
            if !query.is_empty() && query.matches(lend(row)) {
                self.check_value(row, found.get(row).cloned());
            } else {
                assert!(!found.contains_key(row), "{row:?} is not asked for");
            }
        }
    }

    fn pull(&mut self) -> bool {
        let before = self.model.clone();
        let flushed = self.store.next_flushed();
        let Some(entry) = flushed.expect("rows in memory do not fail") else {
            return false;
        };
        let row = self.kind.options.schema.read(&entry.key);
        let row = row.expect("has the bytes of its schema");
        let row = (row.key.to_vec(), row.time, row.tail);
        let old = before.get(&row);
        assert!(old.is_some() || entry.new.is_some(), "no empty change");
        let sent = old.filter(|_| self.kind.listener == Some(true));
        assert_eq!(entry.old.as_deref(), sent.as_deref());
        self.learn();
        assert_eq!(self.down.get(&row), Some(&entry.context.offset));
        match entry.new {
            Some(new) => self.downstream.insert(row, new.to_vec()),
            None => self.downstream.remove(&row),
        };
        true
    }

    /// A store that reads the changelog is what the model makes of it.
    fn check_restored(&self) {
        let (mut store, _storage) = build(self.kind, &CacheBudget::new(0), &Disk::default());
        let mut model = Model::new(self.kind.options);
        for record in &self.log {
            let restored = store.restore(record);
            restored.expect("rows in memory do not fail");
            let (row, value) = self.read(record);
            if value.is_none() && model.options.order != RowOrder::TimeFirst {
                // The deletion of a duplicate, which was none, has a time all the same.
                model.advance(row.1);
            }
            model.put(row, value);
        }
        let all = WindowQuery::of_keys((Bound::Unbounded, Bound::Unbounded));
        let rows = |rows: Vec<(Row, Vec<u8>)>| -> Vec<(Vec<u8>, i64, Vec<u8>)> {
            let rows = rows.into_iter();
            rows.map(|(row, value)| (row.0, row.1, value)).collect()
        };
        let found = collect(store.scan(&all, Direction::Forward));
        assert_eq!(rows(found), rows(model.scan(&all, Direction::Forward)));
        let mut logged = 0;
        store.visit_changelog(&mut |_| logged += 1);
        assert_eq!(logged, 0, "restoring is not logged");
    }

    fn finish(&mut self) {
        self.begin_flush_and_pull();
        self.check_restored();
        if self.store.is_cached() && self.kind.listener.is_some() {
            for (row, value) in self.model.visible(false) {
                assert_eq!(self.downstream.get(&row), Some(&value));
            }
        }
        let all = WindowQuery::of_keys((Bound::Unbounded, Bound::Unbounded));
        let mut visited = 0;
        let seen = self.store.visit_rows(&mut |_| visited += 1);
        seen.expect("rows in memory do not fail");
        assert_eq!(visited, self.model.scan(&all, Direction::Forward).len());
    }
}
