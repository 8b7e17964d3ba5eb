//! When a task may process although a partition has nothing (KIP-695): what Java's
//! `PartitionGroupTest` says of `max.task.idle.ms`.

use std::cell::RefCell;
use std::rc::Rc;

use super::{StreamTask, TaskState};
use crate::config::StreamsConfig;
use crate::dsl::StreamsBuilder;
use crate::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use crate::state::CacheBudget;
use crate::time::{Instant, Now};
use crate::types::{Headers, TaskId, TopicPartition};
use crate::wire::{RecordBatchBuilder, assign_offsets, decode_batches};

/// Keeps the timestamps of what is produced.
#[derive(Default)]
struct Seen(Vec<i64>);

impl RecordSink for Seen {
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), crate::error::StreamsError> {
        self.0.push(record.timestamp);
        Ok(())
    }
}

struct World {
    task: StreamTask,
    seen: Rc<RefCell<Seen>>,
    now: Now,
}

impl World {
    /// A task that merges the topics `a` and `b`.
    fn new(max_task_idle_ms: i64) -> Self {
        let builder = StreamsBuilder::new();
        let a = builder.stream::<String, String>("a");
        a.merge(&builder.stream::<String, String>("b")).to("out");
        let topology = builder.build().expect("a valid topology");
        let config = StreamsConfig::new("app", "x:1").expect("valid");
        let seen = Rc::new(RefCell::new(Seen::default()));
        let sink: Rc<RefCell<dyn RecordSink>> = Rc::<RefCell<Seen>>::clone(&seen);
        let (id, budget) = (TaskId::new(0, 0), CacheBudget::new(0));
        let graph = ProcessorGraph::new(&topology, id, &[0], &config, &budget, sink);
        let inputs = ["a", "b"].map(|topic| TopicPartition::new(topic, 0));
        let task = StreamTask::new(id, graph.expect("opens"), &inputs, max_task_idle_ms);
        let mut world = Self {
            task: task.expect("has its sources"),
            seen,
            now: Now::default(),
        };
        world.task.init(world.now).expect("begins");
        world.task.state = TaskState::Running;
        for input in &inputs {
            world.task.started(input, 0, None, "").expect("no metadata");
        }
        world
    }

    /// Records with these timestamps come from offset `from`, of a log that ends at `log_end`.
    fn fetched(&mut self, topic: &str, from: i64, timestamps: &[i64], log_end: i64) {
        let mut builder = RecordBatchBuilder::new();
        for timestamp in timestamps {
            builder.append(*timestamp, Some(b"k"), Some(b"v"), &Headers::new());
        }
        let mut batches = Vec::new();
        if !timestamps.is_empty() {
            let sealed = decode_batches(builder.seal().encode(-1, -1, -1)).expect("sound");
            batches = decode_batches(assign_offsets(&sealed[0], from, 1)).expect("sound");
        }
        let next = from + timestamps.len() as i64;
        let partition = TopicPartition::new(topic, 0);
        let pushed = self.task.push(self.now, &partition, batches, next, log_end);
        pushed.expect("is read");
    }

    fn wait(&mut self, millis: u64) {
        self.now.instant = self.now.instant.plus_ms(millis);
    }

    /// Processes all it may and gives the timestamps.
    fn process(&mut self) -> Vec<i64> {
        self.task.process(self.now, 100).expect("is processed");
        std::mem::take(&mut self.seen.borrow_mut().0)
    }

    fn at(millis: u64) -> Option<Instant> {
        Some(Instant::ZERO.plus_ms(millis))
    }
}

#[test]
fn waits_for_metadata_and_for_what_is_known_to_be_there() {
    for idle_ms in [0, 100] {
        let mut world = World::new(idle_ms);
        world.fetched("a", 0, &[5], 1);
        assert!(world.process().is_empty(), "nothing is known of b");
        // Nothing has come of it although it has a record.
        world.fetched("b", 0, &[], 1);
        world.wait(1_000_000);
        assert!(world.process().is_empty(), "the record of b is on its way");
        assert_eq!(world.task.idle_until(), None, "no clock brings it");
        world.fetched("b", 0, &[3], 1);
        let now = world.now.instant.as_nanos() / 1_000_000;
        let first = if idle_ms == 0 { vec![3, 5] } else { vec![3] };
        assert_eq!(world.process(), first, "in order of time");
        if idle_ms > 0 {
            assert_eq!(world.task.idle_until(), World::at(now + 100));
        }
    }
}

#[test]
fn an_empty_partition_is_waited_for_once() {
    let mut world = World::new(100);
    world.fetched("b", 0, &[], 0);
    world.wait(10);
    world.fetched("a", 0, &[1, 2], 2);
    assert!(world.process().is_empty());
    assert_eq!(world.task.idle_until(), World::at(110));
    world.wait(99);
    assert!(!world.task.can_process(world.now));
    world.wait(1);
    assert!(world.task.can_process(world.now));
    // Where both are empty, nothing is due.
    assert_eq!(world.process(), [1, 2], "enforced: no wait at each record");
    assert_eq!(world.task.idle_until(), None);

    // The wait for b is over until it has something; that for a began when it was empty.
    world.wait(100);
    world.fetched("a", 2, &[3], 3);
    assert_eq!(world.process(), [3]);
    world.fetched("b", 0, &[4, 6], 2);
    assert!(world.process().is_empty(), "a is empty again");
    assert_eq!(world.task.idle_until(), World::at(310));
    world.fetched("a", 3, &[5], 4);
    assert_eq!(world.process(), [4, 5]);
    assert_eq!(
        world.task.idle_until(),
        World::at(310),
        "a has been empty since"
    );
    world.wait(100);
    assert_eq!(world.process(), [6]);
}

#[test]
fn a_known_lag_ends_a_wait() {
    let mut world = World::new(100);
    world.fetched("a", 0, &[1], 1);
    world.fetched("b", 0, &[], 0);
    assert!(world.process().is_empty());
    world.wait(50);
    world.fetched("b", 0, &[], 1);
    world.wait(50);
    assert!(world.process().is_empty(), "its record is waited for");
    assert_eq!(world.task.idle_until(), None);
}

#[test]
fn zero_waits_for_no_clock_and_minus_one_for_nothing() {
    let mut world = World::new(0);
    world.fetched("a", 0, &[1], 1);
    world.fetched("b", 0, &[], 0);
    assert_eq!(world.process(), [1]);

    let mut world = World::new(-1);
    world.fetched("a", 0, &[1], 1);
    assert_eq!(world.process(), [1], "nothing is known of b");
    world.fetched("b", 0, &[], 5);
    world.fetched("a", 1, &[2], 2);
    assert_eq!(world.process(), [2]);
}
