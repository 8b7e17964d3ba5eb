//! Messages of the task runner, and what the machines have for it.

use super::closing::Closing;
use super::{ClientMachine, Owner, PartitionProgress, Starting};
use crate::client::{FetchStart, FetcherEvent, OffsetsEvent, ProducerEvent, PurgeEvent};
use crate::mutation::Mutation;
use crate::net::{ClientEvent, Target, ThreadState};
use crate::thread::message::{ClientMessage, RunnerMessage, StartFrom};
use crate::time::Instant;
use crate::types::{OffsetAndMetadata, TopicPartition};

impl ClientMachine {
    pub(super) fn take_message(&mut self, now: Instant, message: ClientMessage) {
        match message {
            ClientMessage::Polled => {
                self.polled = true;
                self.membership.application_polled(now);
            }
            ClientMessage::Revoked { ticket } => self.membership.revoked(now, ticket),
            ClientMessage::Assigned { ticket } => {
                self.membership.assigned(now, ticket);
                self.run_when_restored();
            }
            ClientMessage::Released { ticket } => {
                // What the runner sent before it heard of the loss.
                self.producer.abandon();
                self.offsets.abandon();
                self.patience.commit_ends();
                self.producer.resume();
                self.membership.released(now, ticket);
            }
            ClientMessage::Start { partition, from } => self.start(now, partition, from),
            ClientMessage::Stop { partition } => {
                self.starting.remove(&partition);
                self.limits.remove(&partition);
                self.purge.forget(&partition);
                self.patience.start_ends(&partition);
                self.fetcher.stop(now, &partition);
            }
            ClientMessage::Consumed { partition, bytes } => {
                self.fetcher.consumed(now, &partition, bytes);
            }
            ClientMessage::Produce {
                ticket,
                partition,
                batch,
            } => self.producer.produce(now, ticket, partition, batch),
            ClientMessage::Resolve {
                ticket,
                partition,
                verdict,
            } => self.producer.resolve(now, ticket, &partition, verdict),
            ClientMessage::WantTopic(topic) => {
                self.plan.add_external(std::slice::from_ref(&topic));
                self.cluster.want_topics(now, [topic]);
                self.tell_partition_counts();
            }
            ClientMessage::Commit { ticket, offsets } => self.commit(now, ticket, offsets),
            ClientMessage::Restored(restored) => {
                self.restored = restored;
                if restored {
                    self.run_when_restored();
                } else if self.state == ThreadState::Running {
                    self.change_state(ThreadState::PartitionsAssigned);
                }
            }
            ClientMessage::Failed(error) => {
                self.fail(now, error);
                self.tasks_closed(now);
            }
            ClientMessage::Closed => self.tasks_closed(now),
        }
    }

    fn commit(
        &mut self,
        now: Instant,
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) {
        self.patience.commit_begins(now);
        if !self.is_exactly_once {
            self.offsets.commit(now, ticket, offsets);
        } else if self.mutant.is(Mutation::OffsetsOutside) {
            self.offsets.commit(now, ticket, offsets);
            self.producer.commit(ticket, Vec::new());
        } else {
            self.producer.commit(ticket, offsets);
        }
    }

    fn run_when_restored(&mut self) {
        if self.restored && self.state == ThreadState::PartitionsAssigned {
            self.change_state(ThreadState::Running);
        }
    }

    fn start(&mut self, now: Instant, partition: TopicPartition, from: StartFrom) {
        self.limits.remove(&partition);
        self.starting.remove(&partition);
        if matches!(self.closing, Closing::No) {
            self.patience.start_begins(now, partition.clone());
        }
        let start = match from {
            StartFrom::Committed => {
                let starting = Starting::Input(String::new());
                self.starting.insert(partition.clone(), starting);
                return self.offsets.fetch(now, partition);
            }
            StartFrom::Restore { from } if self.plan.is_input(&partition) => {
                let starting = Starting::Restore { from, committed: 0 };
                self.starting.insert(partition.clone(), starting);
                return self.offsets.fetch(now, partition);
            }
            StartFrom::Restore { from } => FetchStart::Restore { from },
            StartFrom::Follow { from } => {
                if self.plan.is_input(&partition) {
                    self.limits.insert(partition.clone(), now);
                }
                FetchStart::Restore { from }
            }
        };
        self.fetcher.start(now, partition, start);
    }

