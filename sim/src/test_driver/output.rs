//! [`TestOutputTopic`].

use std::collections::BTreeMap;

use bytes::Bytes;
use eddyline_core::serde::{SerdeError, SerdeRef};
use eddyline_core::types::TopicName;

use super::{TestDriverError, TestRecord, TopologyTestDriver};

/// Reads typed records of a topic that the topology writes to (Java: `TestOutputTopic`).
pub struct TestOutputTopic<K, V> {
    driver: TopologyTestDriver,
    topic: TopicName,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
}

impl<K, V> TestOutputTopic<K, V> {
    pub(super) const fn new(
        driver: TopologyTestDriver,
        topic: TopicName,
        keys: SerdeRef<K>,
        values: SerdeRef<V>,
    ) -> Self {
        Self {
            driver,
            topic,
            keys,
            values,
        }
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When there is none, or its bytes do not go with the serdes.
    pub fn read_record(&self) -> Result<TestRecord<K, V>, TestDriverError> {
        let read = self.driver.engine.borrow_mut().topics.read(&self.topic);
        let Some(produced) = read else {
            return Err(TestDriverError::NoRecord(self.topic.clone()));
        };
        let record = produced.record;
        Ok(TestRecord {
            key: self.typed(&self.keys, record.key.as_ref())?,
            value: self.typed(&self.values, record.value.as_ref())?,
            headers: record.headers,
            timestamp: Some(record.timestamp),
        })
    }

    fn typed<T>(&self, serde: &SerdeRef<T>, bytes: Option<&Bytes>) -> Result<T, TestDriverError> {
        let failed = |error| TestDriverError::Serde {
            topic: self.topic.clone(),
            error,
        };
        let read = serde.deserialize_nullable(self.topic.as_str(), bytes);
        read.map_err(failed)?.ok_or_else(|| {
            failed(SerdeError::Null {
                serde: std::any::type_name::<T>(),
                expected: "an Option, to read null",
            })
        })
    }

    /// Reads the value of the next record.
    ///
    /// # Errors
    /// As [`Self::read_record`].
    pub fn read_value(&self) -> Result<V, TestDriverError> {
        self.read_record().map(|record| record.value)
    }

    /// Reads key and value of the next record.
    ///
    /// # Errors
    /// As [`Self::read_record`].
    pub fn read_key_value(&self) -> Result<(K, V), TestDriverError> {
        self.read_record().map(|record| (record.key, record.value))
    }

    /// Reads all records that are left.
    ///
    /// # Errors
    /// When bytes do not go with the serdes.
    pub fn read_records_to_list(&self) -> Result<Vec<TestRecord<K, V>>, TestDriverError> {
        (0..self.queue_size()).map(|_| self.read_record()).collect()
    }

    /// Reads the values of all records that are left.
    ///
    /// # Errors
    /// When bytes do not go with the serdes.
    pub fn read_values_to_list(&self) -> Result<Vec<V>, TestDriverError> {
        (0..self.queue_size()).map(|_| self.read_value()).collect()
    }

    /// Reads keys and values of all records that are left.
    ///
    /// # Errors
    /// When bytes do not go with the serdes.
    pub fn read_key_values_to_list(&self) -> Result<Vec<(K, V)>, TestDriverError> {
        let left = 0..self.queue_size();
        left.map(|_| self.read_key_value()).collect()
    }

    /// Reads all records that are left; gives the last value of each key.
    ///
    /// # Errors
    /// When bytes do not go with the serdes.
    pub fn read_key_values_to_map(&self) -> Result<BTreeMap<K, V>, TestDriverError>
    where
        K: Ord,
    {
        Ok(self.read_key_values_to_list()?.into_iter().collect())
    }

    /// True when no record is left to read.
    pub fn is_empty(&self) -> bool {
        self.queue_size() == 0
    }

    /// How many records are left to read.
    pub fn queue_size(&self) -> usize {
        self.driver.engine.borrow().topics.unread_count(&self.topic)
    }
}
