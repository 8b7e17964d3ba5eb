//! What stands beside a value in its row, and how typed stores show it.

use bytes::Bytes;

use super::StateError;
use crate::serde::varint::{read_varint, write_varint};
use crate::types::{Header, Headers};

/// What the value of a row is made of. The changelog has the value alone; what stands before it in
/// the row is the timestamp and the headers of the record there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFormat {
    /// The value alone.
    Plain,
    /// The timestamp in 8 bytes, big-endian, and the value.
    Timestamped,
    /// The headers behind their length in bytes, a zigzag varint, and the value: sessions
    /// (KIP-1271; Java: `AggregationWithHeadersSerializer`).
    WithHeaders,
    /// The headers behind their length, the timestamp, and the value (KIP-1271; Java:
    /// `ValueTimestampHeadersSerializer`).
    TimestampedWithHeaders,
}

impl ValueFormat {
    /// What a storage keeps of it: rows of another format are not read.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain values",
            Self::Timestamped => "timestamped values",
            Self::WithHeaders => "values with headers",
            Self::TimestampedWithHeaders => "timestamped values with headers",
        }
    }
}

impl ValueFormat {
    /// True where the value has its own timestamp.
    pub const fn has_timestamp(self) -> bool {
        matches!(self, Self::Timestamped | Self::TimestampedWithHeaders)
    }

    /// True where the value has its own headers.
    pub const fn has_headers(self) -> bool {
        matches!(self, Self::WithHeaders | Self::TimestampedWithHeaders)
    }

    /// True where values of this format have all that those of `other` have.
    pub const fn holds(self, other: Self) -> bool {
        (self.has_timestamp() || !other.has_timestamp())
            && (self.has_headers() || !other.has_headers())
    }

    /// Appends what stands before a value.
    #[inline]
    pub(crate) fn write_prefix(self, timestamp: i64, headers: &Headers, out: &mut Vec<u8>) {
        if self.has_headers() {
            write_headers(headers, out);
        }
        if self.has_timestamp() {
            out.extend_from_slice(&timestamp.to_be_bytes());
        }
    }

    /// Takes a row's value apart; `store` is for the error.
    #[inline]
    pub(crate) fn split<'a>(
        self,
        store: &str,
        stored: &'a [u8],
    ) -> Result<StoredValue<'a>, StateError> {
        let mut reader = Reader(stored);
        let split = self.split_with(&mut reader);
        split.ok_or_else(|| corrupt(store, stored.len()))
    }

    #[inline]
    fn split_with<'a>(self, reader: &mut Reader<'a>) -> Option<StoredValue<'a>> {
        let headers = match self.has_headers() {
            true => reader.sized()??,
            false => &[],
        };
        let timestamp = match self.has_timestamp() {
            true => Some(reader.timestamp()?),
            false => None,
        };
        Some(StoredValue {
            headers,
            timestamp,
            value: reader.0,
        })
    }
}

/// The parts of a row's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredValue<'a> {
    /// The headers as they are in the row; no bytes for none.
    headers: &'a [u8],
    /// `None` where the format has none.
    pub(crate) timestamp: Option<i64>,
    /// The value alone.
    pub(crate) value: &'a [u8],
}

impl StoredValue<'_> {
    /// The headers of the value.
    #[inline]
    pub(crate) fn headers(&self, store: &str) -> Result<Headers, StateError> {
        if self.headers.is_empty() {
            return Ok(Headers::new());
        }
        read_headers(self.headers).ok_or_else(|| corrupt(store, self.headers.len()))
    }
}

fn corrupt(store: &str, len: usize) -> StateError {
    StateError::Corrupt {
        store: store.to_owned(),
        message: format!(
            "{len} bytes of a row are not what its format asks for: it was written by another \
             kind of store"
        ),
    }
}

/// Appends `headers` behind their length: no count where there are none (Java: `HeadersSerializer`).
#[inline]
fn write_headers(headers: &Headers, out: &mut Vec<u8>) {
    if headers.is_empty() {
        out.push(0);
        return;
    }
    let mut section = Vec::new();
    write_varint(headers.as_slice().len() as i64, &mut section);
    for header in headers.as_slice() {
        write_field(Some(header.key.as_bytes()), &mut section);
        write_field(header.value.as_deref(), &mut section);
    }
    write_field(Some(&section), out);
}

