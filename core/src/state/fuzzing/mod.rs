//! Random histories of stores that share a budget, checked against naive models. The bodies of
//! property tests and of a fuzz target: what is wrong panics.

mod bad_rows;
mod disk;
mod interleaved;
mod model;

use std::collections::BTreeMap;
use std::ops::Bound;

use super::byte_store::{ALL_KEYS, ByteBounds, ByteRows, Direction, InMemoryKeyValueStore};
use super::stack::{KeyValueBytesStore, KeyValueStoreOptions};
use super::value::ValueFormat;
use super::{CacheBudget, ChangelogRecord};
use crate::types::{Headers, RecordContext, TopicName};

pub(crate) use self::disk::Disk;
pub use self::interleaved::check_interleaved;
pub use self::model::check_exact;
pub use super::buffer::fuzzing::{buffer_changelogs, change_buffer, join_buffer};
pub use super::storage::tree::fuzzing::tree;
pub use super::versioned::fuzzing::{version_rows, versions};
pub use super::windowed::fuzzing::windows;

/// Any bytes are a history, which both checks run, and rows of every typed store.
pub fn cache(data: &[u8]) {
    let ops: Vec<Op> = data.chunks(4).take(4096).map(Op::from_bytes).collect();
    check_exact(&ops);
    check_interleaved(&ops);
    bad_rows::check(data);
}

/// One step of a history. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub struct Op {
    /// Which store.
    pub store: u8,
    /// What to do.
    pub kind: u8,
    /// Which key, or where a range begins.
    pub key: u8,
    /// Which value, or where a range ends.
    pub value: u8,
}

impl Op {
    fn from_bytes(bytes: &[u8]) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        Self {
            store: byte(0),
            kind: byte(1),
            key: byte(2),
            value: byte(3),
        }
    }

    /// Writes and reads are more frequent than the rest, as in real life.
    fn action(&self) -> Action {
        match self.kind % 32 {
            0..=9 => Action::Put,
            10..=12 => Action::Delete,
            13 => Action::PutIfAbsent,
            14 => Action::Crash,
            15..=19 => Action::Get,
            20..=21 => Action::Range(Direction::Forward),
            22..=23 => Action::Range(Direction::Backward),
            24 => Action::Prefix,
            25..=26 => Action::Flush,
            27 => Action::Resize,
            28 => Action::Restore,
            29 => Action::TakeChangelog,
            30 => Action::Pull,
            _ => Action::Clear,
        }
    }

    /// Keys of 0 to 4 and of more than 22 bytes, many of them prefixes of others.
    fn key_bytes(&self) -> Vec<u8> {
        key(self.key)
    }

    fn value_bytes(&self, format: ValueFormat, timestamp: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        format.write_prefix(timestamp, &self.headers(), &mut bytes);
        let len = usize::from(self.value % 5) * 7;
        bytes.extend((0..len).map(|at| self.value.wrapping_add(at as u8)));
        bytes
    }

    fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        if self.value.is_multiple_of(7) {
            headers.push("h", Some(bytes::Bytes::copy_from_slice(&[self.value; 3])));
        }
        headers
    }

    fn context(&self, sequence: i64) -> RecordContext {
        RecordContext {
            topic: (!self.key.is_multiple_of(5))
                .then(|| TopicName::new(["in", "other"][usize::from(self.key % 2)])),
            partition: 3,
            offset: sequence,
            timestamp: 1000 + sequence / 2,
            headers: self.headers(),
            source_record: None,
        }
    }

    fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let bound = |number: u8, kind: u8| match kind % 3 {
            0 => Bound::Included(key(number)),
            1 => Bound::Excluded(key(number)),
            _ => Bound::Unbounded,
        };
        (bound(self.key, self.value), bound(self.value, self.key / 3))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Clear,
    /// The task is lost, and another one restores the store.
    Crash,
    Delete,
    Flush,
    Get,
    Prefix,
    Pull,
    Put,
    PutIfAbsent,
    Range(Direction),
    Resize,
    Restore,
    TakeChangelog,
}

/// What a history runs on: every mix of layers that behaves in its own way.
#[derive(Clone, Copy, Debug)]
struct Kind {
    format: ValueFormat,
    is_cached: bool,
    /// Whether old values are sent.
    listener: Option<bool>,
}

