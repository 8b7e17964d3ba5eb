//! `eddyline broker`: the embedded broker by itself.

use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

use crate::Failure;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 9092)]
    port: u16,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = EmbeddedBrokerConfig {
        port: arguments.port,
        log: Some(|event| eprintln!("{:?}: {}", event.level, event.message)),
        ..EmbeddedBrokerConfig::default()
    };
    let broker = EmbeddedBroker::start(config)
        .map_err(|error| Failure(format!("cannot serve on port {}: {error}", arguments.port)))?;
    println!(
        "The embedded broker serves {}; interrupt it to stop. It keeps everything in memory.",
        broker.bootstrap_servers()
    );
    loop {
        std::thread::park();
    }
}
