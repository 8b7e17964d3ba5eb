//! Keys and values of scenarios: one type for all of Java's that they use.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::dsl::{KGroupedStream, KStream, KTable};
use eddyline_core::serde::serdes::{BytesSerde, IntegerSerde, LongSerde, OptionSerde, StringSerde};
use eddyline_core::serde::{DefaultSerde, Serde, SerdeError, SerdeRef};
use serde_json::{Value, json};

use super::build::Handle;
use super::stores::StoreKind;

/// A key or value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Text(String),
    Long(i64),
    Integer(i32),
    Bytes(Bytes),
    /// What an initializer that gives null gives; nothing else is this.
    Null,
}

/// A key, which may be null.
pub(super) type Key = Option<Datum>;

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Long(number) => write!(f, "{number}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => f.write_str(&super::hex(bytes)),
            Self::Null => f.write_str("null"),
        }
    }
}

impl Datum {
    /// As results are written.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Long(number) => json!(number),
            Self::Integer(number) => json!(number),
            Self::Bytes(bytes) => json!(super::hex(bytes)),
            Self::Null => Value::Null,
        }
    }
}

/// One of Java's serdes, which takes its own type alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Long,
    Integer,
    Bytes,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "long" => Self::Long,
            "integer" => Self::Integer,
            "bytes" => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// A token of a store command.
    pub(super) fn parse(self, token: &str) -> Option<Datum> {
        let token = match token {
            "-" => return None,
            "''" => "",
            token => token,
        };
        Some(match self {
            Self::Text => Datum::Text(token.to_owned()),
            Self::Long => Datum::Long(token.parse().expect("a long in a store command")),
            Self::Integer => Datum::Integer(token.parse().expect("an int in a store command")),
            Self::Bytes => Datum::Bytes(super::unhex(token).into()),
        })
    }

    /// A value of an input record.
    pub(super) fn read(self, value: &Value) -> Option<Datum> {
        Some(match self {
            Self::Text => match value {
                Value::Null => return None,
                Value::String(text) => Datum::Text(text.clone()),
                other => Datum::Text(other.to_string()),
            },
            Self::Long => Datum::Long(value.as_i64()?),
            Self::Integer => Datum::Integer(value.as_i64()? as i32),
            Self::Bytes => Datum::Bytes(super::unhex(value.as_str()?).into()),
        })
    }

    pub(super) fn bytes(self, datum: &Datum) -> Result<Bytes, SerdeError> {
        let mut out = Vec::new();
        self.serialize("", datum, &mut out)?;
        Ok(out.into())
    }
}

impl Serde<Datum> for Kind {
    fn serialize(&self, topic: &str, value: &Datum, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        match (self, value) {
            (Self::Text, Datum::Text(text)) => StringSerde.serialize(topic, text, out),
            (Self::Long, Datum::Long(number)) => LongSerde.serialize(topic, number, out),
            (Self::Integer, Datum::Integer(number)) => IntegerSerde.serialize(topic, number, out),
            (Self::Bytes, Datum::Bytes(bytes)) => BytesSerde.serialize(topic, bytes, out),
            _ => Err(SerdeError::Custom(format!(
                "ClassCastException: {value:?} is not for the serde {self:?}"
            ))),
        }
    }

    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<Datum, SerdeError> {
        Ok(match self {
            Self::Text => Datum::Text(StringSerde.deserialize(topic, bytes)?),
            Self::Long => Datum::Long(LongSerde.deserialize(topic, bytes)?),
            Self::Integer => Datum::Integer(IntegerSerde.deserialize(topic, bytes)?),
            Self::Bytes => Datum::Bytes(bytes.clone()),
        })
    }
}

impl DefaultSerde for Datum {
    fn default_serde() -> SerdeRef<Self> {
        Arc::new(Kind::Text)
    }
}

/// The serde of nullable keys or values that an operation names.
pub(super) fn nullable<V: Cell>(name: &str) -> SerdeRef<Option<V>> {
    Arc::new(OptionSerde::new(V::serde(name)))
}

/// Types of values: [`Datum`], and the long that `count` makes.
pub(super) trait Cell: DefaultSerde + Clone + PartialEq + 'static {
    /// Of a table of such values.
    const STORE_KIND: StoreKind;
    fn datum(&self) -> Datum;
    /// The type of the serde decides what a function may return, as a cast does in Java.
    fn from_datum(datum: Datum) -> Self;
    fn serde(name: &str) -> SerdeRef<Self>;
    fn stream(stream: KStream<Key, Option<Self>>) -> Handle;
    fn grouped(stream: KGroupedStream<Key, Option<Self>>) -> Handle;
    fn table(table: KTable<Key, Self>) -> Handle;
}

impl Cell for Datum {
    const STORE_KIND: StoreKind = StoreKind::Timestamped;
    fn datum(&self) -> Datum {
        self.clone()
    }
    fn from_datum(datum: Datum) -> Self {
        datum
    }
    fn serde(name: &str) -> SerdeRef<Self> {
        Arc::new(Kind::of(name))
    }
    fn stream(stream: KStream<Key, Option<Self>>) -> Handle {
        Handle::Stream(stream)
    }
    fn grouped(stream: KGroupedStream<Key, Option<Self>>) -> Handle {
        Handle::Grouped(stream)
    }
    fn table(table: KTable<Key, Self>) -> Handle {
        Handle::Table(table)
    }
}

impl Cell for i64 {
    const STORE_KIND: StoreKind = StoreKind::TimestampedLong;
    fn datum(&self) -> Datum {
        Datum::Long(*self)
    }
    fn from_datum(datum: Datum) -> Self {
        match datum {
            Datum::Long(number) => number,
            other => panic!("ClassCastException: {other:?} is not a long"),
        }
    }
    fn serde(_: &str) -> SerdeRef<Self> {
        Self::default_serde()
    }
    fn stream(stream: KStream<Key, Option<Self>>) -> Handle {
        Handle::LongStream(stream)
    }
    fn grouped(stream: KGroupedStream<Key, Option<Self>>) -> Handle {
        Handle::LongGrouped(stream)
    }
    fn table(table: KTable<Key, Self>) -> Handle {
        Handle::LongTable(table)
    }
}
