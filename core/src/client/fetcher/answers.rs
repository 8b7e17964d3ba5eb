//! What brokers answer, and what it means for the partitions that were asked about.

use std::collections::BTreeMap;

use super::{EARLIEST, Fetcher, FetcherEvent, InFlight, LATEST, PartitionState, Stage};
use crate::client::fetch_session::{FETCH_SESSION_ID_NOT_FOUND, FetchSession};
use crate::client::read_committed::drop_aborted;
use crate::config::HostPort;
use crate::error::{Concerned, StreamsError};
use crate::mutation::Mutation;
use crate::net::{RequestError, RequestToken};
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::messages::FetchResponse;
use crate::wire::messages::fetch_response::{NodeEndpoint, PartitionData};
use crate::wire::{RecordError, Response, Uuid, decode_batches};

pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Answers with a wrong checksum before the log itself is held to be damaged.
pub(super) const CORRUPT_MAX: u32 = 5;

impl Fetcher {
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        match self.in_flight.remove(&token) {
            None => {}
            Some(InFlight::Fetch {
                broker,
                aside,
                generations,
            }) => match result {
                Ok(Response::Fetch(response)) => {
                    self.fetch_answered(now, broker, aside.as_ref(), &generations, response);
                }
                failed => {
                    if aside.is_none()
                        && let Some(session) = self.sessions.get_mut(&broker)
                    {
                        // The broker may have gone on with it or not.
                        session.end();
                    }
                    self.request_failed(now, &generations, failed.err());
                }
            },
            Some(InFlight::List { generations }) => {
                for partition in generations.keys() {
                    if let Some(state) = self.current(partition, &generations) {
                        state.listing = false;
                    }
                }
                match result {
                    Ok(Response::ListOffsets(response)) => {
                        for topic in &response.topics {
                            for p in &topic.partitions {
                                let name = topic.name.0.as_str();
                                let partition = TopicPartition::new(name, p.partition_index);
                                self.listed(now, partition, &generations, p.error_code, p.offset);
                            }
                        }
                    }
                    failed => self.request_failed(now, &generations, failed.err()),
                }
            }
        }
    }

    /// The state of a partition that was not stopped or started again since.
    fn current(
        &mut self,
        partition: &TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
    ) -> Option<&mut PartitionState> {
        let state = self.partitions.get_mut(partition)?;
        (generations.get(partition) == Some(&state.generation)).then_some(state)
    }

    fn request_failed(
        &mut self,
        now: Instant,
        generations: &BTreeMap<TopicPartition, u64>,
        error: Option<RequestError>,
    ) {
        if let Some(RequestError::Unsupported(message)) = error {
            let error = StreamsError::Unsupported(message);
            return self.events.push_back(FetcherEvent::Failed(error));
        }
        for partition in generations.keys() {
            self.wait(now, partition);
        }
        self.events.push_back(FetcherEvent::RefreshMetadata);
    }

    fn wait(&mut self, now: Instant, partition: &TopicPartition) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.backoff.failed(now, &mut self.rng);
        }
    }

    pub(super) fn listed(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
        code: i16,
        offset: i64,
    ) {
        let reset = self.policy(&partition.topic);
        let Some(state) = self.current(&partition, generations) else {
            return;
        };
        if code == 0
            && offset < 0
            && matches!(state.stage, Stage::Position { timestamp } if timestamp >= 0)
        {
            // No record is that young: what is wanted is still to come.
            state.stage = Stage::Position { timestamp: LATEST };
            return;
        }
        if code != 0 || offset < 0 {
            return self.refused(now, &partition, code, None, &[]);
        }
        state.backoff.succeeded();
        match state.stage {
            Stage::Fetching => return,
            Stage::End => {
                state.end = Some(offset);
                state.stage = Stage::Position {
                    timestamp: EARLIEST,
                };
                return;
            }
            Stage::Position { .. } => {
                let known = offset..=state.end.unwrap_or(-1);
                if !(state.restore && !state.started && known.contains(&state.position)) {
                    state.position = offset;
                }
                state.stage = Stage::Fetching;
            }
        }
        let (offset, end, again) = (state.position, state.end, state.started);
        state.started = true;
        let is_restore = state.restore;
        if again && !is_restore {
            let message = format!(
                "the position in {partition} was outside its log: reading goes on at {offset} \
                 (auto.offset.reset is {reset:?})"
            );
            self.events
                .push_back(FetcherEvent::Log(LogEvent::new(Level::Warn, message)));
        } else {
            self.events.push_back(FetcherEvent::Started {
                partition,
                offset,
                end,
            });
        }
    }

    fn fetch_answered(
        &mut self,
        now: Instant,
        broker: BrokerId,
        aside: Option<&FetchSession>,
        generations: &BTreeMap<TopicPartition, u64>,
        response: FetchResponse,
    ) {
        let mut session = match aside {
            Some(_) => None,
            None => match self.sessions.get_mut(&broker) {
                Some(session) => Some(session),
                None => return,
            },
        };
        if response.error_code != 0 {
            // FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR:
            // the next request opens another session, at once the first time.
            let code = response.error_code;
            let patient = session.as_mut().is_none_or(|session| session.refused(code));
            if patient || !matches!(code, FETCH_SESSION_ID_NOT_FOUND | 71 | 106) {
                for partition in generations.keys() {
                    self.wait(now, partition);
                }
                self.events.push_back(FetcherEvent::RefreshMetadata);
            }
            return;
        }
        if let Some(session) = session {
            session.answered(response.session_id);
        }
        let topics = response.responses;
        for topic in topics {
            let told = aside.or_else(|| self.sessions.get(&broker));
            let name = match session_topic(told, topic.topic_id) {
                Some(name) => name,
                None => TopicName::new(topic.topic.0.as_str()),
            };
            for data in topic.partitions {
                let partition = TopicPartition {
                    topic: name.clone(),
                    partition: data.partition_index,
                };
                let told = aside.or_else(|| self.sessions.get(&broker));
                let asked = told.and_then(|told| told.position(&partition));
                let position = self.partitions.get(&partition).map(|state| state.position);
                // Another broker answered since, from before a new leader was known.
                if data.error_code == OFFSET_OUT_OF_RANGE && asked != position {
                    continue;
                }
                self.partition_answered(
                    now,
                    partition,
                    generations,
                    data,
                    &response.node_endpoints,
                );
            }
        }
    }

    fn partition_answered(
        &mut self,
        now: Instant,
        partition: TopicPartition,
        generations: &BTreeMap<TopicPartition, u64>,
        data: PartitionData,
        endpoints: &[NodeEndpoint],
    ) {
        if self
            .current(&partition, generations)
            .is_none_or(|s| s.stage != Stage::Fetching)
        {
            return;
        }
        if data.error_code != 0 {
            let leader = (
                data.current_leader.leader_id.0,
                data.current_leader.leader_epoch,
            );
            return self.refused(now, &partition, data.error_code, Some(leader), endpoints);
        }
        let decoded = decode_batches(data.records.unwrap_or_default());
        let read_committed = self.read_committed;
        let drops_aborted = read_committed && !self.mutant.is(Mutation::AbortedIsRead);
        let Some(state) = self.current(&partition, generations) else {
            return;
        };
        let mut batches = match decoded {
            Ok(batches) => batches,
            Err(error) => return self.unreadable(now, &partition, error),
        };
        // What lies behind open transactions is not there for who reads what is committed.
        let log_end = if read_committed {
            data.last_stable_offset
        } else {
            data.high_watermark
        };
        (state.corrupt, state.log_end) = (0, log_end.max(state.log_end));
        state.backoff.succeeded();
        let before = state.position;
        if let Some(last) = batches.last() {
            state.position = before.max(last.header().last_offset + 1);
        }
        if drops_aborted {
            drop_aborted(&mut batches, data.aborted_transactions.unwrap_or_default());
        }
        batches.retain(|batch| batch.header().last_offset >= before && !batch.header().is_control);
        state.credit.take(&batches);
        let next_offset = state.position;
        // Also without records: the log end tells the task whether there is more to wait for.
        self.events.push_back(FetcherEvent::Records {
            partition,
            batches,
            next_offset,
            log_end,
        });
    }

    fn unreadable(&mut self, now: Instant, partition: &TopicPartition, error: RecordError) {
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        state.corrupt += 1;
        let fatal = !matches!(error, RecordError::Corrupt { .. }) || state.corrupt > CORRUPT_MAX;
        let message = format!("{partition}: {error}");
        if fatal {
            self.events
                .push_back(FetcherEvent::Failed(StreamsError::Protocol(message)));
        } else {
            self.events
                .push_back(FetcherEvent::Log(LogEvent::new(Level::Warn, message)));
        }
        self.wait(now, partition);
    }

    fn refused(
        &mut self,
        now: Instant,
        partition: &TopicPartition,
        code: i16,
        leader: Option<(i32, i32)>,
        endpoints: &[NodeEndpoint],
    ) {
        match code {
            OFFSET_OUT_OF_RANGE => return self.out_of_range(partition),
            // TOPIC_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION, INVALID_TOPIC
            29 | 35 | 17 => {
                let concerned = Concerned {
                    topic: Some(&partition.topic),
                    permission: "Read",
                    ..Concerned::default()
                };
                let operation = format!("reading {partition}");
                let error = StreamsError::refused(operation, code, "", concerned);
                self.events.push_back(FetcherEvent::Failed(error));
            }
            // All others pass by themselves, most with new metadata.
            _ => self.events.push_back(FetcherEvent::RefreshMetadata),
        }
        if let Some((id, leader_epoch)) = leader
            && id >= 0
        {
            let mut endpoints = endpoints.iter();
            let endpoint = endpoints.find(|e| e.node_id.0 == id);
            let endpoint = endpoint.and_then(|e| HostPort::from_wire(e.host.as_str(), e.port));
            let (partition, leader) = (partition.clone(), BrokerId(id));
            let hint = FetcherEvent::LeaderHint {
                partition,
                leader,
                leader_epoch,
                endpoint,
            };
            self.events.push_back(hint);
        }
        self.wait(now, partition);
    }

    fn out_of_range(&mut self, partition: &TopicPartition) {
        let by_policy = self.reset_timestamp(&partition.topic);
        let Some(state) = self.partitions.get_mut(partition) else {
            return;
        };
        // A changelog whose beginning was compacted away is read from what is left of it.
        let timestamp = if state.restore {
            Some(EARLIEST)
        } else {
            by_policy
        };
        match timestamp {
            Some(timestamp) => state.stage = Stage::Position { timestamp },
            None => {
                let error = StreamsError::OffsetOutOfRange(partition.clone());
                self.events.push_back(FetcherEvent::Failed(error));
            }
        }
    }
}

fn session_topic(session: Option<&FetchSession>, id: Uuid) -> Option<TopicName> {
    if id.is_nil() {
        None
    } else {
        session?.topic(id).cloned()
    }
}
