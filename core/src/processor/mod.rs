//! Processors: what user code is, and how records move between nodes of one task.
//!
//! Records move depth first, by value, one type check per hop and no allocation; a child's state
//! change is visible when [`ProcessorContext::forward`] returns, as in Java.

mod context;
mod fixed_key;
mod global;
mod graph;
mod handling;
mod metadata;
mod node;
mod punctuation;
mod sink;
mod task_context;
mod timestamp;
mod wrapper;

use std::any::Any;
use std::error::Error;
use std::fmt;

use crate::error::StreamsError;

pub use context::{FixedKeyProcessorContext, ProcessingContext, ProcessorContext, RecordMetadata};
pub(crate) use fixed_key::FixedKeyNode;
pub use fixed_key::{FixedKeyProcessor, FixedKeyProcessorSupplier, FixedKeyRecord};
pub use global::GlobalStores;
pub(crate) use global::TASK as GLOBAL_TASK;
pub use graph::{Input, ProcessorGraph};
pub(crate) use metadata::ProcessorMetadata;
pub(crate) use node::{ErasedNode, ProcessorNode, SourceNode, SourceOptions};
pub use punctuation::{Cancellable, PunctuationType};
pub use sink::{
    ChoosePartitions, OutgoingRecord, Partitions, RecordOrigin, RecordSink, StreamPartitioner,
    TopicNameExtractor,
};
pub(crate) use sink::{SinkNode, SinkOptions, SinkTopic};
pub(crate) use task_context::{ForwardFlushed, TaskContext};
pub use timestamp::{
    ConsumerRecord, FailOnInvalidTimestamp, LogAndSkipOnInvalidTimestamp, TimestampExtractor,
    UsePartitionTimeOnInvalidTimestamp, WallclockTimestampExtractor,
};
pub use wrapper::{ProcessorWrapper, Wrapped, WrappedProcessor, WrappedRecord};

/// A record between two processors (Java: `api.Record`). Its headers are in the context, where
/// siblings share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// The timestamp in milliseconds.
    pub timestamp: i64,
}

impl<K, V> Record<K, V> {
    /// A record.
    pub const fn new(key: K, value: V, timestamp: i64) -> Self {
        Self {
            key,
            value,
            timestamp,
        }
    }

    /// The record with another key.
    pub fn with_key<K2>(self, key: K2) -> Record<K2, V> {
        Record {
            key,
            value: self.value,
            timestamp: self.timestamp,
        }
    }

    /// The record with another value.
    pub fn with_value<V2>(self, value: V2) -> Record<K, V2> {
        Record {
            key: self.key,
            value,
            timestamp: self.timestamp,
        }
    }
}

/// An update of a table (Java: `Change`): the value now and, where a child asked for it, before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<V> {
    /// The value now; `None` says that the row was deleted.
    pub new: Option<V>,
    /// The value before.
    pub old: Option<V>,
    /// False for a value that a versioned table took out of order: a newer one is there already
    /// (KIP-914).
    pub is_latest: bool,
}

impl<V> Change<V> {
    /// A change to the newest value.
    pub const fn new(new: Option<V>, old: Option<V>) -> Self {
        Self {
            new,
            old,
            is_latest: true,
        }
    }
}

/// User code that takes records (Java: `api.Processor`). One instance belongs to one task.
pub trait Processor<KIn, VIn, KOut, VOut> {
    /// Called once before the first record, after the stores are restored.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, KOut, VOut>,
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
        context: &mut ProcessorContext<'_, KOut, VOut>,
        record: Record<KIn, VIn>,
    ) -> Result<(), ProcessorError>;

    /// Called for a punctuator that [`schedule`](ProcessingContext::schedule) set up.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, KOut, VOut>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let _ = (context, punctuator, timestamp);
        Ok(())
    }

    /// Called when the task closes.
    fn close(&mut self) {}
}

impl<P, KIn, VIn, KOut, VOut> Processor<KIn, VIn, KOut, VOut> for Box<P>
where
    P: Processor<KIn, VIn, KOut, VOut> + ?Sized,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, KOut, VOut>,
    ) -> Result<(), ProcessorError> {
        (**self).init(context)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, KOut, VOut>,
        record: Record<KIn, VIn>,
    ) -> Result<(), ProcessorError> {
        (**self).process(context, record)
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, KOut, VOut>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        (**self).punctuate(context, punctuator, timestamp)
    }

    fn close(&mut self) {
        (**self).close();
    }
}

/// Makes a processor for every task (Java: `api.ProcessorSupplier`).
pub trait ProcessorSupplier<KIn, VIn, KOut, VOut>: Send + Sync {
    /// A new processor.
    fn processor(&self) -> Box<dyn Processor<KIn, VIn, KOut, VOut>>;
}

impl<F, P, KIn, VIn, KOut, VOut> ProcessorSupplier<KIn, VIn, KOut, VOut> for F
where
    F: Fn() -> P + Send + Sync,
    P: Processor<KIn, VIn, KOut, VOut> + 'static,
{
    fn processor(&self) -> Box<dyn Processor<KIn, VIn, KOut, VOut>> {
        Box::new(self())
    }
}

/// Why a processor failed: any error of the user's, or one of the library's further down. Boxed: every
/// hop of every record returns room for one.
#[derive(Clone)]
pub struct ProcessorError(pub(crate) Box<Failure>);

#[derive(Clone)]
pub(crate) enum Failure {
    /// Already says where it happened.
    Located(StreamsError),
    /// The user's words, and the type of the error that said them.
    User { kind: &'static str, message: String },
}

impl ProcessorError {
    /// A failure in plain words.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of_kind(std::any::type_name::<Self>(), message.into())
    }

    fn of_kind(kind: &'static str, message: String) -> Self {
        Self(Box::new(Failure::User { kind, message }))
    }

    pub(crate) fn located(error: StreamsError) -> Self {
        Self(Box::new(Failure::Located(error)))
    }
}

impl<E: Error + 'static> From<E> for ProcessorError {
    fn from(error: E) -> Self {
        let located = (&error as &dyn Any).downcast_ref::<StreamsError>().cloned();
        match located {
            Some(located) => Self::located(located),
            None => Self::of_kind(std::any::type_name::<E>(), error.to_string()),
        }
    }
}

impl fmt::Display for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Failure::Located(error) => error.fmt(f),
            Failure::User { message, .. } => f.write_str(message),
        }
    }
}

impl fmt::Debug for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Failure::Located(error) => error.fmt(f),
            Failure::User { message, .. } => f.write_str(message),
        }
    }
}
