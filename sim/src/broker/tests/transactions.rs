//! Transactions: who may write, what is visible when, and what becomes of those that are left.

use eddyline_core::wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use eddyline_core::wire::messages::fetch_response::PartitionData;
use eddyline_core::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use eddyline_core::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use eddyline_core::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use eddyline_core::wire::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, ListOffsetsRequest, OffsetFetchRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};

use super::fetching::{partitions, request, wanted};
use super::*;

type Identity = (i64, i16);

fn id() -> TransactionalId {
    TransactionalId("tx".into())
}

fn in_transaction(values: &[&str], (producer_id, epoch): Identity, sequence: i32) -> Bytes {
    sealed(values)
        .transactional()
        .encode(producer_id, epoch, sequence)
}

impl World {
    fn init(&mut self, connection: ConnectionId) -> Result<Identity, i16> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(10_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        match self.call(connection, 5, &Request::InitProducerId(request)) {
            Response::InitProducerId(answer) if answer.error_code == 0 => {
                Ok((answer.producer_id.0, answer.producer_epoch))
            }
            Response::InitProducerId(answer) => Err(answer.error_code),
            _ => panic!("an answer to init"),
        }
    }

    fn write(&mut self, connection: ConnectionId, version: i16, records: Bytes) -> i16 {
        let request = produce_request(self.topic_id("t"), 0, Some(records), -1);
        let request = request.with_transactional_id(Some(id()));
        match self.call(connection, version, &Request::Produce(request)) {
            Response::Produce(answer) => answer.responses[0].partition_responses[0].error_code,
            _ => panic!("an answer to produce"),
        }
    }

    fn add_offset(&mut self, connection: ConnectionId, identity: Identity, offset: i64) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName("t".into()))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(id())
            .with_group_id(GroupId("g".into()))
            .with_producer_id(ProducerId(identity.0))
            .with_producer_epoch(identity.1)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        match self.call(connection, 5, &Request::TxnOffsetCommit(request)) {
            Response::TxnOffsetCommit(answer) => answer.topics[0].partitions[0].error_code,
            _ => panic!("an answer to the offsets"),
        }
    }

    fn end_transaction(
        &mut self,
        connection: ConnectionId,
        identity: Identity,
        commit: bool,
    ) -> Result<Identity, i16> {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(identity.0))
            .with_producer_epoch(identity.1)
            .with_committed(commit);
        match self.call(connection, 5, &Request::EndTxn(request)) {
            Response::EndTxn(answer) if answer.error_code == 0 => {
                Ok((answer.producer_id.0, answer.producer_epoch))
            }
            Response::EndTxn(answer) => Err(answer.error_code),
            _ => panic!("an answer to the end"),
        }
    }

    fn write_named(&mut self, connection: ConnectionId, records: Bytes) -> i16 {
        let request = produce_request(Uuid::nil(), 0, Some(records), -1);
        let mut request = request.with_transactional_id(Some(id()));
        request.topic_data[0].name = TopicName("t".into());
        match self.call(connection, 11, &Request::Produce(request)) {
            Response::Produce(answer) => answer.responses[0].partition_responses[0].error_code,
            _ => panic!("an answer to produce"),
        }
    }

    fn add_partition(
        &mut self,
        connection: ConnectionId,
        identity: Identity,
        partition: i32,
    ) -> i16 {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(TopicName("t".into()))
            .with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id())
            .with_v3_and_below_producer_id(ProducerId(identity.0))
            .with_v3_and_below_producer_epoch(identity.1)
            .with_v3_and_below_topics(vec![topic]);
        match self.call(connection, 3, &Request::AddPartitionsToTxn(request)) {
            Response::AddPartitionsToTxn(answer) => {
                let topic = &answer.results_by_topic_v3_and_below[0];
                topic.results_by_partition[0].partition_error_code
            }
            _ => panic!("an answer to the partitions"),
        }
    }

    fn end_version_1(&mut self, connection: ConnectionId, identity: Identity) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(identity.0))
            .with_producer_epoch(identity.1)
            .with_committed(true);
        match self.call(connection, 4, &Request::EndTxn(request)) {
            Response::EndTxn(answer) => answer.error_code,
            _ => panic!("an answer to the end"),
        }
    }

    fn read(&mut self, connection: ConnectionId, read_committed: bool) -> PartitionData {
        let request = request(self.topic_id("t"), vec![wanted(0, 0)])
            .with_max_wait_ms(0)
            .with_isolation_level(i8::from(read_committed));
        let response = self.fetch(connection, request);
        partitions(&response)[0].clone()
    }

    fn end_offset(&mut self, connection: ConnectionId, read_committed: bool) -> i64 {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(0)
            .with_timestamp(-1);
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName("t".into()))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_isolation_level(i8::from(read_committed))
            .with_topics(vec![topic]);
        match self.call(connection, 8, &Request::ListOffsets(request)) {
            Response::ListOffsets(answer) => answer.topics[0].partitions[0].offset,
            _ => panic!("an answer to the list"),
        }
    }

    /// The committed offset and the error of it.
    fn committed(&mut self, connection: ConnectionId, require_stable: bool) -> (i64, i16) {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName("t".into()))
            .with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId("g".into()))
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![group])
            .with_require_stable(require_stable);
        match self.call(connection, 9, &Request::OffsetFetch(request)) {
            Response::OffsetFetch(answer) => {
                let partition = &answer.groups[0].topics[0].partitions[0];
                (partition.committed_offset, partition.error_code)
            }
            _ => panic!("an answer to the offsets"),
        }
    }

    fn committed_values(&self) -> Vec<String> {
        let log = self.broker.log("t", 0).expect("the log");
        let records = log.records().expect("sound records").into_iter();
        let value = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        records
            .filter_map(|record| record.value.map(value))
            .collect()
    }
}

