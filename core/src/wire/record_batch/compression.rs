//! The codecs of record batches, and how far a batch may expand.
//!
//! All that is read is bounded: a decoder stops at the batch's limit, and nothing is allocated
//! because a length claims it, beyond the few megabytes of window or block that a codec works in.

// Without any codec there is nothing to do.
#![cfg_attr(
    not(any(
        feature = "gzip",
        feature = "snappy",
        feature = "lz4",
        feature = "zstd"
    )),
    allow(dead_code, unused_variables, clippy::ptr_arg)
)]

use std::fmt;
use std::io;

use bytes::Bytes;

use super::RecordError;

/// How the records of a batch are compressed (`compression.type`). Each codec is a feature of this
/// crate; all are on by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, at level 6.
    Gzip,
    /// Snappy in the framing of snappy-java, as Kafka's clients write it.
    Snappy,
    /// LZ4 frames of independent blocks of 64 KB.
    Lz4,
    /// Zstandard, written at about level 1 and read at any.
    Zstd,
}

/// A batch may expand to 64 times its size...
const EXPANSION_MAX: usize = 64;
/// ...but always to 16 MiB, because a small batch of records that are alike shrinks to almost
/// nothing...
const EXPANDED_FLOOR_BYTES: usize = 16 << 20;
/// ...and never to more than 256 MiB.
const EXPANDED_CAP_BYTES: usize = 256 << 20;

/// The most bytes that the records of a batch may expand to from `compressed` bytes.
pub(super) fn expanded_max(compressed: usize) -> usize {
    compressed
        .saturating_mul(EXPANSION_MAX)
        .clamp(EXPANDED_FLOOR_BYTES, EXPANDED_CAP_BYTES)
}

impl Compression {
    /// Every one there is.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its name as a value of `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Whether this build can read and write it.
    pub const fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// As the lowest three bits of a batch's attributes.
    pub(super) const fn id(self) -> i16 {
        self as i16
    }

    pub(super) fn of_attributes(attributes: i16) -> Result<Self, RecordError> {
        let id = attributes & 7;
        let mut all = Self::ALL.into_iter();
        all.find(|codec| codec.id() == id)
            .ok_or(RecordError::Malformed("an unknown compression"))
    }

    /// Appends `records` to `out`, compressed; `false` without the codec.
    pub(super) fn compress(self, records: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::compress(records, out),
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::compress(records, out),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::compress(records, out),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(records, out),
            _ => false,
        }
    }

    /// The records in `bytes`, which is what follows the header of the batch at `base_offset`.
    pub(super) fn expand(
        self,
        bytes: &Bytes,
        base_offset: i64,
        limit: usize,
    ) -> Result<Bytes, RecordError> {
        if self == Self::None {
            return Ok(bytes.clone());
        }
        match self.expand_to(bytes, limit) {
            Ok(expanded) => Ok(Bytes::from(expanded)),
            Err(Fault::CodecMissing) => Err(RecordError::CodecMissing(self)),
            Err(Fault::Undecodable) => Err(RecordError::Undecodable {
                base_offset,
                codec: self,
            }),
            Err(Fault::TooLarge) => Err(RecordError::TooLarge {
                base_offset,
                codec: self,
                limit,
            }),
        }
    }

    fn expand_to(self, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::expand(bytes, limit),
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::expand(bytes, limit),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::expand(bytes, limit),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::expand(bytes, limit),
            _ => Err(Fault::CodecMissing),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes do not expand.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    CodecMissing,
    Undecodable,
    TooLarge,
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Undecodable
    }
}

/// Reads to the end behind what is in `out` already; no more than one byte over the limit is kept.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn read_bounded(from: impl io::Read, out: &mut Vec<u8>, limit: usize) -> Result<(), Fault> {
    let room = limit.saturating_sub(out.len());
    io::Read::read_to_end(&mut io::Read::take(from, room as u64 + 1), out)?;
    if out.len() > limit {
        return Err(Fault::TooLarge);
    }
    Ok(())
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::Write as _;

    use flate2::read::MultiGzDecoder;
    use flate2::write::GzEncoder;

    use super::{Fault, read_bounded};

    pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) -> bool {
        let mut encoder = GzEncoder::new(out, flate2::Compression::default());
        encoder.write_all(records).is_ok() && encoder.finish().is_ok()
    }

    pub(super) fn expand(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        read_bounded(MultiGzDecoder::new(bytes), &mut out, limit)?;
        Ok(out)
    }
}

