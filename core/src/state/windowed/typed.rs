//! What typed window and session stores have in common.

use super::super::{FlushedChange, FlushedEntry, StateError};
use super::keys::RowKey;
use super::rows::{WindowRow, WindowRows};
use super::stack::WindowBytesStore;
use crate::window::Windowed;

/// A flushed entry in the types of its store; `windowed` reads its key, `read` its values.
pub(super) fn flushed_change<K, S>(
    bytes: &WindowBytesStore,
    entry: FlushedEntry,
    windowed: impl FnOnce(RowKey<&[u8]>) -> Result<Windowed<K>, StateError>,
    read: impl Fn(&[u8]) -> Result<S, StateError>,
) -> Result<FlushedChange<Windowed<K>, S>, StateError> {
    let row = bytes.options().schema.read(&entry.key);
    let row = row.ok_or_else(|| StateError::Corrupt {
        store: bytes.name().to_owned(),
        message: "a flushed key is too short for a key and its window".to_owned(),
    })?;
    Ok(FlushedChange {
        key: windowed(row)?,
        new: entry.new.map(|bytes| read(&bytes)).transpose()?,
        old: entry.old.map(|bytes| read(&bytes)).transpose()?,
        context: entry.context,
    })
}

/// Rows of a window or session store, read while walking. What it read is an error where a serde
/// fails; the walk can go on behind it.
pub struct WindowStoreIterator<'a, T> {
    rows: WindowRows<'a>,
    read: Box<ReadRow<'a, T>>,
}

type ReadRow<'a, T> = dyn Fn(WindowRow) -> Result<T, StateError> + 'a;

impl<'a, T> WindowStoreIterator<'a, T> {
    pub(super) fn new(
        rows: WindowRows<'a>,
        read: impl Fn(WindowRow) -> Result<T, StateError> + 'a,
    ) -> Self {
        Self {
            rows,
            read: Box::new(read),
        }
    }
}

impl<T> Iterator for WindowStoreIterator<'_, T> {
    type Item = Result<T, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.and_then(|row| (self.read)(row)))
    }
}
