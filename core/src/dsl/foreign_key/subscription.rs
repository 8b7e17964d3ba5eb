//! What a foreign-key join sends between the tasks of its two tables, and its bytes.

use bytes::Bytes;

use super::hash::Hash;
use crate::serde::{Serde, SerdeError, SerdeRef};

/// What the right side is to do for a left row (Java: `SubscriptionWrapper.Instruction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Forget the row and say nothing.
    DeleteKeyNoPropagate = 0,
    /// Forget the row and answer with null.
    DeleteKeyAndPropagate = 1,
    /// Answer with the right value, or null if there is none.
    PropagateNullIfNoFkValAvailable = 2,
    /// Answer if there is a right value.
    PropagateOnlyIfFkValAvailable = 3,
}

impl Instruction {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::DeleteKeyNoPropagate,
            1 => Self::DeleteKeyAndPropagate,
            2 => Self::PropagateNullIfNoFkValAvailable,
            3 => Self::PropagateOnlyIfFkValAvailable,
            _ => return None,
        })
    }
}

/// A left row's interest in a right one (Java: `SubscriptionWrapper`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription<K> {
    /// The hash of the left value; `None` of a deleted row.
    pub(super) hash: Option<Hash>,
    pub(super) instruction: Instruction,
    pub(super) primary_key: K,
    /// Where the left row is; version 0, before Kafka 3.4, does not say.
    pub(super) primary_partition: Option<i32>,
}

/// `{no hash: 1 bit, version: 7 bits}{instruction: 1}{hash: 16}{primary key}{partition: 4}` (Java:
/// `SubscriptionWrapperSerde`).
pub(super) struct SubscriptionSerde<K> {
    primary_keys: SerdeRef<K>,
}

impl<K> SubscriptionSerde<K> {
    pub(super) const fn new(primary_keys: SerdeRef<K>) -> Self {
        Self { primary_keys }
    }
}

impl<K> Serde<Subscription<K>> for SubscriptionSerde<K> {
    fn serialize(
        &self,
        topic: &str,
        subscription: &Subscription<K>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        let version = u8::from(subscription.primary_partition.is_some());
        out.push(head(version, subscription.hash.as_ref()));
        out.push(subscription.instruction as u8);
        out.extend_from_slice(subscription.hash.as_ref().map_or(&[], Hash::as_slice));
        self.primary_keys
            .serialize(topic, &subscription.primary_key, out)?;
        if let Some(partition) = subscription.primary_partition {
            out.extend_from_slice(&partition.to_be_bytes());
        }
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Subscription<K>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<Subscription<K>, SerdeError> {
        let expected = |expected| SerdeError::Content {
            serde: "SubscriptionSerde",
            expected,
        };
        let [head, instruction, rest @ ..] = bytes else {
            return Err(expected("a version and an instruction"));
        };
        let instruction =
            Instruction::of(*instruction).ok_or_else(|| expected("an instruction from 0 to 3"))?;
        let (hash, rest) = read_hash(*head, rest).ok_or_else(|| expected("a hash of 16 bytes"))?;
        let (primary_key, primary_partition) = match *head & !NO_HASH {
            0 => (rest, None),
            1 => {
                let (key, partition) = rest
                    .split_last_chunk::<4>()
                    .ok_or_else(|| expected("a partition of 4 bytes"))?;
                (key, Some(i32::from_be_bytes(*partition)))
            }
            _ => return Err(expected("version 0 or 1")),
        };
        Ok(Subscription {
            hash,
            instruction,
            primary_key: self.primary_keys.deserialize_slice(topic, primary_key)?,
            primary_partition,
        })
    }
}

/// The answer to a left row (Java: `SubscriptionResponseWrapper`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionResponse<V> {
    /// The hash in the subscription.
    pub(super) hash: Option<Hash>,
    /// The right value.
    pub(super) foreign_value: Option<V>,
    /// Where to send it; not in the bytes.
    pub(super) primary_partition: Option<i32>,
}

/// `{no hash: 1 bit, version: 7 bits}{hash: 16}{value}` (Java: `SubscriptionResponseWrapperSerde`).
pub(super) struct SubscriptionResponseSerde<V> {
    values: SerdeRef<V>,
}

impl<V> SubscriptionResponseSerde<V> {
    pub(super) const fn new(values: SerdeRef<V>) -> Self {
        Self { values }
    }
}

