//! Benchmarks, side by side with Kafka Streams in one run.

mod allocations;
mod app;
mod dsl;
mod failover;
mod java;
mod java_side;
mod keys;
mod live;
mod probe;
mod process;
mod rounds;
mod store;
mod word_count;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks, side by side with Kafka Streams in one run.")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Read and write state stores of every kind, in memory and persistent.
    Store(store::Arguments),
    /// Run topologies of the DSL, record by record, without a broker.
    Dsl(dsl::Arguments),
    /// Count the words of a text through a real broker: needs Java, Maven and Linux.
    WordCount(word_count::Arguments),
    /// Latency, start, hand-over and restore of a word count: needs Java, Maven and Linux.
    Live(live::Arguments),
    /// Kill one of two instances whose standbys hold millions of rows: needs Java, Maven and Linux.
    Failover(failover::Arguments),
    /// The application of the others, which run it as a process of its own.
    #[command(hide = true)]
    WordCountApp(app::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().bench {
        Bench::Store(arguments) => {
            store::run(&arguments);
            Ok(())
        }
        Bench::Dsl(arguments) => {
            dsl::run(&arguments);
            Ok(())
        }
        Bench::WordCount(arguments) => word_count::run(&arguments),
        Bench::Live(arguments) => live::run(&arguments),
        Bench::Failover(arguments) => failover::run(&arguments),
        Bench::WordCountApp(arguments) => app::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eddyline-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
