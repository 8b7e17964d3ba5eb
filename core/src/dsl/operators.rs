//! Processors of the stateless operators.

use std::sync::Arc;

use super::outcome::Outcome;
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};

pub(super) struct Filter<F>(pub(super) Arc<F>);

impl<F, R, K, V> Processor<K, V, K, V> for Filter<F>
where
    F: Fn(&K, &V) -> R,
    R: Outcome<bool>,
    K: Clone + 'static,
    V: Clone + 'static,
{
    #[inline]
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        match (self.0)(&record.key, &record.value).into_result()? {
            true => context.forward(record),
            false => Ok(()),
        }
    }
}

/// Values alone change, so records stay where they are.
pub(super) struct MapValues<F>(pub(super) Arc<F>);

impl<F, E, K, V, V2> Processor<K, V, K, V2> for MapValues<F>
where
    F: Fn(&K, V) -> Result<V2, E>,
    E: Into<ProcessorError>,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    #[inline]
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
        let value = (self.0)(&key, value).map_err(Into::into)?;
        context.forward(Record {
            key,
            value,
            timestamp,
        })
    }
}

pub(super) struct Map<F>(pub(super) Arc<F>);

impl<F, R, K, V, K2, V2> Processor<K, V, K2, V2> for Map<F>
where
    F: Fn(K, V) -> R,
    R: Outcome<(K2, V2)>,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    #[inline]
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let (key, value) = (self.0)(record.key, record.value).into_result()?;
        context.forward(Record {
            key,
            value,
            timestamp: record.timestamp,
        })
    }
}

pub(super) struct FlatMap<F>(pub(super) Arc<F>);

impl<F, I, E, K, V, K2, V2> Processor<K, V, K2, V2> for FlatMap<F>
where
    F: Fn(K, V) -> Result<I, E>,
    I: IntoIterator<Item = (K2, V2)>,
    E: Into<ProcessorError>,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    #[inline]
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V2>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        for (key, value) in (self.0)(record.key, record.value).map_err(Into::into)? {
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

impl<F, I, E, K, V, V2> Processor<K, V, K, V2> for FlatMapValues<F>
where
    F: Fn(&K, V) -> Result<I, E>,
    I: IntoIterator<Item = V2>,
    E: Into<ProcessorError>,
    K: Clone + 'static,
    V2: Clone + 'static,
{
    #[inline]
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
        for value in (self.0)(&key, value).map_err(Into::into)? {
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

impl<F, E, K, V, K2> Processor<K, V, K2, V> for SelectKey<F>
where
    F: Fn(&K, &V) -> Result<K2, E>,
    E: Into<ProcessorError>,
    K2: Clone + 'static,
    V: Clone + 'static,
{
    #[inline]
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K2, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let key = (self.0)(&record.key, &record.value).map_err(Into::into)?;
        context.forward(record.with_key(key))
    }
}

pub(super) struct Peek<F>(pub(super) Arc<F>);

impl<F, R, K, V> Processor<K, V, K, V> for Peek<F>
where
    F: Fn(&K, &V) -> R,
    R: Outcome<()>,
    K: Clone + 'static,
    V: Clone + 'static,
{
    #[inline]
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        (self.0)(&record.key, &record.value).into_result()?;
        context.forward(record)
    }
}

pub(super) struct ForEach<F>(pub(super) Arc<F>);

impl<F, R, K, V> Processor<K, V, (), ()> for ForEach<F>
where
    F: Fn(K, V) -> R,
    R: Outcome<()>,
{
    #[inline]
    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, (), ()>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        (self.0)(record.key, record.value).into_result()
    }
}

/// Passes on: merged streams, and the place where Java filters null keys before a repartition
/// topic (the sink behind it does that here, where it knows the key's bytes).
pub(super) struct Pass;

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, V, K, V> for Pass {
    #[inline]
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
    #[inline]
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
