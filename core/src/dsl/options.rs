//! What operators can be told: names, serdes, stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::StoreType;
use crate::processor::{ConsumerRecord, ProcessorError, StreamPartitioner, TimestampExtractor};
use crate::serde::serdes::OptionSerde;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{
    KeyValueBytesStoreSupplier, SessionBytesStoreSupplier, VersionedBytesStoreSupplier,
    WindowBytesStoreSupplier,
};
use crate::time::StreamTime;
use crate::topology::{Sink, SinkTarget, Source, Topics};
use crate::types::AutoOffsetReset;

/// How a source reads its topic (Java: `Consumed`).
pub struct Consumed<K, V> {
    pub(super) name: Option<String>,
    pub(super) keys: SerdeRef<K>,
    pub(super) values: SerdeRef<V>,
    pub(super) extractor: Option<Arc<dyn TimestampExtractor<K, V>>>,
    pub(super) offset_reset: Option<AutoOffsetReset>,
}

impl<K, V> Consumed<K, V> {
    /// With these serdes.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            name: None,
            keys,
            values,
            extractor: None,
            offset_reset: None,
        }
    }

    /// Names the source node.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With times other than `default.timestamp.extractor` gives.
    #[must_use]
    pub fn with_timestamp_extractor(
        mut self,
        extractor: impl TimestampExtractor<K, V> + 'static,
    ) -> Self {
        self.extractor = Some(Arc::new(extractor));
        self
    }

    /// Where to begin without a committed offset, instead of `auto.offset.reset`.
    #[must_use]
    pub const fn with_offset_reset_policy(mut self, policy: AutoOffsetReset) -> Self {
        self.offset_reset = Some(policy);
        self
    }

    /// What a source node is told.
    pub(super) fn into_source(self, topics: Topics) -> (Source<K, V>, Serdes<K, V>) {
        let source = Source {
            extractor: self.extractor,
            offset_reset: self.offset_reset,
            ..Source::new(topics)
        };
        (source, (self.keys, self.values))
    }
}

impl<K: 'static, V: 'static> Consumed<K, V> {
    /// The same of a topic whose nulls delete rows.
    pub(super) fn nullable(self) -> Consumed<K, Option<V>> {
        let extractor = self
            .extractor
            .map(|extractor| -> Arc<dyn TimestampExtractor<_, _>> {
                Arc::new(OfNullable(extractor))
            });
        Consumed {
            name: self.name,
            keys: self.keys,
            values: Arc::new(OptionSerde::new(self.values)),
            extractor,
            offset_reset: self.offset_reset,
        }
    }
}

type Serdes<K, V> = (SerdeRef<K>, SerdeRef<V>);

/// An extractor of tables: it sees a deletion as a record without a value.
struct OfNullable<K, V>(Arc<dyn TimestampExtractor<K, V>>);

impl<K, V> TimestampExtractor<K, Option<V>> for OfNullable<K, V> {
    fn extract(
        &self,
        record: &ConsumerRecord<'_, K, Option<V>>,
        partition_time: StreamTime,
    ) -> Result<i64, ProcessorError> {
        let record = ConsumerRecord {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            headers: record.headers,
            key: record.key,
            value: record.value.and_then(Option::as_ref),
            wall_clock: record.wall_clock,
        };
        self.0.extract(&record, partition_time)
    }
}

/// How a sink writes its topic (Java: `Produced`).
pub struct Produced<K, V> {
    pub(super) name: Option<String>,
    pub(super) keys: SerdeRef<K>,
    pub(super) values: SerdeRef<V>,
    pub(super) partitioner: Option<Arc<dyn StreamPartitioner<K, V>>>,
}

impl<K, V> Produced<K, V> {
    /// With these serdes.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            name: None,
            keys,
            values,
            partitioner: None,
        }
    }

    /// With partitions other than the key's hash chooses.
    #[must_use]
    pub fn with_stream_partitioner(
        mut self,
        partitioner: impl StreamPartitioner<K, V> + 'static,
    ) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// What a sink node is told.
    pub(super) fn into_sink(self, target: SinkTarget<K, V>) -> (Sink<K, V>, Serdes<K, V>) {
        let sink = Sink {
            target,
            partitioner: self.partitioner,
        };
        (sink, (self.keys, self.values))
    }

    /// Names the sink node.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// How records are regrouped (Java: `Grouped`).
