//! How long changes of a table are held back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::RecordContext;
use crate::window::Windowed;

/// How long, and in what buffer, [`KTable::suppress`](super::KTable::suppress) holds changes back
/// (Java: `Suppressed`).
pub struct Suppressed<K> {
    pub(super) name: Option<String>,
    pub(super) until: Until,
    /// The time of a change, from when on it is held back.
    pub(super) time: fn(&RecordContext, &K) -> i64,
    pub(super) buffer: BufferConfig,
}

/// When a change goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// So many milliseconds after its time.
    TimeLimit(i64),
    /// When the grace after its window is over: there is one result for a window, and none where
    /// the last change deletes it.
    WindowCloses,
}

impl<K> Suppressed<K> {
    /// Holds a change back until stream time is `limit` after its timestamp (Java:
    /// `Suppressed.untilTimeLimit`). Later changes of the row take its place meanwhile.
    pub fn until_time_limit(limit: Duration, buffer: impl Into<BufferConfig>) -> Self {
        Self {
            name: None,
            until: Until::TimeLimit(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)),
            time: |context, _| context.timestamp,
            buffer: buffer.into(),
        }
    }

    /// Names the node, and by that its store: `NAME-store`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<K> Suppressed<Windowed<K>> {
    /// Holds changes back until the window is closed, so that there is one result for it (Java:
    /// `Suppressed.untilWindowCloses`). A full buffer stops the application: an early result would
    /// not be the final one.
    pub fn until_window_closes(buffer: StrictBufferConfig) -> Self {
        Self {
            name: None,
            until: Until::WindowCloses,
            time: |_, key| key.window.end,
            buffer: buffer.into(),
        }
    }
}

/// The bounds and the changelog of a buffer (Java: `Suppressed.BufferConfig`): begin with
/// [`max_records`](Self::max_records), [`max_bytes`](Self::max_bytes) or
/// [`unbounded`](Self::unbounded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferConfig {
    pub(super) max_records: Option<u64>,
    pub(super) max_bytes: Option<u64>,
    pub(super) when_full: WhenFull,
    pub(super) logging: Option<BTreeMap<String, String>>,
}

/// What is done with a buffer that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    EmitEarly,
    ShutDown,
}

impl BufferConfig {
    /// A buffer of any size.
    pub fn unbounded() -> StrictBufferConfig {
        StrictBufferConfig(Self {
            when_full: WhenFull::ShutDown,
            ..Self::eager()
        })
    }

    /// A buffer of this many rows, which gives the oldest ones early when there are more.
    pub fn max_records(max_records: u64) -> EagerBufferConfig {
        EagerBufferConfig(Self::eager()).with_max_records(max_records)
    }

    /// A buffer of this many bytes, which gives the oldest rows early when there are more.
    pub fn max_bytes(max_bytes: u64) -> EagerBufferConfig {
        EagerBufferConfig(Self::eager()).with_max_bytes(max_bytes)
    }

    const fn eager() -> Self {
        Self {
            max_records: None,
            max_bytes: None,
            when_full: WhenFull::EmitEarly,
            logging: Some(BTreeMap::new()),
        }
    }

    /// Another strategy. Java forgets with it that logging is disabled.
    fn with_strategy(self, when_full: WhenFull) -> Self {
        Self {
            when_full,
            logging: Some(self.logging.unwrap_or_default()),
            ..self
        }
    }
}

/// Defines what both kinds of buffers can be told.
macro_rules! buffer_config {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(BufferConfig);

        impl $name {
            /// With room for this many rows.
            #[must_use]
            pub const fn with_max_records(mut self, max_records: u64) -> Self {
                self.0.max_records = Some(max_records);
                self
            }

            /// With room for this many bytes.
            #[must_use]
            pub const fn with_max_bytes(mut self, max_bytes: u64) -> Self {
                self.0.max_bytes = Some(max_bytes);
                self
            }

            /// Without a changelog: what the buffer holds is lost with its task.
            #[must_use]
            pub fn with_logging_disabled(mut self) -> Self {
                self.0.logging = None;
                self
            }

            /// With these settings of the changelog topic.
            #[must_use]
            pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
                self.0.logging = Some(config);
                self
            }

            /// With room for any number of rows, and logged: disable logging after it, not before.
            #[must_use]
            pub fn with_no_bound(self) -> StrictBufferConfig {
                StrictBufferConfig(BufferConfig {
                    max_records: None,
                    max_bytes: None,
                    ..self.0.with_strategy(WhenFull::ShutDown)
                })
            }

            /// Stops the application when the buffer is full, instead of giving rows early. The
            /// buffer is logged: disable logging after it, not before.
            #[must_use]
            pub fn shut_down_when_full(self) -> StrictBufferConfig {
                StrictBufferConfig(self.0.with_strategy(WhenFull::ShutDown))
            }

            /// Gives the oldest rows early when the buffer is full. The buffer is logged: disable
            /// logging after it, not before.
            #[must_use]
            pub fn emit_early_when_full(self) -> EagerBufferConfig {
                EagerBufferConfig(self.0.with_strategy(WhenFull::EmitEarly))
            }
        }

        impl From<$name> for BufferConfig {
            fn from(config: $name) -> Self {
                config.0
            }
        }
    };
}

buffer_config!(
    /// A buffer that gives the oldest rows early when it is full (Java: `EagerBufferConfig`).
    EagerBufferConfig
);
buffer_config!(
    /// A buffer that never gives a row early: the application stops when it is full (Java:
    /// `StrictBufferConfig`).
    StrictBufferConfig
);
