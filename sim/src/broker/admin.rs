//! Topics and their settings: CreateTopics (19), DeleteTopics (20), DescribeConfigs (32),
//! IncrementalAlterConfigs (44).

use std::collections::BTreeMap;

use eddyline_core::wire::messages::create_topics_request::CreatableTopic;
use eddyline_core::wire::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use eddyline_core::wire::messages::delete_topics_response::DeletableTopicResult;
use eddyline_core::wire::messages::describe_configs_request::DescribeConfigsResource;
use eddyline_core::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use eddyline_core::wire::messages::incremental_alter_configs_request::AlterConfigsResource;
use eddyline_core::wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use eddyline_core::wire::messages::{
    self, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use eddyline_core::wire::{Response, Uuid};

use super::config::GroupConfig;
use super::groups::{TopicToCreate, is_valid_topic_name};
use super::topics::MAX_PARTITIONS;
use super::{Broker, codes};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
/// `ConfigSource`: set on the topic, set on the group, or the default.
const DYNAMIC_TOPIC_CONFIG: i8 = 1;
const DYNAMIC_GROUP_CONFIG: i8 = 8;
const DEFAULT_CONFIG: i8 = 5;
/// `ConfigType.STRING`.
const STRING: i8 = 2;
/// Operations of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// The topic settings clients ask for, with Kafka's defaults. Those about retention and compaction
/// are kept and shown but have no effect.
const TOPIC_DEFAULTS: [(&str, &str); 12] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("delete.retention.ms", "86400000"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.ms", "604800000"),
];

type Refusal = (i16, String);

impl Broker {
    pub(super) fn create_topics(&mut self, request: &CreateTopicsRequest) -> Response {
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let result = CreatableTopicResult::default().with_name(topic.name.clone());
            let repeated = request
                .topics
                .iter()
                .filter(|t| t.name == topic.name)
                .count()
                > 1;
            let created = if repeated {
                let reason = "Found multiple entries for this topic.".to_owned();
                Err((codes::INVALID_REQUEST, reason))
            } else {
                self.create_requested(topic, request.validate_only)
            };
            results.push(match created {
                Ok((id, partitions, replicas)) => result
                    .with_topic_id(id)
                    .with_error_message(None)
                    .with_num_partitions(partitions)
                    .with_replication_factor(replicas)
                    .with_configs(Some(created_configs(topic))),
                Err((code, reason)) => result
                    .with_error_code(code)
                    .with_error_message(Some(reason.into()))
                    .with_num_partitions(-1)
                    .with_replication_factor(-1),
            });
        }
        Response::CreateTopics(CreateTopicsResponse::default().with_topics(results))
    }

    fn create_requested(
        &mut self,
        topic: &CreatableTopic,
        validate_only: bool,
    ) -> Result<(Uuid, i32, i16), Refusal> {
        let name = topic.name.0.as_str();
        let (partitions, replicas) = if topic.assignments.is_empty() {
            (topic.num_partitions, topic.replication_factor)
        } else {
            // Replicas named by hand: the count is taken, the placement is not.
            let first = topic.assignments.first().map_or(0, |a| a.broker_ids.len());
            let partitions = i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
            (partitions, i16::try_from(first).unwrap_or(i16::MAX))
        };
        let (partitions, replicas) = self.check_new_topic(name, partitions, replicas)?;
        if validate_only {
            return Ok((Uuid::default(), partitions, replicas));
        }
        let configs = topic.configs.iter().filter_map(|config| {
            Some((config.name.to_string(), config.value.as_ref()?.to_string()))
        });
        let id = self.create_checked(name, partitions, replicas, configs.collect());
        Ok((id, partitions, replicas))
    }

    /// Resolves -1 to the defaults.
    fn check_new_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i16,
    ) -> Result<(i32, i16), Refusal> {
        if !is_valid_topic_name(name) {
            return Err((
                codes::INVALID_TOPIC_EXCEPTION,
                format!("Topic name is invalid: '{name}'"),
            ));
        }
        if self.topics.by_name(name).is_some() {
            let reason = format!("Topic '{name}' already exists.");
            return Err((codes::TOPIC_ALREADY_EXISTS, reason));
        }
        let partitions = match partitions {
            -1 => self.config.default_partitions,
            partitions => partitions,
        };
        if partitions <= 0 {
            let reason = "Number of partitions was set to an invalid non-positive value.";
            return Err((codes::INVALID_PARTITIONS, reason.to_owned()));
        }
        if partitions > MAX_PARTITIONS {
            let reason = format!("This broker allows {MAX_PARTITIONS} partitions per topic.");
            return Err((codes::INVALID_PARTITIONS, reason));
        }
        let alive = self.alive_nodes().count();
        let replicas = match replicas {
            -1 => i16::try_from(alive.min(3)).unwrap_or(3),
            replicas => replicas,
        };
        let enough = usize::try_from(replicas).is_ok_and(|count| (1..=alive).contains(&count));
        if !enough {
            return Err((
                codes::INVALID_REPLICATION_FACTOR,
                format!(
                    "Unable to replicate the partition {replicas} time(s): The target replication \
                     factor of {replicas} cannot be reached because only {alive} broker(s) are \
                     registered."
                ),
            ));
        }
        Ok((partitions, replicas))
    }

    fn create_checked(
        &mut self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: BTreeMap<String, String>,
    ) -> Uuid {
        let nodes: Vec<_> = self.alive_nodes().map(|node| node.id).collect();
        let partitions = usize::try_from(partitions).unwrap_or(0);
        let replicas = usize::try_from(replicas).unwrap_or(0);
        self.topics
            .create(name, partitions, replicas, configs, &nodes)
    }

    /// Makes a topic unless that is refused (then nothing happens, and false comes back).
    pub(super) fn create_topic_now(
        &mut self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: BTreeMap<String, String>,
    ) -> bool {
        match self.check_new_topic(name, partitions, replicas) {
            Ok((partitions, replicas)) => {
                self.create_checked(name, partitions, replicas, configs);
                true
            }
            Err(_) => false,
        }
    }

    /// The internal topics a streams group is missing.
    pub(super) fn create_internal_topics(&mut self, topics: Vec<TopicToCreate>) {
        for topic in topics {
            self.create_topic_now(&topic.name, topic.partitions, -1, topic.configs);
        }
    }

    pub(super) fn delete_topics(
        &mut self,
        version: i16,
        request: &DeleteTopicsRequest,
    ) -> Response {
        let mut results = Vec::new();
        if version >= 6 {
            for topic in &request.topics {
                let name = match &topic.name {
                    Some(name) => Some(name.0.to_string()),
                    None => self.topics.by_id(&topic.topic_id).map(|t| t.name.clone()),
                };
                let missing = match topic.name {
                    Some(_) => codes::UNKNOWN_TOPIC_OR_PARTITION,
                    None => codes::UNKNOWN_TOPIC_ID,
                };
                let id = name.as_ref().and_then(|name| self.delete_topic(name));
                results.push(
                    DeletableTopicResult::default()
                        .with_name(name.map(|name| messages::TopicName(name.into())))
                        .with_topic_id(id.unwrap_or(topic.topic_id))
                        .with_error_code(if id.is_some() { codes::NONE } else { missing }),
                );
            }
        } else {
            for name in &request.topic_names {
                let code = match self.delete_topic(name.0.as_str()) {
                    Some(_) => codes::NONE,
                    None => codes::UNKNOWN_TOPIC_OR_PARTITION,
                };
                let result = DeletableTopicResult::default().with_name(Some(name.clone()));
                results.push(result.with_error_code(code));
            }
        }
        Response::DeleteTopics(DeleteTopicsResponse::default().with_responses(results))
    }

    fn delete_topic(&mut self, name: &str) -> Option<Uuid> {
        let topic = self.topics.delete(name)?;
        for mut partition in topic.partitions {
            self.woken.append(&mut partition.waiters);
        }
        self.groups.forget_topic(name);
        Some(topic.id)
    }

    pub(super) fn describe_configs(&self, request: &DescribeConfigsRequest) -> Response {
        let results = request.resources.iter().map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match self.configs_of(resource) {
                Ok(configs) => result.with_error_message(None).with_configs(configs),
                Err((code, reason)) => result
                    .with_error_code(code)
                    .with_error_message(Some(reason.into())),
            }
        });
        let results = results.collect();
        Response::DescribeConfigs(DescribeConfigsResponse::default().with_results(results))
    }

    fn configs_of(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let name = resource.resource_name.as_str();
        let mut entries: BTreeMap<String, (String, i8)> = BTreeMap::new();
        match resource.resource_type {
            TOPIC => {
                let Some(topic) = self.topics.by_name(name) else {
                    let reason = format!("Topic {name} does not exist.");
                    return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, reason));
                };
                for (key, value) in TOPIC_DEFAULTS {
                    entries.insert(key.to_owned(), (value.to_owned(), DEFAULT_CONFIG));
                }
                for (key, value) in &topic.configs {
                    entries.insert(key.clone(), (value.clone(), DYNAMIC_TOPIC_CONFIG));
                }
            }
            GROUP => {
                for (key, value) in group_configs(self.groups.config(name)) {
                    entries.insert(key.to_owned(), (value.to_string(), DYNAMIC_GROUP_CONFIG));
                }
            }
            BROKER => {
                let partitions = self.config.default_partitions.to_string();
                entries.insert("num.partitions".to_owned(), (partitions, DEFAULT_CONFIG));
            }
            _ => {
                let reason = "This broker has topics, groups and brokers to describe.".to_owned();
                return Err((codes::INVALID_REQUEST, reason));
            }
        }
        if let Some(keys) = &resource.configuration_keys {
            entries.retain(|entry, _| keys.iter().any(|key| key.as_str() == entry));
        }
        let entries = entries.into_iter().map(|(key, (value, source))| {
            DescribeConfigsResourceResult::default()
                .with_name(key.into())
                .with_value(Some(value.into()))
                .with_config_source(source)
                .with_config_type(STRING)
                .with_documentation(None)
        });
        Ok(entries.collect())
    }

    pub(super) fn alter_configs(&mut self, request: &IncrementalAlterConfigsRequest) -> Response {
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let response = AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            responses.push(match self.alter_resource(resource, request.validate_only) {
                Ok(()) => response.with_error_message(None),
                Err((code, reason)) => response
                    .with_error_code(code)
                    .with_error_message(Some(reason.into())),
            });
        }
        Response::IncrementalAlterConfigs(
            IncrementalAlterConfigsResponse::default().with_responses(responses),
        )
    }

    fn alter_resource(
        &mut self,
        resource: &AlterConfigsResource,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        let name = resource.resource_name.as_str();
        let invalid = |reason: String| (codes::INVALID_REQUEST, reason);
        for config in &resource.configs {
            if !matches!(config.config_operation, SET | DELETE) {
                return Err(invalid(format!("{} is not a list.", config.name)));
            }
        }
        match resource.resource_type {
            TOPIC => {
                let Some(topic) = self.topics.by_name_mut(name) else {
                    let reason = format!("Topic {name} does not exist.");
                    return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, reason));
                };
                for config in resource.configs.iter().filter(|_| !validate_only) {
                    match (config.config_operation, &config.value) {
                        (SET, Some(value)) => {
                            let key = config.name.to_string();
                            topic.configs.insert(key, value.to_string());
                        }
                        _ => {
                            topic.configs.remove(config.name.as_str());
                        }
                    }
                }
                Ok(())
            }
            GROUP => {
                let mut configs = self.groups.config(name).clone();
                for config in &resource.configs {
                    let default = &self.config.group;
                    let value = match (config.config_operation, &config.value) {
                        (SET, Some(value)) => Some(value.as_str()),
                        _ => None,
                    };
                    set_group_config(&mut configs, default, config.name.as_str(), value)
                        .map_err(invalid)?;
                }
                if !validate_only {
                    self.groups.set_config(name, configs);
                }
                Ok(())
            }
            _ => Err(invalid(
                "This broker has topics and groups to configure.".to_owned(),
            )),
        }
    }
}

