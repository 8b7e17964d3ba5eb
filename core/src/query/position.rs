//! What a store has seen of its input.

use std::collections::BTreeMap;
use std::fmt;

use crate::types::{TopicName, TopicPartition};

/// The last offset seen of each input partition (Java: `query.Position`).
///
/// Here it is what the store's task has processed, restored state included: everything that the
/// store shows is at least as new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    offsets: BTreeMap<TopicName, BTreeMap<i32, i64>>,
}

impl Position {
    /// Nothing seen.
    pub fn empty() -> Self {
        Self::default()
    }

    /// This position with `offset` as the last one of `partition`, unless it is further already.
    #[must_use]
    pub fn with_component(mut self, partition: &TopicPartition, offset: i64) -> Self {
        let of_topic = self.offsets.entry(partition.topic.clone()).or_default();
        let seen = of_topic.entry(partition.partition).or_insert(offset);
        *seen = (*seen).max(offset);
        self
    }

    /// The last offset seen of `partition`.
    pub fn offset(&self, partition: &TopicPartition) -> Option<i64> {
        let of_topic = self.offsets.get(&partition.topic)?;
        of_topic.get(&partition.partition).copied()
    }

    /// The later offset of both for every partition.
    #[must_use]
    pub fn merge(self, other: &Self) -> Self {
        other
            .components()
            .fold(self, |merged, (partition, offset)| {
                merged.with_component(&partition, offset)
            })
    }

    /// The partitions with their offsets, sorted.
    pub fn components(&self) -> impl Iterator<Item = (TopicPartition, i64)> + '_ {
        self.offsets.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|(&partition, &offset)| {
                let topic = topic.clone();
                (TopicPartition { topic, partition }, offset)
            })
        })
    }

    /// True when nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// True when a store of `partition` that is here has seen everything that `bound` asks of that
    /// partition (Java: `PositionBound` is checked against the store's own partition).
    pub fn reaches(&self, bound: &Self, partition: i32) -> bool {
        let asked = bound.components();
        let mut asked = asked.filter(|(asked, _)| asked.partition == partition);
        asked.all(|(asked, offset)| self.offset(&asked).is_some_and(|seen| seen >= offset))
    }

    /// True when a store of all partitions has seen everything that `bound` asks.
    pub fn reaches_all(&self, bound: &Self) -> bool {
        let mut asked = bound.components();
        asked.all(|(asked, offset)| self.offset(&asked).is_some_and(|seen| seen >= offset))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components = self.components();
        let texts: Vec<String> = components
            .map(|(partition, offset)| format!("{partition}: {offset}"))
            .collect();
        write!(f, "{{{}}}", texts.join(", "))
    }
}

/// How far a store must be for an answer (Java: `PositionBound`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PositionBound {
    /// Wherever it is.
    #[default]
    Unbounded,
    /// At this position or behind it.
    At(Position),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.into(),
            partition,
        }
    }

    #[test]
    fn positions_merge_to_the_later_offsets() {
        let a = Position::empty()
            .with_component(&partition("t", 0), 5)
            .with_component(&partition("t", 1), 1);
        let b = Position::empty()
            .with_component(&partition("t", 0), 3)
            .with_component(&partition("u", 0), 7);
        let merged = a.clone().merge(&b);
        assert_eq!(merged.to_string(), "{t-0: 5, t-1: 1, u-0: 7}");
        assert_eq!(merged, b.merge(&a));
        assert_eq!(merged.offset(&partition("t", 2)), None);
    }

    #[test]
    fn a_bound_is_asked_of_its_own_partition_alone() {
        let seen = Position::empty().with_component(&partition("t", 0), 5);
        let bound = |offset| {
            Position::empty()
                .with_component(&partition("t", 0), offset)
                .with_component(&partition("t", 1), 100)
        };
        assert!(seen.reaches(&bound(5), 0));
        assert!(!seen.reaches(&bound(6), 0));
        assert!(!seen.reaches(&bound(5), 1));
        assert!(seen.reaches(&Position::empty(), 1));
    }
}