const KINDS: [Kind; 7] = [
    kind(ValueFormat::Timestamped, true, Some(true)),
    kind(ValueFormat::Plain, true, Some(false)),
    kind(ValueFormat::Timestamped, true, None),
    kind(ValueFormat::Plain, false, None),
    kind(ValueFormat::Timestamped, false, Some(true)),
    kind(ValueFormat::TimestampedWithHeaders, true, Some(true)),
    kind(ValueFormat::TimestampedWithHeaders, false, None),
];

const fn kind(format: ValueFormat, is_cached: bool, listener: Option<bool>) -> Kind {
    Kind {
        format,
        is_cached,
        listener,
    }
}

/// Enough for a few entries, so that evictions are frequent.
const BUDGETS: [usize; 6] = [0, 60, 200, 400, 1000, 100_000];

fn build(kind: Kind, budget: &CacheBudget) -> KeyValueBytesStore {
    let options = KeyValueStoreOptions {
        format: kind.format,
        is_cached: kind.is_cached,
        is_logged: true,
    };
    let rows = Box::new(InMemoryKeyValueStore::new());
    let mut store = KeyValueBytesStore::new("store", rows, options, budget);
    if let Some(send_old_values) = kind.listener {
        store.set_flush_listener(send_old_values);
    }
    store
}

fn key(number: u8) -> Vec<u8> {
    let alphabet = [0, b'a', b'b', u8::MAX];
    let digit = |at: u8| alphabet[usize::from(number >> at & 3)];
    match number >> 5 {
        0 => vec![digit(0)],
        1 => vec![digit(0), digit(2)],
        2 => vec![digit(0), digit(2), u8::MAX, digit(3)],
        3 => vec![digit(0); 23],
        4 if number & 31 == 0 => Vec::new(),
        _ => vec![b'k', digit(0)],
    }
}

fn lend(bounds: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (
        bounds.0.as_ref().map(Vec::as_slice),
        bounds.1.as_ref().map(Vec::as_slice),
    )
}

fn contains(bounds: ByteBounds<'_>, key: &[u8]) -> bool {
    let is_behind_start = match bounds.0 {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    is_behind_start
        && match bounds.1 {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        }
}

type Row = (Vec<u8>, Vec<u8>);
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn set(rows: &mut Rows, key: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => rows.insert(key.to_vec(), value.to_vec()),
        None => rows.remove(key),
    };
}

fn collect(rows: ByteRows<'_>) -> Vec<Row> {
    rows.map(|row| row.expect("rows in memory do not fail"))
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// A changelog record in the format of the rows.
fn stored(format: ValueFormat, record: &ChangelogRecord) -> Option<Vec<u8>> {
    let value = record.value.as_ref()?;
    let mut bytes = Vec::new();
    format.write_prefix(record.timestamp, &record.headers, &mut bytes);
    bytes.extend_from_slice(value);
    Some(bytes)
}

/// A row as its changelog record.
fn logged(
    format: ValueFormat,
    key: &[u8],
    value: Option<&[u8]>,
    context: &RecordContext,
) -> ChangelogRecord {
    let value = value.map(|value| format.split("model", value).expect("the model wrote it"));
    let headers = match &value {
        _ if !format.has_headers() => Headers::new(),
        Some(value) => value.headers("model").expect("the model wrote it"),
        None => context.headers.clone(),
    };
    let timestamp = value.and_then(|value| value.timestamp);
    ChangelogRecord {
        key: bytes::Bytes::copy_from_slice(key),
        value: value.map(|value| bytes::Bytes::copy_from_slice(value.value)),
        timestamp: timestamp.unwrap_or(context.timestamp),
        headers,
    }
}

fn records(store: &mut KeyValueBytesStore) -> Vec<ChangelogRecord> {
    let mut all = Vec::new();
    store.visit_changelog(&mut |entry| {
        all.push(ChangelogRecord {
            key: bytes::Bytes::copy_from_slice(entry.key),
            value: entry.value.map(bytes::Bytes::copy_from_slice),
            timestamp: entry.timestamp,
            headers: entry.headers.clone(),
        });
    });
    all
}
