//! Batches that can never be written: what becomes of them is decided elsewhere, and what stands
//! behind them waits until it is.

use std::collections::VecDeque;

use super::{Batch, PartitionQueue, Place, Producer, ProducerEvent, Stage};
use crate::time::Instant;
use crate::types::TopicPartition;
use crate::wire::SealedBatch;

/// A batch that cannot be written, and why.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) partition: TopicPartition,
    pub(crate) batch: SealedBatch,
    /// Where its first record stands among those of its ticket.
    pub(crate) first_record: usize,
    /// What the broker said; `None` for a batch that nobody took in time.
    pub(crate) code: Option<i16>,
    /// The same in words.
    pub(crate) message: String,
}

/// What becomes of a refused batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is not written.
    Drop,
    /// It gets as much time again.
    Retry,
}

/// What is known of a ticket whose batch is written record by record.
pub(super) struct Split {
    records: i32,
    /// The last offset of what was written, -1 so far.
    last_offset: i64,
}

impl Producer {
    /// Gives up the oldest batches that nobody took in `delivery.timeout.ms`.
    pub(super) fn expire(&mut self, now: Instant) {
        let fronts = self
            .partitions
            .iter()
            .filter_map(|(partition, queue)| Some((partition, queue.batches.front()?)));
        let expired: Vec<_> = fronts
            .filter(|(_, batch)| {
                batch.deadline <= now && matches!(batch.stage, Stage::Waiting | Stage::Failed)
            })
            .map(|(partition, batch)| (partition.clone(), batch.id))
            .collect();
        for (partition, batch) in expired {
            let message = "no broker took them within delivery.timeout.ms".to_owned();
            self.refused(&partition, batch, None, message);
        }
    }

    /// A batch will not be written as it is. One that is refused for the sake of one record is
    /// written record by record.
    pub(super) fn refused(
        &mut self,
        partition: &TopicPartition,
        batch: u64,
        code: Option<i16>,
        message: String,
    ) {
        let Some(queue) = self.partitions.get_mut(partition) else {
            return;
        };
        let Some(batch) = queue.batches.iter_mut().find(|b| b.id == batch) else {
            return;
        };
        if batch.sealed.record_count() > 1 && code.is_some_and(concerns_one_record) {
            batch.stage = Stage::Split;
            return;
        }
        batch.stage = Stage::Refused;
        let refusal = Refusal {
            partition: partition.clone(),
            batch: batch.sealed.clone(),
            first_record: batch.first_record,
            code,
            message,
        };
        let ticket = batch.ticket;
        self.events
            .push_back(ProducerEvent::Refused { ticket, refusal });
    }

    /// Decides about the oldest refused batch of a ticket.
    pub(crate) fn resolve(
        &mut self,
        now: Instant,
        ticket: u64,
        partition: &TopicPartition,
        verdict: Verdict,
    ) {
        let deadline = now.plus_ms(self.delivery_timeout_ms);
        let Some(queue) = self.partitions.get_mut(partition) else {
            return;
        };
        let mut batches = queue.batches.iter_mut();
        let is_meant = |b: &&mut Batch| b.ticket == ticket && b.stage == Stage::Refused;
        let Some(batch) = batches.find(is_meant) else {
            return;
        };
        match verdict {
            Verdict::Drop => batch.stage = Stage::Dropped,
            Verdict::Retry => (batch.stage, batch.deadline) = (Stage::Failed, deadline),
        }
    }

    /// Takes out what was dropped and splits what is to be split, where it is the oldest of its
    /// partition and nothing is under way: what is before it keeps its numbers, and what is behind
    /// it was not written, for the gap.
    pub(super) fn settle(&mut self) {
        let mut dropped = Vec::new();
        for (partition, queue) in &mut self.partitions {
            while let Some(gone) = queue.take_settled() {
                if let Some(place) = gone.place {
                    if self.transactions.is_some() {
                        queue.number_from(place);
                    } else {
                        // A late request of what is behind it must not fill the gap.
                        queue.renumber = true;
                        if queue.identity == self.identity {
                            self.identity = None;
                        }
                    }
                }
                if gone.stage != Stage::Split || !queue.split(&gone, &mut self.batch_ids) {
                    dropped.push((partition.clone(), gone.ticket));
                }
            }
        }
        for (partition, ticket) in dropped {
            self.done(&partition, ticket, -1);
        }
    }

    /// A batch was written.
    pub(super) fn written(&mut self, partition: &TopicPartition, batch: u64, base_offset: i64) {
        let Some(queue) = self.partitions.get_mut(partition) else {
            return;
        };
        let Some(at) = queue.batches.iter().position(|b| b.id == batch) else {
            return;
        };
        queue.acknowledged = true;
        queue.backoff.succeeded();
        if let Some(batch) = queue.batches.remove(at) {
            self.done(partition, batch.ticket, base_offset);
        }
    }

    /// A batch is written or dropped. Its ticket is answered with the last one of it.
    fn done(&mut self, partition: &TopicPartition, ticket: u64, base_offset: i64) {
        let mut base_offset = base_offset;
        if let Some(queue) = self.partitions.get_mut(partition)
            && let Some(split) = queue.splits.get_mut(&ticket)
        {
            split.last_offset = split.last_offset.max(base_offset);
            if queue.batches.iter().any(|batch| batch.ticket == ticket) {
                return;
            }
            // Where the batch would begin if it ended there whole.
            base_offset = (split.last_offset + 1 - i64::from(split.records)).max(-1);
            queue.splits.remove(&ticket);
        }
        let produced = ProducerEvent::Produced {
            ticket,
            base_offset,
        };
        self.events.push_back(produced);
    }
}

impl PartitionQueue {
    /// The oldest batch, if it is not to stay and nothing is under way.
    fn take_settled(&mut self) -> Option<Batch> {
        let oldest = self.batches.front()?;
        let is_settled = matches!(oldest.stage, Stage::Dropped | Stage::Split)
            && self.batches.iter().all(|b| b.stage != Stage::InFlight);
        is_settled.then(|| self.batches.pop_front()).flatten()
    }

    /// Nothing was written at `place` or behind it.
    fn number_from(&mut self, place: Place) {
        self.next = place;
        for batch in &mut self.batches {
            batch.place = None;
            if batch.stage == Stage::Failed {
                batch.stage = Stage::Waiting;
            }
        }
    }

    /// Puts a batch for each of its records where `batch` was; `false` if it has none that can be
    /// read.
    fn split(&mut self, batch: &Batch, ids: &mut u64) -> bool {
        let parts = batch.sealed.split().unwrap_or_default();
        if parts.is_empty() {
            return false;
        }
        self.splits.entry(batch.ticket).or_insert(Split {
            records: batch.sealed.record_count(),
            last_offset: -1,
        });
        let part = |(first_record, sealed)| {
            *ids += 1;
            Batch {
                id: *ids,
                ticket: batch.ticket,
                first_record,
                sealed,
                place: None,
                stage: Stage::Waiting,
                deadline: batch.deadline,
            }
        };
        let mut parts: VecDeque<Batch> = parts.into_iter().enumerate().map(part).collect();
        parts.append(&mut self.batches);
        self.batches = parts;
        true
    }
}

/// One record may be why the batch was refused (Java splits batches that are too large).
const fn concerns_one_record(code: i16) -> bool {
    matches!(
        code,
        // MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD
        10 | 18 | 32 | 87
    )
}
