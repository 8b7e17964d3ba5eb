//! The serdes that come with Kafka (Java: `org.apache.kafka.common.serialization.Serdes`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::{DefaultSerde, Serde, SerdeError, SerdeRef};

/// Text as UTF-8. Like Java's, it reads what is not UTF-8 with U+FFFD in place of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct StringSerde;

/// As Java decodes: what is not UTF-8 becomes U+FFFD. The check alone is faster than the lossy
/// conversion, which goes through the text chunk by chunk.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

impl Serde<String> for StringSerde {
    fn serialize(&self, _: &str, value: &String, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<String, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<String, SerdeError> {
        Ok(text(bytes).into_owned())
    }
}

impl Serde<Arc<str>> for StringSerde {
    fn serialize(&self, _: &str, value: &Arc<str>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Arc<str>, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<Arc<str>, SerdeError> {
        Ok(Arc::from(&*text(bytes)))
    }
}

macro_rules! big_endian {
    ($serde:ident, $name:literal, $type:ty, $size:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $serde;

        impl Serde<$type> for $serde {
            fn serialize(
                &self,
                _: &str,
                value: &$type,
                out: &mut Vec<u8>,
            ) -> Result<(), SerdeError> {
                out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }

            fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<$type, SerdeError> {
                self.deserialize_slice(topic, bytes)
            }

            fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<$type, SerdeError> {
                bytes
                    .try_into()
                    .map(<$type>::from_be_bytes)
                    .map_err(|_| SerdeError::Length {
                        serde: $name,
                        expected: $size,
                        actual: bytes.len(),
                    })
            }
        }

        impl DefaultSerde for $type {
            fn default_serde() -> SerdeRef<Self> {
                Arc::new($serde)
            }
        }
    };
}

big_endian!(
    LongSerde,
    "LongSerde",
    i64,
    8,
    "8 bytes, big-endian (Java: `Long`)."
);
big_endian!(
    IntegerSerde,
    "IntegerSerde",
    i32,
    4,
    "4 bytes, big-endian (Java: `Integer`)."
);
big_endian!(
    ShortSerde,
    "ShortSerde",
    i16,
    2,
    "2 bytes, big-endian (Java: `Short`)."
);
big_endian!(
    DoubleSerde,
    "DoubleSerde",
    f64,
    8,
    "8 bytes, big-endian IEEE 754 (Java: `Double`)."
);
big_endian!(
    FloatSerde,
    "FloatSerde",
    f32,
    4,
    "4 bytes, big-endian IEEE 754 (Java: `Float`)."
);

/// One byte, 1 or 0 (Java: `Boolean`).
#[derive(Clone, Copy, Debug, Default)]
pub struct BooleanSerde;

impl Serde<bool> for BooleanSerde {
    fn serialize(&self, _: &str, value: &bool, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.push(u8::from(*value));
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<bool, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<bool, SerdeError> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(SerdeError::Content {
                serde: "BooleanSerde",
                expected: "the byte 0 or 1",
            }),
            _ => Err(SerdeError::Length {
                serde: "BooleanSerde",
                expected: 1,
                actual: bytes.len(),
            }),
        }
    }
}

/// The bytes themselves (Java: `Bytes`, `ByteArray`, `ByteBuffer`).
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesSerde;

impl Serde<Bytes> for BytesSerde {
    fn serialize(&self, _: &str, value: &Bytes, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn deserialize(&self, _: &str, bytes: &Bytes) -> Result<Bytes, SerdeError> {
        Ok(bytes.clone())
    }
}

impl Serde<Vec<u8>> for BytesSerde {
    fn serialize(&self, _: &str, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn deserialize(&self, _: &str, bytes: &Bytes) -> Result<Vec<u8>, SerdeError> {
        Ok(bytes.to_vec())
    }

    fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<Vec<u8>, SerdeError> {
        Ok(bytes.to_vec())
    }
}

/// A UUID: 128 bits, shown and stored as 36 characters of lower-case text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

impl FromStr for Uuid {
    type Err = SerdeError;