pub struct Grouped<K, V> {
    pub(super) name: Option<String>,
    pub(super) keys: SerdeRef<K>,
    pub(super) values: SerdeRef<V>,
}

impl<K, V> Clone for Grouped<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            keys: Arc::clone(&self.keys),
            values: Arc::clone(&self.values),
        }
    }
}

impl<K, V> Grouped<K, V> {
    /// With these serdes in the repartition topic and in stores.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            name: None,
            keys,
            values,
        }
    }

    /// Names the repartition topic.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// How records are moved through a topic (Java: `Repartitioned`).
pub struct Repartitioned<K, V> {
    pub(super) name: Option<String>,
    pub(super) keys: SerdeRef<K>,
    pub(super) values: SerdeRef<V>,
    pub(super) partitions: Option<i32>,
    pub(super) partitioner: Option<Arc<dyn StreamPartitioner<K, V>>>,
}

impl<K, V> Repartitioned<K, V> {
    /// With these serdes.
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            name: None,
            keys,
            values,
            partitions: None,
            partitioner: None,
        }
    }

    /// Names the topic.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Gives the topic this many partitions; without, as many as the topics in front have.
    #[must_use]
    pub const fn with_number_of_partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// With partitions other than the key's hash chooses.
    #[must_use]
    pub fn with_stream_partitioner(
        mut self,
        partitioner: impl StreamPartitioner<K, V> + 'static,
    ) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }
}

/// Options that begin with the types' own serdes, or with a name beside them (Java: `as`).
macro_rules! with_own_serdes {
    ($($options:ident: $named:literal;)*) => { $(
        impl<K: DefaultSerde, V: DefaultSerde> Default for $options<K, V> {
            /// With the types' own serdes.
            fn default() -> Self {
                Self::with(K::default_serde(), V::default_serde())
            }
        }

        impl<K: DefaultSerde, V: DefaultSerde> $options<K, V> {
            #[doc = concat!("With the types' own serdes, and this name for ", $named, ".")]
            pub fn named(name: impl Into<String>) -> Self {
                Self::default().with_name(name)
            }
        }
    )* };
}

with_own_serdes! {
    Consumed: "the source node";
    Produced: "the sink node";
    Grouped: "the repartition topic";
    Repartitioned: "the topic";
}

/// How a table is kept (Java: `Materialized`): by default cached, logged, and where
/// `dsl.store.suppliers.class` says.
pub struct Materialized<K, V> {
    pub(super) name: Option<String>,
    pub(super) keys: Option<SerdeRef<K>>,
    pub(super) values: Option<SerdeRef<V>>,
    pub(super) caching: bool,
    pub(super) logging: Option<BTreeMap<String, String>>,
    /// What makes the rows, where the user says so.
    pub(super) supplier: Option<TableStoreSupplier>,
    pub(super) retention_ms: Option<i64>,
    pub(super) store_type: Option<StoreType>,
    /// False where Java would call the overload without it, which draws other names.
    pub(super) is_given: bool,
}

/// What makes the rows of a table.
#[derive(Clone)]
pub(super) enum TableStoreSupplier {
    KeyValue(Arc<dyn KeyValueBytesStoreSupplier>),
    Versioned(Arc<dyn VersionedBytesStoreSupplier>),
    Window(Arc<dyn WindowBytesStoreSupplier>),
    Session(Arc<dyn SessionBytesStoreSupplier>),
}

impl<K, V> Clone for Materialized<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            keys: self.keys.clone(),
            values: self.values.clone(),
            logging: self.logging.clone(),
            supplier: self.supplier.clone(),
            ..*self
        }
    }
}

impl<K, V> Default for Materialized<K, V> {
    fn default() -> Self {
        Self {
            name: None,
            keys: None,
            values: None,
            caching: true,
            logging: Some(BTreeMap::new()),
            supplier: None,
            retention_ms: None,
            store_type: None,
            is_given: false,
        }
    }
}

