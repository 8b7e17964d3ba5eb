//! The fetcher against a model of brokers with fetch sessions (KIP-227), under random answers: every
//! record is delivered once and in order, except those that the log lost before they were read.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::answers::{CORRUPT_MAX, OFFSET_OUT_OF_RANGE};
use super::*;
use crate::client::testing::{answered, config, connected, received};
use crate::net::RequestError;
use crate::net::testing::topic_id;
use crate::rng::SeedTree;
use crate::types::Headers;
use crate::wire::messages::fetch_response::{
    FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::{FetchRequest, FetchResponse, ListOffsetsResponse};
use crate::wire::{RecordBatchBuilder, RequestFrame, Response, assign_offsets, decode_batches};

const NOT_LEADER: i16 = 6;
const SESSION_NOT_FOUND: i16 = 70;
const INVALID_SESSION_EPOCH: i16 = 71;
const FENCED_LEADER_EPOCH: i16 = 74;
const PARTITIONS: usize = 3;
const BROKERS: usize = 2;
/// The connections of brokers 1 and 2, and those aside of them; each answers in order.
const LANES: usize = 2 * BROKERS;

const fn broker_of(lane: usize) -> usize {
    lane % BROKERS
}

/// What a broker does with a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Answers with so many batches a partition, and tells of partitions without news as well.
    Answered(usize, bool),
    /// Every partition is refused.
    Refused(i16),
    /// A byte is wrong in what it answers.
    Corrupt,
    /// Has forgotten all sessions.
    Restarted,
    /// Answers without opening a session.
    NoSession,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Append(usize, u8),
    /// Everything up to some batch is deleted.
    Trim(usize, usize),
    Process(usize, Fate),
    Deliver(usize),
    Break(usize),
    Move(usize),
    Learn,
    Wait(u64),
    /// What was handed on is processed.
    Consume(usize),
    /// Read no further, and begin anew where it stopped or wherever the reset policy says.
    Restart(usize, bool),
}

#[derive(Default)]
struct Log {
    /// First offset and bytes of each batch.
    batches: Vec<(i64, Bytes)>,
    start: i64,
    end: i64,
}

impl Log {
    fn append(&mut self, records: u8) {
        let mut builder = RecordBatchBuilder::new();
        for offset in self.end..self.end + i64::from(records) {
            builder.append(0, None, Some(&offset.to_be_bytes()), &Headers::new());
        }
        let batches = decode_batches(builder.seal().encode(-1, -1, -1)).expect("a sound batch");
        let bytes = assign_offsets(&batches[0], self.end, 1);
        self.batches.push((self.end, bytes));
        self.end += i64::from(records);
    }

    fn trim(&mut self, batches: usize) {
        let kept = self.batches.split_off(batches.min(self.batches.len()));
        self.batches = kept;
        self.start = self.batches.first().map_or(self.end, |(base, _)| *base);
    }

    /// So many batches, beginning with the one that holds `position`.
    fn read(&self, position: i64, count: usize) -> Result<Bytes, i16> {
        if position < self.start || position > self.end {
            return Err(OFFSET_OUT_OF_RANGE);
        }
        let ends = self.batches.iter().skip(1).map(|(base, _)| *base);
        let ends = ends.chain([self.end]);
        let wanted = self.batches.iter().zip(ends);
        let wanted = wanted.filter(|(_, end)| *end > position).take(count);
        let bytes: Vec<u8> = wanted.flat_map(|((_, bytes), _)| bytes.to_vec()).collect();
        Ok(bytes.into())
    }
}

/// What a broker keeps of a session: its next epoch, and position and leader epoch by partition.
struct Session {
    epoch: i32,
    partitions: BTreeMap<usize, (i64, i32)>,
    /// Where it said that logs end: it says so when that changes.
    ends: BTreeMap<usize, i64>,
}

/// How the reader of a partition stands.
#[derive(Default)]
struct Reader {
    /// The next offset, once reading has begun.
    next: Option<i64>,
    /// Where it was told that the log ends.
    end: Option<i64>,
    /// Where restoring is to begin.
    begins_at: Option<i64>,
    /// Where a broker said that reading may go on.
    jumps: BTreeSet<i64>,
    unprocessed_bytes: usize,
    corrupt: u32,
}

