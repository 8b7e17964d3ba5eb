//! The task runner with a hand-played client: pausing, and memory that is divided anew.

use std::time::Duration;

use super::*;
use crate::dsl::{Materialized, StreamsBuilder};
use crate::group::{Assignment, TaskAssignment};
use crate::processor::{Cancellable, Processor, ProcessorContext, ProcessorError, Record};
use crate::state::storage::{Storage, StorageError};
use crate::thread::message::StartFrom;
use crate::types::Headers;
use crate::wire::{RecordBatch, RecordBatchBuilder, assign_offsets, decode_batches};

/// Forwards a tick every second.
struct Ticker;

impl Processor<String, String, String, String> for Ticker {
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime)?;
        Ok(())
    }

    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, String, String>,
        _: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        _: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        context.forward(Record::new("k".to_owned(), "tick".to_owned(), timestamp))
    }
}

pub(super) const TASK: TaskId = TaskId::new(0, 0);
pub(super) const CHANGELOG: &str = "app-counts-changelog";

pub(super) struct World {
    pub(super) runner: TaskRunner,
    pub(super) now: Now,
    said: Vec<ClientMessage>,
    events: Vec<RunnerEvent>,
}

impl World {
    /// A runner of a task that counts the keys of `in` and ticks into `ticks`.
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with a configuration of its own.
    pub(super) fn with(settings: &[(&str, &str)]) -> Self {
        let builder = StreamsBuilder::new();
        let stream = builder.stream::<String, String>("in");
        stream.process(|| Ticker, &[]).to("ticks");
        let counts = Materialized::as_store("counts");
        stream.group_by_key().count(counts).to_stream().to("out");
        let topology = Arc::new(builder.build().expect("valid"));
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        let config = config.set("commit.interval.ms", 300).expect("valid");
        let set = |config: StreamsConfig, (key, value): &(&str, &str)| config.set(key, value);
        let config = settings.iter().try_fold(config, set).expect("valid");
        let now = Now {
            instant: Instant::from_nanos(1),
            wall_clock: WallClock(1_000_000),
        };
        let mut world = Self {
            runner: TaskRunner::new(now, topology, &config),
            now,
            said: Vec::new(),
            events: Vec::new(),
        };
        let counts = ["in", "ticks", "out", CHANGELOG].map(|topic| (topic.into(), 2));
        world.tell(RunnerMessage::PartitionCounts(counts.to_vec()));
        world.tell(RunnerMessage::Ready(true));
        world
    }

    /// One whose task runs.
    pub(super) fn running() -> Self {
        Self::running_with(&[])
    }

    pub(super) fn running_with(settings: &[(&str, &str)]) -> Self {
        let mut world = Self::with(settings);
        world.assign(vec![assigned()], Vec::new());
        world.started(CHANGELOG, Some(0));
        world.started("in", None);
        assert_eq!(world.state(), Some(TaskState::Running));
        world
    }

    pub(super) fn assign(&mut self, active: Vec<TaskAssignment>, standby: Vec<TaskAssignment>) {
        let assignment = Assignment {
            active,
            standby,
            warmup: Vec::new(),
        };
        let ticket = 1;
        self.tell(RunnerMessage::Assign { ticket, assignment });
    }

    pub(super) fn started(&mut self, topic: &str, end: Option<i64>) {
        self.started_at(TopicPartition::new(topic, 0), end);
    }

    fn started_at(&mut self, partition: TopicPartition, end: Option<i64>) {
        self.tell(RunnerMessage::Started {
            partition,
            offset: 0,
            end,
            metadata: String::new(),
        });
    }

    pub(super) fn records(&mut self, topic: &str, from: i64, keys: &[&str]) {
        self.records_at(TopicPartition::new(topic, 0), from, keys);
    }

    fn records_at(&mut self, partition: TopicPartition, from: i64, keys: &[&str]) {
        let next_offset = from + keys.len() as i64;
        self.tell(RunnerMessage::Records {
            partition,
            batches: batches(from, keys),
            next_offset,
            log_end: next_offset,
        });
    }

