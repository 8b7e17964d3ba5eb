//! What tests read and do beside the protocol.

use std::collections::BTreeMap;

use eddyline_core::time::{Instant, Now};
use eddyline_core::types::{BrokerId, OffsetAndMetadata, TopicPartition};
use eddyline_core::wire::{self, SealedBatch};

use super::config::NodeConfig;
use super::groups::StreamsGroup;
use super::log::PartitionLog;
use super::transactions::coordinator_key;
use super::{
    Broker, BrokerInput, ConnectionId, CoordinatorFault, FaultRule, GroupConfig, Node, codes,
};

impl Broker {
    /// Makes a topic with that many partitions on all nodes that are up; false if it exists or
    /// the name or the count is not allowed.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> bool {
        let replicas = i16::try_from(self.alive_nodes().count()).unwrap_or(i16::MAX);
        self.create_topic_now(name, partitions, replicas, BTreeMap::new())
    }

    /// The names of all topics and how many partitions each has.
    pub fn topics(&self) -> BTreeMap<String, usize> {
        let topics = self.topics.iter();
        topics
            .map(|topic| (topic.name.clone(), topic.partitions.len()))
            .collect()
    }

    /// The settings a topic was created with, and those changed since.
    pub fn topic_configs(&self, topic: &str) -> Option<&BTreeMap<String, String>> {
        Some(&self.topics.by_name(topic)?.configs)
    }

    /// The log of a partition.
    pub fn log(&self, topic: &str, partition: i32) -> Option<&PartitionLog> {
        Some(&self.topics.by_name(topic)?.partition(partition)?.log)
    }

    /// Writes a batch as an acknowledged producer without idempotence would; gives its base
    /// offset, or `None` when there is no such partition.
    pub fn append(
        &mut self,
        now: Now,
        topic: &str,
        partition: i32,
        batch: &SealedBatch,
    ) -> Option<i64> {
        let known = self.topics.by_name_mut(topic)?;
        let partition = known.partition_mut(partition)?;
        let batches = wire::decode_batches(batch.encode(-1, -1, -1)).ok()?;
        let epoch = partition.leader_epoch;
        let appended = partition.log.append(batches.first()?, epoch).ok()?;
        self.woken.append(&mut partition.waiters);
        self.handle_input(now, BrokerInput::Timeout);
        Some(appended.base_offset)
    }

    /// The client id of the producer that was given `producer_id`.
    pub fn producer_client(&self, producer_id: i64) -> Option<&str> {
        self.producers.get(&producer_id).map(String::as_str)
    }

    /// The node that leads a partition, and its epoch.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, i32)> {
        let partition = self.topics.by_name(topic)?.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// A streams group.
    pub fn group(&self, group_id: &str) -> Option<&StreamsGroup> {
        self.groups.streams(group_id)
    }

    /// What a group has committed.
    pub fn committed_offsets(&self, group_id: &str) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let topics = self.groups.offsets(group_id).into_iter().flatten();
        topics
            .flat_map(|(topic, partitions)| {
                partitions.iter().map(|(&partition, offset)| {
                    (
                        TopicPartition::new(topic.as_str(), partition),
                        offset.clone(),
                    )
                })
            })
            .collect()
    }

    /// Sets the `streams.*` settings of one group.
    pub fn configure_group(&mut self, group_id: &str, config: GroupConfig) {
        self.groups.set_config(group_id, config);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Fails requests to come.
    pub fn inject(&mut self, rule: FaultRule) {
        self.faults.push(rule);
    }

    /// Takes back all that [`Self::inject`] and [`Self::fail_coordinator`] ordered.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The group coordinator answers with an error before `until`.
    pub fn fail_coordinator(&mut self, fault: CoordinatorFault, until: Instant) {
        self.faults.coordinator = Some((fault, until));
    }

    /// Makes `node` the leader of a partition, with a new epoch.
    pub fn move_leader(&mut self, now: Now, topic: &str, partition: i32, node: BrokerId) {
        if !self.nodes.contains_key(&node) {
            return;
        }
        let topic = self.topics.by_name_mut(topic);
        if let Some(partition) = topic.and_then(|topic| topic.partition_mut(partition)) {
            partition.lead(Some(node));
            self.woken.append(&mut partition.waiters);
        }
        self.handle_input(now, BrokerInput::Timeout);
    }

    /// Makes `node` the coordinator of a group; its sessions start again.
    pub fn move_coordinator(&mut self, now: Now, group_id: &str, node: BrokerId) {
        if self.nodes.contains_key(&node) {
            self.coordinators.insert(group_id.to_owned(), node);
            self.groups.reload(now.instant, group_id);
        }
    }

    /// Makes `node` the coordinator of every transactional id.
    pub fn move_transactions(&mut self, node: BrokerId) {
        if self.nodes.contains_key(&node) {
            let keys = self.transactions.ids().map(coordinator_key);
            self.coordinators.extend(keys.map(|key| (key, node)));
        }
    }

    /// Cleans a log as a broker with `cleanup.policy=compact` does, but for the last `kept` batches;
    /// with `moves_start`, the log begins with what is left, as with `compact,delete`.
    pub fn clean(&mut self, topic: &str, partition: i32, kept: usize, moves_start: bool) {
        let topic = self.topics.by_name_mut(topic);
        if let Some(partition) = topic.and_then(|topic| topic.partition_mut(partition)) {
            // What does not decode stays.
            let _ = partition.log.clean(kept, moves_start);
        }
    }

    /// Ends every open transaction as one that takes too long.
    pub fn expire_transactions(&mut self, now: Now) {
        self.transactions.expire();
        self.handle_input(now, BrokerInput::Timeout);
    }

    /// Takes a node down: its connections close, others lead its partitions and coordinate its
    /// groups. A partition without another replica has no leader meanwhile.
    pub fn stop_node(&mut self, now: Now, node: BrokerId) {
        let Some(stopped) = self.nodes.get_mut(&node) else {
            return;
        };
        stopped.up = false;
        stopped.paused = false;
        stopped.sessions.clear();
        let open = self.connections.iter();
        let lost: Vec<ConnectionId> = open
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, _)| *id)
            .collect();
        for connection in lost {
            self.close(connection, None);
        }
        self.elect(now);
    }

    /// Brings a node back. Leaders stay where they are.
    pub fn start_node(&mut self, now: Now, node: BrokerId) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.up = true;
        }
        self.elect(now);
    }

    /// The node neither reads nor answers until it is resumed; its connections stay open.
    pub fn pause_node(&mut self, node: BrokerId) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.paused = true;
        }
    }

    /// Ends a pause: the node answers what has piled up.
    pub fn resume_node(&mut self, now: Now, node: BrokerId) {
        let Some(resumed) = self.nodes.get_mut(&node) else {
            return;
        };
        resumed.paused = false;
        self.now = now;
        let open = self.connections.iter();
        let waiting: Vec<(ConnectionId, bool)> = open
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, connection)| {
                let held = connection.held.as_ref();
                (*id, held.is_some_and(|held| held.deadline <= now.instant))
            })
            .collect();
        for (connection, timed_out) in waiting {
            self.retry_held(connection, timed_out);
            self.runnable.push_back(connection);
        }
        self.handle_input(now, BrokerInput::Timeout);
    }

    /// Gives every partition without a living leader another one, if a replica is up.
    fn elect(&mut self, now: Now) {
        let alive: Vec<BrokerId> = self.alive_nodes().map(|node| node.id).collect();
        for topic in self.topics.iter_mut() {
            for partition in &mut topic.partitions {
                if partition
                    .leader
                    .is_some_and(|leader| alive.contains(&leader))
                {
                    continue;
                }
                let replicas = partition.replicas.iter();
                let next = replicas.copied().find(|replica| alive.contains(replica));
                partition.lead(next);
                self.woken.append(&mut partition.waiters);
            }
        }
        self.handle_input(now, BrokerInput::Timeout);
    }

    pub(super) fn alive_nodes(&self) -> impl Iterator<Item = &NodeConfig> {
        let alive = self.nodes.values().filter(|node| node.up);
        alive.map(|node| &node.config)
    }

    /// The first node that is up.
    pub(super) fn controller(&self) -> Option<BrokerId> {
        self.alive_nodes().next().map(|node| node.id)
    }

    /// The node of a connection that is open.
    pub(super) fn node_mut(&mut self, node: BrokerId) -> &mut Node {
        self.nodes
            .get_mut(&node)
            .expect("connections are made to known nodes only, and nodes are never removed")
    }

    pub(super) fn is_coordinator_unavailable(&self) -> bool {
        matches!(self.faults.coordinator, Some((CoordinatorFault::Unavailable, until))
            if self.now.instant < until)
    }

    /// The node that coordinates a group; another takes over, and reloads it, when it goes down.
    pub(super) fn coordinator(&mut self, group_id: &str) -> Option<BrokerId> {
        let current = self.coordinators.get(group_id).copied();
        if let Some(current) = current
            && self.nodes.get(&current).is_some_and(|node| node.up)
        {
            return Some(current);
        }
        let alive: Vec<BrokerId> = self.alive_nodes().map(|node| node.id).collect();
        let hash = group_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let count = u64::try_from(alive.len()).ok().filter(|count| *count > 0)?;
        let chosen = *alive.get(usize::try_from(hash % count).ok()?)?;
        self.coordinators.insert(group_id.to_owned(), chosen);
        if current.is_some() {
            self.groups.reload(self.now.instant, group_id);
        }
        Some(chosen)
    }

    /// Why `node` does not speak for a group.
    pub(super) fn coordinator_error(&mut self, node: BrokerId, group_id: &str) -> Option<i16> {
        if let Some((fault, until)) = self.faults.coordinator
            && self.now.instant < until
        {
            return Some(match fault {
                CoordinatorFault::Unavailable => codes::COORDINATOR_NOT_AVAILABLE,
                CoordinatorFault::Loading => codes::COORDINATOR_LOAD_IN_PROGRESS,
            });
        }
        (self.coordinator(group_id) != Some(node)).then_some(codes::NOT_COORDINATOR)
    }
}
