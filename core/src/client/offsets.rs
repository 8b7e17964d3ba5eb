//! Committed offsets: fetching and committing them with the member's id and epoch (KIP-1071).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::unanswered::{NOT_COORDINATOR, unanswered_code};
use crate::config::StreamsConfig;
use crate::error::{Concerned, StreamsError};
use crate::mutation::{Mutant, Mutation};
use crate::net::{Backoff, Cluster, Outgoing, RequestError, RequestToken, Target};
use crate::rng::Rng;
use crate::thread::CommitFailure;
use crate::time::Instant;
use crate::trace::{Level, LogEvent};
use crate::types::{MemberEpoch, OffsetAndMetadata, TopicName, TopicPartition};
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    StrBytes, TopicName as WireTopicName,
};
use crate::wire::{ApiKey, Request, Response, Uuid, error_name};

/// What became of a commit or a fetch of committed offsets.
#[derive(Debug)]
pub(crate) enum OffsetsEvent {
    /// The committed offset of a partition, if there is one.
    Fetched {
        partition: TopicPartition,
        committed: Option<OffsetAndMetadata>,
    },
    /// The answer to a commit.
    Committed {
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        result: Result<(), CommitFailure>,
    },
    /// The coordinator is not where it was.
    FindCoordinator,
    /// A topic's id is not what it was.
    RefreshMetadata,
    /// Committed offsets cannot be had.
    Failed(StreamsError),
    /// For the log.
    Log(LogEvent),
}

struct Commit {
    ticket: u64,
    offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
}

/// The group's committed offsets, one commit and one fetch under way at a time.
pub(crate) struct Offsets {
    group_id: String,
    rng: Rng,
    member_id: String,
    member_epoch: MemberEpoch,
    tokens: u64,
    wanted: BTreeSet<TopicPartition>,
    fetching: Option<(
        RequestToken,
        BTreeSet<TopicPartition>,
        BTreeMap<Uuid, TopicName>,
    )>,
    fetch_backoff: Backoff,
    commits: VecDeque<Commit>,
    committing: Option<RequestToken>,
    commit_backoff: Backoff,
    mutant: Mutant,
    last_now: Instant,
    events: VecDeque<OffsetsEvent>,
}

impl Offsets {
    pub(crate) fn new(config: &StreamsConfig, rng: Rng) -> Self {
        let backoff = Backoff::new(config.retry_backoff_ms(), config.retry_backoff_max_ms());
        Self {
            group_id: config.application_id().to_owned(),
            rng,
            member_id: String::new(),
            member_epoch: MemberEpoch::LEAVE,
            tokens: 0,
            wanted: BTreeSet::new(),
            fetching: None,
            fetch_backoff: backoff.clone(),
            commits: VecDeque::new(),
            committing: None,
            commit_backoff: backoff,
            mutant: config.mutant,
            last_now: Instant::ZERO,
            events: VecDeque::new(),
        }
    }

    /// Who commits: every request carries what was set last.
    pub(crate) fn set_member(&mut self, member_id: &str, member_epoch: MemberEpoch) {
        if self.member_id != member_id {
            member_id.clone_into(&mut self.member_id);
        }
        self.member_epoch = member_epoch;
    }

    /// Asks for the committed offset of a partition: what it is from now on.
    pub(crate) fn fetch(&mut self, _now: Instant, partition: TopicPartition) {
        if let Some((_, asked, _)) = &mut self.fetching {
            // The answer that is on its way may be older.
            asked.remove(&partition);
        }
        self.wanted.insert(partition);
    }

    /// Commits offsets; answered under `ticket`, in order.
    pub(crate) fn commit(
        &mut self,
        _now: Instant,
        ticket: u64,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) {
        self.commits.push_back(Commit { ticket, offsets });
    }

    /// Forgets what is to be committed: who asked has lost its tasks, and must not commit for their
    /// next owner under an epoch of its own.
    pub(crate) fn abandon(&mut self) {
        self.commits.clear();
        self.committing = None;
    }

