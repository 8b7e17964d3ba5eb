//! Joins of tables by their keys.

mod processors;

use std::rc::Rc;
use std::sync::Arc;

use self::processors::{JoinSide, JoinSideKind, MergeJoined};
use super::aggregate::store_builder;
use super::graph::{GraphNode, Rows, Writer};
use super::options::Materialized;
use super::outcome::{OptionalOutcome, RowResult};
use super::table::KTable;
use super::table_store::is_versioned;
use super::value_getter::{JoinKind, JoinedView, StoreView, View};
use crate::processor::Change;
use crate::serde::DefaultSerde;
use crate::state::StoreBuilder;

/// Joins of tables by their keys. Both tables need their rows, which puts tables of topics into
/// stores. A joiner that gives `None` leaves the row out.
impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// The rows that both tables have (Java: `join`).
    pub fn join<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(V, VO) -> R + Send + Sync + 'static,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = inner(join);
        self.joined(other, join, JoinKind::Inner, None)
    }

    /// The rows that both tables have, in a store of their own.
    pub fn join_materialized<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(V, VO) -> R + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = inner(join);
        let store = self.join_store(&materialized);
        self.joined(other, join, JoinKind::Inner, Some((store, materialized)))
    }

    /// The rows of this table, with those that the other one has (Java: `leftJoin`).
    pub fn left_join<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(V, Option<VO>) -> R + Send + Sync + 'static,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = left(join);
        self.joined(other, join, JoinKind::Left, None)
    }

    /// The rows of this table, with those that the other one has, in a store of their own.
    pub fn left_join_materialized<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(V, Option<VO>) -> R + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = left(join);
        let store = self.join_store(&materialized);
        self.joined(other, join, JoinKind::Left, Some((store, materialized)))
    }

    /// The rows that either table has (Java: `outerJoin`).
    pub fn outer_join<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(Option<V>, Option<VO>) -> R + Send + Sync + 'static,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = move |left, right| join(left, right).into_optional();
        self.joined(other, join, JoinKind::Outer, None)
    }

    /// The rows that either table has, in a store of their own.
    pub fn outer_join_materialized<VO, VR, R>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(Option<V>, Option<VO>) -> R + Send + Sync + 'static,
        materialized: Materialized<K, VR>,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<VR>,
    {
        let join = move |left, right| join(left, right).into_optional();
        let store = self.join_store(&materialized);
        self.joined(other, join, JoinKind::Outer, Some((store, materialized)))
    }

    /// The store of a join: Java draws a name for it where the user gave none.
    fn join_store<VR: DefaultSerde + 'static>(
        &self,
        materialized: &Materialized<K, VR>,
    ) -> Arc<dyn StoreBuilder> {
        let mut graph = self.builder().graph.borrow_mut();
        let name = graph.store_name(materialized, "KTABLE-MERGE-");
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(VR::default_serde);
        store_builder(
            name,
            (materialized.key_serde(&self.key_serde()), values),
            materialized,
        )
    }

    /// Java's `doJoin`.
    fn joined<VO, VR>(
        &self,
        other: &KTable<K, VO>,
        join: impl Fn(Option<V>, Option<VO>) -> RowResult<VR> + Send + Sync + 'static,
        kind: JoinKind,
        store: Option<(Arc<dyn StoreBuilder>, Materialized<K, VR>)>,
    ) -> KTable<K, VR>
    where
        VO: Clone + 'static,
        VR: Clone + 'static,
    {
        let other = other.within(self.builder());
        let mut graph = self.builder().graph.borrow_mut();
        let given = self.next_name();
        let name: Arc<str> = graph.name_or(given, "KTABLE-MERGE-").into();
        let sources = graph.copartition(self.sources(), &[other.sources()]);
        if kind != JoinKind::Inner {
            graph.send_old_values(self.node(), true);
        }
        if kind == JoinKind::Outer {
            graph.send_old_values(other.node(), true);
        }
        let (view, other_view) = (self.view(&mut graph), other.view(&mut graph));
        let suffixed = |suffix: &str| given.map(|name| format!("{name}-{suffix}"));
        let this_name = suffixed("join-this");
        let this_name = graph.name_or(this_name.as_deref(), "KTABLE-JOINTHIS-");
        let other_name = suffixed("join-other");
        let other_name = graph.name_or(other_name.as_deref(), "KTABLE-JOINOTHER-");
        let join = Arc::new(join);
        let (left, right) = (Arc::clone(&view), Arc::clone(&other_view));
        let joined = JoinedView::new(left, right, Arc::clone(&join), kind);
        let parents = [self.node(), other.node()].map(|node| Arc::clone(graph.name(node)));
        let (own, store_name) = (
            Arc::clone(&name),
            store
                .as_ref()
                .map(|(store, _)| Arc::<str>::from(store.name())),
        );
        let merged_into = store_name.clone();
        let node = GraphNode::new(name, move |writer| {
            let (this_kind, other_kind) = sides(kind);
            let swapped = Arc::clone(&join);
            let swapped = Arc::new(move |other, this| swapped(this, other));
            let this = Side::new(this_name, &parents[0], other_view, this_kind);
            let other = Side::new(other_name, &parents[1], view, other_kind);
            let sides = [this.write(writer, join), other.write(writer, swapped)];
            writer.add_processor(&own, &sides, move || {
                MergeJoined::<K, VR>::new(merged_into.clone())
            });
        });
        let rows = Rows::Joined(self.node(), other.node());
        let (store, materialized) = store.unzip();
        let is_versioned = store.as_deref().is_some_and(is_versioned);
        let node = node
            .with_stores(store)
            .with_rows(rows)
            .with_output_versioned(is_versioned);
        let node = graph.add(&[self.node()], node);
        graph.add_again(other.node(), node);
        drop(graph);
        let view: View<K, VR> = match store_name {
            Some(name) => StoreView::of(name),
            None => Arc::new(joined),
        };
        let keys = materialized.as_ref().and_then(|m| m.keys.clone());
        let keys = keys.unwrap_or_else(|| self.key_serde());
        let values = materialized.and_then(|m| m.values);
        let (builder, view) = (
            self.builder().clone(),
            Rc::new(move |_: &mut _| Arc::clone(&view)),
        );
        KTable::new(builder, node, sources, (keys, values), view)
    }
}

