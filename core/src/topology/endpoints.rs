//! What sources read and sinks write, for topologies that are built node by node.

use std::fmt;
use std::sync::Arc;

use crate::processor::{StreamPartitioner, TimestampExtractor, TopicNameExtractor};
use crate::types::AutoOffsetReset;

use super::TopicRef;

/// A regular expression that a topic's whole name must match (Java: `Pattern`).
///
/// Its syntax is the one of the crate `regex-lite`, which brokers' RE2 and Java's share for all that
/// topic names need. Brokers 4.2 and 4.3 refuse streams groups with patterns, so that an application
/// with one fails at its start; it runs in the test driver.
#[derive(Clone)]
pub struct TopicPattern {
    text: Arc<str>,
    whole: Arc<regex_lite::Regex>,
}

impl TopicPattern {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let whole = regex_lite::Regex::new(&format!("^(?:{text})$"));
        match whole {
            Ok(whole) => Ok(Self {
                text: Arc::from(text),
                whole: Arc::new(whole),
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when the whole of `topic` matches.
    pub fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic)
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

/// The topics of a source: one, several, or all that match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics(pub(crate) TopicsKind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicsKind {
    Named(Vec<TopicRef>),
    Pattern(String),
}

impl Topics {
    /// Every topic whose whole name matches, see [`TopicPattern`].
    pub fn matching(expression: impl Into<String>) -> Self {
        Self(TopicsKind::Pattern(expression.into()))
    }

    fn named<T: AsRef<str>>(topics: impl IntoIterator<Item = T>) -> Self {
        let topics = topics
            .into_iter()
            .map(|topic| TopicRef::external(topic.as_ref()));
        Self(TopicsKind::Named(topics.collect()))
    }

    pub(crate) fn reference(topic: TopicRef) -> Self {
        Self(TopicsKind::Named(vec![topic]))
    }
}

impl From<&str> for Topics {
    fn from(topic: &str) -> Self {
        Self::named([topic])
    }
}

impl From<String> for Topics {
    fn from(topic: String) -> Self {
        Self::named([topic])
    }
}

impl From<&String> for Topics {
    fn from(topic: &String) -> Self {
        Self::named([topic])
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for Topics {
    fn from(topics: [T; N]) -> Self {
        Self::named(topics)
    }
}

impl<T: AsRef<str>, const N: usize> From<&[T; N]> for Topics {
    fn from(topics: &[T; N]) -> Self {
        Self::named(topics)
    }
}

impl<T: AsRef<str>> From<&[T]> for Topics {
    fn from(topics: &[T]) -> Self {
        Self::named(topics)
    }
}

impl<T: AsRef<str>> From<Vec<T>> for Topics {
    fn from(topics: Vec<T>) -> Self {
        Self::named(topics)
    }
}

impl<T: AsRef<str>> From<&Vec<T>> for Topics {
    fn from(topics: &Vec<T>) -> Self {
        Self::named(topics)
    }
}

/// What a source reads, for [`TopologyBuilder::add_source`](super::TopologyBuilder::add_source).
/// [`Topics`] alone, and what converts into them, convert into it too.
///
/// ```
/// use eddyline_core::processor::UsePartitionTimeOnInvalidTimestamp;
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::topology::{Source, TopologyBuilder};
/// use eddyline_core::types::AutoOffsetReset;
///
/// let clicks = Source::new(["clicks-eu", "clicks-us"])
///     .with_timestamp_extractor(UsePartitionTimeOnInvalidTimestamp)
///     .with_offset_reset_policy(AutoOffsetReset::Latest);
/// let serdes = (String::default_serde(), i64::default_serde());
/// let mut builder = TopologyBuilder::new();
/// builder.add_source("clicks", clicks, serdes);
/// assert!(builder.build().is_ok());
/// ```
pub struct Source<K, V> {
    pub(crate) topics: Topics,
    pub(crate) extractor: Option<Arc<dyn TimestampExtractor<K, V>>>,
    pub(crate) offset_reset: Option<AutoOffsetReset>,
}

impl<K, V> Source<K, V> {
    /// A source of these topics.
    pub fn new(topics: impl Into<Topics>) -> Self {
        Self {
            topics: topics.into(),
            extractor: None,
            offset_reset: None,
        }
    }

    /// With times other than `default.timestamp.extractor` gives.
    #[must_use]
    pub fn with_timestamp_extractor(
        mut self,
        extractor: impl TimestampExtractor<K, V> + 'static,
    ) -> Self {
        self.extractor = Some(Arc::new(extractor));
        self
    }

    /// Where to begin without a committed offset, instead of `auto.offset.reset`.
    #[must_use]
    pub const fn with_offset_reset_policy(mut self, policy: AutoOffsetReset) -> Self {
        self.offset_reset = Some(policy);
        self
    }
}

impl<K, V, T: Into<Topics>> From<T> for Source<K, V> {
    fn from(topics: T) -> Self {
        Self::new(topics)
    }
}

/// What a sink writes, for [`TopologyBuilder::add_sink`](super::TopologyBuilder::add_sink). The name
/// of a topic alone converts into it.
///
/// ```
/// use eddyline_core::processor::Partitions;
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::topology::{Sink, TopologyBuilder};
///
/// let serdes = || (String::default_serde(), i64::default_serde());
/// let by_key = Sink::extracted(|key: &String, _: &i64, _: &_| format!("orders-{key}"))
///     .with_partitioner(|_: &_, _: &String, total: &i64, count| {
///         Partitions::One((total.unsigned_abs() % count as u64) as i32)
///     });
/// let mut builder = TopologyBuilder::new();
/// builder
///     .add_source("orders", "orders", serdes())
///     .add_sink("by-key", by_key, serdes(), &["orders"])
///     .add_sink("all", "all-orders", serdes(), &["orders"]);
/// assert!(builder.build().is_ok());
/// ```
pub struct Sink<K, V> {
    pub(crate) target: SinkTarget<K, V>,
    pub(crate) partitioner: Option<Arc<dyn StreamPartitioner<K, V>>>,
}

pub(crate) enum SinkTarget<K, V> {
    Topic(TopicRef),
    Extracted(Arc<dyn TopicNameExtractor<K, V>>),
}

impl<K, V> Sink<K, V> {
    /// This topic.
    pub fn topic(topic: impl AsRef<str>) -> Self {
        Self::reference(TopicRef::external(topic.as_ref()))
    }

    pub(crate) fn reference(topic: TopicRef) -> Self {
        Self {
            target: SinkTarget::Topic(topic),
            partitioner: None,
        }
    }

    /// The topic that `extractor` chooses for each record.
    pub fn extracted(extractor: impl TopicNameExtractor<K, V> + 'static) -> Self {
        Self {
            target: SinkTarget::Extracted(Arc::new(extractor)),
            partitioner: None,
        }
    }

    /// With partitions other than the key's hash chooses.
    #[must_use]
    pub fn with_partitioner(mut self, partitioner: impl StreamPartitioner<K, V> + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }
}

impl<K, V> From<&str> for Sink<K, V> {
    fn from(topic: &str) -> Self {
        Self::topic(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let pattern = TopicPattern::new("in-[0-9]+|other").expect("valid");
        assert!(pattern.matches("in-12") && pattern.matches("other"));
        assert!(!pattern.matches("in-12x") && !pattern.matches("another"));
        assert!(TopicPattern::new("(").is_err());
    }
}
