//! The `eddyline` command: a demo, an embedded broker, groups, simulations.

mod broker;
mod cluster;
mod demo;
mod groups;
mod sim;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kafka Streams for Rust: demo, embedded broker, groups, simulations
#[derive(Parser)]
#[command(name = "eddyline", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs an example application and checks its result
    Demo {
        #[command(subcommand)]
        demo: Demo,
    },
    /// Serves the embedded broker on the loopback interface until interrupted
    Broker(broker::Arguments),
    /// Looks at streams groups
    Groups {
        #[command(subcommand)]
        command: groups::Command,
    },
    /// Simulates whole clusters from a seed
    Sim {
        #[command(subcommand)]
        command: sim::Command,
    },
}

#[derive(Subcommand)]
enum Demo {
    /// Counts the words of a text, end to end through a broker
    WordCount(demo::Arguments),
}

/// What a command failed with: one plain sentence.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo {
            demo: Demo::WordCount(arguments),
        } => demo::run(&arguments),
        Command::Broker(arguments) => broker::run(&arguments),
        Command::Groups { command } => groups::run(&command),
        Command::Sim { command } => sim::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            eprintln!("eddyline: {message}");
            ExitCode::FAILURE
        }
    }
}