fn slow_markers() -> BrokerConfig {
    BrokerConfig {
        marker_delay_ms: 50,
        ..BrokerConfig::default()
    }
}

#[test]
fn what_is_committed_becomes_visible_with_its_offsets_when_the_marker_is_written() {
    let mut world = World::new(slow_markers());
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    let first = world.init(connection).expect("an id");
    let batch = in_transaction(&["a", "b"], first, 0);
    assert_eq!(world.write(connection, 13, batch.clone()), 0);
    assert_eq!(world.write(connection, 13, batch), 0, "sent again");
    assert_eq!(world.add_offset(connection, first, 7), 0);
    assert_eq!(world.committed(connection, false), (-1, 0));
    let unstable = (-1, codes::UNSTABLE_OFFSET_COMMIT);
    assert_eq!(world.committed(connection, true), unstable);
    let data = world.read(connection, true);
    assert_eq!((data.high_watermark, data.last_stable_offset), (2, 0));
    assert_eq!(data.records.map_or(0, |records| records.len()), 0);
    assert!(
        !world
            .read(connection, false)
            .records
            .expect("bytes")
            .is_empty()
    );
    assert_eq!(world.end_offset(connection, true), 0);
    assert_eq!(world.end_offset(connection, false), 2);

    let second = world
        .end_transaction(connection, first, true)
        .expect("committed");
    assert_eq!(second, (first.0, first.1 + 1), "another epoch");
    assert_eq!(world.committed_values(), ["a", "b"], "it is decided");
    // Not written yet: neither a repetition nor the next transaction gets through.
    let busy = codes::CONCURRENT_TRANSACTIONS;
    assert_eq!(world.end_transaction(connection, first, true), Err(busy));
    let next = in_transaction(&["c"], second, 0);
    assert_eq!(world.write(connection, 13, next.clone()), busy);
    assert_eq!(world.committed(connection, true), unstable);
    world.advance(50);
    assert_eq!(world.end_transaction(connection, first, true), Ok(second));
    assert_eq!(world.committed(connection, true), (7, 0));
    let data = world.read(connection, true);
    assert_eq!((data.high_watermark, data.last_stable_offset), (3, 3));
    assert_eq!(data.aborted_transactions, Some(Vec::new()));
    assert_eq!(world.write(connection, 13, next), 0);
    // Late, from before the end.
    let late = in_transaction(&["x"], first, 2);
    let fenced = codes::INVALID_PRODUCER_EPOCH;
    assert_eq!(world.write(connection, 13, late), fenced);
    assert_eq!(world.add_offset(connection, first, 8), fenced);
    let end = world.end_transaction(connection, first, false);
    assert_eq!(end, Err(codes::PRODUCER_FENCED));
    assert_eq!(world.committed_values(), ["a", "b"]);
}

#[test]
fn what_is_aborted_is_told_to_who_reads_committed_records() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let first = world.init(connection).expect("an id");
    assert_eq!(
        world.write(connection, 13, in_transaction(&["a"], first, 0)),
        0
    );
    assert_eq!(world.add_offset(connection, first, 7), 0);
    let second = world
        .end_transaction(connection, first, false)
        .expect("aborted");
    assert_eq!(world.committed(connection, true), (-1, 0));
    assert_eq!(
        world.write(connection, 13, in_transaction(&["b"], second, 0)),
        0
    );
    world
        .end_transaction(connection, second, true)
        .expect("committed");
    let data = world.read(connection, true);
    assert_eq!((data.high_watermark, data.last_stable_offset), (4, 4));
    let aborted = data.aborted_transactions.expect("a list");
    let aborted: Vec<_> = aborted
        .iter()
        .map(|a| (a.producer_id.0, a.first_offset))
        .collect();
    assert_eq!(aborted, [(first.0, 0)]);
    assert_eq!(world.read(connection, false).aborted_transactions, None);
    assert_eq!(world.committed_values(), ["b"]);
}