/// A joiner of rows that both tables have.
fn inner<V, VO, VR, R: OptionalOutcome<VR>>(
    join: impl Fn(V, VO) -> R,
) -> impl Fn(Option<V>, Option<VO>) -> RowResult<VR> {
    move |left, right| match left.zip(right) {
        Some((left, right)) => join(left, right).into_optional(),
        None => Ok(None),
    }
}

/// A joiner of rows that the left table has.
fn left<V, VO, VR, R: OptionalOutcome<VR>>(
    join: impl Fn(V, Option<VO>) -> R,
) -> impl Fn(Option<V>, Option<VO>) -> RowResult<VR> {
    move |left, right| match left {
        Some(left) => join(left, right).into_optional(),
        None => Ok(None),
    }
}

/// What each side of a join makes of its changes: of the left table, and of the right one.
const fn sides(kind: JoinKind) -> (JoinSideKind, JoinSideKind) {
    match kind {
        JoinKind::Inner => (JoinSideKind::Inner, JoinSideKind::Inner),
        JoinKind::Left => (JoinSideKind::Left, JoinSideKind::Right),
        JoinKind::Outer => (JoinSideKind::Outer, JoinSideKind::Outer),
    }
}

/// One side of a join that is not written yet.
struct Side<'a, K, VO> {
    name: String,
    parent: &'a str,
    other: View<K, VO>,
    kind: JoinSideKind,
}

impl<'a, K: Clone + 'static, VO: Clone + 'static> Side<'a, K, VO> {
    const fn new(name: String, parent: &'a str, other: View<K, VO>, kind: JoinSideKind) -> Self {
        Self {
            name,
            parent,
            other,
            kind,
        }
    }

    fn write<V, VR, F>(self, writer: &mut Writer<'_>, join: Arc<F>) -> usize
    where
        V: Clone + 'static,
        VR: Clone + 'static,
        F: Fn(Option<V>, Option<VO>) -> RowResult<VR> + Send + Sync + 'static,
    {
        let (other, kind) = (self.other, self.kind);
        let is_versioned = writer.is_versioned(self.parent);
        let stores = other.store_names();
        let parent: Vec<usize> = writer.node(self.parent).into_iter().collect();
        let node = writer.add_processor::<K, Change<V>, K, Change<VR>, _>(
            &self.name,
            &parent,
            move || JoinSide::new(&other, Arc::clone(&join), kind, is_versioned),
        );
        for store in stores {
            writer.connect(node, &store);
        }
        node
    }
}
