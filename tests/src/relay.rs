//! Connections that go through this process.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};

/// Listens on `port` of this machine until the process ends. `carry` gets every client, with the
/// connection to `upstream` that is made for it.
///
/// # Errors
/// The port is taken.
pub fn listen(
    port: u16,
    upstream: u16,
    carry: impl Fn(TcpStream, TcpStream) + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A broker that is down refuses: the client is told by the end of its connection.
            if let Ok(broker) = TcpStream::connect(("127.0.0.1", upstream)) {
                carry(client, broker);
            }
        }
    });
    Ok(())
}

/// Has `pump` carry what comes, both ways at a time, until either ends; then both do. It gets the
/// end to read, the end to write, and whether that is the way to the broker.
///
/// # Errors
/// The connections have ended already.
pub fn both_ways(
    client: TcpStream,
    broker: TcpStream,
    pump: impl Fn(&TcpStream, &TcpStream, bool) + Clone + Send + 'static,
) -> io::Result<()> {
    for stream in [&client, &broker] {
        stream.set_nodelay(true)?;
    }
    let there = (client.try_clone()?, broker.try_clone()?, true);
    for (from, to, is_to_broker) in [there, (broker, client, false)] {
        let pump = pump.clone();
        std::thread::spawn(move || {
            pump(&from, &to, is_to_broker);
            for stream in [to, from] {
                // It may have ended by itself.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
    Ok(())
}
