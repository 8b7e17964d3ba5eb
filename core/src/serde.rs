//! Bytes to typed values and back, in the formats of Kafka's own serdes.
//!
//! A [`Serde`] knows nothing of where bytes come from. Null is the absence of bytes: `Option<T>`
//! reads and writes it as `None`, other types do not have it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

#[cfg(any(feature = "json", feature = "cbor"))]
mod formats;
pub mod serdes;
pub(crate) mod varint;

#[cfg(feature = "cbor")]
pub use self::formats::{Cbor, CborSerde};
#[cfg(feature = "json")]
pub use self::formats::{Json, JsonSerde};

/// Turns values of `T` into bytes and back (Java: `Serde`, `Serializer`, `Deserializer`).
///
/// `topic` is where the bytes go to or come from; stores name their changelog topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no serde of `{T}`",
    note = "a serde implements `Serde<{T}>`: it turns values of that type into bytes and back"
)]
pub trait Serde<T>: Send + Sync {
    /// Appends the bytes of `value` to `out`. On an error, what was appended is to be ignored.
    fn serialize(&self, topic: &str, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError>;

    /// The value of `bytes`; may keep a slice of them.
    fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<T, SerdeError>;

    /// The value of bytes that are only lent, as stores keep small values inside their entries.
    /// The default copies them first: types that do not keep `Bytes` should read the slice.
    fn deserialize_slice(&self, topic: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        self.deserialize(topic, &Bytes::copy_from_slice(bytes))
    }

    /// True for a value that is Kafka's null: what operators drop and tables delete.
    fn is_null(&self, value: &T) -> bool {
        let _ = value;
        false
    }

    /// The part of the bytes of a key that chooses its partition: all of them, but for keys in
    /// windows, which go where the key inside goes (Java: `WindowedStreamPartitioner`).
    fn partitioned_by<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        key
    }

    /// Like `serialize`; `false` says that `value` is Kafka's null, with nothing appended.
    fn serialize_nullable(
        &self,
        topic: &str,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<bool, SerdeError> {
        self.serialize(topic, value, out)?;
        Ok(true)
    }

    /// Like `deserialize`; `None` in is Kafka's null, `None` out says that `T` has no null.
    fn deserialize_nullable(
        &self,
        topic: &str,
        bytes: Option<&Bytes>,
    ) -> Result<Option<T>, SerdeError> {
        bytes
            .map(|bytes| self.deserialize(topic, bytes))
            .transpose()
    }
}

/// A serde shared by the tasks of an application.
pub type SerdeRef<T> = Arc<dyn Serde<T>>;

/// Types with an obvious serde, used where none is named (Java: `Serdes.serdeFrom`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no serde of its own",
    label = "this has no serde of its own",
    note = "name one in the form of the operator that takes serdes (`stream_with`, `to_with`, \
            `group_by_key_with`, `Materialized::with`, ...), wrap the type in `Json` or `Cbor` \
            (features of these names), or implement `DefaultSerde` for it"
)]
pub trait DefaultSerde: Sized {
    /// The serde.
    fn default_serde() -> SerdeRef<Self>;
}

/// Why bytes and a value do not go together (Java: `SerializationException`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerdeError {
    /// The bytes have another length than the format.
    Length {
        /// The serde that read them.
        serde: &'static str,
        /// The length of the format in bytes.
        expected: usize,
        /// The length found.
        actual: usize,
    },
    /// The bytes have the right length and the wrong content.
    Content {
        /// The serde that read them.
        serde: &'static str,
        /// What the format asks for.
        expected: &'static str,
    },
    /// A null where the serde has none, or bytes where it has only null.
    Null {
        /// The serde.
        serde: &'static str,
        /// What it takes instead.
        expected: &'static str,
    },
    /// What a serde of the user's said.
    Custom(String),
}

impl fmt::Display for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                serde,
                expected,
                actual,
            } => write!(
                f,
                "{serde} reads {expected} bytes and found {actual}: the data was written with \
                 another serde"
            ),
            Self::Content { serde, expected } => write!(
                f,
                "{serde} expected {expected}: the data was written with another serde"
            ),
            Self::Null { serde, expected } => write!(f, "{serde} takes {expected}"),
            Self::Custom(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for SerdeError {}