    /// True when nothing is to be committed.
    pub(crate) fn is_idle(&self) -> bool {
        self.commits.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<OffsetsEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let fetch = !self.wanted.is_empty() && self.fetching.is_none();
        let commit = !self.commits.is_empty() && self.committing.is_none();
        let due = |pending: bool, backoff: &Backoff| pending.then(|| backoff.until());
        [
            due(fetch, &self.fetch_backoff),
            due(commit, &self.commit_backoff),
        ]
        .into_iter()
        .flatten()
        .filter(|due| *due > self.last_now)
        .min()
    }

    fn token(&mut self) -> RequestToken {
        self.tokens += 1;
        RequestToken(self.tokens)
    }

    pub(crate) fn poll_request(&mut self, now: Instant, cluster: &Cluster) -> Option<Outgoing> {
        self.last_now = now;
        if self.committing.is_none() && self.commit_backoff.is_over(now) && !self.commits.is_empty()
        {
            let version = cluster.version(Target::GroupCoordinator, ApiKey::OffsetCommit)?;
            return Some(self.commit_request(version, cluster));
        }
        if self.fetching.is_none() && self.fetch_backoff.is_over(now) && !self.wanted.is_empty() {
            let version = cluster.version(Target::GroupCoordinator, ApiKey::OffsetFetch)?;
            return Some(self.fetch_request(version, cluster));
        }
        None
    }

