//! Kafka's flexible encoding, as far as the hand-written messages need it.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::codec::DecodeError;

/// Reads a message from its bytes.
pub(super) struct Reader(pub(super) Bytes);

/// Writes a message.
pub(super) struct Writer(pub(super) BytesMut);

/// Something with a place in a flexible message.
pub(super) trait Wire: Sized {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError>;
    fn write(&self, writer: &mut Writer);
}

impl Reader {
    fn need(&self, count: usize) -> Result<(), DecodeError> {
        if self.0.remaining() < count {
            Err(DecodeError::Truncated)
        } else {
            Ok(())
        }
    }

    fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            self.need(1)?;
            let byte = self.0.get_u8();
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::Malformed("a varint of more than 32 bits"));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("a varint that does not end"))
    }

    /// A compact length; `None` is null.
    fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        let length = self.uvarint()?.checked_sub(1).map(|length| length as usize);
        self.need(length.unwrap_or(0))?;
        Ok(length)
    }

    /// The tagged fields at the end of a struct; version 0 defines none.
    pub(super) fn tags(&mut self) -> Result<(), DecodeError> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()? as usize;
            self.need(size)?;
            self.0.advance(size);
        }
        Ok(())
    }
}

impl Writer {
    fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.0.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.put_u8(value as u8);
    }

    pub(super) fn tags(&mut self) {
        self.0.put_u8(0);
    }
}

macro_rules! number {
    ($type:ty, $size:literal, $get:ident, $put:ident) => {
        impl Wire for $type {
            fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
                reader.need($size)?;
                Ok(reader.0.$get())
            }
            fn write(&self, writer: &mut Writer) {
                writer.0.$put(*self);
            }
        }
    };
}

number!(i8, 1, get_i8, put_i8);
number!(i16, 2, get_i16, put_i16);
number!(u16, 2, get_u16, put_u16);
number!(i32, 4, get_i32, put_i32);
number!(i64, 8, get_i64, put_i64);

impl Wire for bool {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(i8::read(reader)? != 0)
    }
    fn write(&self, writer: &mut Writer) {
        i8::from(*self).write(writer);
    }
}

impl Wire for Option<String> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let Some(length) = reader.length()? else {
            return Ok(None);
        };
        let bytes = reader.0.split_to(length);
        let text = std::str::from_utf8(&bytes).map_err(DecodeError::new)?;
        Ok(Some(text.to_owned()))
    }
    fn write(&self, writer: &mut Writer) {
        match self {
            None => writer.uvarint(0),
            Some(text) => text.write(writer),
        }
    }
}

impl Wire for String {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Option::read(reader)?.ok_or(DecodeError::Malformed("a null where text must be"))
    }
    fn write(&self, writer: &mut Writer) {
        writer.uvarint(self.len() as u32 + 1);
        writer.0.put_slice(self.as_bytes());
    }
}

impl Wire for Option<StrBytes> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let Some(length) = reader.length()? else {
            return Ok(None);
        };
        let text = StrBytes::from_utf8(reader.0.split_to(length)).map_err(DecodeError::new)?;
        Ok(Some(text))
    }
    fn write(&self, writer: &mut Writer) {
        match self {
            None => writer.uvarint(0),
            Some(text) => text.write(writer),
        }
    }
}

impl Wire for StrBytes {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Option::read(reader)?.ok_or(DecodeError::Malformed("a null where text must be"))
    }
    fn write(&self, writer: &mut Writer) {
        writer.uvarint(self.len() as u32 + 1);
        writer.0.put_slice(self.as_bytes());
    }
}

impl Wire for GroupId {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
    }
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
}

impl Wire for Uuid {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.need(16)?;
        Ok(Self::from_u128(reader.0.get_u128()))
    }
    fn write(&self, writer: &mut Writer) {
        writer.0.put_u128(self.as_u128());
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        // An element takes at least a byte, so the length is checked against what is there; room is
        // made only as elements are read.
        let Some(length) = reader.length()? else {
            return Ok(None);
        };
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(T::read(reader)?);
        }
        Ok(Some(elements))
    }
    fn write(&self, writer: &mut Writer) {
        match self {
            None => writer.uvarint(0),
            Some(elements) => elements.write(writer),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Option::read(reader)?.ok_or(DecodeError::Malformed("a null where an array must be"))
    }
    fn write(&self, writer: &mut Writer) {
        writer.uvarint(self.len() as u32 + 1);
        for element in self {
            element.write(writer);
        }
    }
}

/// Fields in the order of the schema, then tagged ones, of which there are none.
macro_rules! wire {
    ($type:ident: $($field:ident),*) => {
        impl Wire for $type {
            fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
                let mut value = Self::default();
                $( value.$field = Wire::read(reader)?; )*
                reader.tags()?;
                Ok(value)
            }

            fn write(&self, writer: &mut Writer) {
                $( self.$field.write(writer); )*
                writer.tags();
            }
        }
    };
}

/// A struct that may be null: one byte says whether it is there.
macro_rules! nullable {
    ($type:ident) => {
        impl Wire for Option<$type> {
            fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
                match i8::read(reader)? {
                    -1 => Ok(None),
                    1 => $type::read(reader).map(Some),
                    _ => Err(DecodeError::Malformed("a struct neither null nor there")),
                }
            }

            fn write(&self, writer: &mut Writer) {
                match self {
                    None => (-1_i8).write(writer),
                    Some(value) => {
                        1_i8.write(writer);
                        value.write(writer);
                    }
                }
            }
        }
    };
}

pub(super) use {nullable, wire};
