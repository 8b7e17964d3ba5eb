//! The streams of a cogroup, whatever their values are.

use crate::dsl::outcome::{OptionalOutcome, RowResult};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::aggregate::Aggregate;
use crate::dsl::graph::{GraphNode, GraphNodeId, SourceNodes};
use crate::dsl::grouped::KGroupedStream;
use crate::dsl::windowed::{
    Aggregation, EmitStrategy, SessionWindows, TimeWindowing, session_node, time_node,
};
use crate::serde::SerdeRef;

/// Gives the aggregate before the first value.
pub(super) type Initialize<A> = Arc<dyn Fn() -> Option<A> + Send + Sync>;

/// Makes one of two sessions.
pub(super) type Merge<K, A> = Arc<dyn Fn(&K, Option<A>, A) -> RowResult<A> + Send + Sync>;

/// How streams are aggregated.
pub(super) enum Recipe<K, A> {
    Unwindowed,
    Time(TimeWindowing),
    Session(SessionWindows, Merge<K, A>),
}

/// A stream of a cogroup.
pub(super) trait Input<K, A> {
    /// Tells grouped streams apart.
    fn id(&self) -> *const ();

    /// The serde of keys.
    fn keys(&self) -> SerdeRef<K>;

    /// The sources it comes from, in front of a repartition.
    fn sources(&self) -> &SourceNodes;

    /// The node to aggregate below. Names around a repartition topic, for which `store` stands if
    /// the user gave no name, are drawn with every call; the topic is made once.
    fn parent(&self, store: &str) -> GraphNodeId;

    /// The node that aggregates.
    fn node(
        &self,
        name: &str,
        store: &Arc<str>,
        initialize: &Initialize<A>,
        recipe: &Recipe<K, A>,
    ) -> GraphNode;
}

/// A grouped stream with its aggregator.
struct GroupedInput<K, V, F> {
    grouped: KGroupedStream<K, V>,
    fold: Arc<F>,
    parent: Cell<Option<GraphNodeId>>,
}

/// `grouped` with the aggregator `add`.
pub(super) fn input<K, V, A, R>(
    grouped: &KGroupedStream<K, V>,
    add: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
) -> Rc<dyn Input<K, A>>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    R: OptionalOutcome<A>,
{
    let fold = move |key: &K, value, before: Option<A>| match before {
        Some(before) => add(key, value, before).into_optional(),
        None => Ok(None),
    };
    Rc::new(GroupedInput {
        grouped: grouped.clone(),
        fold: Arc::new(fold),
        parent: Cell::new(None),
    })
}

impl<K, V, A, F> Input<K, A> for GroupedInput<K, V, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    F: Fn(&K, V, Option<A>) -> RowResult<A> + Send + Sync + 'static,
{
    fn id(&self) -> *const () {
        self.grouped.id()
    }

    fn keys(&self) -> SerdeRef<K> {
        Arc::clone(self.grouped.serdes().0)
    }

    fn sources(&self) -> &SourceNodes {
        self.grouped.sources()
    }

    fn parent(&self, store: &str) -> GraphNodeId {
        let Some(names) = self.grouped.repartition_names(store) else {
            return self.grouped.node();
        };
        let parent = self.parent.get();
        let parent = parent.unwrap_or_else(|| self.grouped.repartition(&names));
        self.parent.set(Some(parent));
        parent
    }

    fn node(
        &self,
        name: &str,
        store: &Arc<str>,
        initialize: &Initialize<A>,
        recipe: &Recipe<K, A>,
    ) -> GraphNode {
        let (keys, values) = self.grouped.serdes();
        let (initialize, fold) = (Arc::clone(initialize), Arc::clone(&self.fold));
        let initialize = move || initialize();
        let fold = move |key: &K, value: V, before| fold(key, value, before);
        let aggregation = |initialize, fold| Aggregation {
            store: Arc::clone(store),
            strategy: EmitStrategy::OnWindowUpdate,
            keys: Arc::clone(keys),
            values: Arc::clone(values),
            initialize,
            fold,
        };
        match recipe {
            Recipe::Time(windows) => time_node(name, *windows, aggregation(initialize, fold)),
            Recipe::Session(windows, merge) => {
                let merge = Arc::clone(merge);
                let merge = move |key: &K, one, other| merge(key, one, other);
                session_node(name, *windows, aggregation(initialize, fold), merge)
            }
            Recipe::Unwindowed => {
                let (store, inputs) = (Arc::clone(store), Arc::clone(values));
                let (initialize, fold) = (Arc::new(initialize), Arc::new(fold));
                let node = GraphNode::processor(name, move || {
                    Aggregate::<K, V, A, _, _>::new(
                        Arc::clone(&store),
                        Arc::clone(&inputs),
                        Arc::clone(&initialize),
                        Arc::clone(&fold),
                    )
                });
                node.with_output_versioned(false)
            }
        }
    }
}
