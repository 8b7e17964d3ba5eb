//! How much of a partition may be on its way to the task runner.

use std::collections::VecDeque;

use crate::wire::RecordBatch;

/// What was handed on of one partition and is not processed yet.
///
/// Java's consumer holds one answer of a partition back while the task has more than
/// `buffered.records.per.partition` of its records, and fetches no more then. Here the last answer is
/// the one that is held back: as much is in memory, and as much is ready when the task gets there.
#[derive(Debug, Default)]
pub(super) struct Credit {
    /// Bytes and records of each batch, in order.
    batches: VecDeque<(usize, usize)>,
    bytes: usize,
    records: usize,
    /// Records of the last answer that had any.
    last_answer: usize,
}

impl Credit {
    /// An answer was handed on.
    pub(super) fn take(&mut self, answer: &[RecordBatch]) {
        if answer.is_empty() {
            return;
        }
        let size = |batch: &RecordBatch| {
            let records = usize::try_from(batch.header().record_count).unwrap_or(0);
            (batch.size_bytes(), records)
        };
        self.last_answer = 0;
        for (bytes, records) in answer.iter().map(size) {
            self.batches.push_back((bytes, records));
            self.bytes += bytes;
            self.records += records;
            self.last_answer += records;
        }
    }

    /// So many bytes, which are whole batches, are processed.
    pub(super) fn give_back(&mut self, bytes: usize) {
        let mut left = bytes;
        while let Some(&(bytes, records)) = self.batches.front()
            && bytes <= left
        {
            self.batches.pop_front();
            left -= bytes;
            self.bytes -= bytes;
            self.records -= records;
        }
    }

    /// Whether more may be fetched: the last answer is the only one of which more than `max_records`
    /// records are left, and there are less than `max_bytes`.
    pub(super) const fn is_left(&self, max_bytes: usize, max_records: usize) -> bool {
        let before_last = self.records.saturating_sub(self.last_answer);
        self.bytes < max_bytes && before_last <= max_records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Headers;
    use crate::wire::{RecordBatchBuilder, decode_batches};

    fn batch(records: usize) -> RecordBatch {
        let mut builder = RecordBatchBuilder::new();
        for _ in 0..records {
            builder.append(0, None, Some(b"value"), &Headers::new());
        }
        let batches = decode_batches(builder.seal().encode(-1, -1, -1));
        batches.expect("a sound batch").remove(0)
    }

    #[test]
    fn one_answer_waits_behind_the_records_of_those_before() {
        let mut credit = Credit::default();
        let batches = [batch(4), batch(4), batch(4)];
        let bytes = batches[0].size_bytes();
        assert!(credit.is_left(1, 0));
        credit.take(&batches[..2]);
        assert!(credit.is_left(usize::MAX, 0), "the next one may come");
        assert!(!credit.is_left(2 * bytes, 0), "bytes are bounded too");
        credit.take(&[]);
        credit.take(&batches[2..]);
        assert!(!credit.is_left(usize::MAX, 4), "8 are buffered before it");
        assert!(credit.is_left(usize::MAX, 8));
        credit.give_back(bytes);
        assert!(credit.is_left(usize::MAX, 4));
        assert!(!credit.is_left(usize::MAX, 3));
        credit.give_back(2 * bytes);
        assert!(credit.is_left(1, 0));
    }
}