    /// Asks how far the group is with inputs that standbys follow as changelogs, where it is time.
    fn ask_limits(&mut self, now: Instant) {
        for (partition, at) in &mut self.limits {
            if *at <= now {
                *at = now.plus_ms(self.commit_interval_ms);
                self.offsets.fetch(now, partition.clone());
            }
        }
    }

    /// Runs fetcher, producer and committed offsets.
    pub(super) fn pump_parts(&mut self, now: Instant) -> bool {
        let mut progress = false;
        self.ask_limits(now);
        let member = &self.membership;
        self.offsets
            .set_member(member.member_id(), member.member_epoch());
        self.producer
            .set_member(member.member_id(), member.member_epoch());
        while let Some(request) = self.offsets.poll_request(now, &self.cluster) {
            progress = true;
            self.send(now, Owner::Offsets, request);
        }
        while let Some(request) = self.fetcher.poll_request(now, &self.cluster) {
            progress = true;
            self.send(now, Owner::Fetcher, request);
        }
        while let Some(request) = self.producer.poll_request(now, &self.cluster) {
            progress = true;
            self.send(now, Owner::Producer, request);
        }
        progress |= self.pump_purge(now);
        while let Some(event) = self.offsets.poll_event() {
            progress = true;
            self.take_offsets_event(now, event);
        }
        while let Some(event) = self.fetcher.poll_event() {
            progress = true;
            self.take_fetcher_event(now, event);
        }
        while let Some(event) = self.producer.poll_event() {
            progress = true;
            self.take_producer_event(now, event);
        }
        progress
    }

    /// Deletes what is committed of repartition topics, unless the thread ends.
    fn pump_purge(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while self.closing == Closing::No
            && let Some(request) = self.purge.poll_request(now, &self.cluster)
        {
            progress = true;
            self.send(now, Owner::Purge, request);
        }
        while let Some(event) = self.purge.poll_event() {
            progress = true;
            match event {
                PurgeEvent::RefreshMetadata => self.cluster.request_metadata(now),
                PurgeEvent::Log(log) => self.event(ClientEvent::Log(log)),
            }
        }
        progress
    }

    pub(super) fn purge_timeout(&self) -> Option<Instant> {
        let timeout = self.purge.poll_timeout();
        timeout.filter(|_| self.closing == Closing::No)
    }

    fn take_offsets_event(&mut self, now: Instant, event: OffsetsEvent) {
        match event {
            OffsetsEvent::Fetched {
                partition,
                committed,
            } => {
                self.offset_fetched(now, partition, committed);
            }
            OffsetsEvent::Committed {
                ticket,
                offsets,
                result,
            } => {
                self.patience.commit_ends();
                if result.is_ok() {
                    self.note_committed(now, offsets);
                }
                self.tell(RunnerMessage::Committed { ticket, result });
            }
            OffsetsEvent::FindCoordinator => self.cluster.coordinator_lost(),
            OffsetsEvent::RefreshMetadata => self.cluster.request_metadata(now),
            OffsetsEvent::Failed(error) => self.fail(now, error),
            OffsetsEvent::Log(log) => self.event(ClientEvent::Log(log)),
        }
    }

    fn offset_fetched(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        fetched: Option<OffsetAndMetadata>,
    ) {
        let Some(starting) = self.starting.get_mut(&partition) else {
            if self.limits.contains_key(&partition) {
                let offset = fetched.map_or(0, |fetched| fetched.offset);
                self.tell(RunnerMessage::Limit { partition, offset });
            }
            return;
        };
        let start = match starting {
            Starting::Input(metadata) => match fetched {
                Some(fetched) => {
                    *metadata = fetched.metadata;
                    FetchStart::At {
                        offset: fetched.offset,
                    }
                }
                None => FetchStart::Reset,
            },
            Starting::Restore { from, committed } => {
                *committed = fetched.map_or(0, |fetched| fetched.offset);
                FetchStart::Restore { from: *from }
            }
        };
        self.fetcher.start(now, partition, start);
    }

