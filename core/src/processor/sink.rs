//! Where records leave a task.

use std::sync::Arc;

use super::ProcessorError;
use super::Record;
use super::node::{ErasedNode, Run, Successor, TypedNode};
use super::punctuation::Cancellable;
use super::task_context::TaskContext;
use crate::error::{HandledError, ProductionError, ProductionFailure, StreamsError};
use crate::metrics::record_bytes;
use crate::serde::{SerdeError, SerdeRef};
use crate::topology::NodeFactory;
use crate::types::{Headers, RecordContext, TaskId, TopicName, TopicPartition};
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
    /// Whose it is, for the handler of its refusal; `None` for dead letters, which have none.
    pub origin: Option<RecordOrigin<'a>>,
}

/// Where an outgoing record comes from.
#[derive(Clone, Copy, Debug)]
pub struct RecordOrigin<'a> {
    /// The task.
    pub task: TaskId,
    /// The sink, or the store whose changelog it is for.
    pub node: &'a Arc<str>,
    /// The input record that led to it.
    pub context: &'a RecordContext,
}

/// Chooses the partitions of a record out of so many.
pub type ChoosePartitions = Box<dyn FnOnce(i32) -> Partitions>;

/// Takes what a task produces: output and changelog records, in order.
pub trait RecordSink {
    /// Takes one record.
    ///
    /// # Errors
    /// When the record can never be written.
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError>;

