//! Looks host names up on a thread of its own: the system's look-up blocks, for seconds where a name
//! server does not answer, and a member must go on beating meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use eddyline_core::config::HostPort;
use eddyline_core::net::ConnectionId;
use mio::Waker;

/// What a host has of addresses, for a connection that asked.
pub(crate) struct Resolved {
    pub(crate) connection: ConnectionId,
    pub(crate) address: HostPort,
    pub(crate) found: io::Result<VecDeque<SocketAddr>>,
}

/// The look-ups of one machine's connections, one after the other.
pub(crate) struct Resolver {
    waker: Arc<Waker>,
    /// Started with the first name; it ends when this is dropped.
    thread: Option<LookUps>,
    /// Connections that are not closed yet.
    waiting: BTreeSet<ConnectionId>,
}

struct LookUps {
    wanted: Sender<(ConnectionId, HostPort)>,
    found: Receiver<Resolved>,
}

impl Resolver {
    /// Results ring `waker`.
    pub(crate) const fn new(waker: Arc<Waker>) -> Self {
        Self {
            waker,
            thread: None,
            waiting: BTreeSet::new(),
        }
    }

    /// Asks for the addresses of a host; they are there at once where it is one, and come through
    /// [`Resolver::poll`] where it is a name.
    pub(crate) fn resolve(
        &mut self,
        connection: ConnectionId,
        address: &HostPort,
    ) -> Option<io::Result<VecDeque<SocketAddr>>> {
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Some(Ok([SocketAddr::new(ip, address.port)].into()));
        }
        let thread = match &self.thread {
            Some(thread) => thread,
            None => match self.start() {
                Ok(thread) => self.thread.insert(thread),
                Err(error) => return Some(Err(error)),
            },
        };
        if thread.wanted.send((connection, address.clone())).is_err() {
            return Some(Err(io::Error::other("the look-up of host names has ended")));
        }
        self.waiting.insert(connection);
        None
    }

    fn start(&self) -> io::Result<LookUps> {
        let (wanted, asked) = unbounded::<(ConnectionId, HostPort)>();
        let (answers, found) = unbounded();
        let waker = Arc::clone(&self.waker);
        let look_up = move || {
            for (connection, address) in asked {
                let found = (address.host.as_str(), address.port).to_socket_addrs();
                let resolved = Resolved {
                    connection,
                    found: found.map(Iterator::collect),
                    address,
                };
                if answers.send(resolved).is_err() {
                    return;
                }
                // Where it fails the client still wakes at its next deadline.
                let _ = waker.wake();
            }
        };
        let builder = std::thread::Builder::new().name("eddyline-resolver".to_owned());
        builder.spawn(look_up)?;
        Ok(LookUps { wanted, found })
    }

    /// The next look-up that is done, of a connection that still wants it.
    pub(crate) fn poll(&mut self) -> Option<Resolved> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut results = self.thread.as_ref()?.found.try_iter();
        results.find(|resolved| self.waiting.remove(&resolved.connection))
    }

    /// The connection is closed: its addresses are of no use any more.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.waiting.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll, Token};

    use super::*;

    fn at(host: &str) -> HostPort {
        HostPort {
            host: host.to_owned(),
            port: 9092,
        }
    }

    #[test]
    fn names_are_looked_up_aside_and_addresses_need_no_look_up() {
        let mut poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
        let mut resolver = Resolver::new(Arc::new(waker));
        let literal = resolver.resolve(ConnectionId(1), &at("::1"));
        let literal = literal.expect("at once").expect("an address");
        assert_eq!(
            literal,
            [SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), 9092)]
        );
        assert!(resolver.thread.is_none());

        assert!(
            resolver
                .resolve(ConnectionId(2), &at("localhost"))
                .is_none()
        );
        assert!(
            resolver
                .resolve(ConnectionId(3), &at("localhost"))
                .is_none()
        );
        assert!(
            resolver
                .resolve(ConnectionId(4), &at("no such host"))
                .is_none()
        );
        resolver.forget(ConnectionId(2));
        let mut next = || {
            let mut events = Events::with_capacity(1);
            loop {
                if let Some(resolved) = resolver.poll() {
                    return resolved;
                }
                poll.poll(&mut events, None).expect("is woken");
            }
        };
        let local = next();
        assert_eq!(
            local.connection,
            ConnectionId(3),
            "the closed one is left out"
        );
        let addresses = local.found.expect("a name of this machine");
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        let unknown = next();
        assert_eq!(
            (unknown.connection, unknown.address),
            (ConnectionId(4), at("no such host"))
        );
        assert!(unknown.found.is_err());
    }
}
