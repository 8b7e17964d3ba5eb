//! The grammar between a machine that talks to brokers and the driver that owns its sockets.

use std::fmt;

use bytes::Bytes;

use crate::config::HostPort;
use crate::error::StreamsError;
use crate::trace::LogEvent;

/// Names one connection. Chosen by the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a driver tells a machine. Inputs about a connection that the machine has closed are
/// ignored, so a driver may report late.
#[derive(Clone, Debug)]
pub enum Input {
    /// The connection asked for by [`Output::Connect`] is there.
    Connected(ConnectionId),
    /// It could not be made, and why.
    ConnectFailed(ConnectionId, String),
    /// TLS cannot be agreed on with the broker, and why: the machine does not try again.
    TlsFailed(ConnectionId, String),
    /// Bytes came, cut anywhere.
    Received(ConnectionId, Bytes),
    /// The other side closed it, or it broke.
    Disconnected(ConnectionId),
    /// The time given by `poll_timeout` has come.
    Timeout,
}

/// What a machine wants of its driver.
#[derive(Clone)]
pub enum Output {
    /// Connect to an address; answered by [`Input::Connected`] or [`Input::ConnectFailed`].
    Connect {
        /// The name of the new connection.
        connection: ConnectionId,
        /// Where to.
        address: HostPort,
    },
    /// Send bytes, after all earlier ones of the connection.
    Transmit(ConnectionId, Bytes),
    /// Close the connection; what was not sent yet need not be.
    Close(ConnectionId),
    /// Something for the listener.
    Event(ClientEvent),
}

impl fmt::Debug for Output {
    /// Bytes may be those of a login: their number alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect {
                connection,
                address,
            } => write!(f, "Connect({}, {address})", connection.0),
            Self::Transmit(connection, bytes) => {
                write!(f, "Transmit({}, {} bytes)", connection.0, bytes.len())
            }
            Self::Close(connection) => write!(f, "Close({})", connection.0),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// What a machine tells its listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The stream thread is in another state.
    StateChanged {
        /// The state it left.
        from: ThreadState,
        /// The state it is in.
        to: ThreadState,
    },
    /// A line for the log.
    Log(LogEvent),
    /// No broker could be reached after every address was tried. It goes on trying for ever; the
    /// listener may give up. One plain sentence.
    Unreachable(String),
    /// The first broker answered.
    Reached,
    /// The machine cannot go on and closes.
    Failed(StreamsError),
    /// The machine is closed: nothing more will come of it.
    Closed,
}

/// The state of a stream thread (Java: `StreamThread.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThreadState {
    /// Made, not yet driven.
    Created,
    /// Looking for brokers, metadata and the group.
    Starting,
    /// Gave up tasks in a rebalance, waits for the new assignment.
    PartitionsRevoked,
    /// Has an assignment and restores its stores.
    PartitionsAssigned,
    /// Every active task is processing.
    Running,
    /// Closing its tasks and leaving the group.
    PendingShutdown,
    /// Closed.
    Dead,
}

impl fmt::Display for ThreadState {
    /// Java's word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Starting => "STARTING",
            Self::PartitionsRevoked => "PARTITIONS_REVOKED",
            Self::PartitionsAssigned => "PARTITIONS_ASSIGNED",
            Self::Running => "RUNNING",
            Self::PendingShutdown => "PENDING_SHUTDOWN",
            Self::Dead => "DEAD",
        })
    }
}
