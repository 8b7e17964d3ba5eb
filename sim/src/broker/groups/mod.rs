//! The group coordinator: streams groups (KIP-1071) as Kafka 4.2/4.3 runs them, and the committed
//! offsets of all groups.
//!
//! Modelled after `GroupMetadataManager` and its classes; error texts are Kafka's own.

mod assignor;
mod coordinator;
mod describe;
mod group;
#[cfg(test)]
mod history_tests;
mod internal_topics;
mod reconcile;
mod tasks;
#[cfg(test)]
mod tests;
mod timers;
mod validate;

use std::collections::BTreeMap;

use eddyline_core::time::Instant;
use eddyline_core::types::OffsetAndMetadata;

use super::codes;
use super::config::GroupConfig;
pub(crate) use coordinator::{Requester, TopicsView};
pub use group::{GroupState, Member, MemberState, StreamsGroup};
pub(crate) use internal_topics::TopicToCreate;
pub use tasks::{AssignedTasks, Task, Tasks};
use timers::{Timer, Timers};
pub(crate) use validate::is_valid_topic_name;

/// An error answer of the coordinator: code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupError {
    pub(crate) code: i16,
    pub(crate) message: Option<String>,
}

impl GroupError {
    pub(crate) fn new(code: i16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// What Kafka answers when its own code throws: UNKNOWN_SERVER_ERROR without a text.
    pub(crate) fn unknown() -> Self {
        Self {
            code: codes::UNKNOWN_SERVER_ERROR,
            message: None,
        }
    }
}

/// A group: one that runs the streams protocol, or one that only holds offsets.
#[derive(Debug)]
pub(crate) enum Group {
    Streams(Box<StreamsGroup>),
    /// Made by an offset commit without a member (Kafka: a simple classic group); never has members.
    Simple,
}

/// Committed offsets of one group: topic, partition, offset.
pub(crate) type GroupOffsets = BTreeMap<String, BTreeMap<i32, OffsetAndMetadata>>;

/// All groups of the cluster with their offsets and timers.
#[derive(Debug)]
pub(crate) struct Groups {
    config: GroupConfig,
    /// Per group: `streams.*` keys set on the resource GROUP.
    configs: BTreeMap<String, GroupConfig>,
    groups: BTreeMap<String, Group>,
    offsets: BTreeMap<String, GroupOffsets>,
    timers: Timers,
}

impl Groups {
    pub(crate) fn new(config: GroupConfig) -> Self {
        Self {
            config,
            configs: BTreeMap::new(),
            groups: BTreeMap::new(),
            offsets: BTreeMap::new(),
            timers: Timers::default(),
        }
    }

    pub(crate) fn config(&self, group: &str) -> &GroupConfig {
        self.configs.get(group).unwrap_or(&self.config)
    }

    pub(crate) fn set_config(&mut self, group: &str, config: GroupConfig) {
        self.configs.insert(group.to_owned(), config);
    }

    pub(crate) fn streams(&self, group: &str) -> Option<&StreamsGroup> {
        match self.groups.get(group) {
            Some(Group::Streams(group)) => Some(group),
            _ => None,
        }
    }

    pub(crate) fn get(&self, group: &str) -> Option<&Group> {
        self.groups.get(group)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Group)> {
        self.groups.iter()
    }

    pub(crate) fn offsets(&self, group: &str) -> Option<&GroupOffsets> {
        self.offsets.get(group)
    }

    pub(crate) fn ensure_simple(&mut self, group: &str) {
        let entry = self.groups.entry(group.to_owned());
        entry.or_insert(Group::Simple);
    }

    pub(crate) fn commit(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: OffsetAndMetadata,
    ) {
        let group = self.offsets.entry(group.to_owned()).or_default();
        let topic = group.entry(topic.to_owned()).or_default();
        topic.insert(partition, offset);
    }

    /// A deleted topic's offsets go with it.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for offsets in self.offsets.values_mut() {
            offsets.remove(topic);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Runs the session, rebalance and initial-delay timers that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((timer, epoch)) = self.timers.pop(now) {
            match timer {
                Timer::Session { group, member } => self.fence(&group, &member),
                Timer::Rebalance { group, member } => {
                    let current = self.streams(&group).and_then(|g| g.members.get(&member));
                    if current.is_some_and(|current| current.member_epoch == epoch) {
                        self.fence(&group, &member);
                    }
                }
                Timer::InitialDelay { group } => self.compute_delayed_assignment(now, &group),
            }
        }
    }

    /// The coordinator of `group` moved: sessions start again, and what is not in
    /// `__consumer_offsets` is lost (Kafka reloads the group from that topic).
    pub(crate) fn reload(&mut self, now: Instant, group_id: &str) {
        let config = self.config(group_id).clone();
        let Some(Group::Streams(group)) = self.groups.get_mut(group_id) else {
            return;
        };
        group.forget_soft_state();
        for (id, member) in &group.members {
            let session = now.plus_ms(u64::from(config.session_timeout_ms));
            self.timers.session(group_id, id, session);
            if member.state == MemberState::UnrevokedTasks {
                let timeout = u64::try_from(member.rebalance_timeout_ms).unwrap_or(0);
                self.timers
                    .rebalance(group_id, id, now.plus_ms(timeout), member.member_epoch);
            }
        }
    }
}
