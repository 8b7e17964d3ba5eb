//! The embedded broker over real sockets of the loopback interface.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use bytes::Bytes;
use eddyline_core::types::Headers;
use eddyline_core::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use eddyline_core::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use eddyline_core::wire::messages::{
    FetchRequest, FetchResponse, MetadataRequest, ProduceRequest, TopicName,
};
use eddyline_core::wire::{self, ApiKey, RecordBatchBuilder, Request, Response};

use super::*;
use crate::broker::{Fault, FaultRule};

fn start(nodes: u16) -> EmbeddedBroker {
    let mut config = EmbeddedBrokerConfig::default();
    config.broker.nodes = BrokerConfig::with_nodes(nodes).nodes;
    EmbeddedBroker::start(config).expect("free ports")
}

fn connect(broker: &EmbeddedBroker) -> TcpStream {
    TcpStream::connect(broker.address()).expect("the broker listens")
}

fn send(stream: &mut TcpStream, version: i16, request: &Request) {
    let frame = wire::encode_request(version, 1, "tester", request).expect("it encodes");
    stream.write_all(&frame).expect("the broker reads");
}

fn receive(stream: &mut TcpStream, api: ApiKey, version: i16) -> Response {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).expect("a whole answer");
    wire::decode_response(api, version, frame.into())
        .expect("an answer of the API")
        .1
}

fn call(stream: &mut TcpStream, version: i16, request: &Request) -> Response {
    send(stream, version, request);
    receive(stream, request.api_key(), version)
}

fn produce(values: usize) -> Request {
    let mut builder = RecordBatchBuilder::new();
    for value in 0..values {
        builder.append(
            0,
            None,
            Some(format!("value {value}").as_bytes()),
            &Headers::new(),
        );
    }
    let data = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(builder.seal().encode(-1, -1, -1)));
    let topic = TopicProduceData::default()
        .with_name(TopicName("t".into()))
        .with_partition_data(vec![data]);
    Request::Produce(
        ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(1)
            .with_topic_data(vec![topic]),
    )
}

fn fetch(offset: i64, max_wait_ms: i32) -> Request {
    let partition = FetchPartition::default()
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(64 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName("t".into()))
        .with_partitions(vec![partition]);
    Request::Fetch(
        FetchRequest::default()
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(64 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]),
    )
}

fn records(response: Response) -> Bytes {
    let Response::Fetch(FetchResponse { responses, .. }) = response else {
        panic!("an answer to fetch");
    };
    responses[0].partitions[0].records.clone().expect("records")
}

/// True once the other end has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_held_fetch_is_answered_by_a_produce_on_another_connection() {
    let broker = start(1);
    assert!(broker.with(|broker, _| broker.create_topic("t", 1)));
    let (mut consumer, mut producer) = (connect(&broker), connect(&broker));
    // An hour: the answer can only come from the produce request.
    send(&mut consumer, 12, &fetch(0, 3_600_000));
    call(&mut producer, 9, &produce(3));
    let batches = wire::decode_batches(records(receive(&mut consumer, ApiKey::Fetch, 12)));
    assert_eq!(batches.expect("sound batches")[0].header().record_count, 3);
}

#[test]
fn a_held_fetch_ends_by_time() {
    let broker = start(1);
    assert!(broker.with(|broker, _| broker.create_topic("t", 1)));
    let mut consumer = connect(&broker);
    assert!(records(call(&mut consumer, 12, &fetch(0, 20))).is_empty());
}

#[test]
fn answers_larger_than_socket_buffers_arrive_whole() {
    let broker = start(1);
    assert!(broker.with(|broker, _| broker.create_topic("t", 1)));
    let mut stream = connect(&broker);
    for _ in 0..30 {
        call(&mut stream, 9, &produce(50_000));
    }
    // Many requests at once, none of the answers read meanwhile.
    for _ in 0..4 {
        send(&mut stream, 12, &fetch(0, 0));
    }
    for _ in 0..4 {
        let records = records(receive(&mut stream, ApiKey::Fetch, 12));
        let batches = wire::decode_batches(records).expect("sound batches");
        let count: i64 = batches
            .iter()
            .map(|b| i64::from(b.header().record_count))
            .sum();
        assert_eq!(count, 30 * 50_000);
    }
}

#[test]
fn every_node_listens_and_metadata_says_where() {
    let broker = start(3);
    let addresses = broker.addresses().to_vec();
    assert_eq!(broker.bootstrap_servers().split(',').count(), 3);
    for address in &addresses {
        let mut stream = TcpStream::connect(address).expect("the node listens");
        let request = Request::Metadata(MetadataRequest::default().with_topics(None));
        let Response::Metadata(response) = call(&mut stream, 12, &request) else {
            panic!("an answer to metadata");
        };
        let told = response
            .brokers
            .iter()
            .map(|b| format!("{}:{}", b.host.as_str(), b.port));
        let expected = addresses.iter().map(SocketAddr::to_string);
        assert!(told.eq(expected));
    }
}

#[test]
fn hostile_bytes_close_only_their_connection() {
    let broker = start(1);
    let (mut hostile, mut honest) = (connect(&broker), connect(&broker));
    hostile
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it can be sent");
    assert!(is_closed(&mut hostile));
    let request = Request::Metadata(MetadataRequest::default().with_topics(None));
    assert!(matches!(
        call(&mut honest, 12, &request),
        Response::Metadata(_)
    ));
}

#[test]
fn a_client_that_goes_away_is_forgotten() {
    let broker = start(1);
    assert!(broker.with(|broker, _| broker.create_topic("t", 1)));
    let mut stream = connect(&broker);
    call(&mut stream, 9, &produce(1));
    send(&mut stream, 12, &fetch(1, 3_600_000));
    drop(stream);
    // The held fetch was the only thing the broker waited for.
    while broker.with(|broker, _| broker.poll_timeout().is_some() || broker.connections() > 0) {
        std::thread::yield_now();
    }
}

#[test]
fn faults_reach_the_wire() {
    let broker = start(1);
    let mut stream = connect(&broker);
    broker.with(|broker, _| broker.inject(FaultRule::once(ApiKey::Metadata, Fault::Disconnect)));
    let request = Request::Metadata(MetadataRequest::default().with_topics(None));
    send(&mut stream, 12, &request);
    assert!(is_closed(&mut stream));
}

#[test]
fn stopping_closes_connections_and_frees_the_port() {
    let broker = start(1);
    let address = broker.address();
    let mut stream = connect(&broker);
    broker.stop();
    assert!(is_closed(&mut stream));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_taken_port_and_a_cluster_without_nodes_are_errors() {
    let broker = start(1);
    let config = EmbeddedBrokerConfig {
        port: broker.address().port(),
        ..EmbeddedBrokerConfig::default()
    };
    let error = EmbeddedBroker::start(config).expect_err("the port is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let mut config = EmbeddedBrokerConfig::default();
    config.broker.nodes.clear();
    let error = EmbeddedBroker::start(config).expect_err("no nodes");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