    pub(super) fn tell(&mut self, message: RunnerMessage) {
        self.runner.handle_message(self.now, ToRunner(message));
        self.step();
    }

    /// Runs as long as there is something to do at once; everything written and committed is.
    fn step(&mut self) {
        for _ in 0..1000 {
            let more = self.runner.run_once(self.now, Budget::default());
            while let Some(event) = self.runner.poll_event() {
                self.events.push(event);
            }
            let said: Vec<_> = std::iter::from_fn(|| self.runner.poll_message()).collect();
            if said.is_empty() && !more {
                let due = self.runner.poll_timeout();
                assert!(due.is_none_or(|at| at > self.now.instant), "a busy loop");
                return;
            }
            for ToClient(message) in said {
                let answer = match &message {
                    ClientMessage::Produce { ticket, .. } => Some(RunnerMessage::Produced {
                        ticket: *ticket,
                        base_offset: 0,
                    }),
                    ClientMessage::Commit { ticket, .. } => Some(RunnerMessage::Committed {
                        ticket: *ticket,
                        result: Ok(()),
                    }),
                    ClientMessage::Failed(error) => panic!("{error}"),
                    _ => None,
                };
                self.said.push(message);
                if let Some(answer) = answer {
                    self.runner.handle_message(self.now, ToRunner(answer));
                }
            }
        }
        panic!("never settles");
    }

    /// Lets time pass, from deadline to deadline.
    pub(super) fn wait(&mut self, millis: u64) {
        let end = self.now.instant.plus_ms(millis);
        loop {
            let at = self.runner.poll_timeout().map_or(end, |at| at.min(end));
            let passed = at.saturating_duration_since(self.now.instant);
            self.now.instant = at;
            self.now.wall_clock.0 += passed.as_millis() as i64;
            self.step();
            if at == end {
                return;
            }
        }
    }

    fn state(&self) -> Option<TaskState> {
        self.runner.tasks.get(&TASK).map(|task| task.state)
    }

