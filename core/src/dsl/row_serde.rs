//! The serde of a table's rows, made from that of a stream's values.

use std::sync::Arc;

use bytes::Bytes;

use crate::serde::{Serde, SerdeError, SerdeRef};

/// Values of a stream that are there: rows of `A` where the stream has `A` or `Option<A>`.
pub(super) struct RowSerde<V> {
    values: SerdeRef<V>,
}

impl<V: 'static> RowSerde<V> {
    /// The serde of rows of `A` among values of `V`.
    pub(super) fn of<A: Clone>(values: &SerdeRef<V>) -> SerdeRef<A>
    where
        V: Into<Option<A>> + From<A>,
    {
        Arc::new(Self {
            values: Arc::clone(values),
        })
    }
}

impl<A: Clone, V: Into<Option<A>> + From<A>> Serde<A> for RowSerde<V> {
    fn serialize(&self, topic: &str, value: &A, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        self.values.serialize(topic, &V::from(value.clone()), out)
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<A, SerdeError> {
        there(self.values.deserialize(topic, bytes)?)
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<A, SerdeError> {
        there(self.values.deserialize_slice(topic, bytes)?)
    }
}

fn there<A, V: Into<Option<A>>>(value: V) -> Result<A, SerdeError> {
    value.into().ok_or(SerdeError::Null {
        serde: "the serde of the stream's values",
        expected: "bytes of a value that is there",
    })
}
