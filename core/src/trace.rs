//! What the machines tell an observer: events for logs and listeners.

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For someone looking for a fault.
    Debug,
    /// State changes.
    Info,
    /// Something was dropped, retried or refused.
    Warn,
    /// Something failed. An event of this level fails a simulation.
    Error,
}

/// One line of what happened, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// How much it matters.
    pub level: Level,
    /// One plain sentence.
    pub message: String,
}

impl LogEvent {
    /// An event of `level`.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
        }
    }
}
