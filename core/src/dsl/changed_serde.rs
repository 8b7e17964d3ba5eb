//! Changes of rows on their way through a repartition topic (Java: `ChangedSerde`).

use bytes::Bytes;

use crate::processor::Change;
use crate::serde::varint::{read_varint, write_varint};
use crate::serde::{Serde, SerdeError, SerdeRef};

/// The value that is there and a byte that says which it is; or the length of the new value as a
/// zigzag varint, the new value, the old one, and 2.
pub(super) struct ChangedSerde<V> {
    values: SerdeRef<V>,
}

impl<V> ChangedSerde<V> {
    pub(super) const fn new(values: SerdeRef<V>) -> Self {
        Self { values }
    }
}

impl<V> Serde<Change<V>> for ChangedSerde<V> {
    fn serialize(
        &self,
        topic: &str,
        change: &Change<V>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        let flag = match (&change.new, &change.old) {
            (Some(new), None) => {
                self.values.serialize(topic, new, out)?;
                NEW
            }
            (None, Some(old)) => {
                self.values.serialize(topic, old, out)?;
                OLD
            }
            (Some(new), Some(old)) => {
                let mut bytes = Vec::new();
                self.values.serialize(topic, new, &mut bytes)?;
                write_varint(bytes.len() as i64, out);
                out.extend_from_slice(&bytes);
                self.values.serialize(topic, old, out)?;
                BOTH
            }
            (None, None) => return Err(content("a change with a new or an old value")),
        };
        out.push(flag);
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Change<V>, SerdeError> {
        let Some((flag, data)) = bytes.split_last() else {
            return Err(content("a change that ends in a flag"));
        };
        // Later releases say behind the values whether they are the latest.
        let (flag, data, is_latest) = match (*flag, data.split_last()) {
            (flag @ 3..=5, Some((latest @ 0..=1, data))) => (flag - 3, data, *latest == 1),
            (flag, _) => (flag, data, true),
        };
        let data = bytes.slice_ref(data);
        let read = |bytes: &Bytes| self.values.deserialize(topic, bytes).map(Some);
        let (new, old) = match flag {
            NEW => (read(&data)?, None),
            OLD => (None, read(&data)?),
            BOTH => {
                let mut rest = data.as_ref();
                let length = read_varint(&mut rest).and_then(|length| length.try_into().ok());
                let length = length.ok_or_else(|| content("a length"))?;
                let values = rest.split_at_checked(length);
                let (new, old) = values.ok_or_else(|| content("a length within the value"))?;
                (read(&data.slice_ref(new))?, read(&data.slice_ref(old))?)
            }
            _ => return Err(content("a change whose flag is 0 to 5")),
        };
        Ok(Change {
            new,
            old,
            is_latest,
        })
    }
}

const fn content(expected: &'static str) -> SerdeError {
    SerdeError::Content {
        serde: "ChangedSerde",
        expected,
    }
}

const OLD: u8 = 0;
const NEW: u8 = 1;
const BOTH: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::DefaultSerde;

    #[test]
    fn bytes_are_javas_and_come_back() {
        let serde = ChangedSerde::new(String::default_serde());
        let text = |text: &str| Some(text.to_owned());
        let long = "x".repeat(100);
        let cases = [
            (text("new"), None, &b"new\x01"[..]),
            (None, text("old"), b"old\x00"),
            (text("new"), text("old"), b"\x06newold\x02"),
            (text(""), text("old"), b"\x00old\x02"),
        ];
        for (new, old, bytes) in cases {
            let change = Change::new(new, old);
            let mut out = Vec::new();
            serde.serialize("t", &change, &mut out).expect("written");
            assert_eq!(out, bytes);
            assert_eq!(serde.deserialize("t", &Bytes::from(out)), Ok(change));
        }
        let change = Change::new(text(&long), text("o"));
        let mut out = Vec::new();
        serde.serialize("t", &change, &mut out).expect("written");
        assert_eq!(out[..2], [0xc8, 0x01]);
        assert_eq!(serde.deserialize("t", &Bytes::from(out)), Ok(change));
    }

    #[test]
    fn later_releases_say_whether_it_is_the_latest() {
        let serde = ChangedSerde::new(String::default_serde());
        let (new, old) = (Some("new".to_owned()), Some("old".to_owned()));
        for (bytes, new, old, is_latest) in [
            (&b"old\x01\x03"[..], None, old.clone(), true),
            (b"new\x00\x04", new.clone(), None, false),
            (b"\x06newold\x00\x05", new, old, false),
        ] {
            let read = serde.deserialize("t", &Bytes::from_static(bytes));
            let change = Change {
                new,
                old,
                is_latest,
            };
            assert_eq!(read, Ok(change));
        }
    }

    #[test]
    fn other_bytes_are_errors() {
        let serde = ChangedSerde::new(String::default_serde());
        for bytes in [
            &b""[..],
            b"\x03",
            b"new\x02\x04",
            b"\x06",
            b"\x02",
            b"\x80\x80\x80\x80\x80\x02",
            b"\x07ab\x02",
            b"\x08ab\x02",
        ] {
            assert!(serde.deserialize("t", &Bytes::from_static(bytes)).is_err());
        }
    }
}
