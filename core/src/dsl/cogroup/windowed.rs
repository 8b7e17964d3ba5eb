//! Cogrouped streams by window.

use std::sync::Arc;

use super::CogroupedKStream;
use super::input::Recipe;
use crate::dsl::options::Materialized;
use crate::dsl::table::KTable;
use crate::dsl::windowed::{
    EmitStrategy, SessionWindows, TimeWindowing, session_store, session_view, window_view,
    windowed_store,
};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::topology::TopologyError;
use crate::window::{SessionWindowedSerde, TimeWindowedSerde, Windowed};

/// Cogrouped streams by tumbling, hopping, sliding or unlimited windows (Java:
/// `TimeWindowedCogroupedKStream`).
#[must_use]
pub struct TimeWindowedCogroupedKStream<K, A> {
    cogrouped: CogroupedKStream<K, A>,
    windows: TimeWindowing,
}

impl<K: Clone + 'static, A: Clone + 'static> TimeWindowedCogroupedKStream<K, A> {
    pub(in crate::dsl) const fn new(
        cogrouped: CogroupedKStream<K, A>,
        windows: TimeWindowing,
    ) -> Self {
        Self { cogrouped, windows }
    }

    /// The same, where the nodes that the next operator adds have names that begin with `name`
    /// (Java: `Named`).
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self::new(self.cogrouped.named(name), self.windows)
    }

    /// Folds the values of every key and window, from `initialize` on, with the aggregator of their
    /// stream.
    pub fn aggregate(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde,
    {
        let strategy = EmitStrategy::OnWindowUpdate;
        let store = self.cogrouped.store_name(&materialized);
        if let Some(problem) = self.windows.problem(strategy) {
            let mut graph = self.cogrouped.builder.graph.borrow_mut();
            graph.fail(TopologyError::InvalidWindows(problem));
        }
        let (keys, values) = self.cogrouped.serdes(&materialized);
        let made = windowed_store(self.windows, strategy, Arc::clone(&store), &keys, &values);
        let builder = made.builder(&materialized);
        let size_ms = self.windows.size_ms();
        let keys: SerdeRef<Windowed<K>> = Arc::new(TimeWindowedSerde::new(keys, size_ms));
        let view = window_view(Arc::clone(&store));
        let recipe = Recipe::Time(self.windows);
        let store = (store, builder);
        self.cogrouped
            .table(store, initialize, &recipe, (keys, values), view)
    }
}

/// Cogrouped streams by session (Java: `SessionWindowedCogroupedKStream`).
#[must_use]
pub struct SessionWindowedCogroupedKStream<K, A> {
    cogrouped: CogroupedKStream<K, A>,
    windows: SessionWindows,
}

impl<K: Clone + 'static, A: Clone + 'static> SessionWindowedCogroupedKStream<K, A> {
    pub(in crate::dsl) const fn new(
        cogrouped: CogroupedKStream<K, A>,
        windows: SessionWindows,
    ) -> Self {
        Self { cogrouped, windows }
    }

    /// The same, where the nodes that the next operator adds have names that begin with `name`
    /// (Java: `Named`).
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self::new(self.cogrouped.named(name), self.windows)
    }

    /// Folds the values of every key and session, from `initialize` on, with the aggregator of
    /// their stream. `merge(key, one, other)` makes one of what two sessions came to, the first of
    /// which is what `initialize` gives.
    pub fn aggregate(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde,
    {
        let strategy = EmitStrategy::OnWindowUpdate;
        let store = self.cogrouped.store_name(&materialized);
        let (keys, values) = self.cogrouped.serdes(&materialized);
        let made = session_store(self.windows, strategy, Arc::clone(&store), &keys, &values);
        let builder = made.builder(&materialized);
        let keys: SerdeRef<Windowed<K>> = Arc::new(SessionWindowedSerde::new(keys));
        let merge = move |key: &K, one: Option<A>, other| Some(merge(key, one?, other));
        let view = session_view(Arc::clone(&store));
        let recipe = Recipe::Session(self.windows, Arc::new(merge));
        let store = (store, builder);
        self.cogrouped
            .table(store, initialize, &recipe, (keys, values), view)
    }
}
