//! Interactive queries: reading the stores of a running application from any thread.
//!
//! [`RunningStreams::query`] asks typed [`Query`]s (Java's newer API); the handles of
//! [`RunningStreams::key_value_store`] and its kin read like the stores themselves (the older one).
//! Stream threads answer between two steps, a page of rows at a time, so that a long scan holds
//! none of them up. A scan over several partitions is merged.

mod local_threads;
mod metadata;
mod rows;
mod stores;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use eddyline_core::metrics::Metric;
use eddyline_core::query::{
    PartitionPage, Position, PositionBound, Query, QueryFailure, RowPosition, StoreQuery,
};

use eddyline_core::time::WallClock;
use eddyline_core::types::TaskId;

pub use eddyline_core::query::{
    HostInfo, KeyQuery, KeyQueryMetadata, LagInfo, MultiVersionedKeyQuery, RangeQuery, ResultOrder,
    SessionRangeQuery, StreamsMetadata, TimestampedKeyQuery, TimestampedRangeQuery,
    VersionedKeyQuery, WindowKeyQuery, WindowRangeQuery,
};
pub use eddyline_core::thread::{TaskMetadata, ThreadMetadata};

pub use self::rows::QueryRows;
pub use self::stores::{
    ReadOnlyKeyValueStore, ReadOnlySessionStore, ReadOnlyVersionedStore, ReadOnlyWindowStore,
};
use crate::stream_thread::{Settings, StreamThread};
use crate::streams::RunningStreams;
use crate::threads::Shared;

/// A question to the store of an application (Java: `StateQueryRequest`).
#[must_use = "ask it with RunningStreams::query"]
pub struct StateQueryRequest<Q> {
    store: String,
    query: Arc<Q>,
    partitions: Option<BTreeSet<i32>>,
    bound: PositionBound,
    allows_stale: bool,
}

impl<Q: Query> StateQueryRequest<Q> {
    /// Asks `query` of all local partitions of the store called `store`, those of standbys and those
    /// that are being restored too.
    pub fn in_store(store: impl Into<String>, query: Q) -> Self {
        Self {
            store: store.into(),
            query: Arc::new(query),
            partitions: None,
            bound: PositionBound::Unbounded,
            allows_stale: true,
        }
    }

    /// Of these partitions alone; one that is not here is a failure.
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = i32>) -> Self {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Of partitions that have seen `position` at least; others fail with what they have seen.
    pub fn with_position_bound(mut self, position: Position) -> Self {
        self.bound = PositionBound::At(position);
        self
    }

    /// Of running active tasks alone; others fail.
    pub fn require_active(mut self) -> Self {
        self.allows_stale = false;
        self
    }
}

/// What the partitions of a store answered (Java: `StateQueryResult`).
#[derive(Debug)]
pub struct StateQueryResult<R> {
    store: String,
    partitions: BTreeMap<i32, QueryResult<R>>,
}

/// What a partition answered (Java: `QueryResult`).
#[derive(Debug)]
pub struct QueryResult<R> {
    /// What its store had seen then.
    pub position: Position,
    /// The rows, fetched as they are taken: none or one for a query of one row.
    pub rows: Result<QueryRows<R>, QueryFailure>,
}

impl<R> StateQueryResult<R> {
    /// The answers by partition.
    pub fn into_partition_results(self) -> BTreeMap<i32, QueryResult<R>> {
        self.partitions
    }

    /// What all that answered have seen.
    pub fn position(&self) -> Position {
        let results = self.partitions.values();
        results.fold(Position::empty(), |all, one| all.merge(&one.position))
    }

