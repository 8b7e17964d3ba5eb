//! The nodes and stores of a join of two streams.

use std::convert::Infallible;
use std::sync::Arc;

use super::super::configured_store::ConfiguredStore;
use super::super::graph::{GraphNode, GraphNodeId, StreamsGraph, Writer};
use super::super::operators::Pass;
use super::self_join::SelfJoin;
use super::stream_stream::{Left, Right, StreamStreamJoin, StreamStreamJoinSide};
use super::unmatched::unmatched_store_builder;
use super::window::JoinWindow;
use super::{JoinWindows, Joiner, StreamJoined};
use crate::config::StoreType;
use crate::serde::SerdeRef;
use crate::state::{RowOrder, StateError, StoreBuilder, Stores, WindowBytesStoreSupplier};
use crate::topology::TopologyError;

/// The sides whose records give a result if they do not join.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outer {
    left: bool,
    right: bool,
}

impl Outer {
    pub(super) const NONE: Self = Self::sides(false, false);
    pub(super) const LEFT: Self = Self::sides(true, false);
    pub(super) const BOTH: Self = Self::sides(true, true);

    const fn sides(left: bool, right: bool) -> Self {
        Self { left, right }
    }
}

/// The names of the nodes and stores of a join (Java: `KStreamImplJoin.join`).
struct Names {
    this_windowed: Arc<str>,
    other_windowed: Arc<str>,
    this_join: String,
    other_join: String,
    merge: Arc<str>,
    this_store: Arc<str>,
    other_store: Arc<str>,
    unmatched: Arc<str>,
}

impl Names {
    fn draw<K, V1, V2>(
        graph: &mut StreamsGraph,
        given: Option<&str>,
        outer: Outer,
        joined: &StreamJoined<K, V1, V2>,
    ) -> Self {
        let (this_prefix, this_suffix) = match outer.right {
            true => ("KSTREAM-OUTERTHIS-", "-outer-this-join"),
            false => ("KSTREAM-JOINTHIS-", "-this-join"),
        };
        let (other_prefix, other_suffix) = match outer.left {
            true => ("KSTREAM-OUTEROTHER-", "-outer-other-join"),
            false => ("KSTREAM-JOINOTHER-", "-other-join"),
        };
        // Drawn even where they are not used: later names must be Java's.
        let this_windowed = graph.new_name("KSTREAM-WINDOWED-");
        let other_windowed = graph.new_name("KSTREAM-WINDOWED-");
        let this_join = graph.new_name(this_prefix);
        let other_join = graph.new_name(other_prefix);
        let merge = graph.new_name("KSTREAM-MERGE-");
        let store = |generated: &str, suffix: &str| match &joined.store_name {
            Some(name) => format!("{name}{suffix}-store"),
            None => format!("{generated}-store"),
        };
        let this_store = match &joined.this_store {
            Some(supplier) => supplier.name().to_owned(),
            None => store(&this_join, this_suffix),
        };
        let other_store = match &joined.other_store {
            Some(supplier) => supplier.name().to_owned(),
            None => store(&other_join, other_suffix),
        };
        let shared = format!("KSTREAM-OUTERSHARED-{}", &this_join[this_prefix.len()..]);
        let shared_suffix = match outer.right {
            true => "-outer-shared-join",
            false => "-left-shared-join",
        };
        let unmatched = match &joined.this_store {
            Some(supplier) => format!("{}{shared_suffix}-store", supplier.name()),
            None => store(&shared, shared_suffix),
        };
        let named = |drawn: String, suffix: &str| match given {
            Some(given) => format!("{given}{suffix}"),
            None => drawn,
        };
        Self {
            this_windowed: named(this_windowed, "-this-windowed").into(),
            other_windowed: named(other_windowed, "-other-windowed").into(),
            this_join: named(this_join, this_suffix),
            other_join: named(other_join, other_suffix),
            merge: named(merge, "-merge").into(),
            this_store: this_store.into(),
            other_store: other_store.into(),
            unmatched: unmatched.into(),
        }
    }
}

/// A join of two streams that has its names and is not in the graph yet.
pub(super) struct JoinedStreams<K, V1, V2> {
    names: Names,
    outer: Outer,
    windows: JoinWindows,
    joined: StreamJoined<K, V1, V2>,
}

