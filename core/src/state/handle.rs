//! Store handles: the type of a store, kept from where it is built to where it is used.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Names a store of the type `S`. Its builder makes it: a processor that keeps it asks for the store
/// without naming its type again, and cannot ask for another one.
///
/// ```
/// use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
/// use eddyline_core::serde::DefaultSerde;
/// use eddyline_core::state::{KeyValueStore, StoreHandle, Stores};
/// use eddyline_core::topology::TopologyBuilder;
///
/// struct Latest(StoreHandle<KeyValueStore<String, i64>>);
///
/// impl Processor<String, i64, String, i64> for Latest {
///     fn process(
///         &mut self,
///         context: &mut ProcessorContext<'_, String, i64>,
///         record: Record<String, i64>,
///     ) -> Result<(), ProcessorError> {
///         let before = context.with_store(&self.0, |latest, cx| {
///             let before = latest.get(&record.key)?;
///             latest.put(&record.key, Some(&record.value), cx).map(|_| before)
///         })??;
///         context.forward(record.with_value(before.unwrap_or(0)))
///     }
/// }
///
/// let serdes = || (String::default_serde(), i64::default_serde());
/// let store = Stores::key_value_store_builder(
///     Stores::in_memory_key_value_store("latest"),
///     String::default_serde(),
///     i64::default_serde(),
/// );
/// let latest = store.handle();
/// let mut builder = TopologyBuilder::new();
/// builder
///     .add_source("in", "in", serdes())
///     .add_processor("latest", move || Latest(latest.clone()), &["in"])
///     .add_state_store(store, &["latest"])
///     .add_sink("out", "out", serdes(), &["latest"]);
/// assert!(builder.build().is_ok());
/// ```
pub struct StoreHandle<S> {
    name: Arc<str>,
    store: PhantomData<fn() -> S>,
}

impl<S> StoreHandle<S> {
    pub(in crate::state) const fn new(name: Arc<str>) -> Self {
        Self {
            name,
            store: PhantomData,
        }
    }
}

impl<S> Clone for StoreHandle<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.name))
    }
}

impl<S> fmt::Debug for StoreHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreHandle").field(&self.name).finish()
    }
}

/// What a processor asks for a store of the type `S` by: its handle, or its name, where the type is
/// checked as the store is used.
pub trait StoreName<S> {
    /// The name of the store.
    fn store_name(&self) -> &str;
}

impl<S> StoreName<S> for StoreHandle<S> {
    fn store_name(&self) -> &str {
        &self.name
    }
}

impl<S> StoreName<S> for str {
    fn store_name(&self) -> &str {
        self
    }
}

impl<S> StoreName<S> for String {
    fn store_name(&self) -> &str {
        self
    }
}

impl<S> StoreName<S> for Arc<str> {
    fn store_name(&self) -> &str {
        self
    }
}
