//! The bytes of a persistent row: those of Java's `RocksDBVersionedStoreSegmentValueFormatter`.

use super::super::bytes::StoreBytes;
use super::versions::{SegmentRow, Version};

impl SegmentRow {
    /// Fills `out`: the end, the start, the timestamp and the length of each version, latest first,
    /// and the values, earliest first. A tombstone has a negative length.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(&self.start().to_be_bytes());
        for version in self.versions.iter().rev() {
            let value = version.value.as_ref();
            let length = value.map_or(TOMBSTONE, |value| value.len() as i32);
            out.extend_from_slice(&version.timestamp.to_be_bytes());
            out.extend_from_slice(&length.to_be_bytes());
        }
        for version in &self.versions {
            out.extend_from_slice(version.value.as_deref().unwrap_or_default());
        }
    }

    /// The row of `bytes`; `None` where they are none.
    pub(super) fn read(segment: i64, bytes: &[u8]) -> Option<Self> {
        let (end, rest) = bytes.split_first_chunk()?;
        let (start, mut rest) = rest.split_first_chunk()?;
        let (end, start) = (i64::from_be_bytes(*end), i64::from_be_bytes(*start));
        let mut lengths = Vec::new();
        let mut next = end;
        loop {
            let (timestamp, behind) = rest.split_first_chunk()?;
            let (length, behind) = behind.split_first_chunk()?;
            rest = behind;
            let timestamp = i64::from_be_bytes(*timestamp);
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            // Only a tombstone that stands alone begins where it ends.
            let is_lone = timestamp == end && timestamp == start && length.is_none();
            if timestamp < start || (timestamp >= next && !is_lone) {
                return None;
            }
            lengths.push((timestamp, length));
            next = timestamp;
            if timestamp == start {
                break;
            }
        }
        let mut versions = Vec::with_capacity(lengths.len());
        for (timestamp, length) in lengths.into_iter().rev() {
            let value = match length {
                Some(length) => {
                    let (value, behind) = rest.split_at_checked(length)?;
                    rest = behind;
                    Some(StoreBytes::new(value))
                }
                None => None,
            };
            versions.push(Version { timestamp, value });
        }
        rest.is_empty().then_some(Self {
            segment,
            end,
            versions,
        })
    }
}

const TOMBSTONE: i32 = -1;
