//! When everything has come to rest, and what must hold then.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use eddyline_core::error::StreamsError;
use eddyline_core::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use eddyline_core::state::storage::{InMemoryStorage, Storage, StorageError, StorageFactory};
use eddyline_core::state::{CacheBudget, StateStore};
use eddyline_core::task::StandbyTask;
use eddyline_core::thread::{TaskState, ThreadState};
use eddyline_core::topology::Subtopology;
use eddyline_core::types::{TaskId, TopicName, TopicPartition};

use super::engine::{Phase, Scenario, World};
use super::events::Event;
use super::instance::StreamThread;
use crate::broker::{GroupState, PartitionLog};

/// A disk with one file, to be looked at.
struct OneFile(RefCell<Option<Box<dyn Storage>>>);

impl StorageFactory for OneFile {
    fn open(&self, _task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        let rows = self.0.take();
        Ok(rows.unwrap_or_else(|| Box::<InMemoryStorage>::default()))
    }
}

/// Nothing is processed where a disk is looked at.
struct NoSink;

impl RecordSink for NoSink {
    fn send(&mut self, _record: OutgoingRecord<'_>) -> Result<(), StreamsError> {
        Ok(())
    }
}

/// How often the run looks.
const CHECK_EVERY_MS: u64 = 50;
/// Past the deadline something has to be committed that often.
const PROGRESS_MAX_MS: u64 = 5_000;
/// A graceful close takes 35 seconds at most, without any broker; with one it takes less.
const CLOSE_MAX_MS: u64 = 15_000;

/// Whether nothing to be read stands in a log from `at` on: markers need no reading.
fn is_read_to_end(log: &PartitionLog, at: i64) -> bool {
    let end = log.end_offset();
    if at == end {
        return true;
    }
    let records = log.records().unwrap_or_default();
    at < end
        && log.last_stable_offset() == end
        && records.last().is_none_or(|record| record.offset < at)
}

