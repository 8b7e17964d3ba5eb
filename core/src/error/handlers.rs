//! Handlers of errors: what becomes of a record that cannot be read, processed or written
//! (KIP-1033), and dead letters (KIP-1034).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::types::{Headers, TaskId, TopicName};

/// Where an error happened (Java: `ErrorHandlerContext`).
#[derive(Clone, Copy, Debug)]
pub struct ErrorHandlerContext<'a> {
    /// The topic of the input record; `None` below a punctuator.
    pub topic: Option<&'a TopicName>,
    /// Its partition; -1 below a punctuator.
    pub partition: i32,
    /// Its offset; -1 below a punctuator.
    pub offset: i64,
    /// The timestamp of the record that failed, in milliseconds.
    pub timestamp: i64,
    /// Its headers.
    pub headers: &'a Headers,
    /// The node that failed (Java: `processorNodeId`).
    pub node: &'a str,
    /// The task.
    pub task: TaskId,
    /// The key of the input record as it was read. It is gone below a punctuator, and once something
    /// was written to a topic because of the record.
    pub source_raw_key: Option<&'a Bytes>,
    /// The value of the input record as it was read; see the key.
    pub source_raw_value: Option<&'a Bytes>,
    /// `errors.dead.letter.queue.topic.name`.
    pub dead_letter_queue_topic: Option<&'a TopicName>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledError<'a> {
    /// The type of the error.
    pub kind: &'a str,
    /// What it says.
    pub message: &'a str,
}

impl fmt::Display for HandledError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

/// A record for the dead letter queue, or for any other topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic.
    pub topic: TopicName,
    /// The partition; `None` leaves it to the key's hash, or to chance without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The timestamp in milliseconds, not negative.
    pub timestamp: i64,
    /// The headers.
    pub headers: Headers,
}

impl ErrorHandlerContext<'_> {
    /// What Java's handlers send to the dead letter queue, if there is one: the input record with
    /// its headers and six more that say what went wrong and where.
    pub fn dead_letter(&self, error: HandledError<'_>) -> Option<DeadLetter> {
        let topic = self.dead_letter_queue_topic?.clone();
        let mut headers = self.headers.clone();
        let text = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
        headers.push("__streams.errors.exception", text(error.kind));
        headers.push("__streams.errors.message", text(error.message));
        // Errors have no stack here: this is how Java's begins.
        let trace = format!("{}: {}", error.kind, error.message);
        headers.push("__streams.errors.stacktrace", text(&trace));
        let source = self.topic.and_then(|topic| text(topic.as_str()));
        headers.push("__streams.errors.topic", source);
        headers.push(
            "__streams.errors.partition",
            text(&self.partition.to_string()),
        );
        headers.push("__streams.errors.offset", text(&self.offset.to_string()));
        Some(DeadLetter {
            topic,
            partition: None,
            key: self.source_raw_key.cloned(),
            value: self.source_raw_value.cloned(),
            timestamp: self.timestamp,
            headers,
        })
    }
}

/// What is to be done about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct HandlerResponse {
    pub(crate) decision: Decision,
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// What becomes of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Resume,
    Fail,
    Retry,
}

impl HandlerResponse {
    /// Drop the record, count it and go on.
    pub const fn resume() -> Self {
        Self::of(Decision::Resume)
    }

    /// Stop the stream thread; the record is not committed.
    pub const fn fail() -> Self {
        Self::of(Decision::Fail)
    }

    /// Try to write the record for another `delivery.timeout.ms`, before all that follow it in its
    /// partition, or look for its topic for another `max.block.ms`. For records that no broker took in
    /// time ([`ProductionFailure::TimedOut`], [`ProductionFailure::UnknownTopic`]); anything else fails.
    pub const fn retry() -> Self {
        Self::of(Decision::Retry)
    }

    const fn of(decision: Decision) -> Self {
        Self {
            decision,
            dead_letters: Vec::new(),
        }
    }

    /// And send this, if it is there.
    pub fn with_dead_letter(mut self, letter: impl Into<Option<DeadLetter>>) -> Self {
        self.dead_letters.extend(letter.into());
        self
    }
}

