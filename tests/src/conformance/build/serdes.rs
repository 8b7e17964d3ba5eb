//! The types that keys and values have in typed topologies, and their serdes.
//!
//! In Java all of them are objects, cast by the serde that writes them. Here a key is a nullable
//! [`Datum`], or that in a window; a value is a [`Datum`], or the long that `count` makes.

use std::any::type_name;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::dsl::{StrictBufferConfig, Suppressed};
use eddyline_core::serde::serdes::OptionSerde;
use eddyline_core::serde::{DefaultSerde, Serde, SerdeError, SerdeRef};
use eddyline_core::window::Windowed;

use crate::conformance::datum::{Datum, Key, Kind};
use crate::conformance::stores::StoreKind;

/// Types of keys.
pub(crate) trait KeyCell: Clone + PartialEq + Debug + 'static {
    /// As functions of the library see it.
    fn datum(&self) -> Option<Datum>;

    /// What a script forwards as a key.
    ///
    /// # Panics
    /// When it is of another type, as Java's cast does.
    fn from_datum(datum: Option<Datum>) -> Self;

    /// The serde that a call names.
    fn named_serde(name: &str) -> SerdeRef<Self>;

    /// How tables are suppressed until windows close, where keys have windows.
    fn until_window_closes(buffer: StrictBufferConfig) -> Option<Suppressed<Self>> {
        let _ = buffer;
        None
    }
}

impl KeyCell for Key {
    fn datum(&self) -> Option<Datum> {
        self.clone()
    }
    fn from_datum(datum: Option<Datum>) -> Self {
        datum
    }
    fn named_serde(name: &str) -> SerdeRef<Self> {
        nullable(name)
    }
}

impl KeyCell for Windowed<Key> {
    fn datum(&self) -> Option<Datum> {
        Some(Datum::Windowed(Box::new(self.clone())))
    }
    fn from_datum(datum: Option<Datum>) -> Self {
        match datum {
            Some(Datum::Windowed(key)) => *key,
            other => panic!("ClassCastException: {other:?} has no window"),
        }
    }
    /// Only windowed operators make a serde of windowed keys; where it was lost, one of plain keys
    /// is the default.
    fn named_serde(_: &str) -> SerdeRef<Self> {
        Arc::new(OfAnotherType(PhantomData))
    }
    fn until_window_closes(buffer: StrictBufferConfig) -> Option<Suppressed<Self>> {
        Some(Suppressed::until_window_closes(buffer))
    }
}

/// A serde of another type, which no key passes.
struct OfAnotherType<T>(PhantomData<fn() -> T>);

impl<T: Debug> Serde<T> for OfAnotherType<T> {
    fn serialize(&self, _: &str, value: &T, _: &mut Vec<u8>) -> Result<(), SerdeError> {
        let message = format!("ClassCastException: {value:?} is not for the default serde");
        Err(SerdeError::Custom(message))
    }
    fn deserialize(&self, _: &str, _: &Bytes) -> Result<T, SerdeError> {
        let message = format!("ClassCastException: no {}", type_name::<T>());
        Err(SerdeError::Custom(message))
    }
}

/// Types of values.
pub(crate) trait Cell: DefaultSerde + Clone + PartialEq + 'static {
    /// Of a table of such values.
    const STORE_KIND: StoreKind;
    fn datum(&self) -> Datum;
    /// The type of the serde decides what a function may return, as a cast does in Java.
    fn from_datum(datum: Datum) -> Self;
    fn serde(name: &str) -> SerdeRef<Self>;
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
}

/// The serde of nullable keys or values that a call names.
pub(crate) fn nullable<V: Cell>(name: &str) -> SerdeRef<Option<V>> {
    Arc::new(OptionSerde::new(V::serde(name)))
}
