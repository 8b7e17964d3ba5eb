//! Global stores: filled from whole topics by a task of their own, read by every other task.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::task_context::other_store;
use crate::config::StreamsConfig;
use crate::error::StreamsError;
use crate::processor::ProcessorError;
use crate::query::{QueryFailure, QueryPage, RowPosition, StoreQuery};
use crate::state::storage::{InMemoryStorageFactory, StorageFactory, TaskStorage};
use crate::state::{CacheBudget, StateError, StateStore};
use crate::topology::Topology;
use crate::types::{RecordContext, TaskId, TopicName};

struct GlobalStore {
    name: Arc<str>,
    store: Box<dyn StateStore>,
}

/// The global stores of a thread; a clone is the same stores. Processors read them under their
/// names, connected or not, and only the processor that fills a store may write to it.
#[derive(Clone, Default)]
pub struct GlobalStores {
    stores: Rc<RefCell<Vec<GlobalStore>>>,
}

/// Set in the index of a store that is a global one.
const GLOBAL: usize = 1 << (usize::BITS - 1);

/// True for the index of a global store.
pub(super) const fn is_global(store: usize) -> bool {
    store & GLOBAL != 0
}

impl GlobalStores {
    /// Answers a query from outside; `None` when there is no store of this name.
    pub(crate) fn query(
        &self,
        name: &str,
        query: &StoreQuery,
        after: Option<&RowPosition>,
        max_rows: usize,
    ) -> Option<Result<QueryPage, QueryFailure>> {
        let stores = self.stores.borrow();
        let found = stores.iter().find(|store| &*store.name == name)?;
        Some(found.store.query(query, after, max_rows))
    }

    /// The global stores of `topology`, empty.
    pub(crate) fn new(topology: &Topology, config: &StreamsConfig) -> Result<Self, StreamsError> {
        // No cache: a write is seen by every task at once.
        let budget = CacheBudget::new(0);
        let mut stores = Vec::new();
        let mut storage = None;
        for definition in topology.global_stores() {
            let builder = definition.builder.configured(config);
            let mut store = match builder {
                Some(builder) => builder.build(&budget),
                None => definition.builder.build(&budget),
            };
            let topic = definition.changelog_topic(config.application_id());
            store.set_changelog_topic(&topic.unwrap_or_else(|| TopicName::new(&*definition.name)));
            if store.is_persistent() {
                if storage.is_none() {
                    // They are read anew at every start.
                    let opened = InMemoryStorageFactory.open(TASK)?;
                    storage = Some(TaskStorage::open(opened, config.application_id(), TASK)?);
                }
                if let Some(storage) = &storage {
                    store.init(storage)?;
                }
            }
            stores.push(GlobalStore {
                name: Arc::clone(&definition.name),
                store,
            });
        }
        Ok(Self {
            stores: Rc::new(RefCell::new(stores)),
        })
    }

    /// The index of the store called `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let stores = self.stores.borrow();
        let found = stores.iter().position(|global| &*global.name == name);
        found.map(|at| at | GLOBAL)
    }

    pub(super) fn is_store<S: StateStore>(&self, store: usize) -> bool {
        let stores = self.stores.borrow();
        let found = stores.get(store & !GLOBAL);
        found.is_some_and(|global| global.store.as_any().is::<S>())
    }

    /// Calls `access` with a store; nothing is forwarded or logged. Who only reads must not write:
    /// that would be seen by all, and lost with the next start.
    pub(super) fn with_store<S: StateStore, R>(
        &self,
        store: usize,
        may_write: bool,
        context: &RecordContext,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        let Ok(mut stores) = self.stores.try_borrow_mut() else {
            return Err(ProcessorError::new(
                "a global store is used while another one is: take the value out first",
            ));
        };
        let Some(global) = stores.get_mut(store & !GLOBAL) else {
            return Err(ProcessorError::new("there is no such global store"));
        };
        let before = global.store.writes();
        let Some(typed) = global.store.as_any_mut().downcast_mut::<S>() else {
            return Err(other_store::<S>(global.store.as_ref()));
        };
        let result = access(typed, context);
        settle(global.store.as_mut())?;
        if !may_write && global.store.writes() != before {
            let name = &global.name;
            return Err(ProcessorError::new(format!(
                "global store {name} was written to by a processor that may only read it: write \
                 to the topic that fills it"
            )));
        }
        Ok(result)
    }

    /// Shows every store, in the order they were added.
    pub fn visit(&self, mut visit: impl FnMut(&dyn StateStore)) {
        for global in self.stores.borrow().iter() {
            visit(global.store.as_ref());
        }
    }
}

/// The task of global stores, where one must be named.
pub(crate) const TASK: TaskId = TaskId::new(-1, -1);

/// Moves what was written to the rows: the topic is the changelog, so nothing is logged.
fn settle(store: &mut dyn StateStore) -> Result<(), StateError> {
    while store.has_pending() {
        if store.next_flushed()?.is_none() {
            break;
        }
    }
    store.visit_changelog(&mut |_| {});
    Ok(())
}
