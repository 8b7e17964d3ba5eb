//! Records for topics whose partitions are not known yet: sinks that choose their topics name them
//! only as they write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::error::{HandledError, ProductionError, ProductionFailure, StreamsError};
use crate::processor::{ChoosePartitions, OutgoingRecord, Partitions, RecordSink};
use crate::time::Instant;
use crate::types::{Headers, TopicName, TopicPartition};

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

/// A record that waited for its topic, and cannot be written all the same.
pub(crate) struct Unsent {
    record: Waiting,
    pub(crate) failure: ProductionFailure,
    pub(crate) message: String,
}

impl Unsent {
    pub(crate) const fn origin(&self) -> Option<&OwnedOrigin> {
        self.record.origin.as_ref()
    }

    pub(crate) fn partition(&self) -> TopicPartition {
        TopicPartition::new(
            self.record.topic.clone(),
            self.record.partition.unwrap_or(-1),
        )
    }

    /// What the production handler is told.
    pub(crate) fn error(&self) -> ProductionError<'_> {
        ProductionError {
            topic: &self.record.topic,
            partition: self.record.partition,
            key: self.record.key.as_deref(),
            value: self.record.value.as_deref(),
            failure: self.failure,
            error: HandledError {
                kind: std::any::type_name::<StreamsError>(),
                message: &self.message,
            },
        }
    }
}

/// The records that wait, in the order they were sent.
#[derive(Default)]
pub(super) struct Unresolved {
    records: VecDeque<Waiting>,
    /// Since when topics are looked for in vain.
    missing: BTreeMap<TopicName, Instant>,
    /// Topics that were asked for, and those still to be.
    asked: BTreeSet<TopicName>,
    wanted: VecDeque<TopicName>,
    unsent: Vec<Unsent>,
}

impl Unresolved {
    pub(super) fn push(
        &mut self,
        now: Instant,
        record: &OutgoingRecord<'_>,
        choose: Option<ChoosePartitions>,
    ) {
        let owned = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
        self.missing.entry(record.topic.clone()).or_insert(now);
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

    /// The topic is there.
    pub(super) fn found(&mut self, topic: &TopicName) {
        self.missing.remove(topic);
    }

    /// Forgets the records: their tasks are lost. The topics are looked for all the same.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.unsent.clear();
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
                let sent = self.send(record.to(partition));
                if let Err(error) = sent {
                    let message = match error {
                        StreamsError::Delivery { message, .. } => message,
                        error => error.to_string(),
                    };
                    self.unresolved.unsent.push(Unsent {
                        record: record.copy_for(partition),
                        failure: ProductionFailure::Unsendable,
                        message,
                    });
                }
            }
        }
    }

    /// True when records wait for topics, or for what is decided about them: nothing may be
    /// processed or committed meanwhile.
    pub(crate) fn has_unresolved(&self) -> bool {
        !self.unresolved.is_empty() || !self.unresolved.unsent.is_empty()
    }

    /// The next topic that the client is to look up.
    pub(crate) fn poll_wanted(&mut self) -> Option<TopicName> {
        self.unresolved.wanted.pop_front()
    }

    /// Whether `topic` is worth waiting for before anything is written to it: it is not known, and
    /// has not been looked for in vain for `max.block.ms`. The second is true the first time.
    pub(crate) fn waits_for(&mut self, topic: &TopicName) -> (bool, bool) {
        if self.knows(topic) {
            return (false, false);
        }
        let now = self.now.instant;
        let is_new = !self.unresolved.missing.contains_key(topic);
        let since = *self.unresolved.missing.entry(topic.clone()).or_insert(now);
        (since.plus_ms(self.max_block_ms) > now, is_new)
    }

    /// When the next topic that records, or tasks, wait for will have been looked for long enough.
    pub(crate) fn give_up_at(&self) -> Option<Instant> {
        let missing = self.unresolved.missing.iter();
        let due = missing.map(|(topic, since)| (topic, since.plus_ms(self.max_block_ms)));
        let (now, waiting) = (self.now.instant, &self.unresolved.records);
        due.filter(|(topic, at)| *at > now || waiting.iter().any(|r| r.topic == **topic))
            .map(|(_, at)| at)
            .min()
    }

    /// The records that cannot be written: their topic was looked for in vain for `max.block.ms`, or
    /// is there and does not take them. What comes for such a topic from now on waits as long again.
    pub(crate) fn take_unsent(&mut self) -> Vec<Unsent> {
        let (now, max_block_ms) = (self.now.instant, self.max_block_ms);
        let mut unsent = std::mem::take(&mut self.unresolved.unsent);
        if self.unresolved.is_empty() {
            return unsent;
        }
        let missing = &self.unresolved.missing;
        let is_over = |record: &Waiting| {
            let since = missing.get(&record.topic);
            since.is_some_and(|since| since.plus_ms(max_block_ms) <= now)
        };
        let waiting = std::mem::take(&mut self.unresolved.records);
        let (over, waiting): (VecDeque<_>, _) = waiting.into_iter().partition(is_over);
        self.unresolved.records = waiting;
        for record in over {
            self.unresolved.missing.remove(&record.topic);
            let message = format!(
                "topic {} was not there for max.block.ms ({max_block_ms} ms): create it",
                record.topic
            );
            unsent.push(Unsent {
                record,
                failure: ProductionFailure::UnknownTopic,
                message,
            });
        }
        unsent
    }

    /// Has a record wait for its topic once more.
    pub(crate) fn wait_again(&mut self, unsent: Unsent) {
        let topic = unsent.record.topic.clone();
        let now = self.now.instant;
        self.unresolved.missing.entry(topic).or_insert(now);
        self.unresolved.records.push_back(unsent.record);
    }
}

impl Waiting {
    fn copy_for(&self, partition: Option<i32>) -> Self {
        Self {
            topic: self.topic.clone(),
            partition,
            choose: None,
            key: self.key.clone(),
            value: self.value.clone(),
            timestamp: self.timestamp,
            headers: self.headers.clone(),
            origin: self.origin.clone(),
        }
    }

    fn to(&self, partition: Option<i32>) -> OutgoingRecord<'_> {
        OutgoingRecord {
            topic: &self.topic,
            partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp: self.timestamp,
            headers: &self.headers,
            origin: self.origin.as_ref().map(OwnedOrigin::borrowed),
        }
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
        assert_eq!(collector.give_up_at(), Some(Instant::ZERO.plus_ms(60_000)));
        collector.set_partition_count(topic.clone(), 2);
        assert!(!collector.has_unresolved() && collector.give_up_at().is_none());
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
        assert!(collector.take_unsent().is_empty());
        collector.set_partition_count(topic, 2);
        let unsent = collector.take_unsent();
        let failures: Vec<_> = unsent.iter().map(|u| (u.failure, u.partition())).collect();
        let partition = TopicPartition::new("chosen", 5);
        assert_eq!(failures, [(ProductionFailure::Unsendable, partition)]);
        assert!(!collector.has_unresolved());
    }
}
