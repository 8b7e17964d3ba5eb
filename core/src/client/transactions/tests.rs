//! One producer and its transactions, with answers given by hand.

use super::*;
use crate::client::producer::{Producer, ProducerEvent};
use crate::client::testing::{answered, config, connected, received};
use crate::net::{Cluster, Outgoing, RequestToken};
use crate::rng::SeedTree;
use crate::types::Headers;
use crate::wire::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use crate::wire::messages::end_txn_response::EndTxnResponse;
use crate::wire::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use crate::wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::wire::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, InitProducerIdResponse, ProduceResponse,
    TxnOffsetCommitResponse,
};
use crate::wire::{RecordBatchBuilder, decode_batches};

const EPOCH: MemberEpoch = MemberEpoch(4);

struct World {
    producer: Producer,
    cluster: Cluster,
    now: Instant,
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn offsets() -> Vec<(TopicPartition, OffsetAndMetadata)> {
    let offset = OffsetAndMetadata {
        offset: 9,
        ..OffsetAndMetadata::default()
    };
    vec![(partition(), offset)]
}

impl World {
    fn new() -> Self {
        let config = config().set("processing.guarantee", "exactly_once_v2");
        let config = config.expect("valid");
        let producer = Producer::new(&config, SeedTree::new(1).rng());
        let transactions = Transactions::new(&config, "app-process-1".to_owned());
        let mut producer = producer.with_transactions(transactions);
        producer.set_member("member", EPOCH);
        Self {
            producer,
            cluster: connected(&[("t", &[(1, 0)])]),
            now: Instant::from_nanos(1),
        }
    }

    /// One that has an id, and has written a batch that is acknowledged.
    fn with_batch() -> Self {
        let mut world = Self::new();
        world.init(0);
        world.produce(1);
        world.acknowledge()
    }

    /// The same where the cluster has version 1 of transactions.
    fn with_batch_of_version_1() -> Self {
        let mut world = Self::new();
        world.producer.set_transaction_version(1);
        world.init(0);
        world.produce(1);
        let add = world.request();
        assert_eq!(add.target, Target::TransactionCoordinator);
        assert!(world.is_silent(), "the coordinator comes first");
        world.partitions_added(&add, 0);
        world.acknowledge()
    }

    fn acknowledge(self) -> Self {
        let mut world = self;
        let produce = world.request();
        world.written(&produce, 0);
        assert!(matches!(
            world.producer.poll_event(),
            Some(ProducerEvent::Produced {
                ticket: 1,
                base_offset: 5
            })
        ));
        world
    }

    fn request(&mut self) -> Outgoing {
        let request = self.producer.poll_request(self.now, &self.cluster);
        request.expect("something to say")
    }

    fn is_silent(&mut self) -> bool {
        self.producer
            .poll_request(self.now, &self.cluster)
            .is_none()
    }

    fn wait(&mut self) {
        self.now = self.now.plus_ms(2_000);
    }

    fn answer(&mut self, to: &Outgoing, response: &Response) {
        let response = answered(&received(to), response);
        self.producer
            .handle_response(self.now, to.token, Ok(response));
    }

    fn lost(&mut self, token: RequestToken) {
        let lost = Err(RequestError::Disconnected);
        self.producer.handle_response(self.now, token, lost);
    }

    fn init(&mut self, epoch: i16) {
        let init = self.request();
        assert_eq!(init.target, Target::TransactionCoordinator);
        let Request::InitProducerId(request) = received(&init).request else {
            panic!("who produces comes first");
        };
        let id = request.transactional_id.expect("a transactional id");
        assert_eq!(id.0.as_str(), "app-process-1");
        assert_eq!(request.transaction_timeout_ms, 10_000);
        let response = InitProducerIdResponse::default()
            .with_producer_id(ProducerId(7))
            .with_producer_epoch(epoch);
        self.answer(&init, &Response::InitProducerId(response));
    }

    fn produce(&mut self, ticket: u64) {
        let mut batch = RecordBatchBuilder::new();
        batch.append(0, None, Some(b"v"), &Headers::new());
        let (now, sealed) = (self.now, batch.seal());
        self.producer.produce(now, ticket, partition(), sealed);
    }

    fn written(&mut self, to: &Outgoing, code: i16) {
        let Request::Produce(request) = received(to).request else {
            panic!("a batch");
        };
        let topic = &request.topic_data[0];
        let partition = PartitionProduceResponse::default()
            .with_error_code(code)
            .with_base_offset(5);
        let topic = TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(vec![partition]);
        let response = ProduceResponse::default().with_responses(vec![topic]);
        self.answer(to, &Response::Produce(response));
    }