#[test]
fn another_producer_of_the_id_fences_the_one_before() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let first = world.init(connection).expect("an id");
    assert_eq!(
        world.write(connection, 13, in_transaction(&["a"], first, 0)),
        0
    );
    // What is open is aborted, and then it is the next one's turn.
    let busy = codes::CONCURRENT_TRANSACTIONS;
    assert_eq!(world.init(connection), Err(busy));
    let second = world.init(connection).expect("the same id");
    assert_eq!(second.0, first.0);
    assert!(second.1 > first.1);
    let end = world.end_transaction(connection, first, true);
    assert_eq!(end, Err(codes::PRODUCER_FENCED));
    let late = in_transaction(&["b"], first, 1);
    assert_eq!(
        world.write(connection, 13, late),
        codes::INVALID_PRODUCER_EPOCH
    );
    assert!(world.committed_values().is_empty());
    let unknown = (second.0 + 1, second.1);
    let unknown = world.end_transaction(connection, unknown, true);
    assert_eq!(unknown, Err(codes::INVALID_PRODUCER_ID_MAPPING));
    let empty = world.end_transaction(connection, second, true);
    assert_eq!(empty, Err(codes::INVALID_TXN_STATE));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let first = world.init(connection).expect("an id");
    assert_eq!(
        world.write(connection, 13, in_transaction(&["a"], first, 0)),
        0
    );
    world.advance(9_999);
    assert_eq!(world.end_offset(connection, true), 0);
    world.advance(1);
    assert_eq!(world.end_offset(connection, true), 2);
    let late = in_transaction(&["b"], first, 1);
    assert_eq!(
        world.write(connection, 13, late),
        codes::INVALID_PRODUCER_EPOCH
    );
    let end = world.end_transaction(connection, first, true);
    assert_eq!(end, Err(codes::PRODUCER_FENCED));
    assert!(world.committed_values().is_empty());
}

#[test]
fn sequences_begin_anew_and_older_versions_have_to_add_partitions_first() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    let first = world.init(connection).expect("an id");
    let batch = in_transaction(&["a"], first, 0);
    assert_eq!(
        world.write(connection, 11, batch.clone()),
        codes::INVALID_TXN_STATE
    );
    assert_eq!(world.write(connection, 13, batch), 0);
    let second = world
        .end_transaction(connection, first, true)
        .expect("committed");
    let gap = in_transaction(&["b"], second, 1);
    let out_of_order = codes::OUT_OF_ORDER_SEQUENCE_NUMBER;
    assert_eq!(world.write(connection, 13, gap), out_of_order);
    assert_eq!(
        world.write(connection, 13, in_transaction(&["b"], second, 0)),
        0
    );
}

#[test]
fn one_node_coordinates_a_transactional_id() {
    let mut world = World::new(BrokerConfig::with_nodes(2));
    assert!(world.broker.create_topic("t", 1));
    let one = world.connect(1);
    let request = FindCoordinatorRequest::default()
        .with_key_type(1)
        .with_coordinator_keys(vec!["tx".into()]);
    let answer = world.call(one, 5, &Request::FindCoordinator(request));
    let Response::FindCoordinator(answer) = answer else {
        panic!("an answer to the search");
    };
    let node = answer.coordinators[0].node_id.0;
    let (right, wrong) = (world.connect(node), world.connect(3 - node));
    assert_eq!(world.init(wrong), Err(codes::NOT_COORDINATOR));
    let identity = world.init(right).expect("an id");
    world.broker.move_transactions(BrokerId(3 - node));
    let end = world.end_transaction(right, identity, false);
    assert_eq!(end, Err(codes::NOT_COORDINATOR));
    assert!(world.end_transaction(wrong, identity, false).is_ok());
}

/// Requests of version 1 tell beforehand what they are about, and the epoch stays.
#[test]
fn version_1_adds_beforehand_and_keeps_the_epoch() {
    let mut world = World::new(slow_markers());
    assert!(world.broker.create_topic("t", 1));
    let connection = world.connect(1);
    let identity = world.init(connection).expect("an id");
    let batch = in_transaction(&["a"], identity, 0);
    let unknown = codes::INVALID_TXN_STATE;
    assert_eq!(world.write_named(connection, batch.clone()), unknown);
    assert_eq!(
        world.add_partition(connection, identity, 1),
        codes::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(world.add_partition(connection, identity, 0), 0);
    assert_eq!(world.write_named(connection, batch.clone()), 0);
    assert_eq!(world.end_version_1(connection, identity), 0);
    assert_eq!(world.committed_values(), ["a"]);
    // Not written down yet.
    let busy = codes::CONCURRENT_TRANSACTIONS;
    assert_eq!(world.add_partition(connection, identity, 0), busy);
    world.advance(50);
    assert_eq!(world.end_version_1(connection, identity), 0, "said again");
    assert_eq!(world.add_partition(connection, identity, 0), 0);
    assert_eq!(world.write_named(connection, batch), 0, "a duplicate");
    let next = in_transaction(&["b"], identity, 1);
    assert_eq!(world.write_named(connection, next), 0, "the numbers go on");
    // An end that comes late ends the next transaction, unless there is another epoch.
    assert_eq!(world.end_version_1(connection, identity), 0);
    world.advance(50);
    assert_eq!(world.committed_values(), ["a", "b"]);
    let raised = world.init(connection).expect("another epoch");
    assert_eq!(raised.1, identity.1 + 1);
    assert_eq!(
        world.end_version_1(connection, identity),
        codes::PRODUCER_FENCED
    );
}
