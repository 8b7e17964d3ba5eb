//! Errors that reach a user. Each names what failed and what to do; retriable broker answers never
//! get here.

mod authorization;
mod handlers;

use std::fmt;

use crate::config::ConfigError;
use crate::state::storage::StorageError;
use crate::types::{TaskId, TopicPartition};

pub use authorization::AclResource;
pub(crate) use authorization::Concerned;
pub use handlers::{
    DeadLetter, DeserializationExceptionHandler, ErrorHandlerContext, HandledError,
    HandlerResponse, LogAndContinue, LogAndFail, ProcessingExceptionHandler, ProductionError,
    ProductionExceptionHandler, ProductionFailure,
};
pub(crate) use handlers::{Decision, ErrorHandlers};

/// What stopped a stream thread (Java: `StreamsException` and its subclasses).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamsError {
    /// The broker refused something for good: error code, Kafka's name for it, and its words.
    Broker {
        /// What was being done.
        operation: String,
        /// Kafka's error code.
        code: i16,
        /// The broker's message, or the name of the code.
        message: String,
    },
    /// The brokers do not let us in: a refused login, or no TLS with them (Java:
    /// `AuthenticationException`). It is not tried again.
    Authentication {
        /// The broker's address.
        broker: String,
        /// The mechanism of SASL, or `TLS`.
        mechanism: String,
        /// The broker's words, or what is wrong.
        message: String,
    },
    /// An ACL is missing (Java: `AuthorizationException`).
    Authorization {
        /// What was being done.
        operation: String,
        /// What is protected.
        resource: AclResource,
        /// The operation of ACLs to grant on it, as `kafka-acls.sh` calls it.
        permission: &'static str,
    },
    /// Keys of the configuration contradict each other.
    Config(ConfigError),
    /// The cluster cannot run this client: an API, version or feature is missing.
    Unsupported(String),
    /// No broker answered within the time given.
    Unreachable(String),
    /// A source topic does not exist (Java: `MissingSourceTopicException`).
    MissingSourceTopics(String),
    /// The group found the topology unusable (Java: `TopologyException`).
    Topology(String),
    /// User code failed (Java: `StreamsException` around the cause).
    Processing {
        /// The task.
        task: TaskId,
        /// The processor node.
        node: String,
        /// The input record, where there is one.
        input: Option<(TopicPartition, i64)>,
        /// What the processor said.
        message: String,
    },
    /// User code panicked; the message of the panic.
    Panicked(String),
    /// Bytes that a serde could not read (Java: `DeserializationException`).
    Deserialization {
        /// The task.
        task: TaskId,
        /// The partition and offset of the record.
        input: (TopicPartition, i64),
        /// What the serde said.
        message: String,
    },
    /// A handler of errors did what cannot be done (Java: `StreamsException`, "Fatal user code error
    /// in ... error callback").
    ErrorHandler {
        /// The task.
        task: TaskId,
        /// The node whose error was handled.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// A record that has no time (Java: `StreamsException` of a `TimestampExtractor`).
    Timestamp {
        /// The task.
        task: TaskId,
        /// The partition and offset of the record.
        input: (TopicPartition, i64),
        /// What the timestamp extractor said.
        message: String,
    },
    /// A state store could not do its work (Java: `ProcessorStateException`).
    State {
        /// The task, where one owns the store.
        task: Option<TaskId>,
        /// The store.
        store: String,
        /// What went wrong; it names the store.
        message: String,
    },
    /// User code failed on what the cache of a store handed on as it was flushed (Java:
    /// `ProcessorStateException` around the cause).
    Flush {
        /// The store.
        store: String,
        /// How user code failed.
        cause: Box<Self>,
    },
    /// A committed or fetched position lies outside the log and `auto.offset.reset` is `none`.
    OffsetOutOfRange(TopicPartition),
    /// The storage of persistent stores cannot be used (Java: `ProcessorStateException`,
    /// `LockException`).
    Storage(StorageError),
    /// Records could not be delivered in time.
    Delivery {
        /// Where to.
        partition: TopicPartition,
        /// Why not.
        message: String,
    },
    /// A broker sent something that is not Kafka.
    Protocol(String),
    /// Another member asked the whole application to stop (`SHUTDOWN_APPLICATION`).
    ShutdownRequested,
}

impl fmt::Display for StreamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker {
                operation,
                code,
                message,
            } => {
                write!(
                    f,
                    "{operation} was refused by the broker with error {code}: {message}"
                )
            }
            Self::Authentication {
                broker,
                mechanism,
                message,
            } => write!(
                f,
                "{mechanism} authentication with {broker} failed: {message}"
            ),
            Self::Authorization {
                operation,
                resource,
                permission,
            } => write!(
                f,
                "{operation} is not allowed: grant {permission} on {resource} to whom this client \
                 logs in as (kafka-acls.sh)"
            ),
            Self::Config(error) => error.fmt(f),
            Self::Unsupported(message)
            | Self::Unreachable(message)
            | Self::MissingSourceTopics(message)
            | Self::Topology(message)
            | Self::Protocol(message) => f.write_str(message),
            Self::Processing {
                task,
                node,
                input,
                message,
            } => {
                write!(f, "processor {node} of task {task} failed")?;
                if let Some((partition, offset)) = input {
                    write!(f, " at {partition} offset {offset}")?;
                }
                write!(f, ": {message}")
            }
            Self::Panicked(message) => write!(f, "a processor panicked: {message}"),
            Self::Deserialization {
                task,
                input: (partition, offset),
                message,
            } => write!(
                f,
                "task {task} cannot read the record at {partition} offset {offset}: {message}"
            ),
            Self::ErrorHandler {
                task,
                node,
                message,
            } => write!(
                f,
                "the handler of an error of {node} of task {task} failed: {message}"
            ),
            Self::Timestamp {
                task,
                input: (partition, offset),
                message,
            } => write!(
                f,
                "task {task} cannot take the record at {partition} offset {offset}: {message}"
            ),
            Self::State { task, message, .. } => {
                if let Some(task) = task {
                    write!(f, "task {task}: ")?;
                }
                f.write_str(message)
            }
            Self::Flush { store, cause } => {
                write!(
                    f,
                    "the cache of state store {store} cannot be flushed: {cause}"
                )
            }
            Self::OffsetOutOfRange(partition) => write!(
                f,
                "the position in {partition} is outside its log and auto.offset.reset is none"
            ),
            Self::Delivery { partition, message } => {
                write!(
                    f,
                    "records for {partition} could not be delivered: {message}"
                )
            }
            Self::Storage(error) => error.fmt(f),
            Self::ShutdownRequested => {
                f.write_str("a member of the group asked the whole application to shut down")
            }
        }
    }
}

impl std::error::Error for StreamsError {}