impl<K, V1, V2> JoinedStreams<K, V1, V2>
where
    K: Clone + 'static,
    V1: Clone + 'static,
    V2: Clone + 'static,
{
    pub(super) fn new(
        graph: &mut StreamsGraph,
        given: Option<&str>,
        outer: Outer,
        windows: JoinWindows,
        joined: StreamJoined<K, V1, V2>,
    ) -> Self {
        Self {
            names: Names::draw(graph, given, outer, &joined),
            outer,
            windows,
            joined,
        }
    }

    /// Adds the join of two nodes to the graph, and the nodes that fill its windows.
    pub(super) fn add<J: Joiner<K, V1, V2>>(
        self,
        graph: &mut StreamsGraph,
        (left, right): (GraphNodeId, GraphNodeId),
        joiner: J,
    ) -> GraphNodeId {
        let stores = self.windows_of_both_sides().unwrap_or_else(|message| {
            graph.fail(TopologyError::InvalidJoin {
                join: self.names.merge.to_string(),
                message,
            });
            Vec::new()
        });
        let [this_store, other_store] = &stores[..] else {
            return left;
        };
        let keys = &self.joined.keys;
        let this_windowed = windowed::<K, V1>(&self.names.this_windowed, this_store, keys);
        let other_windowed = windowed::<K, V2>(&self.names.other_windowed, other_store, keys);
        graph.add(&[left], this_windowed);
        graph.add(&[right], other_windowed);
        let parents = match left == right {
            true => vec![left],
            false => vec![left, right],
        };
        let is_relaxed = self.outer.left || self.outer.right;
        let node = self.node(Arc::clone(this_store), Arc::clone(other_store), joiner);
        let node = match is_relaxed {
            true => node.with_relaxed_null_keys(),
            false => node,
        };
        graph.add(&parents, node)
    }

    fn windows_of_both_sides(&self) -> Result<Vec<Arc<dyn StoreBuilder>>, String> {
        if let Some(problem) = self.windows.problem() {
            return Err(problem);
        }
        let StreamJoined {
            keys,
            values,
            other_values,
            this_store,
            other_store,
            ..
        } = &self.joined;
        if let (Some(this), Some(other)) = (this_store, other_store)
            && this.name() == other.name()
        {
            let name = this.name();
            return Err(format!("both sides have the store {name}: name them apart"));
        }
        let this = self.window_store(&self.names.this_store, this_store, (keys, values))?;
        let other = (keys, other_values);
        let other = self.window_store(&self.names.other_store, other_store, other)?;
        Ok(vec![this, other])
    }

    /// The recipe of the store that keeps the records of one side (Java:
    /// `StreamJoinedStoreFactory`).
    fn window_store<V: 'static>(
        &self,
        name: &Arc<str>,
        given: &Option<Arc<dyn WindowBytesStoreSupplier>>,
        (keys, values): (&SerdeRef<K>, &SerdeRef<V>),
    ) -> Result<Arc<dyn StoreBuilder>, String> {
        let recipe = |supplier| {
            let (keys, values) = (Arc::clone(keys), Arc::clone(values));
            Stores::timestamped_window_store_with_headers_builder(supplier, keys, values)
        };
        if let Some(supplier) = given {
            self.check(supplier.as_ref())?;
            return Ok(Arc::new(recipe(Arc::clone(supplier))));
        }
        let (retention_ms, size_ms) = (self.windows.retention_ms(), self.windows.size_ms());
        let builder = ConfiguredStore::builder(self.joined.store_type, |store_type, _| {
            let name = Arc::clone(name);
            let supplier = match store_type {
                StoreType::InMemory => {
                    Stores::in_memory_window_store(name, retention_ms, size_ms, true)
                }
                StoreType::Persistent => {
                    Stores::persistent_window_store(name, retention_ms, size_ms, true)
                }
            };
            let builder = recipe(supplier?);
            let builder: Arc<dyn StoreBuilder> = Arc::new(match &self.joined.logging {
                Some(config) => {
                    let mut config = config.clone();
                    // What is put under a key and a time is no update of what was there.
                    config.insert("cleanup.policy".to_owned(), "delete".to_owned());
                    builder.with_logging_enabled(config)
                }
                None => builder.with_logging_disabled(),
            });
            Ok(builder)
        });
        builder.map_err(|error: StateError| error.to_string())
    }

    fn check(&self, supplier: &dyn WindowBytesStoreSupplier) -> Result<(), String> {
        let name = supplier.name();
        if !supplier.retain_duplicates() {
            return Err(format!(
                "the supplier of store {name} must retain duplicates"
            ));
        }
        let (retention_ms, size_ms) = (self.windows.retention_ms(), self.windows.size_ms());
        if (supplier.retention_ms(), supplier.window_size_ms()) != (retention_ms, size_ms) {
            return Err(format!(
                "the supplier of store {name} must have a window size of {size_ms} ms and a \
                 retention of {retention_ms} ms, as the windows of the join, not {} and {} ms",
                supplier.window_size_ms(),
                supplier.retention_ms()
            ));
        }
        Ok(())
    }

    /// The node that joins, which is three in the topology, or one for a self-join.
    fn node<J: Joiner<K, V1, V2>>(
        self,
        this_store: Arc<dyn StoreBuilder>,
        other_store: Arc<dyn StoreBuilder>,
        joiner: J,
    ) -> GraphNode {
        let Self {
            names,
            outer,
            windows,
            joined,
        } = self;
        let unmatched = outer
            .left
            .then(|| unmatched_store(&names.unmatched, &joined));
        let join = Arc::new(StreamStreamJoin {
            name: Arc::clone(&names.merge),
            windows,
            keys: joined.keys,
            left_values: joined.values,
            right_values: joined.other_values,
            left_window: Arc::clone(&names.this_store),
            right_window: Arc::clone(&names.other_store),
            unmatched: unmatched.as_ref().map(|_| names.unmatched),
            is_left_outer: outer.left,
            is_right_outer: outer.right,
            joiner,
        });
        let merge = Arc::clone(&names.merge);
        let this_windowed = Arc::clone(&names.this_windowed);
        let other_windowed = Arc::clone(&names.other_windowed);
        let (this_parent, other_parent) = (Arc::clone(&this_windowed), Arc::clone(&other_windowed));
        let (this_join, other_join) = (names.this_join, names.other_join);
        let write = move |writer: &mut Writer<'_>| {
            let parent = |writer: &Writer<'_>, name: &str| -> Vec<usize> {
                writer.node(name).into_iter().collect()
            };
            if writer.is_self_join() {
                let parents = parent(writer, &this_parent);
                let node = writer
                    .add_processor(&merge, &parents, move || SelfJoin::new(Arc::clone(&join)));
                return writer.add_store(node, &this_store);
            }
            let parents = parent(writer, &this_parent);
            let side = Arc::clone(&join);
            let this = writer.add_processor(&this_join, &parents, move || {
                StreamStreamJoinSide::<K, V1, V2, Left, J>::new(Arc::clone(&side))
            });
            for store in std::iter::once(&other_store).chain(&unmatched) {
                writer.add_store(this, store);
            }
            let parents = parent(writer, &other_parent);
            let other = writer.add_processor(&other_join, &parents, move || {
                StreamStreamJoinSide::<K, V1, V2, Right, J>::new(Arc::clone(&join))
            });
            for store in std::iter::once(&this_store).chain(&unmatched) {
                writer.add_store(other, store);
            }
            writer.add_processor::<K, J::Joined, K, J::Joined, _>(&merge, &[this, other], || Pass);
        };
        let name = Arc::clone(&names.merge);
        GraphNode::stream_stream_join(name, this_windowed, other_windowed, write)
    }
}

