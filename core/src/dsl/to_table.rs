//! From a stream to a table.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::builder::source_rows;
use super::graph::{GraphNode, SourceNodes};
use super::options::{Grouped, Materialized};
use super::repartition::write_repartition;
use super::row_serde::RowSerde;
use super::stream::KStream;
use super::table::KTable;
use super::table_operators::TableSource;
use super::value_getter::StoreView;
use crate::serde::{DefaultSerde, Serde, SerdeError, SerdeRef};

impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// The records as changes of a table: the latest value of each key, where null deletes (Java:
    /// `toTable`). A stream of `T` as well as one of `Option<T>` gives a table of `T`. It is kept in
    /// a store if `materialized` names one, or an operator needs it. Serdes are those of
    /// `materialized`, of the stream, or the types' own.
    pub fn to_table<T>(&self, materialized: Materialized<K, T>) -> KTable<K, T>
    where
        K: DefaultSerde,
        V: DefaultSerde + Nullable<T>,
        T: Clone + 'static,
    {
        let keys = self.key_serde().unwrap_or_else(K::default_serde);
        let values = self.value_serde().unwrap_or_else(V::default_serde);
        self.to_table_with(Grouped::with(keys, values), materialized)
    }

    /// The records as changes of a table, as [`to_table`](Self::to_table), with the serdes of
    /// `grouped` where `materialized` has none. Its name is that of the node, and of the repartition
    /// topic if keys changed before.
    pub fn to_table_with<T>(
        &self,
        grouped: Grouped<K, V>,
        materialized: Materialized<K, T>,
    ) -> KTable<K, T>
    where
        V: Nullable<T>,
        T: Clone + 'static,
    {
        let Grouped { name, keys, values } = grouped;
        let mut graph = self.builder().graph.borrow_mut();
        let graph = &mut *graph;
        let given = name.as_deref().or(self.next_name());
        let name = graph.name_or(given, "KSTREAM-TOTABLE-");
        let store = graph.store_name(&materialized, "KSTREAM-TOTABLE-");
        let keys = materialized.key_serde(&keys);
        let (values, moved) = match &materialized.values {
            Some(rows) => {
                let moved: SerdeRef<V> = Arc::new(StreamSerde(Arc::clone(rows)));
                (Arc::clone(rows), moved)
            }
            None => (RowSerde::of(&values), values),
        };
        let (parent, sources) = if self.repartition_required() {
            let names = graph.repartition_names(&name);
            let sources = Rc::new(SourceNodes::from([Arc::from(names.source.as_str())]));
            let serdes = (Arc::clone(&keys), moved);
            let node = graph.add_repartition(self.node(), &names, true, move |writer, names| {
                write_repartition(writer, names, serdes.clone());
            });
            (node, sources)
        } else {
            (self.node(), Rc::clone(self.sources()))
        };
        let rows = source_rows(&store, (&keys, &values), &materialized, None);
        let (supplied, supplied_keys) = (Arc::clone(&store), Arc::clone(&keys));
        let node = GraphNode::processor::<K, V, K, _, _>(name, move || {
            TableSource::<K, T>::new(Arc::clone(&supplied), Arc::clone(&supplied_keys))
        });
        let node = node
            .with_rows(rows)
            .with_output_versioned(materialized.is_versioned());
        let node = graph.add(&[parent], node);
        let view = StoreView::on_demand(node, store);
        KTable::new(
            self.builder().clone(),
            node,
            sources,
            (keys, Some(values)),
            view,
        )
    }
}

/// What a stream of `Self` is as a table of `T`: `Option<T>` has nulls, `T` has none.
pub trait Nullable<T>: Into<Option<T>> + From<T> {
    /// The value of a row; `None` is null.
    fn as_row(&self) -> Option<&T>;

    /// Null, if there is one.
    fn null() -> Option<Self>;
}

impl<T> Nullable<T> for T {
    fn as_row(&self) -> Option<&T> {
        Some(self)
    }

    fn null() -> Option<Self> {
        None
    }
}

impl<T> Nullable<T> for Option<T> {
    fn as_row(&self) -> Option<&T> {
        self.as_ref()
    }

    fn null() -> Option<Self> {
        Some(None)
    }
}

/// A stream's values by the serde of rows.
struct StreamSerde<T>(SerdeRef<T>);

impl<T, V: Nullable<T>> Serde<V> for StreamSerde<T> {
    fn serialize(&self, topic: &str, value: &V, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let row = value.as_row().ok_or(SerdeError::Null {
            serde: "the serde of a table's rows",
            expected: "a value, and found null",
        })?;
        self.0.serialize(topic, row, out)
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<V, SerdeError> {
        self.0.deserialize(topic, bytes).map(V::from)
    }

    fn is_null(&self, value: &V) -> bool {
        value.as_row().is_none_or(|row| self.0.is_null(row))
    }

    fn serialize_nullable(
        &self,
        topic: &str,
        value: &V,
        out: &mut Vec<u8>,
    ) -> Result<bool, SerdeError> {
        match value.as_row() {
            Some(row) => self.0.serialize_nullable(topic, row, out),
            None => Ok(false),
        }
    }

    fn deserialize_nullable(
        &self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<Option<V>, SerdeError> {
        match bytes {
            Some(bytes) => self.deserialize(topic, bytes).map(Some),
            None => Ok(V::null()),
        }
    }
}
