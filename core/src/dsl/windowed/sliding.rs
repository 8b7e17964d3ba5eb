//! Aggregations over windows that records make themselves.

use crate::dsl::outcome::RowResult;
use std::sync::Arc;

use super::table::{Aggregation, ForwardWindow, WindowedTable};
use super::windows::SlidingWindows;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::state::{TimestampedWindowStore, ValueAndTimestamp};
use crate::window::{Window, Windowed};

/// Folds every record into the windows that it lies in, and makes those that it brings about
/// (Java: `KStreamSlidingWindowAggregate`). For records `a` and later `b` there are a window that
/// ends at each, its *left* one, and one that begins a millisecond behind each, its *right* one,
/// unless that would be empty. The timestamp of a row is that of the newest record in its window.
pub(super) struct SlidingWindowAggregate<K, V, A, I, F> {
    aggregation: Arc<Aggregation<K, V, I, F>>,
    windows: SlidingWindows,
    table: WindowedTable<K, A>,
}

/// A record on its way into windows.
struct Input<'a, K, V> {
    key: &'a K,
    value: &'a V,
    timestamp: i64,
    close_time: i64,
}

/// The start of a window and what it has.
type Row<A> = (i64, ValueAndTimestamp<A>);

/// What begins the right window of a record: the newest window that has the record and later ones.
struct Later<A> {
    is_found: bool,
    aggregate: Option<ValueAndTimestamp<A>>,
}

impl<A: Clone> Later<A> {
    const NONE: Self = Self {
        is_found: false,
        aggregate: None,
    };

    fn of(row: &ValueAndTimestamp<A>, timestamp: i64) -> Self {
        Self {
            is_found: true,
            aggregate: (row.timestamp > timestamp).then(|| row.clone()),
        }
    }
}

impl<K, V, A, I, F> SlidingWindowAggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
{
    pub(super) fn new(windows: SlidingWindows, aggregation: Arc<Aggregation<K, V, I, F>>) -> Self {
        Self {
            table: WindowedTable::new(Arc::clone(&aggregation.store), aggregation.strategy),
            aggregation,
            windows,
        }
    }

    /// The windows of `key` that a record at `timestamp` has to do with, latest first: as far back
    /// as the one that has the record before it.
    fn rows(
        &self,
        task: &mut TaskContext,
        key: &K,
        timestamp: i64,
    ) -> Result<Vec<Row<A>>, ProcessorError> {
        let difference_ms = self.windows.time_difference_ms();
        let from = timestamp.saturating_sub(difference_ms.saturating_mul(2));
        let rows =
            task.with_store::<TimestampedWindowStore<K, A>, _>(self.table.store, |store, _| {
                let mut found = Vec::new();
                for row in store.backward_fetch(key, from.max(0), timestamp.saturating_add(1))? {
                    let (start, row) = row?;
                    found.push((start, row));
                    if self.windows.window(start).end < timestamp {
                        break;
                    }
                }
                Ok::<_, crate::state::StateError>(found)
            })??;
        Ok(rows)
    }

    fn insert(
        &self,
        task: &mut TaskContext,
        input: &Input<'_, K, V>,
    ) -> Result<(), ProcessorError> {
        let timestamp = input.timestamp;
        let rows = self.rows(task, input.key, timestamp)?;
        let starts: Vec<i64> = rows.iter().map(|(start, _)| *start).collect();
        let (mut later, mut left, mut previous) = (Later::NONE, None, None);
        let (mut has_left, mut has_right) = (false, false);
        for (start, row) in rows {
            let window = self.windows.window(start);
            if start > timestamp {
                has_right = true;
            } else if window.end > timestamp {
                if !later.is_found {
                    later = Later::of(&row, timestamp);
                }
                self.update(task, input, window, Some(row))?;
            } else if window.end == timestamp {
                has_left = true;
                let newest = row.timestamp;
                self.update(task, input, window, Some(row))?;
                if newest >= timestamp {
                    // A record of this very time made every window that this one would make.
                    return Ok(());
                }
                previous = Some(newest);
            } else {
                previous = Some(row.timestamp);
                left = Some(row);
            }
        }
        if let Some(start) = previous.map(|previous| previous + 1)
            && !starts.contains(&start)
            && self.windows.window(start).end >= timestamp
        {
            self.begin(task, input, start)?;
        }
        if !has_left {
            let start = timestamp - self.windows.time_difference_ms();
            match left {
                Some(left) if previous.is_some_and(|previous| previous >= start) => {
                    let begun = ValueAndTimestamp::new(left.value, timestamp);
                    self.update(task, input, self.windows.window(start), Some(begun))?;
                }
                _ => self.begin(task, input, start)?,
            }
        }
        match later.aggregate {
            Some(aggregate) if !has_right => self.begin_right(task, input, aggregate),
            _ => Ok(()),
        }
    }

