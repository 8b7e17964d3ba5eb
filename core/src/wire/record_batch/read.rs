//! Reading record batches.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::compression::expanded_max;
use super::{
    CONTROL, CRC_AT, CRC_FROM, Compression, HEADER_BYTES, Record, RecordError, TRANSACTIONAL,
};
use crate::types::{Header, Headers};

/// What stands at the head of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record there once was (compaction may have removed it).
    pub base_offset: i64,
    /// Offset of the last record there once was.
    pub last_offset: i64,
    /// The leader epoch under which the batch was written.
    pub partition_leader_epoch: i32,
    /// Timestamp that the records' deltas refer to.
    pub base_timestamp: i64,
    /// The highest timestamp; that of every record where the broker stamps them.
    pub max_timestamp: i64,
    /// The producer; -1 without idempotence.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The sequence number of the first record.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
    /// True for commit and abort markers.
    pub is_control: bool,
    /// True inside a transaction.
    pub is_transactional: bool,
    /// True where the broker stamps records (`message.timestamp.type=LogAppendTime`).
    pub is_log_append_time: bool,
    /// How the records are compressed.
    pub compression: Compression,
}

/// A checked batch: a slice of the answer it came in.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    header: BatchHeader,
    bytes: Bytes,
}

impl RecordBatch {
    /// What stands at its head.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its bytes on the wire, compressed where it is: that is what waits in memory until
    /// [`RecordBatch::records`].
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it is the marker of a transaction that was aborted (Java:
    /// `ControlRecordType.ABORT`).
    pub fn is_abort_marker(&self) -> bool {
        let marker = self.header.is_control.then(|| self.records().next());
        let key = marker.flatten().and_then(Result::ok).and_then(|r| r.key);
        // A version, then the type: 0 aborts, 1 commits.
        key.is_some_and(|key| key.get(2..4) == Some(&[0, 0]))
    }

    /// Its records in offset order. Ends after the first error. A compressed batch is expanded
    /// here, and kept so as long as the iterator or one of its keys and values lives: who reads
    /// batch after batch holds one expanded batch at a time.
    pub fn records(&self) -> Records {
        let mut records = Records {
            header: self.header,
            bytes: self.bytes.clone(),
            at: HEADER_BYTES,
            left: self.header.record_count,
            failure: None,
        };
        if self.header.compression != Compression::None {
            match self.expand() {
                Ok(expanded) => (records.bytes, records.at) = (expanded, 0),
                Err(error) => {
                    records.failure = Some(error);
                    (records.left, records.at) = (0, records.bytes.len());
                }
            }
        }
        records
    }

    fn expand(&self) -> Result<Bytes, RecordError> {
        let compressed = self.bytes.slice(HEADER_BYTES..);
        let limit = expanded_max(compressed.len());
        let BatchHeader {
            compression,
            base_offset,
            record_count,
            ..
        } = self.header;
        let expanded = compression.expand(&compressed, base_offset, limit)?;
        if !records_fit(record_count, expanded.len()) {
            return Err(IMPOSSIBLE);
        }
        Ok(expanded)
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], RecordError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found
        .copied()
        .ok_or(RecordError::Malformed("too few bytes for its header"))
}

/// The batches in `bytes`, each checked against its CRC. A last batch that is cut short, as brokers
/// may send it at a size limit, is left out.
///
/// # Errors
/// When a whole batch is not what it must be; nothing of the bytes can be trusted then.
pub fn decode_batches(mut bytes: Bytes) -> Result<Vec<RecordBatch>, RecordError> {
    let mut batches = Vec::new();
    while bytes.len() > CRC_AT {
        let length = i32::from_be_bytes(number(&bytes, 8)?);
        let magic = i8::from_be_bytes(number(&bytes, 16)?);
        if magic < 2 {
            return Err(RecordError::OldMagic(magic));
        }
        if magic > 2 {
            return Err(RecordError::Malformed(
                "a format newer than this version knows",
            ));
        }
        let size = usize::try_from(length)
            .ok()
            .map(|length| length.saturating_add(12))
            .filter(|size| *size >= HEADER_BYTES)
            .ok_or(RecordError::Malformed("an impossible length"))?;
        if size > bytes.len() {
            break;
        }
        let batch = bytes.split_to(size);
        batches.push(RecordBatch {
            header: check(&batch)?,
            bytes: batch,
        });
    }
    Ok(batches)
}

const IMPOSSIBLE: RecordError = RecordError::Malformed("impossible offsets or counts");

/// Whether so many bytes can hold so many records, each of which takes at least seven.
fn records_fit(count: i32, bytes: usize) -> bool {
    usize::try_from(count).is_ok_and(|count| count.saturating_mul(7) <= bytes)
}

fn check(bytes: &[u8]) -> Result<BatchHeader, RecordError> {
    let base_offset = i64::from_be_bytes(number(bytes, 0)?);
    let crc = u32::from_be_bytes(number(bytes, CRC_AT)?);
    if crc32c::crc32c(&bytes[CRC_FROM..]) != crc {
        return Err(RecordError::Corrupt { base_offset });
    }
    let attributes = i16::from_be_bytes(number(bytes, 21)?);
    let compression = Compression::of_attributes(attributes)?;
    if !compression.is_available() {
        return Err(RecordError::CodecMissing(compression));
    }
    let last_offset_delta = i32::from_be_bytes(number(bytes, 23)?);
    let record_count = i32::from_be_bytes(number(bytes, 57)?);
    // Of a compressed batch it shows when the records are expanded.
    let fits = match compression {
        Compression::None => records_fit(record_count, bytes.len() - HEADER_BYTES),
        _ => record_count >= 0,
    };
    if last_offset_delta < 0 || base_offset < 0 || !fits {
        return Err(IMPOSSIBLE);
    }
    let last_offset = base_offset
        .checked_add(i64::from(last_offset_delta))
        .filter(|last| *last < i64::MAX)
        .ok_or(RecordError::Malformed("offsets beyond the end of the log"))?;
    Ok(BatchHeader {
        base_offset,
        last_offset,
        partition_leader_epoch: i32::from_be_bytes(number(bytes, 12)?),
        base_timestamp: i64::from_be_bytes(number(bytes, 27)?),
        max_timestamp: i64::from_be_bytes(number(bytes, 35)?),
        producer_id: i64::from_be_bytes(number(bytes, 43)?),
        producer_epoch: i16::from_be_bytes(number(bytes, 51)?),
        base_sequence: i32::from_be_bytes(number(bytes, 53)?),
        record_count,
        is_control: attributes & CONTROL != 0,
        is_transactional: attributes & TRANSACTIONAL != 0,
        is_log_append_time: attributes & 8 != 0,
        compression,
    })
}

/// Stamps what a broker decides, which the CRC does not cover, and gives the bytes to store.
pub fn assign_offsets(batch: &RecordBatch, base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut bytes = BytesMut::from(batch.bytes.as_ref());
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    bytes.freeze()
}

/// The records of one batch; see [`RecordBatch::records`].
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    /// The whole batch, or its expanded records; only keys and values are sliced off it.
    bytes: Bytes,
    /// Where the next record begins.
    at: usize,
    left: i32,
    /// Why the batch did not expand; no record is left then.
    failure: Option<RecordError>,
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if let Some(error) = self.failure.take() {
                return Some(Err(error));
            }
            if std::mem::replace(&mut self.at, self.bytes.len()) != self.bytes.len() {
                return Some(Err(RecordError::Malformed("bytes after its last record")));
            }
            return None;
        }
        self.left -= 1;
        let record = self.record();
        if record.is_err() {
            (self.left, self.at) = (0, self.bytes.len());
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // One more for bytes after the last record.
        let most = usize::try_from(self.left).map(|left| left + 1);
        (0, most.ok())
    }
}

