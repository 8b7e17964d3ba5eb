//! Interactive queries: reading stores from outside the task that owns them (KIP-67, KIP-796).
//!
//! A query is typed where it is asked and where it is answered, and bytes in between
//! ([`StoreQuery`], [`QueryRow`]): keys become bytes and rows become values on the asker's thread.
//! The task runner answers between two steps, a page of rows at a time
//! ([`TaskRunner::query`](crate::thread::TaskRunner::query)); a scan goes on behind the last row
//! it has seen, in the state that the store is in by then.
//!
//! Queries see the record cache, unless they ask not to. In Java that holds for single keys alone:
//! there a scan of the newer API misses what was not flushed yet.

mod metadata;
mod page;
mod position;
mod request;
mod typed;

use std::fmt;

use crate::serde::SerdeError;
use crate::types::TaskId;

pub use self::metadata::{HostInfo, KeyQueryMetadata, LagInfo, StreamsMetadata};
pub use self::page::{PartitionPage, QueryPage, QueryRow, RowPosition};
pub use self::position::{Position, PositionBound};
pub use self::request::StoreQuery;
pub use self::typed::{
    KeyQuery, MultiVersionedKeyQuery, Query, RangeQuery, ResultOrder, SessionRangeQuery,
    TimestampedKeyQuery, TimestampedRangeQuery, VersionedKeyQuery, WindowKeyQuery,
    WindowRangeQuery,
};

/// Why a partition does not answer (Java: `FailureReason` and the exceptions of the older API).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryFailure {
    /// The application is not running (yet, or any longer).
    NotRunning,
    /// No store of this name is in the topology.
    DoesNotExist {
        /// The store.
        store: String,
    },
    /// The store is of another kind than the query.
    UnknownQueryType {
        /// The store.
        store: String,
        /// What was asked.
        query: &'static str,
    },
    /// The partition is not here, or no longer.
    NotPresent {
        /// The store.
        store: String,
        /// The partition; `None` when none of them is here.
        partition: Option<i32>,
    },
    /// The partition is here and not ready: its store is being restored, or it is a standby and an
    /// active one was asked for.
    NotActive {
        /// The task that owns it.
        task: TaskId,
    },
    /// The store has not seen what the bound asks for.
    NotUpToBound {
        /// What it has seen.
        position: Position,
        /// What was asked for.
        bound: Position,
    },
    /// The store or a serde failed.
    Store {
        /// The store.
        store: String,
        /// What it said.
        message: String,
    },
}

impl QueryFailure {
    /// A serde that could not read or write what the query is about.
    pub fn serde(store: &str, error: &SerdeError) -> Self {
        Self::Store {
            store: store.to_owned(),
            message: error.to_string(),
        }
    }

    pub(crate) fn unknown(store: &str, query: &StoreQuery) -> Self {
        Self::UnknownQueryType {
            store: store.to_owned(),
            query: query.kind(),
        }
    }
}

impl fmt::Display for QueryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("the application is not running: start it and wait"),
            Self::DoesNotExist { store } => {
                write!(f, "the topology has no store {store}: check the name")
            }
            Self::UnknownQueryType { store, query } => write!(
                f,
                "store {store} does not answer {query}: it is a store of another kind"
            ),
            Self::NotPresent {
                store,
                partition: Some(partition),
            } => write!(
                f,
                "partition {partition} of store {store} is not on this instance: ask the one that \
                 has it"
            ),
            Self::NotPresent {
                store,
                partition: None,
            } => write!(
                f,
                "no partition of store {store} is on this instance: ask the one that has it"
            ),
            Self::NotActive { task } => write!(
                f,
                "task {task} does not answer yet: its stores are being restored"
            ),
            Self::NotUpToBound { position, bound } => write!(
                f,
                "the store has seen {position} and the query asks for {bound}: try again later"
            ),
            Self::Store { store, message } => write!(f, "store {store} cannot answer: {message}"),
        }
    }
}

impl std::error::Error for QueryFailure {}
