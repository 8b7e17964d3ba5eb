//! The nodes of a running task: typed inside, erased in their slots.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::punctuation::Cancellable;
use super::task_context::TaskContext;
use super::wrapper::wrapped_node;
use super::{
    ConsumerRecord, Processor, ProcessorContext, ProcessorError, Record, TimestampExtractor,
    WrappedProcessor, timestamp,
};
use crate::config::DefaultTimestampExtractor;
use crate::serde::{SerdeError, SerdeRef};
use crate::time::{StreamTime, WallClock};
use crate::topology::NodeFactory;
use crate::types::TopicName;
use crate::wire;

/// A node as its slot holds it.
pub(crate) trait ErasedNode: Any {
    /// Finds where it forwards to; before anything else.
    fn connect(&mut self, children: &[Successor<'_>]);
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError>;
    fn close(&mut self);
    /// The node with code around it; one that takes no records stays as it is.
    fn wrapped(self: Box<Self>, around: Box<dyn WrappedProcessor>) -> Box<dyn ErasedNode>;
    /// Source nodes alone take records from outside.
    fn as_source(&mut self) -> Option<&mut dyn TakeSource> {
        None
    }
}

/// A source, between the queues of a task and its graph.
pub(crate) trait TakeSource {
    /// Makes room for the first record of one more partition.
    fn add_partition(&mut self) -> usize;
    /// Reads the first record of a partition; gives its time.
    fn load(&mut self, slot: usize, raw: RawRecord<'_>) -> Result<i64, LoadError>;
    /// Takes the first record of a partition aside, to be forwarded next.
    fn take(&mut self, slot: usize);
    /// Forwards the record that was taken.
    fn forward(&mut self, task: &mut TaskContext) -> Result<(), ProcessorError>;
}

/// A node that takes records of one type.
pub(super) trait Run<K, V> {
    /// Finds where it forwards to, if it does.
    fn connect(&mut self, children: &[Successor<'_>]);
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError>;
    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError>;
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError>;
    fn close(&mut self);
}

/// A node that runs, as those before it know it: borrowed while it does.
pub(super) type Running<K, V> = Rc<RefCell<dyn Run<K, V>>>;

/// A child as its slot holds it, with its place.
pub(crate) struct Successor<'a> {
    pub(super) place: usize,
    pub(super) node: &'a dyn ErasedNode,
}

/// The children of a node that forwards `K` and `V`, in order of connection. They are found when the
/// graph is built, so that a hop looks nothing up and checks no type.
///
/// A hop is 109 instructions so, in one frame that copies the record once; it was 229 in three frames
/// when each looked its child up, took it out of its slot and asked for its type (callgrind of `bench
/// -- dsl --case hops`). What it takes: children found beforehand, `inline(always)` from `forward` to
/// the child's `process`, and `inline` on the processors of the library. Timed in turn on a busy
/// machine: 27 ns against 61.
pub(crate) struct Children<K, V>(Box<[Child<K, V>]>);

pub(super) struct Child<K, V> {
    pub(super) place: usize,
    /// `None` where it takes records of another type.
    pub(super) node: Option<Running<K, V>>,
}

impl<K, V> Default for Children<K, V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<K: 'static, V: 'static> Children<K, V> {
    pub(super) fn of(children: &[Successor<'_>]) -> Self {
        let child = |successor: &Successor<'_>| Child {
            place: successor.place,
            node: TypedNode::running(successor.node),
        };
        Self(children.iter().map(child).collect())
    }
}

impl<K, V> Children<K, V> {
    #[inline]
    pub(super) const fn as_slice(&self) -> &[Child<K, V>] {
        &self.0
    }
}

/// A node in its slot, whose type says what it takes.
pub(crate) struct TypedNode<K, V>(Running<K, V>);

impl<K: 'static, V: 'static> TypedNode<K, V> {
    pub(super) fn erased(node: impl Run<K, V> + 'static) -> Box<dyn ErasedNode> {
        Box::new(Self(Rc::new(RefCell::new(node))))
    }

    /// The node, if it takes `K` and `V`.
    pub(super) fn running(node: &dyn ErasedNode) -> Option<Running<K, V>> {
        let any: &dyn Any = node;
        any.downcast_ref::<Self>().map(|typed| Rc::clone(&typed.0))
    }
}

impl<K: 'static, V: 'static> ErasedNode for TypedNode<K, V> {
    fn connect(&mut self, children: &[Successor<'_>]) {
        self.0.borrow_mut().connect(children);
    }
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.0.borrow_mut().init(task, node)
    }
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.0
            .borrow_mut()
            .punctuate(task, node, punctuator, timestamp)
    }
    fn close(&mut self) {
        self.0.borrow_mut().close();
    }
    fn wrapped(self: Box<Self>, around: Box<dyn WrappedProcessor>) -> Box<dyn ErasedNode> {
        wrapped_node(self.0, around)
    }
}

/// A processor in the graph: those of the library are known by their types here, which saves a hop
/// an indirect call.
pub(crate) struct ProcessorNode<P, KOut, VOut> {
    processor: P,
    children: Children<KOut, VOut>,
}

impl<P: 'static, KOut: 'static, VOut: 'static> ProcessorNode<P, KOut, VOut> {
    pub(crate) fn erased<KIn: 'static, VIn: 'static>(processor: P) -> Box<dyn ErasedNode>
    where
        P: Processor<KIn, VIn, KOut, VOut>,
    {
        TypedNode::<KIn, VIn>::erased(Self {
            processor,
            children: Children::default(),
        })
    }
}

impl<P, KIn, VIn, KOut, VOut> Run<KIn, VIn> for ProcessorNode<P, KOut, VOut>
where
    P: Processor<KIn, VIn, KOut, VOut>,
    KOut: 'static,
    VOut: 'static,
{
    fn connect(&mut self, children: &[Successor<'_>]) {
        self.children = Children::of(children);
    }
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.processor
            .init(&mut ProcessorContext::new(task, node, &self.children))
    }
    fn process(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        record: Record<KIn, VIn>,
    ) -> Result<(), ProcessorError> {
        self.processor.process(
            &mut ProcessorContext::new(task, node, &self.children),
            record,
        )
    }
    fn punctuate(
        &mut self,
        task: &mut TaskContext,
        node: usize,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.processor.punctuate(
            &mut ProcessorContext::new(task, node, &self.children),
            punctuator,
            timestamp,
        )
    }
    fn close(&mut self) {
        self.processor.close();
    }
}

/// What a source does with a record that became the first of its partition.
pub(crate) enum LoadError {
    /// A serde cannot read it.
    Deserialization {
        part: &'static str,
        error: SerdeError,
    },
    /// It has no time.
    Timestamp(ProcessorError),
}

/// A fetched record, and what is known of its partition.
pub(crate) struct RawRecord<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) partition: i32,
    pub(crate) record: &'a wire::Record,
    pub(crate) partition_time: StreamTime,
    pub(crate) wall_clock: WallClock,
    pub(crate) default_extractor: DefaultTimestampExtractor,
}

