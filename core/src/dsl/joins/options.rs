//! What joins can be told: names, serdes, stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::StoreType;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::WindowBytesStoreSupplier;

/// How two streams are joined (Java: `StreamJoined`).
pub struct StreamJoined<K, V1, V2> {
    pub(in crate::dsl) keys: SerdeRef<K>,
    pub(in crate::dsl) values: SerdeRef<V1>,
    pub(in crate::dsl) other_values: SerdeRef<V2>,
    pub(in crate::dsl) name: Option<String>,
    pub(in crate::dsl) store_name: Option<String>,
    pub(in crate::dsl) store_type: Option<StoreType>,
    pub(in crate::dsl) this_store: Option<Arc<dyn WindowBytesStoreSupplier>>,
    pub(in crate::dsl) other_store: Option<Arc<dyn WindowBytesStoreSupplier>>,
    pub(in crate::dsl) logging: Option<BTreeMap<String, String>>,
}

impl<K, V1, V2> StreamJoined<K, V1, V2> {
    /// With these serdes for the keys, the values of this stream and those of the other one.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V1>, other_values: SerdeRef<V2>) -> Self {
        Self {
            keys,
            values,
            other_values,
            name: None,
            store_name: None,
            store_type: None,
            this_store: None,
            other_store: None,
            logging: Some(BTreeMap::new()),
        }
    }

    /// Names the nodes, and the repartition topics if there are any.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Names the stores and their changelogs.
    #[must_use]
    pub fn with_store_name(mut self, name: impl Into<String>) -> Self {
        self.store_name = Some(name.into());
        self
    }

    /// In stores of this type, whatever `dsl.store.suppliers.class` says.
    #[must_use]
    pub fn with_store_type(mut self, store_type: StoreType) -> Self {
        self.store_type = Some(store_type);
        self
    }

    /// Keeps the records of this stream in rows of `supplier`, which must retain duplicates and
    /// have the size and retention of the join's windows.
    #[must_use]
    pub fn with_this_store_supplier(mut self, supplier: Arc<dyn WindowBytesStoreSupplier>) -> Self {
        self.this_store = Some(supplier);
        self
    }

    /// Keeps the records of the other stream in rows of `supplier`, which must retain duplicates
    /// and have the size and retention of the join's windows.
    #[must_use]
    pub fn with_other_store_supplier(
        mut self,
        supplier: Arc<dyn WindowBytesStoreSupplier>,
    ) -> Self {
        self.other_store = Some(supplier);
        self
    }

    /// With these settings of the changelog topics.
    #[must_use]
    pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
        self.logging = Some(config);
        self
    }

    /// Without changelogs: what the stores hold is lost with their task.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.logging = None;
        self
    }
}

impl<K: DefaultSerde, V1: DefaultSerde, V2: DefaultSerde> Default for StreamJoined<K, V1, V2> {
    /// With the types' own serdes.
    fn default() -> Self {
        Self::with(K::default_serde(), V1::default_serde(), V2::default_serde())
    }
}

impl<K: DefaultSerde, V1: DefaultSerde, V2: DefaultSerde> StreamJoined<K, V1, V2> {
    /// With the types' own serdes, and this name for nodes and repartition topics.
    pub fn named(name: impl Into<String>) -> Self {
        Self::default().with_name(name)
    }

    /// With the types' own serdes, and this name for the stores (Java: `StreamJoined.as`).
    pub fn as_store(name: impl Into<String>) -> Self {
        Self::default().with_store_name(name)
    }
}
/// How a stream is joined with a table (Java: `Joined`).
pub struct Joined<K, V> {
    pub(in crate::dsl) keys: SerdeRef<K>,
    pub(in crate::dsl) values: SerdeRef<V>,
    pub(in crate::dsl) name: Option<String>,
    pub(in crate::dsl) grace_period: Option<Duration>,
}

impl<K, V> Joined<K, V> {
    /// With these serdes for the keys and values of the stream.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            keys,
            values,
            name: None,
            grace_period: None,
        }
    }

    /// Names the node, and the repartition topic if there is one.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Holds records back until stream time is this far behind them, and joins each with the row
    /// of its own time: late changes of the table are still seen. The table must be versioned, with
    /// a history retention as long (KIP-923).
    #[must_use]
    pub fn with_grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = Some(grace_period);
        self
    }
}

impl<K: DefaultSerde, V: DefaultSerde> Default for Joined<K, V> {
    /// With the types' own serdes.
    fn default() -> Self {
        Self::with(K::default_serde(), V::default_serde())
    }
}

impl<K: DefaultSerde, V: DefaultSerde> Joined<K, V> {
    /// With the types' own serdes, and this name for the node and the repartition topic.
    pub fn named(name: impl Into<String>) -> Self {
        Self::default().with_name(name)
    }
}