#[cfg(feature = "snappy")]
mod snappy {
    use snap::raw::{Decoder, Encoder, decompress_len};

    use super::Fault;

    /// snappy-java's magic, its version and the oldest version that can read it.
    const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    const MAGIC_BYTES: usize = 8;
    /// Bytes of records in a block.
    const BLOCK_BYTES: usize = 32 * 1024;
    /// No element of Snappy makes more than 64 bytes out of three.
    const EXPANSION_MAX: usize = 22;

    pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&HEADER);
        let mut encoder = Encoder::new();
        for block in records.chunks(BLOCK_BYTES) {
            let Ok(block) = encoder.compress_vec(block) else {
                return false;
            };
            out.extend_from_slice(&(block.len() as u32).to_be_bytes());
            out.extend_from_slice(&block);
        }
        true
    }

    /// Framed, or as one block, which is what some clients write.
    pub(super) fn expand(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        if bytes.get(..MAGIC_BYTES) != Some(&HEADER[..MAGIC_BYTES]) {
            expand_block(bytes, &mut out, limit)?;
            return Ok(out);
        }
        let mut rest = bytes.get(HEADER.len()..).ok_or(Fault::Undecodable)?;
        while !rest.is_empty() {
            let (size, after) = rest.split_first_chunk().ok_or(Fault::Undecodable)?;
            let size = u32::from_be_bytes(*size) as usize;
            let (block, after) = after.split_at_checked(size).ok_or(Fault::Undecodable)?;
            expand_block(block, &mut out, limit)?;
            rest = after;
        }
        Ok(out)
    }

    fn expand_block(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Fault> {
        let claimed = decompress_len(block).map_err(|_| Fault::Undecodable)?;
        if claimed > block.len().saturating_mul(EXPANSION_MAX) {
            return Err(Fault::Undecodable);
        }
        let start = out.len();
        if claimed > limit.saturating_sub(start) {
            return Err(Fault::TooLarge);
        }
        out.resize(start + claimed, 0);
        let written = Decoder::new().decompress(block, &mut out[start..]);
        if written != Ok(claimed) {
            return Err(Fault::Undecodable);
        }
        Ok(())
    }
}

#[cfg(feature = "lz4")]
mod lz4 {
    use std::io::Write as _;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::{Fault, read_bounded};

    pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) -> bool {
        // Java reads no other than independent blocks.
        let info = FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent);
        let mut encoder = FrameEncoder::with_frame_info(info, out);
        encoder.write_all(records).is_ok() && encoder.finish().is_ok()
    }

    pub(super) fn expand(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        read_bounded(FrameDecoder::new(bytes), &mut out, limit)?;
        Ok(out)
    }
}

#[cfg(feature = "zstd")]
mod zstd {
    use ruzstd::decoding::StreamingDecoder;
    use ruzstd::encoding::{CompressionLevel, compress as encode};

    use super::{Fault, read_bounded};

    /// What Zstandard's highest level works in, and more than its own tool reads unasked.
    const WINDOW_MAX_BYTES: u64 = 128 << 20;

    pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) -> bool {
        encode(records, out, CompressionLevel::Fastest);
        true
    }

    pub(super) fn expand(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        // One frame as a rule; what is put together of several is read as well.
        while !bytes.is_empty() {
            let frame = StreamingDecoder::new_with_max_window_size(&mut bytes, WINDOW_MAX_BYTES);
            let mut frame = frame.map_err(|_| Fault::Undecodable)?;
            read_bounded(&mut frame, &mut out, limit)?;
            let frame = frame.into_frame_decoder();
            let checksum = frame.get_checksum_from_data();
            if checksum.is_some() && checksum != frame.get_calculated_checksum() {
                return Err(Fault::Undecodable);
            }
        }
        Ok(out)
    }
}
