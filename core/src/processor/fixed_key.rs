//! Processors that keep the keys of their records, so that records stay where they are.

use super::context::FixedKeyProcessorContext;
use super::node::{Children, ErasedNode, Run, Successor, TypedNode};
use super::punctuation::Cancellable;
use super::task_context::TaskContext;
use super::{ProcessorError, Record};

/// A record whose key stays as it is (Java: `FixedKeyRecord`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedKeyRecord<K, V> {
    key: K,
    /// The value.
    pub value: V,
    /// The timestamp in milliseconds.
    pub timestamp: i64,
}

impl<K, V> FixedKeyRecord<K, V> {
    /// The key.
    pub const fn key(&self) -> &K {
        &self.key
    }

    /// The record with another value.
    pub fn with_value<V2>(self, value: V2) -> FixedKeyRecord<K, V2> {
        FixedKeyRecord {
            key: self.key,
            value,
            timestamp: self.timestamp,
        }
    }

    pub(super) fn into_record(self) -> Record<K, V> {
        Record::new(self.key, self.value, self.timestamp)
    }
}

/// User code that takes records and keeps their keys (Java: `api.FixedKeyProcessor`).
pub trait FixedKeyProcessor<K, VIn, VOut> {
    /// Called once before the first record, after the stores are restored.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn init(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, K, VOut>,
    ) -> Result<(), ProcessorError> {
        let _ = context;
        Ok(())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// Whatever the record cannot be processed for.
    fn process(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, K, VOut>,
        record: FixedKeyRecord<K, VIn>,
    ) -> Result<(), ProcessorError>;

    /// Called for a punctuator. It has no record, and so no key to forward under.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn punctuate(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, K, VOut>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let _ = (context, punctuator, timestamp);
        Ok(())
    }

    /// Called when the task closes.
    fn close(&mut self) {}
}

/// Makes a processor for every task (Java: `api.FixedKeyProcessorSupplier`).
pub trait FixedKeyProcessorSupplier<K, VIn, VOut>: Send + Sync {
    /// A new processor.
    fn processor(&self) -> Box<dyn FixedKeyProcessor<K, VIn, VOut>>;
}

impl<F, P, K, VIn, VOut> FixedKeyProcessorSupplier<K, VIn, VOut> for F
where
    F: Fn() -> P + Send + Sync,
    P: FixedKeyProcessor<K, VIn, VOut> + 'static,
{
    fn processor(&self) -> Box<dyn FixedKeyProcessor<K, VIn, VOut>> {
        Box::new(self())
    }
}

/// Such a processor in the graph.
pub(crate) struct FixedKeyNode<K, VIn, VOut> {
    processor: Box<dyn FixedKeyProcessor<K, VIn, VOut>>,
    children: Children<K, VOut>,
}

impl<K: 'static, VIn: 'static, VOut: 'static> FixedKeyNode<K, VIn, VOut> {
    pub(crate) fn erased(
        processor: Box<dyn FixedKeyProcessor<K, VIn, VOut>>,
    ) -> Box<dyn ErasedNode> {
        TypedNode::<K, VIn>::erased(Self {
            processor,
            children: Children::default(),
        })
    }
}

impl<K: 'static, VIn, VOut: 'static> Run<K, VIn> for FixedKeyNode<K, VIn, VOut> {
    fn connect(&mut self, children: &[Successor<'_>]) {
        self.children = Children::of(children);
    }

    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.processor.init(&mut FixedKeyProcessorContext::new(
            task,
            node,
            &self.children,
        ))
    }

    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, VIn>,
    ) -> Result<(), ProcessorError> {
        let record = FixedKeyRecord {
            key: record.key,
            value: record.value,
            timestamp: record.timestamp,
        };
        // The record has headers of its own: what is done to them is not seen by siblings.
        let headers = task.context.headers.clone();
        let mut context = FixedKeyProcessorContext::new(task, node, &self.children);
        let result = self.processor.process(&mut context, record);
        task.context.headers = headers;
        result
    }

    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let mut context = FixedKeyProcessorContext::new(task, node, &self.children);
        self.processor
            .punctuate(&mut context, punctuator, timestamp)
    }

    fn close(&mut self) {
        self.processor.close();
    }
}
