//! The text format of Prometheus.

use std::fmt::Write as _;

use super::{Metric, MetricValue};

/// The metrics in the text format of Prometheus, version 0.0.4, under the names that its JMX exporter
/// gives Java's by default: `process-total` of `stream-task-metrics` is
/// `kafka_streams_stream_task_metrics_process_total{task_id="0_1",thread_id="..."}`. A text, which the
/// exporter leaves out, is a 1 with the label `value`.
pub fn to_prometheus(metrics: &[Metric]) -> String {
    // All of a name belong together.
    let mut sorted: Vec<&Metric> = metrics.iter().collect();
    sorted.sort_by_key(|metric| (metric.group, metric.name));
    let mut text = String::new();
    let mut before = None;
    for metric in sorted {
        let name = full_name(metric);
        if before != Some((metric.group, metric.name)) {
            before = Some((metric.group, metric.name));
            let kind = match metric.value {
                MetricValue::Count(_) => "counter",
                MetricValue::Number(_) | MetricValue::Text(_) => "gauge",
            };
            // Writing to a String cannot fail.
            writeln!(text, "# HELP {name} {}", metric.description).ok();
            writeln!(text, "# TYPE {name} {kind}").ok();
        }
        let mut labels: Vec<String> = metric
            .tags
            .iter()
            .map(|(tag, value)| format!("{}=\"{}\"", plain(tag), escaped(value)))
            .collect();
        let value = match &metric.value {
            MetricValue::Count(count) => count.to_string(),
            // Prometheus writes NaN, +Inf and -Inf; infinities are none of ours.
            MetricValue::Number(number) => number.to_string(),
            MetricValue::Text(value) => {
                labels.push(format!("value=\"{}\"", escaped(value)));
                "1".to_owned()
            }
        };
        writeln!(text, "{name}{{{}}} {value}", labels.join(",")).ok();
    }
    text
}

fn full_name(metric: &Metric) -> String {
    let domain = match metric.group.starts_with("stream-") {
        true => "kafka_streams",
        // The metrics of a client that Kafka Streams has.
        false => "kafka_consumer",
    };
    format!("{domain}_{}_{}", plain(metric.group), plain(metric.name))
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}