/// The `streams.*` keys of a group (KIP-1071).
fn group_configs(config: &GroupConfig) -> [(&'static str, u32); 5] {
    [
        (
            "streams.assignment.interval.ms",
            config.assignment_interval_ms,
        ),
        (
            "streams.heartbeat.interval.ms",
            config.heartbeat_interval_ms,
        ),
        (
            "streams.initial.rebalance.delay.ms",
            config.initial_rebalance_delay_ms,
        ),
        ("streams.num.standby.replicas", config.num_standby_replicas),
        ("streams.session.timeout.ms", config.session_timeout_ms),
    ]
}

/// Sets one key, or without a value sets it back.
fn set_group_config(
    config: &mut GroupConfig,
    default: &GroupConfig,
    key: &str,
    value: Option<&str>,
) -> Result<(), String> {
    let value = match value {
        None => None,
        Some(text) => match text.parse::<u32>() {
            Ok(value) => Some(value),
            Err(_) => return Err(format!("Invalid value {text} for configuration {key}")),
        },
    };
    let (field, default) = match key {
        "streams.assignment.interval.ms" => (
            &mut config.assignment_interval_ms,
            default.assignment_interval_ms,
        ),
        "streams.heartbeat.interval.ms" => (
            &mut config.heartbeat_interval_ms,
            default.heartbeat_interval_ms,
        ),
        "streams.initial.rebalance.delay.ms" => (
            &mut config.initial_rebalance_delay_ms,
            default.initial_rebalance_delay_ms,
        ),
        "streams.num.standby.replicas" => (
            &mut config.num_standby_replicas,
            default.num_standby_replicas,
        ),
        "streams.session.timeout.ms" => {
            (&mut config.session_timeout_ms, default.session_timeout_ms)
        }
        _ => return Err(format!("Unknown group config name: {key}")),
    };
    *field = value.unwrap_or(default);
    Ok(())
}

fn created_configs(topic: &CreatableTopic) -> Vec<CreatableTopicConfigs> {
    let configs = topic.configs.iter().map(|config| {
        CreatableTopicConfigs::default()
            .with_name(config.name.clone())
            .with_value(config.value.clone())
            .with_config_source(DYNAMIC_TOPIC_CONFIG)
    });
    configs.collect()
}
