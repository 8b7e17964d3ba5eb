//! Where a topology begins.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::options::{Consumed, Materialized};
use super::stream::KStream;
use super::table::{KTable, TableSource};
use crate::processor::{ErasedNode, ProcessorNode, SourceNode};
use crate::serde::DefaultSerde;
use crate::state::StoreBuilder;
use crate::topology::{NodeFactory, NodeKind, TopicRef, Topology, TopologyBuilder, TopologyError};

/// Builds a topology out of streams and tables (Java: `StreamsBuilder`).
#[derive(Clone, Default)]
pub struct StreamsBuilder {
    pub(super) shared: Rc<RefCell<Shared>>,
}

impl std::fmt::Debug for StreamsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamsBuilder").finish_non_exhaustive()
    }
}

/// The topology so far, and the counter that numbers generated names.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) topology: TopologyBuilder,
    index: u32,
}

impl Shared {
    /// `PREFIX-0000000007` (Java: `newProcessorName`).
    pub(super) fn new_name(&mut self, prefix: &str) -> String {
        let index = self.index;
        self.index += 1;
        format!("{prefix}{index:010}")
    }

    /// Like `new_name`, unless the user gave a name.
    pub(super) fn name_or(&mut self, given: Option<&str>, prefix: &str) -> String {
        given.map_or_else(|| self.new_name(prefix), str::to_owned)
    }

    /// Adds a processor node that `supply` makes for every task.
    pub(super) fn add_processor<KIn, VIn, KOut, VOut, P>(
        &mut self,
        name: &str,
        parent: usize,
        supply: impl Fn() -> P + Send + Sync + 'static,
    ) -> usize
    where
        KIn: 'static,
        VIn: 'static,
        KOut: 'static,
        VOut: 'static,
        P: crate::processor::Processor<KIn, VIn, KOut, VOut> + 'static,
    {
        let factory: NodeFactory = Arc::new(move |_| ProcessorNode::erased(Box::new(supply())));
        self.topology
            .add_node(name, NodeKind::Processor, &[parent], factory)
    }

    pub(super) fn add_source<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: &str,
        topic: TopicRef,
        consumed: Consumed<K, V>,
    ) -> usize {
        let Consumed { keys, values, .. } = consumed;
        let factory: NodeFactory = Arc::new(move |_| {
            let (keys, values) = (Arc::clone(&keys), Arc::clone(&values));
            Box::new(SourceNode { keys, values }) as Box<dyn ErasedNode>
        });
        self.topology
            .add_node(name, NodeKind::Source(vec![topic]), &[], factory)
    }
}

impl StreamsBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of the records of `topic`, with the types' own serdes.
    pub fn stream<K, V>(&self, topic: impl AsRef<str>) -> KStream<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        self.stream_with(
            topic,
            Consumed::with(K::default_serde(), V::default_serde()),
        )
    }

    /// A stream of the records of `topic`.
    pub fn stream_with<K, V>(
        &self,
        topic: impl AsRef<str>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut shared = self.shared.borrow_mut();
        let name = shared.name_or(consumed.name.as_deref(), "KSTREAM-SOURCE-");
        let serdes = (Arc::clone(&consumed.keys), Arc::clone(&consumed.values));
        let topic = TopicRef {
            name: Arc::from(topic.as_ref()),
            internal: false,
        };
        let node = shared.add_source(&name, topic, consumed);
        drop(shared);
        KStream::new(self.clone(), node, false, Some(serdes.0), Some(serdes.1))
    }

    /// A table of the latest value of each key of `topic`.
    pub fn table<K, V>(
        &self,
        topic: impl AsRef<str>,
        materialized: Materialized<K, V>,
    ) -> KTable<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        let (keys, values) = (K::default_serde(), Option::<V>::default_serde());
        let mut shared = self.shared.borrow_mut();
        // Java draws the store's name first, then the source's, then the table's.
        let store = match &materialized.name {
            Some(name) => name.clone(),
            None => shared.new_name(&format!("{}STATE-STORE-", topic.as_ref())),
        };
        let source = shared.new_name("KSTREAM-SOURCE-");
        let name = shared.new_name("KTABLE-SOURCE-");
        let topic = TopicRef {
            name: Arc::from(topic.as_ref()),
            internal: false,
        };
        let parent = shared.add_source(&source, topic, Consumed::with(keys, values));
        let store: Arc<str> = Arc::from(store);
        let builder = super::aggregate::store_builder(
            Arc::clone(&store),
            materialized.key_serde(&K::default_serde()),
            materialized.values.clone().unwrap_or_else(V::default_serde),
            &materialized,
        );
        let supplied = Arc::clone(&store);
        let node = shared.add_processor(&name, parent, move || {
            TableSource::<K, V>::new(Arc::clone(&supplied))
        });
        shared.topology.add_store(builder);
        shared.topology.connect(node, &store);
        drop(shared);
        KTable::new(self.clone(), node, Some(K::default_serde()))
    }

    /// Adds a store for processors that name it (Java: `addStateStore`).
    pub fn add_state_store(&self, builder: impl StoreBuilder + 'static) -> &Self {
        self.shared
            .borrow_mut()
            .topology
            .add_store(Arc::new(builder));
        self
    }

    /// The finished topology. The builder is empty afterwards.
    ///
    /// # Errors
    /// The first mistake that was made in building it.
    pub fn build(&self) -> Result<Topology, TopologyError> {
        std::mem::take(&mut *self.shared.borrow_mut())
            .topology
            .build()
    }
}