    fn added(&mut self, to: &Outgoing, code: i16) {
        let partition = TxnOffsetCommitResponsePartition::default().with_error_code(code);
        let topic = TxnOffsetCommitResponseTopic::default()
            .with_name(wire_name(&"t".into()))
            .with_partitions(vec![partition]);
        let response = TxnOffsetCommitResponse::default().with_topics(vec![topic]);
        self.answer(to, &Response::TxnOffsetCommit(response));
    }

    fn partitions_added(&mut self, to: &Outgoing, code: i16) {
        let Request::AddPartitionsToTxn(request) = received(to).request else {
            panic!("the partitions");
        };
        assert_eq!(request.v3_and_below_topics[0].partitions, [0]);
        let partition = AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(0)
            .with_partition_error_code(code);
        let topic = AddPartitionsToTxnTopicResult::default()
            .with_name(wire_name(&"t".into()))
            .with_results_by_partition(vec![partition]);
        let response = AddPartitionsToTxnResponse::default();
        let response = response.with_results_by_topic_v3_and_below(vec![topic]);
        self.answer(to, &Response::AddPartitionsToTxn(response));
    }

    /// Commits offsets under version 1; gives the request that ends the transaction.
    fn end_version_1(&mut self) -> Outgoing {
        self.producer.commit(3, offsets());
        let add = self.request();
        assert!(matches!(add.request, Request::AddOffsetsToTxn(_)));
        let response = AddOffsetsToTxnResponse::default();
        self.answer(&add, &Response::AddOffsetsToTxn(response));
        let offsets = self.request();
        assert_eq!(offsets.version, Some(4));
        self.added(&offsets, 0);
        let end = self.request();
        assert_eq!(end.version, Some(4));
        end
    }

    fn is_committed(&mut self) -> bool {
        let event = self.producer.poll_event();
        matches!(event, Some(ProducerEvent::Committed { ticket: 3, .. }))
    }

    /// Epoch and first sequence number of the next batch.
    fn next_batch(&mut self) -> (i16, i32) {
        let produce = self.request();
        assert_eq!(produce.version, Some(11));
        let Request::Produce(request) = received(&produce).request else {
            panic!("a batch");
        };
        let records = request.topic_data[0].partition_data[0].records.clone();
        let batches = decode_batches(records.expect("records")).expect("sound");
        let header = batches[0].header();
        (header.producer_epoch, header.base_sequence)
    }

    fn ended(&mut self, to: &Outgoing, code: i16) {
        let response = EndTxnResponse::default()
            .with_error_code(code)
            .with_producer_id(ProducerId(7))
            .with_producer_epoch(1);
        self.answer(to, &Response::EndTxn(response));
    }

