//! The core in an event loop of one's own: one thread, blocking connects, sockets of the standard
//! library. Counts words until its standard input ends.
//! Arguments: bootstrap servers, input topic, output topic.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{Materialized, StreamsBuilder};
use eddyline_core::rng::SeedTree;
use eddyline_core::thread::{
    Budget, ClientEvent, ClientMachine, ConnectionId, Input, Output, TaskRunner,
};
use eddyline_core::time::{self, Now, WallClock};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, input, output] = &arguments[..] else {
        return Err("arguments: BOOTSTRAP INPUT OUTPUT".into());
    };
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>(input)
        .flat_map_values(|line: String| {
            let words = line.split_whitespace().map(str::to_lowercase);
            words.collect::<Vec<_>>()
        })
        .group_by(|_, word| word.clone())
        .count(Materialized::as_store("counts"))
        .to_stream()
        .to(output);
    let topology = Arc::new(builder.build()?);
    let config = StreamsConfig::new("event-loop", bootstrap)?.set("commit.interval.ms", 200)?;

    let origin = Instant::now();
    // A real application draws its seed; members of one group must not share it.
    let seed = SeedTree::new(7);
    let client = ClientMachine::new(now(origin), &config, &topology, 0, "event-loop", seed);
    let runner = TaskRunner::new(now(origin), topology, &config);
    let sockets = BTreeMap::new();
    let mut event_loop = EventLoop {
        origin,
        client,
        runner,
        sockets,
    };

    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    std::thread::spawn(move || {
        // However it ends, it has ended.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopping.store(true, Ordering::Relaxed);
    });
    let mut is_closing = false;
    while !event_loop.client.is_closed() {
        if !is_closing && stop.load(Ordering::Relaxed) {
            is_closing = true;
            event_loop.client.close(now(origin));
        }
        let busy = event_loop.turn()?;
        if !busy {
            // A real one would sleep in epoll until a socket or `poll_timeout` calls.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Both clocks as the core wants them.
fn now(origin: Instant) -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let instant = time::Instant::ZERO.saturating_add(origin.elapsed());
    let wall_clock = WallClock(wall.unwrap_or_default().as_millis() as i64);
    Now {
        instant,
        wall_clock,
    }
}

struct Socket {
    stream: TcpStream,
    unsent: Vec<u8>,
}

struct EventLoop {
    origin: Instant,
    client: ClientMachine,
    runner: TaskRunner,
    sockets: BTreeMap<ConnectionId, Socket>,
}

impl EventLoop {
    /// Gives every machine what is there for it; says whether there was anything.
    fn turn(&mut self) -> Result<bool, Box<dyn Error>> {
        let mut busy = self.drain()?;
        let ids: Vec<ConnectionId> = self.sockets.keys().copied().collect();
        for id in ids {
            while let Some(input) = self.read(id) {
                busy = true;
                self.client.handle_input(now(self.origin), input);
                self.drain()?;
            }
        }
        let present = now(self.origin);
        let due = self.client.poll_timeout();
        if due.is_some_and(|at| at <= present.instant) {
            self.client.handle_input(present, Input::Timeout);
        }
        busy |= self.runner.run_once(present, Budget::default());
        Ok(self.drain()? || busy)
    }

    /// Carries outputs out, and messages between the two machines.
    fn drain(&mut self) -> Result<bool, Box<dyn Error>> {
        let mut busy = false;
        loop {
            let present = now(self.origin);
            if let Some(output) = self.client.poll_output() {
                self.carry_out(output)?;
            } else if let Some(message) = self.client.poll_message() {
                self.runner.handle_message(present, message);
                self.runner.run_once(present, Budget::default());
            } else if let Some(message) = self.runner.poll_message() {
                self.client.handle_message(present, message);
            } else if let Some(event) = self.runner.poll_event() {
                eprintln!("{event:?}");
            } else {
                return Ok(busy);
            }
            busy = true;
        }
    }

    fn carry_out(&mut self, output: Output) -> Result<(), Box<dyn Error>> {
        match output {
            Output::Connect {
                connection,
                address,
            } => {
                let connected = TcpStream::connect((address.host.as_str(), address.port));
                let input = match connected {
                    Ok(stream) => {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let unsent = Vec::new();
                        self.sockets.insert(connection, Socket { stream, unsent });
                        Input::Connected(connection)
                    }
                    Err(error) => Input::ConnectFailed(connection, error.to_string()),
                };
                self.client.handle_input(now(self.origin), input);
            }
            Output::Transmit(connection, bytes) => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.unsent.extend_from_slice(&bytes);
                }
            }
            Output::Close(connection) => {
                self.sockets.remove(&connection);
            }
            Output::Event(ClientEvent::Failed(error)) => return Err(error.into()),
            Output::Event(event) => eprintln!("{event:?}"),
        }
        Ok(())
    }

    /// Writes what waits and reads once; `None` when there is nothing to tell.
    fn read(&mut self, id: ConnectionId) -> Option<Input> {
        let socket = self.sockets.get_mut(&id)?;
        let mut buffer = [0; 65536];
        let written = match socket.stream.write(&socket.unsent) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        };
        let read = written.and_then(|count| {
            socket.unsent.drain(..count);
            socket.stream.read(&mut buffer)
        });
        match read {
            Ok(count) if count > 0 => Some(Input::Received(
                id,
                Bytes::copy_from_slice(&buffer[..count]),
            )),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            _ => {
                self.sockets.remove(&id);
                Some(Input::Disconnected(id))
            }
        }
    }
}
