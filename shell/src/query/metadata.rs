//! Which instance has what (KIP-67, KIP-535), from what the group tells its members.

use std::collections::BTreeSet;

use eddyline_core::query::{HostInfo, KeyQueryMetadata, QueryFailure, StreamsMetadata};
use eddyline_core::serde::{DefaultSerde, SerdeRef};
use eddyline_core::thread::{GroupReport, MemberEndpoint};
use eddyline_core::topology::Subtopology;
use eddyline_core::types::{TopicName, TopicPartition};
use eddyline_core::wire::partition_for_key;

use crate::streams::RunningStreams;

impl RunningStreams {
    /// What every instance of the application has that set `application.server`, as the group told
    /// last (Java: `metadataForAllStreamsClients`). It may be behind by a heartbeat.
    pub fn metadata_for_all_streams_clients(&self) -> Vec<StreamsMetadata> {
        let subtopologies = self.shared.subtopologies();
        let endpoints = newest(self.reports()).map(|report| report.endpoints);
        let endpoints = endpoints.unwrap_or_default();
        let metadata = endpoints.into_iter().map(|endpoint| {
            let stores = |partitions: &BTreeSet<TopicPartition>| {
                let read = |subtopology: &&Subtopology| {
                    let mut inputs = subtopology.inputs();
                    inputs.any(|topic| partitions.iter().any(|input| input.topic == *topic))
                };
                let subtopologies = subtopologies.iter().filter(read);
                subtopologies.flat_map(|sub| sub.stores.clone()).collect()
            };
            let topic_partitions: BTreeSet<_> = endpoint.active.into_iter().collect();
            let standby_topic_partitions: BTreeSet<_> = endpoint.standby.into_iter().collect();
            StreamsMetadata {
                host: endpoint.host,
                state_store_names: stores(&topic_partitions),
                standby_state_store_names: stores(&standby_topic_partitions),
                topic_partitions,
                standby_topic_partitions,
            }
        });
        metadata.collect()
    }

    /// The instances that have a part of the store, active or standby (Java:
    /// `streamsMetadataForStore`).
    ///
    /// # Errors
    /// When the topology has no such store.
    pub fn streams_metadata_for_store(
        &self,
        store: &str,
    ) -> Result<Vec<StreamsMetadata>, QueryFailure> {
        self.store_inputs(store)?;
        let mut all = self.metadata_for_all_streams_clients();
        all.retain(|metadata| {
            metadata.state_store_names.contains(store)
                || metadata.standby_state_store_names.contains(store)
        });
        Ok(all)
    }

    /// Who has the row of `key`, with the type's own serde (Java: `queryMetadataForKey`).
    ///
    /// # Errors
    /// As for [`query_metadata_for_key_with`](Self::query_metadata_for_key_with).
    pub fn query_metadata_for_key<K: DefaultSerde>(
        &self,
        store: &str,
        key: &K,
    ) -> Result<KeyQueryMetadata, QueryFailure> {
        self.query_metadata_for_key_with(store, key, &K::default_serde())
    }

    /// Who has the row of `key`. The partition is that of Kafka's default partitioner.
    ///
    /// # Errors
    /// When the topology has no such store, the key has no bytes, or nothing is known of the
    /// store's input yet.
    pub fn query_metadata_for_key_with<K>(
        &self,
        store: &str,
        key: &K,
        serde: &SerdeRef<K>,
    ) -> Result<KeyQueryMetadata, QueryFailure> {
        let inputs = self.store_inputs(store)?;
        let mut bytes = Vec::new();
        let written = serde.serialize(store, key, &mut bytes);
        written.map_err(|error| QueryFailure::serde(store, &error))?;
        let report = newest(self.reports()).ok_or(QueryFailure::NotRunning)?;
        let counts = report.partition_counts.iter();
        let counts = counts.filter(|(topic, _)| inputs.contains(topic));
        let Some(count) = counts.map(|(_, count)| *count).max() else {
            return Err(QueryFailure::NotRunning);
        };
        let partition = partition_for_key(&bytes, count);
        let has = |partitions: &[TopicPartition]| {
            let mut partitions = partitions.iter();
            partitions.any(|input| input.partition == partition && inputs.contains(&input.topic))
        };
        let hosts = |has: &dyn Fn(&MemberEndpoint) -> bool| -> BTreeSet<HostInfo> {
            let endpoints = report.endpoints.iter().filter(|endpoint| has(endpoint));
            endpoints.map(|endpoint| endpoint.host.clone()).collect()
        };
        Ok(KeyQueryMetadata {
            active_host: hosts(&|endpoint| has(&endpoint.active)).into_iter().next(),
            standby_hosts: hosts(&|endpoint| has(&endpoint.standby)),
            partition,
        })
    }

    /// The topics that the tasks of a store read.
    fn store_inputs(&self, store: &str) -> Result<Vec<TopicName>, QueryFailure> {
        let subtopologies = self.shared.subtopologies();
        let mut found = subtopologies
            .iter()
            .filter(|sub| sub.stores.iter().any(|name| name == store));
        match found.next() {
            Some(subtopology) => Ok(subtopology.inputs().cloned().collect()),
            None => Err(QueryFailure::DoesNotExist {
                store: store.to_owned(),
            }),
        }
    }
}

/// The report of the thread whose epoch is highest: what it knows is newest.
fn newest(reports: Vec<GroupReport>) -> Option<GroupReport> {
    reports.into_iter().max_by_key(|report| report.member_epoch)
}
