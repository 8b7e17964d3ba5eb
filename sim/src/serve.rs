//! The broker model on real sockets: an embedded Kafka cluster for integration tests.
//!
//! One thread serves all connections and sleeps while nothing happens. Nothing is written to
//! disk: when the [`EmbeddedBroker`] is dropped, everything is gone. What it can and cannot do
//! is what [`crate::broker`] can; any Kafka client may connect, Java's tools included.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the one driver in this crate: it gives the model real time and sockets"
)]

mod connections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use connections::Connections;
use eddyline_core::rng::SeedTree;
use eddyline_core::time::{Instant, Now, WallClock};
use eddyline_core::trace::LogEvent;
use eddyline_core::types::BrokerId;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::broker::{Broker, BrokerConfig, BrokerInput, BrokerOutput, GroupConfig};

/// The token of the waker; listeners and connections have the tokens below it.
const WAKER: Token = Token(usize::MAX);

/// How an [`EmbeddedBroker`] is made.
///
/// The default is one node on a free port of the loopback interface, with a group coordinator in
/// a hurry: no delays before assignments, heartbeats every 500 ms, sessions of 10 s.
#[derive(Clone, Debug)]
pub struct EmbeddedBrokerConfig {
    /// The cluster. Hosts and ports of its nodes are set when they are bound.
    pub broker: BrokerConfig,
    /// The interface to listen on.
    pub bind: IpAddr,
    /// The port of the first node, the others follow; 0 takes free ports.
    pub port: u16,
    /// Where topic ids come from.
    pub seed: u64,
    /// Is told what the broker refuses, on the broker's thread.
    pub log: Option<fn(&LogEvent)>,
}

impl Default for EmbeddedBrokerConfig {
    fn default() -> Self {
        let group = GroupConfig {
            session_timeout_ms: 10_000,
            heartbeat_interval_ms: 500,
            initial_rebalance_delay_ms: 0,
            assignment_interval_ms: 0,
            ..GroupConfig::default()
        };
        Self {
            broker: BrokerConfig {
                group,
                ..BrokerConfig::default()
            },
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            seed: 0,
            log: None,
        }
    }
}

/// The clocks of the driver, read from one origin.
#[derive(Clone, Copy, Debug)]
struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    fn start() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }

    fn now(self) -> Now {
        let elapsed = self.origin.elapsed().as_nanos();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall = wall.unwrap_or_default().as_millis();
        Now {
            instant: Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX)),
            wall_clock: WallClock(i64::try_from(wall).unwrap_or(i64::MAX)),
        }
    }
}

/// What the thread and its owner share.
struct Shared {
    broker: Mutex<Broker>,
    stop: AtomicBool,
    waker: Waker,
    clock: Clock,
}

