//! The length guard: walks a message by its schema before it is decoded.
//!
//! kafka_protocol's array decoder reserves as many elements as the wire claims: a four-byte length
//! of `7f ff ff ff` in a metadata answer aborts the process with a 206 GB allocation. No wrapper
//! around the buffer can tell a length from any other number, so the guard knows the schemas. It
//! reads every length where the decoder will read it and refuses a message in which a field, or the
//! elements an array claims, are not there. What is decoded afterwards can only allocate in
//! proportion to bytes that have come.

#[rustfmt::skip]
mod schema;
#[cfg(test)]
mod tests;

use super::{ApiKey, DecodeError};

/// One message of one API in all its versions.
struct Message {
    /// The first version with compact lengths and tagged fields.
    flexible_from: i16,
    fields: &'static [Field],
}

enum Field {
    /// Of this version and all later ones.
    Since(i16, Kind),
    /// Of these versions and those between them.
    Between(i16, i16, Kind),
    /// Of the first version and all later ones; from the second on under a tag, which follows.
    Tagged(i16, i16, u32, Kind),
}

impl Field {
    const fn is_in(&self, version: i16) -> bool {
        match *self {
            Self::Since(first, _) | Self::Tagged(first, ..) => version >= first,
            Self::Between(first, last, _) => version >= first && version <= last,
        }
    }

    /// The tag under which `version` has the field.
    fn tag(&self, version: i16) -> Option<u32> {
        match *self {
            Self::Tagged(_, from, tag, _) => (version >= from).then_some(tag),
            Self::Since(..) | Self::Between(..) => None,
        }
    }

    const fn kind(&self) -> &Kind {
        match self {
            Self::Since(_, kind) | Self::Between(.., kind) | Self::Tagged(.., kind) => kind,
        }
    }
}

enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string: its length has two bytes, or is compact.
    Text,
    /// Bytes or records: the length has four bytes, or is compact.
    Bytes,
    Array(&'static Kind),
    /// A struct, and the first version in which it may be null.
    Struct(i16, &'static [Field]),
}

/// Checks the body of a request.
pub(super) fn check_request(api: ApiKey, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    check(&schema::request(api), version, body)
}

/// Checks the body of an answer.
pub(super) fn check_response(api: ApiKey, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    check(&schema::response(api), version, body)
}

fn check(message: &Message, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    let flexible = version >= message.flexible_from;
    let mut walker = Walker {
        rest: body,
        version,
        flexible,
        unknown_tags_left: unknown_tags_max(body),
    };
    walker.fields(message.fields)
}

/// Skips the tagged fields of a header. Gives the bytes after them.
pub(super) fn skip_tags(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let mut walker = Walker {
        rest: bytes,
        version: 0,
        flexible: true,
        unknown_tags_left: unknown_tags_max(bytes),
    };
    walker.tags(&[])?;
    Ok(walker.rest)
}

struct Walker<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    unknown_tags_left: usize,
}

/// How many unknown tagged fields a message may have. A decoder keeps them in one tree for each
/// struct, whose first node takes some 400 bytes for a field that can have two on the wire; without
/// a limit a message could grow by two orders of magnitude. Brokers add a tagged field now and then,
/// to structs that are larger than this.
fn unknown_tags_max(message: &[u8]) -> usize {
    64 + message.len() / 16
}

impl Walker<'_> {
    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.rest = self.rest.get(count..).ok_or(DecodeError::Truncated)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// An unsigned varint of at most 32 bits.
    fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
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

    /// The length of a string, bytes or array; `None` is null.
    fn length(&mut self, text: bool) -> Result<Option<usize>, DecodeError> {
        let length = if self.flexible {
            i64::from(self.uvarint()?) - 1
        } else if text {
            i64::from(i16::from_be_bytes(self.take()?))
        } else {
            i64::from(i32::from_be_bytes(self.take()?))
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| DecodeError::NegativeLength),
        }
    }

    fn fields(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        for field in fields {
            if field.is_in(self.version) && field.tag(self.version).is_none() {
                self.kind(field.kind())?;
            }
        }
        if self.flexible {
            self.tags(fields)
        } else {
            Ok(())
        }
    }

    fn tags(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            let known = fields
                .iter()
                .find(|field| field.is_in(self.version) && field.tag(self.version) == Some(tag));
            let after = self.rest.get(size..).ok_or(DecodeError::Truncated)?.len();
            match known {
                None => {
                    let left = self.unknown_tags_left.checked_sub(1);
                    self.unknown_tags_left =
                        left.ok_or(DecodeError::Malformed("too many unknown tagged fields"))?;
                    self.skip(size)?;
                }
                Some(field) => {
                    self.kind(field.kind())?;
                    if self.rest.len() != after {
                        return Err(DecodeError::Malformed("a tagged field of another size"));
                    }
                }
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: &'static Kind) -> Result<(), DecodeError> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text | Kind::Bytes => {
                let length = self.length(matches!(kind, Kind::Text))?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Array(element) => {
                let count = self.length(false)?.unwrap_or(0);
                // Every element takes at least a byte, so this stops a huge claim at once.
                if count > self.rest.len() {
                    return Err(DecodeError::Truncated);
                }
                for _ in 0..count {
                    self.kind(element)?;
                }
                Ok(())
            }
            Kind::Struct(nullable_from, fields) => {
                if self.version >= *nullable_from {
                    match i8::from_be_bytes(self.take()?) {
                        -1 => return Ok(()),
                        1 => {}
                        _ => return Err(DecodeError::Malformed("a struct neither null nor there")),
                    }
                }
                self.fields(fields)
            }
        }
    }
}
