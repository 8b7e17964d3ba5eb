//! A cluster that has connected, for machines whose requests the test answers itself.

use crate::config::StreamsConfig;
use crate::net::testing::{FakeBrokers, answer, coordinator, metadata};
use crate::net::{Cluster, ClusterConfig, Outgoing, Target};
use crate::rng::SeedTree;
use crate::time::Instant;
use crate::types::BrokerId;
use crate::wire::{self, ApiKey, RequestFrame, Response};

pub(super) fn config() -> StreamsConfig {
    StreamsConfig::new("app", "boot:1").expect("valid")
}

/// A cluster of brokers 1 and 2 that knows `topics` (leaders and leader epochs of their partitions)
/// and is connected to both brokers and to the coordinators, in every version there is.
pub(super) fn connected(topics: &[(&str, &[(i32, i32)])]) -> Cluster {
    let config = ClusterConfig::new(&config(), "test")
        .with_group("app")
        .with_transactional_id("app-process-1");
    let mut cluster = Cluster::new(config, SeedTree::new(5).rng());
    let mut brokers = FakeBrokers::default();
    let now = Instant::from_nanos(1);
    cluster.want_topics(now, topics.iter().map(|(topic, _)| (*topic).into()));
    for _ in 0..100 {
        cluster.drive(now);
        while let Some(output) = cluster.poll_output() {
            brokers.carry_out(output);
        }
        while let Some((id, _, frame)) = brokers.requests.pop_front() {
            let response = match frame.api_key {
                ApiKey::Metadata => metadata(topics),
                ApiKey::FindCoordinator => coordinator(2),
                other => panic!("{other:?} is for the test to answer"),
            };
            brokers.inputs.push_back(answer(id, &frame, &response));
        }
        while let Some(input) = brokers.inputs.pop_front() {
            cluster.handle_input(now, input);
        }
        let known = [ApiKey::Produce, ApiKey::Fetch].map(|api| {
            let broker = |id| cluster.version(Target::Broker(BrokerId(id)), api).is_some();
            broker(1) & broker(2)
        });
        let aside = |id| cluster.version(Target::Aside(BrokerId(id)), ApiKey::Fetch);
        let aside = aside(1).is_some() & aside(2).is_some();
        let group = cluster.version(Target::GroupCoordinator, ApiKey::OffsetCommit);
        let any = cluster.version(Target::AnyBroker, ApiKey::InitProducerId);
        let transactions = cluster.version(Target::TransactionCoordinator, ApiKey::EndTxn);
        let coordinators = group.is_some() && transactions.is_some();
        if known == [true; 2] && aside && coordinators && any.is_some() {
            return cluster;
        }
    }
    panic!("the cluster did not connect");
}

/// The request as the broker reads it.
pub(super) fn received(outgoing: &Outgoing) -> RequestFrame {
    let version = outgoing.version.expect("it was built for a version");
    let frame = wire::encode_request(version, 1, "test", &outgoing.request).expect("it encodes");
    wire::decode_request(frame.slice(4..)).expect("it decodes")
}

/// The answer as the client reads it.
pub(super) fn answered(request: &RequestFrame, response: &Response) -> Response {
    let (api, version) = (request.api_key, request.version);
    let frame = wire::encode_response(api, version, 1, response).expect("it encodes");
    let (_, response) = wire::decode_response(api, version, frame.slice(4..)).expect("it decodes");
    response
}
