//! Record batches, magic 2 (KIP-98): read as slices of the frame they came in, written straight
//! into the buffer they leave in.

mod build;
mod compression;
#[cfg(test)]
mod compression_tests;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

use crate::types::Headers;

pub use build::{RecordBatchBuilder, SealedBatch};
pub use compression::Compression;
pub use read::{BatchHeader, RecordBatch, Records, assign_offsets, decode_batches};

/// Bytes of a batch before its first record.
const HEADER_BYTES: usize = 61;
/// Where the CRC is, and where what it covers begins.
pub(super) const CRC_AT: usize = 17;
pub(super) const CRC_FROM: usize = 21;

/// Bits of a batch's attributes.
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// One record as fetched; key and value are slices of the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in milliseconds.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}

/// Why bytes are not a record batch, or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A length leads outside the batch, or a number is out of its range.
    Malformed(&'static str),
    /// The checksum is not that of the bytes: they were changed on the way or on disk.
    Corrupt {
        /// The batch's base offset.
        base_offset: i64,
    },
    /// A batch of a format older than Kafka 0.11.
    OldMagic(i8),
    /// A compressed batch whose codec is not in this build.
    CodecMissing(Compression),
    /// The checksum is right, but the compressed records are not what their codec writes.
    Undecodable {
        /// The batch's base offset.
        base_offset: i64,
        /// Its codec.
        codec: Compression,
    },
    /// The records expand to more than a batch of that size may: to 64 times its size, within 16
    /// to 256 MiB.
    TooLarge {
        /// The batch's base offset.
        base_offset: i64,
        /// Its codec.
        codec: Compression,
        /// What it may expand to, in bytes.
        limit: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the record batch has {what}"),
            Self::Corrupt { base_offset } => {
                write!(
                    f,
                    "the record batch at offset {base_offset} fails its checksum"
                )
            }
            Self::OldMagic(magic) => write!(
                f,
                "record batch format {magic} is older than Kafka 0.11: rewrite the topic with a newer one"
            ),
            Self::CodecMissing(codec) => write!(
                f,
                "the records are compressed with {codec}, which this build leaves out: enable the feature {codec} of eddyline-core"
            ),
            Self::Undecodable { base_offset, codec } => write!(
                f,
                "the records of the batch at offset {base_offset} are not what {codec} writes"
            ),
            Self::TooLarge {
                base_offset,
                codec,
                limit,
            } => write!(
                f,
                "the records of the batch at offset {base_offset} expand with {codec} to more than {limit} bytes, which is held for an attack: produce smaller batches, or uncompressed ones"
            ),
        }
    }
}

impl std::error::Error for RecordError {}
