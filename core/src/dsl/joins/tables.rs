//! The calls that join a stream with a table.

use std::sync::Arc;

use super::super::graph::{GraphNode, Writer};
use super::super::outcome::Outcome;
use super::super::stream::KStream;
use super::super::table::KTable;
use super::stream_table::{SameKey, StreamTableJoin, StreamTableJoinProcessor};
use super::windows::millis;
use super::{Joined, Joiner, inner, left};
use crate::serde::DefaultSerde;
use crate::state::{StoreBuilder, TimeOrderedKeyValueBuffer};
use crate::topology::TopologyError;

/// Joins with a table.
///
/// Every record joins the row of its key: as it is when the record is processed or, where the table
/// is kept in a versioned store, as it was at the time of the record. Changes of the table give no
/// results. Records with a null value do not take part, nor do those with a null key but on the
/// outer side of a left join (KIP-962).
impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// Every record that has a row, as `joiner` combines it with that.
    ///
    /// ```
    /// use eddyline_core::dsl::{Materialized, StreamsBuilder};
    ///
    /// let builder = StreamsBuilder::new();
    /// let cities = builder.table::<String, String>("cities", Materialized::as_store("cities"));
    /// builder
    ///     .stream::<String, i64>("orders")
    ///     .join_table(&cities, |cents, city| format!("{cents} from {city}"))
    ///     .to("by-city");
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn join_table<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(V, TV) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_table_with_key(table, move |_, value, row| joiner(value, row))
    }

    /// [`join_table`](Self::join_table) with a joiner that sees the key.
    pub fn join_table_with_key<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(&K, V, TV) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_table_with(table, joiner, self.joined_with_table())
    }

    /// [`join_table_with_key`](Self::join_table_with_key) that is told a name, serdes and a grace
    /// period.
    pub fn join_table_with<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(&K, V, TV) -> R + Send + Sync + 'static,
        joined: Joined<K, V>,
    ) -> KStream<K, VR>
    where
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.with_table(table, false, inner(joiner), joined)
    }

    /// Every record, with its row if it has one.
    pub fn left_join_table<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(V, Option<TV>) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_table_with_key(table, move |_, value, row| joiner(value, row))
    }

    /// [`left_join_table`](Self::left_join_table) with a joiner that sees the key.
    pub fn left_join_table_with_key<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(&K, V, Option<TV>) -> R + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_table_with(table, joiner, self.joined_with_table())
    }

    /// [`left_join_table_with_key`](Self::left_join_table_with_key) that is told a name, serdes and
    /// a grace period.
    pub fn left_join_table_with<TV, VR, R>(
        &self,
        table: &KTable<K, TV>,
        joiner: impl Fn(&K, V, Option<TV>) -> R + Send + Sync + 'static,
        joined: Joined<K, V>,
    ) -> KStream<K, VR>
    where
        TV: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.with_table(table, true, left(joiner), joined)
    }

    /// With the serdes of the stream, the types' own where they were not told.
    pub(super) fn joined_with_table(&self) -> Joined<K, V>
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Joined::with(
            self.key_serde().unwrap_or_else(K::default_serde),
            self.value_serde().unwrap_or_else(V::default_serde),
        )
    }

    /// Java's `KStreamImpl.doStreamTableJoin`.
    fn with_table<TV, J>(
        &self,
        table: &KTable<K, TV>,
        is_left: bool,
        joiner: J,
        joined: Joined<K, V>,
    ) -> KStream<K, J::Joined>
    where
        TV: Clone + 'static,
        J: Joiner<K, V, TV>,
    {
        let given = joined.name.clone();
        let given = given.or_else(|| self.next_name().map(str::to_owned));
        let (keys, values) = (Arc::clone(&joined.keys), Arc::clone(&joined.values));
        let stream = self.moved_for_join(given.as_deref(), "", (keys, values));
        let table = table.within(self.builder());
        let mut graph = self.builder().graph.borrow_mut();
        let sources = graph.copartition(stream.sources(), &[table.sources()]);
        let prefix = match is_left {
            true => "KSTREAM-LEFTJOIN-",
            false => "KSTREAM-JOIN-",
        };
        let name: Arc<str> = graph.name_or(given.as_deref(), prefix).into();
        let grace_ms = joined.grace_period.map(millis);
        if grace_ms.is_some() && graph.output_versioned(table.node()) == Some(false) {
            graph.fail(not_versioned(&name));
        }
        let buffer: Option<Arc<dyn StoreBuilder>> = grace_ms.map(|grace_ms| {
            let (keys, values) = (Arc::clone(&joined.keys), Arc::clone(&joined.values));
            let name = format!("{name}-Buffer");
            let builder = TimeOrderedKeyValueBuffer::builder(name, keys, values, grace_ms);
            Arc::new(builder) as Arc<dyn StoreBuilder>
        });
        let view = table.view(&mut graph);
        let store_names = view.store_names();
        let join = Arc::new(StreamTableJoin {
            view,
            table_keys: table.key_serde(),
            values: joined.values,
            row_of: SameKey,
            joiner,
            is_left,
            buffer: buffer.as_ref().map(|buffer| Arc::from(buffer.name())),
        });
        let (own, read) = (Arc::clone(&name), store_names.clone());
        let node = GraphNode::new(name, move |writer| {
            let parents = writer.parents().to_vec();
            writer.add_processor::<K, V, K, J::Joined, _>(&own, &parents, move || {
                StreamTableJoinProcessor::new(Arc::clone(&join))
            });
            if let Some(grace_ms) = grace_ms {
                check_versions(writer, &own, &read, grace_ms);
            }
        });
        let node = node.with_stores(buffer).connected_to(store_names);
        let node = match is_left {
            true => node.with_relaxed_null_keys(),
            false => node,
        };
        let node = graph.add(&[stream.node()], node);
        drop(graph);
        KStream::new(self.builder().clone(), node, sources, false)
            .with_serdes(Some(joined.keys), None)
    }
}

/// A grace period needs the versions of as long a time.
fn check_versions(writer: &mut Writer<'_>, join: &str, stores: &[Arc<str>], grace_ms: i64) {
    for store in stores {
        let retention_ms = writer.topology().history_retention_ms(store);
        let error = match retention_ms {
            None => not_versioned(join),
            Some(retention_ms) if retention_ms < grace_ms => TopologyError::InvalidJoin {
                join: join.to_owned(),
                message: format!(
                    "the table's store {store} has a history retention of {retention_ms} ms, \
                     which must be at least the grace period of {grace_ms} ms"
                ),
            },
            Some(_) => continue,
        };
        writer.topology().fail(error);
    }
}

fn not_versioned(join: &str) -> TopologyError {
    TopologyError::InvalidJoin {
        join: join.to_owned(),
        message: "a grace period needs a table in a versioned store: give the table one, or leave \
                  the grace period out"
            .to_owned(),
    }
}
