//! The producer against a model of idempotent writing, under random answers: whatever is lost, late
//! or refused on the way, each batch is in the log once and in its place.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::client::testing::{answered, config, connected, received};
use crate::net::testing::topic_id;
use crate::rng::SeedTree;
use crate::types::Headers;
use crate::wire::messages::produce_response::{
    LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use crate::wire::messages::{BrokerId as WireBrokerId, InitProducerIdResponse, ProduceResponse};
use crate::wire::{RecordBatch, RecordBatchBuilder, RequestFrame, decode_batches};

const OUT_OF_ORDER_SEQUENCE: i16 = 45;
const NOT_LEADER: i16 = 6;
const MESSAGE_TOO_LARGE: i16 = 10;
const PARTITIONS: usize = 2;
/// Any broker, broker 1, broker 2: each answers its requests in order.
const LANES: usize = 3;

/// What a broker does with a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Written,
    /// Not written, for a reason that passes.
    Refused(i16),
    /// Written, but the answer says that it may not be.
    Unsure(i16),
    /// Not written and never will be.
    TooLarge,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Produce {
        partition: usize,
        records: u8,
    },
    /// A broker takes the oldest request.
    Process(usize, Fate),
    /// The client gets the oldest answer.
    Deliver(usize),
    /// The connection breaks; what the broker had not taken may be written at any time after.
    Break(usize),
    /// A broker takes a request of a connection that is long gone.
    Late(usize),
    /// The other broker becomes the leader.
    Move(usize),
    /// The client learns who leads.
    Learn,
    Wait(u64),
}

/// A log as far as idempotence is concerned (Java: `ProducerStateManager`).
#[derive(Default)]
struct Log {
    values: Vec<u32>,
    /// First and last sequence and base offset of each producer's last five batches.
    producers: BTreeMap<i64, VecDeque<(i32, i32, i64)>>,
}

impl Log {
    fn has(&self, batch: &RecordBatch) -> bool {
        values(batch)
            .iter()
            .any(|value| self.values.contains(value))
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<i64, i16> {
        let header = batch.header();
        let first = header.base_sequence;
        let last = first + header.record_count - 1;
        let recent = self.producers.entry(header.producer_id).or_default();
        let written = recent.iter().find(|(f, l, _)| (*f, *l) == (first, last));
        if let Some((_, _, base)) = written {
            return Ok(*base);
        }
        // The first batch of a producer may have any number.
        if recent.back().is_some_and(|(_, l, _)| *l + 1 != first) {
            return Err(OUT_OF_ORDER_SEQUENCE);
        }
        let base = self.values.len() as i64;
        recent.push_back((first, last, base));
        if recent.len() > 5 {
            recent.pop_front();
        }
        self.values.extend(values(batch));
        Ok(base)
    }
}

fn values(batch: &RecordBatch) -> Vec<u32> {
    let values = batch.records().map(|record| {
        let value = record.expect("a sound record").value.expect("a value");
        u32::from_be_bytes(*value.first_chunk().expect("a number"))
    });
    values.collect()
}

struct Ticket {
    partition: usize,
    values: Vec<u32>,
    base_offset: Option<i64>,
}

struct World {
    producer: Producer,
    cluster: Cluster,
    now: Instant,
    logs: [Log; PARTITIONS],
    /// Who leads, and since which epoch.
    leaders: [(i32, i32); PARTITIONS],
    producer_ids: i64,
    requests: [VecDeque<(RequestToken, RequestFrame)>; LANES],
    answers: [VecDeque<(RequestToken, Response)>; LANES],
    late: Vec<(usize, RequestFrame)>,
    /// Values of records that were too large.
    too_large: BTreeSet<u32>,
    /// Values of records that were given up for it.
    dropped: BTreeSet<u32>,
    retried: BTreeSet<u64>,
    tickets: Vec<Ticket>,
    records: u32,
}

impl World {
    fn new() -> Self {
        let leaders = [(1, 1), (2, 1)];
        Self {
            producer: Producer::new(&config(), SeedTree::new(2).rng()),
            cluster: connected(&[("t", &leaders)]),
            now: Instant::from_nanos(1),
            logs: Default::default(),
            leaders,
            producer_ids: 100,
            requests: Default::default(),
            answers: Default::default(),
            late: Vec::new(),
            too_large: BTreeSet::new(),
            dropped: BTreeSet::new(),
            retried: BTreeSet::new(),
            tickets: Vec::new(),
            records: 0,
        }
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Produce { partition, records } => self.produce(partition, records),
            Op::Process(lane, fate) => {
                if let Some((token, frame)) = self.requests[lane].pop_front() {
                    let response = self.process(lane, &frame, fate);
                    let response = answered(&frame, &response);
                    self.answers[lane].push_back((token, response));
                }
            }
            Op::Deliver(lane) => {
                if let Some((token, response)) = self.answers[lane].pop_front() {
                    self.producer.handle_response(self.now, token, Ok(response));
                }
            }
            Op::Break(lane) => {
                let taken = std::mem::take(&mut self.answers[lane]).into_iter();
                let mut tokens: Vec<RequestToken> = taken.map(|(token, _)| token).collect();
                for (token, frame) in std::mem::take(&mut self.requests[lane]) {
                    tokens.push(token);
                    self.late.push((lane, frame));
                }
                for token in tokens {
                    let broken = Err(RequestError::Disconnected);
                    self.producer.handle_response(self.now, token, broken);
                }
            }
            Op::Late(at) => {
                if !self.late.is_empty() {
                    let (lane, frame) = self.late.remove(at % self.late.len());
                    self.process(lane, &frame, Fate::Written);
                }
            }
            Op::Move(partition) => {
                let (leader, epoch) = self.leaders[partition];
                self.leaders[partition] = (3 - leader, epoch + 1);
            }
            Op::Learn => self.learn(),
            Op::Wait(ms) => self.now = self.now.plus_ms(ms),
        }
        self.settle();
    }