impl World<'_> {
    pub(super) fn check(&mut self) {
        let unfinished = match self.phase {
            Phase::Working => self.unsettled(),
            Phase::Closing => self.unclosed(),
            Phase::Over => return,
        };
        if let Some(reason) = unfinished {
            if self.now >= self.deadline && !self.goes_on() {
                self.oracles.report("settle", reason);
                return;
            }
            let again = self.now.plus_ms(CHECK_EVERY_MS);
            return self.queue.add(again, Event::Check);
        }
        self.trace.note(self.now, "settled", 0, "");
        if self.phase == Phase::Closing {
            self.check_disks();
            self.phase = Phase::Over;
            return;
        }
        self.check_stores();
        self.check_disks();
        self.phase = Phase::Closing;
        self.lag = None;
        // A leave that nobody hears is not said again: the session has to end.
        let session_ms = u64::from(self.scenario.schedule.group.session_timeout_ms);
        self.deadline = self.now.plus_ms(CLOSE_MAX_MS + session_ms);
        for instance in 0..self.instances.len() {
            self.instances[instance].is_wanted = false;
            self.close(instance);
        }
        self.queue.add(self.now, Event::Check);
    }

    /// Whether more is committed than when this was asked last, or all of it by now, which standbys
    /// have yet to read: transactions of a few bytes, which some seeds draw, take their time. Input
    /// ends, and so does this.
    fn goes_on(&mut self) -> bool {
        let lag = (self.phase == Phase::Working)
            .then(|| self.lagging())
            .flatten();
        let goes_on = lag != self.lag;
        self.lag = lag;
        self.deadline = self.now.plus_ms(PROGRESS_MAX_MS);
        goes_on
    }

    /// What is not yet as it must be once nothing goes wrong any more.
    fn unsettled(&self) -> Option<String> {
        let config = &self.scenario.config;
        for (instance, state) in self.instances.iter().enumerate() {
            if state.threads.len() != config.num_stream_threads() {
                return Some(format!("instance {instance} does not run"));
            }
        }
        let Some(group) = self.broker.group(config.application_id()) else {
            return Some("there is no group".to_owned());
        };
        if group.state() != GroupState::Stable {
            return Some(format!("the group is {}", group.state().name()));
        }
        if group.members().len() != self.threads.len() {
            let (members, threads) = (group.members().len(), self.threads.len());
            return Some(format!(
                "the group has {members} members of {threads} threads"
            ));
        }
        let mut owners: BTreeMap<TaskId, &str> = BTreeMap::new();
        for thread in self.threads.values() {
            let report = thread.client.report();
            if report.state != ThreadState::Running {
                return Some(format!("{} is {:?}", thread.name, report.state));
            }
            for (task, state) in &thread.tasks {
                if *state != TaskState::Running {
                    return Some(format!("task {task} of {} is {state}", thread.name));
                }
                if let Some(other) = owners.insert(*task, &thread.name) {
                    return Some(format!("{other} and {} run task {task}", thread.name));
                }
            }
        }
        if let Some(reason) = self.threads.values().find_map(|t| self.standbys_behind(t)) {
            return Some(reason);
        }
        let expected = self.expected_tasks();
        if !owners.keys().eq(&expected) {
            let running: Vec<&TaskId> = owners.keys().collect();
            return Some(format!("tasks {running:?} run of {expected:?}"));
        }
        self.lagging()
    }

    /// A standby that is not there, or not at the end of a changelog.
    fn standbys_behind(&self, thread: &StreamThread) -> Option<String> {
        let name = &thread.name;
        let told = thread.client.report().standby_tasks;
        let held: Vec<TaskId> = thread.runner.standbys().map(|standby| standby.id).collect();
        if told != held {
            return Some(format!("{name} has standbys {held:?} of {told:?}"));
        }
        let mut copies = thread.runner.standbys().flat_map(StandbyTask::progress);
        let behind = copies.find(|copy| {
            let (topic, partition) = (copy.partition.topic.as_str(), copy.partition.partition);
            let log = self.broker.log(topic, partition);
            log.is_some_and(|log| !is_read_to_end(log, copy.position))
        })?;
        let (position, partition) = (behind.position, &behind.partition);
        Some(format!(
            "the standby of {name} is at {position} of {partition}"
        ))
    }

    fn subtopologies(&self) -> Vec<Subtopology> {
        self.scenario.topology.subtopologies(&self.scenario.config)
    }

    fn partitions(&self, topic: &TopicName) -> i32 {
        let partitions = (0..).take_while(|p| self.broker.log(topic.as_str(), *p).is_some());
        partitions.count() as i32
    }

    fn expected_tasks(&self) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        for subtopology in self.subtopologies() {
            let counts = subtopology.inputs().map(|topic| self.partitions(topic));
            let partitions = 0..counts.max().unwrap_or(0);
            tasks.extend(partitions.map(|partition| TaskId::new(subtopology.id, partition)));
        }
        tasks
    }

    /// An input partition that is not processed and committed to its end.
    fn lagging(&self) -> Option<String> {
        // What a client was told is what counts: a commit that was sent twice may arrive last when
        // it is the older one.
        let mut committed: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for thread in self.threads.values() {
            for progress in thread.client.report().partitions {
                committed.insert(progress.partition, progress.committed);
            }
        }
        for subtopology in self.subtopologies() {
            for topic in subtopology.inputs() {
                for partition in 0..self.partitions(topic) {
                    let log = self.broker.log(topic.as_str(), partition);
                    let key = TopicPartition::new(topic.clone(), partition);
                    let at = committed.get(&key).copied().unwrap_or(0);
                    if let Some(log) = log
                        && !is_read_to_end(log, at)
                    {
                        let end = log.end_offset();
                        return Some(format!("{key} is committed to {at} of {end}"));
                    }
                }
            }
        }
        None
    }

    fn unclosed(&self) -> Option<String> {
        if let Some(thread) = self.threads.values().next() {
            return Some(format!("{} does not close", thread.name));
        }
        let group = self.broker.group(self.scenario.config.application_id())?;
        (!group.members().is_empty())
            .then(|| format!("{} members have not left", group.members().len()))
    }

    /// What is on the disk of an instance, as it would be found there.
    pub(super) fn check_disk(&mut self, instance: usize, tasks: BTreeSet<TaskId>) {
        for task in tasks {
            if let Err(error) = self.check_file(instance, task) {
                self.oracles.report("disk", format!("task {task}: {error}"));
            }
        }
    }

    pub(super) fn check_disks(&mut self) {
        for instance in 0..self.instances.len() {
            let tasks = self.instances[instance].disk.tasks();
            self.check_disk(instance, tasks);
        }
    }

    fn check_file(&mut self, instance: usize, task: TaskId) -> Result<(), StreamsError> {
        let rows = self.instances[instance].disk.rows(task)?;
        let Scenario {
            topology, config, ..
        } = self.scenario;
        let (budget, sink) = (CacheBudget::new(0), Rc::new(RefCell::new(NoSink)));
        let file = OneFile(RefCell::new(Some(rows)));
        let members = [task.subtopology];
        let graph = ProcessorGraph::open(topology, task, &members, config, &budget, sink, &file)?;
        let stores = graph.stores();
        for (store, changelog) in stores.filter(|(store, _)| store.is_persistent()) {
            let Some(topic) = changelog else { continue };
            let offset = graph.committed_offset(store.name());
            let (broker, partition) = (&self.broker, task.partition);
            let oracles = &mut self.oracles;
            if !oracles.was_written_by_a_zombie(broker, topic.as_str(), partition) {
                oracles.disk_is_fold(broker, task, store, topic, offset);
            }
        }
        Ok(())
    }

    fn check_stores(&mut self) {
        let Self {
            threads,
            oracles,
            broker,
            ..
        } = self;
        let mut check = |task: TaskId, store: &dyn StateStore, changelog: Option<&TopicName>| {
            let Some(changelog) = changelog else { return };
            oracles.was_written_by_owners(broker, task, changelog);
            if !oracles.was_written_by_a_zombie(broker, changelog.as_str(), task.partition) {
                oracles.store_is_fold(broker, task, store, changelog);
            }
        };
        for thread in threads.values() {
            thread.runner.visit_stores(&mut check);
            for standby in thread.runner.standbys() {
                let stores = standby.graph().stores();
                stores.for_each(|(store, changelog)| check(standby.id, store, changelog));
            }
        }
    }

    /// A task that begins to run has what its changelogs had when it was taken over.
    pub(super) fn check_restored(&mut self, id: u64, task: TaskId) {
        let Self {
            threads,
            oracles,
            broker,
            ..
        } = self;
        let Some(thread) = threads.get(&id) else {
            return;
        };
        oracles.runs(&thread.name, task);
        thread.runner.visit_stores(|of, store, changelog| {
            let Some(changelog) = changelog.filter(|_| of == task) else {
                return;
            };
            let partition = TopicPartition::new(changelog.clone(), task.partition);
            let end = oracles.restored_to(&thread.name, &partition);
            if let Some(end) = end
                && !oracles.was_written_by_a_zombie(broker, changelog.as_str(), task.partition)
            {
                oracles.restored_is_fold(broker, task, store, changelog, end);
            }
        });
    }
}
