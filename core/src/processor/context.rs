//! What a processor sees of its task.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::node::Children;
use super::punctuation::{Cancellable, PunctuationType};
use super::task_context::TaskContext;
use super::{FixedKeyRecord, ProcessorError, Record};
use crate::config::StreamsConfig;
use crate::state::{StateStore, StoreName};
use crate::time::{StreamTime, WallClock};
use crate::types::{Headers, RecordContext, TaskId, TopicName};

/// The input record that is being processed, directly or not (Java: `RecordMetadata`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMetadata<'a> {
    /// Its topic; `None` below a punctuator.
    pub topic: Option<&'a TopicName>,
    /// Its partition; -1 below a punctuator.
    pub partition: i32,
    /// Its offset; -1 below a punctuator.
    pub offset: i64,
}

/// What any processor sees of its task (Java: `ProcessingContext`).
pub struct ProcessingContext<'a> {
    task: &'a mut TaskContext,
    node: usize,
}

/// What a processor sees of its task, and where it forwards to (Java: `ProcessorContext`).
pub struct ProcessorContext<'a, KOut, VOut> {
    processing: ProcessingContext<'a>,
    children: &'a Children<KOut, VOut>,
}

impl<'a, KOut, VOut> ProcessorContext<'a, KOut, VOut> {
    pub(super) const fn new(
        task: &'a mut TaskContext,
        node: usize,
        children: &'a Children<KOut, VOut>,
    ) -> Self {
        Self {
            processing: ProcessingContext { task, node },
            children,
        }
    }
}

impl<'a, KOut, VOut> Deref for ProcessorContext<'a, KOut, VOut> {
    type Target = ProcessingContext<'a>;

    fn deref(&self) -> &Self::Target {
        &self.processing
    }
}

impl<KOut, VOut> DerefMut for ProcessorContext<'_, KOut, VOut> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.processing
    }
}

/// What a processor that keeps keys sees of its task, and where it forwards to (Java:
/// `FixedKeyProcessorContext`).
pub struct FixedKeyProcessorContext<'a, K, VOut> {
    inner: ProcessorContext<'a, K, VOut>,
}

impl<'a, K, VOut> FixedKeyProcessorContext<'a, K, VOut> {
    pub(super) const fn new(
        task: &'a mut TaskContext,
        node: usize,
        children: &'a Children<K, VOut>,
    ) -> Self {
        Self {
            inner: ProcessorContext::new(task, node, children),
        }
    }
}

impl<'a, K, VOut> Deref for FixedKeyProcessorContext<'a, K, VOut> {
    type Target = ProcessingContext<'a>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<K, VOut> DerefMut for FixedKeyProcessorContext<'_, K, VOut> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl<'a> ProcessingContext<'a> {
    /// What code at `node` sees.
    pub(crate) const fn new(task: &'a mut TaskContext, node: usize) -> Self {
        Self { task, node }
    }
}

impl ProcessingContext<'_> {
    /// The task and the node, for operators of the library.
    pub(crate) const fn parts(&mut self) -> (&mut TaskContext, usize) {
        (self.task, self.node)
    }

    /// The task.
    pub fn task_id(&self) -> TaskId {
        self.task.id
    }

    /// `application.id`.
    pub fn application_id(&self) -> &str {
        self.task.config.application_id()
    }

    /// The configuration of the application (Java: `appConfigs`).
    pub fn config(&self) -> &StreamsConfig {
        &self.task.config
    }

