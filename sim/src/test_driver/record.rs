//! [`TestRecord`].

use bytes::Bytes;
use eddyline_core::types::Headers;

/// A record of a test (Java: `TestRecord`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// The headers.
    pub headers: Headers,
    /// The timestamp in milliseconds; an input record without one gets its topic's time.
    pub timestamp: Option<i64>,
}

impl<K, V> TestRecord<K, V> {
    /// A record without headers and timestamp.
    pub const fn new(key: K, value: V) -> Self {
        Self {
            key,
            value,
            headers: Headers::new(),
            timestamp: None,
        }
    }

    /// The record with a timestamp in milliseconds.
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The record with one header more.
    #[must_use]
    pub fn with_header(mut self, key: &str, value: impl Into<Bytes>) -> Self {
        self.headers.push(key, Some(value.into()));
        self
    }

    /// The record with these headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }
}
