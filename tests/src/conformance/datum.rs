//! Keys and values of scenarios: one type for all of Java's that they use.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::serde::serdes::{BytesSerde, IntegerSerde, LongSerde, StringSerde};
use eddyline_core::serde::{DefaultSerde, Serde, SerdeError, SerdeRef};
use eddyline_core::window::Windowed;
use serde_json::{Value, json};

/// A key or value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Text(String),
    Long(i64),
    Integer(i32),
    Bytes(Bytes),
    /// A key in a window, where a function or a result has it.
    Windowed(Box<Windowed<Key>>),
    /// What an initializer that gives null gives; nothing else is this.
    Null,
}

/// A key, which may be null.
pub(super) type Key = Option<Datum>;

/// Java's `String.valueOf`.
pub(super) fn shown(value: Option<&Datum>) -> String {
    value.map_or_else(|| "null".to_owned(), Datum::to_string)
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Long(number) => write!(f, "{number}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => f.write_str(&super::hex(bytes)),
            Self::Windowed(key) => {
                let window = key.window;
                write!(
                    f,
                    "[{}@{}/{}]",
                    shown(key.key.as_ref()),
                    window.start,
                    window.end
                )
            }
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
            Self::Windowed(key) => {
                let inside = key.key.as_ref().map(Self::json);
                json!([inside, key.window.start, key.window.end])
            }
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
