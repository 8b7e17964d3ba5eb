//! [`KTable`]: the latest value of every key.

use std::marker::PhantomData;
use std::sync::Arc;

use super::aggregate::ForwardChange;
use super::builder::StreamsBuilder;
use super::operators::ToStream;
use super::stream::KStream;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};
use crate::serde::SerdeRef;
use crate::state::{StateError, TimestampedKeyValueStore, ValueAndTimestamp};

/// A table (Java: `KTable`). A handle: cloning it does not copy the table.
pub struct KTable<K, V> {
    builder: StreamsBuilder,
    node: usize,
    keys: Option<SerdeRef<K>>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    pub(super) const fn new(
        builder: StreamsBuilder,
        node: usize,
        keys: Option<SerdeRef<K>>,
    ) -> Self {
        Self {
            builder,
            node,
            keys,
            types: PhantomData,
        }
    }

    /// The changes of the table as records; `None` is a deleted row.
    pub fn to_stream(&self) -> KStream<K, Option<V>> {
        let mut shared = self.builder.shared.borrow_mut();
        let name = shared.new_name("KTABLE-TOSTREAM-");
        let node =
            shared.add_processor::<K, Change<V>, K, Option<V>, _>(&name, self.node, || ToStream);
        drop(shared);
        KStream::new(self.builder.clone(), node, false, self.keys.clone(), None)
    }
}

/// Keeps a topic's records as a table (Java: `KTableSource`).
pub(super) struct TableSource<K, V> {
    name: Arc<str>,
    store: usize,
    cached: bool,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> TableSource<K, V> {
    pub(super) const fn new(name: Arc<str>) -> Self {
        Self {
            name,
            store: 0,
            cached: false,
            types: PhantomData,
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, Option<V>, K, Change<V>>
    for TableSource<K, V>
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        self.cached = task.is_cached(self.store);
        task.set_forwarder(
            self.store,
            node,
            false,
            ForwardChange::<K, V>::new(self.store),
        );
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Change<V>>,
        record: Record<K, Option<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        let row = value.map(|value| ValueAndTimestamp::new(value, timestamp));
        let put = task
            .with_store::<TimestampedKeyValueStore<K, V>, _>(self.store, |store, context| {
                store.put(&key, row.as_ref(), context)
            })?;
        match put {
            Ok(()) if self.cached => Ok(()),
            Ok(()) => {
                let change = Change {
                    new: row.map(|row| row.value),
                    old: None,
                };
                task.forward(
                    node,
                    Record {
                        key,
                        value: change,
                        timestamp,
                    },
                )
            }
            Err(StateError::NullKey { .. }) => {
                task.drop_record("its key is null, which a table cannot hold");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
