//! Serdes of any type that the crate `serde` knows, in the formats of features of this crate.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{DefaultSerde, Serde, SerdeError, SerdeRef};

/// A wrapper whose default serde is a format, and the serde of the format.
macro_rules! serde_format {
    (
        $(#[$wrapper_doc:meta])* $wrapper:ident,
        $(#[$serde_doc:meta])* $serde:ident,
        $name:literal, $write:expr, $read:expr
    ) => {
        $(#[$wrapper_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $wrapper<T>(pub T);

        impl<T> From<T> for $wrapper<T> {
            fn from(value: T) -> Self {
                Self(value)
            }
        }

        impl<T: fmt::Display> fmt::Display for $wrapper<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<T> std::ops::Deref for $wrapper<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        $(#[$serde_doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $serde;

        impl<T: Serialize + DeserializeOwned> Serde<T> for $serde {
            fn serialize(&self, _: &str, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
                let write: fn(&T, &mut Vec<u8>) -> Result<(), String> = $write;
                let written = write(value, out);
                written.map_err(|error| {
                    SerdeError::Custom(format!("{} cannot write the value: {error}", $name))
                })
            }

            fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<T, SerdeError> {
                self.deserialize_slice(topic, bytes)
            }

            fn deserialize_slice(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
                let read: fn(&[u8]) -> Result<T, String> = $read;
                read(bytes).map_err(|error| {
                    SerdeError::Custom(format!(
                        "{} cannot read the value: {error}. The data was written with another \
                         serde or by another version of its type",
                        $name
                    ))
                })
            }
        }

        impl<T: Serialize + DeserializeOwned> Serde<$wrapper<T>> for $serde {
            fn serialize(
                &self,
                topic: &str,
                value: &$wrapper<T>,
                out: &mut Vec<u8>,
            ) -> Result<(), SerdeError> {
                self.serialize(topic, &value.0, out)
            }

            fn deserialize(&self, topic: &str, bytes: &Bytes) -> Result<$wrapper<T>, SerdeError> {
                self.deserialize(topic, bytes).map($wrapper)
            }

            fn deserialize_slice(
                &self,
                topic: &str,
                bytes: &[u8],
            ) -> Result<$wrapper<T>, SerdeError> {
                self.deserialize_slice(topic, bytes).map($wrapper)
            }
        }

        impl<T: Serialize + DeserializeOwned> DefaultSerde for $wrapper<T> {
            fn default_serde() -> SerdeRef<Self> {
                Arc::new($serde)
            }
        }
    };
}

#[cfg(feature = "json")]
serde_format!(
    /// A value that is JSON in topics and stores.
    Json,
    /// JSON, without spaces (feature `json`).
    JsonSerde,
    "JsonSerde",
    |value, out| {
        serde_json::to_writer(out, value).map_err(|error| error.to_string())
    },
    |bytes| serde_json::from_slice(bytes).map_err(|error| error.to_string())
);

#[cfg(feature = "cbor")]
serde_format!(
    /// A value that is CBOR in topics and stores.
    Cbor,
    /// CBOR (RFC 8949; feature `cbor`).
    CborSerde,
    "CborSerde",
    |value, out| {
        ciborium::into_writer(value, out).map_err(|error| error.to_string())
    },
    |mut bytes| {
        let value = ciborium::from_reader(&mut bytes).map_err(|error| error.to_string())?;
        match bytes.len() {
            0 => Ok(value),
            more => Err(format!("{more} bytes are left behind it")),
        }
    }
);

#[cfg(all(test, feature = "json", feature = "cbor"))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Order = BTreeMap<String, Option<i64>>;

    fn round_trip<T: DefaultSerde + PartialEq + fmt::Debug>(value: T) -> Vec<u8> {
        let mut out = Vec::new();
        let serde = T::default_serde();
        serde.serialize("t", &value, &mut out).expect("written");
        let bytes = Bytes::copy_from_slice(&out);
        assert_eq!(serde.deserialize("t", &bytes), Ok(value));
        out
    }

    #[test]
    fn values_come_back_and_other_bytes_are_errors() {
        let order = Order::from([("amount".to_owned(), Some(5)), ("gift".to_owned(), None)]);
        assert_eq!(
            round_trip(Json(order.clone())),
            br#"{"amount":5,"gift":null}"#
        );
        let mut bytes = round_trip(Cbor(order));
        bytes.push(0);
        let read: Result<Cbor<Order>, _> = CborSerde.deserialize_slice("t", &bytes);
        assert!(read.is_err_and(|error| error.to_string().contains("1 bytes are left")));
        let read: Result<Json<Order>, _> = JsonSerde.deserialize_slice("t", b"{\"a\":\"b\"}");
        let error = read.expect_err("no number").to_string();
        assert!(
            error.starts_with("JsonSerde cannot read the value: invalid type"),
            "{error}"
        );
        let nested = vec![0x81; 100_000];
        let read: Result<Cbor<Order>, _> = CborSerde.deserialize_slice("t", &nested);
        assert!(read.is_err());
    }

    #[test]
    fn null_is_no_json() {
        let serde = Option::<Json<Order>>::default_serde();
        assert_eq!(serde.deserialize_nullable("t", None), Ok(Some(None)));
        let mut out = Vec::new();
        assert_eq!(serde.serialize_nullable("t", &None, &mut out), Ok(false));
    }
}
