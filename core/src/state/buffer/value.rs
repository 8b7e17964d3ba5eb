//! The bytes of a buffered record (Java: `BufferValue`, `ContextualRecord`,
//! `ProcessorRecordContext`), all numbers big-endian and lengths of 4 bytes, -1 for null.

use bytes::Bytes;

use super::super::bytes::StoreBytes;
use crate::types::{Header, Headers, RecordContext};

/// A buffered change with the context of the record that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BufferValue {
    /// What the key was before anything was buffered.
    pub(super) prior: Option<StoreBytes>,
    pub(super) old: Option<StoreBytes>,
    pub(super) new: Option<StoreBytes>,
    pub(super) context: RecordContext,
}

impl BufferValue {
    /// Appends the bytes of the value.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_context(&self.context, out);
        write_nullable(self.prior.as_deref(), out);
        if self.old.is_some() && self.old == self.prior {
            out.extend_from_slice(&SAME_AS_PRIOR.to_be_bytes());
        } else {
            write_nullable(self.old.as_deref(), out);
        }
        write_nullable(self.new.as_deref(), out);
    }

    /// Java's `residentMemorySizeEstimate`, which limits of buffers are about.
    pub(super) fn size_bytes(&self) -> usize {
        let len = |value: &Option<StoreBytes>| value.as_ref().map_or(0, |value| value.len());
        let old = if self.old == self.prior {
            0
        } else {
            len(&self.old)
        };
        let topic = self.context.topic.as_ref();
        let topic = topic.map_or(0, |topic| topic.as_str().encode_utf16().count());
        let headers = self.context.headers_size_bytes();
        len(&self.prior) + old + len(&self.new) + CONTEXT_FIXED_BYTES + topic + headers
    }
}

/// Reads what [`BufferValue::write`] and its predecessors wrote; `None` is bytes that are none of
/// theirs.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The format since Kafka 2.5.1: context, prior, old and new value.
    pub(super) fn value(&mut self) -> Option<BufferValue> {
        let context = self.context()?;
        let prior = self.nullable()?.map(StoreBytes::new);
        let old = match self.int()? {
            SAME_AS_PRIOR => prior.clone(),
            len => self.nullable_of(len)?.map(StoreBytes::new),
        };
        let new = self.nullable()?.map(StoreBytes::new);
        Some(BufferValue {
            prior,
            old,
            new,
            context,
        })
    }

    /// The format of 2.4: context, a pair of old and new value, prior value.
    pub(super) fn value_2_4(&mut self) -> Option<BufferValue> {
        let context = self.context()?;
        let (old, new) = Reader(self.nullable()??).change()?;
        let prior = self.nullable()?.map(StoreBytes::new);
        Some(BufferValue {
            prior,
            old,
            new,
            context,
        })
    }

    /// The old and the new value as they lay in one array up to 2.4.
    pub(super) fn change(&mut self) -> Option<(Option<StoreBytes>, Option<StoreBytes>)> {
        let old = self.nullable()?.map(StoreBytes::new);
        let new = self.nullable()?.map(StoreBytes::new);
        Some((old, new))
    }

    pub(super) fn context(&mut self) -> Option<RecordContext> {
        let timestamp = self.long()?;
        let offset = self.long()?;
        let topic = String::from_utf8_lossy(self.nullable()??);
        let partition = self.int()?;
        let mut headers = Vec::new();
        let count = self.int()?;
        if count < -1 {
            return None;
        }
        for _ in 0..count.max(0) {
            let key = String::from_utf8_lossy(self.nullable()??);
            let value = self.nullable()?.map(Bytes::copy_from_slice);
            headers.push(Header {
                key: key.into(),
                value,
            });
        }
        Some(RecordContext {
            topic: (!topic.is_empty()).then(|| topic.as_ref().into()),
            partition,
            offset,
            timestamp,
            headers: Headers::from(headers),
            source_record: None,
        })
    }

    pub(super) fn long(&mut self) -> Option<i64> {
        let (long, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*long))
    }

    fn int(&mut self) -> Option<i32> {
        let (int, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*int))
    }

    pub(super) fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        let len = self.int()?;
        self.nullable_of(len)
    }

    fn nullable_of(&mut self, len: i32) -> Option<Option<&'a [u8]>> {
        if len == NULL {
            return Some(None);
        }
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(Some(bytes))
    }
}

fn write_context(context: &RecordContext, out: &mut Vec<u8>) {
    out.extend_from_slice(&context.timestamp.to_be_bytes());
    out.extend_from_slice(&context.offset.to_be_bytes());
    // Below a punctuator there is no topic; Java fails there.
    let topic = context.topic.as_ref().map_or("", |topic| topic.as_str());
    write_bytes(topic.as_bytes(), out);
    out.extend_from_slice(&context.partition.to_be_bytes());
    let headers = context.headers.as_slice();
    out.extend_from_slice(&(headers.len() as i32).to_be_bytes());
    for header in headers {
        write_bytes(header.key.as_bytes(), out);
        write_nullable(header.value.as_deref(), out);
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn write_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => write_bytes(bytes, out),
        None => out.extend_from_slice(&NULL.to_be_bytes()),
    }
}

const NULL: i32 = -1;
/// `BufferValue.OLD_PREV_DUPLICATE_VALUE_SENTINEL`.
const SAME_AS_PRIOR: i32 = -2;
/// Timestamp, offset and partition.
const CONTEXT_FIXED_BYTES: usize = 8 + 8 + 4;
