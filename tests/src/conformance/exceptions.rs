//! What Java throws where the library gives an error.

use std::fmt;

use eddyline_core::error::StreamsError;
use eddyline_core::topology::TopologyError;
use eddyline_sim::TestDriverError;
use serde_json::Value;

/// An exception: its class and, where that is another one, the class of its root cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    class: &'static str,
    cause: Option<String>,
    /// What the library says.
    message: String,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class)?;
        if let Some(cause) = &self.cause {
            write!(f, " caused by {cause}")?;
        }
        write!(f, " ({})", self.message)
    }
}

impl Exception {
    /// An exception without a cause.
    fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            cause: None,
            message: message.into(),
        }
    }

    fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// That a topology cannot be built.
    pub(super) fn of_topology(error: &TopologyError) -> Self {
        let class = match error {
            TopologyError::InvalidWindows(_)
            | TopologyError::InvalidStore(_)
            | TopologyError::InvalidJoin { .. } => "IllegalArgumentException",
            _ => "TopologyException",
        };
        Self::new(class, error.to_string())
    }

    /// That an event fails.
    fn of_event(error: &StreamsError) -> Self {
        let message = error.to_string();
        let of = |class| Self::new(class, message.clone());
        match error {
            StreamsError::Deserialization { .. } => {
                of("StreamsException").caused_by("SerializationException")
            }
            StreamsError::State { .. } | StreamsError::Storage(_) => of("ProcessorStateException"),
            StreamsError::Flush { cause, .. } => {
                let root = Self::of_event(cause);
                let root = root.cause.unwrap_or_else(|| root.class.to_owned());
                of("ProcessorStateException").caused_by(root)
            }
            StreamsError::ErrorHandler { .. } => {
                of("StreamsException").caused_by("IllegalArgumentException")
            }
            StreamsError::Processing { message, .. } => {
                of("StreamsException").caused_by(class_of(message).unwrap_or("StreamsException"))
            }
            _ => of("StreamsException"),
        }
    }

    /// That the test driver, or what it drives, fails.
    pub(super) fn of_driver(error: &TestDriverError) -> Self {
        match error {
            TestDriverError::Streams(error) => Self::of_event(error),
            TestDriverError::UnknownTopic(_) => {
                Self::new("IllegalArgumentException", error.to_string())
            }
            other => Self::new("StreamsException", other.to_string()),
        }
    }

    /// That a function of the scenario throws. Functions begin their message with the class.
    pub(super) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("?");
        let exception = Self::new("StreamsException", format!("user code panics: {text}"));
        match class_of(text) {
            Some(class) => exception.caused_by(class),
            None => exception,
        }
    }

    /// Compares with `error` and `cause` of what was expected, which may be neither.
    pub(super) fn compare(actual: Option<&Self>, expected: &Value) -> Result<(), String> {
        let field = |name| expected.get(name).and_then(Value::as_str);
        match (field("error"), actual) {
            (None, None) => Ok(()),
            (None, Some(actual)) => Err(format!("fails: {actual}")),
            (Some(expected), None) => Err(format!("passes where Java throws {expected}")),
            (Some(class), Some(actual)) => {
                if class == actual.class && field("cause") == actual.cause.as_deref() {
                    return Ok(());
                }
                let cause = field("cause").map_or_else(String::new, |c| format!(" caused by {c}"));
                Err(format!("Java throws {class}{cause}, and this is {actual}"))
            }
        }
    }
}

/// The class that the message of a scenario's function begins with; processors of the library throw
/// a `StreamsException`, but for windows that Java finds empty when it makes one.
fn class_of(message: &str) -> Option<&str> {
    if message.starts_with("sliding windows of a time difference of 0 ms are empty") {
        return Some("IllegalArgumentException");
    }
    // It stands behind what the library says about where it happened.
    let mut words = message.split_whitespace();
    words.find_map(|word| {
        word.strip_suffix(':')
            .filter(|class| class.ends_with("Exception"))
    })
}
