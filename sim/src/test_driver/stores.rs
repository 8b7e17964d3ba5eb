//! [`TestStore`]: the stores of a topology under test.

use std::marker::PhantomData;

use eddyline_core::state::{
    KeyValueStore, SessionStore, StateError, StateStore, TimestampedKeyValueStore,
    TimestampedWindowStore, ValueAndTimestamp, WindowStore,
};
use eddyline_core::types::{NO_TIMESTAMP, RecordContext, TaskId};

use super::{TestDriverError, TopologyTestDriver};

/// A store of a topology under test, of the type `S`.
pub struct TestStore<S> {
    driver: TopologyTestDriver,
    name: String,
    task: Option<TaskId>,
    /// Asked for as a store of plain values, it has timestamps beside them.
    is_timestamped: bool,
    store: PhantomData<fn() -> S>,
}

impl<S> TestStore<S> {
    /// The same store, asked for as one of the type `T`.
    fn retyped<T>(&self, is_timestamped: bool) -> TestStore<T> {
        TestStore {
            driver: self.driver.clone(),
            name: self.name.clone(),
            task: self.task,
            is_timestamped,
            store: PhantomData,
        }
    }
}

impl<S: StateStore> TestStore<S> {
    /// The same store of one task. Without this, it is that of the first task that has the store.
    #[must_use]
    pub fn in_task(mut self, task: TaskId) -> Self {
        self.task = Some(task);
        self
    }

    /// Calls `access` with the store and the context that its writes are made under. What it writes
    /// goes to the changelog, and what that evicts is forwarded, as from a processor.
    ///
    /// # Errors
    /// When the task is not there, or a processor downstream fails.
    pub fn with<R>(
        &self,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, TestDriverError> {
        let mut engine = self.driver.engine.borrow_mut();
        engine.with_store(self.task, &self.name, access)
    }

    fn try_with<R>(
        &self,
        access: impl FnOnce(&mut S, &RecordContext) -> Result<R, StateError>,
    ) -> Result<R, TestDriverError> {
        Ok(self.with(access)??)
    }
}

impl<K: Clone + 'static, V: 'static> TestStore<KeyValueStore<K, V>> {
    /// This store as what it is, if its rows have timestamps.
    fn timestamped(&self) -> Option<TestStore<TimestampedKeyValueStore<K, V>>> {
        self.is_timestamped.then(|| self.retyped(false))
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, key: &K) -> Result<Option<V>, TestDriverError> {
        match self.timestamped() {
            Some(store) => Ok(store.get(key)?.map(|row| row.value)),
            None => self.try_with(|store, _| store.get(key)),
        }
    }

    /// Sets the value of `key`, without a timestamp; `None` deletes it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put(&self, key: &K, value: Option<&V>) -> Result<(), TestDriverError>
    where
        V: Clone,
    {
        match self.timestamped() {
            Some(store) => {
                let row = value.map(|value| ValueAndTimestamp::new(value.clone(), NO_TIMESTAMP));
                store.put(key, row.as_ref())
            }
            None => self.try_with(|store, context| store.put(key, value, context)),
        }
    }

    /// All rows, in the order of the keys' bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn all(&self) -> Result<Vec<(K, V)>, TestDriverError> {
        match self.timestamped() {
            Some(store) => {
                let rows = store.all()?.into_iter();
                Ok(rows.map(|(key, row)| (key, row.value)).collect())
            }
            None => self.try_with(|store, _| store.all()?.collect()),
        }
    }
}

impl<K: Clone + 'static, V: 'static> TestStore<TimestampedKeyValueStore<K, V>> {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, TestDriverError> {
        self.try_with(|store, _| store.get(key))
    }

    /// Sets the value of `key`; `None` deletes it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put(
        &self,
        key: &K,
        value: Option<&ValueAndTimestamp<V>>,
    ) -> Result<(), TestDriverError> {
        self.try_with(|store, context| store.put(key, value, context))
    }

    /// All rows, in the order of the keys' bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn all(&self) -> Result<Vec<(K, ValueAndTimestamp<V>)>, TestDriverError> {
        self.try_with(|store, _| store.all()?.collect())
    }
}

impl TopologyTestDriver {
    /// The store called `name`, of any type.
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn state_store<S: StateStore>(&self, name: &str) -> Result<TestStore<S>, TestDriverError> {
        let store = TestStore {
            driver: self.clone(),
            name: name.to_owned(),
            task: None,
            is_timestamped: false,
            store: PhantomData,
        };
        store.with(|_, _| ())?;
        Ok(store)
    }

    /// A key-value store. Of a timestamped one, as tables are kept in, `get`, `put` and `all` see
    /// the values alone (Java: `KeyValueStoreFacade`).
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn key_value_store<K: Clone + 'static, V: 'static>(
        &self,
        name: &str,
    ) -> Result<TestStore<KeyValueStore<K, V>>, TestDriverError> {
        match self.timestamped_key_value_store::<K, V>(name) {
            Ok(store) => Ok(store.retyped(true)),
            Err(_) => self.state_store(name),
        }
    }

    /// A timestamped key-value store, as tables are kept in.
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn timestamped_key_value_store<K: Clone + 'static, V: 'static>(
        &self,
        name: &str,
    ) -> Result<TestStore<TimestampedKeyValueStore<K, V>>, TestDriverError> {
        self.state_store(name)
    }

    /// A window store.
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn window_store<K: Clone + 'static, V: 'static>(
        &self,
        name: &str,
    ) -> Result<TestStore<WindowStore<K, V>>, TestDriverError> {
        self.state_store(name)
    }

    /// A timestamped window store, as windowed tables are kept in.
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn timestamped_window_store<K: Clone + 'static, V: 'static>(
        &self,
        name: &str,
    ) -> Result<TestStore<TimestampedWindowStore<K, V>>, TestDriverError> {
        self.state_store(name)
    }

    /// A session store.
    ///
    /// # Errors
    /// When there is no such store, or it is of another type.
    pub fn session_store<K: Clone + 'static, V: 'static>(
        &self,
        name: &str,
    ) -> Result<TestStore<SessionStore<K, V>>, TestDriverError> {
        self.state_store(name)
    }
}
