//! Joins of two streams.

use std::rc::Rc;
use std::sync::Arc;

use super::time_tracker::TimeTracker;
use super::unmatched::{JoinSide, LeftOrRightValue, TimestampedKeyAndJoinSide, UnmatchedStore};
use super::window::fetch;
use super::windows::JoinWindows;
use super::{Joiner, forward_copy};
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::serde::SerdeRef;

/// A join of two streams, as both of its sides know it.
pub(in crate::dsl) struct StreamStreamJoin<K, V1, V2, J> {
    /// What the sides have in common is kept under this name.
    pub(in crate::dsl) name: Arc<str>,
    pub(in crate::dsl) windows: JoinWindows,
    pub(in crate::dsl) keys: SerdeRef<K>,
    pub(in crate::dsl) left_values: SerdeRef<V1>,
    pub(in crate::dsl) right_values: SerdeRef<V2>,
    /// The store of left records.
    pub(in crate::dsl) left_window: Arc<str>,
    /// The store of right records.
    pub(in crate::dsl) right_window: Arc<str>,
    /// The store of records that have not joined yet, where they give results.
    pub(in crate::dsl) unmatched: Option<Arc<str>>,
    /// Records of the left side that do not join give a result.
    pub(in crate::dsl) is_left_outer: bool,
    /// Records of the right side that do not join give a result.
    pub(in crate::dsl) is_right_outer: bool,
    pub(in crate::dsl) joiner: J,
}

/// The side of a join that a record comes from, and what that makes of the two streams.
pub(in crate::dsl) trait Side<K, V1, V2> {
    /// The values of records that come.
    type This: Clone + 'static;
    /// The values of records that are looked up.
    type Other: Clone + 'static;

    const THIS: JoinSide;
    const OTHER: JoinSide;

    /// Records that do not join give a result.
    fn is_outer<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> bool;

    fn values<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &SerdeRef<Self::This>;

    fn other_window<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &str;

    /// How much earlier and how much later a record of the other side may be.
    fn reach_ms(windows: &JoinWindows) -> (i64, i64);

    fn left_right(this: Self::This, other: Option<Self::Other>) -> (Option<V1>, Option<V2>);

    fn left_or_right(this: Self::This) -> LeftOrRightValue<V1, V2>;
}

/// Records of the stream that `join` was called on (Java: `KStreamKStreamJoinLeftSide`).
pub(in crate::dsl) enum Left {}

/// Records of the stream that was given to `join` (Java: `KStreamKStreamJoinRightSide`).
pub(in crate::dsl) enum Right {}

impl<K, V1: Clone + 'static, V2: Clone + 'static> Side<K, V1, V2> for Left {
    type This = V1;
    type Other = V2;

    const THIS: JoinSide = JoinSide::Left;
    const OTHER: JoinSide = JoinSide::Right;

    fn is_outer<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> bool {
        join.is_left_outer
    }

    fn values<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &SerdeRef<V1> {
        &join.left_values
    }

    fn other_window<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &str {
        &join.right_window
    }

    fn reach_ms(windows: &JoinWindows) -> (i64, i64) {
        (windows.before_ms(), windows.after_ms())
    }

    fn left_right(this: V1, other: Option<V2>) -> (Option<V1>, Option<V2>) {
        (Some(this), other)
    }

    fn left_or_right(this: V1) -> LeftOrRightValue<V1, V2> {
        LeftOrRightValue::Left(this)
    }
}

impl<K, V1: Clone + 'static, V2: Clone + 'static> Side<K, V1, V2> for Right {
    type This = V2;
    type Other = V1;

    const THIS: JoinSide = JoinSide::Right;
    const OTHER: JoinSide = JoinSide::Left;

    fn is_outer<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> bool {
        join.is_right_outer
    }

    fn values<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &SerdeRef<V2> {
        &join.right_values
    }

    fn other_window<J>(join: &StreamStreamJoin<K, V1, V2, J>) -> &str {
        &join.left_window
    }

    fn reach_ms(windows: &JoinWindows) -> (i64, i64) {
        (windows.after_ms(), windows.before_ms())
    }

    fn left_right(this: V2, other: Option<V1>) -> (Option<V1>, Option<V2>) {
        (other, Some(this))
    }

    fn left_or_right(this: V2) -> LeftOrRightValue<V1, V2> {
        LeftOrRightValue::Right(this)
    }
}

/// Joins the records of one side with those kept of the other one (Java: `KStreamKStreamJoin`).
pub(in crate::dsl) struct StreamStreamJoinSide<K, V1, V2, S: Side<K, V1, V2>, J> {
    join: Arc<StreamStreamJoin<K, V1, V2, J>>,
    other_window: usize,
    unmatched: Option<UnmatchedStore<K, V1, V2>>,
    time: Rc<TimeTracker>,
    emit_interval_ms: u64,
    /// What was found for a record; kept for its memory.
    found: Vec<(i64, S::Other)>,
}

