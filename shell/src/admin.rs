//! A blocking client for tools and tests: topics, offsets, groups, records.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::time::Duration;

use eddyline_core::client::{AdminClient, AdminResult, AdminToken, NewTopic, OffsetSpec};
use eddyline_core::config::{ConfigError, StreamsConfig};
use eddyline_core::error::StreamsError;
use eddyline_core::net::{BrokerFeatures, ClientEvent, Input, Output};
use eddyline_core::rng::SeedTree;
use eddyline_core::time::Instant;
use eddyline_core::types::{Headers, TopicName, TopicPartition};
use eddyline_core::wire::{RecordBatchBuilder, partition_for_key};

use crate::clock::Clock;
use crate::sockets::Sockets;
use crate::tls::Tls;

pub use eddyline_core::client::IsolationLevel;
pub use eddyline_core::wire::Record;
pub use eddyline_core::wire::streams_group::{
    DescribedGroup, DescribedMember, MemberAssignment, TaskIds,
};

/// Why a call failed. Its text is one plain sentence.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdminError {
    /// An address is not one, keys contradict each other, or certificates cannot be read.
    Config(ConfigError),
    /// The cluster refused, cannot do it, or did not answer.
    Cluster(StreamsError),
    /// The system gives no sockets or random numbers.
    System(io::Error),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Cluster(error) => error.fmt(f),
            Self::System(error) => write!(f, "the system gives no sockets: {error}"),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<StreamsError> for AdminError {
    fn from(error: StreamsError) -> Self {
        Self::Cluster(error)
    }
}

impl From<io::Error> for AdminError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Size at which a batch of [`Admin::produce`] is sent.
const BATCH_BYTES: usize = 256 << 10;
/// Batches built ahead of the brokers' answers: enough to keep every partition busy.
const MAX_BATCHES_UNDER_WAY: usize = 16;

/// How long to wait before brokers are asked again about a topic that was just created.
const NEW_TOPIC_POLL: Duration = Duration::from_millis(20);
/// Brokers learn of a topic within a moment.
const NEW_TOPIC_PATIENCE: Duration = Duration::from_secs(30);

/// A client of one cluster. Each call waits for its answer, within the time given to
/// [`Admin::connect`].
pub struct Admin {
    client: AdminClient,
    sockets: Sockets,
    clock: Clock,
    features: BrokerFeatures,
    results: BTreeMap<AdminToken, Result<AdminResult, StreamsError>>,
    /// Why no broker could be reached, as told last.
    unreachable: Option<String>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Connects to the first broker of `bootstrap_servers` (`HOST:PORT`, comma-separated) that
    /// answers. Gives up as soon as every address was tried in vain; a broker that accepts and
    /// stays silent has `timeout` to answer this and every later call.
    ///
    /// # Errors
    /// [`AdminError::Cluster`] when no broker can be reached.
    pub fn connect(bootstrap_servers: &str, timeout: Duration) -> Result<Self, AdminError> {
        let config = StreamsConfig::new("admin", bootstrap_servers).map_err(AdminError::Config)?;
        Self::connect_with(&config, timeout)
    }

    /// The same with everything that `config` says of the brokers and of logins; the rest of it
    /// does not matter.
    ///
    /// # Errors
    /// [`AdminError::Config`] when TLS or the login cannot be made of what is configured,
    /// [`AdminError::Cluster`] when no broker can be reached or lets us in.
    pub fn connect_with(config: &StreamsConfig, timeout: Duration) -> Result<Self, AdminError> {
        config.sasl_login().map_err(AdminError::Config)?;
        let tls = Tls::load(config).map_err(AdminError::Config)?;
        let sockets = Sockets::new(tls)?;
        let clock = Clock::start();
        let seed = getrandom::u64().map_err(io::Error::from)?;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let client = AdminClient::new(
            clock.now(),
            config,
            "eddyline-admin",
            timeout_ms,
            SeedTree::new(seed),
        );
        let mut admin = Self {
            client,
            sockets,
            clock,
            features: BrokerFeatures::default(),
            results: BTreeMap::new(),
            unreachable: None,
        };
        let token = admin.client.features(clock.now());
        while !admin.results.contains_key(&token) {
            admin.turn()?;
            if let Some(message) = admin.unreachable.take() {
                return Err(StreamsError::Unreachable(message).into());
            }
        }
        if let AdminResult::Features(features) = admin.wait(token)? {
            admin.features = features;
        }
        Ok(admin)
    }

