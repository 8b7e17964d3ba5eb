//! Deleting what is committed of repartition topics (Java: `TaskManager.maybePurgeCommittedRecords`).
//!
//! Nobody but the application reads these topics, and the group makes them without a limit: they
//! would grow for ever.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::offsets::wire_name;
use crate::config::StreamsConfig;
use crate::error::{Concerned, StreamsError};
use crate::net::{Cluster, Outgoing, RequestError, RequestToken, Target};
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::wire::{ApiKey, Request, Response, error_name};

/// What a purge has to say.
#[derive(Debug)]
pub(crate) enum PurgeEvent {
    /// A partition is not led by whom it was.
    RefreshMetadata,
    /// For the log.
    Log(LogEvent),
}

/// Deletes records before the committed offsets, every `repartition.purge.interval.ms`.
///
/// Nothing depends on it: what fails is tried again when the interval is over, with the offsets of
/// then.
pub(crate) struct Purge {
    interval_ms: u64,
    timeout_ms: i32,
    next: Option<Instant>,
    /// Committed offsets up to which records are still there.
    committed: BTreeMap<TopicPartition, i64>,
    /// What of it is to be sent.
    due: BTreeMap<TopicPartition, i64>,
    under_way: BTreeMap<RequestToken, BTreeMap<TopicPartition, i64>>,
    tokens: u64,
    /// Partitions whose failure was warned about.
    warned: BTreeSet<TopicPartition>,
    events: VecDeque<PurgeEvent>,
}

impl Purge {
    pub(crate) fn new(config: &StreamsConfig) -> Self {
        Self {
            // Never zero: what fails would be tried again at once.
            interval_ms: config.repartition_purge_interval_ms().max(1),
            timeout_ms: i32::try_from(config.request_timeout_ms()).unwrap_or(i32::MAX),
            next: None,
            committed: BTreeMap::new(),
            due: BTreeMap::new(),
            under_way: BTreeMap::new(),
            tokens: 0,
            warned: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// The group has committed a repartition topic up to `offset`: what is before it is nobody's.
    pub(crate) fn committed(&mut self, now: Instant, partition: TopicPartition, offset: i64) {
        if offset > 0 {
            self.next.get_or_insert(now.plus_ms(self.interval_ms));
            self.committed.insert(partition, offset);
        }
    }

    /// The partition is another's, who purges it.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        self.committed.remove(partition);
        self.due.remove(partition);
    }

    pub(crate) fn forget_all(&mut self) {
        self.committed.clear();
        self.due.clear();
    }

    pub(crate) fn poll_event(&mut self) -> Option<PurgeEvent> {
        self.events.pop_front()
    }

    /// When to begin the next round; while one is under way, its answers come first.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waits = !self.committed.is_empty() && self.is_idle();
        self.next.filter(|_| waits)
    }

    fn is_idle(&self) -> bool {
        self.due.is_empty() && self.under_way.is_empty()
    }

    pub(crate) fn poll_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        if self.is_idle() && self.next.is_some_and(|next| next <= now) {
            self.next = Some(now.plus_ms(self.interval_ms));
            self.due = self.committed.clone();
        }
        let mut leaders: BTreeMap<BrokerId, BTreeMap<TopicPartition, i64>> = BTreeMap::new();
        for (partition, offset) in std::mem::take(&mut self.due) {
            match cluster.metadata().leader(&partition) {
                Some((leader, _)) => {
                    let of_leader = leaders.entry(leader).or_default();
                    of_leader.insert(partition, offset);
                }
                // Next time.
                None => self.events.push_back(PurgeEvent::RefreshMetadata),
            }
        }
        let mut request = None;
        for (leader, offsets) in leaders {
            let target = Target::Broker(leader);
            match cluster.version(target, ApiKey::DeleteRecords) {
                Some(version) if request.is_none() => {
                    request = Some(self.request(target, version, offsets));
                }
                _ => self.due.extend(offsets),
            }
        }
        request
    }

    fn request(
        &mut self,
        target: Target,
        version: i16,
        offsets: BTreeMap<TopicPartition, i64>,
    ) -> Outgoing {
        let mut topics: BTreeMap<&TopicName, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for (partition, offset) in &offsets {
            let before = DeleteRecordsPartition::default()
                .with_partition_index(partition.partition)
                .with_offset(*offset);
            topics.entry(&partition.topic).or_default().push(before);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            DeleteRecordsTopic::default()
                .with_name(wire_name(topic))
                .with_partitions(partitions)
        });
        let request = DeleteRecordsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(self.timeout_ms);
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        self.under_way.insert(token, offsets);
        Outgoing {
            token,
            target,
            version: Some(version),
            request: Request::DeleteRecords(request),
        }
    }

    pub(crate) fn handle_response(
        &mut self,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        let Some(asked) = self.under_way.remove(&token) else {
            return;
        };
        let response = match result {
            Ok(Response::DeleteRecords(response)) => response,
            Ok(_) => return self.log(Level::Debug, "an answer to something else"),
            Err(error) => return self.log(Level::Debug, &error.to_string()),
        };
        for (partition, code) in codes(&response) {
            let Some(offset) = asked.get(&partition) else {
                continue;
            };
            if code == 0 {
                self.warned.remove(&partition);
                if self.committed.get(&partition) == Some(offset) {
                    self.committed.remove(&partition);
                }
            } else {
                self.refused(partition, code);
            }
        }
    }

    /// What does not pass by itself is warned about once.
    fn refused(&mut self, partition: TopicPartition, code: i16) {
        if is_passing(code) {
            self.events.push_back(PurgeEvent::RefreshMetadata);
            let message = format!("{partition}: {}", error_name(code));
            return self.log(Level::Debug, &message);
        }
        let concerned = Concerned {
            topic: Some(&partition.topic),
            permission: "Delete",
            ..Concerned::default()
        };
        let operation = format!("deleting records of {partition}");
        let error = StreamsError::refused(operation, code, "", concerned);
        let level = if self.warned.insert(partition) {
            Level::Warn
        } else {
            Level::Debug
        };
        self.log(level, &error.to_string());
    }

    fn log(&mut self, level: Level, why: &str) {
        let message = format!("committed records stay in repartition topics for now: {why}");
        let log = LogEvent::new(level, message);
        self.events.push_back(PurgeEvent::Log(log));
    }
}

fn codes(response: &DeleteRecordsResponse) -> impl Iterator<Item = (TopicPartition, i16)> {
    response.topics.iter().flat_map(|topic| {
        let name = TopicName::new(topic.name.0.as_str());
        topic.partitions.iter().map(move |partition| {
            let of = TopicPartition::new(name.clone(), partition.partition_index);
            (of, partition.error_code)
        })
    })
}

/// Unknown topic, leader not there or another, timed out.
const fn is_passing(code: i16) -> bool {
    matches!(code, 3 | 5 | 6 | 7)
}
