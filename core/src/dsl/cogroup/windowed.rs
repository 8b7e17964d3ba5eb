//! Cogrouped streams by window.

use crate::dsl::outcome::OptionalOutcome;
use std::sync::Arc;

use super::CogroupedKStream;
use super::input::Recipe;
use crate::dsl::options::Materialized;
use crate::dsl::table::KTable;
use crate::dsl::windowed::{EmitStrategy, SessionWindows, TimeWindowing, Windowing};
use crate::serde::DefaultSerde;
use crate::topology::TopologyError;
use crate::window::Windowed;

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
        let recipe = Recipe::Time(self.windows);
        self.cogrouped
            .windowed_table(self.windows, initialize, &recipe, &materialized)
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
    pub fn aggregate<M: OptionalOutcome<A>>(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> M + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde,
    {
        let merge = move |key: &K, one: Option<A>, other| match one {
            Some(one) => merge(key, one, other).into_optional(),
            None => Ok(None),
        };
        let recipe = Recipe::Session(self.windows, Arc::new(merge));
        self.cogrouped
            .windowed_table(self.windows, initialize, &recipe, &materialized)
    }
}

impl<K: Clone + 'static, A: Clone + 'static> CogroupedKStream<K, A> {
    fn windowed_table(
        &self,
        windows: impl Windowing,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        recipe: &Recipe<K, A>,
        materialized: &Materialized<K, A>,
    ) -> KTable<Windowed<K>, A>
    where
        A: DefaultSerde,
    {
        let strategy = EmitStrategy::OnWindowUpdate;
        let store = self.store_name(materialized);
        if let Some(problem) = windows.problem(strategy) {
            let mut graph = self.builder.graph.borrow_mut();
            graph.fail(TopologyError::InvalidWindows(problem));
        }
        let (keys, values) = self.serdes(materialized);
        let made = windows.store(strategy, Arc::clone(&store), &keys, &values);
        let view = windows.view(Arc::clone(&store));
        let store = (store, made.builder(materialized));
        let serdes = (windows.key_serde(keys), values);
        self.table(store, initialize, recipe, serdes, view)
    }
}
