//! Non-blocking sockets: carries out what a machine wants and tells it what came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use eddyline_core::config::HostPort;
use eddyline_core::net::{ConnectionId, Input};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

const WAKER: Token = Token(usize::MAX);
/// Bytes taken from a socket at a time: what a fetch answer's part in the kernel's buffer is.
const READ_BYTES: usize = 256 << 10;
/// Pieces handed to the system at a time.
const MAX_SLICES: usize = 64;

/// The connections of one machine.
pub(crate) struct Sockets {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    sockets: BTreeMap<ConnectionId, Socket>,
    /// Sockets that may have bytes: the system tells it once.
    readable: BTreeSet<ConnectionId>,
    writable: BTreeSet<ConnectionId>,
    /// What to tell the machine before anything is read.
    inputs: VecDeque<Input>,
    scratch: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    connected: bool,
    /// Addresses of the host that were not tried yet.
    others: VecDeque<SocketAddr>,
    unsent: VecDeque<Bytes>,
}

impl Sockets {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            waker,
            sockets: BTreeMap::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
            inputs: VecDeque::new(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Ends [`Sockets::wait`] from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Begins to connect. Looking a host name up blocks; an IP address does not.
    pub(crate) fn connect(&mut self, connection: ConnectionId, address: &HostPort) {
        match (address.host.as_str(), address.port).to_socket_addrs() {
            Ok(addresses) => {
                let unknown = io::Error::other("the host has no address");
                self.connect_next(connection, addresses.collect(), unknown);
            }
            Err(error) => self.connect_failed(connection, &error),
        }
    }

    /// Tries the addresses in turn; `error` is why the last one failed.
    fn connect_next(
        &mut self,
        connection: ConnectionId,
        mut addresses: VecDeque<SocketAddr>,
        mut error: io::Error,
    ) {
        while let Some(address) = addresses.pop_front() {
            match self.open(connection, address) {
                Ok(stream) => {
                    let socket = Socket {
                        stream,
                        connected: false,
                        others: addresses,
                        unsent: VecDeque::new(),
                    };
                    self.sockets.insert(connection, socket);
                    return;
                }
                Err(failed) => error = failed,
            }
        }
        self.connect_failed(connection, &error);
    }

    fn open(&self, connection: ConnectionId, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        let token = Token(usize::try_from(connection.0).map_err(io::Error::other)?);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, token, interest)?;
        Ok(stream)
    }

    fn connect_failed(&mut self, connection: ConnectionId, error: &io::Error) {
        let input = Input::ConnectFailed(connection, error.to_string());
        self.inputs.push_back(input);
    }

    /// Queues bytes for a connection; [`Sockets::flush`] sends them.
    pub(crate) fn transmit(&mut self, connection: ConnectionId, bytes: Bytes) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.unsent.push_back(bytes);
            self.writable.insert(connection);
        }
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
        self.readable.remove(&connection);
        self.writable.remove(&connection);
    }

    /// Sends what is queued; a socket that takes no more is asked again when the system says so.
    pub(crate) fn flush(&mut self) {
        for connection in std::mem::take(&mut self.writable) {
            let Some(socket) = self.sockets.get_mut(&connection) else {
                continue;
            };
            if socket.connected && socket.send().is_err() {
                self.lose(connection);
            }
        }
    }

    fn lose(&mut self, connection: ConnectionId) {
        self.close(connection);
        self.inputs.push_back(Input::Disconnected(connection));
    }

    /// Sleeps until something comes, for `timeout` at most.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.inputs.is_empty() && self.readable.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, timeout);
        for event in &events {
            if event.token() != WAKER {
                self.ready(event);
            }
        }
        events.clear();
        self.events = events;
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn ready(&mut self, event: &Event) {
        let connection = ConnectionId(event.token().0 as u64);
        let Some(socket) = self.sockets.get_mut(&connection) else {
            return;
        };
        if !socket.connected {
            return self.connecting(connection, event);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.insert(connection);
        }
        if event.is_writable() && !socket.unsent.is_empty() {
            self.writable.insert(connection);
        }
    }

    /// The system has news of a connection under way.
    fn connecting(&mut self, connection: ConnectionId, event: &Event) {
        let Some(socket) = self.sockets.get_mut(&connection) else {
            return;
        };
        let failed = match socket.stream.take_error() {
            Ok(Some(error)) | Err(error) => Some(error),
            Ok(None) => match socket.stream.peer_addr() {
                Ok(_) => None,
                // Not yet: an early event.
                Err(error) if error.kind() == io::ErrorKind::NotConnected && !event.is_error() => {
                    return;
                }
                Err(error) => Some(error),
            },
        };
        if let Some(error) = failed {
            let others = std::mem::take(&mut socket.others);
            self.close(connection);
            return self.connect_next(connection, others, error);
        }
        socket.connected = true;
        // Requests are written whole: waiting for more only costs time. A socket that refuses the
        // option still works.
        let _ = socket.stream.set_nodelay(true);
        self.inputs.push_back(Input::Connected(connection));
        self.readable.insert(connection);
        self.writable.insert(connection);
    }

    /// The next thing to tell the machine. Reads once from one socket, so that none starves the
    /// others.
    pub(crate) fn next_input(&mut self) -> Option<Input> {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return Some(input);
            }
            let connection = self.readable.pop_first()?;
            let Some(socket) = self.sockets.get_mut(&connection) else {
                continue;
            };
            match socket.stream.read(&mut self.scratch) {
                Ok(0) => self.lose(connection),
                Ok(count) => {
                    // There may be more: only an empty read makes the system tell again.
                    self.readable.insert(connection);
                    let bytes = Bytes::copy_from_slice(&self.scratch[..count]);
                    return Some(Input::Received(connection, bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.readable.insert(connection);
                }
                Err(_) => self.lose(connection),
            }
        }
    }
}

impl Socket {
    /// Writes until everything is sent or the socket takes no more.
    fn send(&mut self) -> io::Result<()> {
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
