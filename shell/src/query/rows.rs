//! Rows of an answer, fetched page by page and merged over partitions.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use eddyline_core::query::{PartitionPage, QueryFailure, QueryRow, RowPosition, StoreQuery};
use eddyline_core::state::Direction;

use super::Question;
use crate::threads::Shared;

/// Rows of an answer (Java: `KeyValueIterator`). They are fetched as they are taken; the stores go
/// on meanwhile, and rows behind the last one taken are seen as they are by then. Over several
/// partitions, rows come in key order; windows by their time and then their key.
#[must_use = "rows are fetched as they are taken"]
pub struct QueryRows<R> {
    shared: Arc<Shared>,
    question: Question,
    sources: Vec<Source>,
    read: Read<R>,
    failed: bool,
}

type Read<R> = Box<dyn Fn(QueryRow) -> Result<R, QueryFailure> + Send>;

/// The rows of one partition.
struct Source {
    partition: i32,
    rows: VecDeque<QueryRow>,
    /// The last row of the page, while there may be more behind it.
    more_after: Option<RowPosition>,
}

impl<R> QueryRows<R> {
    /// Rows that begin with `pages`, one of each partition.
    ///
    /// # Errors
    /// The first failure among them.
    pub(super) fn new(
        shared: &Arc<Shared>,
        question: &Question,
        pages: Vec<PartitionPage>,
        read: impl Fn(QueryRow) -> Result<R, QueryFailure> + Send + 'static,
    ) -> Result<Self, QueryFailure> {
        let mut sources = Vec::with_capacity(pages.len());
        for page in pages {
            sources.push(Source::of(page)?);
        }
        Ok(Self {
            shared: Arc::clone(shared),
            question: question.clone(),
            sources,
            read: Box::new(read),
            failed: false,
        })
    }

    /// Fetches the next page of every partition whose rows are used up.
    fn refill(&mut self) -> Result<(), QueryFailure> {
        for at in 0..self.sources.len() {
            let source = &self.sources[at];
            if !source.rows.is_empty() {
                continue;
            }
            let Some(after) = &source.more_after else {
                continue;
            };
            let partition = source.partition;
            let only = BTreeSet::from([partition]);
            let pages = self.question.ask(&self.shared, Some(&only), Some(after))?;
            let Some(page) = pages.into_iter().next() else {
                return Err(QueryFailure::NotPresent {
                    store: self.question.store.clone(),
                    partition: Some(partition),
                });
            };
            self.sources[at] = Source::of(page)?;
        }
        Ok(())
    }

    /// The source whose first row is next.
    fn next_source(&self) -> Option<usize> {
        let heads = self.sources.iter().enumerate();
        let heads = heads.filter_map(|(at, source)| Some((at, source.rows.front()?)));
        let first = heads.min_by(|(_, a), (_, b)| order(&self.question.query, a, b));
        first.map(|(at, _)| at)
    }
}

impl Source {
    fn of(page: PartitionPage) -> Result<Self, QueryFailure> {
        let partition = page.task.partition;
        let page = page.page?;
        let last = page.rows.last().map(|row| row.position.clone());
        Ok(Self {
            partition,
            more_after: last.filter(|_| page.has_more),
            rows: page.rows.into(),
        })
    }
}

fn order(query: &StoreQuery, a: &QueryRow, b: &QueryRow) -> Ordering {
    let (a, b) = (&a.position, &b.position);
    let (direction, order) = match query {
        StoreQuery::Range { direction, .. } => (*direction, a.key.cmp(&b.key)),
        StoreQuery::Windows { direction, .. } | StoreQuery::Sessions { direction, .. } => (
            *direction,
            a.time.cmp(&b.time).then_with(|| a.key.cmp(&b.key)),
        ),
        _ => (Direction::Forward, Ordering::Equal),
    };
    match direction {
        Direction::Forward => order,
        Direction::Backward => order.reverse(),
    }
}

impl<R> Iterator for QueryRows<R> {
    type Item = Result<R, QueryFailure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if let Err(failure) = self.refill() {
            self.failed = true;
            return Some(Err(failure));
        }
        let at = self.next_source()?;
        let row = self.sources[at].rows.pop_front()?;
        Some((self.read)(row))
    }
}

impl<R> fmt::Debug for QueryRows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryRows")
            .field("store", &self.question.store)
            .finish_non_exhaustive()
    }
}