impl Shared {
    /// A panic while the lock was held (in a closure of the user) leaves a usable broker.
    fn lock(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Kafka cluster inside this process, for as long as this value lives.
///
/// ```no_run
/// use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
///
/// let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default())?;
/// broker.with(|broker, _now| broker.create_topic("orders", 4));
/// let bootstrap_servers = broker.bootstrap_servers();
/// // ... run an application against it ...
/// let orders = broker.with(|broker, _now| broker.log("orders", 0).map(|log| log.end_offset()));
/// # std::io::Result::Ok(())
/// ```
pub struct EmbeddedBroker {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Binds the ports and starts to serve.
    ///
    /// # Errors
    /// A port is taken, or the system gives no sockets or threads; `InvalidInput` for a
    /// configuration without nodes.
    pub fn start(config: EmbeddedBrokerConfig) -> io::Result<Self> {
        let EmbeddedBrokerConfig {
            mut broker,
            bind,
            port,
            seed,
            log,
        } = config;
        if broker.nodes.is_empty() {
            let reason = "a cluster needs at least one node";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listeners = BTreeMap::new();
        let mut addresses = Vec::new();
        for (index, node) in (0_u16..).zip(&mut broker.nodes) {
            let port = if port == 0 {
                0
            } else {
                port.saturating_add(index)
            };
            let mut listener = TcpListener::bind(SocketAddr::new(bind, port))?;
            let address = listener.local_addr()?;
            let token = Token(usize::from(index));
            poll.registry()
                .register(&mut listener, token, Interest::READABLE)?;
            node.host = address.ip().to_string();
            node.port = address.port();
            addresses.push(address);
            listeners.insert(token, (listener, node.id));
        }
        let shared = Arc::new(Shared {
            broker: Mutex::new(Broker::new(broker, SeedTree::new(seed))),
            stop: AtomicBool::new(false),
            waker,
            clock: Clock::start(),
        });
        let server = Server {
            connections: Connections::new(listeners.len()),
            poll,
            listeners,
            shared: shared.clone(),
            log,
        };
        let thread = std::thread::Builder::new()
            .name("eddyline-broker".to_owned())
            .spawn(move || server.run())?;
        Ok(Self {
            addresses,
            shared,
            thread: Some(thread),
        })
    }

    /// The address of the first node.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses of all nodes, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All addresses, as `bootstrap.servers` takes them.
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        addresses.join(",")
    }

    /// Reads or changes the cluster beside the protocol: creates topics, looks into logs and
    /// groups, moves leaders, injects faults. Connections wait meanwhile.
    pub fn with<T>(&self, act: impl FnOnce(&mut Broker, Now) -> T) -> T {
        let mut broker = self.shared.lock();
        let result = act(&mut broker, self.shared.clock.now());
        drop(broker);
        // What the change has to send is sent by the thread. A lost wake-up delays it at most
        // until the next request.
        let _ = self.shared.waker.wake();
        result
    }

    /// Closes all connections and ends the thread; dropping does the same.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // Without a wake-up the thread would not end: then it is left alone.
        if self.shared.waker.wake().is_ok() {
            let _ = thread.join();
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// What the thread owns.
struct Server {
    poll: Poll,
    listeners: BTreeMap<Token, (TcpListener, BrokerId)>,
    connections: Connections,
    shared: Arc<Shared>,
    log: Option<fn(&LogEvent)>,
}

impl Server {
    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            if self.shared.stop.load(Ordering::Acquire) {
                return;
            }
            let shared = self.shared.clone();
            let mut broker = shared.lock();
            broker.handle_input(shared.clock.now(), BrokerInput::Timeout);
            for event in &events {
                let token = event.token();
                if token == WAKER {
                    continue;
                }
                if self.listeners.contains_key(&token) {
                    self.accept(token, &mut broker);
                } else {
                    self.connections.ready(event);
                }
            }
            self.connections.read(&mut broker, shared.clock);
            self.drain(&mut broker);
            drop(broker);
            self.connections.write();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.connections.has_work() {
            return Some(Duration::ZERO);
        }
        let deadline = self.shared.lock().poll_timeout()?;
        let now = self.shared.clock.now().instant;
        Some(deadline.saturating_duration_since(now))
    }

    fn accept(&mut self, token: Token, broker: &mut Broker) {
        let Some((listener, node)) = self.listeners.get(&token) else {
            return;
        };
        loop {
            match listener.accept() {
                Ok((socket, _)) => {
                    let added = self.connections.add(self.poll.registry(), socket);
                    if let Ok(connection) = added {
                        let node = *node;
                        let input = BrokerInput::Connected { connection, node };
                        broker.handle_input(self.shared.clock.now(), input);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody left in the queue, or no descriptor left: the next event tries again.
                Err(_) => return,
            }
        }
    }

    fn drain(&mut self, broker: &mut Broker) {
        while let Some(output) = broker.poll_output() {
            match output {
                BrokerOutput::Transmit(connection, bytes) => {
                    self.connections.push(connection, bytes);
                }
                BrokerOutput::Close(connection) => self.connections.close(connection),
                BrokerOutput::Log(event) => {
                    if let Some(log) = self.log {
                        log(&event);
                    }
                }
            }
        }
    }
}
