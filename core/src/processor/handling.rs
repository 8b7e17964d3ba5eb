//! What becomes of records that fail: handlers, dead letters, drop counters.

use std::sync::Arc;

use super::task_context::TaskContext;
use super::{Failure, OutgoingRecord, ProcessorError, global};
use crate::error::{
    DeadLetter, Decision, ErrorHandlerContext, HandledError, HandlerResponse, ProductionError,
    StreamsError,
};
use crate::serde::SerdeError;
use crate::types::{SourceRecord, TaskId, TopicPartition};
use crate::wire;

/// Key and value of a record. They are copied: the batch that it came in is not kept.
pub(super) fn source_record(record: &wire::Record) -> SourceRecord {
    let copy = |bytes: &Option<bytes::Bytes>| bytes.as_deref().map(bytes::Bytes::copy_from_slice);
    SourceRecord {
        key: copy(&record.key),
        value: copy(&record.value),
    }
}

impl TaskContext {
    /// Asks the processing handler about an error of `node`'s own. What happened further down was
    /// handled there: it passes.
    #[cold]
    pub(crate) fn handle_failure(
        &mut self,
        node: usize,
        error: ProcessorError,
    ) -> Result<(), ProcessorError> {
        let (kind, message) = match &*error.0 {
            Failure::User { kind, message } => (*kind, message.clone()),
            Failure::Located(StreamsError::State { message, .. }) => {
                (std::any::type_name::<StreamsError>(), message.clone())
            }
            Failure::Located(StreamsError::Storage(error)) => {
                (std::any::type_name::<StreamsError>(), error.to_string())
            }
            Failure::Located(_) => return Err(error),
        };
        let handler = Arc::clone(&self.config.error_handlers().processing);
        let failed = HandledError {
            kind,
            message: &message,
        };
        let name = Arc::clone(self.node_name(node));
        let response = handler.handle_error(&self.handler_context(&name), failed);
        self.send_dead_letters(&name, &response.dead_letters)?;
        if response.decision == Decision::Resume {
            self.drop_record(&format!("processor {name} failed: {message}"));
            return Ok(());
        }
        Err(self.locate(node, error))
    }

    /// Asks the production handler about a record that sink `node` cannot write; what it does not
    /// let pass is an error of the sink.
    #[cold]
    pub(super) fn handle_production(
        &mut self,
        node: usize,
        error: &ProductionError<'_>,
    ) -> Result<(), ProcessorError> {
        let handler = Arc::clone(&self.config.error_handlers().production);
        let name = Arc::clone(self.node_name(node));
        let response = handler.handle_error(&self.handler_context(&name), error);
        self.send_dead_letters(&name, &response.dead_letters)?;
        let (topic, error) = (error.topic, error.error);
        if response.decision == Decision::Resume {
            self.drop_record(&format!("it cannot be written to {topic}: {error}"));
            return Ok(());
        }
        let message = format!("a record cannot be written to {topic}: {error}");
        Err(ProcessorError::new(message))
    }

    /// Asks the deserialization handler about a record that source `node` cannot read: `Ok` drops
    /// it.
    #[cold]
    pub(super) fn handle_unreadable(
        &mut self,
        node: usize,
        partition: &TopicPartition,
        record: &wire::Record,
        (part, error): (&'static str, SerdeError),
    ) -> Result<(), StreamsError> {
        let handlers = self.config.error_handlers();
        let name = Arc::clone(self.node_name(node));
        let context = ErrorHandlerContext {
            topic: Some(&partition.topic),
            partition: partition.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            headers: &record.headers,
            node: &name,
            task: self.id,
            source_raw_key: record.key.as_ref(),
            source_raw_value: record.value.as_ref(),
            dead_letter_queue_topic: handlers.dead_letter_queue_topic.as_ref(),
        };
        let message = format!("its {part}: {error}");
        let failed = HandledError {
            kind: std::any::type_name::<SerdeError>(),
            message: &message,
        };
        let HandlerResponse {
            decision,
            dead_letters,
        } = handlers.deserialization.handle_error(&context, failed);
        self.send_dead_letters(&name, &dead_letters)?;
        if decision == Decision::Resume {
            self.drop_input(partition, record.offset, &message);
            return Ok(());
        }
        Err(StreamsError::Deserialization {
            task: self.id,
            input: (partition.clone(), record.offset),
            message,
        })
    }

    fn handler_context<'a>(&'a self, node: &'a str) -> ErrorHandlerContext<'a> {
        let context = &self.context;
        let source = context.source_record.as_ref();
        ErrorHandlerContext {
            topic: context.topic.as_ref(),
            partition: context.partition,
            offset: context.offset,
            timestamp: context.timestamp,
            headers: &context.headers,
            node,
            task: self.id,
            source_raw_key: source.and_then(|source| source.key.as_ref()),
            source_raw_value: source.and_then(|source| source.value.as_ref()),
            dead_letter_queue_topic: self
                .config
                .error_handlers()
                .dead_letter_queue_topic
                .as_ref(),
        }
    }

    fn send_dead_letters(&self, node: &str, letters: &[DeadLetter]) -> Result<(), StreamsError> {
        if self.id == global::TASK {
            // Nothing is sent from there, as in Java.
            return Ok(());
        }
        for letter in letters {
            let letter = letter.record(self.id, node)?;
            self.sink.borrow_mut().send(letter)?;
        }
        Ok(())
    }
}

impl DeadLetter {
    /// The letter on its way.
    ///
    /// # Errors
    /// When its time cannot be written.
    pub(crate) fn record(
        &self,
        task: TaskId,
        node: &str,
    ) -> Result<OutgoingRecord<'_>, StreamsError> {
        if self.timestamp < 0 {
            return Err(StreamsError::ErrorHandler {
                task,
                node: node.to_owned(),
                message: format!(
                    "its record for topic {} has the timestamp {}: only 0 and later can be written",
                    self.topic, self.timestamp
                ),
            });
        }
        Ok(OutgoingRecord {
            topic: &self.topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp: self.timestamp,
            headers: &self.headers,
            origin: None,
        })
    }
}
