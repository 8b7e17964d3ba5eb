//! What a storage keeps of the task and its stores, in bytes.

use super::super::bytes::StoreBytes;
use super::StorageError;
use crate::types::TaskId;

/// Whose a storage is: the first row of space 0.
#[derive(Clone, Debug)]
pub(super) struct Header {
    application_id: String,
    task: TaskId,
}

/// Before the version, so that nothing else is taken for it.
const MAGIC: &[u8] = b"eddyline";

/// The version of all layouts of persistent stores.
const VERSION: u16 = 1;

impl Header {
    pub(super) fn new(application_id: &str, task: TaskId) -> Self {
        Self {
            application_id: application_id.to_owned(),
            task,
        }
    }

    pub(super) fn place(&self) -> String {
        format!("the state of task {} of {}", self.task, self.application_id)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(format!("{} {}", self.task, self.application_id).as_bytes());
        bytes
    }

    /// Whether `bytes` are this header.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), StorageError> {
        let place = self.place();
        let version = bytes
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.split_first_chunk());
        let Some((version, owner)) = version else {
            let message = "its header is not Eddyline's".to_owned();
            return Err(StorageError::Foreign { place, message });
        };
        let version = u16::from_be_bytes(*version);
        if version > VERSION {
            let message = format!("format {version}; this version knows {VERSION}");
            return Err(StorageError::Newer { place, message });
        }
        if bytes != self.to_bytes() {
            let owner = String::from_utf8_lossy(owner);
            let message = format!("it is of task and application {owner}");
            return Err(StorageError::Foreign { place, message });
        }
        Ok(())
    }
}

/// What is known of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoreEntry {
    pub(super) space: u16,
    /// The last changelog record that its rows reflect.
    pub(super) offset: Option<i64>,
    /// The highest time of any row, -1 before the first.
    pub(super) observed_stream_time: i64,
    pub(super) layout: String,
}

impl StoreEntry {
    pub(super) fn to_bytes(&self) -> StoreBytes {
        let mut bytes = self.space.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.offset.unwrap_or(-1).to_be_bytes());
        bytes.extend_from_slice(&self.observed_stream_time.to_be_bytes());
        bytes.extend_from_slice(self.layout.as_bytes());
        StoreBytes::new(&bytes)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (space, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (time, layout) = rest.split_first_chunk()?;
        let offset = i64::from_be_bytes(*offset);
        Some(Self {
            space: u16::from_be_bytes(*space),
            offset: (offset >= 0).then_some(offset),
            observed_stream_time: i64::from_be_bytes(*time),
            layout: std::str::from_utf8(layout).ok()?.to_owned(),
        })
    }
}

/// The key of a store's entry.
pub(super) fn store_key(store: &str) -> StoreBytes {
    StoreBytes::new(&[STORE, store.as_bytes()].concat())
}

/// The store of a key that [`store_key`] gave.
pub(super) fn store_name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(STORE)?).ok()
}

const STORE: &[u8] = b"store ";