impl Records {
    fn record(&mut self) -> Result<Record, RecordError> {
        let mut cursor = Cursor {
            bytes: &self.bytes,
            to_end: &self.bytes,
            at: self.at,
        };
        let size = cursor.length()?;
        let end = cursor.after(size);
        let end = end.ok_or(RecordError::Malformed("a record beyond its end"))?;
        cursor.to_end = &self.bytes[..end];
        // Attributes: none is defined.
        cursor.at += 1;
        let timestamp_delta = cursor.varint()?;
        let offset_delta = cursor.varint()?;
        let key = cursor.field()?;
        let value = cursor.field()?;
        let headers = cursor.headers()?;
        if cursor.at != end {
            return Err(RecordError::Malformed("a record with bytes left over"));
        }
        self.at = end;
        let offset = self.header.base_offset.checked_add(offset_delta);
        let in_batch =
            |offset: &i64| *offset >= self.header.base_offset && *offset <= self.header.last_offset;
        let timestamp = if self.header.is_log_append_time {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.wrapping_add(timestamp_delta)
        };
        Ok(Record {
            offset: offset.filter(in_batch).ok_or(RecordError::Malformed(
                "a record with an offset outside of it",
            ))?,
            timestamp,
            key,
            value,
            headers,
        })
    }
}

/// Reads within one record.
struct Cursor<'a> {
    /// What keys and values are sliced off.
    bytes: &'a Bytes,
    /// The same up to the end of the record.
    to_end: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.to_end.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Seven of them in a record, most of one byte: what reads one byte is part of its reader.
    #[inline(always)]
    fn varint(&mut self) -> Result<i64, RecordError> {
        let value = match self.byte() {
            Some(only) if only < 0x80 => Some(u64::from(only)),
            first => first.and_then(|first| self.longer_varint(first)),
        };
        let value = value.ok_or(RecordError::Malformed(
            "a number cut short or without an end",
        ))?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// `None` where it does not end. (An option of a number comes back in registers, a result with
    /// its reason through memory.)
    fn longer_varint(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        while shift < 70 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    fn length(&mut self) -> Result<usize, RecordError> {
        usize::try_from(self.varint()?).map_err(|_| RecordError::Malformed("a negative length"))
    }

    /// Where `size` bytes from here end, if they are there.
    fn after(&self, size: usize) -> Option<usize> {
        let end = self.at.checked_add(size);
        end.filter(|end| *end <= self.to_end.len())
    }

    fn range(&mut self, size: usize) -> Result<Range<usize>, RecordError> {
        let end = self.after(size);
        let end = end.ok_or(RecordError::Malformed("a field beyond its record"))?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    #[inline]
    fn field(&mut self) -> Result<Option<Bytes>, RecordError> {
        let size = self.varint()?;
        if size == -1 {
            return Ok(None);
        }
        let size =
            usize::try_from(size).map_err(|_| RecordError::Malformed("a negative length"))?;
        let range = self.range(size)?;
        Ok(Some(self.bytes.slice(range)))
    }

    fn headers(&mut self) -> Result<Headers, RecordError> {
        let count = self.length()?;
        if count == 0 {
            return Ok(Headers::new());
        }
        // Room is made as headers are read: the count is only a claim.
        let mut headers = Vec::new();
        for _ in 0..count {
            let size = self.length()?;
            let key = self.range(size)?;
            let key = std::str::from_utf8(&self.bytes[key])
                .map_err(|_| RecordError::Malformed("a header key that is not UTF-8"))?;
            headers.push(Header {
                key: key.into(),
                value: self.field()?,
            });
        }
        Ok(Headers::from(headers))
    }
}
