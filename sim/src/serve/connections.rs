//! The sockets: what is readable, what waits to be written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

use bytes::{Buf as _, Bytes};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token, event::Event};

use super::Clock;
use crate::broker::{Broker, BrokerInput, ConnectionId};

/// Bytes taken from a socket at a time.
const READ_BYTES: usize = 256 << 10;
/// A connection with more bytes than this to write is not read from: its client is too slow.
const MAX_UNSENT_BYTES: usize = 64 << 20;
/// Pieces handed to the system at a time.
const MAX_SLICES: usize = 64;

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// The broker wants it closed once everything is sent.
    closing: bool,
}

impl Socket {
    /// Writes until everything is sent or the socket takes no more.
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let slices: Vec<IoSlice<'_>> = self
                .unsent
                .iter()
                .take(MAX_SLICES)
                .map(|bytes| IoSlice::new(bytes))
                .collect();
            match self.stream.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sent(&mut self, mut written: usize) {
        self.unsent_bytes -= written;
        while let Some(first) = self.unsent.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.unsent.pop_front();
        }
    }
}

/// All connections of the server.
#[derive(Debug)]
pub(super) struct Connections {
    sockets: BTreeMap<ConnectionId, Socket>,
    /// Sockets that may have bytes: the system tells it once.
    readable: BTreeSet<ConnectionId>,
    writable: BTreeSet<ConnectionId>,
    /// Sockets whose other end is closed: read until the end shows.
    ended: BTreeSet<ConnectionId>,
    /// Sockets that failed while writing.
    broken: Vec<ConnectionId>,
    next_id: u64,
    scratch: Vec<u8>,
}

impl Connections {
    /// Ids begin at `first`: smaller tokens belong to listeners.
    pub(super) fn new(first: usize) -> Self {
        Self {
            sockets: BTreeMap::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
            ended: BTreeSet::new(),
            broken: Vec::new(),
            next_id: first as u64,
            scratch: vec![0; READ_BYTES],
        }
    }

    pub(super) fn add(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
    ) -> io::Result<ConnectionId> {
        let id = self.next_id;
        let token = Token(usize::try_from(id).map_err(io::Error::other)?);
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.next_id += 1;
        let socket = Socket {
            stream,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            closing: false,
        };
        self.sockets.insert(ConnectionId(id), socket);
        Ok(ConnectionId(id))
    }

    pub(super) fn ready(&mut self, event: &Event) {
        let connection = ConnectionId(event.token().0 as u64);
        if !self.sockets.contains_key(&connection) {
            return;
        }
        let ended = event.is_read_closed() || event.is_error();
        if ended {
            self.ended.insert(connection);
        }
        if ended || event.is_readable() {
            self.readable.insert(connection);
        }
        if event.is_writable() {
            self.writable.insert(connection);
        }
    }

    /// Sockets wait to be read: do not sleep.
    pub(super) fn has_work(&self) -> bool {
        let mut readable = self.readable.iter();
        !self.broken.is_empty() || readable.any(|connection| self.may_read(*connection))
    }

    fn may_read(&self, connection: ConnectionId) -> bool {
        let socket = self.sockets.get(&connection);
        socket.is_some_and(|socket| !socket.closing && socket.unsent_bytes <= MAX_UNSENT_BYTES)
    }

    /// Reads once from every readable socket, so that none starves the others.
    pub(super) fn read(&mut self, broker: &mut Broker, clock: Clock) {
        for connection in std::mem::take(&mut self.broken) {
            self.lose(connection, broker, clock);
        }
        let readable: Vec<ConnectionId> = self.readable.iter().copied().collect();
        for connection in readable {
            if !self.may_read(connection) {
                continue;
            }
            let Some(socket) = self.sockets.get_mut(&connection) else {
                continue;
            };
            match socket.stream.read(&mut self.scratch) {
                Ok(0) => self.lose(connection, broker, clock),
                Ok(count) => {
                    // A short read emptied the socket: the system will tell of new bytes.
                    if count < self.scratch.len() && !self.ended.contains(&connection) {
                        self.readable.remove(&connection);
                    }
                    let bytes = Bytes::copy_from_slice(&self.scratch[..count]);
                    broker.handle_input(clock.now(), BrokerInput::Received(connection, bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable.remove(&connection);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.lose(connection, broker, clock),
            }
        }
    }

    /// The client is gone.
    fn lose(&mut self, connection: ConnectionId, broker: &mut Broker, clock: Clock) {
        self.remove(connection);
        broker.handle_input(clock.now(), BrokerInput::Disconnected(connection));
    }

    fn remove(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
        self.readable.remove(&connection);
        self.writable.remove(&connection);
        self.ended.remove(&connection);
    }

    pub(super) fn push(&mut self, connection: ConnectionId, bytes: Bytes) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.unsent_bytes += bytes.len();
            socket.unsent.push_back(bytes);
            self.writable.insert(connection);
        }
    }

    /// Closes a connection of which the broker already knows that it ends.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.closing = true;
            self.writable.insert(connection);
        }
    }

    /// Writes to every socket that has something to send; one that takes no more is asked again
    /// when the system says so.
    pub(super) fn write(&mut self) {
        while let Some(connection) = self.writable.pop_first() {
            let Some(socket) = self.sockets.get_mut(&connection) else {
                continue;
            };
            let failed = socket.write().is_err();
            if socket.closing && (failed || socket.unsent.is_empty()) {
                // The client sees an end either way.
                let _ = socket.stream.shutdown(Shutdown::Both);
                self.remove(connection);
            } else if failed {
                self.broken.push(connection);
            }
        }
    }
}
