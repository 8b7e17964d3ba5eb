//! Joins of streams with streams, tables and global tables.
//!
//! A joiner takes both values; what a left or outer join may not find is an `Option`. Each join has
//! three forms: `join`, `join_with_key`, whose joiner sees the key too, and `join_with`, which is also
//! told names, serdes and stores.

mod global_tables;
mod joined_streams;
mod options;
mod self_join;
mod stream_stream;
mod stream_table;
mod streams;
mod tables;
mod time_tracker;
mod unmatched;
mod window;
mod windows;

#[cfg(test)]
mod tests;

pub use options::{Joined, StreamJoined};
pub use windows::JoinWindows;

use super::outcome::{Outcome, RowResult};
use crate::processor::{ProcessorError, Record, TaskContext};

/// A joiner of any kind of join: nothing where the kind has no result for what was found.
pub(in crate::dsl) trait Joiner<K, V1, V2>: Send + Sync + 'static {
    /// What it makes of the values.
    type Joined: Clone + 'static;

    fn join(&self, key: &K, left: Option<V1>, right: Option<V2>) -> RowResult<Self::Joined>;
}

impl<K, V1, V2, R, F> Joiner<K, V1, V2> for F
where
    R: Clone + 'static,
    F: Fn(&K, Option<V1>, Option<V2>) -> RowResult<R> + Send + Sync + 'static,
{
    type Joined = R;

    fn join(&self, key: &K, left: Option<V1>, right: Option<V2>) -> RowResult<R> {
        self(key, left, right)
    }
}

/// A joiner that needs both values.
fn inner<K, V1, V2, VR, R: Outcome<VR>>(
    joiner: impl Fn(&K, V1, V2) -> R,
) -> impl Fn(&K, Option<V1>, Option<V2>) -> RowResult<VR> {
    move |key, left, right| match left.zip(right) {
        Some((left, right)) => joiner(key, left, right).into_result().map(Some),
        None => Ok(None),
    }
}

/// A joiner that needs the left value.
fn left<K, V1, V2, VR, R: Outcome<VR>>(
    joiner: impl Fn(&K, V1, Option<V2>) -> R,
) -> impl Fn(&K, Option<V1>, Option<V2>) -> RowResult<VR> {
    move |key, left, right| match left {
        Some(left) => joiner(key, left, right).into_result().map(Some),
        None => Ok(None),
    }
}

/// Forwards a record of its own: what is done to its headers downstream is not seen here (Java:
/// `Record.withValue` copies them).
fn forward_copy<K: Clone + 'static, V: Clone + 'static>(
    task: &mut TaskContext,
    node: usize,
    record: Record<K, V>,
) -> Result<(), ProcessorError> {
    let headers = task.context.headers.clone();
    task.forward(node, record)?;
    task.context.headers = headers;
    Ok(())
}
