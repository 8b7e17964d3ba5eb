//! Topics and their settings, Metadata, DescribeCluster.

use eddyline_core::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use eddyline_core::wire::messages::create_topics_response::CreatableTopicResult;
use eddyline_core::wire::messages::delete_topics_request::DeleteTopicState;
use eddyline_core::wire::messages::describe_configs_request::DescribeConfigsResource;
use eddyline_core::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use eddyline_core::wire::messages::metadata_request::MetadataRequestTopic;
use eddyline_core::wire::messages::metadata_response::MetadataResponseTopic;
use eddyline_core::wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, TopicName,
};

use super::*;

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(name.to_owned().into()))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn create(world: &mut World, version: i16, topic: CreatableTopic) -> CreatableTopicResult {
    let connection = world.connect(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let response = world.call(connection, version, &Request::CreateTopics(request));
    let Response::CreateTopics(response) = response else {
        panic!("an answer to create topics");
    };
    response.topics[0].clone()
}

fn metadata(world: &mut World, version: i16, name: &str) -> MetadataResponseTopic {
    let connection = world.connect(1);
    let wanted = MetadataRequestTopic::default().with_name(Some(TopicName(name.to_owned().into())));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![wanted]))
        .with_allow_auto_topic_creation(true);
    let response = world.call(connection, version, &Request::Metadata(request));
    let Response::Metadata(response) = response else {
        panic!("an answer to metadata");
    };
    response.topics[0].clone()
}

#[test]
fn topics_are_created_in_every_version_and_seen() {
    let mut world = World::new(BrokerConfig::with_nodes(3));
    for version in offered(&world.broker, ApiKey::CreateTopics) {
        let name = format!("t{version}");
        let config = CreatableTopicConfig::default()
            .with_name("cleanup.policy".into())
            .with_value(Some("compact".into()));
        let wanted = topic(&name, 4, 2).with_configs(vec![config]);
        let created = create(&mut world, version, wanted);
        assert_eq!((created.error_code, created.error_message), (0, None));
        let policy =
            world.broker.topic_configs(&name).expect("the topic")["cleanup.policy"].clone();
        assert_eq!(policy, "compact");
    }
    for version in offered(&world.broker, ApiKey::Metadata) {
        let seen = metadata(&mut world, version, "t7");
        assert_eq!(
            (seen.error_code, seen.partitions.len()),
            (0, 4),
            "v{version}"
        );
        let leaders: BTreeSet<i32> = seen.partitions.iter().map(|p| p.leader_id.0).collect();
        assert_eq!(leaders.len(), 3, "leaders are spread");
        assert!(seen.partitions.iter().all(|p| p.replica_nodes.len() == 2));
    }
}

#[test]
fn defaults_stand_for_minus_one() {
    let mut world = World::new(BrokerConfig {
        default_partitions: 6,
        ..BrokerConfig::default()
    });
    let created = create(&mut world, 7, topic("t", -1, -1));
    assert_eq!((created.num_partitions, created.replication_factor), (6, 1));
}

#[test]
fn bad_topics_are_refused() {
    let mut world = World::with_topic(1);
    for (wanted, code) in [
        (topic("t", 1, 1), codes::TOPIC_ALREADY_EXISTS),
        (topic("", 1, 1), codes::INVALID_TOPIC_EXCEPTION),
        (topic("..", 1, 1), codes::INVALID_TOPIC_EXCEPTION),
        (topic("a b", 1, 1), codes::INVALID_TOPIC_EXCEPTION),
        (
            topic(&"x".repeat(250), 1, 1),
            codes::INVALID_TOPIC_EXCEPTION,
        ),
        (topic("u", 0, 1), codes::INVALID_PARTITIONS),
        (topic("u", i32::MAX, 1), codes::INVALID_PARTITIONS),
        (topic("u", 1, 2), codes::INVALID_REPLICATION_FACTOR),
        (topic("u", 1, 0), codes::INVALID_REPLICATION_FACTOR),
    ] {
        assert_eq!(create(&mut world, 7, wanted).error_code, code);
    }
    assert_eq!(world.broker.topics().len(), 1);
}

#[test]
fn validation_creates_nothing() {
    let mut world = World::new(BrokerConfig::default());
    let connection = world.connect(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic("t", 1, 1)])
        .with_validate_only(true);
    world.call(connection, 7, &Request::CreateTopics(request));
    assert!(world.broker.topics().is_empty());
}

#[test]
fn deleted_topics_are_gone_with_their_id() {
    let mut world = World::new(BrokerConfig::default());
    for version in offered(&world.broker, ApiKey::DeleteTopics) {
        assert!(world.broker.create_topic("t", 1));
        let id = world.topic_id("t");
        let connection = world.connect(1);
        let name = TopicName("t".into());
        let request = if version >= 6 {
            let by_id = DeleteTopicState::default().with_topic_id(id);
            DeleteTopicsRequest::default().with_topics(vec![by_id.with_name(None)])
        } else {
            DeleteTopicsRequest::default().with_topic_names(vec![name])
        };
        let request = Request::DeleteTopics(request);
        for expected in [codes::NONE, codes::UNKNOWN_TOPIC_OR_PARTITION] {
            let Response::DeleteTopics(response) = world.call(connection, version, &request) else {
                panic!("an answer to delete topics");
            };
            let code = response.responses[0].error_code;
            let unknown_id = version >= 6 && expected != codes::NONE;
            assert_eq!(
                code,
                if unknown_id {
                    codes::UNKNOWN_TOPIC_ID
                } else {
                    expected
                }
            );
        }
        assert!(world.broker.topics().is_empty());
    }
}

