//! Code of the user's around the processors of a topology (KIP-1112).

use std::any::Any;
use std::sync::Arc;

use super::node::{ErasedNode, Run, Running, Successor, TypedNode};
use super::punctuation::Cancellable;
use super::task_context::TaskContext;
use super::{ProcessingContext, ProcessorError, Record};
use crate::state::StoreBuilder;

/// Puts code around the processors of a topology, those of the DSL as well (KIP-1112; Java:
/// `ProcessorWrapper`, which `processor.wrapper.class` names there). It is given to
/// [`StreamsBuilder::with_processor_wrapper`](crate::dsl::StreamsBuilder::with_processor_wrapper) or
/// [`TopologyBuilder::with_processor_wrapper`](crate::topology::TopologyBuilder::with_processor_wrapper).
///
/// Java's wraps suppliers, whatever the types of their records. Here one trait is for processors of
/// all types, so it sees keys and values as [`Any`]: see [`WrappedRecord`]. Sources, sinks and the
/// processors that fill global stores are not wrapped, as in Java.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use eddyline_core::dsl::StreamsBuilder;
/// use eddyline_core::processor::{
///     ProcessingContext, ProcessorError, ProcessorWrapper, WrappedProcessor, WrappedRecord,
/// };
///
/// /// Counts what filters take.
/// struct CountFiltered(Arc<AtomicU64>);
///
/// impl ProcessorWrapper for CountFiltered {
///     fn wrap(&self, processor: &str) -> Option<Box<dyn WrappedProcessor>> {
///         let count = Count(Arc::clone(&self.0));
///         processor
///             .starts_with("KSTREAM-FILTER-")
///             .then(|| Box::new(count) as Box<dyn WrappedProcessor>)
///     }
/// }
///
/// struct Count(Arc<AtomicU64>);
///
/// impl WrappedProcessor for Count {
///     fn process(
///         &mut self,
///         context: &mut ProcessingContext<'_>,
///         record: WrappedRecord<'_>,
///     ) -> Result<(), ProcessorError> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         record.process(context)
///     }
/// }
///
/// let filtered = Arc::new(AtomicU64::new(0));
/// let builder = StreamsBuilder::new().with_processor_wrapper(CountFiltered(filtered));
/// builder.stream::<String, i64>("in").filter(|_, number| *number > 0).to("out");
/// assert!(builder.build().is_ok());
/// ```
pub trait ProcessorWrapper: Send + Sync {
    /// What is around the processor of this name in one task; `None` leaves it as it is.
    fn wrap(&self, processor: &str) -> Option<Box<dyn WrappedProcessor>>;

    /// Stores that the processor of this name is connected to beside its own, for what is around it
    /// (Java: `WrappedProcessorSupplier.stores`). Asked while the topology is built; a store that
    /// several processors use is the same `Arc` for each.
    fn stores(&self, processor: &str) -> Vec<Arc<dyn StoreBuilder>> {
        let _ = processor;
        Vec::new()
    }
}

/// Runs a processor's own code.
pub type Wrapped<'a> = &'a mut dyn FnMut(&mut ProcessingContext<'_>) -> Result<(), ProcessorError>;

/// Code around one processor; an instance belongs to one task. What a method does not hand on, the
/// processor does not see. An error is one of the processor, and goes to the processing exception
/// handler.
pub trait WrappedProcessor {
    /// Around the processor's `init`.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn init(
        &mut self,
        context: &mut ProcessingContext<'_>,
        wrapped: Wrapped<'_>,
    ) -> Result<(), ProcessorError> {
        wrapped(context)
    }

    /// Around the processor's `process`: [`WrappedRecord::process`] runs it.
    ///
    /// # Errors
    /// Whatever the record cannot be processed for.
    fn process(
        &mut self,
        context: &mut ProcessingContext<'_>,
        record: WrappedRecord<'_>,
    ) -> Result<(), ProcessorError> {
        record.process(context)
    }

    /// Around the processor's `punctuate`. Punctuators that were scheduled here come here too, and
    /// are not to be handed on.
    ///
    /// # Errors
    /// Whatever stops the task.
    fn punctuate(
        &mut self,
        context: &mut ProcessingContext<'_>,
        punctuator: Cancellable,
        timestamp: i64,
        wrapped: Wrapped<'_>,
    ) -> Result<(), ProcessorError> {
        let _ = (punctuator, timestamp);
        wrapped(context)
    }

    /// After the processor's `close`.
    fn close(&mut self) {}
}

