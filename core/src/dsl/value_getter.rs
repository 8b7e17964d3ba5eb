//! Rows of a table for operators below another node: out of its store, or computed from the rows of
//! the tables that it is made from.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::graph::{GraphNodeId, StreamsGraph};
use super::outcome::RowResult;
use super::table_store::StoredRows;
use crate::processor::{ProcessorError, TaskContext};
use crate::state::ValueAndTimestamp;

/// A row of a table, if there is one.
pub(super) type Row<V> = Result<Option<ValueAndTimestamp<V>>, ProcessorError>;

/// Reads the rows of a table (Java: `KTableValueGetter`).
///
/// Reading a cached store may evict, which forwards: do not read with a store at hand.
pub(super) trait ValueGetter<K, V> {
    /// Finds the stores, which `node`, the node that reads, is connected to.
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;

    /// The row of `key`.
    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V>;

    /// The row of `key` as it was at `timestamp`, an error where the table is not versioned.
    fn get_as_of(&mut self, task: &mut TaskContext, key: &K, timestamp: i64) -> Row<V>;

    /// True when former rows can be read; known after `init`.
    fn is_versioned(&self) -> bool;

    /// Called when the task closes.
    fn close(&mut self) {}
}

/// Makes a getter for every task (Java: `KTableValueGetterSupplier`).
pub(super) trait ValueGetterSupplier<K, V>: Send + Sync {
    /// A new getter.
    fn getter(&self) -> Box<dyn ValueGetter<K, V>>;

    /// The stores that it reads, which the node that uses it must be connected to.
    fn store_names(&self) -> Vec<Arc<str>>;
}

/// How others read the rows of a table.
pub(super) type View<K, V> = Arc<dyn ValueGetterSupplier<K, V>>;

/// Makes the view of a table for someone who needs its rows, which may give tables that it is made
/// from a store (Java: `KTableImpl.valueGetterSupplier`).
pub(super) type MakeView<K, V> = Rc<dyn Fn(&mut StreamsGraph) -> View<K, V>>;

/// The error of tables that have no former rows.
pub(super) fn not_versioned() -> ProcessorError {
    ProcessorError::new("former rows are kept by tables over versioned stores alone")
}

/// The rows of the store called `name` (Java: `KTableMaterializedValueGetterSupplier`,
/// `KTableSourceValueGetterSupplier`).
pub(super) struct StoreView {
    pub(super) name: Arc<str>,
}

impl StoreView {
    pub(super) fn of<K: 'static, V: 'static>(name: Arc<str>) -> View<K, V> {
        Arc::new(Self { name })
    }

    /// Of a table that always has this store.
    pub(super) fn always<K: 'static, V: 'static>(name: Arc<str>) -> MakeView<K, V> {
        Rc::new(move |_| Self::of(Arc::clone(&name)))
    }

    /// Of a table that has this store once someone needs it.
    pub(super) fn on_demand<K: 'static, V: 'static>(
        table: GraphNodeId,
        name: Arc<str>,
    ) -> MakeView<K, V> {
        Rc::new(move |graph| {
            graph.materialize(table);
            Self::of(Arc::clone(&name))
        })
    }
}

impl<K: 'static, V: 'static> ValueGetterSupplier<K, V> for StoreView {
    fn getter(&self) -> Box<dyn ValueGetter<K, V>> {
        Box::new(StoreGetter {
            name: Arc::clone(&self.name),
            rows: None,
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.name)]
    }
}

struct StoreGetter<K, V> {
    name: Arc<str>,
    rows: Option<StoredRows<K, V>>,
}

impl<K: 'static, V: 'static> StoreGetter<K, V> {
    fn rows(&self) -> Result<&StoredRows<K, V>, ProcessorError> {
        self.rows
            .as_ref()
            .ok_or_else(|| ProcessorError::new("a table is read before init"))
    }
}

impl<K: 'static, V: 'static> ValueGetter<K, V> for StoreGetter<K, V> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.rows = Some(StoredRows::open(task, node, &self.name)?);
        Ok(())
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V> {
        self.rows()?.get(task, key)
    }

    fn get_as_of(&mut self, task: &mut TaskContext, key: &K, timestamp: i64) -> Row<V> {
        self.rows()?.get_as_of(task, key, timestamp)
    }

    fn is_versioned(&self) -> bool {
        self.rows.as_ref().is_some_and(StoredRows::is_versioned)
    }
}

/// The rows of another table, changed or left out (Java: the views of `KTableFilter` and
/// `KTableMapValues`).
pub(super) struct DerivedView<K, V, F> {
    parent: View<K, V>,
    change: Arc<F>,
}

impl<K: 'static, V: 'static, F> DerivedView<K, V, F> {
    pub(super) fn make<V2>(parent: &MakeView<K, V>, change: Arc<F>) -> MakeView<K, V2>
    where
        F: Fn(&K, V) -> RowResult<V2> + Send + Sync + 'static,
    {
        let parent = Rc::clone(parent);
        Rc::new(move |graph| {
            let (parent, change) = (parent(graph), Arc::clone(&change));
            Arc::new(Self { parent, change })
        })
    }
}