impl<V> Serde<SubscriptionResponse<V>> for SubscriptionResponseSerde<V> {
    fn serialize(
        &self,
        topic: &str,
        response: &SubscriptionResponse<V>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        out.push(head(0, response.hash.as_ref()));
        out.extend_from_slice(response.hash.as_ref().map_or(&[], Hash::as_slice));
        if let Some(value) = &response.foreign_value {
            self.values.serialize_nullable(topic, value, out)?;
        }
        Ok(())
    }

    fn deserialize(
        &self,
        topic: &str,
        bytes: &Bytes,
    ) -> Result<SubscriptionResponse<V>, SerdeError> {
        let expected = |expected| SerdeError::Content {
            serde: "SubscriptionResponseSerde",
            expected,
        };
        let Some((head, rest)) = bytes.split_first() else {
            return Err(expected("a version"));
        };
        if *head & !NO_HASH != 0 {
            return Err(expected("version 0"));
        }
        let (hash, value) = read_hash(*head, rest).ok_or_else(|| expected("a hash of 16 bytes"))?;
        // Java reads an empty value as null.
        let foreign_value = if value.is_empty() {
            None
        } else {
            Some(self.values.deserialize(topic, &bytes.slice_ref(value))?)
        };
        Ok(SubscriptionResponse {
            hash,
            foreign_value,
            primary_partition: None,
        })
    }
}

/// The key of a subscription in its store (Java: `CombinedKey`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CombinedKey<KO, K> {
    pub(super) foreign_key: KO,
    pub(super) primary_key: K,
}

/// `{length: 4}{foreign key}{primary key}` (Java: `CombinedKeySchema`).
pub(super) struct CombinedKeySerde<KO, K> {
    foreign_keys: SerdeRef<KO>,
    primary_keys: SerdeRef<K>,
}

impl<KO, K> CombinedKeySerde<KO, K> {
    pub(super) const fn new(foreign_keys: SerdeRef<KO>, primary_keys: SerdeRef<K>) -> Self {
        Self {
            foreign_keys,
            primary_keys,
        }
    }
}

impl<KO, K> Serde<CombinedKey<KO, K>> for CombinedKeySerde<KO, K> {
    fn serialize(
        &self,
        topic: &str,
        key: &CombinedKey<KO, K>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        write_prefix(&self.foreign_keys, topic, &key.foreign_key, out)?;
        self.primary_keys.serialize(topic, &key.primary_key, out)
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<CombinedKey<KO, K>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(
        &self,
        topic: &str,
        bytes: &[u8],
    ) -> Result<CombinedKey<KO, K>, SerdeError> {
        let parts = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (foreign_key, primary_key) = parts.ok_or(SerdeError::Content {
            serde: "CombinedKeySerde",
            expected: "a length and a foreign key of it",
        })?;
        Ok(CombinedKey {
            foreign_key: self.foreign_keys.deserialize_slice(topic, foreign_key)?,
            primary_key: self.primary_keys.deserialize_slice(topic, primary_key)?,
        })
    }
}

/// What the keys of all subscriptions to a foreign key begin with.
pub(super) struct PrefixSerde<KO> {
    pub(super) foreign_keys: SerdeRef<KO>,
}

impl<KO> Serde<KO> for PrefixSerde<KO> {
    fn serialize(&self, topic: &str, key: &KO, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        write_prefix(&self.foreign_keys, topic, key, out)
    }

