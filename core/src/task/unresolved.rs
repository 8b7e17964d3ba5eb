//! Records for topics whose partitions are not known yet: sinks that choose their topics name them
//! only as they write.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::error::StreamsError;
use crate::processor::{ChoosePartitions, OutgoingRecord, Partitions, RecordSink};
use crate::time::Instant;
use crate::types::{Headers, TopicName};

use super::RecordCollector;
use super::record_collector::OwnedOrigin;

/// A record that waits for its topic.
struct Waiting {
    topic: TopicName,
    partition: Option<i32>,
    choose: Option<ChoosePartitions>,
    key: Option<Bytes>,
    value: Option<Bytes>,
    timestamp: i64,
    headers: Headers,
    origin: Option<OwnedOrigin>,
}

/// The records that wait, in the order they were sent.
#[derive(Default)]
pub(super) struct Unresolved {
    records: VecDeque<Waiting>,
    since: Option<Instant>,
    /// Topics that were asked for, and those still to be.
    asked: BTreeSet<TopicName>,
    wanted: VecDeque<TopicName>,
    failure: Option<StreamsError>,
}

impl Unresolved {
    pub(super) fn push(
        &mut self,
        now: Instant,
        record: &OutgoingRecord<'_>,
        choose: Option<ChoosePartitions>,
    ) {
        let owned = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
        self.since.get_or_insert(now);
        if self.asked.insert(record.topic.clone()) {
            self.wanted.push_back(record.topic.clone());
        }
        self.records.push_back(Waiting {
            topic: record.topic.clone(),
            partition: record.partition,
            choose,
            key: owned(record.key),
            value: owned(record.value),
            timestamp: record.timestamp,
            headers: record.headers.clone(),
            origin: record.origin.map(OwnedOrigin::from),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records: their tasks are lost.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.since = None;
        self.failure = None;
    }
}

impl RecordCollector {
    /// Sends what waits for topics that are known now.
    pub(super) fn resolve(&mut self) {
        if self.unresolved.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.unresolved.records);
        for mut record in waiting {
            let Some(count) = self.partition_count(&record.topic) else {
                self.unresolved.records.push_back(record);
                continue;
            };
            let partitions = match record.choose.take() {
                Some(choose) => choose(count).into_partitions(),
                None => vec![record.partition],
            };
            for partition in partitions {
                let sent = self.send(OutgoingRecord {
                    topic: &record.topic,
                    partition,
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                    timestamp: record.timestamp,
                    headers: &record.headers,
                    origin: record.origin.as_ref().map(OwnedOrigin::borrowed),
                });
                if let Err(error) = sent {
                    self.unresolved.failure.get_or_insert(error);
                }
            }
        }
        if self.unresolved.is_empty() {
            self.unresolved.since = None;
        }
    }

    /// True when records wait for topics: nothing may be processed or committed meanwhile.
    pub(crate) fn has_unresolved(&self) -> bool {
        !self.unresolved.is_empty()
    }

    /// The next topic that the client is to look up.
    pub(crate) fn poll_wanted(&mut self) -> Option<TopicName> {
        self.unresolved.wanted.pop_front()
    }

    /// Since when records wait, and for which topic the first of them does.
    pub(crate) fn unresolved_since(&self) -> Option<(Instant, &TopicName)> {
        let first = self.unresolved.records.front()?;
        Some((self.unresolved.since?, &first.topic))
    }

    /// Why a record that waited can never be written.
    pub(crate) fn take_failure(&mut self) -> Option<StreamsError> {
        self.unresolved.failure.take()
    }
}

impl Partitions {
    /// Every partition once, in order; `None` in it leaves it to the key.
    pub(crate) fn into_partitions(self) -> Vec<Option<i32>> {
        match self {
            Self::Default => vec![None],
            Self::One(partition) => vec![Some(partition)],
            Self::Many(mut partitions) => {
                partitions.sort_unstable();
                partitions.dedup();
                partitions.into_iter().map(Some).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StreamsConfig;

    #[test]
    fn records_wait_for_their_topics_in_order() {
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        let mut collector = RecordCollector::new(&config);
        let (topic, headers) = (TopicName::new("chosen"), Headers::new());
        let record = |value: &'static [u8]| OutgoingRecord {
            topic: &topic,
            partition: None,
            key: Some(b"k"),
            value: Some(value),
            timestamp: 7,
            headers: &headers,
            origin: None,
        };
        collector.send(record(b"one")).expect("it waits");
        let both: ChoosePartitions = Box::new(|count| Partitions::Many((0..count).rev().collect()));
        collector
            .send_when_known(record(b"two"), both)
            .expect("it waits");
        assert!(collector.has_unresolved());
        assert_eq!(collector.poll_wanted().as_ref(), Some(&topic));
        assert_eq!(collector.poll_wanted(), None, "it is asked for once");
        collector.set_partition_count("other".into(), 1);
        assert_eq!(collector.unresolved_since(), Some((Instant::ZERO, &topic)));
        collector.set_partition_count(topic.clone(), 2);
        assert!(!collector.has_unresolved() && collector.unresolved_since().is_none());
        collector.seal_all();
        let mut counts = Vec::new();
        while let Some(sealed) = collector.poll_sealed() {
            counts.push((sealed.partition.partition, sealed.batch.record_count()));
        }
        let of_key = crate::wire::partition_for_key(b"k", 2);
        let expected = (0..2).map(|p| (p, if p == of_key { 2 } else { 1 }));
        assert_eq!(counts, expected.collect::<Vec<_>>());
    }

    #[test]
    fn what_can_never_be_written_is_told_once_the_topic_is_known() {
        let config = StreamsConfig::new("app", "a:1").expect("valid");
        let mut collector = RecordCollector::new(&config);
        let (topic, headers) = (TopicName::new("chosen"), Headers::new());
        let record = OutgoingRecord {
            topic: &topic,
            partition: Some(5),
            key: None,
            value: None,
            timestamp: 7,
            headers: &headers,
            origin: None,
        };
        collector.send(record).expect("it waits");
        assert_eq!(collector.take_failure(), None);
        collector.set_partition_count(topic, 2);
        assert!(matches!(
            collector.take_failure(),
            Some(StreamsError::Delivery { .. })
        ));
    }
}
