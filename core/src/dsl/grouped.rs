//! [`KGroupedStream`]: records by key, ready to be aggregated.

use super::outcome::{OptionalOutcome, RowResult};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::{Aggregate, store_builder};
use super::builder::StreamsBuilder;
use super::cogroup::CogroupedKStream;
use super::graph::{GraphNode, GraphNodeId, RepartitionNames, Rows, SourceNodes};
use super::options::{Grouped, Materialized};
use super::repartition::write_repartition;
use super::row_serde::RowSerde;
use super::stream::KStream;
use super::table::KTable;
use super::value_getter::StoreView;
use super::windowed::GroupWindows;
use crate::serde::{DefaultSerde, SerdeRef};

/// A stream grouped by key (Java: `KGroupedStream`).
#[must_use]
pub struct KGroupedStream<K, V> {
    stream: KStream<K, V>,
    grouped: Grouped<K, V>,
    /// The repartition node of the name that the user gave, once it is there.
    repartitioned: Rc<Cell<Option<GraphNodeId>>>,
}

impl<K, V> Clone for KGroupedStream<K, V> {
    fn clone(&self) -> Self {
        Self {
            stream: self.stream.clone(),
            grouped: self.grouped.clone(),
            repartitioned: Rc::clone(&self.repartitioned),
        }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KGroupedStream<K, V> {
    pub(super) fn new(stream: KStream<K, V>, grouped: Grouped<K, V>) -> Self {
        Self {
            stream,
            grouped,
            repartitioned: Rc::default(),
        }
    }

    pub(super) const fn builder(&self) -> &StreamsBuilder {
        self.stream.builder()
    }

    /// The serdes of the group.
    pub(super) fn serdes(&self) -> (&SerdeRef<K>, &SerdeRef<V>) {
        (&self.grouped.keys, &self.grouped.values)
    }

    /// What the user calls the node of the next operator.
    pub(super) fn next_name(&self) -> Option<&str> {
        self.stream.next_name()
    }

    /// These groups where they are of `builder`; otherwise a mistake, with something in their place.
    pub(super) fn within(&self, builder: &StreamsBuilder) -> Self {
        let repartitioned = match builder.is_same(self.builder()) {
            true => Rc::clone(&self.repartitioned),
            false => Rc::default(),
        };
        Self {
            stream: self.stream.within(builder),
            grouped: self.grouped.clone(),
            repartitioned,
        }
    }

    /// These groups, where the node that the next operator adds is called `name` (Java: `Named`).
    #[must_use = "the name is for the next operator called on the result"]
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            stream: self.stream.named(name),
            ..self.clone()
        }
    }

    /// The records of every key by window: see [`GroupWindows`].
    pub fn windowed_by<W: GroupWindows>(&self, windows: W) -> W::Windowed<K, V> {
        windows.group(self.clone())
    }