struct World {
    fetcher: Fetcher,
    cluster: Cluster,
    reset: AutoOffsetReset,
    now: Instant,
    logs: [Log; PARTITIONS],
    leaders: [(i32, i32); PARTITIONS],
    readers: [Reader; PARTITIONS],
    sessions: [BTreeMap<i32, Session>; BROKERS],
    session_ids: i32,
    /// The sessions that the fetcher was told of.
    told: BTreeSet<i32>,
    requests: [VecDeque<(RequestToken, RequestFrame)>; LANES],
    answers: [VecDeque<(RequestToken, Response)>; LANES],
    failures: Vec<StreamsError>,
}

impl World {
    fn new(reset: &str) -> Self {
        let leaders = [(1, 1), (2, 1), (1, 1)];
        let config = config().set("auto.offset.reset", reset).expect("valid");
        // Two batches fit, and twice as many may wait for being processed.
        let config = config.set("max.partition.fetch.bytes", 200);
        let config = config.expect("valid");
        let mut world = Self {
            reset: config.auto_offset_reset(),
            fetcher: Fetcher::new(&config, SeedTree::new(2).rng()),
            cluster: connected(&[("t", &leaders)]),
            now: Instant::from_nanos(1),
            logs: Default::default(),
            leaders,
            readers: Default::default(),
            sessions: Default::default(),
            session_ids: 0,
            told: BTreeSet::new(),
            requests: Default::default(),
            answers: Default::default(),
            failures: Vec::new(),
        };
        for partition in 0..PARTITIONS {
            let start = FetchStart::At { offset: 0 };
            world.fetcher.start(world.now, name(partition), start);
        }
        world.settle();
        world
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Append(partition, records) => self.logs[partition].append(records),
            Op::Trim(partition, batches) => self.logs[partition].trim(batches),
            Op::Process(lane, fate) => {
                if let Some((token, frame)) = self.requests[lane].pop_front() {
                    let response = self.process(lane, &frame, fate);
                    self.answers[lane].push_back((token, answered(&frame, &response)));
                }
            }
            Op::Deliver(lane) => {
                if let Some((token, response)) = self.answers[lane].pop_front() {
                    if let Response::Fetch(response) = &response {
                        self.told.insert(response.session_id);
                    }
                    self.fetcher.handle_response(self.now, token, Ok(response));
                }
            }
            Op::Break(lane) => {
                let answers = std::mem::take(&mut self.answers[lane]).into_iter();
                let requests = std::mem::take(&mut self.requests[lane]).into_iter();
                let tokens = answers.map(|(token, _)| token);
                for token in tokens.chain(requests.map(|(token, _)| token)) {
                    let broken = Err(RequestError::Disconnected);
                    self.fetcher.handle_response(self.now, token, broken);
                }
            }
            Op::Move(partition) => {
                let (leader, epoch) = self.leaders[partition];
                self.leaders[partition] = (3 - leader, epoch + 1);
            }
            Op::Learn => self.learn(),
            Op::Wait(ms) => self.now = self.now.plus_ms(ms),
            Op::Consume(partition) => self.consume(partition),
            Op::Restart(partition, by_policy) => self.restart(partition, by_policy),
        }
        self.settle();
        for sessions in &self.sessions {
            let known: Vec<_> = sessions
                .keys()
                .filter(|id| self.told.contains(id))
                .collect();
            assert!(known.len() <= 1, "sessions left behind: {known:?}");
        }
    }

    fn learn(&mut self) {
        for (index, (leader, epoch)) in self.leaders.into_iter().enumerate() {
            let leader = BrokerId(leader);
            self.cluster.leader_hint(&name(index), leader, epoch, None);
        }
    }

    fn consume(&mut self, partition: usize) {
        let bytes = std::mem::take(&mut self.readers[partition].unprocessed_bytes);
        self.fetcher.consumed(self.now, &name(partition), bytes);
    }

    fn restart(&mut self, partition: usize, by_policy: bool) {
        self.fetcher.stop(self.now, &name(partition));
        let reader = std::mem::take(&mut self.readers[partition]);
        let start = match reader.next {
            Some(offset) if !by_policy => FetchStart::At { offset },
            _ if self.reset == AutoOffsetReset::None => {
                let from = reader.next.unwrap_or(0);
                self.readers[partition].begins_at = Some(from);
                FetchStart::Restore { from }
            }
            _ => FetchStart::Reset,
        };
        self.fetcher.start(self.now, name(partition), start);
    }

    /// Takes what the fetcher asks for and what it has read.
    fn settle(&mut self) {
        while let Some(outgoing) = self.fetcher.poll_request(self.now, &self.cluster) {
            let lane = match outgoing.target {
                Target::Broker(broker) => broker.0 as usize - 1,
                Target::Aside(broker) => broker.0 as usize - 1 + BROKERS,
                other => panic!("only leaders are asked, not {other:?}"),
            };
            let frame = received(&outgoing);
            let fetches = self.requests[lane].iter().map(|(_, frame)| frame.api_key);
            let fetching = fetches.filter(|api| *api == ApiKey::Fetch).count();
            assert!(fetching == 0 || frame.api_key != ApiKey::Fetch);
            self.requests[lane].push_back((outgoing.token, frame));
        }
        while let Some(event) = self.fetcher.poll_event() {
            match event {
                FetcherEvent::Started {
                    partition, offset, ..
                } => {
                    let reader = &mut self.readers[partition.partition as usize];
                    assert_eq!(reader.next.replace(offset), None, "it began before");
                    if let Some(expected) = reader.begins_at.take() {
                        assert_eq!(offset, expected, "where restoring begins");
                    }
                }
                FetcherEvent::Records {
                    partition,
                    batches,
                    log_end,
                    ..
                } => {
                    let index = partition.partition as usize;
                    self.readers[index].end = self.readers[index].end.max(Some(log_end));
                    self.read(index, &batches);
                }
                FetcherEvent::LeaderHint {
                    partition,
                    leader,
                    leader_epoch,
                    endpoint,
                } => self
                    .cluster
                    .leader_hint(&partition, leader, leader_epoch, endpoint),
                FetcherEvent::Failed(error) => self.failures.push(error),
                FetcherEvent::RefreshMetadata | FetcherEvent::Log(_) => {}
            }
        }
    }

    fn read(&mut self, partition: usize, batches: &[RecordBatch]) {
        let (reader, log) = (&mut self.readers[partition], &self.logs[partition]);
        let next = reader.next.as_mut().expect("reading has begun");
        reader.corrupt = 0;
        for batch in batches {
            reader.unprocessed_bytes += batch.size_bytes();
            for record in batch.records() {
                let record = record.expect("a sound record");
                if record.offset < *next {
                    continue;
                }
                let lost = *next < log.start && reader.jumps.contains(&record.offset);
                assert!(
                    record.offset == *next || lost,
                    "partition {partition}: {} after {next}",
                    record.offset
                );
                let value = record.value.expect("a value");
                assert_eq!(value[..], record.offset.to_be_bytes());
                *next = record.offset + 1;
            }
        }
    }

    fn process(&mut self, lane: usize, frame: &RequestFrame, fate: Fate) -> Response {
        match &frame.request {
            Request::Fetch(request) => self.process_fetch(lane, request, fate),
            Request::ListOffsets(request) => {
                let asked = request.topics[0].partitions.iter().map(|p| {
                    let index = p.partition_index as usize;
                    let answer = ListOffsetsPartitionResponse::default()
                        .with_partition_index(p.partition_index);
                    let log = &self.logs[index];
                    if let Err(code) = self.check_leader(lane, index, p.current_leader_epoch) {
                        return answer.with_error_code(code).with_offset(-1);
                    }
                    if let Fate::Refused(code) = fate {
                        return answer.with_error_code(code).with_offset(-1);
                    }
                    let earliest = p.timestamp == EARLIEST;
                    let offset = if earliest { log.start } else { log.end };
                    self.readers[index].jumps.insert(offset);
                    answer.with_offset(offset)
                });
                let topic = ListOffsetsTopicResponse::default()
                    .with_name(request.topics[0].name.clone())
                    .with_partitions(asked.collect());
                Response::ListOffsets(ListOffsetsResponse::default().with_topics(vec![topic]))
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    fn check_leader(&self, lane: usize, partition: usize, epoch: i32) -> Result<(), i16> {
        let (leader, current) = self.leaders[partition];
        if leader != broker_of(lane) as i32 + 1 {
            Err(NOT_LEADER)
        } else if epoch < current {
            Err(FENCED_LEADER_EPOCH)
        } else {
            Ok(())
        }
    }

    /// Finds or opens the session of a request and brings it up to date.
    fn session(&mut self, lane: usize, request: &FetchRequest, fate: Fate) -> Result<i32, i16> {
        let lane = broker_of(lane);
        if matches!(fate, Fate::Restarted) {
            self.sessions[lane].clear();
        }
        let full = request.session_epoch == 0;
        let id = if full {
            // It ends the session that it names.
            self.sessions[lane].remove(&request.session_id);
            self.session_ids += 1;
            let epoch = 0;
            let (partitions, ends) = Default::default();
            let session = Session {
                epoch,
                partitions,
                ends,
            };
            self.sessions[lane].insert(self.session_ids, session);
            self.session_ids
        } else {
            request.session_id
        };
        let session = self.sessions[lane].get_mut(&id).ok_or(SESSION_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(INVALID_SESSION_EPOCH);
        }
        session.epoch += 1;
        for forgotten in &request.forgotten_topics_data {
            assert_eq!(forgotten.topic_id, topic_id("t"));
            for index in &forgotten.partitions {
                let known = session.partitions.remove(&(*index as usize));
                assert!(known.is_some(), "{index} is not in the session");
                session.ends.remove(&(*index as usize));
            }
        }
        for topic in &request.topics {
            assert_eq!(topic.topic_id, topic_id("t"));
            for p in &topic.partitions {
                let told = (p.fetch_offset, p.current_leader_epoch);
                session.partitions.insert(p.partition as usize, told);
            }
        }
        Ok(id)
    }

    fn process_fetch(&mut self, lane: usize, request: &FetchRequest, fate: Fate) -> Response {
        let mut response = FetchResponse::default();
        let is_aside = lane >= BROKERS;
        assert_eq!(
            is_aside,
            request.session_epoch == -1,
            "aside of the session"
        );
        if is_aside {
            return self.process_aside(lane, request, fate);
        }
        let id = match self.session(lane, request, fate) {
            Ok(id) => id,
            Err(code) => return Response::Fetch(response.with_error_code(code)),
        };
        let full = request.session_epoch == 0;
        let wanted = self.sessions[lane][&id].partitions.clone();
        if full && matches!(fate, Fate::NoSession) {
            self.sessions[lane].remove(&id);
        } else {
            response = response.with_session_id(id);
        }
        let all = full || matches!(fate, Fate::Answered(_, true));
        let answers = wanted.into_iter().filter_map(|(index, (position, epoch))| {
            let data = self.partition(lane, index, position, epoch, fate);
            let mut news = data.error_code != 0;
            if let Some(session) = self.sessions[lane].get_mut(&id)
                && !news
            {
                let end = data.high_watermark;
                news |= session.ends.insert(index, end) != Some(end);
            }
            news |= data.records.as_ref().is_some_and(|r| !r.is_empty());
            (news || all).then_some(data)
        });
        let topic = FetchableTopicResponse::default()
            .with_topic_id(topic_id("t"))
            .with_partitions(answers.collect());
        Response::Fetch(response.with_responses(vec![topic]))
    }

    /// A fetch without a session names everything it wants and is told of all of it.
    fn process_aside(&mut self, lane: usize, request: &FetchRequest, fate: Fate) -> Response {
        assert_eq!(request.session_id, 0);
        let wanted = request.topics.iter().flat_map(|topic| &topic.partitions);
        let answers = wanted.map(|p| {
            let index = p.partition as usize;
            self.partition(lane, index, p.fetch_offset, p.current_leader_epoch, fate)
        });
        let topic = FetchableTopicResponse::default()
            .with_topic_id(topic_id("t"))
            .with_partitions(answers.collect());
        Response::Fetch(FetchResponse::default().with_responses(vec![topic]))
    }

    fn partition(
        &mut self,
        lane: usize,
        index: usize,
        position: i64,
        epoch: i32,
        fate: Fate,
    ) -> PartitionData {
        let log = &self.logs[index];
        let data = PartitionData::default()
            .with_partition_index(index as i32)
            .with_high_watermark(log.end);
        if let Err(code) = self.check_leader(lane, index, epoch) {
            let (leader, epoch) = self.leaders[index];
            let known = LeaderIdAndEpoch::default()
                .with_leader_id(WireBrokerId(leader))
                .with_leader_epoch(epoch);
            return data.with_error_code(code).with_current_leader(known);
        }
        let count = match fate {
            Fate::Refused(code) => return data.with_error_code(code),
            Fate::Answered(count, _) => count,
            Fate::Corrupt | Fate::Restarted | Fate::NoSession => 2,
        };
        match log.read(position, count) {
            Err(code) => data.with_error_code(code),
            Ok(records) => {
                let mut records = records.to_vec();
                if matches!(fate, Fate::Corrupt)
                    && let Some(last) = records.last_mut()
                {
                    *last ^= 1;
                    self.readers[index].corrupt += 1;
                }
                data.with_records(Some(records.into()))
            }
        }
    }

    /// From here on all goes well: everything is read.
    fn finish(&mut self) {
        for _ in 0..300 {
            self.act(Op::Learn);
            for lane in 0..LANES {
                self.act(Op::Process(lane, Fate::Answered(2, false)));
                self.act(Op::Deliver(lane));
            }
            for partition in 0..PARTITIONS {
                self.act(Op::Consume(partition));
            }
            let done = |(reader, log): (&Reader, &Log)| {
                let lost = |next| next < log.start && reader.jumps.contains(&log.end);
                reader
                    .next
                    .is_some_and(|next| next == log.end || lost(next))
                    && reader.end == Some(log.end)
            };
            if self.readers.iter().zip(&self.logs).all(done) {
                return;
            }
            self.act(Op::Wait(1_000));
        }
        panic!("records are left over");
    }
}

fn name(partition: usize) -> TopicPartition {
    TopicPartition::new("t", partition as i32)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => (1..4_usize, any::<bool>()).prop_map(|(count, all)| Fate::Answered(count, all)),
        2 => prop::sample::select(vec![3, 5, 7, 56, 75, 100, 103]).prop_map(Fate::Refused),
        1 => Just(Fate::Corrupt),
        1 => Just(Fate::Restarted),
        1 => Just(Fate::NoSession),
    ]
}

fn op(trim: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..PARTITIONS, 1..4_u8).prop_map(|(partition, records)| Op::Append(partition, records)),
        trim => (0..PARTITIONS, 1..4_usize)
            .prop_map(|(partition, batches)| Op::Trim(partition, batches)),
        8 => (0..LANES, fate()).prop_map(|(lane, fate)| Op::Process(lane, fate)),
        8 => (0..LANES).prop_map(Op::Deliver),
        1 => (0..LANES).prop_map(Op::Break),
        1 => (0..PARTITIONS).prop_map(Op::Move),
        1 => Just(Op::Learn),
        2 => (1..400_u64).prop_map(Op::Wait),
        4 => (0..PARTITIONS).prop_map(Op::Consume),
        1 => (0..PARTITIONS, any::<bool>())
            .prop_map(|(partition, by_policy)| Op::Restart(partition, by_policy)),
    ]
}

