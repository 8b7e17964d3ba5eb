//! What becomes of records that fail: handlers, dead letters, drop counters.

use std::sync::Arc;

use super::task_context::TaskContext;
use super::{Failure, OutgoingRecord, ProcessorError};
use crate::error::{DeadLetter, ErrorHandlerContext, HandledError, HandlerResponse, StreamsError};
use crate::serde::SerdeError;
use crate::types::{TaskId, TopicName, TopicPartition};
use crate::wire;

/// Key and value of an input record as they were read.
#[derive(Debug)]
pub(super) struct SourceRaw {
    pub(super) key: Option<bytes::Bytes>,
    pub(super) value: Option<bytes::Bytes>,
}

impl TaskContext {
    /// Asks the processing handler about an error of `node`'s own. What happened further down was
    /// handled there: it passes.
    #[cold]
    pub(super) fn handle_failure(
        &mut self,
        node: usize,
        error: ProcessorError,
    ) -> Result<(), ProcessorError> {
        let (kind, message) = match &error.0 {
            Failure::User { kind, message } => (*kind, message.clone()),
            Failure::Located(StreamsError::State { message, .. }) => {
                (std::any::type_name::<StreamsError>(), message.clone())
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
        if response.resumes {
            self.drop_record(&format!("processor {name} failed: {message}"));
            return Ok(());
        }
        Err(self.locate(node, error))
    }

    /// Asks the production handler about a record that sink `node` cannot write to `topic`; what it
    /// lets pass is an error of the sink.
    #[cold]
    pub(super) fn handle_production(
        &mut self,
        node: usize,
        topic: &TopicName,
        error: HandledError<'_>,
    ) -> Result<(), ProcessorError> {
        let handler = Arc::clone(&self.config.error_handlers().production);
        let name = Arc::clone(self.node_name(node));
        let response = handler.handle_error(&self.handler_context(&name), topic, error);
        self.send_dead_letters(&name, &response.dead_letters)?;
        if response.resumes {
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
            resumes,
            dead_letters,
        } = handlers.deserialization.handle_error(&context, failed);
        self.send_dead_letters(&name, &dead_letters)?;
        if resumes {
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
        let (context, raw) = (&self.context, self.source_raw.as_ref());
        ErrorHandlerContext {
            topic: context.topic.as_ref(),
            partition: context.partition,
            offset: context.offset,
            timestamp: context.timestamp,
            headers: &context.headers,
            node,
            task: self.id,
            source_raw_key: raw.and_then(|raw| raw.key.as_ref()),
            source_raw_value: raw.and_then(|raw| raw.value.as_ref()),
            dead_letter_queue_topic: self
                .config
                .error_handlers()
                .dead_letter_queue_topic
                .as_ref(),
        }
    }

    fn send_dead_letters(&self, node: &str, letters: &[DeadLetter]) -> Result<(), StreamsError> {
        for letter in letters {
            if letter.timestamp < 0 {
                return Err(refused(self.id, node, letter));
            }
            self.sink.borrow_mut().send(OutgoingRecord {
                topic: &letter.topic,
                partition: letter.partition,
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                timestamp: letter.timestamp,
                headers: &letter.headers,
            })?;
        }
        Ok(())
    }
}

fn refused(task: TaskId, node: &str, letter: &DeadLetter) -> StreamsError {
    StreamsError::ErrorHandler {
        task,
        node: node.to_owned(),
        message: format!(
            "its record for topic {} has the timestamp {}: only 0 and later can be written",
            letter.topic, letter.timestamp
        ),
    }
}
