//! Short byte strings without an allocation.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// A key or a value inside a store: up to 22 bytes lie inside it (24 bytes in all, a third of what
/// an allocated `Bytes` takes), longer ones are shared between cache and rows.
#[derive(Clone)]
pub struct StoreBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        data: [u8; INLINE],
    },
    /// Longer than `INLINE`.
    Shared(Arc<[u8]>),
}

impl StoreBytes {
    /// The empty byte string.
    pub const EMPTY: Self = Self(Repr::Inline {
        len: 0,
        data: [0; INLINE],
    });

    /// A copy of `bytes`.
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE {
            let mut data = [0; INLINE];
            copy_short(&mut data, bytes);
            Self(Repr::Inline {
                len: bytes.len() as u8,
                data,
            })
        } else {
            Self(Repr::Shared(Arc::from(bytes)))
        }
    }

    /// Becomes a copy of `bytes`, in the memory it has where that fits and is not shared.
    #[inline]
    pub(crate) fn assign(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Repr::Inline { len, data } if bytes.len() <= INLINE => {
                *len = bytes.len() as u8;
                copy_short(data, bytes);
            }
            Repr::Shared(shared) if shared.len() == bytes.len() => match Arc::get_mut(shared) {
                Some(own) => own.copy_from_slice(bytes),
                None => *self = Self::new(bytes),
            },
            _ => *self = Self::new(bytes),
        }
    }

    /// As `Bytes`; long ones are not copied.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Repr::Inline { .. } => Bytes::copy_from_slice(self),
            Repr::Shared(shared) => Bytes::from_owner(Arc::clone(shared)),
        }
    }
}

impl Deref for StoreBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..usize::from(*len)],
            Repr::Shared(shared) => shared,
        }
    }
}

impl AsRef<[u8]> for StoreBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for StoreBytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for StoreBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl PartialEq for StoreBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for StoreBytes {}

impl PartialOrd for StoreBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StoreBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

impl Hash for StoreBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for StoreBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

/// Copies up to `INLINE` bytes; the lengths of a long and of one with its timestamp in one or two
/// moves, which saves the call of `memcpy` and the stall of reading back what it wrote in pieces.
#[inline]
fn copy_short(data: &mut [u8; INLINE], bytes: &[u8]) {
    if let Ok(bytes) = <&[u8; 16]>::try_from(bytes) {
        data[..16].copy_from_slice(bytes);
    } else if let Ok(bytes) = <&[u8; 8]>::try_from(bytes) {
        data[..8].copy_from_slice(bytes);
    } else {
        data[..bytes.len()].copy_from_slice(bytes);
    }
}

/// Fills 24 bytes with the tag and the length: a count of a word with its timestamp takes 16.
const INLINE: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_any_length() {
        assert_eq!(size_of::<StoreBytes>(), 24);
        assert_eq!(size_of::<Option<StoreBytes>>(), 24);
        for len in [0, 1, 21, 22, 23, 1000] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut stored = StoreBytes::new(&bytes);
            assert_eq!(*stored, *bytes);
            assert_eq!(stored.to_bytes(), bytes);
            let shared = stored.clone();
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            stored.assign(&reversed);
            assert_eq!(*stored, *reversed);
            assert_eq!(*shared, *bytes);
            drop(shared);
            stored.assign(&bytes);
            assert_eq!(*stored, *bytes);
        }
    }

    #[test]
    fn orders_as_bytes() {
        let long = StoreBytes::new(&[1; 40]);
        let short = StoreBytes::new(&[1; 3]);
        assert!(short < long);
        assert!(StoreBytes::new(&[2]) > long);
        assert_eq!(format!("{:?}", StoreBytes::new(b"a\0")), "b\"a\\x00\"");
    }
}
