//! The DSL: streams, tables and what can be done with them.
//!
//! ```
//! use std::time::Duration;
//!
//! use eddyline_core::dsl::{JoinWindows, Materialized, StreamsBuilder, TimeWindows};
//!
//! let builder = StreamsBuilder::new();
//! let orders = builder.stream::<String, i64>("orders");
//! let payments = builder.stream::<String, i64>("payments");
//! let names = builder.table::<String, String>("names", Materialized::as_store("names"));
//!
//! // Record by record.
//! orders.filter(|_, cents| *cents > 0).to("real-orders");
//! // A table of what was counted, by key and by window.
//! let minutes = TimeWindows::of_size_with_no_grace(Duration::from_secs(60));
//! let by_customer = orders.group_by_key();
//! by_customer.count(Materialized::as_store("counts"));
//! by_customer.windowed_by(minutes).count(Materialized::as_store("counts-by-minute"));
//! // Joins with what comes at about the same time, and with rows.
//! let soon = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
//! orders.join(&payments, |owed, paid| owed - paid, soon).to("open");
//! orders.join_table(&names, |cents, name| format!("{name}: {cents}")).to("by-name");
//! // Tables made from tables.
//! names.filter(|_, name| !name.is_empty()).to_stream().to("names-given");
//!
//! assert!(builder.build().is_ok());
//! ```
//!
//! Handles are light (a node and the shared builder), and operators are typed. Nothing runs before
//! the topology of [`StreamsBuilder::build`] does, and mistakes are told there.
//!
//! **Nulls.** `Option<T>` reads Kafka's null as `None` and writes it back. A plain `T` has no null:
//! a record whose key or value is null is dropped and counted where it meets a stream of plain
//! types. Keys of real input are often null, so `stream::<Option<String>, String>` is usual. A
//! table's rows need no `Option`: `to_stream` gives one for the rows it deletes. A join whose key
//! selector may give null has a `GlobalKTable<Option<K>, V>`.
//!
//! **Operators.** A name that ends in `_with` takes options beside what the short one takes, in
//! `_with_key` the function sees the key, and in `_materialized` the result has a store.
//!
//! **Names.** Nodes, stores and internal topics have the names that Java generates, so that an
//! application finds its state again. Who changes topologies names what keeps state:
//! `stream.named("big").filter(..)` names the node of the next operator (Java: `Named`), the
//! options (`Grouped`, `StreamJoined`, `Materialized`, ..) the topics and stores.
//!
//! **Serdes.** Types bring their [`DefaultSerde`](crate::serde::DefaultSerde); other serdes go into
//! the options. An operator hands on the serdes of what it does not change.
//!
//! **Errors.** A closure may give a `Result` of what it is to give:
//! `filter(|_, text| text.parse::<i64>().map(|number| number > 0))`. Where nothing else says the type of
//! what is inside, name it: `table.map_values::<i64, _>(|_, text| text.parse::<i64>())`. The mappings of
//! streams have twins that begin with `try_` and need no names. Initializers and closures that extract a timestamp
//! cannot fail. What fails goes to the processing exception handler (KIP-1033), which drops the record or stops the
//! thread; rows and sessions stay as they were. A panic is a mistake in the program, and may leave
//! behind half of what it was doing: it never reaches that handler, but stops the thread, whose tasks
//! go back to what was committed (Java: any exception reaches the handler).
//!
//! **Stores.** [`Materialized`] says how a table is kept: under which name, cached and logged or
//! not, in memory, on disk or with versions.

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
mod outcome;
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
pub use foreign_key::TableJoined;
pub use global_table::GlobalKTable;
pub use grouped::KGroupedStream;
pub use grouped_table::KGroupedTable;
pub use joins::{JoinWindows, Joined, StreamJoined};
pub use options::{Consumed, Grouped, Materialized, Produced, Repartitioned};
pub use outcome::{OptionalOutcome, Outcome};
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