/// Decides about input records that a serde cannot read (Java: `DeserializationExceptionHandler`).
/// Closures are handlers.
pub trait DeserializationExceptionHandler: Send + Sync {
    /// What is to be done.
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: HandledError<'_>,
    ) -> HandlerResponse;
}

/// Decides about records, and punctuations, that a processor fails on (Java:
/// `ProcessingExceptionHandler`). The record itself was moved into the processor: its context is
/// what is left. Closures are handlers.
pub trait ProcessingExceptionHandler: Send + Sync {
    /// What is to be done.
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: HandledError<'_>,
    ) -> HandlerResponse;
}

/// Decides about records that cannot be written: serdes refuse them, or a broker does, at any time
/// later (Java: `ProductionExceptionHandler`). Closures are handlers.
///
/// A record that a broker refuses is dropped alone: the others of its batch, and those behind it, are
/// written. Dead letters that are refused stop the thread.
pub trait ProductionExceptionHandler: Send + Sync {
    /// What is to be done.
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: &ProductionError<'_>,
    ) -> HandlerResponse;
}

/// A record that cannot be written.
#[derive(Clone, Copy, Debug)]
pub struct ProductionError<'a> {
    /// The topic it is for.
    pub topic: &'a TopicName,
    /// The partition, where one was chosen.
    pub partition: Option<i32>,
    /// The key as it was written; `None` where a serde failed.
    pub key: Option<&'a [u8]>,
    /// The value as it was written; `None` where a serde failed.
    pub value: Option<&'a [u8]>,
    /// What is in the way.
    pub failure: ProductionFailure,
    /// The same in words.
    pub error: HandledError<'a>,
}

/// Why a record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProductionFailure {
    /// The serde of its key (Java: `SerializationExceptionOrigin.KEY`).
    SerializeKey,
    /// The serde of its value (Java: `SerializationExceptionOrigin.VALUE`).
    SerializeValue,
    /// It was not sent: it is larger than `max.request.size`, or its partition does not exist.
    Unsendable,
    /// A broker refused it for good.
    Refused {
        /// Kafka's error code: 10 for a record that is too large, 29 for a topic that may not be
        /// written, 32 for a timestamp, ...
        code: i16,
    },
    /// No broker took it within `delivery.timeout.ms` (Java: a `RetriableException`).
    TimedOut,
    /// Its topic was not there for `max.block.ms` (Java: a `TimeoutException`).
    UnknownTopic,
}

impl<F> DeserializationExceptionHandler for F
where
    F: Fn(&ErrorHandlerContext<'_>, HandledError<'_>) -> HandlerResponse + Send + Sync,
{
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: HandledError<'_>,
    ) -> HandlerResponse {
        self(context, error)
    }
}

impl<F> ProcessingExceptionHandler for F
where
    F: Fn(&ErrorHandlerContext<'_>, HandledError<'_>) -> HandlerResponse + Send + Sync,
{
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: HandledError<'_>,
    ) -> HandlerResponse {
        self(context, error)
    }
}

impl<F> ProductionExceptionHandler for F
where
    F: Fn(&ErrorHandlerContext<'_>, &ProductionError<'_>) -> HandlerResponse + Send + Sync,
{
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: &ProductionError<'_>,
    ) -> HandlerResponse {
        self(context, error)
    }
}

/// Stops the thread, after a dead letter if there is a queue (Java: `LogAndFailExceptionHandler`,
/// `LogAndFailProcessingExceptionHandler`, `DefaultProductionExceptionHandler`). The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogAndFail;

/// Drops the record, after a dead letter if there is a queue (Java:
/// `LogAndContinueExceptionHandler`, `LogAndContinueProcessingExceptionHandler`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogAndContinue;

macro_rules! log_and {
    ($($handler:ident in $($of:ident),* => $response:ident;)*) => {
        $($(impl $of for $handler {
            fn handle_error(
                &self,
                context: &ErrorHandlerContext<'_>,
                error: HandledError<'_>,
            ) -> HandlerResponse {
                HandlerResponse::$response().with_dead_letter(context.dead_letter(error))
            }
        })*)*
    };
}

