//! A TCP proxy that can be told to be slow, to stop and to break off.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::relay;

const POLL: Duration = Duration::from_millis(10);

/// Carries bytes between its port and another one of this machine. It listens until the process
/// ends.
pub(super) struct Proxy(Arc<Shared>);

#[derive(Default)]
struct Shared {
    delay_ms: AtomicU64,
    stalled: AtomicBool,
    /// The clients' ends.
    clients: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on `port` for what is to go to `upstream`.
    ///
    /// # Errors
    /// The port is taken.
    pub(super) fn start(port: u16, upstream: u16) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let proxy = Self(Arc::clone(&shared));
        relay::listen(port, upstream, move |client, broker| {
            // What fails here ends the connection.
            let _ = shared.carry(client, broker);
        })?;
        Ok(proxy)
    }

    /// Every piece takes this much longer from now on.
    pub(super) fn set_delay_ms(&self, delay_ms: u64) {
        self.0.delay_ms.store(delay_ms, Relaxed);
    }

    /// Holds everything back, or lets it go on.
    pub(super) fn set_stalled(&self, stalled: bool) {
        self.0.stalled.store(stalled, Relaxed);
    }

    /// Breaks every connection off, as the client sees it. What it sent and is held back still
    /// gets to the broker.
    pub(super) fn cut(&self) {
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for client in clients.drain(..) {
            // It may have ended by itself.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, client: TcpStream, broker: TcpStream) -> io::Result<()> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| client.peer_addr().is_ok());
        clients.push(client.try_clone()?);
        drop(clients);
        let shared = Arc::clone(self);
        relay::both_ways(client, broker, move |from, to, _| {
            // Either end may go at any time.
            let _ = shared.pump(from, to);
        })
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(self.delay_ms.load(Relaxed)));
            while self.stalled.load(Relaxed) {
                std::thread::sleep(POLL);
            }
            to.write_all(&piece[..read])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A proxy to a listener, a connection through it, and the listener's end of that.
    fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let upstream = listener.local_addr().expect("an address").port();
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let proxy = Proxy::start(port, upstream).expect("the port is free");
        let client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let (broker, _) = listener.accept().expect("the proxy connects");
        (proxy, client, broker)
    }

    fn read(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = [0; 5];
        let read = stream.read(&mut bytes).unwrap_or(0);
        bytes[..read].to_vec()
    }

    #[test]
    fn bytes_go_both_ways_until_it_is_cut() {
        let (proxy, mut client, mut broker) = connected();
        client.write_all(b"there").expect("open");
        assert_eq!(read(&mut broker), b"there");
        broker.write_all(b"back!").expect("open");
        assert_eq!(read(&mut client), b"back!");
        proxy.cut();
        assert_eq!(read(&mut client), b"");
        assert_eq!(read(&mut broker), b"");
    }

    #[test]
    fn what_is_held_back_when_it_is_cut_still_arrives() {
        let (proxy, mut client, mut broker) = connected();
        client.write_all(b"early").expect("open");
        assert_eq!(read(&mut broker), b"early");
        proxy.set_stalled(true);
        client.write_all(b"later").expect("open");
        proxy.cut();
        assert_eq!(read(&mut client), b"");
        proxy.set_stalled(false);
        // The piece was read before the cut, or was not; it never comes in part.
        let late = read(&mut broker);
        assert!(late.is_empty() || late == b"later", "{late:?}");
    }
}
