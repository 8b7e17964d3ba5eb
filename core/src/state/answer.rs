//! How stores answer queries from outside their task, a page of rows at a time.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;

use super::byte_store::{ByteRows, Direction};
use super::stack::KeyValueBytesStore;
use super::value::ValueFormat;
use super::windowed::{
    KeySchema, RowKey, RowOrder, WindowBytesStore, WindowQuery, WindowRow, WindowRows,
};
use super::{StateError, StoreBytes};
use crate::query::{QueryFailure, QueryPage, QueryRow, RowPosition, StoreQuery};
use crate::types::Headers;
use crate::window::Window;

impl From<StateError> for QueryFailure {
    fn from(error: StateError) -> Self {
        Self::Store {
            store: error.store().to_owned(),
            message: error.to_string(),
        }
    }
}

/// A row without a window, which says how many rows there are.
pub(crate) fn count_row(count: u64) -> QueryPage {
    let row = row(RowPosition::of(&[], 0, 0), Bytes::new());
    QueryPage {
        rows: vec![QueryRow { count, ..row }],
        has_more: false,
    }
}

fn row(position: RowPosition, value: Bytes) -> QueryRow {
    QueryRow {
        position,
        window: None,
        value,
        timestamp: None,
        valid_to: None,
        headers: Headers::new(),
        count: 0,
    }
}

/// A row of the format of its store.
fn stored_row(
    store: &str,
    format: ValueFormat,
    position: RowPosition,
    stored: &[u8],
) -> Result<QueryRow, QueryFailure> {
    let parts = format.split(store, stored)?;
    Ok(QueryRow {
        timestamp: parts.timestamp,
        headers: parts.headers(store)?,
        ..row(position, Bytes::copy_from_slice(parts.value))
    })
}

/// The first `max_rows` of `rows`.
pub(crate) fn page(
    rows: impl Iterator<Item = Result<QueryRow, QueryFailure>>,
    max_rows: usize,
) -> Result<QueryPage, QueryFailure> {
    let mut rows = rows.take(max_rows.saturating_add(1));
    let mut page = QueryPage::default();
    for row in rows.by_ref().take(max_rows) {
        page.rows.push(row?);
    }
    page.has_more = rows.next().is_some();
    Ok(page)
}

impl RowPosition {
    fn of(key: &[u8], time: i64, tail: i64) -> Self {
        Self {
            key: Bytes::copy_from_slice(key),
            time,
            tail,
        }
    }
}

fn lend(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

impl KeyValueBytesStore {
    /// See [`StateStore::query`](super::StateStore::query).
    pub(crate) fn answer(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Result<QueryPage, QueryFailure> {
        match query {
            StoreQuery::Key { key, skip_cache } => {
                let found = match skip_cache {
                    true => self.rows().get(key)?,
                    false => self.peek(key)?,
                };
                let position = RowPosition::of(key, 0, 0);
                let row = found.map(|stored| self.row(position, &stored));
                page(row.into_iter(), max_rows)
            }
            StoreQuery::Range {
                from,
                to,
                direction,
                skip_cache,
            } => {
                let mut bounds = (lend(from), lend(to));
                if let Some(after) = after {
                    match direction {
                        Direction::Forward => bounds.0 = Bound::Excluded(&after.key),
                        Direction::Backward => bounds.1 = Bound::Excluded(&after.key),
                    }
                }
                let rows: ByteRows<'_> = match skip_cache {
                    true => self.rows().range(bounds, *direction),
                    false => self.range(bounds, *direction),
                };
                let rows = rows.map(|row| {
                    let (key, stored) = row?;
                    self.row(RowPosition::of(&key, 0, 0), &stored)
                });
                page(rows, max_rows)
            }
            StoreQuery::Count => Ok(count_row(self.approximate_num_entries())),
            other => Err(QueryFailure::unknown(self.name(), other)),
        }
    }

    fn row(&self, position: RowPosition, stored: &StoreBytes) -> Result<QueryRow, QueryFailure> {
        stored_row(self.name(), self.format(), position, stored)
    }
}

impl WindowBytesStore {
    /// See [`StateStore::query`](super::StateStore::query); `window_size_ms` gives windows their
    /// end.
    pub(crate) fn answer(
        &self,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
        window_size_ms: i64,
    ) -> Result<QueryPage, QueryFailure> {
        let schema = self.options().schema;
        let (rows, direction, skip_cache) = match (query, schema) {
            (StoreQuery::Count, _) => return Ok(count_row(self.approximate_num_entries())),
            (
                StoreQuery::Windows {
                    keys,
                    time_from,
                    time_to,
                    direction,
                    skip_cache,
                },
                KeySchema::Window,
            ) => {
                let keys = (lend(&keys.0), lend(&keys.1));
                let rows = WindowQuery::of_times(keys, (*time_from).max(0), *time_to);
                (rows, *direction, *skip_cache)
            }
            (
                StoreQuery::Sessions {
                    keys,
                    earliest_end,
                    latest_start,
                    direction,
                    skip_cache,
                },
                KeySchema::Session,
            ) => {
                let keys = (lend(&keys.0), lend(&keys.1));
                let rows = WindowQuery {
                    start_to: *latest_start,
                    ..WindowQuery::of_times(keys, (*earliest_end).max(0), i64::MAX)
                };
                (rows, *direction, *skip_cache)
            }
            (other, _) => return Err(QueryFailure::unknown(self.name(), other)),
        };
        let order = Order {
            schema,
            rows: self.options().order.of(&rows),
        };
        let rows = after.map_or(rows, |after| order.from(rows, after, direction));
        let found = match skip_cache {
            true => self.rows().scan(&rows, direction),
            false => self.scan(&rows, direction),
        };
        let found: WindowRows<'_> = match after {
            Some(after) => Box::new(order.behind(after, found, direction)),
            None => found,
        };
        page(
            found.map(|row| self.window_row(row?, window_size_ms)),
            max_rows,
        )
    }

    fn window_row(
        &self,
        (key, stored): WindowRow,
        window_size_ms: i64,
    ) -> Result<QueryRow, QueryFailure> {
        let position = RowPosition::of(&key.key, key.time, key.tail);
        let window = match self.options().schema {
            KeySchema::Window => Window::of_size(key.time, window_size_ms),
            KeySchema::Session => Window::new(key.tail, key.time),
        };
        Ok(QueryRow {
            window: Some(window),
            ..stored_row(self.name(), self.options().format, position, &stored)?
        })
    }
}

