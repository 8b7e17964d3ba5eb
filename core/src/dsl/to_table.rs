//! From a stream to a table.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::builder::source_rows;
use super::graph::{GraphNode, SourceNodes};
use super::options::Materialized;
use super::repartition::write_repartition;
use super::stream::KStream;
use super::table::KTable;
use super::table_operators::TableSource;
use super::value_getter::StoreView;
use crate::serde::{DefaultSerde, Serde, SerdeError, SerdeRef};

impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// The records as changes of a table: the latest value of each key, where null deletes (Java:
    /// `toTable`). A stream of `T` as well as one of `Option<T>` gives a table of `T`. It is kept in
    /// a store if `materialized` names one, or an operator needs it.
    pub fn to_table<T>(&self, materialized: Materialized<K, T>) -> KTable<K, T>
    where
        K: DefaultSerde,
        V: DefaultSerde + Nullable<T>,
        T: DefaultSerde + Clone + 'static,
    {
        let mut graph = self.builder().graph.borrow_mut();
        let graph = &mut *graph;
        let name = graph.name_or(self.next_name(), "KSTREAM-TOTABLE-");
        let store = graph.store_name(&materialized, "KSTREAM-TOTABLE-");
        let keys = self.key_serde().unwrap_or_else(K::default_serde);
        let keys = materialized.key_serde(&keys);
        let inherited = self.value_serde();
        let inherited = inherited.map(|values| -> SerdeRef<T> { Arc::new(RowSerde(values)) });
        let values = materialized.values.clone().or(inherited);
        let values = values.unwrap_or_else(T::default_serde);
        let (parent, sources) = if self.repartition_required() {
            let names = graph.repartition_names(&name);
            let sources = Rc::new(SourceNodes::from([Arc::from(names.source.as_str())]));
            let given = materialized.values.clone();
            let given = given.map(|rows| -> SerdeRef<V> { Arc::new(StreamSerde(rows)) });
            let moved = given.or_else(|| self.value_serde());
            let serdes = (Arc::clone(&keys), moved.unwrap_or_else(V::default_serde));
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
pub trait Nullable<T>: Sized {
    /// The value of a row; `None` is null, which deletes it.
    fn into_row(self) -> Option<T>;

    /// The value of a row, lent.
    fn as_row(&self) -> Option<&T>;

    /// The value of a stream; `None` where it has no null.
    fn from_row(row: Option<T>) -> Option<Self>;
}

impl<T> Nullable<T> for T {
    fn into_row(self) -> Option<T> {
        Some(self)
    }

    fn as_row(&self) -> Option<&T> {
        Some(self)
    }

    fn from_row(row: Option<T>) -> Option<Self> {
        row
    }
}

impl<T> Nullable<T> for Option<T> {
    fn into_row(self) -> Option<T> {
        self
    }

    fn as_row(&self) -> Option<&T> {
        self.as_ref()
    }

    fn from_row(row: Option<T>) -> Option<Self> {
        Some(row)
    }
}

/// Rows by the serde of a stream.
struct RowSerde<V>(SerdeRef<V>);

const NO_NULL: SerdeError = SerdeError::Null {
    serde: "RowSerde",
    expected: "a value, which every row has",
};

impl<T: Clone, V: Nullable<T>> Serde<T> for RowSerde<V> {
    fn serialize(&self, topic: &str, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let value = V::from_row(Some(value.clone())).ok_or(NO_NULL)?;
        self.0.serialize(topic, &value, out)
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<T, SerdeError> {
        let value = self.0.deserialize(topic, bytes)?;
        value.into_row().ok_or(NO_NULL)
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        let value = self.0.deserialize_slice(topic, bytes)?;
        value.into_row().ok_or(NO_NULL)
    }
}

/// A stream's values by the serde of rows.
struct StreamSerde<T>(SerdeRef<T>);

impl<T, V: Nullable<T>> Serde<V> for StreamSerde<T> {
    fn serialize(&self, topic: &str, value: &V, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        self.0.serialize(topic, value.as_row().ok_or(NO_NULL)?, out)
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<V, SerdeError> {
        let row = self.0.deserialize(topic, bytes)?;
        V::from_row(Some(row)).ok_or(NO_NULL)
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
            None => Ok(V::from_row(None)),
        }
    }
}
