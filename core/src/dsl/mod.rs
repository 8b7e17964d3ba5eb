//! The DSL: streams, tables and what can be done with them.
//!
//! Handles are light (a node and the shared builder), operators are typed, and names are Java's.
//!
//! **Nulls.** `Option<T>` reads Kafka's null as `None` and writes it back. A plain `T` has no null:
//! a record whose key or value is null is dropped and counted where it meets a stream of plain
//! types. Keys of real input are often null, so `stream::<Option<String>, String>` is usual. A
//! table's rows need no `Option`: `to_stream` gives one for the rows it deletes.

mod aggregate;
mod branch;
mod builder;
mod changed_serde;
mod cogroup;
mod configured_store;
mod foreign_key;
mod global_table;
mod graph;
mod grouped;
mod grouped_table;
mod joins;
mod operators;
mod options;
mod printed;
mod repartition;
mod row_serde;
mod stream;
mod suppress;
mod table;
mod table_join;
mod table_operators;
mod table_store;
mod to_table;
mod transform_values;
mod value_getter;
mod windowed;

pub use branch::BranchedKStream;
pub use builder::StreamsBuilder;
pub use cogroup::{
    CogroupedKStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream,
};
pub use global_table::GlobalKTable;
pub use grouped::KGroupedStream;
pub use grouped_table::KGroupedTable;
pub use joins::{JoinWindows, Joined, StreamJoined};
pub use options::{Consumed, Grouped, Materialized, Produced, Repartitioned};
pub use printed::Printed;
pub use stream::KStream;
pub use suppress::{BufferConfig, EagerBufferConfig, StrictBufferConfig, Suppressed};
pub use table::KTable;
pub use to_table::Nullable;
pub use transform_values::{ValueTransformerWithKey, ValueTransformerWithKeySupplier};
pub use windowed::{
    EmitStrategy, GroupWindows, SessionWindowedKStream, SessionWindows, SlidingWindows,
    TimeWindowedKStream, TimeWindows, UnlimitedWindows,
};

#[cfg(test)]
mod table_tests;