    /// Counts the records of every key. Records without a value do not count.
    pub fn count(&self, materialized: Materialized<K, i64>) -> KTable<K, i64> {
        self.draw_count_store_name(&materialized);
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
        A: Clone + 'static,
        V: Into<Option<A>> + From<A>,
        R: OptionalOutcome<A>,
    {
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| RowSerde::of(&self.grouped.values));
        let combine = move |_: &K, value: V, before: Option<A>| match (before, value.into()) {
            (Some(before), Some(value)) => combine(before, value).into_optional(),
            (before, value) => Ok(value.or(before)),
        };
        self.build("KSTREAM-REDUCE-", || None, combine, values, materialized)
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
        R: OptionalOutcome<A>,
    {
        let fold = move |key: &K, value, before: Option<A>| match before {
            Some(before) => add(key, value, before).into_optional(),
            None => Ok(None),
        };
        let initialize = move || Some(initialize());
        let values = materialized.values.clone().unwrap_or_else(A::default_serde);
        self.build("KSTREAM-AGGREGATE-", initialize, fold, values, materialized)
    }

    /// Draws the name that Java does for a count whose store is given without one, and does not use.
    pub(super) fn draw_count_store_name(&self, materialized: &Materialized<K, i64>) {
        if materialized.is_given && materialized.name.is_none() {
            let mut graph = self.builder().graph.borrow_mut();
            graph.new_name("KSTREAM-AGGREGATE-STATE-STORE-");
        }
    }

    fn build<A: Clone + 'static>(
        &self,
        prefix: &str,
        initialize: impl Fn() -> Option<A> + Send + Sync + 'static,
        fold: impl Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
        values: SerdeRef<A>,
        materialized: Materialized<K, A>,
    ) -> KTable<K, A> {
        let mut graph = self.builder().graph.borrow_mut();
        // Java draws the store's name before the processor's.
        let store = graph.store_name(&materialized, prefix);
        let name = graph.name_or(self.stream.next_name(), prefix);
        drop(graph);
        let (parent, sources) = self.parent_of(&store);
        let keys = materialized.key_serde(&self.grouped.keys);
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let builder = store_builder(Arc::clone(&store), serdes, &materialized);
        let (initialize, fold) = (Arc::new(initialize), Arc::new(fold));
        let inputs = Arc::clone(&self.grouped.values);
        let view = StoreView::always(Arc::clone(&store));
        let node = GraphNode::processor(name, move || {
            Aggregate::<K, V, A, _, _>::new(
                Arc::clone(&store),
                Arc::clone(&inputs),
                Arc::clone(&initialize),
                Arc::clone(&fold),
            )
        });
        let node = node
            .with_stores([builder])
            .with_rows(Rows::Materialized)
            .with_output_versioned(materialized.is_versioned());
        let node = self.builder().graph.borrow_mut().add(&[parent], node);
        KTable::new(
            self.builder().clone(),
            node,
            sources,
            (keys, Some(values)),
            view,
        )
    }

    /// Folds the values of every key, with those of other streams, with `add(key, value, before)`;
    /// `None` deletes the row: see [`CogroupedKStream::cogroup`].
    pub fn cogroup<A: Clone + 'static, R: OptionalOutcome<A>>(
        &self,
        add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
    ) -> CogroupedKStream<K, A> {
        CogroupedKStream::new(self, add)
    }

    /// The node to aggregate below, behind a repartition topic if keys changed, and the sources it
    /// comes from (Java: `GroupedStreamAggregateBuilder`). `store` names the topic if the user did
    /// not.
    pub(super) fn parent_of(&self, store: &str) -> (GraphNodeId, Rc<SourceNodes>) {
        let Some(names) = self.repartition_names(store) else {
            return (self.node(), Rc::clone(self.stream.sources()));
        };
        let sources = Rc::new(SourceNodes::from([Arc::from(names.source.as_str())]));
        if let (Some(_), Some(node)) = (&self.grouped.name, self.repartitioned.get()) {
            let mut graph = self.builder().graph.borrow_mut();
            graph.add_again(self.stream.node(), node);
            return (node, sources);
        }
        let node = self.repartition(&names);
        self.repartitioned.set(Some(node));
        (node, sources)
    }

    /// The node of the stream.
    pub(super) const fn node(&self) -> GraphNodeId {
        self.stream.node()
    }

    /// The sources that the stream comes from.
    pub(super) fn sources(&self) -> &SourceNodes {
        self.stream.sources()
    }

    /// Draws the names around the repartition topic, if keys changed. `store` names the topic if
    /// the user did not.
    pub(super) fn repartition_names(&self, store: &str) -> Option<RepartitionNames> {
        let mut graph = self.builder().graph.borrow_mut();
        let given = self.grouped.name.as_deref().unwrap_or(store);
        let is_required = self.stream.repartition_required();
        is_required.then(|| graph.repartition_names(given))
    }

    /// Adds a repartition topic below the stream.
    pub(super) fn repartition(&self, names: &RepartitionNames) -> GraphNodeId {
        let Grouped { keys, values, .. } = &self.grouped;
        let serdes = (Arc::clone(keys), Arc::clone(values));
        let mut graph = self.builder().graph.borrow_mut();
        graph.add_repartition(self.stream.node(), names, true, move |writer, names| {
            write_repartition(writer, names, serdes.clone());
        })
    }

    /// Tells grouped streams apart; clones are the same.
    pub(super) fn id(&self) -> *const () {
        Rc::as_ptr(&self.repartitioned).cast()
    }
}
