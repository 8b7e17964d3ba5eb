//! Versioned key-value stores (KIP-889): a key keeps its old values for the history retention, and
//! can be asked what it was at a time.
//!
//! [`VersionedKeyValueStore`] puts serdes and the changelog over [`ByteVersionedStore`]. There is
//! no cache: a cache keeps one value a key.

mod builder;
pub(super) mod fuzzing;
mod persistent;
mod row_bytes;
mod rows;
mod store;
mod versions;

pub use self::builder::{VersionedBytesStoreSupplier, VersionedKeyValueStoreBuilder};
pub use self::persistent::PersistentVersionedKeyValueStore;
pub use self::rows::{
    ByteVersionedStore, ByteVersions, InMemoryVersionedKeyValueStore, VersionedBytes,
};
pub use self::store::{VersionedKeyValueStore, VersionedRecord, VersionedRecordIterator};
pub use self::versions::PutReturn;

#[cfg(test)]
mod tests;
