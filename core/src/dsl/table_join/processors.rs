//! Processors that join tables row by row.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::dsl::outcome::RowResult;
use crate::dsl::table_store::TableStore;
use crate::dsl::value_getter::{ValueGetter, View};
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};

/// What one side of a join makes of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinSideKind {
    /// Either side of an inner join: there is a row where both sides have one.
    Inner,
    /// The side of a left join whose rows are all in it.
    Left,
    /// The other side of a left join.
    Right,
    /// Either side of an outer join.
    Outer,
}

/// One side of a join of two tables: what the change of a row makes with the row of the other table
/// (Java: `KTableKTableInnerJoin`, `KTableKTableLeftJoin`, `KTableKTableRightJoin`,
/// `KTableKTableOuterJoin`).
pub(super) struct JoinSide<K, V, VO, R, F> {
    other: Box<dyn ValueGetter<K, VO>>,
    join: Arc<F>,
    kind: JoinSideKind,
    /// Changes that are not the latest of their row are dropped (KIP-914).
    is_versioned: bool,
    types: PhantomData<fn(V) -> R>,
}

impl<K, V, VO, R, F> JoinSide<K, V, VO, R, F>
where
    V: Clone,
    VO: Clone,
    F: Fn(Option<V>, Option<VO>) -> RowResult<R>,
{
    pub(super) fn new(
        other: &View<K, VO>,
        join: Arc<F>,
        kind: JoinSideKind,
        is_versioned: bool,
    ) -> Self {
        Self {
            other: other.getter(),
            join,
            kind,
            is_versioned,
            types: PhantomData,
        }
    }

    fn joined(&self, own: Option<V>, other: Option<VO>) -> RowResult<R> {
        let exists = match self.kind {
            JoinSideKind::Inner => own.is_some() && other.is_some(),
            JoinSideKind::Left => own.is_some(),
            JoinSideKind::Right => other.is_some(),
            JoinSideKind::Outer => own.is_some() || other.is_some(),
        };
        if exists {
            (self.join)(own, other)
        } else {
            Ok(None)
        }
    }
}

impl<K, V, VO, R, F> Processor<K, Change<V>, K, Change<R>> for JoinSide<K, V, VO, R, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    VO: Clone + 'static,
    R: Clone + 'static,
    F: Fn(Option<V>, Option<VO>) -> RowResult<R>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<R>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.other.init(task, node)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<R>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        if self.is_versioned && !change.is_latest {
            task.drop_record("it is out of order, and tables are joined as they are now");
            return Ok(());
        }
        let other = self.other.get(task, &key)?;
        let ends_here = match self.kind {
            JoinSideKind::Inner | JoinSideKind::Right => true,
            JoinSideKind::Left | JoinSideKind::Outer => {
                change.new.is_none() && change.old.is_none()
            }
        };
        if other.is_none() && ends_here {
            return Ok(());
        }
        // A result is as new as the newer of the two rows.
        let timestamp = other
            .as_ref()
            .map_or(timestamp, |other| other.timestamp.max(timestamp));
        let other = other.map(|other| other.value);
        let new = self.joined(change.new, other.clone())?;
        let old = if task.sends_old_values(node) {
            self.joined(change.old, other)?
        } else {
            None
        };
        let change = Change {
            new,
            old,
            is_latest: change.is_latest,
        };
        task.forward(node, Record::new(key, change, timestamp))
    }

    fn close(&mut self) {
        self.other.close();
    }
}

/// Takes what both sides of a join make, into a store if there is one (Java:
/// `KTableKTableJoinMerger`).
pub(super) struct MergeJoined<K, V> {
    store: Option<Arc<str>>,
    rows: Option<TableStore<K, V>>,
}

impl<K, V> MergeJoined<K, V> {
    pub(super) const fn new(store: Option<Arc<str>>) -> Self {
        Self { store, rows: None }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, Change<V>, K, Change<V>>
    for MergeJoined<K, V>
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        if let Some(name) = &self.store {
            self.rows = Some(TableStore::open(task, node, name)?);
        }
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let Some(rows) = &self.rows else {
            return task.forward(node, record);
        };
        let Record {
            key,
            value: Change { new, old, .. },
            timestamp,
        } = record;
        rows.put(task, key, (new, old), timestamp)
    }
}