impl<K, V> Materialized<K, V> {
    /// In a store of this name (Java: `Materialized.as`).
    pub fn as_store(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// In the store that `supplier` makes the rows of. Aggregations by window refuse it.
    pub fn as_key_value_store(supplier: Arc<dyn KeyValueBytesStoreSupplier>) -> Self {
        let named = Self::as_store(supplier.name());
        Self {
            supplier: Some(TableStoreSupplier::KeyValue(supplier)),
            ..named
        }
    }

    /// In the versioned store that `supplier` makes the rows of, which is never cached. What comes
    /// out of order is put where it belongs, and what is older than the history retention is dropped
    /// (KIP-914).
    pub fn as_versioned_store(supplier: Arc<dyn VersionedBytesStoreSupplier>) -> Self {
        let named = Self::as_store(supplier.name());
        Self {
            supplier: Some(TableStoreSupplier::Versioned(supplier)),
            ..named
        }
    }

    /// An aggregation by time in the window store that `supplier` makes the rows of, whose windows are
    /// as long, whose rows live as long as records can come to them, and which keeps one value for a
    /// key and a window.
    pub fn as_window_store(supplier: Arc<dyn WindowBytesStoreSupplier>) -> Self {
        let named = Self::as_store(supplier.name());
        Self {
            supplier: Some(TableStoreSupplier::Window(supplier)),
            ..named
        }
    }

    /// An aggregation by session in the session store that `supplier` makes the rows of, which live
    /// as long as records can come to them. Where results are emitted when sessions close, sessions
    /// are found by time: rows in segments do not build.
    pub fn as_session_store(supplier: Arc<dyn SessionBytesStoreSupplier>) -> Self {
        let named = Self::as_store(supplier.name());
        Self {
            supplier: Some(TableStoreSupplier::Session(supplier)),
            ..named
        }
    }

    /// In a store with a generated name and these serdes (Java: `Materialized.with`).
    pub fn with(keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self::default()
            .with_key_serde(keys)
            .with_value_serde(values)
    }

    /// With this serde for keys.
    #[must_use]
    pub fn with_key_serde(mut self, keys: SerdeRef<K>) -> Self {
        self.keys = Some(keys);
        self.is_given = true;
        self
    }

    /// With this serde for values.
    #[must_use]
    pub fn with_value_serde(mut self, values: SerdeRef<V>) -> Self {
        self.values = Some(values);
        self.is_given = true;
        self
    }

    /// Updates of a key wait in the record cache, and the last one goes downstream: the default.
    #[must_use]
    pub fn with_caching_enabled(mut self) -> Self {
        self.caching = true;
        self.is_given = true;
        self
    }

    /// Every update goes downstream at once.
    #[must_use]
    pub fn with_caching_disabled(mut self) -> Self {
        self.caching = false;
        self.is_given = true;
        self
    }

    /// Without a changelog: what the store holds is lost with its task.
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.logging = None;
        self.is_given = true;
        self
    }

    /// With these settings of the changelog topic.
    #[must_use]
    pub fn with_logging_enabled(mut self, config: BTreeMap<String, String>) -> Self {
        self.logging = Some(config);
        self.is_given = true;
        self
    }

    /// In a store of this type, whatever `dsl.store.suppliers.class` says.
    #[must_use]
    pub fn with_store_type(mut self, store_type: StoreType) -> Self {
        self.store_type = Some(store_type);
        self.is_given = true;
        self
    }

    /// The rows of windows and sessions live at least this long; by default as long as records can
    /// come to them. A retention that is shorter than that does not build. Other tables do not look
    /// at it.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention_ms = Some(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX));
        self.is_given = true;
        self
    }

    /// True when former rows are kept.
    pub(super) const fn is_versioned(&self) -> bool {
        matches!(self.supplier, Some(TableStoreSupplier::Versioned(_)))
    }

    /// True for rows of windows or sessions.
    pub(super) const fn is_windowed(&self) -> bool {
        matches!(
            self.supplier,
            Some(TableStoreSupplier::Window(_) | TableStoreSupplier::Session(_))
        )
    }

    pub(super) fn key_serde(&self, otherwise: &SerdeRef<K>) -> SerdeRef<K> {
        self.keys.clone().unwrap_or_else(|| Arc::clone(otherwise))
    }
}