    fn produce(&mut self, partition: usize, records: u8) {
        let mut builder = RecordBatchBuilder::new();
        let from = self.records;
        self.records += u32::from(records);
        let values: Vec<u32> = (from..self.records).collect();
        for value in &values {
            builder.append(0, None, Some(&value.to_be_bytes()), &Headers::new());
        }
        let ticket = self.tickets.len() as u64;
        self.tickets.push(Ticket {
            partition,
            values,
            base_offset: None,
        });
        let name = TopicPartition::new("t", partition as i32);
        self.producer
            .produce(self.now, ticket, name, builder.seal());
    }

    fn learn(&mut self) {
        for (index, (leader, epoch)) in (0..).zip(self.leaders) {
            let partition = TopicPartition::new("t", index);
            self.cluster
                .leader_hint(&partition, BrokerId(leader), epoch, None);
        }
    }

    /// Takes what the producer has to send and to say.
    fn settle(&mut self) {
        while let Some(outgoing) = self.producer.poll_request(self.now, &self.cluster) {
            let lane = match outgoing.target {
                Target::Broker(broker) => broker.0 as usize,
                _ => 0,
            };
            let frame = received(&outgoing);
            self.requests[lane].push_back((outgoing.token, frame));
            let under_way = self.requests[lane].len() + self.answers[lane].len();
            assert!(under_way <= IN_FLIGHT_MAX, "{under_way} requests");
        }
        let mut decided = false;
        while let Some(event) = self.producer.poll_event() {
            match event {
                ProducerEvent::Produced {
                    ticket,
                    base_offset,
                } => {
                    let ticket = &mut self.tickets[ticket as usize];
                    let before = ticket.base_offset.replace(base_offset);
                    assert!(before.is_none(), "a ticket was answered twice");
                }
                ProducerEvent::Refused { ticket, refusal } => {
                    self.refused(ticket, &refusal);
                    decided = true;
                }
                ProducerEvent::LeaderHint {
                    partition,
                    leader,
                    leader_epoch,
                    endpoint,
                } => self
                    .cluster
                    .leader_hint(&partition, leader, leader_epoch, endpoint),
                ProducerEvent::RefreshMetadata | ProducerEvent::Log(_) => {}
                ProducerEvent::Failed(error) => panic!("{error}"),
                other => panic!("without transactions: {other:?}"),
            }
        }
        // What was behind a refused record may be sent now.
        if decided {
            self.settle();
        }
    }

