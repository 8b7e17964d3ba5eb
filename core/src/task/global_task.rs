//! The task that fills global stores (Java: `GlobalStateUpdateTask` and `GlobalStreamThread`).

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::processor::{GlobalStores, OutgoingRecord, ProcessorGraph, RecordSink};
use crate::query::Position;
use crate::time::{Now, StreamTime};
use crate::topology::Topology;
use crate::types::{TopicName, TopicPartition};
use crate::wire::{Record, RecordBatch, Records};

/// Nothing leaves a global sub-topology.
struct NoOutput;

impl RecordSink for NoOutput {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        Err(StreamsError::Topology(format!(
            "a processor of a global store sends a record to topic {}",
            record.topic
        )))
    }
}

/// A partition on its way into a global store.
#[derive(Default)]
struct Progress {
    /// The log end when reading began: the stores are ready once it is reached.
    end: Option<i64>,
    position: i64,
    next_offset: i64,
    batches: VecDeque<RecordBatch>,
    current: Option<(Records, usize)>,
}

/// Fills the global stores of one thread, and keeps them up to date.
///
/// Every stream thread has stores of its own, where Java's threads share one set: nothing is shared
/// between threads, so nothing is locked when processors read.
pub struct GlobalTask {
    graph: ProcessorGraph,
    stores: GlobalStores,
    topics: Vec<TopicName>,
    partitions: BTreeMap<TopicPartition, Progress>,
}

impl GlobalTask {
    /// The global sub-topologies of `topology`, with empty stores; `None` where there are none.
    ///
    /// # Errors
    /// When a store cannot be made or a processor cannot begin.
    pub fn new(
        now: Now,
        topology: &Topology,
        config: &StreamsConfig,
    ) -> Result<Option<Self>, StreamsError> {
        let topics = topology.global_topics();
        if topics.is_empty() {
            return Ok(None);
        }
        let stores = GlobalStores::new(topology, config)?;
        let sink: Rc<RefCell<dyn RecordSink>> = Rc::new(RefCell::new(NoOutput));
        let mut graph = ProcessorGraph::global(topology, config, sink, &stores)?;
        graph.init(now)?;
        Ok(Some(Self {
            graph,
            stores,
            topics,
            partitions: BTreeMap::new(),
        }))
    }

    /// What tasks read.
    pub const fn stores(&self) -> &GlobalStores {
        &self.stores
    }

    /// The topics that are read, all partitions of each.
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// Brings one record to its store.
    ///
    /// # Errors
    /// When it cannot be read, has no timestamp, or the store or its processor fails.
    pub fn update(
        &mut self,
        now: Now,
        partition: &TopicPartition,
        record: Record,
    ) -> Result<(), StreamsError> {
        self.graph
            .process_record(now, partition, record, StreamTime::UNKNOWN)
    }

    /// The partitions of `topic` that are not read yet, now that it has so many of them.
    pub(crate) fn new_partitions(&mut self, topic: &TopicName, count: i32) -> Vec<TopicPartition> {
        if !self.topics.contains(topic) {
            return Vec::new();
        }
        let all = (0..count).map(|partition| TopicPartition::new(topic.clone(), partition));
        let new: Vec<_> = all
            .filter(|partition| !self.partitions.contains_key(partition))
            .collect();
        for partition in &new {
            self.partitions
                .insert(partition.clone(), Progress::default());
        }
        new
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// Reading of a partition begins; false when it is not one of a global store.
    pub(crate) fn started(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        end: Option<i64>,
    ) -> bool {
        let Some(progress) = self.partitions.get_mut(partition) else {
            return false;
        };
        *progress = Progress {
            end: end.or(progress.end),
            position: offset,
            next_offset: offset,
            ..Progress::default()
        };
        true
    }

    /// Takes fetched batches; gives them back when they are not of a global store.
    pub(crate) fn push(
        &mut self,
        partition: &TopicPartition,
        batches: Vec<RecordBatch>,
        next_offset: i64,
    ) -> Option<Vec<RecordBatch>> {
        let Some(progress) = self.partitions.get_mut(partition) else {
            return Some(batches);
        };
        progress.batches.extend(batches);
        progress.next_offset = progress.next_offset.max(next_offset);
        None
    }

    /// Applies up to `max_records`; gives the bytes of used-up batches, and whether there is more
    /// right away.
    pub(crate) fn run(
        &mut self,
        now: Now,
        max_records: usize,
    ) -> Result<(Vec<(TopicPartition, usize)>, bool), StreamsError> {
        let (mut left, mut consumed) = (max_records, Vec::new());
        for (partition, progress) in &mut self.partitions {
            let mut bytes_used = 0;
            while left > 0 {
                let Some((records, bytes)) = &mut progress.current else {
                    let Some(batch) = progress.batches.pop_front() else {
                        break;
                    };
                    progress.current = Some((batch.records(), batch.size_bytes()));
                    continue;
                };
                let Some(record) = records.next() else {
                    bytes_used += *bytes;
                    progress.current = None;
                    continue;
                };
                let record = record
                    .map_err(|error| StreamsError::Protocol(format!("{partition}: {error}")))?;
                if record.offset < progress.position {
                    continue;
                }
                progress.position = record.offset + 1;
                left -= 1;
                let graph = &mut self.graph;
                graph.process_record(now, partition, record, StreamTime::UNKNOWN)?;
            }
            if progress.batches.is_empty() && progress.current.is_none() {
                // Over what compaction removed, and over control batches.
                progress.position = progress.position.max(progress.next_offset);
            }
            if bytes_used > 0 {
                consumed.push((partition.clone(), bytes_used));
            }
        }
        Ok((consumed, self.has_more()))
    }

    fn has_more(&self) -> bool {
        let mut partitions = self.partitions.values();
        partitions.any(|progress| progress.current.is_some() || !progress.batches.is_empty())
    }

    /// True when every topic was read up to what was its end when reading began: tasks may begin.
    pub(crate) fn is_ready(&self) -> bool {
        let read = |topic: &TopicName| self.partitions.keys().any(|p| p.topic == *topic);
        let reached = |progress: &Progress| progress.end.is_some_and(|e| progress.position >= e);
        self.topics.iter().all(read) && self.partitions.values().all(reached)
    }

    /// The last offset of each partition that is in the stores.
    pub(crate) fn position(&self) -> Position {
        let partitions = self.partitions.iter();
        let seen = partitions.filter(|(_, progress)| progress.position > 0);
        seen.fold(Position::empty(), |all, (partition, progress)| {
            all.with_component(partition, progress.position - 1)
        })
    }

    /// What was dropped first since the last call, and why.
    pub(crate) fn take_drop_reason(&mut self) -> Option<String> {
        self.graph.take_drop_reason()
    }
}
