//! Printing a stream.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::outcome::Outcome;
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record};

/// How a stream is printed, and where to (Java: `Printed`).
pub struct Printed<K, V> {
    pub(super) name: Option<String>,
    pub(super) label: Option<String>,
    writer: Arc<Mutex<dyn Write + Send>>,
    format: Format<K, V>,
}

type Format<K, V> = Arc<dyn Fn(&K, &V) -> Result<String, ProcessorError> + Send + Sync>;

impl<K: Display, V: Display> Printed<K, V> {
    /// As lines of `[label]: key, value`, to standard output (`std::io::stdout()`), a file or
    /// whatever else can be written to. The label is the stream's name.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::to_with(writer, |key, value| format!("{key}, {value}"))
    }
}

impl<K, V> Printed<K, V> {
    /// Like [`to`](Self::to), with text that `format` makes behind the label (Java:
    /// `withKeyValueMapper`).
    pub fn to_with<R: Outcome<String>>(
        writer: impl Write + Send + 'static,
        format: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: None,
            label: None,
            writer: Arc::new(Mutex::new(writer)),
            format: Arc::new(move |key, value| format(key, value).into_result()),
        }
    }

    /// Puts `label` in front of every line.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Names the node.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Java's `KStreamPrint`.
pub(super) struct Print<K, V> {
    label: Arc<str>,
    writer: Arc<Mutex<dyn Write + Send>>,
    format: Format<K, V>,
}

impl<K, V> Print<K, V> {
    pub(super) fn new(printed: &Printed<K, V>, label: &Arc<str>) -> Self {
        Self {
            label: Arc::clone(label),
            writer: Arc::clone(&printed.writer),
            format: Arc::clone(&printed.format),
        }
    }
}

impl<K, V> Processor<K, V, (), ()> for Print<K, V> {
    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, (), ()>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let text = (self.format)(&record.key, &record.value)?;
        // A writer that panicked in another task has lost at most a line of text.
        let mut writer = match self.writer.lock() {
            Ok(writer) => writer,
            Err(poisoned) => poisoned.into_inner(),
        };
        writeln!(writer, "[{}]: {text}", self.label)?;
        Ok(())
    }
}
