//! The records of two streams that have not joined yet.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::time_tracker::TimeTracker;
use crate::processor::{ProcessorError, TaskContext};
use crate::serde::{Serde, SerdeError, SerdeRef};
use crate::state::{
    ALL_KEYS, Direction, KeyValueBytesStoreSupplier, KeyValueStore, KeyValueStoreBuilder,
    StateError, Stores,
};

/// The stream that a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dsl) enum JoinSide {
    Left,
    Right,
}

/// The key of a record that has not joined yet (Java: `TimestampedKeyAndJoinSide`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dsl) struct TimestampedKeyAndJoinSide<K> {
    pub(in crate::dsl) key: K,
    pub(in crate::dsl) timestamp: i64,
    pub(in crate::dsl) side: JoinSide,
}

/// The value of a record that has not joined yet (Java: `LeftOrRightValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dsl) enum LeftOrRightValue<V1, V2> {
    Left(V1),
    Right(V2),
}

impl<V1, V2> LeftOrRightValue<V1, V2> {
    pub(super) fn into_sides(self) -> (Option<V1>, Option<V2>) {
        match self {
            Self::Left(value) => (Some(value), None),
            Self::Right(value) => (None, Some(value)),
        }
    }
}

/// The timestamp in 8 bytes, big-endian, a byte that is 1 for the left side, and the key: rows are
/// in the order of time (Java: `TimestampedKeyAndJoinSideSerde`).
struct TimestampedKeyAndJoinSideSerde<K>(SerdeRef<K>);

impl<K> Serde<TimestampedKeyAndJoinSide<K>> for TimestampedKeyAndJoinSideSerde<K> {
    fn serialize(
        &self,
        topic: &str,
        value: &TimestampedKeyAndJoinSide<K>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        out.extend_from_slice(&value.timestamp.to_be_bytes());
        out.push(u8::from(value.side == JoinSide::Left));
        self.0.serialize(topic, &value.key, out)
    }

    fn deserialize(
        &self,
        topic: &str,
        bytes: &Bytes,
    ) -> Result<TimestampedKeyAndJoinSide<K>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(
        &self,
        topic: &str,
        bytes: &[u8],
    ) -> Result<TimestampedKeyAndJoinSide<K>, SerdeError> {
        let (timestamp, side, key) = split_key(bytes)?;
        Ok(TimestampedKeyAndJoinSide {
            key: self.0.deserialize_slice(topic, key)?,
            timestamp,
            side,
        })
    }
}

fn split_key(bytes: &[u8]) -> Result<(i64, JoinSide, &[u8]), SerdeError> {
    let parts = bytes.split_first_chunk().and_then(|(timestamp, rest)| {
        let (side, key) = rest.split_first()?;
        Some((timestamp, side, key))
    });
    let Some((timestamp, side, key)) = parts else {
        return Err(SerdeError::Content {
            serde: "TimestampedKeyAndJoinSideSerde",
            expected: "a timestamp, a side and a key",
        });
    };
    let side = match side {
        1 => JoinSide::Left,
        _ => JoinSide::Right,
    };
    Ok((i64::from_be_bytes(*timestamp), side, key))
}

/// Values of the same key, time and side, as Java's list serde writes byte arrays: a 1, their
/// number, and each behind its length. A value is behind a byte that is 1 for the left side (Java:
/// `LeftOrRightValueSerde`).
struct LeftOrRightValuesSerde<V1, V2>(SerdeRef<V1>, SerdeRef<V2>);

impl<V1, V2> Serde<Vec<LeftOrRightValue<V1, V2>>> for LeftOrRightValuesSerde<V1, V2> {
    fn serialize(
        &self,
        topic: &str,
        values: &Vec<LeftOrRightValue<V1, V2>>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        let length = |length: usize| {
            let length = i32::try_from(length);
            length.map_err(|_| content("values of less than 2 GiB"))
        };
        out.push(VARIABLE_SIZE);
        out.extend_from_slice(&length(values.len())?.to_be_bytes());
        for value in values {
            let at = out.len();
            out.extend_from_slice(&[0; LENGTH_BYTES]);
            match value {
                LeftOrRightValue::Left(value) => {
                    out.push(1);
                    self.0.serialize(topic, value, out)?;
                }
                LeftOrRightValue::Right(value) => {
                    out.push(0);
                    self.1.serialize(topic, value, out)?;
                }
            }
            let written = length(out.len() - at - LENGTH_BYTES)?;
            out[at..at + LENGTH_BYTES].copy_from_slice(&written.to_be_bytes());
        }
        Ok(())
    }

