//! How the topics between two tables are named and partitioned.

use std::sync::Arc;

use super::subscription::{Subscription, SubscriptionResponse};
use crate::processor::{Partitions, StreamPartitioner};
use crate::types::TopicName;

/// How tables are joined on a foreign key (Java: `TableJoined`). Changes move to the other table's
/// partitions and back, which has to be where its topic's own partitioner put the rows.
pub struct TableJoined<K, KO> {
    pub(super) name: Option<String>,
    partitioner: Option<Arc<dyn StreamPartitioner<K, ()>>>,
    other_partitioner: Option<Arc<dyn StreamPartitioner<KO, ()>>>,
}

impl<K, KO> Default for TableJoined<K, KO> {
    /// With generated names, and both tables partitioned by the hashes of their keys.
    fn default() -> Self {
        Self {
            name: None,
            partitioner: None,
            other_partitioner: None,
        }
    }
}

impl<K, KO> TableJoined<K, KO> {
    /// With names that begin with this one for the nodes, the store and the topics (Java:
    /// `TableJoined.as`).
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The rows of this table are where `partitioner` puts them; it sees no value. Without it an
    /// answer goes back to the partition that asked.
    #[must_use]
    pub fn with_partitioner(
        mut self,
        partitioner: impl StreamPartitioner<K, ()> + 'static,
    ) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// The rows of the other table are where `partitioner` puts them; it sees no value.
    #[must_use]
    pub fn with_other_partitioner(
        mut self,
        partitioner: impl StreamPartitioner<KO, ()> + 'static,
    ) -> Self {
        self.other_partitioner = Some(Arc::new(partitioner));
        self
    }
}

impl<K: 'static, KO: 'static> TableJoined<K, KO> {
    /// Where subscriptions go. One without a foreign key may go anywhere.
    pub(super) fn subscription_partitioner(
        &self,
    ) -> Option<Arc<dyn StreamPartitioner<Option<KO>, Subscription<K>>>> {
        let partitioner = self.other_partitioner.clone()?;
        Some(Arc::new(
            move |topic: &TopicName, key: &Option<KO>, _: &Subscription<K>, count| match key {
                Some(key) => partitioner.partitions(topic, key, &(), count),
                None => Partitions::Default,
            },
        ))
    }

    /// Where answers go.
    pub(super) fn response_partitioner<VO: 'static>(
        &self,
    ) -> Arc<dyn StreamPartitioner<K, SubscriptionResponse<VO>>> {
        match self.partitioner.clone() {
            Some(partitioner) => Arc::new(
                move |topic: &TopicName, key: &K, _: &SubscriptionResponse<VO>, count| {
                    partitioner.partitions(topic, key, &(), count)
                },
            ),
            // Where the question came from (Java: `primaryPartition`).
            None => Arc::new(
                |_: &TopicName, _: &K, response: &SubscriptionResponse<VO>, _| {
                    let asked = response.primary_partition;
                    asked.map_or(Partitions::Default, Partitions::One)
                },
            ),
        }
    }
}
