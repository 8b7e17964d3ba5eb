//! Rows of windows, until they are too old.

use super::super::StateError;
use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::places::{NoPlaces, Places};
use super::super::storage::StoreInit;
use super::keys::{KeySchema, RowKey, WindowQuery};

/// Rows of windows, which expire as time goes on (Java: `WindowStore<Bytes, byte[]>`,
/// `SessionStore<Bytes, byte[]>`, `SegmentedBytesStore`).
///
/// The time of a store is the highest time of any row written; rows that are older than it by the
/// retention or more are not there any longer.
pub trait ByteWindowStore {
    /// Takes its place in the storage of the task (Java: `StateStore.init`). Rows in memory have
    /// none.
    ///
    /// # Errors
    /// When the storage fails, or has rows that are not of this store.
    fn init(&mut self, _init: &StoreInit<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// True for rows in the storage of the task (Java: `StateStore.persistent`).
    fn is_persistent(&self) -> bool {
        false
    }

    /// Where its rows are, for a cache above them.
    fn places(&self) -> &dyn Places {
        &NoPlaces
    }

    /// The value of `row`.
    fn get(&self, row: RowKey<&[u8]>) -> Result<Option<StoreBytes>, StateError>;

    /// Sets the value of `row`, `None` removes it. False: it was too old, and nothing is written.
    fn put(&mut self, row: RowKey<&[u8]>, value: Option<&[u8]>) -> Result<bool, StateError>;

    /// Removes `row`; nothing happens when it is not there.
    fn remove(&mut self, row: RowKey<&[u8]>) -> Result<(), StateError>;

    /// The rows that `query` asks for, read while walking.
    fn scan(&self, query: &WindowQuery<'_>, direction: Direction) -> WindowRows<'_>;

    /// About how many rows there are.
    fn approximate_num_entries(&self) -> u64;

    /// Removes every row and forgets the time.
    fn clear(&mut self) -> Result<(), StateError>;
}

/// A row of a window store.
pub type WindowRow = (RowKey<StoreBytes>, StoreBytes);

/// Rows on the way out of a window store.
pub type WindowRows<'a> = Box<dyn Iterator<Item = Result<WindowRow, StateError>> + 'a>;

/// In which order rows come when more than one key is asked for, and in what pieces they expire.
/// The rows that are seen are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// By time and then key; of sessions with equal ends the one that starts last comes first
    /// (Java: `InMemoryWindowStore`, `InMemorySessionStore`).
    TimeFirst,
    /// By segment, a stretch of time, and then by the bytes of the rows (Java:
    /// `RocksDBWindowStore`, `RocksDBSessionStore`). Whole segments expire.
    Segmented {
        /// The length of a segment in milliseconds, at least 1.
        interval_ms: i64,
    },
    /// By time and then key, and of sessions by end, start and key (Java:
    /// `RocksDBTimeOrderedWindowStore`, `RocksDBTimeOrderedSessionStore`, for aggregations that emit
    /// when windows close). Whole segments expire, and rows may be seen for longer: windows for a
    /// millisecond, and sessions of a stretch of time until their segment expires.
    TimeOrdered {
        /// The length of a segment in milliseconds, at least 1.
        interval_ms: i64,
        /// True where there is an index by key: a range of keys comes like segments.
        is_indexed: bool,
    },
}

impl RowOrder {
    /// The segment that `time` lies in; rows of one millisecond are one where time comes first.
    #[inline]
    pub fn segment(self, time: i64) -> i64 {
        match self {
            Self::TimeFirst | Self::TimeOrdered { .. } => time,
            Self::Segmented { interval_ms } => time / interval_ms.max(1),
        }
    }

    /// The earliest time of a row that is seen, where the latest that is past the retention is
    /// `expired_to`.
    pub(in crate::state) const fn seen_from(self, schema: KeySchema, expired_to: i64) -> i64 {
        match (self, schema) {
            (Self::TimeOrdered { .. }, KeySchema::Window) => expired_to,
            _ => expired_to.saturating_add(1),
        }
    }

    /// What of a row's bytes decides among those of one segment.
    pub(super) fn compared(self, schema: KeySchema, bytes: &[u8]) -> (i64, &[u8]) {
        let row = match self {
            Self::TimeOrdered { .. } => schema.read(bytes),
            Self::TimeFirst | Self::Segmented { .. } => None,
        };
        row.map_or((0, bytes), |row| (row.tail, row.key))
    }

    /// The order of the rows that `query` asks for.
    pub(crate) fn of(self, query: &WindowQuery<'_>) -> Self {
        match self {
            Self::TimeOrdered {
                interval_ms,
                is_indexed: true,
            } if !query.is_of_time => Self::Segmented { interval_ms },
            order => order,
        }
    }
}