    fn deserialize(
        &self,
        topic: &str,
        bytes: &Bytes,
    ) -> Result<Vec<LeftOrRightValue<V1, V2>>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(
        &self,
        topic: &str,
        bytes: &[u8],
    ) -> Result<Vec<LeftOrRightValue<V1, V2>>, SerdeError> {
        let Some((&VARIABLE_SIZE, mut rest)) = bytes.split_first() else {
            return Err(content("a list of entries with lengths"));
        };
        let mut values = Vec::new();
        for _ in 0..take_length(&mut rest)? {
            let length = take_length(&mut rest)?;
            let entry = rest.split_at_checked(length).and_then(|(entry, behind)| {
                rest = behind;
                entry.split_first()
            });
            let Some((side, value)) = entry else {
                return Err(content("entries of a side and a value"));
            };
            values.push(match side {
                1 => LeftOrRightValue::Left(self.0.deserialize_slice(topic, value)?),
                _ => LeftOrRightValue::Right(self.1.deserialize_slice(topic, value)?),
            });
        }
        Ok(values)
    }
}

/// True when a row of [`LeftOrRightValuesSerde`] has more values than one.
fn has_several(row: &[u8]) -> bool {
    let number = row.get(1..).and_then(|number| number.first_chunk());
    number.is_some_and(|number| i32::from_be_bytes(*number) > 1)
}

fn take_length(bytes: &mut &[u8]) -> Result<usize, SerdeError> {
    let (length, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| content("a length"))?;
    *bytes = rest;
    let length = usize::try_from(i32::from_be_bytes(*length));
    length.map_err(|_| content("a length that is not negative"))
}

const fn content(expected: &'static str) -> SerdeError {
    SerdeError::Content {
        serde: "LeftOrRightValuesSerde",
        expected,
    }
}

/// Java's `SerializationStrategy.VARIABLE_SIZE`.
const VARIABLE_SIZE: u8 = 1;
const LENGTH_BYTES: usize = 4;

/// The rows of an [`UnmatchedStore`]: Java's `ListValueStore`.
type Rows<K, V1, V2> = KeyValueStore<TimestampedKeyAndJoinSide<K>, Vec<LeftOrRightValue<V1, V2>>>;

/// The recipe of an [`UnmatchedStore`].
pub(in crate::dsl) type UnmatchedStoreBuilder<K, V1, V2> =
    KeyValueStoreBuilder<TimestampedKeyAndJoinSide<K>, Vec<LeftOrRightValue<V1, V2>>>;

/// The recipe of a store for records that have not joined yet (Java:
/// `OuterStreamJoinStoreFactory`).
pub(in crate::dsl) fn unmatched_store_builder<K, V1, V2>(
    supplier: Arc<dyn KeyValueBytesStoreSupplier>,
    keys: SerdeRef<K>,
    (left, right): (SerdeRef<V1>, SerdeRef<V2>),
    logging: Option<&BTreeMap<String, String>>,
) -> UnmatchedStoreBuilder<K, V1, V2>
where
    K: 'static,
    V1: 'static,
    V2: 'static,
{
    let keys = Arc::new(TimestampedKeyAndJoinSideSerde(keys));
    let values = Arc::new(LeftOrRightValuesSerde(left, right));
    let builder = Stores::key_value_store_builder(supplier, keys, values);
    match logging {
        Some(config) => builder.with_logging_enabled(config.clone()),
        None => builder.with_logging_disabled(),
    }
}

/// The records of both streams that have not joined yet and give a result if they never do.
pub(super) struct UnmatchedStore<K, V1, V2> {
    store: usize,
    types: PhantomData<Types<K, V1, V2>>,
}

/// Owns none of them.
type Types<K, V1, V2> = fn() -> (K, V1, V2);

/// Records of one key, time and side.
pub(super) type Unmatched<K, V1, V2> =
    (TimestampedKeyAndJoinSide<K>, Vec<LeftOrRightValue<V1, V2>>);

