//! What a client does over its connections: fetching, producing, committing, and calls to the
//! cluster. Each is a machine of its own that hands requests to its owner.

mod admin;
mod credit;
mod fetch_session;
mod fetcher;
mod offsets;
mod producer;
mod purge;
mod read_committed;
#[cfg(test)]
mod testing;
mod transactions;
mod unanswered;

pub use admin::{AdminClient, AdminResult, AdminToken, IsolationLevel, NewTopic, OffsetSpec};
pub(crate) use fetcher::{FetchStart, Fetcher, FetcherEvent};
pub(crate) use offsets::{Offsets, OffsetsEvent};
pub(crate) use producer::{Producer, ProducerEvent, Refusal, Verdict};
pub(crate) use purge::{Purge, PurgeEvent};
pub(crate) use transactions::Transactions;
