//! The nodes of a running task: typed inside, erased in their slots.

use std::any::Any;
use std::sync::Arc;

use super::graph::TaskContext;
use super::punctuation::Cancellable;
use super::sink::OutgoingRecord;
use super::{Processor, ProcessorContext, ProcessorError, Record};
use crate::error::StreamsError;
use crate::serde::SerdeRef;
use crate::topology::NodeFactory;
use crate::types::TopicName;
use crate::wire;

/// A node as its slot holds it.
pub(crate) trait ErasedNode {
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError>;
    fn close(&mut self);
    /// Source nodes alone take records from outside.
    fn as_source(&mut self) -> Option<&mut dyn TakeSource> {
        None
    }
}

/// A fetched record with the timestamp that was extracted from it.
pub(crate) struct SourceRecord {
    pub(crate) record: wire::Record,
    pub(crate) timestamp: i64,
}

pub(crate) trait TakeSource {
    fn take(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        topic: &TopicName,
        record: SourceRecord,
    ) -> Result<(), ProcessorError>;
}

/// A node that takes records of one type.
pub(super) trait Run<K, V> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;
    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError>;
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError>;
    fn close(&mut self);
}

/// What a parent's forward finds by one type check.
pub(crate) struct TypedNode<K, V>(Box<dyn Run<K, V>>);

impl<K: 'static, V: 'static> TypedNode<K, V> {
    pub(super) fn erased(node: impl Run<K, V> + 'static) -> Box<dyn ErasedNode> {
        Box::new(Self(Box::new(node)))
    }

    pub(super) fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        self.0.process(task, node, record)
    }
}

impl<K: 'static, V: 'static> ErasedNode for TypedNode<K, V> {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.0.init(task, node)
    }
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.0.punctuate(task, node, punctuator, timestamp)
    }
    fn close(&mut self) {
        self.0.close();
    }
}

/// A processor in the graph.
pub(crate) struct ProcessorNode<KIn, VIn, KOut, VOut> {
    processor: Box<dyn Processor<KIn, VIn, KOut, VOut>>,
}

impl<KIn, VIn, KOut, VOut> ProcessorNode<KIn, VIn, KOut, VOut>
where
    KIn: 'static,
    VIn: 'static,
    KOut: 'static,
    VOut: 'static,
{
    pub(crate) fn erased(
        processor: Box<dyn Processor<KIn, VIn, KOut, VOut>>,
    ) -> Box<dyn ErasedNode> {
        TypedNode::<KIn, VIn>::erased(Self { processor })
    }
}

impl<KIn, VIn, KOut, VOut> Run<KIn, VIn> for ProcessorNode<KIn, VIn, KOut, VOut> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.processor.init(&mut ProcessorContext::new(task, node))
    }
    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<KIn, VIn>,
    ) -> Result<(), ProcessorError> {
        self.processor
            .process(&mut ProcessorContext::new(task, node), record)
    }
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.processor.punctuate(
            &mut ProcessorContext::new(task, node),
            punctuator,
            timestamp,
        )
    }
    fn close(&mut self) {
        self.processor.close();
    }
}

/// A sink: serialises and hands over.
pub(crate) struct SinkNode<K, V> {
    topic: TopicName,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    /// Repartition topics take no null keys.
    drop_null_keys: bool,
}

impl<K: 'static, V: 'static> SinkNode<K, V> {
    /// Makes sinks; those of repartition topics drop null keys, which would have no partition.
    pub(crate) fn factory(
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
        drop_null_keys: bool,
    ) -> NodeFactory {
        Arc::new(move |topic| {
            TypedNode::<K, V>::erased(Self {
                // The topology gives every sink its topic.
                topic: topic.unwrap_or_else(|| "".into()),
                keys: Arc::clone(&keys),
                values: Arc::clone(&values),
                drop_null_keys,
            })
        })
    }
}

impl<K, V> Run<K, V> for SinkNode<K, V> {
    fn init(&mut self, _: &mut TaskContext, _: usize) -> Result<(), ProcessorError> {
        Ok(())
    }
    fn process(
        &mut self,
        task: &mut TaskContext,
        _: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let topic = self.topic.as_str();
        let scratch = &mut task.scratch;
        scratch.clear();
        let key = self.keys.serialize_nullable(topic, &record.key, scratch)?;
        if !key && self.drop_null_keys {
            task.drop_record("its key is null, which cannot be grouped by");
            return Ok(());
        }
        let key_end = scratch.len();
        let value = self
            .values
            .serialize_nullable(topic, &record.value, scratch)?;
        if record.timestamp < 0 {
            let message = format!(
                "a record for topic {topic} has the timestamp {}: only 0 and later can be written",
                record.timestamp
            );
            return Err(ProcessorError::new(message));
        }
        task.sink.borrow_mut().send(OutgoingRecord {
            topic: &self.topic,
            partition: None,
            key: key.then_some(&scratch[..key_end]),
            value: value.then_some(&scratch[key_end..]),
            timestamp: record.timestamp,
            headers: &task.context.headers,
        })?;
        Ok(())
    }
    fn punctuate(
        &mut self,
        _: &mut TaskContext,
        _: usize,
        _: Cancellable,
        _: i64,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }
    fn close(&mut self) {}
}

/// A source: deserialises and forwards. A null that the type does not have drops the record, and
/// counts it: `Option<T>` takes nulls.
pub(crate) struct SourceNode<K, V> {
    pub(crate) keys: SerdeRef<K>,
    pub(crate) values: SerdeRef<V>,
}

impl<K: Clone + 'static, V: Clone + 'static> ErasedNode for SourceNode<K, V> {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn init(&mut self, _: &mut TaskContext, _: usize) -> Result<(), ProcessorError> {
        Ok(())
    }
    fn punctuate(
        &mut self,
        _: &mut TaskContext,
        _: usize,
        _: Cancellable,
        _: i64,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }
    fn close(&mut self) {}
    fn as_source(&mut self) -> Option<&mut dyn TakeSource> {
        Some(self)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> TakeSource for SourceNode<K, V> {
    fn take(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        topic: &TopicName,
        SourceRecord { record, timestamp }: SourceRecord,
    ) -> Result<(), ProcessorError> {
        let unreadable = |part: &str, error: crate::serde::SerdeError| {
            let input = task.input().unwrap_or_else(|| {
                (
                    crate::types::TopicPartition {
                        topic: topic.clone(),
                        partition: -1,
                    },
                    -1,
                )
            });
            StreamsError::Deserialization {
                task: task.id,
                input,
                message: format!("its {part}: {error}"),
            }
        };
        let key = self
            .keys
            .deserialize_nullable(topic.as_str(), record.key.as_ref());
        let key = key.map_err(|error| unreadable("key", error))?;
        let value = self
            .values
            .deserialize_nullable(topic.as_str(), record.value.as_ref());
        let value = value.map_err(|error| unreadable("value", error))?;
        let (Some(key), Some(value)) = (key, value) else {
            task.drop_record("its key or value is null, which the stream's type does not have");
            return Ok(());
        };
        task.forward(
            node,
            Record {
                key,
                value,
                timestamp,
            },
        )
    }
}