impl<K: 'static, V1: 'static, V2: 'static> UnmatchedStore<K, V1, V2> {
    pub(super) fn open(
        task: &mut TaskContext,
        node: usize,
        name: &str,
    ) -> Result<Self, ProcessorError> {
        Ok(Self {
            store: task.store_index(node, name)?,
            types: PhantomData,
        })
    }

    /// Adds a record.
    pub(super) fn put(
        &self,
        task: &mut TaskContext,
        key: &TimestampedKeyAndJoinSide<K>,
        value: LeftOrRightValue<V1, V2>,
    ) -> Result<(), ProcessorError> {
        task.with_store::<Rows<K, V1, V2>, _>(self.store, |store, context| {
            let mut values = store.get(key)?.unwrap_or_default();
            values.push(value);
            store.put(key, Some(&values), context)
        })??;
        Ok(())
    }

    /// Removes the records of `key`.
    pub(super) fn remove(
        &self,
        task: &mut TaskContext,
        key: &TimestampedKeyAndJoinSide<K>,
    ) -> Result<(), ProcessorError> {
        task.with_store::<Rows<K, V1, V2>, _>(self.store, |store, context| {
            store.put(key, None, context)
        })??;
        Ok(())
    }

    /// Removes the records of `key`, and logs that only if there are any.
    pub(super) fn remove_if_present(
        &self,
        task: &mut TaskContext,
        key: &TimestampedKeyAndJoinSide<K>,
    ) -> Result<(), ProcessorError> {
        task.with_store::<Rows<K, V1, V2>, _>(self.store, |store, context| {
            if store.get(key)?.is_some() {
                store.put(key, None, context)?;
            }
            Ok::<(), StateError>(())
        })??;
        Ok(())
    }

    /// The records that are too old to join, earliest first, and with that the earliest time of
    /// those that are not: a record of the left side is joinable for the first of `joinable_ms`,
    /// one of the right side for the second.
    ///
    /// Java takes for the earliest time that of the record where it stops: the one behind those that
    /// show that both sides may still join, or else the last one. Records of one key, side and time
    /// are a row, and yet one behind the other.
    pub(super) fn take_stock(
        &self,
        task: &mut TaskContext,
        time: &TimeTracker,
        joinable_ms: (i64, i64),
        has_right_side: bool,
    ) -> Result<Vec<Unmatched<K, V1, V2>>, ProcessorError> {
        let joinable_ms = |side| match side {
            JoinSide::Left => joinable_ms.0,
            JoinSide::Right => joinable_ms.1,
        };
        let expired = task.with_store::<Rows<K, V1, V2>, _>(self.store, |store, _| {
            let prefix = |key: &[u8]| match split_key(key) {
                Ok((timestamp, side, _)) => Ok((timestamp, side)),
                Err(error) => Err(StateError::Corrupt {
                    store: store.bytes().name().to_owned(),
                    message: error.to_string(),
                }),
            };
            time.set_min_time(i64::MAX);
            let (mut seen, mut until) = (0, 0);
            let (mut left_is_open, mut right_is_open) = (false, !has_right_side);
            for row in store.bytes().range(ALL_KEYS, Direction::Forward) {
                let (key, values) = row?;
                let (timestamp, side) = prefix(&key)?;
                time.set_min_time(timestamp);
                if left_is_open && right_is_open {
                    break;
                }
                seen += 1;
                if time.has_expired(timestamp, joinable_ms(side)) {
                    until = seen;
                } else if side == JoinSide::Left {
                    left_is_open = true;
                } else {
                    right_is_open = true;
                }
                if left_is_open && right_is_open && has_several(&values) {
                    break;
                }
            }
            if !has_right_side
                && left_is_open
                && let Some(last) = store.bytes().range(ALL_KEYS, Direction::Backward).next()
            {
                time.set_min_time(prefix(&last?.0)?.0);
            }
            let rows = store.all()?.take(until);
            let expired = rows.filter(|row| match row {
                Ok((key, _)) => time.has_expired(key.timestamp, joinable_ms(key.side)),
                Err(_) => true,
            });
            expired.collect::<Result<Vec<_>, StateError>>()
        })??;
        Ok(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::DefaultSerde;

    #[test]
    fn keys_have_javas_bytes() {
        let serde = TimestampedKeyAndJoinSideSerde(String::default_serde());
        for (side, byte) in [(JoinSide::Left, 1), (JoinSide::Right, 0)] {
            let key = TimestampedKeyAndJoinSide {
                key: "k".to_owned(),
                timestamp: 5,
                side,
            };
            let mut out = Vec::new();
            serde.serialize("t", &key, &mut out).expect("written");
            assert_eq!(out, [0, 0, 0, 0, 0, 0, 0, 5, byte, b'k']);
            assert_eq!(serde.deserialize_slice("t", &out), Ok(key));
        }
        assert!(serde.deserialize_slice("t", &[0; 8]).is_err());
    }

    #[test]
    fn values_have_javas_bytes() {
        let serde = LeftOrRightValuesSerde(String::default_serde(), i64::default_serde());
        let values = vec![
            LeftOrRightValue::Left("ab".to_owned()),
            LeftOrRightValue::Right(7),
        ];
        let mut out = Vec::new();
        serde.serialize("t", &values, &mut out).expect("written");
        let left = b"\0\0\0\x03\x01ab";
        let right = b"\0\0\0\x09\0\0\0\0\0\0\0\0\x07";
        assert_eq!(out, [&b"\x01\0\0\0\x02"[..], left, right].concat());
        assert_eq!(serde.deserialize_slice("t", &out), Ok(values));
    }

    #[test]
    fn other_bytes_are_errors() {
        let serde = LeftOrRightValuesSerde(String::default_serde(), i64::default_serde());
        for bytes in [
            &b""[..],
            b"\0\0\0\0\0",
            b"\x01\0\0",
            b"\x01\0\0\0\x01",
            b"\x01\x7f\xff\xff\xff",
            b"\x01\xff\xff\xff\xff",
            b"\x01\0\0\0\x01\0\0\0\x03\x01a",
            b"\x01\0\0\0\x01\0\0\0\0",
            b"\x01\0\0\0\x01\xff\xff\xff\xff",
        ] {
            assert!(serde.deserialize_slice("t", bytes).is_err(), "{bytes:?}");
        }
    }
}
