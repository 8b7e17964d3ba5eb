//! What a processor sees of its task.

use std::marker::PhantomData;
use std::time::Duration;

use super::graph::TaskContext;
use super::punctuation::{Cancellable, PunctuationType};
use super::{ProcessorError, Record};
use crate::state::StateStore;
use crate::time::{StreamTime, WallClock};
use crate::types::{Headers, RecordContext, TaskId, TopicName};

/// The input record that is being processed, directly or not (Java: `RecordMetadata`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMetadata<'a> {
    /// Its topic.
    pub topic: &'a TopicName,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What a processor sees of its task, and where it forwards to (Java: `ProcessorContext`).
pub struct ProcessorContext<'a, KOut, VOut> {
    pub(super) task: &'a mut TaskContext,
    pub(super) node: usize,
    out: PhantomData<fn(KOut, VOut)>,
}

impl<'a, KOut, VOut> ProcessorContext<'a, KOut, VOut> {
    pub(super) const fn new(task: &'a mut TaskContext, node: usize) -> Self {
        Self {
            task,
            node,
            out: PhantomData,
        }
    }

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
        &self.task.application_id
    }

    /// Where the input record came from; `None` inside a punctuator.
    pub fn record_metadata(&self) -> Option<RecordMetadata<'_>> {
        let RecordContext {
            topic,
            partition,
            offset,
            ..
        } = &self.task.context;
        topic.as_ref().map(|topic| RecordMetadata {
            topic,
            partition: *partition,
            offset: *offset,
        })
    }

    /// The headers of the record; siblings see the same ones.
    pub fn headers(&self) -> &Headers {
        &self.task.context.headers
    }

    /// The headers of the record, to change them for everyone downstream.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.task.context.headers
    }

    /// The highest timestamp that the task has seen.
    pub fn current_stream_time(&self) -> StreamTime {
        self.task.stream_time
    }

    /// The wall clock as the driver gave it for this step.
    pub fn current_system_time(&self) -> WallClock {
        self.task.now.wall_clock
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
            .schedule(self.node, interval, kind, now)
    }

    /// Stops a punctuator.
    pub fn cancel(&mut self, punctuator: Cancellable) {
        self.task.punctuators.cancel(punctuator);
    }

    /// Calls `access` with the store called `name` and the context that writes are made under, then
    /// forwards what the access evicted and logs what it wrote.
    ///
    /// # Errors
    /// When no store of that name and type is connected to this processor, or the store or a
    /// processor downstream fails.
    pub fn with_store<S: StateStore, R>(
        &mut self,
        name: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        let store = self.task.connected_store(self.node, name)?;
        self.task.with_store(store, access)
    }
}

impl<KOut: Clone + 'static, VOut: Clone + 'static> ProcessorContext<'_, KOut, VOut> {
    /// Hands `record` to every child in order of connection, depth first.
    ///
    /// # Errors
    /// Whatever a processor downstream failed with; pass it on.
    pub fn forward(&mut self, record: Record<KOut, VOut>) -> Result<(), ProcessorError> {
        self.task.forward(self.node, record)
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
        self.task.forward_to(self.node, child, record)
    }
}