#[test]
fn metadata_creates_topics_only_if_told_to() {
    let mut world = World::new(BrokerConfig::default());
    assert_eq!(
        metadata(&mut world, 12, "t").error_code,
        codes::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(
        metadata(&mut world, 12, "a b").error_code,
        codes::INVALID_TOPIC_EXCEPTION
    );
    let mut world = World::new(BrokerConfig {
        auto_create_topics: true,
        ..BrokerConfig::default()
    });
    assert_eq!(metadata(&mut world, 12, "t").partitions.len(), 1);
}

#[test]
fn metadata_finds_topics_by_id() {
    let mut world = World::with_topic(2);
    let connection = world.connect(1);
    for (id, code) in [
        (world.topic_id("t"), 0),
        (Uuid::from_u128(9), codes::UNKNOWN_TOPIC_ID),
    ] {
        let wanted = MetadataRequestTopic::default()
            .with_topic_id(id)
            .with_name(None);
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let Response::Metadata(response) = world.call(connection, 12, &Request::Metadata(request))
        else {
            panic!("an answer to metadata");
        };
        assert_eq!(response.topics[0].error_code, code);
    }
}

#[test]
fn all_topics_are_listed_with_null_and_in_version_0_with_nothing() {
    let mut world = World::with_topic(1);
    let connection = world.connect(1);
    for (version, topics) in [(0, Some(Vec::new())), (1, None), (13, None)] {
        let request = MetadataRequest::default().with_topics(topics);
        let Response::Metadata(response) =
            world.call(connection, version, &Request::Metadata(request))
        else {
            panic!("an answer to metadata");
        };
        assert_eq!((response.topics.len(), response.brokers.len()), (1, 1));
    }
}

#[test]
fn the_cluster_is_described() {
    let mut world = World::new(BrokerConfig::with_nodes(3));
    let connection = world.connect(1);
    for version in offered(&world.broker, ApiKey::DescribeCluster) {
        let request = DescribeClusterRequest::default().with_endpoint_type(1);
        let request = Request::DescribeCluster(request);
        let Response::DescribeCluster(response) = world.call(connection, version, &request) else {
            panic!("an answer to describe cluster");
        };
        assert_eq!((response.brokers.len(), response.controller_id.0), (3, 1));
    }
}

fn config(world: &mut World, kind: i8, name: &str, key: &str) -> Option<String> {
    let connection = world.connect(1);
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.to_owned().into())
        .with_configuration_keys(Some(vec![key.to_owned().into()]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response = world.call(connection, 4, &Request::DescribeConfigs(request));
    let Response::DescribeConfigs(response) = response else {
        panic!("an answer to describe configs");
    };
    let configs = &response.results[0].configs;
    Some(configs.first()?.value.as_ref()?.to_string())
}

fn alter(world: &mut World, kind: i8, name: &str, key: &str, value: Option<&str>) -> i16 {
    let connection = world.connect(1);
    let config = AlterableConfig::default()
        .with_name(key.to_owned().into())
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(|value| value.to_owned().into()));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.to_owned().into())
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let request = Request::IncrementalAlterConfigs(request);
    let Response::IncrementalAlterConfigs(response) = world.call(connection, 1, &request) else {
        panic!("an answer to alter configs");
    };
    response.responses[0].error_code
}

#[test]
fn settings_of_topics_and_groups_are_shown_and_changed() {
    let mut world = World::with_topic(1);
    assert_eq!(
        config(&mut world, 2, "t", "retention.ms").as_deref(),
        Some("604800000")
    );
    assert_eq!(
        alter(&mut world, 2, "t", "retention.ms", Some("5")),
        codes::NONE
    );
    assert_eq!(
        config(&mut world, 2, "t", "retention.ms").as_deref(),
        Some("5")
    );
    assert_eq!(alter(&mut world, 2, "t", "retention.ms", None), codes::NONE);
    assert_eq!(
        config(&mut world, 2, "t", "retention.ms").as_deref(),
        Some("604800000")
    );
    let unknown = codes::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(alter(&mut world, 2, "u", "retention.ms", None), unknown);

    let key = "streams.num.standby.replicas";
    assert_eq!(alter(&mut world, 32, "g", key, Some("2")), codes::NONE);
    assert_eq!(config(&mut world, 32, "g", key).as_deref(), Some("2"));
    assert_eq!(config(&mut world, 32, "other", key).as_deref(), Some("0"));
    assert_eq!(
        alter(&mut world, 32, "g", key, Some("many")),
        codes::INVALID_REQUEST
    );
    assert_eq!(
        alter(&mut world, 32, "g", "streams.magic", Some("1")),
        codes::INVALID_REQUEST
    );
}
