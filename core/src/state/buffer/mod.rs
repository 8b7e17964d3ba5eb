//! Buffers of records that wait for their time (Java: `TimeOrderedKeyValueBuffer`): what is
//! suppressed, and what a stream-table join holds back for its grace period.
//!
//! Nothing is handed out while a record leaves: callers look at the first one, forward it, and then
//! remove it, so that whoever looks into the buffer meanwhile still finds it there, as in Java.

mod change_buffer;
pub(super) mod fuzzing;
mod join_buffer;
mod value;

pub use self::change_buffer::{
    Eviction, TimeOrderedKeyValueChangeBuffer, TimeOrderedKeyValueChangeBufferBuilder,
};
pub use self::join_buffer::{TimeOrderedKeyValueBuffer, TimeOrderedKeyValueBufferBuilder};

#[cfg(test)]
mod tests;
