//! Kafka's bytes: frames, requests and answers, record batches, partitioning.
//!
//! The only importer of `kafka_protocol`, whose generated structs are re-exported in [`messages`].
//! It lacks the two APIs of streams groups, which [`streams_group`] adds, and requests for committed
//! offsets by topic id. And it trusts lengths from the wire, so a length guard runs before every
//! decode. Record batches have a codec of their own: fetched records are slices of the frame, and
//! written ones go straight into their batch.

mod api;
mod codec;
mod error_codes;
mod frame;
mod guard;
mod offsets;
mod partitioner;
mod primitives;
mod record_batch;
pub mod streams_group;

/// Kafka's messages as generated from its schemas.
pub mod messages {
    pub use kafka_protocol::messages::*;
    pub use kafka_protocol::protocol::StrBytes;
}

pub use api::{ApiKey, Request, Response, negotiate, supported_versions};
pub use codec::{
    DecodeError, EncodeError, RequestFrame, decode_request, decode_response, encode_request,
    encode_response,
};
pub use error_codes::error_name;
pub use frame::{FrameDecoder, FrameError, MAX_FRAME_BYTES};
pub use partitioner::{murmur2, partition_for_key};
pub use record_batch::{
    BatchHeader, Compression, Record, RecordBatch, RecordBatchBuilder, RecordError, Records,
    SealedBatch, assign_offsets, decode_batches,
};
pub use uuid::Uuid;

/// Bodies of the fuzz targets, compiled and run over the committed corpus by `cargo test`.
#[doc(hidden)]
pub mod fuzzing {
    use bytes::Bytes;

    use super::record_batch::{CRC_AT, CRC_FROM};
    use super::*;

    /// Frames, requests and answers from arbitrary bytes.
    pub fn frames(data: &[u8]) {
        let mut decoder = FrameDecoder::new(1 << 20);
        for chunk in data.chunks(7) {
            decoder.push(Bytes::copy_from_slice(chunk));
        }
        while let Ok(Some(frame)) = decoder.next_frame() {
            drop(decode_request(frame));
        }
        drop(decode_request(Bytes::copy_from_slice(data)));
        if let [selector, version, body @ ..] = data {
            let apis = ApiKey::ALL;
            let api = apis[usize::from(*selector) % apis.len()];
            let version = i16::from(*version % 20);
            drop(decode_response(api, version, Bytes::copy_from_slice(body)));
        }
    }

    /// Record batches from arbitrary bytes; what is read must survive being written again.
    pub fn record_batches(data: &[u8]) {
        read_and_write_again(data);
        // A mutation hardly ever meets its checksum: put the right one in, to get behind it.
        let mut data = data.to_vec();
        if let Some((head, body)) = data.split_at_mut_checked(CRC_FROM) {
            let length = head.get(8..12).and_then(|length| length.first_chunk());
            let length = length.map_or(0, |length| u32::from_be_bytes(*length) as usize);
            let covered = length.saturating_sub(CRC_FROM - 12).min(body.len());
            let crc = crc32c::crc32c(&body[..covered]);
            head[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
            read_and_write_again(&data);
        }
    }

    fn read_and_write_again(data: &[u8]) {
        let Ok(batches) = decode_batches(Bytes::copy_from_slice(data)) else {
            return;
        };
        for batch in batches {
            let records: Result<Vec<_>, _> = batch.records().collect();
            let Ok(records) = records else { continue };
            // Compaction may leave a batch without records; nothing writes one.
            if records.is_empty() {
                continue;
            }
            let mut builder = RecordBatchBuilder::new();
            for record in &records {
                builder.append(
                    record.timestamp,
                    record.key.as_deref(),
                    record.value.as_deref(),
                    &record.headers,
                );
            }
            let sealed = builder.seal().compress(batch.header().compression);
            let bytes = sealed.encode(1, 0, 0);
            let again = decode_batches(bytes).expect("what was built can be read");
            let again: Vec<_> = again.iter().flat_map(RecordBatch::records).collect();
            assert_eq!(again.len(), records.len());
            for (again, record) in again.into_iter().zip(records) {
                let again = again.expect("a record that was built can be read");
                assert_eq!(again.timestamp, record.timestamp);
                assert_eq!(again.key, record.key);
                assert_eq!(again.value, record.value);
                assert_eq!(again.headers, record.headers);
            }
        }
    }

    /// Streams-group messages from arbitrary bytes; what decodes must encode to what decodes to it.
    pub fn streams_group(data: &[u8]) {
        use super::streams_group as sg;
        let bytes = || Bytes::copy_from_slice(data);
        if let Ok(message) = sg::StreamsGroupHeartbeatRequest::decode(bytes()) {
            assert_eq!(
                sg::StreamsGroupHeartbeatRequest::decode(message.encode()),
                Ok(message)
            );
        }
        if let Ok(message) = sg::StreamsGroupHeartbeatResponse::decode(bytes()) {
            assert_eq!(
                sg::StreamsGroupHeartbeatResponse::decode(message.encode()),
                Ok(message)
            );
        }
        if let Ok(message) = sg::StreamsGroupDescribeRequest::decode(bytes()) {
            assert_eq!(
                sg::StreamsGroupDescribeRequest::decode(message.encode()),
                Ok(message)
            );
        }
        if let Ok(message) = sg::StreamsGroupDescribeResponse::decode(bytes()) {
            assert_eq!(
                sg::StreamsGroupDescribeResponse::decode(message.encode()),
                Ok(message)
            );
        }
    }
}