    /// What was said since it was asked last, by kind.
    fn take(&mut self) -> Said {
        let mut said = Said::default();
        for message in self.said.drain(..) {
            match message {
                ClientMessage::Produce { partition, .. } => match partition.topic.as_str() {
                    "ticks" => said.ticks += 1,
                    _ => said.produced += 1,
                },
                ClientMessage::Commit { offsets, .. } => {
                    said.commits
                        .extend(offsets.iter().map(|(_, next)| next.offset));
                }
                ClientMessage::Polled => said.polls += 1,
                ClientMessage::Consumed { .. } => said.consumed += 1,
                _ => {}
            }
        }
        said
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    ticks: usize,
    produced: usize,
    commits: Vec<i64>,
    polls: usize,
    consumed: usize,
}

pub(super) fn assigned() -> TaskAssignment {
    TaskAssignment {
        task: TASK,
        partitions: vec![TopicPartition::new("in", 0)],
    }
}

/// Records with these keys; their values are numbers of a count store, too.
pub(super) fn batches(from: i64, keys: &[&str]) -> Vec<RecordBatch> {
    let mut builder = RecordBatchBuilder::new();
    for key in keys {
        let value = [0; 16];
        builder.append(from, Some(key.as_bytes()), Some(&value), &Headers::new());
    }
    let sealed = decode_batches(builder.seal().encode(-1, -1, -1)).expect("sound");
    decode_batches(assign_offsets(&sealed[0], from, 1)).expect("sound")
}

#[test]
fn while_it_is_paused_it_commits_and_beats_and_does_nothing_else() {
    let mut world = World::running();
    world.records("in", 0, &["a", "b"]);
    world.runner.pause();
    world.take();
    world.records("in", 2, &["c"]);
    world.wait(600_000);
    let said = world.take();
    assert_eq!(said.commits, [2], "what was processed before");
    assert_eq!((said.ticks, said.consumed), (0, 0));
    assert!(said.polls >= 6, "user code is there: {said:?}");
    assert!(said.polls < 20, "and seldom says so: {said:?}");

    world.runner.resume();
    world.step();
    world.wait(2500);
    let said = world.take();
    assert_eq!(said.commits.last(), Some(&3));
    // One that was due for ten minutes, and two that followed.
    assert_eq!((said.ticks, said.consumed), (3, 1));
}

#[test]
fn it_says_since_when_a_task_has_nothing_to_process() {
    let mut world = World::running();
    let began = world.now.wall_clock;
    world.wait(5000);
    assert_eq!(world.runner.idling_since(), [(TASK, began)].into());
    world.records("in", 0, &["a"]);
    assert_eq!(
        world.runner.idling_since(),
        [(TASK, world.now.wall_clock)].into()
    );
}

#[test]
fn restoring_pauses_and_goes_on() {
    let mut world = World::new();
    world.assign(vec![assigned()], Vec::new());
    world.runner.pause();
    world.started(CHANGELOG, Some(2));
    world.records(CHANGELOG, 0, &["a", "b"]);
    world.wait(600_000);
    assert_eq!(world.state(), Some(TaskState::Restoring));
    assert_eq!(world.take().consumed, 0);
    world.runner.resume();
    world.step();
    assert_eq!(world.state(), Some(TaskState::Running));
}

#[test]
fn a_task_with_nothing_to_restore_is_ready_while_it_is_paused() {
    let mut world = World::new();
    world.runner.pause();
    world.assign(vec![assigned()], Vec::new());
    world.started(CHANGELOG, Some(0));
    assert_eq!(world.state(), Some(TaskState::Running));
    let told = world.said.iter();
    let reads = |message: &&ClientMessage| matches!(message, ClientMessage::Start { from, .. } if *from == StartFrom::Committed);
    assert_eq!(told.filter(reads).count(), 1);
}

#[test]
fn standbys_pause_and_go_on() {
    let mut world = World::new();
    world.assign(Vec::new(), vec![assigned()]);
    world.started(CHANGELOG, Some(0));
    world.records(CHANGELOG, 0, &["a"]);
    let loaded = |world: &World| {
        let events = world.events.iter();
        let loaded = |event: &&RunnerEvent| matches!(event, RunnerEvent::StandbyBatchLoaded { .. });
        events.filter(loaded).count()
    };
    assert_eq!(loaded(&world), 1);
    world.runner.pause();
    world.records(CHANGELOG, 1, &["b"]);
    world.wait(600_000);
    assert_eq!(loaded(&world), 1);
    world.runner.resume();
    world.step();
    assert_eq!(loaded(&world), 2);
}

#[test]
fn processing_waits_for_an_output_topic_until_the_handler_may_decide() {
    let mut world = World::running();
    world.runner.outputs.push("elsewhere".into());
    world.wait(100);
    world.take();
    world.wait(59_000);
    assert_eq!(world.take().ticks, 0, "nothing ticks");
    world.wait(2_000);
    assert!(world.take().ticks > 0);
    assert_eq!(world.state(), Some(TaskState::Running));
}

/// Storages in memory, and the state of another task that lies beside them.
struct Beside(Rc<RefCell<Vec<WallClock>>>);

impl StorageFactory for Beside {
    fn open(&self, task: TaskId) -> Result<Box<dyn Storage>, StorageError> {
        InMemoryStorageFactory.open(task)
    }

