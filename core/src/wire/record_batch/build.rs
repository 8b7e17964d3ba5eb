//! Writing record batches.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::compression::expanded_max;
use super::{
    CONTROL, CRC_AT, CRC_FROM, Compression, HEADER_BYTES, Record, RecordError, TRANSACTIONAL,
    decode_batches,
};
use crate::types::Headers;

/// Collects records into one batch. Every record is encoded once, where it stays.
#[derive(Debug, Default)]
pub struct RecordBatchBuilder {
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl RecordBatchBuilder {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `bytes` of records.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            records: Vec::with_capacity(bytes + HEADER_BYTES),
            ..Self::default()
        }
    }

    /// Appends a record; `timestamp` in milliseconds.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &Headers,
    ) {
        if self.count == 0 {
            // Room for the header, so that sealing does not move the records.
            self.records.resize(HEADER_BYTES, 0);
            (self.base_timestamp, self.max_timestamp) = (timestamp, timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let size = 1
            + varint_size(timestamp_delta)
            + varint_size(i64::from(self.count))
            + field_size(key)
            + field_size(value)
            + headers_size(headers);
        // Room for all of it at once: it is written where it stays, and nothing else makes room.
        let start = self.records.len();
        self.records
            .resize(start + varint_size(size as i64) + size, 0);
        let mut out = Writer {
            bytes: &mut self.records[start..],
            at: 0,
        };
        out.put_varint(size as i64);
        // Attributes: none is defined.
        out.put_byte(0);
        out.put_varint(timestamp_delta);
        out.put_varint(i64::from(self.count));
        out.put_field(key);
        out.put_field(value);
        out.put_varint(headers.as_slice().len() as i64);
        for header in headers.as_slice() {
            out.put_field(Some(header.key.as_bytes()));
            out.put_field(header.value.as_deref());
        }
        self.count += 1;
    }

    /// Bytes of the batch as it would be sent now.
    pub fn size_bytes(&self) -> usize {
        self.records.len().max(HEADER_BYTES)
    }

    /// Records so far.
    pub const fn record_count(&self) -> i32 {
        self.count
    }

    /// The batch, ready to be sent. One without records is not to be sent: no reader takes it.
    pub fn seal(self) -> SealedBatch {
        let mut records = self.records;
        records.resize(records.len().max(HEADER_BYTES), 0);
        SealedBatch {
            bytes: Bytes::from(records),
            count: self.count,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            attributes: 0,
        }
    }
}

/// A batch that takes no more records; producer id and sequence are given when it is sent.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    /// Room for the header, then the records.
    bytes: Bytes,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    attributes: i16,
}

impl SealedBatch {
    /// The batch with its records compressed, where that makes it smaller, but not so small that a
    /// reader would take it for an attack; as it is without the codec's feature.
    #[must_use]
    pub fn compress(self, codec: Compression) -> Self {
        let records = &self.bytes[HEADER_BYTES..];
        let mut out = vec![0; HEADER_BYTES];
        let is_done = codec.compress(records, &mut out);
        let is_smaller = out.len() < self.bytes.len();
        if !is_done || !is_smaller || records.len() > expanded_max(out.len() - HEADER_BYTES) {
            return self;
        }
        Self {
            bytes: Bytes::from(out),
            attributes: self.attributes | codec.id(),
            ..self
        }
    }

    /// The same as part of a transaction.
    #[must_use]
    pub const fn transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// The same as a control batch: markers of brokers, which no application reads.
    #[must_use]
    pub const fn control(mut self) -> Self {
        self.attributes |= CONTROL;
        self
    }

    /// How many records it holds.
    pub const fn record_count(&self) -> i32 {
        self.count
    }

    /// Its bytes on the wire.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Its records, as a reader finds them.
    ///
    /// # Errors
    /// Never of a batch that was built here.
    pub fn records(&self) -> Result<Vec<Record>, RecordError> {
        let mut records = Vec::new();
        for batch in decode_batches(self.encode(-1, -1, -1))? {
            for record in batch.records() {
                records.push(record?);
            }
        }
        Ok(records)
    }

    /// A batch of its own for each record, compressed like this one.
    ///
    /// # Errors
    /// Never of a batch that was built here.
    pub fn split(&self) -> Result<Vec<Self>, RecordError> {
        let codec = Compression::of_attributes(self.attributes)?;
        let alone = |record: &Record| {
            let mut builder = RecordBatchBuilder::new();
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            builder.append(record.timestamp, key, value, &record.headers);
            let mut batch = builder.seal().compress(codec);
            batch.attributes |= self.attributes & (TRANSACTIONAL | CONTROL);
            batch
        };
        Ok(self.records()?.iter().map(alone).collect())
    }

    /// The wire form with the producer's id, epoch and the sequence of the first record (all -1
    /// without idempotence), checksummed. Copies the records once:
    /// the batch is kept for a retry.
    pub fn encode(&self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Bytes {
        let mut out = BytesMut::from(self.bytes.as_ref());
        let length = (out.len() - 12) as i32;
        {
            let mut header = &mut out[..HEADER_BYTES];
            header.put_i64(0);
            header.put_i32(length);
            header.put_i32(-1);
            header.put_i8(2);
            header.put_u32(0);
            header.put_i16(self.attributes);
            header.put_i32(self.count - 1);
            header.put_i64(self.base_timestamp);
            header.put_i64(self.max_timestamp);
            header.put_i64(producer_id);
            header.put_i16(producer_epoch);
            header.put_i32(base_sequence);
            header.put_i32(self.count);
        }
        let crc = crc32c::crc32c(&out[CRC_FROM..]);
        out[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
        out.freeze()
    }
}

/// Writes a record into the room that was made for it, which must be its size.
struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline]
    fn put_varint(&mut self, value: i64) {
        let mut value = zigzag(value);
        while value >= 0x80 {
            self.put_byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_byte(value as u8);
    }

    #[inline]
    fn put_field(&mut self, field: Option<&[u8]>) {
        let Some(field) = field else {
            return self.put_varint(-1);
        };
        self.put_varint(field.len() as i64);
        let end = self.at + field.len();
        self.bytes[self.at..end].copy_from_slice(field);
        self.at = end;
    }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_size(value: i64) -> usize {
    // Seven bits a byte, at least one byte.
    (70 - (zigzag(value) | 1).leading_zeros() as usize) / 7
}

fn field_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint_size(bytes.len() as i64) + bytes.len())
}

fn headers_size(headers: &Headers) -> usize {
    let headers = headers.as_slice();
    let each = headers.iter().map(|header| {
        varint_size(header.key.len() as i64)
            + header.key.len()
            + field_size(header.value.as_deref())
    });
    varint_size(headers.len() as i64) + each.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_sizes_are_what_is_written() {
        for shift in 0..64 {
            for value in [
                1_i64 << shift,
                (1_i64 << shift).wrapping_sub(1),
                -(1_i64 << (shift % 63)),
            ] {
                let mut out = Writer {
                    bytes: &mut [0; 10],
                    at: 0,
                };
                out.put_varint(value);
                assert_eq!(out.at, varint_size(value), "{value}");
            }
        }
    }
}
