//! [`SessionWindowedKStream`]: records by key and session, ready to be aggregated.

use crate::dsl::outcome::{OptionalOutcome, RowResult};
use std::sync::Arc;

use super::session::SessionWindowAggregate;
use super::table::Aggregation;
use super::windows::{EmitStrategy, SessionWindows};
use crate::dsl::graph::GraphNode;
use crate::dsl::grouped::KGroupedStream;
use crate::dsl::options::Materialized;
use crate::dsl::row_serde::RowSerde;
use crate::dsl::table::KTable;
use crate::processor::Change;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::window::Windowed;

/// A stream grouped by key and session (Java: `SessionWindowedKStream`).
///
/// A record extends the session that it lies in, or makes one of several: the table then deletes
/// the rows of those and has one for the whole. Records behind the close of their session, or
/// without a key, are dropped and counted; those without a value are aggregated.
#[must_use]
pub struct SessionWindowedKStream<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: SessionWindows,
    strategy: EmitStrategy,
}

impl<K, V> SessionWindowedKStream<K, V> {
    pub(super) fn new(grouped: KGroupedStream<K, V>, windows: SessionWindows) -> Self {
        Self {
            grouped,
            windows,
            strategy: EmitStrategy::default(),
        }
    }

    /// These sessions, with results as `strategy` says.
    pub fn emit_strategy(self, strategy: EmitStrategy) -> Self {
        Self { strategy, ..self }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> SessionWindowedKStream<K, V> {
    /// These sessions, where the node that the next operator adds is called `name` (Java:
    /// `Named`).
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            grouped: self.grouped.named(name),
            ..*self
        }
    }

    /// Counts the records of every key and session.
    pub fn count(&self, materialized: Materialized<K, i64>) -> KTable<Windowed<K>, i64> {
        self.grouped.draw_count_store_name(&materialized);
        let add = |_: &K, _, count| count + 1;
        self.aggregate(|| 0, add, |_, count, other| count + other, materialized)
    }

    /// Combines the values of every key and session, as `combine(before, value)`; the first one is
    /// taken as it is, and `None` deletes the row. What sessions came to that become one is
    /// combined the same way.
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
        let combine = Arc::new(combine);
        let merge_with = Arc::clone(&combine);
        let fold = move |_: &K, value: V, before: Option<A>| match before {
            Some(before) => combine(before, value).into_optional(),
            None => Ok(value.into()),
        };
        let merge = move |_: &K, before: Option<A>, other: A| match before {
            Some(before) => merge_with(before, other.into()).into_optional(),
            None => Ok(Some(other)),
        };
        self.build(
            "KSTREAM-REDUCE-",
            (|| None, fold, merge),
            values,
            &materialized,
        )
    }

    /// Folds the values of every key and session, from `initialize` on, with `add(key, value,
    /// before)`; `None` deletes the row. `merge(key, one, other)` makes one of what two sessions
    /// came to, the first of which is what `initialize` gives.
    pub fn aggregate<A, R, M>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> M + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<A>,
        M: OptionalOutcome<A>,
    {
        let fold = move |key: &K, value, before: Option<A>| match before {
            Some(before) => add(key, value, before).into_optional(),
            None => Ok(None),
        };
        let merge = move |key: &K, one: Option<A>, other| match one {
            Some(one) => merge(key, one, other).into_optional(),
            None => Ok(None),
        };
        let initialize = move || Some(initialize());
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        let functions = (initialize, fold, merge);
        self.build("KSTREAM-AGGREGATE-", functions, values, &materialized)
    }

    fn build<A: Clone + 'static>(
        &self,
        prefix: &str,
        (initialize, fold, merge): (
            impl Fn() -> Option<A> + Send + Sync + 'static,
            impl Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
            impl Fn(&K, Option<A>, A) -> RowResult<A> + Send + Sync + 'static,
        ),
        values: SerdeRef<A>,
        materialized: &Materialized<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let windows = self.windows;
        self.grouped.windowed_table(
            (windows, self.strategy),
            prefix,
            (initialize, fold),
            values,
            materialized,
            |name, aggregation| session_node(name, windows, aggregation, merge),
        )
    }
}

/// The node of an aggregation.
pub(in crate::dsl) fn session_node<K, V, A, I, F, M>(
    name: &str,
    windows: SessionWindows,
    aggregation: Aggregation<K, V, I, F>,
    merge: M,
) -> GraphNode
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    I: Fn() -> Option<A> + Send + Sync + 'static,
    F: Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
    M: Fn(&K, Option<A>, A) -> RowResult<A> + Send + Sync + 'static,
{
    let (aggregation, merge) = (Arc::new(aggregation), Arc::new(merge));
    let node = GraphNode::processor::<K, V, Windowed<K>, Change<A>, _>(name, move || {
        SessionWindowAggregate::new(windows, Arc::clone(&aggregation), Arc::clone(&merge))
    });
    node.with_output_versioned(false)
        .with_grace_ms(windows.close_delay_ms())
}
