//! Where records leave a task.

use std::sync::Arc;

use super::ProcessorError;
use super::Record;
use super::graph::TaskContext;
use super::node::{ErasedNode, Run, TypedNode};
use super::punctuation::Cancellable;
use crate::error::{HandledError, StreamsError};
use crate::serde::{SerdeError, SerdeRef};
use crate::topology::NodeFactory;
use crate::types::{Headers, RecordContext, TopicName};
use crate::wire::partition_for_key;

/// A serialised record on its way to a topic.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecord<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The partition; `None` leaves it to the key's hash, or to chance without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The timestamp in milliseconds; `NO_TIMESTAMP` leaves it to the producer's clock.
    pub timestamp: i64,
    /// The headers.
    pub headers: &'a Headers,
}

/// Takes what a task produces: output and changelog records, in order.
pub trait RecordSink {
    /// Takes one record.
    ///
    /// # Errors
    /// When the record can never be written.
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError>;

    /// How many partitions `topic` has; `None`, the default, while that is not known.
    fn partition_count(&self, topic: &TopicName) -> Option<i32> {
        let _ = topic;
        None
    }
}

/// Chooses the topic of every record of a sink (Java: `TopicNameExtractor`). Closures of key, value
/// and context that give a name are extractors. The topics must exist.
pub trait TopicNameExtractor<K, V>: Send + Sync {
    /// The topic that the record goes to.
    fn topic(&self, key: &K, value: &V, context: &RecordContext) -> TopicName;

    /// What `Topology::describe` calls it: the type's name.
    fn description(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }
}

impl<F, T, K, V> TopicNameExtractor<K, V> for F
where
    F: Fn(&K, &V, &RecordContext) -> T + Send + Sync,
    T: Into<TopicName>,
{
    fn topic(&self, key: &K, value: &V, context: &RecordContext) -> TopicName {
        self(key, value, context).into()
    }
}

/// Which partitions a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// The one that its key's hash chooses; any one for a record without a key.
    Default,
    /// This one.
    One(i32),
    /// Each of these; none drops the record and counts it.
    Many(Vec<i32>),
}

/// Chooses the partitions of every record of a sink (Java: `StreamPartitioner`). Closures of topic,
/// key, value and partition count are partitioners.
pub trait StreamPartitioner<K, V>: Send + Sync {
    /// The partitions, out of `partition_count`, that the record goes to.
    fn partitions(&self, topic: &TopicName, key: &K, value: &V, partition_count: i32)
    -> Partitions;
}

impl<F, K, V> StreamPartitioner<K, V> for F
where
    F: Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync,
{
    fn partitions(
        &self,
        topic: &TopicName,
        key: &K,
        value: &V,
        partition_count: i32,
    ) -> Partitions {
        self(topic, key, value, partition_count)
    }
}

/// Where a sink writes.
pub(crate) enum SinkTopic<K, V> {
    /// The topology resolves its name.
    Fixed,
    Extracted(Arc<dyn TopicNameExtractor<K, V>>),
}

impl<K, V> Clone for SinkTopic<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Fixed => Self::Fixed,
            Self::Extracted(extractor) => Self::Extracted(Arc::clone(extractor)),
        }
    }
}

/// Where a sink writes, and how.
pub(crate) struct SinkOptions<K, V> {
    pub(crate) topic: SinkTopic<K, V>,
    pub(crate) partitioner: Option<Arc<dyn StreamPartitioner<K, V>>>,
    pub(crate) keys: SerdeRef<K>,
    pub(crate) values: SerdeRef<V>,
}

impl<K, V> SinkOptions<K, V> {
    /// One topic, partitioned by key.
    pub(crate) const fn new(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            topic: SinkTopic::Fixed,
            partitioner: None,
            keys,
            values,
        }
    }
}

/// A sink: serialises and hands over.
pub(crate) struct SinkNode<K, V> {
    /// `None` where it is chosen for every record.
    topic: Option<TopicName>,
    options: Arc<SinkOptions<K, V>>,
}

impl<K: 'static, V: 'static> SinkNode<K, V> {
    pub(crate) fn factory(options: SinkOptions<K, V>) -> NodeFactory {
        let options = Arc::new(options);
        Arc::new(move |topic| -> Box<dyn ErasedNode> {
            TypedNode::<K, V>::erased(Self {
                topic,
                options: Arc::clone(&options),
            })
        })
    }
}

