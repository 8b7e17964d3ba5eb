//! [`KTable`]: the latest value of every key.

use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::store_builder;
use super::builder::StreamsBuilder;
use super::graph::{GraphNode, GraphNodeId, ROOT, Rows, SourceNodes, StreamsGraph};
use super::grouped_table::KGroupedTable;
use super::operators::ToStream;
use super::options::{Grouped, Materialized};
use super::outcome::{OptionalOutcome, Outcome, RowResult};
use super::stream::KStream;
use super::table_operators::{Derive, RepartitionMap};
use super::table_store::is_versioned;
use super::value_getter::{DerivedView, MakeView, StoreView, View};
use crate::processor::{Change, ProcessorError};
use crate::serde::serdes::OptionSerde;
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::StoreBuilder;

/// A table (Java: `KTable`). A handle: cloning it does not copy the table.
pub struct KTable<K, V> {
    builder: StreamsBuilder,
    node: GraphNodeId,
    sources: Rc<SourceNodes>,
    keys: SerdeRef<K>,
    values: Option<SerdeRef<V>>,
    /// What the user calls the node of the next operator.
    next_name: Option<Rc<str>>,
    view: MakeView<K, V>,
}

impl<K, V> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            sources: Rc::clone(&self.sources),
            keys: Arc::clone(&self.keys),
            values: self.values.clone(),
            next_name: self.next_name.clone(),
            view: Rc::clone(&self.view),
        }
    }
}

