//! The batches of one partition: what may be sent next, and under which numbers.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::refusal::Split;
use crate::net::Backoff;
use crate::time::Instant;
use crate::wire::SealedBatch;

/// A broker remembers the last five batches of a partition to tell duplicates: so many may follow,
/// in the log, on one that is not known to be there.
pub(super) const IN_FLIGHT_MAX: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    InFlight,
    /// Came back with an error that passes.
    Failed,
    /// Can never be written; what becomes of it is not decided.
    Refused,
    /// To be taken out, once it is the oldest and nothing is under way.
    Dropped,
    /// To be written record by record, once it is the oldest and nothing is under way.
    Split,
}

/// Where a batch stands among those of its partition.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Of its first record.
    pub(super) sequence: i32,
    /// Batches sent before it.
    pub(super) before: u64,
}

impl Place {
    const FIRST: Self = Self {
        sequence: 0,
        before: 0,
    };
}

pub(super) struct Batch {
    pub(super) id: u64,
    pub(super) ticket: u64,
    /// Records of the same ticket that stand in batches before it.
    pub(super) first_record: usize,
    pub(super) sealed: SealedBatch,
    /// The place it was first sent in; kept for every retry.
    pub(super) place: Option<Place>,
    pub(super) stage: Stage,
    pub(super) deadline: Instant,
}

/// Producer id and epoch.
pub(in crate::client) type Identity = (i64, i16);

pub(super) struct PartitionQueue {
    pub(super) batches: VecDeque<Batch>,
    pub(super) next: Place,
    /// The producer that the sequence numbers count for. What was sent under an older id may be in
    /// the log: it is sent again under that one, so that the broker can tell.
    pub(super) identity: Option<Identity>,
    /// The broker will not take these sequence numbers: all begins anew under another id.
    pub(super) renumber: bool,
    /// Something was written under this identity.
    pub(super) acknowledged: bool,
    pub(super) backoff: Backoff,
    /// The tickets whose batches are written record by record.
    pub(super) splits: BTreeMap<u64, Split>,
}

impl PartitionQueue {
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self {
            batches: VecDeque::new(),
            next: Place::FIRST,
            identity: None,
            renumber: false,
            acknowledged: false,
            backoff,
            splits: BTreeMap::new(),
        }
    }

    /// The bytes of a batch that is [`PartitionQueue::sendable`], in its place under a producer.
    pub(super) fn send(&mut self, at: usize, newest: Identity) -> Bytes {
        let never_sent = self.batches[at].place.is_none();
        if self.renumber || (never_sent && self.identity != Some(newest)) {
            self.number_anew(newest);
        }
        let (producer_id, producer_epoch) = self.identity.unwrap_or(newest);
        let batch = &mut self.batches[at];
        let place = *batch.place.get_or_insert_with(|| {
            let place = self.next;
            self.next = Place {
                sequence: advance(place.sequence, batch.sealed.record_count()),
                before: place.before + 1,
            };
            place
        });
        batch.stage = Stage::InFlight;
        batch
            .sealed
            .encode(producer_id, producer_epoch, place.sequence)
    }

    /// Gives every batch a place under another producer; nothing is under way.
    fn number_anew(&mut self, identity: Identity) {
        self.identity = Some(identity);
        self.next = Place::FIRST;
        (self.renumber, self.acknowledged) = (false, false);
        for batch in &mut self.batches {
            batch.place = None;
            if batch.stage == Stage::Failed {
                batch.stage = Stage::Waiting;
            }
        }
    }

    /// Whether a batch may be sent for the first time.
    fn has_room(&self) -> bool {
        // Brokers take any sequence number as the first of a producer they do not know: a second
        // batch could be written although the first was not.
        let most = if self.acknowledged { IN_FLIGHT_MAX } else { 1 };
        let oldest = self.batches.front().and_then(|batch| batch.place);
        oldest.is_none_or(|oldest| self.next.before - oldest.before < most as u64)
    }

    /// The next batch that may be sent without overtaking another.
    pub(super) fn sendable(&self, now: Instant, identity: Option<Identity>) -> Option<usize> {
        if !self.backoff.is_over(now) {
            return None;
        }
        let is_any = |stage| self.batches.iter().any(|batch| batch.stage == stage);
        let changes = is_any(Stage::Failed) || self.renumber || self.identity != identity;
        if changes && is_any(Stage::InFlight) {
            return None;
        }
        let next = |batch: &Batch| batch.stage != Stage::InFlight;
        let at = self.batches.iter().position(next)?;
        if !matches!(self.batches[at].stage, Stage::Waiting | Stage::Failed) {
            return None;
        }
        (self.batches[at].place.is_some() || self.has_room()).then_some(at)
    }
}

/// Sequence numbers wrap to zero after `i32::MAX`.
fn advance(sequence: i32, records: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(records);
    i32::try_from(next & i64::from(i32::MAX)).unwrap_or(0)
}