    /// # Errors
    /// [`StreamsError::Unsupported`] where the cluster has no streams groups (KIP-1071), with what
    /// to do about it.
    pub fn require_streams_groups(&self) -> Result<(), AdminError> {
        match self.features.streams_groups_missing() {
            Some(missing) => Err(StreamsError::Unsupported(missing.to_owned()).into()),
            None => Ok(()),
        }
    }

    /// Sets what [`Admin::end_offsets`] and what reads records see from now on; everything at first.
    pub const fn set_isolation_level(&mut self, level: IsolationLevel) {
        self.client.set_isolation_level(level);
    }

    /// Creates topics of a name and a number of partitions each, with the broker's default number
    /// of replicas, and waits until brokers know them: the controller answers a little earlier.
    ///
    /// # Errors
    /// The first topic that the broker refuses, as one that exists already.
    pub fn create_topics(&mut self, topics: &[(&str, i32)]) -> Result<(), AdminError> {
        let topics = topics.iter().map(|(name, partitions)| NewTopic {
            name: TopicName::new(name),
            partitions: *partitions,
            replication_factor: -1,
            configs: BTreeMap::new(),
        });
        let token = self
            .client
            .create_topics(self.clock.now(), topics.collect());
        if let AdminResult::TopicsCreated(created) = self.wait(token)? {
            for (topic, result) in created {
                result?;
                let created_at = self.clock.instant();
                while self.partition_count(topic.as_str())?.is_none() {
                    let waited = self.clock.instant().saturating_duration_since(created_at);
                    if waited > NEW_TOPIC_PATIENCE {
                        let message = format!("topic {topic} was created and no broker knows it");
                        return Err(StreamsError::Unreachable(message).into());
                    }
                    std::thread::sleep(NEW_TOPIC_POLL);
                }
            }
        }
        Ok(())
    }

