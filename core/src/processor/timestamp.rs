//! Timestamp extractors: which time a record is taken to have.

use super::ProcessorError;
use crate::config::DefaultTimestampExtractor;
use crate::time::{StreamTime, WallClock};
use crate::types::{Headers, TopicName};

/// A record as a topic holds it, read by the source's serdes (Java: `ConsumerRecord`).
#[derive(Clone, Copy, Debug)]
pub struct ConsumerRecord<'a, K, V> {
    /// Its topic.
    pub topic: &'a TopicName,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The timestamp in milliseconds it was written with; negative where it has none.
    pub timestamp: i64,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its key; `None` is a null that `K` does not have.
    pub key: Option<&'a K>,
    /// Its value; `None` is a null that `V` does not have, as tables have them for deletions.
    pub value: Option<&'a V>,
    /// The wall clock as the record becomes the first of its partition.
    pub wall_clock: WallClock,
}

/// Which time a record has (Java: `TimestampExtractor`). A record whose time is negative is dropped
/// and counted. Closures of a [`ConsumerRecord`] and the partition time are extractors:
///
/// ```
/// use eddyline_core::processor::ConsumerRecord;
/// use eddyline_core::time::StreamTime;
///
/// let in_seconds = |record: &ConsumerRecord<'_, String, i64>, partition_time: StreamTime| {
///     record.value.map_or(partition_time.0, |seconds| seconds * 1000)
/// };
/// # fn check(_: impl eddyline_core::processor::TimestampExtractor<String, i64>) {}
/// # check(in_seconds);
/// ```
pub trait TimestampExtractor<K, V>: Send + Sync {
    /// The time of `record` in milliseconds; `partition_time` is the highest one so far of its
    /// partition.
    ///
    /// # Errors
    /// What stops the thread: an error here is never handled.
    fn extract(
        &self,
        record: &ConsumerRecord<'_, K, V>,
        partition_time: StreamTime,
    ) -> Result<i64, ProcessorError>;
}

impl<F, K, V> TimestampExtractor<K, V> for F
where
    F: Fn(&ConsumerRecord<'_, K, V>, StreamTime) -> i64 + Send + Sync,
{
    fn extract(
        &self,
        record: &ConsumerRecord<'_, K, V>,
        partition_time: StreamTime,
    ) -> Result<i64, ProcessorError> {
        Ok(self(record, partition_time))
    }
}

/// The record's own timestamp; a negative one stops the thread. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailOnInvalidTimestamp;

/// The record's own timestamp; a record with a negative one is dropped and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogAndSkipOnInvalidTimestamp;

/// The record's own timestamp, or the partition time where that is negative; while there is no
/// partition time either, the thread stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsePartitionTimeOnInvalidTimestamp;

/// The wall clock (processing time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallclockTimestampExtractor;

macro_rules! of_metadata {
    ($($extractor:ident = $kind:ident;)*) => {
        $(impl<K, V> TimestampExtractor<K, V> for $extractor {
            fn extract(
                &self,
                record: &ConsumerRecord<'_, K, V>,
                partition_time: StreamTime,
            ) -> Result<i64, ProcessorError> {
                let kind = DefaultTimestampExtractor::$kind;
                of_metadata(kind, record.timestamp, partition_time, record.wall_clock)
            }
        })*
    };
}

of_metadata! {
    FailOnInvalidTimestamp = FailOnInvalidTimestamp;
    LogAndSkipOnInvalidTimestamp = LogAndSkipOnInvalidTimestamp;
    UsePartitionTimeOnInvalidTimestamp = UsePartitionTimeOnInvalidTimestamp;
    WallclockTimestampExtractor = WallclockTimestampExtractor;
}

/// The time of a record by what stands around its key and value.
pub(super) fn of_metadata(
    kind: DefaultTimestampExtractor,
    timestamp: i64,
    partition_time: StreamTime,
    wall_clock: WallClock,
) -> Result<i64, ProcessorError> {
    match kind {
        DefaultTimestampExtractor::WallclockTimestampExtractor => Ok(wall_clock.0),
        DefaultTimestampExtractor::LogAndSkipOnInvalidTimestamp => Ok(timestamp),
        _ if timestamp >= 0 => Ok(timestamp),
        DefaultTimestampExtractor::UsePartitionTimeOnInvalidTimestamp if partition_time.0 >= 0 => {
            Ok(partition_time.0)
        }
        DefaultTimestampExtractor::UsePartitionTimeOnInvalidTimestamp => Err(ProcessorError::new(
            format!("its timestamp is {timestamp} and its partition has no time yet"),
        )),
        DefaultTimestampExtractor::FailOnInvalidTimestamp => Err(ProcessorError::new(format!(
            "its timestamp is {timestamp}, and only 0 and later are valid: it was written without \
             one; choose another timestamp extractor to read it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_timestamps_are_refused_kept_or_replaced() {
        use DefaultTimestampExtractor as Kind;
        let time = |kind, timestamp, partition| {
            of_metadata(kind, timestamp, StreamTime(partition), WallClock(77)).ok()
        };
        assert_eq!(time(Kind::FailOnInvalidTimestamp, 5, 9), Some(5));
        assert_eq!(time(Kind::FailOnInvalidTimestamp, -1, 9), None);
        assert_eq!(time(Kind::LogAndSkipOnInvalidTimestamp, -1, 9), Some(-1));
        assert_eq!(
            time(Kind::UsePartitionTimeOnInvalidTimestamp, 5, 9),
            Some(5)
        );
        assert_eq!(
            time(Kind::UsePartitionTimeOnInvalidTimestamp, -1, 9),
            Some(9)
        );
        assert_eq!(time(Kind::UsePartitionTimeOnInvalidTimestamp, -1, -1), None);
        assert_eq!(time(Kind::WallclockTimestampExtractor, -1, -1), Some(77));
    }
}
