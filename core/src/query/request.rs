//! Queries in bytes, as stores answer them.

use std::ops::Bound;

use bytes::Bytes;

use crate::state::Direction;

/// What a store is asked, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreQuery {
    /// The row of a key, of a key-value store of any kind or the latest of a versioned one.
    Key {
        /// The key.
        key: Bytes,
        /// Reads below the record cache.
        skip_cache: bool,
    },
    /// The rows of a range of keys of a key-value store, in key order.
    Range {
        /// The first key.
        from: Bound<Bytes>,
        /// The last key.
        to: Bound<Bytes>,
        /// Which way.
        direction: Direction,
        /// Reads below the record cache.
        skip_cache: bool,
    },
    /// About how many rows a store has.
    Count,
    /// The rows of a window store, in its order.
    Windows {
        /// The first and the last key.
        keys: (Bound<Bytes>, Bound<Bytes>),
        /// The earliest start of a window, in milliseconds.
        time_from: i64,
        /// The latest start of a window; it belongs to the range.
        time_to: i64,
        /// Which way.
        direction: Direction,
        /// Reads below the record cache.
        skip_cache: bool,
    },
    /// The rows of a session store, in its order.
    Sessions {
        /// The first and the last key.
        keys: (Bound<Bytes>, Bound<Bytes>),
        /// The earliest end of a session, in milliseconds.
        earliest_end: i64,
        /// The latest start of a session.
        latest_start: i64,
        /// Which way.
        direction: Direction,
        /// Reads below the record cache.
        skip_cache: bool,
    },
    /// The version of a key that was valid at a time.
    VersionAsOf {
        /// The key.
        key: Bytes,
        /// The time in milliseconds.
        as_of: i64,
    },
    /// The versions of a key that were valid in a stretch of time.
    Versions {
        /// The key.
        key: Bytes,
        /// Its first millisecond.
        from: i64,
        /// Its last millisecond.
        to: i64,
        /// Oldest or newest first.
        direction: Direction,
    },
}

impl StoreQuery {
    /// What it is called in messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Key { .. } => "queries for a key",
            Self::Range { .. } => "queries for a range of keys",
            Self::Count => "queries for the number of rows",
            Self::Windows { .. } => "queries for windows",
            Self::Sessions { .. } => "queries for sessions",
            Self::VersionAsOf { .. } => "queries for the version of a key at a time",
            Self::Versions { .. } => "queries for the versions of a key",
        }
    }

    /// The key of a query for one.
    pub fn key(&self) -> Option<Bytes> {
        match self {
            Self::Key { key, .. } | Self::VersionAsOf { key, .. } | Self::Versions { key, .. } => {
                Some(key.clone())
            }
            _ => None,
        }
    }
}
