//! Ids and small values that every layer shares, under Kafka's own names.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// The name of a topic; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// A topic name from text.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for TopicName {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One partition of a topic, shown as `topic-3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition number.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A task: one partition of one sub-topology, shown as `0_3` (Java: `TaskId`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The number of the sub-topology.
    pub subtopology: i32,
    /// The partition.
    pub partition: i32,
}

impl TaskId {
    /// The task of `partition` in `subtopology`.
    pub const fn new(subtopology: i32, partition: i32) -> Self {
        Self {
            subtopology,
            partition,
        }
    }
}

impl std::str::FromStr for TaskId {
    type Err = ();

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (subtopology, partition) = text.split_once('_').ok_or(())?;
        let number = |text: &str| text.parse::<i32>().map_err(|_| ());
        let task = Self::new(number(subtopology)?, number(partition)?);
        Some(task).filter(|task| task.to_string() == text).ok_or(())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// The id of a broker in its cluster (`node.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The epoch of a group member (KIP-1071): 0 joins, above 0 is a member, -1 leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberEpoch(pub i32);

impl MemberEpoch {
    /// Sent to join or rejoin.
    pub const JOIN: Self = Self(0);
    /// Sent to leave.
    pub const LEAVE: Self = Self(-1);
}

impl fmt::Display for MemberEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One record header. Keys may repeat; order is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The key: UTF-8 text on the wire.
    pub key: Arc<str>,
    /// The value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// The headers of a record: copy-on-write, no allocation while empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<Vec<Header>>>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(None)
    }

    /// The headers in order.
    pub fn as_slice(&self) -> &[Header] {
        self.0.as_ref().map_or(&[], |headers| headers.as_slice())
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Appends a header.
    pub fn push(&mut self, key: impl AsRef<str>, value: Option<Bytes>) {
        let header = Header {
            key: Arc::from(key.as_ref()),
            value,
        };
        Arc::make_mut(self.0.get_or_insert_with(Default::default)).push(header);
    }

    /// The last header called `key` (`Headers.lastHeader`).
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.as_slice()
            .iter()
            .rev()
            .find(|header| &*header.key == key)
    }

    /// Removes every header called `key` (`Headers.remove`).
    pub fn remove(&mut self, key: &str) {
        if let Some(headers) = &mut self.0 {
            Arc::make_mut(headers).retain(|header| &*header.key != key);
        }
    }
}

impl From<Vec<Header>> for Headers {
    fn from(headers: Vec<Header>) -> Self {
        if headers.is_empty() {
            Self(None)
        } else {
            Self(Some(Arc::new(headers)))
        }
    }
}

/// Where a record came from and when: what a processor, a cache entry or an error handler sees
/// (Java: `ProcessorRecordContext`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordContext {
    /// The source topic; `None` inside a punctuator.
    pub topic: Option<TopicName>,
    /// The source partition; -1 inside a punctuator.
    pub partition: i32,
    /// The source offset; -1 inside a punctuator.
    pub offset: i64,
    /// The record's timestamp in milliseconds.
    pub timestamp: i64,
    /// The record's headers.
    pub headers: Headers,
    /// The source record as it was read, where a handler of errors may ask for it: see
    /// [`SourceRecord`].
    pub source_record: Option<Arc<SourceRecord>>,
}

/// Key and value of a source record as they were read (Java: `RecordContext.sourceRawKey`). They are
/// kept where `errors.dead.letter.queue.topic.name` or a handler is set, until something is written
/// to a topic because of the record; caches keep them with what they hold back, and do not count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
}

impl RecordContext {
    /// The context of a punctuator called for `timestamp`.
    pub const fn punctuation(timestamp: i64) -> Self {
        Self {
            topic: None,
            partition: -1,
            offset: -1,
            timestamp,
            headers: Headers::new(),
            source_record: None,
        }
    }
}

/// A record without a timestamp (Java: `ConsumerRecord.NO_TIMESTAMP`): one to be written gets that
/// of the producer's clock.
pub const NO_TIMESTAMP: i64 = -1;

/// An offset to commit, or one that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset to consume.
    pub offset: i64,
    /// The leader epoch of the last consumed record, if known.
    pub leader_epoch: Option<i32>,
    /// Kafka Streams keeps the partition time here (base64).
    pub metadata: String,
}

/// Where consumption starts without a committed offset (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// From the first record there is.
    #[default]
    Earliest,
    /// From records still to come.
    Latest,
    /// Fail instead.
    None,
    /// From records written so many milliseconds ago or later (KIP-1106).
    ByDuration {
        /// How long ago, in milliseconds.
        duration_ms: u64,
    },
}

impl RecordContext {
    /// Java's `RecordHeaders` size as the record cache counts it: key characters + value bytes.
    pub fn headers_size_bytes(&self) -> usize {
        self.headers
            .as_slice()
            .iter()
            .map(|h| h.key.encode_utf16().count() + h.value.as_ref().map_or(0, Bytes::len))
            .sum()
    }
}