    fn commit_request(&mut self, version: i16, cluster: &Cluster) -> Outgoing {
        let token = self.token();
        self.committing = Some(token);
        let offsets = self.commits.front().map(|commit| commit.offsets.as_slice());
        let mut topics: BTreeMap<&TopicName, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset) in offsets.unwrap_or_default() {
            topics.entry(&partition.topic).or_default().push(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&offset.metadata))),
            );
        }
        let ids = topic_ids(version, topics.keys().copied(), cluster);
        let version = match ids {
            Some(_) => version,
            None => version.min(TOPIC_IDS_FROM - 1),
        };
        let topics = topics.into_iter().map(|(topic, partitions)| {
            let converted = OffsetCommitRequestTopic::default().with_partitions(partitions);
            match &ids {
                Some(ids) => converted.with_topic_id(ids[topic]),
                None => converted.with_name(wire_name(topic)),
            }
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(&self.group_id)))
            .with_generation_id_or_member_epoch(self.member_epoch.0)
            .with_member_id(text(&self.member_id))
            .with_topics(topics.collect());
        Outgoing {
            token,
            target: Target::GroupCoordinator,
            version: Some(version),
            request: Request::OffsetCommit(request),
        }
    }

    fn fetch_request(&mut self, version: i16, cluster: &Cluster) -> Outgoing {
        let token = self.token();
        let wanted = self.wanted.clone();
        let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
        for partition in &wanted {
            topics
                .entry(&partition.topic)
                .or_default()
                .push(partition.partition);
        }
        let ids = topic_ids(version, topics.keys().copied(), cluster);
        let version = match ids {
            Some(_) => version,
            None => version.min(TOPIC_IDS_FROM - 1),
        };
        let mut request = OffsetFetchRequest::default();
        if version >= 7 {
            let is_stable = !self.mutant.is(Mutation::OffsetsUnstable);
            request = request.with_require_stable(is_stable);
        }
        if version >= 8 {
            let topics = topics.iter().map(|(topic, partitions)| {
                let converted =
                    OffsetFetchRequestTopics::default().with_partition_indexes(partitions.clone());
                match &ids {
                    Some(ids) => converted.with_topic_id(ids[*topic]),
                    None => converted.with_name(wire_name(topic)),
                }
            });
            let mut group = OffsetFetchRequestGroup::default()
                .with_group_id(GroupId(text(&self.group_id)))
                .with_topics(Some(topics.collect()));
            if version >= 9 {
                group = group
                    .with_member_id(Some(text(&self.member_id)))
                    .with_member_epoch(self.member_epoch.0);
            }
            request = request.with_groups(vec![group]);
        } else {
            let topics = topics.iter().map(|(topic, partitions)| {
                OffsetFetchRequestTopic::default()
                    .with_name(wire_name(topic))
                    .with_partition_indexes(partitions.clone())
            });
            request = request
                .with_group_id(GroupId(text(&self.group_id)))
                .with_topics(Some(topics.collect()));
        }
        let names = ids
            .unwrap_or_default()
            .into_iter()
            .map(|(name, id)| (id, name))
            .collect();
        self.fetching = Some((token, wanted, names));
        Outgoing {
            token,
            target: Target::GroupCoordinator,
            version: Some(version),
            request: Request::OffsetFetch(request),
        }
    }

    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        token: RequestToken,
        result: Result<Response, RequestError>,
    ) {
        if self.committing == Some(token) {
            self.committing = None;
            self.commit_answered(now, result);
        } else if self
            .fetching
            .as_ref()
            .is_some_and(|(fetching, ..)| *fetching == token)
            && let Some((_, asked, names)) = self.fetching.take()
        {
            self.fetch_answered(now, &asked, &names, result);
        }
    }

    fn commit_answered(&mut self, now: Instant, result: Result<Response, RequestError>) {
        let code = match result {
            Ok(Response::OffsetCommit(response)) => worst_commit_code(&response),
            Ok(_) => Some(NOT_COORDINATOR),
            Err(error) => match unanswered_code(error) {
                Ok(code) => Some(code),
                Err(error) => return self.finish_commit(Err(CommitFailure::Fatal(error))),
            },
        };
        match code {
            None => {
                self.commit_backoff.succeeded();
                self.finish_commit(Ok(()));
            }
            Some(code) if is_coordinator_gone(code) => {
                self.commit_backoff.failed(now, &mut self.rng);
                self.events.push_back(OffsetsEvent::FindCoordinator);
            }
            Some(code) if is_retriable(code) => {
                self.commit_backoff.failed(now, &mut self.rng);
                self.refresh_metadata_after(code);
            }
            // UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, FENCED_MEMBER_EPOCH,
            // STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND: the member is not what it was.
            Some(22 | 25 | 27 | 69 | 110 | 113) => {
                self.finish_commit(Err(CommitFailure::Migrated));
            }
            Some(code) => {
                let error = self.broker_error("the offset commit", code);
                self.finish_commit(Err(CommitFailure::Fatal(error)));
            }
        }
    }

    fn finish_commit(&mut self, result: Result<(), CommitFailure>) {
        if let Some(Commit { ticket, offsets }) = self.commits.pop_front() {
            self.events.push_back(OffsetsEvent::Committed {
                ticket,
                offsets,
                result,
            });
        }
    }

    fn fetch_answered(
        &mut self,
        now: Instant,
        asked: &BTreeSet<TopicPartition>,
        names: &BTreeMap<Uuid, TopicName>,
        result: Result<Response, RequestError>,
    ) {
        let fetched = match result {
            Ok(Response::OffsetFetch(response)) => committed_offsets(&response, names),
            Ok(_) => Err(NOT_COORDINATOR),
            Err(error) => match unanswered_code(error) {
                Ok(code) => Err(code),
                Err(error) => {
                    self.wanted.clear();
                    return self.events.push_back(OffsetsEvent::Failed(error));
                }
            },
        };
        match fetched {
            Ok(fetched) => {
                self.fetch_backoff.succeeded();
                let mut again = false;
                for (partition, result) in fetched {
                    match result {
                        Ok(committed)
                            if asked.contains(&partition) && self.wanted.remove(&partition) =>
                        {
                            self.events.push_back(OffsetsEvent::Fetched {
                                partition,
                                committed,
                            });
                        }
                        Ok(_) => {}
                        Err(code) if is_retriable(code) => {
                            again = true;
                            self.refresh_metadata_after(code);
                        }
                        Err(code) => self.fetch_failed(code),
                    }
                }
                // A partition that was asked for and not answered is asked for again.
                if again
                    || asked
                        .iter()
                        .any(|partition| self.wanted.contains(partition))
                {
                    self.fetch_backoff.failed(now, &mut self.rng);
                }
            }
            Err(code) => {
                self.fetch_backoff.failed(now, &mut self.rng);
                if is_coordinator_gone(code) {
                    self.events.push_back(OffsetsEvent::FindCoordinator);
                } else if matches!(code, 25 | 69 | 110 | 113) {
                    // The member's epoch is moving: ask again with the one it has then.
                    let message = format!(
                        "committed offsets are asked for again: {}",
                        error_name(code)
                    );
                    let log = LogEvent::new(Level::Debug, message);
                    self.events.push_back(OffsetsEvent::Log(log));
                } else if !is_retriable(code) {
                    self.fetch_failed(code);
                }
            }
        }
    }

    fn refresh_metadata_after(&mut self, code: i16) {
        if code == UNKNOWN_TOPIC_ID {
            self.events.push_back(OffsetsEvent::RefreshMetadata);
        }
    }

    fn fetch_failed(&mut self, code: i16) {
        self.wanted.clear();
        let error = self.broker_error("the fetch of committed offsets", code);
        self.events.push_back(OffsetsEvent::Failed(error));
    }

    fn broker_error(&self, operation: &str, code: i16) -> StreamsError {
        let concerned = Concerned {
            group: Some(&self.group_id),
            permission: "Read",
            ..Concerned::default()
        };
        StreamsError::refused(operation, code, "", concerned)
    }
}