/// The order of the rows of a window store, to go on behind one of them.
#[derive(Clone, Copy)]
struct Order {
    schema: KeySchema,
    rows: RowOrder,
}

impl Order {
    /// `query` without the segments before that of `after`: only rows of that one are passed again.
    fn from<'a>(
        self,
        query: WindowQuery<'a>,
        after: &RowPosition,
        direction: Direction,
    ) -> WindowQuery<'a> {
        let (first, last) = match self.rows {
            RowOrder::Segmented { interval_ms } => {
                let first = self.rows.segment(after.time).saturating_mul(interval_ms);
                (first, first.saturating_add(interval_ms - 1))
            }
            RowOrder::TimeFirst | RowOrder::TimeOrdered { .. } => (after.time, after.time),
        };
        match direction {
            Direction::Forward => WindowQuery {
                time_from: query.time_from.max(first),
                ..query
            },
            Direction::Backward => WindowQuery {
                time_to: query.time_to.min(last),
                ..query
            },
        }
    }

    /// The rows behind `after`. Where it is gone, those that would come behind it: cache and rows
    /// may differ in the order within a segment.
    fn behind<'a>(
        self,
        after: &RowPosition,
        mut rows: WindowRows<'a>,
        direction: Direction,
    ) -> impl Iterator<Item = Result<WindowRow, StateError>> + 'a {
        let after = RowKey {
            key: &*after.key,
            time: after.time,
            tail: after.tail,
        };
        let segment = self.rows.segment(after.time);
        let mut same = Vec::new();
        let mut rest = None;
        for row in rows.by_ref() {
            match row {
                Ok(row) if self.rows.segment(row.0.time) == segment => same.push(row),
                other => {
                    rest = Some(other);
                    break;
                }
            }
        }
        match same.iter().position(|(row, _)| row.lend() == after) {
            Some(at) => {
                same.drain(..=at);
            }
            None => same.retain(|(row, _)| {
                let order = self.compare(row.lend(), after);
                match direction {
                    Direction::Forward => order == Ordering::Greater,
                    Direction::Backward => order == Ordering::Less,
                }
            }),
        }
        same.into_iter().map(Ok).chain(rest).chain(rows)
    }

    fn compare(self, a: RowKey<&[u8]>, b: RowKey<&[u8]>) -> Ordering {
        let segments = self.rows.segment(a.time).cmp(&self.rows.segment(b.time));
        segments.then_with(|| match (self.rows, self.schema) {
            (RowOrder::TimeFirst, KeySchema::Session) => {
                a.key.cmp(b.key).then_with(|| b.tail.cmp(&a.tail))
            }
            (RowOrder::TimeFirst, KeySchema::Window) => (a.key, a.tail).cmp(&(b.key, b.tail)),
            _ => self.schema.to_bytes(a).cmp(&self.schema.to_bytes(b)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::windowed::{InMemoryWindowStore, WindowStoreOptions};
    use super::super::{
        ByteKeyValueStore, CacheBudget, InMemoryKeyValueStore, KeyValueStoreOptions,
    };
    use super::*;
    use crate::types::RecordContext;

    /// Every row of a query, page by page.
    fn paged(
        max_rows: usize,
        ask: impl Fn(Option<&RowPosition>) -> Result<QueryPage, QueryFailure>,
    ) -> Vec<QueryRow> {
        let mut rows: Vec<QueryRow> = Vec::new();
        loop {
            let last = rows.last().map(|row| row.position.clone());
            let page = ask(last.as_ref()).expect("an answer");
            assert!(page.rows.len() <= max_rows);
            let has_more = page.has_more;
            rows.extend(page.rows);
            if !has_more {
                return rows;
            }
        }
    }

    fn directions() -> impl Strategy<Value = Direction> {
        prop_oneof![Just(Direction::Forward), Just(Direction::Backward)]
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0..3_u8, 1..4)
    }

    proptest! {
        #[test]
        fn pages_of_a_range_are_the_range(
            written in proptest::collection::vec((keys(), any::<u8>()), 0..60),
            is_cached: bool,
            max_rows in 1..5_usize,
            direction in directions(),
        ) {
            let options = KeyValueStoreOptions {
                format: ValueFormat::Plain,
                is_cached,
                is_logged: false,
            };
            let rows: Box<dyn ByteKeyValueStore> = Box::new(InMemoryKeyValueStore::new());
            let budget = CacheBudget::new(300);
            let mut store = KeyValueBytesStore::new("s", rows, options, &budget);
            for (key, value) in &written {
                let context = RecordContext::punctuation(0);
                store.put(key, (*value > 40).then_some(&[*value][..]), &context).expect("put");
            }
            let query = StoreQuery::Range {
                from: Bound::Included(vec![0, 1].into()),
                to: Bound::Unbounded,
                direction,
                skip_cache: false,
            };
            let whole = store.answer(&query, None, usize::MAX).expect("rows").rows;
            let pages = paged(max_rows, |after| store.answer(&query, after, max_rows));
            prop_assert_eq!(whole, pages);
        }

        #[test]
        fn pages_of_windows_are_the_windows(
            written in proptest::collection::vec((keys(), 0..50_i64, 0..20_i64), 0..60),
            is_session: bool,
            is_cached: bool,
            order in 0..4,
            max_rows in 1..5_usize,
            direction in directions(),
        ) {
            let order = match order {
                0 => RowOrder::TimeFirst,
                1 => RowOrder::Segmented { interval_ms: 10 },
                2 => RowOrder::TimeOrdered { interval_ms: 10, is_indexed: true },
                _ => RowOrder::TimeOrdered { interval_ms: 10, is_indexed: false },
            };
            let schema = if is_session { KeySchema::Session } else { KeySchema::Window };
            let options = WindowStoreOptions {
                schema,
                order,
                format: ValueFormat::Plain,
                retain_duplicates: false,
                is_cached,
                is_logged: false,
            };
            let rows = Box::new(InMemoryWindowStore::new(schema, order, 30));
            let mut store = WindowBytesStore::new("s", rows, options, &CacheBudget::new(500));
            for (key, time, tail) in &written {
                let tail = if is_session { time - tail.min(time) } else { 0 };
                let row = RowKey { key: key.as_slice(), time: *time, tail };
                store.put(row, Some(b"v"), &RecordContext::punctuation(0)).expect("put");
            }
            let keys = (Bound::Included(vec![0, 1].into()), Bound::Unbounded);
            let query = match is_session {
                true => StoreQuery::Sessions {
                    keys, earliest_end: 3, latest_start: 45, direction, skip_cache: false,
                },
                false => StoreQuery::Windows {
                    keys, time_from: 3, time_to: 45, direction, skip_cache: false,
                },
            };
            let whole = store.answer(&query, None, usize::MAX, 5).expect("rows").rows;
            let pages = paged(max_rows, |after| store.answer(&query, after, max_rows, 5));
            prop_assert_eq!(whole, pages);
        }
    }
}