    /// The number of partitions of a topic; `None` where it does not exist.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn partition_count(&mut self, topic: &str) -> Result<Option<i32>, AdminError> {
        let topics = vec![TopicName::new(topic)];
        let token = self.client.partition_counts(self.clock.now(), topics);
        match self.wait(token)? {
            AdminResult::PartitionCounts(counts) => Ok(counts.into_iter().find_map(|(_, n)| n)),
            _ => Ok(None),
        }
    }

    /// Writes records with the present as their timestamp: by the hash of their key as Java does,
    /// those without one in turn, batch by batch. Gives how many there were.
    ///
    /// # Errors
    /// The topic does not exist, or a batch could not be written.
    pub fn produce<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        topic: &str,
        records: impl IntoIterator<Item = (Option<K>, Option<V>)>,
    ) -> Result<u64, AdminError> {
        let clock = self.clock;
        let now = move |(key, value)| (clock.now().wall_clock.0, key, value);
        self.produce_at(topic, records.into_iter().map(now))
    }

    /// As [`Admin::produce`], each record with a timestamp of its own, in milliseconds since 1970.
    ///
    /// # Errors
    /// The topic does not exist, or a batch could not be written.
    pub fn produce_at<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        topic: &str,
        records: impl IntoIterator<Item = (i64, Option<K>, Option<V>)>,
    ) -> Result<u64, AdminError> {
        let partitions = self.partition_count(topic)?.unwrap_or(0);
        if partitions == 0 {
            let message = format!("topic {topic} does not exist: create it first");
            return Err(StreamsError::MissingSourceTopics(message).into());
        }
        let mut writer = Writer {
            topic: TopicName::new(topic),
            open: (0..partitions).map(|_| RecordBatchBuilder::new()).collect(),
            under_way: VecDeque::new(),
        };
        let (mut count, mut keyless) = (0, 0);
        for (timestamp_ms, key, value) in records {
            let key = key.as_ref().map(AsRef::as_ref);
            let partition = match key {
                Some(key) => partition_for_key(key, partitions),
                None => keyless,
            };
            let value = value.as_ref().map(AsRef::as_ref);
            let sent = writer.append(self, partition, (timestamp_ms, key, value))?;
            if sent && key.is_none() {
                keyless = (keyless + 1) % partitions;
            }
            count += 1;
        }
        writer.finish(self)?;
        Ok(count)
    }

    /// The next offset of each partition, `None` where its topic does not exist.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn end_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, AdminError> {
        let topics: Vec<TopicName> = partitions.iter().map(|p| p.topic.clone()).collect();
        let token = self.client.partition_counts(self.clock.now(), topics);
        let AdminResult::PartitionCounts(counts) = self.wait(token)? else {
            return Ok(vec![None; partitions.len()]);
        };
        let counts: BTreeMap<_, _> = counts.into_iter().collect();
        let exists = |p: &&TopicPartition| {
            let count = counts.get(&p.topic).copied().flatten();
            count.is_some_and(|count| p.partition < count)
        };
        let there: Vec<_> = partitions.iter().filter(exists).cloned().collect();
        if there.is_empty() {
            return Ok(vec![None; partitions.len()]);
        }
        let now = self.clock.now();
        let token = self.client.list_offsets(now, there, OffsetSpec::Latest);
        let offsets: BTreeMap<_, _> = match self.wait(token)? {
            AdminResult::Offsets(offsets) => offsets.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        Ok(partitions.iter().map(|p| offsets.get(p).copied()).collect())
    }

    /// The offset a group has committed for each partition.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn committed_offsets(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, AdminError> {
        let now = self.clock.now();
        let token = self
            .client
            .committed_offsets(now, group, partitions.to_vec());
        match self.wait(token)? {
            AdminResult::CommittedOffsets(offsets) => {
                Ok(offsets.into_iter().map(|(_, offset)| offset).collect())
            }
            _ => Ok(vec![None; partitions.len()]),
        }
    }

    /// Every record of a partition, up to what is its end now.
    ///
    /// # Errors
    /// The partition does not exist, or its records cannot be read.
    pub fn read_to_end(&mut self, partition: &TopicPartition) -> Result<Vec<Record>, AdminError> {
        let mut all = Vec::new();
        self.read(partition, |record| all.push(record))?;
        Ok(all)
    }

    /// Calls `take` for every record of a partition, up to what is its end now.
    ///
    /// # Errors
    /// The partition does not exist, or its records cannot be read.
    pub fn read(
        &mut self,
        partition: &TopicPartition,
        mut take: impl FnMut(Record),
    ) -> Result<(), AdminError> {
        let spec = |admin: &mut Self, spec| {
            let partitions = vec![partition.clone()];
            let token = admin
                .client
                .list_offsets(admin.clock.now(), partitions, spec);
            match admin.wait(token)? {
                AdminResult::Offsets(offsets) => Ok(offsets.first().map_or(0, |(_, at)| *at)),
                _ => Ok::<_, AdminError>(0),
            }
        };
        let mut offset = spec(self, OffsetSpec::Earliest)?;
        let end = spec(self, OffsetSpec::Latest)?;
        while offset < end {
            let token = self
                .client
                .fetch(self.clock.now(), partition.clone(), offset);
            if let AdminResult::Fetched {
                records,
                next_offset,
                ..
            } = self.wait(token)?
            {
                records
                    .into_iter()
                    .filter(|record| record.offset < end)
                    .for_each(&mut take);
                offset = next_offset;
            }
        }
        Ok(())
    }

    /// State, members and tasks of a streams group (KIP-1071, `StreamsGroupDescribe`).
    ///
    /// # Errors
    /// There is no such group, or the cluster has no streams groups.
    pub fn describe_streams_group(&mut self, group: &str) -> Result<DescribedGroup, AdminError> {
        self.require_streams_groups()?;
        let token = self.client.describe_streams_group(self.clock.now(), group);
        match self.wait(token)? {
            AdminResult::Group(group) => Ok(*group),
            other => Err(StreamsError::Protocol(format!("unexpected answer {other:?}")).into()),
        }
    }

    fn wait(&mut self, token: AdminToken) -> Result<AdminResult, AdminError> {
        loop {
            if let Some(result) = self.results.remove(&token) {
                return Ok(result?);
            }
            self.turn()?;
        }
    }

    /// Carries out what the client wants, sleeps until something comes, and hands it over.
    fn turn(&mut self) -> Result<(), AdminError> {
        let before = self.results.len();
        self.drain();
        self.sockets.flush();
        if self.results.len() > before {
            return Ok(());
        }
        let timeout = self.client.poll_timeout();
        let left = |at: Instant| at.saturating_duration_since(self.clock.instant());
        self.sockets.wait(timeout.map(left))?;
        while let Some(input) = self.sockets.next_input() {
            self.client.handle_input(self.clock.now(), input);
            self.drain();
        }
        let now = self.clock.now();
        if self
            .client
            .poll_timeout()
            .is_some_and(|at| at <= now.instant)
        {
            self.client.handle_input(now, Input::Timeout);
            self.drain();
        }
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect {
                    connection,
                    address,
                } => self.sockets.connect(connection, &address),
                Output::Transmit(connection, bytes) => self.sockets.transmit(connection, bytes),
                Output::Close(connection) => self.sockets.close(connection),
                Output::Event(ClientEvent::Unreachable(message)) => {
                    self.unreachable = Some(message);
                }
                Output::Event(_) => {}
            }
        }
        while let Some((token, result)) = self.client.poll_result() {
            self.results.insert(token, result);
        }
    }
}

