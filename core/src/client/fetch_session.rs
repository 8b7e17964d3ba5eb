//! Incremental fetch sessions with one broker (KIP-227): a request names only what changed.

use std::collections::BTreeMap;

use super::offsets::wire_name;
use crate::types::{TopicName, TopicPartition};
use crate::wire::Uuid;
use crate::wire::messages::FetchRequest;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

/// Position, leader epoch and topic id of a partition, as the broker was last told.
pub(super) type Told = (i64, i32, Uuid);

/// A session with one broker; a new one begins with a full request.
#[derive(Debug, Default)]
pub(super) struct FetchSession {
    id: i32,
    epoch: i32,
    partitions: BTreeMap<TopicPartition, Told>,
    /// By id or by name: a session cannot mix the two.
    by_id: bool,
    refusals: u32,
}

/// `FetchMetadata.FINAL_EPOCH`: a full request that opens no session.
const NO_SESSION: i32 = -1;

impl FetchSession {
    /// For one request outside of any session.
    pub(super) fn none() -> Self {
        Self {
            epoch: NO_SESSION,
            ..Self::default()
        }
    }

    /// What the broker may answer for.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// Where the broker was last asked to read a partition.
    pub(super) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.partitions
            .get(partition)
            .map(|(position, ..)| *position)
    }

    pub(super) fn topic(&self, id: Uuid) -> Option<&TopicName> {
        let found = self
            .partitions
            .iter()
            .find(|(_, (_, _, known))| *known == id);
        found.map(|(partition, _)| &partition.topic)
    }

    /// The request for exactly `wanted`.
    pub(super) fn request(
        &mut self,
        version: i16,
        wanted: BTreeMap<TopicPartition, Told>,
        partition_max_bytes: i32,
    ) -> FetchRequest {
        let by_id = version >= 13;
        if by_id != self.by_id && self.epoch != NO_SESSION {
            (self.id, self.epoch) = (0, 0);
        }
        self.by_id = by_id;
        let full = self.epoch <= 0;
        let changed = wanted
            .iter()
            .filter(|(partition, told)| full || self.partitions.get(*partition) != Some(*told));
        let mut topics: BTreeMap<(&TopicName, Uuid), Vec<FetchPartition>> = BTreeMap::new();
        for (partition, (position, epoch, id)) in changed {
            topics.entry((&partition.topic, *id)).or_default().push(
                FetchPartition::default()
                    .with_partition(partition.partition)
                    .with_current_leader_epoch(*epoch)
                    .with_fetch_offset(*position)
                    .with_log_start_offset(-1)
                    .with_partition_max_bytes(partition_max_bytes),
            );
        }
        let topics = topics.into_iter().map(|((name, id), partitions)| {
            let topic = FetchTopic::default().with_partitions(partitions);
            if by_id {
                topic.with_topic_id(id)
            } else {
                topic.with_topic(wire_name(name))
            }
        });
        let mut request = FetchRequest::default()
            .with_session_id(self.id)
            .with_session_epoch(self.epoch)
            .with_topics(topics.collect());
        if !full {
            let mut forgotten: BTreeMap<(&TopicName, Uuid), Vec<i32>> = BTreeMap::new();
            for (partition, (_, _, id)) in &self.partitions {
                if !wanted.contains_key(partition) {
                    forgotten
                        .entry((&partition.topic, *id))
                        .or_default()
                        .push(partition.partition);
                }
            }
            let forgotten = forgotten.into_iter().map(|((name, id), partitions)| {
                let topic = ForgottenTopic::default().with_partitions(partitions);
                if by_id {
                    topic.with_topic_id(id)
                } else {
                    topic.with_topic(wire_name(name))
                }
            });
            request = request.with_forgotten_topics_data(forgotten.collect());
        }
        self.partitions = wanted;
        request
    }

    /// A good answer: the next request goes on with the session, if the broker keeps one.
    pub(super) fn answered(&mut self, id: i32) {
        self.refusals = 0;
        (self.id, self.epoch) = match id {
            0 => (0, 0),
            // Epochs wrap to one: zero opens a session.
            _ if id == self.id => (id, self.epoch.checked_add(1).unwrap_or(1)),
            _ => (id, 1),
        };
    }

    /// The broker does not know the session: the next request is full. `true` when that has
    /// happened again and again, so that a wait is due.
    pub(super) fn refused(&mut self) -> bool {
        (self.id, self.epoch) = (0, 0);
        self.refusals += 1;
        self.refusals > 1
    }
}
