//! Metrics under the names, groups and tags of Kafka Streams (KIP-444, KIP-607, KIP-613, KIP-869).
//!
//! The machines keep plain numbers and nothing else: no lock, no allocation for a record, no clock but
//! the time that a step was given. A [`Metric`] is made when somebody asks, from what the numbers are
//! then. `-total` metrics are counters; `-avg`, `-min` and `-max` are over the last two windows of 30
//! seconds, as with the defaults of Java. There are no rates, which any collector makes of the
//! counters, and nothing that would have to read a clock around every call (latencies of
//! processing and of stores, ratios of a thread's time).

mod client;
pub(crate) mod names;
mod prometheus;
mod sampled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use self::client::{ClientMetrics, ThreadStateMetrics};
pub use self::prometheus::to_prometheus;
pub(crate) use self::sampled::Sampled;
use crate::types::{Headers, TopicPartition};

/// How much is shown (key: `metrics.recording.level`; Java: `Sensor.RecordingLevel`). All of it is
/// counted in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordingLevel {
    /// The client, its threads and topics, and what matters most of tasks.
    #[default]
    Info,
    /// Tasks, processors, caches and stores as well.
    Debug,
    /// Everything: no more than [`Debug`](Self::Debug) so far.
    Trace,
}

impl RecordingLevel {
    /// By its name in Java, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Info, Self::Debug, Self::Trace];
        all.into_iter()
            .find(|level| text.trim().eq_ignore_ascii_case(&level.to_string()))
    }
}

impl fmt::Display for RecordingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        })
    }
}

/// What a metric is at the time it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// A counter, which only grows while what it belongs to lives.
    Count(u64),
    /// Anything else with a number; not a number where nothing was measured yet, as in Java.
    Number(f64),
    /// A state, a name, a description.
    Text(Arc<str>),
}

impl MetricValue {
    /// The number, unless it is a text.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// One metric (Java: `Metric` with its `MetricName`). Group, name and tags together are unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The group, such as `stream-task-metrics`.
    pub group: &'static str,
    /// The name, such as `process-total`.
    pub name: &'static str,
    /// What it says, in Java's words.
    pub description: &'static str,
    /// What it belongs to, by tag: `thread-id`, `task-id`, ...
    pub tags: BTreeMap<&'static str, Arc<str>>,
    /// What it is.
    pub value: MetricValue,
}

/// What all metrics of a name have in common.
pub(crate) struct Definition {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) level: RecordingLevel,
}

/// Metrics on their way to whoever asked, of a level and below.
#[derive(Debug, Default)]
pub struct Metrics {
    level: RecordingLevel,
    /// Of what is added next.
    tags: BTreeMap<&'static str, Arc<str>>,
    all: Vec<Metric>,
}

impl Metrics {
    /// None so far, of nothing yet.
    pub fn new(level: RecordingLevel) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// None so far, of the stream thread `thread_id`.
    pub fn of_thread(level: RecordingLevel, thread_id: &str) -> Self {
        let mut metrics = Self::new(level);
        metrics.tags.insert("thread-id", thread_id.into());
        metrics
    }

    /// What was gathered.
    pub fn into_vec(self) -> Vec<Metric> {
        self.all
    }

    /// Adds what `add` adds with one more tag.
    pub(crate) fn with_tag(
        &mut self,
        tag: &'static str,
        value: impl Into<Arc<str>>,
        add: impl FnOnce(&mut Self),
    ) {
        let outside = self.tags.insert(tag, value.into());
        add(self);
        match outside {
            Some(value) => self.tags.insert(tag, value),
            None => self.tags.remove(tag),
        };
    }

    fn add(&mut self, definition: &Definition, value: impl FnOnce() -> MetricValue) {
        if definition.level <= self.level {
            self.all.push(Metric {
                group: definition.group,
                name: definition.name,
                description: definition.description,
                tags: self.tags.clone(),
                value: value(),
            });
        }
    }

    pub(crate) fn count(&mut self, definition: &Definition, count: u64) {
        self.add(definition, || MetricValue::Count(count));
    }

    pub(crate) fn number(&mut self, definition: &Definition, number: f64) {
        self.add(definition, || MetricValue::Number(number));
    }

    /// Adds a number of a partition.
    pub(crate) fn of_partition(
        &mut self,
        partition: &TopicPartition,
        definition: &Definition,
        number: f64,
    ) {
        self.with_tag("topic", partition.topic.as_str(), |metrics| {
            metrics.with_tag("partition", partition.partition.to_string(), |metrics| {
                metrics.number(definition, number);
            });
        });
    }

    pub(crate) fn text(&mut self, definition: &Definition, text: &str) {
        self.add(definition, || MetricValue::Text(text.into()));
    }
}

/// Records and their bytes, in one direction, of one topic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Volume {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Volume {
    #[inline]
    pub(crate) const fn add(&mut self, record_bytes: usize) {
        self.records += 1;
        self.bytes += record_bytes as u64;
    }
}

/// The size of a record as Java's metrics count it: key, value, topic and headers, and 20 for timestamp,
/// offset and partition (`ClientUtils.recordSizeInBytes`).
#[inline]
pub(crate) fn record_bytes(
    topic: &str,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &Headers,
) -> usize {
    let header_bytes = if headers.is_empty() {
        0
    } else {
        let bytes = |header: &crate::types::Header| {
            header.key.len() + header.value.as_ref().map_or(0, |value| value.len())
        };
        headers.as_slice().iter().map(bytes).sum()
    };
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + topic.len() + header_bytes + 20
}