/// The recipe of the store for records that have not joined yet (Java:
/// `OuterStreamJoinStoreFactory`).
fn unmatched_store<K: 'static, V1: 'static, V2: 'static>(
    name: &Arc<str>,
    joined: &StreamJoined<K, V1, V2>,
) -> Arc<dyn StoreBuilder> {
    // It is like the store of the left side, where that is given.
    let given = joined.this_store.as_ref().map(|given| match given.order() {
        RowOrder::Segmented { .. } => StoreType::Persistent,
        _ => StoreType::InMemory,
    });
    let builder = ConfiguredStore::builder(joined.store_type.or(given), |store_type, _| {
        let name = Arc::clone(name);
        let supplier = match store_type {
            StoreType::Persistent => Stores::persistent_key_value_store(name),
            StoreType::InMemory => Stores::in_memory_key_value_store(name),
        };
        let keys = Arc::clone(&joined.keys);
        let values = (Arc::clone(&joined.values), Arc::clone(&joined.other_values));
        let builder = unmatched_store_builder(supplier, keys, values, joined.logging.as_ref());
        Ok::<Arc<dyn StoreBuilder>, Infallible>(Arc::new(builder))
    });
    let Ok(builder) = builder;
    builder
}

/// The node that keeps the records of one side.
fn windowed<K, V>(name: &Arc<str>, store: &Arc<dyn StoreBuilder>, keys: &SerdeRef<K>) -> GraphNode
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let (store_name, keys) = (Arc::<str>::from(store.name()), Arc::clone(keys));
    let supply = move || JoinWindow::new(Arc::clone(&store_name), Arc::clone(&keys));
    GraphNode::processor::<K, V, K, V, _>(Arc::clone(name), supply).with_stores([Arc::clone(store)])
}
