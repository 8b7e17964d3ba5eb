//! The topics of the cluster and who leads their partitions.

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::rng::Rng;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::Uuid;

use super::ConnectionId;
use super::codes;
use super::groups::TopicsView;
use super::log::PartitionLog;

/// Most partitions a topic may have: one request must not claim unbounded memory.
pub(crate) const MAX_PARTITIONS: i32 = 10_000;

/// One partition: its log and its leader.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: PartitionLog,
    /// `None`: every replica is down.
    pub(crate) leader: Option<BrokerId>,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<BrokerId>,
    /// Connections whose held fetch waits for records here.
    pub(crate) waiters: BTreeSet<ConnectionId>,
}

impl Partition {
    pub(crate) fn lead(&mut self, leader: Option<BrokerId>) {
        if self.leader == leader {
            return;
        }
        self.leader = leader;
        self.leader_epoch += 1;
        self.log.begin_epoch(self.leader_epoch);
    }

    /// Whether `node` may serve a request that names `epoch` as the leader's (-1: any).
    pub(crate) fn check_leader(&self, node: BrokerId, epoch: i32) -> Result<(), i16> {
        if epoch >= 0 && epoch < self.leader_epoch {
            Err(codes::FENCED_LEADER_EPOCH)
        } else if epoch > self.leader_epoch {
            Err(codes::UNKNOWN_LEADER_EPOCH)
        } else if self.leader != Some(node) {
            Err(codes::NOT_LEADER_OR_FOLLOWER)
        } else {
            Ok(())
        }
    }
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) configs: BTreeMap<String, String>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

/// A topic as a request names it: by id since Fetch and Produce v13, by name before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TopicRef {
    Id(Uuid),
    Name(String),
}

impl TopicRef {
    /// What a request of an API that names topics by id from version `ids_from` on means.
    pub(crate) fn new(id: Uuid, name: &str, version: i16, ids_from: i16) -> Self {
        if version >= ids_from {
            Self::Id(id)
        } else {
            Self::Name(name.to_owned())
        }
    }

    /// The error of a topic that does not exist.
    pub(crate) fn unknown(&self) -> i16 {
        match self {
            Self::Id(_) => codes::UNKNOWN_TOPIC_ID,
            Self::Name(_) => codes::UNKNOWN_TOPIC_OR_PARTITION,
        }
    }
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    by_id: BTreeMap<Uuid, Topic>,
    ids: BTreeMap<String, Uuid>,
    version: u64,
    rng: Rng,
    created: usize,
}

impl TopicsView for Topics {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        let topic = self.by_name(name)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        Some((topic.id, partitions))
    }

    fn version(&self) -> u64 {
        self.version
    }
}

impl Topics {
    pub(crate) fn new(rng: Rng) -> Self {
        Self {
            by_id: BTreeMap::new(),
            ids: BTreeMap::new(),
            version: 0,
            rng,
            created: 0,
        }
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Topic> {
        self.by_id.get(self.ids.get(name)?)
    }

    pub(crate) fn by_name_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_id.get_mut(self.ids.get(name)?)
    }

    pub(crate) fn by_id(&self, id: &Uuid) -> Option<&Topic> {
        self.by_id.get(id)
    }

    pub(crate) fn resolve(&self, topic: &TopicRef) -> Option<&Topic> {
        match topic {
            TopicRef::Id(id) => self.by_id.get(id),
            TopicRef::Name(name) => self.by_name(name),
        }
    }

    pub(crate) fn resolve_mut(&mut self, topic: &TopicRef) -> Option<&mut Topic> {
        match topic {
            TopicRef::Id(id) => self.by_id.get_mut(id),
            TopicRef::Name(name) => self.by_name_mut(name),
        }
    }

    /// The topics in name order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.ids.values().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Topic> {
        self.by_id.values_mut()
    }

    /// Makes a topic that does not exist yet, its leaders spread over `nodes` (all alive).
    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: usize,
        replication_factor: usize,
        configs: BTreeMap<String, String>,
        nodes: &[BrokerId],
    ) -> Uuid {
        let id = self.random_id();
        let first = self.created;
        self.created += 1;
        let partitions = (0..partitions).map(|partition| {
            let start = first + partition;
            let replicas: Vec<BrokerId> = (0..replication_factor.min(nodes.len()))
                .map(|replica| nodes[(start + replica) % nodes.len()])
                .collect();
            let mut log = PartitionLog::default();
            log.begin_epoch(0);
            Partition {
                log,
                leader: replicas.first().copied(),
                leader_epoch: 0,
                replicas,
                waiters: BTreeSet::new(),
            }
        });
        let topic = Topic {
            id,
            name: name.to_owned(),
            partitions: partitions.collect(),
            configs,
        };
        self.ids.insert(name.to_owned(), id);
        self.by_id.insert(id, topic);
        self.version += 1;
        id
    }

    pub(crate) fn delete(&mut self, name: &str) -> Option<Topic> {
        let id = self.ids.remove(name)?;
        self.version += 1;
        self.by_id.remove(&id)
    }

    /// A version 4 id.
    fn random_id(&mut self) -> Uuid {
        let mut bytes = self.rng.bytes16();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_bytes(bytes)
    }
}