/// A record on its way into a processor, whose types are not known here. Records of tables have
/// [`Change`](super::Change)s as their values.
pub struct WrappedRecord<'a>(&'a mut dyn AnyRecord);

impl WrappedRecord<'_> {
    /// The key, if it is a `K`.
    pub fn key<K: 'static>(&self) -> Option<&K> {
        self.0.key()?.downcast_ref()
    }

    /// The value, if it is a `V`.
    pub fn value<V: 'static>(&self) -> Option<&V> {
        self.0.value()?.downcast_ref()
    }

    /// The value, if it is a `V`, to change it.
    pub fn value_mut<V: 'static>(&mut self) -> Option<&mut V> {
        self.0.value_mut()?.downcast_mut()
    }

    /// The timestamp in milliseconds.
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp()
    }

    /// Hands the record to the processor.
    ///
    /// # Errors
    /// Whatever the processor fails with; pass it on.
    pub fn process(self, context: &mut ProcessingContext<'_>) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.0.process(task, node)
    }
}

trait AnyRecord {
    fn key(&self) -> Option<&dyn Any>;
    fn value(&self) -> Option<&dyn Any>;
    fn value_mut(&mut self) -> Option<&mut dyn Any>;
    fn timestamp(&self) -> i64;
    fn process(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;
}

/// A record and the processor that it is for.
struct Call<'a, K, V> {
    record: Option<Record<K, V>>,
    timestamp: i64,
    wrapped: &'a mut dyn Run<K, V>,
}

impl<K: 'static, V: 'static> AnyRecord for Call<'_, K, V> {
    fn key(&self) -> Option<&dyn Any> {
        Some(&self.record.as_ref()?.key)
    }

    fn value(&self) -> Option<&dyn Any> {
        Some(&self.record.as_ref()?.value)
    }

    fn value_mut(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.record.as_mut()?.value)
    }

    fn timestamp(&self) -> i64 {
        self.timestamp
    }

    fn process(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        match self.record.take() {
            Some(record) => self.wrapped.process(task, node, record),
            None => Ok(()),
        }
    }
}

/// A processor with what is around it.
struct WrappedNode<K, V> {
    wrapped: Running<K, V>,
    around: Box<dyn WrappedProcessor>,
}

pub(super) fn wrapped_node<K: 'static, V: 'static>(
    wrapped: Running<K, V>,
    around: Box<dyn WrappedProcessor>,
) -> Box<dyn ErasedNode> {
    TypedNode::<K, V>::erased(WrappedNode { wrapped, around })
}

impl<K: 'static, V: 'static> Run<K, V> for WrappedNode<K, V> {
    fn connect(&mut self, children: &[Successor<'_>]) {
        self.wrapped.borrow_mut().connect(children);
    }

    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        let mut context = ProcessingContext::new(task, node);
        self.around.init(&mut context, &mut |context| {
            let (task, node) = context.parts();
            self.wrapped.borrow_mut().init(task, node)
        })
    }

    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let mut call = Call {
            timestamp: record.timestamp,
            record: Some(record),
            wrapped: &mut *self.wrapped.borrow_mut(),
        };
        let mut context = ProcessingContext::new(task, node);
        self.around.process(&mut context, WrappedRecord(&mut call))
    }

    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let mut context = ProcessingContext::new(task, node);
        let wrapped: Wrapped<'_> = &mut |context| {
            let (task, node) = context.parts();
            let mut wrapped = self.wrapped.borrow_mut();
            wrapped.punctuate(task, node, punctuator, timestamp)
        };
        self.around
            .punctuate(&mut context, punctuator, timestamp, wrapped)
    }

    fn close(&mut self) {
        self.wrapped.borrow_mut().close();
        self.around.close();
    }
}
