//! Window and session stores. Their rows belong to a stretch of time and expire when the store has
//! seen a time that is later by the retention.
//!
//! The layers are those of key-value stores: [`WindowStore`], [`TimestampedWindowStore`] and
//! [`SessionStore`] over [`WindowBytesStore`] (cache and changelog) over [`ByteWindowStore`].

mod builder;
mod cached;
pub(super) mod fuzzing;
mod key_rows;
mod keys;
mod memory;
mod merged;
mod passes;
mod rows;
mod session_store;
mod stack;
mod typed;
mod window_store;

pub use self::builder::{
    SessionBytesStoreSupplier, SessionStoreBuilder, SessionStoreWithHeadersBuilder,
    TimestampedWindowStoreBuilder, TimestampedWindowStoreWithHeadersBuilder,
    WindowBytesStoreSupplier, WindowStoreBuilder,
};
pub use self::keys::{KeySchema, RowKey, WindowQuery};
pub use self::memory::InMemoryWindowStore;
pub use self::rows::{ByteWindowStore, RowOrder, WindowRow, WindowRows};
pub use self::session_store::{SessionStore, SessionStoreWithHeaders, TypedSessionStore};
pub use self::stack::{WindowBytesStore, WindowStoreOptions};
pub use self::typed::WindowStoreIterator;
pub use self::window_store::{
    TimestampedWindowStore, TimestampedWindowStoreWithHeaders, TypedWindowStore, WindowStore,
};

#[cfg(test)]
mod tests;