/// What the rest of the DSL needs to know of a table.
impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    pub(super) fn new(
        builder: StreamsBuilder,
        node: GraphNodeId,
        sources: Rc<SourceNodes>,
        (keys, values): (SerdeRef<K>, Option<SerdeRef<V>>),
        view: MakeView<K, V>,
    ) -> Self {
        Self {
            builder,
            node,
            sources,
            keys,
            values,
            next_name: None,
            view,
        }
    }

    /// This table where it is of `builder`; otherwise a mistake, with something in its place.
    pub(super) fn within(&self, builder: &StreamsBuilder) -> Self {
        if builder.is_same(&self.builder) {
            return self.clone();
        }
        Self {
            builder: builder.clone(),
            node: ROOT,
            view: StoreView::always(Arc::from("")),
            ..self.clone()
        }
    }

    pub(super) const fn builder(&self) -> &StreamsBuilder {
        &self.builder
    }

    pub(super) const fn node(&self) -> GraphNodeId {
        self.node
    }

    /// The sources it comes from.
    pub(super) const fn sources(&self) -> &Rc<SourceNodes> {
        &self.sources
    }

    /// What the user calls the node of the next operator.
    pub(super) fn next_name(&self) -> Option<&str> {
        self.next_name.as_deref()
    }

    /// How an operator reads the rows, which puts them into a store where they are in none.
    pub(super) fn view(&self, graph: &mut StreamsGraph) -> View<K, V> {
        (self.view)(graph)
    }

    /// How an operator will read the rows if it has to.
    pub(super) const fn make_view(&self) -> &MakeView<K, V> {
        &self.view
    }

    /// The table that `node` below makes of this one: the same sources and keys, other values.
    pub(super) fn valued_at<V2: Clone + 'static>(
        &self,
        node: GraphNodeId,
        values: Option<SerdeRef<V2>>,
        view: MakeView<K, V2>,
    ) -> KTable<K, V2> {
        let (builder, sources) = (self.builder.clone(), Rc::clone(&self.sources));
        KTable::new(builder, node, sources, (self.key_serde(), values), view)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// This table, where the node that the next operator adds is called `name` (Java: `Named`).
    /// Operators that take a name of their own, in what they are told, do not look at it.
    #[must_use = "the name is for the next operator called on the result"]
    pub fn named(&self, name: impl AsRef<str>) -> Self {
        Self {
            next_name: Some(Rc::from(name.as_ref())),
            ..self.clone()
        }
    }

    /// The serde of keys.
    pub fn key_serde(&self) -> SerdeRef<K> {
        Arc::clone(&self.keys)
    }

    /// The serde of values, where an operator before was told.
    pub fn value_serde(&self) -> Option<SerdeRef<V>> {
        self.values.clone()
    }

    /// The changes of the table as records; `None` is a deleted row.
    pub fn to_stream(&self) -> KStream<K, Option<V>> {
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.name_or(self.next_name.as_deref(), "KTABLE-TOSTREAM-");
        let node = GraphNode::processor::<K, Change<V>, K, Option<V>, _>(name, || ToStream);
        let node = graph.add(&[self.node], node);
        drop(graph);
        let values = self
            .values
            .clone()
            .map(|values| -> SerdeRef<Option<V>> { Arc::new(OptionSerde::new(values)) });
        let (builder, sources) = (self.builder.clone(), Rc::clone(&self.sources));
        KStream::new(builder, node, sources, false).with_serdes(Some(self.key_serde()), values)
    }

    /// The changes of the table as records under other keys; `None` is a deleted row.
    pub fn to_stream_with_key<K2: Clone + 'static, R: Outcome<K2>>(
        &self,
        select: impl Fn(&K, &Option<V>) -> R + Send + Sync + 'static,
    ) -> KStream<K2, Option<V>> {
        let select = move |key: &K, value: &Option<V>| select(key, value).into_result();
        self.to_stream().try_select_key(select)
    }

    /// The rows for which `keep` holds.
    pub fn filter<R: Outcome<bool>>(
        &self,
        keep: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> Self {
        self.filtered(keep, self.values.clone(), None)
    }

    /// The rows for which `keep` holds, in a store of their own if `materialized` names one.
    pub fn filter_materialized<R: Outcome<bool>>(
        &self,
        keep: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        materialized: Materialized<K, V>,
    ) -> Self
    where
        V: DefaultSerde,
    {
        let values = materialized.values.clone().or_else(|| self.values.clone());
        let store = self.store(FILTER, &materialized, &values);
        self.filtered(keep, values, store)
    }

    /// The rows for which `drop` does not hold.
    pub fn filter_not<R: Outcome<bool>>(
        &self,
        drop: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> Self {
        self.filter(not(drop))
    }

    /// The rows for which `drop` does not hold, in a store of their own if `materialized` names one.
    pub fn filter_not_materialized<R: Outcome<bool>>(
        &self,
        drop: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        materialized: Materialized<K, V>,
    ) -> Self
    where
        V: DefaultSerde,
    {
        self.filter_materialized(not(drop), materialized)
    }

    /// Every row with another value; `None` leaves it out.
    pub fn map_values<V2, R>(
        &self,
        map: impl Fn(&K, V) -> R + Send + Sync + 'static,
    ) -> KTable<K, V2>
    where
        V2: Clone + 'static,
        R: OptionalOutcome<V2>,
    {
        let map = move |key: &K, value| map(key, value).into_optional();
        self.derive(MAP_VALUES, map, None, None)
    }

    /// Every row with another value, in a store of their own if `materialized` names one; `None`
    /// leaves it out.
    pub fn map_values_materialized<V2, R>(
        &self,
        map: impl Fn(&K, V) -> R + Send + Sync + 'static,
        materialized: Materialized<K, V2>,
    ) -> KTable<K, V2>
    where
        V2: DefaultSerde + Clone + 'static,
        R: OptionalOutcome<V2>,
    {
        let map = move |key: &K, value| map(key, value).into_optional();
        let values = materialized.values.clone();
        let store = self.store(MAP_VALUES, &materialized, &values);
        self.derive(MAP_VALUES, map, values, store)
    }

    /// Groups rows by another key; records move through a repartition topic. A row for which `map`
    /// gives a null key or `None` as its value is in no group.
    pub fn group_by<K2, V2, R, P>(
        &self,
        map: impl Fn(&K, V) -> P + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<K2, V2>
    where
        K2: Clone + PartialEq + 'static,
        V2: Clone + 'static,
        R: Into<Option<V2>>,
        P: Outcome<(K2, R)>,
    {
        let map = move |key: &K, value| {
            let (group, value) = map(key, value).into_result()?;
            Ok(value.into().map(|value| (group, value)))
        };
        let mut graph = self.builder.graph.borrow_mut();
        let name: Arc<str> = graph
            .name_or(grouped.name.as_deref(), "KTABLE-SELECT-")
            .into();
        let (own, map, keys) = (Arc::clone(&name), Arc::new(map), Arc::clone(&grouped.keys));
        let node = GraphNode::new(name, move |writer| {
            let (parents, is_versioned) =
                (writer.parents().to_vec(), writer.has_versioned_parent());
            writer.add_processor::<K, Change<V>, K2, Change<V2>, _>(&own, &parents, move || {
                RepartitionMap::new(Arc::clone(&map), Arc::clone(&keys), is_versioned)
            });
        });
        let node = graph.add(&[self.node], node);
        graph.send_old_values(self.node, true);
        drop(graph);
        KGroupedTable::new(self.builder.clone(), node, grouped)
    }

    fn filtered<R: Outcome<bool>>(
        &self,
        keep: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        values: Option<SerdeRef<V>>,
        store: Option<Arc<dyn StoreBuilder>>,
    ) -> Self {
        let change = move |key: &K, value: V| {
            let keeps = keep(key, &value).into_result()?;
            Ok(keeps.then_some(value))
        };
        self.derive(FILTER, change, values, store)
    }

    /// Draws the name of a store, and makes it if it was named by the user.
    fn store<V2: DefaultSerde + 'static>(
        &self,
        prefix: &str,
        materialized: &Materialized<K, V2>,
        values: &Option<SerdeRef<V2>>,
    ) -> Option<Arc<dyn StoreBuilder>> {
        let name = self
            .builder
            .graph
            .borrow_mut()
            .store_name(materialized, prefix);
        materialized.name.as_ref()?;
        let values = values.clone().unwrap_or_else(V2::default_serde);
        let serdes = (materialized.key_serde(&self.keys), values);
        Some(store_builder(name, serdes, materialized))
    }

    /// Adds a table whose rows are those of this one, changed or left out.
    fn derive<V2: Clone + 'static>(
        &self,
        prefix: &str,
        change: impl Fn(&K, V) -> RowResult<V2> + Send + Sync + 'static,
        values: Option<SerdeRef<V2>>,
        store: Option<Arc<dyn StoreBuilder>>,
    ) -> KTable<K, V2> {
        let mut graph = self.builder.graph.borrow_mut();
        let name: Arc<str> = graph.name_or(self.next_name.as_deref(), prefix).into();
        let change = Arc::new(change);
        let store_name = store.as_ref().map(|store| Arc::<str>::from(store.name()));
        let is_filter = prefix == FILTER;
        // Where the rows are known, deleting what was never there is not passed on.
        let sends_old = is_filter && graph.send_old_values(self.node, false);
        let (own, supplied, written_to) =
            (Arc::clone(&name), Arc::clone(&change), store_name.clone());
        let node = GraphNode::new(name, move |writer| {
            // Versions tell apart what was never there and what was deleted at a time.
            let skips_nothing = is_filter && !writer.has_versioned_parent();
            let parents = writer.parents().to_vec();
            writer.add_processor::<K, Change<V>, K, Change<V2>, _>(&own, &parents, move || {
                Derive::new(written_to.clone(), Arc::clone(&supplied), skips_nothing)
            });
        });
        let node = graph.add(&[self.node], node.with_own_rows(store, self.node));
        if sends_old {
            graph.set_sends_old_values(node);
        }
        drop(graph);
        let view = match store_name {
            Some(name) => StoreView::always(name),
            None => DerivedView::make(&self.view, change),
        };
        self.valued_at(node, values, view)
    }
}

impl GraphNode {
    /// A table whose rows are in `store`, or computed from those of `parent`.
    pub(super) fn with_own_rows(
        self,
        store: Option<Arc<dyn StoreBuilder>>,
        parent: GraphNodeId,
    ) -> Self {
        match store {
            Some(store) => {
                let is_versioned = is_versioned(&*store);
                self.with_stores([store])
                    .with_rows(Rows::Materialized)
                    .with_output_versioned(is_versioned)
            }
            None => self.with_rows(Rows::Derived(parent)),
        }
    }
}

/// The predicate that holds where `drop` does not.
fn not<K, V, R: Outcome<bool>>(
    drop: impl Fn(&K, &V) -> R,
) -> impl Fn(&K, &V) -> Result<bool, ProcessorError> {
    move |key, value| Ok(!drop(key, value).into_result()?)
}

const FILTER: &str = "KTABLE-FILTER-";
const MAP_VALUES: &str = "KTABLE-MAPVALUES-";