/// How a source reads its topics.
pub(crate) struct SourceOptions<K, V> {
    pub(crate) keys: SerdeRef<K>,
    pub(crate) values: SerdeRef<V>,
    /// `default.timestamp.extractor` without one.
    pub(crate) extractor: Option<Arc<dyn TimestampExtractor<K, V>>>,
}

/// A source: deserialises the first record of each of its partitions, and forwards it when it is
/// the next of the task. A null that the type does not have drops the record, and counts it:
/// `Option<T>` takes nulls.
pub(crate) struct SourceNode<K, V> {
    options: Arc<SourceOptions<K, V>>,
    /// The first record of each partition.
    heads: Vec<Option<(Option<K>, Option<V>)>>,
    /// The record that is processed.
    current: Option<(Option<K>, Option<V>)>,
    children: Children<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> SourceNode<K, V> {
    pub(crate) fn factory(options: SourceOptions<K, V>) -> NodeFactory {
        let options = Arc::new(options);
        Arc::new(move |_| -> Box<dyn ErasedNode> {
            Box::new(Self {
                options: Arc::clone(&options),
                heads: Vec::new(),
                current: None,
                children: Children::default(),
            })
        })
    }
}

impl<K: Clone + 'static, V: Clone + 'static> ErasedNode for SourceNode<K, V> {
    fn connect(&mut self, children: &[Successor<'_>]) {
        self.children = Children::of(children);
    }
    fn init(&mut self, _: &mut TaskContext, _: usize) -> Result<(), ProcessorError> {
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
    fn wrapped(self: Box<Self>, _: Box<dyn WrappedProcessor>) -> Box<dyn ErasedNode> {
        self
    }
    fn as_source(&mut self) -> Option<&mut dyn TakeSource> {
        Some(self)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> TakeSource for SourceNode<K, V> {
    fn add_partition(&mut self) -> usize {
        self.heads.push(None);
        self.heads.len() - 1
    }

    fn load(&mut self, slot: usize, raw: RawRecord<'_>) -> Result<i64, LoadError> {
        let SourceOptions {
            keys,
            values,
            extractor,
        } = &*self.options;
        let (topic, record) = (raw.topic.as_str(), raw.record);
        let unreadable = |part| move |error| LoadError::Deserialization { part, error };
        let key = keys.deserialize_nullable(topic, record.key.as_ref());
        let key = key.map_err(unreadable("key"))?;
        let value = values.deserialize_nullable(topic, record.value.as_ref());
        let value = value.map_err(unreadable("value"))?;
        let timestamp = match extractor {
            None => timestamp::of_metadata(
                raw.default_extractor,
                record.timestamp,
                raw.partition_time,
                raw.wall_clock,
            ),
            Some(extractor) => {
                let record = ConsumerRecord {
                    topic: raw.topic,
                    partition: raw.partition,
                    offset: record.offset,
                    timestamp: record.timestamp,
                    headers: &record.headers,
                    key: key.as_ref(),
                    value: value.as_ref(),
                    wall_clock: raw.wall_clock,
                };
                extractor.extract(&record, raw.partition_time)
            }
        };
        self.heads[slot] = Some((key, value));
        timestamp.map_err(LoadError::Timestamp)
    }

    fn take(&mut self, slot: usize) {
        self.current = self.heads[slot].take();
    }

    fn forward(&mut self, task: &mut TaskContext) -> Result<(), ProcessorError> {
        let Some((key, value)) = self.current.take() else {
            return Ok(());
        };
        let (Some(key), Some(value)) = (key, value) else {
            task.drop_record("its key or value is null, which the stream's type does not have");
            return Ok(());
        };
        let timestamp = task.context.timestamp;
        task.forward_to_all(
            &self.children,
            Record {
                key,
                value,
                timestamp,
            },
        )
    }
}
