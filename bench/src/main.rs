//! Benchmarks, side by side with Kafka Streams in one run.

mod store;
mod store_java;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks, side by side with Kafka Streams in one run.")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Read and write a key-value store: one thread, get and put in turn.
    Store(store::Arguments),
}

fn main() {
    match Arguments::parse().bench {
        Bench::Store(arguments) => store::run(&arguments),
    }
}
