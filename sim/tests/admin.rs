//! The admin client against the simulated cluster.

use std::collections::BTreeMap;

use eddyline_core::client::{AdminClient, AdminResult, NewTopic, OffsetSpec};
use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::net::{ConnectionId, Input, Output};
use eddyline_core::rng::SeedTree;
use eddyline_core::time::Now;
use eddyline_core::types::{Headers, TopicPartition};
use eddyline_core::wire::RecordBatchBuilder;
use eddyline_sim::broker::{self, Broker, BrokerConfig, BrokerInput, BrokerOutput};

struct World {
    admin: AdminClient,
    broker: Broker,
    config: BrokerConfig,
    now: Now,
    inputs: Vec<Input>,
}

impl World {
    fn new(config: BrokerConfig) -> Self {
        let streams = StreamsConfig::new("app", "broker-1:9092").expect("valid");
        let now = Now::default();
        Self {
            admin: AdminClient::new(now, &streams, "test", 30_000, SeedTree::new(1)),
            broker: Broker::new(config.clone(), SeedTree::new(2)),
            config,
            now,
            inputs: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<AdminResult, StreamsError> {
        for _ in 0..10_000 {
            while let Some(output) = self.admin.poll_output() {
                self.carry_out(output);
            }
            if let Some((_, result)) = self.admin.poll_result() {
                return result;
            }
            let mut progress = false;
            while let Some(output) = self.broker.poll_output() {
                progress = true;
                match output {
                    BrokerOutput::Transmit(id, bytes) => {
                        self.inputs.push(Input::Received(ConnectionId(id.0), bytes));
                    }
                    BrokerOutput::Close(id) => {
                        self.inputs.push(Input::Disconnected(ConnectionId(id.0)));
                    }
                    BrokerOutput::Log(log) => panic!("{log:?}"),
                }
            }
            for input in std::mem::take(&mut self.inputs) {
                progress = true;
                self.admin.handle_input(self.now, input);
            }
            if !progress {
                let times = [self.admin.poll_timeout(), self.broker.poll_timeout()];
                let at = times.into_iter().flatten().min().expect("something is due");
                assert!(at > self.now.instant, "busy loop");
                self.now.instant = at;
                self.admin.handle_input(self.now, Input::Timeout);
                self.broker.handle_input(self.now, BrokerInput::Timeout);
            }
        }
        panic!("no result");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect {
                connection,
                address,
            } => {
                let node = self.config.nodes.iter().find(|n| n.host == address.host);
                let node = node.expect("known").id;
                let id = broker::ConnectionId(connection.0);
                self.inputs.push(Input::Connected(connection));
                let input = BrokerInput::Connected {
                    connection: id,
                    node,
                };
                self.broker.handle_input(self.now, input);
            }
            Output::Transmit(id, bytes) => {
                let input = BrokerInput::Received(broker::ConnectionId(id.0), bytes);
                self.broker.handle_input(self.now, input);
            }
            Output::Close(id) => {
                let input = BrokerInput::Disconnected(broker::ConnectionId(id.0));
                self.broker.handle_input(self.now, input);
            }
            Output::Event(event) => println!("{event:?}"),
        }
    }
}

#[test]
fn topics_records_offsets_and_groups() {
    for cap in [None, Some(11)] {
        let mut config = BrokerConfig::with_nodes(3);
        if let Some(cap) = cap {
            // Before topic ids.
            config.api_versions.insert(0, (3, cap));
            config.api_versions.insert(1, (4, 12));
            config.api_versions.insert(3, (0, 9));
        }
        let mut world = World::new(config);
        let topic = NewTopic {
            name: "t".into(),
            partitions: 4,
            replication_factor: -1,
            configs: BTreeMap::new(),
        };
        world.admin.create_topics(world.now, vec![topic]);
        let result = world.run().expect("created");
        assert!(matches!(result, AdminResult::TopicsCreated(r) if r[0].1.is_ok()));
        for i in 0..8 {
            let mut builder = RecordBatchBuilder::new();
            builder.append(i, None, Some(format!("v{i}").as_bytes()), &Headers::new());
            let tp = TopicPartition::new("t", (i % 4) as i32);
            world.admin.produce(world.now, tp, builder.seal());
        }
        for _ in 0..8 {
            assert!(matches!(world.run(), Ok(AdminResult::Produced(_))));
        }
        let all: Vec<_> = (0..4).map(|p| TopicPartition::new("t", p)).collect();
        world
            .admin
            .list_offsets(world.now, all.clone(), OffsetSpec::Latest);
        let result = world.run();
        assert!(
            matches!(&result, Ok(AdminResult::Offsets(o)) if o.iter().all(|(_, o)| *o == 2)),
            "{result:?}"
        );
        world.admin.fetch(world.now, all[3].clone(), 1);
        let result = world.run();
        let Ok(AdminResult::Fetched {
            records,
            next_offset: 2,
            log_end: 2,
        }) = result
        else {
            panic!("{result:?}");
        };
        assert_eq!(records[0].value.as_deref(), Some(b"v7".as_slice()));
        world.admin.committed_offsets(world.now, "app", all);
        let result = world.run();
        assert!(
            matches!(&result, Ok(AdminResult::CommittedOffsets(o)) if o.iter().all(|(_, o)| o.is_none())),
            "{result:?}"
        );
        world.admin.describe_streams_group(world.now, "app");
        let error = world.run().expect_err("no such group");
        assert!(
            matches!(error, StreamsError::Broker { code: 69, .. }),
            "{error:?}"
        );
        world.admin.features(world.now);
        let result = world.run();
        assert!(
            matches!(&result, Ok(AdminResult::Features(f)) if f.streams_groups_missing().is_none()),
            "{result:?}"
        );
    }
}