fn run(reset: &str, ops: &[Op]) -> World {
    let mut world = World::new(reset);
    for op in ops {
        world.act(*op);
        // A log whose answers are corrupt over and over is given up; here only if it has to be.
        let failed = world.failures.pop();
        assert!(
            failed.is_none() || world.readers.iter().any(|r| r.corrupt > CORRUPT_MAX),
            "{failed:?}"
        );
    }
    world.finish();
    world
}

#[test]
fn an_answer_that_stays_corrupt_is_an_error_in_the_end() {
    let mut world = World::new("none");
    world.act(Op::Append(0, 1));
    for corrupt in 0..=CORRUPT_MAX {
        assert!(world.failures.is_empty(), "after {corrupt}");
        // With the others first, then aside of the fetch that left without it.
        for lane in [0, BROKERS] {
            world.act(Op::Process(lane, Fate::Corrupt));
            world.act(Op::Deliver(lane));
        }
        assert_eq!(world.readers[0].next, Some(0));
        world.act(Op::Wait(2_000));
        // The fetch that left meanwhile, without this partition.
        world.act(Op::Process(0, Fate::Answered(1, false)));
        world.act(Op::Deliver(0));
    }
    let failure = world.failures.pop().map(|error| error.to_string());
    assert!(
        failure.as_ref().is_some_and(
            |words| words.contains("t-0: the record batch at offset 0 fails its checksum")
        ),
        "{failure:?}"
    );
}