    fn from_str(text: &str) -> Result<Self, SerdeError> {
        if text.len() != UUID_LENGTH {
            return Err(SerdeError::Length {
                serde: "UuidSerde",
                expected: UUID_LENGTH,
                actual: text.len(),
            });
        }
        let mut bits = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            let digit = char::from(byte).to_digit(16);
            match (at, digit) {
                (8 | 13 | 18 | 23, _) if byte == b'-' => {}
                (8 | 13 | 18 | 23, _) | (_, None) => {
                    return Err(SerdeError::Content {
                        serde: "UuidSerde",
                        expected: "a UUID as text, such as 123e4567-e89b-12d3-a456-426614174000",
                    });
                }
                (_, Some(digit)) => bits = bits << 4 | u128::from(digit),
            }
        }
        Ok(Self(bits))
    }
}

/// A UUID as its 36 characters (Java: `UUID`).
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidSerde;

impl Serde<Uuid> for UuidSerde {
    fn serialize(&self, _: &str, value: &Uuid, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Uuid, SerdeError> {
        self.deserialize_slice(topic, bytes)
    }

    fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<Uuid, SerdeError> {
        text(bytes).parse()
    }
}

/// Only null (Java: `Void`).
#[derive(Clone, Copy, Debug, Default)]
pub struct VoidSerde;

impl Serde<()> for VoidSerde {
    fn serialize(&self, _: &str, (): &(), _: &mut Vec<u8>) -> Result<(), SerdeError> {
        Ok(())
    }

    fn deserialize(&self, _: &str, _: &Bytes) -> Result<(), SerdeError> {
        Err(SerdeError::Null {
            serde: "VoidSerde",
            expected: "null only",
        })
    }

    fn is_null(&self, (): &()) -> bool {
        true
    }

    fn serialize_nullable(&self, _: &str, (): &(), _: &mut Vec<u8>) -> Result<bool, SerdeError> {
        Ok(false)
    }

    fn deserialize_nullable(
        &self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<Option<()>, SerdeError> {
        match bytes {
            None => Ok(Some(())),
            Some(bytes) => self.deserialize(topic, bytes).map(Some),
        }
    }
}

/// Any serde, with null as `None`.
#[derive(Clone)]
pub struct OptionSerde<T> {
    inner: SerdeRef<T>,
}

impl<T> OptionSerde<T> {
    /// Null or what `inner` reads and writes.
    pub fn new(inner: SerdeRef<T>) -> Self {
        Self { inner }
    }
}

impl<T> Serde<Option<T>> for OptionSerde<T> {
    fn serialize(
        &self,
        topic: &str,
        value: &Option<T>,
        out: &mut Vec<u8>,
    ) -> Result<(), SerdeError> {
        match value {
            Some(value) => self.inner.serialize(topic, value, out),
            None => Err(SerdeError::Null {
                serde: "OptionSerde",
                expected: "a value in this place, and found null",
            }),
        }
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Option<T>, SerdeError> {
        self.inner.deserialize(topic, bytes).map(Some)
    }

    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<Option<T>, SerdeError> {
        self.inner.deserialize_slice(topic, bytes).map(Some)
    }

    fn partitioned_by<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        self.inner.partitioned_by(key)
    }

    fn is_null(&self, value: &Option<T>) -> bool {
        value.as_ref().is_none_or(|value| self.inner.is_null(value))
    }

    fn serialize_nullable(
        &self,
        topic: &str,
        value: &Option<T>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SerdeError> {
        match value {
            Some(value) => self.inner.serialize_nullable(topic, value, out),
            None => Ok(false),
        }
    }

    fn deserialize_nullable(
        &self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<Option<Option<T>>, SerdeError> {
        match bytes {
            None => Ok(Some(None)),
            Some(bytes) => self.deserialize(topic, bytes).map(Some),
        }
    }
}

macro_rules! default_serdes {
    ($($type:ty => $serde:expr),+ $(,)?) => {
        $(impl DefaultSerde for $type {
            fn default_serde() -> SerdeRef<Self> {
                Arc::new($serde)
            }
        })+
    };
}

default_serdes! {
    String => StringSerde,
    Arc<str> => StringSerde,
    bool => BooleanSerde,
    Bytes => BytesSerde,
    Vec<u8> => BytesSerde,
    Uuid => UuidSerde,
    () => VoidSerde,
}

impl<T: DefaultSerde + 'static> DefaultSerde for Option<T> {
    fn default_serde() -> SerdeRef<Self> {
        Arc::new(OptionSerde::new(T::default_serde()))
    }
}

const UUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<T: DefaultSerde>(value: T) -> Vec<u8> {
        let mut out = Vec::new();
        let serde = T::default_serde();
        assert!(
            serde
                .serialize_nullable("t", &value, &mut out)
                .expect("has bytes")
        );
        out
    }

