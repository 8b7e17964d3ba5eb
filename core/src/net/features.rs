//! What a broker can do, as its ApiVersions answer tells.

use std::collections::BTreeMap;

use crate::wire::messages::ApiVersionsResponse;
use crate::wire::{self, ApiKey};

/// The APIs and features of one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerFeatures {
    apis: BTreeMap<i16, (i16, i16)>,
    /// `None` where the broker did not say, which is not the same as an empty list.
    finalized: Option<BTreeMap<String, i16>>,
}

impl BrokerFeatures {
    /// Reads an ApiVersions answer.
    pub(crate) fn read(response: &ApiVersionsResponse) -> Self {
        let apis = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        let finalized = (response.finalized_features_epoch >= 0).then(|| {
            response
                .finalized_features
                .iter()
                .map(|feature| (feature.name.to_string(), feature.max_version_level))
                .collect()
        });
        Self { apis, finalized }
    }

    /// The highest version of an API that the broker and this library both know.
    pub fn version(&self, api: ApiKey) -> Option<i16> {
        wire::negotiate(api, *self.apis.get(&api.code())?)
    }

    /// Whether the broker and this library both know this version of an API.
    pub fn knows(&self, api: ApiKey, version: i16) -> bool {
        let within = |(min, max): (i16, i16)| (min..=max).contains(&version);
        let offered = self.apis.get(&api.code()).copied();
        within(wire::supported_versions(api)) && offered.is_some_and(within)
    }

    /// The finalized level of a feature: 0 where the cluster has it off, `None` where the broker
    /// did not tell its features.
    pub fn level(&self, feature: &str) -> Option<i16> {
        let finalized = self.finalized.as_ref()?;
        Some(finalized.get(feature).copied().unwrap_or(0))
    }

    /// The version of transactions (KIP-890): the newest where the cluster does not tell.
    pub fn transaction_version(&self) -> i16 {
        self.level("transaction.version").unwrap_or(2)
    }

    /// Why streams groups (KIP-1071) cannot be used with this broker; `None` where they can.
    pub fn streams_groups_missing(&self) -> Option<&'static str> {
        if self.version(ApiKey::StreamsGroupHeartbeat).is_none() {
            Some(
                "the broker does not offer streams groups: \
                 use Apache Kafka 4.2 or later",
            )
        } else if self.level("streams.version") == Some(0) {
            Some(
                "streams groups are switched off in this cluster: \
                 raise the feature streams.version to 1 with kafka-features.sh",
            )
        } else {
            None
        }
    }
}
