//! What windowed tables have in common, whatever their windows are.

use std::sync::Arc;

use super::store::{Rows as StoreRows, WindowedStore};
use super::table::Aggregation;
use super::view::{session_view, window_view};
use super::windows::{EmitStrategy, FixedWindows, SessionWindows, TimeWindowing};
use crate::dsl::graph::{GraphNode, Rows};
use crate::dsl::grouped::KGroupedStream;
use crate::dsl::options::Materialized;
use crate::dsl::table::KTable;
use crate::dsl::value_getter::MakeView;
use crate::serde::SerdeRef;
use crate::topology::TopologyError;
use crate::window::{SessionWindowedSerde, TimeWindowedSerde, Windowed};

/// Windows as the table of an aggregation needs them.
pub(in crate::dsl) trait Windowing: Copy {
    /// Why there are no such windows, or no such results of them.
    fn problem(self, strategy: EmitStrategy) -> Option<String>;

    /// What the rows of the table lie in.
    fn rows(self) -> StoreRows;

    /// How long records can come to a row, or need it to make others.
    fn retention_min_ms(self) -> i64;

    /// The serde of the table's keys.
    fn key_serde<K: 'static>(self, keys: SerdeRef<K>) -> SerdeRef<Windowed<K>>;

    /// The rows for operators below another node.
    fn view<K: 'static, A: 'static>(self, store: Arc<str>) -> MakeView<Windowed<K>, A>;

    /// The store of the table.
    fn store<K, A>(
        self,
        strategy: EmitStrategy,
        name: Arc<str>,
        keys: &SerdeRef<K>,
        values: &SerdeRef<A>,
    ) -> WindowedStore<K, A> {
        WindowedStore {
            name,
            rows: self.rows(),
            retention_min_ms: self.retention_min_ms(),
            strategy,
            keys: Arc::clone(keys),
            values: Arc::clone(values),
        }
    }
}

impl Windowing for TimeWindowing {
    fn problem(self, strategy: EmitStrategy) -> Option<String> {
        match (self, strategy) {
            (Self::Fixed(FixedWindows::Unlimited(_)), EmitStrategy::OnWindowClose) => {
                Some("unlimited windows never close: emit their results on update".to_owned())
            }
            (Self::Fixed(windows), _) => windows.problem(),
            (Self::Sliding(_), _) => None,
        }
    }

    fn rows(self) -> StoreRows {
        let size_ms = self.size_ms();
        match self {
            Self::Fixed(_) => StoreRows::Windows { size_ms },
            Self::Sliding(_) => StoreRows::Sliding { size_ms },
        }
    }

    fn retention_min_ms(self) -> i64 {
        let reach_ms = match self {
            Self::Fixed(_) => self.size_ms(),
            Self::Sliding(_) => self.size_ms().saturating_mul(2),
        };
        reach_ms.saturating_add(self.grace_ms())
    }

    fn key_serde<K: 'static>(self, keys: SerdeRef<K>) -> SerdeRef<Windowed<K>> {
        Arc::new(TimeWindowedSerde::new(keys, self.size_ms()))
    }

    fn view<K: 'static, A: 'static>(self, store: Arc<str>) -> MakeView<Windowed<K>, A> {
        window_view(store)
    }
}

impl Windowing for SessionWindows {
    fn problem(self, _: EmitStrategy) -> Option<String> {
        None
    }

    fn rows(self) -> StoreRows {
        StoreRows::Sessions
    }

    fn retention_min_ms(self) -> i64 {
        self.close_delay_ms()
    }

    fn key_serde<K: 'static>(self, keys: SerdeRef<K>) -> SerdeRef<Windowed<K>> {
        Arc::new(SessionWindowedSerde::new(keys))
    }

    fn view<K: 'static, A: 'static>(self, store: Arc<str>) -> MakeView<Windowed<K>, A> {
        session_view(store)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KGroupedStream<K, V> {
    /// The table of an aggregation over `windows`, which the processor that `node` makes fills.
    pub(super) fn windowed_table<A: Clone + 'static, I, F>(
        &self,
        (windows, strategy): (impl Windowing, EmitStrategy),
        prefix: &str,
        (initialize, fold): (I, F),
        values: SerdeRef<A>,
        materialized: &Materialized<K, A>,
        node: impl FnOnce(&str, Aggregation<K, V, I, F>) -> GraphNode,
    ) -> KTable<Windowed<K>, A> {
        let mut graph = self.builder().graph.borrow_mut();
        let store = graph.windowed_store_name(materialized, prefix);
        let name = graph.name_or(self.next_name(), prefix);
        if let Some(problem) = windows.problem(strategy) {
            graph.fail(TopologyError::InvalidWindows(problem));
        }
        drop(graph);
        let (parent, sources) = self.parent_of(&store);
        let (keys, inputs) = self.serdes();
        let aggregation = Aggregation {
            store: Arc::clone(&store),
            strategy,
            keys: Arc::clone(keys),
            values: Arc::clone(inputs),
            initialize,
            fold,
        };
        let node = node(&name, aggregation);
        let keys = materialized.key_serde(keys);
        let view = windows.view(Arc::clone(&store));
        let store = windows.store(strategy, store, &keys, &values);
        let mut graph = self.builder().graph.borrow_mut();
        let store = graph.store_or_fail(store.builder(materialized));
        let node = node.with_stores(store).with_rows(Rows::Materialized);
        let node = graph.add(&[parent], node);
        drop(graph);
        let serdes = (windows.key_serde(keys), Some(values));
        KTable::new(self.builder().clone(), node, sources, serdes, view)
    }
}