fn write_field(field: Option<&[u8]>, out: &mut Vec<u8>) {
    write_varint(field.map_or(-1, |field| field.len() as i64), out);
    out.extend_from_slice(field.unwrap_or_default());
}

/// The headers of a section; `None` when its bytes are no headers.
fn read_headers(section: &[u8]) -> Option<Headers> {
    let mut reader = Reader(section);
    // Room is made as headers are read: the count is only a claim.
    let mut headers = Vec::new();
    for _ in 0..read_varint(&mut reader.0)? {
        let key = reader.sized()??;
        headers.push(Header {
            key: String::from_utf8_lossy(key).into(),
            value: reader.sized()?.map(Bytes::copy_from_slice),
        });
    }
    Some(Headers::from(headers))
}

/// Reads from the front; `None` when there is too little.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Bytes behind their length; a length of -1 is null.
    #[inline]
    fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        let len = read_varint(&mut self.0)?;
        if len == -1 {
            return Some(None);
        }
        let (field, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(Some(field))
    }

    #[inline]
    fn timestamp(&mut self) -> Option<i64> {
        let (timestamp, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*timestamp))
    }
}

/// A value with the timestamp of the record that made it (Java: `ValueAndTimestamp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueAndTimestamp<V> {
    /// The value.
    pub value: V,
    /// The timestamp in milliseconds.
    pub timestamp: i64,
}

impl<V> ValueAndTimestamp<V> {
    /// `value` as of `timestamp`.
    pub const fn new(value: V, timestamp: i64) -> Self {
        Self { value, timestamp }
    }
}

/// A value with the timestamp and the headers of the record that made it (KIP-1271; Java:
/// `ValueTimestampHeaders`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueTimestampHeaders<V> {
    /// The value.
    pub value: V,
    /// The timestamp in milliseconds.
    pub timestamp: i64,
    /// The headers.
    pub headers: Headers,
}

impl<V> ValueTimestampHeaders<V> {
    /// `value` as of `timestamp`, with `headers`.
    pub const fn new(value: V, timestamp: i64, headers: Headers) -> Self {
        Self {
            value,
            timestamp,
            headers,
        }
    }
}

/// What a session came to, with the headers of the record that made it (KIP-1271; Java:
/// `AggregationWithHeaders`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregationWithHeaders<V> {
    /// The aggregation.
    pub aggregation: V,
    /// The headers.
    pub headers: Headers,
}

impl<V> AggregationWithHeaders<V> {
    /// `aggregation` with `headers`.
    pub const fn new(aggregation: V, headers: Headers) -> Self {
        Self {
            aggregation,
            headers,
        }
    }
}

/// What a typed store gives and takes for its values.
pub trait ValueLayout: 'static {
    /// A value of `V` and what belongs to it.
    type Stored<V>;

    /// The format of the rows that the layout is made for.
    const FORMAT: ValueFormat;

    /// Puts a value together; `headers` are read only where they are wanted.
    ///
    /// # Errors
    /// What reading the headers failed with.
    fn join<V>(
        value: V,
        timestamp: i64,
        headers: impl FnOnce() -> Result<Headers, StateError>,
    ) -> Result<Self::Stored<V>, StateError>;

    /// The value, its timestamp and its headers, -1 and none where the layout does not have them.
    fn parts<V>(stored: &Self::Stored<V>) -> (&V, i64, &Headers);
}

/// Values alone.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// [`ValueAndTimestamp`].
#[derive(Clone, Copy, Debug)]
pub struct Timestamped;

/// [`AggregationWithHeaders`].
#[derive(Clone, Copy, Debug)]
pub struct WithHeaders;

/// [`ValueTimestampHeaders`].
#[derive(Clone, Copy, Debug)]
pub struct TimestampedWithHeaders;

impl ValueLayout for Plain {
    type Stored<V> = V;
    const FORMAT: ValueFormat = ValueFormat::Plain;

    #[inline]
    fn join<V>(
        value: V,
        _: i64,
        _: impl FnOnce() -> Result<Headers, StateError>,
    ) -> Result<V, StateError> {
        Ok(value)
    }

    #[inline]
    fn parts<V>(stored: &V) -> (&V, i64, &Headers) {
        (stored, -1, &NO_HEADERS)
    }
}

