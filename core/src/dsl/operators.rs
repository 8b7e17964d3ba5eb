//! Processors of the stateless operators.

use std::sync::Arc;

use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};

/// Defines a processor around a shared user function.
macro_rules! operator {
    (
        $(#[$doc:meta])*
        $name:ident<$($type:ident),*>($function:ident: Fn($($argument:ty),*) $(-> $result:ty)?):
        ($key:ty, $value:ty) => ($key_out:ty, $value_out:ty),
        |$this:ident, $context:ident, $record:ident| $body:expr
    ) => {
        $(#[$doc])*
        pub(super) struct $name<F>(pub(super) Arc<F>);

        impl<F, $($type),*> Processor<$key, $value, $key_out, $value_out> for $name<F>
        where
            F: Fn($($argument),*) $(-> $result)?,
            $($type: Clone + 'static),*
        {
            fn process(
                &mut self,
                $context: &mut ProcessorContext<'_, $key_out, $value_out>,
                $record: Record<$key, $value>,
            ) -> Result<(), ProcessorError> {
                let $this = &self.0;
                $body
            }
        }
    };
}

operator! {
    Filter<K, V>(f: Fn(&K, &V) -> bool): (K, V) => (K, V),
    |keep, context, record| {
        if keep(&record.key, &record.value) { context.forward(record) } else { Ok(()) }
    }
}

/// Values alone change, so records stay where they are.
pub(super) struct MapValues<F>(pub(super) Arc<F>);

impl<F, K, V, V2> Processor<K, V, K, V2> for MapValues<F>
where
    F: Fn(V) -> V2,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        context.forward(Record {
            key,
            value: (self.0)(value),
            timestamp,
        })
    }
}

/// Like `MapValues`, and may fail.
pub(super) struct TryMapValues<F>(pub(super) Arc<F>);

impl<F, K, V, V2, E> Processor<K, V, K, V2> for TryMapValues<F>
where
    F: Fn(V) -> Result<V2, E>,
    E: Into<ProcessorError>,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        let value = (self.0)(value).map_err(Into::into)?;
        context.forward(Record {
            key,
            value,
            timestamp,
        })
    }
}

/// Like `MapValues`, and reads the key.
pub(super) struct MapValuesWithKey<F>(pub(super) Arc<F>);

impl<F, K, V, V2> Processor<K, V, K, V2> for MapValuesWithKey<F>
where
    F: Fn(&K, V) -> V2,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let value = (self.0)(&record.key, record.value);
        context.forward(Record {
            key: record.key,
            value,
            timestamp: record.timestamp,
        })
    }
}

pub(super) struct Map<F>(pub(super) Arc<F>);

impl<F, K, V, K2, V2> Processor<K, V, K2, V2> for Map<F>
where
    F: Fn(K, V) -> (K2, V2),
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let (key, value) = (self.0)(record.key, record.value);
        context.forward(Record {
            key,
            value,
            timestamp: record.timestamp,
        })
    }
}

pub(super) struct FlatMap<F>(pub(super) Arc<F>);

impl<F, I, K, V, K2, V2> Processor<K, V, K2, V2> for FlatMap<F>
where
    F: Fn(K, V) -> I,
    I: IntoIterator<Item = (K2, V2)>,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        for (key, value) in (self.0)(record.key, record.value) {
            context.forward(Record {
                key,
                value,
                timestamp: record.timestamp,
            })?;
        }
        Ok(())
    }
}

pub(super) struct FlatMapValues<F>(pub(super) Arc<F>);

impl<F, I, K, V, V2> Processor<K, V, K, V2> for FlatMapValues<F>
where
    F: Fn(V) -> I,
    I: IntoIterator<Item = V2>,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        for value in (self.0)(value) {
            context.forward(Record {
                key: key.clone(),
                value,
                timestamp,
            })?;
        }
        Ok(())
    }
}

pub(super) struct FlatMapValuesWithKey<F>(pub(super) Arc<F>);

impl<F, I, K, V, V2> Processor<K, V, K, V2> for FlatMapValuesWithKey<F>
where
    F: Fn(&K, V) -> I,
    I: IntoIterator<Item = V2>,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        for value in (self.0)(&key, value) {
            context.forward(Record {
                key: key.clone(),
                value,
                timestamp,
            })?;
        }
        Ok(())
    }
}

pub(super) struct SelectKey<F>(pub(super) Arc<F>);

impl<F, K, V, K2> Processor<K, V, K2, V> for SelectKey<F>
where
    F: Fn(&K, &V) -> K2,
    K2: Clone + 'static,
    V: Clone + 'static,
{
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let key = (self.0)(&record.key, &record.value);
        context.forward(record.with_key(key))
    }
}

operator! {
    Peek<K, V>(f: Fn(&K, &V)): (K, V) => (K, V),
    |look, context, record| {
        look(&record.key, &record.value);
        context.forward(record)
    }
}

pub(super) struct ForEach<F>(pub(super) Arc<F>);

impl<F: Fn(K, V), K, V> Processor<K, V, (), ()> for ForEach<F> {
    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, (), ()>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        (self.0)(record.key, record.value);
        Ok(())
    }
}

/// Passes on: merged streams, and the place where Java filters null keys before a repartition
/// topic (the sink behind it does that here, where it knows the key's bytes).
pub(super) struct Pass;

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, V, K, V> for Pass {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        context.pass(record)
    }
}

/// Turns changes of a table into records: the new value, `None` for a deleted row.
pub(super) struct ToStream;

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, Change<V>, K, Option<V>> for ToStream {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Option<V>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value,
            timestamp,
        } = record;
        context.forward(Record {
            key,
            value: value.new,
            timestamp,
        })
    }
}
