//! [`KGroupedStream`]: records by key, ready to be aggregated.

use std::sync::Arc;

use super::aggregate::{Aggregate, store_builder};
use super::builder::{Rows, StreamsBuilder};
use super::operators::Pass;
use super::options::{Consumed, Grouped, Materialized};
use super::table::KTable;
use crate::processor::{SinkNode, SinkOptions};
use crate::serde::DefaultSerde;
use crate::topology::{NodeKind, TopicRef, Topics};

/// A stream grouped by key (Java: `KGroupedStream`).
pub struct KGroupedStream<K, V> {
    builder: StreamsBuilder,
    node: usize,
    repartition_required: bool,
    grouped: Grouped<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> KGroupedStream<K, V> {
    pub(super) const fn new(
        builder: StreamsBuilder,
        node: usize,
        repartition_required: bool,
        grouped: Grouped<K, V>,
    ) -> Self {
        Self {
            builder,
            node,
            repartition_required,
            grouped,
        }
    }

    /// Counts the records of every key. Records without a value do not count.
    pub fn count(&self, materialized: Materialized<K, i64>) -> KTable<K, i64> {
        if materialized.is_given && materialized.name.is_none() {
            // Java draws a name that it does not use here.
            let mut shared = self.builder.shared.borrow_mut();
            shared.new_name("KSTREAM-AGGREGATE-STATE-STORE-");
        }
        self.aggregate(|| 0, |_, _, count| count + 1, materialized)
    }

    /// Combines the values of every key, as `combine(before, value)`; the first one is taken as it
    /// is, and `None` deletes the row.
    pub fn reduce<A, R>(
        &self,
        combine: impl Fn(A, A) -> R + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A>
    where
        A: DefaultSerde + Clone + 'static,
        V: Into<Option<A>>,
        R: Into<Option<A>>,
    {
        let combine = move |_: &K, value: V, before: Option<A>| match (before, value.into()) {
            (Some(before), Some(value)) => combine(before, value).into(),
            (before, value) => value.or(before),
        };
        self.build("KSTREAM-REDUCE-", || None, combine, materialized)
    }

    /// Folds the values of every key, from `initialize` on, with `add(key, value, before)`; `None`
    /// deletes the row. Records without a value are dropped.
    pub fn aggregate<A, R>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A>
    where
        A: DefaultSerde + Clone + 'static,
        R: Into<Option<A>>,
    {
        let fold = move |key: &K, value, before: Option<A>| add(key, value, before?).into();
        let initialize = move || Some(initialize());
        self.build("KSTREAM-AGGREGATE-", initialize, fold, materialized)
    }

    fn build<A: DefaultSerde + Clone + 'static>(
        &self,
        prefix: &str,
        initialize: impl Fn() -> Option<A> + Send + Sync + 'static,
        fold: impl Fn(&K, V, Option<A>) -> Option<A> + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A> {
        let mut shared = self.builder.shared.borrow_mut();
        // Java draws the store's name before the processor's.
        let store = shared.store_name(&materialized, prefix);
        let name = shared.new_name(prefix);
        drop(shared);
        let parent = if self.repartition_required {
            self.repartition(&store)
        } else {
            self.node
        };
        let keys = materialized.key_serde(&self.grouped.keys);
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let builder = store_builder(Arc::clone(&store), serdes, &materialized);
        let mut shared = self.builder.shared.borrow_mut();
        let (initialize, fold) = (Arc::new(initialize), Arc::new(fold));
        let (supplied, inputs) = (Arc::clone(&store), Arc::clone(&self.grouped.values));
        let node = shared.add_processor(&name, parent, move || {
            Aggregate::<K, V, A, _, _>::new(
                Arc::clone(&supplied),
                Arc::clone(&inputs),
                Arc::clone(&initialize),
                Arc::clone(&fold),
            )
        });
        shared.topology.add_store(builder);
        shared.topology.connect(node, &store);
        shared.add_table(node, Rows::Materialized);
        drop(shared);
        KTable::new(self.builder.clone(), node, keys, Some(values))
    }

    /// Adds the repartition topic with the nodes around it; gives the source behind it (Java:
    /// `KStreamImpl.createRepartitionedSource`).
    fn repartition(&self, store: &str) -> usize {
        let mut shared = self.builder.shared.borrow_mut();
        let prefix = self.grouped.name.as_deref().unwrap_or(store);
        let topic = if prefix.ends_with("-repartition") {
            prefix.to_owned()
        } else {
            format!("{prefix}-repartition")
        };
        // Drawn even where they are not used: later names must be Java's.
        let (sink, filter, source) = (
            shared.new_name("KSTREAM-SINK-"),
            shared.new_name("KSTREAM-FILTER-"),
            shared.new_name("KSTREAM-SOURCE-"),
        );
        let generated = is_generated(prefix);
        let named = |drawn: String, suffix: &str| {
            if generated {
                drawn
            } else {
                format!("{topic}-{suffix}")
            }
        };
        let Grouped { keys, values, .. } = &self.grouped;
        let reference = TopicRef {
            name: Arc::from(topic.as_str()),
            internal: true,
        };
        let filter =
            shared.add_processor::<K, V, K, V, _>(&named(filter, "filter"), self.node, || Pass);
        let factory = SinkNode::factory(SinkOptions::repartition(
            Arc::clone(keys),
            Arc::clone(values),
        ));
        let kind = NodeKind::Sink(reference.clone());
        shared
            .topology
            .add_node(&named(sink, "sink"), kind, &[filter], factory);
        let consumed = Consumed::with(Arc::clone(keys), Arc::clone(values));
        shared.add_source(
            &named(source, "source"),
            Topics::reference(reference),
            consumed,
        )
    }
}

/// Java's `KSTREAM.*-[0-9]{10}`.
fn is_generated(name: &str) -> bool {
    name.starts_with("KSTREAM")
        && name.rsplit_once('-').is_some_and(|(_, digits)| {
            digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}