impl ValueLayout for Timestamped {
    type Stored<V> = ValueAndTimestamp<V>;
    const FORMAT: ValueFormat = ValueFormat::Timestamped;

    #[inline]
    fn join<V>(
        value: V,
        timestamp: i64,
        _: impl FnOnce() -> Result<Headers, StateError>,
    ) -> Result<ValueAndTimestamp<V>, StateError> {
        Ok(ValueAndTimestamp { value, timestamp })
    }

    #[inline]
    fn parts<V>(stored: &ValueAndTimestamp<V>) -> (&V, i64, &Headers) {
        (&stored.value, stored.timestamp, &NO_HEADERS)
    }
}

impl ValueLayout for WithHeaders {
    type Stored<V> = AggregationWithHeaders<V>;
    const FORMAT: ValueFormat = ValueFormat::WithHeaders;

    fn join<V>(
        aggregation: V,
        _: i64,
        headers: impl FnOnce() -> Result<Headers, StateError>,
    ) -> Result<AggregationWithHeaders<V>, StateError> {
        Ok(AggregationWithHeaders::new(aggregation, headers()?))
    }

    fn parts<V>(stored: &AggregationWithHeaders<V>) -> (&V, i64, &Headers) {
        (&stored.aggregation, -1, &stored.headers)
    }
}

impl ValueLayout for TimestampedWithHeaders {
    type Stored<V> = ValueTimestampHeaders<V>;
    const FORMAT: ValueFormat = ValueFormat::TimestampedWithHeaders;

    fn join<V>(
        value: V,
        timestamp: i64,
        headers: impl FnOnce() -> Result<Headers, StateError>,
    ) -> Result<ValueTimestampHeaders<V>, StateError> {
        Ok(ValueTimestampHeaders::new(value, timestamp, headers()?))
    }

    fn parts<V>(stored: &ValueTimestampHeaders<V>) -> (&V, i64, &Headers) {
        (&stored.value, stored.timestamp, &stored.headers)
    }
}

pub(crate) static NO_HEADERS: Headers = Headers::new();

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Headers {
        let mut headers = Headers::new();
        headers.push("h", Some(Bytes::from_static(b"ab")));
        headers.push("", None);
        headers
    }

    fn prefix(format: ValueFormat, headers: &Headers) -> Vec<u8> {
        let mut out = Vec::new();
        format.write_prefix(5, headers, &mut out);
        out
    }

    #[test]
    fn writes_what_java_writes() {
        let timestamp = 5_i64.to_be_bytes();
        assert_eq!(prefix(ValueFormat::Plain, &headers()), b"");
        assert_eq!(prefix(ValueFormat::Timestamped, &headers()), timestamp);
        assert_eq!(prefix(ValueFormat::WithHeaders, &NO_HEADERS), [0]);
        // Two headers: a key and a value of one and two bytes, an empty key and null.
        let section = [4, 2, b'h', 4, b'a', b'b', 0, 1];
        let expected = [&[16][..], &section, &timestamp].concat();
        let written = prefix(ValueFormat::TimestampedWithHeaders, &headers());
        assert_eq!(written, expected);
    }

    #[test]
    fn reads_what_it_writes() -> Result<(), StateError> {
        for headers in [headers(), Headers::new()] {
            for format in [
                ValueFormat::WithHeaders,
                ValueFormat::TimestampedWithHeaders,
            ] {
                let mut stored = prefix(format, &headers);
                stored.extend_from_slice(b"value");
                let read = format.split("s", &stored)?;
                assert_eq!(read.value, b"value");
                assert_eq!(read.timestamp, format.has_timestamp().then_some(5));
                assert_eq!(read.headers("s")?, headers);
                for len in 0..stored.len() - 5 {
                    let cut = format.split("s", &stored[..len]);
                    assert!(cut.is_err(), "{format:?} cut to {len} bytes");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn refuses_headers_that_are_none() -> Result<(), StateError> {
        // A count without headers, a negative length, a length beyond the end.
        for section in [&[2][..], &[2, 3], &[2, 20, b'a'], &[0xff; 6]] {
            let mut stored = Vec::new();
            write_field(Some(section), &mut stored);
            let format = ValueFormat::WithHeaders;
            let read = format.split("s", &stored)?;
            assert!(read.headers("s").is_err(), "{section:?}");
        }
        Ok(())
    }
}
