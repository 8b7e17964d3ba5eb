//! The cluster through its bytes: what a client sends and what it gets.

mod cluster;
mod fetching;
mod frames;
mod grouping;
mod logs;
mod producing;
mod topics;
mod transactions;

use bytes::Bytes;
use eddyline_core::rng::SeedTree;
use eddyline_core::time::Now;
use eddyline_core::types::{BrokerId, Headers};
use eddyline_core::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use eddyline_core::wire::messages::produce_response::PartitionProduceResponse;
use eddyline_core::wire::messages::{ProduceRequest, TopicName};
use eddyline_core::wire::{
    self, ApiKey, RecordBatchBuilder, Request, Response, SealedBatch, Uuid, supported_versions,
};

use super::*;

/// A cluster and its clients, all in one thread and at one time.
pub(super) struct World {
    pub(super) broker: Broker,
    pub(super) now: Now,
    next_connection: u64,
    correlation_id: i32,
    outputs: Vec<BrokerOutput>,
}

impl World {
    pub(super) fn new(config: BrokerConfig) -> Self {
        Self {
            broker: Broker::new(config, SeedTree::new(7)),
            now: Now::default(),
            next_connection: 0,
            correlation_id: 0,
            outputs: Vec::new(),
        }
    }

    /// One node and the topic `t` with `partitions` partitions.
    pub(super) fn with_topic(partitions: i32) -> Self {
        let mut world = Self::new(BrokerConfig::default());
        assert!(world.broker.create_topic("t", partitions));
        world
    }

    pub(super) fn connect(&mut self, node: i32) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let node = BrokerId(node);
        self.input(BrokerInput::Connected { connection, node });
        connection
    }

    pub(super) fn input(&mut self, input: BrokerInput) {
        self.broker.handle_input(self.now, input);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            self.outputs.push(output);
        }
    }

    /// Moves the clock to a moment and runs what is due by then.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now.instant.plus_ms(ms);
        while let Some(at) = self.broker.poll_timeout().filter(|at| *at <= end) {
            self.now.instant = at.max(self.now.instant);
            self.input(BrokerInput::Timeout);
        }
        self.now.instant = end;
    }

    /// Sends a request and returns the correlation id it carries.
    pub(super) fn send(
        &mut self,
        connection: ConnectionId,
        version: i16,
        request: &Request,
    ) -> i32 {
        self.correlation_id += 1;
        let id = self.correlation_id;
        let frame = wire::encode_request(version, id, "tester", request).expect("it encodes");
        self.input(BrokerInput::Received(connection, frame));
        id
    }

    /// The answers that came for a connection, oldest first.
    pub(super) fn received(&mut self, connection: ConnectionId) -> Vec<Bytes> {
        let mut frames = Vec::new();
        self.outputs.retain(|output| match output {
            BrokerOutput::Transmit(to, bytes) if *to == connection => {
                frames.push(bytes.slice(4..));
                false
            }
            _ => true,
        });
        frames
    }

    pub(super) fn is_closed(&self, connection: ConnectionId) -> bool {
        self.outputs.contains(&BrokerOutput::Close(connection))
    }

    pub(super) fn call(
        &mut self,
        connection: ConnectionId,
        version: i16,
        request: &Request,
    ) -> Response {
        let id = self.send(connection, version, request);
        self.answer(connection, request.api_key(), version, id)
            .expect("the broker answers at once")
    }

    /// The one answer that came, if one did.
    pub(super) fn answer(
        &mut self,
        connection: ConnectionId,
        api: ApiKey,
        version: i16,
        id: i32,
    ) -> Option<Response> {
        let mut frames = self.received(connection);
        assert!(frames.len() <= 1, "more answers than requests");
        let (correlation_id, response) =
            wire::decode_response(api, version, frames.pop()?).expect("an answer of the API");
        assert_eq!(correlation_id, id);
        Some(response)
    }

    pub(super) fn topic_id(&self, topic: &str) -> Uuid {
        self.broker
            .topics
            .by_name(topic)
            .expect("the topic exists")
            .id
    }

    pub(super) fn produce(
        &mut self,
        connection: ConnectionId,
        partition: i32,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let request = produce_request(self.topic_id("t"), partition, Some(records), 1);
        let Response::Produce(response) = self.call(connection, 13, &Request::Produce(request))
        else {
            panic!("an answer to produce");
        };
        response.responses[0].partition_responses[0].clone()
    }
}

pub(super) fn produce_request(
    topic: Uuid,
    partition: i32,
    records: Option<Bytes>,
    acks: i16,
) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(records);
    let topic = TopicProduceData::default()
        .with_name(TopicName("t".into()))
        .with_topic_id(topic)
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

/// A batch of values with timestamps 1000, 1001, ...
pub(super) fn sealed(values: &[&str]) -> SealedBatch {
    let mut builder = RecordBatchBuilder::new();
    for (index, value) in (1_000..).zip(values) {
        builder.append(index, None, Some(value.as_bytes()), &Headers::new());
    }
    builder.seal()
}

/// A batch without a producer id.
pub(super) fn plain(values: &[&str]) -> Bytes {
    sealed(values).encode(-1, -1, -1)
}

/// The values of all records, with their offsets.
pub(super) fn values(records: &Bytes) -> Vec<(i64, String)> {
    let batches = wire::decode_batches(records.clone()).expect("sound batches");
    let records = batches.iter().flat_map(wire::RecordBatch::records);
    records
        .map(|record| {
            let record = record.expect("a sound record");
            let value = record.value.expect("a value");
            (record.offset, String::from_utf8_lossy(&value).into_owned())
        })
        .collect()
}

/// Every version of `api` that the broker offers and this library can speak.
pub(super) fn offered(broker: &Broker, api: ApiKey) -> std::ops::RangeInclusive<i16> {
    let (first, last) = broker.versions(api).expect("the API is offered");
    let (our_first, our_last) = supported_versions(api);
    assert!(
        our_first <= first && last <= our_last,
        "{api:?}: offered but not spoken"
    );
    first..=last
}
