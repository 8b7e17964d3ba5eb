//! How the faults of a schedule are carried out.

use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;

use super::engine::{Blockade, World};
use super::events::Event;
use super::network::End;
use super::schedule::Fault;

impl World<'_> {
    pub(super) fn begin_fault(&mut self, index: usize) {
        let scheduled = &self.scenario.schedule.faults[index];
        let (until, fault) = (scheduled.until, scheduled.fault.clone());
        let text = format!("begins, until {until}: {fault:?}");
        self.trace.note(self.now, "fault", index as u64, &text);
        let now = self.broker_clock();
        match fault {
            Fault::Reset { late } => self.reset_any(late.then_some(until)),
            Fault::Partition {
                instance,
                node,
                to_broker,
                to_client,
            } => {
                for (end, blocked) in [(End::Broker, to_broker), (End::Client, to_client)] {
                    if blocked {
                        self.block(Blockade {
                            instance,
                            node,
                            end,
                            until,
                        });
                    }
                }
            }
            Fault::Request(rule) => self.broker.inject(rule),
            Fault::Coordinator(fault) => self.broker.fail_coordinator(fault, until),
            Fault::MoveCoordinator(node) => self.move_coordinators(node),
            Fault::Clean { kept, moves_start } => self.clean(kept, moves_start),
            Fault::AtMoment(fault) => self.moments.arm(index, until, fault),
            Fault::FailProcessor => self.scenario.signals.fail_next(true),
            Fault::MoveLeaders { topic, node } => {
                let topics = self.broker.topics();
                // Cut to the topics first: a word of the machine may be shorter than the number.
                let any = topic % topics.len().max(1) as u64;
                let any = topics.iter().nth(any as usize);
                if let Some((topic, partitions)) = any {
                    for partition in 0..*partitions as i32 {
                        self.broker.move_leader(now, topic, partition, node);
                    }
                }
            }
            Fault::RestartBroker(node) => {
                self.broker.stop_node(now, node);
                self.is_abrupt = true;
                self.drain_broker();
                self.is_abrupt = false;
            }
            Fault::PauseBroker(node) => self.broker.pause_node(node),
            Fault::Crash { instance } => self.crash(instance),
            Fault::FillDisk { instance } => self.instances[instance].disk.fill(true),
            Fault::Close { instance } => self.close(instance),
            Fault::PauseRunner { instance, thread } => {
                let id = self.instances[instance].threads.get(thread);
                if let Some(thread) = id.and_then(|id| self.threads.get_mut(id)) {
                    thread.busy_until = thread.busy_until.max(until);
                }
            }
            Fault::PauseInstance { instance } => self.pause(instance, until),
            Fault::PauseProcessing { instance } => self.pause_processing(instance, true),
        }
    }

    pub(super) fn end_fault(&mut self, index: usize) {
        self.trace.note(self.now, "fault", index as u64, "ends");
        let now = self.broker_clock();
        match self.scenario.schedule.faults[index].fault {
            Fault::RestartBroker(node) => self.broker.start_node(now, node),
            Fault::PauseBroker(node) => self.broker.resume_node(now, node),
            Fault::FillDisk { instance } => self.instances[instance].disk.fill(false),
            Fault::AtMoment(_) => self.moments.disarm(index),
            Fault::FailProcessor => self.scenario.signals.fail_next(false),
            Fault::Crash { instance } | Fault::Close { instance } => {
                self.queue.add(self.now, Event::Start { instance });
            }
            Fault::PauseProcessing { instance } => self.pause_processing(instance, false),
            _ => {}
        }
        if self.now >= self.scenario.schedule.faults_end() {
            // Rules that nothing met yet.
            self.broker.clear_faults();
        }
    }

    fn clean(&mut self, kept: usize, moves_start: bool) {
        let topics = self.broker.topics().into_iter();
        for (topic, partitions) in topics.filter(|(topic, _)| topic.ends_with("-changelog")) {
            for partition in 0..partitions as i32 {
                self.broker.clean(&topic, partition, kept, moves_start);
            }
        }
    }

    pub(super) fn move_coordinators(&mut self, node: BrokerId) {
        let (group, now) = (self.scenario.config.application_id(), self.broker_clock());
        self.broker.move_coordinator(now, group, node);
        self.broker.move_transactions(node);
    }

    /// Breaks a connection, one with something on its way if there is any.
    fn reset_any(&mut self, late_until: Option<Instant>) {
        let open = self.connections.iter();
        let busy: Vec<u64> = open
            .filter(|(_, open)| {
                open.to_broker.bytes_under_way() + open.to_client.bytes_under_way() > 0
            })
            .map(|(id, _)| *id)
            .collect();
        let all: Vec<u64> = self.connections.keys().copied().collect();
        let choices = if busy.is_empty() { all } else { busy };
        let at = self.fault_rng.below(choices.len() as u64) as usize;
        if let Some(connection) = choices.get(at) {
            self.reset(*connection, late_until, true);
        }
    }

    /// Breaks a connection at any byte of each direction. What is left of the bytes to the broker
    /// arrives in time, or at `late_until`: when the client may have said it again elsewhere.
    fn reset(&mut self, connection: u64, late_until: Option<Instant>, client_lives: bool) {
        let (now, rng) = (self.now, &mut self.fault_rng);
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        let keep = rng.below(open.to_broker.bytes_under_way() + 1);
        open.to_broker.cut(now, keep);
        if let Some(until) = late_until {
            open.to_broker.stall(until);
        }
        if client_lives {
            let keep = rng.below(open.to_client.bytes_under_way() + 1);
            open.to_client.cut(now, keep);
        } else {
            open.to_client.abandon();
        }
        self.arm(connection, End::Broker);
        self.arm(connection, End::Client);
    }

    /// Breaks a connection; with `late_until`, nothing that was on its way to the cluster is lost,
    /// and all of it arrives then.
    pub(super) fn cut(&mut self, connection: u64, late_until: Option<Instant>) {
        let Some(until) = late_until else {
            return self.reset(connection, None, true);
        };
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        open.to_broker.cut(now, u64::MAX);
        open.to_broker.stall(until);
        open.to_client.cut(now, 0);
        self.arm(connection, End::Broker);
        self.arm(connection, End::Client);
    }

    pub(super) fn block(&mut self, blockade: Blockade) {
        for open in self.connections.values_mut() {
            if open.instance == blockade.instance && blockade.node.is_none_or(|n| n == open.node) {
                open.pipe(blockade.end).stall(blockade.until);
            }
        }
        self.blockades.push(blockade);
    }

    /// All memory of an instance is lost; what it sent last may arrive, whole or in part.
    pub(super) fn crash(&mut self, instance: usize) {
        for id in std::mem::take(&mut self.instances[instance].threads) {
            let Some(thread) = self.threads.remove(&id) else {
                continue;
            };
            for connection in thread.connections.into_values() {
                let late = self.fault_rng.chance(1, 3);
                let late_ms = self.fault_rng.below(2_000);
                let until = late.then(|| self.now.plus_ms(late_ms));
                self.reset(connection, until, false);
            }
        }
        let disk = &self.instances[instance].disk;
        disk.crash(&mut self.disk_rng);
        let tasks = disk.tasks();
        self.check_disk(instance, tasks);
    }

    /// A thread found no room on its disk, or its processor failed: the others of its instance close, and
    /// somebody starts it again.
    pub(super) fn stop_failed(&mut self, id: u64) {
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        let (instance, was_closing) = (thread.instance, thread.is_closing);
        thread.is_closing = true;
        if !was_closing {
            self.close(instance);
            let again = self.now.plus_ms(100);
            self.queue.add(again, Event::Start { instance });
        }
    }

    /// Closes an instance gracefully.
    pub(super) fn close(&mut self, instance: usize) {
        let now = self.clock(instance);
        for id in self.instances[instance].threads.clone() {
            if let Some(thread) = self.threads.get_mut(&id) {
                thread.is_closing = true;
                thread.client.close(now);
                self.pump_client(id);
            }
        }
    }

    /// The threads that an instance has now process nothing, or go on.
    fn pause_processing(&mut self, instance: usize, is_paused: bool) {
        for id in self.instances[instance].threads.clone() {
            let Some(thread) = self.threads.get_mut(&id) else {
                continue;
            };
            if is_paused {
                thread.runner.pause();
            } else {
                thread.runner.resume();
            }
            self.wake_runner(id, self.now);
        }
    }

    /// A process stands still with everything in it, and its sockets fill.
    pub(super) fn pause(&mut self, instance: usize, until: Instant) {
        for id in self.instances[instance].threads.clone() {
            let Some(thread) = self.threads.get_mut(&id) else {
                continue;
            };
            thread.busy_until = thread.busy_until.max(until);
            thread.client_paused_until = thread.client_paused_until.max(until);
            for connection in thread.connections.values() {
                if let Some(open) = self.connections.get_mut(connection) {
                    open.to_client.stall(until);
                }
            }
        }
    }
}
