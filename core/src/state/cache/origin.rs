//! Where the records came from that wrote the entries of a cache.

use std::sync::Arc;

use crate::types::{SourceRecord, TopicName};

/// The topics that records of a task come from: few, and nearly always the one of the last record.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// With their lengths in Java's characters.
    names: Vec<(TopicName, usize)>,
    last: usize,
}

impl Topics {
    /// A number for `topic` and the characters of its name; 0 for none.
    #[inline]
    pub(super) fn number(&mut self, topic: Option<&TopicName>) -> (u32, usize) {
        let Some(topic) = topic else {
            return (0, 0);
        };
        if self
            .names
            .get(self.last)
            .is_none_or(|last| last.0 != *topic)
        {
            self.last = self.find(topic);
        }
        (self.last as u32 + 1, self.names[self.last].1)
    }

    fn find(&mut self, topic: &TopicName) -> usize {
        let known = self.names.iter().position(|(name, _)| name == topic);
        known.unwrap_or_else(|| {
            let chars = topic.as_str().encode_utf16().count();
            self.names.push((topic.clone(), chars));
            self.names.len() - 1
        })
    }

    pub(super) fn name(&self, number: u32) -> Option<TopicName> {
        let at = number.checked_sub(1)?;
        Some(self.names[at as usize].0.clone())
    }
}

/// The source records of dirty and queued entries by their slots, beside them: nearly always there is
/// none.
#[derive(Debug, Default)]
pub(super) struct SourceRecords(Vec<Option<Arc<SourceRecord>>>);

impl SourceRecords {
    #[inline]
    pub(super) fn set(&mut self, slot: u32, source_record: &Option<Arc<SourceRecord>>) {
        let slot = slot as usize;
        if slot >= self.0.len() {
            if source_record.is_none() {
                return;
            }
            self.0.resize(slot + 1, None);
        }
        self.0[slot].clone_from(source_record);
    }

    #[inline]
    pub(super) fn take(&mut self, slot: u32) -> Option<Arc<SourceRecord>> {
        self.0.get_mut(slot as usize)?.take()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