    /// One refusal in two is a time-out to be waited out, as far as the producer knows: the batch is
    /// tried again once.
    fn refused(&mut self, ticket: u64, refusal: &Refusal) {
        let records = refusal.batch.records().expect("sound records");
        assert_eq!(records.len(), 1, "others are written by themselves");
        let value = records[0].value.as_deref().expect("a value");
        let value = u32::from_be_bytes(value.try_into().expect("a number"));
        assert_eq!(
            self.tickets[ticket as usize].values[refusal.first_record],
            value
        );
        let verdict = match ticket.is_multiple_of(2) && self.retried.insert(ticket) {
            true => Verdict::Retry,
            false => Verdict::Drop,
        };
        if verdict == Verdict::Drop {
            self.dropped.insert(value);
        }
        self.producer
            .resolve(self.now, ticket, &refusal.partition, verdict);
    }

    fn process(&mut self, broker: usize, frame: &RequestFrame, fate: Fate) -> Response {
        let request = match &frame.request {
            Request::InitProducerId(_) => return self.process_init(fate),
            Request::Produce(request) => request,
            other => panic!("unexpected {other:?}"),
        };
        let topic = &request.topic_data[0];
        assert_eq!(topic.topic_id, topic_id("t"));
        let answers = topic.partition_data.iter().map(|data| {
            let records = data.records.clone().expect("records");
            self.write(broker as i32, data.index as usize, records, fate)
        });
        let topic = TopicProduceResponse::default()
            .with_topic_id(topic.topic_id)
            .with_partition_responses(answers.collect());
        Response::Produce(ProduceResponse::default().with_responses(vec![topic]))
    }

    fn process_init(&mut self, fate: Fate) -> Response {
        self.producer_ids += 1;
        let response = InitProducerIdResponse::default();
        Response::InitProducerId(match fate {
            Fate::Refused(_) => response.with_error_code(14),
            _ => response
                .with_producer_id(ProducerId(self.producer_ids))
                .with_producer_epoch(0),
        })
    }

    fn write(
        &mut self,
        broker: i32,
        partition: usize,
        records: Bytes,
        fate: Fate,
    ) -> PartitionProduceResponse {
        let answer = PartitionProduceResponse::default().with_index(partition as i32);
        let (leader, epoch) = self.leaders[partition];
        let batches = decode_batches(records).expect("a sound batch");
        assert_eq!(batches.len(), 1);
        if broker != leader {
            let known = LeaderIdAndEpoch::default()
                .with_leader_id(WireBrokerId(leader))
                .with_leader_epoch(epoch);
            return answer
                .with_error_code(NOT_LEADER)
                .with_current_leader(known);
        }
        match fate {
            Fate::Refused(code) => return answer.with_error_code(code),
            Fate::TooLarge if !self.logs[partition].has(&batches[0]) => {
                // One record of a batch is too large, from now on.
                self.too_large.insert(values(&batches[0])[0]);
            }
            Fate::Written | Fate::Unsure(_) | Fate::TooLarge => {}
        }
        // One that was taken before is not too large.
        let mut values = values(&batches[0]).into_iter();
        if !self.logs[partition].has(&batches[0]) && values.any(|v| self.too_large.contains(&v)) {
            return answer.with_error_code(MESSAGE_TOO_LARGE);
        }
        match (self.logs[partition].append(&batches[0]), fate) {
            (Err(code), _) | (Ok(_), Fate::Unsure(code)) => answer.with_error_code(code),
            (Ok(base), _) => answer.with_base_offset(base),
        }
    }

