//! Windows, and the serdes of keys that bear one.

use std::fmt;

use bytes::Bytes;

use crate::serde::{Serde, SerdeError, SerdeRef};

/// A stretch of time in milliseconds. A time window has its start and not its end, a session both
/// (Java: `TimeWindow`, `SessionWindow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first millisecond.
    pub start: i64,
    /// The end: behind the last millisecond of a time window, the last one of a session.
    pub end: i64,
}

impl Window {
    /// From `start` to `end`.
    pub const fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// The time window of `size_ms` that begins at `start`; one that would end after the end of
    /// time ends there.
    pub const fn of_size(start: i64, size_ms: i64) -> Self {
        Self {
            start,
            end: start.saturating_add(size_ms),
        }
    }
}

/// A key in a window (Java: `Windowed`), shown as Java does: `[k@0/10]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windowed<K> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
}

impl<K> Windowed<K> {
    /// `key` in `window`.
    pub const fn new(key: K, window: Window) -> Self {
        Self { key, window }
    }
}

impl<K: fmt::Display> fmt::Display for Windowed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}@{}/{}]",
            self.key, self.window.start, self.window.end
        )
    }
}

/// A key in a time window: the key and the start in 8 bytes, big-endian. The size is not in the
/// bytes (Java: `TimeWindowedSerde`).
#[derive(Clone)]
pub struct TimeWindowedSerde<K> {
    inner: SerdeRef<K>,
    window_size_ms: i64,
}

impl<K> TimeWindowedSerde<K> {
    /// Keys of `inner` in windows of `window_size_ms`.
    pub fn new(inner: SerdeRef<K>, window_size_ms: i64) -> Self {
        Self {
            inner,
            window_size_ms,
        }
    }
}

impl<K> Serde<Windowed<K>> for TimeWindowedSerde<K> {
    fn serialize(
        &self,
        topic: &str,
        value: &Windowed<K>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        self.inner.serialize(topic, &value.key, out)?;
        out.extend_from_slice(&value.window.start.to_be_bytes());
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Windowed<K>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn partitioned_by<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        &key[..key.len().saturating_sub(TIME_BYTES)]
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<Windowed<K>, SerdeError> {
        let (key, [start]) = split_times("TimeWindowedSerde", bytes)?;
        Ok(Windowed {
            key: self.inner.deserialize_slice(topic, key)?,
            window: Window::of_size(start, self.window_size_ms),
        })
    }
}

/// A key in a session: the key, the end and the start, 8 bytes each, big-endian (Java:
/// `SessionWindowedSerde`).
#[derive(Clone)]
pub struct SessionWindowedSerde<K> {
    inner: SerdeRef<K>,
}

impl<K> SessionWindowedSerde<K> {
    /// Keys of `inner` in sessions.
    pub fn new(inner: SerdeRef<K>) -> Self {
        Self { inner }
    }
}

impl<K> Serde<Windowed<K>> for SessionWindowedSerde<K> {
    fn serialize(
        &self,
        topic: &str,
        value: &Windowed<K>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        self.inner.serialize(topic, &value.key, out)?;
        out.extend_from_slice(&value.window.end.to_be_bytes());
        out.extend_from_slice(&value.window.start.to_be_bytes());
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Windowed<K>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn partitioned_by<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        &key[..key.len().saturating_sub(2 * TIME_BYTES)]
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<Windowed<K>, SerdeError> {
        let (key, [end, start]) = split_times("SessionWindowedSerde", bytes)?;
        Ok(Windowed {
            key: self.inner.deserialize_slice(topic, key)?,
            window: Window::new(start, end),
        })
    }
}

/// The key and the times behind it.
fn split_times<'a, const N: usize>(
    serde: &'static str,
    bytes: &'a [u8],
) -> Result<(&'a [u8], [i64; N]), SerdeError> {
    let Some(key_len) = bytes.len().checked_sub(N * TIME_BYTES) else {
        return Err(SerdeError::Content {
            serde,
            expected: "a key and the times of its window behind it",
        });
    };
    let (key, suffix) = bytes.split_at(key_len);
    let mut times = [0; N];
    for (time, bytes) in times.iter_mut().zip(suffix.as_chunks::<TIME_BYTES>().0) {
        *time = i64::from_be_bytes(*bytes);
    }
    Ok((key, times))
}

const TIME_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::DefaultSerde;

    #[test]
    fn windowed_keys_have_javas_bytes() {
        let times = TimeWindowedSerde::new(String::default_serde(), 10);
        let sessions = SessionWindowedSerde::new(String::default_serde());
        let key = Windowed::new("k".to_owned(), Window::new(5, 15));
        let mut out = Vec::new();
        times.serialize("t", &key, &mut out).expect("has bytes");
        assert_eq!(out, b"k\0\0\0\0\0\0\0\x05");
        assert_eq!(times.deserialize_slice("t", &out), Ok(key.clone()));
        out.clear();
        sessions.serialize("t", &key, &mut out).expect("has bytes");
        assert_eq!(out, b"k\0\0\0\0\0\0\0\x0f\0\0\0\0\0\0\0\x05");
        assert_eq!(sessions.deserialize_slice("t", &out), Ok(key.clone()));
        assert_eq!(key.to_string(), "[k@5/15]");
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        let times = TimeWindowedSerde::new(String::default_serde(), i64::MAX);
        assert!(times.deserialize_slice("t", &[0; 7]).is_err());
        let late = times.deserialize_slice("t", &[0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(late.map(|key| key.window.end), Ok(i64::MAX));
        let sessions = SessionWindowedSerde::new(String::default_serde());
        assert!(sessions.deserialize_slice("t", &[0; 15]).is_err());
    }
}