#[test]
fn a_lost_position_without_a_reset_policy_is_an_error() {
    let mut world = World::new("none");
    world.act(Op::Append(0, 1));
    world.act(Op::Trim(0, 1));
    world.act(Op::Process(0, Fate::Answered(1, false)));
    world.act(Op::Deliver(0));
    let failure = world.failures.pop();
    assert!(
        matches!(&failure, Some(StreamsError::OffsetOutOfRange(partition)) if *partition == name(0)),
        "{failure:?}"
    );
}

/// A store that ends outside of its changelog is told where that begins.
#[test]
fn a_changelog_is_read_from_where_its_store_ends_or_from_its_start() {
    for (from, expected) in [(0, 2), (1, 2), (2, 2), (3, 3), (5, 5), (6, 2)] {
        let mut world = World::new("none");
        for _ in 0..5 {
            world.act(Op::Append(0, 1));
        }
        world.act(Op::Trim(0, 2));
        world.fetcher.stop(world.now, &name(0));
        world.readers[0] = Reader {
            begins_at: Some(expected),
            ..Reader::default()
        };
        world
            .fetcher
            .start(world.now, name(0), FetchStart::Restore { from });
        world.finish();
        assert_eq!(world.failures, []);
        assert_eq!(world.readers[0].next, Some(5), "from {from}");
    }
}

