//! [`CogroupedKStream`]: grouped streams whose records come to one aggregate.

mod input;
mod windowed;

use super::outcome::OptionalOutcome;
use std::rc::Rc;
use std::sync::Arc;

use self::input::{Input, Recipe, input};
pub use self::windowed::{SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream};
use super::aggregate::store_builder;
use super::builder::StreamsBuilder;
use super::graph::{GraphNode, Rows, SourceNodes};
use super::grouped::KGroupedStream;
use super::operators::Pass;
use super::options::Materialized;
use super::table::KTable;
use super::value_getter::{MakeView, StoreView};
use super::windowed::GroupWindows;
use crate::processor::Change;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{StateError, StoreBuilder};

/// Grouped streams with an aggregator each, whose results come to one table (Java:
/// `CogroupedKStream`, KIP-150). Records without a key, and unless they are windowed those without a
/// value, are dropped and counted.
#[must_use]
pub struct CogroupedKStream<K, A> {
    builder: StreamsBuilder,
    inputs: Vec<Rc<dyn Input<K, A>>>,
    /// What the user calls the nodes of the next operator.
    next_name: Option<Rc<str>>,
}

impl<K, A> Clone for CogroupedKStream<K, A> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            inputs: self.inputs.clone(),
            next_name: self.next_name.clone(),
        }
    }
}

impl<K: Clone + 'static, A: Clone + 'static> CogroupedKStream<K, A> {
    pub(super) fn new<V: Clone + 'static, R: OptionalOutcome<A>>(
        grouped: &KGroupedStream<K, V>,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            builder: grouped.builder().clone(),
            inputs: vec![input(grouped, add)],
            next_name: None,
        }
    }

    /// These streams and another one, whose values are folded with `add(key, value, before)`; `None`
    /// deletes the row. A stream that is there already gets another aggregator.
    pub fn cogroup<V: Clone + 'static, R: OptionalOutcome<A>>(
        mut self,
        grouped: &KGroupedStream<K, V>,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
    ) -> Self {
        let input = input(&grouped.within(&self.builder), add);
        match self
            .inputs
            .iter_mut()
            .find(|known| known.id() == input.id())
        {
            Some(known) => *known = input,
            None => self.inputs.push(input),
        }
        self
    }

    /// The same, where the nodes that the next operator adds have names that begin with `name`
    /// (Java: `Named`).
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            next_name: Some(Rc::from(name.as_ref())),
            ..self.clone()
        }
    }

    /// The records of every key by window: see [`GroupWindows`].
    pub fn windowed_by<W: GroupWindows>(&self, windows: W) -> W::Cogrouped<K, A> {
        windows.cogroup(self.clone())
    }

    /// Folds the values of every key, from `initialize` on, with the aggregator of their stream.
    pub fn aggregate(
        &self,
        initialize: impl Fn() -> A + Send + Sync + 'static,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A>
    where
        A: DefaultSerde,
    {
        let store = {
            let mut graph = self.builder.graph.borrow_mut();
            graph.store_name(&materialized, AGGREGATE)
        };
        let serdes = self.serdes(&materialized);
        let builder = store_builder(Arc::clone(&store), serdes.clone(), &materialized);
        let view = StoreView::always(Arc::clone(&store));
        let store = (store, Ok(builder));
        self.table(store, initialize, &Recipe::Unwindowed, serdes, view)
    }

    /// The name of the store of a windowed table, which Java draws first of all names.
    fn store_name(&self, materialized: &Materialized<K, A>) -> Arc<str> {
        self.builder
            .graph
            .borrow_mut()
            .windowed_store_name(materialized, AGGREGATE)
    }

    /// The serdes of the store: keys as the first stream has them unless the user says otherwise.
    fn serdes(&self, materialized: &Materialized<K, A>) -> (SerdeRef<K>, SerdeRef<A>)
    where
        A: DefaultSerde,
    {
        let keys = materialized.key_serde(&self.inputs[0].keys());
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        (keys, values)
    }

    /// The table of all streams: a node for each, which share the store, and one that passes on
    /// what they forward (Java: `CogroupedStreamAggregateBuilder`).
    fn table<KR: Clone + 'static>(
        &self,
        (store, builder): (Arc<str>, Result<Arc<dyn StoreBuilder>, StateError>),
        initialize: impl Fn() -> A + Send + Sync + 'static,
        recipe: &Recipe<K, A>,
        (keys, values): (SerdeRef<KR>, SerdeRef<A>),
        view: MakeView<KR, A>,
    ) -> KTable<KR, A> {
        let parents: Vec<_> = self
            .inputs
            .iter()
            .map(|input| input.parent(&store))
            .collect();
        let mut graph = self.builder.graph.borrow_mut();
        // Java takes the topics in front of a repartition here.
        if let [first, others @ ..] = self.inputs.as_slice() {
            let others: Vec<_> = others.iter().map(|input| input.sources()).collect();
            graph.copartition(first.sources(), &others);
        }
        let builder = graph.store_or_fail(builder);
        let initialize: Arc<dyn Fn() -> Option<A> + Send + Sync> =
            Arc::new(move || Some(initialize()));
        let named = |suffix: String| {
            self.next_name
                .as_ref()
                .map(|name| format!("{name}{suffix}"))
        };
        let mut nodes = Vec::with_capacity(parents.len());
        for (at, (input, parent)) in self.inputs.iter().zip(parents).enumerate() {
            let given = named(format!("-cogroup-agg-{at}"));
            let name = graph.name_or(given.as_deref(), AGGREGATE);
            let node = input.node(&name, &store, &initialize, recipe);
            nodes.push(graph.add(&[parent], node.with_stores(builder.clone())));
        }
        let given = named("-cogroup-merge".to_owned());
        let name = graph.name_or(given.as_deref(), MERGE);
        let sources = Rc::new(SourceNodes::from([Arc::from(name.as_str())]));
        let node = GraphNode::processor::<KR, Change<A>, KR, Change<A>, _>(name, || Pass);
        let node = graph.add(&nodes, node.with_rows(Rows::Passed(nodes.clone())));
        drop(graph);
        KTable::new(
            self.builder.clone(),
            node,
            sources,
            (keys, Some(values)),
            view,
        )
    }
}

const AGGREGATE: &str = "COGROUPKSTREAM-AGGREGATE-";
const MERGE: &str = "COGROUPKSTREAM-MERGE-";
