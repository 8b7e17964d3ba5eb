//! What a task shows of its nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ProcessorGraph;
use crate::metrics::{Metrics, Volume, names};
use crate::time::Instant;
use crate::types::TopicName;

impl ProcessorGraph {
    /// Records that its sources have forwarded.
    pub(crate) fn processed(&self) -> u64 {
        let nodes = self.task.nodes.iter();
        nodes.map(|node| node.measured.processed).sum()
    }

    /// How often its punctuators were called.
    pub(crate) const fn punctuations(&self) -> u64 {
        self.task.punctuations
    }

    /// What is measured of sources and sinks, and of their topics.
    pub(crate) fn collect_metrics(&self, now: Instant, metrics: &mut Metrics) {
        for (at, node) in self.task.nodes.iter().enumerate() {
            let is_source = self.sources.iter().any(|source| source.node == at);
            if !is_source && !node.measured.is_sink {
                continue;
            }
            metrics.with_tag("processor-node-id", Arc::clone(&node.name), |metrics| {
                let measured = &node.measured;
                if is_source {
                    metrics.count(&names::NODE_PROCESS_TOTAL, measured.processed);
                }
                let latency = &measured.latency;
                metrics.number(&names::NODE_RECORD_E2E_LATENCY_AVG, latency.avg(now));
                metrics.number(&names::NODE_RECORD_E2E_LATENCY_MIN, latency.min(now));
                metrics.number(&names::NODE_RECORD_E2E_LATENCY_MAX, latency.max(now));
                for (topic, consumed) in self.consumed_by(at) {
                    metrics.with_tag("topic", topic.as_str(), |metrics| {
                        let Volume { records, bytes } = consumed;
                        metrics.count(&names::TOPIC_RECORDS_CONSUMED_TOTAL, records);
                        metrics.count(&names::TOPIC_BYTES_CONSUMED_TOTAL, bytes);
                    });
                }
                for (topic, produced) in &measured.produced {
                    metrics.with_tag("topic", topic.as_str(), |metrics| {
                        metrics.count(&names::TOPIC_RECORDS_PRODUCED_TOTAL, produced.records);
                        metrics.count(&names::TOPIC_BYTES_PRODUCED_TOTAL, produced.bytes);
                    });
                }
            });
        }
    }

    /// What a source has taken of each of its topics.
    fn consumed_by(&self, node: usize) -> BTreeMap<&TopicName, Volume> {
        let mut consumed: BTreeMap<&TopicName, Volume> = BTreeMap::new();
        for input in self.inputs.iter().filter(|input| input.node == node) {
            let volume = consumed.entry(&input.partition.topic).or_default();
            volume.records += input.consumed.records;
            volume.bytes += input.consumed.bytes;
        }
        consumed
    }
}
