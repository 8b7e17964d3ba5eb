use std::collections::BTreeSet;

use super::*;

#[test]
fn names_and_descriptions_are_of_one_kind() {
    let all: BTreeSet<_> = names::ALL.iter().map(|d| (d.group, d.name)).collect();
    assert_eq!(all.len(), names::ALL.len(), "two of the same name");
    for definition in names::ALL {
        let Definition {
            name, description, ..
        } = definition;
        assert!(description.starts_with("The "), "{name}: {description}");
        assert!(!description.contains("  "), "{name}: {description}");
    }
}

#[test]
fn clients_and_threads_show_their_states() {
    let client = ClientMetrics {
        client_id: "c",
        process_id: "p",
        application_id: "a",
        version: "1",
        topology_description: "Topologies:\n  \"x\"".to_owned(),
        state: ("NOT_RUNNING", 4),
        alive_stream_threads: 2,
        failed_stream_threads: 1,
    };
    let state = ThreadStateMetrics {
        thread_id: "t",
        process_id: "p",
        state: crate::thread::ThreadState::PartitionsRevoked,
    };
    let mut all = client.metrics(RecordingLevel::Debug);
    all.extend(state.metrics(RecordingLevel::Debug));
    let shown: Vec<String> = all
        .iter()
        .filter(|metric| metric.name != "topology-description")
        .map(|metric| {
            let tags: Vec<_> = metric
                .tags
                .iter()
                .map(|(t, v)| format!("{t}={v}"))
                .collect();
            format!("{} {} {}", metric.name, tags.join(","), metric.value)
        })
        .collect();
    // Names and tags of Java's `ClientMetrics` and `ThreadMetrics`.
    let expected = [
        "version client-id=c 1",
        "application-id client-id=c a",
        "state client-id=c NOT_RUNNING",
        "alive-stream-threads client-id=c 2",
        "failed-stream-threads client-id=c 1",
        "recording-level client-id=c,process-id=p 1",
        "client-state application-id=a,client-id=c,process-id=p 4",
        "state thread-id=t PARTITIONS_REVOKED",
        "thread-state process-id=p,thread-id=t 2",
    ];
    assert_eq!(shown, expected);
    let text = to_prometheus(&all);
    let line = "kafka_streams_stream_metrics_topology_description\
                {client_id=\"c\",value=\"Topologies:\\n  \\\"x\\\"\"} 1\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn levels_have_the_names_of_java() {
    for (text, level) in [
        ("INFO", RecordingLevel::Info),
        ("debug", RecordingLevel::Debug),
        (" Trace ", RecordingLevel::Trace),
    ] {
        assert_eq!(RecordingLevel::parse(text), Some(level));
    }
    assert_eq!(RecordingLevel::parse("WARN"), None);
}
