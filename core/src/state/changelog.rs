//! Records on their way to the changelog topic.

use super::StateError;
use super::value::{NO_HEADERS, ValueFormat};
use crate::types::{Headers, RecordContext};

/// One record for the changelog topic, lent by the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangelogEntry<'a> {
    /// The key of the row.
    pub key: &'a [u8],
    /// The value as it goes to the topic; `None` deletes the row.
    pub value: Option<&'a [u8]>,
    /// The timestamp of the record in milliseconds; `NO_TIMESTAMP` leaves it to the producer's clock.
    pub timestamp: i64,
    /// The headers of the record.
    pub headers: &'a Headers,
}

/// Changelog records in write order, until the task sends them. They lie in one buffer that is
/// used again and again: two allocations a record would cost more than the write to the rows.
#[derive(Debug, Default)]
pub struct ChangelogBuffer {
    bytes: Vec<u8>,
    records: Vec<Buffered>,
}

#[derive(Debug)]
struct Buffered {
    key_len: usize,
    value_len: Option<usize>,
    timestamp: i64,
    headers: Headers,
}

impl ChangelogBuffer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            records: Vec::new(),
        }
    }

    /// The number of records waiting.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True when no record waits.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Appends a record.
    pub fn push(&mut self, entry: ChangelogEntry<'_>) {
        self.bytes.extend_from_slice(entry.key);
        self.bytes.extend_from_slice(entry.value.unwrap_or(&[]));
        self.records.push(Buffered {
            key_len: entry.key.len(),
            value_len: entry.value.map(<[u8]>::len),
            timestamp: entry.timestamp,
            headers: entry.headers.clone(),
        });
    }

    /// Appends the record of a row's write, `None` deletes it: the value alone, with the timestamp
    /// and the headers that it has. What it lacks is that of `context`; headers only where the
    /// format has them.
    #[inline]
    pub(super) fn append(
        &mut self,
        store: &str,
        format: ValueFormat,
        key: &[u8],
        stored: Option<&[u8]>,
        context: &RecordContext,
    ) -> Result<(), StateError> {
        let stored = stored.map(|stored| format.split(store, stored));
        let stored = stored.transpose()?;
        let own;
        let headers = match &stored {
            _ if !format.has_headers() => &NO_HEADERS,
            None => &context.headers,
            Some(stored) => {
                own = stored.headers(store)?;
                &own
            }
        };
        let timestamp = stored.and_then(|stored| stored.timestamp);
        self.push(ChangelogEntry {
            key,
            value: stored.map(|stored| stored.value),
            timestamp: timestamp.unwrap_or(context.timestamp),
            headers,
        });
        Ok(())
    }

    /// Hands out the records in write order and forgets them.
    pub fn visit(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
        let mut rest = self.bytes.as_slice();
        for record in &self.records {
            let (key, behind_key) = rest.split_at(record.key_len);
            let (value, behind_value) = behind_key.split_at(record.value_len.unwrap_or(0));
            rest = behind_value;
            visit(ChangelogEntry {
                key,
                value: record.value_len.map(|_| value),
                timestamp: record.timestamp,
                headers: &record.headers,
            });
        }
        self.clear();
    }

    /// Forgets every record. A burst does not keep its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            *self = Self::new();
        }
    }
}

/// One record of the largest default size fits; a commit of a large cache gives its memory back.
const KEPT_BYTES_MAX: usize = 1 << 20;
