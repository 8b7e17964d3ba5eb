//! What a task shows of its nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::task_context::StoreSlot;
use super::ProcessorGraph;
use crate::metrics::{Metrics, Volume, names};
use crate::state::CacheReads;
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

    /// The bytes of the record caches of its stores.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.stores().map(|(store, _)| store.cached_bytes()).sum()
    }

    /// What is measured of its nodes, their topics, and its stores.
    pub(crate) fn collect_metrics(&self, now: Instant, metrics: &mut Metrics) {
        self.collect_nodes(now, metrics);
        for slot in &self.task.stores {
            slot.collect_metrics(now, metrics);
        }
    }

    fn collect_nodes(&self, now: Instant, metrics: &mut Metrics) {
        for (at, node) in self.task.nodes.iter().enumerate() {
            let is_source = self.sources.iter().any(|source| source.node == at);
            if let Some((metric, emitted)) = node.measured.emitted {
                metrics.with_tag("processor-node-id", Arc::clone(&node.name), |metrics| {
                    metrics.count(metric, emitted);
                });
            }
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

impl StoreSlot {
    /// A flush begins: takes what part of the reads since the last one the cache answered.
    pub(super) fn measure_hits(&mut self, now: Instant) {
        let reads = self.store.as_ref().map(|store| store.take_cache_reads());
        let CacheReads { hits, misses } = reads.unwrap_or_default();
        if hits + misses > 0 {
            let ratio = hits as f64 / (hits + misses) as f64;
            self.hit_ratio.record(now, ratio);
        }
    }

    fn collect_metrics(&self, now: Instant, metrics: &mut Metrics) {
        let Some(store) = &self.store else {
            return;
        };
        if store.is_cached() {
            metrics.with_tag("record-cache-id", Arc::clone(&self.name), |metrics| {
                let ratio = &self.hit_ratio;
                metrics.number(&names::CACHE_HIT_RATIO_AVG, ratio.avg(now));
                metrics.number(&names::CACHE_HIT_RATIO_MIN, ratio.min(now));
                metrics.number(&names::CACHE_HIT_RATIO_MAX, ratio.max(now));
            });
        }
        metrics.with_tag(store.state_id_tag(), Arc::clone(&self.name), |metrics| {
            if let Some(buffered) = &self.buffered {
                let (count, size) = (&buffered.count, &buffered.size_bytes);
                let names = (
                    &names::STORE_SUPPRESSION_BUFFER_COUNT_AVG,
                    &names::STORE_SUPPRESSION_BUFFER_COUNT_MAX,
                    &names::STORE_SUPPRESSION_BUFFER_SIZE_AVG,
                    &names::STORE_SUPPRESSION_BUFFER_SIZE_MAX,
                );
                metrics.number(names.0, count.avg(now));
                metrics.number(names.1, count.max(now));
                metrics.number(names.2, size.avg(now));
                metrics.number(names.3, size.max(now));
            } else if !store.is_persistent() {
                let keys = store.approximate_num_entries();
                metrics.number(&names::STORE_NUM_KEYS, keys as f64);
            }
        });
    }
}
