//! The bytes of the rows of persistent window and session stores.

use std::ops::Bound;

use super::super::windowed::{KeySchema, RowKey, RowOrder, WindowQuery};

/// How the rows of a store lie in its space: by segment, a stretch of time, so that those that expire
/// lie together and one removal takes them.
///
/// - [`RowOrder::Segmented`]: `{segment: 8}{key}{time: 8}{tail}`.
/// - [`RowOrder::TimeOrdered`]: windows as `{segment: 8}{0}{time: 8}{key}{tail: 4}`, sessions as
///   `{segment: 8}{0}{end: 8}{start: 8}{key}`; with an index also `{segment: 8}{1}{key}{time: 8}{tail}`
///   without a value (Java: `PrefixedWindowKeySchemas`, `PrefixedSessionKeySchemas`).
#[derive(Clone, Copy, Debug)]
pub(super) struct RowLayout {
    pub(super) schema: KeySchema,
    pub(super) order: RowOrder,
}

/// The bytes of a scan within each segment.
pub(super) struct Piece {
    pub(super) from: Vec<u8>,
    pub(super) to: Bound<Vec<u8>>,
}

impl RowLayout {
    /// What is written down of the layout: rows of another one cannot be read.
    pub(super) fn describe(self) -> String {
        let kind = match self.schema {
            KeySchema::Window => "window",
            KeySchema::Session => "session",
        };
        let order = match (self.is_by_time(), self.is_indexed()) {
            (false, _) => "",
            (true, false) => " by time",
            (true, true) => " by time with an index",
        };
        format!("{kind}{order} in segments of {} ms", self.interval_ms())
    }

    pub(super) const fn is_by_time(self) -> bool {
        matches!(self.order, RowOrder::TimeOrdered { .. })
    }

    pub(super) const fn is_indexed(self) -> bool {
        matches!(
            self.order,
            RowOrder::TimeOrdered {
                is_indexed: true,
                ..
            }
        )
    }

    const fn interval_ms(self) -> i64 {
        match self.order {
            RowOrder::Segmented { interval_ms } | RowOrder::TimeOrdered { interval_ms, .. } => {
                interval_ms
            }
            RowOrder::TimeFirst => 1,
        }
    }

    #[inline]
    pub(super) fn segment(self, time: i64) -> i64 {
        time / self.interval_ms().max(1)
    }

    /// Fills `out` with the place of the value of `row`.
    #[inline]
    pub(super) fn write(self, row: RowKey<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&segment_bytes(self.segment(row.time)));
        if !self.is_by_time() {
            return self.schema.write(row, out);
        }
        out.push(TIME_FIRST);
        out.extend_from_slice(&row.time.to_be_bytes());
        match self.schema {
            KeySchema::Window => {
                out.extend_from_slice(row.key);
                out.extend_from_slice(&(row.tail as i32).to_be_bytes());
            }
            KeySchema::Session => {
                out.extend_from_slice(&row.tail.to_be_bytes());
                out.extend_from_slice(row.key);
            }
        }
    }

    /// Fills `out` with the place of `row` in the index.
    pub(super) fn write_index(self, row: RowKey<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&segment_bytes(self.segment(row.time)));
        out.push(KEY_FIRST);
        self.schema.write(row, out);
    }

    /// The row that stands at a place, and whether that is in the index.
    #[inline]
    pub(super) fn read(self, bytes: &[u8]) -> Option<(RowKey<&[u8]>, bool)> {
        let (_, bytes) = read_segment(bytes)?;
        if !self.is_by_time() {
            return Some((self.schema.read(bytes)?, false));
        }
        let (kind, bytes) = bytes.split_first()?;
        match *kind {
            TIME_FIRST => Some((self.read_time_first(bytes)?, false)),
            KEY_FIRST => Some((self.schema.read(bytes)?, true)),
            _ => None,
        }
    }

    fn read_time_first(self, bytes: &[u8]) -> Option<RowKey<&[u8]>> {
        let (time, bytes) = bytes.split_first_chunk()?;
        let (key, tail) = match self.schema {
            KeySchema::Window => {
                let (key, tail) = bytes.split_last_chunk()?;
                (key, i64::from(i32::from_be_bytes(*tail)))
            }
            KeySchema::Session => {
                let (start, key) = bytes.split_first_chunk()?;
                (key, i64::from_be_bytes(*start))
            }
        };
        Some(RowKey {
            key,
            time: i64::from_be_bytes(*time),
            tail,
        })
    }

    /// Where the rows of `query` lie in each segment; others may lie between.
    pub(super) fn piece(self, query: &WindowQuery<'_>) -> Piece {
        if self.is_by_time() && (query.is_of_time || !self.is_indexed()) {
            let at = |time: i64| [&[TIME_FIRST][..], &time.to_be_bytes()].concat();
            let behind = query.time_to.checked_add(1).filter(|time| *time >= 0);
            return Piece {
                from: at(query.time_from.max(0)),
                to: Bound::Excluded(behind.map_or_else(|| vec![KEY_FIRST], at)),
            };
        }
        let index: &[u8] = if self.is_by_time() { &[KEY_FIRST] } else { &[] };
        let (from, to) = query.byte_bounds(self.schema);
        Piece {
            from: [index, &from].concat(),
            to: to.map_or(Bound::Unbounded, |to| {
                Bound::Included([index, &to].concat())
            }),
        }
    }
}

/// What stands before the bytes of a row: ordered as the numbers are.
pub(super) fn segment_bytes(segment: i64) -> [u8; SEGMENT_BYTES] {
    (segment ^ i64::MIN).to_be_bytes()
}

pub(super) fn read_segment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (segment, row) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*segment) ^ i64::MIN, row))
}

const SEGMENT_BYTES: usize = 8;

/// What the place of a row has beside its key, at most.
pub(super) const PLACE_BYTES_MAX: usize = SEGMENT_BYTES + 1 + 16;

/// Java's prefixes of rows in order of time, and of those of the index by key.
const TIME_FIRST: u8 = 0;
const KEY_FIRST: u8 = 1;
