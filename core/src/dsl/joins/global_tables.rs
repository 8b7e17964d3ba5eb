//! The calls that join a stream with a global table.

use std::rc::Rc;
use std::sync::Arc;

use super::super::global_table::GlobalKTable;
use super::super::graph::GraphNode;
use super::super::outcome::Outcome;
use super::super::stream::KStream;
use super::stream_table::{Selected, StreamTableJoin, StreamTableJoinProcessor};
use super::{Joined, Joiner, inner, left};
use crate::serde::DefaultSerde;

/// Joins with a global table.
///
/// Every record joins the row of the key that `select` makes of it, as that row is when the record
/// is processed, and keeps its own key: records stay in their partitions. Changes of the table give
/// no results. Records with a null value do not take part, nor do those of which `select` makes a
/// null key but in a left join (KIP-962).
///
/// A grace period is not looked at.
impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// Every record that has a row, as `joiner` combines it with that.
    ///
    /// ```
    /// use eddyline_core::dsl::{Materialized, StreamsBuilder};
    ///
    /// let builder = StreamsBuilder::new();
    /// let countries = builder.global_table::<String, String>("countries", Materialized::default());
    /// builder
    ///     .stream::<Option<String>, String>("addresses")
    ///     .join_global_table(
    ///         &countries,
    ///         |_, address| address.rsplit(' ').next().unwrap_or_default().to_owned(),
    ///         |address, country| format!("{address} in {country}"),
    ///     )
    ///     .to("labels");
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn join_global_table<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(V, GV) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_global_table_with_key(table, select, move |_, value, row| joiner(value, row))
    }

    /// [`join_global_table`](Self::join_global_table) with a joiner that sees the record's key.
    pub fn join_global_table_with_key<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, V, GV) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_global_table_with(table, select, joiner, self.joined_with_table())
    }

    /// [`join_global_table_with_key`](Self::join_global_table_with_key) that is told a name and
    /// serdes.
    pub fn join_global_table_with<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, V, GV) -> R + Send + Sync + 'static,
        joined: Joined<K, V>,
    ) -> KStream<K, VR>
    where
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.with_global_table(table, false, select, inner(joiner), joined)
    }

    /// Every record, with its row if it has one.
    pub fn left_join_global_table<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(V, Option<GV>) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_global_table_with_key(table, select, move |_, value, row| joiner(value, row))
    }

    /// [`left_join_global_table`](Self::left_join_global_table) with a joiner that sees the
    /// record's key.
    pub fn left_join_global_table_with_key<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, V, Option<GV>) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_global_table_with(table, select, joiner, self.joined_with_table())
    }

    /// [`left_join_global_table_with_key`](Self::left_join_global_table_with_key) that is told a
    /// name and serdes.
    pub fn left_join_global_table_with<GK, GV, S, VR, R>(
        &self,
        table: &GlobalKTable<GK, GV>,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, V, Option<GV>) -> R + Send + Sync + 'static,
        joined: Joined<K, V>,
    ) -> KStream<K, VR>
    where
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.with_global_table(table, true, select, left(joiner), joined)
    }

    /// Java's `KStreamImpl.doGlobalTableJoin`.
    fn with_global_table<GK, GV, S, J>(
        &self,
        table: &GlobalKTable<GK, GV>,
        is_left: bool,
        select: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: J,
        joined: Joined<K, V>,
    ) -> KStream<K, J::Joined>
    where
        GK: 'static,
        GV: 'static,
        S: Outcome<GK>,
        J: Joiner<K, V, GV>,
    {
        let mut graph = self.builder().graph.borrow_mut();
        let given = joined.name.as_deref().or(self.next_name());
        // Java calls inner joins so too.
        let name = graph.name_or(given, "KSTREAM-LEFTJOIN-");
        let join = Arc::new(StreamTableJoin {
            view: table.view(),
            table_keys: table.key_serde(),
            values: joined.values,
            row_of: Selected(move |key: &K, value: &V| select(key, value).into_result()),
            joiner,
            is_left,
            buffer: None,
        });
        let node = GraphNode::processor::<K, V, K, J::Joined, _>(name, move || {
            StreamTableJoinProcessor::new(Arc::clone(&join))
        });
        let node = match is_left {
            true => node.with_relaxed_null_keys(),
            false => node,
        };
        let node = graph.add(&[self.node()], node);
        drop(graph);
        let (builder, sources) = (self.builder().clone(), Rc::clone(self.sources()));
        KStream::new(builder, node, sources, self.repartition_required())
            .with_serdes(Some(joined.keys), None)
    }
}
