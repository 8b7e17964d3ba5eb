//! The keys of rows that belong to a window.

use super::super::byte_store::{ByteBounds, is_empty_range};
use std::ops::Bound;

/// What stands behind the key of a row, big-endian (Java: `WindowKeySchema`, `SessionKeySchema`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySchema {
    /// The start of the window in 8 bytes, and a number in 4 that tells duplicates apart.
    Window,
    /// The end of the session and then its start, 8 bytes each.
    Session,
}

impl KeySchema {
    /// The bytes behind the key.
    pub const fn suffix_bytes(self) -> usize {
        match self {
            Self::Window => 12,
            Self::Session => 16,
        }
    }

    /// Appends the bytes of `row` to `out`.
    #[inline]
    pub fn write(self, row: RowKey<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(row.key);
        out.extend_from_slice(&row.time.to_be_bytes());
        match self {
            Self::Window => out.extend_from_slice(&(row.tail as i32).to_be_bytes()),
            Self::Session => out.extend_from_slice(&row.tail.to_be_bytes()),
        }
    }

    /// The bytes of `row`.
    #[inline]
    pub fn to_bytes(self, row: RowKey<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(row.key.len() + self.suffix_bytes() + CACHE_SUFFIX_BYTES);
        self.write(row, &mut out);
        out
    }

    /// What `bytes` say; `None` when they are too few.
    #[inline]
    pub fn read(self, bytes: &[u8]) -> Option<RowKey<&[u8]>> {
        let key_len = bytes.len().checked_sub(self.suffix_bytes())?;
        let (key, suffix) = bytes.split_at(key_len);
        let (time, tail) = suffix.split_first_chunk::<8>()?;
        let tail = match self {
            Self::Window => i64::from(i32::from_be_bytes(tail.try_into().ok()?)),
            Self::Session => i64::from_be_bytes(tail.try_into().ok()?),
        };
        Some(RowKey {
            key,
            time: i64::from_be_bytes(*time),
            tail,
        })
    }

    /// The highest last part of a row.
    pub(super) const fn tail_max(self) -> i64 {
        match self {
            Self::Window => i32::MAX as i64,
            Self::Session => i64::MAX,
        }
    }
}

/// The parts of a row's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey<B> {
    /// The key of the record.
    pub key: B,
    /// The start of a time window or the end of a session, which decides how long the row lives.
    pub time: i64,
    /// The number of a duplicate (0 without duplicates) or the start of a session.
    pub tail: i64,
}

impl<B: AsRef<[u8]>> RowKey<B> {
    /// The same with a borrowed key.
    #[inline]
    pub fn lend(&self) -> RowKey<&[u8]> {
        RowKey {
            key: self.key.as_ref(),
            time: self.time,
            tail: self.tail,
        }
    }
}

/// Which rows to read.
#[derive(Clone, Copy, Debug)]
pub struct WindowQuery<'a> {
    /// The keys.
    pub keys: ByteBounds<'a>,
    /// The earliest start of a time window or end of a session.
    pub time_from: i64,
    /// The latest one; it belongs to the range.
    pub time_to: i64,
    /// The latest start of a session; `i64::MAX` for time windows.
    pub start_to: i64,
    /// True for rows that ended in a stretch of time, whatever their keys (Java: `fetchAll`, and
    /// `findSessions` without a key): stores that are ordered by time have an order of their own
    /// for them.
    pub is_of_time: bool,
}

impl<'a> WindowQuery<'a> {
    /// Every row of `keys`.
    pub const fn of_keys(keys: ByteBounds<'a>) -> Self {
        Self {
            keys,
            time_from: 0,
            time_to: i64::MAX,
            start_to: i64::MAX,
            is_of_time: false,
        }
    }

    /// The windows of `keys` that start from `time_from` to `time_to`.
    pub const fn of_times(keys: ByteBounds<'a>, time_from: i64, time_to: i64) -> Self {
        Self {
            keys,
            time_from,
            time_to,
            start_to: i64::MAX,
            is_of_time: false,
        }
    }

    /// The rows of all keys whose time lies from `time_from` to `time_to`.
    pub const fn of_time(time_from: i64, time_to: i64) -> Self {
        Self {
            is_of_time: true,
            ..Self::of_times((Bound::Unbounded, Bound::Unbounded), time_from, time_to)
        }
    }

    /// The key, where there is only one.
    pub fn single_key(&self) -> Option<&'a [u8]> {
        match self.keys {
            (Bound::Included(from), Bound::Included(to)) if from == to => Some(from),
            _ => None,
        }
    }

    /// True when no row can match.
    pub fn is_empty(&self) -> bool {
        self.time_from > self.time_to || is_empty_range(self.keys)
    }

    /// True for a row that is asked for.
    #[inline]
    pub fn matches(&self, row: RowKey<&[u8]>) -> bool {
        let is_behind_from = match self.keys.0 {
            Bound::Included(from) => row.key >= from,
            Bound::Excluded(from) => row.key > from,
            Bound::Unbounded => true,
        };
        let is_before_to = match self.keys.1 {
            Bound::Included(to) => row.key <= to,
            Bound::Excluded(to) => row.key < to,
            Bound::Unbounded => true,
        };
        let is_in_time = self.time_from <= row.time && row.time <= self.time_to;
        is_behind_from && is_before_to && is_in_time && row.tail <= self.start_to
    }

    /// The least bytes that a matching row of `schema` can have, and the highest with anything
    /// behind them left out. Other rows may lie between, where keys differ in length.
    pub(in crate::state) fn byte_bounds(&self, schema: KeySchema) -> (Vec<u8>, Option<Vec<u8>>) {
        if let Some(key) = self.single_key() {
            let bytes = |time, tail| schema.to_bytes(RowKey { key, time, tail });
            let from = bytes(self.time_from.max(0), 0);
            return (from, Some(bytes(self.time_to, schema.tail_max())));
        }
        let from = match self.keys.0 {
            Bound::Included(from) | Bound::Excluded(from) => from.to_vec(),
            Bound::Unbounded => Vec::new(),
        };
        let to = match self.keys.1 {
            Bound::Included(to) | Bound::Excluded(to) => Some(last_of_keys_up_to(schema, to)),
            Bound::Unbounded => None,
        };
        (from, to)
    }
}

/// The highest row of the keys up to `to`: a prefix of `to` with a suffix behind it may lie above
/// `to` with its own (Java: `OrderedBytes.upperRange`).
fn last_of_keys_up_to(schema: KeySchema, to: &[u8]) -> Vec<u8> {
    let highest = i64::MAX.to_be_bytes()[0];
    let kept = to.iter().skip(1).take_while(|byte| **byte >= highest);
    let kept = (1 + kept.count()).min(to.len());
    schema.to_bytes(RowKey {
        key: &to[..kept],
        time: i64::MAX,
        tail: schema.tail_max(),
    })
}

/// What the record cache adds to the bytes of a row.
pub(super) const CACHE_SUFFIX_BYTES: usize = 8;