    fn value_of<T: DefaultSerde>(bytes: &'static [u8]) -> Result<T, SerdeError> {
        let serde = T::default_serde();
        let whole = serde.deserialize("t", &Bytes::from_static(bytes));
        let slice = serde.deserialize_slice("t", bytes);
        assert_eq!(whole.as_ref().err(), slice.as_ref().err());
        whole
    }

    #[test]
    fn bytes_are_those_of_java() {
        assert_eq!(bytes_of("h\u{e9}".to_owned()), b"h\xc3\xa9");
        assert_eq!(bytes_of(-2_i64), b"\xff\xff\xff\xff\xff\xff\xff\xfe");
        assert_eq!(bytes_of(258_i32), b"\0\0\x01\x02");
        assert_eq!(bytes_of(-1_i16), b"\xff\xff");
        assert_eq!(bytes_of(1.5_f64), b"\x3f\xf8\0\0\0\0\0\0");
        assert_eq!(bytes_of(1.5_f32), b"\x3f\xc0\0\0");
        assert_eq!(bytes_of(true), b"\x01");
        assert_eq!(bytes_of(Some(Bytes::from_static(b"x"))), b"x");
        let text = "123e4567-e89b-12d3-a456-426614174000";
        let uuid: Uuid = text.parse().expect("is a UUID");
        assert_eq!(bytes_of(uuid), text.as_bytes());
        assert_eq!(uuid.0, 0x123e_4567_e89b_12d3_a456_4266_1417_4000);
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(value_of::<i64>(b"\xff\xff\xff\xff\xff\xff\xff\xfe"), Ok(-2));
        assert_eq!(value_of::<f64>(b"\x3f\xf8\0\0\0\0\0\0"), Ok(1.5));
        assert_eq!(value_of::<bool>(b"\0"), Ok(false));
        assert_eq!(value_of::<String>(b"a\xff"), Ok("a\u{fffd}".to_owned()));
        assert_eq!(value_of::<Vec<u8>>(b"ab"), Ok(b"ab".to_vec()));
        assert_eq!(
            value_of::<Uuid>(b"123e4567-e89b-12d3-a456-42661417400A"),
            Ok(Uuid(0x123e_4567_e89b_12d3_a456_4266_1417_400a))
        );
    }

    #[test]
    fn wrong_bytes_are_typed_errors() {
        let length = |serde, expected, actual| SerdeError::Length {
            serde,
            expected,
            actual,
        };
        assert_eq!(value_of::<i64>(b"abc"), Err(length("LongSerde", 8, 3)));
        assert_eq!(value_of::<i32>(b""), Err(length("IntegerSerde", 4, 0)));
        assert_eq!(value_of::<Uuid>(b"x"), Err(length("UuidSerde", 36, 1)));
        assert!(value_of::<bool>(b"\x02").is_err());
        assert!(value_of::<()>(b"").is_err());
        assert!(value_of::<Uuid>(b"123e4567-e89b-12d3-a456_426614174000").is_err());
        assert_eq!(
            length("LongSerde", 8, 3).to_string(),
            "LongSerde reads 8 bytes and found 3: the data was written with another serde"
        );
    }

    #[test]
    fn null_is_none_and_nothing_else() {
        let serde = Option::<i64>::default_serde();
        let mut out = Vec::new();
        assert_eq!(serde.serialize_nullable("t", &None, &mut out), Ok(false));
        assert_eq!(serde.deserialize_nullable("t", None), Ok(Some(None)));
        assert!(serde.serialize("t", &None, &mut out).is_err());
        let long = i64::default_serde();
        assert_eq!(long.deserialize_nullable("t", None), Ok(None));
        let void = <()>::default_serde();
        assert_eq!(void.serialize_nullable("t", &(), &mut out), Ok(false));
        assert_eq!(void.deserialize_nullable("t", None), Ok(Some(())));
        assert!(out.is_empty());
        assert!(serde.is_null(&None) && !serde.is_null(&Some(1)) && !long.is_null(&0));
        assert!(void.is_null(&()));
    }
}