    fn deserialize(&self, _: &str, _: &Bytes) -> Result<KO, SerdeError> {
        Err(SerdeError::Content {
            serde: "PrefixSerde",
            expected: "to be written alone",
        })
    }
}

fn write_prefix<KO>(
    foreign_keys: &SerdeRef<KO>,
    topic: &str,
    key: &KO,
    out: &mut Vec<u8>,
) -> Result<(), SerdeError> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    foreign_keys.serialize(topic, key, out)?;
    let length = i32::try_from(out.len() - at - 4).map_err(|_| SerdeError::Content {
        serde: "CombinedKeySerde",
        expected: "a foreign key of less than 2 GiB",
    })?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The flag of a first byte that no hash follows.
const NO_HASH: u8 = 0x80;

const fn head(version: u8, hash: Option<&Hash>) -> u8 {
    match hash {
        Some(_) => version,
        None => version | NO_HASH,
    }
}

/// The hash that follows `head`, if one does, and what is behind it.
fn read_hash(head: u8, bytes: &[u8]) -> Option<(Option<Hash>, &[u8])> {
    if head & NO_HASH != 0 {
        return Some((None, bytes));
    }
    let (hash, rest) = bytes.split_first_chunk::<16>()?;
    Some((Some(*hash), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::DefaultSerde;

    fn bytes_of<T>(serde: &dyn Serde<T>, value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        serde.serialize("t", value, &mut out).expect("written");
        out
    }

    #[test]
    fn subscriptions_have_javas_bytes() {
        let serde = SubscriptionSerde::new(String::default_serde());
        let subscription = |hash, instruction, primary_partition| Subscription {
            hash,
            instruction,
            primary_key: "pk".to_owned(),
            primary_partition,
        };
        let hash: Hash = std::array::from_fn(|at| at as u8);
        let hashed = [&[1, 3][..], &hash, b"pk\0\0\0\x07"].concat();
        let old = [&[0, 0][..], &hash, b"pk"].concat();
        for (subscription, bytes) in [
            (
                subscription(
                    Some(hash),
                    Instruction::PropagateOnlyIfFkValAvailable,
                    Some(7),
                ),
                hashed.as_slice(),
            ),
            (
                subscription(None, Instruction::DeleteKeyAndPropagate, Some(-1)),
                b"\x81\x01pk\xff\xff\xff\xff",
            ),
            (
                subscription(Some(hash), Instruction::DeleteKeyNoPropagate, None),
                old.as_slice(),
            ),
        ] {
            assert_eq!(bytes_of(&serde, &subscription), bytes);
            assert_eq!(serde.deserialize_slice("t", bytes), Ok(subscription));
        }
    }

    #[test]
    fn responses_have_javas_bytes() {
        let serde = SubscriptionResponseSerde::new(String::default_serde());
        let response = |hash, value: Option<&str>| SubscriptionResponse {
            hash,
            foreign_value: value.map(str::to_owned),
            primary_partition: None,
        };
        let hash = [9; 16];
        let hashed = [&[0][..], &hash, b"v"].concat();
        for (response, bytes) in [
            (response(Some(hash), Some("v")), hashed.as_slice()),
            (response(None, Some("v")), b"\x80v"),
            (response(None, None), b"\x80"),
        ] {
            assert_eq!(bytes_of(&serde, &response), bytes);
            let read = serde.deserialize("t", &Bytes::copy_from_slice(bytes));
            assert_eq!(read, Ok(response));
        }
        // An empty value comes back as none, as in Java.
        let written = bytes_of(&serde, &response(None, Some("")));
        let read = serde.deserialize("t", &Bytes::from(written));
        assert_eq!(read, Ok(response(None, None)));
    }

    #[test]
    fn combined_keys_have_javas_bytes() {
        let strings = String::default_serde;
        let serde = CombinedKeySerde::new(strings(), strings());
        let key = CombinedKey {
            foreign_key: "fk".to_owned(),
            primary_key: "pk".to_owned(),
        };
        assert_eq!(bytes_of(&serde, &key), b"\0\0\0\x02fkpk");
        assert_eq!(serde.deserialize_slice("t", b"\0\0\0\x02fkpk"), Ok(key));
        let prefix = PrefixSerde {
            foreign_keys: strings(),
        };
        assert_eq!(bytes_of(&prefix, &"fk".to_owned()), b"\0\0\0\x02fk");
    }

    #[test]
    fn other_bytes_are_errors() {
        let strings = String::default_serde;
        let subscriptions = SubscriptionSerde::new(strings());
        for bytes in [
            &b""[..],
            b"\x81",
            b"\x81\x04pk\0\0\0\0",
            b"\x01\x00short",
            b"\x81\x00pk",
            b"\x82\x00pk\0\0\0\0",
        ] {
            assert!(subscriptions.deserialize_slice("t", bytes).is_err());
        }
        let responses = SubscriptionResponseSerde::new(strings());
        for bytes in [&b""[..], b"\0short", b"\x81v"] {
            assert!(
                responses
                    .deserialize("t", &Bytes::from_static(bytes))
                    .is_err()
            );
        }
        let keys = CombinedKeySerde::new(strings(), strings());
        for bytes in [&b""[..], b"\0\0\0", b"\0\0\0\x03fk", b"\xff\xff\xff\xfffk"] {
            assert!(keys.deserialize_slice("t", bytes).is_err());
        }
    }
}