#[test]
fn a_position_that_was_passed_is_not_lost() {
    let mut world = World::new("latest");
    let answer = Fate::Answered(1, false);
    for _ in 0..3 {
        world.act(Op::Append(0, 1));
    }
    world.act(Op::Process(0, answer));
    // While the old leader's answer is on its way, the new one is asked for the same offset, which
    // it does not have any more.
    world.act(Op::Move(0));
    world.act(Op::Trim(0, 1));
    world.act(Op::Learn);
    world.act(Op::Process(1, answer));
    world.act(Op::Deliver(1));
    world.act(Op::Deliver(0));
    assert_eq!(world.readers[0].next, Some(1));
    world.act(Op::Process(1, answer));
    world.act(Op::Deliver(1));
    world.finish();
    assert_eq!(world.readers[0].next, Some(3));
}

#[test]
fn a_partition_that_is_not_processed_is_not_fetched() {
    let mut world = World::new("none");
    for _ in 0..10 {
        world.act(Op::Append(0, 1));
    }
    for _ in 0..10 {
        world.act(Op::Process(0, Fate::Answered(1, false)));
        world.act(Op::Deliver(0));
        let fetch = world.requests[0]
            .iter()
            .find_map(|(_, frame)| match &frame.request {
                Request::Fetch(request) => Some(request.forgotten_topics_data.clone()),
                _ => None,
            });
        let forgotten = fetch.expect("the broker's other partition is fetched");
        if let Some(forgotten) = forgotten.first() {
            assert_eq!(forgotten.partitions, [0]);
            // Twice what one answer may hold, and the batch that reaches it.
            let bytes = world.readers[0].unprocessed_bytes;
            assert!((400..500).contains(&bytes), "{bytes}");
            world.finish();
            return;
        }
    }
    panic!("the partition was fetched on and on");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_record_is_delivered_once_and_in_order(ops in prop::collection::vec(op(0), 1..150)) {
        run("none", &ops);
    }

    #[test]
    fn what_is_left_of_a_log_is_read_from_its_start(ops in prop::collection::vec(op(1), 1..150)) {
        run("earliest", &ops);
    }

    #[test]
    fn a_lost_position_goes_on_at_the_end(ops in prop::collection::vec(op(1), 1..150)) {
        run("latest", &ops);
    }
}

