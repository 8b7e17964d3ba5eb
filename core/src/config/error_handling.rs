//! Handlers of errors and the dead letter queue.

use std::sync::Arc;

use super::{ConfigError, StreamsConfig};
use crate::error::{
    DeserializationExceptionHandler, ErrorHandlers, LogAndContinue, LogAndFail,
    ProcessingExceptionHandler, ProductionExceptionHandler,
};
use crate::types::TopicName;

impl StreamsConfig {
    /// Sets one of the keys of this file; handlers go by the names of Java's classes, with or
    /// without their package.
    pub(super) fn set_error_handling(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let name = value.strip_prefix("org.apache.kafka.streams.errors.");
        let handlers = &mut self.error_handlers;
        let allowed = match (key, name.unwrap_or(value)) {
            ("errors.dead.letter.queue.topic.name", topic) => {
                let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                if !topic.is_empty() && topic.len() <= 249 && topic.chars().all(legal) {
                    handlers.dead_letter_queue_topic = Some(TopicName::new(topic));
                    (handlers.keeps_raw, handlers.keeps_origins) = (true, true);
                    return Ok(());
                }
                "1 to 249 letters, digits, '.', '_' or '-'"
            }
            ("deserialization.exception.handler", "LogAndFailExceptionHandler") => {
                handlers.deserialization = Arc::new(LogAndFail);
                return Ok(());
            }
            ("deserialization.exception.handler", "LogAndContinueExceptionHandler") => {
                handlers.deserialization = Arc::new(LogAndContinue);
                return Ok(());
            }
            ("deserialization.exception.handler", _) => {
                "LogAndFailExceptionHandler or LogAndContinueExceptionHandler; give one of your \
                 own to with_deserialization_exception_handler"
            }
            ("processing.exception.handler", "LogAndFailProcessingExceptionHandler") => {
                handlers.processing = Arc::new(LogAndFail);
                return Ok(());
            }
            ("processing.exception.handler", "LogAndContinueProcessingExceptionHandler") => {
                handlers.processing = Arc::new(LogAndContinue);
                return Ok(());
            }
            ("processing.exception.handler", _) => {
                "LogAndFailProcessingExceptionHandler or \
                 LogAndContinueProcessingExceptionHandler; give one of your own to \
                 with_processing_exception_handler"
            }
            (_, "DefaultProductionExceptionHandler") => {
                handlers.production = Arc::new(LogAndFail);
                return Ok(());
            }
            _ => {
                "DefaultProductionExceptionHandler; give one of your own to \
                 with_production_exception_handler"
            }
        };
        Err(ConfigError::invalid(key, value, allowed))
    }

    /// This configuration with a handler of your own for input records that cannot be read.
    #[must_use]
    pub fn with_deserialization_exception_handler(
        mut self,
        handler: impl DeserializationExceptionHandler + 'static,
    ) -> Self {
        self.error_handlers.deserialization = Arc::new(handler);
        self
    }

    /// This configuration with a handler of your own for records that a processor fails on.
    #[must_use]
    pub fn with_processing_exception_handler(
        mut self,
        handler: impl ProcessingExceptionHandler + 'static,
    ) -> Self {
        self.error_handlers.processing = Arc::new(handler);
        self.error_handlers.keeps_raw = true;
        self
    }

    /// This configuration with a handler of your own for records that cannot be written.
    #[must_use]
    pub fn with_production_exception_handler(
        mut self,
        handler: impl ProductionExceptionHandler + 'static,
    ) -> Self {
        self.error_handlers.production = Arc::new(handler);
        self.error_handlers.keeps_raw = true;
        self.error_handlers.keeps_origins = true;
        self
    }

    /// Key: `errors.dead.letter.queue.topic.name`.
    pub const fn dead_letter_queue_topic(&self) -> Option<&TopicName> {
        self.error_handlers.dead_letter_queue_topic.as_ref()
    }

    /// Whether the processing handler decides about processors of global stores as well; without it
    /// they fail their thread. Key: `processing.exception.handler.global.enabled`.
    pub const fn is_global_processing_handled(&self) -> bool {
        self.is_global_processing_handled
    }

    /// The same for the processors of global stores, which have no way to send dead letters (as in
    /// Java).
    pub(crate) fn for_global_stores(&self) -> Self {
        let mut config = self.clone();
        config.error_handlers.dead_letter_queue_topic = None;
        if !self.is_global_processing_handled {
            config.error_handlers.processing = Arc::new(LogAndFail);
        }
        config
    }

    pub(crate) const fn error_handlers(&self) -> &ErrorHandlers {
        &self.error_handlers
    }
}
