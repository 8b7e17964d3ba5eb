//! Incremental fetch sessions with one broker (KIP-227): a request names only what changed.

use std::collections::BTreeMap;

use super::offsets::wire_name;
use crate::types::{TopicName, TopicPartition};
use crate::wire::Uuid;
use crate::wire::messages::FetchRequest;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

/// Position, leader epoch and topic id of a partition, as the broker was last told.
pub(super) type Told = (i64, i32, Uuid);

/// A session with one broker; a new one begins with a full request, which ends the one before.
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

pub(super) const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;

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
            self.end();
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

    /// The next request is full. It names the session that it ends, or the broker would keep it
    /// until its cache is full (Java: `FetchMetadata.nextCloseExistingAttemptNew`).
    pub(super) fn end(&mut self) {
        self.epoch = 0;
    }

    /// The broker refused a request with `code`: the next one is full. `true` when that has
    /// happened again and again, so that a wait is due.
    pub(super) fn refused(&mut self, code: i16) -> bool {
        self.end();
        if code == FETCH_SESSION_ID_NOT_FOUND {
            self.id = 0;
        }
        self.refusals += 1;
        self.refusals > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID_FETCH_SESSION_EPOCH: i16 = 71;

    /// Id and epoch of the next request.
    fn next(session: &mut FetchSession, version: i16) -> (i32, i32) {
        let wanted = BTreeMap::from([(TopicPartition::new("t", 0), (7, 1, Uuid::nil()))]);
        let request = session.request(version, wanted, 100);
        (request.session_id, request.session_epoch)
    }

    fn open(id: i32) -> FetchSession {
        let mut session = FetchSession::default();
        assert_eq!(next(&mut session, 13), (0, 0));
        session.answered(id);
        assert_eq!(next(&mut session, 13), (id, 1));
        session
    }

    #[test]
    fn a_full_request_names_the_session_it_ends() {
        let mut broken = open(5);
        broken.end();
        assert_eq!(next(&mut broken, 13), (5, 0));
        broken.answered(6);
        assert_eq!(next(&mut broken, 13), (6, 1));

        let mut by_name = open(5);
        assert_eq!(next(&mut by_name, 12), (5, 0));

        let mut refused = open(5);
        assert!(!refused.refused(INVALID_FETCH_SESSION_EPOCH));
        assert_eq!(next(&mut refused, 13), (5, 0));
    }

    #[test]
    fn a_session_that_is_gone_is_not_named() {
        let mut unknown = open(5);
        assert!(!unknown.refused(FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!(next(&mut unknown, 13), (0, 0));
        let mut closed = open(5);
        closed.answered(0);
        assert_eq!(next(&mut closed, 13), (0, 0));
    }
}
