//! Where records leave a task.

use crate::error::StreamsError;
use crate::types::{Headers, TopicName};

/// A serialised record on its way to a topic.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecord<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The partition; `None` leaves it to the key's hash, or to chance without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The timestamp in milliseconds; `NO_TIMESTAMP` leaves it to the producer's clock.
    pub timestamp: i64,
    /// The headers.
    pub headers: &'a Headers,
}

/// Takes what a task produces: output and changelog records, in order.
pub trait RecordSink {
    /// Takes one record.
    ///
    /// # Errors
    /// When the record can never be written.
    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), StreamsError>;
}