    fn note_committed(&mut self, now: Instant, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) {
        for (partition, offset) in offsets {
            if self.plan.is_purged(&partition) {
                self.purge.committed(now, partition.clone(), offset.offset);
            }
            if let Some(progress) = self.progress.get_mut(&partition) {
                progress.committed = offset.offset;
            }
        }
    }

    fn take_fetcher_event(&mut self, now: Instant, event: FetcherEvent) {
        match event {
            FetcherEvent::Started {
                partition,
                offset,
                end,
            } => {
                self.patience.start_ends(&partition);
                let (metadata, end) = match self.starting.get_mut(&partition) {
                    Some(Starting::Input(metadata)) => (std::mem::take(metadata), end),
                    // What is not processed yet is not in the store, although it is in its changelog.
                    Some(Starting::Restore { committed, .. }) => {
                        let committed = *committed;
                        (String::new(), end.map(|end| end.min(committed)))
                    }
                    None => (String::new(), end),
                };
                if self.plan.is_input(&partition) && end.is_none() {
                    let progress = PartitionProgress {
                        partition: partition.clone(),
                        position: offset,
                        committed: offset,
                        log_end: None,
                    };
                    self.progress.insert(partition.clone(), progress);
                }
                self.tell(RunnerMessage::Started {
                    partition,
                    offset,
                    end,
                    metadata,
                });
            }
            FetcherEvent::Records {
                partition,
                batches,
                next_offset,
                log_end,
            } => {
                if self.mutant.is(Mutation::PurgedAhead) && self.plan.is_purged(&partition) {
                    self.purge.committed(now, partition.clone(), next_offset);
                }
                if let Some(progress) = self.progress.get_mut(&partition) {
                    progress.position = next_offset;
                    progress.log_end = Some(log_end);
                }
                self.tell(RunnerMessage::Records {
                    partition,
                    batches,
                    next_offset,
                    log_end,
                });
            }
            FetcherEvent::LeaderHint {
                partition,
                leader,
                leader_epoch,
                endpoint,
            } => self
                .cluster
                .leader_hint(&partition, leader, leader_epoch, endpoint),
            FetcherEvent::RefreshMetadata => self.cluster.request_metadata(now),
            FetcherEvent::Failed(error) => self.fail(now, error),
            FetcherEvent::Log(log) => self.event(ClientEvent::Log(log)),
        }
    }

    fn take_producer_event(&mut self, now: Instant, event: ProducerEvent) {
        match event {
            ProducerEvent::Produced {
                ticket,
                base_offset,
            } => self.tell(RunnerMessage::Produced {
                ticket,
                base_offset,
            }),
            ProducerEvent::Refused { ticket, refusal } => {
                self.tell(RunnerMessage::Refused { ticket, refusal });
            }
            ProducerEvent::Committed { ticket, offsets } => {
                self.patience.commit_ends();
                self.note_committed(now, offsets);
                let result = Ok(());
                self.tell(RunnerMessage::Committed { ticket, result });
            }
            ProducerEvent::Lost(reason) => self.membership.lose_tasks(now, &reason),
            ProducerEvent::FindCoordinator(Target::GroupCoordinator) => {
                self.cluster.coordinator_lost();
            }
            ProducerEvent::FindCoordinator(_) => self.cluster.transaction_coordinator_lost(),
            ProducerEvent::LeaderHint {
                partition,
                leader,
                leader_epoch,
                endpoint,
            } => self
                .cluster
                .leader_hint(&partition, leader, leader_epoch, endpoint),
            ProducerEvent::RefreshMetadata => self.cluster.request_metadata(now),
            ProducerEvent::Failed(error) => self.fail(now, error),
            ProducerEvent::Log(log) => self.event(ClientEvent::Log(log)),
        }
    }
}