const UNKNOWN_TOPIC_ID: i16 = 100;
/// From this version on OffsetCommit and OffsetFetch name topics by id.
const TOPIC_IDS_FROM: i16 = 10;

const fn is_coordinator_gone(code: i16) -> bool {
    matches!(code, 15 | 16)
}

/// Passes by itself: unknown topic (its creation spreads), time-outs, loading, unstable offsets.
const fn is_retriable(code: i16) -> bool {
    matches!(code, 3 | 7 | 14 | 15 | 16 | 88 | 100)
}

/// The first error that decides over the whole commit; fatal ones before those that pass.
fn worst_commit_code(response: &OffsetCommitResponse) -> Option<i16> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let codes: Vec<i16> = partitions
        .map(|p| p.error_code)
        .filter(|code| *code != 0)
        .collect();
    codes
        .iter()
        .copied()
        .find(|code| !is_retriable(*code))
        .or_else(|| codes.first().copied())
}

type Fetched = Vec<(TopicPartition, Result<Option<OffsetAndMetadata>, i16>)>;

fn committed_offsets(
    response: &OffsetFetchResponse,
    names: &BTreeMap<Uuid, TopicName>,
) -> Result<Fetched, i16> {
    let mut fetched = Vec::new();
    let mut add = |topic: TopicName,
                   index: i32,
                   offset: i64,
                   epoch: i32,
                   metadata: &Option<StrBytes>,
                   code: i16| {
        let committed = (offset >= 0).then(|| OffsetAndMetadata {
            offset,
            leader_epoch: (epoch >= 0).then_some(epoch),
            metadata: metadata
                .as_ref()
                .map(|text| text.as_str().to_owned())
                .unwrap_or_default(),
        });
        let result = if code == 0 { Ok(committed) } else { Err(code) };
        fetched.push((
            TopicPartition {
                topic,
                partition: index,
            },
            result,
        ));
    };
    if response.error_code != 0 {
        return Err(response.error_code);
    }
    for topic in &response.topics {
        for p in &topic.partitions {
            let name = TopicName::new(topic.name.0.as_str());
            add(
                name,
                p.partition_index,
                p.committed_offset,
                p.committed_leader_epoch,
                &p.metadata,
                p.error_code,
            );
        }
    }
    for group in &response.groups {
        if group.error_code != 0 {
            return Err(group.error_code);
        }
        for topic in &group.topics {
            let by_id = names.get(&topic.topic_id).cloned();
            let name = by_id.unwrap_or_else(|| TopicName::new(topic.name.0.as_str()));
            for p in &topic.partitions {
                add(
                    name.clone(),
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    &p.metadata,
                    p.error_code,
                );
            }
        }
    }
    Ok(fetched)
}

/// The ids of all `topics`, if `version` names topics by id and every id is known.
fn topic_ids<'a>(
    version: i16,
    topics: impl Iterator<Item = &'a TopicName>,
    cluster: &Cluster,
) -> Option<BTreeMap<TopicName, Uuid>> {
    if version < TOPIC_IDS_FROM {
        return None;
    }
    topics
        .map(|topic| Some((topic.clone(), cluster.metadata().topic_id(topic)?)))
        .collect()
}

pub(super) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

pub(super) fn wire_name(topic: &TopicName) -> WireTopicName {
    WireTopicName(text(topic.as_str()))
}
