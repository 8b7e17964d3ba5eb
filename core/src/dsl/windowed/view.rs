//! The rows of windowed tables for operators below another node.

use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::value_getter::{
    MakeView, Row, ValueGetter, ValueGetterSupplier, View, not_versioned,
};
use crate::processor::{ProcessorError, TaskContext};
use crate::state::{SessionStore, StateError, TimestampedWindowStore, ValueAndTimestamp};
use crate::window::Windowed;

/// The rows of a window store (Java: the view of `KStreamWindowAggregate`).
pub(super) fn window_view<K: 'static, V: 'static>(name: Arc<str>) -> MakeView<Windowed<K>, V> {
    stored(name, |task, store, key: &Windowed<K>| {
        let read = |store: &mut TimestampedWindowStore<K, V>, _: &_| {
            store.fetch_at(&key.key, key.window.start)
        };
        Ok(task.with_store(store, read)??)
    })
}

/// The rows of a session store, as of the ends of sessions (Java: the view of
/// `KStreamSessionWindowAggregate`).
pub(super) fn session_view<K: 'static, V: 'static>(name: Arc<str>) -> MakeView<Windowed<K>, V> {
    stored(name, |task, store, key: &Windowed<K>| {
        let window = key.window;
        let read = |store: &mut SessionStore<K, V>, _: &_| -> Result<Option<V>, StateError> {
            store.fetch_session(&key.key, window.start, window.end)
        };
        let value = task.with_store(store, read)??;
        Ok(value.map(|value| ValueAndTimestamp::new(value, window.end)))
    })
}

/// Reads the row of a key out of a store.
type ReadRow<K, V> = fn(&mut TaskContext, usize, &K) -> Row<V>;

fn stored<K: 'static, V: 'static>(name: Arc<str>, read: ReadRow<K, V>) -> MakeView<K, V> {
    let view: View<K, V> = Arc::new(WindowedView { name, read });
    Rc::new(move |_| Arc::clone(&view))
}

struct WindowedView<K, V> {
    name: Arc<str>,
    read: ReadRow<K, V>,
}

impl<K: 'static, V: 'static> ValueGetterSupplier<K, V> for WindowedView<K, V> {
    fn getter(&self) -> Box<dyn ValueGetter<K, V>> {
        Box::new(WindowedGetter {
            name: Arc::clone(&self.name),
            store: 0,
            read: self.read,
        })
    }

    fn store_names(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.name)]
    }
}

struct WindowedGetter<K, V> {
    name: Arc<str>,
    store: usize,
    read: ReadRow<K, V>,
}

impl<K, V> ValueGetter<K, V> for WindowedGetter<K, V> {
    fn init(&mut self, task: &mut TaskContext, node: usize) -> Result<(), ProcessorError> {
        self.store = task.store_index(node, &self.name)?;
        Ok(())
    }

    fn get(&mut self, task: &mut TaskContext, key: &K) -> Row<V> {
        (self.read)(task, self.store, key)
    }

    fn get_as_of(&mut self, _: &mut TaskContext, _: &K, _: i64) -> Row<V> {
        Err(not_versioned())
    }

    fn is_versioned(&self) -> bool {
        false
    }
}
