//! Timestamp extractors and topic name extractors that scenarios name.

use eddyline_core::processor::{
    ConsumerRecord, FailOnInvalidTimestamp, LogAndSkipOnInvalidTimestamp, ProcessorError,
    TimestampExtractor, TopicNameExtractor, UsePartitionTimeOnInvalidTimestamp,
    WallclockTimestampExtractor,
};
use eddyline_core::time::StreamTime;
use eddyline_core::types::{RecordContext, TopicName};

use super::build::KeyCell;
use super::datum::{Datum, shown};

/// A value as a source hands it on.
pub(super) trait SourceValue {
    fn datum(&self) -> Option<&Datum>;
}

impl SourceValue for Datum {
    fn datum(&self) -> Option<&Datum> {
        Some(self)
    }
}

impl SourceValue for Option<Datum> {
    fn datum(&self) -> Option<&Datum> {
        self.as_ref()
    }
}

/// A timestamp extractor by its name.
#[derive(Clone, Copy)]
pub(super) enum Extractor {
    RecordTime,
    LogAndSkip,
    UsePartitionTime,
    WallClock,
    /// The integer after the last `@` of the value, else the record's timestamp.
    ValueTime,
    /// Likewise, else the partition time.
    ValueOrPartitionTime,
}

impl Extractor {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "record_ts" => Self::RecordTime,
            "log_and_skip" => Self::LogAndSkip,
            "use_partition_time" => Self::UsePartitionTime,
            "wall_clock" => Self::WallClock,
            "value_ts" => Self::ValueTime,
            "value_ts_or_partition_time" => Self::ValueOrPartitionTime,
            _ => return None,
        })
    }
}

impl<K, V: SourceValue> TimestampExtractor<K, V> for Extractor {
    fn extract(
        &self,
        record: &ConsumerRecord<'_, K, V>,
        partition_time: StreamTime,
    ) -> Result<i64, ProcessorError> {
        let of_value = || {
            let text = record.value.and_then(SourceValue::datum)?.to_string();
            text.rsplit_once('@')?.1.parse().ok()
        };
        match self {
            Self::RecordTime => FailOnInvalidTimestamp.extract(record, partition_time),
            Self::LogAndSkip => LogAndSkipOnInvalidTimestamp.extract(record, partition_time),
            Self::UsePartitionTime => {
                UsePartitionTimeOnInvalidTimestamp.extract(record, partition_time)
            }
            Self::WallClock => WallclockTimestampExtractor.extract(record, partition_time),
            Self::ValueTime => Ok(of_value().unwrap_or(record.timestamp)),
            Self::ValueOrPartitionTime => Ok(of_value().unwrap_or(partition_time.0)),
        }
    }
}

/// A topic function: `prefix_key:x` is x followed by the key.
#[derive(Clone)]
pub(super) struct TopicFunction(String);

impl TopicFunction {
    pub(super) fn named(function: &str) -> Option<Self> {
        let known = function.starts_with("prefix_key:");
        known.then(|| Self(function.to_owned()))
    }
}

impl<K: KeyCell, V> TopicNameExtractor<K, V> for TopicFunction {
    fn topic(&self, key: &K, _: &V, _: &RecordContext) -> TopicName {
        let prefix = self.0.split_once(':').map_or("", |(_, prefix)| prefix);
        TopicName::from(format!("{prefix}{}", shown(key.datum().as_ref())))
    }

    fn description(&self) -> String {
        self.0.clone()
    }
}
