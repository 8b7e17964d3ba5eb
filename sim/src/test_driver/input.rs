//! [`TestInputTopic`].

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use eddyline_core::serde::SerdeRef;
use eddyline_core::types::TopicName;

use super::{TestDriverError, TestRecord, TopologyTestDriver};

/// Pipes typed records into an input topic (Java: `TestInputTopic`). It has a time of its own, which
/// records without a timestamp get, and which may advance by itself.
pub struct TestInputTopic<K, V> {
    driver: TopologyTestDriver,
    topic: TopicName,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    time_ms: Cell<i64>,
    auto_advance_ms: i64,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl<K, V> TestInputTopic<K, V> {
    pub(super) fn new(
        driver: TopologyTestDriver,
        topic: TopicName,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> Self {
        Self {
            time_ms: Cell::new(driver.wall_clock().0),
            driver,
            topic,
            keys,
            values,
            auto_advance_ms: 0,
        }
    }

    /// The topic with its time at `start_ms`, advancing by `auto_advance` after every record that
    /// gets it.
    #[must_use]
    pub fn with_time(mut self, start_ms: i64, auto_advance: Duration) -> Self {
        self.time_ms.set(start_ms);
        self.auto_advance_ms = millis(auto_advance);
        self
    }

    /// Moves the topic's time on.
    pub fn advance_time(&self, by: Duration) {
        let time_ms = self.time_ms.get().saturating_add(millis(by));
        self.time_ms.set(time_ms);
    }

    /// Pipes a record in at the topic's time.
    ///
    /// # Errors
    /// Whatever the topology fails with.
    pub fn pipe_input(&self, key: K, value: V) -> Result<(), TestDriverError> {
        self.pipe_record(TestRecord::new(key, value))
    }

    /// Pipes a record in at `timestamp`, in milliseconds.
    ///
    /// # Errors
    /// Whatever the topology fails with.
    pub fn pipe_input_at(&self, key: K, value: V, timestamp: i64) -> Result<(), TestDriverError> {
        self.pipe_record(TestRecord::new(key, value).at(timestamp))
    }

    /// Pipes a record in: at its timestamp, or at the topic's time.
    ///
    /// # Errors
    /// Whatever the topology fails with.
    pub fn pipe_record(&self, record: TestRecord<K, V>) -> Result<(), TestDriverError> {
        self.pipe(None, record)
    }

    /// Pipes a record into one partition, whatever its key.
    ///
    /// # Errors
    /// Whatever the topology fails with.
    pub fn pipe_record_to(
        &self,
        partition: i32,
        record: TestRecord<K, V>,
    ) -> Result<(), TestDriverError> {
        self.pipe(Some(partition), record)
    }

    /// Pipes records in, one after the other, at the topic's time.
    ///
    /// # Errors
    /// Whatever the topology fails with; records behind are not piped.
    pub fn pipe_key_value_list(
        &self,
        records: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), TestDriverError> {
        let mut records = records.into_iter();
        records.try_for_each(|(key, value)| self.pipe_input(key, value))
    }

    /// Pipes records in, the first one at `start_ms` and each `advance` after the one before.
    ///
    /// # Errors
    /// Whatever the topology fails with; records behind are not piped.
    pub fn pipe_key_value_list_at(
        &self,
        records: impl IntoIterator<Item = (K, V)>,
        start_ms: i64,
        advance: Duration,
    ) -> Result<(), TestDriverError> {
        let mut time_ms = start_ms;
        for (key, value) in records {
            self.pipe_input_at(key, value, time_ms)?;
            time_ms = time_ms.saturating_add(millis(advance));
        }
        Ok(())
    }

    /// Pipes records in, one after the other.
    ///
    /// # Errors
    /// Whatever the topology fails with; records behind are not piped.
    pub fn pipe_record_list(
        &self,
        records: impl IntoIterator<Item = TestRecord<K, V>>,
    ) -> Result<(), TestDriverError> {
        let mut records = records.into_iter();
        records.try_for_each(|record| self.pipe_record(record))
    }

    fn pipe(
        &self,
        partition: Option<i32>,
        record: TestRecord<K, V>,
    ) -> Result<(), TestDriverError> {
        let key = self.bytes(&self.keys, &record.key)?;
        let value = self.bytes(&self.values, &record.value)?;
        let timestamp = record.timestamp.unwrap_or_else(|| {
            let time_ms = self.time_ms.get();
            self.time_ms
                .set(time_ms.saturating_add(self.auto_advance_ms));
            time_ms
        });
        let mut engine = self.driver.engine.borrow_mut();
        let bytes = (key, value);
        engine.pipe(&self.topic, partition, bytes, timestamp, &record.headers)
    }

    fn bytes<T>(&self, serde: &SerdeRef<T>, value: &T) -> Result<Option<Bytes>, TestDriverError> {
        let mut out = Vec::new();
        let written = serde.serialize_nullable(self.topic.as_str(), value, &mut out);
        let failed = |error| TestDriverError::Serde {
            topic: self.topic.clone(),
            error,
        };
        Ok(written.map_err(failed)?.then(|| out.into()))
    }
}

impl<K, V> TestInputTopic<Option<K>, V> {
    /// Pipes a record without a key in, at the topic's time.
    ///
    /// # Errors
    /// Whatever the topology fails with.
    pub fn pipe_value(&self, value: V) -> Result<(), TestDriverError> {
        self.pipe_input(None, value)
    }

    /// Pipes records without keys in, one after the other, at the topic's time.
    ///
    /// # Errors
    /// Whatever the topology fails with; records behind are not piped.
    pub fn pipe_value_list(
        &self,
        values: impl IntoIterator<Item = V>,
    ) -> Result<(), TestDriverError> {
        let mut values = values.into_iter();
        values.try_for_each(|value| self.pipe_value(value))
    }
}