    /// The only row there is, of a query of one row: from whichever partition has it.
    ///
    /// # Errors
    /// The first failure, when no partition has the row; [`QueryFailure::NotPresent`] when no
    /// partition of the store is here.
    pub fn only_row(self) -> Result<Option<R>, QueryFailure> {
        if self.partitions.is_empty() {
            return Err(QueryFailure::NotPresent {
                store: self.store,
                partition: None,
            });
        }
        let mut failure = None;
        for result in self.partitions.into_values() {
            match result.rows.map(|mut rows| rows.next().transpose()) {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(row))) => return Ok(Some(row)),
                Ok(Err(error)) | Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

/// What the runner of a stream thread is asked, or told.
pub(crate) enum Job {
    Query(Box<QueryJob>),
    Lags(Sender<Lags>),
    Idling(Sender<BTreeMap<TaskId, WallClock>>),
    Metrics(Sender<Vec<Metric>>),
    Configure(Settings),
}

/// How far stores are, by name and partition.
type Lags = BTreeMap<Arc<str>, BTreeMap<i32, LagInfo>>;

/// A question on its way to a stream thread, which answers with a page for every partition it has.
pub(crate) struct QueryJob {
    pub(crate) store: String,
    pub(crate) query: StoreQuery,
    pub(crate) partitions: Option<BTreeSet<i32>>,
    pub(crate) after: Option<RowPosition>,
    pub(crate) max_rows: usize,
    pub(crate) bound: PositionBound,
    pub(crate) allows_stale: bool,
    pub(crate) answer: Sender<Vec<PartitionPage>>,
}

/// Rows of one page: a fraction of a millisecond of a stream thread's time.
const PAGE_ROWS: usize = 512;

/// How long user code may keep threads from telling of themselves.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

thread_local! {
    /// This thread runs tasks: waiting for an answer of its own would be for ever.
    static IS_STREAM_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as one that runs tasks.
pub(crate) fn mark_stream_thread() {
    IS_STREAM_THREAD.set(true);
}

/// Whether the calling thread is one that runs tasks.
pub(crate) fn is_stream_thread() -> bool {
    IS_STREAM_THREAD.get()
}

/// A question to all stream threads.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) store: String,
    pub(crate) query: StoreQuery,
    pub(crate) bound: PositionBound,
    pub(crate) allows_stale: bool,
}

impl Question {
    /// The next page of some partitions, of all by default.
    pub(crate) fn ask(
        &self,
        shared: &Shared,
        partitions: Option<&BTreeSet<i32>>,
        after: Option<&RowPosition>,
    ) -> Result<Vec<PartitionPage>, QueryFailure> {
        if IS_STREAM_THREAD.get() {
            return Err(QueryFailure::Store {
                store: self.store.clone(),
                message: "a stream thread cannot wait for an answer of stream threads: connect \
                          the store to the processor instead"
                    .to_owned(),
            });
        }
        if !shared.topology().has_store(&self.store) {
            let store = self.store.clone();
            return Err(QueryFailure::DoesNotExist { store });
        }
        let mut pages = Vec::new();
        let threads = shared.threads();
        // Every thread has all of a global store: one of them is enough.
        let at_once = match shared.topology().has_global_store(&self.store) {
            true => 1,
            false => threads.len().max(1),
        };
        for threads in threads.chunks(at_once) {
            pages.extend(self.ask_threads(threads, partitions, after));
            if !pages.is_empty() {
                break;
            }
        }
        if pages.is_empty() && !shared.is_running() {
            return Err(QueryFailure::NotRunning);
        }
        Ok(pages)
    }

    /// What some threads answer, in whatever order.
    fn ask_threads(
        &self,
        threads: &[Arc<StreamThread>],
        partitions: Option<&BTreeSet<i32>>,
        after: Option<&RowPosition>,
    ) -> Vec<PartitionPage> {
        let (answer, answers) = unbounded();
        for thread in threads {
            thread.ask(Job::Query(Box::new(QueryJob {
                store: self.store.clone(),
                query: self.query.clone(),
                partitions: partitions.cloned(),
                after: after.cloned(),
                max_rows: PAGE_ROWS,
                bound: self.bound.clone(),
                allows_stale: self.allows_stale,
                answer: answer.clone(),
            })));
        }
        drop(answer);
        // Ends when every thread has answered or ended.
        answers.into_iter().flatten().collect()
    }
}

impl RunningStreams {
    /// How far the logged stores of this instance are with their changelogs, active ones and
    /// standbys, by store and partition (Java: `KafkaStreams.allLocalStorePartitionLags`). Not from
    /// a stream thread, which gets nothing.
    pub fn all_local_store_partition_lags(&self) -> BTreeMap<String, BTreeMap<i32, LagInfo>> {
        let mut all: BTreeMap<String, BTreeMap<i32, LagInfo>> = BTreeMap::new();
        if IS_STREAM_THREAD.get() {
            return all;
        }
        let (answer, answers) = unbounded();
        for thread in self.shared.threads() {
            thread.ask(Job::Lags(answer.clone()));
        }
        drop(answer);
        for (store, lags) in answers.into_iter().flatten() {
            all.entry(store.to_string()).or_default().extend(lags);
        }
        all
    }

    /// Asks the local partitions of a store, from any thread but a stream thread (Java:
    /// `KafkaStreams.query`).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let streams: eddyline::RunningStreams = unimplemented!();
    /// use eddyline::query::{KeyQuery, StateQueryRequest};
    ///
    /// let query = KeyQuery::<String, i64>::with_key("eddyline".to_owned());
    /// let count = streams.query(&StateQueryRequest::in_store("counts", query))?.only_row()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no such store, the application does not run, or a key has no bytes. What goes
    /// wrong with one partition is in its result.
    pub fn query<Q: Query + Send + Sync + 'static>(
        &self,
        request: &StateQueryRequest<Q>,
    ) -> Result<StateQueryResult<Q::Row>, QueryFailure> {
        let question = Question {
            store: request.store.clone(),
            query: request.query.request(&request.store)?,
            bound: request.bound.clone(),
            allows_stale: request.allows_stale,
        };
        let pages = question.ask(&self.shared, request.partitions.as_ref(), None)?;
        let mut partitions = BTreeMap::new();
        for partition in request.partitions.iter().flatten() {
            let rows = Err(QueryFailure::NotPresent {
                store: request.store.clone(),
                partition: Some(*partition),
            });
            let position = Position::empty();
            partitions.insert(*partition, QueryResult { position, rows });
        }
        for page in pages {
            let position = page.position.clone();
            let partition = page.task.partition;
            let (query, store) = (Arc::clone(&request.query), request.store.clone());
            let rows = QueryRows::new(&self.shared, &question, vec![page], move |row| {
                query.read(&store, row)
            });
            partitions.insert(partition, QueryResult { position, rows });
        }
        Ok(StateQueryResult {
            store: request.store.clone(),
            partitions,
        })
    }
}

impl<Q> fmt::Debug for StateQueryRequest<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateQueryRequest")
            .field("store", &self.store)
            .field("partitions", &self.partitions)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