/// The batches of one [`Admin::produce`].
struct Writer {
    topic: TopicName,
    open: Vec<RecordBatchBuilder>,
    under_way: VecDeque<AdminToken>,
}

impl Writer {
    /// Appends a record; says whether that filled a batch.
    fn append(
        &mut self,
        admin: &mut Admin,
        partition: i32,
        (timestamp_ms, key, value): (i64, Option<&[u8]>, Option<&[u8]>),
    ) -> Result<bool, AdminError> {
        let builder = &mut self.open[partition as usize];
        builder.append(timestamp_ms, key, value, &Headers::new());
        let full = builder.size_bytes() >= BATCH_BYTES;
        if full {
            self.send(admin, partition)?;
        }
        Ok(full)
    }

    fn send(&mut self, admin: &mut Admin, partition: i32) -> Result<(), AdminError> {
        let open = RecordBatchBuilder::with_capacity(BATCH_BYTES);
        let batch = std::mem::replace(&mut self.open[partition as usize], open).seal();
        let partition = TopicPartition::new(self.topic.clone(), partition);
        let token = admin.client.produce(admin.clock.now(), partition, batch);
        self.under_way.push_back(token);
        admin.drain();
        admin.sockets.flush();
        self.settle(admin, MAX_BATCHES_UNDER_WAY)
    }

    /// Waits until no more than `allowed` batches are under way.
    fn settle(&mut self, admin: &mut Admin, allowed: usize) -> Result<(), AdminError> {
        while self.under_way.len() > allowed {
            if let Some(token) = self.under_way.pop_front() {
                admin.wait(token)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, admin: &mut Admin) -> Result<(), AdminError> {
        for partition in 0..self.open.len() {
            if self.open[partition].record_count() > 0 {
                self.send(admin, partition as i32)?;
            }
        }
        self.settle(admin, 0)
    }
}