    /// Takes a record for a topic of which [`partition_count`](Self::partition_count) knows nothing
    /// yet: `choose` gives its partitions once their number is known.
    ///
    /// # Errors
    /// When the record can never be written, as here by default.
    fn send_when_known(
        &mut self,
        record: OutgoingRecord<'_>,
        choose: ChoosePartitions,
    ) -> Result<(), StreamsError> {
        drop(choose);
        Err(StreamsError::Delivery {
            partition: TopicPartition::new(record.topic.clone(), -1),
            message: "how many partitions the topic has is not known".to_owned(),
        })
    }

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

impl<K: 'static, V: 'static> Run<K, V> for SinkNode<K, V> {
    fn connect(&mut self, _: &[Successor<'_>]) {}

    fn init(&mut self, _: &mut TaskContext, _: usize) -> Result<(), ProcessorError> {
        Ok(())
    }

    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let timestamp = record.timestamp;
        self.write(task, node, record)?;
        task.measure_latency(node, timestamp);
        Ok(())
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

impl<K: 'static, V: 'static> SinkNode<K, V> {
    fn write(
        &self,
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
        let options = &self.options;
        let Some(written) = options.serialize(task, node, topic, &record)? else {
            return Ok(());
        };
        let Some(partitioner) = &options.partitioner else {
            return options.send_by_key(task, node, topic, written);
        };
        let Some(count) = task.sink.borrow().partition_count(topic) else {
            let (options, name) = (Arc::clone(options), topic.clone());
            let choose: ChoosePartitions = Box::new(move |count| match &options.partitioner {
                Some(by) => by.partitions(&name, &record.key, &record.value, count),
                None => Partitions::Default,
            });
            return task.send(node, topic, written, Route::Later(choose));
        };
        let chosen = partitioner.partitions(topic, &record.key, &record.value, count);
        let partitions = chosen.into_partitions();
        if partitions.is_empty() {
            task.drop_record("its partitioner gives it no partition");
        }
        for partition in partitions {
            match partition {
                None => options.send_by_key(task, node, topic, written)?,
                Some(_) => task.send(node, topic, written, Route::To(partition))?,
            }
        }
        Ok(())
    }
}

/// A record as its serdes wrote it, into the scratch bytes of the task.
#[derive(Clone, Copy)]
struct Written {
    key: bool,
    key_end: usize,
    value: bool,
    timestamp: i64,
}

/// Where a record goes.
enum Route {
    To(Option<i32>),
    /// Once the partitions of the topic are known.
    Later(ChoosePartitions),
}

impl<K, V> SinkOptions<K, V> {
    /// Serialises the record; `None` when it is dropped because that fails.
    fn serialize(
        &self,
        task: &mut TaskContext,
        node: usize,
        topic: &TopicName,
        record: &Record<K, V>,
    ) -> Result<Option<Written>, ProcessorError> {
        let name = topic.as_str();
        let scratch = &mut task.scratch;
        scratch.clear();
        let key = match self.keys.serialize_nullable(name, &record.key, scratch) {
            Ok(key) => key,
            Err(error) => {
                return refused(task, node, topic, ProductionFailure::SerializeKey, &error);
            }
        };
        let key_end = scratch.len();
        let value = match self.values.serialize_nullable(name, &record.value, scratch) {
            Ok(value) => value,
            Err(error) => {
                return refused(task, node, topic, ProductionFailure::SerializeValue, &error);
            }
        };
        if record.timestamp < 0 {
            let message = format!(
                "a record for topic {topic} has the timestamp {}: only 0 and later can be written",
                record.timestamp
            );
            return Err(ProcessorError::new(message));
        }
        Ok(Some(Written {
            key,
            key_end,
            value,
            timestamp: record.timestamp,
        }))
    }

    /// Sends to the partition of the key, or of what the serde says stands for it.
    fn send_by_key(
        &self,
        task: &mut TaskContext,
        node: usize,
        topic: &TopicName,
        written: Written,
    ) -> Result<(), ProcessorError> {
        let routed = self.keys.partitioned_by(&task.scratch[..written.key_end]);
        if !written.key || routed.len() == written.key_end {
            return task.send(node, topic, written, Route::To(None));
        }
        let count = task.sink.borrow().partition_count(topic);
        let route = match count {
            Some(count) => Route::To(Some(partition_for_key(routed, count))),
            None => {
                let routed = routed.to_vec();
                Route::Later(Box::new(move |count| {
                    Partitions::One(partition_for_key(&routed, count))
                }))
            }
        };
        task.send(node, topic, written, route)
    }
}

impl TaskContext {
    fn send(
        &mut self,
        node: usize,
        topic: &TopicName,
        written: Written,
        route: Route,
    ) -> Result<(), ProcessorError> {
        self.context.source_record = None;
        let (key, value) = self.scratch.split_at(written.key_end);
        let record = OutgoingRecord {
            topic,
            partition: None,
            key: written.key.then_some(key),
            value: written.value.then_some(value),
            timestamp: written.timestamp,
            headers: &self.context.headers,
            origin: Some(RecordOrigin {
                task: self.id,
                node: &self.nodes[node].name,
                context: &self.context,
            }),
        };
        let mut sink = self.sink.borrow_mut();
        let sent = match route {
            Route::To(partition) => sink.send(OutgoingRecord {
                partition,
                ..record
            }),
            Route::Later(choose) => sink.send_when_known(record, choose),
        };
        drop(sink);
        match sent {
            Err(StreamsError::Delivery { partition, message }) => {
                let (key, value) = self.scratch.split_at(written.key_end);
                let (key, value) = (key.to_vec(), value.to_vec());
                let kind = std::any::type_name::<StreamsError>();
                let error = ProductionError {
                    topic,
                    partition: Some(partition.partition).filter(|partition| *partition >= 0),
                    key: written.key.then_some(&key),
                    value: written.value.then_some(&value),
                    failure: ProductionFailure::Unsendable,
                    error: HandledError {
                        kind,
                        message: &message,
                    },
                };
                self.handle_production(node, &error)
            }
            sent => {
                sent?;
                self.count_produced(node, topic, written);
                Ok(())
            }
        }
    }

    #[inline]
    fn count_produced(&mut self, node: usize, topic: &TopicName, written: Written) {
        let (key, value) = self.scratch.split_at(written.key_end);
        let headers = &self.context.headers;
        let bytes = record_bytes(topic.as_str(), Some(key), Some(value), headers);
        let produced = &mut self.nodes[node].measured.produced;
        match produced.get_mut(topic) {
            Some(volume) => volume.add(bytes),
            None => produced.entry(topic.clone()).or_default().add(bytes),
        }
    }
}

/// A serde refuses the record.
#[cold]
fn refused(
    task: &mut TaskContext,
    node: usize,
    topic: &TopicName,
    failure: ProductionFailure,
    error: &SerdeError,
) -> Result<Option<Written>, ProcessorError> {
    let part = match failure {
        ProductionFailure::SerializeKey => "key",
        _ => "value",
    };
    let message = &format!("its {part}: {error}");
    let kind = std::any::type_name::<SerdeError>();
    let error = ProductionError {
        topic,
        partition: None,
        key: None,
        value: None,
        failure,
        error: HandledError { kind, message },
    };
    task.handle_production(node, &error)?;
    Ok(None)
}
