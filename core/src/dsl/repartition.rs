//! Topics that records move through when their keys have changed.

use std::sync::Arc;

use super::builder::write_source;
use super::graph::{RepartitionNames, StreamsGraph, Writer};
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record, StreamPartitioner};
use crate::serde::SerdeRef;
use crate::topology::Sink;

/// Writes the filter, the sink, the topic and the source behind it.
pub(super) fn write_repartition<K: Clone + 'static, V: Clone + 'static>(
    writer: &mut Writer<'_>,
    names: &RepartitionNames,
    serdes: (SerdeRef<K>, SerdeRef<V>),
) {
    write_partitioned(writer, names, serdes, None);
}

/// The same with partitions other than the key's hash chooses.
pub(super) fn write_partitioned<K: Clone + 'static, V: Clone + 'static>(
    writer: &mut Writer<'_>,
    names: &RepartitionNames,
    (keys, values): (SerdeRef<K>, SerdeRef<V>),
    partitioner: Option<Arc<dyn StreamPartitioner<K, V>>>,
) {
    let parents = writer.parents().to_vec();
    let filtered = writer.drops_null_keys().then(|| Arc::clone(&keys));
    let filter =
        writer.add_processor::<K, V, K, V, _>(&names.filter, &parents, move || FilterNullKeys {
            keys: filtered.clone(),
        });
    let topic = StreamsGraph::internal_topic(&names.topic);
    let serdes = (Arc::clone(&keys), Arc::clone(&values));
    let sink = Sink {
        partitioner,
        ..Sink::reference(topic.clone())
    };
    writer
        .topology()
        .add_sink_node(&names.sink, sink, serdes, &[filter]);
    write_source(writer, &names.source, topic, (keys, values));
}

/// Drops null keys, which have no place in a repartition topic; joins that take them turn it off
/// (Java: `KStreamFilter` in front of the sink). It does not count them, as Java does not.
struct FilterNullKeys<K> {
    keys: Option<SerdeRef<K>>,
}

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, V, K, V> for FilterNullKeys<K> {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        match &self.keys {
            Some(keys) if keys.is_null(&record.key) => Ok(()),
            _ => context.forward(record),
        }
    }
}
