//! Where a topology begins.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::options::{Consumed, Materialized};
use super::stream::KStream;
use super::table::KTable;
use super::table_operators::TableSource;
use crate::processor::ProcessorNode;
use crate::serde::DefaultSerde;
use crate::state::StoreBuilder;
use crate::topology::{NodeFactory, NodeKind, Topics, Topology, TopologyBuilder, TopologyError};

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
    /// The tables, by node.
    tables: BTreeMap<usize, Rows>,
}

/// Where the rows of a table come from.
pub(super) enum Rows {
    /// It has a store.
    Materialized,
    /// From a topic, kept in the store of this name once someone needs them.
    Source(Arc<str>),
    /// From the rows of another table.
    Derived(usize),
}

impl Shared {
    /// `PREFIX-0000000007` (Java: `newProcessorName`).
    pub(super) fn new_name(&mut self, prefix: &str) -> String {
        let index = self.index;
        self.index += 1;
        format!("{prefix}{index:010}")
    }

    /// Like `new_name`, unless the user gave a name. The number is drawn all the same: later names
    /// must be Java's.
    pub(super) fn name_or(&mut self, given: Option<&str>, prefix: &str) -> String {
        let drawn = self.new_name(prefix);
        given.map_or(drawn, str::to_owned)
    }

    /// The name of a table's store, drawn if the user gave none.
    pub(super) fn store_name<K, V>(
        &mut self,
        materialized: &Materialized<K, V>,
        prefix: &str,
    ) -> Arc<str> {
        match &materialized.name {
            Some(name) => Arc::from(name.as_str()),
            None => Arc::from(self.new_name(&format!("{prefix}STATE-STORE-"))),
        }
    }

    /// Notes that a node is a table.
    pub(super) fn add_table(&mut self, node: usize, rows: Rows) {
        self.tables.insert(node, rows);
    }

    /// Lets a table say what its rows were before, and the tables that it is made from. That needs
    /// a store: without `force`, none is added for it and the answer may be no (Java:
    /// `enableSendingOldValues`).
    pub(super) fn send_old_values(&mut self, table: usize, force: bool) -> bool {
        let sends = match self.tables.get(&table) {
            Some(Rows::Source(_)) => force,
            Some(&Rows::Derived(parent)) => self.send_old_values(parent, force),
            Some(Rows::Materialized) | None => true,
        };
        if sends {
            self.materialize(table);
            self.topology.send_old_values(table);
        }
        sends
    }

    /// Gives a table of a topic its store.
    fn materialize(&mut self, table: usize) {
        let rows = self.tables.get_mut(&table);
        if let Some(rows @ Rows::Source(_)) = rows
            && let Rows::Source(store) = std::mem::replace(rows, Rows::Materialized)
        {
            self.topology.connect(table, &store);
        }
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
        topics: Topics,
        consumed: Consumed<K, V>,
    ) -> usize {
        let (source, serdes) = consumed.into_source(topics);
        self.topology.add_source_node(name, source, serdes)
    }
}

impl StreamsBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of the records of a topic, of several, or of all that match, with the types' own
    /// serdes.
    pub fn stream<K, V>(&self, topics: impl Into<Topics>) -> KStream<K, V>
    where
        K: DefaultSerde + Clone + 'static,
        V: DefaultSerde + Clone + 'static,
    {
        self.stream_with(
            topics,
            Consumed::with(K::default_serde(), V::default_serde()),
        )
    }

    /// A stream of the records of a topic, of several, or of all that match.
    pub fn stream_with<K, V>(
        &self,
        topics: impl Into<Topics>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut shared = self.shared.borrow_mut();
        let name = shared.name_or(consumed.name.as_deref(), "KSTREAM-SOURCE-");
        let serdes = (Arc::clone(&consumed.keys), Arc::clone(&consumed.values));
        let node = shared.add_source(&name, topics.into(), consumed);
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
        let consumed = Consumed::with(K::default_serde(), V::default_serde());
        self.table_with(topic, consumed, materialized)
    }

    /// A table of the latest value of each key of `topic`. It is kept in a store if `materialized`
    /// names one, or an operator needs it.
    pub fn table_with<K, V>(
        &self,
        topic: impl AsRef<str>,
        consumed: Consumed<K, V>,
        materialized: Materialized<K, V>,
    ) -> KTable<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let mut shared = self.shared.borrow_mut();
        // Java draws the store's name first, then the source's, then the table's.
        let store = shared.store_name(&materialized, &format!("{}-", topic.as_ref()));
        let given = consumed.name.as_deref();
        let given_source = given.map(|name| format!("{name}-source"));
        let source = shared.name_or(given_source.as_deref(), "KSTREAM-SOURCE-");
        let name = shared.name_or(given, "KTABLE-SOURCE-");
        let keys = materialized.key_serde(&consumed.keys);
        let values = materialized.values.clone();
        let values = values.unwrap_or_else(|| Arc::clone(&consumed.values));
        let parent = shared.add_source(&source, topic.as_ref().into(), consumed.nullable());
        let serdes = (Arc::clone(&keys), Arc::clone(&values));
        let builder = super::aggregate::store_builder(Arc::clone(&store), serdes, &materialized);
        let (supplied, supplied_keys) = (Arc::clone(&store), Arc::clone(&keys));
        let node = shared.add_processor(&name, parent, move || {
            TableSource::<K, V>::new(Arc::clone(&supplied), Arc::clone(&supplied_keys))
        });
        // A store that no node is connected to is never made: this keeps its place in the order.
        shared.topology.add_store(builder);
        shared.add_table(node, Rows::Source(store));
        if materialized.name.is_some() {
            shared.materialize(node);
        }
        drop(shared);
        KTable::new(self.clone(), node, keys, Some(values))
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
