//! What a topology looks like from outside: describe text, sub-topologies, heartbeat message.

use eddyline_core::topology::{InternalTopic, Subtopology, topology_message};
use eddyline_core::wire::streams_group::{CopartitionGroup, TopicInfo};
use serde_json::{Map, Value, json};

use super::build::Built;

/// Compares all three.
pub(super) fn compare(built: &Built, scenario: &Value) -> Result<(), String> {
    let expected = &scenario["expect"];
    let parts = [
        (
            "describe",
            sort_sets(&built.topology.describe().to_string()),
        ),
        ("subtopologies", subtopologies(built)),
        ("heartbeat_topology", heartbeat(built)),
    ];
    for (part, actual) in parts {
        if let Some(expected) = expected.get(part)
            // A Java client does not start with this topology: there is nothing to agree with.
            && expected.get("error").is_none()
            && *expected != actual
        {
            return Err(super::compare::difference(part, expected, &actual));
        }
    }
    Ok(())
}

/// The names inside each `[...]` come from hash sets: scenarios have them sorted.
fn sort_sets(text: &str) -> Value {
    let mut sorted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        let Some((inside, behind)) = behind.split_once(']') else {
            break;
        };
        let mut names: Vec<&str> = inside.split(", ").collect();
        names.sort_unstable();
        sorted.push_str(before);
        sorted.push('[');
        sorted.push_str(&names.join(", "));
        sorted.push(']');
        rest = behind;
    }
    sorted.push_str(rest);
    json!(sorted)
}

fn subtopologies(built: &Built) -> Value {
    let topics = |topics: &[InternalTopic]| -> Map<String, Value> {
        let topic = |topic: &InternalTopic| {
            let mut fields: Map<String, Value> = Map::new();
            if let Some(partitions) = topic.partitions {
                fields.insert("partitions".into(), json!(partitions));
            }
            let configs = topic.configs.iter();
            fields.extend(configs.map(|(key, value)| (key.clone(), json!(value))));
            (topic.name.to_string(), Value::Object(fields))
        };
        topics.iter().map(topic).collect()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let subtopology = |sub: &Subtopology| {
        let sources = sub.inputs().map(ToString::to_string).collect();
        let sinks = sub.sink_topics.iter().chain(&sub.repartition_sink_topics);
        json!({
            "id": sub.id,
            "sources": sorted(sources),
            "sinks": sorted(sinks.map(ToString::to_string).collect()),
            "repartition": topics(&sub.repartition_source_topics),
            "changelog": topics(&sub.changelog_topics),
        })
    };
    let all = built.topology.subtopologies(&built.config);
    all.iter().map(subtopology).collect()
}

fn heartbeat(built: &Built) -> Value {
    let message = topology_message(&built.topology.subtopologies(&built.config));
    let infos = |topics: &[TopicInfo]| -> Value {
        let info = |topic: &TopicInfo| {
            let configs = topic.topic_configs.iter();
            let configs: Vec<_> = configs.map(|c| json!([c.key, c.value])).collect();
            json!({
                "name": topic.name,
                "partitions": topic.partitions,
                "replication_factor": topic.replication_factor,
                "configs": configs,
            })
        };
        topics.iter().map(info).collect()
    };
    let group = |group: &CopartitionGroup| {
        json!({
            "source_topics": group.source_topics,
            "source_topic_regex": group.source_topic_regex,
            "repartition_source_topics": group.repartition_source_topics,
        })
    };
    let subtopologies = message.subtopologies.iter().map(|sub| {
        json!({
            "id": sub.subtopology_id,
            "source_topics": sub.source_topics,
            "source_topic_regex": sub.source_topic_regex,
            "state_changelog_topics": infos(&sub.state_changelog_topics),
            "repartition_sink_topics": sub.repartition_sink_topics,
            "repartition_source_topics": infos(&sub.repartition_source_topics),
            "copartition_groups": sub.copartition_groups.iter().map(group).collect::<Vec<_>>(),
        })
    });
    json!({ "epoch": message.epoch, "subtopologies": subtopologies.collect::<Vec<_>>() })
}