log_and! {
    LogAndFail in DeserializationExceptionHandler, ProcessingExceptionHandler => fail;
    LogAndContinue in DeserializationExceptionHandler, ProcessingExceptionHandler => resume;
}

impl ProductionExceptionHandler for LogAndFail {
    fn handle_error(
        &self,
        context: &ErrorHandlerContext<'_>,
        error: &ProductionError<'_>,
    ) -> HandlerResponse {
        HandlerResponse::fail().with_dead_letter(context.dead_letter(error.error))
    }
}

/// The handlers of an application.
#[derive(Clone)]
pub(crate) struct ErrorHandlers {
    pub(crate) deserialization: Arc<dyn DeserializationExceptionHandler>,
    pub(crate) processing: Arc<dyn ProcessingExceptionHandler>,
    pub(crate) production: Arc<dyn ProductionExceptionHandler>,
    pub(crate) dead_letter_queue_topic: Option<TopicName>,
    /// A handler looks at the input records as they were read: they are kept while they are
    /// processed.
    pub(crate) keeps_raw: bool,
    /// A handler is told whose a record is that a broker refuses: that is kept until it is written.
    pub(crate) keeps_origins: bool,
}

impl Default for ErrorHandlers {
    fn default() -> Self {
        Self {
            deserialization: Arc::new(LogAndFail),
            processing: Arc::new(LogAndFail),
            production: Arc::new(LogAndFail),
            dead_letter_queue_topic: None,
            keeps_raw: false,
            keeps_origins: false,
        }
    }
}

impl fmt::Debug for ErrorHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorHandlers")
            .field("dead_letter_queue_topic", &self.dead_letter_queue_topic)
            .finish_non_exhaustive()
    }
}

impl PartialEq for ErrorHandlers {
    /// Handlers are equal when they are the same.
    fn eq(&self, other: &Self) -> bool {
        let same = |a: *const (), b: *const ()| std::ptr::eq(a, b);
        same(
            Arc::as_ptr(&self.deserialization).cast(),
            Arc::as_ptr(&other.deserialization).cast(),
        ) && same(
            Arc::as_ptr(&self.processing).cast(),
            Arc::as_ptr(&other.processing).cast(),
        ) && same(
            Arc::as_ptr(&self.production).cast(),
            Arc::as_ptr(&other.production).cast(),
        ) && self.dead_letter_queue_topic == other.dead_letter_queue_topic
    }
}

impl Eq for ErrorHandlers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_javas() {
        let (topic, queue) = (TopicName::new("in"), TopicName::new("dead"));
        let mut headers = Headers::new();
        headers.push("own", None);
        let (key, value) = (Bytes::from_static(b"k"), Bytes::from_static(b"v"));
        let context = ErrorHandlerContext {
            topic: Some(&topic),
            partition: 3,
            offset: 77,
            timestamp: 5,
            headers: &headers,
            node: "node",
            task: TaskId::new(0, 3),
            source_raw_key: Some(&key),
            source_raw_value: Some(&value),
            dead_letter_queue_topic: Some(&queue),
        };
        let error = HandledError {
            kind: "Kind",
            message: "words",
        };
        let letter = context.dead_letter(error).expect("there is a queue");
        assert_eq!(
            (letter.topic, letter.partition, letter.timestamp),
            (queue.clone(), None, 5)
        );
        assert_eq!(
            (letter.key, letter.value),
            (Some(key.clone()), Some(value.clone()))
        );
        let shown = letter.headers.as_slice().iter().map(|header| {
            let value = header.value.as_deref().map(String::from_utf8_lossy);
            format!("{}={}", header.key, value.unwrap_or("null".into()))
        });
        let expected = [
            "own=null",
            "__streams.errors.exception=Kind",
            "__streams.errors.message=words",
            "__streams.errors.stacktrace=Kind: words",
            "__streams.errors.topic=in",
            "__streams.errors.partition=3",
            "__streams.errors.offset=77",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        let without = ErrorHandlerContext {
            dead_letter_queue_topic: None,
            ..context
        };
        assert_eq!(without.dead_letter(error), None);
    }
}