    /// From here on all goes well: everything comes to its end.
    fn finish(&mut self) {
        for _ in 0..2_000 {
            self.act(Op::Learn);
            for lane in 0..LANES {
                self.act(Op::Process(lane, Fate::Written));
                self.act(Op::Deliver(lane));
            }
            if self.producer.is_idle() {
                return;
            }
            let requests = self.requests.iter().any(|lane| !lane.is_empty());
            if !requests && self.answers.iter().all(VecDeque::is_empty) {
                let due = self.producer.poll_timeout();
                self.now = due.expect("a producer that is not idle has something to do");
                self.settle();
            }
        }
        panic!("batches are left over");
    }

    fn check(&self) {
        for (partition, log) in self.logs.iter().enumerate() {
            let mut expected = Vec::new();
            for ticket in self.tickets.iter().filter(|t| t.partition == partition) {
                let offset = ticket.base_offset.expect("every ticket is answered");
                let before = expected.len() as i64;
                let values = ticket.values.iter().copied();
                expected.extend(values.filter(|value| !self.dropped.contains(value)));
                let is_whole = expected.len() as i64 - before == ticket.values.len() as i64;
                let is_last = offset + ticket.values.len() as i64 == expected.len() as i64;
                assert!(offset == -1 || !is_whole || offset == before);
                // What was dropped is not in the log, and the last offset is right all the same.
                let is_last_known = !self
                    .dropped
                    .contains(ticket.values.last().expect("a value"));
                assert!(offset == -1 || !is_last_known || is_last);
            }
            assert_eq!(log.values, expected, "partition {partition}");
        }
    }
}

fn fate(too_large: u32) -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Written),
        2 => prop::sample::select(vec![2, 3, 5, 7, 19, 56, 75, 100]).prop_map(Fate::Refused),
        2 => prop::sample::select(vec![7, 20]).prop_map(Fate::Unsure),
        too_large => Just(Fate::TooLarge),
    ]
}

fn op(late: u32, too_large: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..PARTITIONS, 1..4_u8)
            .prop_map(|(partition, records)| Op::Produce { partition, records }),
        8 => (0..LANES, fate(too_large)).prop_map(|(lane, fate)| Op::Process(lane, fate)),
        8 => (0..LANES).prop_map(Op::Deliver),
        1 => (0..LANES).prop_map(Op::Break),
        late => (0..8_usize).prop_map(Op::Late),
        1 => (0..PARTITIONS).prop_map(Op::Move),
        1 => Just(Op::Learn),
        2 => (1..400_u64).prop_map(Op::Wait),
    ]
}

fn run(ops: &[Op]) {
    let mut world = World::new();
    // A producer id, so that the operations are about batches.
    world.act(Op::Produce {
        partition: 0,
        records: 1,
    });
    world.act(Op::Process(0, Fate::Written));
    world.act(Op::Deliver(0));
    for op in ops {
        world.act(*op);
    }
    world.finish();
    world.check();
}

#[test]
fn no_more_batches_follow_one_in_doubt_than_a_broker_remembers() {
    let one = Op::Produce {
        partition: 1,
        records: 1,
    };
    let (written, answered) = (Op::Process(2, Fate::Written), Op::Deliver(2));
    let mut ops = vec![one; 5];
    ops.extend([written, answered]);
    // The second batch is in doubt, three more are written behind it.
    ops.extend([Op::Process(2, Fate::Unsure(7)), written, written, written]);
    ops.extend([answered; 4]);
    // It is sent again, and once more, while there is more to send.
    ops.extend([Op::Wait(400), one, one, Op::Process(2, Fate::Refused(2))]);
    ops.extend([written, written, answered, answered, answered]);
    run(&ops);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_batch_is_written_once_and_in_order(ops in prop::collection::vec(op(2, 0), 1..120)) {
        run(&ops);
    }

    #[test]
    fn a_refused_record_takes_no_other_with_it(ops in prop::collection::vec(op(0, 1), 1..120)) {
        run(&ops);
    }
}
