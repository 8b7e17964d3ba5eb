//! [`SessionWindowedKStream`]: records by key and session, ready to be aggregated.

use std::sync::Arc;

use super::session::SessionWindowAggregate;
use super::store::{Rows as StoreRows, WindowedStore};
use super::table::Aggregation;
use super::view::session_view;
use super::windows::{EmitStrategy, SessionWindows};
use crate::dsl::graph::{GraphNode, Rows};
use crate::dsl::grouped::KGroupedStream;
use crate::dsl::options::Materialized;
use crate::dsl::row_serde::RowSerde;
use crate::dsl::table::KTable;
use crate::processor::Change;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::TopologyError;
use crate::window::{SessionWindowedSerde, Windowed};

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
        if materialized.is_given && materialized.name.is_none() {
            // Java draws a name that it does not use here.
            let mut graph = self.grouped.builder().graph.borrow_mut();
            graph.new_name("KSTREAM-AGGREGATE-STATE-STORE-");
        }
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
        R: Into<Option<A>>,
    {
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| RowSerde::of(self.grouped.serdes().1));
        let combine = Arc::new(combine);
        let merge_with = Arc::clone(&combine);
        let fold = move |_: &K, value: V, before: Option<A>| match before {
            Some(before) => combine(before, value).into(),
            None => value.into(),
        };
        let merge = move |_: &K, before: Option<A>, other: A| match before {
            Some(before) => merge_with(before, other.into()).into(),
            None => Some(other),
        };
        self.build(
            "KSTREAM-REDUCE-",
            (|| None, fold, merge),
            values,
            materialized,
        )
    }

    /// Folds the values of every key and session, from `initialize` on, with `add(key, value,
    /// before)`; `None` deletes the row. `merge(key, one, other)` makes one of what two sessions
    /// came to, the first of which is what `initialize` gives.
    pub fn aggregate<A, R>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde + Clone + 'static,
        R: Into<Option<A>>,
    {
        let fold = move |key: &K, value, before: Option<A>| add(key, value, before?).into();
        let merge = move |key: &K, one: Option<A>, other| Some(merge(key, one?, other));
        let initialize = move || Some(initialize());
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        let functions = (initialize, fold, merge);
        self.build("KSTREAM-AGGREGATE-", functions, values, materialized)
    }

    fn build<A: Clone + 'static>(
        &self,
        prefix: &str,
        (initialize, fold, merge): (
            impl Fn() -> Option<A> + Send + Sync + 'static,
            impl Fn(&K, V, Option<A>) -> Option<A> + Send + Sync + 'static,
            impl Fn(&K, Option<A>, A) -> Option<A> + Send + Sync + 'static,
        ),
        values: SerdeRef<A>,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let mut graph = self.grouped.builder().graph.borrow_mut();
        let store = graph.store_name(&materialized, prefix);
        let name = graph.name_or(self.grouped.next_name(), prefix);
        drop(graph);
        let (parent, sources) = self.grouped.parent_of(&store);
        let (keys, inputs) = self.grouped.serdes();
        let view = session_view(Arc::clone(&store));
        let aggregation = Aggregation {
            store: Arc::clone(&store),
            strategy: self.strategy,
            keys: Arc::clone(keys),
            values: Arc::clone(inputs),
            initialize,
            fold,
        };
        let node = session_node(&name, self.windows, aggregation, merge);
        let keys = materialized.key_serde(keys);
        let store = session_store(self.windows, self.strategy, store, &keys, &values);
        let mut graph = self.grouped.builder().graph.borrow_mut();
        let node = match store.builder(&materialized) {
            Ok(store) => node.with_stores([store]),
            Err(error) => {
                graph.fail(TopologyError::InvalidStore(error.to_string()));
                node
            }
        };
        let node = graph.add(&[parent], node.with_rows(Rows::Materialized));
        drop(graph);
        let keys: SerdeRef<Windowed<K>> = Arc::new(SessionWindowedSerde::new(keys));
        let builder = self.grouped.builder().clone();
        KTable::new(builder, node, sources, (keys, Some(values)), view)
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
    F: Fn(&K, V, Option<A>) -> Option<A> + Send + Sync + 'static,
    M: Fn(&K, Option<A>, A) -> Option<A> + Send + Sync + 'static,
{
    let (aggregation, merge) = (Arc::new(aggregation), Arc::new(merge));
    let node = GraphNode::processor::<K, V, Windowed<K>, Change<A>, _>(name, move || {
        SessionWindowAggregate::new(windows, Arc::clone(&aggregation), Arc::clone(&merge))
    });
    node.with_output_versioned(false)
        .with_grace_ms(windows.close_delay_ms())
}

/// The store of an aggregation.
pub(in crate::dsl) fn session_store<K, A>(
    windows: SessionWindows,
    strategy: EmitStrategy,
    name: Arc<str>,
    keys: &SerdeRef<K>,
    values: &SerdeRef<A>,
) -> WindowedStore<K, A> {
    WindowedStore {
        name,
        rows: StoreRows::Sessions,
        retention_min_ms: windows.close_delay_ms(),
        strategy,
        keys: Arc::clone(keys),
        values: Arc::clone(values),
    }
}