    fn clean_removed_tasks(&self, before: WallClock) -> Result<Vec<TaskId>, StorageError> {
        self.0.borrow_mut().push(before);
        Ok(vec![TaskId::new(0, 7)])
    }
}

#[test]
fn the_state_of_tasks_that_are_elsewhere_is_looked_after_once_all_are_restored() {
    let mut world = World::new();
    let asked = Rc::default();
    world.runner.storages = Box::new(Beside(Rc::clone(&asked)));
    world.assign(vec![assigned()], Vec::new());
    world.wait(1_000_000);
    assert!(asked.borrow().is_empty(), "the task is not restored");
    world.started(CHANGELOG, Some(0));
    world.started("in", None);
    let restored_at = world.now.wall_clock;
    world.wait(600_000);
    let [before] = asked.borrow()[..] else {
        panic!("{asked:?}");
    };
    // state.cleanup.delay.ms, on a grid that began with the runner.
    assert_eq!(before.0, 1_000_000 + 600_000);
    assert!(before < restored_at);
    let told = world.events.iter().any(|event| {
        matches!(event, RunnerEvent::Log(line) if line.message.contains("state of task 0_7"))
    });
    assert!(told, "{:?}", world.events);
}

#[test]
fn a_cache_that_gets_less_memory_evicts_at_once() {
    let mut world = World::running();
    world.records("in", 0, &["a", "b", "c"]);
    assert_eq!(world.take().produced, 0, "counts wait in the cache");
    let used = world.runner.budget.used();
    let threads = 10 * 1024 * 1024 / (used - 1);
    world.runner.share_memory(threads);
    world.step();
    world.wait(100);
    assert!(world.take().produced > 0);
    assert!(world.runner.budget.used() <= world.runner.budget.max_bytes());
    // As much as there was before.
    world.runner.share_memory(0);
    assert_eq!(world.runner.budget.max_bytes(), 10 * 1024 * 1024);
}

/// A runner with a persistent store that may have 10 000 bytes in memory; its task runs, and
/// restoring of another one begins.
fn restoring_another() -> World {
    let mut world = World::with(&[
        ("default.dsl.store", "rocksDB"),
        ("statestore.uncommitted.max.bytes", "10000"),
        ("statestore.cache.max.bytes", "0"),
    ]);
    let other = TaskAssignment {
        task: OTHER,
        partitions: vec![TopicPartition::new("in", 1)],
    };
    world.assign(vec![assigned(), other], Vec::new());
    world.started(CHANGELOG, Some(0));
    world.started("in", None);
    world.started_at(TopicPartition::new(CHANGELOG, 1), Some(1_000_000));
    assert_eq!(world.state(), Some(TaskState::Running));
    world.wait(300);
    world.take();
    world
}

const OTHER: TaskId = TaskId::new(0, 1);

/// How many bytes of restored rows wait, and the offset that the storage is at.
fn restored(world: &World) -> (usize, Option<i64>) {
    let task = &world.runner.tasks[&OTHER];
    let storage = task.graph().storage().expect("is persistent");
    (task.uncommitted_bytes(), storage.committed_offset("counts"))
}

fn keys(numbers: std::ops::Range<i64>) -> Vec<String> {
    numbers.map(|number| format!("key{number:06}")).collect()
}

#[test]
fn restored_rows_go_to_the_storage_when_they_take_as_much_memory_as_they_may() {
    let mut world = restoring_another();
    let changelog = TopicPartition::new(CHANGELOG, 1);
    let mut offsets = std::collections::BTreeSet::new();
    for from in (0..1000).step_by(10) {
        let keys = keys(from..from + 10);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        world.records_at(changelog.clone(), from, &keys);
        let (bytes, offset) = restored(&world);
        assert!(bytes < 10_000);
        offsets.extend(offset);
    }
    // A row of a hundred bytes.
    assert!((8..=12).contains(&offsets.len()), "{offsets:?}");
}

#[test]
fn restored_rows_are_no_reason_to_commit() {
    let mut world = restoring_another();
    let restored_keys = keys(0..100);
    let restored_keys: Vec<&str> = restored_keys.iter().map(String::as_str).collect();
    world.records_at(TopicPartition::new(CHANGELOG, 1), 0, &restored_keys);
    let (bytes, _) = restored(&world);
    assert!((8_000..10_000).contains(&bytes), "{bytes}");
    let processed = keys(0..50);
    let processed: Vec<&str> = processed.iter().map(String::as_str).collect();
    world.records("in", 0, &processed);
    assert!(
        world.take().commits.is_empty(),
        "only the clock asks for one"
    );
    world.wait(300);
    assert_eq!(world.take().commits, [50]);
}