    /// Records of the first time difference after the epoch have one left window, which begins at
    /// 0: none begins before that.
    fn insert_early(
        &self,
        task: &mut TaskContext,
        input: &Input<'_, K, V>,
    ) -> Result<(), ProcessorError> {
        let timestamp = input.timestamp;
        let mut rows = self.rows(task, input.key, timestamp)?;
        rows.reverse();
        let starts: Vec<i64> = rows.iter().map(|(start, _)| *start).collect();
        let (mut later, mut combined, mut has_right) = (Later::NONE, None, false);
        for (start, row) in rows {
            if start == 0 {
                combined = Some(row);
            } else if start <= timestamp {
                later = Later::of(&row, timestamp);
                self.update(task, input, self.windows.window(start), Some(row))?;
            } else {
                has_right = true;
            }
        }
        if let Some(combined) = &combined
            && !later.is_found
        {
            later = Later::of(combined, timestamp);
        }
        if let Some(aggregate) = later.aggregate
            && !has_right
        {
            self.begin_right(task, input, aggregate)?;
        }
        let previous = combined.as_ref().map(|combined| combined.timestamp);
        if let Some(start) = previous
            .filter(|previous| *previous < timestamp)
            .map(|p| p + 1)
            && !starts.contains(&start)
        {
            self.begin(task, input, start)?;
        }
        match combined {
            Some(_) => self.update(task, input, self.windows.window(0), combined),
            None => self.begin(task, input, 0),
        }
    }

    /// Makes a window that has the record alone.
    fn begin(
        &self,
        task: &mut TaskContext,
        input: &Input<'_, K, V>,
        start: i64,
    ) -> Result<(), ProcessorError> {
        let initial = (self.aggregation.initialize)();
        let row = initial.map(|initial| ValueAndTimestamp::new(initial, input.timestamp));
        self.update(task, input, self.windows.window(start), row)
    }

    /// Makes the window behind the record, which has what came before with later timestamps.
    fn begin_right(
        &self,
        task: &mut TaskContext,
        input: &Input<'_, K, V>,
        aggregate: ValueAndTimestamp<A>,
    ) -> Result<(), ProcessorError> {
        let window = self.windows.window(input.timestamp + 1);
        self.put(
            task,
            input.key,
            window,
            Some(aggregate),
            None,
            input.timestamp,
        )
    }

    fn update(
        &self,
        task: &mut TaskContext,
        input: &Input<'_, K, V>,
        window: Window,
        row: Option<ValueAndTimestamp<A>>,
    ) -> Result<(), ProcessorError> {
        if window.end < input.close_time {
            task.drop_record("its window is closed");
            return Ok(());
        }
        let newest = row
            .as_ref()
            .map_or(input.timestamp, |row| row.timestamp.max(input.timestamp));
        let before = row.map(|row| row.value);
        let old = if self.table.wants_old() {
            before.clone()
        } else {
            None
        };
        let after = (self.aggregation.fold)(input.key, input.value.clone(), before)?;
        let after = after.map(|after| ValueAndTimestamp::new(after, newest));
        self.put(task, input.key, window, after, old, newest)
    }

    fn put(
        &self,
        task: &mut TaskContext,
        key: &K,
        window: Window,
        row: Option<ValueAndTimestamp<A>>,
        old: Option<A>,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        task.with_store::<TimestampedWindowStore<K, A>, _>(self.table.store, |store, context| {
            store.put(key, row.as_ref(), window.start, context)
        })??;
        if !self.table.forwards() {
            return Ok(());
        }
        let timestamp = row.as_ref().map_or(timestamp, |row| row.timestamp);
        let change = Change::new(row.map(|row| row.value), old);
        let key = Windowed::new(key.clone(), window);
        self.table.forward(task, key, change, timestamp)
    }

    /// Forwards the rows of windows that closed since the last time.
    fn emit_closed(
        &mut self,
        task: &mut TaskContext,
        close_time: i64,
    ) -> Result<(), ProcessorError> {
        if !self.table.is_emit_due(task, close_time) {
            return Ok(());
        }
        let difference_ms = self.windows.time_difference_ms();
        let to = close_time.saturating_sub(difference_ms).saturating_sub(1);
        if to < 0 {
            return Ok(());
        }
        let last = self.table.emitted_to(task).unwrap_or(0);
        let from = last.saturating_sub(difference_ms).max(0);
        self.table.forward_closed(task, from, to)?;
        self.table.set_emitted_to(task, close_time);
        Ok(())
    }
}

impl<K, V, A, I, F> Processor<K, V, Windowed<K>, Change<A>>
    for SlidingWindowAggregate<K, V, A, I, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A>,
    F: Fn(&K, V, Option<A>) -> RowResult<A>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Windowed<K>, Change<A>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.table.open(task, node, ForwardWindow::<K, A>::new)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Windowed<K>, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let (task, _) = context.parts();
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let Aggregation { keys, values, .. } = &*self.aggregation;
        if keys.is_null(&key) || values.is_null(&value) {
            task.drop_record("its key or value is null, which cannot be aggregated");
            return Ok(());
        }
        let close_time = self.table.close_time(timestamp, self.windows.grace_ms());
        let difference_ms = self.windows.time_difference_ms();
        if timestamp.saturating_add(difference_ms) < close_time {
            task.drop_record("its window is closed");
            return Ok(());
        }
        let input = Input {
            key: &key,
            value: &value,
            timestamp,
            close_time,
        };
        if timestamp < difference_ms {
            return self.insert_early(task, &input);
        }
        if difference_ms == 0 {
            return Err(ProcessorError::new(
                "sliding windows of a time difference of 0 ms are empty: give 1 ms or more",
            ));
        }
        self.insert(task, &input)?;
        self.emit_closed(task, close_time)
    }
}