#[test]
fn a_reset_by_duration_begins_at_that_time_or_at_the_end() {
    let config = StreamsConfig::new("app", "a:1")
        .and_then(|config| config.set("auto.offset.reset", "by_duration:PT1S"))
        .expect("valid");
    let mut fetcher = Fetcher::new(&config, SeedTree::new(1).rng());
    fetcher.set_wall_clock(crate::time::WallClock(10_000));
    fetcher.set_topic_resets([("late".into(), AutoOffsetReset::Latest)].into());
    let stage = |fetcher: &Fetcher, partition| fetcher.partitions[partition].stage;
    let (by_time, late) = (TopicPartition::new("in", 0), TopicPartition::new("late", 0));
    for partition in [&by_time, &late] {
        fetcher.start(Instant::ZERO, partition.clone(), FetchStart::Reset);
    }
    assert_eq!(
        stage(&fetcher, &late),
        Stage::Position { timestamp: LATEST }
    );
    assert_eq!(
        stage(&fetcher, &by_time),
        Stage::Position { timestamp: 9000 }
    );
    let generations = fetcher.generations_of([&by_time].into_iter());
    // No record is that young.
    fetcher.listed(Instant::ZERO, by_time.clone(), &generations, 0, -1);
    assert_eq!(
        stage(&fetcher, &by_time),
        Stage::Position { timestamp: LATEST }
    );
    fetcher.listed(Instant::ZERO, by_time.clone(), &generations, 0, 42);
    let started = fetcher.poll_event();
    assert!(
        matches!(&started, Some(FetcherEvent::Started { offset: 42, .. })),
        "{started:?}"
    );
}
