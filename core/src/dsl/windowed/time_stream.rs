//! [`TimeWindowedKStream`]: records by key and window, ready to be aggregated.

use crate::dsl::outcome::{OptionalOutcome, RowResult};
use std::sync::Arc;

use super::sliding::SlidingWindowAggregate;
use super::table::Aggregation;
use super::time::TimeWindowAggregate;
use super::windows::{EmitStrategy, TimeWindowing};
use crate::dsl::graph::GraphNode;
use crate::dsl::grouped::KGroupedStream;
use crate::dsl::options::Materialized;
use crate::dsl::row_serde::RowSerde;
use crate::dsl::table::KTable;
use crate::processor::Change;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::window::Windowed;

/// A stream grouped by key and by tumbling, hopping, sliding or unlimited windows (Java:
/// `TimeWindowedKStream`).
///
/// Records behind the close of their window, or without a key, are dropped and counted. A record
/// without a value is dropped by sliding windows alone: the others count it, and aggregate it.
#[must_use]
pub struct TimeWindowedKStream<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: TimeWindowing,
    strategy: EmitStrategy,
}

impl<K, V> TimeWindowedKStream<K, V> {
    pub(super) fn new(grouped: KGroupedStream<K, V>, windows: TimeWindowing) -> Self {
        Self {
            grouped,
            windows,
            strategy: EmitStrategy::default(),
        }
    }

    /// These windows, with results as `strategy` says. Unlimited windows that emit on close do not
    /// build.
    pub fn emit_strategy(self, strategy: EmitStrategy) -> Self {
        Self { strategy, ..self }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> TimeWindowedKStream<K, V> {
    /// These windows, where the node that the next operator adds is called `name` (Java: `Named`).
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            grouped: self.grouped.named(name),
            ..*self
        }
    }

    /// Counts the records of every key and window.
    pub fn count(&self, materialized: Materialized<K, i64>) -> KTable<Windowed<K>, i64> {
        let is_fixed = matches!(self.windows, TimeWindowing::Fixed(_));
        if is_fixed {
            self.grouped.draw_count_store_name(&materialized);
        }
        self.aggregate(|| 0, |_, _, count| count + 1, materialized)
    }

    /// Combines the values of every key and window, as `combine(before, value)`; the first one is
    /// taken as it is, and `None` deletes the row.
    pub fn reduce<A, R>(
        &self,
        combine: impl Fn(A, V) -> R + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: Clone + 'static,
        V: Into<Option<A>> + From<A>,
        R: OptionalOutcome<A>,
    {
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| RowSerde::of(self.grouped.serdes().1));
        let combine = move |_: &K, value: V, before: Option<A>| match before {
            Some(before) => combine(before, value).into_optional(),
            None => Ok(value.into()),
        };
        self.build("KSTREAM-REDUCE-", (|| None, combine), values, &materialized)
    }

    /// Folds the values of every key and window, from `initialize` on, with `add(key, value,
    /// before)`; `None` deletes the row.
    pub fn aggregate<A, R>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<A>,
    {
        let fold = move |key: &K, value, before: Option<A>| match before {
            Some(before) => add(key, value, before).into_optional(),
            None => Ok(None),
        };
        let initialize = move || Some(initialize());
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        self.build(
            "KSTREAM-AGGREGATE-",
            (initialize, fold),
            values,
            &materialized,
        )
    }

    fn build<A: Clone + 'static>(
        &self,
        prefix: &str,
        functions: (
            impl Fn() -> Option<A> + Send + Sync + 'static,
            impl Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
        ),
        values: SerdeRef<A>,
        materialized: &Materialized<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let windows = self.windows;
        self.grouped.windowed_table(
            (windows, self.strategy),
            prefix,
            functions,
            values,
            materialized,
            |name, aggregation| time_node(name, windows, aggregation),
        )
    }
}

/// The node of an aggregation.
pub(in crate::dsl) fn time_node<K, V, A, I, F>(
    name: &str,
    windows: TimeWindowing,
    aggregation: Aggregation<K, V, I, F>,
) -> GraphNode
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A> + Send + Sync + 'static,
    F: Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
{
    let aggregation = Arc::new(aggregation);
    let node = match windows {
        TimeWindowing::Fixed(windows) => {
            GraphNode::processor::<K, V, Windowed<K>, Change<A>, _>(name, move || {
                TimeWindowAggregate::new(windows, Arc::clone(&aggregation))
            })
        }
        TimeWindowing::Sliding(windows) => {
            GraphNode::processor::<K, V, Windowed<K>, Change<A>, _>(name, move || {
                SlidingWindowAggregate::new(windows, Arc::clone(&aggregation))
            })
        }
    };
    node.with_output_versioned(false)
        .with_grace_ms(windows.grace_ms())
}
