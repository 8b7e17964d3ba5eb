//! What is known about the cluster: brokers, topics, leaders.

use std::collections::BTreeMap;

use crate::config::HostPort;
use crate::types::{BrokerId, TopicName, TopicPartition};
use crate::wire::Uuid;

/// Brokers, topic ids and leaders as the newest metadata answers tell them (Java: `Metadata`).
///
/// The leader epoch of a partition never goes backwards while its topic id stays the same: a
/// broker that lags behind cannot undo what a better informed one said.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    version: u64,
    brokers: BTreeMap<BrokerId, HostPort>,
    topics: BTreeMap<TopicName, TopicMetadata>,
    names: BTreeMap<Uuid, TopicName>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct TopicMetadata {
    id: Option<Uuid>,
    /// False once a broker denied the topic; what was known stays as the memory of epochs.
    exists: bool,
    /// By partition number.
    partitions: Vec<PartitionMetadata>,
}

/// One partition of a topic as a metadata answer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The leader; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// The epoch of that leader; -1 where the broker is too old to say.
    pub leader_epoch: i32,
}

impl Metadata {
    /// The leader of a partition and its epoch (-1: unknown). `None` while there is no leader, it is
    /// not known where it listens, or the partition is not known.
    pub fn leader(&self, partition: &TopicPartition) -> Option<(BrokerId, i32)> {
        let index = usize::try_from(partition.partition).ok()?;
        let known = self.topic(&partition.topic)?.partitions.get(index)?;
        // A leader that left the cluster is none: who waits for it must ask for news.
        let leader = known
            .leader
            .filter(|leader| self.brokers.contains_key(leader))?;
        Some((leader, known.leader_epoch))
    }

    /// How many partitions a topic has; `None` while it is not known to exist.
    pub fn partition_count(&self, topic: &TopicName) -> Option<i32> {
        i32::try_from(self.topic(topic)?.partitions.len()).ok()
    }

    /// The id of a topic; `None` while it is not known or the brokers have no topic ids.
    pub fn topic_id(&self, topic: &TopicName) -> Option<Uuid> {
        self.topic(topic)?.id
    }

    /// The name of the topic with this id.
    pub fn topic_name(&self, id: Uuid) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// Where a broker listens.
    pub fn broker(&self, broker: BrokerId) -> Option<&HostPort> {
        self.brokers.get(&broker)
    }

    /// Every known broker, by id.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &HostPort)> {
        self.brokers.iter().map(|(id, address)| (*id, address))
    }

    /// A number that grows with every change.
    pub const fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, topic: &TopicName) -> Option<&TopicMetadata> {
        self.topics.get(topic).filter(|known| known.exists)
    }

    /// Replaces the list of brokers.
    pub(crate) fn set_brokers(&mut self, brokers: BTreeMap<BrokerId, HostPort>) {
        if self.brokers != brokers {
            self.brokers = brokers;
            self.version += 1;
        }
    }

    /// Adds a broker or moves it to another address.
    pub(crate) fn set_broker(&mut self, broker: BrokerId, address: HostPort) {
        if self.brokers.get(&broker) != Some(&address) {
            self.brokers.insert(broker, address);
            self.version += 1;
        }
    }

    /// Takes a broker's word on one topic; `partitions` by partition number.
    pub(crate) fn set_topic(
        &mut self,
        topic: &TopicName,
        id: Option<Uuid>,
        mut partitions: Vec<PartitionMetadata>,
    ) {
        if let Some(known) = self.topics.get(topic) {
            if known.id == id {
                for (new, old) in partitions.iter_mut().zip(&known.partitions) {
                    if new.leader_epoch >= 0 && new.leader_epoch < old.leader_epoch {
                        *new = *old;
                    }
                }
            } else if let Some(old_id) = known.id {
                self.names.remove(&old_id);
            }
        }
        let new = TopicMetadata {
            id,
            exists: true,
            partitions,
        };
        if self.topics.get(topic) == Some(&new) {
            return;
        }
        if let Some(id) = id {
            self.names.insert(id, topic.clone());
        }
        self.topics.insert(topic.clone(), new);
        self.version += 1;
    }

    /// A broker said that the topic does not exist.
    pub(crate) fn deny_topic(&mut self, topic: &TopicName) {
        if let Some(known) = self.topics.get_mut(topic)
            && known.exists
        {
            known.exists = false;
            self.version += 1;
        }
    }

    /// A broker answered a request with the leader it knows (KIP-951). Returns whether that is
    /// news.
    pub(crate) fn set_leader(
        &mut self,
        partition: &TopicPartition,
        leader: BrokerId,
        leader_epoch: i32,
    ) -> bool {
        let known = usize::try_from(partition.partition)
            .ok()
            .zip(self.topics.get_mut(&partition.topic))
            .and_then(|(index, topic)| topic.partitions.get_mut(index));
        match known {
            Some(known) if leader_epoch > known.leader_epoch => {
                *known = PartitionMetadata {
                    leader: Some(leader),
                    leader_epoch,
                };
                self.version += 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: i32, leader_epoch: i32) -> PartitionMetadata {
        PartitionMetadata {
            leader: (leader >= 0).then_some(BrokerId(leader)),
            leader_epoch,
        }
    }

    #[test]
    fn leader_epochs_never_go_backwards_within_a_topic_id() {
        let topic = TopicName::new("t");
        let tp = TopicPartition::new("t", 0);
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut metadata = Metadata::default();
        metadata.set_topic(&topic, Some(first), vec![partition(1, 5)]);
        assert_eq!(metadata.leader(&tp), None, "nobody knows where broker 1 is");
        for broker in 1..=4 {
            let address = HostPort::parse("a:1").expect("an address");
            metadata.set_broker(BrokerId(broker), address);
        }
        let version = metadata.version();
        metadata.set_topic(&topic, Some(first), vec![partition(2, 4)]);
        assert_eq!(metadata.leader(&tp), Some((BrokerId(1), 5)));
        assert_eq!(metadata.version(), version, "nothing changed");
        metadata.deny_topic(&topic);
        assert_eq!(metadata.leader(&tp), None);
        metadata.set_topic(&topic, Some(first), vec![partition(2, 4)]);
        assert_eq!(metadata.leader(&tp), Some((BrokerId(1), 5)), "remembered");
        assert!(metadata.set_leader(&tp, BrokerId(3), 6));
        assert!(!metadata.set_leader(&tp, BrokerId(4), 6));
        assert_eq!(metadata.leader(&tp), Some((BrokerId(3), 6)));
        // A topic made anew starts over.
        metadata.set_topic(
            &topic,
            Some(second),
            vec![partition(-1, 0), partition(2, 0)],
        );
        assert_eq!(metadata.leader(&tp), None);
        assert_eq!(metadata.partition_count(&topic), Some(2));
        assert_eq!(metadata.topic_name(first), None);
        assert_eq!(metadata.topic_name(second), Some(&topic));
    }
}