impl<K, V1, V2, S, J> StreamStreamJoinSide<K, V1, V2, S, J>
where
    K: Clone + 'static,
    V1: Clone + 'static,
    V2: Clone + 'static,
    S: Side<K, V1, V2>,
    J: Joiner<K, V1, V2>,
{
    pub(in crate::dsl) fn new(join: Arc<StreamStreamJoin<K, V1, V2, J>>) -> Self {
        Self {
            join,
            other_window: 0,
            unmatched: None,
            time: Rc::default(),
            emit_interval_ms: 0,
            found: Vec::new(),
        }
    }

    fn forward_joined(
        &self,
        task: &mut TaskContext,
        node: usize,
        (key, timestamp): (K, i64),
        (left, right): (Option<V1>, Option<V2>),
    ) -> Result<(), ProcessorError> {
        match self.join.joiner.join(&key, left, right)? {
            Some(joined) => forward_copy(task, node, Record::new(key, joined, timestamp)),
            None => Ok(()),
        }
    }

    /// Joins a record with one that was found for it, which has joined now.
    fn join_one(
        &self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, S::This>,
        (other_timestamp, other): (i64, S::Other),
    ) -> Result<(), ProcessorError> {
        let Record {
            mut key,
            value,
            timestamp,
        } = record;
        if let Some(unmatched) = &self.unmatched {
            let other_key = TimestampedKeyAndJoinSide {
                key,
                timestamp: other_timestamp,
                side: S::OTHER,
            };
            unmatched.remove_if_present(task, &other_key)?;
            key = other_key.key;
        }
        let sides = S::left_right(value, Some(other));
        self.forward_joined(task, node, (key, timestamp.max(other_timestamp)), sides)
    }

    /// Keeps a record for which nothing was found, or emits it if nothing can come any more.
    fn take_unmatched(
        &self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, S::This>,
        joinable_until: i64,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        match &self.unmatched {
            Some(unmatched) if joinable_until >= self.time.stream_time() => {
                self.time.add_unmatched(timestamp);
                let key = TimestampedKeyAndJoinSide {
                    key,
                    timestamp,
                    side: S::THIS,
                };
                unmatched.put(task, &key, S::left_or_right(value))
            }
            _ => self.forward_joined(task, node, (key, timestamp), S::left_right(value, None)),
        }
    }

    /// Emits the records of both sides that nothing can join any more, earliest first.
    fn emit_unmatched(&self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        let Some(unmatched) = &self.unmatched else {
            return Ok(());
        };
        let windows = &self.join.windows;
        let joinable_ms = |after_ms: i64| after_ms.saturating_add(windows.grace_ms());
        let (_, after_ms) = S::reach_ms(windows);
        if !self.time.may_have_expired(joinable_ms(after_ms))
            || !self.time.take_turn(task.system_time, self.emit_interval_ms)
        {
            return Ok(());
        }
        let joinable_ms = (
            joinable_ms(windows.after_ms()),
            joinable_ms(windows.before_ms()),
        );
        let has_right_side = self.join.is_right_outer;
        let expired = unmatched.take_stock(task, &self.time, joinable_ms, has_right_side)?;
        let mut emitted: Option<TimestampedKeyAndJoinSide<K>> = None;
        for (key, values) in expired {
            for value in values {
                let at = (key.key.clone(), key.timestamp);
                self.forward_joined(task, node, at, value.into_sides())?;
                // Not before: a failure would lose what follows under the same key.
                if let Some(emitted) = emitted.take() {
                    unmatched.remove(task, &emitted)?;
                }
            }
            emitted = Some(key);
        }
        match emitted {
            Some(emitted) => unmatched.remove(task, &emitted),
            None => Ok(()),
        }
    }
}

impl<K, V1, V2, S, J> Processor<K, S::This, K, J::Joined> for StreamStreamJoinSide<K, V1, V2, S, J>
where
    K: Clone + 'static,
    V1: Clone + 'static,
    V2: Clone + 'static,
    S: Side<K, V1, V2>,
    J: Joiner<K, V1, V2>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.other_window = task.store_index(node, S::other_window(&self.join))?;
        if let Some(name) = &self.join.unmatched {
            self.unmatched = Some(UnmatchedStore::open(task, node, name)?);
        }
        self.time = task.shared(&self.join.name);
        self.emit_interval_ms = task.config.outer_join_emit_interval_ms();
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, J::Joined>,
        record: Record<K, S::This>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.time.advance_stream_time(record.timestamp);
        let is_outer = S::is_outer(&self.join);
        let has_key = !self.join.keys.is_null(&record.key);
        if S::values(&self.join).is_null(&record.value) || !(has_key || is_outer) {
            task.drop_record("its key or value is null, which cannot be joined");
            return Ok(());
        }
        if !has_key {
            let sides = S::left_right(record.value, None);
            return self.forward_joined(task, node, (record.key, record.timestamp), sides);
        }
        if record.timestamp == self.time.stream_time() {
            self.emit_unmatched(task, node)?;
        }
        let (from, to) = time_range(record.timestamp, S::reach_ms(&self.join.windows));
        let mut found = std::mem::take(&mut self.found);
        fetch(task, self.other_window, &record.key, (from, to), &mut found)?;
        match found.pop() {
            Some(last) => {
                for other in found.drain(..) {
                    self.join_one(task, node, record.clone(), other)?;
                }
                self.join_one(task, node, record, last)?;
            }
            None if is_outer => self.take_unmatched(task, node, record, to)?,
            None => {}
        }
        self.found = found;
        Ok(())
    }
}

/// The timestamps that join with a record.
pub(super) fn time_range(timestamp: i64, (before_ms, after_ms): (i64, i64)) -> (i64, i64) {
    let from = timestamp.saturating_sub(before_ms).max(0);
    // Below 0, in windows that leave out what is close, nothing joins; Java takes records at 0.
    let to = timestamp.saturating_add(after_ms);
    (from, to)
}
