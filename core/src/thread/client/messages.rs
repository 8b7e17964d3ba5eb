//! Messages of the task runner, and what the machines have for it.

use super::{ClientMachine, Owner, PartitionProgress};
use crate::client::{FetchStart, FetcherEvent, OffsetsEvent, ProducerEvent};
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
                self.producer.resume();
                self.membership.released(now, ticket);
            }
            ClientMessage::Start { partition, from } => self.start(now, partition, from),
            ClientMessage::Stop { partition } => {
                self.starting.remove(&partition);
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
            ClientMessage::Commit { ticket, offsets } if self.is_exactly_once => {
                self.producer.commit(ticket, offsets);
            }
            ClientMessage::WantTopic(topic) => {
                self.plan.add_external(std::slice::from_ref(&topic));
                self.cluster.want_topics(now, [topic]);
                self.tell_partition_counts();
            }
            ClientMessage::Commit { ticket, offsets } => self.offsets.commit(now, ticket, offsets),
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

    fn run_when_restored(&mut self) {
        if self.restored && self.state == ThreadState::PartitionsAssigned {
            self.change_state(ThreadState::Running);
        }
    }

    fn start(&mut self, now: Instant, partition: TopicPartition, from: StartFrom) {
        let start = match from {
            StartFrom::Committed => {
                self.starting.insert(partition.clone(), String::new());
                return self.offsets.fetch(now, partition);
            }
            StartFrom::Restore { from } => FetchStart::Restore { from },
        };
        self.fetcher.start(now, partition, start);
    }

    /// Runs fetcher, producer and committed offsets.
    pub(super) fn pump_parts(&mut self, now: Instant) -> bool {
        let mut progress = false;
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

    fn take_offsets_event(&mut self, now: Instant, event: OffsetsEvent) {
        match event {
            OffsetsEvent::Fetched {
                partition,
                committed,
            } => {
                let Some(metadata) = self.starting.get_mut(&partition) else {
                    return;
                };
                let start = match committed {
                    Some(committed) => {
                        *metadata = committed.metadata;
                        FetchStart::At {
                            offset: committed.offset,
                        }
                    }
                    None => FetchStart::Reset,
                };
                self.fetcher.start(now, partition, start);
            }
            OffsetsEvent::Committed {
                ticket,
                offsets,
                result,
            } => {
                if result.is_ok() {
                    self.note_committed(offsets);
                }
                self.tell(RunnerMessage::Committed { ticket, result });
            }
            OffsetsEvent::FindCoordinator => self.cluster.coordinator_lost(),
            OffsetsEvent::RefreshMetadata => self.cluster.request_metadata(now),
            OffsetsEvent::Failed(error) => self.fail(now, error),
            OffsetsEvent::Log(log) => self.event(ClientEvent::Log(log)),
        }
    }

    fn note_committed(&mut self, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) {
        for (partition, offset) in offsets {
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
                let metadata = self.starting.remove(&partition).unwrap_or_default();
                if self.plan.is_input(&partition) {
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
            ProducerEvent::Produced { ticket, result } => {
                self.tell(RunnerMessage::Produced { ticket, result });
            }
            ProducerEvent::Committed { ticket, offsets } => {
                self.note_committed(offsets);
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