impl<K, V, V2, F> ValueGetterSupplier<K, V2> for DerivedView<K, V, F>
where
    K: 'static,
    V: 'static,
    F: Fn(&K, V) -> RowResult<V2> + Send + Sync + 'static,
{
    fn getter(&self) -> Box<dyn ValueGetter<K, V2>> {
        Box::new(DerivedGetter {
            parent: self.parent.getter(),
            change: Arc::clone(&self.change),
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        self.parent.store_names()
    }
}

struct DerivedGetter<K, V, F> {
    parent: Box<dyn ValueGetter<K, V>>,
    change: Arc<F>,
}

impl<K, V, F> DerivedGetter<K, V, F> {
    fn changed<V2>(&self, key: &K, row: Option<ValueAndTimestamp<V>>) -> Row<V2>
    where
        F: Fn(&K, V) -> RowResult<V2>,
    {
        let Some(ValueAndTimestamp { value, timestamp }) = row else {
            return Ok(None);
        };
        let value = (self.change)(key, value)?;
        Ok(value.map(|value| ValueAndTimestamp::new(value, timestamp)))
    }
}

impl<K, V, V2, F> ValueGetter<K, V2> for DerivedGetter<K, V, F>
where
    F: Fn(&K, V) -> RowResult<V2>,
{
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.parent.init(task, node)
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V2> {
        let row = self.parent.get(task, key)?;
        self.changed(key, row)
    }

    fn get_as_of(&mut self, task: &mut TaskContext, key: &K, timestamp: i64) -> Row<V2> {
        let row = self.parent.get_as_of(task, key, timestamp)?;
        self.changed(key, row)
    }

    fn is_versioned(&self) -> bool {
        self.parent.is_versioned()
    }

    fn close(&mut self) {
        self.parent.close();
    }
}

/// Which rows a join has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinKind {
    /// Those with a row on both sides.
    Inner,
    /// Those with a row on the left side.
    Left,
    /// Those with a row on either side.
    Outer,
}

/// The rows of two tables, joined (Java: the views of `KTableKTableInnerJoin` and the like). Java
/// has no former rows of them even where both sides do (KIP-914).
pub(super) struct JoinedView<K, L, R, F> {
    left: View<K, L>,
    right: View<K, R>,
    join: Arc<F>,
    kind: JoinKind,
}

impl<K, L, R, F> JoinedView<K, L, R, F> {
    pub(super) const fn new(
        left: View<K, L>,
        right: View<K, R>,
        join: Arc<F>,
        kind: JoinKind,
    ) -> Self {
        Self {
            left,
            right,
            join,
            kind,
        }
    }
}

impl<K, L, R, V, F> ValueGetterSupplier<K, V> for JoinedView<K, L, R, F>
where
    K: 'static,
    L: 'static,
    R: 'static,
    V: 'static,
    F: Fn(Option<L>, Option<R>) -> RowResult<V> + Send + Sync + 'static,
{
    fn getter(&self) -> Box<dyn ValueGetter<K, V>> {
        Box::new(JoinedGetter {
            left: self.left.getter(),
            right: self.right.getter(),
            join: Arc::clone(&self.join),
            kind: self.kind,
            types: PhantomData,
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        let mut names = self.left.store_names();
        for name in self.right.store_names() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

struct JoinedGetter<K, L, R, V, F> {
    left: Box<dyn ValueGetter<K, L>>,
    right: Box<dyn ValueGetter<K, R>>,
    join: Arc<F>,
    kind: JoinKind,
    types: PhantomData<fn() -> V>,
}

impl<K, L, R, V, F> ValueGetter<K, V> for JoinedGetter<K, L, R, V, F>
where
    F: Fn(Option<L>, Option<R>) -> RowResult<V>,
{
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.left.init(task, node)?;
        self.right.init(task, node)
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V> {
        let left = self.left.get(task, key)?;
        if left.is_none() && self.kind != JoinKind::Outer {
            return Ok(None);
        }
        let right = self.right.get(task, key)?;
        if right.is_none() && (self.kind == JoinKind::Inner || left.is_none()) {
            return Ok(None);
        }
        let timestamps = [
            &left.as_ref().map(|row| row.timestamp),
            &right.as_ref().map(|row| row.timestamp),
        ];
        let timestamp = timestamps.into_iter().flatten().max().copied();
        let value = (self.join)(left.map(|row| row.value), right.map(|row| row.value))?;
        let row = value.zip(timestamp);
        Ok(row.map(|(value, timestamp)| ValueAndTimestamp::new(value, timestamp)))
    }

    fn get_as_of(&mut self, _: &mut TaskContext, _: &K, _: i64) -> Row<V> {
        Err(not_versioned())
    }

    fn is_versioned(&self) -> bool {
        false
    }

    fn close(&mut self) {
        self.left.close();
        self.right.close();
    }
}
