//! What a fetch answer has for who reads committed records only.

use std::collections::BTreeSet;

use crate::wire::RecordBatch;
use crate::wire::messages::fetch_response::AbortedTransaction;

/// Drops the batches of aborted transactions: those of each producer from where its transaction
/// begins to its marker (Java: `CompletedFetch`).
pub(super) fn drop_aborted(batches: &mut Vec<RecordBatch>, mut aborted: Vec<AbortedTransaction>) {
    aborted.sort_by_key(|transaction| transaction.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let mut producers: BTreeSet<i64> = BTreeSet::new();
    batches.retain(|batch| {
        let header = batch.header();
        while let Some(begun) = aborted.next_if(|next| next.first_offset <= header.last_offset) {
            producers.insert(begun.producer_id.0);
        }
        if batch.is_abort_marker() {
            producers.remove(&header.producer_id);
        }
        !header.is_transactional || header.is_control || !producers.contains(&header.producer_id)
    });
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::types::Headers;
    use crate::wire::messages::ProducerId;
    use crate::wire::{RecordBatchBuilder, assign_offsets, decode_batches};

    fn batch(producer: i64, offset: i64, marker: Option<u8>) -> RecordBatch {
        let mut builder = RecordBatchBuilder::new();
        let key = [0, 0, 0, marker.unwrap_or(9)];
        builder.append(0, Some(&key), Some(b"v"), &Headers::new());
        let mut sealed = builder.seal();
        if producer >= 0 {
            sealed = sealed.transactional();
        }
        if marker.is_some() {
            sealed = sealed.control();
        }
        let decode = |bytes: Bytes| decode_batches(bytes).expect("sound").remove(0);
        let decoded = decode(sealed.encode(producer, 0, 0));
        decode(assign_offsets(&decoded, offset, 0))
    }

    #[test]
    fn what_was_aborted_is_dropped_up_to_its_marker() {
        let (abort, commit) = (Some(0), Some(1));
        let mut batches = vec![
            batch(-1, 0, None),
            batch(1, 1, None),
            batch(2, 2, None),
            batch(1, 3, abort),
            batch(1, 4, None),
            batch(2, 5, commit),
            batch(1, 6, commit),
            batch(2, 7, None),
            batch(1, 8, None),
            batch(2, 9, abort),
        ];
        let aborted = |producer, first_offset| {
            AbortedTransaction::default()
                .with_producer_id(ProducerId(producer))
                .with_first_offset(first_offset)
        };
        drop_aborted(&mut batches, vec![aborted(2, 7), aborted(1, 1)]);
        let kept = batches.iter().filter(|batch| !batch.header().is_control);
        let kept: Vec<i64> = kept.map(|batch| batch.header().base_offset).collect();
        assert_eq!(kept, [0, 2, 4, 8]);
    }
}
