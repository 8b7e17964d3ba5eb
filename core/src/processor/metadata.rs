//! [`ProcessorMetadata`]: what operators keep with committed offsets.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers that operators keep with the offsets of their task, by the name of a store (Java:
/// `ProcessorMetadata`). They are committed with every input partition; the largest one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessorMetadata(BTreeMap<Arc<str>, i64>);

impl ProcessorMetadata {
    pub(crate) fn get(&self, key: &str) -> Option<i64> {
        self.0.get(key).copied()
    }

    pub(crate) fn put(&mut self, key: &Arc<str>, value: i64) {
        match self.0.get_mut(key) {
            Some(known) => *known = value,
            None => drop(self.0.insert(Arc::clone(key), value)),
        }
    }

    /// Takes what another partition was committed with.
    pub(crate) fn update(&mut self, other: Self) {
        for (key, value) in other.0 {
            let known = self.0.entry(key).or_insert(value);
            *known = value.max(*known);
        }
    }

    /// Appends its bytes: the number of entries, and each as length, name and number. Nothing for
    /// none.
    pub(crate) fn serialize(&self, out: &mut Vec<u8>) {
        if self.0.is_empty() {
            return;
        }
        out.extend((self.0.len() as i32).to_be_bytes());
        for (key, value) in &self.0 {
            out.extend((key.len() as i32).to_be_bytes());
            out.extend(key.as_bytes());
            out.extend(value.to_be_bytes());
        }
    }

    /// Reads what [`serialize`](Self::serialize) or Java wrote; `None` for anything else.
    pub(crate) fn deserialize(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = BTreeMap::new();
        if bytes.is_empty() {
            return Some(Self(entries));
        }
        let count = take::<4>(&mut bytes).map(i32::from_be_bytes)?;
        for _ in 0..count {
            let length = take::<4>(&mut bytes).map(i32::from_be_bytes)?;
            let length = usize::try_from(length).ok()?;
            let (key, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            let value = take::<8>(&mut bytes).map(i64::from_be_bytes)?;
            entries.insert(Arc::from(str::from_utf8(key).ok()?), value);
        }
        bytes.is_empty().then_some(Self(entries))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_of_a_key_counts() {
        let mut metadata = ProcessorMetadata::default();
        metadata.put(&"a".into(), 5);
        let mut other = ProcessorMetadata::default();
        other.put(&"a".into(), 3);
        other.put(&"b".into(), -1);
        metadata.update(other.clone());
        assert_eq!((metadata.get("a"), metadata.get("b")), (Some(5), Some(-1)));
        metadata.put(&"a".into(), 4);
        other.update(metadata);
        assert_eq!((other.get("a"), other.get("c")), (Some(4), None));
    }

    #[test]
    fn bytes_that_are_not_metadata_are_refused() {
        let mut metadata = ProcessorMetadata::default();
        metadata.put(&"store".into(), 7);
        metadata.put(&"other".into(), 8);
        let mut bytes = Vec::new();
        metadata.serialize(&mut bytes);
        assert_eq!(ProcessorMetadata::deserialize(&bytes), Some(metadata));
        for length in 1..bytes.len() {
            assert_eq!(ProcessorMetadata::deserialize(&bytes[..length]), None);
        }
        bytes.push(0);
        assert_eq!(ProcessorMetadata::deserialize(&bytes), None);
        let huge = [i32::MAX.to_be_bytes(), i32::MAX.to_be_bytes()].concat();
        assert_eq!(ProcessorMetadata::deserialize(&huge), None);
    }
}
