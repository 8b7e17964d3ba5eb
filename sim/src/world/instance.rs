//! A stream thread: the same two machines as in production, with queues between them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use eddyline_core::config::StreamsConfig;
use eddyline_core::rng::SeedTree;
use eddyline_core::thread::{
    Budget, ClientMachine, ConnectionId, RunnerEvent, TaskRunner, TaskState, ToClient, ToRunner,
};
use eddyline_core::time::{Instant, Now};
use eddyline_core::topology::Topology;
use eddyline_core::types::TaskId;

use super::disk::Disk;
use super::events::Alarm;
use super::oracles::Wakeups;

/// A process that may run, and the threads of the one that does.
#[derive(Default)]
pub(super) struct Instance {
    /// How often it was started.
    pub(super) starts: u64,
    pub(super) threads: Vec<u64>,
    pub(super) skew_ms: i64,
    /// It is to run: when faults have stopped every instance is.
    pub(super) is_wanted: bool,
    pub(super) disk: Disk,
}

/// A stream thread.
pub(super) struct StreamThread {
    pub(super) instance: usize,
    /// The client id of its requests.
    pub(super) name: String,
    pub(super) client: ClientMachine,
    pub(super) runner: TaskRunner,
    pub(super) to_runner: VecDeque<(Instant, ToRunner)>,
    pub(super) to_client: VecDeque<(Instant, ToClient)>,
    pub(super) client_alarm: Alarm,
    pub(super) runner_alarm: Alarm,
    pub(super) client_paused_until: Instant,
    /// User code runs, or stands still.
    pub(super) busy_until: Instant,
    pub(super) connections: BTreeMap<ConnectionId, u64>,
    pub(super) tasks: BTreeMap<TaskId, TaskState>,
    pub(super) is_closing: bool,
    pub(super) client_wakeups: Wakeups,
    pub(super) runner_wakeups: Wakeups,
}

impl StreamThread {
    pub(super) fn new(
        now: Now,
        config: &StreamsConfig,
        topology: &Arc<Topology>,
        instance: usize,
        index: usize,
        seed: SeedTree,
        disk: &Disk,
    ) -> Self {
        let process_id = format!("{}-process", config.client_id());
        let client = ClientMachine::new(now, config, topology, index, &process_id, seed);
        let runner = TaskRunner::new(now, Arc::clone(topology), config);
        Self {
            instance,
            name: format!("{}-StreamThread-{}", config.client_id(), index + 1),
            client,
            runner: runner.with_storages(Box::new(disk.clone())),
            to_runner: VecDeque::new(),
            to_client: VecDeque::new(),
            client_alarm: Alarm::default(),
            runner_alarm: Alarm::default(),
            client_paused_until: Instant::ZERO,
            busy_until: now.instant,
            connections: BTreeMap::new(),
            tasks: BTreeMap::new(),
            is_closing: false,
            client_wakeups: Wakeups::default(),
            runner_wakeups: Wakeups::default(),
        }
    }

    /// When the client machine has something to do.
    pub(super) fn client_due(&self) -> Option<Instant> {
        let message = self.to_client.front().map(|(at, _)| *at);
        let due = message.into_iter().chain(self.client.poll_timeout()).min();
        due.map(|due| due.max(self.client_paused_until))
    }

    /// One step of the task runner: a message if there is one, then a run. Gives whether there is
    /// more to do right away, and whether a message was taken.
    pub(super) fn step_runner(&mut self, now: Now, budget: Budget) -> (bool, bool) {
        let front = self.to_runner.front();
        let took = front.is_some_and(|(at, _)| *at <= now.instant);
        if took && let Some((_, message)) = self.to_runner.pop_front() {
            self.runner.handle_message(now, message);
        }
        (self.runner.run_once(now, budget), took)
    }

    /// When the task runner has something to do.
    pub(super) fn runner_due(&self) -> Option<Instant> {
        let message = self.to_runner.front().map(|(at, _)| *at);
        let due = message.into_iter().chain(self.runner.poll_timeout()).min();
        due.map(|due| due.max(self.busy_until))
    }

    /// Keeps book of an event of the task runner.
    pub(super) fn note(&mut self, event: &RunnerEvent) {
        if let RunnerEvent::TaskStateChanged { task, to, .. } = event {
            if *to == TaskState::Closed {
                self.tasks.remove(task);
            } else {
                self.tasks.insert(*task, *to);
            }
        }
    }
}
