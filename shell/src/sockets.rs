//! Non-blocking sockets: carries out what a machine wants and tells it what came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use eddyline_core::config::HostPort;
use eddyline_core::net::{ConnectionId, Input};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::resolver::{Resolved, Resolver};
use crate::tls::{Session, Tls};

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
    resolver: Resolver,
    sockets: BTreeMap<ConnectionId, Socket>,
    /// Sockets that may have bytes: the system tells it once.
    readable: BTreeSet<ConnectionId>,
    writable: BTreeSet<ConnectionId>,
    /// What to tell the machine before anything is read.
    inputs: VecDeque<Input>,
    scratch: Vec<u8>,
    tls: Option<Tls>,
}

struct Socket {
    stream: TcpStream,
    connected: bool,
    host: String,
    /// Addresses of the host that were not tried yet.
    others: VecDeque<SocketAddr>,
    unsent: VecDeque<Bytes>,
    /// Once it is connected, where there is TLS.
    session: Option<Box<Session>>,
    /// The machine knows that it is connected.
    is_told: bool,
    /// It takes no more bytes; what came before that is still read.
    is_broken: bool,
}

impl Sockets {
    pub(crate) fn new(tls: Option<Tls>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            resolver: Resolver::new(Arc::clone(&waker)),
            waker,
            sockets: BTreeMap::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
            inputs: VecDeque::new(),
            scratch: vec![0; READ_BYTES],
            tls,
        })
    }

    /// Ends [`Sockets::wait`] from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, connection: ConnectionId, address: &HostPort) {
        if let Some(found) = self.resolver.resolve(connection, address) {
            self.resolved(Resolved {
                connection,
                address: address.clone(),
                found,
            });
        }
    }

    /// The addresses of a connection are known.
    fn resolved(&mut self, resolved: Resolved) {
        let connection = resolved.connection;
        match resolved.found {
            Ok(addresses) => {
                let unknown = io::Error::other("the host has no address");
                self.connect_next(connection, resolved.address.host, addresses, unknown);
            }
            Err(error) => {
                let error =
                    io::Error::new(error.kind(), format!("{}: {error}", resolved.address.host));
                self.connect_failed(connection, &error);
            }
        }
    }

    /// Tries the addresses in turn; `error` is why the last one failed.
    fn connect_next(
        &mut self,
        connection: ConnectionId,
        host: String,
        mut addresses: VecDeque<SocketAddr>,
        mut error: io::Error,
    ) {
        while let Some(address) = addresses.pop_front() {
            match self.open(connection, address) {
                Ok(stream) => {
                    let socket = Socket {
                        stream,
                        connected: false,
                        host,
                        others: addresses,
                        unsent: VecDeque::new(),
                        session: None,
                        is_told: false,
                        is_broken: false,
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
            match &mut socket.session {
                None => socket.unsent.push_back(bytes),
                Some(session) => {
                    session.seal(&bytes);
                    socket.unsent.extend(session.take_unsent());
                }
            }
            self.writable.insert(connection);
        }
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.resolver.forget(connection);
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
                // The broker's last words, as why it refused TLS, may have come before.
                socket.is_broken = true;
                socket.unsent.clear();
                self.readable.insert(connection);
            }
        }
    }

    fn lose(&mut self, connection: ConnectionId) {
        let was_told = self.sockets.get(&connection).is_none_or(|s| s.is_told);
        self.close(connection);
        self.inputs.push_back(if was_told {
            Input::Disconnected(connection)
        } else {
            let reason = "the broker closed the connection in the TLS handshake: its listener may \
                          not speak TLS (security.protocol)";
            Input::ConnectFailed(connection, reason.to_owned())
        });
    }

    /// TLS cannot go on.
    fn lose_session(&mut self, connection: ConnectionId, reason: String) {
        let Some(socket) = self.sockets.get_mut(&connection) else {
            return;
        };
        let was_let_in = socket.session.as_ref().is_some_and(|s| s.has_received());
        if let Some(session) = &mut socket.session {
            // The broker is told why; it may not listen any more.
            socket.unsent.extend(session.take_unsent());
            let _ = socket.send();
        }
        if was_let_in {
            // Bytes were damaged on the way: a new connection may do better.
            return self.lose(connection);
        }
        self.close(connection);
        self.inputs.push_back(Input::TlsFailed(connection, reason));
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
            let host = std::mem::take(&mut socket.host);
            self.close(connection);
            return self.connect_next(connection, host, others, error);
        }
        socket.connected = true;
        // Requests are written whole: waiting for more only costs time. A socket that refuses the
        // option still works.
        let _ = socket.stream.set_nodelay(true);
        if let Some(tls) = &self.tls {
            match tls.connect(&socket.host) {
                Ok(mut session) => {
                    socket.unsent.extend(session.take_unsent());
                    socket.session = Some(Box::new(session));
                }
                Err(reason) => return self.lose_session(connection, reason),
            }
        } else {
            socket.is_told = true;
            self.inputs.push_back(Input::Connected(connection));
        }
        self.readable.insert(connection);
        self.writable.insert(connection);
    }

    /// The next thing to tell the machine. Reads once from one socket, so that none starves the
    /// others.
    pub(crate) fn next_input(&mut self) -> Option<Input> {
        while let Some(resolved) = self.resolver.poll() {
            self.resolved(resolved);
        }
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
                    match socket.open(&self.scratch[..count]) {
                        Ok(bytes) => {
                            if !socket.unsent.is_empty() {
                                self.writable.insert(connection);
                            }
                            if socket.is_newly_ready() {
                                self.inputs.push_back(Input::Connected(connection));
                            }
                            if !bytes.is_empty() {
                                let received = Input::Received(connection, bytes);
                                self.inputs.push_back(received);
                            }
                        }
                        Err(reason) => self.lose_session(connection, reason),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !socket.is_broken => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.readable.insert(connection);
                }
                Err(_) => self.lose(connection),
            }
        }
    }
}

impl Socket {
    /// What bytes of the socket are for the machine.
    fn open(&mut self, bytes: &[u8]) -> Result<Bytes, String> {
        let Some(session) = &mut self.session else {
            return Ok(Bytes::copy_from_slice(bytes));
        };
        let opened = session.receive(bytes)?;
        self.unsent.extend(session.take_unsent());
        Ok(opened)
    }

    /// Whether the handshake of TLS has just ended.
    fn is_newly_ready(&mut self) -> bool {
        let is_ready = self.session.as_ref().is_some_and(|s| s.is_ready());
        is_ready && !std::mem::replace(&mut self.is_told, true)
    }

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
