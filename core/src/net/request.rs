//! What the machines above hand to the cluster, and get back.

use std::fmt;

use crate::types::BrokerId;
use crate::wire::Request;

/// Names a request so that its answer finds the asker. Chosen by the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Who is to answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any broker that can be reached.
    AnyBroker,
    /// This broker.
    Broker(BrokerId),
    /// This broker, over a connection of its own: for a fetch that must not wait behind another
    /// one, which the broker may hold back for `fetch.max.wait.ms`.
    Aside(BrokerId),
    /// The coordinator of the group.
    GroupCoordinator,
    /// The coordinator of the transactional id.
    TransactionCoordinator,
}

/// A request on its way to a broker.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Comes back with the answer.
    pub token: RequestToken,
    /// Who is to answer.
    pub target: Target,
    /// The version the request was built for; `None` takes the highest that both sides know.
    pub version: Option<i16>,
    /// The request.
    pub request: Request,
}

/// Why a request has no answer. All but [`RequestError::Unsupported`] may pass by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There was no connection that it could be sent on, so no broker has seen the request.
    NotSent,
    /// The connection broke. The broker may have acted on the request.
    Disconnected,
    /// No answer within `request.timeout.ms`. The broker may have acted on the request.
    TimedOut,
    /// The broker does not know this API or version, or the request cannot be written in it.
    Unsupported(String),
    /// The broker answered with bytes that are not Kafka; the connection was closed.
    Protocol(String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("there is no connection to the broker"),
            Self::Disconnected => f.write_str("the connection to the broker broke"),
            Self::TimedOut => f.write_str("the broker did not answer in time"),
            Self::Unsupported(message) | Self::Protocol(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for RequestError {}