impl<K, V> Run<K, V> for SinkNode<K, V> {
    fn init(&mut self, _: &mut TaskContext, _: usize) -> Result<(), ProcessorError> {
        Ok(())
    }

    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let extracted;
        let topic = match (&self.topic, &self.options.topic) {
            (_, SinkTopic::Extracted(extractor)) => {
                extracted = extractor.topic(&record.key, &record.value, &task.context);
                &extracted
            }
            (Some(topic), SinkTopic::Fixed) => topic,
            (None, SinkTopic::Fixed) => {
                return Err(ProcessorError::new("the sink has no topic"));
            }
        };
        let Some(partitioner) = &self.options.partitioner else {
            return self.options.send(task, node, topic, None, &record);
        };
        let count = task.sink.borrow().partition_count(topic);
        let Some(count) = count else {
            let message = format!("the partitions of topic {topic} are not known: create it");
            return Err(ProcessorError::new(message));
        };
        match partitioner.partitions(topic, &record.key, &record.value, count) {
            Partitions::Default => self.options.send(task, node, topic, None, &record),
            Partitions::One(partition) => {
                self.options
                    .send(task, node, topic, Some(partition), &record)
            }
            Partitions::Many(none) if none.is_empty() => {
                task.drop_record("its partitioner gives it no partition");
                Ok(())
            }
            Partitions::Many(mut partitions) => {
                // A set, as Java's: every partition once, in order.
                partitions.sort_unstable();
                partitions.dedup();
                for partition in partitions {
                    self.options
                        .send(task, node, topic, Some(partition), &record)?;
                }
                Ok(())
            }
        }
    }

    fn punctuate(
        &mut self,
        _: &mut TaskContext,
        _: usize,
        _: Cancellable,
        _: i64,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }

    fn close(&mut self) {}
}

impl<K, V> SinkOptions<K, V> {
    fn send(
        &self,
        task: &mut TaskContext,
        node: usize,
        topic: &TopicName,
        partition: Option<i32>,
        record: &Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let name = topic.as_str();
        let scratch = &mut task.scratch;
        scratch.clear();
        let key = match self.keys.serialize_nullable(name, &record.key, scratch) {
            Ok(key) => key,
            Err(error) => return refused(task, node, topic, "key", &error),
        };
        let key_end = scratch.len();
        let value = match self.values.serialize_nullable(name, &record.value, scratch) {
            Ok(value) => value,
            Err(error) => return refused(task, node, topic, "value", &error),
        };
        if record.timestamp < 0 {
            let message = format!(
                "a record for topic {topic} has the timestamp {}: only 0 and later can be written",
                record.timestamp
            );
            return Err(ProcessorError::new(message));
        }
        let partition = partition.or_else(|| {
            let routed = self.keys.partitioned_by(&scratch[..key_end]);
            let is_whole = !key || routed.len() == key_end;
            let count = (!is_whole).then(|| task.sink.borrow().partition_count(topic))??;
            (count > 0).then(|| partition_for_key(routed, count))
        });
        task.source_raw = None;
        let sent = task.sink.borrow_mut().send(OutgoingRecord {
            topic,
            partition,
            key: key.then_some(&scratch[..key_end]),
            value: value.then_some(&scratch[key_end..]),
            timestamp: record.timestamp,
            headers: &task.context.headers,
        });
        match sent {
            Err(StreamsError::Delivery { message, .. }) => {
                let kind = std::any::type_name::<StreamsError>();
                let message = &message;
                task.handle_production(node, topic, HandledError { kind, message })
            }
            sent => Ok(sent?),
        }
    }
}

/// A serde refuses the record.
#[cold]
fn refused(
    task: &mut TaskContext,
    node: usize,
    topic: &TopicName,
    part: &str,
    error: &SerdeError,
) -> Result<(), ProcessorError> {
    let (kind, message) = (
        std::any::type_name::<SerdeError>(),
        format!("its {part}: {error}"),
    );
    let message = &message;
    task.handle_production(node, topic, HandledError { kind, message })
}