    fn is_lost(&mut self) -> bool {
        let event = self.producer.poll_event();
        let is_lost = matches!(event, Some(ProducerEvent::Lost(_)));
        is_lost && self.producer.poll_event().is_none()
    }
}

#[test]
fn a_transaction_has_batches_then_offsets_then_an_end() {
    let mut world = World::with_batch();
    world.producer.commit(3, offsets());
    assert!(!world.producer.is_idle());
    let add = world.request();
    assert!(world.is_silent(), "one after the other");
    let Request::TxnOffsetCommit(request) = received(&add).request else {
        panic!("the offsets");
    };
    assert_eq!(add.target, Target::GroupCoordinator);
    assert_eq!((request.producer_id.0, request.producer_epoch), (7, 0));
    assert_eq!(request.generation_id, EPOCH.0);
    assert_eq!(request.member_id.as_str(), "member");
    assert_eq!(request.topics[0].partitions[0].committed_offset, 9);
    world.added(&add, 0);
    let end = world.request();
    let Request::EndTxn(request) = received(&end).request else {
        panic!("the end");
    };
    assert!(request.committed);
    // Whether it was heard nobody knows: it is said again.
    world.lost(end.token);
    let found = world.producer.poll_event();
    let coordinator = Target::TransactionCoordinator;
    assert!(matches!(found, Some(ProducerEvent::FindCoordinator(target)) if target == coordinator));
    assert!(world.is_silent());
    world.wait();
    let end = world.request();
    world.ended(&end, 0);
    let committed = world.producer.poll_event();
    assert!(matches!(
        committed,
        Some(ProducerEvent::Committed { ticket: 3, .. })
    ));
    assert!(world.producer.is_idle());
    // The next transaction has the next epoch, and its numbers begin anew.
    world.produce(4);
    let Request::Produce(request) = received(&world.request()).request else {
        panic!("a batch");
    };
    assert!(request.transactional_id.is_some());
    let records = request.topic_data[0].partition_data[0].records.clone();
    let batches = decode_batches(records.expect("records")).expect("sound");
    let header = batches[0].header();
    assert!(header.is_transactional);
    assert_eq!((header.producer_id, header.producer_epoch), (7, 1));
    assert_eq!(header.base_sequence, 0);
}

#[test]
fn what_passes_is_tried_again_under_the_epoch_there_is_then() {
    let mut world = World::with_batch();
    world.producer.commit(3, offsets());
    // CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS
    for code in [51, 14] {
        let add = world.request();
        world.added(&add, code);
        world.wait();
    }
    let add = world.request();
    world.producer.set_member("member", MemberEpoch(5));
    // ILLEGAL_GENERATION
    world.added(&add, 22);
    assert!(world.producer.poll_event().is_none());
    world.wait();
    let add = world.request();
    let Request::TxnOffsetCommit(request) = received(&add).request else {
        panic!("the offsets");
    };
    assert_eq!(request.generation_id, 5);
    world.added(&add, 22);
    assert!(world.is_lost(), "the same epoch is refused");
}

#[test]
fn nothing_is_said_between_a_loss_and_its_end_but_that_it_is_over() {
    let refused: [fn(&mut World); 3] = [
        |world| {
            world.produce(2);
            let produce = world.request();
            // INVALID_PRODUCER_EPOCH
            world.written(&produce, 47);
        },
        |world| {
            world.producer.commit(3, offsets());
            let add = world.request();
            // UNKNOWN_MEMBER_ID
            world.added(&add, 25);
        },
        |world| {
            world.producer.commit(3, Vec::new());
            let end = world.request();
            // PRODUCER_FENCED
            world.ended(&end, 90);
        },
    ];
    for refuse in refused {
        let mut world = World::with_batch();
        refuse(&mut world);
        assert!(world.is_lost());
        assert!(!world.producer.is_idle(), "it is still to be aborted");
        world.produce(8);
        world.producer.commit(9, offsets());
        // Another epoch aborts what is open.
        world.init(2);
        assert!(world.is_silent());
        assert!(world.producer.is_idle());
        world.producer.resume();
        world.produce(10);
        assert!(matches!(world.request().request, Request::Produce(_)));
    }
}

#[test]
fn version_1_tells_beforehand_and_keeps_its_epoch_and_its_numbers() {
    let mut world = World::with_batch_of_version_1();
    let end = world.end_version_1();
    world.ended(&end, 0);
    assert!(world.is_committed());
    world.produce(4);
    let add = world.request();
    // CONCURRENT_TRANSACTIONS: the last one is not written down everywhere.
    world.partitions_added(&add, 51);
    assert!(world.is_silent());
    world.wait();
    let add = world.request();
    world.partitions_added(&add, 0);
    assert_eq!(world.next_batch(), (0, 1));
}

#[test]
fn what_was_lost_under_version_1_cannot_get_into_the_next_transaction() {
    let mut world = World::with_batch_of_version_1();
    let end = world.end_version_1();
    world.lost(end.token);
    assert!(matches!(
        world.producer.poll_event(),
        Some(ProducerEvent::FindCoordinator(_))
    ));
    world.wait();
    let end = world.request();
    world.ended(&end, 0);
    assert!(world.is_committed());
    // The first one may still arrive: it finds another epoch.
    world.init(1);
    world.produce(4);
    let add = world.request();
    world.partitions_added(&add, 0);
    assert_eq!(world.next_batch(), (1, 0));
}

#[test]
fn a_step_that_does_not_succeed_is_given_up_after_the_task_timeout() {
    let mut world = World::with_batch();
    world.producer.commit(3, offsets());
    // `task.timeout.ms` is five minutes.
    let end = world.now.plus_ms(301_000);
    while world.now < end {
        let add = world.request();
        // COORDINATOR_LOAD_IN_PROGRESS
        world.added(&add, 14);
        match world.producer.poll_event() {
            None => {}
            Some(ProducerEvent::Failed(StreamsError::Unreachable(message))) => {
                assert!(message.contains("task.timeout.ms"), "{message}");
                assert!(world.now.plus_ms(5_000) > end);
                return;
            }
            Some(event) => panic!("{event:?}"),
        }
        world.wait();
    }
    panic!("never given up");
}

#[test]
fn a_commit_of_nothing_is_over_at_once() {
    let mut world = World::new();
    world.init(0);
    world.producer.commit(1, Vec::new());
    let committed = world.producer.poll_event();
    assert!(matches!(
        committed,
        Some(ProducerEvent::Committed { ticket: 1, .. })
    ));
    assert!(world.is_silent());
}