    /// Where the input record came from; `None` before the first record or punctuation, and without
    /// a topic below a punctuator.
    pub fn record_metadata(&self) -> Option<RecordMetadata<'_>> {
        let RecordContext {
            topic,
            partition,
            offset,
            timestamp,
            ..
        } = &self.task.context;
        let any = topic.is_some() || *timestamp >= 0;
        any.then_some(RecordMetadata {
            topic: topic.as_ref(),
            partition: *partition,
            offset: *offset,
        })
    }

    /// The headers of the record; siblings see the same ones.
    pub fn headers(&self) -> &Headers {
        &self.task.context.headers
    }

    /// The headers of the record, to change them for everyone downstream. Processors that are beside
    /// this one, behind the same parent, share them too, unless this one keeps keys
    /// ([`FixedKeyProcessor`](crate::processor::FixedKeyProcessor)).
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.task.context.headers
    }

    /// The highest timestamp that the task has seen.
    pub fn current_stream_time(&self) -> StreamTime {
        self.task.stream_time
    }

    /// The wall clock when the task began to process this record, or to punctuate. What a commit
    /// flushes is seen at the time of the record before.
    pub fn current_system_time(&self) -> WallClock {
        self.task.system_time
    }

    /// Asks for a commit soon (Java: `ProcessorContext.commit`).
    pub fn commit(&mut self) {
        self.task.commit_requested = true;
    }

    /// Calls [`Processor::punctuate`](super::Processor::punctuate) every `interval` (Java:
    /// `ProcessorContext.schedule`).
    ///
    /// # Errors
    /// When `interval` is shorter than a millisecond.
    pub fn schedule(
        &mut self,
        interval: Duration,
        kind: PunctuationType,
    ) -> Result<Cancellable, ProcessorError> {
        let now = self.task.now.wall_clock.0;
        self.task
            .punctuators
            .schedule(self.node, None, interval, kind, now)
    }

    /// Like [`schedule`](Self::schedule), with calls at `start_ms` and whole intervals after it
    /// (KIP-1146).
    ///
    /// # Errors
    /// When `interval` is shorter than a millisecond or `start_ms` is negative.
    pub fn schedule_from(
        &mut self,
        start_ms: i64,
        interval: Duration,
        kind: PunctuationType,
    ) -> Result<Cancellable, ProcessorError> {
        let now = self.task.now.wall_clock.0;
        self.task
            .punctuators
            .schedule(self.node, Some(start_ms), interval, kind, now)
    }

    /// Stops a punctuator.
    pub fn cancel(&mut self, punctuator: Cancellable) {
        self.task.punctuators.cancel(punctuator);
    }

    /// Calls `access` with a store and the context that writes are made under, then forwards what
    /// the access evicted and logs what it wrote. `store` is a
    /// [`StoreHandle`](crate::state::StoreHandle), or a name with the type of the store. A global
    /// store is to be read only.
    ///
    /// # Errors
    /// When no store of that name and type is connected to this processor, or the store or a
    /// processor downstream fails.
    pub fn with_store<S: StateStore, R>(
        &mut self,
        store: &(impl StoreName<S> + ?Sized),
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        let store = self.task.connected_store(self.node, store.store_name())?;
        self.task.with_store(store, access)
    }
}

impl<KOut: Clone + 'static, VOut: Clone + 'static> ProcessorContext<'_, KOut, VOut> {
    /// Hands `record` to every child in order of connection, depth first. The children share the
    /// headers; what they do to them is not seen here, nor by records forwarded later.
    ///
    /// # Errors
    /// Whatever a processor downstream failed with; pass it on.
    #[inline(always)]
    pub fn forward(&mut self, record: Record<KOut, VOut>) -> Result<(), ProcessorError> {
        self.processing.task.forward_to_all(self.children, record)
    }

    /// [`forward`](Self::forward) of the record that came, without its headers being copied. For what
    /// Java has as a `Processor` that passes on: a `FixedKeyProcessor`, as its filter is, copies them.
    #[inline]
    pub(crate) fn pass(&mut self, record: Record<KOut, VOut>) -> Result<(), ProcessorError> {
        self.processing.task.pass_to_all(self.children, record)
    }

    /// Hands `record` to the child called `child` alone.
    ///
    /// # Errors
    /// When there is no such child, or whatever a processor downstream failed with.
    pub fn forward_to(
        &mut self,
        child: &str,
        record: Record<KOut, VOut>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = self.parts();
        task.forward_to(node, child, record)
    }

    /// Hands `record` to every child with other headers than those of the record that came (Java:
    /// `Record.withHeaders`).
    ///
    /// # Errors
    /// Whatever a processor downstream failed with.
    pub fn forward_with_headers(
        &mut self,
        record: Record<KOut, VOut>,
        headers: Headers,
    ) -> Result<(), ProcessorError> {
        let task = &mut *self.processing.task;
        let before = std::mem::replace(&mut task.context.headers, headers);
        let result = task.forward_to_all(self.children, record);
        task.context.headers = before;
        result
    }
}

impl<K: Clone + 'static, VOut: Clone + 'static> FixedKeyProcessorContext<'_, K, VOut> {
    /// Hands `record` to every child in order of connection, depth first.
    ///
    /// # Errors
    /// Whatever a processor downstream failed with; pass it on.
    pub fn forward(&mut self, record: FixedKeyRecord<K, VOut>) -> Result<(), ProcessorError> {
        self.inner.forward(record.into_record())
    }

    /// Hands `record` to the child called `child` alone.
    ///
    /// # Errors
    /// When there is no such child, or whatever a processor downstream failed with.
    pub fn forward_to(
        &mut self,
        child: &str,
        record: FixedKeyRecord<K, VOut>,
    ) -> Result<(), ProcessorError> {
        self.inner.forward_to(child, record.into_record())
    }

    /// Hands `record` to every child with headers of its own.
    ///
    /// # Errors
    /// Whatever a processor downstream failed with.
    pub fn forward_with_headers(
        &mut self,
        record: FixedKeyRecord<K, VOut>,
        headers: Headers,
    ) -> Result<(), ProcessorError> {
        self.inner
            .forward_with_headers(record.into_record(), headers)
    }
}
